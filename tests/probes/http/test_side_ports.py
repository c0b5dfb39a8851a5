"""Other doors than the URL's, behind which servers hang, lie, break, or speak TLS."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import HttpSettings, Target
from pytest_nodered_sec.observations.cleartext import PortState
from pytest_nodered_sec.observations.side_ports import ClosedPort, DirectDoors, StrangeName
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.http.side_ports import Entrance
from pytest_nodered_sec.probes.transport import look, pace
from pytest_nodered_sec.probes.transport.answers import retry_after
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.rules.exposure import own_port_is_shut, port_is_closed, strange_name_is_turned_away
from pytest_nodered_sec.survey.survey import Survey
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.model import Ask

LIMIT = 2.0


def answered(url: str, ask: Ask, **settings: Any) -> Any:
    settings = {"policy": Policy(), "http_port": hostile.closed_port(), "timeout": LIMIT, **settings}
    survey = Survey()
    try:
        return survey.answer(Target("host", url, **settings), ask)
    finally:
        survey.close()


def direct(port: int, home: Any = None, **settings: Any) -> DirectDoors:
    with hostile.serving(home or hostile.FakeNodeRED()) as server:
        seen = answered(server.url, questions.OWN_PORT[0], direct_port=port, **settings)
    assert isinstance(seen, DirectDoors)
    return seen


@contextlib.contextmanager
def behind(behaviour: Any, *, tls: bool = False) -> Iterator[hostile.Hostile]:
    with hostile.serving(behaviour, tls=tls) as server:
        yield server


def basic(realm: str) -> Any:
    def refuse(request: hostile.Request) -> hostile.Reply:
        return hostile.page("<p>no</p>", 401, www_authenticate=f'Basic realm="{realm}"')

    return refuse


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a fiftieth of what is waited else: what never ends its objections is given up only after a minute."""
    monkeypatch.setattr(pace, "_SLOWEST", 0.02)
    monkeypatch.setattr(look, "retry_after", lambda *told: retry_after(*told) / 50)


# --- Node-RED's own port


def test_a_closed_port_is_said_for_every_address() -> None:
    seen = direct(hostile.closed_port())
    assert {door.state for door in seen.doors} == {PortState.REFUSED}
    assert "127.0.0.1: refused" in seen.evidence()
    assert own_port_is_shut(seen, Policy()) == ()


def test_a_filtered_port() -> None:
    with hostile.black_hole() as port:
        seen = direct(port)
    assert {door.state for door in seen.doors} == {PortState.FILTERED}


@pytest.mark.parametrize("tls", [False, True])
def test_node_red_past_its_gate(tls: bool) -> None:
    with behind(hostile.FakeNodeRED(), tls=tls) as server:
        seen = direct(server.port)
        assert server.peak == 1
        assert not [line for line in server.requests if not line.startswith("GET")]
    assert {door.tls for door in seen.doors} == {tls}
    violations = own_port_is_shut(seen, Policy())
    assert isinstance(violations, tuple)
    assert len(violations) == len(seen.doors)
    assert "GET /auth/login 200" in violations[0].observed


@pytest.mark.parametrize("tls", [False, True])
def test_another_gate_refuses_everything(tls: bool) -> None:
    with behind(basic("plant"), tls=tls) as server:
        assert own_port_is_shut(direct(server.port), Policy()) == ()


def test_node_reds_own_refusal_counts_as_one_only_where_the_url_gives_it_too() -> None:
    refusing = basic("Authorization Required")
    with behind(refusing) as server:
        assert own_port_is_shut(direct(server.port), Policy())
        same = direct(server.port, refusing, policy=Policy(admin_api="proxied"))
    assert own_port_is_shut(same, Policy()) == ()


def test_a_redirect_to_the_url_is_no_way_in() -> None:
    with hostile.serving(hostile.FakeNodeRED()) as home:
        leads = hostile.Reply(301, {"Location": f"{home.url}/"})
        with behind(lambda request: leads) as server:
            seen = answered(home.url, questions.OWN_PORT[0], direct_port=server.port)
    assert own_port_is_shut(seen, Policy()) == ()


