"""A `requests.Session` for a site's own tests, bound to one target as looks are.

Requests and answers are those of requests; what carries them is the look's own client: address, proxy, CA or pin,
client certificate, extra headers, time limit, bounds, pace, and the eight connections to one target.
"""

from __future__ import annotations

import io
import re
from email.message import Message
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import requests
from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.answers import origin_of
from pytest_nodered_sec.probes.transport.http import USER_AGENT
from pytest_nodered_sec.probes.transport.look import Look

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.station import Station

BODY_LIMIT: Final = 8 * 1024 * 1024  # bytes; a body that was cut would make "not in answer.text" pass
_FRAMING: Final = {"content-length", "connection", "transfer-encoding"}  # the client's own
_SECRET: Final = {"authorization", "cookie", "proxy-authorization"}  # headers that are never sent unverified
_PIECES: Final = re.compile("[ ;=]+")  # of a header: scheme and token, names and values of cookies
_SHORTEST: Final = 8  # characters of a secret that is made by a machine
_SCHEME: Final = re.compile("[a-zA-Z][a-zA-Z0-9+.-]*:")


class TargetSession(requests.Session):
    """A session bound to one target: anonymous, relative URLs, nothing from the environment.

    A URL without a scheme is relative to the target's URL, its path included. Redirects are followed on the target's
    own origin only; a redirect elsewhere is returned as it is. A secret (`auth`, a cookie, an Authorization header) is
    sent only over a certificate that verified, also with `verify=False`.

    Args:
        station: what the looks at the target share.
    """

    def __init__(self, station: Station) -> None:
        super().__init__()
        self.trust_env = False
        self.base = station.target.url
        self.headers.clear()
        self.headers.update({"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"})
        self._adapter = _Adapter(station)

    def __repr__(self) -> str:
        return f"<requests.Session at {self.base}>"

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, its URL relative to the target's.

        Raises:
            ProbeError: no answer within the target's time limit, or a secret over a channel that is not verified.
        """
        text = url.decode() if isinstance(url, bytes) else url
        if not _SCHEME.match(text):
            text = self.base + (text if text.startswith("/") else f"/{text}")
        return super().request(method, text, *args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request; its body is read where it is asked for, and it is no error otherwise if it is long.

        Raises:
            ProbeError: as for `request`.
        """
        return super().send(request, **{**kwargs, "stream": True})

    def get_adapter(self, url: str | bytes) -> BaseAdapter:
        """Return the adapter of the target's origin.

        Raises:
            ProbeError: the URL is of another origin.
        """
        text = url.decode() if isinstance(url, bytes) else url
        if origin_of(text) != origin_of(self.base):
            raise ProbeError(f"nodered_http sends requests to {self.base} only, not to {url!r}", Cause.NOT_ASKED)
        return self._adapter

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a redirect leads if that is on the target's own origin."""
        target = super().get_redirect_target(resp)
        try:
            same = target is not None and origin_of(urljoin(resp.url, target)) == origin_of(self.base)
        except ValueError:  # no URL, and so not ours
            return None
        return target if same else None


class _Adapter(BaseAdapter):
    """Sends a prepared request by a look's client."""

    def __init__(self, station: Station) -> None:
        super().__init__()
        self._station = station

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # bodies are bounded and read whole
        timeout: Any = None,  # the target's, for the whole exchange
        verify: bool | str = True,
        cert: Any = None,  # the target's
        proxies: Mapping[str, str] | None = None,  # the target's
    ) -> requests.Response:
        headers = {name: _text(value) for name, value in request.headers.items() if name.lower() not in _FRAMING}
        secrets = [value for name, value in headers.items() if name.lower() in _SECRET]
        _hide(secrets)
        try:
            got = Look(self._station).ask(
                request.method or "GET",
                request.path_url,
                headers=headers,
                body=_bytes(request.body),
                secret=bool(secrets) or (bool(verify) and self._station.target.tls),
                limit=BODY_LIMIT + 1,
            )
        except ProbeError as error:
            if error.cause is not Cause.UNVERIFIED or secrets:
                raise
            why = error.message.removeprefix("nothing secret is sent to ")
            way_out = "name its CA with --nodered-ca-file=FILE, or ask with verify=False"
            raise ProbeError(f"no request was sent to {why}; {way_out}", error.cause) from None
        if secrets:  # who is logged in may be given a session
            for cookie in got.cookies:
                redaction.learn_issued(cookie.partition(";")[0].partition("=")[2].strip())
        return _response(request, got)

    def close(self) -> None:
        """Do nothing: the connections are the station's."""


def _hide(values: Iterable[str]) -> None:
    """Keep what may be a secret in headers out of what the run writes; a short piece is an ordinary word."""
    for value in values:
        for piece in _PIECES.split(value):
            if len(piece) >= _SHORTEST:
                redaction.learn(piece)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(body: Any) -> bytes | None:  # Any: all that requests takes: text, bytes, a file, pieces
    whole = body.read() if hasattr(body, "read") else body
    if isinstance(whole, str):
        return whole.encode()
    return whole if whole is None or isinstance(whole, bytes) else b"".join(whole)


class _Raw(io.BytesIO):
    """A body that was read up to the limit; reading one that was cut raises.

    Attributes:
        _original_response: where requests looks for cookies.
    """

    def __init__(self, what: str, got: Exchange) -> None:
        super().__init__(got.body)
        self._cut = f"{what} answered more than {BODY_LIMIT // 1024 // 1024} MiB" if len(got.body) > BODY_LIMIT else ""
        fields = Message()
        for cookie in got.cookies:
            fields["Set-Cookie"] = cookie
        self._original_response = SimpleNamespace(msg=fields)

    def read(self, size: int | None = -1, /, **_: object) -> bytes:
        """Return the next bytes.

        Raises:
            ProbeError: the body is longer than the limit.
        """
        if self._cut:
            raise ProbeError(self._cut, Cause.PROTOCOL)
        return super().read(size)


def _response(request: requests.PreparedRequest, got: Exchange) -> requests.Response:
    response = requests.Response()
    response.status_code = got.status
    response.headers = CaseInsensitiveDict(got.headers)
    response.raw = _Raw(f"{request.method} {request.path_url}", got)
    response.encoding = get_encoding_from_headers(response.headers)
    response.reason = HTTPStatus(got.status).phrase if got.status in list(HTTPStatus) else ""
    response.url = request.url or ""
    response.request = request
    extract_cookies_to_jar(response.cookies, request, response.raw)  # type: ignore[no-untyped-call]  # as requests does
    return response
