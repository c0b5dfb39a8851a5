"""Why a TLS handshake failed: no TLS, or TLS and nothing agreed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.names import banner

if TYPE_CHECKING:
    from OpenSSL import SSL


class Incompatible(Exception):
    """The peer speaks TLS but no parameters were agreed on.

    Attributes:
        reasons: OpenSSL's; an alert of the peer's has "alert" in them.
    """

    def __init__(self, where: str, reasons: str) -> None:
        super().__init__(f"no TLS handshake with {where}: {reasons}")
        self.reasons = reasons


def explained(where: str, error: SSL.Error, received: bytes) -> Exception:
    """Return the error of a handshake that failed, by what had come back."""
    if what := banner(received):
        return ProbeError(f"no TLS at {where}: {what} answered", Cause.PROTOCOL)
    if received[:1] not in (b"\x15", b"\x16"):  # neither an alert nor a handshake record
        return ProbeError(f"no TLS at {where}: something else answered ({received[:16]!r})", Cause.PROTOCOL)
    return Incompatible(where, reasons_of(error))


def reasons_of(error: SSL.Error) -> str:
    """Return OpenSSL's reasons."""
    queue = error.args[0] if error.args else ()
    reasons = [reason for *_, reason in queue] if isinstance(queue, list) else []  # SysCallError has a number there
    return ", ".join(reasons) or "failed"
