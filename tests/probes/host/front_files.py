"""The host script's part on fronts, run by the shells here."""

from __future__ import annotations

import subprocess

import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.probes.host import fronts
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.gather import SCRIPT
from pytest_nodered_sec.probes.host.parse import Me, Section

OPS = Me(1000, "ops", sudo=False, now=1_700_001_000.0, uptime=1000.0, ticks=100.0)
SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880),)
HAPROXY = """name haproxy
exe /usr/sbin/haproxy
cwd /
start 5000
worker 9000
arg haproxy
arg -Ws
arg -f
arg /etc/haproxy/haproxy.cfg
arg -p
arg /run/haproxy.pid"""


def front(text: str = HAPROXY, code: int = 0) -> fronts.Front:
    [running] = fronts.running({"front 70": Section(text, code)}, OPS)
    return running


def trouble(front: fronts.Front, later: dict[str, Section]) -> str:
    with pytest.raises(ProbeError) as caught:
        fronts.config(front, later, SOCKETS)
    return caught.value.message


def looked(*args: str) -> dict[str, Section]:
    command = ["sh", "-c", SCRIPT, "sh", "MARK", "", "0", *args]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True, timeout=300)
    return text_of.sections(done.stdout, "MARK")
