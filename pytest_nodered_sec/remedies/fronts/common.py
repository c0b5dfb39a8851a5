"""What all fronts have in common: paths as regular expressions, headers to add, to take away and to drop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.identity_headers import IDENTITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.remedies.model import Site

REALM: Final = "Operators"
# A gate by path sees the tidied path, Node-RED gets the untidied one, and Socket.IO compares its beginning only.
DOTS: Final = r"(/|%2f)(\.|%2e)+(/|%2f|$)"
HIDDEN: Final = ("Server", "Via", "X-Powered-By", "Access-Control-Allow-Origin")
IDENTITY: Final = tuple(name for name, _ in IDENTITY_HEADERS if not name.startswith(("X-Forwarded-For", "X-Real-IP")))
_UNREAD: Final = (
    "It does not know what the flows open, because the run did not read them. If they have endpoints or WebSockets, "
    "list these in the policy file (protected_paths, websockets) and run again before you install it: it would serve "
    "the endpoints without a login, and cut the WebSockets off."
)
# Mozilla's intermediate guideline, of TLS 1.2 what has forward secrecy by ECDHE.
CIPHERS: Final = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)


def added(site: Site) -> dict[str, str]:
    """Return the headers that every answer gets."""
    return {
        "Strict-Transport-Security": f"max-age={site.hsts}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "frame-ancestors 'self'",
    }


def pattern(paths: Iterable[str]) -> str:
    """Return a regular expression of absolute paths, each with all that is below it; letter case is not its matter."""
    return "^(" + "|".join(_escaped(path) for path in paths) + ")(/|$)"


def _escaped(path: str) -> str:
    return re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", path.rstrip("/"))


def gated(site: Site) -> str:
    """Return a regular expression of what needs the login in front; "" for nothing, "^/" for everything."""
    if site.admin_api == "proxied":
        return "^/"
    return pattern(site.gated) if site.gated else ""


def upgraded(site: Site) -> tuple[str, ...]:
    """Return the paths at which `Upgrade` is passed on."""
    return (*site.sockets, *((site.comms,) if site.comms else ()))


def withheld(site: Site) -> str:
    """Return a regular expression of what nobody gets, "" for nothing.

    The editor's change log names the exact release, which behind a login is no secret. Of an editor that is enabled,
    library and SSH keys have holes that no release fixes.
    """
    paths = [] if gated(site) == "^/" else ["red/about"]
    paths += ["library/", "settings/user/keys"] if site.editor == "protected" else []
    return f"^{_escaped(site.admin_root)}/({'|'.join(paths)})" if paths else ""


def effects(site: Site) -> tuple[str, ...]:
    """Return what a whole configuration does beyond the steps of one plan, as sentences for whoever installs it."""
    gate, sockets = gated(site), ", ".join(upgraded(site))
    where = "everything" if gate == "^/" else f"{', '.join(site.gated)} and everything below"
    refused = [f"{site.admin_root}/red/about"] if gate != "^/" else []
    refused += (
        [f"{site.admin_root}/library", f"{site.admin_root}/settings/user/keys"] if site.editor == "protected" else []
    )
    return (
        f"It takes the place of what serves {site.host} today: remove that, or it goes on answering.",
        f"It listens at ports {site.http_port} and {site.port} of every address of the machine: where today's "
        "configuration names others, name these.",
        *([f"It requires a login for {where}: programs that call anything there need an account."] if gate else []),
        f"It refuses requests for any host name other than {site.host}.",
        *([f"It refuses {', '.join(refused)}."] if refused else []),
        f"It forwards WebSockets for {sockets} only." if sockets else "It forwards no WebSockets.",
        *([] if site.flows_read else [_UNREAD]),
    )
