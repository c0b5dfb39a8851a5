"""Which controls a run is about: marks, keywords, `--nodered-control`; and what `--nodered-controls=GLOB` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.catalogue import catalogue, details
from pytest_nodered_sec.session.selection import no_such_control
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from session.conftest import Site

STRICT = ("--strict-markers", "-W", "error")


def selected(site: Site, *args: str) -> set[str]:
    """Ids of the tests that are left, without their cases."""
    return {name.partition("[")[0] for name in site.ids(*STRICT, *args)}


def test_severities_are_marks_and_ids_are_keywords(site_with_control: Site) -> None:
    by_mark = selected(site_with_control, "-m", "nodered_critical")
    critical = {
        f"nodered-sec/{entry.module}.py::{entry.test}"
        for entry in catalogue().values()
        if entry.control.severity is Severity.CRITICAL
    }
    assert by_mark == critical | {"test_site.py::test_orders"}
    dash = catalogue()["dash-02"]
    assert selected(site_with_control, "-k", "dash-02") == {f"nodered-sec/{dash.module}.py::{dash.test}"}


def test_the_marks_are_registered(site: Site) -> None:
    shown = site.run("--markers", *STRICT, url=None).stdout.str()
    for severity in Severity:
        assert f"@pytest.mark.nodered_{severity.value}: " in shown


def test_a_glob_selects_controls_and_the_last_line_says_what_was_left_out(site_with_control: Site) -> None:
    site_with_control.write(test_plain="def test_plain():\n    pass\n")
    assert selected(site_with_control, "--nodered-control=site-*") == {"test_site.py::test_orders"}
    result = site_with_control.run(*STRICT, "--nodered-suite=off", "--nodered-control=SITE-01", "test_site.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = "--nodered-control=SITE-01: there is no control with such an id; did you mean site-01?"
    assert said in result.stdout.str() + result.stderr.str()
    assert "nothing is proven" not in result.stdout.str()
    args = ("--nodered-lab=moved", "--nodered-suite=only", "--nodered-control=zz*")  # said before the lab starts
    early = site_with_control.run(*args, url=None)
    assert early.ret == pytest.ExitCode.USAGE_ERROR
    early.stderr.fnmatch_lines(["ERROR: --nodered-control=zz[*]: there is no control with such an id; *"])
    assert "nodered-sec: " not in early.stderr.str()
    result = site_with_control.run(*STRICT, "--nodered-control=reach-01", "--nodered-control=site-01", "-n2")
    result.stdout.fnmatch_lines(["nodered-sec: judged 1 of *; * not selected (--nodered-control)"])
    assert not [line for line in site_with_control.asked() if "GET" in line]  # nothing is asked for what was left out


def test_a_glob_without_a_target_or_a_control_is_wrong_use(site: Site) -> None:
    site.write(test_plain="def test_plain():\n    pass\n")
    result = site.run("--nodered-control=dash-*", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --nodered-control needs a target: add --nodered-url=https://HOST*"])
    (site.path / "tox.ini").write_text("[pytest]\nnodered_control = dash-*\n")
    (site.path / "tox.ini").rename(site.path / "pytest.ini")
    site.run("test_plain.py", url=None).assert_outcomes(passed=1)  # nothing is asked, so nothing is left out
    (site.path / "pytest.ini").write_text("[pytest]\nnodered_url = https://plant.example\n")
    result = site.run("--nodered-control=dash-*", "test_plain.py", url=None)
    said = "--nodered-control=dash-*: the bundled suite is not part of this run; add nodered-sec to the paths"
    assert said in result.stdout.str() + result.stderr.str()


def test_an_audit_is_not_narrowed_by_a_glob(site: Site) -> None:
    result = site.run("--nodered-audit", "--nodered-control=dash-*")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --nodered-audit runs every test exactly once: remove --nodered-control"])
    result = site.run("--nodered-audit", "-m", "nodered_critical")
    result.stderr.fnmatch_lines(["ERROR: --nodered-audit runs every test exactly once: remove -m"])


def test_everything_about_a_control_is_printed(site: Site) -> None:
    result = site.run("--nodered-controls=dash-0[12]", url=None)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "dash-01  *",
            "  nodered-sec/test_dashboard.py::*",
            "  finding   *",
            "  expected  *",
            "  remedy    *",
            "  requires  IEC 62443-3-3: SR *",
            "dash-02  *",
            "  nodered-sec/test_dashboard.py::*",
            "  reason    *",
        ]
    )
    assert max(map(len, result.outlines)) <= 120
    site.write(test_plain="def test_plain():\n    pass\n")
    listed = site.run("--nodered-controls", "test_plain.py", url=None)  # the path is not the option's value
    assert "  dash-02 " in listed.stdout.str()
    result = site.run("--nodered-controls=dsh-*", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --nodered-controls=dsh-*: there is no control with such an id; did you mean dash-[*][?]"]
    )


def test_the_guide_is_printed_where_no_docs_are_installed(site: Site) -> None:
    result = site.run("--nodered-guide", url=None)
    assert result.ret == 0
    assert result.outlines[0] == "# From a fresh Node-RED to all green"
    assert "## 2. " in result.stdout.str()


def test_every_control_can_be_printed() -> None:
    for control in catalogue():
        text = details(control)
        assert ("remedy    " in text) == (control != "reach-01"), control
        assert "requires  NIST" in text
    assert details("site-*") == ""
    assert no_such_control("xyzzy") == (
        "there is no control with such an id; pytest --nodered-controls lists the bundled ones"
    )
    for part in ("tls", "TLS-", "tls*"):
        assert no_such_control(part) == "there is no control with such an id; did you mean tls-*?"
