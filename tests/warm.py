"""Runs of pytest in children of a process that has imported what they need: a process for each, in half the time.

Nothing of a run is seen in the next one: each is forked from the same process, which has run no test. So are the
workers of a run that has some.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import pkgutil
import re
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What the interpreter reads once, when it starts.
_AT_START: Final = ("PYTHON", "LANG", "LC_", "LD_", "TZ")
_SUITE: Final = "pytest_nodered_sec.suite."  # collected as any test file
_LATER: Final = {"pytest_nodered_sec.session.xdist"}  # xdist hands sys.path of its own import to its workers
# What plugins of this environment import in every run: hypothesis at its end, and xdist.
_THEIRS: Final = ("hypothesis.internal.observability", "execnet")
_WORKERS: Final = re.compile(r"-n ?(\d)$|--tx=")
_AT_MOST: Final = 2  # workers that a test has
# Other plugins of this environment: one shuffles the tests, the others cost more time than a short run itself.
ALONE: Final = tuple(f"-pno:{name}" for name in ("randomly", "hypothesispytest", "pytest_cov"))
_LIMIT: Final = 1200.0  # seconds of a run


def run(
    args: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python -m pytest` in a folder; in a new interpreter where the environment has it start otherwise."""
    environment = os.environ if environment is None else environment
    server = _server()
    if _at_start(environment, folder) == server.at_start:
        return server.run(args, folder, environment)
    command = [sys.executable, "-m", "pytest", *args]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_LIMIT, check=False
    )


def alone(args: Sequence[str]) -> list[str]:
    """Return options by which a run does without the other plugins, but for xdist and testinfra where it uses them."""
    used = {"pytest11.testinfra": ("--ssh-",), "xdist": ("-n", "--dist", "--tx")}
    unused = [f"-pno:{name}" for name, options in used.items() if not any(arg.startswith(options) for arg in args)]
    return [*ALONE, *unused]


def _at_start(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    values = {name: value for name, value in environment.items() if name.startswith(_AT_START)}
    places = values.pop("PYTHONPATH", "").split(os.pathsep)
    # `python -m` looks into its own folder anyway
    return values | {"PYTHONPATH": os.pathsep.join(place for place in places if place and place != str(folder))}


class Server:
    """The process that has imported pytest and the plugin; a context manager that ends it, as our own end does.

    Args:
        through: a command by which it is started.
    """

    def __init__(self, through: Sequence[str] = ()) -> None:
        self.at_start = _at_start(os.environ, Path())
        self._process = subprocess.Popen(
            [*through, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, args: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run pytest in a folder, as `python -m pytest` would."""
        assert self._process.stdin is not None
        with tempfile.TemporaryDirectory() as place:
            told = [Path(place, name) for name in ("out", "err")]
            wanted = {"args": list(args), "folder": str(folder), "environment": dict(environment)}
            self._process.stdin.write(json.dumps(wanted | {"told": list(map(str, told))}) + "\n")
            self._process.stdin.flush()
            child = self._answer(120)  # it may have to start first
            try:
                status = self._answer(_LIMIT)
            except subprocess.TimeoutExpired:
                os.kill(child, 9)
                self._answer(120)
                raise
            return subprocess.CompletedProcess(
                [sys.executable, "-m", "pytest", *args], status, *(path.read_text(errors="replace") for path in told)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    def _answer(self, seconds: float) -> int:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise subprocess.TimeoutExpired("pytest", seconds)
        return int(self._process.stdout.readline())


@functools.cache
def _server() -> Server:
    server = Server()
    atexit.register(server.__exit__)
    return server


class _Loader:
    """Imports the plugin's modules as pytest does: with assertions rewritten."""

    @staticmethod
    def pytest_configure() -> None:
        pytest.register_assert_rewrite("pytest_nodered_sec", "testinfra", "hypothesis", "_hypothesis_globals")
        for theirs in _THEIRS:
            with contextlib.suppress(ImportError):
                __import__(theirs)
        import pytest_nodered_sec

        for module in pkgutil.walk_packages(pytest_nodered_sec.__path__, "pytest_nodered_sec."):
            if module.name not in _LATER and not module.name.startswith(_SUITE):
                __import__(module.name)


class _Worker:
    """What execnet starts as a process of Python and talks with, as far as it uses a Popen; forked before it is wanted.

    Args:
        others: those that were forked before, whose pipes are none of this one's.
    """

    def __init__(self, others: Sequence[_Worker]) -> None:
        told, self._stdin = os.pipe()
        self._stdout, tells = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.dup2(told, 0)
            os.dup2(tells, 1)
            for number in (told, tells, *(end for pipes in (self, *others) for end in (pipes._stdin, pipes._stdout))):
                os.close(number)
            sys.argv = ["-c"]
            with open(0, closefd=False) as orders:
                begin = orders.readline()
            if begin:  # else it was not wanted
                exec(eval(begin), {"__name__": "__main__"})  # noqa: S102, S307  # as execnet's own command line does
            raise SystemExit(0)
        os.close(told)
        os.close(tells)

    def open(self) -> Self:
        """Give it the files that a Popen has."""
        self.stdin, self.stdout = os.fdopen(self._stdin, "wb"), os.fdopen(self._stdout, "rb")
        return self

    def wait(self) -> int:
        """Wait for its end; return its status."""
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def kill(self) -> None:
        """End it."""
        os.kill(self._pid, 9)


def _fork_workers(args: Sequence[str]) -> None:
    """Let xdist find the workers that a run asks for by `-n2` or `--tx=…`; those that replace them start anew."""
    counts = [int(match[1] or _AT_MOST) for match in map(_WORKERS.match, args) if match]
    ready: list[_Worker] = []
    for _ in range(sum(counts)):
        ready.append(_Worker(ready))
    if not ready:
        return
    from execnet import gateway_base, gateway_io

    class _Io(gateway_io.Popen2IOMaster):
        def __init__(self, args: list[str], execmodel: Any) -> None:  # Any: theirs
            if ready and args[:3] == [sys.executable, "-u", "-c"]:
                self.popen: Any = ready.pop(0).open()
                gateway_base.Popen2IO.__init__(self, self.popen.stdin, self.popen.stdout, execmodel)
            else:
                super().__init__(args, execmodel)

    gateway_io.Popen2IOMaster = _Io  # type: ignore[misc]  # the class by which execnet starts workers


def _leave(status: Sequence[int]) -> None:
    """End a child whose run has ended, but take nothing apart that it has imported: it takes as long as a short run."""
    if status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status[0])


def _serve() -> None:
    status: list[int] = []
    atexit.register(_leave, status)  # before all others, so that it is called after them
    sys.path.pop(0)  # this file's folder
    answers = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        pytest.main(["-p", "no:cacheprovider", empty], plugins=[_Loader()])
        sys.stdout.flush()  # what is not written yet would be written by each child
        os.chdir("/")
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if not child:
            os.close(answers)
            break
        os.write(answers, f"{child}\n".encode())
        os.write(answers, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
    else:
        return
    os.dup2(null, 0)
    os.close(null)
    for number, place in enumerate(wanted["told"], 1):
        file = os.open(place, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    tempfile.tempdir = None  # its place was looked up in the old environment
    os.chdir(wanted["folder"])
    _fork_workers(wanted["args"])
    sys.path.insert(0, wanted["folder"])
    sys.argv = [str(Path(pytest.__file__).with_name("__main__.py")), *wanted["args"]]
    status.append(int(pytest.main()))
    raise SystemExit(status[0])


if __name__ == "__main__":
    _serve()
