"""What a deployment exposes besides its pages: other ports, other host names, versions, cookies."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.cleartext import PortState
from pytest_nodered_sec.remedies.lines import SAME_MACHINE
from pytest_nodered_sec.verdict import NotApplicable, Severity, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.side_ports import (
        Announcements,
        ClosedPort,
        Cookie,
        DirectDoors,
        Door,
        SeenCookies,
        StrangeName,
    )
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_SHOWN: Final = 4  # visits that a finding names
_LOOPBACK: Final = 'settings.js: uiHost: "127.0.0.1" (or a unix socket: uiPort: "/run/node-red/http.sock")'


def own_port_is_shut(seen: DirectDoors, policy: Policy) -> Verdict:
    """Nothing answers on Node-RED's own port without the gate that stands before the URL's."""
    del policy  # nothing to choose here
    if seen.other:
        return NotApplicable(seen.evidence())
    return tuple(_ungated(seen.port, door) for door in seen.doors if any(visit.ungated for visit in door.visits))


def _ungated(port: int, door: Door) -> Violation:
    ungated = [visit.line() for visit in door.visits if visit.ungated]
    more = f" and {len(ungated) - _SHOWN} more" if len(ungated) > _SHOWN else ""
    speaks = "HTTPS" if door.tls else "plain HTTP"
    here = f"; {SAME_MACHINE}" if _loopback(door.address) else ""
    return Violation(
        "answers",
        f"port {port} at {door.address} answers {speaks} past the proxy: {'; '.join(ungated[:_SHOWN])}{more}",
        "a closed or filtered port, or the same refusal as at the URL's port",
        f"{_LOOPBACK}, and block port {port} in the firewall; if another service uses it, set --nodered-direct-port"
        f"{here}",
    )


def _loopback(address: str) -> bool:
    """Whether an address is of the asking machine alone; through an HTTP proxy a name is dialled."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def tells_no_version(seen: Announcements, policy: Policy) -> Verdict:
    """No answer names the version of a server."""
    del policy  # nothing to choose here
    return tuple(
        Violation(
            "version",
            f"{asked} answered {answer.line()}, {text}",
            "no version, which helps attackers choose an exploit",
            "nginx: server_tokens off; proxy_hide_header X-Powered-By; Caddy: header -Server",
        )
        for asked, answer, text in seen.versions
    )


def strange_name_is_turned_away(seen: StrangeName, policy: Policy) -> Verdict:
    """An unknown host name does not reach Node-RED, so that the address alone is not enough to find it."""
    del policy  # nothing to choose here
    if seen.door is None:
        return NotApplicable(f"{seen.evidence()}: a request by address means the default site")
    reached = [visit for visit in seen.door.visits if visit.node_red]
    if not reached:
        return ()
    shown = min(reached, key=lambda visit: visit.answer.status)  # rather a page than a 404
    return (
        Violation(
            "any-name",
            f"the host name {seen.name} reaches Node-RED: {shown.line()}",
            "a TLS alert, 421, 404, a close, or another site",
            "nginx: server { listen 443 ssl default_server; ssl_reject_handshake on; }, and server_name NAME; in "
            "Node-RED's own; Caddy: name the site",
            Severity.LOW if seen.view.own_login else None,
        ),
    )


def port_is_closed(seen: ClosedPort, policy: Policy) -> Verdict:
    """A port that is declared closed accepts no connection, on any address of the name."""
    del policy  # the port comes from it
    what = (
        "start Node.js without --inspect, or with --inspect=127.0.0.1"
        if seen.port == 9229
        else "stop the service that listens"
    )
    return tuple(
        Violation(
            "open",
            f"port {seen.port} at {door.address} accepts connections",
            "a closed or filtered port",
            f"{what}, and close the port in the firewall; or leave it out of closed_ports",
        )
        for door in seen.doors
        if door.state is PortState.ACCEPTED
    )


def cookies_are_guarded(seen: SeenCookies, policy: Policy) -> Verdict:
    """Every cookie seen carries Secure, HttpOnly and SameSite."""
    del policy  # nothing to choose here
    if not seen.cookies:
        return NotApplicable(seen.evidence())
    return tuple(
        Violation(
            "unguarded",
            f"{cookie.where} set the cookie {cookie.line()}: {', '.join(lacks)}",
            "Secure; HttpOnly; SameSite=Lax or Strict",
            "where it is set (settings.js, the gate's own settings), or nginx: proxy_cookie_flags ~ secure httponly "
            "samesite=lax;",
        )
        for cookie in seen.cookies
        if (lacks := _lacks(cookie))
    )


def _lacks(cookie: Cookie) -> list[str]:
    site = {"": "no SameSite", "none": "browsers send it with requests from any site"}.get(cookie.same_site, "")
    flags = ("" if cookie.secure else "no Secure", "" if cookie.http_only else "no HttpOnly", site)
    return [flag for flag in flags if flag]
