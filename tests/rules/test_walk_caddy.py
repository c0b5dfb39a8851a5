"""Where requests end in Caddy, one handler and one matcher at a time; `tests/walk` compares with the real Caddy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from seen import target, violations

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_proxies import CaddyConfig, CaddyMatch, CaddyRoute, CaddyServer, CaddyStep
from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.rules.walk import caddy, choices
from pytest_nodered_sec.rules.walk.request import Client
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880), ListeningSocket("unix", "/run/nr.sock"))
RED = CaddyStep("proxy", ("127.0.0.1:1880",), name="reverse_proxy")
OTHER = CaddyStep("proxy", ("127.0.0.1:9",), name="reverse_proxy")
LOGIN = CaddyStep("login", name="authentication")
GONE = CaddyStep("end", status=410)
AUTH = replace(OTHER, answers=(((2,), ()),))


def server(*routes: CaddyRoute, **more: Any) -> CaddyServer:
    return CaddyServer("srv0", (":443",), True, (("127.0.0.1:1880", False),), routes, **more)


def steps(*steps: CaddyStep, **more: Any) -> CaddyRoute:
    return CaddyRoute((), steps, **more)


def on(match: CaddyMatch, *steps: CaddyStep) -> CaddyRoute:
    return CaddyRoute((match,), steps)


def ends(site: CaddyServer, uri: str = "/ui/", host: str = "a", **more: Any) -> set[str]:
    seen = CaddyConfig("caddy.json", (site,), SOCKETS)
    outcomes = choices.every(lambda made: caddy.walk(seen, site, Client(uri, host, **more), made))
    words = {"node-red": "{0.uri}", "elsewhere": "elsewhere", "answered": "{0.status}", "unknown": "unknown"}
    return {words[end.kind].format(end) + ("?" if end.doubts else "") for end in outcomes}


def rewrite(**how: Any) -> CaddyRoute:
    return steps(CaddyStep("rewrite", name="rewrite", **how), RED)


FAILS = CaddyStep("error", status=500)
CASES: dict[str, tuple[CaddyServer, dict[str, Any], set[str]]] = {
    "nothing": (server(), {}, {"200"}),
    "a login": (server(steps(LOGIN, RED)), {}, {"401"}),
    "a login that is passed": (server(steps(LOGIN, RED)), {"granted": True}, {"/ui/"}),
    "an account that is set before": (server(steps(CaddyStep("sign"), LOGIN, RED)), {}, {"401?", "/ui/?"}),
    "an account that is set behind": (server(steps(LOGIN, CaddyStep("sign"), RED)), {"granted": True}, {"/ui/"}),
    "the last route": (server(steps(last=True), steps(RED)), {}, {"200"}),
    "an error": (server(steps(CaddyStep("error"))), {}, {"500"}),
    "an error that is handled": (server(steps(FAILS), errors=(steps(RED),)), {"uri": "/x?y=1"}, {"/x?y=1"}),
    "an error that is not": (server(steps(FAILS), errors=(on(CaddyMatch(statuses=(404,)), RED),)), {}, {"500"}),
    "an error of the errors": (server(steps(FAILS), errors=(steps(CaddyStep("error", status=404)),)), {}, {"404"}),
    "errors of a part": (
        server(steps(CaddyStep("routes", routes=(steps(FAILS),), errors=(steps(RED),)))), {}, {"/ui/"}
    ),
    "a part without": (server(steps(CaddyStep("routes", routes=(steps(RED),), errors=(steps(GONE),)))), {}, {"/ui/"}),
    "a named route": (server(steps(CaddyStep("invoke", name="x")), named=(("x", steps(RED)),)), {}, {"/ui/"}),
    "files": (server(steps(CaddyStep("file"))), {}, {"200", "404"}),
    "files, else": (server(steps(CaddyStep("file", passes=True), RED)), {"exists": False}, {"/ui/"}),
    "files that are there": (server(steps(CaddyStep("file"), RED)), {"exists": True}, {"200"}),
    "a plugin": (server(steps(CaddyStep("unknown", name="x"), CaddyStep("unknown", name="x"), RED)), {}, {"/ui/?"}),
    "a group": (server(steps(CaddyStep("pass"), group="g"), steps(GONE, group="g"), steps(RED)), {}, {"/ui/"}),
    "a certificate": (server(steps(RED), certificates=("a",)), {}, {"0"}),
    "a certificate of another name": (server(steps(RED), certificates=("b.*",)), {}, {"/ui/"}),
    "any certificate": (server(steps(RED), certificates=("*",)), {"granted": True}, {"/ui/"}),
    # rewriting
    "whole": (server(rewrite(uri="/dashboard{http.request.uri}")), {"uri": "/x?y=1"}, {"/dashboard/x?y=1"}),
    "whole with a query": (server(rewrite(uri="/d{http.request.uri.path}?a=1")), {"uri": "/x?y=1"}, {"/d/x?a=1"}),
    "query": (server(rewrite(uri="?a={http.request.host}")), {"uri": "/x"}, {"/x?a=a"}),
    "an unknown placeholder": (server(rewrite(uri="/{http.vars.x}")), {}, {"/?"}),
    "nothing captured": (server(rewrite(uri="/a{http.regexp.1}")), {}, {"/a?"}),
    "prefix": (server(rewrite(prefix="/UI")), {}, {"/"}),
    "nothing is left, and put into another": (
        server(steps(CaddyStep("rewrite", name="rewrite", prefix="/ui")), rewrite(uri="/x{http.request.uri.path}")),
        {"uri": "/ui/."}, {"/x/"},
    ),
    "another prefix": (server(rewrite(prefix="ux")), {}, {"/ui/"}),
    "a longer prefix": (server(rewrite(prefix="/ui/x/y")), {}, {"/ui/"}),
    "prefix, encoded": (server(rewrite(prefix="/u")), {"uri": "/%75%2Fx"}, {"/x"}),
    "prefix, written encoded": (server(rewrite(prefix="/%75")), {"uri": "/%75/x"}, {"/x"}),
    "no slash is left": (server(rewrite(prefix="/u")), {"uri": "/ui"}, {"/i"}),
    "no slash is left before another rewrite": (
        server(steps(CaddyStep("rewrite", name="rewrite", prefix="/u")), rewrite(patterns=(("^/", "/x/"),))),
        {"uri": "/ui"}, {"/x/i"},
    ),
    "suffix": (server(rewrite(suffix="/")), {}, {"/ui"}),
    "texts": (server(rewrite(swaps=(("u", "U", 1), ("i", "I", 0)))), {"uri": "/ui/ui?u=i"}, {"/UI/uI?U=I"}),
    "patterns": (server(rewrite(patterns=(("^/u(.)", "/${1}$1"), ("^/(?=x)\\p{L}", "")))), {}, {"/ii/?"}),
    "as 0.1.0 told it": (server(steps(CaddyStep("rewrite"), RED)), {}, {"/ui/?"}),
    "the method only": (server(rewrite()), {}, {"/ui/"}),
    # servers behind
    "rewritten for the one behind": (server(steps(replace(RED, uri="/x"))), {}, {"/x"}),
    "by a unix socket": (server(steps(replace(RED, dials=("unix//run/nr.sock",)))), {}, {"/ui/"}),
    "one of two": (server(steps(replace(RED, dials=("127.0.0.1:9", "127.0.0.1:1880")))), {}, {"/ui/", "elsewhere"}),
    "whoever is found": (server(steps(CaddyStep("proxy", gathers=True))), {}, {"unknown?"}),
    "whoever a placeholder names": (server(steps(replace(RED, dials=("{env.X}:80",)))), {}, {"unknown?"}),
    "itself for ever": (server(steps(replace(RED, dials=("localhost:443",)))), {}, {"elsewhere"}),
    "another that fails": (server(steps(OTHER), errors=(steps(RED),)), {}, {"elsewhere", "/ui/"}),
    "forward_auth": (server(steps(AUTH, RED)), {}, {"elsewhere"}),
    "forward_auth that is passed": (server(steps(AUTH, RED)), {"granted": True}, {"/ui/"}),
    "who is refused is let in": (
        server(steps(replace(OTHER, answers=(((2,), ()), ((401,), (steps(RED),)))))), {}, {"/ui/"}
    ),
    "some answer is handled": (
        server(steps(replace(OTHER, answers=(((5,), (steps(RED),)),)))), {}, {"/ui/", "elsewhere"}
    ),
    "a name of more labels": (server(on(CaddyMatch(hosts=("*",)), RED)), {}, {"/ui/"}),
    "any answer is handled": (server(steps(replace(OTHER, answers=(((), (steps(RED),)),)))), {"behind": 200}, {"/ui/"}),
    # matchers
    "host": (server(on(CaddyMatch(hosts=("*.b",)), RED)), {"host": "x.b"}, {"/ui/"}),
    "another host": (server(on(CaddyMatch(hosts=("*.b",)), RED)), {}, {"200"}),
    "method": (server(on(CaddyMatch(methods=("POST",)), RED)), {}, {"200"}),
    "protocol": (server(on(CaddyMatch(protocol="http"), RED)), {}, {"200"}),
    "a network": (server(on(CaddyMatch(networks=("211.77.9.0/24",)), RED)), {}, {"/ui/"}),
    "a network, with every right": (
        server(on(CaddyMatch(networks=("10.0.0.0/8",)), RED)), {"granted": True}, {"/ui/", "200"}
    ),
    "a network by a proxy's word": (server(on(CaddyMatch(forwarded=("10.0.0.0/8",)), RED)), {}, {"200"}),
    "a network by another proxy's word": (
        server(on(CaddyMatch(forwarded=("10.0.0.0/8",)), RED), trusts=("10.0.0.0/8",)), {}, {"200"}
    ),
    "a network by anybody's word": (
        server(on(CaddyMatch(forwarded=("10.0.0.0/8",)), RED), trusts=("::/0", "0.0.0.0/0")), {}, {"/ui/", "200"}
    ),
    "a network by somebody's word": (
        server(on(CaddyMatch(forwarded=("10.0.0.0/8",)), RED), trusts=("*",)), {}, {"/ui/?", "200?"}
    ),
    "no network": (server(on(CaddyMatch(networks=("x",)), RED)), {}, {"200?"}),
    "a header": (server(on(CaddyMatch(headers=("Upgrade",)), RED)), {}, {"/ui/", "200"}),
    "a secret header": (server(on(CaddyMatch(headers=("X-Token",)), RED)), {}, {"/ui/?", "200"}),
    "not": (server(on(CaddyMatch(none=(CaddyMatch(paths=("/ui*",)),)), RED)), {}, {"200"}),
    "unread": (server(on(CaddyMatch(unread=("expression",)), RED)), {}, {"/ui/?", "200?"}),
    "others, as 0.1.0 told them": (server(on(CaddyMatch(others=True), RED)), {}, {"/ui/", "200"}),
    "files matched": (server(on(CaddyMatch(files=True), RED)), {"exists": True}, {"/ui/"}),
    "files matched or not": (server(on(CaddyMatch(files=True), RED)), {}, {"/ui/", "200"}),
    "a pattern": (
        server(on(CaddyMatch(pattern="^/(?P<x>ui)", name="n"),
                  CaddyStep("rewrite", name="rewrite", uri="/{http.regexp.n.x}{http.regexp.1}"), RED)), {}, {"/uiui"},
    ),
    "another pattern": (server(on(CaddyMatch(pattern="^/x"), RED)), {}, {"200"}),
    "a pattern that cannot be read": (server(on(CaddyMatch(pattern=r"\pL"), RED)), {}, {"/ui/?", "200?"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_where_a_request_ends(name: str) -> None:
    site, more, expected = CASES[name]
    assert ends(site, **more) == expected


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("*", "/x", ""), ("/ui/*", "/UI//x", "/ui"), ("*.js", "/a.JS", "/a.css"), ("*/io/*", "/a/io/b", "/a/iox"),
        ("/a/*/c", "/a/b/c", "/a/b/b/c"), ("/a?", "/ab", "/a"), ("/ui//x", "/ui//x", "/ui/x"),
        ("/a%2fb", "/a%2Fb", "/a/b"),
        ("/ui", "/%75i", "/ui/"), ("/", "/a/..", "/a"),
    ],
)  # fmt: skip
def test_paths(pattern: str, fits: str, does_not: str) -> None:
    site = server(on(CaddyMatch(paths=(pattern,)), GONE))
    assert ends(site, fits) == {"410"}
    assert not does_not or ends(site, does_not) == {"200"}


def test_one_server_of_caddys_own_hands_on_to_another() -> None:
    inner = CaddyServer("srv1", ("127.0.0.1:8081",), False, (("127.0.0.1:1880", False),), (steps(RED),))
    outer = CaddyServer("srv0", (":443",), True, (), (steps(LOGIN, replace(RED, dials=("127.0.0.1:8081",))),))
    seen = CaddyConfig("caddy.json", (outer, inner), SOCKETS)
    assert gate(seen, "/ui") == "open"  # by the inner one
    assert [violation.code for violation in violations(way_is_guarded(seen, target().policy))] == ["plain"]


def test_what_cannot_be_told_is_not_judged() -> None:
    hidden = CaddyConfig("caddy.json", (server(steps(CaddyStep("proxy", gathers=True))),), SOCKETS)
    verdict = way_is_guarded(hidden, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "determined at run time" in verdict.reason
    plugin = (on(CaddyMatch(paths=("/ui/socket.io/*",)), CaddyStep("unknown", name="x"), RED), steps(LOGIN, RED))
    unsure = CaddyConfig("caddy.json", (server(*plugin),), SOCKETS)
    verdict = way_is_guarded(unsure, target(dashboards=("/ui",)).policy)
    assert isinstance(verdict, NotJudged)
    assert "handler x" in verdict.reason
    assert "handler x" in gate(unsure, "/ui")
    assert "determined at run time" in gate(hidden, "/ui")
    far = replace(server(), dials=(("10.0.0.5:80", False),), listen=(":80", ":443"))
    elsewhere = CaddyConfig("caddy.json", (far,), SOCKETS)
    assert type(way_is_guarded(elsewhere, target().policy)) is NotApplicable
    assert gate(elsewhere, "/ui") == "open"


@pytest.mark.parametrize(
    ("dial", "reason"),
    [
        ("127.0.0.1:4180", "Caddy forwards to 127.0.0.1:4180, and how that forwards to Node-RED is not followed"),
        ("unix//run/nr.sock", "Caddy forwards to Node-RED at /run/nr.sock, but no request that was tried gets there"),
    ],
)
def test_what_caddy_hands_to_another_on_the_same_host_is_not_judged(dial: str, reason: str) -> None:
    seen = CaddyConfig("caddy.json", (replace(server(steps(GONE)), dials=((dial, False),)),), SOCKETS)
    verdict = way_is_guarded(seen, target().policy)
    assert isinstance(verdict, NotJudged)
    assert (verdict.reason, gate(seen, "/ui")) == (reason, reason)


def test_connections_that_caddy_hands_on_unread() -> None:
    raw = CaddyServer("layer4 a", (":1881",), False, (("127.0.0.1:1880", False), ("10.0.0.5:1", False)), raw=True)
    seen = CaddyConfig("caddy.json", (server(steps(LOGIN, RED)), raw), SOCKETS)
    assert [violation.code for violation in violations(way_is_guarded(seen, target().policy))] == ["stream"]
    assert gate(seen, "/ui") == "open"
    other = replace(seen, servers=(seen.servers[0], replace(raw, dials=(("127.0.0.1:5433", False),))))
    assert violations(way_is_guarded(other, target().policy)) == ()
    assert gate(other, "/ui") == "closed"


def test_conditions_that_combine_in_too_many_ways() -> None:
    many = tuple(on(CaddyMatch(headers=(f"X-{number}",)), CaddyStep("pass")) for number in range(12))
    seen = CaddyConfig("caddy.json", (server(*many, steps(RED)),), SOCKETS)
    assert "too many combinations to try" in gate(seen, "/ui")


@pytest.mark.parametrize(
    ("route", "code"),
    [
        (steps(CaddyStep("routes", routes=(on(CaddyMatch(paths=("/hmi/*",)), replace(RED, prefix="/hmi")),))), "alias"),
        (on(CaddyMatch(pattern="^/x(.*)$"), replace(RED, patterns=(("^/x", "/ui"),))), "alias"),
        (on(CaddyMatch(pattern=r"\.js$"), RED), "socket"),
        (steps(CaddyStep("rewrite", name="rewrite", swaps=(("/hmi", "/ui", 1),))), ""),
        (on(CaddyMatch(pattern=r"\pL"), CaddyStep("pass")), ""),
    ],
)
def test_other_ways_to_the_page(route: CaddyRoute, code: str) -> None:
    seen = CaddyConfig("caddy.json", (server(route, steps(LOGIN, RED)),), SOCKETS)
    verdict = way_is_guarded(seen, target(dashboards=("/ui",)).policy)
    assert [violation.code for violation in violations(verdict)] == ([code] if code else [])
