"""How the bundled suite joins a run, and how controls become test cases.

Node ids are `nodered-sec/test_FILE.py::test_NAME[TARGET-INSTANCE]`, wherever the package lies and whatever the
user's ini says: they are the audit trail. The suite hangs below the session itself and never stands among pytest's
path arguments: a path that lies below another argument (a virtual environment inside the project) loses its own
tests on pytest 9.2, and the project's tests on pytest 8.1.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import options, plan
from pytest_nodered_sec.controls import MARK, Control, asks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nodered_sec.accounts import CollectedCase
    from pytest_nodered_sec.evidence.replay import Stored
    from pytest_nodered_sec.ledger import Record
    from pytest_nodered_sec.model import Ask, Target

PREFIX: Final = "nodered-sec"
PACKAGE: Final = "pytest_nodered_sec.suite"
SUITE: Final = Path(__file__).resolve().parent / "suite"
PARAMETER: Final = "_nodered_case"
TARGETS: Final = pytest.StashKey[tuple["Target", ...]]()
LAB: Final = pytest.StashKey[list[dict[str, Any]]]()  # the lab's deployments as plain values  # Any: of all types
ATTEMPTS: Final = pytest.StashKey[Path]()  # where every process of the run counts log-in attempts; made with the first
REPLAYED: Final[pytest.StashKey[Stored]] = pytest.StashKey()  # judged again; not there where we look
RECORDING: Final = pytest.StashKey[bool]()  # whether what was seen is kept for a report
WANTED: Final = pytest.StashKey[tuple[str, ...]]()  # ids of the suite that are part of the run; () for none
TODAY: Final = pytest.StashKey[date]()  # UTC, the same in every process of the run
LEFT_OUT: Final = pytest.StashKey[str]()  # by what tests are left out, as a person writes it; "" for nothing
ELSEWHERE: Final = pytest.StashKey[str]()  # why the site's own tests are not all collected; "" where they are
COLLECTED: Final = pytest.StashKey[list["CollectedCase"]]()  # before anything was left out
RAN: Final = pytest.StashKey[dict[str, "Record"]]()  # what became of the cases that ran in this process, by node id
_TOLD: Final = pytest.StashKey[bool]()  # whether this worker has told what it collected
_TESTS: Final = pytest.StashKey[dict[str, str]]()  # control id: the test that bears it


@dataclass(frozen=True)
class Case:
    """What one test case is about; no target where none is configured, no ask where a control has nothing to ask."""

    target: Target | None = None
    ask: Ask | None = None

    def __str__(self) -> str:
        if self.target is None:
            return "no-target"
        return f"{self.target.name}-{self.ask.label}" if self.ask and self.ask.label else self.target.name


class SuiteModule(pytest.Module):
    """A file of the bundled suite, collected by our names and not by the user's."""

    def funcnamefilter(self, name: str) -> bool:
        """Whether a function is a test."""
        return name.startswith("test_")

    def classnamefilter(self, name: str) -> bool:
        """Whether a class holds tests: ours never do."""
        return False


class SuiteDirectory(pytest.Directory):
    """The bundled suite."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Collect the wanted tests of every file, in the order of the files' names.

        The tests themselves, not the modules: `--lf` passes over modules whose path it does not know.
        """
        wanted = self.config.stash[WANTED]
        for path in sorted(SUITE.glob("test_*.py")):
            nodeid = f"{PREFIX}/{path.name}"
            if any(one.split("::")[0] in (PREFIX, nodeid) for one in wanted):
                module: SuiteModule = SuiteModule.from_parent(self, path=path, nodeid=nodeid)
                yield from (test for test in module.collect() if any(_holds(one, test.nodeid) for one in wanted))


def suite_below(session: pytest.Session) -> list[SuiteDirectory]:
    """Return the collector of the suite, if it is part of the run."""
    if not session.config.stash[WANTED]:
        return []
    return [SuiteDirectory.from_parent(session, path=SUITE, nodeid=PREFIX)]


def join(config: pytest.Config, suite: str, *, typed: bool) -> None:
    """Decide which ids of the suite are part of the run, and take them out of pytest's arguments.

    Args:
        config: pytest's; its `args` are changed.
        suite: "with", "only" or "off".
        typed: whether a target stands on the command line.

    Raises:
        pytest.UsageError: an id names a file that the suite does not have.
    """
    ids = [_as_id(arg, config) for arg in config.args]
    named = tuple(dict.fromkeys(one for one in ids if one))
    for one in named:
        file = one.split("::")[0].removeprefix(PREFIX).lstrip("/")
        if file and not (SUITE / file).is_file():
            raise pytest.UsageError(f"not found: {one} (pytest --nodered-controls lists what there is)")
    joins = suite == "only" or (suite == "with" and (typed or config.args_source is not config.ArgsSource.ARGS))
    whole = (PREFIX,) if joins and config.stash[TARGETS] else ()
    config.stash[WANTED] = named or whole
    part = tuple(one for one in named if one != PREFIX)
    config.stash[LEFT_OUT] = ", ".join((*options.narrowing(config), *part))
    config.stash[ELSEWHERE] = _own_left_out(config, suite)
    config.args[:] = [arg for arg, one in zip(config.args, ids, strict=True) if not one and suite != "only"]


