"""What each control can find, read from the syntax trees of suite and rules."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import pytest_nodered_sec
from pytest_nodered_sec.data.findings import (
    FORMER_FINDINGS,
    ONCE_ONLY_FINDING,
    ONLY_FINDING,
    SEVERAL_FINDINGS,
    known_findings,
)

ROOT = Path(pytest_nodered_sec.__file__).parent
CONTROLS = ROOT.parent / "docs" / "controls.md"
PACKAGE = "pytest_nodered_sec.rules"
RETOLD = {"_faults_of"}  # returns what other rules find, of which one finding with a code of its own is made
COMPUTED = "another"  # beside "": what is computed stands for several codes


class Rules:
    """The rules' functions and tables by module and name, and what each module imports of the others."""

    def __init__(self) -> None:
        self.trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "rules").glob("*.py")}
        self.known: dict[tuple[str, str], ast.AST] = {}
        self.imported: dict[tuple[str, str], tuple[str, str]] = {}
        for module, tree in self.trees.items():
            for node in tree.body:
                for name in _defined(node):
                    self.known[module, name] = node
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
                    for alias in node.names:
                        self.imported[module, alias.asname or alias.name] = (_last(node.module), alias.name)

    def codes(self, module: str, name: str) -> set[str]:
        """Return the codes of every Violation that a name can lead to; what is computed stands for several."""
        names: set[str] = set()
        ahead, been = [(module, name)], set[tuple[str, str]]()
        while ahead:
            place = self.imported.get(ahead[-1], ahead[-1])
            ahead.pop()
            if place in been or place not in self.known or place[1] in RETOLD:
                continue
            been.add(place)
            for node in ast.walk(self.known[place]):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Violation":
                    code = node.args[0]
                    names |= {str(code.value)} if isinstance(code, ast.Constant) else {"", COMPUTED}
                if isinstance(node, ast.Name):
                    ahead.append((place[0], node.id))
        return names


def _last(module: str | None) -> str:
    return (module or "").rpartition(".")[2]


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def of_the_suite() -> dict[str, set[str]]:
    """Return each control's codes."""
    rules, codes = Rules(), dict[str, set[str]]()
    for path in sorted((ROOT / "suite").glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        uses = {
            alias.asname or alias.name: _last(node.module)
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}.")
            for alias in node.names
        }
        for test in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
            (decorator,) = (node for node in test.decorator_list if isinstance(node, ast.Call))
            control = ast.literal_eval(decorator.args[0])
            names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)} & set(uses)
            codes[control] = set[str]().union(*(rules.codes(uses[name], name) for name in names))
    return codes


CODES = of_the_suite()


@pytest.mark.parametrize("control", sorted({*CODES, *ONLY_FINDING, *SEVERAL_FINDINGS}))
def test_the_tables_agree_with_the_rules(control: str) -> None:
    codes = CODES[control]
    assert ONLY_FINDING.get(control) == (next(iter(codes)) if len(codes) == 1 else None), codes
    several = tuple(sorted(codes)) if len(codes) > 1 and COMPUTED not in codes else None
    assert SEVERAL_FINDINGS.get(control) == several
    assert known_findings(control) == (several or tuple(codes - {COMPUTED} if len(codes) == 1 else ()))


def test_every_documented_code_is_known_where_the_codes_of_its_control_are() -> None:
    # docs/controls.md has what the rules say in their own tests, which the syntax trees cannot tell of computed codes
    rows = re.findall(r"^### (\S+)$|^\| (`[^|]*`[^|]*) \|", CONTROLS.read_text(encoding="utf-8"), re.MULTILINE)
    control, seen = "", 0
    for name, row in rows:
        control = name or control
        known = known_findings(control)
        for code in re.findall(r"`([^`]+)`", row) if known else ():
            assert code in known, control
            seen += 1
    assert seen > len(ONLY_FINDING) + len(SEVERAL_FINDINGS)
    assert not FORMER_FINDINGS & {code for codes in CODES.values() for code in codes}


def test_what_an_old_waiver_means_can_still_be_found() -> None:
    assert not ONCE_ONLY_FINDING.keys() & ONLY_FINDING.keys()
    assert all(code in CODES[control] for control, code in ONCE_ONLY_FINDING.items())


def test_the_reader_follows_rules_into_other_modules() -> None:
    assert {"served", "spelling"} <= CODES["admin-05"]  # rules/variants.py, then access.py
    assert CODES["reach-01"] == set()
    assert len(CODES["flow-01"]) > 1  # its code is computed
