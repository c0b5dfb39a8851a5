"""What the site's own flows do, read with the site's account or from a file of flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.flows import (
    acts_behind_a_login_only,
    runs_nothing_that_strangers_send,
    shows_no_secret,
    verifies_whom_it_talks_to,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.flows import ActingEntries, ClearSecrets, Passages, Weakenings
    from pytest_nodered_sec.policy.model import Policy


@control("flow-02", severity=Severity.CRITICAL, asks=questions.PASSAGES)
def test_flows_run_nothing_that_strangers_send(nodered_seen: Passages, nodered_policy: Policy) -> None:
    """No path in the flows leads from what strangers reach to a node that runs what it is given.

    Followed through wires, links, subflows, catch and status nodes and the context: to exec nodes, file paths, database
    queries and request URLs that come out of the message, and to functions that run commands, open files or send
    requests. What a switch node or a function makes sure of counts. Endpoints that the policy declares protected
    do not count, nor do those behind a gate before the whole node root. Only types, names and ids of nodes are kept.
    """
    require(runs_nothing_that_strangers_send(nodered_seen, nodered_policy))


@control("flow-03", severity=Severity.HIGH, asks=questions.SECRETS_IN_FLOWS)
def test_flows_show_no_secret(nodered_seen: ClearSecrets, nodered_policy: Policy) -> None:
    """No secret stands in the flows in clear.

    Flows are read by every account that may read, exported, and kept in repositories. Of a secret only its kind, the
    node's id, the property and the length are kept.
    """
    require(shows_no_secret(nodered_seen, nodered_policy))


@control("flow-04", severity=Severity.MEDIUM, asks=questions.VERIFICATION_IN_FLOWS)
def test_flows_verify_whom_they_talk_to(nodered_seen: Weakenings, nodered_policy: Policy) -> None:
    """The flows verify certificates, and send no credentials in clear.

    Certificates that are not verified, credentials over plain HTTP, MQTT without TLS to another machine, TLS 1.1 and
    older: whoever is on the way reads and changes what is sent.
    """
    require(verifies_whom_it_talks_to(nodered_seen, nodered_policy))


@control("flow-05", severity=Severity.MEDIUM, asks=questions.ACTING_ENTRIES)
def test_acting_entries_need_a_login(nodered_seen: ActingEntries, nodered_policy: Policy) -> None:
    """Endpoints and widgets that act are not declared public.

    HTTP endpoints for POST, PUT, PATCH and DELETE, and widgets by which somebody acts. What is not declared at all is a
    finding of flow-01.
    """
    require(acts_behind_a_login_only(nodered_seen, nodered_policy))
