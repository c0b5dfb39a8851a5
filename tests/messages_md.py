"""Writes docs/messages.md: `python tests/messages_md.py` (`--check`: fails where the page is old).

The sentences are read from the syntax trees of the package: what is given to the exceptions of a usage error, of "could
not look", and to skips. What a sentence names is shown in braces. Cause and way out of each kind stand here.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "pytest_nodered_sec"
PAGE: Final = ROOT / "docs" / "messages.md"
HEAD: Final = """\
# Messages

Written by `python tests/messages_md.py` from the code; change that. What a run can say besides findings, which are in
[controls.md](controls.md) with their remedies. Words in braces stand for what your run has there.
"""
WRONG_USE: Final = {  # by folder of the package: heading, and what to do
    "session": (
        "Wrong use: options, environment, ini file",
        "Exit code 4; nothing was sent. Change what the sentence names; `pytest --help` lists the options.",
    ),
    "policy": (
        "Wrong use: policy file and values",
        "Exit code 4; nothing was sent. The sentence begins with the file, table and key, the option or the variable: "
        "see [policy.md](policy.md). `--nodered-show-policy` prints what is in force.",
    ),
    "evidence": ("Wrong use: reports and replay", "Exit code 4: see [evidence.md](evidence.md)."),
    "lab": (
        "The lab does not start",
        "Exit code 4; nothing was tested. Something is missing on this machine, or a directory does not run as it is: "
        "see [lab.md](lab.md).",
    ),
}
TESTS: Final = (
    "A test that is no control, or gives no verdict",
    "An error of collection or a failure, of your own tests and controls only: see [extending.md](extending.md).",
)
NOT_JUDGED: Final = (
    "Skipped: not judged",
    "Nothing is known. Configure what the sentence names, and the control is judged; the last line counts them.",
)
NOT_APPLICABLE: Final = (
    "Skipped: does not apply",
    "Nothing to do: what the control judges is not there, or the policy says that it is meant to be so.",
)
SEVERAL: Final = ("Could not look: several causes", "What came back is in the sentence; see the causes above.")
CAUSES: Final = {
    Cause.UNREACHABLE: "Nothing accepts the connection, or the name does not resolve. Check the URL, whether the "
    "target runs, and whether this machine may reach it.",
    Cause.OUR_SIDE: "This machine cannot try: no route, too few file descriptors, a firewall or a missing right of its "
    "own. Run from another machine, or change this one.",
    Cause.NO_ROUTE: "There is no route to the host. Check the network of this machine, and a firewall on the way.",
    Cause.TIMEOUT: "The time limit passed. `--nodered-timeout` raises it, `--nodered-pace=quiet` asks slowly.",
    Cause.PROTOCOL: "Something answered, but not what was asked for. Check port and scheme of the URL, and what is in "
    "front of it.",
    Cause.CLOSED: "The connection ended without an answer: a proxy drops such requests, or a server restarts.",
    Cause.REJECTED: "A TLS alert turned us away. Where a client certificate is demanded, set `mutual_tls`, or give "
    "`HttpSettings` the certificate.",
    Cause.UNAVAILABLE: "The server answered with an error, a limit or a challenge page, or something needed is not "
    "there. Let the proxy pass this machine, run when the target is well, or ask more slowly.",
    Cause.INDISTINCT: "Every path answers alike, so an answer proves nothing. Name the right URL and roots.",
    Cause.UNIDENTIFIED: "Nothing shows that Node-RED is there, or everything is refused before it. Name roots, "
    "dashboards and gates as the sentence says.",
    Cause.UNDECLARED_LOGIN: "The answer leads to a login that is not declared: `--nodered-login-url`.",
    Cause.UNVERIFIED: "A secret would have to be sent, and the certificate does not verify: `--nodered-ca-file`, or "
    "`sha256` in the policy file.",
    Cause.CHANGED: "The target no longer answers as at the start: it banned us, is down, or is several servers behind "
    "one address. See [asking.md](asking.md) to ask more gently.",
    Cause.FORBIDDEN: "A right or a program is missing on the host: see [host.md](host.md).",
    Cause.NOT_ASKED: "The question might do harm, or this run sends nothing. The sentence says what to declare.",
    Cause.SEE_REACH: "The whole target, or a whole root, cannot be looked at; reach-01 or admin-01 has the cause.",
}
_ENDS: Final = {"UsageError": 0, "PolicyError": 0, "says": 1, "hides": 0, "LabError": 0, "DamagedError": 0}
_OF_TESTS: Final = {"CollectError": 0, "NoVerdict": 0, "fail": 0, "TypeError": 0}
_SKIPS: Final = {"NotJudged": 0, "NotApplicable": 0, "skip": 0}
_REASONS: Final = {"plan.py": "does_not_arise"}  # functions that return why a case is skipped
_DOTS: Final = "{…}"
_NAMES: Final = {  # of functions and methods whose own name says nothing to a reader
    **dict.fromkeys(("evidence", "line"), "{what came back}"),
    **dict.fromkeys(("", "join", "strip", "upper", "lower", "replace", "next", "format"), _DOTS),
    "len": "{number}",
}
_DEPTH: Final = 4  # how far an expression is followed to where it was made


@dataclass
class Module:
    """A file of the package: its tree, its constant texts, and which function each node stands in."""

    path: Path
    tree: ast.Module
    constants: dict[str, ast.expr] = field(default_factory=dict)
    functions: dict[ast.AST, ast.FunctionDef] = field(default_factory=dict)
    parts: set[ast.AST] = field(default_factory=set)  # of texts that are made of several, and docstrings

    @classmethod
    def read(cls, path: Path) -> Module:
        """Read a file."""
        return cls.of(path, ast.parse(path.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, path: Path, tree: ast.Module) -> Module:
        """Take note of what stands in a tree."""
        made = cls(path, tree)
        for statement in made.tree.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
                made.constants[statement.target.id] = statement.value
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                made.constants[statement.targets[0].id] = statement.value
            elif isinstance(statement, ast.FunctionDef):
                returned = [node.value for node in ast.walk(statement) if isinstance(node, ast.Return)]
                if len(returned) == 1 and isinstance(returned[0], ast.JoinedStr):
                    made.constants[f"{statement.name}()"] = returned[0]
        for node in ast.walk(made.tree):
            if isinstance(node, ast.FunctionDef):
                made.functions.update(dict.fromkeys(ast.walk(node), node))  # the innermost comes last
            elif isinstance(node, ast.JoinedStr):
                made.parts.update(node.values)
            elif isinstance(node, ast.Expr):
                made.parts.add(node.value)
        return made

    @property
    def folder(self) -> str:
        """The folder of the package, or the file's name at its top."""
        return self.path.relative_to(PACKAGE).parts[0]


