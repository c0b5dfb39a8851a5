"""The proxies that stand before a Node-RED: which it is, and its whole configuration for a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.fronts import apache, caddy, common, haproxy, nginx, traefik
from pytest_nodered_sec.remedies.lines import HTPASSWD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.remedies.model import FrontName, Site

# What each says of itself in `Server` and `Via`, or in its Basic realm where the realm is its own default.
_SAID: Final[tuple[tuple[str, FrontName], ...]] = (
    ("nginx", "nginx"),
    ("openresty", "nginx"),
    ("caddy", "caddy"),
    ("apache", "apache"),
    ("haproxy", "haproxy"),
    ("traefik", "traefik"),
)
NAMES: Final[dict[FrontName, str]] = {
    "nginx": "nginx",
    "caddy": "Caddy",
    "apache": "Apache httpd",
    "haproxy": "HAProxy",
    "traefik": "Traefik",
    "none": "no proxy",
}
_WRITERS: Final[dict[FrontName, Callable[[Site], dict[str, str]]]] = {
    "nginx": nginx.write,
    "caddy": caddy.write,
    "apache": apache.write,
    "haproxy": haproxy.write,
    "traefik": traefik.write,
}
_CERTIFICATES: Final[dict[FrontName, Callable[[Site], str]]] = {
    "nginx": nginx.certificate,
    "caddy": caddy.certificate,
    "apache": apache.certificate,
    "haproxy": haproxy.certificate,
    "traefik": traefik.certificate,
}
_ACCOUNTS: Final[dict[FrontName, str]] = {
    "nginx": HTPASSWD,
    "caddy": caddy.ACCOUNTS,
    "apache": apache.HTPASSWD,
    "haproxy": haproxy.USERS,
    "traefik": traefik.ACCOUNTS,
}
_FOR_LAB: Final[dict[FrontName, Callable[[Site], tuple[str, ...]]]] = {
    "nginx": nginx.for_lab,
    "caddy": caddy.for_lab,
}


def recognise(said: Iterable[str]) -> FrontName | None:
    """Return which front it is by what answers say of themselves, None where they say nothing known."""
    for text in said:
        for start, name in _SAID:
            if start in text.lower():
                return name
    return None


def write(site: Site) -> dict[str, str]:
    """Return the files of the target's front: name and text; none where nothing stands in front."""
    writer = _WRITERS.get(site.front)
    return writer(site) if writer else {}


def certificate(site: Site) -> str:
    """Return what somebody has to decide and write for the certificate of a front that `write` makes."""
    return f"{_CERTIFICATES[site.front](site)}; of a private CA, name its root to pytest, --nodered-ca-file=FILE"


def accounts(site: Site) -> str:
    """Return where the accounts of a login stand that `write` makes, "" where it makes none."""
    place = _ACCOUNTS[site.front]
    return f"write {place} before you load the configuration, whose first lines say how" if common.gated(site) else ""


def for_lab(site: Site) -> tuple[str, ...]:
    """Return how the files become those of a directory for the lab; nothing of proxies that take no part of one."""
    said = _FOR_LAB.get(site.front)
    return said(site) if said else ()
