"""Where requests end in nginx, one kind of directive at a time; `tests/walk` compares with the real nginx."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.rules.walk import choices, engine, servers, ways
from pytest_nodered_sec.rules.walk.config import Config, Place, place
from pytest_nodered_sec.rules.walk.pages import Surface
from pytest_nodered_sec.rules.walk.request import Client
from pytest_nodered_sec.rules.walk.uri import BadUriError, parse

PROXY = "proxy_pass http://127.0.0.1:1880;"
LOGIN = "auth_basic plant; auth_basic_user_file f;"
RED = (ListeningSocket("tcp", "127.0.0.1", 1880),)


def config(text: str) -> Config:
    return Config(tree(f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ {text} }}\n"), RED)


def ends(text: str, uri: str = "/ui/", *, http: str = "", host: str = "a", **more: Any) -> set[str]:
    """Return each end in a word: what Node-RED is asked for, "elsewhere", a status, with "?" where it is not sure."""
    seen = config(f"{http} server {{ listen 443 ssl; server_name a ~^(?<line>b+)$; {text} }}")
    listen, named, captures, _ = servers.chosen(seen, Place("*", "443"), host)
    client = Client(uri, host, **more)
    outcomes = choices.every(lambda made: engine.walk(seen, listen, client, made, named, captures))
    words = {"node-red": "{0.uri}", "elsewhere": "elsewhere", "answered": "{0.status}", "unknown": "unknown"}
    return {words[end.kind].format(end) + ("?" if end.doubts else "") for end in outcomes}


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        ("location / { PROXY allow nonsense; deny all; }", {}, {"403?"}),
        ("location / { PROXY allow unix:; deny all; }", {"address": "unix:"}, {"/ui/"}),
        ("location / { PROXY allow unix:; deny all; }", {}, {"403"}),
        ("location / { PROXY auth_jwt plant; }", {}, {"401"}),
        ("location / { PROXY auth_jwt plant; }", {"granted": True}, {"/ui/"}),
        ("location / { PROXY auth_jwt off; }", {}, {"/ui/"}),
        ("location / { fastcgi_pass unix:/run/php.sock; }", {}, {"elsewhere"}),
        ("location / { stub_status; }", {}, {"200"}),
        ("location / { proxy_pass ftp://a; }", {}, {"500"}),
        ("location / { proxy_pass https://[::1]:1880; }", {}, {"/ui/"}),
        ("location / { proxy_pass http://elsewhere; }", {}, {"elsewhere"}),
        ("location / { proxy_pass https://elsewhere?x=1; }", {}, {"elsewhere"}),
        ("location / { PROXY } ", {"tls": False, "port": "443"}, {"400"}),
        ("error_page 497 https://$host$request_uri; location / { PROXY } ", {"tls": False}, {"302"}),
        ("error_page 497 =307 https://$host$request_uri; location / { PROXY } ", {"tls": False}, {"307"}),
        ("ssl_verify_client on; error_page 496 /ui/; location / { PROXY }", {}, {"/ui/"}),
        ("location =/ui/ { PROXY } location / { return 404; }", {}, {"/ui/"}),
        ("location ~^/ui { PROXY } location / { return 404; }", {}, {"/ui/"}),
        ("location / { rewrite ^/ui/(.*)$ $1; PROXY }", {}, {"500"}),
        ("location / { rewrite ^ /x?a=1 last; } location /x { PROXY }", {"uri": "/ui/?b=2"}, {"/x?a=1&b=2"}),
        ("location / { rewrite ^ /x? last; } location /x { PROXY }", {"uri": "/ui/?b=2"}, {"/x"}),
        ("location / { rewrite ^ /y?a=1 redirect; }", {"uri": "/ui/?b=2"}, {"302"}),
        ("location / { rewrite ^ /y redirect; }", {"uri": "/ui/?b=2"}, {"302"}),
        ("location / { set $args x=1; PROXY } ", {"uri": "/ui/"}, {"/ui/"}),
        ("location / { set $args x=1; rewrite ^ /y break; PROXY } ", {}, {"/y?x=1"}),
        ("location / { break; return 404; } location /ui/ { break; PROXY }", {}, {"/ui/"}),
        ("location / { if ($a) { return 404; } PROXY set $a 1; }", {}, {"/ui/"}),
        ("location / { if (-f $request_filename) { return 404; } PROXY }", {}, {"404", "/ui/"}),
        ("location / { try_files $uri @red; PROXY } location @red { return 418; }", {}, {"/ui/", "418"}),
        ("location / { try_files $uri @none; }", {"exists": False}, {"500"}),
        ("location / { return 444; }", {}, {"444"}),
        ("location / { return /x; }", {}, {"302"}),
        ("location / { if ($arg_a) { set $b 1; } if ($b) { return 403; } PROXY }", {}, {"/ui/", "403"}),
        ("location / { if ($cookie_a) { set $b 1; } if ($b) { return 403; } PROXY }", {}, {"/ui/", "403"}),
        ("location / { if ($time_local) { return 403; } PROXY }", {}, {"/ui/?", "403?"}),
        ("location / { if ($time_local ~ 12) { return 403; } PROXY }", {}, {"/ui/?", "403?"}),
        ("location / { if ($http_authorization !~ ^Bearer) { return 403; } PROXY }", {}, {"/ui/", "403"}),
        ("location / { if ($http_authorization !~ ^Bearer.........z) { return 403; } PROXY }", {}, {"/ui/?", "403"}),
        ("location / { if ($http_user_agent ~ (Mozi)) { return 302 /$1; } PROXY }", {}, {"/ui/", "302"}),
        ("location / { if ($arg_t = 1) { set $a 1; } if ($arg_t = 1) { return 403; } PROXY }", {}, {"/ui/", "403"}),
        ("location / { if ($ssl_client_s_dn ~ ^$) { return 403; } PROXY }", {}, {"403"}),
        ("ssl_verify_client optional_no_ca; location / { if ($ssl_client_fingerprint != ab12) { return 403; } PROXY }",
         {}, {"403"}),
        ("ssl_verify_client optional_no_ca; location / { if ($ssl_client_fingerprint !~ ^[0-9a-f]+$) { return 403; } "
         "PROXY }", {}, {"403", "/ui/"}),
        ("ssl_verify_client optional_no_ca; location / { if ($ssl_client_s_dn !~ CN=op) { return 403; } PROXY }",
         {}, {"403", "/ui/"}),
        ("ssl_verify_client optional; location / { if ($ssl_client_s_dn !~ CN=operator) { return 403; } PROXY }", {},
         {"403"}),
        ("location / { if ($remote_addr = 211.77.9.9) { return 403; } PROXY }", {}, {"403"}),
        ("location / { if ($remote_addr = 10.0.0.1) { return 403; } PROXY }", {"granted": True}, {"403", "/ui/"}),
        ("location / { if ($arg_x = 1) { return 403; } PROXY }", {"uri": "/?x=1", "headers": {}}, {"403"}),
        ("location / { if ($arg_x = 1) { return 403; } PROXY }", {"uri": "/?y=1", "headers": {}}, {"/?y=1"}),
        ("location / { allow 203.0.113.0/24; allow 2001:db8::/32; deny all; PROXY }", {}, {"403"}),
        ("location / { deny 198.51.100.0/24; PROXY }", {}, {"/ui/"}),
        ("location / { if ($http_x_internal != 1) { return 403; } PROXY }", {}, {"403", "/ui/"}),
        ("location / { if ($http_x_key != 42) { return 403; } PROXY }", {}, {"403", "/ui/?"}),
        ("location / { if ($http_x_a = 1) { return 403; } PROXY }", {"headers": {"x-a": "1"}}, {"403"}),
        ("location / { PROXY } location ~ ^/(?<a>ui)\\K { return 404; }", {}, {"404?", "/ui/?"}),
        ("location / { if ($uri ~ \\K) { return 302 /$1; } PROXY }", {}, {"302?", "/ui/?"}),
        ("location / { if ($line = bb) { return 403; } PROXY }", {"host": "bb"}, {"403"}),
        ("location / { error_page 404 = @red; root /var/www; } location @red { PROXY }", {"uri": "/x"}, {"/x", "200"}),
        ("location / { index a.html /b.html; } location = /b.html { PROXY }", {"exists": False}, {"/b.html"}),
        ("location / { proxy_pass http://127.0.0.1:9; error_page 502 = @red; } location @red { PROXY }", {},
         {"/ui/", "elsewhere"}),
        ("location / { proxy_pass http://127.0.0.1:9; proxy_intercept_errors on; error_page 404 = @red; } "
         "location @red { PROXY }", {}, {"/ui/", "elsewhere"}),
        ("location / { error_page 404 /a; return 404; } location /a { error_page 404 /ui/; return 404; }", {}, {"404"}),
        ("recursive_error_pages on; location / { error_page 404 /a; return 404; } "
         "location /a { error_page 404 @red; return 404; } location @red { PROXY }", {}, {"/ui/", "/a"} - {"/ui/"}),
        ("location / { rewrite ^ /x last; } location /x { rewrite ^ / last; }", {}, {"500"}),
        ("location / { error_page 404 /x; return 404; } location /x { try_files /a /x; }", {"exists": False}, {"500"}),
        ("server_rewrite_by_lua_file a; location / { PROXY }", {}, {"unknown?"}),
        ("location / { limit_except GET HEAD { deny all; } PROXY }", {"method": "POST"}, {"403"}),
        ("location / { limit_except GET { deny all; } PROXY }", {"method": "HEAD"}, {"/ui/"}),
        ("location /ui { location /ui/x { return 404; } location ~ i/$ { PROXY } } ", {}, {"/ui/"}),
        ("location /ui { return 404; location ^~ /ui/ { location ~ x { return 404; } PROXY } } ", {}, {"/ui/"}),
        ("location / { return 404; } location = /ui/ { proxy_pass http://127.0.0.1:1880; }", {"uri": "/ui"}, {"301"}),
        ("location /ui/ { PROXY } location = /ui/ { return 404; }", {"uri": "/ui?a=1"}, {"301"}),
        ("location / { error_page 404 = @red; } location @red { PROXY }", {}, {"/ui/", "/ui/index.html", "403", "200"}),
        ("location / { error_page 403 404 /x; return 404; } location /x { PROXY }", {"method": "HEAD"}, {"/x"}),
        ("location / { error_page 403 /x; return 404; } location /x { PROXY }", {}, {"404"}),
        ("location / { proxy_pass http://127.0.0.1:9; }", {"behind": 200}, {"elsewhere"}),
        ("location / { root /a; }", {"uri": "/x", "exists": True}, {"200"}),
        ("location / { root /a; }", {"uri": "/x", "exists": True, "method": "POST"}, {"405"}),
        ("location / { root /a; }", {"uri": "/", "exists": True, "method": "PUT"}, {"405"}),
        ("location / { root /a; }", {"uri": "/x", "exists": False, "method": "POST"}, {"404"}),
        ("set_real_ip_from 0.0.0.0/1; set_real_ip_from 128.0.0.0/1; location / { PROXY satisfy any; allow 10.0.0.0/8; "
         "deny all; LOGIN }", {}, {"/ui/"}),
        ("set_real_ip_from 10.0.0.0/8; location / { PROXY allow 10.0.0.0/8; deny all; }", {}, {"403"}),
        ("set_real_ip_from 0.0.0.0/0; real_ip_header proxy_protocol; location / { PROXY deny all; allow all; }", {},
         {"403"}),
        ("location / { deny x; deny y; deny x; PROXY }", {}, {"/ui/?"}),
        ("location / { acme on; PROXY if ($arg_a = 1) { acme on; } }", {}, {"/ui/?"}),
        ("location / { if (!-e $request_filename) { return 404; } PROXY }", {"exists": False}, {"404"}),
    ],
)  # fmt: skip
def test_where_a_request_ends(text: str, more: dict[str, Any], expected: set[str]) -> None:
    assert ends(text.replace("PROXY", PROXY).replace("LOGIN", LOGIN), **more) == expected


MAPS = {
    "geo, default": ("geo $g { default 0; 10.0.0.0/8 1; }", "$g", {"0"}),
    "geo": ("geo $g { default 0; 211.77.9.0/24 1; 211.77.0.0/16 2; }", "$g", {"1"}),
    "geo of another address": ("geo $arg_ip $g { 10.0.0.0/8 1; }", "$g", {"", "1"}),
    "geo behind proxies": ("geo $g { proxy 211.77.9.0/24; default 0; 10.0.0.0/8 1; }", "$g", {"0", "1"}),
    "a server's name": ("", "$server_name", {"a"}),
    "geo before proxies": ("geo $g { proxy 10.0.0.0/8; default 0; 10.0.0.0/8 1; }", "$g", {"0"}),
    "geo of ranges": (
        "geo $g { ranges; default 0; 211.77.9.0-211.77.9.255 1; 211.77.9.9-211.77.9.9 2; ::1-::9 3; }",
        "$g",
        {"2"},
    ),
    "geo of a range elsewhere": ("geo $g { ranges; default 0; 10.0.0.0-10.0.0.9 1; }", "$g", {"0"}),
    "geo of a single address": ("geo $g { ranges; default 0; 211.77.9.9 1; }", "$g", {"1"}),
    "geo of a text that is no range": ("geo $g { ranges; default 0; a-b 1; }", "$g", {"?"}),
    "geo with a text that is no network": ("geo $g { default 0; nonsense 1; }", "$g", {"?"}),
    "geo of a text that is no address": ("geo $host $g { default 0; 255.255.255.255 1; }", "$g", {"1"}),
    "split_clients": ("split_clients $remote_addr $g { 50% 0; * 1; }", "$g", {"0", "1"}),
    "split_clients without shares": ("split_clients $remote_addr $g { }", "$g", {""}),
    "map of names": ("map $host $g { hostnames; default 0; *.a 2; .a 1; a.* 3; }", "$g", {"1"}),
    "map of names, none": ("map $host $g { hostnames; *.b 2; .c 1; x.* 3; }", "$g", {""}),
    "map of names below": ("map b.$host $g { hostnames; *.a 2; a 1; }", "$g", {"2"}),
    "map with an escaped key": ("map $host $g { \\a 1; }", "$g", {"1"}),
    "map by patterns": ("map $host $g { ~*^(?<n>A)$ $n; ~x 1; }", "$g", {"a"}),
    "map of what the client chooses": ("map $http_upgrade $g { default 0; websocket 1; ~x 2; }", "$g", {"0", "1", "2"}),
}


@pytest.mark.parametrize("name", MAPS)
def test_variables_from_tables(name: str) -> None:
    table, variable, expected = MAPS[name]
    text = f"set $w {variable}; location / {{ proxy_pass http://127.0.0.1:1880/$w; }}"
    seen = ends(text, http=table)
    assert seen == ({f"/{end}" for end in expected} if expected != {"?"} else seen)
    if expected == {"?"}:
        assert all(end.endswith("?") for end in seen)


NAMES = """
server { listen 80; server_name a.example; }
server { listen 80; server_name *.example www.*; }
server { listen 80; server_name .b.example; }
server { listen 80; server_name "~^(?<n>cc.*)$" ~\\K; }
server { listen 80 default_server; server_name _; }
server { listen 80; server_name mail.*; }
"""


@pytest.mark.parametrize(
    ("host", "number"),
    [("A.example", 0), ("x.example", 1), ("b.example", 2), ("x.b.example", 2), ("www.other", 1), ("ccc", 3), ("z", 4),
     ("mail.other", 5), ("example", 4), ("a.example:8443", 0), ("x.example.:80", 1), ("[::1]:80", 4), ("", 4)],
)  # fmt: skip
def test_which_server_answers_to_a_name(host: str, number: int) -> None:
    seen = config(NAMES)
    listen, named, captures, doubt = servers.chosen(seen, Place("*", "80"), host)
    assert listen.server is seen.servers[number]
    assert (named, captures) == (({"n": host}, (host, host)) if number == 3 else ({}, ()))
    assert bool(doubt) is (number == 4)


def test_names_to_ask_by() -> None:
    assert servers.hosts(config(NAMES), Place("*", "80")) == [
        "a.example", "any.example", "www.any", "b.example", "any.b.example", "_", "mail.any", servers.NOBODY,
    ]  # fmt: skip
    fixed = config('server { listen 80; server_name "~^(?:a|b)$" ""; }')
    assert servers.hosts(fixed, Place("*", "80")) == ["a", "b", "", servers.NOBODY]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("80", "*:80"), ("0.0.0.0:80", "*:80"), ("[::]:80", "[::]:80"), ("[::1]", "[::1]:80"),
     ("localhost", "localhost:80"), ("unix:/run/n.sock", "unix:/run/n.sock")],
)  # fmt: skip
def test_places(text: str, expected: str) -> None:
    assert str(place(text)) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/a/../b/./c?x#y", ("/b/c", "x", False)),
        ("//a//b", ("/a/b", "", False)),
        ("/a/%2e%2e/b/..", ("/", "", True)),
        ("/a/b/.", ("/a/b/", "", False)),
    ],
)
def test_uris(raw: str, expected: tuple[str, str, bool]) -> None:
    assert parse(raw) == expected
    assert parse("//a//b", merge_slashes=False) == ("//a//b", "", False)


@pytest.mark.parametrize(
    ("listen", "port", "expected"),
    [
        ("80", "80", {"/ui/"}),  # as the default server does, whatever the Host says then
        ("443 ssl", "443", {"/ui/", "//ui/"}),  # as the client wants, who names one of them by TLS
    ],
)
def test_doubled_slashes_count_as_the_first_server_says(listen: str, port: str, expected: set[str]) -> None:
    own = "merge_slashes off; location // { return 402; } location / { proxy_pass http://127.0.0.1:1880$uri; }"
    more = "location //ui/ { proxy_pass http://127.0.0.1:1880$uri; }"
    seen = config(f"server {{ listen {listen}; }} server {{ listen {listen}; server_name a; {own} {more} }}")
    chosen, named, captures, _ = servers.chosen(seen, Place("*", port), "a")
    client = Client("//ui/", "a", tls="ssl" in listen, port=port)
    every = choices.every(lambda made: engine.walk(seen, chosen, client, made, named, captures))
    assert {end.uri for end in every} == expected


@pytest.mark.parametrize("raw", ["a", "/..", "/a/../..", "/%zz", "/%00"])
def test_uris_that_nginx_refuses(raw: str) -> None:
    with pytest.raises(BadUriError):
        parse(raw)
    assert ends(f"location / {{ {PROXY} }}", raw) == {"400"}


def test_conditions_that_combine_in_too_many_ways() -> None:
    many = " ".join(f"if ($arg_a{number}) {{ set $x{number} 1; }}" for number in range(12))
    seen = config(f"server {{ listen 443 ssl; {many} location / {{ {PROXY} }} }}")
    [door] = ways.doors(seen)
    [end] = ways.way(seen, door, "/ui/").stranger
    assert (end.kind, "too many combinations to try" in end.doubts[0]) == ("unknown", True)


def test_an_nginx_that_hands_requests_to_itself_for_ever() -> None:
    itself = "proxy_set_header Host $host; location / { proxy_pass http://127.0.0.1:8081; }"
    seen = config(f"server {{ listen 8081; server_name ~\\K; {itself} }}")
    end = ways.way(seen, ways.doors(seen)[0], "/ui/").stranger[0]
    assert end.kind == "unknown"
    assert any("forwards requests to itself in a loop" in doubt for doubt in end.doubts)
    inner = f"server {{ listen unix:/n; location / {{ {PROXY} }} }}"
    unix = config(f"{inner} server {{ listen 80; location / {{ proxy_pass http://unix:/n:; }} }}")
    assert {end.kind for door in ways.doors(unix) for end in ways.way(unix, door, "/ui/").ends} == {"node-red"}


def test_an_error_page_of_a_server_behind_is_shown_with_its_own_status() -> None:
    seen = config(
        "server { listen 80; error_page 405 =200 /x/; location / { return 405; } "
        f"location /x/ {{ proxy_pass http://127.0.0.1:8081; }} location /red/ {{ {PROXY} }} }} "
        "server { listen 127.0.0.1:8081; return 411; }"
    )
    assert {end.status for end in ways.way(seen, ways.doors(seen)[0], "/").ends} == {200}


@pytest.mark.parametrize(
    ("target", "name"), [("inner", "inner"), ("inner:8081/x", "inner:8081"), ("unix:/n:/x", "localhost")]
)
def test_a_server_behind_is_called_by_its_name_in_proxy_pass(target: str, name: str) -> None:
    seen = config(
        "upstream inner { server 127.0.0.1:8081; } upstream inner:8081 { server 127.0.0.1:8081; } "
        f"server {{ listen 80; location / {{ proxy_pass http://{target}; }} }} "
        "server { listen 127.0.0.1:8081; listen unix:/n; return 404; } "
        f"server {{ listen 127.0.0.1:8081; listen unix:/n; server_name {name.partition(':')[0]}; "
        f"location / {{ {PROXY} }} }}"
    )
    outer = next(door for door in ways.doors(seen) if door.place.port == "80")
    assert {end.kind for end in ways.way(seen, outer, "/ui/").stranger} == {"node-red"}


def test_what_conditions_name_is_asked_for() -> None:
    conditions = (
        "if ($uri ~* ^/HMI/(.*)$) { return 404; } if ($uri = /x/) { return 404; } if ($host = a) { return 404; }"
    )
    seen = config(f"server {{ listen 80; {conditions} location / {{ {PROXY} }} }}")
    [door] = ways.doors(seen)
    assert {"/HMI/ui/", "/x/"} <= set(ways.uris(seen, door.server, (Surface("/ui"),)))


def test_a_location_whose_pattern_nothing_fits_is_named() -> None:
    seen = config(f"server {{ listen 80; location ~ ^/(?=hmi).i {{ {PROXY} }} location ~ \\K {{ {PROXY} }} }}")
    [door] = ways.doors(seen)
    asked = ways.uris(seen, door.server, (Surface("/ui"),))
    assert [doubt.partition(" (")[0] for doubt in ways.unseen(seen, door.server, asked)] == [
        "the requests for location ~ ^/(?=hmi).i"
    ]
