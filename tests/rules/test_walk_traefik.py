"""Where requests end in Traefik, key by key; `tests/walk` compares with the real Traefik."""

from __future__ import annotations

from typing import Any

import pytest
from seen import target, violations

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.probes.host.traefik import tree
from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.rules.walk import choices, traefik, traefik_rules
from pytest_nodered_sec.rules.walk.request import Client
from pytest_nodered_sec.rules.walk.traefik_visit import Setup
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880),)
Table = dict[str, Any]
ALL = "PathPrefix(`/`)"
LOGIN: Table = {"login": {"basicAuth": {"users": ["a:b"]}}}


def servers(*urls: str, **more: Any) -> Table:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls], **more}}


RED = servers("http://127.0.0.1:1880")


def front(
    routers: Table, middlewares: Table | None = None, services: Table | None = None, points: Table | None = None,
    static: Table | None = None, **more: Any,
) -> FrontConfig:  # fmt: skip
    """Return a configuration; routers are for TLS unless they say otherwise."""
    routers = {name: {"service": "red", "tls": {}, **router} for name, router in routers.items()}
    routers = {
        name: {key: value for key, value in router.items() if value is not None} for name, router in routers.items()
    }
    first = {"entryPoints": points or {"websecure": {"address": ":443"}}, **(static or {})}
    http = {"routers": routers, "middlewares": middlewares or {}, "services": {"red": RED, **(services or {})}}
    dynamic = tree("dynamic", "d.yml", {"http": {**http, **more.pop("http", {})}, **more})
    return FrontConfig("Traefik", "t.yml", (tree("static", "t.yml", first), dynamic), SOCKETS)


def ends(seen: FrontConfig, uri: str = "/ui/", **more: Any) -> set[str]:
    setup = Setup(seen.directives, seen.sockets)
    client = Client(uri, **{"host": "a", **more})
    every = choices.every(lambda made: traefik.walk(setup, setup.binds[0], client, made))
    words = {"node-red": "{0.uri}", "elsewhere": "elsewhere", "answered": "{0.status}", "unknown": "unknown"}
    return {words[end.kind].format(end) + ("?" if end.doubts else "") for end in every}


RULES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "everything": (ALL, {}, {"/ui/"}),
    "a path": ("Path(`/ui/`)", {}, {"/ui/"}),
    "another path": ("Path(`/ui`)", {}, {"404"}),
    "a pattern": ("PathRegexp(`(?i)^/UI`)", {}, {"/ui/"}),
    "a pattern that cannot be read": ("PathRegexp(`(?R)`)", {}, {"/ui/?", "404?"}),
    "the same doubt twice": ("PathRegexp(`(?R)`) || PathRegexp(`(?R)`)", {}, {"/ui/?", "404?"}),
    "a name": ("Host(`A.`) && HostRegexp(`^a$`)", {}, {"/ui/"}),
    "a method": ("Method(`post`)", {}, {"404"}),
    "or": ('Path("/x\\"") || Path(`/ui/`)', {}, {"/ui/"}),
    "not, in brackets": ("!(Path(`/x`) || Path(`/y`))", {}, {"/ui/"}),
    "near": ("ClientIP(`211.77.9.0/24`)", {}, {"/ui/"}),
    "not near": ("ClientIP(`10.0.0.0/8`)", {}, {"404"}),
    "near, granted": ("ClientIP(`10.0.0.0/8`)", {"granted": True}, {"404", "/ui/"}),
    "no network": ("ClientIP(`all`)", {}, {"404?"}),
    "an argument": ("Query(`q`, `1`)", {"uri": "/?q=1"}, {"/?q=1"}),
    "an argument without a value": ("Query(`q`)", {"uri": "/?q=1"}, {"404"}),
    "an argument by a pattern": ("QueryRegexp(`q`, `^.$`)", {"uri": "/?q=1"}, {"/?q=1"}),
    "an argument, chosen": ("Query(`q`, `1`)", {}, {"/ui/", "404"}),
    "an argument, not sent": ("Query(`q`, `1`)", {"headers": {}}, {"404"}),
    "a header": ("Header(`X-A`, `b`)", {"headers": {"x-a": "b"}}, {"/ui/"}),
    "a header by a pattern": ("HeaderRegexp(`X-A`, `b`)", {"headers": {"x-a": "ab"}}, {"/ui/"}),
    "a header, not sent": ("Header(`X-A`, `b`)", {"headers": {}}, {"404"}),
    "a header, chosen": ("Header(`Upgrade`, `websocket`)", {}, {"/ui/", "404"}),
    "a secret": ("Header(`X-Key`, `42`)", {}, {"/ui/?", "404"}),
    "a function that is not known": ("Own(`a`)", {}, {"/ui/?", "404?"}),
    "no rule": ("~", {}, {"/ui/?", "404?"}),
    "a rule of two": ("Path(`/a`) Path(`/b`)", {}, {"/ui/?", "404?"}),
    "a rule that stays open": ("Path(`/a`", {}, {"/ui/?", "404?"}),
    "a rule without a value": ("Path(", {}, {"/ui/?", "404?"}),
    "a rule with a word for a value": ("Path(a)", {}, {"/ui/?", "404?"}),
    "values of Traefik 2": ("Host(`a`, `b`)", {}, {"/ui/?", "404?"}),
    "nothing behind and": ("Path(`/a`) &&", {}, {"/ui/?", "404?"}),
    "no path in the request": (ALL, {"uri": "*"}, {"400"}),
    "a bad escape": (ALL, {"uri": "/%zz"}, {"400"}),
    "dots": (ALL, {"uri": "//a/%2e./ui/"}, {"/ui/"}),
    "a delimiter": (ALL, {"uri": "/a%2fb"}, {"/a%2fb?"}),
    "what was encoded": ("PathPrefix(`/x y`)", {"uri": "/x%20y"}, {"/x%20y"}),
    "clear text": (ALL, {"tls": False}, {"404"}),
}


