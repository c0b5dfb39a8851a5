"""What flows do with what strangers send, and what stands in them."""

from __future__ import annotations

import pytest
from seen import violations

from pytest_nodered_sec.observations.flows import (
    ActingEntries,
    ActingEntry,
    ClearSecret,
    ClearSecrets,
    Entry,
    FlowNode,
    FlowsRead,
    Passage,
    Passages,
    Weakening,
    Weakenings,
)
from pytest_nodered_sec.policy.model import Endpoint, Interface, Policy, PublicPath
from pytest_nodered_sec.rules.flows import (
    acts_behind_a_login_only,
    runs_nothing_that_strangers_send,
    shows_no_secret,
    strangers_reach,
    verifies_whom_it_talks_to,
)
from pytest_nodered_sec.verdict import NotJudged, Severity

TOLD = "seen in GET /flows as viewer"
LACKING = "not judged without an account that may read"
POST = Entry("http", "/run", "POST")
IN = FlowNode("http in", "a1", "orders", "Line")
EXEC = FlowNode("exec", "b2")
EMPTY = FlowsRead(4, (), (), (), (), (), ())


def read(
    *passages: Passage,
    secrets: tuple[ClearSecret, ...] = (),
    weak: tuple[Weakening, ...] = (),
    acting: tuple[ActingEntry, ...] = (),
) -> FlowsRead:
    return FlowsRead(4, (), (), passages, secrets, weak, acting)


def test_what_is_run_is_named_by_its_nodes_alone() -> None:
    seen = Passages(read(Passage(POST, IN, EXEC, "command")), TOLD, "")
    (violation,) = violations(runs_nothing_that_strangers_send(seen, Policy()))
    assert (violation.code, violation.severity) == ("runs-command", None)
    assert violation.observed.startswith(
        'http in "orders" on "Line" (node a1), http-in POST /run: what it receives reaches exec (node b2), '
        "which runs it as a command; "
    )


@pytest.mark.parametrize(
    ("what", "severity"),
    [("code", None), ("query", None), ("argument", Severity.HIGH), ("file", Severity.HIGH), ("url", Severity.HIGH)],
)
def test_what_is_opened(what: str, severity: Severity | None) -> None:
    seen = Passages(read(Passage(POST, IN, EXEC, what)), TOLD, "")
    (violation,) = violations(runs_nothing_that_strangers_send(seen, Policy()))
    assert (violation.code, violation.severity) == (f"runs-{what}", severity)


@pytest.mark.parametrize(("others", "words"), [(1, "and 1 more entry:"), (2, "and 2 more entries:")])
def test_one_finding_for_each_node_that_runs_something(others: int, words: str) -> None:
    more = [Passage(POST, FlowNode("http in", f"c{number}"), EXEC, "command") for number in range(others)]
    seen = Passages(read(Passage(POST, IN, EXEC, "command"), *more), TOLD, "")
    (violation,) = violations(runs_nothing_that_strangers_send(seen, Policy()))
    assert words in violation.observed


def test_flows_without_passages_and_flows_that_are_not_known() -> None:
    assert runs_nothing_that_strangers_send(Passages(EMPTY, TOLD, ""), Policy()) == ()
    assert runs_nothing_that_strangers_send(Passages(None, "", LACKING), Policy()) == NotJudged(LACKING)
    assert shows_no_secret(ClearSecrets(None, "", LACKING), Policy()) == NotJudged(LACKING)
    assert verifies_whom_it_talks_to(Weakenings(None, "", LACKING), Policy()) == NotJudged(LACKING)
    assert acts_behind_a_login_only(ActingEntries(None, "", LACKING), Policy()) == NotJudged(LACKING)


SITE = Policy(
    protected_paths=(Endpoint("/api", "POST"),),
    websockets=("/ws",),
    interfaces=(Interface("uibuilder", "/hmi"), Interface("worldmap", "/map")),
    public_paths=(PublicPath("/dashboard", "andon"), PublicPath("/map", "shown in the hall")),
)


@pytest.mark.parametrize(
    ("entry", "gated", "expected"),
    [
        (POST, False, True),
        (POST, True, False),
        (Entry("http", "/api", "POST"), False, False),
        (Entry("http", "/api", "PUT"), False, True),
        (Entry("websocket", "/ws"), False, False),
        (Entry("websocket", "/other"), True, True),  # a Basic login of Node-RED's own does not cover it
        (Entry("dashboard", "/ui"), False, False),
        (Entry("dashboard", "/dashboard"), False, True),
        (Entry("uibuilder", "/hmi"), False, False),
        (Entry("uibuilder", "/other"), False, True),
        (Entry("worldmap", "/map"), False, True),
        (Entry("tcp", "4000"), True, True),
        (Entry("topics", ""), True, True),
    ],
)
def test_what_strangers_reach(entry: Entry, gated: bool, expected: bool) -> None:
    assert strangers_reach(entry, SITE, gated) is expected
    seen = Passages(read(Passage(entry, IN, EXEC, "command")), TOLD, "", gated)
    assert bool(runs_nothing_that_strangers_send(seen, SITE)) is expected


def test_a_secret_is_told_by_kind_node_property_and_length_alone() -> None:
    seen = ClearSecrets(read(secrets=(ClearSecret("password in a URL", "a1", "url", 9),)), TOLD, "")
    (violation,) = violations(shows_no_secret(seen, Policy()))
    assert violation.code == "secret-in-clear"
    assert violation.observed == f"node a1, property url: password in a URL, 9 characters, in clear; {TOLD}"


@pytest.mark.parametrize("what", ["unverified", "old-tls", "clear-login", "clear-mqtt"])
def test_what_is_not_verified(what: str) -> None:
    (violation,) = violations(
        verifies_whom_it_talks_to(Weakenings(read(weak=(Weakening(what, EXEC),)), TOLD, ""), Policy())
    )
    assert violation.code == what
    assert violation.observed.startswith("exec (node b2) ")


def test_what_acts_and_is_declared_public() -> None:
    acting = (
        ActingEntry(POST, IN),
        ActingEntry(Entry("dashboard", "/dashboard"), FlowNode("ui-button", "c3")),
        ActingEntry(Entry("http", "/map", "PUT"), IN),
    )
    faults = violations(acts_behind_a_login_only(ActingEntries(read(acting=acting), TOLD, ""), SITE))
    assert [violation.code for violation in faults] == ["public-widget", "public-endpoint"]
    assert acts_behind_a_login_only(ActingEntries(read(acting=acting), TOLD, ""), Policy()) == ()
