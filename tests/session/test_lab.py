"""How the plugin starts the lab; the lab itself is replaced by one that writes down what is asked of it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.session import lab_targets

if TYPE_CHECKING:
    from session.conftest import Site

LAB = """
import os, pathlib, sys, types
from conftest import LOG

lab = types.ModuleType("pytest_nodered_sec.lab")
class LabError(Exception):
    pass
class RunningDeployment(types.SimpleNamespace):
    def as_dict(self):
        return vars(self)
    @classmethod
    def from_dict(cls, values):
        return cls(**values)
def parse(spec):
    name, _, major = spec.partition("@")
    if name not in ("fresh", "gone"):
        raise LabError(f"there is no deployment {name!r}; there are fresh and gone")
    return types.SimpleNamespace(name=name, label=f"lab-{name}@{major or 5}")
def expectations(name):
    return {"admin_api": "disabled"} if name == "gone" else {}
def note(line):
    LOG.mkdir(exist_ok=True)
    with (LOG / "lab").open("a") as log:
        log.write(line + "\\n")
class Lab:
    def __init__(self, specs):
        note("start " + " ".join(specs))
        self.deployments = tuple(
            RunningDeployment(name=spec.name, label=spec.label, url="https://localhost:4443",
                http_port=8080, direct_port=1880, inspector_port=9229, ca_file=None,
                admin_root="/", node_root="/", has_login=False, dashboard_user="",
                client_certificate=None, user_dir="/x", proxy="nginx",
                expect=[["admin_api", "disabled"]] if spec.name == "gone" else [])
            for spec in map(parse, specs))
    def stop(self):
        note("stop")
def start(specs, *, say):
    say("installing Node-RED")
    return Lab(specs)
def pack(specs, file, *, say):
    if any(parse(spec).name == "gone" for spec in specs):
        raise LabError("npm could not install gone")
    note("pack " + " ".join(specs) + " into " + str(file))
for one in (LabError, RunningDeployment, expectations, pack, parse, start):
    setattr(lab, one.__name__, one)
sys.modules["pytest_nodered_sec.lab"] = lab
import pytest_nodered_sec
pytest_nodered_sec.lab = lab
"""
TEST = """
from pytest_nodered_sec import Ask, Severity, control

@control("site-01", severity=Severity.LOW, asks=[Ask("stub", ("good",), "good")])
def test_a(nodered_seen, nodered_target):
    '''A.'''
    assert nodered_target.http_port == 8080
    assert nodered_target.policy.admin_api == ("disabled" if "gone" in nodered_target.name else "protected")
"""


@pytest.fixture
def lab(site: Site) -> Site:
    """A user's folder where the lab is a stand-in."""
    text = (site.path / "conftest.py").read_text()
    # In the workers and before pytest_configure: a conftest is early enough for both.
    stand_in = LAB.replace("from conftest import LOG\n", "")
    site.write(conftest=text + stand_in)
    (site.path / "unit").mkdir()
    (site.path / "unit" / "test_lab_user.py").write_text(TEST)
    return site


def noted(site: Site) -> list[str]:
    log = site.path / "asked" / "lab"
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_the_controller_starts_one_lab_and_stops_it(lab: Site, workers: tuple[str, ...]) -> None:
    result = lab.run("-k", "test_lab_user", "--nodered-lab", "unit", "--nodered-lab=gone@4", *workers, url=None)
    result.assert_outcomes(passed=2)
    assert noted(lab) == ["start fresh gone@4", "stop"]
    result.stderr.fnmatch_lines(["nodered-sec: installing Node-RED"])


