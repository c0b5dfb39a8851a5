"""Everything private of other packages that the plugin relies on; no other file touches any of it.

Private is what begins with an underscore, and what no documentation promises. Read this list when one of these
packages is raised. Seen with pytest 9.2.0, pytest-xdist 3.8.0, pytest-testinfra 10.2.2, requests 2.34.2, urllib3 2.8.0,
pyOpenSSL 26.4.0 and Python 3.11.7.

- pytest, `Config.known_args_namespace`: the arguments as parsed before the first conftest.py is loaded. pytest takes
  from there whose conftest.py comes first, and does not see what `pytest_load_initial_conftests` made of an argument.
- pytest, `CaptureManager.global_and_fixture_disabled`, by way of the plugin `capturemanager`: to print while pytest
  captures and no test runs. The public way, the fixture `capsys`, is for tests alone.
- pytest, `Config.trace.root._writer` (pluggy's `TagTracer`): who writes the trace of `--debug`, to put redaction before
  it. `setwriter`, which pytest itself uses, sets another and does not tell the one before.
- pytest, `TerminalReporter.summary_errors`, `summary_failures`, `short_test_summary`, `stats`: what pytest lists at the
  end. The public way, `pytest_report_teststatus`, changes the counts too.
- pytest, `_pytest.junitxml.xml_key`, and pluggy, `HookImpl.function`: to go on where pytest cannot write its JUnit
  file. By itself the run ends in a traceback there, before anything is shown or written.
- pytest, `_pytest.runner.runtestprotocol`: to run a test without a report, because it is judged in another process.
  There is no public way.
- pytest, `_pytest._code.code.ExceptionRepr`: the name of a type, for annotations. `ExceptionInfo.getrepr` is public.
- pytest, `ExceptionInfo._excinfo`: type, exception and traceback, of which the last is to go. The public ways only make
  another such object, and whoever keeps this one would keep its frames.
- pytest-xdist, `LoadScopeScheduling._split_scope`: says which tests stay together. The public way, the mark
  `xdist_group`, changes node ids and works with `--dist=loadgroup` alone.
- pytest-xdist, `LoadScopeScheduling.assigned_work`: what a worker has to do. When one dies, xdist reports the test
  after the one that ran.
- pytest-xdist, `LoadScopeScheduling._reschedule`, `_assign_work_unit` and `workqueue`: who does what next. By itself
  xdist gives a worker its next target only when it is almost through with the one before.
- pytest-xdist, of a worker's plugin `WorkerInteractor`, `torun` and `nextitem_index`: the tests that it was given.

Nothing private is used of requests, urllib3, testinfra, pyOpenSSL and cryptography, nor of Python's ssl, socket and
logging. Public by name, but in no documentation:

- testinfra: of a backend `NAME`, `host`, `name`, `sudo`, `sudo_user`, `force_ansible`, `ansible_runner`, `ssh_config`,
  `ssh_identity_file`, `ssh_extra_args`, `controlpath`, `get_encoding`, `quote`, `run`, `run_local`, `result` and
  `set_host` (probes/host/way.py, probes/host/backend.py).
- requests: `requests.cookies.MockRequest` and `MockResponse` (probes/transport/session.py).
- logging: `Logger.handle` is replaced (redaction.py), because `extra` reaches a record there.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import pytest
    from _pytest._code.code import ExceptionRepr as ExceptionRepr


def name_first_paths(early_config: pytest.Config, paths: list[str]) -> None:
    """Correct the paths whose conftest.py pytest loads first, after the arguments were rewritten.

    Args:
        early_config: pytest's, in `pytest_load_initial_conftests`.
        paths: as they stand among the arguments now.
    """
    early_config.known_args_namespace.file_or_dir = paths


def past_capture(config: pytest.Config) -> contextlib.AbstractContextManager[None]:
    """Return a context in which what is written is shown at once, although pytest captures."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()


def scrub_trace(config: pytest.Config, scrub: Callable[[str], str]) -> None:
    """Clean what `--debug` and PYTEST_DEBUG write, from now on."""
    root = config.trace.root
    write = getattr(root, "_writer", None)
    if write is not None:
        root.setwriter(lambda text: write(scrub(text)))


