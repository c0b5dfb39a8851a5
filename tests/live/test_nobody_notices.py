"""Nobody notices our looking: not who is connected to a dashboard, not a flow, not the process."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
import requests
from suite_runs import run

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import guardian

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live


class Visitor:
    """Somebody's browser on a dashboard: it has joined, and notes every event that it is sent."""

    def __init__(self, deployment: lab.RunningDeployment, dashboard: str) -> None:
        self.events: list[str] = []
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = deployment.ca_file
        self._url = f"{deployment.url}{dashboard}/socket.io/?EIO=4&transport=polling"
        opened = self._session.get(self._url, timeout=10).text
        self._url += f"&sid={json.loads(opened[1:])['sid']}"
        self._say("40")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def _say(self, packets: str) -> None:
        self._session.post(self._url, data=packets, headers={"Content-Type": "text/plain;charset=UTF-8"}, timeout=10)

    def _listen(self) -> None:
        while not self._over.is_set():
            for packet in self._session.get(self._url, timeout=10).text.split("\x1e"):
                if packet == "2":
                    self._say("3")
                elif packet.startswith("42"):
                    name, *data = json.loads(packet[2:])
                    of = data[0].get("id", "") if data and isinstance(data[0], dict) else ""
                    self.events.append(f"{name} {of}".rstrip())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
        with contextlib.suppress(requests.RequestException):
            self._say("41\x1e1")
        self._session.close()


def log_of(deployment: lab.RunningDeployment) -> str:
    return (Path(deployment.user_dir).parent / "node-red.log").read_text()


def noticed(deployment: lab.RunningDeployment, dashboard: str) -> list[str]:
    """What the flow's ui-control node has told."""
    return re.findall(rf"\[debug:seen by {dashboard}\] (\w+)", log_of(deployment))


def look_at(deployment: lab.RunningDeployment, folder: Path, policy: str) -> dict[str, set[str]]:
    """Run the whole suite by URL, as at a stranger's."""
    (folder / "policy.toml").write_text(policy)
    args = [f"--nodered-ca-file={deployment.ca_file}", f"--nodered-http-port={deployment.http_port}"]
    [controls] = run(
        folder, f"--nodered-url={deployment.url}", *args, f"--nodered-policy={folder}/policy.toml"
    ).values()
    return controls


PUBLIC = (
    'dashboards = [{path = "/ui", public = true, reason = "x"}, {path = "/dashboard", public = true, reason = "x"}]'
)
EXPECTED = {  # deployment: its policy, and the control that joins each dashboard there
    "fresh@4": ("", "dash-02"),
    "public-acting@5": (PUBLIC, "dash-05"),
}


@pytest.fixture(scope="module", params=EXPECTED)
def visited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A run while somebody is on both dashboards."""
    policy, control = EXPECTED[request.param]
    with lab.start([request.param], say=lambda line: None) as running:
        [deployment] = running.deployments
        with Visitor(deployment, "/ui") as first, Visitor(deployment, "/dashboard") as second:
            time.sleep(2)  # Dashboard 2 tells its configuration anew when it has just started
            first.events.clear()
            second.events.clear()
            controls = look_at(deployment, tmp_path_factory.mktemp("run"), policy)
        yield {"one": deployment, "judged": controls[control], "ui": first.events, "dashboard": second.events}


def test_who_is_connected_gets_nothing_because_of_us(visited: dict[str, Any]) -> None:
    assert visited["judged"] == {"non-compliant"}
    assert set(visited["ui"]) == {"update-value ui1text"}  # the value that ticks
    assert set(visited["dashboard"]) == {"msg-input:ui2text"}


@pytest.mark.parametrize("dashboard", ["ui", "dashboard"])
def test_a_flow_sees_us_come_and_go_once(visited: dict[str, Any], dashboard: str) -> None:
    seen = noticed(visited["one"], dashboard)
    assert seen[:3] == ["connect", "connect", "lost"]  # the visitor stays
    assert len(seen) <= 4


def test_old_dashboards_see_us_go_too(tmp_path: Path) -> None:
    with lab.start(["old-release"], say=lambda line: None) as running:
        [deployment] = running.deployments
        look_at(deployment, tmp_path, "")
        assert noticed(deployment, "ui") == ["connect", "lost"]


def test_other_interfaces_survive_us(tmp_path: Path) -> None:
    with lab.start(["interfaces@5", "interfaces@4"], say=lambda line: None) as running:
        for deployment in running.deployments:
            here = tmp_path / str(deployment.major)
            here.mkdir()
            outcomes = look_at(deployment, here, 'interfaces = [{kind = "uibuilder", path = "/nope"}]')
            assert outcomes["live-01"] == {"non-compliant"}  # declared but absent; the others are open
            outcomes = look_at(deployment, here, "")
            assert outcomes["live-01"] == {
                "non-compliant",
                "could-not-look",
            }  # nothing is known of uibuilder's instances
            assert "uibuilder: live channel /uibuilder/vendor/socket.io without" in (here / "out.xml").read_text()
            look_at(deployment, here, 'interfaces = [{kind = "uibuilder", path = "/hmi"}]')
            assert "namespace /hmi, without credentials was joined" in (here / "out.xml").read_text()
        time.sleep(6)  # it waits five seconds before it writes
        for deployment in running.deployments:
            assert guardian.ENDED not in log_of(deployment)
            told = json.loads((Path(deployment.user_dir) / "uibuilder" / ".config" / "telemetry.json").read_text())
            assert not told.get("browsers")  # uibuilder has counted nobody
            for path, status in (("/settings", 401), ("/hmi/", 200), ("/worldmap/", 200), ("/flexdash/", 200)):
                assert (
                    requests.get(deployment.url + path, verify=deployment.ca_file, timeout=10).status_code == status
                ), path
