"""No false green: which controls pass, fail, err or are skipped on servers that hang, lie or break."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hostile
import pytest
from suite_controls import rule_of

from pytest_nodered_sec import __version__, questions
from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.data.browsers import BROWSER, NAVIGATION
from pytest_nodered_sec.data.schemes import BASIC as MADE_UP
from pytest_nodered_sec.data.ways import MONITOR
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import HttpSettings, Target
from pytest_nodered_sec.observations.addresses import BY_TURNS
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.survey import signs
from pytest_nodered_sec.survey.survey import Survey
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LIMIT = 3.0  # seconds of one look

# tests/probes/login/test_session.py and tests/probes/channels/test_operator.py have them
NEED_AN_ACCOUNT = {"admin-08", "admin-09", "dash-06", "patch-02", "patch-03"}
CONTROLS: dict[str, tuple[Callable[[Target], Iterable[Any]], Callable[[Any, Policy], Any]]] = {
    control_id: (entry.control.asks, rule_of(entry))
    for control_id, entry in catalogue().items()
    if not control_id.startswith(("fleet-", "host-", "waiver-")) and control_id not in NEED_AN_ACCOUNT
}
CONTROLS["tls-12"] = (  # collection leaves it out otherwise
    lambda target: questions.CLIENT_CERTIFICATE if target.policy.mutual_tls else (),
    CONTROLS["tls-12"][1],
)
ON_DEMAND = {"tls-11", "tls-13"}  # of TLS too, judged where the policy asks for it
TLS = {control for control in CONTROLS if control.startswith("tls-")} - ON_DEMAND - {"tls-12"}
UNSPOKEN = {"tls-09", "tls-14", "tls-15"}  # old versions of TLS are refused: of these there is nothing to judge
ALWAYS = set(CONTROLS) - {
    "node-01",
    "node-02",
    "tls-12",
}  # the controls that ask without being told of anything at the site
CLEAR = {"http-01", "http-03", "http-05", "proxy-01", "proxy-04"}  # nothing listens on other ports: these pass
SAID = {"http-06", "proxy-02", "cookie-01"}  # judged by what any answer says, whoever gives it
STEER = {"http-02", "http-04"}  # and these do not apply
OTHERS = ALWAYS - TLS - ON_DEMAND
BASIC = {"cred-02"}  # no Basic login is asked for: it does not apply, whoever answers


@pytest.fixture(autouse=True)
def rests_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "_RESTS", (0.2,))
    monkeypatch.setattr(signs, "_FORGOTTEN", 0.1)


def judge(url: str, **settings: Any) -> tuple[dict[str, set[str]], list[str]]:
    """Ask everything of a target; return the letters P, F, E, - by control, and the errors' sentences."""
    target = Target(
        name="host",
        url=url,
        policy=settings.pop("policy", Policy()),
        http_port=hostile.closed_port(),
        direct_port=hostile.closed_port(),
        http=HttpSettings(ports={9229: hostile.closed_port()}),
        ca_file=str(hostile.default_ca().pem_path),
        timeout=settings.pop("timeout", LIMIT),
        **settings,
    )
    folder = tempfile.TemporaryDirectory()
    survey = Survey(Path(folder.name))
    letters: dict[str, set[str]] = defaultdict(set)
    sentences: list[str] = []
    try:
        survey.ask_ahead(target, [ask for asks, _ in CONTROLS.values() for ask in asks(target)])
        for control, (asks, rule) in CONTROLS.items():
            for ask in asks(target):
                try:
                    verdict = rule(survey.answer(target, ask), target.policy)
                except ProbeError as error:
                    letters[control].add("E")
                    sentences.append(error.message)
                else:
                    letters[control].add("-" if isinstance(verdict, NotApplicable) else "F" if verdict else "P")
    finally:
        survey.close()
        folder.cleanup()
    return dict(letters), sentences


def expect(letters: dict[str, set[str]], **groups: set[str]) -> None:
    """Compare the controls that have a letter with those expected to, for every letter."""
    names = {"passes": "P", "fails": "F", "errs": "E", "skips": "-"}
    controls = {
        group: {control for control, seen in letters.items() if letter in seen} for group, letter in names.items()
    }
    assert controls == {group: groups.get(group, set()) for group in names}, (
        "a new control that does not err here: add it to the sets above (SAID, STEER …), and to what this test expects"
    )


DEAD = ["hangs", "drips_raw", "tls_garbage", "ssh_banner", "plain_http", "closes_at_once", "resets"]


