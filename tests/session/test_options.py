"""From options, variables and ini values to targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from session.conftest import URL

from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.session.state import TARGETS

if TYPE_CHECKING:
    from session.conftest import Site

    from pytest_nodered_sec import Target


PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


def targets(pytester: pytest.Pytester, *args: str) -> tuple[Target, ...]:
    return pytester.parseconfigure("-p", "no:randomly", *args).stash[TARGETS]


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
    assert target.assumed_ports == ()
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
        assert target.assumed_ports == ("direct_port",)


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
    collected = targets(pytester, "-c", "etc/pytest.ini", "--nodered-timeout=3")
    assert [target.name for target in collected] == ["a.example", "b.example"]
    for plant in collected:
        assert (plant.timeout, plant.http_port, plant.policy.profile) == (3.0, 82, "strict")
        assert plant.ca_file == str(pytester.path / "etc" / "ca.pem")
    monkeypatch.setenv("NODERED_URL", "https://c.example https://d.example")
    assert [plant.name for plant in targets(pytester, "-c", "etc/pytest.ini")] == ["c.example", "d.example"]


def test_a_plan_by_pytests_own_variable(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_PLAN", "1")  # says what is typed as well
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nodered-plan")
    assert site.run().ret == 0
    assert not (site.path / "asked").exists()


def test_settings_without_a_target_hurt_nobody(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_TIMEOUT", "soon")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nodered-editor=protected")
    assert targets(pytester) == ()


@pytest.mark.parametrize(
    ("hook", "expected"),
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
def test_the_hook_has_the_last_word(site: Site, hook: str, expected: list[str]) -> None:
    site.write(
        conftest=f"from dataclasses import replace\nfrom pytest_nodered_sec import Target\n\n"
        f"def pytest_nodered_targets(config, targets):\n    {hook}\n"
    )
    names = [name.split("[")[1].rstrip("]") for name in site.ids() if "answers_throughout" in name]
    assert names == expected


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
            "  admin-01   critical  Anonymous reads of the admin API are refused.",
            "nodered-sec/test_reach.py",
            "  reach-01   critical  The target answers throughout the run and is a Node-RED.",
        ]
    )


def test_options_in_addopts_are_for_the_runs_that_have_a_target(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --nodered-profile=strict -p no:randomly")
    pytester.makepyfile("def test_own():\n    pass\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
