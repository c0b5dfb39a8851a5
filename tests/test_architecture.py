"""The rooms of the house, read from the syntax trees: who may import whom, how long a file is, what is loaded when."""

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
CODE = {".py", ".sh", ".js", ".j2", ".css"}
ABOVE = Path(__file__).parents[1]  # the project; what is built of it has no benchmarks
HOUSE = [PACKAGE, "tests", "benchmarks", "conftest_examples"]

# The rooms, floor by floor. A file imports from its own room and from floors below, never from above or from another
# room on its floor; annotations count. A new room needs a place here. "door" is what every pytest run loads, with the
# hooks behind it; the package itself ("") imports nothing until one of its names is used.
FLOORS = (
    {"_version", "texts", "data", "verdict", "private", "spellings", "threads", "own_fields"},
    {"errors", "learnt"},
    {"redaction"},
    {"model and policy"},
    {"observations", "credentials", "lab", "results"},
    {"registry", "remedies"},
    {"rules", "questions", "plan", "controls"},
    {"catalogue", "probes"},
    {"survey"},
    {"session"},
    {"evidence"},
    {"door"},
    {""},
    {"suite"},
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
TOGETHER = {  # files that stand in another room than their folder
    "model": "model and policy",  # a target has a policy, and a policy file has targets; no file imports in a circle
    "policy": "model and policy",
    "plugin": "door",
    "session.hooks": "door",
}
LOADED_EVERYWHERE = {"", "plugin", "session", "session.options"}
JUDGES = ("rules", "remedies", "suite")
IO = {"requests", "urllib3", "socket", "ssl", "OpenSSL", "testinfra", "websockets", "http", "subprocess"}
ALLOWED_TO_RULES = {"packaging"}
LONGEST = 400  # lines of a file
SAY_NOTHING = {"one", "found"}  # as a variable
PRIVATE = f"{PACKAGE}.private"  # the one file that touches what is private of other packages
DOCUMENTED = {"_replace", "_asdict", "_fields", "_make"}  # of named tuples
UNDOCUMENTED = {"known_args_namespace", "global_and_fixture_disabled", "assigned_work"}  # private without an underscore
CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
HELD = {  # module-level objects that change: each says in its file why it is not the run's
    f"{PACKAGE}.controls": {"_running"},  # the bodies of controls that run; empty between tests
    f"{PACKAGE}.probes.transport.deadlines": {"_watch"},  # connections that talk at this moment, whoever's they are
    f"{PACKAGE}.redaction": {"_runs"},  # of each run what it learnt; empty between them
}
HEAVY = ["requests", "urllib3", "OpenSSL", "cryptography", "certifi", "idna", "testinfra", "trustme", "xdist", "jinja2",
         f"{PACKAGE}.survey", f"{PACKAGE}.probes", f"{PACKAGE}.lab", f"{PACKAGE}.evidence"]  # fmt: skip


def room(module: str) -> str:
    inside = module.removeprefix(PACKAGE).lstrip(".")
    top = inside.partition(".")[0]
    return TOGETHER.get(inside, TOGETHER.get(top, top))


def within(*rooms: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", [path for path in FILES if room(NAMES[path]) in rooms], ids=NAMES.get)


every_file = pytest.mark.parametrize("path", FILES, ids=NAMES.get)


def imports(path: Path, *, top_only: bool = False, types: bool = False) -> set[str]:
    """Modules a file imports, as full names; at module level only, or inside functions too."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(_targets(path, node))
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body if types else node.orelse:
                visit(statement)
        elif not (top_only and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return names


def _targets(path: Path, node: ast.ImportFrom) -> set[str]:
    module = node.module or ""
    if node.level:
        parts = NAMES[path].split(".")
        up = node.level - (path.name == "__init__.py")
        module = ".".join([*parts[: len(parts) - up], *([module] if module else [])])
    modules = set(NAMES.values())
    return {f"{module}.{alias.name}" if f"{module}.{alias.name}" in modules else module for alias in node.names}


def ours(path: Path) -> set[str]:
    """Modules of the package that a file imports, in functions and annotations too."""
    return {name for name in imports(path, types=True) if name.partition(".")[0] == PACKAGE}


@every_file
def test_imports_point_downwards(path: Path) -> None:
    own = room(NAMES[path])
    assert own in FLOOR, f"{own} is a new room: give it a floor in FLOORS"
    above = {name for name in ours(path) if room(name) != own and FLOOR[room(name)] >= FLOOR[own]}
    assert not above, f"these stand on the same floor or above: {sorted(above)}"


def test_no_files_import_each_other_in_a_circle() -> None:
    left = {NAMES[path]: ours(path) - {NAMES[path], PACKAGE} for path in FILES}
    while left:
        ready = {name for name, uses in left.items() if not uses & set(left)}
        assert ready, f"these files import each other: {sorted(left)}"
        left = {name: uses for name, uses in left.items() if name not in ready}


@pytest.mark.parametrize("folder", HOUSE)
def test_no_file_is_too_long(folder: str) -> None:
    files = [path for path in (ABOVE / folder).rglob("*") if path.suffix in CODE]
    lines = {str(path.relative_to(ABOVE)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    too_long = {name: count for name, count in lines.items() if count > LONGEST}
    assert not too_long, f"look for seams: {too_long}"


@pytest.mark.parametrize("folder", HOUSE)
def test_every_file_says_what_belongs_in_it(folder: str) -> None:
    files = (ABOVE / folder).rglob("*.py")
    silent = [str(path) for path in files if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not silent


def private_of_others(tree: ast.AST) -> set[str]:
    """Names of other packages' private parts that a file touches: imported, as attributes, or by `getattr`."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    own |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_self(node.value)}
    own |= {
        node.target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not _is_self(node.value):
            # `super()._x` is of the base, also where the class has a method of that name
            if node.attr not in own or (isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"):
                names.add(node.attr)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
            names.update(str(arg.value) for arg in node.args[1:2] if isinstance(arg, ast.Constant))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] not in (PACKAGE, "__future__"):
            names.update([*(node.module or "").split("."), *(alias.name for alias in node.names)])
        elif isinstance(node, ast.Import):
            names.update(part for alias in node.names for part in alias.name.split("."))
    hidden = {name for name in names if name.startswith("_") and not name.endswith("__")}
    return (hidden - DOCUMENTED) | (names & UNDOCUMENTED)


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def changed_by_functions(tree: ast.Module) -> set[str]:
    """Module-level names that a function binds anew, or whose object it changes in place."""
    assigned = [node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign))]
    ends = [end for node in assigned for end in (node.targets if isinstance(node, ast.Assign) else [node.target])]
    names = {end.id for end in ends if isinstance(end, ast.Name)}
    changed: set[str] = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.Global):
            changed.update(function.names)
        if not isinstance(function, (ast.FunctionDef, ast.Lambda)):
            continue
        local = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
        local |= {
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(function):
            whose: ast.AST | None = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
                whose = node.func.value
            elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
                whose = node.value
            while isinstance(whose, (ast.Subscript, ast.Attribute)):
                whose = whose.value
            if isinstance(whose, ast.Name) and whose.id in names - local:
                changed.add(whose.id)
    return changed


def nameless(tree: ast.AST) -> set[str]:
    """Return variables and arguments whose name says nothing; a class may have a field `found`, or a method `one`."""
    fields = {id(node) for owner in ast.walk(tree) if isinstance(owner, ast.ClassDef) for field in owner.body
              if isinstance(field, ast.AnnAssign) for node in ast.walk(field)}  # fmt: skip
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in fields}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return names & SAY_NOTHING


