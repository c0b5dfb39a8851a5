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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import __version__, collection, ledger, newhooks, options
from pytest_nodered_sec.controls import MARK
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

        sys.stdout.write(draft.write(_run_of(config).targets, config.rootpath))
    else:
        if config.option.nodered_plan:
            options.stay_in_one_process(config)
        return None
    return 0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(control): a security control; set it with @control")
    config.stash[collection.TARGETS] = config.stash[collection.WANTED] = ()
    if config.option.help:
        return
    run = config.stash[_RUN] = _run_of(config)
    config.stash[collection.TARGETS] = run.targets
    if run.targets:
        config.stash[collection.ATTEMPTS] = _attempts(config)
    suite = run.settings.one("suite", "with")
    if not run.targets and (suite == "only" or (suite == "with" and run.settings.typed("suite"))):
        raise pytest.UsageError(
            f"--nodered-suite={suite} needs a target: add --nodered-url=https://HOST or --nodered-lab"
        )
    if config.option.nodered_plan and not run.targets:
        raise pytest.UsageError("--nodered-plan needs a target: add --nodered-url=https://HOST or a policy file")
    typed = run.settings.typed("url", "lab", "target")
    collection.join(config, suite, typed=typed)
    if not hasattr(config, "workerinput"):
        demanded = bool(config.stash[collection.WANTED]) and options.answers_are_due(config, typed=typed)
        config.pluginmanager.register(
            ledger.Ledger(options.policies(run) if run.targets else {}, run.fail_on, demanded=demanded),
            "nodered-sec-ledger",
        )


def _run_of(config: pytest.Config) -> options.Run:
    """Put together what the run is about: settings, policy file, lab, and what the hook makes of them."""
    try:
        settings = options.resolve(config)
        file = options.policy_file(config, settings)
        prepared = options.prepare(settings, file) + _lab(config, settings, file)
        targets = [one.target for one in prepared]
        replaced = config.hook.pytest_nodered_targets(config=config, targets=targets)
        found = options.check_targets(targets if replaced is None else replaced)
        found = tuple(options.with_testinfra(target, config) for target in found)
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
    node.workerinput["nodered_attempts"] = str(node.config.stash.get(collection.ATTEMPTS, ""))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if not config.stash[collection.TARGETS]:
        return None
    from pytest_nodered_sec import xdist

    return xdist.make_scheduler(config, log, tuple(target.name for target in config.stash[collection.TARGETS]))


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    return options.header(config.stash[_RUN], __version__) if config.stash[collection.TARGETS] else None


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
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    collection.check_wanted(session, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if not session.config.option.nodered_plan or session.testsfailed:
        return None
    session.config.get_terminal_writer().write(f"\n{collection.planned(session)}")
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    ledger.annotate(item, call, report, item.config.stash[_RUN].fail_on)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    from pytest_nodered_sec import fixtures  # pytest imports it itself, with rewritten asserts: not before that

    fixtures.close(session)
