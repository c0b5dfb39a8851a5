"""A real sshd on loopback as the way to this machine: keys, host key, known hosts and log in a directory of its own."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from loopback import listens

from pytest_nodered_sec.lab.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
_HOME = Path("/run/sshd")  # without it no sshd starts as root; the distribution's own makes it at its start


class SshLab:
    """A running sshd; a context manager.

    Args:
        folder: an empty directory for all its files.
        options: further lines of its configuration, e.g. "ForceCommand sleep 60".
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._made = False
        [self.port] = free_ports(1)
        for name in ("host", "key", "wrong", "wrong-host"):
            self._keygen(name)
        shutil.copyfile(folder / "key.pub", folder / "authorized")
        self._known("known", "host")
        self._known("stranger", "wrong-host")
        (folder / "sshd_config").write_text(
            "\n".join(
                [
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {folder}/host",
                    f"AuthorizedKeysFile {folder}/authorized",
                    "StrictModes no",
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "PermitRootLogin prohibit-password",
                    "PidFile none",
                    "LogLevel VERBOSE",
                    *options,
                ]
            )
            + "\n"
        )

    def _keygen(self, name: str) -> None:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)],  # noqa: S607  by PATH
            check=True,
            timeout=20,
        )

    def _known(self, name: str, key: str) -> None:
        public = (self.folder / f"{key}.pub").read_text()
        (self.folder / name).write_text(f"[127.0.0.1]:{self.port} {public}")

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            self._made = not _HOME.exists()
            _HOME.mkdir(mode=0o755, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self.command(), stderr=log)
        assert listens(self._process, self.port), self.log.read_text()
        return self

    def command(self) -> list[str]:
        """Return what starts sshd."""
        assert SSHD is not None
        return [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        if self._made:
            _HOME.rmdir()

    def spec(self, *, key: str = "key", known: str = "known", more: str = "") -> str:
        """Return testinfra's host specification, everything of the user's own ssh set aside by a config file."""
        config = self.folder / f"config-{key}-{known}"
        config.write_text(
            f"Host *\n  IdentityFile {self.folder}/{key}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.folder}/{known}\n  GlobalKnownHostsFile /dev/null\n"
            "  StrictHostKeyChecking yes\n"
        )
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}?ssh_config={config}{more}"

    def connections(self) -> int:
        """Return how many logins there were."""
        return len(re.findall("Accepted publickey", self.log.read_text()))

    def commands(self) -> int:
        """Return how many commands were run."""
        return len(re.findall("Starting session: command", self.log.read_text()))