def shown(node: ast.expr | None, module: Module, depth: int = _DEPTH) -> str:
    """Return an expression as a reader sees it: texts as they are, the rest as names in braces."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (value.value if isinstance(value, ast.FormattedValue) else value for value in node.values)
        return "".join(shown(node, module, depth) for node in parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return shown(node.left, module, depth) + shown(node.right, module, depth)
    if isinstance(node, ast.IfExp):
        texts = [shown(branch, module, depth) for branch in (node.body, node.orelse)]
        return "".join(texts) if "" in texts else f"{{{' | '.join(texts)}}}" if _DOTS not in texts else _DOTS
    if isinstance(node, ast.Name) and depth and (made := _made(node, module)) is not None:
        return shown(made, module, depth - 1)
    if isinstance(node, ast.Call) and depth and f"{ast.unparse(node.func)}()" in module.constants:
        return shown(module.constants[f"{ast.unparse(node.func)}()"], module, depth - 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return shown(node.func.value, module, depth)
    return _named(node)


def _made(node: ast.Name, module: Module) -> ast.expr | None:
    """Return the text that a name stands for: a constant's, or what its function assigns once; None for others."""
    function = module.functions.get(node)
    assigned = [
        part.value
        for part in ast.walk(function or ast.Module([], []))
        if isinstance(part, ast.Assign) and any(isinstance(end, ast.Name) and end.id == node.id for end in part.targets)
    ]
    value = assigned[0] if len(assigned) == 1 else None if assigned else module.constants.get(node.id)
    return value if isinstance(value, (ast.Constant, ast.JoinedStr, ast.IfExp)) else None


