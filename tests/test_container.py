"""conftest_examples/container is as hardened as what it checks should be."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_nodered_sec import __version__

EXAMPLE = Path(__file__).parents[1] / "conftest_examples" / "container"
KNOWN = {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "ENTRYPOINT"}


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Containerfile and their arguments."""
    lines = [line for line in (EXAMPLE / "Containerfile").read_text().splitlines() if line and line[0] != "#"]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_runs_without_root_and_holds_no_lab() -> None:
    named = dict(instructions())
    assert set(named) == KNOWN
    assert instructions()[0][0] == "FROM"
    image = re.fullmatch(r"docker\.io/library/python:3\.\d+-slim", named["FROM"])
    assert image, "a tag that names a Python"
    user, _, group = named["USER"].partition(":")
    assert int(user) > 0, "a number, so that runAsNonRoot can check it"
    assert user == group
    last = [word for word, _ in instructions()][-2:]
    assert last == ["USER", "ENTRYPOINT"], "nothing runs as root after the user is set, and nothing is copied"
    assert "--no-cache-dir" in named["RUN"]
    assert "lab" not in named["RUN"]
    assert json.loads(named["ENTRYPOINT"])[:3] == ["pytest", "-p", "no:cacheprovider"]
    for source in named["COPY"].split()[:-1]:
        assert (EXAMPLE / source).is_file()


def test_it_installs_this_release() -> None:
    (container,) = pod()["containers"]
    assert f"'pytest-nodered-sec[host]=={__version__}'" in dict(instructions())["RUN"]
    assert container["image"].endswith(f":{__version__}")


@pytest.mark.parametrize(("program", "file"), [("hadolint", "Containerfile"), ("kubernetes-validate", "cronjob.yaml")])
def test_nothing_is_found_in_it(program: str, file: str) -> None:
    """hadolint's advice; Kubernetes' own schema, in which every field must be known."""
    installed = shutil.which(program, path=sysconfig.get_path("scripts"))
    if installed is None:
        pytest.skip(f"{program} is not installed here")
    strict = ["--strict"] if program == "kubernetes-validate" else []
    done = subprocess.run([installed, *strict, EXAMPLE / file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def pod() -> dict[str, Any]:  # Any: YAML
    job = yaml.safe_load((EXAMPLE / "cronjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert re.fullmatch(r"(\S+ ){4}\S+", job["spec"]["schedule"])
    assert job["spec"]["concurrencyPolicy"] == "Forbid"  # one at a time
    assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0  # no log-in is tried again by itself
    spec: dict[str, Any] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def test_the_cron_job_is_restricted() -> None:
    """As the Pod Security Standards' profile "restricted" demands, and with a read-only root."""
    spec = pod()
    (container,) = spec["containers"]
    own = container["securityContext"]
    assert spec["restartPolicy"] == "Never"
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["allowPrivilegeEscalation"] is False
    assert own["readOnlyRootFilesystem"] is True
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert not own.get("privileged")
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert {"memory"} <= set(container["resources"]["limits"])
    assert not container["image"].endswith(":latest")
    user = f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}"
    assert user == dict(instructions())["USER"]


def test_the_cron_job_has_what_its_arguments_name() -> None:
    (container,) = (spec := pod())["containers"]
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert set(mounted.values()) == {volume["name"] for volume in spec["volumes"]}
    assert mounted[dict(line.split("=") for line in dict(instructions())["ENV"].split())["HOME"]] == "tmp"
    for folder in re.findall(r"=(/\w+)", " ".join(container["args"])):
        assert folder in mounted
    assert set(re.findall(r"\$\((\w+)\)", " ".join(container["args"]))) <= {
        variable["name"] for variable in container["env"]
    }
