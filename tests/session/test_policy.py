"""The policy file in a run: which targets, which value wins, what is shown, what fails the run, what stays secret."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from session.conftest import WORKERS

from pytest_nodered_sec.policy.show import digest
from pytest_nodered_sec.policy.toml import toml
from pytest_nodered_sec.session.state import TARGETS

if TYPE_CHECKING:
    from session.conftest import Site

    from pytest_nodered_sec import Target

FILE = """
[[target]]
name = "north"
url = "https://north.example"
labels = {line = "7"}
[[target]]
name = "south"
url = "https://south.example:8443/red/"
editor = "protected"
"""


@pytest.fixture
def filed(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with an ini file and a policy file beside it."""
    pytester.makeini("[pytest]")
    (pytester.path / "nodered-sec.toml").write_text(FILE, encoding="utf-8")
    return pytester


def targets(pytester: pytest.Pytester, *args: str) -> tuple[Target, ...]:
    return pytester.parseconfigure("-p", "no:randomly", *args).stash[TARGETS]


def names(pytester: pytest.Pytester, *args: str) -> list[str]:
    return [target.name for target in targets(pytester, *args)]


def test_the_file_beside_the_ini_file_names_the_targets(filed: pytest.Pytester) -> None:
    assert names(filed) == ["north", "south"]
    (filed.path / "below").mkdir()
    assert names(filed, "below") == ["north", "south"]


@pytest.mark.parametrize(
    ("args", "chosen"),
    [
        (["--nodered-target=north"], ["north"]),
        (["--nodered-target=*th"], ["north", "south"]),
        (["--nodered-target=south", "--nodered-target=*th"], ["south", "north"]),
        (["--nodered-target=line=7"], ["north"]),
        (["--nodered-url=https://other.example"], ["other.example"]),
        (["--nodered-url=https://SOUTH.example:8443/red"], ["south"]),
        (["--nodered-target=north", "--nodered-url=https://other.example"], ["north", "other.example"]),
    ],
)
def test_choosing(filed: pytest.Pytester, args: list[str], chosen: list[str]) -> None:
    assert names(filed, *args) == chosen


def test_a_url_of_the_ini_file_is_weaker_than_the_file(filed: pytest.Pytester) -> None:
    filed.makeini("[pytest]\nnodered_url = https://other.example")
    assert names(filed) == ["north", "south"]


def test_a_url_takes_its_targets_own_settings(filed: pytest.Pytester) -> None:
    (south,) = targets(filed, "--nodered-url=https://south.example:8443/red/")
    assert (south.name, south.policy.editor) == ("south", "protected")
    (south,) = targets(filed, "--nodered-url=https://south.example:8443/red/", "--nodered-editor=disabled")
    assert south.policy.editor == "disabled"


TUNNELS = "".join(
    f'[[target]]\nname = "gw-{number}"\nurl = "https://gw.local"\nconnect = "127.0.0.1:{port}"\n'
    for number, port in enumerate((8441, 8442, 8443, 8444), 1)
)


@pytest.mark.parametrize("name", ["gw-1", "gw-2", "gw-4"])
def test_targets_behind_tunnels_are_told_apart_by_name(filed: pytest.Pytester, name: str) -> None:
    (filed.path / "nodered-sec.toml").write_text(TUNNELS)
    (target,) = targets(filed, f"--nodered-target={name}")
    assert (target.name, target.connect) == (name, f"127.0.0.1:844{name[-1]}")
    assert names(filed, "--nodered-target=gw-[23]") == ["gw-2", "gw-3"]
    assert names(filed) == ["gw-1", "gw-2", "gw-3", "gw-4"]


def test_a_url_that_several_targets_have_means_none_of_them(filed: pytest.Pytester) -> None:
    (filed.path / "nodered-sec.toml").write_text(TUNNELS)
    result = filed.runpytest_inprocess("-p", "no:randomly", "--nodered-url=https://gw.local/")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: --nodered-url=https://gw.local: 4 targets of the policy file have this URL (gw-1, gw-2, gw-3, …); "
            "choose one with --nodered-target=NAME"
        ]
    )


