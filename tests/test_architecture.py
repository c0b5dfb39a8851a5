"""The rooms of the house, read from the syntax trees: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_nodered_sec

PACKAGE = "pytest_nodered_sec"
ROOT = Path(pytest_nodered_sec.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
NAMES = {
    path: ".".join([PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__") for path in FILES
}

MODELS = {path.stem for path in FILES if path.stem.startswith("model")}  # what is seen may be of any of them

# Room by room, what it may import of ours when it runs, its own room aside; "" is the package itself. Imports
# under TYPE_CHECKING are annotations only and point wherever the type lives. A new room needs a line here.
ROOMS = {
    "errors": set(),
    "policy": set(),
    "data": set(),
    "newhooks": set(),
    "xdist": set(),
    "redaction": {"data"},
    "texts": set(),
    "model": {"errors"},
    "model_answers": {"errors", "model"},
    "model_access": {"errors", "model", "model_answers"},
    "model_chain": set(),
    "model_host": set(),
    "model_exposure": {"errors", "model", "model_access", "model_answers"},
    "model_account": {"errors", "model", "model_access", "model_answers"},
    "model_certificates": {"errors", "model"},
    "model_channels": {"errors", "model", "model_access", "model_answers"},
    "model_credentials": {"errors", "model", "model_access", "model_answers"},
    "model_doors": {"errors", "model", "model_access", "model_answers"},
    "model_tls": set(),
    "model_waivers": set(),
    "accounts": set(),
    "facts": {"policyfile"},
    "credentials": {"errors", "redaction"},
    "policyfile": {"data", "model", "policy"},
    "codec": {"errors", "policy"},
    "draft": {"errors", "model", "model_answers", "policyfile", "probes"},
    "rules": {"data", "errors", "policy", *MODELS},
    "probes": {"", "data", "errors", "policy", "redaction", *MODELS},
    "questions": {"data", "model", "model_tls"},
    "plan": {"model"},
    "controls": {"errors", "model"},
    "": {"controls", "credentials", "errors", "model"},
    "suite": {"", "controls", "model", "questions", "rules"},
    "survey": {"errors", "model", "model_access", "probes"},
    "lab": {"errors", "model", "policy"},
    "options": {"credentials", "data", "errors", "lab", "model", "policy", "policyfile"},
    "collection": {"", "controls", "errors", "model", "options", "plan"},
    "fixtures": {
        "codec", "collection", "errors", "lab", "model", "model_access", "model_waivers", "options", "probes",
        "redaction", "survey",
    },
    "ledger": {"", "accounts", "collection", "controls", "errors", "facts", "model", "plan", "policyfile", "redaction",
               "texts"},
    "evidence": {
        "accounts", "codec", "collection", "controls", "data", "errors", "facts", "ledger", "model", "model_access",
        "model_chain", "options", "policy", "policyfile", "texts",
    },
    "plugin": {
        "", "collection", "controls", "draft", "errors", "evidence", "fixtures", "lab", "ledger", "model", "newhooks",
        "options", "policy", "xdist",
    },
}  # fmt: skip
LOADED_EVERYWHERE = ("", "controls", "errors", "model", "policy", "newhooks", "options", "collection", "fixtures",
                     "ledger", "plugin", "policyfile", "redaction", "credentials", "plan", "accounts", "texts",
                     "model_waivers")  # fmt: skip
JUDGES = ("rules", "suite")
IO = {"requests", "urllib3", "socket", "ssl", "OpenSSL", "testinfra", "websockets", "http", "subprocess"}
ALLOWED_TO_RULES = {"packaging"}


def room(module: str) -> str:
    return module.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


def imports(path: Path, *, top_only: bool = False, types: bool = False) -> set[str]:
    """Modules a file imports, as full names; at module level only, or inside functions too."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(_targets(path, node))
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body if types else node.orelse:
                visit(statement)
        elif not (top_only and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def _targets(path: Path, node: ast.ImportFrom) -> set[str]:
    module = node.module or ""
    if node.level:
        parts = NAMES[path].split(".")
        up = node.level - (path.name == "__init__.py")
        module = ".".join([*parts[: len(parts) - up], *([module] if module else [])])
    ours = set(NAMES.values())
    return {f"{module}.{alias.name}" if f"{module}.{alias.name}" in ours else module for alias in node.names}


def rooms_imported(path: Path) -> set[str]:
    return {room(name) for name in imports(path) if name.partition(".")[0] == PACKAGE}


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_imports_point_one_way(path: Path) -> None:
    own = room(NAMES[path])
    assert own in ROOMS, f"{own} is a new room: say in ROOMS what it may import"
    assert rooms_imported(path) - {own} <= ROOMS[own]


def test_the_table_itself_has_no_circle() -> None:
    left = {name: uses - {name} for name, uses in ROOMS.items()}
    while left:
        ready = {name for name, uses in left.items() if not uses & set(left)}
        assert ready, f"these rooms import each other: {sorted(left)}"
        left = {name: uses for name, uses in left.items() if name not in ready}


@pytest.mark.parametrize("path", [path for path in FILES if room(NAMES[path]) in JUDGES], ids=NAMES.get)
def test_judgement_does_no_io_not_even_in_its_types(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path, types=True)} & IO