@pytest.mark.parametrize(("rule", "more", "expected"), RULES.values(), ids=RULES)
def test_a_rule(rule: str, more: dict[str, Any], expected: set[str]) -> None:
    assert ends(front({"a": {"rule": rule}}), **more) == expected


def test_the_functions_of_a_rule() -> None:
    rule = traefik_rules.read("!Path(`/a`) && (Host(`b`) || Query(`c`, `d`))")
    assert list(traefik_rules.calls(rule)) == [("path", ("/a",)), ("host", ("b",)), ("query", ("c", "d"))]


def below(**more: Any) -> Table:
    return {"rule": "PathPrefix(`/ui`)", "parentRefs": ["parent"], "tls": None, **more}


CHILDREN: dict[str, tuple[Table, dict[str, Any], set[str]]] = {
    "its rule fits": ({"child": below()}, {}, {"/ui/"}),
    "its rule sees what the parent's middlewares made": ({"child": below()}, {"uri": "/x/ui/"}, {"/ui/"}),
    "no child's rule fits": ({"child": below()}, {"uri": "/a"}, {"404"}),
    "a middleware of its own": ({"child": below(middlewares=["login"])}, {}, {"401"}),
    "a grandchild": ({"child": below(service=""), "two": below(parentRefs=["child@file"])}, {}, {"/ui/"}),
    "one with entry points": ({"child": below(entryPoints=["websecure"])}, {}, {"404"}),
    "one with TLS": ({"child": below(tls={})}, {}, {"404"}),
    "one without a rule": ({"child": below(rule="")}, {}, {"404"}),
    "one without a service": ({"child": below(service="none")}, {}, {"404"}),
    "one whose other parent is not there": ({"child": below(parentRefs=["parent", "none"])}, {}, {"/ui/?"}),
    "one that is its own": ({"child": below(parentRefs=["parent", "child"])}, {}, {"unknown?"}),
}  # fmt: skip


@pytest.mark.parametrize(("children", "more", "expected"), CHILDREN.values(), ids=CHILDREN)
def test_routers_below_a_router(children: Table, more: dict[str, Any], expected: set[str]) -> None:
    """What Traefik 3.7 was seen to do; `tests/walk` compares."""
    parent = {"rule": ALL, "middlewares": ["strip"]}
    strip: Table = {"strip": {"stripPrefix": {"prefixes": ["/x"]}}}
    seen = front({"parent": parent, **children}, {**strip, **LOGIN})
    assert ends(seen, **more) == expected
    if "401" in expected:
        assert gate(seen, "/ui") == "closed"
        assert way_is_guarded(seen, target().policy) == ()


