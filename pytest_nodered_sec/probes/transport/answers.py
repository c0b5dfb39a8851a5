"""From an exchange as it came to what may be kept of it: an `Answer`, cookies without values, where a redirect leads.

Nothing here opens a connection; who asks is handed in.
"""

from __future__ import annotations

import functools
import json
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import REFUSALS, Answer, Mark, is_login
from pytest_nodered_sec.observations.side_ports import Cookie
from pytest_nodered_sec.probes.transport import challenges as login
from pytest_nodered_sec.probes.transport.http import CERTIFICATE_REQUIRED
from pytest_nodered_sec.texts import in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.probes.transport.http import Exchange

_HOPS: Final = 5
_LONGEST: Final = 500  # characters of a location that are kept
VALUES: Final = 1_000_000  # of one JSON text, about; the flows of 2,000 nodes have some 60,000
COOKIES: Final = 32  # of one answer, and of one target
_COOKIES_SHOWN: Final = 8  # in one answer's evidence: each observation holds its landmarks' as well
_TOLD: Final = {  # fields of answers, and how many characters of them are kept
    "access-control-allow-origin": 200,
    "access-control-allow-credentials": 20,
    "x-frame-options": 60,
    "x-content-type-options": 20,
    "strict-transport-security": 200,
    "server": 100,
    "x-powered-by": 60,
}
NO_CERTIFICATE: Final = "No required SSL certificate was sent"  # nginx, ngx_http_special_response.c
# Bounded, so that no page, however it was written, takes more than a moment.
_EDITOR: Final = re.compile(
    r'<script src="?[^"><]{0,300}red/red(?:\.min)?\.js|id="red-ui-editor"'
)  # no mere path, echoed
_DASHBOARD_2: Final = re.compile(r"(?:FlowFuse|Node-RED) Dashboard")  # @flowfuse/node-red-dashboard, dist/index.html
_ITS_SCRIPT: Final = re.compile(r"assets/index-[\w-]{1,100}\.js")  # after it; a login's page may have the name, too
_LOGIN_FORM: Final = re.compile(r"""type=["']?password""", re.IGNORECASE)  # in no page of Node-RED's or a dashboard's
# Of pages that turn somebody away without such a header. Not what is put into ordinary pages too, such as the script
# /cdn-cgi/challenge-platform/scripts/jsd/main.js or /_Incapsula_Resource.
_BLOCK_MARKS: Final = re.compile(
    rb"_cf_chl_opt|cf-error-details|id=[\"']anubis_challenge|awsWafCookieDomainList|captcha-delivery\.com/c\.js|px-captcha"
    rb"|/_Incapsula_Resource\?[^\"']{0,300}incident_id="
)
_HTTP3: Final = re.compile(r"""(?<![\w-])h3(?:-\d{1,3})?="[\w.:\[\]-]{0,100}\"""")
_BLOCK_HEADERS: Final = ("cf-mitigated", "x-amzn-waf-action", "x-sucuri-block", "x-datadome")


def follow(
    target: Target, origin: str, method: str, path: str, ask: Callable[[str, int], Exchange]
) -> tuple[Answer, Exchange]:
    """Ask, and follow redirects on the same origin (GET and HEAD, 5 hops); return the end, reduced and as it came.

    Args:
        target: names the login URLs, which are not followed.
        origin: of what is asked, as `origin_of` writes it.
        method: HTTP method.
        path: absolute path with query, or a whole URL of this origin.
        ask: sends one request for such a path, after so many hops.

    Raises:
        ProbeError: a redirect loop.
    """
    asked, first = path, ""
    for hops in range(_HOPS + 1):
        got = ask(asked, hops)
        location = location_of(origin + asked if asked.startswith("/") else asked, got)
        refusal = is_login(without_query(location), target)  # also on this host
        stays = method not in ("GET", "HEAD")
        if not location or refusal or stays or origin_of(location) != origin:
            answer = reduced(got, asked, location, hops, cleartext=origin.startswith("https:"))
            return (replace(answer, first=first) if first else answer), got
        first = first or without_query(location)[:_LONGEST]
        asked = path_and_query(location)
    beside = target.tls and origin.startswith("http:")
    what = f"{method} {path}{' over plain HTTP' if beside else ''}"
    raise ProbeError(
        f"{what} ends in a redirect loop (more than {_HOPS} hops): {_way_out(got, beside=beside)}", Cause.PROTOCOL
    )


