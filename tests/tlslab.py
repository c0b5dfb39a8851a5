"""Certificate chains with a fault of choice, and small TLS servers on loopback that present them.

Keys are elliptic curves where nothing else is asked for: a whole chain takes a few milliseconds. Servers are
Python's `ssl` in a thread, or a function that gets the raw connection and may do what it likes with it.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import ipaddress
import socket
import ssl
import struct
import threading
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_nodered_sec.model import Target

    Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

HOUR: Final = datetime.timedelta(hours=1)
DAY: Final = datetime.timedelta(days=1)
PATIENCE: Final = 5.0  # no server keeps a connection longer
# RFC 2409, 6.2: the 1024-bit group, too small for today
_SMALL_PRIME: Final = bytes.fromhex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)
SMALL_GROUP: Final = b"\x30\x81\x87\x02\x81\x81\x00" + _SMALL_PRIME + b"\x02\x01\x02"  # PKCS #3: prime, generator 2

# --- certificates ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def issue(
    name: str,
    by: Issued | None = None,
    *,
    ca: bool = False,
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    since: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
    key: Key | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    permitted: str = "",
    path_length: int | None = None,
    ca_issuers: bool = False,
    raw_san: bytes = b"",
) -> Issued:
    """Return a certificate; by itself where no issuer is given; without a subject where the name is empty."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    signer = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since or now() - 30 * DAY)
        .not_valid_after(until or now() + 60 * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if by:
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
        builder = builder.add_extension(issuer_key, critical=False)
    if ca:
        builder = builder.add_extension(_CA_USAGE, critical=True)
    else:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    names = [*map(x509.DNSName, dns), *(x509.IPAddress(ipaddress.ip_address(one)) for one in ips)]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not name)
    if raw_san:
        san = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, raw_san)
        builder = builder.add_extension(san, critical=False)
    if permitted:
        constraints = x509.NameConstraints([x509.DNSName(permitted)], None)
        builder = builder.add_extension(constraints, critical=True)
    if ca_issuers:
        place = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.test/issuer.der")
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
    return Issued(builder.sign(signer, digest), key)


_CA_USAGE: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)

# --- servers ---------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A server on loopback.

    Attributes:
        port: TCP port.
        names: SNI of every ClientHello, None where it had none.
        connections: how many were accepted.
    """

    port: int
    names: list[str | None] = field(default_factory=list)
    connections: int = 0


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket], None], server: Server | None = None) -> Iterator[Server]:
    """Give every connection to `handle`, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    server = server or Server(0)
    server.port = listener.getsockname()[1]
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(PATIENCE)
            handle(sock)

    def accept() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                sock, _ = listener.accept()
                server.connections += 1
                threads.append(threading.Thread(target=one, args=(sock,), name="tlslab-connection"))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, name="tlslab-accept")
    acceptor.start()
    try:
        yield server
    finally:
        stop.set()
        acceptor.join()
        listener.close()
        for thread in threads:
            thread.join(PATIENCE)


@contextlib.contextmanager
def serving_tls(
    folder: Path,
    chain: Sequence[Issued],
    *,
    version: ssl.TLSVersion | None = None,
    ciphers: str = "DEFAULT:@SECLEVEL=0",
    clients: x509.Certificate | None = None,
    demand: ssl.VerifyMode = ssl.CERT_NONE,
    small_dh: bool = False,
) -> Iterator[Server]:
    """Present a chain exactly as given.

    Args:
        folder: where the PEM files go.
        chain: leaf first.
        version: the only protocol version spoken.
        ciphers: OpenSSL cipher string up to TLS 1.2.
        clients: CA of the client certificates.
        demand: whether a client certificate is asked for.
        small_dh: use a 1024-bit Diffie-Hellman group.
    """
    server = Server(0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    if chain:
        pem = folder / "chain.pem"
        key = chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(key + b"".join(one.pem for one in chain))
        context.load_cert_chain(pem)
    if version:
        with warnings.catch_warnings():  # old versions are deprecated; that is the point
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    if clients:
        context.load_verify_locations(cadata=clients.public_bytes(Encoding.DER))
    context.verify_mode = demand
    if small_dh:
        (folder / "dh.pem").write_text(ssl.DER_cert_to_PEM_cert(SMALL_GROUP).replace("CERTIFICATE", "DH PARAMETERS"))
        context.load_dh_params(str(folder / "dh.pem"))
    context.sni_callback = lambda _socket, name, _context: server.names.append(name)

    def handle(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as wrapped:
            wrapped.recv(1)

    with serving(handle, server):
        yield server


def hangs(sock: socket.socket) -> None:
    """Read what comes and never answer."""
    while sock.recv(65536):
        pass


def drips(sock: socket.socket) -> None:
    """Begin a handshake record and send a byte of it every 50 ms."""
    for byte in b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + bytes(200):
        sock.sendall(bytes((byte,)))
        time.sleep(0.05)


def closes(sock: socket.socket) -> None:
    """Read the ClientHello and close in good order."""
    sock.recv(65536)


def resets(sock: socket.socket) -> None:
    """Read the ClientHello and reset the connection."""
    sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(data: bytes) -> Callable[[socket.socket], None]:
    """Return a server that reads the ClientHello, says something else, and waits for the end."""

    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(data)
        while sock.recv(65536):
            pass

    return handle


# --- the probe's view ------------------------------------------------------------------------------------


@dataclass
class LoopbackLook:
    """Stands in for a look: whatever the target's name is, it is dialled on loopback.

    Attributes:
        target: the deployment.
        deadline: absolute `time.monotonic()` seconds.
    """

    target: Target
    deadline: float = 0.0

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.target.timeout

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.target.port), timeout=1)