def test_a_redirect_within_the_port_is_one() -> None:
    with behind(lambda request: hostile.Reply(302, {"Location": "/elsewhere"}), tls=True) as server:
        assert own_port_is_shut(direct(server.port), Policy())
        assert not [line for line in server.requests if "/elsewhere" in line]


@pytest.mark.parametrize("name", ["closes_at_once", "resets"])
def test_a_port_that_closes_shows_nothing(name: str) -> None:
    with behind(getattr(hostile, name)) as server:
        seen = direct(server.port)
    assert {door.state for door in seen.doors} == {PortState.CLOSED}


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("hangs", Cause.TIMEOUT),
        ("drips", Cause.TIMEOUT),
        ("ssh_banner", Cause.PROTOCOL),
        ("closes_without_answer", Cause.PROTOCOL),
        ("tls_garbage", Cause.PROTOCOL),
        ("challenge_everything", Cause.UNAVAILABLE),
    ],
)
def test_a_port_that_cannot_be_told(name: str, cause: Cause) -> None:
    with behind(getattr(hostile, name)) as server, pytest.raises(ProbeError) as caught:
        direct(server.port)
    assert caught.value.cause is cause
    assert f"port {server.port} at 127.0.0.1" in caught.value.message


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_port_that_only_refuses_to_work(status: int) -> None:
    with behind(hostile.always(status)) as server, pytest.raises(ProbeError) as caught:
        direct(server.port)
    assert caught.value.cause is Cause.UNAVAILABLE


def test_a_page_that_hangs_does_not_hide_what_is_open() -> None:
    hang = hostile.Reply(stream=hostile.silence)
    with behind(hostile.FakeNodeRED(replies={"/ui": hang})) as server:
        assert own_port_is_shut(direct(server.port), Policy())
    gated = basic("plant")

    def mixed(request: hostile.Request) -> hostile.Reply:
        return hang if request.path == "/ui" else gated(request)

    with behind(mixed) as server, pytest.raises(ProbeError, match="GET /ui"):
        direct(server.port)


def test_a_live_channel_is_left_at_once() -> None:
    session = hostile.Reply(200, {"Content-Type": "text/plain"}, b'0{"sid":"abc-1","upgrades":[]}')

    def streams(request: hostile.Request) -> hostile.Reply:
        return session if "/ui/socket.io" in request.path else basic("plant")(request)

    with behind(streams) as server:
        (door, *_) = direct(server.port).doors
        posts = [line for line in server.requests if line.startswith("POST")]
    assert [visit.path.partition("?")[0] for visit in door.visits if visit.ungated] == ["/ui/socket.io/"]
    assert posts
    assert all("sid=abc-1" in line for line in posts)


def test_the_urls_own_port_is_not_judged_twice() -> None:
    with hostile.serving(hostile.FakeNodeRED()) as server:
        seen = answered(server.url, questions.OWN_PORT[0], direct_port=server.port)
        plain = answered(server.url, questions.OWN_PORT[0], direct_port=80, http_port=80)
    assert own_port_is_shut(seen, Policy()) == NotApplicable(f"port {server.port} is the URL's own")
    assert own_port_is_shut(plain, Policy()) == NotApplicable("port 80 is that of plain HTTP, which http-01 judges")


# --- a name that nobody has


def strange(url: str) -> StrangeName:
    seen = answered(url, questions.STRANGE_NAME[0])
    assert isinstance(seen, StrangeName)
    return seen


def by_host(other: Any) -> Any:
    """Return Node-RED for its own name, and `other` for strangers."""

    def answer(request: hostile.Request) -> hostile.Reply | None:
        own = request.headers["host"].startswith("localhost:")
        reply: hostile.Reply | None = (hostile.FakeNodeRED() if own else other)(request)
        return reply

    return answer


@pytest.mark.parametrize("name", ["everything_404", "catch_all_page", "closes_without_answer"])
def test_a_strange_name_gets_something_else(name: str) -> None:
    with hostile.serving(by_host(getattr(hostile, name))) as server:
        seen = strange(server.url)
    assert strange_name_is_turned_away(seen, Policy()) == ()


