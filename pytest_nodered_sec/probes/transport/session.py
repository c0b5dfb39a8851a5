"""A `requests.Session` for a site's own tests, bound to one target as looks are.

Requests and answers are those of requests; what carries them is the look's own client: address, proxy, CA or pin,
client certificate, extra headers, time limit, bounds, pace, and the eight connections to one target.
"""

from __future__ import annotations

import io
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import requests
from requests.adapters import BaseAdapter
from requests.cookies import MockRequest, MockResponse
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.answers import origin_of
from pytest_nodered_sec.probes.transport.look import Look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.station import Station

_OURS: Final = {"user-agent", "host", "content-length", "connection", "accept-encoding"}  # the client's own
_SECRET: Final = {"authorization", "cookie", "proxy-authorization"}  # headers that are never sent unverified


class TargetSession(requests.Session):
    """A session bound to one target: anonymous, relative URLs, nothing from the environment.

    A path that begins with "/" is relative to the target's URL, its path included. Redirects are followed on the
    target's own origin only; a redirect elsewhere is returned as it is. A secret (`auth`, a cookie, an Authorization
    header) is sent only over a certificate that verified, also with `verify=False`.

    Args:
        station: what the looks at the target share.
    """

    def __init__(self, station: Station) -> None:
        super().__init__()
        self.trust_env = False
        self.base = station.target.url
        self.adapters.clear()
        self.mount(origin_of(self.base), _Adapter(station))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, its URL relative to the target's.

        Raises:
            ProbeError: no answer within the target's time limit, or a secret over a channel that is not verified.
        """
        text = url.decode() if isinstance(url, bytes) else url
        return super().request(method, self.base + text if text.startswith("/") else text, *args, **kwargs)

    def get_adapter(self, url: str | bytes) -> BaseAdapter:
        """Return the adapter of the target's origin.

        Raises:
            ProbeError: the URL is of another origin.
        """
        try:
            return super().get_adapter(url.decode() if isinstance(url, bytes) else url)
        except requests.exceptions.InvalidSchema:
            raise ProbeError(
                f"nodered_http sends requests to {self.base} only, not to {url!r}", Cause.NOT_ASKED
            ) from None

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a redirect leads if that is on the target's own origin."""
        target = super().get_redirect_target(resp)
        same = target is not None and origin_of(urljoin(resp.url, target)) == origin_of(self.base)
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
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OURS}
        secret = bool(_SECRET & {name.lower() for name in headers})
        body = request.body.encode() if isinstance(request.body, str) else request.body
        got = Look(self._station).ask(
            request.method or "GET",
            request.path_url,
            headers=headers,
            body=body if body is None else bytes(body),
            secret=secret or (bool(verify) and self._station.target.tls),
        )
        return _response(request, got)

    def close(self) -> None:
        """Do nothing: the connections are the station's."""


def _response(request: requests.PreparedRequest, got: Exchange) -> requests.Response:
    response = requests.Response()
    response.status_code = got.status
    response.headers = CaseInsensitiveDict(got.headers)
    response.raw = io.BytesIO(got.body)
    response.encoding = get_encoding_from_headers(response.headers)
    response.reason = HTTPStatus(got.status).phrase if got.status in list(HTTPStatus) else ""
    response.url = request.url or ""
    response.request = request
    message = Message()
    for cookie in got.cookies:
        message["Set-Cookie"] = cookie
    response.cookies.extract_cookies(MockResponse(message), MockRequest(request))  # type: ignore[arg-type]  # as requests does
    return response
