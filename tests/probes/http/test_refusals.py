"""Silence that is a refusal, and silence that is a flow at work."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import hostile
import pytest
from hostile import Reply, Request, json_reply, page, serving

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.http import refusals
from pytest_nodered_sec.probes.http.landmarks import view_admin, view_node
from pytest_nodered_sec.probes.http.ways import attempt_way
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.rules.variants import way_opens_nothing

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import VariantAttempt

PROMPTS = [{"id": "username", "type": "text", "label": "Username"}]


def gated(request: Request) -> Reply:
    """Answer as a Node-RED behind a gate that believes X-Forwarded-For; what is behind it takes its time."""
    path = request.path.partition("?")[0]
    if path == "/report" and "x-forwarded-for" in request.headers:
        hostile.pause(1.0)
        return json_reply({"sold": 7})
    if path == "/report":
        return Reply(401, {"WWW-Authenticate": 'Basic realm="plant"'})
    if path == "/settings":
        return Reply(401, {"WWW-Authenticate": 'Bearer realm="Users"'}, b"Unauthorized")
    return json_reply({"type": "credentials", "prompts": PROMPTS}) if path == "/auth/login" else page("nothing", 404)


def dropping(request: Request) -> Reply:
    """Answer as a front that stays silent wherever somebody names an address."""
    if "x-forwarded-for" in request.headers:
        hostile.pause(1.0)
    return page("nothing", 404) if "x-forwarded-for" in request.headers else gated(request)


def asked(behaviour: hostile.Handler, way: str) -> VariantAttempt:
    with serving(behaviour, tls=False) as server:
        station = Station(Target("plant", server.url, Policy(), timeout=5.0))
        try:
            station.arrive(time.monotonic() + 5)
            admin = view_admin(Look(station))
            node = view_node(Look(station), admin)
            return attempt_way(Look(station), admin, node, "endpoint", "GET", "/report", way)
        finally:
            station.close()


@pytest.mark.parametrize("way", ["upgrade", "bearer"])
def test_a_slow_answer_is_no_silence(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_SILENCE", 0.4)
    monkeypatch.setattr(refusals, "_SUSPECTED", 0.2)
    seen = asked(gated, way)
    assert seen.ways == ("forwarded",)
    assert way_opens_nothing(seen, Policy())
    assert way_opens_nothing(asked(dropping, way), Policy()) == ()


@pytest.mark.parametrize("status", [501, 502])
def test_a_front_that_does_not_reach_what_is_behind_it_has_refused_nothing(status: int) -> None:
    """As HAProxy with a backend of its own for some requests, which is down while they are asked."""

    def front(request: Request) -> Reply:
        return page("no", status) if "x-forwarded-for" in request.headers else gated(request)

    seen = asked(front, "bearer")
    target = Target("plant", "http://plant.example", Policy())
    if status == 501:
        seen.settle(target)
        assert way_opens_nothing(seen, Policy()) == ()
        return
    with pytest.raises(ProbeError, match="answered 502"):
        seen.settle(target)


def guarded(request: Request) -> Reply:
    """Answer as a gate that believes nothing."""
    believed = {"x-forwarded-for"}
    return gated(replace(request, headers={n: v for n, v in request.headers.items() if n not in believed}))


def test_http2_that_was_agreed_on_and_not_spoken_is_no_part_of_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Look, "speaks_http2", lambda look: True)  # over plain TCP nobody does
    seen = asked(guarded, "browser")
    assert "newer" not in seen.ways
    assert {"browser", "preflight"} <= set(seen.ways)
    assert "and in HTTP/2" not in seen.evidence()
    assert "and not in HTTP/2, on which the server agreed and which it did not speak, answered 401" in seen.evidence()


def test_parts_that_are_answered_by_themselves_alone_are_said_to_be_asked_so() -> None:
    def front(request: Request) -> Reply:  # it breaks on two suspicious things at once
        return page("no", 502) if {"x-forwarded-for", "via"} <= set(request.headers) else guarded(request)

    seen = asked(front, "bearer")
    assert "as if forwarded for 10.0.0.1, each by itself, answered 401" in seen.evidence()
    assert way_opens_nothing(seen, Policy()) == ()


def test_an_ordinary_request_on_a_new_connection_waits_as_long_as_the_quiet_pace_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_nodered_sec.probes.transport.pace._AFTER_REFUSAL", 0.5)
    times: list[float] = []

    def noting(request: Request) -> Reply | None:
        times.append(time.monotonic())
        return gated(request)

    with serving(noting, tls=False) as server:
        station = Station(Target("plant", server.url, Policy(pace="quiet"), timeout=5.0))
        try:
            station.arrive(time.monotonic() + 5)
            view = view_admin(Look(station))
            del times[:-1]
            assert refusals.answers_anew(Look(station), view, 3.0)
        finally:
            station.close()
    assert times[1] - times[0] > 0.4