@pytest.mark.parametrize("name", DEAD)
def test_what_is_no_tls_errs_everywhere(name: str) -> None:
    begun = time.monotonic()
    with hostile.serving(getattr(hostile, name), tls=False) as server:
        letters, sentences = judge(server.url.replace("http:", "https:"), policy=Policy(mutual_tls=True))
    expect(letters, errs=ALWAYS | {"tls-12"})
    assert all(sentences)
    assert time.monotonic() - begun < 6 * LIMIT


def test_closed_port_is_said_once_and_referred_to() -> None:
    letters, sentences = judge(f"https://localhost:{hostile.closed_port()}")
    expect(letters, errs=ALWAYS)
    assert len([sentence for sentence in sentences if "refused" in sentence]) == 1
    assert all("see reach-01" in sentence for sentence in sentences if "refused" not in sentence)


def test_black_hole_ends_in_time() -> None:
    begun = time.monotonic()
    with hostile.black_hole() as port:
        letters, _ = judge(f"https://127.0.0.1:{port}")
    expect(letters, errs=ALWAYS)
    assert time.monotonic() - begun < 3 * LIMIT


HTTP_DEAD = ["hangs_after_handshake", "drips", "closes_without_answer", "redirect_loop", "challenge_everything"]


@pytest.mark.parametrize("name", HTTP_DEAD)
def test_good_certificate_and_no_answer(name: str) -> None:
    with hostile.serving(getattr(hostile, name)) as server:
        letters, _ = judge(server.url)
    expect(letters, passes=TLS, errs=OTHERS, skips=ON_DEMAND | UNSPOKEN)


@pytest.mark.parametrize("status", [503, 429])
def test_a_proxy_that_only_refuses_to_work(status: int) -> None:
    with hostile.serving(hostile.always(status)) as server:
        letters, sentences = judge(server.url)
    expect(letters, passes=TLS, errs=OTHERS, skips=ON_DEMAND | UNSPOKEN)
    assert any(str(status) in sentence for sentence in sentences)


@pytest.mark.parametrize("name", ["catch_all_page", "catch_all_exact", "catch_all_login", "endless_body"])
def test_every_path_answers_the_same_page(name: str) -> None:
    with hostile.serving(getattr(hostile, name)) as server:
        letters, _ = judge(server.url)
    expect(
        letters,
        passes=TLS | CLEAR | {"proxy-02", "reach-02"},  # no version is told in any answer
        fails={"http-06"},
        errs=OTHERS - CLEAR - STEER - SAID - BASIC - {"reach-02"},
        skips=STEER | BASIC | ON_DEMAND | UNSPOKEN | {"cookie-01", "proxy-05"},  # no answer offers HTTP/3
    )


def test_where_everything_is_404_nothing_is_known_to_be_absent() -> None:
    """A wrong URL or root, or a gate that answers strangers with 404."""
    with hostile.serving(hostile.everything_404) as server:
        letters, sentences = judge(server.url)
    elsewhere = {"cookie-01", "cred-02", "patch-01", "editor-04"}
    elsewhere |= {"flow-01", "flow-02", "flow-03", "flow-04", "flow-05"}
    partly = {"proxy-05"}  # no answer offers HTTP/3
    expect(
        letters,
        passes=TLS | CLEAR | {"proxy-02", "reach-02"},
        fails={"http-06"},
        errs=ALWAYS - TLS - CLEAR - STEER - ON_DEMAND - UNSPOKEN - elsewhere - {"proxy-02", "reach-02", "http-06"},
        skips=STEER | ON_DEMAND | UNSPOKEN | elsewhere | partly,
    )
    assert len([sentence for sentence in sentences if "see reach-01" not in sentence]) == 1


def test_wrong_admin_root_with_the_api_said_to_be_off() -> None:
    with hostile.serving(hostile.everything_404) as server:
        letters, _ = judge(server.url, policy=Policy(admin_api="disabled"))
    assert "P" not in letters["admin-01"] | letters["editor-01"] | letters["reach-01"]


def test_basic_login_before_everything_shows_nobody() -> None:
    with hostile.serving(hostile.basic_everything) as server:
        letters, _ = judge(server.url)
    assert {name for name, seen in letters.items() if "E" in seen} >= {"reach-01", "admin-01", "admin-02", "editor-01"}
    assert not any(
        "P" in letters[control] for control in ("reach-01", "admin-01", "admin-02", "editor-01", "editor-02")
    )


def test_a_gate_that_drops_every_upgrade_in_silence_refuses() -> None:
    def drops(request: hostile.Request) -> hostile.Reply:
        if "upgrade" in request.headers:
            return hostile.hangs_after_handshake(request)
        return hostile.basic_everything(request)

    with hostile.serving(drops) as server:
        letters, _ = judge(server.url, policy=Policy(admin_api="proxied", dashboards=("/ui",)))
    assert letters["admin-06"] == letters["dash-02"] == {"P"}
    assert "F" not in letters["proxy-05"]


