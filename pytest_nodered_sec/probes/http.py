"""The only HTTP client: one request, one answer, one deadline for all of it, nothing borrowed from the environment.

Connections are kept alive and shared between threads. The certificate is not verified here (tls-01 and tls-02
judge it; otherwise one expired certificate would hide everything else), but it may not change during the run.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from pytest_nodered_sec import __version__
from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.model import Target

USER_AGENT: Final = f"pytest-nodered-sec/{__version__}"
BODY_LIMIT: Final = 64 * 1024  # bytes; more is never needed to tell an answer

_BLOCK_HEADERS: Final = ("cf-mitigated", "x-amzn-waf-action", "x-sucuri-block", "x-datadome")


@dataclass(frozen=True)
class Exchange:
    """One request's answer, as it came; stays inside the probes because bodies may hold secrets.

    Attributes:
        status: HTTP status.
        headers: names in lower case; repeated headers joined by ", ".
        body: at most 65536 bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Exchange({self.status}, {len(self.body)} bytes)"


class Client:
    """HTTP to one address and port under one name.

    Args:
        host: value of the Host header, with port where it is not the scheme's default.
        open_socket: connects by the deadline given (absolute monotonic seconds), TLS included.
        connections: how many may be open at once; `slot` keeps to it.
    """

    def __init__(self, host: str, open_socket: Callable[[float], socket.socket], connections: int) -> None:
        self._host = host
        self.slot = threading.BoundedSemaphore(connections)  # held by whoever asks, for as long as one request takes
        self._now = threading.local()  # .deadline, .sock and .fresh of the request that this thread is making
        self._session = requests.Session()
        self._session.trust_env = (
            False  # no proxies, no .netrc, no REQUESTS_CA_BUNDLE: an anonymous request is anonymous
        )
        self._session.headers.clear()
        now = self._now

        class Wired(HTTPConnection):
            """A connection over our own socket, known to the watchdog of the request that uses it."""

            def _new_conn(self) -> socket.socket:
                now.fresh = True
                now.sock = open_socket(now.deadline)
                return cast("socket.socket", now.sock)

            def putrequest(self, *args: Any, **kwargs: Any) -> None:  # Any: urllib3's own signature, passed through
                if self.sock is not None:
                    now.fresh, now.sock = False, self.sock
                super().putrequest(*args, **kwargs)

        class WiredPool(HTTPConnectionPool):
            ConnectionCls = Wired

        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        adapter.poolmanager.pool_classes_by_scheme = {"http": WiredPool}
        self._session.mount("http://", adapter)

    def ask(
        self,
        method: str,
        path: str,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = BODY_LIMIT,
    ) -> Exchange:
        """Send one request exactly as written and return its answer, without following redirects.

        Args:
            method: HTTP method.
            path: absolute path with query, sent as it stands.
            deadline: absolute `time.monotonic()` seconds, for connecting, sending and reading together.
            headers: sent besides Host, User-Agent and Accept.
            body: request body.
            limit: bytes of the answer's body that are read.

        Raises:
            ProbeError: no answer (unreachable, time-out, closed, not HTTP).
        """
        what = f"{method} {path}"
        for _ in range(2):
            self._now.deadline, self._now.sock, self._now.fresh = deadline, None, True
            try:
                return self._once(method, path, headers or {}, body, limit)
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                if time.monotonic() >= deadline - 0.005 or isinstance(error, requests.Timeout):
                    raise ProbeError(f"{what}: no complete answer within the time limit", Cause.TIMEOUT) from None
                if self._now.fresh:
                    raise _explain(what, error) from None
                # A kept-alive connection may have been closed while it idled: that is no answer of the target's.
        raise ProbeError(f"{what}: the connection was closed without an answer", Cause.CLOSED)

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, limit: int) -> Exchange:
        request = requests.Request(method, "http://target/", data=body)
        prepared = self._session.prepare_request(request)
        prepared.url = "http://target" + path  # as written: prepare_request would normalise the path
        prepared.headers.update(
            {"Host": self._host, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        )
        left = self._now.deadline - time.monotonic()
        if left <= 0:
            raise requests.Timeout
        now = self._now.__dict__  # the timer's thread sees this thread's values through it
        watchdog = threading.Timer(left, lambda: cut(now.get("sock")))
        watchdog.daemon = True
        watchdog.start()
        try:
            with self._session.send(prepared, stream=True, timeout=left, allow_redirects=False) as response:
                content = response.raw.read(limit, decode_content=False) if method != "HEAD" else b""
                # A body that is longer is left unread; closing the response then drops the connection.
                fields = {name.lower(): value for name, value in response.headers.items()}
                return Exchange(response.status_code, fields, content)
        finally:
            watchdog.cancel()

    def close(self) -> None:
        """Close every kept connection."""
        self._session.close()


def cut(sock: socket.socket | None) -> None:
    """End a connection at the deadline, even while its owner is reading a byte now and then."""
    if sock is not None:
        with contextlib.suppress(OSError):  # closed in the meantime
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # the TCP one: SSLSocket.shutdown would unwrap TLS first


def _explain(what: str, error: Exception) -> ProbeError:
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:  # urllib3 and requests wrap what our own dialler raised
        if isinstance(cause, ProbeError):
            return cause.again()
        if isinstance(cause, ConnectionResetError):
            text = "Connection reset"
        cause = cause.__cause__ or cause.__context__
    if any(sign in text for sign in ("RemoteDisconnected", "Remote end closed", "Connection reset", "Broken pipe")):
        return ProbeError(f"{what}: the connection was closed without an answer", Cause.CLOSED)
    if "BadStatusLine" in text or "Protocol" in type(error).__name__ or "IncompleteRead" in text:
        return ProbeError(f"{what}: the answer is cut off or not HTTP", Cause.PROTOCOL)
    return ProbeError(f"{what}: {type(error).__name__}", Cause.PROTOCOL)


def tls_context(target: Target, *, verified: bool) -> ssl.SSLContext:
    """Return a client context for a target.

    Args:
        target: names the client certificate, and the private CA for verification.
        verified: whether chain and name must verify; otherwise it talks to anybody, old versions and weak keys
            included, because a weak server must be looked at to be judged.

    Raises:
        ProbeError: the client certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if verified:
        context.load_default_certs()
        if not context.cert_store_stats()["x509_ca"]:
            context.load_verify_locations(certifi.where())
        if target.ca_file:
            context.load_verify_locations(target.ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if target.http.client_certificate:
        try:
            context.load_cert_chain(*target.http.client_certificate, password=_no_password)
        except (OSError, ssl.SSLError, ValueError):
            raise ProbeError(
                f"the client certificate of {target.name} cannot be used: give PEM files of the certificate and its "
                "key, without a password",
                Cause.UNAVAILABLE,
            ) from None
    return context


def _no_password() -> str:
    """Answer OpenSSL's question for a key's password, which it would otherwise ask the person at the terminal."""
    return ""


def block_header(headers: Mapping[str, str]) -> str:
    """Return the name of the header by which a WAF says that it answered instead of the target, or ""."""
    return next((name for name in _BLOCK_HEADERS if name in headers), "")


def challenge(headers: Mapping[str, str]) -> str:
    """Reduce WWW-Authenticate to scheme and realm: parameters such as nonces are never kept."""
    value = headers.get("www-authenticate", "")
    found = re.match(r"\s*([A-Za-z0-9-]+)(?:.*?realm=\"?([^\",]*)\"?)?", value)
    if not found:
        return ""
    return f'{found[1]} realm="{found[2]}"' if found[2] is not None else found[1]


def likeness(body: bytes, path: str) -> tuple[int, ...]:
    """Return a fingerprint of a page's words, without the path asked and without numbers or nonces.

    Two pages are alike when their fingerprints nearly agree; the page cannot be read back from it.
    """
    text = body.decode("latin-1")
    for own in {path, path.split("?")[0], path.rsplit("/", 1)[-1]}:
        if len(own) > 1:
            text = text.replace(own, " ")
    words = re.findall(r"(?<![0-9A-Za-z])[A-Za-z]{2,24}(?![0-9A-Za-z])", text)
    return tuple(sorted({zlib.crc32(word.lower().encode()) for word in words}))[:2000]
