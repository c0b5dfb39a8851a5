"""Small TLS servers on loopback, and a look at them.

Servers are Python's `ssl` in a thread, or a function that gets the raw connection and may do what it likes with it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
import warnings
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from pytest_nodered_sec import threads
from pytest_nodered_sec.probes.transport.contexts import Contexts
from pytest_nodered_sec.probes.transport.net import Places
from pytest_nodered_sec.probes.transport.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from certlab import Issued
    from cryptography import x509

    from pytest_nodered_sec.model import Target


PATIENCE: Final = 5.0  # no server keeps a connection longer
# RFC 2409, 6.2: the 1024-bit group, too small for today
_SMALL_PRIME: Final = bytes.fromhex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)
SMALL_GROUP: Final = b"\x30\x81\x87\x02\x81\x81\x00" + _SMALL_PRIME + b"\x02\x01\x02"  # PKCS #3: prime, generator 2


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

    def serve(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(PATIENCE)
            handle(sock)

    def accept() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                sock, _ = listener.accept()
                server.connections += 1
                threads.append(threading.Thread(target=serve, args=(sock,), name="tlslab-connection"))
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
    reply: bytes = b"",
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
        reply: what it says to whatever it is asked.
    """
    server = Server(0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    if chain:
        pem = folder / "chain.pem"
        pem.write_bytes(chain[0].key_pem + b"".join(issued.pem for issued in chain))
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
            if wrapped.recv(65536):
                wrapped.sendall(reply)

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


@dataclass
class LoopbackLook:
    """Stands in for a look: whatever the target's name is, it is dialled on loopback.

    Attributes:
        target: the deployment.
        deadline: absolute `time.monotonic()` seconds.
        contexts: those of a run.
        station: of it only that no front objects, and these contexts.
        known: what is shared.
    """

    target: Target
    deadline: float = 0.0
    contexts: Contexts = field(default_factory=Contexts)
    station: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(narrowed=False, places=Places(), beside=threads.start)
    )
    known: dict[str, Once[Any]] = field(default_factory=dict)  # Any: whatever is shared among looks

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.target.timeout
        self.station.contexts = self.contexts

    def extend(self) -> None:
        """Begin the time of a look anew."""
        self.__post_init__()

    def pause(self, _seconds: float) -> None:
        """Wait for nobody."""

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.target.port), timeout=1)

    def shared(self, key: str, find: Callable[[], Any]) -> Any:  # Any: whatever is shared among looks
        return self.known.setdefault(key, Once(find)).get()

    def listed(self, _url: str, fetch: Callable[[], Any]) -> Any:  # Any: as above
        return fetch()

    def clock_offset(self) -> int | None:
        return None