def check_audit(config: pytest.Config, suite: str) -> None:
    """Refuse a run that cannot be an audit.

    Args:
        config: pytest's, after `join`.
        suite: "with", "only" or "off".

    Raises:
        pytest.UsageError: saying what to leave out, or that the advisories are too old.
    """
    left_out = config.stash[LEFT_OUT]
    if not config.stash[WANTED] and suite != "off":
        left_out = ", ".join(filter(None, (left_out, f"the paths, or name {PREFIX} beside them")))
    options.check_audit(config, left_out, suite, config.stash[TODAY])


def _own_left_out(config: pytest.Config, suite: str) -> str:
    """Return why the site's own tests may not all be in a run, "" where they are."""
    if suite == "only":
        return "--nodered-suite=only"
    if config.args_source is config.ArgsSource.ARGS:
        return "paths were named"
    return "--ignore" if config.option.ignore or config.option.ignore_glob else ""


def _as_id(arg: str, config: pytest.Config) -> str:
    """Return the node id that an argument means, "" where it is none of the suite's."""
    path = arg.partition("[")[0].partition("::")[0]
    tail = arg[len(path) :]
    place = config.invocation_params.dir / path
    if path == PREFIX or path.startswith(f"{PREFIX}/"):
        return "" if place.exists() else path.rstrip("/") + tail
    if config.option.pyargs and (path == PACKAGE or path.startswith(f"{PACKAGE}.")):
        module = path[len(PACKAGE) :].lstrip(".")
        return (f"{PREFIX}/{module}.py" if module else PREFIX) + tail
    if place.exists() and place.resolve().is_relative_to(SUITE):
        inside = place.resolve().relative_to(SUITE).as_posix()
        return (f"{PREFIX}/{inside}" if inside != "." else PREFIX) + tail
    return ""


def _holds(wanted: str, nodeid: str) -> bool:
    return nodeid == wanted or nodeid.startswith((f"{wanted}/", f"{wanted}::", f"{wanted}["))


def check_wanted(session: pytest.Session, items: Sequence[pytest.Item]) -> None:
    """Refuse ids on the command line that match nothing, as pytest does for its own.

    Raises:
        pytest.UsageError: naming the id.
    """
    if session.testsfailed:  # something could not be collected, and that is reported
        return
    for wanted in session.config.stash[WANTED]:
        if not any(_holds(wanted, item.nodeid) for item in items):
            raise pytest.UsageError(f"not found: {wanted} (add --collect-only -q to a run to see its ids)")


def note(item: pytest.Item) -> None:
    """Remember a case of a control as it is collected, before any hook can leave it out."""
    control, case = control_of(item), case_of(item)
    if control and case and case.target:
        item.config.stash[COLLECTED].append(
            {
                "nodeid": item.nodeid,
                "control": control.id,
                "title": title_of(item),
                "severity": control.severity.value,
                "target": case.target.name,
                "instance": case.ask.label if case.ask else "",
            }
        )


def tell_collected(config: pytest.Config, report: pytest.TestReport) -> None:
    """Put what was collected on a worker's first report: an xdist controller collects nothing."""
    if hasattr(config, "workerinput") and not config.stash.get(_TOLD, False):
        config.stash[_TOLD] = True
        report.nodered_collected = config.stash[COLLECTED]  # type: ignore[attr-defined]  # reports carry what plugins add


def waivers_last(items: list[pytest.Item]) -> None:
    """Let the cases that judge waivers run when the others have, whatever put them in another order."""
    if any(map(_judges_a_waiver, items)):
        items.sort(key=_judges_a_waiver)


def _judges_a_waiver(item: pytest.Item) -> bool:
    case = case_of(item)
    return bool(case and case.ask and not case.ask.probe)


