"""How the bundled suite joins a run, and how controls become test cases.

Node ids are `nodered-sec/test_FILE.py::test_NAME[TARGET-INSTANCE]`, wherever the package is installed and whatever
the user's ini says, because reports refer to them. The suite's collector is a child of the session and never one of
pytest's path arguments: with a path below another argument (a virtual environment inside the project), pytest 9.2
loses the suite's tests and pytest 8.1 the project's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec import plan
from pytest_nodered_sec.catalogue import PACKAGE, PREFIX, SUITE, bundled
from pytest_nodered_sec.controls import Control, asks_of
from pytest_nodered_sec.session import audit, companions
from pytest_nodered_sec.session.audit import narrowing
from pytest_nodered_sec.session.skips import will_not_run
from pytest_nodered_sec.session.state import (
    APART,
    AWAY,
    COLLECTED,
    CONTROLS,
    ELSEWHERE,
    LEFT_OUT,
    PARAMETER,
    TARGETS,
    TODAY,
    UNRUN,
    WANTED,
    Case,
    case_of,
    control_of,
    of_suite,
    title_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pytest_nodered_sec.model import Ask, Target

STAYS_OUT: Final = (
    f"the bundled suite stays out, because paths are named: add {PREFIX} to them, or name the target with "
    "--nodered-url (--nodered-suite=off says nothing)"
)
_TOLD: Final = pytest.StashKey[bool]()  # whether this worker has reported what it collected
_TESTS: Final = pytest.StashKey[dict[str, str]]()  # control id: the test that bears it


class SuiteModule(pytest.Module):
    """A file of the bundled suite; the user's python_files and python_functions do not apply to it."""

    def funcnamefilter(self, name: str) -> bool:
        """Whether a function is a test."""
        return name.startswith("test_")

    def classnamefilter(self, name: str) -> bool:
        """Whether a class holds tests: in the suite none does."""
        return False


class SuiteDirectory(pytest.Directory):
    """The bundled suite."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Collect the wanted tests of every file, in the order of the files' names.

        It returns tests, not modules: `--lf` skips modules whose path it does not know.
        """
        wanted = self.config.stash[WANTED]
        for path in sorted(SUITE.glob("test_*.py")):
            nodeid = f"{PREFIX}/{path.name}"
            if any(nodeid_wanted.split("::")[0] in (PREFIX, nodeid) for nodeid_wanted in wanted):
                module: SuiteModule = SuiteModule.from_parent(self, path=path, nodeid=nodeid)
                places: dict[str, tuple[str, int | None, str]] = {}
                for test in module.collect():
                    if any(_holds(selector, test.nodeid) for selector in wanted):
                        _place(test, places)
                        yield test


def _place(test: pytest.Item | pytest.Collector, places: dict[str, tuple[str, int | None, str]]) -> None:
    """Give a case the place of its function, which pytest searches for each case anew.

    Args:
        test: the case.
        places: of the functions that are known, by name; added to.
    """
    assert isinstance(test, pytest.Function)  # noqa: S101  for the type checker: the suite has nothing else
    known = places.get(test.originalname)
    if known is None:
        places[test.originalname] = test.location
    else:
        test.location = (*known[:2], test.name)


def suite_below(session: pytest.Session) -> list[SuiteDirectory]:
    """Return the collector of the suite, if it is part of the run."""
    if not session.config.stash[WANTED]:
        return []
    return [SuiteDirectory.from_parent(session, path=SUITE, nodeid=PREFIX)]


def collect_again(session: pytest.Session, nodeids: Collection[str]) -> list[pytest.Item]:
    """Return cases of the suite in a process that has collected nothing: xdist's controller."""
    [directory] = suite_below(session)
    items: list[pytest.Item] = []
    for name in sorted({nodeid.partition("::")[0] for nodeid in nodeids}):
        path = SUITE / name.removeprefix(f"{PREFIX}/")
        module: SuiteModule = SuiteModule.from_parent(directory, path=path, nodeid=name)
        items += [test for test in module.collect() if isinstance(test, pytest.Item) and test.nodeid in nodeids]
    return items


