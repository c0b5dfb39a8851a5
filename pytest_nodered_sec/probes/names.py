"""What TLS calls a host, and what else than TLS calls itself: names in ASCII, banners."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Final

import idna

from pytest_nodered_sec.errors import Cause, ProbeError

_BANNERS: Final = ((b"HTTP/", "plain HTTP"), (b"SSH-", "an SSH server"), (b"220 ", "a mail or FTP server"))


def banner(received: bytes) -> str:
    """Return what calls itself so instead of speaking TLS, "" where that is not known."""
    return next((what for start, what in _BANNERS if received.startswith(start)), "")


def ascii_name(hostname: str) -> str:
    """Return a name as A-labels; an address literal as it is.

    Raises:
        ProbeError: it is no host name.
    """
    if is_address(hostname) or hostname.isascii():
        return hostname
    try:
        return idna.encode(hostname, uts46=True).decode("ascii")  # str.encode("idna") is of 2003: faß.de -> fass.de
    except idna.IDNAError as error:
        raise ProbeError(f"{hostname!r} is no host name: {error}", Cause.UNREACHABLE) from None


def is_address(hostname: str) -> bool:
    """Whether it is an address literal, which SNI does not take (RFC 6066, 3)."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(hostname)
        return True
    return False
