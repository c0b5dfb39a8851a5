"""conftest_examples/shards, carried out: the shell lines of its pipelines, and xdist's workers behind a jump host.

The gateways are look-alikes of which one lacks HSTS: what counts here is who tests which, and what is made of it.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hostile
import pytest
from sshlab import SSHD, SshLab
from suite_runs import installed, read, with_outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

EXAMPLE = Path(__file__).parents[2] / "conftest_examples" / "shards"
PIPELINES = (".github/workflows/nodered-sec.yml", ".gitlab-ci.yml", "Jenkinsfile")
LINES = ("line-1", "line-2", "line-3", "line-4", "line-5")
ONE = "-k browsers_are_told"


def with_hsts(request: hostile.Request) -> hostile.Reply:
    """Answer as the others do, with HSTS."""
    reply = hostile.catch_all_page(request)
    return hostile.Reply(reply.status, {**reply.headers, "Strict-Transport-Security": "max-age=63072000"}, reply.body)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The example, with look-alikes in the place of its gateways; line-5 lacks HSTS."""
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "shards"))
    with hostile.serving(with_hsts) as good, hostile.serving(hostile.catch_all_page) as bad:
        text = (folder / "nodered-sec.toml").read_text()
        for name in LINES:
            port = bad.port if name == "line-5" else good.port
            text = text.replace(f"https://{name}.example", f"https://localhost:{port}")
        (folder / "nodered-sec.toml").write_text(f'ca_file = "{hostile.default_ca().pem_path}"\n{text}')
        yield folder


def shells(pipeline: str) -> tuple[str, str]:
    """Return the shell lines of a pipeline that run pytest: that of a shard, and that of the last job."""
    text = (EXAMPLE / pipeline).read_text()
    lines = re.findall(r"(?:- |run: |sh ')(\S*pytest --nodered.*?)'?$", text, re.MULTILINE)
    assert len(lines) == 2, lines
    return lines[0].replace(".venv/bin/", ""), lines[1].replace(".venv/bin/", "")


def shard_of(command: str, part: int) -> tuple[str, dict[str, str]]:
    """Return a shard's shell line as its CI would run it, and the variables that this sets."""
    github = {"matrix.shard": str(part), "strategy.job-total": "4"}
    filled = re.sub(r"\$\{\{ (\S+) \}\}", lambda match: github[match[1]], command)
    return filled, {"CI_NODE_INDEX": str(part), "CI_NODE_TOTAL": "4", "SHARD": str(part)}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_shards_of_a_pipeline_and_what_its_last_job_makes_of_them(copy: Path, pipeline: str) -> None:
    """Each shell line as it stands there, by sh; artefacts lie where the CI would have put them."""
    look, judge = shells(pipeline)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    more = {"PATH": path, "PYTEST_ADDOPTS": f"-q {ONE}", "GITHUB_STEP_SUMMARY": str(copy / "summary.md")}

    def sh(command: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **more, **variables}
        line = ["/bin/sh", "-c", command]
        return subprocess.run(line, cwd=copy, env=environment, capture_output=True, text=True, check=False)

    for part in (1, 2, 3, 4):
        done = sh(*shard_of(look, part))
        assert done.returncode == (1 if part == 1 else 0), done.stdout + done.stderr  # line-1 and line-5
    done = sh(judge, {})
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    seen = read(copy / "evidence" / "junit.xml")
    assert sorted(seen) == list(LINES)
    assert [name for name, controls in seen.items() if "http-06" in with_outcome(controls, "non-compliant")] == [
        "line-5"
    ]
    shutil.rmtree(copy / "shards" / "3")
    shutil.rmtree(copy / "evidence")
    done = sh(judge, {})
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 of 5 targets are in none of the folders: line-3" in done.stdout


def ssh_to_loopback(copy: Path, jump: SshLab, inside: SshLab) -> None:
    """Put two sshds on loopback in the place of the jump host and the machine inside."""
    text = (copy / "ssh_config").read_text()
    for host, ssh_lab in (("jump.plant.example", jump), ("10.20.0.5", inside)):
        ours = f"127.0.0.1\n  Port {ssh_lab.port}\n  IdentityFile {ssh_lab.folder}/key\n"
        ours += f"  UserKnownHostsFile {ssh_lab.folder}/known"
        text = text.replace(host, ours)
    text = text.replace("User ops", f"User {getpass.getuser()}")
    (copy / "ssh_config").write_text(f"{text}\nHost *\n  IdentitiesOnly yes\n  IdentityAgent none\n  BatchMode yes\n")


def test_workers_behind_a_jump_host(copy: Path, tmp_path: Path) -> None:
    """xdist's workers are started over ssh, through another sshd; evidence and exit code are the controller's."""
    if SSHD is None:
        installed("sshd")
    place = tmp_path / "opt"
    (place / "bin").mkdir(parents=True)
    path = os.environ.get("PYTHONPATH", "")
    (place / "bin" / "python").write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec {sys.executable} "$@"\n')
    (place / "bin" / "python").chmod(0o755)
    for name in ("jump", "inside"):
        (tmp_path / name).mkdir()
    script = copy / "over_ssh.sh"
    script.write_text(script.read_text().replace("--dist=load", f"--dist=load {ONE}"))
    left = Path.home() / "pyexecnetcache"
    before = left.exists()
    with SshLab(tmp_path / "jump") as jump, SshLab(tmp_path / "inside") as inside:
        ssh_to_loopback(copy, jump, inside)
        done = subprocess.run(
            ["/bin/sh", "over_ssh.sh"],
            cwd=copy,
            env={**os.environ, "PLACE": str(place)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        connections = jump.connections(), inside.connections()
    if not before:
        shutil.rmtree(left, ignore_errors=True)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert connections == (3, 3), "the policy file, and two workers"
    seen = read(copy / "evidence" / "junit.xml")
    assert sorted(seen) == list(LINES)
    assert [name for name, controls in seen.items() if "http-06" in with_outcome(controls, "non-compliant")] == [
        "line-5"
    ]
