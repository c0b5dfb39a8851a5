"""docs/hardening.md shows what `remedies/` writes, and names what exists."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess

import hardening_md
import pytest

from pytest_nodered_sec import lab
from pytest_nodered_sec.catalogue import listing
from pytest_nodered_sec.remedies.changes import _KNOWN
from pytest_nodered_sec.rules.host import _SANDBOX

DOC = hardening_md.PAGE.read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    assert hardening_md.page(DOC) == DOC, "run python tests/hardening_md.py"
    assert hardening_md.COPY.read_text(encoding="utf-8") == hardening_md.printed(DOC), (
        "run python tests/hardening_md.py"
    )
    assert sorted(re.findall(r"<!-- block (\w+) -->", DOC)) == sorted(hardening_md.files(hardening_md.EXAMPLE))


def test_every_step_that_a_change_names_is_there() -> None:
    named = {change.guide for change in _KNOWN.values() if change.guide}
    assert named <= {f"step {number}" for number in re.findall(r"^## (\d)\. ", DOC, re.MULTILINE)}


def test_the_units_have_what_is_demanded() -> None:
    for text in re.findall(r"```ini\n(.*?)```", DOC, re.DOTALL):
        unit = configparser.ConfigParser()
        unit.optionxform = str  # type: ignore[assignment, method-assign]  # as configparser documents it
        unit.read_string(text)
        for name, enough, _ in _SANDBOX:
            assert unit["Service"][name] in enough
        assert unit["Service"]["Restart"] == "on-failure"
        assert unit["Service"]["UMask"] == "0077"
        assert unit["Service"].get("User", "") != "root"


def test_the_controls_it_names_exist() -> None:
    known = set(re.findall(r"^  (\S+)", listing(), re.MULTILINE))
    families = "|".join(sorted({control.rpartition("-")[0] for control in known}))
    assert set(re.findall(rf"\b(?:{families})-\d\d\b", DOC)) <= known


def test_the_deployments_it_names_exist() -> None:
    assert set(re.findall(r"--nodered-lab=([\w-]+)", DOC)) <= set(lab.names())


def test_openssl_makes_what_nginx_reads() -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run([program, "passwd", "-6", "x"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("$6$")
