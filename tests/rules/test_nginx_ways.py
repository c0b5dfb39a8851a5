"""Whether a way through nginx is guarded: whole configurations, parsed as `nginx -T` prints them."""

from __future__ import annotations

import pytest
from rules.nginx_host import LOGIN, PROXY, REDIRECT, TLS, codes, config
from seen import target

from pytest_nodered_sec.rules.nginx import gate
from pytest_nodered_sec.rules.proxy import way_is_guarded
from pytest_nodered_sec.verdict import NotJudged

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
