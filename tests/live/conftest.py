"""What several files of live tests start alike: nobody changes it, so once for all that a process runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from suite_runs import need_nginx

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def node_red() -> Iterator[lab.RunningDeployment]:
    """An open Node-RED with both dashboards, for tests of nginx: whatever refuses is the gate."""
    need_nginx()
    with lab.start(["fresh"], say=lambda line: None) as running:
        yield running.deployments[0]


@pytest.fixture(params=[4, 5])
def hardened(request: pytest.FixtureRequest) -> Iterator[lab.RunningDeployment]:
    """One whose admin API has a login, on each major: that is where sessions are made."""
    with lab.start([f"hardened@{request.param}"], say=lambda line: None) as running:
        yield running.deployments[0]