@contextlib.contextmanager
def unlisted(
    reporter: pytest.TerminalReporter, ours: Callable[[Any], bool], *, details: bool
) -> Generator[None]:  # Any: pytest's reports
    """Keep reports out of what pytest lists at the end; whoever else reads its statistics finds them there.

    Args:
        reporter: pytest's.
        ours: whether to keep a report out.
        details: whether failures and errors are listed all the same, and only the short summary leaves them out.
    """

    def without(listing: Callable[[], None]) -> Callable[[], None]:
        def listed() -> None:
            kept = {name: reports for name, reports in reporter.stats.items() if name in ("failed", "error")}
            reporter.stats.update(
                {name: [report for report in reports if not ours(report)] for name, reports in kept.items()}
            )
            try:
                listing()
            finally:
                reporter.stats.update(kept)

        return listed

    names = ("short_test_summary", *(() if details else ("summary_errors", "summary_failures")))
    for name in names:
        setattr(reporter, name, without(getattr(reporter, name)))
    try:
        yield
    finally:
        for name in names:
            delattr(reporter, name)


def mind_junit(config: pytest.Config, failed: Callable[[OSError], None]) -> None:
    """Call `failed` where pytest cannot write its JUnit file, and let the run end as usual.

    Args:
        config: pytest's, once it is configured.
        failed: is told why.
    """
    from _pytest.junitxml import xml_key  # loaded by then

    junit = config.stash.get(xml_key, None)

    def minding(write: Callable[..., object]) -> Callable[[], None]:
        def written() -> None:
            try:
                write()
            except OSError as error:
                failed(error)

        return written

    for implementation in config.hook.pytest_sessionfinish.get_hookimpls():
        if junit is not None and implementation.plugin is junit:
            implementation.function = minding(implementation.function)  # type: ignore[misc]  # pluggy: Final


def run_silently(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """Run a test, and return its reports instead of having them logged.

    Args:
        item: the test.
        nextitem: the one that runs next, None for the last one.
    """
    from _pytest.runner import runtestprotocol  # as plugins that run a test again do

    return runtestprotocol(item, log=False, nextitem=nextitem)


def forget_where(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Let go of the frames of an exception, for all who keep it: each has all that the test's code had in hand."""
    excinfo.value.__traceback__ = None
    if stored := getattr(excinfo, "_excinfo", None):
        excinfo._excinfo = (*stored[:2], None)  # nobody reads it any more


def given_tests(config: pytest.Config) -> list[int]:
    """Return what an xdist worker was given to run, as places among the collected tests; the one that runs is left out.

    Of another release of xdist it may be none: then a worker asks its targets one after the other.
    """
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "WorkerInteractor" and hasattr(getattr(plugin, "torun", None), "lock"):
            with plugin.torun.lock() as queued:
                return [place for place in (plugin.nextitem_index, *queued) if isinstance(place, int)]
    return []


def grouping(base: type[Any], group: Callable[[str], str | None], ahead: int) -> type[Any]:  # Any: xdist is untyped
    """Return a scheduler of xdist's that keeps tests of one group in one worker.

    Args:
        base: `LoadScopeScheduling`, or made of it.
        group: returns the group of a node id, None for those that the base groups.
        ahead: how many groups a worker is given at most besides the one that it runs.
    """

    class Grouping(base):  # type: ignore[misc]  # a base chosen at run time
        def __init__(self, config: pytest.Config, log: Any) -> None:
            super().__init__(config, log)
            self._numbers: dict[str, int] = {}  # of the collected tests

        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid) or str(super()._split_scope(nodeid))

        def _reschedule(self, node: Any) -> None:
            """Give a worker some of the next groups in advance: half of its share of those that are left."""
            wanted = min(ahead, len(self.workqueue) // (2 * len(self.nodes)))
            if node.shutting_down or not wanted:
                super()._reschedule(node)
                return
            units = self.assigned_work[node]
            while units and all(next(iter(units.values())).values()):
                del units[next(iter(units))]  # done: nobody counts them again
            while len(units) <= wanted:
                self._assign_work_unit(node)

        def _assign_work_unit(self, node: Any) -> None:
            """Do as the base, which searches the whole collection for each test."""
            if not self._numbers:
                self._numbers = {nodeid: number for number, nodeid in enumerate(self.collection)}
            scope, unit = self.workqueue.popitem(last=False)
            self.assigned_work[node][scope] = unit
            node.send_runtest_some([self._numbers[nodeid] for nodeid, done in unit.items() if not done])

        def remove_node(self, node: Any) -> str | None:
            """Mark the test that killed the worker as done; the base hands out the rest, and would run it again."""
            units = self.assigned_work.get(node, {}).values()
            crashed = next(((unit, test) for unit in units for test, done in unit.items() if not done), None)
            if crashed:
                unit, test = crashed
                unit[test] = True
            super().remove_node(node)  # what it returns is the next test, not the one that was running
            return str(test) if crashed else None

    return Grouping
