"""What docs/extending.md and docs/lab.md show is run, block by block, as a reader would.

Two commands of docs/lab.md are run elsewhere: a whole look at `hardened` (test_verdicts.py), and controls at `fresh`
and `hardened` (test_example_files.py).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from proxylab import forward_proxy
from suite_runs import run

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

DOCS = Path(__file__).parents[2] / "docs"


def section(page: str, heading: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.split(r"\n##+ ", text.split(f"# {heading}\n", 1)[1])[0]


def saved(page: str, heading: str, folder: Path) -> None:
    """Save the Python of a section under the names in its first lines."""
    for name, text in re.findall(r"```python\n# (\S+)\n(.*?)```", section(page, heading), re.DOTALL):
        (folder / name).write_text(text, encoding="utf-8")


def shown(page: str, heading: str) -> list[list[str]]:
    """Return the arguments of the pytest commands that a section shows."""
    return [line.split() for line in re.findall(r"^\$ pytest (.*)$", section(page, heading), re.MULTILINE)]


@pytest.fixture(scope="module")
def hardened() -> Iterator[lab.RunningDeployment]:
    with lab.start(["hardened"], say=lambda line: None) as running:
        yield running.deployments[0]


def reached(deployment: lab.RunningDeployment, name: str = "plant", **more: str) -> str:
    """Return the [[target]] of a deployment."""
    values = {"name": name, "url": deployment.url, "ca_file": deployment.ca_file, **more}
    lines = [f'{key} = "{value}"' for key, value in values.items()]
    return "\n".join(
        ["[[target]]", *lines, f"http_port = {deployment.http_port}", f"direct_port = {deployment.direct_port}\n"]
    )


def test_a_control(tmp_path: Path) -> None:
    saved("extending.md", "A control", tmp_path)
    [args] = shown("extending.md", "A control")
    [controls] = run(tmp_path, *args, "test_style.py").values()
    assert controls == {"site-01": {"non-compliant"}, "site-05": {"compliant", "not-applicable"}}


def test_a_question_of_ones_own(tmp_path: Path) -> None:
    saved("extending.md", "A question of your own kind", tmp_path)
    text = (tmp_path / "test_metrics.py").read_text()
    stricter = text.replace('"customers" in', '"orders" in').replace("site-06", "site-07")
    (tmp_path / "test_stricter.py").write_text(stricter)
    seen = run(tmp_path, "--nodered-lab=fresh", "--nodered-lab=hardened", "--nodered-suite=off")
    assert seen["lab-fresh@5"] == {"site-06": {"compliant"}, "site-07": {"non-compliant"}}
    assert seen["lab-hardened@5"] == {"site-06": {"compliant"}, "site-07": {"compliant"}}
    report = (tmp_path / "out.xml").read_text()
    assert "GET /api/orders shows anonymous clients orders" in report
    assert "GET /api/orders shows anonymous clients nothing" in report


def test_a_corporate_proxy(hardened: lab.RunningDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved("extending.md", "A corporate proxy", tmp_path)
    (tmp_path / "nodered-sec.toml").write_text(reached(hardened))
    with forward_proxy(tmp_path / "proxy") as (port, log):
        monkeypatch.setenv("PLANT_PROXY", f"http://plant:hunter2-proxy@127.0.0.1:{port}")
        [controls] = run(tmp_path, "-k", "login_is_configured or direct_port").values()
        assert controls == {"admin-04": {"compliant"}, "proxy-01": {"could-not-look"}}
        assert f"CONNECT localhost:{hardened.url.rsplit(':', 1)[1]}" in log.read_text()
    assert "hunter2-proxy" not in (tmp_path / "out.xml").read_text()


def test_an_extra_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved("extending.md", "An extra header", tmp_path)
    plant = tmp_path / "plant"
    plant.mkdir()
    (plant / "settings.js").write_text('module.exports = {uiHost: "127.0.0.1"};')
    (plant / "Caddyfile").write_text(
        "@strangers not header X-Plant-Token hunter2-token\nrespond @strangers 403\nreverse_proxy 127.0.0.1:1880\n"
    )
    with lab.start([str(plant)], say=lambda line: None) as running:
        (tmp_path / "nodered-sec.toml").write_text(reached(running.deployments[0]))
        for token, outcome in (("hunter2-token", "non-compliant"), ("hunter2-wrong", "could-not-look")):
            monkeypatch.setenv("PLANT_TOKEN", token)
            [controls] = run(tmp_path, "-k", "login_is_configured").values()
            assert controls == {"admin-04": {outcome}}
            assert "hunter2" not in (tmp_path / "out.xml").read_text()


def test_credentials_from_a_vault(hardened: lab.RunningDeployment, tmp_path: Path) -> None:
    saved("extending.md", "Credentials from a vault", tmp_path)
    (tmp_path / "nodered-sec.toml").write_text(reached(hardened))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "plant").write_text(" ".join(hardened.credentials()))
    [controls] = run(tmp_path, "-k", "account_is_honoured", "-n2").values()
    assert controls == {"admin-08": {"compliant"}}
    assert hardened.credentials()[1] not in (tmp_path / "out.xml").read_text()


def test_a_policy_that_is_computed(hardened: lab.RunningDeployment, tmp_path: Path) -> None:
    saved("extending.md", "A policy that is computed", tmp_path)
    labels = {"a": '{zone = "dmz"}', "b": "{}", "c": '{state = "rebuilding"}'}
    text = "".join(f"{reached(hardened, name)}labels = {given}\n" for name, given in labels.items())
    (tmp_path / "nodered-sec.toml").write_text(
        text.replace("localhost", "127.0.0.1", 1).replace("localhost", "[::1]", 1)
    )
    command = [sys.executable, "-m", "pytest", "--nodered-show-policy"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert re.findall('^name = "(.)"', said, re.MULTILINE) == ["a", "b"]
    assert re.findall('^profile = "(.*?)"', said, re.MULTILINE) == ["strict", "production"]


def test_the_plan(tmp_path: Path) -> None:
    [args] = shown("asking.md", "What is sent, and how to slow down")
    command = [sys.executable, "-m", "pytest", *args]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    classes = re.findall(r"^\| ([\w-]+) \|", section("asking.md", "What is sent, and how to slow down"), re.MULTILINE)
    assert {"handshake", "read", "write-shaped", "guess", "exploit-shaped"} <= set(classes)
    for kind in set(classes) - {"class"}:
        assert f"\n  {kind} " in said


# --- the lab


def test_a_plant_of_ones_own(tmp_path: Path) -> None:
    plant = tmp_path / "plant"
    plant.mkdir()
    (plant / "settings.js").write_text("module.exports = {};")
    [args] = shown("lab.md", "Your flows, before production")
    seen = run(tmp_path, *args, "-k", "direct_port or login_is_configured")
    assert seen == {"lab-plant@5": {"proxy-01": {"non-compliant"}, "admin-04": {"non-compliant"}}}


def test_tests_that_may_act(tmp_path: Path) -> None:
    saved("lab.md", "Tests that may act", tmp_path)
    [args] = shown("lab.md", "Tests that may act")
    command = [sys.executable, "-m", "pytest", *args]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout
