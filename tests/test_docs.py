"""The docs are true: what they show can be read, and they leave nothing out."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_nodered_sec.policyfile import KEYS, effective, policy_of, read

DOCS = Path(__file__).parents[1] / "docs"
POLICY = (DOCS / "policy.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_policy_of_the_docs_can_be_used(tmp_path: Path) -> None:
    (text,) = blocks(POLICY, "toml")
    (tmp_path / "plant-ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "nodered-sec.toml").write_text(text, encoding="utf-8")
    file = read(tmp_path / "nodered-sec.toml")
    for table in file.targets:
        assert policy_of(table.name, effective(file.layers(table))).profile == "baseline"


def test_the_waivers_of_the_docs_can_be_used(tmp_path: Path) -> None:
    (text,) = blocks((DOCS / "evidence.md").read_text(encoding="utf-8"), "toml")
    (tmp_path / "nodered-sec.toml").write_text(text, encoding="utf-8")
    assert [str(one) for _, one in read(tmp_path / "nodered-sec.toml").waivers] == [
        "tls-01 unknown-ca",
        "admin-01 GET /diagnostics served",
    ]


def test_the_docs_show_every_key() -> None:
    for key in KEYS:
        assert re.search(rf"^{key.rpartition('.')[2]} = ", POLICY, re.MULTILINE), key


def test_the_python_of_the_docs_compiles() -> None:
    for text in blocks(POLICY, "python"):
        compile(text, "policy.md", "exec")