def join(config: pytest.Config, suite: str, *, typed: bool, globs: tuple[str, ...] = ()) -> None:
    """Decide which tests of the suite run, and remove their ids from pytest's arguments.

    Args:
        config: pytest's; its `args` are changed.
        suite: "with", "only" or "off".
        typed: whether the command line names a target.
        globs: of the control ids that the run is about; () for all.

    Raises:
        pytest.UsageError: an id names a file that the suite does not have, or there is no target.
    """
    ids = [_as_id(arg, config) for arg in config.args]
    named = tuple(dict.fromkeys(node_id for node_id in ids if node_id))
    for path in named:
        file = path.split("::")[0].removeprefix(PREFIX).lstrip("/")
        if file and not (SUITE / file).is_file():
            raise pytest.UsageError(f"not found: {path} (pytest --nodered-controls lists the files and controls)")
    if named and not config.stash[TARGETS]:
        where = "" if config.inipath else "; pytest has read no ini file: -c FILE names one"
        raise pytest.UsageError(f"{named[0]} needs a target: add --nodered-url=https://HOST or --nodered-lab{where}")
    joins = suite == "only" or (suite == "with" and (typed or config.args_source is not config.ArgsSource.ARGS))
    whole = (PREFIX,) if joins and config.stash[TARGETS] else ()
    config.stash[WANTED] = named or whole
    part = tuple(path for path in named if path != PREFIX)
    config.stash[CONTROLS] = globs
    selected = ("--nodered-control",) if globs else ()
    config.stash[APART] = suite == "with" and bool(config.stash[TARGETS]) and not config.stash[WANTED]
    paths = ("paths",) if config.stash[APART] else ()
    config.stash[LEFT_OUT] = ", ".join((*narrowing(config), *selected, *part, *paths))
    config.stash[ELSEWHERE] = _own_left_out(config, suite)
    typed_paths = config.args if config.args_source is config.ArgsSource.ARGS and suite == "only" else ()
    config.stash[UNRUN] = tuple(arg for arg, name in zip(typed_paths, ids, strict=False) if not name)
    config.args[:] = [arg for arg, name in zip(config.args, ids, strict=True) if not name and suite != "only"]


def check_audit(config: pytest.Config, suite: str) -> None:
    """Refuse a run that cannot be an audit.

    Args:
        config: pytest's, after `join`.
        suite: "with", "only" or "off".

    Raises:
        pytest.UsageError: options leave tests out, or the advisories are too old.
    """
    left_out = config.stash[LEFT_OUT]
    if config.stash[APART]:
        left_out = f"{left_out.removesuffix('paths')}the paths, or add {PREFIX} to them"
    audit.check_audit(config, left_out, suite, config.stash[TODAY])


def _own_left_out(config: pytest.Config, suite: str) -> str:
    """Return why the run may not hold all of the site's own tests; "" if it does."""
    if suite == "only":
        return "--nodered-suite=only"
    if config.args_source is config.ArgsSource.ARGS:
        return "paths were named"
    return "--ignore" if config.option.ignore or config.option.ignore_glob else ""


def _as_id(arg: str, config: pytest.Config) -> str:
    """Return the node id of the suite that an argument names, "" for any other argument."""
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
    """Refuse ids on the command line that match no test, as pytest does for paths.

    Raises:
        pytest.UsageError: naming the id.
    """
    if session.testsfailed:  # a collection error, which pytest reports
        return
    for wanted in session.config.stash[WANTED]:
        if not any(_holds(wanted, item.nodeid) for item in items):
            away = session.config.stash.get(AWAY, "")
            raise pytest.UsageError(
                f"not found: {wanted} (add --collect-only -q to list the ids{f'; {away}' if away else ''})"
            )


