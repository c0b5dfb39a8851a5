"""The README alone leads a new user to the first own control that fails, is fixed, passes, and is waived."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.lab.deployments import SAMPLE_HASH

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST, TRY, OWN, WALK = README.split("\n## ")[:4]
TODAY = datetime.now(UTC).date()


def block(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", WALK, re.DOTALL)
    return str(text)


def arguments(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"^\$ pytest (.*)$", text, re.MULTILINE)]


def pytest_of(folder: Path, args: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_first_look(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "tests/conftest.py"):  # what pytest reads in a clone
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    done = pytest_of(tmp_path, arguments(TRY)[0])
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    (kind,) = re.findall(r"```\n(admin-01 .*?)\d+ bytes\).*?( +1\. critical · [^\n]*)\n", FIRST, re.DOTALL)
    for shown in kind:
        assert shown in done.stdout, "what the README shows of a finding"
    assert "nodered-sec: report written to lab.html\n" in done.stdout
    assert done.stdout.partition("[100%]\n")[2].count("\n") <= 60, "what a person reads of a fresh Node-RED"
    assert (tmp_path / "lab.html").is_file()


def test_the_first_own_test(tmp_path: Path) -> None:
    ((name, code),) = re.findall(r"```python\n# (\S+)\n(.*?)```", OWN, re.DOTALL)
    assert len(code.splitlines()) == 2
    (tmp_path / name).write_text(code, encoding="utf-8")
    [args] = arguments(OWN)
    done = pytest_of(tmp_path, args)
    assert "assert 200 == 401" in done.stdout, "a fresh Node-RED asks for no login"


def test_the_first_own_control(tmp_path: Path) -> None:
    subprocess.run(["/bin/sh", "-ec", block("sh")], cwd=tmp_path, check=True)
    name, _, code = block("python").partition("\n")
    (tmp_path / name.removeprefix("# ")).write_text(code, encoding="utf-8")
    [args] = arguments(WALK)
    (tmp_path / "test_orders.py").write_text("def test_orders():\n    assert False, 'the example before it'\n")

    done = pytest_of(tmp_path, args)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "site-01 high served · GET /api/orders without credentials answered 200" in done.stdout
    assert "remedy    settings.js: httpNodeAuth" in done.stdout

    open_to_all = (tmp_path / "plant" / "settings.js").read_text(encoding="utf-8")
    fixed = re.sub("<what .*? prints>", SAMPLE_HASH, block("js"))
    assert SAMPLE_HASH in fixed
    (tmp_path / "plant" / "settings.js").write_text(fixed, encoding="utf-8")
    done = pytest_of(tmp_path, args)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "1 target · 1 compliant · 0 non-compliant" in done.stdout

    (tmp_path / "plant" / "settings.js").write_text(open_to_all, encoding="utf-8")
    waiver = re.sub(r"(?m)^expires = \d{4}", f"expires = {TODAY.year + 1}", block("toml"))
    (tmp_path / "nodered-sec.toml").write_text(waiver, encoding="utf-8")
    done = pytest_of(tmp_path, args)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "· 0 non-compliant · 1 waived ·" in done.stdout
    (case,) = ET.parse(tmp_path / "nodered-sec.xml").iter("testcase")  # noqa: S314  our own file
    (skipped,) = case.iter("skipped")
    page = (tmp_path / "nodered-sec.html").read_text(encoding="utf-8")
    for text in (str(skipped.text), page):
        for told in (
            "site-01",
            "served",
            "GET /api/orders without credentials",
            "the next release",
            f"{TODAY.year + 1}-",
        ):
            assert told in text, told
