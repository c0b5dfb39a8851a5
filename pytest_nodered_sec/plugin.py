"""The pytest hooks, each delegating; nothing here, or imported from here, is heavy.

Loaded in every pytest run of its environment: until one of its options, ini values or fixtures is used it
opens nothing, writes nothing and prints nothing.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import __version__, collection, ledger, newhooks, options
from pytest_nodered_sec.controls import MARK, judging
from pytest_nodered_sec.policy import PolicyError

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_nodered_sec.policyfile import PolicyFile

pytest_plugins = ("pytest_nodered_sec.fixtures",)

_RUN: Final = pytest.StashKey[options.Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(newhooks)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    options.name_the_default_lab(early_config, parser, args)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if config.option.nodered_controls:
        sys.stdout.write(collection.described())
    elif config.option.nodered_show_policy:
        sys.stdout.write(options.described(_run_of(config)))
    elif config.option.nodered_init:
        from pytest_nodered_sec import draft

        run = _run_of(config)
        sys.stdout.write(draft.write(run.targets, options.said(run), config.rootpath))
    else:
        if config.option.nodered_plan:
            options.stay_in_one_process(config)
        return None
    return 0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(control): a security control; set it with @control")
    config.stash[collection.TARGETS] = config.stash[collection.WANTED] = ()
    config.stash[collection.COLLECTED] = []
    if config.option.help:
        return
    started = datetime.now(UTC)  # once: the day by which waivers hold is the day of the run, also at midnight
    given = getattr(config, "workerinput", {}).get("nodered_today")
    config.stash[collection.TODAY] = date.fromisoformat(given) if given else started.date()
    run = config.stash[_RUN] = _run_of(config)
    stored = config.stash.get(collection.REPLAYED, None)
    if stored is not None:
        config.stash[collection.TODAY] = stored.day
    config.stash[collection.TARGETS] = run.targets
    if run.targets:
        config.stash[collection.ATTEMPTS] = _attempts(config)
    suite = run.settings.one("suite", "with")
    if not run.targets and (suite == "only" or (suite == "with" and run.settings.typed("suite"))):
        raise pytest.UsageError(
            f"--nodered-suite={suite} needs a target: add --nodered-url=https://HOST or --nodered-lab"
        )
    for name in ("plan", "audit"):
        if getattr(config.option, f"nodered_{name}") and not run.targets:
            raise pytest.UsageError(f"--nodered-{name} needs a target: add --nodered-url=https://HOST or a policy file")
    typed = run.settings.typed("url", "lab", "target", "replay")
    collection.join(config, suite, typed=typed)
    if config.option.nodered_audit:
        collection.check_audit(config, suite)
    book = None
    if not hasattr(config, "workerinput"):
        demanded = bool(config.stash[collection.WANTED]) and options.answers_are_due(config, typed=typed)
        policies = options.policies(run) if run.targets else {}
        if stored is not None and run.file is None:
            policies = stored.policies
        book = ledger.Ledger(config, policies, run.fail_on, started, demanded=demanded)
        if run.targets:
            from pytest_nodered_sec.evidence.junit import Completion

            strict = run.settings.one("junit", "properties") == "strict"
            config.pluginmanager.register(Completion(book, strict=strict), "nodered-sec-junit")
    _keep(config, run, book)
    if book is not None:  # behind the others: what it says at the end is the last line
        config.pluginmanager.register(book, "nodered-sec-ledger")


def _keep(config: pytest.Config, run: options.Run, book: ledger.Ledger | None) -> None:
    """Make ready for what is to be left of the run, where anything is; behind what completes the JUnit file."""
    wanted = options.reports(config, run.settings)
    config.stash[collection.RECORDING] = "evidence" in wanted or "report" in wanted
    if not run.targets and run.settings.typed(*wanted):
        raise pytest.UsageError(f"--nodered-{next(iter(wanted))} needs a target: add --nodered-url=https://HOST")
    if book is None or not run.targets or options.only_shows(config):
        return
    stored = config.stash.get(collection.REPLAYED, None)
    if wanted or stored is not None:
        from pytest_nodered_sec.evidence import writer

        try:
            writer.register(config, book, wanted, run.targets, stored)
        except PolicyError as error:
            raise pytest.UsageError(str(error)) from None


def _run_of(config: pytest.Config) -> options.Run:
    """Put together what the run is about: settings, policy file, lab, and what the hook makes of them."""
    try:
        settings = options.resolve(config)
        if settings.many("replay"):
            from pytest_nodered_sec.evidence import replay

            run, config.stash[collection.REPLAYED] = replay.prepare(settings)
            return run
        file = options.policy_file(config, settings)
        prepared = options.prepare(settings, file) + _lab(config, settings, file)
        targets = [one.target for one in prepared]
        replaced = config.hook.pytest_nodered_targets(config=config, targets=targets)
        found = options.check_targets(targets if replaced is None else replaced)
        options.check_waivers(file, found)
        found = tuple(options.with_testinfra(options.with_waivers(target, file), config) for target in found)
        return options.Run(settings, file, tuple(prepared), found, options.fail_on(settings, file))
    except PolicyError as error:
        raise pytest.UsageError(str(error)) from None


def _lab(config: pytest.Config, settings: options.Settings, file: PolicyFile | None) -> list[options.Prepared]:
    specs = settings.many("lab")
    if not specs:
        return []
    from pytest_nodered_sec import lab

    try:
        if hasattr(config, "workerinput"):
            found = json.loads(config.workerinput["nodered_lab"])
        elif options.only_shows(config):
            parsed = [lab.parse(spec) for spec in specs]
            return options.lab_placeholders(settings, {one.label: lab.expectations(one.name) for one in parsed})
        else:
            running = lab.start(specs, say=lambda line: _say(config, line))
            config.add_cleanup(running.stop)
            found = [deployment.as_dict() for deployment in running.deployments]
        config.stash[collection.LAB] = found
        return options.prepare_lab(settings, file, [lab.RunningDeployment.from_dict(one) for one in found])
    except lab.LabError as error:
        raise pytest.UsageError(str(error)) from None


def _attempts(config: pytest.Config) -> Path:
    """Name the directory in which this run counts log-in attempts; whoever is about to make one creates it."""
    if hasattr(config, "workerinput"):
        return Path(config.workerinput["nodered_attempts"])
    folder = Path(tempfile.gettempdir(), f"nodered-sec-{secrets.token_hex(16)}")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    return folder


def _say(config: pytest.Config, line: str) -> None:
    """Show a line of progress at once, past pytest's capture."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        sys.stderr.write(f"nodered-sec: {line}\n")
        sys.stderr.flush()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["nodered_lab"] = json.dumps(node.config.stash.get(collection.LAB, []))
    node.workerinput["nodered_today"] = node.config.stash[collection.TODAY].isoformat()
    node.workerinput["nodered_attempts"] = str(node.config.stash.get(collection.ATTEMPTS, ""))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if not config.stash[collection.TARGETS]:
        return None
    from pytest_nodered_sec import xdist

    return xdist.make_scheduler(config, log, tuple(target.name for target in config.stash[collection.TARGETS]))


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    return (
        options.header(config.stash[_RUN], __version__, config.stash[collection.TODAY])
        if config.stash[collection.TARGETS]
        else None
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if isinstance(collector, pytest.Session) and report.passed:
        report.result.extend(collection.suite_below(collector))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path == collection.SUITE else None  # it hangs below the session


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    collection.parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    collection.note(item)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    collection.check_wanted(session, items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    collection.waivers_last(session.items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if not session.config.option.nodered_plan or session.testsfailed:
        return None
    session.config.get_terminal_writer().write(f"\n{collection.planned(session)}")
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    __tracebackhide__ = True
    yield
    if collection.of_suite(item.nodeid) and not options.only_shows(item.config):
        from pytest_nodered_sec import fixtures  # pytest imports it itself, with rewritten asserts: not before that

        fixtures.check_given(item)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    control = collection.control_of(pyfuncitem)
    return (yield from judging(control.id, pyfuncitem.function)) if control else (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    from pytest_nodered_sec import fixtures  # pytest imports it itself, with rewritten asserts: not before that

    fixtures.tell_identity(item, report)
    fixtures.tell_looked(item, report)
    collection.tell_collected(item.config, report)
    ledger.annotate(item, call, report, item.config.stash[_RUN].fail_on)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    from pytest_nodered_sec import fixtures  # pytest imports it itself, with rewritten asserts: not before that

    fixtures.close(session)
