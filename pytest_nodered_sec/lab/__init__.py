"""A real Node-RED on this machine, behind a real TLS proxy, in named deployments: the lab's public names.

    with lab.start(["fresh", "hardened@4"], say=print) as running:
        for deployment in running.deployments:
            print(deployment.label, deployment.url)

Importing it needs the standard library alone; starting it needs the extra `pytest-nodered-sec[lab]`.
"""

from __future__ import annotations

from pytest_nodered_sec.lab.deployments import DEFAULT_MAJOR, MAJORS, names, parse
from pytest_nodered_sec.lab.running import PROXIES, Lab, start
from pytest_nodered_sec.lab.values import LabError, RunningDeployment

__all__ = [
    "DEFAULT_MAJOR",
    "MAJORS",
    "PROXIES",
    "Lab",
    "LabError",
    "RunningDeployment",
    "names",
    "parse",
    "start",
]