def _named(node: ast.expr | None) -> str:
    """Return a name in braces for what is not a text."""
    while isinstance(node, (ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return _NAMES.get(name, f"{{{name.strip('_').replace('_', ' ')}}}")


def messages(modules: list[Module]) -> dict[str, dict[str, None]]:
    """Return the sentences by heading, each once, in the order of the files."""
    pages: dict[str, dict[str, None]] = defaultdict(dict)
    for module in modules:
        for node in ast.walk(module.tree):
            for heading, text in _of_call(node, module) if isinstance(node, ast.Call) else _of_text(node, module):
                text = " ".join(text.split())
                if len(re.findall("[A-Za-z]{2,}", re.sub(r"{[^}]*}", "", text))) > 1:  # more than a name or two
                    pages[heading][text] = None
    return pages


def _of_call(call: ast.Call, module: Module) -> Iterator[tuple[str, str]]:
    """Yield heading and sentence of a call that makes an exception or a skip."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    places = _ENDS | _OF_TESTS | _SKIPS | {"ProbeError": 0}
    if name == "skip":
        reasons = [keyword.value for keyword in call.keywords if keyword.arg == "reason"] or call.args
    else:
        reasons = call.args[places[name] :] if name in places else []
    if not reasons or (name == "TypeError" and module.folder not in ("controls.py", "questions")):
        return  # others are bugs
    for text in _variants(reasons[0], module):
        yield _heading(name, text, call, module), text


def _heading(name: str, text: str, call: ast.Call, module: Module) -> str:
    if name == "NotJudged" or text.startswith("not judged"):
        return NOT_JUDGED[0]
    if name in _SKIPS:
        return NOT_APPLICABLE[0]
    if name in _OF_TESTS:
        return TESTS[0]
    if name == "ProbeError":
        cause = call.args[1] if len(call.args) > 1 else None
        known = isinstance(cause, ast.Attribute) and ast.unparse(cause.value) == "Cause"
        return _could_not(Cause[cause.attr]) if known and isinstance(cause, ast.Attribute) else SEVERAL[0]
    return WRONG_USE.get(module.folder, WRONG_USE["session"])[0]


def _could_not(cause: Cause) -> str:
    return f"Could not look: {cause.value.replace('-', ' ')}"


def _variants(node: ast.expr, module: Module) -> Iterator[str]:
    """Yield the sentences of an argument: of a parameter, those that the callers of its function give."""
    function = module.functions.get(node)
    names = [arg.arg for arg in function.args.args] if function else []
    if not (isinstance(node, ast.Name) and function and node.id in names):
        yield shown(node, module)
        return
    place = names.index(node.id) - (names[0] in ("self", "cls"))
    for call in ast.walk(module.tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == function.name:
            named = [keyword.value for keyword in call.keywords if keyword.arg == node.id]
            given = named or call.args[place : place + 1]
            if given:
                yield shown(given[0], module)


def _of_text(node: ast.AST, module: Module) -> Iterator[tuple[str, str]]:
    """Yield a text that is a reason by itself: what begins with "not judged", what a function of reasons returns."""
    if isinstance(node, (ast.Constant, ast.JoinedStr)) and node not in module.parts:
        text = shown(node, module)
        if text.startswith("not judged"):
            yield NOT_JUDGED[0], text
    function = module.functions.get(node)
    if isinstance(node, ast.Return) and function and _REASONS.get(module.path.name) == function.name:
        yield NOT_APPLICABLE[0], shown(node.value, module)


def page() -> str:
    """Return the page."""
    pages = messages([Module.read(path) for path in sorted(PACKAGE.rglob("*.py"))])
    sections = [*WRONG_USE.values(), TESTS]
    sections += [(_could_not(cause), CAUSES[cause]) for cause in Cause]
    sections += [SEVERAL, NOT_JUDGED, NOT_APPLICABLE]
    text = [HEAD]
    for heading, way_out in sections:
        said = [f"- {_code(message)}" for message in sorted(pages[heading], key=_sorted)]
        text += [f"## {heading}\n", f"{_wrapped(way_out)}\n", *said, *([""] if said else [])]
    return "\n".join(text).rstrip("\n") + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _sorted(text: str) -> tuple[str, str]:
    """Sort by the first words, so that a sentence can be searched for whatever name it begins with."""
    return re.sub(r"^({[^}]*}|[^A-Za-z])+", "", text).lower(), text


def _code(text: str) -> str:
    ticks = "``" if "`" in text else "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


if __name__ == "__main__":
    wanted = page()
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == wanted else f"{PAGE.name} is old")
    PAGE.write_text(wanted, encoding="utf-8")
