"""What the site's own flows offer: the endpoints that the policy declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.channels import websocket_refuses
from pytest_nodered_sec.rules.endpoints import endpoint_refuses
from pytest_nodered_sec.rules.inside import ways_in_are_declared
from pytest_nodered_sec.rules.static import file_is_not_served, hole_is_shut

if TYPE_CHECKING:
    from pytest_nodered_sec.model_access import AccessAttempt, ChannelAttempt, FileAttempt
    from pytest_nodered_sec.model_account import Entries
    from pytest_nodered_sec.policy import Policy


@control("node-01", severity=Severity.HIGH, asks=questions.endpoints)
def test_endpoint_refuses_strangers(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """A declared HTTP endpoint refuses anonymous requests.

    Only questions that cannot act are asked: GET and HEAD where the policy says that they have no effect, writing
    methods with a body at which Node-RED's parser stops before the flow runs. What acts is never asked.
    """
    require(endpoint_refuses(nodered_attempt, nodered_policy))


@control("flow-01", severity=Severity.HIGH, asks=questions.ENTRIES)
def test_ways_in_are_declared(nodered_seen: Entries, nodered_policy: Policy) -> None:
    """Every way in that the flows open is declared.

    What nobody declared, nobody looks at: HTTP and WebSocket endpoints, TCP and UDP listeners, pages of uibuilder. Of
    the flows only these are kept, no name and no code.
    """
    require(ways_in_are_declared(nodered_seen, nodered_policy))


@control("node-02", severity=Severity.HIGH, asks=questions.websockets)
def test_websocket_refuses_strangers(nodered_channel: ChannelAttempt, nodered_policy: Policy) -> None:
    """A declared WebSocket endpoint refuses anonymous clients.

    httpNodeAuth does not cover it: WebSocket nodes hang on the raw HTTP server, as the dashboards' channels do.
    """
    require(websocket_refuses(nodered_channel, nodered_policy))


@control("static-01", severity=Severity.CRITICAL, asks=questions.user_files)
def test_user_directory_is_not_served(nodered_file: FileAttempt, nodered_policy: Policy) -> None:
    """No file of the user directory is served.

    `httpStatic` on the user directory gives away settings, flows and password hashes. Judged by the content of the
    answer, which is not kept.
    """
    require(file_is_not_served(nodered_file, nodered_policy))


@control("static-02", severity=Severity.CRITICAL, asks=questions.known_holes)
def test_known_holes_are_shut(nodered_file: FileAttempt, nodered_policy: Policy) -> None:
    """Known holes of nodes, by which anybody reads files, are shut.

    Tried with a file that is no secret, the package's own description. No login of Node-RED stands before these
    routes.
    """
    require(hole_is_shut(nodered_file, nodered_policy))
