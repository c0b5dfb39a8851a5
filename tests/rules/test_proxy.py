"""Caddy in front of Node-RED: TLS and upstreams, as its adapted configuration tells."""

from __future__ import annotations

import pytest
from seen import SKIP, outcome, target, violations

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_proxies import CaddyConfig, CaddyRoute, CaddyServer, CaddyStep
from pytest_nodered_sec.rules.proxy import way_is_guarded

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880), ListeningSocket("unix", "/run/nr.sock"))
LOCAL = (("127.0.0.1:1880", False),)


def to(dial: str) -> tuple[CaddyRoute, ...]:
    return (CaddyRoute((), (CaddyStep("proxy", (dial,)),)),)


RED = to("127.0.0.1:1880")


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ((CaddyServer("srv0", (":443",), True, LOCAL, RED), CaddyServer("srv1", (":80",), False, ())), []),
        ((CaddyServer("srv0", (":443",), True, (("unix//run/nr.sock", False),), to("unix//run/nr.sock")),), []),
        ((CaddyServer("srv0", (":80",), False, LOCAL, RED),), ["plain"]),
        ((CaddyServer("srv0", (":443",), True, (("10.0.0.7:1880", False),), to("10.0.0.7:1880")),), ["upstream"]),
        ((CaddyServer("srv0", (":443",), True, (("10.0.0.7:1880", True),), to("10.0.0.7:1880")),), []),
    ],
)
def test_caddys_way_is_guarded(servers: tuple[CaddyServer, ...], expected: list[str]) -> None:
    seen = CaddyConfig("/etc/caddy/Caddyfile", servers, SOCKETS)
    assert [violation.code for violation in violations(way_is_guarded(seen, target().policy))] == expected
    assert seen.evidence()


def test_a_caddy_that_leads_elsewhere_does_not_apply() -> None:
    elsewhere = CaddyServer("srv0", (":443",), True, (("127.0.0.1:3000", False),), to("127.0.0.1:3000"))
    assert outcome(way_is_guarded, CaddyConfig("/etc/caddy/Caddyfile", (elsewhere,), SOCKETS), target()) == SKIP
