"""From an exchange as it came to what may be kept of it: an `Answer`, cookies without values, where a redirect leads.

Nothing here opens a connection; who asks is handed in.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import zlib
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_answers import Answer, Mark, is_login
from pytest_nodered_sec.model_doors import Cookie
from pytest_nodered_sec.probes.http import CERTIFICATE_REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.probes.http import Exchange

_HOPS: Final = 5
_TOLD: Final = (
    "access-control-allow-origin",
    "x-frame-options",
    "x-content-type-options",
    "strict-transport-security",
    "server",
    "x-powered-by",
)
NO_CERTIFICATE: Final = "No required SSL certificate was sent"  # nginx, ngx_http_special_response.c
_BLOCK_HEADERS: Final = ("cf-mitigated", "x-amzn-waf-action", "x-sucuri-block", "x-datadome")


def follow(
    target: Target, origin: str, method: str, path: str, ask: Callable[[str, int], Exchange]
) -> tuple[Answer, Exchange]:
    """Ask, and follow redirects on the same origin (GET and HEAD, 5 hops); return the end, reduced and as it came.

    Args:
        target: names the login URLs, which are not followed.
        origin: of what is asked, as `origin_of` writes it.
        method: HTTP method.
        path: absolute path with query.
        ask: sends one request for such a path, after so many hops.

    Raises:
        ProbeError: a redirect loop.
    """
    asked = path
    for hops in range(_HOPS + 1):
        got = ask(asked, hops)
        location = location_of(origin + asked, got)
        login = is_login(without_query(location), target)  # a refusal, also on this host
        stays = method not in ("GET", "HEAD")
        if not location or login or stays or origin_of(location) != origin:
            return reduced(got, asked, location, hops, cleartext=origin.startswith("https:")), got
        asked = path_and_query(location)
    raise ProbeError(f"{method} {path} ends in a redirect loop (more than {_HOPS} hops)", Cause.PROTOCOL)


def path_and_query(url: str) -> str:
    """Return what of a URL is sent in a request."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, the port always written."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def location_of(url: str, got: Exchange) -> str:
    """Return the absolute URL a redirect points to, or "" where the answer is none."""
    if got.status not in (301, 302, 303, 307, 308):
        return ""
    target = got.headers.get("location", "")
    return urljoin(url, target) if target else ""


def reduced(got: Exchange, path: str, location: str, hops: int, *, cleartext: bool) -> Answer:
    """Return what may be kept of an exchange.

    Args:
        got: as it came.
        path: the path asked, which is no likeness.
        location: absolute URL that it redirects to, "" for none.
        hops: how many redirects were followed before.
        cleartext: whether a redirect to plain HTTP is a step down.
    """
    marks = set() if location else _marks(got, path)
    if location.startswith("http:") and cleartext:
        marks.add(Mark.CLEARTEXT_REDIRECT)
    content_type = got.headers.get("content-type", "").split(";")[0].strip().lower()
    return Answer(
        status=got.status,
        content_type=content_type if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", content_type) else "",
        length=len(got.body),
        challenge=challenge(got.headers) if got.status == 401 else "",
        location=without_query(location),
        marks=frozenset(marks),
        likeness=likeness(got.body, path) if got.status < 400 else (),
        block=block_header(got.headers),
        hops=hops,
        headers=_told_browsers(got),
    )


def _told_browsers(got: Exchange) -> tuple[tuple[str, str], ...]:
    """Return what an answer tells; of what may hold nonces or secrets, only the harmless part."""
    told = [(name, got.headers[name][:200]) for name in _TOLD if name in got.headers]
    ancestors = re.search(r"frame-ancestors[^;,]*", got.headers.get("content-security-policy", ""))
    told += [("content-security-policy", ancestors[0][:200].strip())] if ancestors else []
    realm = basic_realm(got.headers) if got.status == 401 else None
    told += [] if realm is None else [("basic-realm", realm)]
    return (*told, *(("set-cookie", one.line()) for one in cookies_of(got)))


