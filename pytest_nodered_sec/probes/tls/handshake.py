"""The certificate chain as a server sends it, and all verification errors.

A memory BIO and an absolute deadline: a blocking handshake would hang forever, and a socket time-out would not
end one that drips. Names are not checked here; the rule compares the SAN. No ALPN is sent: a server that knows
none of the names offered would end the handshake (RFC 7301, 3.2). What a server shows under other names than the
URL's, or under none, is not looked at: the clients of this URL never see it.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.chain import PresentedChain
from pytest_nodered_sec.probes.tls.certificates import (
    UNREADABLE,
    facts,
    path_of,
    plain,
    public_roots,
    system_store,
    tolerate,
    windows_roots,
)
from pytest_nodered_sec.probes.tls.failures import Incompatible, explained, reasons_of
from pytest_nodered_sec.probes.tls.in_clear import is_in_clear
from pytest_nodered_sec.probes.tls.ocsp import read_staple
from pytest_nodered_sec.probes.transport.names import ascii_name, is_address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.probes.transport.look import Look

SHARED: Final = "handshake"  # by this name a target's looks share it
_RECORD_LIMIT: Final = 65536
_LEGACY_SERVER_CONNECT: Final = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT (OpenSSL, ssl.h.in): servers without RFC 5746
_REQUEST: Final = b"read server certificate request"  # OpenSSL's name of the state, after the version


@dataclass(frozen=True)
class Handshake:
    """One handshake: what was seen, and the certificates themselves.

    Attributes:
        seen: what the rules judge.
        paths: of each chain that was shown, the certificates by depth, as verification walked them.
    """

    seen: PresentedChain
    paths: tuple[tuple[x509.Certificate, ...], ...] = ()


def present_chain(look: Look) -> PresentedChain:
    """Return what was presented; see `shake_hands`."""
    return shake_hands(look).seen


def shake_hands(look: Look) -> Handshake:
    """Shake hands, and once more for the other kind of key; once in a run, whoever asks.

    Verification runs at OpenSSL's default security level. A server that only old parameters can talk to (TLS 1.0
    and 1.1, 1024-bit Diffie-Hellman) is asked once more without that level. Verifying still collects every fault
    there, except 66 to 68 (weak keys and digests), which the facts of the certificates tell as well; verifying once
    more offline (X509StoreContext) would find fewer: the first fault only, and no wrong purpose.

    Raises:
        ProbeError: what answered is not TLS, or nothing answered in time.
    """
    return look.shared(SHARED, lambda: _shake_hands(look))


def _shake_hands(look: Look) -> Handshake:
    target = look.target
    if is_in_clear(look):
        return Handshake(PresentedChain(target.hostname, "", (), (), "", datetime.now(UTC), target.port))
    legacy = False
    try:
        first = _handshake(look)
    except Incompatible as error:
        legacy = True
        try:
            first = _handshake(look, legacy=True)
        except Incompatible:
            raise ProbeError(str(error), Cause.PROTOCOL) from None
    handshake = _with_other_kind(look, first, legacy=legacy)
    seen = handshake.seen
    chains = (*seen.certificates, *(seen.also.certificates if seen.also else ()))
    if all(chain.not_before <= seen.looked_at <= chain.not_after for chain in chains):
        return handshake
    skew = look.clock_offset()
    return replace(handshake, seen=replace(seen, skew=skew, also=seen.also and replace(seen.also, skew=skew)))


def _with_other_kind(look: Look, first: Handshake, *, legacy: bool) -> Handshake:
    """Look at the chain for the other kind of key, RSA or ECDSA, where the server has one.

    TLS 1.3 lets clients choose by signature algorithms, which pyOpenSSL cannot set; up to TLS 1.2 suites tell it.
    """
    seen = first.seen
    other = "ECDSA" if seen.leaf.key_type == "RSA" else "RSA"
    why = ""
    try:
        second = _handshake(look, legacy=legacy, authentication=other)
    except Incompatible as error:
        if "protocol version" in error.reasons:
            why = "it speaks TLS 1.3 only"
        elif "alert" not in error.reasons:
            why = error.reasons
    except ProbeError as error:
        why = error.message
    else:
        if second.seen.leaf.fingerprint != seen.leaf.fingerprint:
            both = replace(_told_apart(seen), also=_told_apart(second.seen))
            return Handshake(both, (*first.paths, *second.paths))
    unseen = f"whether there is an {other} certificate as well is not known: {why}" if why else ""
    return replace(first, seen=replace(seen, unseen=unseen))


def _told_apart(seen: PresentedChain) -> PresentedChain:
    leaf = replace(seen.leaf, kind=seen.leaf.key_type)
    path = [leaf if certificate.position == 0 else certificate for certificate in seen.path]
    return replace(seen, certificates=(leaf, *seen.certificates[1:]), path=tuple(path))


class TlsClient:
    """A TLS client that accepts every certificate and records its verification errors.

    Args:
        look: the look it belongs to.
        legacy: whether old parameters are offered too, at OpenSSL's security level 0.
        authentication: "RSA" or "ECDSA" for servers with such a key only, "" for any.
        certificate: whether the target's client certificate is shown, where there is one.

    Attributes:
        connection: of pyOpenSSL.
        faults: (X509_V_ERR code, depth), each once, in the order in which they were met.
        walked: certificates by depth.
        staple: the OCSP response in DER, b"" for none.
        asked: whether the server asked for a client certificate.
        trust: what is trusted.
        received: the beginning of what came, by which it is named where it is no TLS.
    """

    def __init__(self, look: Look, *, legacy: bool = False, authentication: str = "", certificate: bool = True) -> None:
        self.faults: dict[tuple[int, int], None] = {}
        self.walked: dict[int, crypto.X509] = {}
        self.staple = b""
        self.asked, self.received = False, b""
        self.host = ascii_name(look.target.hostname)
        self._look = look
        target = look.target
        shown = certificate and target.http.client_certificate is not None
        context, self.trust = look.station.contexts.get(
            ("OpenSSL", target.ca_file, legacy, authentication, shown),
            lambda: _context(target, legacy=legacy, authentication=authentication, shown=shown),
        )
        self.connection = SSL.Connection(context, None)
        self.connection.set_app_data(weakref.ref(self))
        if not is_address(self.host):  # RFC 6066, 3: no literal addresses in SNI
            self.connection.set_tlsext_host_name(self.host.rstrip(".").encode("ascii"))
        self.connection.request_ocsp()
        self.connection.set_connect_state()

    def show(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """Show a certificate where the server asks for one."""
        self.connection.use_certificate(certificate)
        self.connection.use_privatekey(key)

    def shake_hands(self, sock: socket.socket) -> None:
        """Run the handshake to its end or to the deadline.

        Raises:
            ProbeError: no TLS, no answer in time, closed.
            Incompatible: it is TLS, and no handshake.
        """
        where = self._look.target.url
        try:
            self._drive(sock, self.connection.do_handshake, "the TLS handshake")
        except SSL.Error as error:
            raise explained(where, error, self.received) from None

    def exchange(self, sock: socket.socket, request: bytes, limit: int) -> bytes:
        """Send something when hands are shaken, and read the beginning of what comes back.

        Raises:
            ProbeError: no answer in time, closed.
            Incompatible: a TLS alert instead.
        """
        where = self._look.target.url
        parts: list[bytes] = []
        try:
            self.connection.send(request)
            while sum(map(len, parts)) < limit:
                self._drive(sock, lambda: parts.append(self.connection.recv(limit)), "an exchange over TLS")
        except SSL.ZeroReturnError:
            pass  # it said good-bye
        except SSL.Error as error:
            raise Incompatible(where, reasons_of(error)) from None
        except ProbeError:
            if not parts:  # of an answer, the beginning is enough
                raise
        return b"".join(parts)

    def _drive(self, sock: socket.socket, step: Callable[[], object], what: str) -> None:
        where = self._look.target.url
        while True:
            try:
                step()
                done = True
            except SSL.WantReadError:
                done = False
            try:
                self._flush(sock)
                if done:
                    return
                sock.settimeout(self._left())
                data = sock.recv(_RECORD_LIMIT)
            except TimeoutError:
                got = f"{len(self.received)} bytes" if self.received else "nothing"
                raise ProbeError(f"{what} with {where} did not end in time: {got} came back", Cause.TIMEOUT) from None
            except OSError as error:
                raise ProbeError(f"{where} ended {what}: {(error.strerror or 'reset').lower()}", Cause.CLOSED) from None
            if not data:
                count = len(self.received)
                raise ProbeError(f"{where} closed the connection during {what}, after {count} bytes", Cause.CLOSED)
            self.received = (self.received + data)[:64]
            self.connection.bio_write(data)

    def _flush(self, sock: socket.socket) -> None:
        """Send what is to be sent; where the peer has gone, reading tells, and what it said before."""
        with contextlib.suppress(SSL.WantReadError, ConnectionError):
            while True:
                sock.settimeout(self._left())
                sock.sendall(self.connection.bio_read(_RECORD_LIMIT))

    def _left(self) -> float:
        left = self._look.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _handshake(look: Look, *, legacy: bool = False, authentication: str = "") -> Handshake:
    target = look.target
    client = TlsClient(look, legacy=legacy, authentication=authentication)
    with contextlib.closing(look.connect()) as sock:
        address = ""
        with contextlib.suppress(OSError):  # it has gone again, as shaking hands tells
            address = str(sock.getpeername()[0])
        try:
            client.shake_hands(sock)
        except Incompatible as error:
            if not client.walked or "alert" not in error.reasons:  # without an alert it was us who objected
                raise
            if not (client.asked and target.policy.mutual_tls):  # then tls-12 judges it, and the chain was shown
                demand = ", as servers that demand a client certificate do" if client.asked else ""
                raise ProbeError(  # with TLS 1.3 such a handshake ends well, and only reading would meet the alert
                    f"{target.url} ended the TLS handshake after showing its certificate{demand} ({error.reasons})",
                    Cause.PROTOCOL,
                ) from None
    connection = client.connection
    tolerate()
    try:
        sent = connection.get_peer_cert_chain(as_cryptography=True) or []
        certificates = tuple(facts(position, certificate, client.host) for position, certificate in enumerate(sent))
        path = tuple(client.walked[depth].to_cryptography() for depth in sorted(client.walked))
        walked = path_of(certificates, path)
        staple = read_staple(client.staple, path) if client.staple else None
    except UNREADABLE as error:
        raise ProbeError(
            f"a certificate that {target.url} sends cannot be read: {type(error).__name__}, {plain(str(error))}",
            Cause.PROTOCOL,
        ) from None
    if not certificates:
        raise ProbeError(f"{target.url} completed a handshake without any certificate", Cause.PROTOCOL)
    seen = PresentedChain(
        client.host,
        connection.get_protocol_version_name(),
        certificates,
        tuple(client.faults),
        client.trust,
        datetime.now(UTC),
        target.port,
        address,
        path=walked,
        public=bool(walked) and walked[-1].fingerprint in public_roots(),
        wants_certificate=client.asked,
        staple=staple,
        ca_file=Path(target.ca_file).name if target.ca_file else "",
    )
    return Handshake(seen, (path,))


def _client_of(connection: SSL.Connection) -> TlsClient | None:
    """Return whose connection it is, which may have gone; a context is of many, and keeps none of them alive."""
    whose = connection.get_app_data()
    client = whose() if whose else None
    return client if isinstance(client, TlsClient) else None


def _collect(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, _ok: int) -> bool:
    if client := _client_of(connection):
        client.walked[depth] = certificate
        if code:
            client.faults[code, depth] = None
    return client is not None  # go on: the first fault must not hide the others


def _keep_staple(connection: SSL.Connection, staple: bytes, _data: object) -> bool:
    if client := _client_of(connection):
        client.staple = staple
    return client is not None


def _notice(connection: SSL.Connection, _where: int, _ret: int) -> None:
    if client := _client_of(connection):
        client.asked = client.asked or connection.get_state_string().endswith(_REQUEST)


def _context(target: Target, *, legacy: bool, authentication: str, shown: bool) -> tuple[SSL.Context, str]:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if authentication:
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_LEGACY_SERVER_CONNECT)  # tls-16 judges that; nothing secret is sent here
    if legacy:
        context.set_min_proto_version(SSL.TLS1_VERSION)
    if legacy or authentication:
        chosen = f"a{authentication}" if authentication else "ALL"
        context.set_cipher_list(f"{chosen}:!aNULL:!eNULL{':@SECLEVEL=0' if legacy else ''}".encode())
    file, folder, trust = system_store()
    context.load_verify_locations(file, folder)
    store, roots = context.get_cert_store(), windows_roots()
    if store is not None and roots:
        for certificate in roots:
            store.add_cert(crypto.X509.from_cryptography(certificate))
        trust += " and the system's store"
    if target.ca_file:
        try:
            context.load_verify_locations(target.ca_file)
        except SSL.Error:
            raise ProbeError(f"no certificates can be read from {target.ca_file}", Cause.PROTOCOL) from None
        trust += f" and {Path(target.ca_file).name}"
    if shown:
        _show_certificate(context, target)
    context.set_verify(SSL.VERIFY_PEER, _collect)
    context.set_ocsp_client_callback(_keep_staple)
    context.set_info_callback(_notice)
    return context, trust


def _show_certificate(context: SSL.Context, target: Target) -> None:
    if target.http.client_certificate:
        certificate, key = target.http.client_certificate
        try:
            context.use_certificate_chain_file(certificate)
            read = load_pem_private_key(Path(key).read_bytes(), None)  # without OpenSSL's question for a password
            context.use_privatekey(read)  # type: ignore[arg-type]  # whatever kind it is
        except (SSL.Error, OSError, ValueError, TypeError, UnsupportedAlgorithm):
            raise ProbeError(
                f"the client certificate of {target.name} cannot be used: give PEM files of the certificate and its "
                "key, without a password",
                Cause.UNAVAILABLE,
            ) from None
