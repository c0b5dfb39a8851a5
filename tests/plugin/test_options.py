"""From options to targets, and the sentence that each mistake gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.collection import TARGETS
from pytest_nodered_sec.policy import Policy

if TYPE_CHECKING:
    from plugin.conftest import Site

    from pytest_nodered_sec import Target

URL = "--nodered-url=https://plant.example"
PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


def targets(pytester: pytest.Pytester, *args: str) -> tuple[Target, ...]:
    return pytester.parseconfigure("-p", "no:randomly", *args).stash[TARGETS]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--nodered-url="], "--nodered-url is empty: give a value, or leave the option out"),
        (["--nodered-url=plant.example"], "--nodered-url=plant.example: not a URL; give one such as https://*"),
        (["--nodered-url=ftp://plant.example"], "--nodered-url=ftp://plant.example: not a URL*its scheme is ftp; *"),
        (["--nodered-url=htps://plant.example"], "*: not a URL*its scheme is htps; write https:// or http://"),
        (["--nodered-url=plant.example:8443"], "--nodered-url=plant.example:8443: not a URL; give one such as *"),
        (["--nodered-url=https://plant.example:99999"], "*: not a URL*its port is not one of 1 to 65535"),
        (["--nodered-url=https://plant.example:0"], "*: not a URL*its port is not one of 1 to 65535"),
        (["--nodered-url=https://plant.example:https"], "*: not a URL*its port is not one of 1 to 65535"),
        (["--nodered-url=https://a..b"], "--nodered-url=https://a..b: a..b can be no name of a host (an empty label)"),
        (["--nodered-url=https://.b"], "*: .b can be no name of a host (an empty label)"),
        ([f"--nodered-url=https://{'a' * 64}.b"], "*: a*.b can be no name of a host (too long)"),
        (["--nodered-url=https://wärme..test"], "*: wärme..test can be no name of a host (Empty Label)"),
        (["--nodered-url=https://☃.test"], "*: ☃.test can be no name of a host (Codepoint U+2603 *)"),
        ([URL, "--nodered-login-url=https://a..b/x"], "--nodered-login-url=https://a..b/x: a..b can be no name of *"),
        (["--nodered-url=https://plant example"], "*: not a URL*"),
        (["--nodered-url=https://[::1"], "*: not a URL*"),
        (["--nodered-url=https://plant.example/?token=hunter2"], "--nodered-url=https://plant.example/*: leave out*"),
        (["--nodered-url=https://plant.example/#/hunter2"], "--nodered-url=https://plant.example/*: leave out*"),
        (
            ["--nodered-url=https://user:hunter2@plant.example"],
            "*credentials do not belong into a URL*NODERED_PASSWORD",
        ),
        (["--nodered-url=user:hunter2@plant.example"], "*credentials do not belong into a URL*"),
        (["--nodered-url=https://user:hunter2@[bad"], "*credentials do not belong into a URL*"),
        (["--nodered-url=https://user:hunter2@plant.example:99999"], "*credentials do not belong into a URL*"),
        (["--nodered-url=https://u:hunter2@a@plant.example/"], "*credentials do not belong into a URL*"),
        ([URL, URL], "two targets are called plant.example: name each one once*"),
        ([URL, f"{URL}/other"], "two targets are called plant.example: name each one once*"),
        ([URL, "--nodered-profile=lax"], "--nodered-profile=lax: no such choice; it must be one of baseline, *"),
        ([URL, "--nodered-editor=on"], "--nodered-editor=on: no such choice*"),
        ([URL, "--nodered-admin-api=on"], "--nodered-admin-api=on: no such choice*"),
        (["--nodered-suite=maybe"], "--nodered-suite=maybe: no such choice*"),
        (["--nodered-suite=only"], "--nodered-suite=only needs a target: add --nodered-url=*"),
        (["--nodered-suite=with"], "--nodered-suite=with needs a target: add --nodered-url=*"),
        ([URL, "--nodered-timeout=soon"], "--nodered-timeout=soon: give seconds, more than 0 and at most 600"),
        ([URL, "--nodered-timeout=nan"], "--nodered-timeout=nan: give seconds*"),
        ([URL, "--nodered-timeout=0"], "--nodered-timeout=0: give seconds*"),
        ([URL, "--nodered-http-port=web"], "--nodered-http-port=web: give a TCP port, 1 to 65535"),
        ([URL, "--nodered-direct-port=65536"], "--nodered-direct-port=65536: give a TCP port*"),
        ([URL, "--nodered-admin-root=admin"], "--nodered-admin-root=admin: give a path that starts with one /*"),
        ([URL, "--nodered-node-root=//x"], "--nodered-node-root=//x: give a path*"),
        ([URL, "--nodered-dashboard=ui"], "--nodered-dashboard=ui: give a path*"),
        (
            [URL, "--nodered-dashboard=none", "--nodered-dashboard=/ui"],
            "--nodered-dashboard: none says that there is no*",
        ),
        (
            [URL, "--nodered-login-url=http://sso.example"],
            "--nodered-login-url=http://sso.example: give an https:// URL*",
        ),
        ([URL, "--nodered-login-url=sso"], "--nodered-login-url=sso: not a URL*"),
        ([URL, "--nodered-login-url=//sso.example/x"], "--nodered-login-url=//sso.example/x: not a URL*"),
        ([URL, "--nodered-login-url=https://u:hunter2@sso.example"], "--nodered-login-url: credentials do not belong*"),
        ([URL, "--nodered-host=ssh://u:hunter2@plant"], "--nodered-host: a password does not belong here*"),
        ([URL, "--nodered-host=u:hunter2@plant"], "--nodered-host: a password does not belong here*"),
        ([URL, "--nodered-host=plant"], "--nodered-host=plant: say how to get there, e.g. ssh://plant*"),
        ([URL, "--nodered-ca-file=missing.pem"], "--nodered-ca-file=missing.pem: cannot be read (No such file*"),
        ([URL, "--nodered-ca-file=."], "--nodered-ca-file=.: cannot be read (Is a directory)"),
        ([URL, "--nodered-ca-file=tox.ini"], "--nodered-ca-file=tox.ini: holds no PEM certificate"),
        ([URL, "--nodered-ca-file="], "--nodered-ca-file is empty*"),
    ],
)
def test_wrong_use_is_one_sentence(pytester: pytest.Pytester, args: list[str], sentence: str) -> None:
    pytester.makeini("[pytest]")
    result = pytester.runpytest_inprocess("-p", "no:randomly", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = [line for line in result.errlines if line]
    assert len(said) == 1
    result.stderr.fnmatch_lines([f"ERROR: {sentence.replace('[', '[[]')}"])
    assert "hunter2" not in result.stdout.str() + result.stderr.str()


def test_usage_errors_end_a_distributed_run_as_well(site: Site) -> None:
    assert site.run("-n2", url="https://user:hunter2@plant.example").ret == pytest.ExitCode.USAGE_ERROR


def test_a_target_from_options(pytester: pytest.Pytester) -> None:
    pytester.makefile(".pem", ca=PEM)
    (target,) = targets(
        pytester,
        "--nodered-url=https://Plant.example:8443/red/",
        "--nodered-ca-file=ca.pem",
        "--nodered-timeout=2.5",
        "--nodered-http-port=8080",
        "--nodered-direct-port=1881",
        "--nodered-admin-root=/admin/",
        "--nodered-node-root=/api",
        "--nodered-dashboard=/ui",
        "--nodered-dashboard=/ui/",
        "--nodered-login-url=/outpost",
        "--nodered-login-url=https://sso.example/realms/plant",
        "--nodered-admin-api=proxied",
        "--nodered-host=ssh://admin@plant",
    )
    assert target.name == "plant.example:8443"
    assert target.admin("/flows") == "/red/admin/flows"
    assert target.node("/ui") == "/red/api/ui"
    assert (target.http_port, target.direct_port, target.timeout) == (8080, 1881, 2.5)
    assert target.ca_file == str(pytester.path / "ca.pem")
    assert target.host == "ssh://admin@plant"
    assert target.policy == Policy(
        admin_api="proxied", dashboards=("/ui",), login_urls=("/outpost", "https://sso.example/realms/plant")
    )


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://wärme.test", "https://xn--wrme-loa.test"),
        ("https://Wärme.TEST:8443/red/", "https://xn--wrme-loa.test:8443/red"),
        ("http://straße.test", "http://xn--strae-oqa.test"),  # UTS 46; IDNA of 2003 would dial another host
        ("https://xn--wrme-loa.test", "https://xn--wrme-loa.test"),
        ("https://my_host.", "https://my_host."),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_a_host_is_spelt_as_dns_spells_it(pytester: pytest.Pytester, url: str, seen: str) -> None:
    login = "--nodered-login-url=https://hütte.test/login/"
    (target,) = targets(pytester, f"--nodered-url={url}", login)
    assert target.url == seen
    assert target.policy.login_urls == ("https://xn--htte-0ra.test/login/",)
    (pytester.path / "nodered-sec.toml").write_text(
        f'[[target]]\nname = "line-7"\nurl = "{url}"\nhttp_port = 8080\n', encoding="utf-8"
    )
    (target,) = targets(pytester)
    assert (target.name, target.url) == ("line-7", seen)
    for spelt in (url, seen):
        (target,) = targets(pytester, f"--nodered-url={spelt}")
        assert (target.name, target.http_port) == ("line-7", 8080)


def test_blanks_separate_several_values(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_DASHBOARD", "/hmi /wall")
    (target,) = targets(pytester, URL)
    assert target.policy.dashboards == ("/hmi", "/wall")


def test_a_host_from_the_hook_is_spelt_as_dns_spells_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "from dataclasses import replace\n\n"
        "def pytest_nodered_targets(targets):\n    return [replace(targets[0], url='https://wärme.test/red')]\n"
    )
    (target,) = targets(pytester, URL)
    assert (target.name, target.url) == ("plant.example", "https://xn--wrme-loa.test/red")


def test_no_dashboards_at_all(pytester: pytest.Pytester) -> None:
    (target,) = targets(pytester, URL, "--nodered-dashboard=none")
    assert target.policy.dashboards == ()


def test_option_over_environment_over_ini(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    (pytester.path / "etc").mkdir()
    (pytester.path / "etc" / "ca.pem").write_text(PEM)
    (pytester.path / "etc" / "pytest.ini").write_text(
        "[pytest]\nnodered_url = https://a.example https://b.example\nnodered_timeout = 1\nnodered_http_port = 81\n"
        "nodered_profile = strict\nnodered_ca_file = ca.pem\n"
    )
    monkeypatch.setenv("NODERED_TIMEOUT", "2")
    monkeypatch.setenv("NODERED_HTTP_PORT", "82")
    found = targets(pytester, "-c", "etc/pytest.ini", "--nodered-timeout=3")
    assert [one.name for one in found] == ["a.example", "b.example"]
    for one in found:
        assert (one.timeout, one.http_port, one.policy.profile) == (3.0, 82, "strict")
        assert one.ca_file == str(pytester.path / "etc" / "ca.pem")
    monkeypatch.setenv("NODERED_URL", "https://c.example https://d.example")
    assert [one.name for one in targets(pytester, "-c", "etc/pytest.ini")] == ["c.example", "d.example"]


@pytest.mark.parametrize("name", ["profile", "editor", "suite", "fail-on", "target"])
def test_a_wrong_value_is_told_where_it_stands(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    key = f"nodered_{name.replace('-', '_')}"
    pytester.makeini(f"[pytest]\n{key} = strickt")
    result = pytester.runpytest_inprocess("-p", "no:randomly", URL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f'ERROR: tox.ini: {key} = "strickt": no *'])
    monkeypatch.setenv(key.upper(), "strickt")
    result = pytester.runpytest_inprocess("-p", "no:randomly", URL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {key.upper()}=strickt: no *"])


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
        [f"ERROR: {key.upper()} has no effect: type --nodered-{name}, or put it into PYTEST_ADDOPTS"]
    )
    monkeypatch.delenv(key.upper())
    for value in ("true", "if you please"):
        pytester.makeini(f"[pytest]\n{key} = {value}")
        result = pytester.runpytest_inprocess("-p", "no:randomly")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {key} has no effect: type --nodered-{name}, or put it into addopts"])


def test_a_plan_by_pytests_own_variable(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_PLAN", "1")  # says what is typed as well
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nodered-plan")
    assert site.run().ret == 0
    assert not (site.path / "asked").exists()


def test_settings_without_a_target_hurt_nobody(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_TIMEOUT", "soon")
    assert targets(pytester, "--nodered-editor=protected") == ()


@pytest.mark.parametrize(
    ("hook", "found"),
    [
        ("return None", ["plant.example"]),
        ("return []", []),
        (
            "return [*targets, Target('line-7', 'https://line-7.example', targets[0].policy)]",
            ["plant.example", "line-7"],
        ),
        ("return [replace(targets[0], name='renamed')]", ["renamed"]),
    ],
)
def test_the_hook_has_the_last_word(site: Site, hook: str, found: list[str]) -> None:
    site.write(
        conftest=f"from dataclasses import replace\nfrom pytest_nodered_sec import Target\n\n"
        f"def pytest_nodered_targets(config, targets):\n    {hook}\n"
    )
    names = [one.split("[")[1].rstrip("]") for one in site.ids() if "answers_throughout" in one]
    assert names == found


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        ("'x'", "pytest_nodered_targets must return a list of Target, or None to leave them alone"),
        ("5", "pytest_nodered_targets must return a list of Target*"),
        ("[*targets, *targets]", "two targets are called plant.example*"),
        ("[replace(targets[0], name='')]", "target https://plant.example: give it a name*"),
        ("[replace(targets[0], url='https://u:hunter2@x')]", "target plant.example: url: credentials do not belong*"),
    ],
)
def test_what_the_hook_returns_is_checked(site: Site, hook: str, sentence: str) -> None:
    site.write(conftest=f"from dataclasses import replace\n\ndef pytest_nodered_targets(targets):\n    return {hook}\n")
    result = site.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
    assert "hunter2" not in result.stderr.str() + result.stdout.str()


def test_help_and_list_of_controls(site: Site) -> None:
    result = site.run("--help", url=None)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["Node-RED security compliance:", "*--nodered-url=URL*", "*nodered_ca_file (string):*"])
    result = site.run("--nodered-controls", "-n2")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "nodered-sec/test_admin_api.py",
            "  admin-01   critical  An anonymous read of the admin API is refused.",
            "nodered-sec/test_reach.py",
            "  reach-01   critical  The target answers, at the beginning and at the end, and shows that*",
        ]
    )