@pytest.mark.parametrize("path", [path for path in FILES if room(NAMES[path]) == "rules"], ids=NAMES.get)
def test_rules_use_the_standard_library_and_our_values_only(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path, types=True)}
    assert tops <= sys.stdlib_module_names | {PACKAGE} | ALLOWED_TO_RULES


@pytest.mark.parametrize("path", [path for path in FILES if room(NAMES[path]) == "probes"], ids=NAMES.get)
def test_probes_never_judge(path: Path) -> None:
    ours = {name for name in imports(path, types=True) if name.startswith(PACKAGE)}
    assert "rules" not in {room(name) for name in ours}


@pytest.mark.parametrize("path", [path for path in FILES if room(NAMES[path]) in LOADED_EVERYWHERE], ids=NAMES.get)
def test_what_every_run_loads_imports_only_pytest_and_the_standard_library(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path, top_only=True)}
    assert tops <= sys.stdlib_module_names | {"pytest", PACKAGE}


def test_the_plugin_loads_nothing_heavy_when_imported() -> None:
    heavy = [
        "requests",
        "urllib3",
        "OpenSSL",
        "cryptography",
        "certifi",
        "idna",
        "testinfra",
        "trustme",
        "xdist",
        "jinja2",
    ]
    ours = [f"{PACKAGE}.{name}" for name in ("survey", "probes", "lab", "evidence", "codec")]
    code = f"import sys, {PACKAGE}.plugin, {PACKAGE}.fixtures; print([m for m in {heavy + ours} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_every_file_says_what_belongs_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", [path for path in FILES if room(NAMES[path]) == "suite"], ids=NAMES.get)
def test_suite_tests_only_connect_what_was_seen_with_a_rule(path: Path) -> None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            _, *body = node.body  # the first is the docstring
            assert len(body) == 1, node.name
            assert ast.unparse(body[0]).startswith("require("), node.name
            assert all(arg.arg.startswith("nodered_") for arg in node.args.args), node.name


def test_the_readers_see_what_they_should(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    NAMES[path] = f"{PACKAGE}.probes.x"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "import a.b\n"
        "from . import net\n"
        f"from {PACKAGE} import model, control\n"
        "if TYPE_CHECKING:\n    import c\n"
        "class K:\n    import e\n"
        "def f():\n    import d\n"
    )
    try:
        common = {"typing", "a.b", f"{PACKAGE}.probes.net", f"{PACKAGE}.model", PACKAGE, "e"}
        assert imports(path, top_only=True) == common
        assert imports(path) == common | {"d"}
        assert imports(path, types=True) == common | {"c", "d"}
    finally:
        del NAMES[path]
