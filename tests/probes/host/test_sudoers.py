"""docs/sudoers allows exactly what the script and the evaluator run with sudo."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_nodered_sec.observations.host import NodeRedProcess
from pytest_nodered_sec.probes.host.candidate import Candidate
from pytest_nodered_sec.probes.host.gather import SCRIPT
from pytest_nodered_sec.probes.host.parse import Me
from pytest_nodered_sec.probes.host.starting import as_user

SUDOERS = Path(__file__).parents[3] / "docs" / "sudoers"
_VARIABLES = {"/proc/$1/": "/proc/*/", "/proc/$pid/": "/proc/*/", "$path": "*", "$step": "*", "$exe": "nginx"}


CALL = re.compile(r"(?:section \S+(?: \S*\")? |\$\(|then |^ +)root (.+)$")


def lines() -> list[str]:
    """The script without its comments."""
    return [line for line in SCRIPT.split("\n") if not line.lstrip().startswith("#")]


def allowed() -> list[list[str]]:
    """The commands of the file, without the directories of their programs."""
    text = SUDOERS.read_text(encoding="utf-8").replace("\\\n", "")
    [listed] = re.findall(r"^Cmnd_Alias.*?=(.*)$", text, re.MULTILINE)
    commands = [re.split(r"(?<!\\) ", part.strip()) for part in re.split(r"(?<!\\),", listed)]
    return sorted(
        [part.rsplit("/", 1)[1] if not at else part.replace("\\", "") for at, part in enumerate(command)]
        for command in commands
    )


def run_with_sudo() -> list[list[str]]:
    """The commands of the script that go through its function `root`."""
    calls = [match[1] for line in lines() if (match := CALL.search(line))]
    result = []
    for call in calls:
        for variable, star in _VARIABLES.items():
            call = call.replace(variable, star)
        lexed = shlex.shlex(call, posix=True, punctuation_chars="|;)")
        lexed.whitespace_split = True
        words = []
        for word in lexed:
            if word in ("|", ";;", ";", ")", "2>/dev/null", "2>/dev/null)"):
                break
            words.append(word)
        result.append(words)
    return sorted(map(list, set(map(tuple, result))))


def test_the_file_is_what_is_run() -> None:
    assert run_with_sudo() == allowed()
    asked = [line for line in lines() if re.search(r'(^|[ (])root ["a-z]', re.sub("echo .*| # .*", "", line))]
    assert len(asked) == len([line for line in asked if CALL.search(line)])


def test_nothing_else_in_the_script_uses_sudo() -> None:
    used = [line.strip() for line in SCRIPT.split("\n") if re.search(r"\$sudo|sudo -n", line)]
    assert used == [
        'if [ -n "$asked" ] && [ "$(id -u)" != 0 ]; then sudo="sudo -n${asked#sudo}"; fi',
        'root() { $patience $sudo "$@"; }',
    ]


def test_the_evaluator_runs_as_the_file_says() -> None:
    ops = Me(1000, "ops", sudo=True, now=0, uptime=0, ticks=100)
    command = as_user(ops, Candidate(NodeRedProcess(812, 998, "nodered", 0), "", "", ()), "/usr/bin/node", sudo=True)
    assert "sudo -n -u nodered /usr/bin/node - ;;" in command
    assert "(NODERED_SEC_USER) NOPASSWD: /usr/bin/node -\n" in SUDOERS.read_text(encoding="utf-8")


def test_sudo_can_read_it() -> None:
    visudo = shutil.which("visudo", path="/usr/sbin:/usr/bin:/sbin")
    if visudo is None:
        pytest.skip("no sudo here: apt install sudo")
    done = subprocess.run([visudo, "-cf", str(SUDOERS)], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 0, done.stdout + done.stderr
