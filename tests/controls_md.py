"""Writes docs/controls.md: `python tests/controls_md.py` (with `-`: to standard output).

Title and reason are a control's docstring, severity its decorator's, requirements `data/frameworks.toml`. Findings and
remedies are the rule's own: the tables of tests/rules make every rule say everything it can (all branches are covered
there), and what each said is noted while they run. The thresholds are those that the rule's source reads.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.data.frameworks import frameworks
from pytest_nodered_sec.evidence.catalogue import catalogue
from pytest_nodered_sec.model import Surface, Target, Violation
from pytest_nodered_sec.policy import PROFILES, THRESHOLDS, Endpoint, Policy
from pytest_nodered_sec.policyfile import toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_nodered_sec.evidence.catalogue import Entry

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "controls.md"
HEAD = """\
# The controls

Written by `python tests/controls_md.py` from the suite, its rules and `data/frameworks.toml`; change those.

Controls, instances and ids are the same in every profile; a profile sets the thresholds that are shown (see
[policy.md](policy.md)). Findings are the codes that a `[[waiver]]` names; a remedy is the line to change, and where it
shows a path, an address or a name, that is an example. Ids of requirements say what a control bears on: a pass is
evidence for it, never its fulfilment, and no certificate.
"""
Said = dict[str, list[tuple[Any, Violation]]]  # by rule: what was judged, and what was said of it


def rule_of(entry: Entry) -> Callable[..., Any]:
    """Return the rule that a control's test requires: `require(RULE(…))` is all there is in it."""
    module = sys.modules[f"pytest_nodered_sec.suite.{entry.module}"]
    test = ast.parse(textwrap.dedent(inspect.getsource(getattr(module, entry.test)))).body[0]
    assert isinstance(test, ast.FunctionDef)
    last = test.body[-1]
    assert isinstance(last, ast.Expr)
    assert isinstance(last.value, ast.Call)
    inner = last.value.args[0]
    assert isinstance(inner, ast.Call)
    found: Callable[..., Any] = getattr(module, ast.unparse(inner.func))
    return found


class Listener:
    """Notes what the rules say while their tests run."""

    def __init__(self, rules: set[Callable[..., Any]]) -> None:
        self.rules = rules
        self.said: Said = defaultdict(list)

    def pytest_configure(self) -> None:
        for rule in self.rules:
            setattr(sys.modules[rule.__module__], rule.__name__, self.heard(rule))

    def heard(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(rule)
        def judge(seen: Any, *rest: Any) -> Any:
            verdict = rule(seen, *rest)
            if isinstance(verdict, tuple):
                self.said[rule.__qualname__] += [(seen, one) for one in verdict]
            return verdict

        return judge


def listen(rules: set[Callable[..., Any]]) -> Said:
    """Run the rules' tests and return what was said."""
    listener = Listener(rules)
    alone = [f"-pno:{name}" for name in ("cacheprovider", "randomly", "xdist", "terminal")]
    rewritten = "-Wignore::pytest.PytestAssertRewriteWarning"  # the package is imported already
    status = pytest.main([str(TESTS / "rules"), f"--rootdir={TESTS.parent}", rewritten, *alone], plugins=[listener])
    assert status == 0, "tests/rules must pass first"
    return listener.said


def surfaces(entry: Entry) -> set[str]:
    """Return the parts of Node-RED that a control asks about, where its questions name them."""
    site = Policy(protected_paths=(Endpoint("/x"),), websockets=("/x",))
    asks = entry.control.asks(Target("x", "https://x.example", site))
    return {ask.args[0] for ask in asks if ask.args} & set(Surface.__members__)


def findings(entry: Entry, said: Said) -> dict[str, Violation]:
    """Return what a control can find, by code; of several wordings the shortest."""
    wanted = surfaces(entry)
    found: dict[str, Violation] = {}
    for seen, one in said[rule_of(entry).__qualname__]:
        surface = getattr(getattr(seen, "attempt", seen), "surface", None)
        if wanted and isinstance(surface, Surface) and surface.name not in wanted:
            continue  # a rule may serve several controls
        known = found.get(one.code)
        if known is None or (len(one.remedy), one.remedy) < (len(known.remedy), known.remedy):
            found[one.code] = one
    return dict(sorted(found.items()))


def thresholds(rule: Callable[..., Any]) -> list[str]:
    """Return the thresholds that a rule reads, itself or in functions of its module that it calls."""
    functions = {
        node.name: node
        for node in ast.parse(inspect.getsource(sys.modules[rule.__module__])).body
        if isinstance(node, ast.FunctionDef)
    }
    names, waiting = {rule.__name__}, [rule.__name__]
    read: set[str] = set()
    while waiting:
        for node in ast.walk(functions[waiting.pop()]):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
            if isinstance(node, ast.Name) and node.id in functions and node.id not in names:
                names.add(node.id)
                waiting.append(node.id)
    return [one for one in THRESHOLDS if one in read or ("renewal" in read and one.startswith("renewal"))]


def lines(said: Said) -> Iterator[str]:
    yield HEAD
    before = ""
    for entry in catalogue().values():
        if entry.family != before:
            before = entry.family
            yield f"## {entry.family}\n"
        yield from of_control(entry, said)


def of_control(entry: Entry, said: Said) -> Iterator[str]:
    yield f"### {entry.control.id}\n"
    yield f"**{entry.title}** Severity {entry.control.severity.value}.\n"
    if entry.why:
        yield f"{textwrap.fill(entry.why, 120, break_long_words=False, break_on_hyphens=False)}\n"
    found = findings(entry, said)
    if found:
        yield "| finding | expected | remedy |\n| --- | --- | --- |"
        rows: dict[tuple[str, str], list[str]] = defaultdict(list)
        for code, one in found.items():
            milder = f" ({one.severity.value})" if one.severity not in (None, entry.control.severity) else ""
            rows[cell(one.expected), cell(one.remedy)].append(f"`{code}`{milder}")
        yield from (f"| {', '.join(codes)} | {' | '.join(texts)} |" for texts, codes in rows.items())
        yield ""
    for name in thresholds(rule_of(entry)):
        values = ", ".join(f"{profile} {toml(getattr(PROFILES[profile], name))}" for profile in PROFILES)
        yield f"- `thresholds.{name}`: {values}"
    names = frameworks()
    yield from (f"- {names[key]}: {', '.join(ids)}" for key, ids in entry.requirements.items())
    yield ""


def cell(text: str) -> str:
    """Return a text for a table of Markdown."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def page() -> str:
    said = listen({rule_of(entry) for entry in catalogue().values()})
    return "\n".join(lines(said)).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    catalogue()  # before the rules are listened to: the suite keeps its own
    text = page()
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
