"""The connection by which a target was reached: it is used, not made again."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import HttpSettings, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport import station as module
from pytest_nodered_sec.probes.transport.contexts import Contexts, shake_hands, tls_context
from pytest_nodered_sec.probes.transport.http import Client
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.net import AT_ONCE, Timed, dial
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.survey.survey import Survey


def arrived(server: hostile.Hostile) -> Station:
    station = Station(Target("x", server.url, Policy(), timeout=5))
    station.arrive(time.monotonic() + 5)
    return station


@pytest.mark.parametrize("tls", [True, False])
def test_who_asks_first_uses_it(tls: bool) -> None:
    with hostile.serving(hostile.always(404), tls=tls) as server:
        station = arrived(server)
        assert Look(station).ask("GET", "/a").status == 404
        assert Look(station).ask("GET", "/b").status == 404
        assert server.connections == 1
        station.close()


def test_a_handshake_that_openssl_would_never_end_is_ended() -> None:
    with hostile.serving(hostile.hello_requests, tls=False) as server:
        target = Target("x", server.url.replace("http:", "https:"), Policy())
        sock = dial("127.0.0.1", server.port, time.monotonic() + 5)
        with pytest.raises(ProbeError) as caught:
            shake_hands(sock, tls_context(target, verified=False), ("localhost", "x"), time.monotonic() + 0.1)
    assert caught.value.cause is Cause.TIMEOUT


def test_it_is_given_up_where_its_place_is_needed() -> None:
    with hostile.serving(hostile.always(404)) as server:
        station = arrived(server)
        others = [station.dial("127.0.0.1", server.port, time.monotonic() + 5) for _ in range(AT_ONCE)]
        for timed in others:
            timed.close()
        assert Look(station).ask("GET", "/a").status == 404
        assert server.connections == 1 + AT_ONCE + 1
        station.close()


def test_a_name_beyond_ascii_is_sent_as_dns_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(name: str, deadline: float) -> tuple[str, ...]:
        asked.append(name)
        return ("127.0.0.1",)

    monkeypatch.setattr(module, "resolve", resolve)
    hosts: list[str] = []

    def noting(request: hostile.Request) -> hostile.Reply:
        hosts.append(request.headers["host"])
        return hostile.page("")

    with hostile.serving(noting) as server:
        station = Station(Target("x", f"https://faß.example:{server.port}", Policy(), timeout=5))
        station.arrive(time.monotonic() + 5)
        assert Look(station).ask("GET", "/a").status == 200
        station.close()
    assert asked == ["xn--fa-hia.example"]
    assert hosts == [f"xn--fa-hia.example:{server.port}"]


def test_who_shows_a_client_certificate_shares_no_context() -> None:
    shared = Contexts()
    plain = Target("x", "https://a.example", Policy())
    shown = replace(plain, http=HttpSettings(client_certificate=("client.pem", "client.key")))
    assert Station(plain, contexts=shared).contexts is shared
    first, second = Station(shown, contexts=shared), Station(shown, contexts=shared)
    assert shared not in (first.contexts, second.contexts)
    assert first.contexts is not second.contexts


def test_what_cannot_be_made_is_tried_again() -> None:
    shared, tries = Contexts(), list[int]()

    def make() -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError("no descriptors")
        return tries[-1]

    with pytest.raises(OSError, match="no descriptors"):
        shared.get("a", make)
    assert [shared.get("a", make), shared.get("a", make)] == [1, 1]


def test_who_asks_while_one_is_made_in_advance_waits_for_it() -> None:
    """To connect as well would take as long, and one of the eight connections."""
    with hostile.serving(hostile.always(404), tls=False) as server:
        begun, go_on = threading.Event(), threading.Event()

        def connect(deadline: float) -> Timed:
            begun.set()
            go_on.wait(5)
            return dial("127.0.0.1", server.port, deadline)

        client, deadline = Client("localhost", connect), time.monotonic() + 5
        ahead = threading.Thread(target=client.prepare, args=(deadline,))
        ahead.start()
        begun.wait(5)
        threading.Timer(0.2, go_on.set).start()
        assert client.ask("GET", "/", deadline).status == 404
        ahead.join()
        assert server.connections == 1
        client.close()


def test_others_connect_for_the_landmarks_once_the_first_request_was_sent() -> None:
    """Not before it, because limits of connections would count them; not after its answer, which takes a round trip."""
    seen: list[int] = []

    def serve(request: hostile.Request) -> hostile.Reply:
        if request.path == "/comms":
            seen.append(server.connections)
            time.sleep(0.5)
            seen.append(server.connections)
        return hostile.FakeNodeRED()(request)

    with hostile.serving(serve) as server:
        target = Target("x", server.url, Policy(), timeout=5)
        survey = Survey(None, [target])
        survey.ask_ahead(target, questions.COMMS)
        survey.outcome(target, questions.COMMS[0])
        survey.close()
    assert seen[0] == 1
    assert seen[1] == 4  # three landmarks go out side by side
    assert server.requests[0].startswith("GET /comms ")
