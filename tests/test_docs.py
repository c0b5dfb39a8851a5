"""The docs are true: what they show can be read, and they leave nothing out."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest

from pytest_nodered_sec.policy.file import read
from pytest_nodered_sec.policy.inventory import targets_of
from pytest_nodered_sec.policy.merge import effective, policy_of
from pytest_nodered_sec.policy.schema import KEYS
from pytest_nodered_sec.session.options import FLAGS as FLAGS
from pytest_nodered_sec.session.options import OPTIONS

DOCS = Path(__file__).parents[1] / "docs"
POLICY = (DOCS / "policy.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_policy_of_the_docs_can_be_used(tmp_path: Path) -> None:
    text, inventories = blocks(POLICY, "toml")
    (tmp_path / "plant-ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "nodered-sec.toml").write_text(text, encoding="utf-8")
    file = read(tmp_path / "nodered-sec.toml")
    for table in file.targets:
        assert policy_of(table.name, effective(file.layers(table))).profile == "baseline"
    (tmp_path / "nodered-sec.toml").write_text(inventories, encoding="utf-8")
    of_rows, ansible = read(tmp_path / "nodered-sec.toml").inventories
    assert (of_rows.file, ansible.group) == ("gateways.csv", "nodered")
    host = '{"_meta": {"hostvars": {"line-7": {"ansible_host": "10.0.0.7", "ansible_user": "ops"}}}, '
    [listed] = targets_of(ansible, host + '"nodered": {"hosts": ["line-7"]}}')
    assert (listed.url, dict(listed.values)) == (
        "https://line-7.plant.example",
        {"host": "ssh://ops@10.0.0.7", "connect": "10.0.0.7:443"},
    )


def test_the_waivers_of_the_docs_can_be_used(tmp_path: Path) -> None:
    text = "".join(blocks((DOCS / "evidence.md").read_text(encoding="utf-8"), "toml"))
    (tmp_path / "nodered-sec.toml").write_text(text, encoding="utf-8")
    assert [str(waiver) for _, waiver in read(tmp_path / "nodered-sec.toml").waivers] == [
        "tls-01 unknown-ca",
        "admin-01 GET /diagnostics served",
    ]


def test_the_docs_show_every_key() -> None:
    for key in KEYS:
        assert re.search(rf"^{key.rpartition('.')[2]} = ", POLICY, re.MULTILINE), key


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_the_code_of_the_docs_can_be_read(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in blocks(text, "python"):
        compile(block, page.name, "exec")
    for block in blocks(text, "toml"):
        tomllib.loads(block)
    for block in blocks(text, "ini"):
        configparser.ConfigParser(strict=False).read_string(block)


PAGES = [
    *DOCS.glob("*.md"),
    DOCS.parent / "README.md",
    DOCS.parent / "CONTRIBUTING.md",
    *(DOCS.parent / "conftest_examples").rglob("README.md"),
]


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: f"{page.parent.name}/{page.name}")
def test_links_lead_somewhere_and_options_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    known = {option.flag for option in OPTIONS} | {f"--nodered-{name}" for name, _ in FLAGS}
    assert set(re.findall(r"--nodered-[a-z]+(?:-[a-z]+)*", text)) <= known


def test_the_docs_name_every_example() -> None:
    text = (DOCS / "extending.md").read_text(encoding="utf-8")
    for folder in (DOCS.parent / "conftest_examples").iterdir():
        assert f"`{folder.name}`" in text
