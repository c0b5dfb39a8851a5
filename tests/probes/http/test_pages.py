"""What answers say beside the page: HTTPS only, versions, cookies."""

from __future__ import annotations

from typing import Any

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.observations.answers import Mark
from pytest_nodered_sec.observations.side_ports import Announcements, Cookie, PageAnswers, SeenCookies
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.answers import cookies_of
from pytest_nodered_sec.probes.transport.http import Exchange
from pytest_nodered_sec.survey.survey import Survey

FULL = "Path=/; Secure; HttpOnly; SameSite=Lax"


def answered(behaviour: Any, *asks: Any, host: str = "localhost", tls: bool = True, **settings: Any) -> Any:
    """Return the answer to the last question."""
    with hostile.serving(behaviour, tls=tls) as server:
        survey = Survey()
        settings = {"policy": Policy(), "http_port": hostile.closed_port(), "timeout": 2.0, **settings}
        target = Target("host", server.url.replace("localhost", host), **settings)
        try:
            return [survey.answer(target, ask) for ask in asks][-1]
        finally:
            survey.close()


def cookie(*headers: str) -> list[Cookie]:
    return cookies_of(Exchange(200, {}, b"", headers))


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        (f"a=hunter2; {FULL}", Cookie("a", True, True, "lax")),
        ("a=hunter2; secure;httponly ;samesite=STRICT", Cookie("a", True, True, "strict")),
        ("a=hunter2", Cookie("a", False, False, "")),
        ("a=hunter2; SameSite", Cookie("a", False, False, "")),
        ("a=hunter2; SameSite=Hunter2", Cookie("a", False, False, "")),
        ("a=hunter2; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Secure", Cookie("a", True, False, "")),
        ("a=hunter2; Expires=soon", Cookie("a", False, False, "")),
        ("a=hunter2; Max-Age=", Cookie("a", False, False, "")),
        ("hunter2", Cookie("", False, False, "")),
        ("=hunter2", Cookie("", False, False, "")),
        ("h\xfcnter2\x1b=1", Cookie("h\xfcnter2\\x1b", False, False, "")),
        (f"{'n' * 99}=1", Cookie("n" * 59 + "…", False, False, "")),
    ],
)
def test_a_cookie_is_its_name_and_attributes(header: str, seen: Cookie) -> None:
    assert cookie(header) == [seen]
    assert "hunter2" not in repr(cookie(header)).lower()


@pytest.mark.parametrize("header", ["a=; Max-Age=0", "a=; Max-Age=-1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_cookie_that_is_taken_back_is_none(header: str) -> None:
    assert cookie(header) == []
    assert len(cookie(header, "b=1")) == 1


def setting(header: str, path: str) -> Any:
    def answer(request: hostile.Request) -> hostile.Reply:
        reply = hostile.FakeNodeRED()(request)
        if request.path != path:
            return reply
        return hostile.Reply(reply.status, {**reply.headers, "Set-Cookie": header}, reply.body)

    return answer


@pytest.mark.parametrize("path", ["/ui", "/settings"])
def test_cookies_of_all_looks_are_gathered(path: str) -> None:
    asks = [*questions.guarded_reads(Target("x", "https://x.example", Policy()))[:3], *questions.COOKIES]
    seen = answered(setting("sid=hunter2; Path=/", path), *asks)
    assert isinstance(seen, SeenCookies)
    assert seen.cookies == (Cookie("sid", False, False, "", f"GET {path}"),)
    assert seen.answers > 8
    assert "hunter2" not in repr(seen)


def test_cookies_over_plain_http_are_cookies_too() -> None:
    def tell(request: hostile.Request) -> hostile.Reply:
        return hostile.Reply(301, {"Location": "https://localhost/", "Set-Cookie": "sid=1"})

    with hostile.serving(tell, tls=False) as plain:
        seen = answered(hostile.FakeNodeRED(), *questions.COOKIES, http_port=plain.port)
    assert [kept.name for kept in seen.cookies] == ["sid"]


def test_a_silent_page_sets_no_cookie() -> None:
    hang = hostile.Reply(stream=hostile.silence)
    seen = answered(hostile.FakeNodeRED(replies={"/ui": hang}), *questions.COOKIES)
    assert seen.cookies == ()


# --- HTTPS only


def test_each_step_to_a_page_is_kept() -> None:
    replies = {
        "/ui": hostile.Reply(301, {"Location": "/ui/"}),
        "/ui/": hostile.Reply(200, {"Strict-Transport-Security": "max-age=1"}, b"page"),
    }
    seen = answered(hostile.FakeNodeRED(replies=replies), Ask("page", ("node", "/ui")))
    assert isinstance(seen, PageAnswers)
    assert [(path, answer.status, answer.header("strict-transport-security")) for path, answer in seen.answers] == [
        ("/ui", 301, ""),
        ("/ui/", 200, "max-age=1"),
    ]


def test_no_page_is_opened_where_nothing_is_demanded() -> None:
    seen = answered(hostile.FakeNodeRED(), Ask("page", ("admin", "/")), tls=False)
    assert seen.answers == ()


def test_what_every_path_leads_to_is_told_by_the_editors_page() -> None:
    def answer(request: hostile.Request) -> hostile.Reply:
        return hostile.Reply(302, {"Location": f"http://login.example/?rd={request.path}"})

    seen = [answered(answer, Ask("page", ask), host="127.0.0.1") for ask in (("admin", "/"), ("node", "/ui"))]
    assert [page.as_everywhere for page in seen] == [False, True]
    assert [page.answers[0][1].location for page in seen] == ["http://login.example/"] * 2


# --- versions


def test_versions_of_every_kind_of_answer() -> None:
    body = b"<html><center>nginx/1.22.1</center></html>"

    def tell(request: hostile.Request) -> hostile.Reply:
        if request.path == "/ui":
            return hostile.Reply(403, {"Server": "nginx/1.2"}, body)
        return hostile.FakeNodeRED()(request)

    with hostile.serving(hostile.always(403, {"Server": "plain/3"}), tls=False) as plain:
        seen = answered(tell, *questions.VERSIONS, http_port=plain.port)
    assert isinstance(seen, Announcements)
    assert {text for _, _, text in seen.versions} == {
        "Server: nginx/1.2",
        "Server: plain/3",
        "a server's version in its body",
    }
    assert any(Mark.VERSION in answer.marks for _, answer in seen.answers)


def test_a_silent_page_is_said_where_nothing_else_tells_a_version() -> None:
    hang = hostile.Reply(stream=hostile.silence)
    with pytest.raises(ProbeError, match="no answer to GET /ui"):
        answered(hostile.FakeNodeRED(replies={"/ui": hang}), *questions.VERSIONS)
