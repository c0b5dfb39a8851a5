"""The pytest hooks, each delegating; nothing here, or imported from here, is heavy.

Loaded in every pytest run of its environment: until one of its options, ini values or fixtures is used it
opens nothing, writes nothing and prints nothing.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import __version__, collection, ledger, newhooks, options
from pytest_nodered_sec.controls import MARK

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pytest_nodered_sec.model import Target

pytest_plugins = ("pytest_nodered_sec.fixtures",)

_SETTINGS: Final = pytest.StashKey[options.Settings]()
_LAB: Final = pytest.StashKey[list[dict[str, Any]]]()  # Any: a deployment as plain values


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(newhooks)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    options.name_the_default_lab(early_config, parser, args)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.getoption("nodered_controls"):
        return None
    sys.stdout.write(collection.described())
    return 0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(control): a security control; set it with @control")
    config.stash[collection.TARGETS] = config.stash[collection.WANTED] = ()
    if config.option.help:
        return
    settings = config.stash[_SETTINGS] = options.resolve(config)
    suite = settings.one("suite", "with")
    if settings.many("url") or settings.many("lab"):
        targets = options.targets_of(settings, config) + _lab_targets(config, settings)
    else:
        targets = []
    replaced = config.hook.pytest_nodered_targets(config=config, targets=targets)
    found = config.stash[collection.TARGETS] = options.check_targets(targets if replaced is None else replaced)
    if not found and (suite == "only" or (suite == "with" and settings.typed("suite"))):
        raise pytest.UsageError(
            f"--nodered-suite={suite} needs a target: add --nodered-url=https://HOST or --nodered-lab"
        )
    typed = settings.typed("url") or settings.typed("lab")
    collection.join(config, suite, typed=typed)
    if not hasattr(config, "workerinput"):
        demanded = bool(config.stash[collection.WANTED]) and options.answers_are_due(config, typed=typed)
        names = tuple(target.name for target in found)
        config.pluginmanager.register(ledger.Ledger(names, demanded=demanded), "nodered-sec-ledger")


def _lab_targets(config: pytest.Config, settings: options.Settings) -> list[Target]:
    specs = settings.many("lab")
    if not specs:
        return []
    from pytest_nodered_sec import lab

    try:
        if hasattr(config, "workerinput"):
            found = json.loads(config.workerinput["nodered_lab"])
        elif options.only_shows(config):
            found = None
        else:
            running = lab.start(specs, say=lambda line: _say(config, line))
            config.add_cleanup(running.stop)
            found = [deployment.as_dict() for deployment in running.deployments]
        config.stash[_LAB] = found or []
        if found is None:
            return options.lab_placeholders(settings, [lab.parse(spec) for spec in specs])
        return options.lab_targets(settings, [lab.RunningDeployment.from_dict(one) for one in found])
    except lab.LabError as error:
        raise pytest.UsageError(str(error)) from None


def _say(config: pytest.Config, line: str) -> None:
    """Show a line of progress at once, past pytest's capture."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        sys.stderr.write(f"nodered-sec: {line}\n")
        sys.stderr.flush()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["nodered_lab"] = json.dumps(node.config.stash.get(_LAB, []))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if not config.stash[collection.TARGETS]:
        return None
    from pytest_nodered_sec import xdist

    return xdist.make_scheduler(config, log, tuple(target.name for target in config.stash[collection.TARGETS]))


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    targets = config.stash[collection.TARGETS]
    if not targets:
        return None
    return [
        f"nodered-sec: {__version__}, settings: {config.stash[_SETTINGS].described() or 'none but defaults'}",
        *(
            f"nodered-sec: target {target.name}: {target.url}, profile {target.policy.profile}, "
            f"editor {target.policy.editor}, admin API {target.policy.admin_api}"
            for target in targets
        ),
    ]


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    ledger.annotate(item, call, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    from pytest_nodered_sec import fixtures  # pytest imports it itself, with rewritten asserts: not before that

    fixtures.close(session)
