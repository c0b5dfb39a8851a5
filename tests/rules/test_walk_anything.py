"""Ways on which something is put into a path, or names a server, that no configuration tells, in each proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rules import apache_host, haproxy_host, nginx_host
from rules import test_walk_caddy as caddy_host
from rules import test_walk_traefik as traefik_host
from seen import target

from pytest_nodered_sec.observations.host_proxies import CaddyConfig, CaddyMatch, CaddyServer, CaddyStep
from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.verdict import NotJudged

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.observations.host_proxies import NginxConfig

TLS, RED = nginx_host.TLS, nginx_host.PROXY
GUARDED = f"location / {{ {nginx_host.LOGIN} {RED} }}"
FREE = CaddyMatch(paths=("/free/*",))
LOGGED_IN = traefik_host.GUARDED
HTTP = "http://127.0.0.1:1880"


def nginx(body: str, http: str = "", rest: str = GUARDED) -> NginxConfig:
    return nginx_host.config(f"{http} server {{ {TLS} {body} {rest} }}")


def rewrites(**how: Any) -> CaddyConfig:
    return caddy(CaddyStep("rewrite", name="rewrite", **how), caddy_host.RED)


def caddy(*steps: CaddyStep) -> CaddyConfig:
    login = caddy_host.steps(caddy_host.LOGIN, caddy_host.RED)
    site = caddy_host.server(caddy_host.on(FREE, *steps, CaddyStep("end")), login)
    return CaddyConfig("caddy.json", (site,), caddy_host.SOCKETS)


def apache(*lines: str) -> FrontConfig:
    return apache_host.front(
        "\n".join(("RewriteEngine on", *lines, apache_host.location(apache_host.LOGIN, path="~ (?i)^/ui")))
    )


def haproxy(*lines: str, rest: str = "") -> FrontConfig:
    """Return one that asks whoever asks for what is not below /free/ for a login, once it has rewritten paths there."""
    first = "http-request set-var(txn.free) bool(true) if { path_beg /free/ }"
    last = "http-request auth if !{ var(txn.free) -m found } !{ http_auth(u) }"
    return haproxy_host.front("\n".join((first, *lines, last)), rest=haproxy_host.RED + rest)


def traefik(middleware: traefik_host.Table, **more: Any) -> FrontConfig:
    free = {"rule": "PathPrefix(`/free/`)", "priority": 99, "middlewares": ["own"], **more}
    middlewares = {"own": middleware, **traefik_host.LOGIN}
    return traefik_host.front({"free": free, **LOGGED_IN}, middlewares, {"odd": {"odd": {}}})


IF_FREE = "if { var(txn.free) -m found }"
UNREADABLE = "(?R)"
OPEN: dict[str, tuple[NginxConfig | CaddyConfig | FrontConfig, str]] = {
    "nginx: a rewrite by a script": (
        nginx(f"location /free/ {{ rewrite ^ $go last; }} location = /ui/ {{ internal; {RED} }}",
              "js_set $go main.go;"), "go (",
    ),
    "nginx: a rewrite": (
        nginx(f"location /free/ {{ rewrite ^ $go break; {RED} }}", "js_set $go main.go;"), "go (",
    ),
    "nginx: to a path of its own": (
        nginx(f"location /free/ {{ rewrite ^ /in$arg_go last; }} location /inner/ {{ internal; proxy_pass {HTTP}/; }}"),
        "arg_go puts",
    ),
    "nginx: a part of a path": (nginx(f"location /free/ {{ proxy_pass {HTTP}/u$arg_go; }}"), "arg_go puts"),
    "nginx: behind a port": (nginx(f"location /free/ {{ proxy_pass {HTTP}$arg_go; }}"), "arg_go puts"),
    "nginx: a server": (
        nginx("location /free/ { proxy_pass http://$go/ui/; }", "js_set $go main.go;"), "the destination of proxy_pass"
    ),
    "nginx: a server and more": (nginx("location /free/ { proxy_pass http://$arg_go:9; }"), "arg_go puts"),
    "nginx: all of a URL": (nginx("location /free/ { proxy_pass $http_go; }"), "http_go puts"),
    "nginx: an error page": (
        nginx(f"location /free/ {{ error_page 404 $arg_go; return 404; }} location = /ui/ {{ internal; {RED} }}"),
        "arg_go puts",
    ),
    "nginx: where files are not": (
        nginx(f"location /free/ {{ try_files /x $arg_go; }} location = /ui/ {{ internal; {RED} }}"),
        "arg_go puts",
    ),
    "Caddy: a rewrite": (rewrites(uri="{go}"), "{go} puts"),
    "Caddy: a part of a path": (rewrites(uri="/ui/{http.request.header.X-A b}"), "{http.request.header.X-A b} puts"),
    "Caddy: what a header's pattern captures": (rewrites(uri="{http.regexp.x.1}?a=1"), "{http.regexp.x.1} puts"),
    "Caddy: a prefix": (rewrites(prefix="{env.X}"), "{env.X} puts"),
    "Caddy: a suffix": (rewrites(suffix="{env.X}"), "{env.X} puts"),
    "Caddy: a text": (rewrites(swaps=(("{env.X}", "/", 0),)), "{env.X} puts"),
    "Caddy: a text in place of another": (rewrites(swaps=(("/free", "{env.X}", 0),)), "{env.X} puts"),
    "Caddy: what takes a pattern's place": (rewrites(patterns=(("^/free(.*)", "{env.X}${1}"),)), "{env.X} puts"),
    "Caddy: a pattern": (rewrites(patterns=((r"\pL", ""),)), r"the pattern \pL cannot be read"),
    "Caddy: a server": (
        caddy(CaddyStep("proxy", ("{env.X}:1880",), uri="/ui/")), "the upstream of reverse_proxy is determined"
    ),
    "Apache: to a server": (apache(f"RewriteRule ^/free/ {HTTP}/%{{HTTP:Go}} [P]"), "http_go puts"),
    "Apache: a map": (apache(f"RewriteRule ^/free/(.*) {HTTP}/${{m:%{{REQUEST_URI}}|/?}} [P]"), "the map m puts"),
    "Apache: a server": (apache("RewriteRule ^/free/ http://%{TIME_HOUR}/ui/ [P]"), "where rewriterule"),
    "Apache: a server and more": (apache("RewriteRule ^/free/ http://%{HTTP:Go}/x/ [P]"), "http_go puts"),
    "Apache: all of a URL": (apache("RewriteRule ^/free/ %{HTTP:Go} [P]"), "http_go puts"),
    "Apache: a balancer": (apache("RewriteRule ^/free/ balancer://x/ui/ [P]"), "the members of balancer://x"),
    "Apache: a pattern": (apache(f"ProxyPassMatch {UNREADABLE} {HTTP}/$1"), "the pattern (?R)"),
    "Apache: a variable": (apache(f"ProxyPass /free/ {HTTP}/${{GO}} interpolate"), "interpolate"),
    "Apache: wildcards": (
        apache(f"<Location /fr*>\nProxyPass {HTTP}/\n</Location>"), "proxypass in a section with wildcards"
    ),
    "HAProxy: a path": (haproxy(f"http-request set-path %[req.hdr(go)] {IF_FREE}"), "http_go puts"),
    "HAProxy: a map": (haproxy(f"http-request set-path /u%[path,map_beg(/x.map)] {IF_FREE}"), "what /x.map holds"),
    "HAProxy: a pattern": (
        haproxy(f"http-request replace-path {UNREADABLE} /b {IF_FREE}"), "the pattern (?R)"
    ),
    "HAProxy: what takes a path's place": (
        haproxy(f"http-request replace-path .* %[req.hdr(go)] {IF_FREE}"), "http_go puts"
    ),
    "HAProxy: what takes a path's place with arguments": (
        haproxy(f"http-request replace-uri .* %[req.hdr(go)]?a=1 {IF_FREE}"), "http_go puts"
    ),
    "HAProxy: a server": (
        haproxy(f"http-request set-path /ui/ {IF_FREE}", f"use_backend any {IF_FREE}",
                rest="\nbackend any\nserver a *\n"), "the address of server",
    ),
    "Traefik: a pattern": (
        traefik({"replacePathRegex": {"regex": UNREADABLE, "replacement": "/x"}}), "the pattern (?R)"
    ),
    "Traefik: a prefix": (traefik({"stripPrefixRegex": {"regex": [UNREADABLE]}}), "the pattern (?R)"),
    "Traefik: an error page": (traefik({"errors": {"service": "red", "query": "{url}"}}), "{url} puts"),
    "Traefik: a server": (
        traefik({"replacePath": {"path": "/ui/"}}, service="odd"), "service odd"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "why"), OPEN.values(), ids=OPEN)
def test_a_way_that_may_lead_around_the_login_is_not_judged(
    seen: NginxConfig | CaddyConfig | FrontConfig, why: str
) -> None:
    verdict = way_is_guarded(seen, target(dashboards=("/ui",)).policy)
    assert isinstance(verdict, NotJudged), verdict
    assert why in verdict.reason
    assert why in gate(seen, "/ui")


GREEN: dict[str, NginxConfig | CaddyConfig | FrontConfig] = {
    "nginx: behind the login": nginx(f"location /free/ {{ {nginx_host.LOGIN} rewrite ^ $arg_go break; {RED} }}"),
    "nginx: back to the login": nginx("location /free/ { rewrite ^ $arg_go last; }"),
    "nginx: somewhere below a path": nginx(f"location /free/ {{ proxy_pass {HTTP}/static/$arg_go; }}"),
    "nginx: in the arguments": nginx(f"location /free/ {{ proxy_pass {HTTP}/static/?$arg_go; }}"),
    "nginx: another server, with its own paths": nginx(
        "location /free/ { proxy_pass http://$go:9; }", "js_set $go main.go;"
    ),
    "nginx: any server, with its own paths": nginx("location /free/ { proxy_pass http://$go; }", "js_set $go main.go;"),
    "nginx: a server by the name that is asked for": nginx_host.config(
        f"server {{ {TLS} {GUARDED} }}"
        "server { listen 443 ssl; server_name ~^(?<a>.+)[.]b$; location / { proxy_pass http://$a.internal; } }"
    ),
    "nginx: away": nginx("location /free/ { error_page 404 https://b/$arg_go; return 404; }"),
    "Caddy: behind the login": caddy(
        CaddyStep("rewrite", name="rewrite", uri="{go}"), caddy_host.LOGIN, caddy_host.RED
    ),
    "Caddy: somewhere below a path": rewrites(uri="/static/{go}"),
    "Caddy: in the arguments": rewrites(uri="{http.request.uri.path}?{go}"),
    "Caddy: a text that is not there": rewrites(swaps=(("/x", "{go}", 0),)),
    "Caddy: a pattern that does not match": rewrites(patterns=(("^/x", "{go}"),)),
    "Apache: back to the login": apache("RewriteRule ^/free/ %{HTTP:Go} [PT]"),
    "Apache: behind the login": apache(
        f"RewriteRule ^/free/ {HTTP}/%{{HTTP:Go}} [P]", f"<Location /free>\n{apache_host.LOGIN}\n</Location>"
    ),
    "Apache: behind a login for URLs": apache(
        f"RewriteRule ^/free/ {HTTP}/%{{HTTP:Go}} [P]", f"<Proxy {HTTP}/>\n{apache_host.LOGIN}\n</Proxy>"
    ),
    "Apache: away": apache("RewriteRule ^/free/ https://b/%{HTTP:Go} [R]"),
    "Apache: not proxied": apache("<Location /fr*>\nProxyPass !\nRequire all denied\n</Location>"),
    "HAProxy: back to the login": haproxy_host.front(
        "http-request set-path %[req.hdr(go)] if { path_beg /free/ }\nhttp-request auth if !{ http_auth(u) }"
    ),
    "HAProxy: somewhere below a path": haproxy(f"http-request set-path /static/%[req.hdr(go)] {IF_FREE}"),
    "Traefik: names of groups": traefik(
        {"replacePathRegex": {"regex": "^/(?P<a>free)/.*", "replacement": "/${a}/$a/$$/$none"}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("seen", GREEN.values(), ids=GREEN)
def test_a_way_that_cannot_lead_around_the_login_is_left_alone(seen: NginxConfig | CaddyConfig | FrontConfig) -> None:
    assert way_is_guarded(seen, target(dashboards=("/ui",)).policy) == ()
    assert gate(seen, "/ui") == "closed"


def beside(*, login: bool, listen: str = "") -> list[NginxConfig | CaddyConfig | FrontConfig]:
    """Return proxies with two names, one for Node-RED and one for what only the environment tells.

    Args:
        login: whether the proxy asks for a login where it leads to Node-RED.
        listen: where the server of the other name listens, "" for everybody.
    """
    guarded = GUARDED if login else f"location / {{ {RED} }}"
    other = (
        f"server {{ listen {listen or '443 ssl'}; server_name other.example; location / {{ proxy_pass http://$go; }} }}"
    )
    steps = (caddy_host.LOGIN, caddy_host.RED) if login else (caddy_host.RED,)
    any_server = CaddyServer(
        "srv1", (listen or ":8443",), True, (), (caddy_host.steps(CaddyStep("proxy", ("{env.X}",))),)
    )
    main = caddy_host.server(caddy_host.steps(*steps))
    routers = {"a": LOGGED_IN["a"] if login else {"rule": traefik_host.ALL}}
    odd = {"rule": traefik_host.ALL, "service": "odd", "entryPoints": ["other"]}
    return [
        nginx_host.config(f"js_set $go main.go; server {{ {TLS} {guarded} }} {other}"),
        CaddyConfig("caddy.json", (main, any_server), caddy_host.SOCKETS),
        traefik_host.front(
            {name: {"entryPoints": ["main"], **router} for name, router in routers.items()} | {"odd": odd},
            traefik_host.LOGIN,
            {"odd": {"odd": {}}},
            {"main": {"address": ":443"}, "other": {"address": listen or ":8443"}},
        ),
    ]


@pytest.mark.parametrize("number", range(3))
def test_another_server_that_may_lead_around_the_login_is_not_judged(number: int) -> None:
    policy = target(dashboards=("/ui",)).policy
    seen = beside(login=True)[number]
    assert isinstance(way_is_guarded(seen, policy), NotJudged)
    assert gate(seen, "/ui") not in ("closed", "open")
    inner = beside(login=True, listen="127.0.0.1:8443")[number]
    assert way_is_guarded(inner, policy) == ()
    assert gate(inner, "/ui") == "closed"
    assert way_is_guarded(beside(login=False)[number], policy) == ()  # it is Node-RED that asks for a login


def test_what_begins_as_a_channel_is_one_whatever_follows() -> None:
    seen = nginx(f"location /free/ {{ proxy_pass {HTTP}/ui/socket.io/$arg_go; }}")
    assert nginx_host.codes(seen, dashboards=("/ui",)) == ["alias"]


def test_patterns_name_their_groups() -> None:
    seen = traefik({"replacePathRegex": {"regex": "^/free/(?P<rest>.*)", "replacement": "/ui/$rest"}})
    assert traefik_host.ends(seen, "/free/a") == {"/ui/a"}