def title_of(item: pytest.Item) -> str:
    """Return the first line of a test's docstring, "" where it has none."""
    return (getattr(item, "obj", None).__doc__ or "").strip().partition("\n")[0]


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Make one case of each target and question; one private function-scoped parameter carries both.

    Raises:
        pytest.Collector.CollectError: a control's id or its questions cannot be used.
    """
    if PARAMETER not in metafunc.fixturenames:
        return
    control = control_of(metafunc.definition)
    if control:
        _check_id(control, metafunc)
    cases: list[object] = []
    for target in metafunc.config.stash.get(TARGETS, ()):
        asks = _asks_of(control, target) if control else None
        if control and asks and not _LOOKING & set(metafunc.fixturenames):
            raise pytest.Collector.CollectError(
                f"control {control.id!r}: {metafunc.function.__name__} does not look at the answer: give it the "
                "argument nodered_seen, or one named after what is seen, such as nodered_attempt"
            )
        if asks is None:
            cases.append(pytest.param(Case(target), id=str(Case(target))))
        elif not asks:
            reason = f"nothing to ask of {target.name}: it has no instance of this control"
            cases.append(pytest.param(Case(target), id=f"{target.name}-none", marks=pytest.mark.skip(reason=reason)))
        else:
            cases.extend(_case(target, ask) for ask in asks)
    metafunc.parametrize(PARAMETER, cases or [pytest.param(Case(), id="no-target")], indirect=True)


_LOOKING: Final = {"nodered_seen", "nodered_host"}  # a control that asks for neither would pass without a look
_NEEDED: Final = {
    "credentials": 'not judged without an account: set credentials = {env = "PREFIX"} in the policy file, or '
    "NODERED_USERNAME and NODERED_PASSWORD",
    "host": "not judged without a host: add --nodered-host=ssh://USER@HOST to look at it from inside",
}


def _case(target: Target, ask: Ask) -> object:
    case = Case(target, ask)
    reason = why_not_asked(target, ask)
    return pytest.param(case, id=str(case), marks=pytest.mark.skip(reason=reason) if reason else ())


def why_not_asked(target: Target, ask: Ask) -> str:
    """Return why a question is not put to a target, "" where it is."""
    if ask.needs and not getattr(target, ask.needs):
        return _NEEDED[ask.needs]
    return plan.does_not_arise(target, ask) or plan.left_out(target, ask)


def _check_id(control: Control, metafunc: pytest.Metafunc) -> None:
    test = metafunc.definition.nodeid
    other = metafunc.config.stash.setdefault(_TESTS, {}).setdefault(control.id, test)
    if other != test:
        raise pytest.Collector.CollectError(
            f"control {control.id!r} stands twice, at {other} and at {test}: give each an id of its own"
        )
    if not of_suite(test) and control.id in bundled():
        raise pytest.Collector.CollectError(
            f"control {control.id!r} at {test} bears an id of the bundled suite, and reports would take it for that "
            "one: give it an id of its own, such as site-01"
        )


def _asks_of(control: Control, target: Target) -> list[Ask]:
    try:
        asks = list(asks_of(control.id, control.asks(target)))
    except TypeError as error:
        raise pytest.Collector.CollectError(str(error)) from None
    labels = [ask.label for ask in asks]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise pytest.Collector.CollectError(
            f"control {control.id!r}: several questions are labelled {twice[0]!r}; give each a label of its own, "
            "the test ids are made of them"
        )
    return asks


def of_suite(nodeid: str) -> bool:
    """Whether a node id is one of the bundled suite's."""
    return nodeid.startswith(f"{PREFIX}/")


def control_of(node: pytest.Item) -> Control | None:
    """Return the control that a test is, or None."""
    mark = node.get_closest_marker(MARK)
    return mark.args[0] if mark else None


def case_of(item: pytest.Item) -> Case | None:
    """Return the case of a collected item, or None."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(PARAMETER) if callspec else None


def planned(session: pytest.Session) -> str:
    """Return what the collected cases would send, target by target."""
    cases = [(item, case_of(item)) for item in session.items if not item.get_closest_marker("skip")]
    texts = []
    for target in session.config.stash[TARGETS]:
        asked = [(item, case.ask) for item, case in cases if case and case.ask and case.target == target]
        named = [(control_of(item), item, ask) for item, ask in asked]
        texts.append(plan.described(target, [(one.id if one else item.name, ask) for one, item, ask in named]))
    return "\n".join(texts)


def described() -> str:
    """Return the bundled controls as text: file, id, severity, title."""
    lines: list[str] = []
    for path in sorted(SUITE.glob("test_*.py")):
        lines.append(f"{PREFIX}/{path.name}")
        for control, title in _in_file(path):
            lines.append(f"  {control.id:<10} {control.severity.value:<9} {title}")
    return "\n".join(lines) + "\n"


def bundled() -> frozenset[str]:
    """Return the ids of the bundled controls."""
    return frozenset(control.id for path in SUITE.glob("test_*.py") for control, _ in _in_file(path))


def _in_file(path: Path) -> Iterator[tuple[Control, str]]:
    """Yield the controls of a file of the suite with their titles."""
    for function in vars(importlib.import_module(f"{PACKAGE}.{path.stem}")).values():
        for mark in getattr(function, "pytestmark", []):
            if mark.name == MARK:
                yield mark.args[0], (function.__doc__ or "").strip().splitlines()[0]
