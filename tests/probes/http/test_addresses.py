"""A name with several addresses, a real nginx that listens differently on each, and servers that answer by turns."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import hostile
import nginxlab
import pytest
from certlab import DAY, Issued, issue, now
from servers import running
from suite_runs import installed, need_nginx

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.lab.ports import accepts, free_ports
from pytest_nodered_sec.model import HttpSettings, Target
from pytest_nodered_sec.observations.access import AccessAttempt
from pytest_nodered_sec.observations.addresses import Addresses, AddressView
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.cleartext import PlainAttempt, PortState
from pytest_nodered_sec.observations.side_ports import DirectDoors
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.probes.http import addresses
from pytest_nodered_sec.probes.http.landmarks import view_admin
from pytest_nodered_sec.probes.transport import station as station_module
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.rules.exposure import own_port_is_shut
from pytest_nodered_sec.rules.reach import addresses_agree
from pytest_nodered_sec.rules.transport import nothing_in_clear
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_nodered_sec.model import Ask, Observation

ROOT = issue("Addresses", ca=True)
LEAF = issue("localhost", ROOT, dns=["localhost"])
SIX = "::1"
TABLE = 'map $http_upgrade $connection_upgrade { default upgrade; "" ""; }'
PASS = """proxy_http_version 1.1; proxy_set_header Host $http_host;
proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"""
HANDSHAKE = hostile.Reply(200, {"Content-Type": "text/plain"}, b'0{"sid":"abc","upgrades":[],"pingInterval":25000}')


def node_red(request: hostile.Request) -> hostile.Reply | None:
    """A hardened look-alike with an unguarded dashboard."""
    path = request.path.partition("?")[0]
    if path == "/ui":
        return hostile.page("<html ng-app='ui'>Node-RED Dashboard</html>")
    if path == "/ui/socket.io/":
        if request.method == "POST":
            return hostile.Reply(200, {}, b"ok")
        return hostile.Reply(200, HANDSHAKE.headers, b'40{"sid":"x"}') if "sid=" in request.path else HANDSHAKE
    return hostile.FakeNodeRED()(request)


@pytest.fixture
def upstream() -> Iterator[int]:
    with hostile.serving(node_red, tls=False) as server:
        yield server.port


@pytest.fixture
def survey() -> Iterator[Survey]:
    survey = Survey()
    yield survey
    survey.close()


def at(port: int, **settings: Any) -> Target:
    policy = settings.pop("policy", Policy(dashboards=("/ui",)))
    settings = {"http_port": hostile.closed_port(), "direct_port": hostile.closed_port(), **settings}
    return Target("plant", f"https://localhost:{port}", policy, timeout=3.0, **settings)


def named(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(station_module, "resolve", lambda name, deadline: addresses)


def guard(folder: Path) -> str:
    (folder / "users").write_text("operator:{PLAIN}right\n")
    return f'auth_basic "plant"; auth_basic_user_file {folder}/users;'


def verdict(survey: Survey, target: Target) -> tuple[Addresses, list[str]]:
    seen = survey.answer(target, questions.ADDRESSES[0])
    assert isinstance(seen, Addresses)
    violations = addresses_agree(seen, target.policy)
    assert isinstance(violations, tuple)
    return seen, [violation.code for violation in violations]


def outcomes(survey: Survey, target: Target, *asks: Ask) -> list[Observation | ProbeError]:
    survey.ask_ahead(target, asks)
    observations: list[Observation | ProbeError] = []
    for ask in asks:
        try:
            observations.append(survey.answer(target, ask))
        except ProbeError as error:
            observations.append(error)
    return observations


def test_an_ipv6_listener_without_the_gate_is_a_finding(
    tmp_path: Path, upstream: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_nginx()
    named(monkeypatch, "127.0.0.1", SIX)
    way = f"location /ui {{ @GUARD@ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    rest = f"location ~ ^/(settings|auth|flows|comms) {{ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    files = f"ssl_certificate {tmp_path}/chain0.pem; ssl_certificate_key {tmp_path}/chain0.key;"
    lines = f"{way.replace('@GUARD@', '')} {rest} location / {{ return 404; }}"
    other = f"server {{ listen [::1]:@PORT@ ssl; {files} {lines} }}"
    with nginxlab.serving(
        tmp_path, [LEAF], server=way.replace("@GUARD@", guard(tmp_path)) + rest, http=TABLE + other
    ) as nginx:
        seen, codes = verdict(survey, at(nginx.port))
    assert codes == ["address-open"]
    [violation] = addresses_agree(seen, Policy())  # type: ignore[misc]  # a verdict may also be no tuple
    assert "[::1] serves what 127.0.0.1 refuses: GET /ui without credentials" in violation.observed
    assert "a live channel at /ui/socket.io" in violation.observed


@pytest.mark.parametrize(
    ("chain", "tls", "codes", "says"),
    [
        ([issue("localhost", ROOT, dns=["localhost"])], "", [], ""),
        (
            [issue("localhost", ROOT, dns=["localhost"], since=now() - 90 * DAY, until=now() - 5 * DAY)],
            "",
            ["address-certificate"],
            "[::1] presents another chain than 127.0.0.1: leaf `CN=localhost` expired on",
        ),
        ([issue("debian", dns=["debian"])], "", ["address-certificate"], "self-signed"),
        (
            [issue("localhost", ROOT, dns=["localhost"])],
            "ssl_protocols TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;",
            ["address-tls"],
            "[::1] accepts TLSv1.1, which 127.0.0.1 refuses",
        ),
    ],
    ids=["as good", "expired", "of the package", "old"],
)
def test_an_ipv6_listener_with_other_tls_is_a_finding(
    tmp_path: Path,
    upstream: int,
    survey: Survey,
    monkeypatch: pytest.MonkeyPatch,
    chain: list[Issued],
    tls: str,
    codes: list[str],
    says: str,
) -> None:
    need_nginx()
    named(monkeypatch, "127.0.0.1", SIX)
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    lines = f"{guard(tmp_path)} location / {{ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    certificate, key = nginxlab.write_chain(tmp_path, "other", chain)
    files = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    other = f"server {{ listen [::1]:@PORT@ ssl; {files} {tls} {lines} }}"
    with nginxlab.serving(tmp_path, [LEAF], server=lines, http=TABLE + other) as nginx:
        policy = Policy(dashboards=("/ui",), admin_api="proxied")
        seen, came = verdict(survey, at(nginx.port, ca_file=str(tmp_path / "ca.pem"), policy=policy))
    assert came == codes
    assert all(says in violation.observed for violation in addresses_agree(seen, policy))  # type: ignore[union-attr]  # codes came: violations


def test_an_endpoint_that_is_open_at_ipv6_alone_is_a_finding(
    tmp_path: Path, upstream: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_nginx()
    named(monkeypatch, "127.0.0.1", SIX)
    rest = f"{guard(tmp_path)} location / {{ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    files = f"ssl_certificate {tmp_path}/chain0.pem; ssl_certificate_key {tmp_path}/chain0.key;"
    way = "location = /api/orders { auth_basic off; default_type application/json; return 200 '[]'; }"
    other = f"server {{ listen [::1]:@PORT@ ssl; {files} {way} {rest} }}"
    with nginxlab.serving(tmp_path, [LEAF], server=rest, http=TABLE + other) as nginx:
        endpoints = (Endpoint("/api/orders", effect="none"),)
        policy = Policy(dashboards=("/ui",), admin_api="proxied", protected_paths=endpoints, websockets=("/ws/line",))
        seen, codes = verdict(survey, at(nginx.port, policy=policy))
    assert codes == ["address-open"]
    [violation] = addresses_agree(seen, policy)  # type: ignore[misc]  # a verdict may also be no tuple
    assert "[::1] serves what 127.0.0.1 refuses: GET /api/orders" in violation.observed


def test_the_same_at_both_is_compliant_and_the_side_ports_are_believed(
    tmp_path: Path, upstream: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_nginx()
    named(monkeypatch, "127.0.0.1", SIX)
    lines = f"location /ui {{ {guard(tmp_path)} proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    lines += f"location ~ ^/(settings|auth|flows|comms) {{ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    with nginxlab.serving(tmp_path, [LEAF], server=lines, http=TABLE, ipv6=True) as nginx:
        target = at(nginx.port)
        asks = (questions.OWN_PORT[0], *questions.surfaces_in_clear(target), *questions.ADDRESSES)
        observations = outcomes(survey, target, *asks)
        assert not [observation for observation in observations if isinstance(observation, ProbeError)]
        seen, codes = verdict(survey, target)
    assert codes == []
    assert seen.evidence() == "127.0.0.1 answered; [::1]: 5 questions asked"


def unreachable(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let connecting to a further address fail on our side."""
    create = socket.create_connection

    def connect(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        if address[0] == "2001:db8::5":
            raise OSError(number, "our own trouble")
        return create(address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", connect)


@pytest.mark.parametrize(
    "number",
    [
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.EMFILE,
        errno.EACCES,
        errno.ENOBUFS,
        errno.EADDRNOTAVAIL,
        errno.EPERM,
    ],
)
def test_an_address_that_cannot_be_reached_from_here_is_never_closed(
    number: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, "127.0.0.1", "2001:db8::5")
    unreachable(monkeypatch, number)
    with hostile.serving(hostile.FakeNodeRED()) as server:
        target = at(server.port, http=HttpSettings(ports={9229: hostile.closed_port()}))
        asks = (*questions.ADDRESSES, questions.OWN_PORT[0], *questions.closed_ports(target))
        first, *others = outcomes(survey, target, *asks, *questions.surfaces_in_clear(target))
    assert isinstance(first, ProbeError)
    assert "not every address of localhost can be looked at" in first.message
    assert "[2001:db8::5]: connecting to 2001:db8::5" in first.message
    assert 'connect = "127.0.0.1"' in first.message
    assert {str(observation).rpartition(": ")[2] for observation in others} == {"see reach-02"}


def beside_the_url(
    number: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> tuple[Target, list[Observation | ProbeError]]:
    """Return what is seen of side ports to which no connection can be made, for one reason."""
    create = socket.create_connection
    with hostile.serving(hostile.FakeNodeRED()) as server:

        def connect(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
            if address[1] != server.port:
                raise OSError(number, "no connection")
            return create(address, *rest, **more)

        monkeypatch.setattr(socket, "create_connection", connect)
        target = at(server.port)
        return target, outcomes(survey, target, questions.OWN_PORT[0], *questions.surfaces_in_clear(target))


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH])
def test_no_route_to_a_side_port_alone_is_a_firewalls_word(
    number: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, (direct, *clear) = beside_the_url(number, survey, monkeypatch)
    assert isinstance(direct, DirectDoors)
    assert {door.state for door in direct.doors} == {PortState.PROHIBITED}
    assert own_port_is_shut(direct, target.policy) == ()
    for seen in clear:
        assert isinstance(seen, PlainAttempt)
        assert "nothing can be reached on port" in seen.evidence()
        assert nothing_in_clear(seen, target.policy) == ()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES])
def test_trouble_of_ours_with_a_side_port_is_never_closed(
    number: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, observations = beside_the_url(number, survey, monkeypatch)
    assert {observation.cause for observation in observations if isinstance(observation, ProbeError)} == {
        Cause.OUR_SIDE
    }
    assert len([observation for observation in observations if isinstance(observation, ProbeError)]) == len(
        observations
    )


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