def clock_offset(got: Exchange, now: datetime) -> int | None:
    """Return by how many seconds an answer's Date is ahead of our clock; None where it has none that can be read.

    A Date has whole seconds and is cut off (RFC 9110, 6.6.1), so half a second is added.

    Args:
        got: the answer, which has just come.
        now: our clock.
    """
    try:
        date = parsedate_to_datetime(got.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    date = date.replace(tzinfo=date.tzinfo or UTC)
    return round((date - now).total_seconds() + 0.5)


def cookies_of(got: Exchange) -> list[Cookie]:
    """Return the cookies that an answer sets, without their values; those that it takes back are none."""
    found: list[Cookie] = []
    for header in got.cookies:
        pair, *rest = header.split(";")
        given = {name.strip().lower(): value.strip() for name, _, value in (one.partition("=") for one in rest)}
        name, equals, _ = pair.strip().partition("=")  # without a =, all of it is the value (RFC 6265bis, 5.6)
        shown = name.strip() if equals and name.isascii() and name.isprintable() else ""
        site = given.get("samesite", "").lower()
        site = site if site in ("strict", "lax", "none") else ""
        if not _taken_back(given):
            found.append(Cookie(shown[:60], "secure" in given, "httponly" in given, site))
    return found


def _taken_back(given: Mapping[str, str]) -> bool:
    if re.fullmatch(r"-?\d+", given.get("max-age", "")):  # it comes before Expires
        return int(given["max-age"]) <= 0
    try:
        return parsedate_to_datetime(given.get("expires", "")).timestamp() < time.time()
    except (ValueError, OverflowError):
        return False


def without_query(location: str) -> str:
    """Drop query, fragment and userinfo: they may carry tokens."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path}" if location else ""


def _marks(got: Exchange, path: str) -> set[Mark]:
    """Tell what wrote the answer (the editor's index.mst, editor-api/lib/auth/index.js, Express's finalhandler)."""
    marks: set[Mark] = set()
    text = got.body.decode("utf-8", "replace")
    if got.status == 404 and "<pre>Cannot " in text:
        marks.add(Mark.EXPRESS)
    if got.status >= 300 and re.search(r"<(center|address)>[\w ().-]{1,60}/\d", text):  # nginx's, Apache's
        marks.add(Mark.VERSION)
    if got.status == CERTIFICATE_REQUIRED or (got.status >= 400 and NO_CERTIFICATE in text):
        marks.add(Mark.CERTIFICATE_DEMAND)
    if got.status >= 300:
        return marks
    if "red/red.min.js" in text or 'id="red-ui-editor"' in text:
        marks.add(Mark.EDITOR)
    if "Node-RED Dashboard" in text or 'ng-app="ui"' in text:
        marks.add(Mark.DASHBOARD)
    with contextlib.suppress(ValueError, RecursionError):
        data = json.loads(text)
        if isinstance(data, dict):
            if "httpNodeRoot" in data:
                marks.add(Mark.SETTINGS)
            if "socketio" in data or "dash" in data:  # /dashboard/_setup; a theme of Dashboard 1 at /uisettings
                marks.add(Mark.DASHBOARD)
            if path.endswith("/auth/login"):
                if not data:
                    marks.add(Mark.LOGIN_OPEN)
                elif data.get("type") in ("credentials", "strategy"):
                    marks.add(Mark.LOGIN_CONFIGURED)
    return marks


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


def basic_realm(headers: Mapping[str, str]) -> str | None:
    """Return the realm of a Basic login that WWW-Authenticate offers, among others; None where it offers none."""
    found = re.search(r'(?i)(?:^|,)\s*basic\b(?:\s+realm="?([^",]*))?', headers.get("www-authenticate", ""))
    return (found[1] or "") if found else None


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
