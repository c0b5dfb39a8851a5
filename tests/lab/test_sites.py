"""What the lab reads of a site's directory, without starting Node-RED."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.lab import sites
from pytest_nodered_sec.lab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path


def copied(tmp_path: Path, settings: str, files: dict[str, str]) -> sites.Site:
    site, modules = tmp_path / "site", tmp_path / "red" / "node_modules"
    site.mkdir()
    modules.mkdir(parents=True)
    (modules.parent / "package.json").write_text('{"dependencies": {}}')
    (site / "settings.js").write_text(f"module.exports = {{{settings}}}")
    for name, text in files.items():
        (site / name).write_text(text, encoding="utf-8")
    return sites.copy(site, tmp_path / "run" / "user", modules)


@pytest.mark.parametrize(
    ("settings", "files", "sentence"),
    [
        ("", {"flows.json": "[{"}, "flows.json is not valid JSON, at position 2"),
        ("", {"flows.json": ""}, "flows.json is not valid JSON"),
        ("", {"flows.json": "{}"}, "flows.json cannot be read: it holds no list of nodes"),
        ('flowFile: "./line.json"', {"line.json": "[}"}, "line.json is not valid JSON"),
        ('flowFile: "line.json"', {"flows.json": "[]"}, "line.json does not exist: set flowFile in settings.js"),
        ("", {"flows_line7.json": "[]"}, "flows.json does not exist: set flowFile in settings.js"),
        ('flowFile: ""', {"flows.json": "[]"}, "flows_HOSTNAME.json does not exist"),
    ],
)
def test_flows_that_would_not_run_are_one_sentence(
    tmp_path: Path, settings: str, files: dict[str, str], sentence: str
) -> None:
    with pytest.raises(LabError, match="the flows would not run: ") as raised:
        copied(tmp_path, settings, files)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        ("", {}),
        ('flowFile: "flows.json"', {}),
        ('flowFile: "flows.json"', {"flows.json": "\ufeff[]", "flows_cred.json": "{}"}),
        ("editorTheme: {projects: {enabled: true}}", {"flows.json": "[{"}),
        ("storageModule: {}", {"flows.json": "[{"}),
    ],
)
def test_flows_that_run_or_are_kept_elsewhere_are_taken(tmp_path: Path, settings: str, files: dict[str, str]) -> None:
    assert copied(tmp_path, settings, files).admin_root == "/"


def test_a_directory_without_flows_is_told_before_all_that_it_declares_is_absent(tmp_path: Path) -> None:
    (tmp_path / "settings.js").touch()
    assert sites.said_of_flows(tmp_path).startswith(f"{tmp_path} has no flows.json: ")
    (tmp_path / "flows_line7.json").touch()
    assert sites.said_of_flows(tmp_path).startswith(f"the flows of {tmp_path} run here, ")
