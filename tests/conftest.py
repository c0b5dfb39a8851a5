"""What all tests share."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ("pytester",)
# pytester gives each test a home of its own, in which the lab would install Node-RED anew.
os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))
with contextlib.suppress(ImportError):  # some environments of the release tests run the unit tests without it
    import hypothesis

    # No example fails for the time it takes: the machine may be busy.
    hypothesis.settings.register_profile("untimed", hypothesis.settings(), deadline=None)
    hypothesis.settings.load_profile("untimed")
# A script's job in the background ignores SIGINT, and what nohup starts SIGHUP; what the tests start would do the same.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


@pytest.fixture(autouse=True)
def _secrets_of_its_own() -> Iterator[None]:
    """Let no test know what another has learnt to be secret: their passwords are words of others."""
    redaction = sys.modules.get("pytest_nodered_sec.redaction")
    if redaction is None:
        yield
        return
    end = redaction.begin()
    yield
    end()


def _shared() -> tuple[dict[str, Any], dict[str, str], str]:
    """Return what all tests of a process share and one can change: handlers of signals, environment, directory."""
    handlers = {number.name: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    return handlers, {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}, str(Path.cwd())


@pytest.fixture(autouse=True)
def _nothing_for_the_next() -> Iterator[None]:
    """Fail the test that leaves something changed, such as a look that was not closed, and not one that comes later."""
    handlers, environment, folder = before = _shared()
    yield
    if (after := _shared()) == before:
        return
    for name, handler in handlers.items():
        signal.signal(signal.Signals[name], handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    pairs = list(zip(before[:2], after[:2], strict=True))
    names = sorted(name for was, now in pairs for name in {*was, *now} if was.get(name) != now.get(name))
    pytest.fail(f"this test left to the next ones: {', '.join(names) or 'another directory'}")


# The files that take longest, which begin first: one that begins late is the last to end, beside idle workers.
_LONGEST: Final = (
    "live/test_host_machine.py",
    "live/test_disguises.py",
    "live/test_verdicts.py",
    "live/test_find_fix_prove.py",
    "live/test_gates.py",
    "live/test_examples.py",
    "live/test_servers.py",
    "live/test_guesses.py",
    "live/test_haproxy.py",  # mostly waits, as the next one
    "live/test_limited_gates.py",
    "test_hostile_verdicts.py",  # the others' longest, which came last
)
# Those whose cases share no fixture: each goes to whichever worker is free.
_APART: Final = ("live/test_find_fix_prove.py", "live/test_servers.py")
# The longest of all, whose cases share a machine: half of them have a second one.
_HALVED: Final = ("live/test_host_machine.py",)
# In test_verdicts.py the cases of one release share a run, and their parameters begin with it.
_RELEASE: Final = re.compile(r"\[\d\+\w+")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and what starts servers before what does not."""
    items.sort(key=lambda item: _rank(os.path.relpath(item.path, Path(__file__).parent)))


def _rank(file: str) -> int:
    return _LONGEST.index(file) if file in _LONGEST else len(_LONGEST) + (not file.startswith("live/"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:  # Any: xdist has no types
    """Give workers whole files in this order, and parts of the longest."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if file.endswith(_APART):
                return nodeid
            if file.endswith(_HALVED):
                return f"{file} {zlib.crc32(nodeid.encode()) % 2}"
            release = _RELEASE.search(nodeid) if file.endswith("live/test_verdicts.py") else None
            return f"{file}{release[0]}" if release else file

    config.option.loadscopereorder = False  # by number of cases, which says nothing about how long they take
    return Scheduling(config, log)
