"""What the deployment shows beside its pages: other ports and names, versions, cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.exposure import (
    cookies_are_guarded,
    own_port_is_shut,
    port_is_closed,
    strange_name_is_turned_away,
    tells_no_version,
)
from pytest_nodered_sec.rules.roots import nothing_answers_undeclared
from pytest_nodered_sec.rules.variants import way_opens_nothing

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import VariantAttempt
    from pytest_nodered_sec.observations.roots import UndeclaredPlaces
    from pytest_nodered_sec.observations.side_ports import (
        Announcements,
        ClosedPort,
        DirectDoors,
        Http3Offer,
        SeenCookies,
        StrangeName,
    )
    from pytest_nodered_sec.policy.model import Policy


@control("proxy-01", severity=Severity.CRITICAL, asks=questions.OWN_PORT)
def test_direct_port_is_shut(nodered_seen: DirectDoors, nodered_policy: Policy) -> None:
    """Node-RED's own port cannot be reached past the proxy.

    The proxy protects nothing if port 1880 can be reached directly, in clear text.
    """
    require(own_port_is_shut(nodered_seen, nodered_policy))


@control("proxy-02", severity=Severity.LOW, asks=questions.VERSIONS)
def test_versions_are_not_told(nodered_seen: Announcements, nodered_policy: Policy) -> None:
    """Answers do not reveal server versions."""
    require(tells_no_version(nodered_seen, nodered_policy))


@control("proxy-03", severity=Severity.MEDIUM, asks=questions.STRANGE_NAME)
def test_a_strange_name_is_turned_away(nodered_seen: StrangeName, nodered_policy: Policy) -> None:
    """Requests for an unknown host name do not reach Node-RED.

    Address scanners know no name and then find nothing; and where clear text is served, a web page cannot point its own
    name at this address to become same-origin (DNS rebinding).
    """
    require(strange_name_is_turned_away(nodered_seen, nodered_policy))


@control("proxy-04", severity=Severity.MEDIUM, asks=questions.closed_ports)
def test_declared_ports_are_closed(nodered_seen: ClosedPort, nodered_policy: Policy) -> None:
    """Ports declared closed are closed.

    By default the Node.js inspector, which runs any code it is sent.
    """
    require(port_is_closed(nodered_seen, nodered_policy))


@control("proxy-05", severity=Severity.CRITICAL, asks=questions.other_ways)
def test_no_other_way_opens_anything(nodered_seen: VariantAttempt | Http3Offer, nodered_policy: Policy) -> None:
    """No header, spelling or address lets strangers past the login.

    Gates are written for requests as they should be. Each surface is asked with a bare `Upgrade`, a browser's headers,
    any bearer token, forwarding and rewriting headers; endpoints in other spellings; all under the address as Host.
    HTTP/3 is not asked: where it is offered, that is not judged.
    """
    require(way_opens_nothing(nodered_seen, nodered_policy))


@control("roots-01", severity=Severity.CRITICAL, asks=questions.other_roots)
def test_nothing_answers_undeclared(nodered_seen: UndeclaredPlaces, nodered_policy: Policy) -> None:
    """Node-RED does not answer where nobody declared it.

    A second way in is guarded by nobody who does not know of it: roots known in the field, dashboards that the policy
    does not name or says there are none of, and dashboards that the target itself names.
    """
    require(nothing_answers_undeclared(nodered_seen, nodered_policy))


@control("cookie-01", severity=Severity.MEDIUM, asks=questions.COOKIES)
def test_cookies_are_guarded(nodered_seen: SeenCookies, nodered_policy: Policy) -> None:
    """Every cookie carries Secure, HttpOnly and SameSite.

    All answers of the run are checked; a cookie is kept as name and attributes, never with its value.
    """
    require(cookies_are_guarded(nodered_seen, nodered_policy))
