"""The loader of the route table: what it returns, and what it refuses to read."""

from __future__ import annotations

import dataclasses
from importlib import resources

import pytest

from pytest_nodered_sec import data

ROW = """
[[route]]
method = "GET"
path = "/settings"
route = "/settings"
app = "admin"
first = 3
guard = "settings.read"
source = "x"
api_landmark = true
"""
SECOND = """
[[route]]
method = "GET"
path = "/a"
route = "/a"
app = "editor"
first = 3
guard = "g"
source = "x"
"""
ASSET = """
[[unguarded]]
method = "GET"
path = "/red/x"
route = "/red/*"
app = "editor"
first = 3
source = "x"
reason = "r"
editor_asset = true
"""
UNASKED = """
[[unasked]]
method = "GET"
route = "/u/:id"
app = "editor"
first = 3
guard = "g"
source = "x"
reason = "r"
"""


def test_the_table_loads_and_holds_the_routes_everybody_knows() -> None:
    paths = {row.path for row in data.guarded_get_routes()}
    assert {"/flows", "/settings", "/nodes", "/diagnostics", "/settings/user"} <= paths


def test_the_landmark_is_settings_of_the_admin_app() -> None:
    (row,) = (row for row in data.guarded_get_routes() if row.api_landmark)
    assert (row.path, row.app, row.open_status) == ("/settings", "admin", 200)


def test_editor_assets_are_unguarded_editor_rows() -> None:
    assets = data.editor_assets()
    assert {"/red/red.min.js", "/vendor/vendor.js", "/locales/editor", "/theme"} <= {row.path for row in assets}
    assert all(row.app == "editor" and row.exists_in(major) for row in assets for major in (3, 4, 5))


def test_what_stays_without_the_editor_is_no_editor_asset() -> None:
    assert not [row for row in data.editor_assets() if row.path.startswith(("/debug/", "/uisettings", "/ui_base"))]


def test_rows_come_grouped_by_app_and_always_the_same() -> None:
    apps = [row.app for row in data.guarded_get_routes()]
    assert apps == sorted(apps)
    assert data.guarded_get_routes() is data.guarded_get_routes()


def test_every_permission_is_a_read_but_that_of_the_ssh_keys() -> None:
    writes = {row.path for row in data.guarded_get_routes() if not row.guard.endswith(".read")}
    assert writes == {"/settings/user/keys", "/settings/user/keys/NOPE"}


def test_reading_the_context_of_an_unknown_flow_is_never_asked() -> None:
    flows = [row.path for row in data.guarded_get_routes() if row.path.startswith("/context/flow/")]
    assert flows == ["/context/flow/global"]


def test_rows_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.guarded_get_routes()[0].path = "/x"  # type: ignore[misc]  # frozen: that is what is tested


def test_the_file_says_what_belongs_in_it_and_when_it_was_reviewed() -> None:
    text = (resources.files(data) / "guarded_routes.toml").read_text(encoding="utf-8")
    assert text.startswith("# Every GET route")
    assert "Reviewed 2026-11-23" in text


@pytest.mark.parametrize(
    ("first", "last", "majors"),
    [(3, None, [3, 4, 5]), (4, None, [4, 5]), (3, 4, [3, 4]), (4, 4, [4])],
)
def test_majors(first: int, last: int | None, majors: list[int]) -> None:
    row = dataclasses.replace(data.guarded_get_routes()[0], first=first, last=last)
    assert [major for major in (3, 4, 5) if row.exists_in(major)] == majors


def test_a_small_table_is_read() -> None:
    table = data.parse_routes(ROW + SECOND + ASSET + UNASKED)
    assert [row.path for row in table.guarded] == ["/settings", "/a"]
    assert (table.guarded[1].open_status, table.guarded[1].protected_status) == (200, 401)
    assert table.unguarded[0].editor_asset
    assert table.unasked[0].route == "/u/:id"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[route", "guarded_routes.toml: "),
        (ROW + "[[other]]\n", "unknown table other"),
        (ROW + '[unguarded]\npath = "/x"\n', r"write \[\[unguarded\]\]"),
        (ROW + SECOND + 'gaurd = "x"\n', r"\[\[route\]\] 2 \(/a\): unknown key gaurd"),
        (ROW + SECOND.replace('guard = "g"\n', ""), r"2 \(/a\): guard is missing"),
        (ROW + SECOND.replace('"g"', '""'), r"2 \(/a\): guard is empty"),
        (ROW + SECOND.replace("first = 3", 'first = "3"'), r"2 \(/a\): first must be of type int"),
        (ROW + SECOND.replace("first = 3", "first = true"), r"2 \(/a\): first must be of type int"),
        (ROW + SECOND.replace('path = "/a"', 'path = "a"'), r"2 \(a\): path must start with '/'"),
        (
            ROW + SECOND.replace('route = "/a"', 'route = "a"'),
            r"2 \(/a\): route must start with '/'",
        ),
        (ROW + SECOND.replace('"GET"', '"POST"'), r"2 \(/a\): method must be GET, not POST"),
        (ROW + SECOND.replace('"editor"', '"node"'), r"2 \(/a\): app must be one of admin, editor"),
        (ROW + SECOND + "last = 2\n", r"2 \(/a\): first \(3\) is after last \(2\)"),
        (ROW + SECOND + SECOND, r"\[\[route\]\] /a: already in \[\[route\]\]"),
        (ROW + SECOND + ASSET.replace("/red/x", "/a"), r"\[\[unguarded\]\] /a: already in"),
        (ROW + UNASKED + UNASKED, r"\[\[unasked\]\] /u/:id: already in"),
        (ROW + ASSET.replace('"editor"', '"admin"'), r"\(/red/x\): an editor_asset belongs to"),
        (ROW + ASSET + "open_status = 404\n", r"\(/red/x\): an editor_asset answers 200, not 404"),
        (SECOND + ROW, r"2 \(/settings\): rows are grouped by app"),
        (SECOND, "api_landmark belongs to /settings alone"),
        (ROW + SECOND + "api_landmark = true\n", "api_landmark belongs to /settings alone"),
    ],
)
def test_a_wrong_table_is_refused_by_row(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        data.parse_routes(text)