def test_a_channel_whose_packets_a_front_refuses_is_opened_by_nothing_that_is_offered_a_session() -> None:
    def reads_only(request: hostile.Request) -> hostile.Reply | None:
        if "/ui/socket.io/?" not in request.path or "upgrade" in request.headers:
            return hostile.FakeNodeRED()(request)
        offered = b'0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'
        taken = hostile.Reply(200, {"Content-Type": "text/plain"}, offered)
        return taken if request.method == "GET" else hostile.Reply(403, {"Content-Type": "text/plain"}, b"no")

    with hostile.serving(reads_only) as server:
        letters, _ = judge(server.url, policy=Policy(dashboards=("/ui",)))
    assert letters["dash-02"] == {"P"}
    assert "F" not in letters["admin-12"] | letters["proxy-05"]


@pytest.mark.parametrize("after", [15, 40, 70])
@pytest.mark.parametrize("turn", ["challenge_everything", "basic_everything", "not_found", "refuse connections"])
def test_a_gate_that_closes_halfway(after: int, turn: str) -> None:
    others: dict[str, Any] = {"refuse connections": turn, "not_found": hostile.always(404)}
    other = others.get(turn) or getattr(hostile, turn)
    with hostile.serving(hostile.turns_after(hostile.FakeNodeRED(), after, other)) as server:
        letters, sentences = judge(server.url)
    assert "P" not in letters["reach-01"]
    # the second where a question was asked before and after, and the sign of life, a 404, is as it was
    assert any("no longer answers as before" in said or said.startswith(BY_TURNS) for said in sentences), sentences


def test_a_look_alike_of_a_hardened_node_red_is_green() -> None:
    with hostile.serving(hostile.FakeNodeRED()) as server:
        letters, sentences = judge(server.url)
    assert not sentences
    bare = {"http-06", "proxy-03"}  # no proxy stands before it, that adds headers and knows its own name
    assert {control for control, seen in letters.items() if "F" in seen} == bare
    assert server.peak <= 8


def test_each_question_is_asked_once() -> None:
    with hostile.serving(hostile.FakeNodeRED()) as server:
        judge(server.url)
    # once without credentials (admin-01), once with a made-up token (admin-02)
    assert server.requests.count("GET /flows HTTP/1.1") == 2
    assert server.requests.count("GET /red/red.min.js HTTP/1.1") == 1


def test_a_rate_limiter_is_obeyed_and_everything_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    for control in [
        control for control in CONTROLS if not control.startswith("admin-")
    ]:  # more would only wait for their turn
        monkeypatch.delitem(CONTROLS, control)
    with hostile.serving(hostile.rate_limited(hostile.FakeNodeRED(), per_second=40, burst=10)) as server:
        letters, sentences = judge(server.url, timeout=30.0)
    assert not sentences
    assert "P" in letters["admin-01"]
    assert len(server.requests) > 50


def test_a_certificate_that_changes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for control in [
        control for control in CONTROLS if control.startswith("tls-")
    ]:  # whose looks might meet the first one alone
        monkeypatch.delitem(CONTROLS, control)
    with hostile.serving(hostile.changes_certificate_after(3, hostile.FakeNodeRED())) as server:
        _, sentences = judge(server.url)
    assert any("certificate" in sentence and "changed" in sentence for sentence in sentences)


def test_nothing_of_the_environment_goes_into_an_anonymous_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login operator password hunter2\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "no-such-file.pem"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{hostile.closed_port()}")
    headers: list[Mapping[str, str]] = []
    node_red = hostile.FakeNodeRED()

    def noting(request: hostile.Request) -> hostile.Reply | None:
        headers.append(request.headers)
        return node_red(request)

    with hostile.serving(noting) as server:
        _, sentences = judge(server.url)
    assert not sentences
    # "": uibuilder counts in a file whoever names himself
    played = {dict(part.headers)["User-Agent"] for part in (BROWSER, NAVIGATION, MONITOR)}  # by proxy-05
    assert {header["user-agent"] for header in headers} == {f"pytest-nodered-sec/{__version__}", "", *played}
    made_up = dict(MADE_UP.headers)["Authorization"]  # proxy-05 tries a name and password that nobody has
    assert {header["authorization"] for header in headers if "Basic" in header.get("authorization", "")} <= {made_up}


