"""Configurations of nginx, parsed as `nginx -T` prints them."""

from __future__ import annotations

from typing import Any

from seen import target, violations

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_proxies import NginxConfig
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.rules.proxy import way_is_guarded

LOOPBACK = ListeningSocket("tcp", "127.0.0.1", 1880)

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
