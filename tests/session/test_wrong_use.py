"""The sentence that each mistake in options, variables and ini keys gets."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from session.conftest import URL

from pytest_nodered_sec.session import options, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from session.conftest import Site


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--nodered-url="], "--nodered-url is empty: give a value, or remove the option"),
        (["--nodered-url=plant.example"], "--nodered-url=plant.example: not a URL; give one such as https://*"),
        (
            ["--nodered-url=ftp://plant.example"],
            "--nodered-url=ftp://plant.example: not an HTTP URL*its scheme is ftp; *",
        ),
        (["--nodered-url=htps://plant.example"], "*: not an HTTP URL*its scheme is htps; write https:// or http://"),
        (["--nodered-url=plant.example:8443"], "--nodered-url=plant.example:8443: not a URL; give one such as *"),
        (["--nodered-url=https://plant.example:99999"], "*: not an HTTP URL*its port is not between 1 and 65535"),
        (["--nodered-url=https://plant.example:0"], "*: not an HTTP URL*its port is not between 1 and 65535"),
        (["--nodered-url=https://plant.example:https"], "*: not an HTTP URL*its port is not between 1 and 65535"),
        (["--nodered-url=https://a..b"], "--nodered-url=https://a..b: a..b is not a valid host name (an empty label)"),
        (["--nodered-url=https://.b"], "*: .b is not a valid host name (an empty label)"),
        ([f"--nodered-url=https://{'a' * 64}.b"], "*: a*.b is not a valid host name (too long)"),
        (["--nodered-url=https://wärme..test"], "*: wärme..test is not a valid host name (Empty Label)"),
        (["--nodered-url=https://☃.test"], "*: ☃.test is not a valid host name (Codepoint U+2603 *)"),
        ([URL, "--nodered-login-url=https://a..b/x"], "--nodered-login-url=https://a..b/x: a..b is not a valid host *"),
        (["--nodered-url=https://plant example"], "*: not a URL*"),
        (["--nodered-url=https://[::1"], "*: not a URL*"),
        (
            ["--nodered-url=https://plant.example/?token=hunter2"],
            "--nodered-url=https://plant.example/*: remove the part*",
        ),
        (["--nodered-url=https://plant.example/#/hunter2"], "--nodered-url=https://plant.example/*: remove the part*"),
        (
            ["--nodered-url=https://user:hunter2@plant.example"],
            "*credentials do not belong in a URL*NODERED_PASSWORD",
        ),
        (["--nodered-url=user:hunter2@plant.example"], "*credentials do not belong in a URL*"),
        (["--nodered-url=https://user:hunter2@[bad"], "*credentials do not belong in a URL*"),
        (["--nodered-url=https://user:hunter2@plant.example:99999"], "*credentials do not belong in a URL*"),
        (["--nodered-url=https://u:hunter2@a@plant.example/"], "*credentials do not belong in a URL*"),
        (["--nodered-url=https://u:hunter2%40plant.example/"], "*credentials do not belong in a URL*"),
        (["--nodered-url=https://a.example https://b.example:8443"], "*: more than one URL: give each by itself"),
        (["--nodered-url=#hunter2"], "--nodered-url: a comment needs a line of its own; *"),
        (["--nodered-url=https://2001:db8::7"], "*: an IPv6 address stands in brackets in a URL, such as https://*"),
        (["--nodered-url=https://user:hunter2:x@plant.example"], "*credentials do not belong in a URL*"),
        ([URL, URL], "two targets are called plant.example: remove one*"),
        ([URL, f"{URL}/other"], "two targets are called plant.example: remove one*"),
        (["--nodered-controls="], "--nodered-controls is empty: give a value, or remove the option"),
        (
            [URL, "--nodered-controls", "--nodered-plan"],
            "--nodered-controls and --nodered-plan each take the place of *",
        ),
        ([URL, "--nodered-init", "--nodered-policy=x.toml"], "*there is no such file; --nodered-init always writes *"),
        ([URL, "--nodered-profile=lax"], "--nodered-profile=lax: must be one of baseline, *"),
        ([URL, "--nodered-editor=on"], "--nodered-editor=on: must be one of*"),
        ([URL, "--nodered-admin-api=on"], "--nodered-admin-api=on: must be one of*"),
        (["--nodered-suite=maybe"], "--nodered-suite=maybe: must be one of*"),
        (["--nodered-suite=only"], "--nodered-suite=only needs a target: add --nodered-url=*"),
        (["--nodered-suite=with"], "--nodered-suite=with needs a target: add --nodered-url=*"),
        ([URL, "--nodered-timeout=soon"], "--nodered-timeout=soon: give seconds, more than 0 and at most 600"),
        ([URL, "--nodered-timeout=nan"], "--nodered-timeout=nan: give seconds*"),
        ([URL, "--nodered-timeout=-1"], "--nodered-timeout=-1: give seconds*"),
        ([URL, "--nodered-timeout=0"], "--nodered-timeout=0: give seconds*"),
        ([URL, "--nodered-http-port=web"], "--nodered-http-port=web: give a TCP port, 1 to 65535"),
        ([URL, "--nodered-direct-port=65536"], "--nodered-direct-port=65536: give a TCP port*"),
        ([URL, "--nodered-admin-root=admin"], "--nodered-admin-root=admin: give a path that starts with one /*"),
        ([URL, "--nodered-node-root=//x"], "--nodered-node-root=//x: give a path*"),
        ([URL, "--nodered-dashboard=ui"], "--nodered-dashboard=ui: give a path*"),
        (
            [URL, "--nodered-dashboard=none", "--nodered-dashboard=/ui"],
            "--nodered-dashboard: none means that there is no*",
        ),
        (
            [URL, "--nodered-login-url=http://sso.example"],
            "--nodered-login-url=http://sso.example: give an https:// URL*",
        ),
        ([URL, "--nodered-login-url=sso"], "--nodered-login-url=sso: not a URL*"),
        ([URL, "--nodered-login-url=//sso.example/x"], "--nodered-login-url=//sso.example/x: not an HTTP URL*"),
        ([URL, "--nodered-login-url=https://u:hunter2@sso.example"], "--nodered-login-url: credentials do not belong*"),
        ([URL, "--nodered-host=ssh://u:hunter2@plant"], "--nodered-host: a password does not belong here*"),
        ([URL, "--nodered-host=u:hunter2@plant"], "--nodered-host: a password does not belong here*"),
        ([URL, "--nodered-host=plant"], "--nodered-host=plant: give the connection type, e.g. ssh://plant*"),
        ([URL, "--nodered-host=ssh:/plant"], "--nodered-host=ssh:/plant: give *, e.g. ssh://plant or*"),
        (["--nodered-policy="], "--nodered-policy is empty: give a value, or remove the option"),
        ([URL, "--nodered-ca-file=missing.pem"], "--nodered-ca-file=missing.pem: cannot be read (No such file*"),
        ([URL, "--nodered-ca-file=."], "--nodered-ca-file=.: cannot be read (Is a directory)"),
        ([URL, "--nodered-ca-file=tox.ini"], "--nodered-ca-file=tox.ini: holds no PEM certificate"),
        ([URL, "--nodered-ca-file="], "--nodered-ca-file is empty*"),
        (["--nodered-host=ssh://plant"], "--nodered-host needs a target: add --nodered-url=https://HOST, or *"),
        (["--nodered-policy=empty.toml"], "--nodered-policy needs a target: add --nodered-url=https://HOST, or *"),
        (["--nodered-dashboard", "/hmi"], "--nodered-dashboard needs a target: *"),
        ([URL, "--nodered-plan", "-pno:terminal"], "--nodered-plan needs pytest's terminal: leave out -p no:terminal"),
    ],
)
def test_wrong_use_is_one_sentence(pytester: pytest.Pytester, args: list[str], sentence: str) -> None:
    pytester.makeini("[pytest]")
    pytester.makefile(".toml", empty="")
    result = pytester.runpytest_inprocess("-p", "no:randomly", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = [line for line in result.errlines if line]
    assert len(said) == 1
    result.stderr.fnmatch_lines([f"ERROR: {sentence.replace('[', '[[]')}"])
    assert "hunter2" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("left_out", "chosen", "code"), [("terminal", "good", 0), ("skipping", "bad", 1), ("junitxml", "bad", 1)]
)
def test_plugins_of_pytest_can_be_left_out(site_with_control: Site, left_out: str, chosen: str, code: int) -> None:
    given = ("--nodered-suite=off", "--nodered-report=page.html", f"-pno:{left_out}", f"-k{chosen}", "test_site.py")
    result = site_with_control.run(*given)
    assert result.ret == code
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert "site-01" in (site_with_control.path / "page.html").read_text()


def test_usage_errors_end_a_distributed_run_as_well(site: Site) -> None:
    assert site.run("-n2", url="https://user:hunter2@plant.example").ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("name", ["profile", "editor", "suite", "fail-on", "target"])
def test_a_wrong_value_is_told_where_it_stands(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    key = f"nodered_{name.replace('-', '_')}"
    pytester.makeini(f"[pytest]\n{key} = strickt")
    result = pytester.runpytest_inprocess("-p", "no:randomly", URL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f'ERROR: tox.ini: {key} = "strickt": *'])
    monkeypatch.setenv(key.upper(), "strickt")
    result = pytester.runpytest_inprocess("-p", "no:randomly", URL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {key.upper()}=strickt: *"])


@pytest.mark.parametrize("name", ["audit", "controls", "init", "job-summary", "plan", "show-policy"])
def test_an_option_without_a_value_is_typed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    key = f"nodered_{name.replace('-', '_')}"
    pytester.makeini("[pytest]")
    monkeypatch.setenv("NODERED_URL", "https://plant.example")
    monkeypatch.setenv(key.upper(), "1")
    result = pytester.runpytest_inprocess("-p", "no:randomly")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: {key.upper()} has no effect: put --nodered-{name} on the command line or into PYTEST_ADDOPTS"]
    )
    monkeypatch.delenv(key.upper())
    for value in ("true", "if you please"):
        pytester.makeini(f"[pytest]\n{key} = {value}")
        result = pytester.runpytest_inprocess("-p", "no:randomly")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [f"ERROR: {key} has no effect: put --nodered-{name} on the command line or into addopts"]
        )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NODERED_SUIT", "NODERED_SUITE"),
        ("NODERED_ULR", "NODERED_URL"),
        ("NODERED_CAFILE", "NODERED_CA_FILE"),
        ("NODERED_POLIZY", "NODERED_POLICY"),
        ("NODERED_PASWORD", "NODERED_PASSWORD"),
        ("NODERED_AUDITS", "--nodered-audit on the command line"),
    ],
)
def test_a_misspelt_variable_is_told_which_was_meant(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "hunter2")
    with pytest.raises(pytest.UsageError) as refused:
        settings.resolve(pytestconfig)
    assert str(refused.value) == f"{name} is set, and nothing reads it; did you mean {meant}?"


def test_variables_of_others_are_let_be(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    others = ("PORT", "HOME", "VERSION", "USER_DIR", "A_PASSWORD", "HMI_COOKIE", "CREDENTIAL_SECRET", "SEC_PART")
    for name in others:
        monkeypatch.setenv(f"NODERED_{name}", "x")
    monkeypatch.setenv("NODERED_SUIT", "")  # empty, as pytest's own: not set
    monkeypatch.setenv("NODERED_SUITE", "only")
    assert settings.resolve(pytestconfig).one("suite", "with") == "only"


def test_a_misspelt_variable_is_wrong_use(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_SUIT", "only")
    result = site.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0] == "ERROR: NODERED_SUIT is set, and nothing reads it; did you mean NODERED_SUITE?"


def test_an_option_for_one_value_is_given_once(site: Site) -> None:
    result = site.run("--nodered-seal=a", "--nodered-seal=b", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        "ERROR: --nodered-seal is given 2 times (a, b): a run accepts one; start a separate run for each"
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            "--nodered-ulr=https://a:b@x",
            "--nodered-ulr=…: there is no such option; did you mean --nodered-url?",
        ),
        ("--node-red-url=x", "--node-red-url=…: there is no such option; did you mean --nodered-url?"),
        ("--nodered_ca_file", "--nodered_ca_file: there is no such option; did you mean --nodered-ca-file?"),
        ("--nodered-sha256=ab", "--nodered-sha256: there is no such option; write sha256 into nodered-sec.toml"),
        ("--nodered-connect", "--nodered-connect: there is no such option; write connect into nodered-sec.toml"),
        (
            "--nodered-password=hunter2",
            "--nodered-password: an account does not belong on the command line, which process lists and logs show; "
            "set NODERED_PASSWORD in the environment",
        ),
        ("--nodered-zzz", ""),
        ("--nodered-mine=x", ""),
        ("--other", ""),
    ],
)
def test_a_misspelt_option_is_told_which_was_meant(typed: str, said: str) -> None:
    parser: Any = SimpleNamespace(
        parse_known_and_unknown_args=lambda args: (None, [arg for arg in args if "mine" not in arg])
    )
    if said:
        with pytest.raises(pytest.UsageError, match=f"^{re.escape(said)}$"):
            options.refuse_misspelt(parser, ["-q", typed])
    options.refuse_misspelt(parser, ["--", typed])
    if not said:
        options.refuse_misspelt(parser, ["-q", typed])


def test_a_misspelt_option_is_wrong_use(site: Site) -> None:
    result = site.run("--nodered-polizy=x", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0] == "ERROR: --nodered-polizy=…: there is no such option; did you mean --nodered-policy?"
    (site.path / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--nodered-polizy')\n")
    site.write(test_own="def test_own():\n    pass\n")
    site.run("--nodered-polizy=x", url=None).assert_outcomes(passed=1)
    assert site.run("--nodered-policy=x.toml").errlines[0] == "ERROR: --nodered-policy=x.toml: there is no such file"


def test_a_hook_that_drops_every_target_is_named(site: Site) -> None:
    hook = "def pytest_nodered_targets(config, targets):\n    return []\n"
    site.write(conftest=(site.path / "conftest.py").read_text() + hook)
    site.run().stdout.fnmatch_lines(["nodered-sec: the hook pytest_nodered_targets dropped every target"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nodered_urll = https://plant.example", "nodered_urll: there is no such ini key; did you mean nodered_url?"),
        ("node_red_ca_file = x", "node_red_ca_file: there is no such ini key; did you mean nodered_ca_file?"),
        ("nodered_sha256 = ab", "nodered_sha256: there is no such ini key; write sha256 into nodered-sec.toml"),
        ("nodered_plann = 1", "nodered_plann: there is no such ini key; put --nodered-plan on the command line"),
        (
            "nodered_user = hunter2",
            "nodered_user: an account does not belong in this file; set NODERED_USERNAME in the environment",
        ),
        ("nodered_zzz = 1", ""),
        ("nodes_url = 1", ""),
        ("nodered_port = 1", ""),  # another plugin's, which is not installed here
        ("nodered_log_file = x", ""),
        ("nodered_host_key = x", ""),
    ],
)
def test_a_misspelt_ini_key_is_told_which_was_meant(pytester: pytest.Pytester, line: str, said: str) -> None:
    pytester.makeini(f"[pytest]\n{line}\n")
    pytester.makepyfile("def test_own():\n    pass\n")
    result = pytester.runpytest_inprocess("-p", "no:randomly")
    assert result.ret == (pytest.ExitCode.USAGE_ERROR if said else pytest.ExitCode.OK)
    assert result.errlines[:1] == ([f"ERROR: {said}"] if said else [])


def test_an_ini_key_that_another_plugin_has_registered_is_its_own(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nnodered_urls = https://plant.example\nnodered_port = 1880\n")
    pytester.makeconftest("""
