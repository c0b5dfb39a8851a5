"""TLS contexts of Python's ssl: whom we trust with a secret, and how to talk to servers that nobody should trust."""

from __future__ import annotations

import ssl
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import certifi

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.deadlines import ended_by
from pytest_nodered_sec.probes.transport.net import TimedTLS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.probes.transport.net import Timed

_Context = TypeVar("_Context")

# ssl.OP_LEGACY_SERVER_CONNECT, which Python has since 3.12: servers without RFC 5746, whose connections anybody in
# between can put requests before (tls-16)
_LEGACY_SERVER_CONNECT: Final = 0x4
# RFC 5246, 7.2.2: OpenSSL and Go send one of these where no client certificate came
_TURNED_AWAY: Final = (
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
)


def trust(context: ssl.SSLContext, ca_file: str | None) -> None:
    """Trust what the system trusts, and the site's own CA; SSL_CERT_FILE and SSL_CERT_DIR decide nothing.

    Args:
        context: where it is noted.
        ca_file: PEM file with additional trust anchors.
    """
    paths = ssl.get_default_verify_paths()  # `cafile` and `capath` would follow the environment
    file, folder = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    if file.is_file():
        context.load_verify_locations(cafile=str(file))
    if folder.is_dir():
        context.load_verify_locations(capath=str(folder))
    if sys.platform == "win32":
        for certificate, encoding, purposes in ssl.enum_certificates("ROOT"):
            if encoding == "x509_asn" and (purposes is True or ssl.Purpose.SERVER_AUTH.oid in purposes):
                context.load_verify_locations(cadata=certificate)
    elif not file.is_file() and not (folder.is_dir() and any(folder.iterdir())):
        context.load_verify_locations(certifi.where())
    if ca_file:
        context.load_verify_locations(ca_file)


def tls_context(target: Target, *, verified: bool, newer: bool = False) -> ssl.SSLContext:
    """Return a client context for a target.

    Args:
        target: names the client certificate, and the private CA for verification.
        verified: whether chain and name must verify; otherwise it talks to anybody, old versions and weak keys
            included, because a weak server must be looked at to be judged.
        newer: whether HTTP/2 is offered, before HTTP/1.1.

    Raises:
        ProbeError: the client certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = TimedTLS
    if newer:
        context.set_alpn_protocols(["h2", "http/1.1"])
    if verified:
        trust(context, target.ca_file)
        context.options &= ~_LEGACY_SERVER_CONNECT  # on by default before OpenSSL 3
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.options |= _LEGACY_SERVER_CONNECT
    if target.http.client_certificate:
        try:
            context.load_cert_chain(*target.http.client_certificate, password=_no_password)
        except (OSError, ssl.SSLError, ValueError):
            raise ProbeError(
                f"the client certificate of {target.name} cannot be used: give PEM files of the certificate and its "
                "key, without a password",
                Cause.UNAVAILABLE,
            ) from None
        context.post_handshake_auth = True  # Apache in TLS 1.3: SSLVerifyClient of a <Location>; else it answers 403
    return context


class Contexts:
    """Contexts that many targets may have: reading all that a system trusts costs more than a handshake.

    Nothing of a target is in them but whom it trusts: no name, no session, and never a client certificate.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Hashable, Any] = {}  # Any: of ssl and of pyOpenSSL

    def get(self, key: Hashable, make: Callable[[], _Context]) -> _Context:
        """Return the context with this key, made where there is none; what cannot be made is tried again."""
        with self._lock:
            if key not in self._known:
                self._known[key] = make()
            return cast("_Context", self._known[key])


class TurnedAwayError(ProbeError):
    """The server ended the handshake by an alert, perhaps because no client certificate came."""


def shake_hands(
    sock: Timed, context: ssl.SSLContext, names: tuple[str, str], deadline: float
) -> tuple[TimedTLS, bytes]:
    """Return the connection with TLS, and the leaf as DER, b"" where none was sent.

    Args:
        sock: the connection; closed where it comes to nothing.
        context: of `tls_context`.
        names: the server's as TLS has it, and what a message calls it.
        deadline: of the whole handshake, absolute `time.monotonic()` seconds.

    Raises:
        TurnedAwayError: perhaps for want of a client certificate.
        ProbeError: no TLS, or a certificate that does not verify though it must.
    """
    name, where = names
    sock.settimeout(max(0.01, deadline - time.monotonic()))  # for ssl this is a deadline of the whole handshake
    try:
        with ended_by(sock, deadline):
            wrapped = cast("TimedTLS", context.wrap_socket(sock, server_hostname=name))
        sock = wrapped  # the one to close from here on
        certificate = wrapped.getpeercert(binary_form=True) or b""  # OSError: it has gone
    except TimeoutError:
        sock.close()
        raise ProbeError(f"the TLS handshake with {where} did not end in time", Cause.TIMEOUT) from None
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise ProbeError(
            f"nothing secret is sent to {where}: its certificate does not verify "
            f"({error.verify_message}; see tls-01 and tls-02)",
            Cause.UNVERIFIED,
        ) from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        sock.close()
        raise _ended(where, "closed") from None
    except ssl.SSLError as error:
        sock.close()
        reason = (error.reason or str(error)).replace("_", " ").lower()
        if error.reason == "WRONG_VERSION_NUMBER":  # what OpenSSL makes of any answer that is no record of TLS
            reason = "something else answers there; if it is plain HTTP, the URL begins with http://"
        if error.reason == "TLSV1_UNRECOGNIZED_NAME":  # nginx: ssl_reject_handshake; HAProxy: strict-sni
            reason = "the server has no certificate for this name: correct the host name of the URL"
        if error.reason == "UNSAFE_LEGACY_RENEGOTIATION_DISABLED":  # of a verified connection only
            raise ProbeError(
                f"nothing secret is sent to {where}: it does not renegotiate securely (RFC 5746; see tls-16)",
                Cause.UNVERIFIED,
            ) from None
        kind = TurnedAwayError if error.reason in _TURNED_AWAY else ProbeError
        raise kind(f"no TLS with {where}: {reason}", Cause.PROTOCOL) from None
    except OSError as error:
        sock.close()
        raise _ended(where, error.strerror or "closed") from None
    return wrapped, certificate


def _ended(where: str, why: str) -> ProbeError:
    return ProbeError(f"{where} ended the connection during the TLS handshake ({why})", Cause.CLOSED)


def _no_password() -> str:
    """Answer OpenSSL's request for a key's password, which would otherwise appear on the terminal."""
    return ""
