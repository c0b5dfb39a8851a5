"""nginx in front of Node-RED: whole configurations, parsed as `nginx -T` prints them, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest
from seen import FAIL, PASS, SKIP, outcome, target, violations

from pytest_nodered_sec.model_host import ListeningSocket, NginxConfig, NginxService, Unit
from pytest_nodered_sec.policy import HostDemands
from pytest_nodered_sec.probes.host_nginx import tree
from pytest_nodered_sec.rules.nginx import nginx_is_in_service, tls_is_as_demanded
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
    "elsewhere over TLS": (f"server {{ {TLS} location / {{ proxy_pass https://10.0.0.7:1880; }} }}", []),
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
