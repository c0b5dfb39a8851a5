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
from typing import TYPE_CHECKING

import pytest
from sshlab import SSHD, SshLab

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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


def verdicts(folder: Path, deployments: Deployments, machines: list[Machine]) -> dict[str, list[str]]:
    """Return of each target the outcome of fleet-02, and the codes of its findings."""
    policy = f"ca_file = {json.dumps(deployments[0].ca_file)}\n"
    with contextlib.ExitStack() as stack:
        for number, (deployment, machine) in enumerate(zip(deployments, machines, strict=True), 1):
            stack.enter_context(machine)
            values = {"name": f"line-{number}", "url": deployment.url, "host": machine.spec()}
            ports = {"direct_port": deployment.direct_port, "http_port": deployment.http_port}
            lines = [f"{key} = {json.dumps(value)}" for key, value in {**values, **ports}.items()]
            policy += "\n".join(["[[target]]", *lines, f"inside.user_dir = {json.dumps(deployment.user_dir)}", ""])
        (folder / "nodered-sec.toml").write_text(policy)
        only = "nodered-sec/test_fleet.py::test_machine_is_no_copy"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=out.xml", only]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    tree = ElementTree.parse(folder / "out.xml")  # noqa: S314  our own pytest wrote it
    told = [
        {each.get("name"): each.get("value", "") for each in case.iter("property")} for case in tree.iter("testcase")
    ]
    name, outcome, codes = (f"nodered_sec.{each}" for each in ("target", "outcome", "findings"))
    assert len(told) == len(machines), done.stdout
    return {each[name]: [each[outcome], *each.get(codes, "").split()] for each in told}


def test_machines_of_one_image_share_id_and_host_key(tmp_path: Path, deployments: Deployments) -> None:
    first = Machine(tmp_path / "first")
    seen = verdicts(tmp_path, deployments, [first, Machine(tmp_path / "second", first)])
    copies = ["non-compliant", "shared-machine-id", "shared-host-key"]
    assert seen == {"line-1": copies, "line-2": copies}


def test_machines_that_were_installed_share_nothing(tmp_path: Path, deployments: Deployments) -> None:
    seen = verdicts(tmp_path, deployments, [Machine(tmp_path / "first"), Machine(tmp_path / "second")])
    assert seen == {"line-1": ["compliant"], "line-2": ["compliant"]}
