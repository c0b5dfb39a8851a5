"""Writes docs/controls.md and data/known_findings.toml, and counts the controls in docs/evidence.md's example.

Run `python tests/controls_md.py`; with `--check` it only names the files that are old.

Title and reason are a control's docstring, severity its decorator's, requirements `data/frameworks.toml`. Findings and
remedies are the rule's own: the tables of tests/rules make every rule say everything it can (all branches are covered
there), and what each said is noted while they run. The thresholds are those that the rule's source reads.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import textwrap
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from suite_controls import rule_of

from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.data.frameworks import frameworks
from pytest_nodered_sec.model import Surface, Target
from pytest_nodered_sec.policy.model import PROFILES, THRESHOLDS, Endpoint, Policy
from pytest_nodered_sec.policy.toml import toml
from pytest_nodered_sec.verdict import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_nodered_sec.catalogue import Entry

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "controls.md"
EXAMPLE = PAGE.with_name("evidence.md")  # a last line, whose numbers are those of the suite
TABLE = TESTS.parent / "pytest_nodered_sec" / "data" / "known_findings.toml"
HEAD = """\
# The controls

Written by `python tests/controls_md.py` from the suite, its rules and `data/frameworks.toml`; change those.

Controls, instances and ids are the same in every profile; a profile sets the thresholds that are shown (see
[policy.md](policy.md)). Findings are the codes that a `[[waiver]]` names; a remedy is the line to change, and where it
shows a path, an address or a name, that is an example. Ids of requirements say what a control bears on: a pass is
evidence for it, never its fulfilment, and no certificate.
"""
Said = dict[str, list[tuple[Any, Violation]]]  # by rule: what was judged, and what was said of it


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
                self.said[rule.__qualname__] += [(seen, violation) for violation in verdict]
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
    violations: dict[str, Violation] = {}
    for seen, violation in said[rule_of(entry).__qualname__]:
        surface = getattr(getattr(seen, "attempt", seen), "surface", None)
        if wanted and isinstance(surface, Surface) and surface.name not in wanted:
            continue  # a rule may serve several controls
        known = violations.get(violation.code)
        if known is None or (len(violation.remedy), violation.remedy) < (len(known.remedy), known.remedy):
            violations[violation.code] = violation
    return dict(sorted(violations.items()))


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
    return [
        threshold
        for threshold in THRESHOLDS
        if threshold in read or ("renewal" in read and threshold.startswith("renewal"))
    ]


def rows(entry: Entry, said: Said) -> Iterator[tuple[list[str], str, Violation]]:
    """Yield what a control can find, by remedy: the codes, their severity if not the control's, and one of them."""
    together: dict[tuple[str, str], dict[str, Violation]] = defaultdict(dict)
    for code, violation in findings(entry, said).items():
        together[flat(violation.expected), flat(violation.remedy)][code] = violation
    for those in together.values():
        for severity in dict.fromkeys(own_severity(entry, violation) for violation in those.values()):
            same = {code: violation for code, violation in those.items() if own_severity(entry, violation) == severity}
            yield list(same), severity, next(iter(same.values()))


def own_severity(entry: Entry, violation: Violation) -> str:
    """Return a finding's severity where it is not the control's, else ""."""
    return violation.severity.value if violation.severity not in (None, entry.control.severity) else ""


def table(said: Said) -> str:
    """Return the table of findings that the package reads."""
    text = ["# What each control may find, and the remedy. Written by `python tests/controls_md.py`; change the rules."]
    for entry in catalogue().values():
        for codes, severity, violation in rows(entry, said):
            text += [f"\n[[{entry.control.id}]]", f"codes = {toml(codes)}"]
            text += [f'severity = "{severity}"'] if severity else []
            text += [f"expected = {toml(violation.expected)}", f"remedy = {toml(violation.remedy)}"]
    return "\n".join(text) + "\n"


def flat(text: str) -> str:
    """Return a text in one line."""
    return " ".join(text.split())


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
    violations = findings(entry, said)
    if violations:
        yield "| finding | expected | remedy |\n| --- | --- | --- |"
        together: dict[tuple[str, str], list[str]] = defaultdict(list)
        for code, violation in violations.items():
            severity = own_severity(entry, violation)
            milder = f" ({severity})" if severity else ""
            together[cell(violation.expected), cell(violation.remedy)].append(f"`{code}`{milder}")
        yield from (f"| {', '.join(codes)} | {' | '.join(texts)} |" for texts, codes in together.items())
        yield ""
    for name in thresholds(rule_of(entry)):
        values = ", ".join(f"{profile} {toml(getattr(PROFILES[profile], name))}" for profile in PROFILES)
        yield f"- `thresholds.{name}`: {values}"
    names = frameworks()
    yield from (f"- {names[key]}: {', '.join(ids)}" for key, ids in entry.requirements.items())
    yield ""


def cell(text: str) -> str:
    """Return a text for a table of Markdown."""
    return flat(text).replace("|", "\\|").replace("<", "&lt;")


def files() -> dict[Path, str]:
    """Return what the files are to hold."""
    said = listen({rule_of(entry) for entry in catalogue().values()})
    page = "\n".join(lines(said)).rstrip("\n") + "\n"
    return {PAGE: page, TABLE: table(said), EXAMPLE: counted(EXAMPLE.read_text(encoding="utf-8"))}


def counted(text: str) -> str:
    """Return a page with the number of all controls in its example of a last line, and those judged to match."""
    there = len(catalogue())

    def numbers(line: re.Match[str]) -> str:
        return f"judged {there - sum(map(int, re.findall(r'[0-9]+', line[1])))} of {there} controls{line[1]}"

    return re.sub(r"judged \d+ of \d+ controls(; \d+ not applicable, \d+ not judged, \d+ not selected)", numbers, text)


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    catalogue()  # before the rules are listened to: the suite keeps its own
    wanted = files()
    old = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        sys.exit(", ".join(path.name for path in old) or 0)
    for path in old:
        path.write_text(wanted[path], encoding="utf-8")