@every_file
def test_variables_say_what_they_are(path: Path) -> None:
    assert nameless(ast.parse(path.read_text(encoding="utf-8"))) == set(), "call it what it is: record, header, port"


@every_file
def test_only_one_file_touches_what_is_private_of_other_packages(path: Path) -> None:
    names = private_of_others(ast.parse(path.read_text(encoding="utf-8")))
    if NAMES[path] == PRIVATE:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert {name for name in names if name not in doc} == set(), "list them in the docstring, with the versions"
    else:
        assert names == set(), f"find a public way, or an accessor in {PRIVATE}, which lists them"


@every_file
def test_modules_keep_nothing_of_a_run(path: Path) -> None:
    changed = changed_by_functions(ast.parse(path.read_text(encoding="utf-8")))
    assert changed == HELD.get(NAMES[path], set()), "two runs in one process would meet there: keep it in the stash"


def test_the_readers_of_private_names_and_of_changes_see_what_they_should() -> None:
    text = (
        "import a._b\nfrom c import _d\nfrom _e.f import g\n"
        "from pytest_nodered_sec import _own\n"
        "table = {}\nnames = []\ncount = 0\nfixed = []\n"
        "class K(Base):\n"
        "    def _h(self, other):\n        return self._i, other._h, other._i, super()._h, other._j, other.__dict__\n"
        "def f(x):\n    global count\n    count += 1\n    names.append(x)\n    table[x] = getattr(x, '_k', 0)\n"
        "def g(fixed, config):\n    fixed.append(config.known_args_namespace)\n    return fixed._replace(a=1)\n"
    )
    assert private_of_others(ast.parse(text)) == {"_b", "_d", "_e", "_h", "_j", "_k", "known_args_namespace"}
    assert changed_by_functions(ast.parse(text)) == {"table", "names", "count"}


def test_the_reader_of_names_sees_what_it_should() -> None:
    assert nameless(ast.parse("class K:\n    found: bool = False\ny = x.found\nf(found=1)")) == set()
    assert nameless(ast.parse("def f(found): return [one for one in y]")) == {"one", "found"}


@within(*JUDGES)
def test_judgement_does_no_io_not_even_in_its_types(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path, types=True)} & IO


@within("rules", "remedies")
def test_judgement_uses_the_standard_library_and_our_values_only(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path, types=True)}
    assert tops <= sys.stdlib_module_names | {PACKAGE} | ALLOWED_TO_RULES


@within("model and policy")
def test_the_policy_knows_no_pytest(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path, types=True)}
    assert tops <= sys.stdlib_module_names | {PACKAGE, "idna"}


@within("probes")
def test_probes_never_judge(path: Path) -> None:
    assert "rules" not in {room(name) for name in ours(path)}


def test_what_every_run_loads_is_a_light_door() -> None:
    code = f"import sys, {PACKAGE}.plugin; print(sorted(m for m in sys.modules if m.startswith({PACKAGE!r})))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix(PACKAGE).lstrip(".") for name in ast.literal_eval(run.stdout)}
    assert loaded == LOADED_EVERYWHERE


def test_what_a_used_plugin_loads_at_once_is_not_heavy() -> None:
    code = f"import sys, {PACKAGE}.session.hooks; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@within("suite")
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
        "from . import own\n"
        f"from {PACKAGE} import model, control\n"
        "if TYPE_CHECKING:\n    import c\n"
        "class K:\n    import e\n"
        "def f():\n    import d\n"
    )
    try:
        common = {"typing", "a.b", f"{PACKAGE}.probes.own", f"{PACKAGE}.model", PACKAGE, "e"}
        assert imports(path, top_only=True) == common
        assert imports(path) == common | {"d"}
        assert imports(path, types=True) == common | {"c", "d"}
    finally:
        del NAMES[path]