def _way_out(got: Exchange, *, beside: bool) -> str:
    """Return what to do about redirects without end: who asks is expected to come back with something."""
    if beside:
        return "let it redirect to https (nginx: return 301 https://$server_name$request_uri;), or answer 404"
    names = ", ".join(cookie.name for cookie in cookies_of(got)[:3] if cookie.name)
    if names:
        return f"it sets a cookie ({names}), as checks for browsers do; let the machine that runs the tests pass"
    return "if a login stands behind it, let it answer 401, or redirect to the login's own path (--nodered-login-url)"


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
    """Return the absolute URL a redirect points to, in ASCII; "" where the answer is none.

    Raises:
        ProbeError: what it points to is no URL.
    """
    if got.status not in (301, 302, 303, 307, 308):
        return ""
    said = got.headers.get("location", "")
    if not said:
        return ""
    escaped = "".join(
        letter if "!" <= letter <= "~" else quote(letter.encode("latin-1", "replace"), safe="") for letter in said
    )
    try:
        location = urljoin(url, escaped)
        origin_of(location)  # urlsplit looks at the port only when it is asked for
    except ValueError:
        shown = in_one_line(said, 100)
        raise ProbeError(
            f"{url} answered {got.status} with a Location that is no URL: {shown}", Cause.PROTOCOL
        ) from None
    return location


def reduced(got: Exchange, path: str, location: str, hops: int, *, cleartext: bool) -> Answer:
    """Return what may be kept of an exchange.

    Args:
        got: as it came.
        path: the path asked, whose words are no likeness.
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
        content_type=content_type if re.fullmatch(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}", content_type) else "",
        length=len(got.body),
        challenge=login.shown(_challenges(got)),
        location=without_query(location)[:_LONGEST],
        marks=frozenset(marks),
        likeness=likeness(got.body.decode("latin-1")) if got.status < 400 else (),
        aside=likeness(unquote(path)) if got.status < 400 else (),
        block=block_of(got),
        hops=hops,
        headers=_told_browsers(got),
    )


def _challenges(got: Exchange) -> tuple[login.Challenge, ...]:
    return login.challenges(got.headers.get("www-authenticate", "")) if got.status == 401 else ()


def _told_browsers(got: Exchange) -> tuple[tuple[str, str], ...]:
    """Return what an answer tells; of what may hold nonces or secrets, only the harmless part."""
    told = [(name, got.headers[name][:limit]) for name, limit in _TOLD.items() if name in got.headers]
    ancestors = re.search(r"frame-ancestors[^;,]*", got.headers.get("content-security-policy", ""))
    told += [("content-security-policy", ancestors[0][:200].strip())] if ancestors else []
    realm = login.basic_realm(_challenges(got))
    told += [] if realm is None else [("basic-realm", realm)]
    cookies = dict.fromkeys(cookie.line() for cookie in cookies_of(got))
    return (*told, *(("set-cookie", line) for line in list(cookies)[:_COOKIES_SHOWN]))


def server_of(got: Exchange) -> str:
    """Return what an answer says of the server, or else of the proxies it came through, fit to be shown."""
    return in_one_line(got.headers.get("server") or got.headers.get("via", ""), 200)


def announced_http3(got: Exchange) -> str:
    """Return by what an answer offers HTTP/3 (RFC 7838, 3), 'h3=":443"'; "" where it does not."""
    offer = _HTTP3.search(got.headers.get("alt-svc", "")[:_LONGEST])
    return offer[0] if offer else ""


def http_date(said: str) -> datetime | None:
    """Return an HTTP date (RFC 9110, 5.6.7, obsolete forms included) in UTC; None if it is invalid."""
    try:
        date = parsedate_to_datetime(said[:100])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):  # as the standard library does
        return None


def clock_offset(got: Exchange, now: datetime) -> int | None:
    """Return by how many seconds an answer's Date is ahead of our clock; None without a readable Date.

    A Date has whole seconds and is cut off (RFC 9110, 6.6.1), so half a second is added.

    Args:
        got: the answer, which has just come.
        now: our clock.
    """
    date = http_date(got.headers.get("date", ""))
    return None if date is None else round((date - now).total_seconds() + 0.5)


def retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds of Retry-After (RFC 9110, 10.2.3); 1 without it."""
    said = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]+", said):
        return float(said[:9]) if len(said) < 10 else 1e9
    date = http_date(said)
    if date is None:
        return 1.0
    now = http_date(headers.get("date", "")) or now  # its own clock, which the date is by
    return max(0.0, (date - now).total_seconds())


def values_in(text: bytes | str) -> int:
    """Return about how many values a JSON text holds, without parsing it: in memory each takes up to 200 bytes."""
    return sum(map(text.count, (",", "{", "["))) if isinstance(text, str) else sum(map(text.count, (b",", b"{", b"[")))


def json_of(text: bytes | str, values: int = VALUES) -> Any:  # Any: JSON of the target
    """Return what a JSON text holds; None where it is none, or holds more values than fit in memory with others'."""
    if values_in(text) > values:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # ValueError: no UTF-8, and integers of more than 4,300 digits, too
        return None


