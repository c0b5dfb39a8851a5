"""Do no harm: somebody else's open Node-RED, given by its URL, is byte for byte what it was after a whole run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from suite_runs import ALSO_ON_4, EXPECTED, by_the_calendar, need_nginx, run, with_outcome

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

SITE = """
websockets = ["/ws/line"]
protected_paths = [{path = "/api/orders", method = "GET", effect = "none"}, {path = "/api/orders", method = "POST"}]
"""


@pytest.fixture(params=["4", "5", "5+nginx"])
def fresh(request: pytest.FixtureRequest) -> Iterator[lab.RunningDeployment]:
    if "nginx" in request.param:
        need_nginx()
    with lab.start([f"fresh@{request.param}"], say=lambda line: None) as running:
        yield running.deployments[0]


def state(deployment: lab.RunningDeployment) -> dict[str, str]:
    """Hash every file of the user directory, modules left out, and the flows as the API tells them."""
    files = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(deployment.user_dir).rglob("*")
        if path.is_file() and "node_modules" not in path.parts
    }
    for path in ("/flows", "/context/global"):  # the lab's POST endpoint leaves a word in the global context
        files[path] = requests.get(deployment.url + path, verify=deployment.ca_file, timeout=10).text
    return files


def expected(deployment: lab.RunningDeployment) -> set[str]:
    declared = {"flow-01"}  # by SITE
    return EXPECTED["fresh"][0] - declared | (ALSO_ON_4["fresh"] if deployment.major == 4 else set())


def test_a_run_changes_nothing(fresh: lab.RunningDeployment, tmp_path: Path) -> None:
    before = state(fresh)
    policy = tmp_path / "policy.toml"
    policy.write_text(SITE)
    args = [f"--nodered-ca-file={fresh.ca_file}", f"--nodered-http-port={fresh.http_port}"]
    args += [f"--nodered-direct-port={fresh.direct_port}", f"--nodered-policy={policy}"]
    [controls] = run(tmp_path, f"--nodered-url={fresh.url}", *args).values()
    assert with_outcome(controls, "non-compliant") == expected(fresh) | {"node-01", "node-02"} | by_the_calendar(
        fresh.major, controls
    )
    assert with_outcome(controls, "could-not-look") == set()
    assert state(fresh) == before
