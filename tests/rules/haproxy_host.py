"""A frontend of HAProxy with some lines in it, and what is wrong with the way through it."""

from __future__ import annotations

from typing import Any

from seen import target, violations

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.probes.host.haproxy import tree
from pytest_nodered_sec.rules.proxy import way_is_guarded

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880), ListeningSocket("unix", "/run/nr.sock"))
HEAD = "defaults\nmode http\n"
RED = "\nbackend red\nserver a 127.0.0.1:1880\n"


def front(body: str, bind: str = "*:443 ssl crt /x.pem", rest: str = RED, head: str = HEAD) -> FrontConfig:
    text = f"{head}frontend web\nbind {bind}\n{body}\ndefault_backend red\n{rest}"
    return FrontConfig("HAProxy", "haproxy.cfg", tree([("haproxy.cfg", text)]), SOCKETS)


def codes(seen: FrontConfig, **demands: Any) -> list[str]:
    return [fault.code for fault in violations(way_is_guarded(seen, target(**demands).policy))]