def note(item: pytest.Item) -> None:
    """Record a control's case before any hook can deselect it; let `-k ID` select it, and other plugins know of it."""
    control, case = control_of(item), case_of(item)
    if control:
        item.extra_keyword_matches.add(control.id)  # for -k
        companions.tell(item, control)
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
    """Send what was collected with a worker's first report: an xdist controller collects nothing itself."""
    if hasattr(config, "workerinput") and not config.stash.get(_TOLD, False):
        config.stash[_TOLD] = True
        report.nodered_collected = config.stash[COLLECTED]  # type: ignore[attr-defined]  # reports carry what plugins add


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Make one test case for each target and question; one private function-scoped parameter carries both.

    Raises:
        pytest.Collector.CollectError: a control's id or questions are invalid.
    """
    if PARAMETER not in metafunc.fixturenames:
        return
    control = control_of(metafunc.definition)
    if control:
        _check_id(control, metafunc)
    cases: list[object] = []
    for target in metafunc.config.stash.get(TARGETS, ()):
        asks = _asks_of(control, target) if control else None
        if target.flows and not plan.asked_of_flows(asks):
            continue
        if control and asks and not _LOOKING & set(metafunc.fixturenames):
            raise pytest.Collector.CollectError(
                f"control {control.id!r}: {metafunc.function.__name__} does not use the answer: give it the "
                "argument nodered_seen, or a more specific fixture such as nodered_attempt"
            )
        if asks is None:
            cases.append(pytest.param(Case(target), id=str(Case(target))))
        elif not asks:
            reason = f"nothing to ask of {target.name}: its settings name nothing that this control checks"
            cases.append(pytest.param(Case(target), id=f"{target.name}-none", marks=pytest.mark.skip(reason=reason)))
        else:
            cases.extend(_case(target, ask) for ask in asks)
    metafunc.parametrize(PARAMETER, cases or [pytest.param(Case(), id="no-target")], indirect=True)


def leave_out_unasked(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the suite's tests that no target is asked: where all are files of flows, most are not."""
    if config.stash[TARGETS]:
        unasked = {item for item in items if (case := case_of(item)) and not case.target and of_suite(item.nodeid)}
        items[:] = [item for item in items if item not in unasked]


_LOOKING: Final = {"nodered_seen", "nodered_host"}  # without either of these, a control would pass without evidence
_NEEDED: Final = {
    "credentials": 'not judged without an account: set credentials = {env = "PREFIX"} in the policy file, or '
    "NODERED_USERNAME and NODERED_PASSWORD",
    "dashboard_credentials": "not judged without an account for the dashboards: set "
    'dashboard_credentials = {env = "PREFIX"} in the policy file',
    "host": "not judged without a host: add --nodered-host=ssh://USER@HOST to check the machine itself",
}


def _case(target: Target, ask: Ask) -> object:
    case = Case(target, ask)
    reason = why_not_asked(target, ask)
    return pytest.param(case, id=str(case), marks=pytest.mark.skip(reason=reason) if reason else ())


def why_not_asked(target: Target, ask: Ask) -> str:
    """Return why a question is not asked of a target, "" if it is."""
    if ask.needs and not getattr(target, ask.needs):
        return _NEEDED[ask.needs]
    return plan.does_not_arise(target, ask) or plan.left_out(target, ask)


def _check_id(control: Control, metafunc: pytest.Metafunc) -> None:
    test = metafunc.definition.nodeid
    other = metafunc.config.stash.setdefault(_TESTS, {}).setdefault(control.id, test)
    if other != test:
        raise pytest.Collector.CollectError(
            f"control {control.id!r} is defined twice, at {other} and at {test}: give each its own id"
        )
    if not of_suite(test) and control.id in bundled():
        raise pytest.Collector.CollectError(
            f"control {control.id!r} at {test} has the id of a control in the bundled suite, so reports would confuse "
            "them: give it its own id, such as site-01"
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
            f"control {control.id!r}: several questions have the label {twice[0]!r}; give each its own label, "
            "because test ids are made of the labels"
        )
    return asks


def planned(session: pytest.Session) -> str:
    """Return what the collected cases would send, target by target."""
    asked: dict[str, list[tuple[str, Ask]]] = {}
    for item in session.items:
        case, control = case_of(item), control_of(item)
        if case and case.target and case.ask and not will_not_run(item):
            asked.setdefault(case.target.name, []).append((control.id if control else item.name, case.ask))
    targets = session.config.stash[TARGETS]
    text = "\n".join(plan.requests_as_text(target, asked.get(target.name, [])) for target in targets)
    return "\n".join(filter(None, [text, plan.legend(text)]))
