"""nginx in front of Node-RED: whole configurations, parsed as `nginx -T` prints them, and what they come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from seen import FAIL, PASS, SKIP, outcome, target, violations

from pytest_nodered_sec.observations.host import ListeningSocket, Unit
from pytest_nodered_sec.observations.host_proxies import NginxConfig, NginxService
from pytest_nodered_sec.policy.model import PROFILES, HostDemands
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.rules.nginx import gate, nginx_is_in_service
from pytest_nodered_sec.rules.nginx_tls import tls_is_as_demanded
from pytest_nodered_sec.rules.proxy import way_is_guarded
from pytest_nodered_sec.verdict import NotJudged

LOOPBACK = ListeningSocket("tcp", "127.0.0.1", 1880)
UNIX = ListeningSocket("unix", "/run/nodered/nr.sock")
HEAD = "server_tokens off; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM:!aNULL;"
TLS = "listen 443 ssl; listen [::]:443 ssl; server_name plant.example;"
PROXY = "proxy_pass http://127.0.0.1:1880;"
LOGIN = "auth_basic plant; auth_basic_user_file f;"
REDIRECT = "server { listen 80; return 301 https://$host$request_uri; }"


def config(text: str, *sockets: ListeningSocket, head: str = HEAD) -> NginxConfig:
    whole = f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{ {head}\n{text}\n}}\n"
    return NginxConfig(tree(whole), sockets or (LOOPBACK,))


def codes(seen: NginxConfig, rule: Any = way_is_guarded, **demands: Any) -> list[str]:
    assert seen.evidence()
    return [violation.code for violation in violations(rule(seen, target(**demands).policy))]


WAYS = {
    "hardened": (f"{REDIRECT} server {{ {TLS} location / {{ {PROXY} }} }}", []),
    "plain only": (f"server {{ listen 80; location / {{ {PROXY} }} }}", ["plain"]),
    "no listen at all means port 80": (f"server {{ location / {{ {PROXY} }} }}", ["plain"]),
    "both on one server": (f"server {{ listen 80; {TLS} location / {{ {PROXY} }} }}", ["plain"]),
    "both, but redirected": (
        f"server {{ listen 80; {TLS} if ($scheme != https) {{ return 301 https://$host; }} location / {{ {PROXY} }} }}",
        [],
    ),
    "another condition redirects": (
        f"server {{ listen 80; if ($host = a) {{ return 301 https://$host; }} location / {{ {PROXY} }} }}",
        ["plain"],
    ),
    "ssl on": (f"server {{ listen 8443; ssl on; location / {{ {PROXY} }} }}", []),
    "a unix listener": (f"server {{ listen unix:/run/n.sock; location / {{ {PROXY} }} }}", []),
    "upstream block": (
        f"upstream red {{ server 127.0.0.1:1880; }} server {{ {TLS} location / {{ proxy_pass http://red; }} }}",
        [],
    ),
    "all of the address in a variable": (
        "server { listen 80; set $to http://127.0.0.1:1880; location / { proxy_pass $to; } }",
        ["plain"],
    ),
    "what a certificate authority asks for in clear": (
        f"server {{ listen 80; location ^~ /.well-known/acme-challenge/ {{ {PROXY} }} "
        f"location / {{ return 301 https://$host$request_uri; }} }} server {{ {TLS} location / {{ {PROXY} }} }}",
        [],
    ),
    "that, and a way from there": (
        "server { listen 80; location ^~ /.well-known/acme-challenge/ { proxy_pass http://127.0.0.1:1880/; } "
        f"location / {{ return 301 https://$host$request_uri; }} }} server {{ {TLS} location / {{ {PROXY} }} }}",
        ["plain"],
    ),
    "upstream elsewhere": (
        f"upstream red {{ server 10.0.0.7:1880; }} server {{ {TLS} location / {{ proxy_pass http://red; }} }}",
        ["upstream"],
    ),
    "elsewhere over TLS": (
        f"server {{ {TLS} location / {{ proxy_ssl_verify on; proxy_pass https://10.0.0.7:1880; }} }}",
        [],
    ),
    "elsewhere over TLS, unverified": (
        f"server {{ {TLS} location / {{ proxy_pass https://10.0.0.7:1880; }} }}",
        ["upstream"],
    ),
    "a path of the request's": (
        f"server {{ {TLS} location / {{ proxy_pass http://127.0.0.1:1880$request_uri; }} }}",
        [],
    ),
    "the same in clear": (
        "server { listen 80; location / { proxy_pass http://127.0.0.1:1880$uri$is_args$args; } }",
        ["plain"],
    ),
    "rewritten to TLS": (
        f"server {{ listen 80; {TLS} if ($https = '') {{ rewrite ^(.*)$ https://plant.example$1 permanent; }} "
        f"location / {{ {PROXY} }} }}",
        [],
    ),
    "rewritten to TLS in part": (
        f"server {{ listen 80; rewrite ^/flows https://plant.example/ permanent; location / {{ {PROXY} }} }}",
        ["plain"],
    ),
    "map": (
        "map $host $backend { default 10.0.0.7:1880; plant.example 127.0.0.1:1880; } "
        f"server {{ {TLS} location / {{ proxy_pass http://$backend; }} }}",
        ["upstream"],
    ),
    "set, twice": (
        f"server {{ {TLS} set $port 1880; set $red 127.0.0.1:$port; location / {{ proxy_pass http://${{red}}; }} }}",
        [],
    ),
    "page without socket": (
        f"server {{ {TLS} location / {{ {PROXY} }} location ~* ^/ui {{ {LOGIN} {PROXY} }} "
        f"location ^~ /ui/socket.io/ {{ {PROXY} }} }}",
        ["socket"],
    ),
    "page and socket": (
        f"server {{ {TLS} location / {{ {PROXY} }} location ~* ^/ui {{ {LOGIN} {PROXY} }} }}",
        [],
    ),
    "letter case": (
        f"server {{ {TLS} location / {{ {PROXY} }} location ^~ /ui/ {{ {LOGIN} {PROXY} }} }}",
        ["letter-case"],
    ),
    "everything": (f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} }}", []),
    "everything, but off for sockets": (
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} location ~ socket.io {{ auth_basic off; {PROXY} }} }}",
        ["socket", "socket"],
    ),
    "client certificates": (f"server {{ {TLS} ssl_verify_client on; location / {{ {PROXY} }} }}", []),
    "exact location is open": (
        f"server {{ {TLS} location / {{ auth_request /auth; {PROXY} }} location = /ui/socket.io/ {{ auth_request off; "
        f"{PROXY} }} }}",
        ["socket"],
    ),
    "addresses": (f"server {{ {TLS} location / {{ allow 10.0.0.0/8; deny all; {PROXY} }} }}", []),
    "addresses that deny nobody": (f"server {{ {TLS} location / {{ deny 10.0.0.7; {PROXY} }} }}", []),
    "addresses, of which the first lets all in": (
        f"server {{ {TLS} location / {{ {PROXY} }} location /ui/ {{ {LOGIN} {PROXY} }} "
        f"location ~* ^/ui/ {{ allow all; deny all; {PROXY} }} }}",
        [],
    ),
    "a login or an address, and every address will do": (
        f"server {{ {TLS} satisfy any; allow all; {LOGIN} location / {{ {PROXY} }} }}",
        [],
    ),
    "a login or an address, and sockets take every address": (
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} "
        f"location ~* ^/(ui|dashboard)/socket.io/ {{ satisfy any; allow 0.0.0.0/0; {PROXY} }} }}",
        ["socket", "socket"],
    ),
    "a login or an address, of a few": (
        f"server {{ {TLS} satisfy any; allow 10.0.0.0/8; deny all; {LOGIN} location / {{ {PROXY} }} }}",
        [],
    ),
    "a login that a variable may switch off": (
        'map $http_x_user $realm { default off; "" plant; } '
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} "
        f"location ~ socket.io {{ auth_basic $realm; auth_basic_user_file f; {PROXY} }} }}",
        ["socket", "socket"],
    ),
    "a login whose realm is a variable": (
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} "
        f"location ~ socket.io {{ auth_basic $host; auth_basic_user_file f; {PROXY} }} }}",
        [],
    ),
    "around the login by a named location": (
        f"server {{ {TLS} location / {{ try_files $uri @red; }} location @red {{ {PROXY} }} "
        f"location /ui/ {{ {LOGIN} {PROXY} }} }}",
        ["letter-case"],
    ),
    "a named location with a login": (
        f"server {{ {TLS} location / {{ try_files $uri @red; }} location @red {{ {LOGIN} {PROXY} }} "
        f"location /ui/ {{ {LOGIN} {PROXY} }} }}",
        [],
    ),
    "another way to the page": (
        f"server {{ {TLS} location / {{ return 404; }} location ~* ^/ui/ {{ {LOGIN} {PROXY} }} "
        f"location /panel/ {{ proxy_pass http://127.0.0.1:1880/ui/; }} }}",
        ["alias"],
    ),
    "another way to below the page": (
        f"server {{ {TLS} location / {{ return 404; }} location ~* ^/ui/ {{ {LOGIN} {PROXY} }} "
        f"location /live/ {{ proxy_pass http://127.0.0.1:1880/ui/socket.io/; }} }}",
        ["alias"],
    ),
    "another way to the page, with the login": (
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} "
        f"location /panel/ {{ proxy_pass http://127.0.0.1:1880/ui/; }} }}",
        [],
    ),
    "a named group, as PCRE writes it": (
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} "
        f"location ~ ^/(?<a>dashboard)/socket\\.io/ {{ auth_basic off; {PROXY} }} }}",
        ["socket"],
    ),
    "another way by a rewrite that stays": (
        f"server {{ {TLS} location / {{ {LOGIN} {PROXY} }} "
        f"location /panel/ {{ rewrite ^/panel/(.*)$ /dashboard/$1 break; {PROXY} }} }}",
        ["alias"],
    ),
    "another way by a rewrite of the server's": (
        f"server {{ {TLS} rewrite ^/hmi(.*)$ /dashboard$1; location / {{ {PROXY} }} "
        f"location ~* ^/dashboard {{ {LOGIN} {PROXY} }} }}",
        [],
    ),
    "another way by what a pattern captured": (
        f"server {{ {TLS} location / {{ {LOGIN} {PROXY} }} "
        f"location ~ ^/panel/(.*)$ {{ proxy_pass http://127.0.0.1:1880/dashboard/$1; }} }}",
        ["alias"],
    ),
    "another way by a variable of a pattern": (
        f"server {{ {TLS} location / {{ {LOGIN} {PROXY} }} "
        f"location ~ ^/panel/(?<rest>.*)$ {{ proxy_pass http://127.0.0.1:1880/dashboard/$rest; }} }}",
        ["alias"],
    ),
    "another way by a map of paths": (
        'map $uri $to { default ""; /panel /dashboard/; ~^/hmi/(.*)$ /dashboard/$1; } '
        f"server {{ {TLS} location / {{ {LOGIN} {PROXY} }} "
        f"location ~ ^/(panel|hmi) {{ proxy_pass http://127.0.0.1:1880$to; }} }}",
        ["alias"],
    ),
    "script files are exempt, and so is a channel that is called like one": (
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} location ~ \\.js$ {{ auth_basic off; {PROXY} }} }}",
        ["socket", "socket"],
    ),
    "script files but not channels are exempt": (
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} "
        f"location ~ ^/(ui|dashboard)/(?!socket).*\\.js$ {{ auth_basic off; {PROXY} }} }}",
        [],
    ),
    "a login without a file of passwords is none": (
        f"server {{ {TLS} auth_basic plant; location / {{ {PROXY} }} }}",
        [],
    ),
    "who fails to log in is let in elsewhere": (
        f"server {{ {TLS} location / {{ {LOGIN} {PROXY} }} "
        f"location ~ socket {{ {LOGIN} error_page 401 = @open; {PROXY} }} "
        f"location @open {{ {PROXY} }} }}",
        ["socket", "socket"],
    ),
    "one header passes the login": (
        "map $http_upgrade $realm { default plant; websocket off; } "
        f"server {{ {TLS} auth_basic $realm; auth_basic_user_file f; location / {{ {PROXY} }} }}",
        ["header", "header"],
    ),
    "set of another server's": (
        f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} }} "
        "server { listen 80; server_name a; set $upstream 127.0.0.1; set $port 8989; "
        "location / { proxy_pass http://$upstream:$port; } } "
        "server { listen 80; server_name b; set $upstream 127.0.0.1; "
        "location / { proxy_pass http://$upstream:$port; } } "
        "server { listen 443 ssl; server_name c; set $port 1880; return 404; }",
        [],
    ),
    "client certificates are asked for, and demanded by an if": (
        f"server {{ {TLS} ssl_verify_client optional; if ($ssl_client_verify != SUCCESS) {{ return 403; }} "
        f"location / {{ {PROXY} }} }}",
        [],
    ),
    "client certificates of anybody's making": (
        f"server {{ {TLS} ssl_verify_client optional_no_ca; "
        f"location / {{ if ($ssl_client_verify = NONE) {{ return 403; }} {PROXY} }} "
        f"location = /ui/ {{ {LOGIN} {PROXY} }} "
        f"location = /UI/ {{ {LOGIN} {PROXY} }} }}",
        ["socket"],
    ),
    "auth_request that lets everybody in": (
        f"server {{ {TLS} location / {{ auth_request /yes; {PROXY} }} location = /yes {{ return 200; }} "
        f"location ~* ^/ui/$ {{ auth_request /no; {PROXY} }} location = /no {{ return 401; }} }}",
        ["socket"],
    ),
    "auth_request that somebody else answers": (
        f"server {{ {TLS} location / {{ auth_request /who; error_page 401 = @login; {PROXY} }} "
        "location = /who { internal; proxy_pass http://127.0.0.1:9091/verify; } "
        "location @login { return 302 https://login.example/?rd=$request_uri; } }",
        [],
    ),
    "anybody may say which address is his": (
        f"server {{ {TLS} set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For; satisfy any; "
        f"allow 192.168.0.0/16; deny all; location / {{ {PROXY} }} "
        f"location ~* ^/ui/$ {{ satisfy all; {LOGIN} {PROXY} }} }}",
        ["socket"],
    ),
    "IPv6 is not denied": (
        f"server {{ {TLS} location / {{ deny 0.0.0.0/0; {PROXY} }} location ~* ^/ui/$ {{ deny all; {PROXY} }} }}",
        ["socket"],
    ),
    "by another server of nginx's own": (
        f"server {{ listen 127.0.0.1:8081; location / {{ {PROXY} }} }} "
        f"server {{ {TLS} location / {{ proxy_pass http://127.0.0.1:8081; }} "
        f"location ~* ^/ui/$ {{ {LOGIN} proxy_pass http://127.0.0.1:8081; }} }}",
        ["socket"],
    ),
    "letter case leads nowhere": (
        f"server {{ {TLS} location / {{ return 404; }} location ^~ /ui/ {{ {LOGIN} {PROXY} }} }}",
        [],
    ),
    "nothing but a prefix": (f"server {{ {TLS} location /ui/ {{ {PROXY} }} }}", []),
}


@pytest.mark.parametrize("name", WAYS)
def test_way_is_guarded(name: str) -> None:
    text, expected = WAYS[name]
    assert codes(config(text)) == expected


REDIRECTS = (
    "if ($scheme = http) { return 301 https://$host$request_uri; }",
    "if ($scheme != https) { return 308 https://$host$request_uri; }",
    "if ($ssl_protocol = '') { return 301 https://$host$request_uri; }",
    "if ($https = '') { rewrite ^ https://$host$request_uri? permanent; }",
    "if ($https != on) { return 403; }",
    "if ($server_port = 80) { return 301 https://$host$request_uri; }",
    "if ($server_port != 443) { return 302 https://$host$request_uri; }",
    "set $tls $https; if ($tls = '') { return https://$host$request_uri; }",
    "if ($scheme ~ ^http$) { return 301 https://$host$request_uri; }",
    "if ($clear) { return 301 https://$host$request_uri; }",
    "error_page 418 = @tls; if ($scheme = http) { return 418; }",
)


@pytest.mark.parametrize("line", REDIRECTS)
@pytest.mark.parametrize("place", ["server", "location"])
def test_what_sends_clear_text_away(line: str, place: str) -> None:
    inside = line if place == "location" else ""
    text = (
        "map $scheme $clear { default 0; http 1; } "
        f"server {{ listen 80; {TLS} {'' if inside else line} location / {{ {inside} {PROXY} }} "
        "location @tls { return 301 https://$host$request_uri; } }"
    )
    assert codes(config(text)) == []
    beside = text.replace("location @tls", f"location /ui {{ {PROXY} }} location @tls")
    assert codes(config(beside)) == (["plain"] if inside else [])


UNKNOWN = {
    "a pattern that Python cannot read": (
        "location / { LOGIN PROXY } location ~ ^/(?<a>ui)/\\K { PROXY }", "the pattern ^/(?<a>ui)/\\K "
    ),
    "Lua lets in": ("location / { access_by_lua_file a; PROXY } location ~* ^/ui/ { LOGIN PROXY }", "access_by_lua"),
    "Lua rewrites": ("location / { LOGIN PROXY } location ~* ^/ui/s { rewrite_by_lua_file /a; PROXY }", "rewrite_by"),
    "Lua answers": ("location / { LOGIN PROXY } location ~* ^/ui/s { content_by_lua_file /a; }", "content_by_lua"),
    "Lua sets": (
        "set_by_lua_file $open /a; location / { LOGIN PROXY } location ~* ^/ui/s { auth_basic $open; "
        "auth_basic_user_file f; PROXY }",
        "whether $open",
    ),
    "a module that is not known": ("location / { LOGIN PROXY } location ~* ^/ui/s { acme on; PROXY }", "acme"),
    "a secret header": (
        "location / { LOGIN PROXY } location ~* ^/ui/s { if ($http_x_token != abc) { return 403; } PROXY }",
        "$http_x_token",
    ),
    "Node-RED itself is asked": (
        "location / { LOGIN PROXY } location ~* ^/ui/s { auth_request /who; PROXY } location = /who { PROXY }",
        "auth_request /who",
    ),
    "nobody knows where it leads": (
        "location / { LOGIN PROXY } location ~* ^/ui/s { proxy_pass http://$upstream_http_x; }", "destination of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood_is_not_judged_naming_it(name: str) -> None:
    text, reason = UNKNOWN[name]
    text = text.replace("LOGIN", LOGIN).replace("PROXY", PROXY)
    seen = config(f"server {{ {TLS} {text} }}")
    verdict = way_is_guarded(seen, target().policy)
    assert isinstance(verdict, NotJudged), verdict
    assert reason in verdict.reason
    assert reason in gate(seen, "/ui")


def test_a_unix_socket_is_found_and_fits() -> None:
    text = f"server {{ {TLS} location / {{ proxy_pass http://unix:/run/nodered/nr.sock:/; }} }}"
    assert codes(config(text, UNIX)) == []
    through = "upstream red { server unix:/run/nodered/nr.sock; } " + text.replace("unix:/run/nodered/nr.sock:/", "red")
    assert codes(config(through, UNIX)) == []


def raw(stream: str, http: str = "") -> NginxConfig:
    whole = f"# configuration file /etc/nginx/nginx.conf:\nstream {{ {stream} }}\nhttp {{ {HEAD} {http} }}\n"
    return NginxConfig(tree(whole), (LOOPBACK,))


def test_raw_connections_go_past_every_login() -> None:
    past = "upstream red { server 127.0.0.1:1880; } server { listen 8880; proxy_pass red; }"
    gated = f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} }}"
    assert codes(raw(past)) == ["stream"]
    assert codes(raw(past, gated)) == ["stream"]
    assert gate(raw("", gated), "/ui") == "closed"
    assert gate(raw(past, gated), "/ui") == "open"
    assert codes(raw("server { listen 5432; proxy_pass 127.0.0.1:5433; }", gated)) == []


@pytest.mark.parametrize(
    "stream",
    [
        "geo $to { default 127.0.0.1:9; 10.0.0.0/8 127.0.0.1:1880; } server { listen 8080; proxy_pass $to; }",
        "split_clients $remote_addr $to { 50% red; * 127.0.0.1:9; } upstream red { server 127.0.0.1:1880; } "
        "server { listen 8080; proxy_pass $to; }",
        "server { listen 8080; set $to 127.0.0.1:1880; proxy_pass $to; }",
        "map $server_port $to { default 1880; } server { listen 8080; proxy_pass 127.0.0.1:${to}; }",
        "server { listen 1880; proxy_pass 10.0.0.2:$server_port; }",
        "map $remote_addr $a { default $b; } map $remote_addr $b { default 127.0.0.1:1880; } "
        "server { listen 8080; proxy_pass $a; }",
        "server { listen 8080; pass 127.0.0.1:1880; }",
    ],
)
def test_where_variables_lead_raw_connections(stream: str) -> None:
    gated = f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} }}"
    assert codes(raw(stream, gated)) == ["stream"]
    assert gate(raw(stream, gated), "/ui") == "open"


@pytest.mark.parametrize(
    "stream",
    [
        "js_set $to a.b; server { listen 8080; proxy_pass $to; }",
        "server { listen 8080; proxy_pass 127.0.0.1:$ssl_preread_alpn_protocols; }",
        "map $remote_addr $a { default $a; } server { listen 8080; proxy_pass $a; }",
        "map $remote_addr $a { default $a; b $a$a; c d:$a; } server { listen 8080; proxy_pass $a; }",
    ],
)
def test_raw_connections_that_go_nobody_knows_where_are_not_judged(stream: str) -> None:
    gated = f"server {{ {TLS} {LOGIN} location / {{ {PROXY} }} }}"
    verdict = way_is_guarded(raw(stream, gated), target().policy)
    assert isinstance(verdict, NotJudged)
    assert "forwards connections is not in the configuration" in verdict.reason
    assert "forwards connections" in gate(raw(stream, gated), "/ui")
    alone = way_is_guarded(raw(stream), target().policy)
    assert isinstance(alone, NotJudged)


def test_a_server_on_loopback_that_raw_connections_reach_has_nothing_in_front() -> None:
    inner = f"server {{ listen 127.0.0.1:8443 ssl; location / {{ {PROXY} }} }}"
    demands: dict[str, Any] = {"admin_api": "proxied"}

    def codes_of(stream: str, http: str = inner) -> list[str]:
        return codes(replace(raw(stream, http), admin_root="/"), **demands)

    assert set(codes_of("server { listen 443; pass 127.0.0.1:8443; }")) == {"no-login"}
    assert codes_of("server { listen 127.0.0.1:443; pass 127.0.0.1:8443; }") == []
    assert codes_of("server { listen 443; ssl_verify_client on; pass 127.0.0.1:8443; }") == []
    clear = inner.replace(" ssl", "")
    assert set(codes_of("server { listen 443; pass 127.0.0.1:8443; }", clear)) == {"plain", "no-login"}
    assert set(codes_of("server { listen 443 ssl; pass 127.0.0.1:8443; }", clear)) == {"no-login"}


def test_what_nginx_hands_to_another_on_the_same_host_is_not_judged() -> None:
    """Varnish, an oauth2-proxy and the like: what they do with it is not seen."""
    near = config(f"server {{ {TLS} location / {{ {LOGIN} proxy_pass http://127.0.0.1:6081; }} }}")
    verdict = way_is_guarded(near, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "forwards to 127.0.0.1:6081, and how that forwards to Node-RED is not followed" in verdict.reason
    assert "127.0.0.1:6081" in gate(near, "/ui")
    unasked = config(f"server {{ {TLS} location / {{ limit_except GET {{ {PROXY} }} }} }}")
    verdict = way_is_guarded(unasked, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "no request that was tried gets there" in verdict.reason


def test_an_inner_server_is_behind_the_outer_ones_login() -> None:
    inner = f"server {{ listen 127.0.0.1:8081; server_name inner; location / {{ {PROXY} }} }}"
    upstream = "upstream inner { server 127.0.0.1:8081; }"
    outer = f"server {{ {TLS} {LOGIN} location / {{ proxy_pass http://inner; }} }}"
    default = "server { listen 127.0.0.1:8081 default_server; return 404; }"
    assert gate(config(upstream + outer + default + inner), "/ui") == "closed"
    assert gate(config(upstream + outer.replace(LOGIN, "") + default + inner), "/ui") == "open"
    assert gate(config(inner), "/ui") == "open"  # others than nginx may hand strangers on


@pytest.mark.parametrize("rule", [way_is_guarded, tls_is_as_demanded])
def test_a_way_that_cannot_be_told_is_not_judged(rule: Any) -> None:
    text = f"server {{ {TLS} server_name ~^(?<line>.+)$; location / {{ proxy_pass http://$line:1880; }} }}"
    assert codes(config(text), rule) == (["upstream"] if rule is way_is_guarded else [])  # whatever it is, its port is
    unknown = config(text.replace("$line:1880", "$line"))
    verdict = rule(unknown, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "proxy_pass http://$line (/etc/nginx/nginx.conf:3)" in verdict.reason


@pytest.mark.parametrize("rule", [way_is_guarded, tls_is_as_demanded])
def test_an_nginx_that_leads_elsewhere_or_is_not_there_does_not_apply(rule: Any) -> None:
    elsewhere = config(f"{REDIRECT} server {{ {TLS} location / {{ proxy_pass http://127.0.0.1:3000; }} }}")
    assert outcome(rule, elsewhere, target()) == SKIP
    seen = NginxConfig((), (), "nginx is not installed; Caddy is the proxy there")
    assert outcome(rule, seen, target()) == SKIP
    assert seen.evidence() == seen.other


SERVER = f"server {{ {TLS} location / {{ {PROXY} }} }}"


@pytest.mark.parametrize(
    ("head", "profile", "expected"),
    [
        (HEAD, "production", []),
        (HEAD.replace("server_tokens off;", ""), "production", ["tokens"]),
        (HEAD.replace("ssl_protocols TLSv1.2 TLSv1.3;", ""), "production", ["protocols"]),
        (HEAD.replace("TLSv1.2", "TLSv1.1 TLSv1.2"), "baseline", ["protocols"]),
        (HEAD, "strict", ["protocols"]),
        (HEAD.replace("TLSv1.2 ", ""), "strict", []),
        (HEAD.replace("!aNULL", "RC4-SHA:DES-CBC3-SHA:!MD5"), "production", ["ciphers"]),
        (HEAD.replace("ECDHE+AESGCM", "ALL"), "production", ["ciphers"]),
        (HEAD.replace("ECDHE+AESGCM", "HIGH"), "production", ["ciphers"]),
        (HEAD.replace("ECDHE+AESGCM", "HIGH"), "baseline", []),
        (HEAD.replace("ECDHE+AESGCM", "ECDHE-RSA-AES128-SHA"), "production", ["ciphers"]),  # CBC
        (HEAD.replace("ECDHE+AESGCM", "AES128-GCM-SHA256"), "production", ["ciphers"]),  # no forward secrecy
        (HEAD.replace("ECDHE+AESGCM", "DHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256"), "production", []),
        (HEAD.partition("ssl_ciphers")[0], "production", ["ciphers"]),
        (HEAD.partition("ssl_ciphers")[0], "baseline", []),
    ],
)
def test_tls_is_as_demanded(head: str, profile: str, expected: list[str]) -> None:
    assert codes(config(SERVER, head=head), tls_is_as_demanded, profile=profile) == expected


@pytest.mark.parametrize(
    ("protocols", "thresholds", "expected"),
    [
        ("TLSv1.2 TLSv1.3", {"tls_accepted": ("1.3",)}, ["protocols"]),
        ("TLSv1.1 TLSv1.2", {"tls_accepted": ("1.1", "1.2", "1.3")}, []),
        ("TLSv1 TLSv1.2", {"tls_accepted": ("1.0", "1.2", "1.3")}, []),
        ("TLSv1.2", {"tls_offered": ("1.3",)}, ["not-offered"]),
        ("TLSv1.2 TLSv1.3", {"tls_suites": "intermediate"}, ["ciphers"]),
    ],
)
@pytest.mark.parametrize("profile", ["production", "strict"])
def test_thresholds_decide_not_the_profiles_name(
    protocols: str, thresholds: dict[str, Any], expected: list[str], profile: str
) -> None:
    head = f"server_tokens off; ssl_protocols {protocols}; ssl_ciphers HIGH;"
    own = replace(PROFILES["baseline"], **thresholds)
    assert codes(config(SERVER, head=head), tls_is_as_demanded, profile=profile, own_thresholds=own) == expected


def test_the_default_servers_protocols_hold_for_all_of_its_port() -> None:
    default = "server { listen 443 ssl default_server; ssl_protocols TLSv1 TLSv1.2; return 444; }"
    [fault] = violations(tls_is_as_demanded(config(f"{SERVER} {default}"), target().policy))
    assert fault.code == "protocols"
    assert "the default of its port" in fault.observed


def test_a_server_without_tls_has_no_tls_settings_to_judge() -> None:
    assert codes(config(SERVER.replace(" ssl", ""), head="server_tokens off;"), tls_is_as_demanded) == []


ENABLED = Unit("nginx.service", (("UnitFileState", "enabled"),))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (NginxService(True, True, ENABLED, True), PASS),
        (NginxService(True, True, None, True), PASS),
        (
            NginxService(True, True, Unit("nginx.service", (*ENABLED.properties, ("ActiveState", "inactive"))), True),
            FAIL,
        ),
        (NginxService(True, False, ENABLED), FAIL),
        (NginxService(True, True, Unit("nginx.service", (("UnitFileState", "disabled"),)), True), FAIL),
        (NginxService(True, True, ENABLED, False, "[emerg] unknown directive"), FAIL),
        (NginxService(False, False), SKIP),
        (NginxService(False, False, other="Caddy"), SKIP),
        (NginxService(True, False, other="Caddy"), SKIP),
    ],
)
def test_nginx_is_in_service(seen: NginxService, expected: str) -> None:
    assert outcome(nginx_is_in_service, seen, target()) == expected
    assert seen.evidence()


def test_an_nginx_that_the_policy_demands_must_be_there_and_run() -> None:
    demanding = target(host=HostDemands(demands=("nginx",)))
    assert outcome(nginx_is_in_service, NginxService(False, False, other="Caddy"), demanding) == FAIL
    assert outcome(nginx_is_in_service, NginxService(True, False, other="Caddy"), demanding) == FAIL
