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

if TYPE_CHECKING:
    from pytest_nodered_sec.model_doors import Announcements, ClosedPort, DirectDoors, SeenCookies, StrangeName
    from pytest_nodered_sec.policy import Policy


@control("proxy-01", severity=Severity.CRITICAL, asks=questions.OWN_PORT)
def test_direct_port_is_shut(nodered_direct: DirectDoors, nodered_policy: Policy) -> None:
    """Nothing answers on Node-RED's own port without the gate.

    A proxy guards nothing where port 1880 can be reached past it, in clear text.
    """
    require(own_port_is_shut(nodered_direct, nodered_policy))


@control("proxy-02", severity=Severity.LOW, asks=questions.VERSIONS)
def test_versions_are_not_told(nodered_versions: Announcements, nodered_policy: Policy) -> None:
    """Answers give away no server versions."""
    require(tells_no_version(nodered_versions, nodered_policy))


@control("proxy-03", severity=Severity.MEDIUM, asks=questions.STRANGE_NAME)
def test_a_strange_name_is_turned_away(nodered_strange_name: StrangeName, nodered_policy: Policy) -> None:
    """A host name that nobody has does not reach Node-RED.

    Whoever scans addresses knows no name and finds nothing then; and where clear text is served, a page on the
    internet cannot point its own name here and be of the same origin (DNS rebinding).
    """
    require(strange_name_is_turned_away(nodered_strange_name, nodered_policy))


@control("proxy-04", severity=Severity.MEDIUM, asks=questions.closed_ports)
def test_declared_ports_are_closed(nodered_closed_port: ClosedPort, nodered_policy: Policy) -> None:
    """Ports that are declared closed are closed.

    By default that of the Node inspector, which runs whatever it is told.
    """
    require(port_is_closed(nodered_closed_port, nodered_policy))


@control("cookie-01", severity=Severity.MEDIUM, asks=questions.COOKIES)
def test_cookies_are_guarded(nodered_cookies: SeenCookies, nodered_policy: Policy) -> None:
    """Every cookie seen carries Secure, HttpOnly and SameSite.

    All answers of the run are looked at; of a cookie its name and attributes, never its value.
    """
    require(cookies_are_guarded(nodered_cookies, nodered_policy))
