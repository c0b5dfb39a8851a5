"""What to say of an answer that did not come, or cannot be read; and the fields of one that did."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.response import Malformed
from pytest_nodered_sec.texts import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.probes.transport.response import Unreadable

UNANSWERED: Final = "the connection was closed without an answer"
# The second one, after a handshake that succeeded, ends a renegotiation (Apache: SSLVerifyClient in a Location).
_CERTIFICATE_ALERTS: Final = ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")


def told(headers: Mapping[str, str]) -> dict[str, str]:
    """Return an answer's fields without secrets of ours that it echoes: cut or escaped, none would be recognised."""
    return {name: redaction.scrub_told(value) for name, value in headers.items()}


def unreadable(what: str, error: Unreadable) -> ProbeError:
    """Return the error of an answer whose encoding cannot be undone."""
    return ProbeError(
        f"{what}: the answer is encoded ({readable(str(error))}), which was not asked for, and cannot be read",
        Cause.PROTOCOL,
    )


def certificate_required(error: BaseException) -> bool:
    """Whether it is the alert that a client certificate is missing: in TLS 1.3, or when Apache asks for it later on."""
    return isinstance(error, ssl.SSLError) and error.reason in _CERTIFICATE_ALERTS


def explained(what: str, error: OSError | Malformed, deadline: float, *, began: bool) -> ProbeError:
    """Return the error message for a broken exchange.

    Args:
        what: what was asked.
        error: how it broke.
        deadline: until when there was time.
        began: whether any byte of an answer had come.
    """
    if time.monotonic() >= deadline - 0.005 or isinstance(error, TimeoutError):
        return ProbeError(f"{what}: no complete answer within the time limit", Cause.TIMEOUT)
    gone = isinstance(error, (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError))
    if not began and (gone or isinstance(error, Malformed)):
        return ProbeError(f"{what}: {UNANSWERED}", Cause.CLOSED)
    if isinstance(error, Malformed):
        return ProbeError(f"{what}: the answer is cut off or not HTTP ({error})", Cause.PROTOCOL)
    if gone:
        return ProbeError(f"{what}: the answer is cut off or not HTTP", Cause.PROTOCOL)
    return ProbeError(f"{what}: {error.strerror or type(error).__name__}", Cause.PROTOCOL)
