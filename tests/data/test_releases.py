"""The tables of releases: every row can be used, and none contradicts another."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from pytest_nodered_sec.data import releases
from pytest_nodered_sec.model import Severity
from pytest_nodered_sec.rules.patches import faults_of

if TYPE_CHECKING:
    from pytest_nodered_sec.data.releases import Advisory

ROWS = releases.advisories()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_an_advisory_names_itself_its_releases_and_its_source(row: Advisory) -> None:
    for one in (row.id, *row.also):
        assert re.fullmatch(r"CVE-\d{4}-\d{4,}|GHSA(-[a-z0-9]{4}){3}|node-red#\d+", one)
    assert row.severity in {one.value for one in Severity}
    assert row.source.startswith("https://")
    assert not row.effect.endswith(".")
    for first, fixed in row.affected:
        assert not fixed or Version(first) < Version(fixed)
    for fixed in row.fixed:
        assert not any(one.code == row.id for one in faults_of(row.package, fixed, ""))


def test_ids_are_named_once() -> None:
    ids = [one for row in ROWS for one in (row.id, *row.also)]
    assert len(ids) == len(set(ids))


def test_the_release_that_a_line_names_is_free_of_all() -> None:
    kept = [line for line in releases.lines() if line.whole]
    assert {line.major for line in kept} == {4, 5}
    for line in kept:
        assert Version(line.whole).major == line.major
        assert faults_of(line.package, line.whole, "") == ()
    assert all(bool(line.whole) != bool(line.end) for line in releases.lines())


def test_tables_say_when_they_were_reviewed() -> None:
    assert releases.advisories_checked() >= date(2026, 11, 25)


def test_node_has_an_end_for_each_major_and_the_advised_one_has_most_time() -> None:
    ends = releases.node_ends()
    assert sorted(ends) == list(range(8, 27))
    assert ends[20] == date(2026, 4, 30)
    assert ends[releases.advised_node()] > date(2027, 11, 25)


def test_unguarded_packages_say_where_that_was_read() -> None:
    packages = releases.unguarded_packages()
    assert "node-red-contrib-uibuilder" in {one.name for one in packages}
    assert "node-red-contrib-web-worldmap" not in {one.name for one in packages}  # its admin route is guarded
    for one in packages:
        assert Version(one.version)
        assert "/" in one.routes
        assert ".js" in one.file or ".cjs" in one.file
