"""The tables of releases: every row can be used, and none contradicts another."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from pytest_nodered_sec.data import guarded_get_routes, releases
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.patches import faults_of
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from pytest_nodered_sec.data.releases import Advisory

TODAY = date(2026, 11, 28)
ROWS = releases.advisories()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_an_advisory_names_itself_its_releases_and_its_source(row: Advisory) -> None:
    for name in (row.id, *row.also):
        assert re.fullmatch(r"CVE-\d{4}-\d{4,}|GHSA(-[a-z0-9]{4}){3}|node-red#\d+", name)
    assert row.severity in {severity.value for severity in Severity}
    assert row.source.startswith("https://")
    assert not row.effect.endswith(".")
    for first, fixed in row.affected:
        assert not fixed or Version(first) < Version(fixed)
    for fixed in row.fixed:
        assert not any(violation.code == row.id for violation in faults_of(row.package, fixed, "", TODAY, Policy()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_fixed_releases_are_where_the_intervals_end(row: Advisory) -> None:
    last: dict[int, Version] = {}
    for _, end in row.affected:
        if end:
            last[Version(end).major] = max(Version(end), last.get(Version(end).major, Version("0")))
    fixed = {Version(release).major: Version(release) for release in row.fixed}
    assert last.items() <= fixed.items()
    assert all(fixed[major] == Version(f"{major}.0.0") for major in fixed.keys() - last.keys())


def test_ids_are_named_once() -> None:
    ids = [name for row in ROWS for name in (row.id, *row.also)] + [row.id for row in releases.unfixed()]
    assert len(ids) == len(set(ids))


def test_the_release_that_a_line_names_is_free_of_all() -> None:
    kept = [line for line in releases.lines() if line.whole]
    assert {line.major for line in kept} == {4, 5}
    for line in kept:
        assert Version(line.whole).major == line.major
        assert faults_of(line.package, line.whole, "", TODAY, Policy(profile="baseline")) == ()
    assert all(line.whole or line.end for line in releases.lines())
    assert all(line.end > TODAY for line in kept if line.end)


def test_what_no_release_fixes_says_what_to_change_instead() -> None:
    rows = releases.unfixed()
    assert [row.id for row in rows] == ["CVE-2026-71269", "node-red#5868"]
    assert all(row.effect and row.source and row.mitigation and row.package == "node-red" for row in rows)
    assert {row.needs for row in rows} == {"editor", "projects"}
    asked = {row.path.lower() for row in guarded_get_routes()}
    assert {row.route.lower() for row in rows} <= asked


def test_tables_say_when_they_were_reviewed() -> None:
    assert releases.advisories_checked() >= date(2026, 11, 25)


def test_node_has_an_end_for_each_major_and_the_advised_one_has_most_time() -> None:
    ends = releases.node_ends()
    assert sorted(ends) == list(range(8, 27))
    assert ends[20] == date(2026, 4, 30)
    assert ends[releases.advised_node()] > date(2027, 11, 25)


def test_every_kept_long_term_line_of_node_has_its_last_security_release() -> None:
    kept = {major for major, end in releases.node_ends().items() if end > TODAY}
    assert releases.secure_nodes().keys() == kept
    assert all(Version(release).major == major for major, release in releases.secure_nodes().items())


def test_unguarded_packages_say_where_that_was_read() -> None:
    packages = releases.unguarded_packages()
    assert "node-red-contrib-uibuilder" in {package.name for package in packages}
    assert "node-red-contrib-web-worldmap" not in {package.name for package in packages}  # its admin route is guarded
    for row in packages:
        assert Version(row.version)
        assert "/" in row.routes
        assert ".js" in row.file or ".cjs" in row.file
        assert row.how in ("read", "measured")
        assert not row.fixed or Version(row.fixed) > Version(row.version)
    names = [known.name for known in packages]
    assert len(names) == len(set(names))
    for reviewed in releases.reviewed_packages():
        assert Version(reviewed.version)
        assert reviewed.name not in names
        assert reviewed.how in ("read", "measured")
        assert reviewed.opens
