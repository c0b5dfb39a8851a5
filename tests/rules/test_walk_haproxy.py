"""Where requests end in HAProxy, rule by rule; `tests/walk` compares with the real HAProxy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rules.haproxy_host import HEAD, RED, codes, front
from seen import target

from pytest_nodered_sec.observations.host_proxies import Directive
from pytest_nodered_sec.probes.host.haproxy import patterns
from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.rules.walk import choices, haproxy
from pytest_nodered_sec.rules.walk.haproxy_visit import Sections
from pytest_nodered_sec.rules.walk.request import Client
from pytest_nodered_sec.verdict import NotJudged

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_fronts import FrontConfig


def ends(body: str, uri: str = "/ui/", host: str = "a", rest: str = RED, head: str = HEAD,
         bind: str = "*:443 ssl crt /x.pem", **more: Any) -> set[str]:  # fmt: skip
    seen = front(body, bind, rest=rest, head=head)
    sections = Sections(seen.directives, seen.sockets)
    client = Client(uri, host, **more)
    every = choices.every(lambda made: haproxy.walk(sections, sections.binds[0], client, made))
    words = {"node-red": "{0.uri}", "elsewhere": "elsewhere", "answered": "{0.status}", "unknown": "unknown"}
    return {words[end.kind].format(end) + ("?" if end.doubts else "") for end in every}


LOGIN = "http-request auth if !{ http_auth(u) }"


def deny(criterion: str) -> str:
    return f"http-request deny if {{ {criterion} }}"


CASES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "nothing": ("", {}, {"/ui/"}),
    "a login": ("http-request auth", {}, {"401"}),
    "a login that is passed": ("http-request auth unless { http_auth(u) }", {"granted": True}, {"/ui/"}),
    "another deny": ("http-request deny deny_status 410", {}, {"410"}),
    "an ACL of two lines": ("acl x path /a\nacl x path /ui/\nhttp-request deny if x", {}, {"403"}),
    "one that is not": ("http-request deny if nobody", {}, {"/ui/?", "403?"}),
    "and, or, not": ("http-request deny if FALSE TRUE or ! FALSE !TRUE", {}, {"/ui/"}),
    "braces that stay open": ("http-request deny if { path /ui/", {}, {"403"}),
    "a header, chosen": (deny("hdr(upgrade) -i websocket"), {}, {"403", "/ui/"}),
    "a header, sent": (deny("hdr(x-a) b"), {"headers": {"x-a": "a, b"}}, {"403"}),
    "a header, not sent": (deny("hdr(x-a) b"), {"headers": {}}, {"/ui/"}),
    "a secret": ("http-request deny unless { hdr(x-key) 42 }", {}, {"403", "/ui/?"}),
    "a secret's presence": ("http-request deny unless { hdr(x-key) -m found }", {}, {"403", "/ui/"}),
    "all headers": (deny("hdr() x"), {}, {"403", "/ui/"}),
    "how many headers": (deny("hdr_cnt(x-a) gt 1"), {"headers": {"x-a": "a, b"}}, {"403"}),
    "how many, chosen": (deny("hdr_cnt(host2) gt 1"), {}, {"403?", "/ui/"}),
    "a header's number": (deny("hdr_val(x-a) 5"), {"headers": {"x-a": "5"}}, {"403"}),
    "no number": (deny("hdr_val(x-a) 5"), {"headers": {"x-a": "five"}}, {"/ui/"}),
    "a whole header": (deny("req.fhdr(x-a) a,b"), {"headers": {"x-a": "a,b"}}, {"403"}),
    "a cookie": (deny("cook(sid) 42"), {}, {"403?", "/ui/"}),
    "a cookie that anybody tries": (deny("cook(admin) 1"), {}, {"403", "/ui/"}),
    "a header that anybody tries": (deny("req.hdr(authorization) -m beg Bearer"), {}, {"403", "/ui/"}),
    "the same, however it is spelt": (deny("req.hdr(authorization) -i -m beg bearer"), {}, {"403", "/ui/"}),
    "a header that nobody guesses": (deny("req.hdr(authorization) -m beg Token"), {}, {"403?", "/ui/"}),
    "no cookie": (deny("cook(sid) -m found"), {"headers": {}}, {"/ui/"}),
    "an argument": (deny("urlp(q) 1"), {"uri": "/ui/?p=0&q=1"}, {"403"}),
    "an argument, chosen": (deny("urlp(q) 1"), {}, {"403", "/ui/"}),
    "an argument, not sent": (deny("urlp(q) 1"), {"headers": {}}, {"/ui/"}),
    "a certificate that is verified": (
        "http-request deny if ! { ssl_c_used }",
        {"bind": "*:443 ssl verify optional"},
        {"403"},
    ),
    "one that is not verified": (
        "http-request deny if ! { ssl_c_used }",
        {"bind": "*:443 ssl verify optional crt-ignore-err all"},
        {"403", "/ui/"},
    ),
    "one that is not, and seen to be": (
        "http-request deny if ! { ssl_c_used } or ! { ssl_c_verify 0 }",
        {"bind": "*:443 ssl verify optional ca-ignore-err all"},
        {"403"},
    ),
    "any, where one is demanded": ("", {"bind": "*:443 ssl verify required crt-ignore-err all"}, {"/ui/"}),
    "a certificate's name": (
        "http-request deny unless { ssl_c_s_dn(CN) -m str operator }",
        {"bind": "*:443 ssl verify optional"},
        {"403"},
    ),
    "a name of the client's own making": (
        "http-request deny unless { ssl_c_s_dn -m str operator }",
        {"bind": "*:443 ssl verify optional ca-ignore-err all"},
        {"403", "/ui/"},
    ),
    "a digest that nobody makes": (
        "http-request deny unless { ssl_c_sha1 -m str 00 }",
        {"bind": "*:443 ssl verify optional ca-ignore-err all"},
        {"403", "403?", "/ui/?"},
    ),
    "a group": ("http-request deny unless { http_auth_group(u) admins }", {}, {"403"}),
    "a group, granted": ("http-request deny unless { http_auth_group(u) admins }", {"granted": True}, {"403", "/ui/"}),
    "any token": ("http-request deny unless { http_auth_bearer -m found }", {}, {"403", "/ui/"}),
    "no token": ("http-request deny unless { http_auth_bearer -m found }", {"headers": {}}, {"403"}),
    "a decoded path": (deny("path,url_dec -m beg /ui"), {"uri": "/%75i/"}, {"403"}),
    "decoded otherwise": (deny("path,url_dec(1) -m beg /ui"), {}, {"403?", "/ui/?"}),
    "an operator": (deny("path_len ge 4"), {}, {"403"}),
    "a range": (deny("path_len 9:12"), {}, {"/ui/"}),
    "a range that fits": (deny("dst_port 400:"), {}, {"403"}),
    "what is no number": (deny("path_len many"), {}, {"403?", "/ui/?"}),
    "a boolean": (deny("ssl_fc"), {}, {"403"}),
    "the running HAProxy": (deny("srv_is_up(red/a)"), {}, {"403?", "/ui/?"}),
    "counters at rest": (deny("sc_http_req_rate(0) gt 100"), {}, {"/ui/"}),
    "servers": (deny("nbsrv(red) lt 1"), {}, {"/ui/"}),
    "a certificate's result": (deny("ssl_c_verify 0"), {}, {"403"}),
    "near": ("http-request deny unless { src 10.0.0.0/8 }", {}, {"403"}),
    "near, granted": ("http-request deny unless { src 10.0.0.0/8 }", {"granted": True}, {"403", "/ui/"}),
    "no network": (deny("src nowhere"), {}, {"/ui/?"}),
    "an address of the client's choice": (
        "http-request set-src hdr(x-forwarded-for)\nhttp-request deny unless { src 10.0.0.0/8 }",
        {},
        {"403", "/ui/"},
    ),
    "an address that is none": (
        "http-request set-src str(x)\nhttp-request deny unless { src 211.77.9.9 }",
        {},
        {"/ui/"},
    ),
    "an address that is one": ("http-request set-src str(10.0.0.1)\n" + deny("src 10.0.0.0/8"), {}, {"403"}),
    "the same doubt twice": ("http-request deny if { srv_is_up(a/b) } { srv_is_up(a/b) }", {}, {"403?", "/ui/?"}),
    "a file": (deny("path -f /etc/x"), {}, {"403?", "/ui/?"}),
    "a match that is not followed": (deny("path -m bin 00"), {}, {"403?", "/ui/?"}),
    "a flag": (deny("path -n -- /ui/"), {}, {"403"}),
    "a negative number": (deny("path_len -1"), {}, {"/ui/"}),
    "a pattern": (deny("path_reg -i ^/UI"), {}, {"403"}),
    "a pattern that cannot be read": (deny("path_reg (?R)"), {}, {"403?", "/ui/?"}),
    "part of a path": (deny("path_dir ui"), {}, {"403"}),
    "part of a name": (deny("hdr_dom(host) a"), {}, {"403"}),
    "the beginning": (deny("path_beg /a"), {}, {"/ui/"}),
    "the end": (deny("path_end i/"), {}, {"403"}),
    "the middle": (deny("path_sub i"), {}, {"403"}),
    "a name by TLS": (deny("ssl_fc_sni x"), {}, {"403", "/ui/"}),
    "query": (deny("query a=b"), {"uri": "/?a=b"}, {"403"}),
    "no query": (deny("query -m found"), {}, {"/ui/"}),
    "arguments of the environment": (deny('path "$HOME"'), {}, {"403?", "/ui/?"}),
    "lower": (deny("path,lower /ui/"), {"uri": "/UI/"}, {"403"}),
    "upper": (deny("path,upper /UI/"), {}, {"403"}),
    "a field": (deny("path,field(2,/) ui"), {}, {"403"}),
    "no such field": (deny("path,field(7,/) ui"), {}, {"/ui/"}),
    "regsub at the start": (deny("path,regsub(^/ui,/x) /x/"), {}, {"403"}),
    "regsub that does not match": (deny("path,regsub(^/a,/x) /ui/"), {}, {"403"}),
    "regsub everywhere": (deny("path,regsub(/,-,g) -- -ui-"), {}, {"403"}),
    "regsub of a pattern": (deny("path,regsub(^/U.*/s?,/x,i) /x"), {}, {"403"}),
    "regsub at every start": (deny("path,regsub(^/.,/x,g) /ui/"), {}, {"403?", "/ui/?"}),
    "regsub that cannot be read": (deny("path,regsub((?R),/x) /ui/"), {}, {"403?", "/ui/?"}),
    "another converter": (deny("path,map(/x) y"), {}, {"403?", "/ui/?"}),
    "of what is chosen": (deny("hdr(upgrade),lower websocket"), {}, {"403", "/ui/"}),
    "of what is chosen, by a table": (deny("hdr(upgrade),map(/x) y"), {}, {"403?", "/ui/?"}),
    "no expression": (deny("path,(x y"), {}, {"403?", "/ui/?"}),
    "a variable": ("http-request set-var(txn.a) path\n" + deny("var(txn.a) /ui/"), {}, {"403"}),
    "a variable by format": ("http-request set-var-fmt(txn.a) x%[path]\n" + deny("var(txn.a) x/ui/"), {}, {"403"}),
    "a variable of nothing": ("http-request set-var(txn.a) query\n" + deny("var(txn.a) -m found"), {}, {"/ui/"}),
    "a variable that asks who": (
        "http-request set-var(txn.a) http_auth(u)\nhttp-request deny unless { var(txn.a) -m bool }",
        {},
        {"403"},
    ),
    "a variable of a filter": ("filter spoe config x\n" + deny("var(txn.a) -m bool"), {}, {"403?", "/ui/?"}),
    "set-path": ("http-request set-path /x%[path]", {"uri": "/ui/?a"}, {"/x/ui/?a"}),
    "set-pathq": ("http-request set-pathq /x?b", {"uri": "/ui/?a"}, {"/x?b"}),
    "set-uri": ("http-request set-uri http://b/x", {"uri": "/ui/?a"}, {"/x"}),
    "set-query": ("http-request set-query %HM%%", {}, {"/ui/?GET%"}),
    "an unknown format": ("http-request set-query %ci", {}, {"/ui/?\0HAProxy's %ci\0"}),
    "set-method": ("http-request set-method POST\n" + deny("method POST"), {}, {"/ui/"}),
    "replace-path": ("http-request replace-path /ui/(.*) /dash/\\1\\2", {"uri": "/ui/x?a"}, {"/dash/x?a"}),
    "replace-path that does not match": ("http-request replace-path /a /b", {}, {"/ui/"}),
    "replace-uri": ("http-request replace-uri /ui/ /b?c", {}, {"/b?c"}),
    "a replacement that cannot be read": ("http-request replace-path (?R) /b", {}, {"/ui/?"}),
    "set-header": ("http-request set-header Host b\n" + deny("hdr(host) b"), {}, {"403"}),
    "del-header": ("http-request del-header Host\n" + deny("hdr(host) -m found"), {}, {"/ui/"}),
    "replace-header": ("http-request replace-header X-A a b\n" + deny("hdr(x-a) b"), {}, {"403?", "/ui/?"}),
    "Lua": ("http-request lua.check", {}, {"unknown?"}),
    "return": ("http-request return status 404", {}, {"404"}),
    "allow": ("http-request allow\nhttp-request deny", {}, {"/ui/"}),
    "a prefix": ("redirect prefix https://b drop-query", {}, {"302"}),
    "a redirect": ("redirect scheme https drop-query", {}, {"302"}),
    "no redirect": ("redirect scheme https if !{ ssl_fc }", {}, {"/ui/"}),
    "a redirect of nothing": ("http-request redirect code 301", {}, {"301"}),
    "statistics": ("stats enable\nstats uri /ui", {}, {"200"}),
    "statistics elsewhere": ("stats enable", {}, {"/ui/"}),
    "a connection that is refused": ("tcp-request connection reject if { src 211.77.9.0/24 }", {}, {"0"}),
    "a connection that is accepted": (
        "tcp-request connection accept\ntcp-request connection reject\ntcp-request content track-sc0 src",
        {},
        {"/ui/"},
    ),
    "a connection that Lua decides": ("tcp-request content lua.x", {}, {"/ui/?"}),
    "half a line": ("tcp-request content\nhttp-request", {}, {"/ui/?"}),
    "an empty line of rules": ("http-request set-header\nhttp-request set-var(a)\nuse_backend", {}, {"/ui/"}),
    "a backend by format": ("use_backend %[path,field(2,/)]", {"uri": "/red/"}, {"/red/"}),
    "a backend that is nobody's": ("use_backend %[path,field(2,/)]", {}, {"/ui/"}),
    "an account that a rule sets": (
        "http-request set-header Authorization Basic\\ eDp5\n" + LOGIN,
        {},
        {"401?", "/ui/?"},
    ),
    "no header": (
        "http-request del-header X-Forwarded-For\n" + deny("hdr_ip(x-forwarded-for) 10.0.0.0/8"),
        {},
        {"/ui/"},
    ),
    "a map's number by default": (deny("path,map_str_int(/x) gt 6"), {}, {"403?", "/ui/?"}),
    "a backend by a table": ("use_backend %[hdr(host),map(/x)]", {}, {"/ui/?"}),
}


@pytest.mark.parametrize(("body", "more", "expected"), CASES.values(), ids=CASES)
def test_a_rule(body: str, more: dict[str, Any], expected: set[str]) -> None:
    assert ends(body, **more) == expected


def with_files(seen: FrontConfig, **lists: str) -> FrontConfig:
    more = tuple(patterns(f"/{name}", text) for name, text in lists.items())
    return replace(seen, directives=(*seen.directives, *more))


MAPPED = {
    "a list of paths": (f"acl own path_beg -i -f /l\n{LOGIN} own", "/ui\n/dashboard", [], "closed"),
    "a list in small letters": (f"acl own path_beg -f /l\n{LOGIN} own", "/ui\n/dashboard", ["letter-case"], "open"),
    "a list of free paths": (f"acl free path_beg -f /l\n{LOGIN} !free", "/ui/\n/x", [], "open"),
    "a map of paths": (f"acl own path_beg -i /ui /dashboard\n{LOGIN} own\nhttp-request set-path %[path,map(/l)] if "
                       "{ path,map(/l) -m found }", "/panel /ui/\n/p /x", ["alias"], "open"),
    "a map of names": (f"{LOGIN} !{{ hdr(host),map_end(/l,no) yes }}", ".plant.example yes", [], "open"),
    "a map of names and paths": (f"{LOGIN} !{{ base,map_beg(/l) -m found }}", "plant.example/ui/ yes", [], "open"),
    "a list of networks": (f"{LOGIN} !{{ src -f /l }}", "10.0.0.0/8\n" * 400 + "192.168.0.0/16", [], "closed"),
    "a map of networks": (f"{LOGIN} !{{ src,map_ip(/l,no) yes }}", "211.0.0.0/8 yes\n211.77.0.0/16 no", [], "closed"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "text", "expected", "way"), MAPPED.values(), ids=MAPPED)
def test_lists_and_maps(body: str, text: str, expected: list[str], way: str) -> None:
    seen = with_files(front(body), l=text)
    assert (sorted(set(codes(seen))), gate(seen, "/ui")) == (expected, way)


@pytest.mark.parametrize(
    ("body", "text", "why"),
    [
        (f"{LOGIN} !{{ path -f /l }}", "/x\n" * 151, "what /l holds is not known: it holds more than 150 patterns"),
        (f"{LOGIN} !{{ path,map(/l,x) y }}", "/x y\n" * 151, "more than 150 patterns"),
        (f"{LOGIN} !{{ path,map_reg(/l) -m found }}", "(?R) y", "a pattern in /l cannot be read"),
        (f"{LOGIN} !{{ path,map_regm(/l) -m found }}", "^/(ui) \\1", "HAProxy's map_regm"),
        (f"{LOGIN} !{{ path,map_int(/l) -m found }}", "8000:9000 y", "HAProxy's map_int"),
        (f"{LOGIN} !{{ path,map(/other,x) y }}", "", "what /other holds is not known: it was not read"),
    ],
)
def test_lists_and_maps_that_are_not_known(body: str, text: str, why: str) -> None:
    verdict = way_is_guarded(with_files(front(body), l=text), target().policy)
    assert isinstance(verdict, NotJudged)
    assert why in verdict.reason
    unread = front(f"{LOGIN} !{{ path -f /l }}")
    unread = replace(unread, directives=(*unread.directives, Directive("unread", ("/l", "it is newer"))))
    verdict = way_is_guarded(unread, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "what /l holds is not known: it is newer" in verdict.reason


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", {"503"}),
        ("backend red\n", {"503"}),
        ("backend red\nserver a 127.0.0.1:1880 disabled\nserver b 127.0.0.1:9", {"elsewhere"}),
        ("backend red\nserver a 127.0.0.1:1880 backup\nserver b 127.0.0.1:9", {"elsewhere"}),
        ("backend red\nserver a 127.0.0.1:1880 backup", {"/ui/"}),
        ("backend red\nserver a 127.0.0.1:1880\nserver b 127.0.0.1:9", {"/ui/", "elsewhere"}),
        ("backend red\nserver a 127.0.0.1:1880\nserver b 127.0.0.1:9\nuse-server b if TRUE", {"elsewhere"}),
        ("backend red\nserver a 127.0.0.1:1880\nuse-server b if TRUE", {"/ui/"}),
        ("backend red\nserver a unix@/run/nr.sock", {"/ui/"}),
        ("backend red\ndispatch 127.0.0.1:1880", {"/ui/"}),
        ('backend red\nserver a "${RED}:1880"', {"unknown?"}),
        ("backend red\nserver-template a 3 red.example:1880", {"unknown?"}),
        ("backend red\nhttp-request set-dst str(127.0.0.1)\nserver a 0.0.0.0:1880", {"unknown?"}),
        ("backend red\nhttp-request deny\nserver a 127.0.0.1:1880", {"403"}),
        ("backend red\nserver a 127.0.0.1:443 ssl verify none", {"unknown?"}),
        ("backend red\nserver a 127.0.0.1:8080\nlisten b\nbind :8080\nserver c 127.0.0.1:1880", {"/ui/"}),
        ("backend red\nserver a 127.0.0.1:8080\nlisten b\nbind :8080 ssl", {"0"}),
        (
            "backend red\nserver a /run/b send-proxy\nlisten b\nbind /run/b accept-proxy\n"
            "http-request deny unless { src 211.77.9.9 }\nserver c 127.0.0.1:1880",
            {"/ui/"},
        ),
        ("backend red\nserver a /run/none", {"elsewhere"}),
    ],
)
def test_servers(rest: str, expected: set[str]) -> None:
    assert ends("", rest=rest) == expected


def test_sections_inherit() -> None:
    named = "defaults plain\nmode http\nhttp-request deny\ndefaults last from plain\ntimeout client 1s\n"
    assert ends("", head=named) == {"403"}
    own = "defaults plain\nmode http\nhttp-request deny\ndefaults\nmode http\n"
    assert ends("", head=own) == {"/ui/"}
