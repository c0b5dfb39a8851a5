"""fleet-02 over two real sshd: machines that were flashed from one image, and machines that were not.

Each sshd runs in a mount namespace in which the machine id, the boot id and /etc/ssh are files of its own, as another
machine's are; it serves the host key that lies there. Both lead to this machine, where each has a Node-RED of the lab.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sshlab import SSHD, SshLab

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.deployments import SAMPLE_HASH
from pytest_nodered_sec.lab.sites import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Deployments = Sequence[lab.RunningDeployment]

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(SSHD is None and not os.environ.get("CI"), reason="no sshd here: apt install openssh-server"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes mount namespaces"),
]


class Machine(SshLab):
    """A machine as fleet-02 sees it.

    Args:
        folder: an empty directory for all its files.
        image: the machine from whose image it was flashed, None for one that was installed.
    """

    def __init__(self, folder: Path, image: Machine | None = None) -> None:
        folder.mkdir()
        super().__init__(folder)
        ssh = folder / "ssh"
        ssh.mkdir()
        for end in ("", ".pub"):
            origin = image.folder / f"ssh/ssh_host_ed25519_key{end}" if image else folder / f"host{end}"
            shutil.copy(origin, ssh / f"ssh_host_ed25519_key{end}")
        (folder / "machine-id").write_text(
            (image.folder / "machine-id").read_text() if image else secrets.token_hex(16)
        )
        (folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
        config = folder / "sshd_config"
        config.write_text(config.read_text().replace(f"HostKey {folder}/host", "HostKey /etc/ssh/ssh_host_ed25519_key"))
        public = (ssh / "ssh_host_ed25519_key.pub").read_text()
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {public}")

    def command(self) -> list[str]:
        """Return what starts its sshd, in a mount namespace."""
        binds = [("machine-id", "/etc/machine-id"), ("boot_id", "/proc/sys/kernel/random/boot_id"), ("ssh", "/etc/ssh")]
        steps = [f"mount --bind '{self.folder}/{own}' {there}" for own, there in binds]
        return ["unshare", "-m", "sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh", *super().command()]


@pytest.fixture(scope="module")
def deployments() -> Iterator[Deployments]:
    with lab.start(["hardened", "fresh"], say=lambda line: None) as running:
        yield running.deployments


@contextlib.contextmanager
def machines_of(folder: Path, deployments: Deployments, machines: list[Machine]) -> Iterator[None]:
    """Let the machines run; the folder's policy file says how each deployment is reached."""
    policy = f"ca_file = {json.dumps(deployments[0].ca_file)}\n"
    with contextlib.ExitStack() as stack:
        for number, (deployment, machine) in enumerate(zip(deployments, machines, strict=True), 1):
            stack.enter_context(machine)
            values = {"name": f"line-{number}", "url": deployment.url, "host": machine.spec()}
            ports = {"direct_port": deployment.direct_port, "http_port": deployment.http_port}
            own = Path(deployment.user_dir, SETTINGS)  # where it runs a site's directory
            inside = {"inside.user_dir": deployment.user_dir}
            inside |= {"inside.settings_file": str(own)} if own.exists() else {}
            lines = [f"{key} = {json.dumps(value)}" for key, value in {**values, **ports, **inside}.items()]
            policy += "\n".join(["[[target]]", *lines, ""])
        (folder / "nodered-sec.toml").write_text(policy)
        yield


def verdicts(folder: Path, *args: str) -> dict[str, list[str]]:
    """Return of each target the outcome of fleet-02, and the codes of its findings."""
    only = "nodered-sec/test_fleet.py::test_machine_is_no_copy"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=out.xml", only, *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    tree = ElementTree.parse(folder / "out.xml")  # noqa: S314  our own pytest wrote it
    told = [
        {each.get("name"): each.get("value", "") for each in case.iter("property")} for case in tree.iter("testcase")
    ]
    name, outcome, codes = (f"nodered_sec.{each}" for each in ("target", "outcome", "findings"))
    assert told, done.stdout
    return {each[name]: [each[outcome], *each.get(codes, "").split()] for each in told}