def test_a_declared_login_on_the_same_host_is_a_refusal_and_not_followed() -> None:
    def to_login(request: hostile.Request) -> hostile.Reply | None:
        if request.path.startswith("/sso"):
            return hostile.page("<form>log in</form>", 200)
        return hostile.Reply(302, {"Location": "/sso/login?rd=x"}, b"")

    with hostile.serving(to_login) as server:
        letters, _ = judge(server.url, policy=Policy(admin_api="proxied", login_urls=("/sso",)))
        assert not [line for line in server.requests if "/sso" in line]
    assert letters["admin-01"] == letters["dash-01"] == letters["dash-02"] == {"P"}


def test_an_endpoint_that_may_act_is_not_asked() -> None:
    declared = (Endpoint("/x"), Endpoint("/x", "POST", "acts"))
    with hostile.serving(hostile.FakeNodeRED()) as server:
        letters, sentences = judge(server.url, policy=Policy(protected_paths=declared))
        assert not [line for line in server.requests if " /x " in line]
    assert letters["node-01"] == {"E"}
    assert any('effect = "none"' in sentence for sentence in sentences)


def test_a_500_that_every_path_gets_is_not_the_flow_behind_it() -> None:
    def breaks(request: hostile.Request) -> hostile.Reply | None:
        if request.method == "GET":
            return hostile.FakeNodeRED()(request)
        return hostile.Reply(500, {"Content-Type": "text/plain"}, b"Internal Server Error")

    declared = (Endpoint("/x", "POST"),)
    with hostile.serving(breaks) as server:
        letters, _ = judge(server.url, policy=Policy(protected_paths=declared))
    assert letters["node-01"] == {"E"}


def test_a_path_is_asked_as_it_is_spelled() -> None:
    refused = hostile.Reply(403, {"Content-Type": "text/plain"}, b"no")
    with hostile.serving(hostile.FakeNodeRED(replies={"/flows": refused})) as server:
        judge(server.url)
    assert {"GET /FlOwS HTTP/1.1", "GET /flows/ HTTP/1.1"} <= set(server.requests)
    assert "GET /NODES HTTP/1.1" not in server.requests  # which Node-RED itself refuses
    assert "GET /DASHBOARD HTTP/1.1" not in server.requests  # Express itself says that there is none


def test_a_file_is_known_by_its_content_which_is_not_kept() -> None:
    secret = b"module.exports = {credentialSecret: 'hunter2'}"
    files = {"/settings.js": hostile.Reply(200, {"Content-Type": "application/javascript"}, secret)}
    with hostile.serving(hostile.FakeNodeRED(replies=files)) as server:
        letters, _ = judge(server.url)
        target = Target("host", server.url, Policy(), timeout=LIMIT)
        survey = Survey()
        seen = survey.answer(target, next(ask for ask in questions.user_files(target) if ask.label == "/settings.js"))
        survey.close()
    assert letters["static-01"] == {"P", "F"}
    assert "hunter2" not in repr(seen)
    assert seen.evidence().endswith("(application/javascript, 46 bytes)")


def test_a_redirected_write_is_not_sent_on() -> None:
    def elsewhere(request: hostile.Request) -> hostile.Reply | None:
        if request.method == "GET" or request.path.startswith("/other"):
            return hostile.FakeNodeRED()(request)
        return hostile.Reply(307, {"Location": f"/other{request.path}"}, b"")

    with hostile.serving(elsewhere) as server:
        letters, _ = judge(server.url)
        assert not [line for line in server.requests if "/other" in line]
    assert letters["admin-03"] == {"E"}


def test_a_page_that_every_hole_answers_is_no_file() -> None:
    def lies(request: hostile.Request) -> hostile.Reply | None:
        if "..%2" in request.path.lower():
            return hostile.page('{"name": "node-red-dashboard"}')
        return hostile.FakeNodeRED()(request)

    with hostile.serving(lies) as server:
        letters, _ = judge(server.url)
        assert "GET /ui_base/js/..%2F..%2Fpackage.json HTTP/1.1" in server.requests  # sent as written
    assert letters["static-02"] == {"P"}


def test_an_open_hole_is_found_and_nothing_of_the_file_kept() -> None:
    told = hostile.json_reply({"name": "node-red-dashboard", "version": "hunter2"})
    with hostile.serving(hostile.FakeNodeRED(replies={"/ui_base/js/..%2F..%2Fpackage.json": told})) as server:
        letters, _ = judge(server.url)
        target = Target("host", server.url, Policy(), timeout=LIMIT)
        survey = Survey()
        seen = survey.answer(target, next(iter(questions.known_holes(target))))
        survey.close()
    assert letters["static-02"] == {"P", "F"}
    assert "hunter2" not in repr(seen)
