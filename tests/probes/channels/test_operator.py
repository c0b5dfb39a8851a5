"""Dashboards with the account given for them, behind look-alikes of each kind of gate; what is sent, and how often."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Ask, Credentials, Target
from pytest_nodered_sec.observations.dashboards import DashboardVisit
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.channels.account import _assets_of, visit_dashboard
from pytest_nodered_sec.probes.http.landmarks import view_admin
from pytest_nodered_sec.probes.transport.http import Exchange
from pytest_nodered_sec.probes.transport.logins import Logins
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.rules.dashboard import account_opens
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (
    '<html ng-app="ui"><head><base href="/{at}/"><link rel="stylesheet" href="css/app.css">'
    '<link rel="icon" href="i.ico"><script src="socket.io/socket.io.js"></script><script src="js/app.js?v=1"></script>'
    '<script src="//cdn.invalid/a.js"></script><script src="../flows.js"></script><script src="http://["></script>'
    "<script>go()</script></head></html>"
)
LOGIN = "Basic " + base64.b64encode(b"operator:correct horse").decode()
OPENED = '0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
OPERATOR = Credentials("operator", "correct horse")


@dataclass
class Gate:
    """A Node-RED with dashboards behind gates: which part wants what.

    Attributes:
        page: what the page wants: "Basic", "cookie", "form" (a redirect to a login page), "shown" (that page itself),
            "" for nothing.
        asset: the same of scripts and styles.
        channel: the same of the live channel; "deny": nobody gets in.
        sets: Set-Cookie of the page.
        seen: the secrets that were sent, by path.
    """

    page: str = "Basic"
    asset: str = "Basic"
    channel: str = "Basic"
    sets: str = ""
    broken: str = ""  # the part that answers 502, or a page
    joins: str = '40{"sid":"def"}'
    seen: list[tuple[str, str]] = field(default_factory=list)
    polls: int = 0

    def __call__(self, request: hostile.Request) -> hostile.Reply:
        path = request.path.partition("?")[0]
        base = path.split("/")[1]
        if base not in ("ui", "dashboard"):
            return hostile.FakeNodeRED()(request)
        secret = request.headers.get("authorization", "") or request.headers.get("cookie", "")
        if secret:
            self.seen.append((path, secret))
        part = "page" if path == f"/{base}/" else "channel" if "socket.io" in path else "asset"
        wants = getattr(self, part)
        refusal = self.refusal(wants, request.headers.get("cookie", "") if wants == "cookie" else secret)
        if refusal:
            return refusal
        if self.broken == part:
            return hostile.Reply(502)
        if part == "page":
            text = PAGE.replace("{at}", base)
            return hostile.page(text, set_cookie=self.sets) if self.sets else hostile.page(text)
        if part == "asset":
            return (
                hostile.page("sign in")
                if self.broken == "script"
                else hostile.Reply(200, {"Content-Type": "text/javascript"}, b"1")
            )
        return self.joined(request)

    def refusal(self, wants: str, secret: str) -> hostile.Reply | None:
        if wants == "deny":
            return hostile.Reply(403)
        if wants == "Basic" and secret != LOGIN:
            return hostile.Reply(401, {"WWW-Authenticate": 'Basic realm="Operators"'})
        if wants == "cookie" and "session=4bcdefghijklmn0p" not in secret:
            return hostile.Reply(401)
        if wants == "token" and secret != "Bearer abc.def":
            return hostile.Reply(401, {"WWW-Authenticate": "Bearer"})
        if wants == "form" and not secret:
            return hostile.Reply(302, {"Location": "/oauth2/start"})
        return hostile.page("<form>sign in</form>") if wants == "shown" and not secret else None

    def joined(self, request: hostile.Request) -> hostile.Reply:
        text = {"Content-Type": "text/plain"}
        if request.method == "POST":
            return hostile.Reply(200, text, b"ok")
        return hostile.Reply(200, text, (self.joins if "sid=" in request.path else OPENED).encode())


def visit(
    gate: Gate, folder: Path, account: Credentials = OPERATOR, *paths: str, tls: bool = True
) -> list[DashboardVisit | ProbeError]:
    with hostile.serving(gate, tls=tls) as server:
        ca = str(hostile.default_ca().pem_path)
        policy = Policy(dashboards=paths or ("/ui",))
        target = Target("host", server.url, policy, ca_file=ca, dashboard_credentials=lambda: account, timeout=5.0)
        survey = Survey(folder / "attempts", [target])
        asks = [Ask("dashboard_visit", (path,), path) for path in paths or ("/ui",)]
        survey.ask_ahead(target, asks)
        seen: list[DashboardVisit | ProbeError] = []
        for ask in asks:
            try:
                observation = survey.answer(target, ask)
                assert isinstance(observation, DashboardVisit)
                seen.append(observation)
            except ProbeError as error:
                seen.append(error)
        survey.close()
    return seen


def codes(seen: DashboardVisit | ProbeError) -> tuple[str, ...]:
    if isinstance(seen, ProbeError):
        raise seen
    violations = account_opens(seen, Policy(dashboards=("/ui",)))
    assert isinstance(violations, tuple)
    return tuple(violation.code for violation in violations)


@pytest.mark.parametrize(
    ("gate", "account"),
    [
        (Gate(), OPERATOR),
        (Gate(page="", asset=""), OPERATOR),  # one that guards the channel alone
        (Gate(page="", channel=""), OPERATOR),
        (Gate(page="", asset="", channel=""), OPERATOR),
        (Gate(asset="", channel="cookie", sets="session=4bcdefghijklmn0p; Path=/; Secure"), OPERATOR),
        (Gate("cookie", "cookie", "cookie"), Credentials(cookie="theme=dark; session=4bcdefghijklmn0p")),
        (Gate("form", "form", "form"), Credentials(cookie="session=4bcdefghijklmn0p")),
        (Gate("token", "token", "token"), Credentials(token="abc.def")),
    ],
)
def test_behind_each_kind_of_gate_the_account_opens_everything(
    gate: Gate, account: Credentials, tmp_path: Path
) -> None:
    [seen] = visit(gate, tmp_path, account)
    assert codes(seen) == ()
    assert isinstance(seen, DashboardVisit)
    assert len(seen.assets) == 2
    asked = {path for path, _ in gate.seen}
    assert not any("flows" in path for path in asked)
    if gate.page == gate.asset == gate.channel == "":
        assert not gate.seen  # nobody asks for it, so nobody gets it


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (Gate(channel="deny"), ("channel-refused",)),
        (Gate(channel="cookie"), ("channel-refused",)),
        (Gate(joins='44{"message":"no"}'), ("channel-refused",)),
        (Gate(asset="deny"), ("asset-refused", "asset-refused")),
        (Gate(broken="script"), ("asset-refused", "asset-refused")),
        (Gate(asset="deny", channel="deny"), ("asset-refused", "asset-refused", "channel-refused")),
    ],
)
def test_a_gate_that_lets_the_page_through_and_not_the_rest_is_a_finding(
    gate: Gate, expected: tuple[str, ...], tmp_path: Path
) -> None:
    assert codes(visit(gate, tmp_path)[0]) == expected


def test_a_wrong_password_is_sent_once_whatever_the_number_of_dashboards(tmp_path: Path) -> None:
    gate = Gate()
    seen = visit(gate, tmp_path, Credentials("operator", "battery staple"), "/ui", "/dashboard")
    assert len(gate.seen) == 1
    [error] = [view for view in seen if isinstance(view, ProbeError)]
    assert error.cause is Cause.NOT_ASKED
    assert "not sent again" in error.message
    [visited] = [view for view in seen if isinstance(view, DashboardVisit)]
    assert codes(visited) == ("account-refused",)
    assert "battery" not in repr(visited) + visited.evidence() + error.message


def test_a_wrong_password_is_not_sent_again_when_all_is_asked_anew(tmp_path: Path) -> None:
    wrong = Credentials("operator", "battery staple")
    gate = Gate()
    with hostile.serving(gate) as server:
        target = Target(
            "gate",
            server.url,
            Policy(dashboards=("/ui",)),
            ca_file=str(hostile.default_ca().pem_path),
            dashboard_credentials=lambda: wrong,
        )
        station = Station(target, Logins(tmp_path / "run"))
        station.arrive(time.monotonic() + 10)
        assert codes(_visited(station)) == ("account-refused",)
        station.begin_again(0.0)
        with pytest.raises(ProbeError, match="not sent again"):
            _visited(station)
        station.close()
    assert len(gate.seen) == 1


def _visited(station: Station) -> DashboardVisit:
    admin = view_admin(Look(station))
    return visit_dashboard(Look(station), admin, admin, "/ui")


def test_a_right_password_may_be_sent_again_and_again(tmp_path: Path) -> None:
    for _ in range(6):
        assert not any(isinstance(view, ProbeError) for view in visit(Gate(), tmp_path, OPERATOR, "/ui", "/dashboard"))


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (Gate("form"), '"cookie"'),
        (Gate("cookie"), '"cookie"'),
        (Gate("shown"), "shows no dashboard"),
        (Gate(broken="page"), "502"),
        (Gate(broken="asset"), "502"),
        (Gate(broken="channel"), "502"),
        (Gate(joins="2"), "neither an acceptance nor a refusal"),
    ],
)
def test_what_cannot_be_looked_at_is_said_with_a_way_out(gate: Gate, words: str, tmp_path: Path) -> None:
    [seen] = visit(gate, tmp_path)
    assert isinstance(seen, ProbeError)
    assert words in seen.message
    assert not gate.seen or gate.page == "Basic"


def test_nothing_is_sent_in_clear_or_to_a_stranger(tmp_path: Path) -> None:
    gate = Gate()
    [seen] = visit(gate, tmp_path, tls=False)
    assert isinstance(seen, ProbeError)
    assert seen.cause is Cause.UNVERIFIED
    assert not gate.seen


def test_a_session_cookie_that_the_gate_gave_is_hidden(tmp_path: Path) -> None:
    end = redaction.begin()
    try:
        visit(Gate(channel="cookie", sets="session=4bcdefghijklmn0p; Path=/"), tmp_path)
        assert redaction.scrub("is 4bcdefghijklmn0p") == "is [redacted]"
    finally:
        end()


def test_without_an_account_it_is_not_looked_at() -> None:
    with hostile.serving(Gate()) as server:
        survey = Survey()
        with pytest.raises(ProbeError, match="was given no account"):
            survey.answer(Target("host", server.url, Policy()), Ask("dashboard_visit", ("/ui",)))
        survey.close()


@pytest.mark.parametrize("broken", ["<![x[", "<![", "<!x[", "<!--", "<?", "&#x110000;<a href='", "<" * 60_000])
def test_a_page_that_breaks_off_names_what_stood_before(broken: str) -> None:
    page = f'<link rel=stylesheet href="a.css"><script src="/ui/a.js"></script>{broken}<script src="b.js"></script>'
    assert _assets_of(Exchange(200, {}, page.encode()), "/ui/") == ["/ui/a.css", "/ui/a.js"]


def test_a_base_that_is_no_url_is_none() -> None:
    page = b'<base href="https://[::1"><script src="a.js"></script>'
    assert _assets_of(Exchange(200, {}, page), "/ui/") == ["/ui/a.js"]


@given(st.lists(st.sampled_from([*"<>![]-=\"'/&;#? x", "<script src=", "<base href=", "<link rel=stylesheet href="])))
def test_a_page_chooses_nothing_but_scripts_and_styles_below_it(parts: list[str]) -> None:
    named = _assets_of(Exchange(200, {}, "".join(parts).encode()), "/ui/")
    assert all(path.startswith("/ui/") and path.endswith((".js", ".css")) for path in named)
