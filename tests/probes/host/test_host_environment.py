"""What a program that is started on the host is given of us: no secret in its environment, no group of root's."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import redaction
from pytest_nodered_sec.credentials import without_secrets
from pytest_nodered_sec.observations.host import NodeRedProcess
from pytest_nodered_sec.probes.host.candidate import Candidate
from pytest_nodered_sec.probes.host.parse import Me
from pytest_nodered_sec.probes.host.starting import as_user
from pytest_nodered_sec.probes.host.way import Way

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "not-for-the-host-71"


def test_a_local_command_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NODERED_PASSWORD", "PLANT_A", "PLANT_A_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    with Way("local://", 20) as way:
        seen = way.script("env; cat /proc/$$/environ | tr '\\000' '\\n'")
    assert "PATH=" in seen
    assert SECRET not in seen


def test_other_backends_get_neither_ours_nor_what_is_known_as_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_PASSWORD", "other")
    monkeypatch.setenv("PLANT_A", f"operator:{SECRET}")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", "its own")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    others = ["VAULT_TOKEN", "PLANT_B_PASSWORD", "DB_PASS", "AWS_SECRET_ACCESS_KEY", "GH_TOKEN", "ftp_passwd"]
    for name in others:
        monkeypatch.setenv(name, "of somebody else")
    end = redaction.begin()
    try:
        for secret in (SECRET, "usr", "run", "bin"):
            redaction.learn(secret)
        given = without_secrets(("DOCKER_", "SSH_"))
    finally:
        end()
    assert given["DOCKER_HOST"] == "unix:///run/docker.sock"
    assert {"PATH", "SSH_AUTH_SOCK", "DOCKER_AUTH_CONFIG"} <= set(given)
    assert not {"NODERED_PASSWORD", "PLANT_A", *others} & set(given)


def test_the_client_of_each_backend_is_started_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ssh", "docker", "podman", "kubectl"):
        (tmp_path / name).write_text("#!/bin/sh\ncat >/dev/null\nenv\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("VAULT_TOKEN", SECRET)
    for spec in ("ssh://ops@plant.example", "docker://red", "podman://red", "kubectl://red"):
        with Way(spec, 20) as way:
            seen = way.script("true")
        assert "PATH=" in seen, spec
        assert SECRET not in seen, spec


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root becomes somebody else")
@pytest.mark.parametrize(("uid", "user"), [(65534, "nobody"), (123456, "123456"), (0, "root")])
def test_node_gets_an_empty_environment_and_the_groups_of_its_user(tmp_path: Path, uid: int, user: str) -> None:
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\ncat >/dev/null\nenv\ngrep -E '^(Uid|Gid|Groups|NoNewPrivs):' /proc/$$/status\n")
    fake.chmod(0o755)
    for folder in [tmp_path, *tmp_path.parents][:-2]:
        folder.chmod(folder.stat().st_mode | 0o055)
    who = Me(uid=0, user="root", sudo=False, now=0, uptime=0, ticks=100)
    process = NodeRedProcess(pid=1, uid=uid, user=user, started=0.0)
    node_red = Candidate(process, exe="", cwd="", args=(), gid=123456, groups=(0, 4242), vouched=True)
    command = as_user(who, node_red, str(fake), sudo=False)
    done = subprocess.run(
        ["/bin/sh", "-c", command, "sh", "text"],
        env={"PATH": os.environ["PATH"], "PLANT_A": SECRET, "NODERED_PASSWORD": SECRET},
        capture_output=True,
        text=True,
        check=True,
    )
    assert SECRET not in done.stdout
    facts = {line.split(":")[0]: line.split()[1:] for line in done.stdout.splitlines() if ":\t" in line}
    assert facts["Uid"] == [str(uid)] * 4
    assert (facts["Gid"] == ["0"] * 4) == (uid == 0)
    assert uid == 0 or facts["Groups"] == ["4242"]
