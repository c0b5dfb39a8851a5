"""Where a process stands on a host: which TCP port is really its own, and whether it is the one behind the URL.

Anybody may listen on any port in a network of his own, or on another address of the same port. So a port counts by the
host's own table: whoever else listens on it there, and with which socket.
"""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.nginx import named, words_of

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.probes.host.candidate import Candidate
    from pytest_nodered_sec.probes.host.parse import Section

_END: Final = re.compile(r"(?<![:\[]):(\d{1,5})$")
_HERE: Final = re.compile(r"(?:^|[/@])(?:localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[::1?\]):(\d{1,5})(?!\d)")
_PLACE: Final = re.compile(r"(?:^|[/@])(\d+(?:\.\d+){3}|\[[0-9a-fA-F:.]+\]):(\d{1,5})(?!\d)")
_PASSED: Final = re.compile(r"(https?)://([^/:$\[]+|\[[^\]]+\])(:\d{1,5})?(?:/.*)?")


def holds(sections: dict[str, Section], candidate: Candidate, port: int) -> bool:
    """Whether a process is seen to listen on a TCP port of the host, and no other user does."""
    here = text_of.standing(sections).get(port, {})
    with contextlib.suppress(ProbeError):
        own = text_of.inodes(sections, candidate.process.pid).values()
        return len(set(here.values())) == 1 and not here.keys().isdisjoint(own)
    return False


def may_hold(sections: dict[str, Section], candidate: Candidate, port: int) -> bool:
    """Whether a process listens on a TCP port of the host as far as is seen: it, else its user, and no other user.

    Of a container that a user made by himself (rootless podman or docker) that user counts: he listens for it, because
    it has a network of its own.
    """
    if holds(sections, candidate, port):
        return True
    users = {*text_of.standing(sections).get(port, {}).values()}
    if candidate.maker:
        return {str(user) for user in users} == {candidate.maker}
    with contextlib.suppress(ProbeError):
        text_of.inodes(sections, candidate.process.pid)
        return False
    return users == {candidate.process.uid}


def led_to(directives: tuple[Directive, ...]) -> frozenset[int]:
    """Return the TCP ports to which an nginx leads; none where it leads to what a variable or a socket's path says."""
    passed = [_PASSED.fullmatch(word) for word in named(directives, "proxy_pass")]
    upstreams = {each.args[0]: named(each.block, "server") for each in _all(directives) if each.name == "upstream"}
    ports: set[int] = set()
    for match in passed:
        if match is None or match[2] == "unix":
            return frozenset()
        for place in upstreams.get(match[2], [f"{match[2]}{match[3] or (':80' if match[1] == 'http' else ':443')}"]):
            if place.startswith("unix:"):
                return frozenset()
            ports.add(int(port[1]) if (port := _END.search(place)) else 80)
    return frozenset(ports)


def _all(directives: tuple[Directive, ...]) -> list[Directive]:
    return [each for directive in directives for each in (directive, *_all(directive.block))]


def check_it_is_behind(
    sections: dict[str, Section], node_red: Candidate, ports: tuple[int, ...], front: tuple[Directive, ...] | None
) -> None:
    """Refuse a Node-RED that may be anybody's where nothing shows that it is the one behind the URL.

    Args:
        sections: what the script printed.
        node_red: the process.
        ports: the URL's, and Node-RED's own as it was named.
        front: the configuration of the nginx in front; None where none is.

    Raises:
        ProbeError: anybody might have started it to be looked at in place of the real one.
    """
    if node_red.sure:
        return
    words = words_of(front) if front is not None else []
    if front is not None:
        ports = tuple(int(port) for word in words for port in _HERE.findall(word))
    if any(may_hold(sections, node_red, port) for port in ports) or _has_its_socket(sections, node_red, words):
        return
    if any(_is_address(sections, node_red, *place.groups()) for word in words for place in _PLACE.finditer(word)):
        return
    where = "the nginx in front is not seen to lead to it" if front is not None else "it is not on its port"
    service = f"{node_red.process.unit} does not say that it starts Node-RED"
    doubt = service if node_red.vouched else "no service vouches for it"
    way_out = (
        "let nginx lead to an address and port of this host at which it listens"
        if front is not None
        else "set --nodered-direct-port to its port"
    )
    raise ProbeError(
        f"the only Node-RED that is seen is {node_red.process.line()}: {doubt}, and {where} "
        f"({_shown(sections, node_red)}), so anybody may have started it; make the right one a service that starts "
        f"node-red itself, or {way_out}",
        Cause.UNIDENTIFIED,
    )


def _is_address(sections: dict[str, Section], node_red: Candidate, host: str, port: str) -> bool:
    """Whether an address that nginx names is the host's, and that process listens there, and no other user does."""
    address, number = _ip(host.strip("[]")), int(port)
    if address is None or not holds(sections, node_red, number):
        return False
    here = text_of.standing(sections).get(number, {})
    listens = text_of.inodes(sections, node_red.process.pid).items()
    own = {_ip(place.address) for place, inode in listens if place.port == number and inode in here}
    lines = sections.get("addresses", text_of.Section("", 1)).text.split("\n")
    anywhere = any(place is not None and place.is_unspecified for place in own)
    return address in own or (anywhere and address in {_ip(line.strip()) for line in lines})


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _has_its_socket(sections: dict[str, Section], node_red: Candidate, words: list[str]) -> bool:
    """Whether nginx leads to a path that is a socket of that process's user on the host: others may mount the like."""
    lines = sections.get(f"owners {node_red.process.pid}", text_of.Section("", 1)).text.split("\n")
    owned = {path for uid, _, path in (line.partition(" ") for line in lines) if uid == str(node_red.process.uid)}
    return any(re.search(f"unix:{re.escape(path)}(:|$)", word) for word in words for path in owned)


def _shown(sections: dict[str, Section], node_red: Candidate) -> str:
    try:
        sockets = text_of.listening(sections, node_red.process.pid)
    except ProbeError:
        return "its open files are not seen"
    return ", ".join(sorted({f":{here.port}" if here.port else f"unix:{here.address}" for here in sockets}))