def test_another_file(filed: pytest.Pytester) -> None:
    (filed.path / "elsewhere").mkdir()
    (filed.path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    (filed.path / "elsewhere" / "plant.toml").write_text(
        'ca_file = "../ca.pem"\n[[target]]\nurl = "https://x.example"', encoding="utf-8"
    )
    (only,) = targets(filed, "--nodered-policy=elsewhere/plant.toml")
    assert only.ca_file == str(filed.path / "ca.pem")
    filed.makeini("[pytest]\nnodered_policy = elsewhere/plant.toml")
    assert names(filed) == ["x.example"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--nodered-target=west"], "--nodered-target=west: no target has that name or label; the file has north, *"),
        (["--nodered-target=nort-*"], "--nodered-target=nort-*: *; did you mean north[?]"),
        (["--nodered-target=lien=7"], "--nodered-target=lien=7: *; did you mean line=7[?]"),
        (["--nodered-policy=missing.toml"], "--nodered-policy=missing.toml: there is no such file"),
        (["--nodered-fail-on=severe"], "--nodered-fail-on=severe: must be one of critical, high, *"),
        (["--nodered-init", "--nodered-target=north"], "--nodered-init: *nodered-sec.toml exists; move it away first"),
    ],
)
def test_wrong_use_is_one_sentence(filed: pytest.Pytester, args: list[str], sentence: str) -> None:
    result = filed.runpytest_inprocess("-p", "no:randomly", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (said,) = [line for line in result.errlines if line]
    pytest.LineMatcher([said]).fnmatch_lines([f"ERROR: {sentence}"])


def test_sentences_name_the_place_of_the_mistake(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\nnodered_url = https://plant.example\nnodered_timeout = soon")
    result = pytester.runpytest_inprocess("-p", "no:randomly")
    result.stderr.fnmatch_lines(['ERROR: tox.ini: nodered_timeout = "soon": give seconds*'])
    monkeypatch.setenv("NODERED_TIMEOUT", "later")
    result = pytester.runpytest_inprocess("-p", "no:randomly")
    result.stderr.fnmatch_lines(["ERROR: NODERED_TIMEOUT=later: give seconds*"])
    result = pytester.runpytest_inprocess("-p", "no:randomly", "--nodered-target=x")
    result.stderr.fnmatch_lines(["ERROR: --nodered-target=x: *there is no policy file with a *target*"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("profil = 1", "unknown key profil; did you mean profile?"),
        ("x =", "is not TOML: *"),
        (FILE + 'connect = "/"', '*target]] south: connect = "/": give an address*'),
        (FILE + "[[waiver]]\n", "*waiver]]: add control = *"),
        (
            FILE + '[[waiver]]\ncontrol = "tls-01"\nfinding = "x"\nreason = "x"\nexpires = 2030-12-31\ntarget = "west"',
            "*waiver]] tls-01: target = west: no target has that name*",
        ),
        (FILE + "[[group]]\n", "*group]]: add label = *"),
        (
            FILE + '[[group]]\nlabel = "line=7"\ntimeout = 1\n[[group]]\nlabel = "line=*"\ntimeout = 2',
            "*group]] line=7 and *group]] line=[*] set timeout of target north differently*",
        ),
    ],
)
def test_a_file_that_was_typed_is_called_as_it_was_typed(filed: pytest.Pytester, text: str, sentence: str) -> None:
    (filed.path / "sites").mkdir()
    (filed.path / "sites" / "north.toml").write_text(text)
    result = filed.runpytest_inprocess("-p", "no:randomly", "--nodered-policy=sites/north.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: sites/north.toml: {sentence}"])


def test_a_pin_needs_https(filed: pytest.Pytester) -> None:
    (filed.path / "nodered-sec.toml").write_text(f'[[target]]\nurl = "http://x.example"\nsha256 = "{"ab" * 32}"')
    result = filed.runpytest_inprocess("-p", "no:randomly")
    result.stderr.fnmatch_lines(["ERROR: target x.example: sha256 pins a certificate, but http://x.example is not*"])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("closed_ports = [80]", "closed_ports names 80, which is http_port; remove it from closed_ports"),
        ("closed_ports = [1880]", "closed_ports names 1880, which is direct_port; remove it from closed_ports"),
        ("closed_ports = [8443]", "closed_ports names 8443, which is the URL's; remove it from closed_ports"),
        ("http_port = 9229", "closed_ports names 9229, which is http_port; remove it from closed_ports"),
    ],
)
def test_a_port_in_use_cannot_be_closed(filed: pytest.Pytester, line: str, sentence: str) -> None:
    (filed.path / "nodered-sec.toml").write_text(f'[[target]]\nname = "x"\nurl = "https://x.example:8443"\n{line}\n')
    result = filed.runpytest_inprocess("-p", "no:randomly")
    result.stderr.fnmatch_lines([f"ERROR: target x: {sentence}"])


def test_the_header_says_what_is_left_out_although_it_was_named(filed: pytest.Pytester) -> None:
    (filed.path / "test_own.py").write_text("def test_own():\n    pass\n")
    args = ("--nodered-target=north", "--nodered-suite=only", "--collect-only")
    result = filed.runpytest_inprocess("-p", "no:randomly", *args, "test_own.py")
    result.stdout.fnmatch_lines(["nodered-sec: not looked at, of the policy file: south"])
    result.stdout.fnmatch_lines(["nodered-sec: not run, because of --nodered-suite=only: test_own.py"])


