"""The only HTTP client: one request, one answer, one deadline for all of it, nothing borrowed from the environment.

Connections are kept alive and shared between threads. The certificate is not verified here (tls-01 and tls-02
judge it; otherwise one expired certificate would hide everything else), but it may not change during the run.
"""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import DecodeError, HTTPError

from pytest_nodered_sec import __version__
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.net import AT_ONCE, TimedTLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.probes.net import Timed

USER_AGENT: Final = f"pytest-nodered-sec/{__version__}"
CERTIFICATE_REQUIRED: Final = 496  # what nginx calls it where no client certificate came; never sent as a status
_READABLE: Final = ("", "identity", "gzip", "x-gzip", "deflate")  # urllib3 decodes these without further packages
BODY_LIMIT: Final = 64 * 1024  # bytes; more is never needed to tell an answer


@dataclass(frozen=True)
class Exchange:
    """One request's answer, as it came; stays inside the probes because bodies may hold secrets.

    Attributes:
        status: HTTP status.
        headers: names in lower case; repeated headers joined by ", ".
        body: at most 65536 bytes, where no more were asked for.
        cookies: each Set-Cookie header.
        seconds: from when there was a connection to the end of the answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        return f"Exchange({self.status}, {len(self.body)} bytes)"


class _Adapter(HTTPAdapter):
    """requests' transport; of the answer it makes what is read here: no cookie jar, no guess at an encoding."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # Any: requests' own
        response = requests.Response()
        response.request, response.status_code, response.raw = req, resp.status, resp
        return response


class Client:
    """HTTP to one address and port under one name.

    Args:
        host: value of the Host header, with port where it is not the scheme's default.
        open_socket: connects by the deadline given (absolute monotonic seconds), TLS included.
    """

    def __init__(self, host: str, open_socket: Callable[[float], Timed]) -> None:
        self._host = host
        self._now = threading.local()  # .path, .deadline, .sock, .fresh and .begun of this thread's request
        now, take_ready = self._now, self._take_ready
        self._open_socket = open_socket
        self._ready: list[Timed] = []  # connections that have not been used yet
        self._closed = False

        class Wired(HTTPConnection):
            """A connection over our own socket, which asks for the path as it was written."""

            def _new_conn(self) -> Timed:
                kept = take_ready()
                now.fresh, now.sock = kept is None, kept or open_socket(now.deadline)
                now.sock.until(now.deadline)
                now.begun = time.monotonic()
                return cast("Timed", now.sock)

            def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # Any: urllib3's own
                if self.sock is not None:
                    now.fresh, now.sock, now.begun = False, self.sock, time.monotonic()
                    now.sock.idle_since = None
                    now.sock.until(now.deadline)
                super().putrequest(method, now.path, *args, **kwargs)

        class WiredPool(HTTPConnectionPool):
            ConnectionCls = Wired

        # Not a whole session: nothing of the environment (proxies, .netrc, CA bundles) and no cookie shall come in.
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=AT_ONCE, max_retries=0)
        self._adapter.poolmanager.pool_classes_by_scheme = {"http": WiredPool}

    def prepare(self, deadline: float) -> None:
        """Have one more connection ready.

        Raises:
            ProbeError: it cannot be made.
        """
        sock = self._open_socket(deadline)
        sock.idle_since = time.monotonic()
        self._ready.append(sock)
        if self._closed:  # meanwhile
            self.close()

    def _take_ready(self) -> Timed | None:
        """Return a connection that is ready and was not ended meanwhile; other threads take some too."""
        while True:
            try:
                sock = self._ready.pop()
            except IndexError:
                return None
            sock.idle_since = None
            if not sock.ended:
                return sock
            sock.close()

    def ask(
        self,
        method: str,
        path: str,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = BODY_LIMIT,
        *,
        once: bool = False,
    ) -> Exchange:
        """Send one request exactly as written and return its answer, without following redirects.

        Args:
            method: HTTP method.
            path: absolute path with query, sent as it stands.
            deadline: absolute `time.monotonic()` seconds, for connecting, sending and reading together.
            headers: sent besides Host, User-Agent and Accept.
            body: request body.
            limit: bytes of the answer's body that are read.
            once: whether it must not be sent again, though the connection was kept and may have been closed meanwhile.

        Returns:
            The answer; CERTIFICATE_REQUIRED where a TLS alert came instead, which says that (RFC 8446, 6.2).

        Raises:
            ProbeError: no answer (unreachable, time-out, closed, not HTTP).
        """
        what = f"{method} {path}"
        for _ in range(1 if once else 2):
            self._now.path, self._now.deadline, self._now.sock, self._now.fresh = path, deadline, None, True
            try:
                return self._once(method, headers or {}, body, limit)
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                if certificate_required(error):
                    return Exchange(CERTIFICATE_REQUIRED, {}, b"")
                if time.monotonic() >= deadline - 0.005 or isinstance(error, requests.Timeout):
                    raise ProbeError(f"{what}: no complete answer within the time limit", Cause.TIMEOUT) from None
                if self._now.fresh:
                    raise _explain(what, error) from None
                # A kept-alive connection may have been closed while it idled: that is no answer of the target's.
        raise ProbeError(f"{what}: the connection was closed without an answer", Cause.CLOSED)

    def _once(self, method: str, headers: Mapping[str, str], body: bytes | None, limit: int) -> Exchange:
        left = self._now.deadline - time.monotonic()
        if left <= 0:
            raise requests.Timeout
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, "http://target/", body
        request.headers = CaseInsensitiveDict(
            {"Host": self._host, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        )
        if body is not None or method not in ("GET", "HEAD"):
            request.headers["Content-Length"] = str(len(body or b""))
        try:
            with self._adapter.send(request, stream=True, timeout=left) as response:
                fields = {name.lower(): value for name, value in response.raw.headers.items()}
                content = response.raw.read(limit, decode_content=True)[:limit] if method != "HEAD" else b""
                # A body that is longer is left unread; closing the response then drops the connection.
                encoding = fields.get("content-encoding", "identity").lower()
                if content and encoding not in _READABLE:
                    raise ProbeError(
                        f"{method} {self._now.path}: the answer is encoded ({encoding[:40]}), which was not asked for, "
                        "and cannot be read",
                        Cause.PROTOCOL,
                    )
                cookies = tuple(response.raw.headers.getlist("set-cookie"))
                return Exchange(response.status_code, fields, content, cookies, time.monotonic() - self._now.begun)
        finally:
            if self._now.sock is not None:
                self._now.sock.idle_since = time.monotonic()

    def close(self) -> None:
        """Close every kept connection."""
        self._closed = True
        self._adapter.close()
        while sock := self._take_ready():
            sock.close()


def certificate_required(error: BaseException) -> bool:
    """Whether what urllib3 and requests wrapped is the alert that a client certificate is missing (TLS 1.3)."""
    if isinstance(error, ssl.SSLError) and error.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        return True
    inner = [error.__cause__ or error.__context__, *error.args]  # urllib3 hands some on without raising them
    return any(certificate_required(one) for one in inner if isinstance(one, BaseException))


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
    if isinstance(error, DecodeError):
        return ProbeError(f"{what}: the answer's encoding is broken", Cause.PROTOCOL)
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
    context.sslsocket_class = TimedTLS
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
