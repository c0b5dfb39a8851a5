"""The bundled suite against real deployments of the lab: exactly which controls fail, err, or do not apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from suite_controls import CONTROLS
from suite_runs import ALSO_ON_4, EXPECTED, by_the_calendar, need_nginx, run, spec, with_outcome

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.fixture(scope="module", params=["4+nginx", "5+caddy"])
def release(request: pytest.FixtureRequest) -> str:
    """Major version and proxy: each once, because all four pairs take twice as long and never differed."""
    name: str = request.param
    if "nginx" in name:
        need_nginx()
    return name


@pytest.fixture(scope="module")
def seen(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """One run over all deployments of one major behind one proxy."""
    specs = [f"--nodered-lab={spec(name, release)}" for name in EXPECTED]
    outcomes = run(tmp_path_factory.mktemp("run"), *specs)
    return {target.split("@")[0].removeprefix("lab-"): controls for target, controls in outcomes.items()}


def test_every_deployment_is_expected() -> None:
    assert set(EXPECTED) == set(lab.names())
    assert len(EXPECTED) >= 45


def test_every_control_from_outside_is_seen_to_fail() -> None:
    failing = set[str]().union(*(failing for failing, _ in EXPECTED.values()))
    never = {
        "fleet-01",  # it needs two names of one server: tests/live/test_guesses.py
        "fleet-02",  # it needs two machines: tests/machine/test_copies.py
        "reach-01",  # it only errs (sso)
        "reach-02",  # it needs two addresses or servers: tests/live/test_two_doors.py
        "tls-16",  # no TLS library of today will do: tests/probes/tls/test_old_suites.py
        "waiver-01",  # tests/live/test_waivers_live.py
    }
    assert {control for control in CONTROLS if not control.startswith("host-")} - failing == never
    assert "reach-01" in EXPECTED["sso"][1]


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_these_controls_fail_and_err(name: str, release: str, seen: dict[str, dict[str, set[str]]]) -> None:
    failing, erring = EXPECTED[name]
    failing = failing | (ALSO_ON_4.get(name, set()) if release.startswith("4") else set())
    failing |= by_the_calendar(lab.parse(spec(name, release)).major, seen[name])
    outcomes = ("non-compliant", "could-not-look")  # beside each other: what stopped failing may err
    assert [with_outcome(seen[name], outcome) for outcome in outcomes] == [failing, erring]


def test_every_control_from_outside_is_seen_to_pass(seen: dict[str, dict[str, set[str]]]) -> None:
    passed = {control for controls in seen.values() for control in with_outcome(controls, "compliant")}
    never = {"fleet-02", "waiver-01"}  # there are no hosts, and nothing is waived
    assert {control for control in CONTROLS if not control.startswith("host-")} - passed == never
    assert seen["interfaces-gated"]["live-01"] == seen["public-showing"]["dash-05"] == {"compliant"}
    assert seen["hardened"]["static-02"] == {"compliant"}


def test_what_is_public_is_joined_for_its_widgets_alone(seen: dict[str, dict[str, set[str]]]) -> None:
    assert seen["public-showing"]["dash-02"] == seen["hardened"]["dash-05"] == {"not-applicable"}


def test_without_dashboards_their_controls_do_not_apply(seen: dict[str, dict[str, set[str]]]) -> None:
    assert seen["nodash"]["dash-01"] == seen["nodash"]["dash-02"] == {"not-applicable"}
    # admin-12 and proxy-05 ask dashboards as well, and patch-02 knows no other module there
    asking = {control for control in seen["nodash"] if control.startswith("dash-")}
    asking |= {"admin-12", "patch-02", "proxy-05"}
    others = set(seen["nodash"]) - asking
    assert {other: seen["nodash"][other] for other in others} == {other: seen["hardened"][other] for other in others}


def test_under_xdist_the_verdicts_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    specs = ["--nodered-lab=fresh", "--nodered-lab=hardened"]
    assert run(tmp_path / "one", *specs) == run(tmp_path / "two", "-n2", *specs)


def test_a_declared_login_is_a_refusal(tmp_path: Path) -> None:
    [controls] = run(
        tmp_path, "--nodered-lab=sso", "--nodered-admin-api=proxied", "--nodered-login-url=https://login.example/auth"
    ).values()
    assert with_outcome(controls, "could-not-look") == set()
    assert with_outcome(controls, "non-compliant") == EXPECTED["sso"][0]
    assert {"dash-01", "dash-02", "admin-01"} <= with_outcome(controls, "compliant")


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_dots_do_not_lead_around_the_gate(proxy: str) -> None:
    if proxy == "nginx":
        need_nginx()
    # The gate reads /x, but Socket.IO the beginning of what was sent.
    dots = ("/ui/socket.io/../../x", "/ui/socket.io/%2e%2E/.%2e/x", "/ui/socket.io/..%2f../x", "/ui/socket.io/")
    with lab.start([f"hardened+{proxy}"], say=lambda line: None) as running, requests.Session() as session:
        [deployment] = running.deployments
        statuses = []
        for path in dots:
            request = requests.Request("GET", deployment.url).prepare()
            request.url = f"{deployment.url}{path}?EIO=4&transport=polling"  # not tidied up
            statuses.append(session.send(request, verify=deployment.ca_file, timeout=10).status_code)
        request = requests.Request("GET", f"{deployment.url}/ui/", auth=deployment.credentials()).prepare()
        statuses.append(session.send(request, verify=deployment.ca_file, timeout=10).status_code)
    assert statuses == [404, 404, 404, 401, 200]
