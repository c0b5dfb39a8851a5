"""Where Apache takes a request to come from: its connection, a header, or the PROXY protocol (mod_remoteip)."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk.conditions import is_from
from pytest_nodered_sec.rules.walk.request import unknown

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.apache_visit import Visit

_FIRST_BYTES: Final = re.compile(r"\d+(\.\d+){0,2}\.?")
_PRIVATE: Final = [
    IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8")
]
_NAME: Final = re.compile(r"\.?(?=[\w.-]*[a-z])[\w-]+(\.[\w-]+)*", re.IGNORECASE)


def source(visit: Visit) -> str:
    """Return the address that a request comes from, as far as it is known."""
    return unknown("arg_address") if visit.client.granted or _says(visit, private=False) else visit.client.address


def is_inside(visit: Visit, text: str, line: Directive) -> bool:
    """Whether a request comes from a network, or from a host of a name, which Apache looks up twice."""
    network = _whole(text)
    if visit.client.granted or _says(visit, private=_is_private(network)):
        return visit.choices.whether(("from", text))
    inside = is_from(visit.client.address, network)
    if text == "all" or (inside is None and not _NAME.fullmatch(text)):
        visit.doubt(f"{' '.join((line.name, *line.args))} ({line.where()}) names no network")
        return visit.choices.whether(("from", text))
    return bool(inside)


def _whole(text: str) -> str:
    """Return a network of which only the first bytes may be written."""
    if not _FIRST_BYTES.fullmatch(text):
        return text
    parts = text.rstrip(".").split(".")
    return ".".join([*parts, *["0"] * (4 - len(parts))]) + f"/{8 * len(parts)}"


def _is_private(network: str) -> bool:
    try:
        asked = ip_network(network, strict=False)
    except ValueError:
        return False
    if isinstance(asked, IPv4Network):
        return any(asked.subnet_of(network) for network in _PRIVATE)
    return not asked.overlaps(ip_network("2000::/3"))


def _says(visit: Visit, *, private: bool) -> bool:
    """Whether whoever connects may say which address he has; in a header a private one only to internal proxies."""
    address = visit.client.address
    if visit.value("remoteipproxyprotocol") == "on" and not (visit.bind.local or visit.client.hops):
        excepted = [arg for directive in visit.lines("remoteipproxyprotocolexceptions") for arg in directive.args]
        if not any(is_from(address, network) for network in excepted):
            return True
    if not visit.value("remoteipheader"):
        return False
    internal = [arg for directive in visit.lines("remoteipinternalproxy") for arg in directive.args]
    trusted = [arg for directive in visit.lines("remoteiptrustedproxy") for arg in directive.args]
    lists = visit.lines("remoteipinternalproxylist", "remoteiptrustedproxylist")
    if any(is_from(address, network) for network in internal):
        return True
    anybody = not (internal or trusted or lists)
    return not private and (anybody or any(is_from(address, network) for network in trusted))