MIDDLEWARES: dict[str, tuple[Table, dict[str, Any], set[str]]] = {
    "a login": ({"basicAuth": {"users": ["a:b"]}}, {}, {"401"}),
    "a login, passed": ({"digestAuth": {"users": ["a:b"]}}, {"granted": True}, {"/ui/"}),
    "asked elsewhere": ({"forwardAuth": {"address": "http://b"}}, {}, {"401"}),
    "a list": ({"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}, {}, {"403"}),
    "a list with a status": ({"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 404}}, {}, {"404"}),
    "on the list": ({"ipWhiteList": {"sourceRange": ["211.77.9.9"]}}, {}, {"/ui/"}),
    "a list of other addresses": (
        {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 1}}}, {}, {"403?", "/ui/?"}
    ),
    "to HTTPS": ({"redirectScheme": {"scheme": "https"}}, {}, {"/ui/"}),
    "to HTTP": ({"redirectScheme": {"scheme": "http", "port": "80"}}, {}, {"302"}),
    "to HTTP for good": ({"redirectScheme": {"scheme": "http", "permanent": True}}, {"method": "POST"}, {"308"}),
    "to another URL": ({"redirectRegex": {"regex": "^https://a/(.*)", "replacement": "https://b/$1${7}"}}, {}, {"302"}),
    "to the same URL": ({"redirectRegex": {"regex": "^http:", "replacement": "https:"}}, {}, {"/ui/"}),
    "to a URL by a name": ({"redirectRegex": {"regex": "^https:", "replacement": "$name"}}, {}, {"302"}),
    "to a URL that cannot be read": (
        {"redirectRegex": {"regex": "(?R)", "replacement": "x"}}, {}, {"/ui/?", "302?"}
    ),
    "a prefix": ({"stripPrefix": {"prefixes": ["/x", "/ui"]}}, {}, {"/"}),
    "half a segment": ({"stripPrefix": {"prefixes": ["/u"]}}, {}, {"/i/"}),
    "no prefix": ({"stripPrefix": {"prefixes": ["/x"]}}, {}, {"/ui/"}),
    "all of it": ({"stripPrefix": {"prefixes": ["/ui/"]}}, {}, {"/"}),
    "a prefix by patterns": ({"stripPrefixRegex": {"regex": ["^/x", "^/[a-z]+"]}}, {}, {"/"}),
    "a prefix by no pattern": ({"stripPrefixRegex": {"regex": ["^/x"]}}, {}, {"/ui/"}),
    "a prefix that cannot be read": ({"stripPrefixRegex": {"regex": ["(?R)"]}}, {}, {"/ui/?"}),
    "a longer path": ({"addPrefix": {"prefix": "/x"}}, {}, {"/x/ui/"}),
    "another path": ({"replacePath": {"path": "/x"}}, {}, {"/x"}),
    "another path by a pattern": ({"replacePathRegex": {"regex": "^/u(.*)", "replacement": "/x$1"}}, {}, {"/xi/"}),
    "without a replacement": ({"replacePathRegex": {"regex": "^/u(.*)"}}, {}, {"/ui/"}),
    "headers": ({"headers": {}}, {}, {"/ui/"}),
    "error pages": ({"errors": {"service": "red", "query": "/e/{status}"}}, {}, {"/ui/", "/e/500"}),
    "error pages of the root": ({"errors": {"service": "red"}}, {}, {"/ui/", "/"}),
    "error pages of nobody": ({"errors": {}}, {}, {"/ui/", "unknown?"}),
    "a plugin": ({"plugin": {"x": {}}}, {}, {"/ui/?"}),
    "two in one": ({"headers": {}, "compress": {}}, {}, {"/ui/?"}),
    "a chain": ({"chain": {"middlewares": ["other"]}}, {}, {"403"}),
    "a chain that lets pass": ({"chain": {"middlewares": []}}, {}, {"/ui/"}),
    "a chain of itself": ({"chain": {"middlewares": ["own"]}}, {}, {"/ui/?"}),
}  # fmt: skip


@pytest.mark.parametrize(("middleware", "more", "expected"), MIDDLEWARES.values(), ids=MIDDLEWARES)
def test_a_middleware(middleware: Table, more: dict[str, Any], expected: set[str]) -> None:
    known = {"own": middleware, "other": {"ipAllowList": {"sourceRange": ["10.0.0.1"]}}}
    assert ends(front({"a": {"rule": ALL, "middlewares": ["own@file"]}}, known), **more) == expected


SERVICES: dict[str, tuple[Table, set[str]]] = {
    "elsewhere": (servers("https://b"), {"elsewhere"}),
    "two": (servers("http://127.0.0.1:1880", "http://user@b:80"), {"/ui/", "elsewhere"}),
    "none": (servers(), {"503"}),
    "without servers": ({"loadBalancer": {}}, {"503"}),
    "no URL": (servers("red"), {"unknown?"}),
    "a path that is ignored": (servers("http://127.0.0.1:1880/x"), {"/ui/"}),
    "a path that is kept": (
        {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1880/x/", "preservePath": True}]}}, {"/x/ui/"}
    ),
    "no path to keep": (
        {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1880", "preservePath": True}]}}, {"/ui/"}
    ),
    "weighted": ({"weighted": {"services": [{"name": "red"}, {"name": "x", "weight": 0}]}}, {"/ui/"}),
    "weighted by nobody": ({"weighted": {}}, {"unknown?"}),
    "mirrored": ({"mirroring": {"service": "red", "mirrors": [{"name": "x"}]}}, {"/ui/"}),
    "mirrored to it": (
        {"mirroring": {"service": "x", "mirrors": [{"name": "red", "percent": 5}]}}, {"unknown?", "/ui/"}
    ),
    "failing over": ({"failover": {"service": "red", "fallback": "none"}}, {"/ui/", "unknown?"}),
    "of another kind": ({"other": {}}, {"unknown?"}),
    "of itself": ({"mirroring": {"service": "own"}}, {"unknown?"}),
}  # fmt: skip


@pytest.mark.parametrize(("service", "expected"), SERVICES.values(), ids=SERVICES)
def test_a_service(service: Table, expected: set[str]) -> None:
    assert ends(front({"a": {"rule": ALL, "service": "own"}}, services={"own": service})) == expected


@pytest.mark.parametrize(
    ("routers", "expected"),
    [
        ({"a": {"rule": ALL}, "b": {"rule": "PathPrefix(`/ui`)", "middlewares": ["login"]}}, {"401"}),  # longer
        ({"a": {"rule": ALL, "priority": 99}, "b": {"rule": "PathPrefix(`/ui`)", "middlewares": ["login"]}}, {"/ui/"}),
        ({"a": {"rule": ALL}, "b": {"rule": "PathPrefix(\"/\")", "middlewares": ["login"]}}, {"/ui/?", "401?"}),
        ({"a": {"rule": ALL, "middlewares": ["none"]}}, {"404"}),
        ({"a": {"rule": ALL, "service": "none"}}, {"404"}),
        ({"a": {"rule": ALL, "middlewares": ["login@docker"]}}, {"/ui/?"}),
        ({"a": {"rule": ALL, "service": "red@docker"}}, {"unknown?"}),
        ({"a": {"rule": ALL, "service": "noop@internal"}}, {"404"}),
        ({"a": {"rule": ALL, "entryPoints": ["other"]}}, {"404"}),
        ({"a": {"rule": ALL, "ruleSyntax": "v2"}}, {"/ui/?", "404?"}),
        ({"a": {"rule": ALL, "strange": "x"}}, {"/ui/?"}),
        ({"a": {"rule": ALL, "tls": False}}, {"404"}),
    ],
)  # fmt: skip
def test_routers(routers: Table, expected: set[str]) -> None:
    assert ends(front(routers, LOGIN)) == expected


def test_an_account_that_a_middleware_sets_may_log_everybody_in() -> None:
    signing = {"sign": {"headers": {"customRequestHeaders": {"authorization": "Basic eDp5"}}}, **LOGIN}
    for order, expected in ((["sign", "login"], {"/ui/?", "401?"}), (["login", "sign"], {"401"})):
        assert ends(front({"a": {"rule": ALL, "middlewares": order}}, signing)) == expected


def test_entry_points() -> None:
    secured = {"w": {"address": "127.0.0.1:443/tcp", "http": {"tls": {}, "middlewares": ["login@file"]}}}
    assert ends(front({"a": {"rule": ALL, "tls": None}}, LOGIN, points=secured)) == {"401"}
    default = {"w": {"address": ":443"}, "x": {"address": ":8443", "asDefault": True}, "y": {"address": ":1/udp"}}
    assert ends(front({"a": {"rule": ALL}}, points=default)) == {"404"}
    untidied = {"w": {"address": ":443", "http": {"sanitizePath": False}}}
    assert ends(front({"a": {"rule": ALL}}, points=untidied), "//ui/../x") == {"//ui/../x"}
    redirects: Table = {
        "web": {"address": ":80", "http": {"redirections": {"entryPoint": {"to": "websecure"}}}},
        "websecure": {"address": ":443"},
    }
    plain = {"a": {"rule": ALL}, "b": {"rule": "Path(`/x`)", "entryPoints": ["web"], "tls": False}}
    assert ends(front(plain, points=redirects), "/x", tls=False) == {"301"}
    redirects["web"]["http"]["redirections"]["entryPoint"].update(
        priority=1, permanent=False, scheme="https", to=":444"
    )
    assert ends(front(plain, points=redirects), "/x", tls=False) == {"/x"}
    assert ends(front(plain, points=redirects), tls=False, method="POST") == {"307"}
    said = {"w": {"address": ":80", "forwardedHeaders": {"insecure": True}}}
    to_https = {"s": {"redirectScheme": {"scheme": "https"}}}
    routers = {"a": {"rule": ALL, "middlewares": ["s"], "tls": False}}
    assert ends(front(routers, to_https, points=said), tls=False) == {"302", "/ui/"}
    assert ends(front({"a": {"rule": ALL}}, static={"core": {"defaultRuleSyntax": "v2"}})) == {"/ui/?", "404?"}


def test_a_client_certificate() -> None:
    tls = {"options": {"mine": {"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}}}}
    named = {"rule": "Host(`a`)", "tls": {"options": "mine"}}
    assert ends(front({"a": named}, tls=tls)) == {"0"}
    assert ends(front({"a": named}, tls=tls), granted=True) == {"/ui/"}
    assert ends(front({"a": {**named, "rule": ALL}}, tls=tls)) == {"/ui/"}  # without a name options count for nothing
    assert ends(front({"a": named, "b": {"rule": "Host(`a`) && Path(`/x`)"}}, tls=tls)) == {"0?"}
    every = {"options": {"default": tls["options"]["mine"]}}
    assert ends(front({"a": {"rule": ALL}}, tls=every)) == {"0"}


def test_traefik_behind_itself() -> None:
    points = {"w": {"address": ":443"}, "in": {"address": "127.0.0.1:81"}}
    inner = {"b": {"rule": "PathPrefix(`/ui`)", "entryPoints": ["in"], "tls": False}}
    outer = {"a": {"rule": ALL, "service": "own", "entryPoints": ["w"]}}
    for more in ({}, {"passHostHeader": False}):
        seen = front({**outer, **inner}, services={"own": servers("http://127.0.0.1:81", **more)}, points=points)
        assert ends(seen) == {"/ui/"}
    loop = front(outer, services={"own": servers("https://127.0.0.1:443")}, points=points)
    assert ends(loop) == {"unknown?"}


def codes(seen: FrontConfig, **demands: Any) -> list[str]:
    return [fault.code for fault in violations(way_is_guarded(seen, target(**demands).policy))]


GUARDED: Table = {"a": {"rule": ALL, "middlewares": ["login"]}}


def test_a_way_that_is_guarded() -> None:
    assert codes(front(GUARDED, LOGIN)) == []
    assert gate(front(GUARDED, LOGIN), "/ui") == "closed"
    assert gate(front({"a": {"rule": ALL}}), "/ui") == "open"
    assert isinstance(way_is_guarded(front({"a": {"rule": ALL, "service": "none"}}), target().policy), NotApplicable)
    front_config = front(GUARDED, LOGIN)
    twice = FrontConfig("Traefik", "t.yml", (*front_config.directives, front_config.directives[1]), SOCKETS)
    verdict = way_is_guarded(twice, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "two files define a" in verdict.reason


def test_a_router_in_the_middle_that_has_a_service_is_left_out() -> None:
    parent = {"parent": {"rule": ALL, "service": None}, "open": below(parentRefs=["parent"], rule=ALL, priority=1)}
    middle = below(rule=ALL, middlewares=["login"], priority=9)
    last = {"last": below(parentRefs=["middle"])}
    assert ends(front({**parent, "middle": middle, **last}, LOGIN)) == {"/ui/"}
    assert ends(front({**parent, "middle": {**middle, "service": None}, **last}, LOGIN)) == {"401"}


def test_what_opens_the_way() -> None:
    by_path = {"a": {"rule": "PathPrefix(`/ui`)", "middlewares": ["login"]}, "b": {"rule": ALL}}
    assert codes(front(by_path, LOGIN)) == ["letter-case"]
    alias = {
        "a": {"rule": "PathRegexp(`(?i)^/ui`)", "middlewares": ["login"]},
        "b": {"rule": "PathPrefix(`/panel`)", "middlewares": ["strip"]},
    }
    strip = {**LOGIN, "strip": {"stripPrefix": {"prefixes": ["/panel"]}}}
    assert codes(front(alias, strip)) == ["alias"]
    upgraded = {**GUARDED, "b": {"rule": "Header(`Upgrade`, `websocket`)", "priority": 99}}
    assert codes(front(upgraded, LOGIN)) == ["header", "header"]


def test_plain_far_and_raw() -> None:
    plain = {"a": {**GUARDED["a"], "tls": False}}
    assert codes(front(plain, LOGIN)) == ["plain"]
    for url, more, expected in (
        ("http://10.0.0.5:1880", {}, ["upstream"]),
        ("https://10.0.0.5:1880", {"serversTransport": "careless"}, ["upstream"]),
        ("https://10.0.0.5:1880", {}, []),
    ):
        transports = {"serversTransports": {"careless": {"insecureSkipVerify": True}}}
        assert codes(front(GUARDED, LOGIN, {"red": servers(url, **more)}, http=transports)) == expected
    everywhere = {"serversTransport": {"insecureSkipVerify": True}}
    far = {"red": servers("https://10.0.0.5:1880")}
    assert codes(front(GUARDED, LOGIN, far, static=everywhere)) == ["upstream"]
    tcp: Table = {
        "routers": {"t": {"rule": "HostSNI(`*`)", "service": "t"}, "u": {"service": "none", "entryPoints": ["other"]}},
        "services": {"t": {"loadBalancer": {"servers": [{"address": "127.0.0.1:1880"}, {"address": "b:1"}]}}},
    }
    assert codes(front(GUARDED, LOGIN, tcp=tcp)) == ["stream"]
    tcp["routers"] = {"t": {"rule": "HostSNI(`*`)", "service": "w@file"}}
    tcp["services"]["w"] = {"weighted": {"services": [{"name": "t"}, {"name": "w"}]}}
    assert codes(front(GUARDED, LOGIN, tcp=tcp)) == ["stream"]
    inner: Table = {"w": {"address": ":443"}, "in": {"address": "127.0.0.1:81"}}
    routers = {
        "a": {**GUARDED["a"], "service": "own", "entryPoints": ["w"]},
        "b": {"rule": ALL, "entryPoints": ["in"], "tls": False},
    }
    assert codes(front(routers, LOGIN, {"own": servers("http://127.0.0.1:81")}, inner)) == []


def test_what_is_asked_for() -> None:
    names = {
        "a": {"rule": "Host(`a`) && Path(`/x`) || HostRegexp(`^b`)", "middlewares": ["login"]},
        "c": {"rule": "PathRegexp(`^/board/`)", "middlewares": ["by"]},
    }
    changes = {
        **LOGIN,
        "by": {"stripPrefixRegex": {"regex": ["^/[a-z]+/", "^/(.*)"]}},
        "put": {"replacePathRegex": {"regex": "^/p/(.*)", "replacement": "/ui/$1"}},
        "add": {"addPrefix": {"prefix": "/ui"}},
    }
    assert gate(front(names, changes), "/ui") == "open"
    names["c"] = {"rule": "PathRegexp(`^/board/$`) || Own(`x`)", "middlewares": ["by"]}
    assert "the rule of router c (d.yml) is not followed" in gate(front(names, changes), "/ui")
