"""Every way to a host that testinfra knows tells the same: local, ssh, safe-ssh, ansible, docker, podman, kubectl.

sshd and ansible are real. No container runtime runs in a test machine: `docker`, `podman` and `kubectl` are simulated
by a program of that name that runs here what it is asked to run inside, and answers `inspect` with what is written
below, in the form of `docker inspect --format …` of Docker 28. What it shows is what our side makes of them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sshlab import SSHD, SshLab
from suite_runs import ids, run

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(SSHD is None and not os.environ.get("CI"), reason="no sshd here: apt install openssh-server"),
]

# what else runs on the machine of the tests is its own affair
OF_NODE_RED = ids(
    "host-00 host-02 host-03 host-04 host-05 host-06 host-07 host-08 host-09 host-16 host-17 host-18 host-19 "
    "host-20 host-21"
)
RUNTIME = """#!/bin/sh
echo "$(basename "$0") $*" | head -1 >>"$LOG"
case "$1 $3" in
network*) echo bridge ;;
inspect*Networks*) echo line_default ;;
inspect*) echo '{"1880/tcp":[{"HostIp":"127.0.0.1","HostPort":"1880"}]} line_default unless-stopped' ;;
*) while [ "$1" != /bin/sh ]; do shift; done; exec "$@" ;;
esac
"""
CONFTEST = """
from dataclasses import replace

def pytest_nodered_targets(config, targets):
    return [replace(t, policy=replace(t.policy, host=replace(t.policy.host, user_dir={!r}))) for t in targets]
"""


class Ways:
    """A Node-RED, and pytest runs that look at it from inside by one way or another."""

    def __init__(self, red: lab.RunningDeployment, sshd: SshLab, folder: Path) -> None:
        self.red = red
        self.sshd = sshd
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("docker", "podman", "kubectl"):
            (self.programs / name).write_text(RUNTIME)
            (self.programs / name).chmod(0o755)

    def __call__(self, host: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *args: str) -> dict[str, set[str]]:
        path = f"{self.programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        monkeypatch.setenv("PATH", path)  # the real ansible of this environment, the simulated runtimes
        monkeypatch.setenv("LOG", str(folder / "log"))
        (folder / "conftest.py").write_text(CONFTEST.format(self.red.user_dir))
        url = [f"--nodered-url={self.red.url}", f"--nodered-ca-file={self.red.ca_file}"]
        ports = f"--nodered-direct-port={self.red.direct_port}"
        [seen] = run(folder, *url, ports, f"--nodered-host={host}", "-k", "test_host_", *args).values()
        return {control: outcomes for control, outcomes in seen.items() if control in OF_NODE_RED}


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("ways")
    (folder / "sshd").mkdir()
    with SshLab(folder / "sshd") as sshd, lab.start(["hardened"], say=lambda line: None) as running:
        yield Ways(running.deployments[0], sshd, folder)


@pytest.fixture(scope="module")
def here(ways: Ways, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What this machine tells without any way in between."""
    with pytest.MonkeyPatch.context() as patch:
        seen = ways("local://", tmp_path_factory.mktemp("here"), patch)
    failing = {control for control, outcomes in seen.items() if "non-compliant" in outcomes}
    assert failing == ({"host-02", "host-19"} if os.geteuid() == 0 else {"host-19"})
    assert not any("could-not-look" in outcomes for outcomes in seen.values())
    return seen


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("docker://line", "docker exec line /bin/sh -c"),
        ("docker://node-red@line", "docker exec -u node-red line /bin/sh -c"),
        ("podman://line", "podman exec line /bin/sh -c"),
        ("kubectl://line?namespace=plant&container=red", "kubectl -n plant -c red exec line -- /bin/sh -c"),
    ],
)
def test_into_containers(
    host: str, asked: str, ways: Ways, here: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ways(host, tmp_path, monkeypatch) == here
    log = (tmp_path / "log").read_text().splitlines()
    assert {line for line in log if " inspect " not in line and line.startswith(asked)}
    assert len(log) <= 12
    assert any("inspect" in line for line in log) is not host.startswith("kubectl")


def test_by_ansibles_inventory(
    ways: Ways, here: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ways.sshd.spec().partition("ssh_config=")[2]
    (tmp_path / "hosts").write_text(
        "near ansible_connection=local\n"
        f"far ansible_host=127.0.0.1 ansible_port={ways.sshd.port} ansible_ssh_common_args='-F {config}'\n"
    )
    before = ways.sshd.connections()
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
        spec = f"ansible://{name}?ansible_inventory={tmp_path}/hosts"
        assert ways(spec, tmp_path / name, monkeypatch) == here
    assert ways.sshd.connections() == before + 1  # of ours as well, though ansible says how to get there


def test_by_ssh_that_guards_against_wrappers(
    ways: Ways, here: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ways(ways.sshd.spec().replace("ssh://", "safe-ssh://"), tmp_path, monkeypatch) == here
    assert "mktemp" not in ways.sshd.log.read_text()


def test_by_testinfras_own_options(
    ways: Ways, here: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ways.sshd.folder
    (tmp_path / "config").write_text(
        f"Host plant\n  HostName 127.0.0.1\n  Port {ways.sshd.port}\n  UserKnownHostsFile {folder}/known\n"
    )
    options = [
        f"--ssh-config={tmp_path}/config",
        f"--ssh-identity-file={folder}/key",
        "--ssh-extra-args=-o IdentityAgent=none",
    ]
    assert ways("ssh://plant", tmp_path, monkeypatch, *options) == here


def test_each_target_is_looked_at_on_its_own_host(ways: Ways, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{ways.programs}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    (tmp_path / "nodered-sec.toml").write_text(
        "".join(
            f'[[target]]\nname = "{name}"\nurl = "{ways.red.url}"\nhost = "{host}"\nca_file = "{ways.red.ca_file}"\n'
            f'direct_port = {ways.red.direct_port}\ninside = {{user_dir = "{ways.red.user_dir}"}}\n'
            for name, host in (("one", "docker://one"), ("two", "kubectl://two"), ("three", ways.sshd.spec()))
        )
    )
    before = ways.sshd.connections()
    seen = run(tmp_path, "-k", "test_what_was_read or test_runs_without")
    assert {name: outcomes["host-17"] for name, outcomes in seen.items()} == dict.fromkeys(
        ("one", "two", "three"), frozenset({"compliant"})
    )
    asked = {tuple(line.split()[:3]) for line in (tmp_path / "log").read_text().splitlines() if "exec" in line}
    assert asked == {("docker", "exec", "one"), ("kubectl", "exec", "two")}
    assert ways.sshd.connections() == before + 1
