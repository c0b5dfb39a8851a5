"""Examples of conftest_examples with the lab's addresses in the place of the site's; and an MQTT broker."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from suite_runs import installed

from pytest_nodered_sec.lab.ports import accepts, free_ports
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    import pytest

    from pytest_nodered_sec import RunningDeployment


EXAMPLES = Path(__file__).parents[1] / "conftest_examples"


def example(name: str, folder: Path, **hosts: RunningDeployment) -> Path:
    """Copy an example and put the lab's addresses in the place of the site's.

    Args:
        name: of the example.
        folder: where to.
        hosts: the deployment that stands for each host name, without `.example` and with _ for -.
    """
    copy = folder / name
    shutil.copytree(EXAMPLES / name, copy)
    for file in copy.rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            for host, deployment in hosts.items():
                url = f"https://{host.replace('_', '-')}.example"
                ports = f"http_port = {deployment.http_port}\ndirect_port = {deployment.direct_port}\n"
                ports += f"ca_file = {toml(deployment.ca_file)}"
                text = text.replace(f'url = "{url}"', f'url = "{deployment.url}"\n{ports}').replace(url, deployment.url)
            file.write_text(text, encoding="utf-8")
    return copy


def reach(deployment: RunningDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say in the environment what stands at the top of no example: how the lab is reached."""
    for name, value in (("URL", deployment.url), ("CA_FILE", deployment.ca_file), ("HTTP_PORT", deployment.http_port)):
        monkeypatch.setenv(f"NODERED_{name}", str(value))
    monkeypatch.setenv("NODERED_DIRECT_PORT", str(deployment.direct_port))


class Broker:
    """A real mosquitto on loopback; a context manager."""

    def __init__(self, folder: Path, certificates: Path, *, anonymous: bool) -> None:
        (self.port,) = free_ports(1)
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nuser root\nallow_anonymous {str(anonymous).lower()}\n"
            f"certfile {certificates}/leaf.pem\nkeyfile {certificates}/leaf.key\nlog_dest none\n"
        )
        self._command = [installed("mosquitto"), "-c", str(folder / "mosquitto.conf")]

    def __enter__(self) -> Broker:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not accepts(self.port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


PIPELINES = (".github/workflows/nodered-sec.yml", ".gitlab-ci.yml", "Jenkinsfile")

ONE = ("-k", "login_is_configured")
