"""Servers behind one address that answer by turns, and a comparison of addresses that takes its time."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

import hostile
import nginxlab
import pytest
from probes.http.named import LEAF, PASS, TABLE, at, guard, node_red, outcomes, verdict
from servers import running
from suite_runs import installed

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab.ports import accepts, free_ports
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.access import AccessAttempt
from pytest_nodered_sec.observations.addresses import Addresses, AddressView
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.http import addresses
from pytest_nodered_sec.probes.http.landmarks import view_admin
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize("mine", [0, 1], ids=["guarded-first", "open-first"])
def test_one_open_server_of_two_behind_a_real_load_balancer_is_noticed(
    mine: int, tmp_path: Path, upstream: int, survey: Survey
) -> None:
    """HAProxy sends every other request for a path to the open server, whoever else asks for others meanwhile."""
    front, open_, guarded = free_ports(3)
    way = f"proxy_pass http://127.0.0.1:{upstream}; {PASS}"
    http = f"""{TABLE}
    server {{ listen 127.0.0.1:{open_}; location / {{ {way} }} }}
    server {{ listen 127.0.0.1:{guarded}; location / {{ {way} }} location /ui {{ {guard(tmp_path)} {way} }} }}"""
    (tmp_path / "haproxy.cfg").write_text(
        f"""global
  nbthread 1  # two threads count two requests first, and ask for the number afterwards: both would see the second
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
backend paths
  stick-table type string len 100 size 1000 expire 1m store http_req_cnt
frontend front
  bind 127.0.0.1:{front}
  http-request track-sc0 path table paths
  use_backend opened if {{ sc0_http_req_cnt,mod(2) eq {mine} }}
  default_backend closed
backend opened
  server one 127.0.0.1:{open_}
backend closed
  server other 127.0.0.1:{guarded}
""".replace("sc0_http_req_cnt,mod(2)", "sc0_http_req_cnt,mod(2) -m int eq")
    )
    lines = f"location ~ . {{ proxy_pass http://127.0.0.1:{front}; {PASS} }}"
    with nginxlab.serving(tmp_path, [LEAF], server=lines, http=http) as nginx, balancing(tmp_path, front):
        target = at(nginx.port)
        [page] = outcomes(survey, target, *questions.dashboard_pages(target))
        seen, codes = verdict(survey, target)
    if mine:
        assert isinstance(page, AccessAttempt)  # and red
        assert page.kind is Kind.SERVED
    else:
        assert "answers differ from one question to the next: GET /ui was answered 401, then 200" in str(page)
        assert codes == ["by-turns"]
        assert seen.turns[0].open


@contextlib.contextmanager
def balancing(folder: Path, port: int) -> Iterator[None]:
    """Run HAProxy with the configuration in a folder."""
    command = [installed("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]
    with running(command, folder / "haproxy.log", partial(accepts, port)):
        yield


@pytest.mark.parametrize("dashboards", [("/ui",), ("/ui", "/dashboard")], ids=["a-dashboard", "two"])
@pytest.mark.parametrize("opened", [0, 1, None], ids=["open-first", "guarded-first", "both-guarded"])
def test_a_channel_that_a_balancer_of_connections_serves_by_turns_does_not_pass(
    opened: int | None, dashboards: tuple[str, ...], tmp_path: Path, upstream: int
) -> None:
    """HAProxy gives each new connection to the other server; few questions need few connections."""
    front, *servers = free_ports(3)
    tls = f"ssl_certificate {tmp_path}/chain0.pem; ssl_certificate_key {tmp_path}/chain0.key;"
    way = f"proxy_pass http://127.0.0.1:{upstream}; {PASS}"
    http = TABLE + "".join(
        f"server {{ listen 127.0.0.1:{port} ssl; {tls} location / {{ {way} }} "
        f"location ~ ^/(ui|dashboard) {{ {'' if number == opened else guard(tmp_path)} {way} }} }}"
        for number, port in enumerate(servers)
    )
    (tmp_path / "haproxy.cfg").write_text(
        f"""global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:{front}
  default_backend pair
backend pair
  balance roundrobin
  server first 127.0.0.1:{servers[0]}
  server second 127.0.0.1:{servers[1]}
"""
    )
    with nginxlab.serving(tmp_path, [LEAF], http=http), balancing(tmp_path, front):
        for _ in range(3):
            survey = Survey()
            target = at(front, policy=Policy(dashboards=dashboards))
            asks = questions.dashboard_channels(target)
            survey.ask_ahead(target, [*asks, *questions.ADDRESSES])
            channel, *_ = outcomes(survey, target, *asks)
            codes = verdict(survey, target)[1]
            survey.close()
            if opened is None:
                assert isinstance(channel, SocketAttempt)
                assert (channel.attempt.kind, codes) == (Kind.REFUSED, [])
                continue
            found_open = isinstance(channel, SocketAttempt) and channel.channel is Channel.OPEN
            assert found_open or "answers differ from one question to the next" in str(channel)
            assert found_open or codes == ["by-turns"]


def test_a_channel_that_opens_by_turns_is_no_refusal(survey: Survey) -> None:
    asked = 0

    def by_turns(request: hostile.Request) -> hostile.Reply | None:
        nonlocal asked
        if request.path.startswith("/ui/socket.io") and "upgrade" not in request.headers and "sid=" not in request.path:
            asked += 1
            if asked % 2:
                return hostile.basic_everything(request)
        return node_red(request)

    with hostile.serving(by_turns) as server:
        target = at(server.port)
        [channel, seen] = outcomes(survey, target, *questions.dashboard_channels(target), *questions.ADDRESSES)
        assert [line for line in server.requests if line.startswith("POST")]  # the session that opened was closed
    assert isinstance(channel, ProbeError)
    assert channel.message == (
        "answers differ from one question to the next: GET /ui/socket.io/ was answered 401, then 200; several servers "
        "behind one address, or a rate limit?"
    )
    assert isinstance(seen, Addresses)
    assert seen.turns[0].open


def test_a_single_address_is_asked_nothing_more(survey: Survey) -> None:
    with hostile.serving(hostile.FakeNodeRED()) as server:
        target = at(server.port)
        survey.answer(target, questions.REACH[0])
        before = len(server.requests)
        seen, codes = verdict(survey, target)
        assert len(server.requests) == before
    assert codes == []
    assert seen.evidence() == "one address, 127.0.0.1; the same requests got the same answers"


def arrived(server: hostile.Hostile) -> Station:
    station = Station(Target("plant", server.url, Policy(dashboards=())))
    station.resolve(time.monotonic() + 10)
    station.arrive(time.monotonic() + 10)
    station.addresses = (station.address, "192.0.2.1")
    return station


def test_the_comparison_may_take_longer_than_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile.serving(hostile.FakeNodeRED()) as server:
        station = arrived(server)
        admin, look = view_admin(Look(station)), Look(station)

        def late(_: Station, address: str) -> AddressView:
            look.deadline = time.monotonic() - 1
            return AddressView(address)

        monkeypatch.setattr(addresses, "_view", late)
        assert len(addresses.compare_addresses(look, admin, admin).views) == 2
        station.close()


def test_another_address_has_to_answer_to_the_end_as_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    banned, gate = list[bool](), hostile.always(403)

    def looked(*_: object) -> tuple[()]:
        banned.append(True)
        return ()

    monkeypatch.setattr(addresses, "_glances", looked)
    with hostile.serving(lambda request: (gate if banned else hostile.FakeNodeRED())(request)) as server:
        station = arrived(server)
        view = addresses._view(station, station.address)
        station.close()
    assert view.trouble == "it no longer answers as at the start"