def pytest_addoption(parser):
    parser.addini("nodered_urls", "addresses")
    parser.addini("nodered_port", "where it listens")
""")
    pytester.makepyfile("def test_own(pytestconfig):\n    assert pytestconfig.getini('nodered_port') == '1880'\n")
    pytester.runpytest_inprocess("-p", "no:randomly", "-Werror").assert_outcomes(passed=1)


def test_a_short_variable_is_told_which_was_meant(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_USER", "hunter2")
    monkeypatch.setenv("NODERED_CA", "hunter2")
    said = [
        f"nodered-sec: {name} is set, and nothing reads it; did you mean {meant}?"
        for name, meant in (("NODERED_USER", "NODERED_USERNAME"), ("NODERED_CA", "NODERED_CA_FILE"))
    ]
    site.write(test_own="def test_own():\n    pass\n")
    result = site.run("-q")
    assert [line for line in result.outlines if "did you mean" in line] == said
    assert "hunter2" not in result.stdout.str()
    assert "did you mean" not in site.run(url=None).stdout.str()
    monkeypatch.setenv("NODERED_USERNAME", "viewer")
    monkeypatch.setenv("NODERED_PASSWORD", "hunter2")
    assert [line for line in site.run("-q").outlines if "did you mean" in line] == said[1:]


def test_a_variable_for_a_policy_file_that_nothing_reads_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_POLICY_FILE", "plant.toml")
    site.write(test_own="def test_own():\n    pass\n")
    told = "nodered-sec: NODERED_POLICY_FILE is set, and nothing reads it; did you mean NODERED_POLICY?"
    assert told in site.run("-q").outlines
    (site.path / "nodered-sec.toml").write_text('editor = "protected"\n')
    assert told not in site.run("-q").outlines


def test_a_variable_that_nearly_names_a_target_is_told(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODERED_URI", "https://plant.example")
    result = pytester.runpytest_inprocess("-p", "no:randomly", "--nodered-suite=only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*; NODERED_URI is set, and nothing reads it: did you mean NODERED_URL?"])


def test_a_policy_file_above_is_named_where_there_is_no_target(pytester: pytest.Pytester) -> None:
    above = pytester.path / "nodered-sec.toml"
    above.write_text('[[target]]\nname = "a"\nurl = "https://a.example"\n')
    pytester.mkdir("sub")
    (pytester.path / "sub" / "pytest.ini").write_text("[pytest]\n")
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-c", "sub/pytest.ini", "--nodered-suite=only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = f"*; {above} is not read from here: run pytest beside it, or add --nodered-policy={above}"
    result.stderr.fnmatch_lines([told])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.symlink_to("gone.toml"), "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),  # as Docker makes it where the file to mount is missing
    ],
)
def test_a_policy_file_that_cannot_be_read_is_not_passed_over(
    pytester: pytest.Pytester, make: Callable[[Path], None], sentence: str
) -> None:
    make(pytester.path / "nodered-sec.toml")
    result = pytester.runpytest_inprocess("-p", "no:randomly", "--nodered-url=https://plant.example", "--nodered-plan")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0] == f"ERROR: nodered-sec.toml: cannot be read ({sentence})"
