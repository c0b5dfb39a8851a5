"""What is kept of answers, whatever their headers hold: within bounds, and nothing but ProbeError is raised."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.learnt import Runs
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.answers import Mark
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.channels.engineio import offered, unframed
from pytest_nodered_sec.probes.transport.answers import (
    announced_http3,
    clock_offset,
    cookies_of,
    follow,
    http_date,
    json_of,
    reduced,
    retry_after,
    server_of,
)
from pytest_nodered_sec.probes.transport.broken import told
from pytest_nodered_sec.probes.transport.http import Exchange
from pytest_nodered_sec.probes.transport.response import Head

TARGET = Target("x", "https://plant.example", Policy(login_urls=("/login", "https://sso.example/x")))
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ECHOING = (
    *("server", "x-powered-by", "strict-transport-security", "x-frame-options", "www-authenticate"),
    *("access-control-allow-origin", "x-content-type-options", "via"),
)
LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=80)
NUMBER = st.one_of(st.integers().map(str), st.just("9" * 5000), st.just("²"), st.just("-" + "9" * 5000))
LOCATION = st.one_of(
    LATIN,
    st.sampled_from(["https://[::1", "https://x:99999/", "//[", "https://x:y/", "http://\xb9/", "/login", "?", "#"]),
    LATIN.map("https://plant.example/".__add__),
)
DATE = st.one_of(
    LATIN,
    st.datetimes().map(lambda date: date.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    st.tuples(st.integers(0, 99999), st.integers(-99999, 99999)).map(
        lambda n: f"Mon, 1 Jan {n[0]} 00:00:00 {n[1]:+05}"
    ),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "location": LOCATION,
        "retry-after": st.one_of(NUMBER, DATE),
        "date": DATE,
        "www-authenticate": LATIN,
        "content-type": LATIN,
        "content-security-policy": LATIN,
        "server": LATIN,
    },
)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("default-src 'self'", ""),
        (
            "default-src 'self'; Frame-Ancestors *, frame-ancestors 'self'; frame-ancestors *",
            "Frame-Ancestors *, frame-ancestors 'self'",
        ),
        ("report-uri /frame-ancestors; frame-ancestors-x *", ""),
        (f"frame-ancestors https://{'a' * 300}.example *", f"frame-ancestors https://{'a' * 300}.example *"),
    ],
)
def test_of_each_policy_of_content_the_first_list_of_who_may_frame_is_kept(said: str, kept: str) -> None:
    got = Exchange(200, {"content-security-policy": said}, b"")
    answer, _ = follow(TARGET, "https://plant.example:443", "GET", "/x", lambda path, hops: got)
    assert answer.header("content-security-policy") == kept


@given(
    st.sampled_from([200, 302, 307, 401, 404, 500]),
    HEADERS,
    st.binary(max_size=200),
    st.lists(st.tuples(LATIN, NUMBER, DATE), max_size=40),
)
@example(302, {"location": "https://[::1"}, b"", [])
@example(302, {"location": "https://plant.example:99999/"}, b"", [])
@example(429, {"retry-after": "²"}, b"", [("x", "9" * 5000, "")])
@example(200, {}, b'{"a":' + b"9" * 5000 + b"}", [])
@example(200, {}, b"[" * 100_000, [])
def test_any_answer_is_reduced_or_could_not_be_read(
    status: int, headers: dict[str, str], body: bytes, cookies: list[tuple[str, str, str]]
) -> None:
    lines = tuple(f"{name}=v; Max-Age={age}; Expires={date}" for name, age, date in cookies)
    got = Exchange(status, headers, body, lines)
    retry_after(headers, NOW)
    clock_offset(got, NOW)
    assert len(cookies_of(got)) <= 32
    try:
        answer, _ = follow(TARGET, "https://plant.example:443", "GET", "/auth/login", lambda path, hops: got)
    except ProbeError:
        return
    assert len(repr(answer)) < 12_000
    assert answer.line().isprintable()


def test_what_a_hostile_answer_leaves_is_small() -> None:
    realm = f'Basic realm="{"x" * 60_000}"'
    cookies = tuple(f"{'n' * 100}{number}=1" for number in range(90))
    got = Exchange(401, {"www-authenticate": realm, "location": "/" + "y" * 60_000}, b"", cookies)
    answer, _ = follow(TARGET, "https://plant.example:443", "GET", "/x", lambda path, hops: got)
    assert len(repr(answer)) < 4000


@pytest.mark.parametrize(
    ("page", "block"),
    [
        ("<title>Just a moment...</title><script>window._cf_chl_opt={cRay:1}</script>", "_cf_chl_opt"),
        ('<div id="cf-error-details">Sorry, you have been blocked</div>', "cf-error-details"),
        ('<script id="anubis_challenge" type="application/json">{}</script>', 'id="anubis_challenge'),
        (
            '<iframe src="/_Incapsula_Resource?CWUDNSAI=9&incident_id=7-1">',
            "/_Incapsula_Resource?CWUDNSAI=9&incident_id="[:40],
        ),
        ('<script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script>', ""),  # in ordinary pages
        ('<script src="/_Incapsula_Resource?SWJIYLWA=719d"></script>', ""),
    ],
)
def test_a_page_that_turns_somebody_away_is_known_by_its_words(page: str, block: str) -> None:
    got = Exchange(403, {"content-type": "text/html"}, page.encode())
    assert reduced(got, "/x", "", 0, cleartext=False).block == block
    told = Exchange(200, {"content-type": "application/json"}, page.encode())
    assert not reduced(told, "/x", "", 0, cleartext=False).block


PAGES = {  # 64 KB on which a search that goes back takes seconds, and there are 200 answers
    "script": "<script src=" * 5400,
    "dashboard": "FlowFuse Dashboard" * 1800 + "assets/index-" * 2500,
    "word": "FlowFuse Dashboard" * 1800 + "assets/index-" + "a" * 32_000,
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_made_to_be_searched_for_long_shows_nothing(page: str) -> None:
    assert not reduced(Exchange(200, {}, PAGES[page].encode()), "/x", "", 0, cleartext=False).marks


@pytest.mark.parametrize(
    ("page", "mark"),
    [
        ('<script src="vendor/vendor.js"></script><script src="red/red.min.js"></script>', Mark.EDITOR),
        ("<title>FlowFuse Dashboard</title>\n<script src=./assets/index-Cq1x_-9.js>", Mark.DASHBOARD),
    ],
)
def test_pages_are_known_by_their_scripts(page: str, mark: Mark) -> None:
    assert reduced(Exchange(200, {}, page.encode()), "/x", "", 0, cleartext=False).marks == {mark}


def test_of_a_secret_that_is_echoed_and_cut_nothing_is_left() -> None:
    redaction.learn("correct-horse-battery-staple-" * 4)
    said = "correct-horse-battery-staple-" * 4
    fields = (("server", f"{'x' * 150}{said}"), ("www-authenticate", f'Basic realm="{"x" * 150}{said}"'))
    got = Exchange(401, told(Head(401, fields).headers), b"", (f"{said}=1",))
    answer = reduced(got, "/x", "", 0, cleartext=False)
    assert "correct" not in repr(answer)
    assert "staple" not in repr(answer)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("²", 1.0),
        ("", 1.0),
        ("soon", 1.0),
        ("9" * 5000, 1e9),
        ("Sat, 28 Nov 2026 12:00:30 GMT", 30.0),
        ("Saturday, 28-Nov-26 12:00:30 GMT", 30.0),
        ("Sat Nov 28 12:00:30 2026", 30.0),
        ("Sat, 28 Nov 2026 11:00:30 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(said: str, seconds: float) -> None:
    assert retry_after({"retry-after": said}, NOW) == seconds


def test_a_date_to_retry_at_is_by_the_clock_of_who_says_it() -> None:
    headers = {"retry-after": "Sat, 28 Nov 2026 15:00:30 GMT", "date": "Sat, 28 Nov 2026 15:00:00 GMT"}
    assert retry_after(headers, NOW) == 30.0


@given(DATE)
def test_a_date_is_one_or_none(said: str) -> None:
    date = http_date(said)
    assert date is None or date.utcoffset() == timedelta(0)


@given(st.one_of(st.binary(max_size=200), st.text('0123456789:{}"sid\x1e4', max_size=200).map(str.encode)))
@example(b"9" * 5000 + b":0{")
@example(b'0{"sid":' + b"9" * 5000 + b"}")
def test_any_body_is_a_handshake_of_engine_io_or_none(body: bytes) -> None:
    offered(body)
    for old in (True, False):
        unframed(body.decode("utf-8", "replace"), old=old)


@pytest.mark.parametrize(("packet", "old"), [("\x1e", False), ("0:", True), ("2:40", True)])
def test_of_millions_of_packets_the_first_are_read(packet: str, old: bool) -> None:
    begun = time.process_time()
    assert len(unframed(packet * (8_000_000 // len(packet)), old=old)) == 10_000
    assert time.process_time() - begun < 2  # each of the old ones copied all that followed


def test_json_that_would_fill_the_memory_is_none() -> None:
    assert json_of(b"[" + b"{}," * 2_000_000 + b"{}]") is None
    assert json_of("[" * 100_000) is None
    assert json_of('{"a": [1, 2]}') == {"a": [1, 2]}


def test_a_redirect_of_a_whole_url_is_read_beside_it() -> None:
    got = Exchange(302, {"location": "login"}, b"")
    asked: list[str] = []

    def ask(path: str, hops: int) -> Exchange:
        asked.append(path)
        return Exchange(200, {}, b"") if hops else got

    follow(TARGET, "https://plant.example:443", "GET", "https://plant.example/ui/", ask)
    assert asked == ["https://plant.example/ui/", "/ui/login"]


@given(HEADERS)
def test_what_a_server_calls_itself_is_fit_to_be_shown(headers: dict[str, str]) -> None:
    shown = server_of(Exchange(200, headers, b""))
    assert shown.isprintable()
    assert len(shown) <= 200


def test_a_server_that_does_not_name_itself_is_known_by_what_it_came_through() -> None:
    assert server_of(Exchange(200, {"via": "1.1 Caddy"}, b"")) == "1.1 Caddy"
    assert server_of(Exchange(200, {"via": "1.1 Caddy", "server": "x\x1b[2J"}, b"")) == "x\\x1b[2J"
    assert server_of(Exchange(200, {}, b"")) == ""


@pytest.mark.parametrize(
    ("said", "offer"),
    [
        ('h3=":443"; ma=2592000', 'h3=":443"'),  # Caddy
        ('h3=":8443"; ma=2592000,h3-29=":8443"; ma=2592000', 'h3=":8443"'),  # Traefik
        ('h2="other.example:443", h3-29="[2001:db8::5]:443"', 'h3-29="[2001:db8::5]:443"'),
        ("h3=:443", ""),
        ("clear", ""),
        ('h2=":443"', ""),
        ('xh3=":443"', ""),
        ("", ""),
    ],
)
def test_an_offer_of_http3_is_known(said: str, offer: str) -> None:
    assert announced_http3(Exchange(200, {"alt-svc": said}, b"")) == offer


@pytest.mark.parametrize("password", ["Kran!7x", "Kran", "hmi2026", "12;34=56"])
def test_no_part_of_a_short_password_is_kept_of_an_answer_that_echoes_it(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is cut, split at a mark or written in lower case, and wherever the limit falls."""
    monkeypatch.setattr(redaction, "_runs", Runs(lambda: lambda: None))
    redaction.learn(password)
    media_type = re.sub("[^a-z0-9]", "", password.lower())
    for padded in range(560):
        echoed = f"{'-' * padded}{password}"
        fields = tuple((name, f'Basic realm="{echoed}"' if "auth" in name else echoed) for name in ECHOING)
        got = Exchange(401, told(Head(401, fields).headers), b"", (f"{echoed}=1",))
        answer = reduced(got, "/", f"https://sso.example/{echoed}", 0, cleartext=True)
        shown = redaction.scrub(f"{answer} {server_of(got)} {announced_http3(got)}")
        assert not re.search(rf"-({'|'.join(re.escape(password[:size]) for size in range(2, 9))})", shown), padded
    head = Head(200, (("content-type", f"application/{password}"),))
    assert media_type not in redaction.scrub(
        str(reduced(Exchange(200, told(head.headers), b""), "/", "", 0, cleartext=True))
    )
