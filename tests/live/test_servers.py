"""The lab's deployments behind Apache httpd, HAProxy and Traefik: the verdicts are those behind nginx and Caddy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from parts import part_of
from suite_runs import EXPECTED, by_the_calendar, installed, run, with_outcome

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.servers import BEHIND, SERVERS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live
PROGRAMS = {"apache": "apache2", "haproxy": "haproxy", "traefik": "traefik"}


def test_hardened_and_a_dozen_weak_deployments_stand_behind_each() -> None:
    assert set(PROGRAMS) == set(SERVERS)
    assert "hardened" in BEHIND
    assert len([name for name in BEHIND if EXPECTED[name][0]]) >= 12
    assert all(set(SERVERS) <= set(lab.proxies(name)) for name in BEHIND)


@pytest.mark.parametrize("proxy", part_of(list(PROGRAMS)))
def test_exactly_these_controls_fail_and_err(proxy: str, tmp_path: Path) -> None:
    installed(PROGRAMS[proxy])
    seen = run(tmp_path, *(f"--nodered-lab={name}@5+{proxy}" for name in BEHIND))
    for name in BEHIND:
        controls = seen[f"lab-{name}@5+{proxy}"]
        failing = EXPECTED[name][0] | by_the_calendar(5, controls)
        outcomes = with_outcome(controls, "non-compliant"), with_outcome(controls, "could-not-look")
        assert outcomes == (failing, EXPECTED[name][1]), name
