"""docs/controls.md is what its command writes, and every control has its requirements."""

from __future__ import annotations

import re
import subprocess
import sys

import controls_md
import pytest

from pytest_nodered_sec.catalogue import FAMILIES, catalogue
from pytest_nodered_sec.data.frameworks import _table, frameworks, requirements

# in the design, and built elsewhere or later; the mapping is ready for them
TO_COME = {"tls-07", "tls-08", "tls-09", "tls-10", "tls-14", "tls-15"}


def test_what_is_written_from_the_rules_is_current() -> None:
    command = [sys.executable, controls_md.__file__, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"run: python tests/controls_md.py; {done.stdout}{done.stderr}"


def test_every_control_stands_in_one_group_of_the_mapping() -> None:
    mapped = [control for group in _table()["group"] for control in group["controls"]]
    assert len(mapped) == len(set(mapped))
    assert set(mapped) >= set(catalogue()), "add a row to data/frameworks.toml"
    assert set(mapped) - set(catalogue()) <= TO_COME


@pytest.mark.parametrize("control", catalogue())
def test_every_control_bears_on_nist_by_which_heimdall_groups(control: str) -> None:
    assert requirements(control).get("nist_800_53"), f"give {control} its nist_800_53 in data/frameworks.toml"
    assert set(requirements(control)) <= set(frameworks())


def test_a_sites_own_control_has_no_requirements() -> None:
    assert requirements("site-01") == {}


def test_every_file_of_the_suite_has_a_family() -> None:
    assert {entry.module for entry in catalogue().values()} == set(FAMILIES)


def test_the_example_of_a_last_line_counts_what_there_is() -> None:
    example = "judged 1 of 2 controls; 3 not applicable, 4 not judged, 5 not selected (-k)"
    there = len(catalogue())
    assert controls_md.counted(example) == example.replace("1 of 2", f"{there - 12} of {there}")


def test_samples_are_such_as_a_site_might_meet() -> None:
    page = controls_md.PAGE.read_text(encoding="utf-8")
    codes = {int(match) for match in re.findall(r"`verify-(\d+)`", page)}
    assert codes
    assert max(codes) < 100, "OpenSSL has no such verify code"
    pins = re.findall(r'sha256 = "([^"]*)"', page)
    assert pins
    assert all(re.fullmatch("[0-9a-f]{64}", pin) for pin in pins)


def test_every_control_that_can_fail_says_what_to_change() -> None:
    page = controls_md.PAGE.read_text(encoding="utf-8")
    for control in catalogue():
        section = page.partition(f"### {control}\n")[2].partition("\n### ")[0]
        assert "| finding |" in section or control == "reach-01", (
            f"the tests of {control}'s rule in tests/rules never make it find anything: add one that does, "
            "then run python tests/controls_md.py"
        )