def test_machines_of_one_image_share_id_and_host_key(tmp_path: Path, deployments: Deployments) -> None:
    first = Machine(tmp_path / "first")
    with machines_of(tmp_path, deployments, [first, Machine(tmp_path / "second", first)]):
        seen = verdicts(tmp_path)
    copies = ["non-compliant", "shared-machine-id", "shared-host-key"]
    assert seen == {"line-1": copies, "line-2": copies}


def test_machines_that_were_installed_share_nothing(tmp_path: Path, deployments: Deployments) -> None:
    with machines_of(tmp_path, deployments, [Machine(tmp_path / "first"), Machine(tmp_path / "second")]):
        seen = verdicts(tmp_path)
    assert seen == {"line-1": ["compliant"], "line-2": ["compliant"]}


def test_a_machine_that_never_answers_is_an_error_and_no_copy(tmp_path: Path, deployments: Deployments) -> None:
    asleep = Machine(tmp_path / "second")
    with (asleep.folder / "sshd_config").open("a") as config:
        config.write("ForceCommand sleep 30\n")
    with machines_of(tmp_path, deployments, [Machine(tmp_path / "first"), asleep]):
        with (tmp_path / "nodered-sec.toml").open("a") as policy:  # of the second
            policy.write("inside.seconds = 2\n")
        seen = verdicts(tmp_path)
    assert seen == {"line-1": ["not-judged"], "line-2": ["could-not-look"]}  # there is nothing to compare with
    report = (tmp_path / "out.xml").read_text()
    assert "not seen: line-2" in report
    assert "did not answer within 2 s" in report


def test_a_password_hash_that_two_machines_have_is_found_and_kept_nowhere(tmp_path: Path) -> None:
    """In one run, under xdist, in shards that are put together, and since a baseline.

    The third has a hash of its own, and shares with the second a sample that host-03 judges.
    """
    shared, own = (f"$2b$08${secrets.token_hex(11)[:21]}u{secrets.token_hex(15)}e" for _ in range(2))
    sites = [tmp_path / "sites" / str(number) for number in range(3)]
    for site, (admin, node) in zip(sites, [(shared, shared), (shared, SAMPLE_HASH), (own, SAMPLE_HASH)], strict=True):
        site.mkdir(parents=True)
        users = json.dumps([{"username": "ops", "password": admin, "permissions": "*"}])
        (site / "settings.js").write_text(
            f'module.exports = {{uiHost: "127.0.0.1", adminAuth: {{type: "credentials", users: {users}}}, '
            f'httpNodeAuth: {{user: "u", pass: "{node}"}}}};'
        )
    machines = [Machine(tmp_path / f"machine-{number}") for number in range(3)]
    copies = {name: ["non-compliant", "shared-password"] for name in ("line-1", "line-2")}
    expected = {**copies, "line-3": ["compliant"]}
    with (
        lab.start([str(site) for site in sites], say=lambda line: None) as running,
        machines_of(tmp_path, running.deployments, machines),
    ):
        assert verdicts(tmp_path, "--nodered-evidence=whole") == expected
        assert verdicts(tmp_path, "-n2", "--nodered-evidence=workers") == expected
        first = verdicts(tmp_path, "--nodered-shard=1/2", "--nodered-evidence=first")
        second = verdicts(tmp_path, "--nodered-shard=2/2", "--nodered-evidence=second")
    assert {**first, **second} == {name: ["not-judged"] for name in expected}
    merged = ("--nodered-replay=first", "--nodered-replay=second")
    since = ("--nodered-baseline=whole", "--nodered-fail-on=new")
    assert verdicts(tmp_path, *merged, *since, "--nodered-evidence=merged") == expected
    told = ElementTree.parse(tmp_path / "out.xml").getroot()  # noqa: S314  our own pytest wrote it
    cases = {case.get("name", ""): case for case in told.iter("testcase")}
    assert [case.find("failure") for case in cases.values()] == [None] * 3  # nothing is new
    kept = [file for name in ("whole", "workers", "first", "second", "merged") for file in (tmp_path / name).iterdir()]
    text = "".join(file.read_text() for file in (*kept, tmp_path / "out.xml"))
    assert "its password hash (adminAuth user 1, httpNodeAuth in settings.js) is also that of line-2" in text
    assert "its password hash (adminAuth user 1 in settings.js) is also that of line-1" in text
    for each in (shared, own, SAMPLE_HASH):
        assert each[7:] not in text
