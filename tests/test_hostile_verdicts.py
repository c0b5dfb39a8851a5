"""No false green: which controls pass, fail, err or are skipped on servers that hang, lie or break."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hostile
import pytest

from pytest_nodered_sec import __version__, questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import HttpSettings, NotApplicable, Target
from pytest_nodered_sec.policy import Endpoint, Policy
from pytest_nodered_sec.rules import (
    access,
    browser,
    certificates,
    chain,
    channels,
    credentials,
    dashboard,
    editor,
    endpoints,
    exposure,
    inside,
    interfaces,
    patches,
    reach,
    revocation,
    static,
    suites,
    transport,
    variants,
)
from pytest_nodered_sec.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LIMIT = 3.0  # seconds of one look

CONTROLS: dict[str, tuple[Callable[[Target], Iterable[Any]], Callable[[Any, Policy], Any]]] = {
    "reach-01": (lambda target: questions.REACH, reach.answers_throughout),
    "http-01": (questions.surfaces_in_clear, transport.nothing_in_clear),
    "http-02": (questions.redirects, transport.redirects_well),
    "http-03": (questions.logins_in_clear, transport.login_stays_out),
    "http-04": (lambda target: questions.SPOOFS, transport.headers_do_not_steer),
    "http-05": (questions.channels_in_clear, transport.channel_stays_out),
    "tls-01": (lambda target: questions.CHAIN, chain.chain_is_trusted),
    "tls-02": (lambda target: questions.CHAIN, chain.names_the_host),
    "tls-03": (lambda target: questions.CHAIN, chain.renewal_is_in_time),
    "tls-04": (lambda target: questions.CHAIN, certificates.chain_is_in_order),
    "tls-05": (lambda target: questions.CHAIN, certificates.keys_are_strong),
    "tls-06": (lambda target: questions.CHAIN, certificates.lifetime_is_limited),
    "tls-07": (lambda target: questions.OLD_VERSIONS, suites.old_version_is_refused),
    "tls-08": (lambda target: questions.NEW_VERSIONS, suites.new_version_is_offered),
    "tls-09": (lambda target: questions.SUITES, suites.no_suite_is_broken),
    "tls-10": (lambda target: questions.GROUPS, suites.groups_are_large_enough),
    "tls-11": (lambda target: questions.CHAIN, certificates.issued_by_the_named_ca),
    "tls-12": (  # collection leaves it out otherwise
        lambda target: questions.CLIENT_CERTIFICATE if target.policy.mutual_tls else (),
        revocation.demands_client_certificate,
    ),
    "tls-13": (lambda target: questions.REVOCATION, revocation.not_revoked),
    "tls-14": (lambda target: questions.SUITES, suites.suites_are_forward_secret),
    "tls-15": (lambda target: questions.SUITES, suites.suites_are_listed),
    "admin-01": (questions.guarded_reads, access.refuses_access),
    "admin-02": (questions.forged_reads, access.refuses_access),
    "admin-03": (questions.harmless_writes, access.refuses_access),
    "admin-06": (lambda target: questions.COMMS, channels.comms_refuses),
    "node-02": (questions.websockets, channels.websocket_refuses),
    "dash-03": (questions.support_data, dashboard.support_data_is_refused),
    "origin-01": (questions.foreign_origins, channels.foreign_origin_is_refused),
    "admin-05": (questions.respelled_reads, variants.spelling_opens_nothing),
    "dash-04": (questions.respelled_pages, variants.page_spelling_opens_nothing),
    "admin-07": (questions.foreign_readers, browser.allows_no_foreign_origin),
    "admin-12": (questions.claimed_identities, variants.identity_header_opens_nothing),
    "csrf-01": (lambda target: questions.CROSS_SITE, browser.cross_site_post_is_refused),
    "editor-03": (questions.pages, browser.cannot_be_framed),
    "version-01": (lambda target: questions.TELLS_RELEASE, inside.release_is_not_told),
    "patch-01": (lambda target: questions.NODE_RED_RELEASE, patches.is_free_of_advisories),
    "admin-10": (lambda target: questions.ADMIN_ROUTES, inside.admin_routes_are_guarded),
    "editor-04": (lambda target: questions.INSTALL_RIGHTS, inside.nothing_installs_from_the_editor),
    "flow-01": (lambda target: questions.ENTRIES, inside.ways_in_are_declared),
    "http-06": (questions.opened_pages, transport.insists_on_https),
    "proxy-01": (lambda target: questions.OWN_PORT, exposure.own_port_is_shut),
    "proxy-02": (lambda target: questions.VERSIONS, exposure.tells_no_version),
    "proxy-03": (lambda target: questions.STRANGE_NAME, exposure.strange_name_is_turned_away),
    "proxy-04": (questions.closed_ports, exposure.port_is_closed),
    "cookie-01": (lambda target: questions.COOKIES, exposure.cookies_are_guarded),
    "static-01": (questions.user_files, static.file_is_not_served),
    "static-02": (questions.known_holes, static.hole_is_shut),
    "dash-05": (questions.public_widgets, interfaces.public_dashboard_only_shows),
    "live-01": (questions.interfaces, interfaces.interface_refuses),
    "admin-04": (lambda target: questions.LOGIN_OFFER, access.login_is_configured),
    "editor-01": (questions.editor_page, editor.editor_is_off_or_protected),
    "editor-02": (questions.editor_parts, editor.editor_is_gone),
    "dash-01": (questions.dashboard_pages, dashboard.page_refuses),
    "node-01": (questions.endpoints, endpoints.endpoint_refuses),
    "cred-01": (lambda target: questions.LOGIN_GUESSES, credentials.known_password_cannot_log_in),
    "cred-02": (questions.basic_logins, credentials.known_password_opens_nothing),
    "dash-02": (questions.dashboard_channels, dashboard.channel_refuses),
}
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
    found = {name: {one for one, seen in letters.items() if letter in seen} for name, letter in names.items()}
    assert found == {name: groups.get(name, set()) for name in names}


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
    assert len([one for one in sentences if "refused" in one]) == 1
    assert all("see reach-01" in one for one in sentences if "refused" not in one)


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
    assert any(str(status) in one for one in sentences)


@pytest.mark.parametrize("name", ["catch_all_page", "catch_all_exact", "catch_all_login", "endless_body"])
def test_every_path_answers_the_same_page(name: str) -> None:
    with hostile.serving(getattr(hostile, name)) as server:
        letters, _ = judge(server.url)
    expect(
        letters,
        passes=TLS | CLEAR | {"proxy-02"},  # no version is told in any answer
        fails={"http-06"},
        errs=OTHERS - CLEAR - STEER - SAID - BASIC,
        skips=STEER | BASIC | ON_DEMAND | UNSPOKEN | {"cookie-01"},
    )


def test_wrong_admin_root_where_everything_is_404() -> None:
    with hostile.serving(hostile.everything_404) as server:
        letters, _ = judge(server.url)
    expect(
        letters,
        passes=TLS | CLEAR | {"proxy-02"},
        fails={"admin-01", "admin-02", "http-06"},
        errs={"reach-01", "editor-01", "editor-02", "editor-03", "proxy-03", "static-01", "static-02"},
        skips=STEER
        | ON_DEMAND
        | UNSPOKEN
        | {
            "admin-01",
            "admin-02",
            "admin-03",
            "admin-04",
            "admin-05",
            "admin-06",
            "admin-07",
            "admin-12",
            "cookie-01",
            "cred-01",
            "cred-02",
            "csrf-01",
            "dash-01",
            "dash-02",
            "dash-03",
            "dash-04",
            "admin-10",
            "dash-05",
            "editor-03",
            "editor-04",
            "flow-01",
            "live-01",
            "origin-01",
            "patch-01",
            "version-01",
        },
    )


def test_wrong_admin_root_with_the_api_said_to_be_off() -> None:
    with hostile.serving(hostile.everything_404) as server:
        letters, _ = judge(server.url, policy=Policy(admin_api="disabled"))
    assert "P" not in letters["admin-01"] | letters["editor-01"] | letters["reach-01"]


def test_basic_login_before_everything_shows_nobody() -> None:
    with hostile.serving(hostile.basic_everything) as server:
        letters, _ = judge(server.url)
    assert {one for one, seen in letters.items() if "E" in seen} >= {"reach-01", "admin-01", "admin-02", "editor-01"}
    assert not any("P" in letters[one] for one in ("reach-01", "admin-01", "admin-02", "editor-01", "editor-02"))


@pytest.mark.parametrize("after", [15, 40, 70])
@pytest.mark.parametrize("turn", ["challenge_everything", "basic_everything", "not_found", "refuse connections"])
def test_a_gate_that_closes_halfway(after: int, turn: str) -> None:
    others: dict[str, Any] = {"refuse connections": turn, "not_found": hostile.always(404)}
    other = others.get(turn) or getattr(hostile, turn)
    with hostile.serving(hostile.turns_after(hostile.FakeNodeRED(), after, other)) as server:
        letters, sentences = judge(server.url)
    assert "P" not in letters["reach-01"]
    assert any("stopped answering us" in one for one in sentences)


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


def test_a_rate_limiter_is_obeyed_and_everything_answered() -> None:
    with hostile.serving(hostile.rate_limited(hostile.FakeNodeRED(), per_second=40, burst=10)) as server:
        letters, sentences = judge(server.url, timeout=10.0)
    assert not sentences
    assert "P" in letters["admin-01"]


def test_a_certificate_that_changes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for control in [one for one in CONTROLS if one.startswith("tls-")]:  # whose looks might meet the first one alone
        monkeypatch.delitem(CONTROLS, control)
    with hostile.serving(hostile.changes_certificate_after(3, hostile.FakeNodeRED())) as server:
        _, sentences = judge(server.url)
    assert any("certificate" in one and "changed" in one for one in sentences)


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
    assert {one["user-agent"] for one in headers} == {f"pytest-nodered-sec/{__version__}", ""}
    assert not [one for one in headers if one.get("authorization", "").startswith("Basic")]


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
    assert any('effect = "none"' in one for one in sentences)


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
    with hostile.serving(hostile.FakeNodeRED()) as server:
        judge(server.url)
    assert {"GET /FLOWS HTTP/1.1", "GET /flows/ HTTP/1.1", "GET /DASHBOARD HTTP/1.1"} <= set(server.requests)


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