def test_a_bare_option_leaves_the_path_alone(lab: Site) -> None:
    (lab.path / "unit" / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--of-unit')\n")
    ids = lab.ids("--nodered-suite=off", "--nodered-lab", "unit", "--of-unit=x", url=None)
    assert ids == ["unit/test_lab_user.py::test_a[lab-fresh@5-good]"]
    assert lab.ids("--nodered-suite=off", "unit", "--nodered-lab", url=None) == ids


@pytest.mark.parametrize(
    "args",
    [
        ["--collect-only"],
        ["--fixtures"],
        ["--markers"],
        ["--help"],
        ["--version"],
        ["--nodered-controls"],
        ["--nodered-show-policy"],
    ],
)
def test_it_does_not_start_when_nothing_is_run(lab: Site, args: list[str]) -> None:
    result = lab.run("--nodered-lab", *args, url=None)
    assert result.ret == 0
    assert noted(lab) == []
    if args == ["--nodered-show-policy"]:
        assert result.outlines[0].startswith("# of the lab, URL, ports, front and ca_file come with the run")


def test_collected_ids_are_those_of_the_run(lab: Site) -> None:
    collected = [name for name in lab.ids("--nodered-lab=gone", url=None)]
    ran = lab.run("--nodered-lab=gone", "-v", url=None)
    assert len(collected) > 50
    for nodeid in collected:
        assert f"\n{nodeid} " in ran.stdout.str()


def test_an_unknown_deployment_is_a_usage_error(lab: Site) -> None:
    for args in ([], ["--collect-only"]):
        result = lab.run("--nodered-lab=nowhere", *args, url=None)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: there is no deployment 'nowhere'; there are fresh and gone"])


def test_a_list_of_deployments_replaces_the_run(site: Site) -> None:
    result = site.run("--nodered-lab=list", url=None)
    assert result.ret == 0
    assert result.outlines[0].startswith("fresh ")


def test_a_deployment_without_a_login_has_no_account(lab: Site) -> None:
    (lab.path / "unit" / "test_lab_user.py").write_text("def test_account(nodered_account_http):\n    pass\n")
    result = lab.run("--nodered-lab", "--nodered-suite=off", "unit", url=None)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*lab-fresh@5: this deployment of the lab has no login, so *"])


def test_no_policy_file_is_made_of_the_lab(lab: Site) -> None:
    result = lab.run("--nodered-init", "--nodered-lab", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --nodered-init writes a policy for a lasting deployment, *"])
    assert noted(lab) == []
    assert not (lab.path / "nodered-sec.toml").exists()


def test_it_is_stopped_after_a_usage_error(lab: Site) -> None:
    result = lab.run("--nodered-lab", "nodered-sec/test_nothing.py", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert noted(lab) == ["start fresh", "stop"]


@pytest.mark.parametrize("args", [[], ["--collect-only"]])
def test_without_fcntl_it_is_a_usage_error(site: Site, args: list[str]) -> None:
    site.write(conftest="import sys\nsys.modules['fcntl'] = None\n")
    result = site.run("--nodered-lab", *args, url=None, anew=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --nodered-lab runs on Linux and macOS (on Windows in WSL): this Python has no module fcntl; name a *"]
    )
    assert "INTERNALERROR" not in result.stderr.str()


def test_a_pack_is_made_instead_of_a_run(lab: Site) -> None:
    result = lab.run("--nodered-lab-pack=lab.tar.gz", url=None)
    assert result.ret == 0
    assert result.outlines[-1] == "lab.tar.gz: give it to another machine's runs with PYTEST_NODERED_LAB_NPM=lab.tar.gz"
    lab.run("--nodered-lab-pack=two.tar.gz", "--nodered-lab", "--nodered-lab=fresh@4", url=None)
    assert noted(lab) == ["pack fresh into lab.tar.gz", "pack fresh fresh@4 into two.tar.gz"]
    result = lab.run("--nodered-lab-pack=x", "--nodered-lab=gone", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0] == "ERROR: npm could not install gone"


@pytest.mark.parametrize(("hosts", "connect"), [(["127.0.0.1"], None), (["::1", "127.0.0.1"], "127.0.0.1")])
def test_the_lab_is_reached_where_it_listens(
    hosts: list[str], connect: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in hosts]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: [(family,) for family in families])
    assert lab_targets._listens_at() == connect
