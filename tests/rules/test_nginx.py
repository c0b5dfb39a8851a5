"""nginx in front of Node-RED: raw connections, what stands behind each other, its TLS, and whether it is in service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rules.nginx_host import HEAD, LOGIN, LOOPBACK, PROXY, REDIRECT, TLS, codes, config
from seen import FAIL, PASS, SKIP, outcome, target, violations

from pytest_nodered_sec.observations.host import ListeningSocket, Unit
from pytest_nodered_sec.observations.host_proxies import NginxConfig, NginxService
from pytest_nodered_sec.policy.model import PROFILES, HostDemands
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.rules.nginx import gate, nginx_is_in_service
from pytest_nodered_sec.rules.nginx_tls import tls_is_as_demanded
from pytest_nodered_sec.rules.proxy import way_is_guarded
from pytest_nodered_sec.verdict import NotJudged

UNIX = ListeningSocket("unix", "/run/nodered/nr.sock")


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
        (NginxService(True, True, replace(ENABLED, wanted=False), True), FAIL),
        (NginxService(True, True, Unit("nginx.service", (("UnitFileState", "masked"),), wanted=True), True), FAIL),
        (NginxService(True, True, Unit("nginx.service", (("UnitFileState", "static"),), wanted=True), True), PASS),
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
