"""What the site's own flows offer: the endpoints that the policy declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.browser import no_foreign_origin_reads
from pytest_nodered_sec.rules.channels import websocket_refuses
from pytest_nodered_sec.rules.endpoints import endpoint_refuses
from pytest_nodered_sec.rules.inside import ways_in_are_declared
from pytest_nodered_sec.rules.static import file_is_not_served, hole_is_shut

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt, FileAttempt, VariantAttempt
    from pytest_nodered_sec.observations.channels import ChannelAttempt
    from pytest_nodered_sec.observations.flows import Entries
    from pytest_nodered_sec.policy.model import Policy


@control("node-01", severity=Severity.HIGH, asks=questions.endpoints)
def test_endpoint_refuses_strangers(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Declared HTTP endpoints require a login.

    Only requests that cannot act are sent: GET and HEAD where the policy says that they have no effect, writing methods
    with a body that Node-RED's parser rejects before the flow runs. Endpoints that act are never asked.
    """
    require(endpoint_refuses(nodered_attempt, nodered_policy))


@control("flow-01", severity=Severity.HIGH, asks=questions.ENTRIES)
def test_ways_in_are_declared(nodered_seen: Entries, nodered_policy: Policy) -> None:
    """Every endpoint in the flows is listed in the policy.

    An endpoint that is not declared is not tested: HTTP and WebSocket endpoints, dashboards and other interfaces, TCP
    and UDP listeners, MQTT brokers, Modbus, OPC UA and SMTP servers.
    """
    require(ways_in_are_declared(nodered_seen, nodered_policy))


@control("node-02", severity=Severity.HIGH, asks=questions.websockets)
def test_websocket_refuses_strangers(nodered_channel: ChannelAttempt, nodered_policy: Policy) -> None:
    """Declared WebSocket endpoints require a login.

    httpNodeAuth does not cover them: WebSocket nodes are attached to the raw HTTP server, like the dashboards'
    channels.
    """
    require(websocket_refuses(nodered_channel, nodered_policy))


@control("cors-01", severity=Severity.HIGH, asks=questions.cross_origin_readers)
def test_no_foreign_origin_reads(nodered_seen: VariantAttempt, nodered_policy: Policy) -> None:
    """Endpoints and static files let no foreign origin read with credentials.

    Browsers send a Basic login or a cookie by themselves. With `httpNodeCors: {origin: true, credentials: true}` any
    web page that a logged-in user visits reads what the endpoints answer.
    """
    require(no_foreign_origin_reads(nodered_seen, nodered_policy))


@control("static-01", severity=Severity.CRITICAL, asks=questions.user_files)
def test_user_directory_is_not_served(nodered_seen: FileAttempt, nodered_policy: Policy) -> None:
    """No file of the user directory is served.

    `httpStatic` pointed at the user directory exposes settings, flows and password hashes. Judged by the content of the
    answer, which is not kept.
    """
    require(file_is_not_served(nodered_seen, nodered_policy))


@control("static-02", severity=Severity.CRITICAL, asks=questions.known_holes)
def test_known_holes_are_shut(nodered_seen: FileAttempt, nodered_policy: Policy) -> None:
    """Known file-read vulnerabilities of nodes are fixed.

    Tried with a file that is no secret, the package's own description. No login of Node-RED's covers these routes.
    """
    require(hole_is_shut(nodered_seen, nodered_policy))