@pytest.mark.parametrize("but", ["", "/settings"])
def test_a_name_that_is_said_not_to_be_served_is_asked_twice(but: str) -> None:
    def misdirected(request: hostile.Request) -> hostile.Reply:
        return hostile.FakeNodeRED()(request) if request.path == but else hostile.Reply(421)

    with hostile.serving(by_host(misdirected)) as server:
        seen = strange(server.url)
    assert seen.door is not None
    assert (len(seen.door.visits) > 2) is bool(but)
    assert bool(strange_name_is_turned_away(seen, Policy())) is bool(but)


def test_a_strange_name_gets_node_red() -> None:
    hosts = set()

    def noting(request: hostile.Request) -> hostile.Reply:
        hosts.add(request.headers["host"])
        return hostile.FakeNodeRED()(request)

    with hostile.serving(noting) as server:
        seen = strange(server.url)
    assert strange_name_is_turned_away(seen, Policy())
    assert seen.name.endswith(".invalid")
    assert hosts == {f"localhost:{server.port}", f"{seen.name}:{server.port}"}


def test_a_strange_name_is_told_by_what_the_url_answers() -> None:
    def gated(request: hostile.Request) -> hostile.Reply:
        below = request.path in ("/settings", "/auth/login")
        return basic("plant")(request) if below else hostile.everything_404(request)

    shown = hostile.Reply(200, {"Content-Type": "application/json"}, b'{"theme":{}}')

    def answer(request: hostile.Request) -> hostile.Reply:
        return shown if request.path == "/uisettings" else gated(request)

    with hostile.serving(answer) as server:
        seen = strange(server.url)
    assert seen.door is not None
    assert [visit.path for visit in seen.door.visits if visit.like_landmark] == ["/settings", "/auth/login"]
    assert strange_name_is_turned_away(seen, Policy())


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("status", [503, 429])
def test_a_strange_name_gets_no_answer(status: int) -> None:
    with hostile.serving(by_host(hostile.always(status))) as server, pytest.raises(ProbeError) as caught:
        strange(server.url)
    assert caught.value.cause is Cause.UNAVAILABLE


def test_a_strange_name_gets_a_tls_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    context = hostile.default_ca().new_context()

    def choose(sock: Any, name: str | None, _: Any) -> int | None:
        return None if name == "localhost" else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = choose
    monkeypatch.setattr(hostile.CA, "context", lambda self, which="first": context)
    with hostile.serving(hostile.FakeNodeRED()) as server:
        seen = strange(server.url)
    assert seen.door is not None
    assert seen.door.state is PortState.REJECTED
    assert strange_name_is_turned_away(seen, Policy()) == ()


def test_without_a_name_none_is_sent_though_the_address_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str | None] = []
    context = hostile.default_ca().new_context()
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    monkeypatch.setattr(hostile.CA, "context", lambda self, which="first": context)
    with hostile.serving(hostile.FakeNodeRED()) as server:
        target = Target("host", server.url, Policy())
        look = Look(Station(target))
        host = look.station.host_header(target.port)
        # as where a proxy resolves the name
        with Entrance(look, "localhost", target.port, host, tls=True, where="x", named=False) as entrance:
            assert entrance.visit("/settings").answer.status == 401
        look.station.close()
    assert names == [None]


def test_an_address_has_no_other_name() -> None:
    with hostile.serving(hostile.FakeNodeRED()) as server:
        seen = strange(server.url.replace("localhost", "127.0.0.1"))
    assert seen.door is None


def test_over_plain_http_the_host_header_alone_is_strange() -> None:
    with hostile.serving(by_host(hostile.everything_404), tls=False) as server:
        assert strange_name_is_turned_away(strange(server.url), Policy()) == ()


# --- ports that must be closed


def test_a_port_that_must_be_closed() -> None:
    with hostile.serving(hostile.FakeNodeRED()) as server, behind(hostile.hangs) as other:
        ask = questions.closed_ports(Target("host", server.url, Policy(closed_ports=(other.port,))))[0]
        seen = answered(server.url, ask)
        mapped = answered(server.url, ask, http=HttpSettings(ports={other.port: hostile.closed_port()}))
        assert other.requests == []
    assert isinstance(seen, ClosedPort)
    assert port_is_closed(seen, Policy())
    assert port_is_closed(mapped, Policy()) == ()
