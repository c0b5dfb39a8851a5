"""The pytest hooks of a run that uses the plugin; `plugin` registers them, and each delegates to another module."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import data
from pytest_nodered_sec._version import __version__
from pytest_nodered_sec.controls import judging
from pytest_nodered_sec.errors import NonCompliant, ProbeError
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.results.gate import Gate, known_of
from pytest_nodered_sec.session import (
    audit,
    beside,
    collection,
    fixtures,
    garbage,
    lab_targets,
    leaving,
    ledger,
    redacting,
    selection,
    told,
    unseen,
    wrong_use,
)
from pytest_nodered_sec.session.flow_targets import prepare_flows
from pytest_nodered_sec.session.inventories import hand_over, with_inventories
from pytest_nodered_sec.session.longrepr import represent
from pytest_nodered_sec.session.outcome import annotate
from pytest_nodered_sec.session.run import Run, demands_of, header, other_demands, policies_as_toml, policies_of, said
from pytest_nodered_sec.session.settings import (
    answers_are_due,
    fail_on,
    only_new,
    only_shows,
    policy_file,
    refuse_two,
    reports,
    resolve,
    stay_in_one_process,
)
from pytest_nodered_sec.session.state import (
    APART,
    ATTEMPTS,
    AWAY,
    BASELINE,
    COLLECTED,
    GATE,
    LAB,
    RECORDING,
    REPLAYED,
    RUNNING,
    TARGETS,
    TODAY,
    UNRUN,
    WANTED,
    case_of,
    control_of,
    of_suite,
)
from pytest_nodered_sec.session.targets import (
    check_targets,
    check_waivers,
    omitted,
    prepare,
    shared,
    with_testinfra,
    with_waivers,
)
from pytest_nodered_sec.session.turns import by_groups, in_turns
from pytest_nodered_sec.texts import listed
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Generator

# pytest does not rewrite the asserts of an editable install by itself.
pytest.register_assert_rewrite("pytest_nodered_sec.suite")

_RUN: Final = pytest.StashKey[Run]()


def command(config: pytest.Config) -> int | None:
    """Handle the options that replace a run, and return the exit code; None if tests are to run."""
    redacting.begin(config)
    refuse_two(config)
    if config.option.nodered_controls is not None:
        sys.stdout.write(selection.controls_as_text(config.option.nodered_controls))
    elif config.option.nodered_guide:
        sys.stdout.write(resources.files(data).joinpath("hardening.md").read_text(encoding="utf-8"))
    elif "list" in (config.option.nodered_lab or ()) and not Path("list").is_dir():
        sys.stdout.write(lab_targets.package().listing())
    elif config.option.nodered_lab_pack:
        lab_targets.pack(config, Path(config.option.nodered_lab_pack))
    elif config.option.nodered_show_policy:
        sys.stdout.write(policies_as_toml(_run_of(config)))
    elif config.option.nodered_init:
        from pytest_nodered_sec.session import init

        run = _run_of(config)
        sys.stdout.write(init.write(run.targets, said(run), config.rootpath))
    else:
        if config.option.nodered_plan:
            if not hasattr(config.option, "verbose"):
                raise pytest.UsageError("--nodered-plan needs pytest's terminal: leave out -p no:terminal")
            stay_in_one_process(config)
        return None
    return 0


def pytest_configure(config: pytest.Config) -> None:
    redacting.begin(config)  # registered first, so that it ends last
    config.add_cleanup(lambda: garbage.search_again(config))  # after pytest's own search
    config.stash[TARGETS] = config.stash[WANTED] = ()
    config.stash[COLLECTED] = []
    if config.option.help:
        return
    config.pluginmanager.register(redacting.Redaction(config), "nodered-sec-redaction")
    started = datetime.now(UTC)  # once: waivers expire by the day on which the run started, even if it passes midnight
    given = getattr(config, "workerinput", {}).get("nodered_today")
    config.stash[TODAY] = date.fromisoformat(given) if given else started.date()
    run = config.stash[_RUN] = _run_of(config)
    stored = config.stash.get(REPLAYED, None)
    if stored is not None:
        config.stash[TODAY] = stored.day
    config.stash[TARGETS] = run.targets
    redacting.learn(run.targets)
    config.stash[AWAY] = run.away
    if run.targets:
        config.stash[ATTEMPTS] = _attempts(config)
    suite = run.settings.one("suite", "with")
    if not run.targets:
        wrong_use.refuse_without_a_target(config, run.settings, dropped=bool(run.prepared))
    typed = run.settings.typed("url", "lab", "target", "flows", "replay")
    collection.join(config, suite, typed=typed, globs=run.settings.many("control"))
    if config.option.nodered_audit:
        collection.check_audit(config, suite)
        audit.check_run(run, config.stash[TODAY])
    config.stash[GATE] = _gate(config, run)
    book = None
    if not hasattr(config, "workerinput"):
        demanded = bool(config.stash[WANTED]) and answers_are_due(config, typed=typed)
        policies = policies_of(run) if run.targets else {}
        if stored is not None and run.file is None:
            policies = stored.policies
        split = run.settings.one("exit", "pytest") == "split"
        book = ledger.Ledger(config, run, policies, started, demanded=demanded, split=split)
        if run.targets:
            from pytest_nodered_sec.evidence.junit import Completion

            strict = run.settings.one("junit", "properties") == "strict"
            config.pluginmanager.register(Completion(book, run.targets, strict=strict), "nodered-sec-junit")
            if not only_shows(config):
                from pytest_nodered_sec.evidence import ending

                ending.register(config, book, run.targets, run.settings, said=None if run.file else said(run))
                if BASELINE in config.stash:
                    from pytest_nodered_sec.evidence import baseline

                    config.pluginmanager.register(baseline.Comparison(book), "nodered-sec-baseline")
    _keep(config, run, book)
    if run.targets:
        beside.register(config, book)
    leaving.prepare(config)
    if book is not None:  # last: its terminal summary is to be the last line
        config.pluginmanager.register(book, "nodered-sec-ledger")


def _gate(config: pytest.Config, run: Run) -> Gate:
    """Return which findings fail the run; an audit fails on every finding, whatever the baseline has."""
    if hasattr(config, "workerinput"):
        return Gate(config.workerinput["nodered_fail_on"], known_of(config.workerinput["nodered_known"]))
    alone = bool(run.targets) and only_new(run.settings)
    if not run.targets or not run.settings.many("baseline"):
        return Gate(run.fail_on)
    from pytest_nodered_sec.evidence.baseline import read

    try:
        before = config.stash[BASELINE] = read(Path(run.settings.one("baseline", "")).expanduser())
    except PolicyError as error:
        raise pytest.UsageError(str(error)) from None
    return Gate(run.fail_on, before.known if alone and not config.option.nodered_audit else None)


def _keep(config: pytest.Config, run: Run, book: ledger.Ledger | None) -> None:
    """Register the writer of reports, if any are wanted; after the plugin that completes the JUnit file."""
    wanted = reports(config, run.settings)
    config.stash[RECORDING] = "evidence" in wanted or "report" in wanted
    if run.settings.typed("seal") and "evidence" not in wanted:
        raise pytest.UsageError("--nodered-seal signs an evidence folder: add --nodered-evidence=DIR")
    if book is None or not run.targets or only_shows(config):
        return
    stored = config.stash.get(REPLAYED, None)
    if wanted or stored is not None:
        from pytest_nodered_sec.evidence import writer

        try:
            writer.register(config, book, wanted, run.targets, stored, run.file, run.settings.one("seal", ""))
        except PolicyError as error:
            raise pytest.UsageError(str(error)) from None


def _run_of(config: pytest.Config) -> Run:
    """Collect what the run is about: settings, policy file, lab, and the targets that the hook returns."""
    try:
        settings = resolve(config)
        selection.check(settings.many("control"), settings.one("suite", "with"))
        if settings.many("replay"):
            from pytest_nodered_sec.evidence import replay

            run, config.stash[REPLAYED] = replay.prepare(settings)
            return _whole(run, config)
        file = with_inventories(config, policy_file(config, settings))
        prepared = prepare(settings, file) + prepare_flows(settings, file) + lab_targets.lab_of(config, settings, file)
        targets = [ready.target for ready in prepared]
        replaced = config.hook.pytest_nodered_targets(config=config, targets=targets)
        checked = check_targets(targets if replaced is None else replaced)
        check_waivers(file, checked)
        own, fleet = shared(settings, checked)
        own = tuple(with_testinfra(with_waivers(target, file), config) for target in own)
        run = Run(settings, file, tuple(prepared), own, fail_on(settings, file), fleet=fleet)
        if file:
            run = replace(run, assessment=file.assessment, omitted=omitted(file, checked))
        return _whole(run, config)
    except PolicyError as error:
        raise wrong_use.mistake(str(error)) from None


def _whole(run: Run, config: pytest.Config) -> Run:
    """Return the run; in an audit, findings of every severity fail it, whatever fail-on says."""
    return replace(run, fail_on=list(Severity)[-1].value) if config.option.nodered_audit else run


def _attempts(config: pytest.Config) -> Path:
    """Return the directory in which this run counts login attempts; the first attempt creates it."""
    if hasattr(config, "workerinput"):
        return Path(config.workerinput["nodered_attempts"])
    folder = Path(tempfile.gettempdir(), f"nodered-sec-{secrets.token_hex(16)}")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    return folder


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["nodered_lab"] = json.dumps(node.config.stash.get(LAB, []))
    node.workerinput["nodered_demands"] = demands_of(node.config.stash[_RUN])
    node.workerinput["nodered_fail_on"] = node.config.stash[GATE].fail_on
    node.workerinput["nodered_known"] = node.config.stash[GATE].as_plain()  # not the folder: a worker may be elsewhere
    node.workerinput["nodered_today"] = node.config.stash[TODAY].isoformat()
    hand_over(node.config, node.workerinput)
    node.workerinput["nodered_attempts"] = str(node.config.stash.get(ATTEMPTS, ""))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if not config.stash[TARGETS]:
        return None
    from pytest_nodered_sec.session import xdist

    return xdist.make_scheduler(config, log, tuple(target.name for target in config.stash[TARGETS]))


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    if not config.stash[TARGETS]:
        dropped = _RUN in config.stash and config.stash[_RUN].prepared
        return ["nodered-sec: the hook pytest_nodered_targets dropped every target"] if dropped else None
    lines = header(config.stash[_RUN], __version__, config.stash[TODAY])
    if unrun := config.stash[UNRUN]:
        lines.append(f"nodered-sec: not run, because of --nodered-suite=only: {listed(unrun)}")
    if config.option.nodered_audit:
        lines.append("nodered-sec: audit: findings of every severity fail the run, whatever fail-on says")
        if config.stash[_RUN].left_out:
            lines.append(f"nodered-sec: {audit.NOT_YET}")
    return lines


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if isinstance(collector, pytest.Session) and hasattr(collector.config, "workerinput"):
        wrong = other_demands(collector.config.stash[_RUN], collector.config.workerinput["nodered_demands"])
        if wrong:  # not before: xdist would start a worker that cannot be configured again and again
            report.outcome, report.longrepr = "failed", wrong
    if isinstance(collector, pytest.Session) and report.passed:
        report.result.extend(collection.suite_below(collector))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    collection.parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    collection.note(item)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    collection.check_wanted(session, items)
    collection.leave_out_unasked(session.config, items)
    selection.select(session, items)
    by_groups(items, session.config.stash[TARGETS])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    in_turns(session.items)
    leaving.register(session)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if not session.config.option.nodered_plan or session.testsfailed:
        return None
    session.config.get_terminal_writer().write(f"\n{collection.planned(session)}")
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    __tracebackhide__ = True
    item.config.stash[RUNNING] = item
    yield
    if of_suite(item.nodeid) and not only_shows(item.config):
        fixtures.check_given(item)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    control = control_of(pyfuncitem)
    return (yield from judging(control.id, pyfuncitem.function)) if control else (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.excinfo is not None and isinstance(call.excinfo.value, (NonCompliant, ProbeError)):
        # Our text is shown in its place: for a traceback pytest would parse the test's file, longer than all the rest.
        call.excinfo.traceback = call.excinfo.traceback[:0]
    report = yield
    told.tell_identity(item, report)
    collection.tell_collected(item.config, report)
    annotate(item, call, report, item.config.stash[GATE])
    unseen.note(item, call, report)
    _reword(item, report)
    told.tell_looked(item, report)  # redacted value by value, so that a secret such as 401 does not break JSON
    return report


def _reword(item: pytest.Item, report: pytest.TestReport) -> None:
    """Show a finding with the remedy for the front that stands there."""
    record, case = getattr(report, "nodered", None), case_of(item)
    if not record or not record["findings"] or case is None or case.target is None:
        return
    from pytest_nodered_sec.evidence.reworded import reworded  # only where there is a finding

    shown = getattr(report.longrepr, "reprcrash", None)
    parts = record, case.target, told.server_of(item, case.target)
    if hasattr(report, "wasxfail"):
        report.wasxfail = reworded(report.wasxfail, *parts)
    if shown is not None and shown.message != (other := reworded(shown.message, *parts)):
        report.longrepr = represent(other, item.nodeid, (item.location[1] or 0) + 1)


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport, config: pytest.Config
) -> tuple[str, str, str] | None:
    return unseen.status(report, getattr(config.option, "verbose", 0))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash.get(APART, False):
        terminalreporter.write_line(f"nodered-sec: {collection.STAYS_OUT}")
    for line in wrong_use.unread(config.stash[_RUN]) if _RUN in config.stash else ():
        terminalreporter.write_line(f"nodered-sec: {line}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    fixtures.close(session)
