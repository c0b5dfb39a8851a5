"""How a run names its hosts: each target's own, testinfra's options in it, and nothing asked where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.session import targets

if TYPE_CHECKING:
    from session.conftest import Site

SHOW = """
def test_shown(nodered_targets):
    print([target.host for target in nodered_targets])
"""
TWO = ["--nodered-url=https://a.example", "--nodered-url=https://b.example", "--nodered-suite=off", "-s"]


@pytest.mark.parametrize(
    ("args", "hosts"),
    [
        ([], "[None, None]"),
        (["--nodered-host=ssh://ops@both"], "['ssh://ops@both', 'ssh://ops@both']"),
    ],
)
def test_several_targets_each_have_their_host(args: list[str], hosts: str, site: Site) -> None:
    site.write(conftest="", test_own=SHOW)
    site.run(*TWO, *args, url=None).stdout.fnmatch_lines(["*" + hosts.replace("[", "[[]") + "*"])


def test_each_target_of_the_policy_file_has_its_own(site: Site) -> None:
    site.write(conftest="", test_own=SHOW)
    (site.path / "nodered-sec.toml").write_text(
        '[[target]]\nurl = "https://a.example"\nhost = "ssh://a"\n'
        '[[target]]\nurl = "https://b.example"\nhost = "docker://b"\n'
    )
    result = site.run("--nodered-suite=off", "-s", url=None)
    result.stdout.fnmatch_lines(["*[[]'ssh://a', 'docker://b']*"])


def test_testinfras_own_options_are_honoured_and_the_host_itself_wins(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile(test_own=SHOW)
    args = ["--sudo", "--ssh-config=/my config", "--ssh-identity-file=/key", "--nodered-host=ssh://a?ssh_config=/its"]
    url = ["--nodered-url=https://a.example", "--nodered-suite=off", "-s"]
    result = pytester.runpytest_subprocess(*url, *args)
    result.stdout.fnmatch_lines(["*ssh://a?ssh_config=%2Fits&sudo=true&ssh_identity_file=%2Fkey*"])


def test_without_testinfra_a_host_cannot_be_asked(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "find_spec", lambda name: None)
    pytester.makeini("[pytest]")
    result = pytester.runpytest_inprocess("--nodered-url=https://a.example", "--nodered-host=ssh://a")
    result.stderr.fnmatch_lines(["ERROR: checking a host needs testinfra and crossplane: pip install '*[[]host]'"])


@pytest.mark.parametrize("flag", ["--nodered-plan", "--nodered-show-policy"])
def test_what_is_only_shown_needs_neither_the_extra_nor_an_account(
    flag: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "find_spec", lambda name: None)
    pytester.makeini("[pytest]")
    account = 'host = "ssh://a"\ncredentials = {env = "NOBODYS"}\ndashboard_credentials = {env = "NOBODYS"}'
    pytester.makefile(".toml", **{"nodered-sec": f'[[target]]\nurl = "https://a.example"\n{account}\n'})
    result = pytester.runpytest_inprocess(flag, "--nodered-suite=only", "-k", "reach")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*a.example*"])


def test_without_a_host_its_cases_are_skipped_with_the_same_ids(site: Site) -> None:
    site.write(conftest="", test_own="")
    named, unnamed = [site.ids("-k", "test_host_", *args) for args in (["--nodered-host=ssh://ops@plant.example"], [])]
    assert named == unnamed
    result = site.run("-k", "test_host_", "-rs", "--nodered-suite=only")
    result.assert_outcomes(skipped=sum("test_host_" in nodeid for nodeid in unnamed))
    result.stdout.fnmatch_lines(["*not judged without a host: add --nodered-host=ssh://USER@HOST*"])


def test_a_sites_own_test_gets_its_host(site: Site) -> None:
    site.write(
        conftest="",
        test_own="""
from pytest_nodered_sec import Ask, Severity, control

@control("site-01", severity=Severity.LOW, asks=[Ask("host", ("user",))])
def test_own(nodered_host):
    '''Its own.'''
    assert nodered_host.run("echo %s", "here").stdout == "here\\n"
""",
    )
    site.run("--nodered-suite=off", "--nodered-host=local://").assert_outcomes(passed=1)
    site.run("--nodered-suite=off", "--nodered-host=telnet://x").assert_outcomes(errors=1)


def test_a_host_that_was_never_named_is_an_error_for_a_test_that_needs_it(site: Site) -> None:
    site.write(
        conftest="",
        test_own="""
def test_own(nodered_host):
    pass
""",
    )
    result = site.run("--nodered-suite=off")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no host given for plant.example*"])


def test_nothing_shows_where_our_keys_lie(site: Site) -> None:
    pytest.importorskip("testinfra")
    site.write(test_own="def test_own(nodered_target):\n    assert 'secret' in nodered_target.host\n")
    host = "ssh://me@plant?sudo=true&ssh_identity_file=/secret/key&ssh_config=/secret/config&sudo_user=node-red"
    shown = site.run(f"--nodered-host={host}", "--nodered-show-policy").stdout.str()
    assert 'host = "ssh://me@plant?sudo=true&sudo_user=node-red"  # option' in shown
    args = (f"--nodered-host={host}", "--nodered-suite=off", "--junitxml=junit.xml", "test_own.py")
    result = site.run(*args)
    result.assert_outcomes(passed=1)
    for text in (shown, result.stdout.str(), (site.path / "junit.xml").read_text()):
        assert "secret" not in text.replace("nodered-sec", "")
