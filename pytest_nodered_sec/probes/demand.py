"""What a client gets that shows no certificate, though the target may have been given one for other looks."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_certificates import CertificateDemand
from pytest_nodered_sec.probes.answers import NO_CERTIFICATE
from pytest_nodered_sec.probes.http import USER_AGENT
from pytest_nodered_sec.probes.landmarks import random_path
from pytest_nodered_sec.probes.tls import Client, Incompatible

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.look import Look

_LIMIT: Final = 4096  # bytes; nginx's page has some 200
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")
_OF_CERTIFICATES: Final = ("certificate", "handshake failure", "access denied", "unknown ca")


def come_without_certificate(look: Look) -> CertificateDemand:
    """Shake hands without a client certificate and ask for a random path.

    Servers that demand one end the handshake (up to TLS 1.2), send an alert after it (TLS 1.3), or answer 400 (nginx).

    Raises:
        ProbeError: no TLS, or neither answer nor alert.
    """
    target = look.target
    client = Client(look, certificate=False)
    path = target.admin(random_path())
    host = f"[{client.host}]" if ":" in client.host else client.host
    lines = (f"GET {path} HTTP/1.1", f"Host: {host}:{target.port}", f"User-Agent: {USER_AGENT}", "Connection: close")
    request = "".join(f"{line}\r\n" for line in (*lines, ""))
    with contextlib.closing(look.connect()) as sock:
        try:
            client.shake_hands(sock)
            got = client.exchange(sock, request.encode("ascii"), _LIMIT)
        except Incompatible as error:
            if client.asked and any(word in error.reasons for word in _OF_CERTIFICATES):
                return CertificateDemand(asked=True, alert=error.reasons)
            raise ProbeError(str(error), Cause.PROTOCOL) from None
    status = _STATUS.match(got)
    if status is None:
        raise ProbeError(f"{target.url} answered GET {path} with no HTTP", Cause.PROTOCOL)
    return CertificateDemand(client.asked, status=int(status[1]), named=NO_CERTIFICATE.encode() in got)