def test_a_target_at_a_vendors_port_has_it_left_out_of_the_default(filed: pytest.Pytester) -> None:
    (filed.path / "nodered-sec.toml").write_text('[[target]]\nname = "x"\nurl = "https://x.example:46836"\n')
    result = filed.runpytest_inprocess("-p", "no:randomly", "--nodered-show-policy")
    assert result.ret == 0
    assert "closed_ports = [9229, 1879, 1891]" in result.stdout.str()


def test_show_policy_prints_what_holds_and_asks_nobody(filed: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_PROFILE", "strict")
    result = filed.runpytest_inprocess("-p", "no:randomly", "--nodered-show-policy", "--nodered-timeout=3")
    assert result.ret == 0
    text = result.stdout.str()
    assert text.startswith('fail_on = "low"  # default\n\n[[target]]\nname = "north"\n')
    assert 'profile = "strict"  # environment' in text
    assert 'editor = "protected"  # [[target]]' in text
    assert "timeout = 3.0  # option" in text
    assert "hsts_max_age = 63072000  # profile strict" in text
    (filed.path / "nodered-sec.toml").unlink()
    result = filed.runpytest_inprocess("-p", "no:randomly", "--nodered-show-policy")
    result.stderr.fnmatch_lines(["ERROR: --nodered-show-policy needs a target: *"])


def test_show_policy_says_what_the_hook_changed(filed: pytest.Pytester) -> None:
    filed.makeconftest(
        "from dataclasses import replace\n"
        "def pytest_nodered_targets(config, targets):\n"
        "    return [replace(one, timeout=4.0) for one in targets]\n"
    )
    result = filed.runpytest_inprocess("-p", "no:randomly", "--nodered-show-policy")
    text = result.stdout.str()
    assert "timeout = 4.0  # hook" in text
    assert 'editor = "protected"  # [[target]]' in text


def test_ids_are_the_same_in_every_profile(site: Site) -> None:
    first, *others = (site.ids(f"--nodered-profile={name}") for name in ("baseline", "production", "strict"))
    assert others == [first, first]
    assert len(first) > 80


# --- credentials -------------------------------------------------------------------------------------------------


def test_the_bare_variables_are_for_one_target(filed: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    result = filed.runpytest_inprocess("-p", "no:randomly")
    result.stderr.fnmatch_lines(
        ["ERROR: NODERED_USERNAME, NODERED_PASSWORD and NODERED_TOKEN work for one target only, *"]
    )
    result = filed.runpytest_inprocess("-p", "no:randomly", "--nodered-target=north")
    result.stderr.fnmatch_lines(["ERROR: NODERED_PASSWORD is not set; *"])
    monkeypatch.setenv("NODERED_PASSWORD", "hunter2-plant")
    (north,) = targets(filed, "--nodered-target=north")
    assert north.credentials
    assert north.credentials().password == "hunter2-plant"
    assert "hunter2" not in repr(north)


def test_each_target_has_its_own(filed: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", 'print(\'{"token": "t-4711"}\')']
    text = FILE.replace('labels = {line = "7"}', 'credentials = {env = "NORTH"}')
    (filed.path / "nodered-sec.toml").write_text(f"{text}credentials = {{command = {toml(command)}}}\n")
    result = filed.runpytest_inprocess("-p", "no:randomly")
    result.stderr.fnmatch_lines(["ERROR: target north: NORTH_USERNAME is not set; set NORTH_USERNAME and *"])
    monkeypatch.setenv("NORTH_TOKEN", "n-4711")
    north, south = targets(filed)
    assert north.credentials
    assert south.credentials
    assert (north.credentials().token, south.credentials().token) == ("n-4711", "t-4711")
    (north,) = targets(filed, "--nodered-target=north")
    monkeypatch.setenv("NODERED_TOKEN", "bare")
    (north,) = targets(filed, "--nodered-target=north")
    assert north.credentials
    assert north.credentials().token == "n-4711"


def test_what_needs_an_account_is_not_judged_without_one(site: Site) -> None:
    result = site.run("--nodered-suite=only", "-rs", "-k", "account_is_honoured")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * not judged without an account: set credentials = *"])
    result.stdout.fnmatch_lines(["nodered-sec: 1 target * 0 not applicable * 1 not judged"])


LEAKY = '''
import logging
from pytest_nodered_sec import Ask, Severity, control
from pytest_nodered_sec.credentials import Credentials

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_leaks(nodered_target, nodered_seen, record_property):
    """It tells everybody."""
    account = nodered_target.credentials()
    words = [account.password, {"x": account.password}]
    logging.getLogger("urllib3").warning("logged %s", account.password)
    print("printed", account.password)
    record_property("told", account.password)
    assert False, f"raised {account.password}"
'''


@WORKERS
def test_no_secret_leaves_by_a_report(site: Site, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", "hunter2-plant")
    site.write(test_leaky=LEAKY)
    result = site.run(
        "--nodered-suite=off", "--junitxml=junit.xml", "--showlocals", "-vv", "-ra", "--tb=long", "-o", "log_cli=true",
        "-o", "junit_logging=all", "--log-file=run.log", "--log-file-level=DEBUG", *workers,
    )  # fmt: skip
    result.assert_outcomes(failed=1)
    said = result.stdout.str() + result.stderr.str()
    assert "raised [redacted]" in said
    assert "logged [redacted]" in said
    written = [
        path.read_text()
        for path in site.path.rglob("*")
        if path.suffix in (".xml", ".log") or "lastfailed" in path.name
    ]
    assert len(written) >= 2
    assert "hunter2-plant" not in said + "".join(written)


# --- fail-on -----------------------------------------------------------------------------------------------------

GRADES = '''
import pytest
from pytest_nodered_sec import Ask, Severity, Violation, control, require

VIOLATION = (Violation("served", "it answered", "a refusal", "the line"),)

def grade(severity):
    asks = [Ask("stub", (how,), how) for how in ("bad", "error")]
    return control(f"site-{severity.value}", severity=severity, asks=asks)

@grade(Severity.HIGH)
def test_high(nodered_seen):
    """High."""
    require(VIOLATION)

@grade(Severity.LOW)
def test_low(nodered_seen):
    """Low."""
    require(VIOLATION)
'''


@WORKERS
def test_findings_below_fail_on_are_reported_and_do_not_fail(site: Site, workers: tuple[str, ...]) -> None:
    site.write(test_grades=GRADES)
    args = ("--nodered-suite=off", "--junitxml=junit.xml", "-rx", *workers)
    result = site.run(*args, "--nodered-fail-on=high", "-k", "low and bad")
    assert result.ret == 0
    result.assert_outcomes(xfailed=1)
    result.stdout.fnmatch_lines(["XFAIL *test_low?plant.example-bad? - site-low low * it answered"])
    (case,) = ET.parse(site.path / "junit.xml").iter("testcase")  # noqa: S314  written by the run under test
    skipped = case.find("skipped")
    assert skipped is not None
    assert skipped.get("type") == "pytest.xfail"
    assert "remedy    the line\n  below     --nodered-fail-on=high" in str(skipped.get("message"))
    values = {element.get("name"): element.get("value") for element in case.iter("property")}
    assert values["nodered_sec.outcome"] == "non-compliant"

    result = site.run(*args, "--nodered-fail-on=high")
    result.assert_outcomes(failed=1, xfailed=1, errors=2)  # what could not be looked at is an error at any severity
    result.stdout.fnmatch_lines(["nodered-sec: * 2 non-compliant (1 high, 1 low; failing from high) *"])
    site.run(*args).assert_outcomes(failed=2, errors=2)


def test_fail_on_from_the_file_and_over_it(site: Site) -> None:
    site.write(test_grades=GRADES)
    (site.path / "nodered-sec.toml").write_text('fail_on = "high"', encoding="utf-8")
    args = ("--nodered-suite=off", "-k", "low and bad")
    assert site.run(*args).ret == 0
    site.pytester.makeini("[pytest]\nnodered_fail_on = low")
    assert site.run(*args).ret == 0  # the policy file is stronger than the ini file
    assert site.run(*args, "--nodered-fail-on=low").ret == 1


def test_the_policy_is_part_of_the_evidence(site: Site) -> None:
    site.write(test_grades=GRADES)
    site.run("--nodered-suite=off", "--junitxml=junit.xml", "-n2", "--nodered-profile=strict")
    cases = list(ET.parse(site.path / "junit.xml").iter("testcase"))  # noqa: S314  written by the run under test
    digests = {
        element.get("value") for case in cases for element in case.iterfind(".//*[@name='nodered_sec.policy_sha256']")
    }
    policies = [element.get("value") for case in cases for element in case.iterfind(".//*[@name='nodered_sec.policy']")]
    assert len(cases) == 4
    assert len(policies) == 1
    assert 'profile = "strict"  # option' in str(policies[0])
    (target,) = targets(site.pytester, "--nodered-url=https://plant.example", "--nodered-profile=strict")
    assert digests == {digest(target.policy)}
