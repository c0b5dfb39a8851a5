"""Host names in ASCII, protocols by their banners, and random paths."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import string
from typing import Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.texts import host_in_ascii

_FIRST: Final = "qyz"  # letters with which no path of Node-RED or of a dashboard begins
_BANNERS: Final = ((b"HTTP/", "plain HTTP"), (b"SSH-", "an SSH server"), (b"220 ", "a mail or FTP server"))


def banner(received: bytes) -> str:
    """Return what calls itself so instead of speaking TLS, "" where that is not known."""
    return next((what for start, what in _BANNERS if received.startswith(start)), "")


def random_path() -> str:
    """Return "/" and 24 random letters: a server that serves this path serves every path.

    It never begins like a path of Node-RED: by nginx's location ~ ^/(ui|ws) one of 338 would be taken for one.
    """
    return "/" + secrets.choice(_FIRST) + "".join(secrets.choice(string.ascii_lowercase) for _ in range(23))


def ascii_name(hostname: str) -> str:
    """Return a host name as A-labels; an address literal unchanged.

    Raises:
        ProbeError: it is not a valid host name.
    """
    try:
        return host_in_ascii(hostname)
    except ValueError as error:
        raise ProbeError(f"{hostname!r} is not a valid host name: {error}", Cause.UNREACHABLE) from None


def is_address(hostname: str) -> bool:
    """Whether it is an address literal, which SNI does not take (RFC 6066, 3)."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(hostname)
        return True
    return False
