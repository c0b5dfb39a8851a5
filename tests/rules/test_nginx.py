"""nginx in front of Node-RED: whole configurations, parsed as `nginx -T` prints them, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest
from seen import FAIL, PASS, SKIP, outcome, target, violations

from pytest_nodered_sec.model import NotJudged
from pytest_nodered_sec.model_host import ListeningSocket, NginxConfig, NginxService, Unit
from pytest_nodered_sec.policy import HostDemands
from pytest_nodered_sec.probes.host_nginx import tree
from pytest_nodered_sec.rules.nginx import guards, nginx_is_in_service, tls_is_as_demanded
from pytest_nodered_sec.rules.proxy import way_is_guarded

LOOPBACK = ListeningSocket("tcp", "127.0.0.1", 1880)
UNIX = ListeningSocket("unix", "/run/nodered/nr.sock")
HEAD = "server_tokens off; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM:!aNULL;"
TLS = "listen 443 ssl; listen [::]:443 ssl; server_name plant.example;"
PROXY = "proxy_pass http://127.0.0.1:1880;"
REDIRECT = "server { listen 80; return 301 https://$host$request_uri; }"


def config(text: str, *sockets: ListeningSocket, head: str = HEAD) -> NginxConfig:
    whole = f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{ {head}\n{text}\n}}\n"
    return NginxConfig(tree(whole), sockets or (LOOPBACK,))


def codes(seen: NginxConfig, rule: Any = way_is_guarded, **demands: Any) -> list[str]:
    assert seen.evidence()
    return [one.code for one in violations(rule(seen, target(**demands).policy))]


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
        f"server {{ listen 80; rewrite ^(.*)$ https://plant.example$1 permanent; location / {{ {PROXY} }} }}",
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
        f"server {{ {TLS} location / {{ {PROXY} }} location ~* ^/ui {{ auth_basic plant; {PROXY} }} "
        f"location ^~ /ui/socket.io/ {{ {PROXY} }} }}",
        ["socket"],
    ),
    "page and socket": (
        f"server {{ {TLS} location / {{ {PROXY} }} location ~* ^/ui {{ auth_basic plant; {PROXY} }} }}",
        [],
    ),
    "letter case": (
        f"server {{ {TLS} location / {{ {PROXY} }} location ^~ /ui/ {{ auth_basic plant; {PROXY} }} }}",
        ["letter-case"],
    ),
    "everything": (f"server {{ {TLS} auth_basic plant; location / {{ {PROXY} }} }}", []),
    "everything, but off for sockets": (
        f"server {{ {TLS} auth_basic plant; location / {{ {PROXY} }} "
        f"location ~ socket.io {{ auth_basic off; {PROXY} }} }}",
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
        f"server {{ {TLS} location / {{ {PROXY} }} location /ui/ {{ auth_basic plant; {PROXY} }} "
        f"location ~* ^/ui/ {{ allow all; deny all; {PROXY} }} }}",
        [],
    ),
    "a login or an address, and every address will do": (
        f"server {{ {TLS} satisfy any; allow all; auth_basic plant; location / {{ {PROXY} }} }}",
        [],
    ),
    "a login or an address, and sockets take every address": (
        f"server {{ {TLS} auth_basic plant; location / {{ {PROXY} }} "
        f"location ~* ^/(ui|dashboard)/socket.io/ {{ satisfy any; allow 0.0.0.0/0; {PROXY} }} }}",
        ["socket", "socket"],
    ),
    "a login or an address, of a few": (
        f"server {{ {TLS} satisfy any; allow 10.0.0.0/8; deny all; auth_basic plant; location / {{ {PROXY} }} }}",
        [],
    ),
    "a login that a variable may switch off": (
        'map $http_x_user $realm { default off; "" plant; } '
        f"server {{ {TLS} auth_basic plant; location / {{ {PROXY} }} "
        f"location ~ socket.io {{ auth_basic $realm; {PROXY} }} }}",
        ["socket", "socket"],
    ),
    "a login whose realm is a variable": (
        f"server {{ {TLS} auth_basic plant; location / {{ {PROXY} }} "
        f"location ~ socket.io {{ auth_basic $host; {PROXY} }} }}",
        [],
    ),
    "around the login by a named location": (
        f"server {{ {TLS} location / {{ try_files $uri @red; }} location @red {{ {PROXY} }} "
        f"location /ui/ {{ auth_basic plant; {PROXY} }} }}",
        ["letter-case"],
    ),
    "a named location with a login": (
        f"server {{ {TLS} location / {{ try_files $uri @red; }} location @red {{ auth_basic plant; {PROXY} }} "
        f"location /ui/ {{ auth_basic plant; {PROXY} }} }}",
        [],
    ),
    "another way to the page": (
        f"server {{ {TLS} location / {{ return 404; }} location ~* ^/ui/ {{ auth_basic plant; {PROXY} }} "
        f"location /panel/ {{ proxy_pass http://127.0.0.1:1880/ui/; }} }}",
        ["alias"],
    ),
    "another way to below the page": (
        f"server {{ {TLS} location / {{ return 404; }} location ~* ^/ui/ {{ auth_basic plant; {PROXY} }} "
        f"location /live/ {{ proxy_pass http://127.0.0.1:1880/ui/socket.io/; }} }}",
        ["alias"],
    ),
    "another way to the page, with the login": (
        f"server {{ {TLS} auth_basic plant; location / {{ {PROXY} }} "
        f"location /panel/ {{ proxy_pass http://127.0.0.1:1880/ui/; }} }}",
        [],
    ),
    "a pattern that is none of Python's": (
        f"server {{ {TLS} location ~ ^/(?<a>ui)/\\K {{ {PROXY} }} location / {{ auth_basic plant; {PROXY} }} }}",
        [],
    ),
    "letter case leads nowhere": (
        f"server {{ {TLS} location / {{ return 404; }} location ^~ /ui/ {{ auth_basic plant; {PROXY} }} }}",
        [],
    ),
    "nothing but a prefix": (f"server {{ {TLS} location /ui/ {{ {PROXY} }} }}", []),
}


@pytest.mark.parametrize("name", WAYS)
def test_way_is_guarded(name: str) -> None:
    text, expected = WAYS[name]
    assert codes(config(text)) == expected


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
    gated = f"server {{ {TLS} auth_basic plant; location / {{ {PROXY} }} }}"
    assert codes(raw(past)) == ["stream"]
    assert codes(raw(past, gated)) == ["stream"]
    assert guards(raw("", gated), "/ui")
    assert not guards(raw(past, gated), "/ui")
    assert codes(raw("server { listen 5432; proxy_pass 127.0.0.1:5433; }", gated)) == []


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
