"""Whether a redirect leads to a login that the policy declares."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target


def is_login(location: str, target: Target) -> bool:
    """Whether `location` (absolute, without query) lies under a declared login URL, which must be HTTPS.

    Where that is "/" of the target itself, "/" alone does: a dashboard's own redirect lies under it, too.
    """
    wanted = place_of(location)
    if wanted is None or wanted[0] != "https":
        return False
    for declared in target.policy.login_urls:
        there = place_of(declared if "://" in declared else target.origin + declared)
        if there is None or wanted[:3] != there[:3]:
            continue
        prefix = there[3].rstrip("/")
        below = prefix or there[1:3] != (target.hostname, target.port)
        if wanted[3].rstrip("/") == prefix or (below and wanted[3].startswith(prefix + "/")):
            return True
    return False


def place_of(url: str) -> tuple[str, str, int, str] | None:
    """Return scheme, host, port and path of a URL; None where it is none."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), parts.path
    except ValueError:
        return None
