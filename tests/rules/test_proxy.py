"""Caddy in front of Node-RED: TLS and upstreams, as its adapted configuration tells."""

from __future__ import annotations

import pytest
from seen import SKIP, outcome, target, violations

from pytest_nodered_sec.model_host import CaddyConfig, CaddyServer, ListeningSocket
from pytest_nodered_sec.rules.proxy import way_is_guarded

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880), ListeningSocket("unix", "/run/nr.sock"))
LOCAL = (("127.0.0.1:1880", False),)


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ((CaddyServer("srv0", (":443",), True, LOCAL), CaddyServer("srv1", (":80",), False, ())), []),
        ((CaddyServer("srv0", (":443",), True, (("unix//run/nr.sock", False),)),), []),
        ((CaddyServer("srv0", (":80",), False, LOCAL),), ["plain"]),
        ((CaddyServer("srv0", (":443",), True, (("10.0.0.7:1880", False),)),), ["upstream"]),
        ((CaddyServer("srv0", (":443",), True, (("10.0.0.7:1880", True),)),), []),
    ],
)
def test_caddys_way_is_guarded(servers: tuple[CaddyServer, ...], expected: list[str]) -> None:
    seen = CaddyConfig("/etc/caddy/Caddyfile", servers, SOCKETS)
    assert [one.code for one in violations(way_is_guarded(seen, target().policy))] == expected
    assert seen.evidence()


def test_a_caddy_that_leads_elsewhere_does_not_apply() -> None:
    elsewhere = CaddyServer("srv0", (":443",), True, (("127.0.0.1:3000", False),))
    assert outcome(way_is_guarded, CaddyConfig("/etc/caddy/Caddyfile", (elsewhere,), SOCKETS), target()) == SKIP
