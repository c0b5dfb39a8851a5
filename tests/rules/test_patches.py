"""Releases against the tables: what is affected, what is not, and where to go."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, cast

import pytest
from seen import violations

from pytest_nodered_sec.observations.account import Installed
from pytest_nodered_sec.observations.exposure import Exposure
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.patches import is_free_of_advisories, node_is_maintained
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

TODAY = date(2026, 11, 25)
JSONATA = ["CVE-2026-77415", "CVE-2026-77414", "CVE-2026-77413", "CVE-2026-12208", "CVE-2026-52746"]
PROJECTS = ["node-red#5768", "node-red#5724", "node-red#5722"]


def installed(*releases: tuple[str, str], what: str = "Node-RED", on: date = TODAY) -> Installed:
    return Installed(what, releases, "seen in GET /settings as viewer", "", on, TODAY)


def codes(rule: Any, seen: Installed) -> list[str]:
    return [violation.code for violation in violations(rule(seen, Policy()))]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("5.0.7", []),
        ("5.1.0-beta.1", []),
        ("6.0.0", []),
        ("4.1.15", []),
        ("4.1.14", []),  # jsonata 2.2.2
        ("4.1.13", JSONATA),  # reverted to 2.0.6
        ("4.1.12", []),
        ("4.1.12-beta.1", [*JSONATA, "node-red#5884"]),
        ("4.1.11", [*JSONATA, "node-red#5884"]),
        ("4.1.10", [*JSONATA, "node-red#5884", "node-red#5768"]),
        ("4.1.9", [*JSONATA, "node-red#5884", *PROJECTS]),
        ("4.1.0", [*JSONATA, "node-red#5884", *PROJECTS]),
        ("4.1.0-beta.2", [*JSONATA, "node-red#5884", *PROJECTS, "node-red#5186"]),
        ("5.0.5", []),
        ("5.0.4", JSONATA),
        ("5.0.2", []),
        ("5.0.1", [*JSONATA, "node-red#5884"]),
        ("5.0.0", [*JSONATA, "node-red#5884"]),
        ("5.0.0-beta.6", [*JSONATA, "node-red#5884"]),
        ("5.0.1-git", [*JSONATA, "node-red#5884"]),
        ("3.1.15", [*JSONATA, "node-red#5884", *PROJECTS, "node-red#5186", "unmaintained"]),
        ("a fork", ["unknown-release"]),
    ],
)
def test_node_red(release: str, expected: list[str]) -> None:
    assert codes(is_free_of_advisories, installed(("node-red", release))) == expected


def test_an_old_one_has_all_of_them() -> None:
    ids = codes(is_free_of_advisories, installed(("node-red", "0.20.7")))
    assert {"CVE-2019-15607", "CVE-2021-21297", "CVE-2021-21298", "CVE-2024-27307"} <= set(ids)


@pytest.mark.parametrize(
    ("release", "fixed", "install"),
    [
        ("4.1.11", "4.1.12", "node-red@4.1.15"),
        ("5.0.1", "5.0.2", "node-red@5.0.7"),
        ("4.0.9", "4.1.12", "node-red@4.1.15"),
        ("3.1.15", "4.1.12", "node-red@4.1.15"),
        ("1.2.7", "4.1.12", "node-red@4.1.15"),
    ],
)
def test_a_finding_names_the_advisory_and_the_release_of_the_same_line(release: str, fixed: str, install: str) -> None:
    faults = violations(is_free_of_advisories(installed(("node-red", release)), Policy()))
    violation = next(violation for violation in faults if violation.code == "node-red#5884")
    assert violation.observed.startswith(f"Node-RED {release}, seen in GET /settings as viewer: node-red#5884 / ")
    assert f"fixed in {fixed} (https://" in violation.expected
    assert install in violation.remedy


def test_an_ended_line_is_said() -> None:
    *_, violation = violations(is_free_of_advisories(installed(("node-red", "3.1.15")), Policy()))
    assert (violation.code, violation.expected) == (
        "unmaintained",
        "a supported release line: Node-RED 3 ended on 2025-06-30 (https://nodered.org/about/releases)",
    )


def test_the_end_of_a_line_is_told_ahead_as_the_profile_plans() -> None:
    seen = installed(("node-red", "4.1.15"), on=date(2026, 12, 20))
    assert violations(is_free_of_advisories(seen, Policy(profile="baseline"))) == ()
    [soon] = violations(is_free_of_advisories(seen, Policy()))
    assert soon.code == "ends-soon"
    assert "supported for 30 more days (profile production): Node-RED 4 ends on 2026-12-31, in 11 days" in soon.expected
    assert "node-red@5" in soon.remedy
    early = installed(("node-red", "4.1.15"), on=date(2026, 8, 1))
    assert violations(is_free_of_advisories(early, Policy())) == ()
    assert [violation.code for violation in violations(is_free_of_advisories(early, Policy(profile="strict")))] == [
        "ends-soon"
    ]
    ended = installed(("node-red", "4.1.15"), on=date(2027, 1, 1))
    [gone] = violations(is_free_of_advisories(ended, Policy(profile="baseline")))
    assert gone.code == "unmaintained"


@pytest.mark.parametrize(
    ("package", "release", "expected"),
    [
        ("node-red-dashboard", "3.6.6", []),
        ("node-red-dashboard", "3.1.9", ["CVE-2022-3783"]),
        ("node-red-dashboard", "2.26.1", ["CVE-2022-3783", "CVE-2021-3223"]),
        ("node-red-dashboard", "2.16.3", ["CVE-2022-3783", "CVE-2021-3223", "CVE-2019-10756"]),
        ("node-red-contrib-huemagic", "3.0.0", ["CVE-2021-25864"]),
        ("@flowfuse/node-red-dashboard", "1.31.0", []),
        ("node-red-contrib-own", "", []),
        ("node-red-dashboard", "", ["unknown-release"]),
    ],
)
def test_modules(package: str, release: str, expected: list[str]) -> None:
    seen = installed(("node-red-contrib-s7", "3.1.3"), (package, release), what="modules")
    assert codes(is_free_of_advisories, seen) == expected
    assert f"node-red-contrib-s7 3.1.3, {package} {release}" in seen.evidence()


def test_what_nobody_mends_is_to_be_removed() -> None:
    seen = installed(("node-red-contrib-huemagic", "3.0.0"), what="modules")
    (violation,) = violations(is_free_of_advisories(seen, Policy()))
    assert "no fixed release is known" in violation.expected
    assert violation.remedy == "npm uninstall node-red-contrib-huemagic, in the user directory"


def test_a_module_is_updated_in_the_user_directory() -> None:
    (violation,) = violations(
        is_free_of_advisories(installed(("node-red-dashboard", "3.1.9"), what="modules"), Policy())
    )
    assert violation.remedy == "npm install node-red-dashboard@latest, in the user directory, then restart Node-RED"


@pytest.mark.parametrize(
    ("release", "on", "expected"),
    [
        ("24.22.1", TODAY, []),
        ("24.19.0", TODAY, ["node-behind"]),
        ("22.9.0", date(2027, 4, 30), ["node-behind"]),
        ("22.9.0", date(2027, 5, 1), ["node-unmaintained"]),
        ("20.20.2", TODAY, ["node-unmaintained"]),
        ("25.9.0", TODAY, ["node-unmaintained"]),
        ("6.17.1", TODAY, ["node-unmaintained"]),
        ("28.0.0", TODAY, []),
        ("?", TODAY, ["node-unmaintained"]),
    ],
)
def test_node(release: str, on: date, expected: list[str]) -> None:
    assert codes(node_is_maintained, installed(("node", release), what="Node.js", on=on)) == expected


def test_evidence_says_who_told_it_and_how_old_the_table_is() -> None:
    seen = installed(("node-red", "5.0.7"))
    assert seen.evidence() == "Node-RED 5.0.7, seen in GET /settings as viewer; table of 2026-11-25"
    assert installed(what="modules").evidence().startswith("no modules, ")


CVE, KEYS = "CVE-2026-71269", "node-red#5868"


@pytest.mark.parametrize(
    ("exposures", "expected"),
    [
        ((Exposure(CVE, closed="the editor is disabled"), Exposure(KEYS, closed="the editor is disabled")), []),
        ((Exposure(CVE, exposed="the editor is enabled"), Exposure(KEYS, closed="Projects are disabled")), [CVE]),
        ((Exposure(CVE, exposed="the editor is enabled"), Exposure(KEYS, lacking="no account")), [CVE]),
        ((Exposure(CVE, exposed="x"), Exposure(KEYS, exposed="y")), [CVE, KEYS]),
        ((Exposure("CVE-of-another-table", exposed="x"),), []),
    ],
)
def test_what_no_release_fixes_is_a_finding_unless_it_is_closed(
    exposures: tuple[Exposure, ...], expected: list[str]
) -> None:
    seen = replace(installed(("node-red", "5.0.7")), exposures=exposures)
    assert codes(is_free_of_advisories, seen) == expected


def test_what_no_release_fixes_says_what_closes_it() -> None:
    seen = replace(installed(("node-red", "5.0.7")), exposures=(Exposure(CVE, exposed="GET /x answered 401"),))
    [fault] = cast("tuple[Violation, ...]", is_free_of_advisories(seen, Policy()))
    assert fault.observed.startswith("GET /x answered 401: ")
    assert "disableEditor: true" in fault.remedy
    assert "npm install" not in fault.remedy
    assert seen.evidence().endswith("2026-11-25; CVE-2026-71269, which no release fixes, open: GET /x answered 401")


def test_what_is_not_known_of_it_is_not_judged() -> None:
    exposures = (Exposure(CVE, closed="refused"), Exposure(KEYS, lacking="give an account"))
    seen = replace(installed(("node-red", "5.0.7")), exposures=exposures)
    assert is_free_of_advisories(seen, Policy()) == NotJudged(f"{KEYS}, which no release fixes: give an account")
    assert seen.evidence().endswith(f"{KEYS}, which no release fixes, not known: give an account")


@pytest.mark.parametrize("rule", [is_free_of_advisories, node_is_maintained])
def test_what_is_not_known_is_not_judged(rule: Any) -> None:
    lacking = "not judged without an account"
    seen = Installed("Node.js", (), "", lacking, TODAY, TODAY)
    assert rule(seen, Policy()) == NotJudged(
        f"{lacking}; or look from inside: --nodered-host=ssh://USER@HOST (host-16)"
    )
    assert seen.evidence() == lacking


def test_no_modules_are_nothing_to_judge() -> None:
    assert isinstance(is_free_of_advisories(installed(what="modules"), Policy()), NotApplicable)


def test_what_names_node_reds_release() -> None:
    assert installed(("node-red", "5.0.7")).node_red == "5.0.7"
    assert installed(("node-red-dashboard", "3.6.0"), what="modules").node_red == ""
    assert installed().node_red == ""