def cookies_of(got: Exchange) -> list[Cookie]:
    """Return the cookies that an answer sets, without their values, at most 32; those that it takes back are none."""
    cookies: list[Cookie] = []
    for header in got.cookies:
        pair, *rest = header.split(";")
        given = {
            name.strip().lower(): value.strip() for name, _, value in (attribute.partition("=") for attribute in rest)
        }
        name, equals, _ = pair.strip().partition("=")  # without a =, all of it is the value (RFC 6265bis, 5.6)
        shown = in_one_line(redaction.scrub(name.strip()), 60) if equals else ""
        site = given.get("samesite", "").lower()
        site = site if site in ("strict", "lax", "none") else ""
        if not _taken_back(given):
            cookies.append(Cookie(shown, "secure" in given, "httponly" in given, site))
    return list(dict.fromkeys(cookies))[:COOKIES]


def handed_out(got: Exchange) -> dict[str, str]:
    """Return the cookies that an answer sets, as a browser would send them back; long ones are left out."""
    given: dict[str, str] = {}
    for header in got.cookies[:_COOKIES_SHOWN]:
        name, equals, value = header.partition(";")[0].strip().partition("=")
        if equals and len(name) + len(value) < _LONGEST and f"{name}{value}".isprintable():
            given[name] = value
    return given


def _taken_back(given: Mapping[str, str]) -> bool:
    age = given.get("max-age", "")
    if re.fullmatch("-?[0-9]+", age):  # it comes before Expires
        return age.startswith("-") or not age.strip("0")
    date = http_date(given.get("expires", ""))
    return date is not None and date < datetime.now(UTC)


def without_query(location: str) -> str:
    """Drop query, fragment and userinfo: they may carry tokens."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path}" if location else ""


def _marks(got: Exchange, path: str) -> set[Mark]:
    """Recognise the answer's author (the editor's index.mst, editor-api/lib/auth/index.js, Express's finalhandler)."""
    marks: set[Mark] = set()
    text = got.body.decode("utf-8", "replace")
    if got.status == 404 and "<pre>Cannot " in text:
        marks.add(Mark.EXPRESS)
        if f" {path.partition('?')[0]}</pre>" in text:
            marks.add(Mark.ECHO)
    if got.status >= 300 and re.search(r"<(center|address)>[\w ().-]{1,60}/\d", text):  # nginx's, Apache's
        marks.add(Mark.VERSION)
    if got.status == CERTIFICATE_REQUIRED or (got.status >= 400 and NO_CERTIFICATE in text):
        marks.add(Mark.CERTIFICATE_DEMAND)
    if got.status >= 300 and got.status not in REFUSALS:
        return marks
    form = _LOGIN_FORM.search(text) is not None
    if not form and _EDITOR.search(text):
        marks.add(Mark.EDITOR)
    if not form and ('ng-app="ui"' in text or _is_dashboard_2(text)):
        marks.add(Mark.DASHBOARD)
    data = json_of(text)
    if _holds_nodes(data):
        marks.add(Mark.NODES)
    if isinstance(data, dict):
        if "httpNodeRoot" in data:
            marks.add(Mark.SETTINGS)
        if "socketio" in data or "dash" in data:  # /dashboard/_setup; a theme of Dashboard 1 at /uisettings
            marks.add(Mark.DASHBOARD)
        if path.endswith("/auth/login") and got.status < 300:
            if not data:
                marks.add(Mark.LOGIN_OPEN)
            elif data.get("type") in ("credentials", "strategy"):
                marks.add(Mark.LOGIN_CONFIGURED)
    return marks


def _is_dashboard_2(text: str) -> bool:
    named = _DASHBOARD_2.search(text)
    return named is not None and _ITS_SCRIPT.search(text, named.end()) is not None


def _holds_nodes(data: object) -> bool:
    """Whether JSON is a list of Node-RED's nodes: flows in either format, or what /nodes and /plugins list."""
    listed = data.get("flows") if isinstance(data, dict) else data
    kinds = ("type", "types")
    return (
        isinstance(listed, list)
        and bool(listed)
        and all(isinstance(node, dict) and "id" in node and any(kind in node for kind in kinds) for node in listed)
    )


def block_of(got: Exchange) -> str:
    """Return by what a WAF shows that it answered in the target's place: a header's name, words of its page, or ""."""
    named = next((name for name in _BLOCK_HEADERS if name in got.headers), "")
    mark = None if named or "html" not in got.headers.get("content-type", "") else _BLOCK_MARKS.search(got.body)
    return named or (mark[0].decode("latin-1")[:40] if mark else "")


@functools.lru_cache(maxsize=128)  # the same pages come again and again, and from every gateway of a fleet
def likeness(text: str) -> tuple[int, ...]:
    """Return a fingerprint of a text's words, without numbers and what holds any.

    Two pages are alike when their fingerprints nearly agree; the page cannot be read back from it.
    """
    words = re.findall(r"(?<![0-9A-Za-z])[A-Za-z]{2,24}(?![0-9A-Za-z])", text)
    return tuple(sorted({zlib.crc32(word.lower().encode()) for word in words}))[:2000]
