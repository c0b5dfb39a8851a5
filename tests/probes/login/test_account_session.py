"""Questions of a site's own: what their function may do with a look, and what becomes of its mistakes."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import hostile
import pytest
from certlab import issue
from seen import SETTINGS, view
from tlslab import hangs, says, serving, serving_tls

from pytest_nodered_sec import Target
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes import own
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.questions import question
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def look_at(**more: Any) -> Look:
    """Return a look at a target on loopback of which only other ports are asked."""
    target = replace(Target("t", "https://localhost:9", Policy(), timeout=2.0), **more)
    station = Station(target)
    station.address = "127.0.0.1"
    return Look(station)


@dataclass(frozen=True)
class Said:
    what: bytes

    def evidence(self) -> str:
        return f"said {self.what!r}"


def hear(look: Look, port: str, how: str) -> Said:
    with look.dial(int(port), tls=how != "plain", verified=how == "verified") as sock:
        sock.sendall(b"hello")
        return Said(sock.recv(2))


def hear_nothing(look: Look) -> Any:
    del look
    return "a text"


def call(look: Look, name: str, *args: str) -> Any:
    return own.call(look, view(SETTINGS), f"{__name__}:{name}", *args)


@pytest.fixture
def echo() -> Iterator[int]:
    with serving(says(b"ok")) as server:
        yield server.port


def test_a_port_in_clear(echo: int) -> None:
    assert call(look_at(), "hear", str(echo), "plain") == Said(b"ok")


def test_nobody_there_is_could_not_look() -> None:
    with socket.socket() as held:  # bound, not listening
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ProbeError, match="connection refused") as raised:
            call(look_at(), "hear", str(held.getsockname()[1]), "plain")
    assert raised.value.cause is Cause.UNREACHABLE


def test_silence_ends_with_the_look() -> None:
    with serving(hangs) as server, pytest.raises(ProbeError, match=r"hear .* plain got no answer: .*timed out"):
        call(look_at(timeout=0.3), "hear", str(server.port), "plain")


@pytest.mark.parametrize("pinned", ["", "ab" * 32])
def test_a_secret_needs_a_certificate_that_verifies(tmp_path: Path, pinned: str) -> None:
    """Of this port: the one that is pinned for the URL says nothing about it."""
    root = issue("Root", ca=True)
    (tmp_path / "root.pem").write_bytes(root.pem)
    policy = Policy(certificate=pinned)
    with serving_tls(tmp_path, [issue("localhost", root, dns=["localhost"])]) as server:
        port = str(server.port)
        with pytest.raises(ProbeError, match=r"nothing secret is sent to localhost:.* does not verify"):
            call(look_at(policy=policy), "hear", port, "verified")
        assert call(look_at(policy=policy), "hear", port, "tls") == Said(b"")
        assert call(look_at(policy=policy, ca_file=str(tmp_path / "root.pem")), "hear", port, "verified") == Said(b"")
        seen = own.present_chain_at(look_at(), view(SETTINGS), port)
        assert (seen.host, seen.port, len(seen.certificates)) == ("localhost", server.port, 1)
        assert seen.verify_errors


def test_a_tunnel_leads_there_too(echo: int) -> None:
    http = replace(Target("t", "https://localhost", Policy()).http, ports={8883: echo})
    assert call(look_at(http=http), "hear", "8883", "plain") == Said(b"ok")


def test_what_is_no_observation_is_said_so() -> None:
    with pytest.raises(TypeError, match=r"hear_nothing must return an observation, .* evidence\(\), not str"):
        call(look_at(), "hear_nothing")


def test_the_function_is_found_by_name_wherever_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("plant_probes")
    cast("Any", module).say = lambda look, what: Said(what.encode())
    monkeypatch.setitem(sys.modules, "plant_probes", module)
    assert own.call(look_at(), view(SETTINGS), "plant_probes:say", "x") == Said(b"x")


def knock(look: Look) -> Said:
    for _ in range(40):
        got = look.ask("GET", "/api/orders")
    return Said(str(got.status).encode())


def test_a_ban_while_it_looks_is_no_refusal() -> None:
    """What the function saw last is a 401; that everybody gets one by then is seen by a sign of life."""
    turned = hostile.turns_after(hostile.FakeNodeRED(), 25, hostile.basic_everything)
    survey = Survey()
    with hostile.serving(turned) as server:
        target = Target("plant", server.url, Policy(), timeout=10.0)
        with pytest.raises(ProbeError, match="plant no longer answers as before") as raised:
            survey.answer(target, question(knock))
        survey.close()
    assert raised.value.cause is Cause.CHANGED
    with hostile.serving(hostile.FakeNodeRED()) as server:
        survey = Survey()
        seen = survey.answer(replace(target, url=server.url), question(knock))
        assert seen == Said(b"404")
        survey.close()
