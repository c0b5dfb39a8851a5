"""The shared state of all logins of a run: attempts already made, and sessions to end before the process ends.

The attempts for a user name belong to the look that creates its file, which only one can, in a directory of this run
that its workers know too. So workers, workers that were started again, and two names of one host share them, and two
that begin at once do not halve them. Node-RED counts for ten minutes, so a few files outlive the run, for the next one
on this machine. Their names are hashes: no account is told.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import stat
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_WINDOW: Final = 600.0  # seconds for which Node-RED counts attempts (editor-api, lib/auth/strategies.js)
_RECENT: Final = 4  # attempts in it; Node-RED locks out after five, and one is for the person who owns the account
_LIMIT: Final = 60.0  # seconds; a log-in and its log-out end by their own deadlines, which are shorter
_SIGNALS: Final = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # not on Windows


class Logins:
    """The attempts of one run, and the sessions of this process; thread-safe.

    Args:
        folder: the run's directory, made with the first attempt; None where no password may be tried.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._changed = threading.Condition()
        self._open = 0  # log-ins whose session, if one began, has not been ended
        self._over = False

    def take(self, keys: Iterable[tuple[str, ...]], note: str) -> str:
        """Claim the attempts for every key; return "", or which target has claimed one of them.

        Args:
            keys: what is counted: address, port, login, user name.
            note: who tries, without an account: shown to whom nothing is left for.

        Raises:
            ProbeError: it cannot be counted, so nothing may be tried.
        """
        with _countable(self._folder) as folder:
            for key in sorted(keys):  # two that begin at once: who has the first has all
                path = folder / _name(key, folder.name)
                if not _created(path, note):
                    return path.read_text(encoding="utf-8") or "another look"
        return ""

    def note(self, keys: Iterable[tuple[str, ...]], *, reserve: bool = False) -> float:
        """Note one attempt under every key, for later runs too; return 0, or the seconds until one may be made.

        Args:
            keys: what is counted.
            reserve: whether the last attempt is left alone, for the site's own password.

        Raises:
            ProbeError: it cannot be counted, so nothing may be tried.
        """
        with _countable(self._recent) as folder:
            for key in keys:
                wait = _slot(folder / _name(key), _RECENT - 1 if reserve else _RECENT)
                if wait:
                    return wait
        return 0.0

    def own(self, keys: Iterable[tuple[str, ...]], password: str) -> OwnAttempt:
        """Return what the run knows of the site's own password for an account.

        Args:
            keys: what is counted: address, port, login, user name.
            password: the password; four digits of its hash tell it from others, and nothing more is kept of it.
        """
        digits = hashlib.sha256(password.encode(errors="surrogateescape")).hexdigest()[:4]
        return OwnAttempt(self._folder, [("own", digits, *key) for key in sorted(keys)])

    def forget(self, keys: Iterable[tuple[str, ...]]) -> None:
        """Forget the attempts under every key: Node-RED does, when the right password comes."""
        if self._recent is not None:
            for path in (path for key in keys for path in self._recent.glob(f"{_name(key)}-*")):
                path.unlink(missing_ok=True)

    @property
    def _recent(self) -> Path | None:
        return self._folder and self._folder.with_name(f"nodered-sec-recent-{_me()}")

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Delay the end of the process from before a login until its session has ended.

        Raises:
            ProbeError: the process is ending, so no session may begin.
        """
        with self._changed:
            if self._over:
                raise ProbeError("the run has ended", Cause.UNAVAILABLE)
            self._open += 1
        try:
            yield
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Refuse new sessions, and wait until the open ones have ended."""
        with self._changed:
            self._over = True
            self._changed.wait_for(lambda: not self._open, _LIMIT)

    def hold_signals(self) -> None:
        """Make signals that would end Python without any `finally` wait until the sessions have ended.

        Only in the main thread, and only where nobody else handles the signal.
        """
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, self._die)

    def release_signals(self) -> None:
        """Restore the signal handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) == self._die:
                    signal.signal(number, signal.SIG_DFL)

    def _die(self, number: int, frame: Any) -> None:  # Any: as `signal` calls it
        del frame
        self.end()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


class OwnAttempt:
    """The first log-in of the run with the site's own password for an account, which only one look makes.

    A password that was refused is not sent again: it may be an old one, and each attempt counts against its owner.

    Args:
        folder: the run's directory; None where no password may be tried.
        keys: what is counted.
    """

    def __init__(self, folder: Path | None, keys: list[tuple[str, ...]]) -> None:
        self._folder = folder
        self._keys = keys

    def claim(self) -> str | None:
        """Claim it; return "", or what became of it if it was made already: None as long as that is not known.

        Raises:
            ProbeError: it cannot be counted, so nothing may be tried.
        """
        with _countable(self._folder) as folder:
            for path in self._paths(folder):
                if not _created(path, ""):
                    return path.read_text(encoding="utf-8") or None
        return ""

    def note(self, outcome: str) -> None:
        """Note what became of it."""
        with _countable(self._folder) as folder:
            for path in self._paths(folder):
                path.write_text(outcome, encoding="utf-8")

    def release(self) -> None:
        """Let others make it: nobody looked at the password."""
        with _countable(self._folder) as folder:
            for path in self._paths(folder):
                path.unlink(missing_ok=True)

    def known(self) -> str:
        """Return what became of it, "" where that is not known."""
        with _countable(self._folder) as folder:
            path = self._paths(folder)[0]
            return path.read_text(encoding="utf-8") if path.exists() else ""

    def _paths(self, folder: Path) -> list[Path]:
        return [folder / _name(key, folder.name) for key in self._keys]


def _me() -> int:
    """Return this process's user id; 0 on Windows, where each user has a temporary directory."""
    return int(getattr(os, "geteuid", int)())


@contextlib.contextmanager
def _countable(folder: Path | None) -> Iterator[Path]:
    """Make a directory that only we can write; if anything fails there, no password may be tried."""
    if folder is None:
        raise ProbeError("no password is tried, because attempts are not counted here", Cause.NOT_ASKED)
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        theirs = hasattr(os, "geteuid") and (status.st_uid != _me() or stat.S_IMODE(status.st_mode) & 0o077)
        if theirs or not stat.S_ISDIR(status.st_mode):
            raise ProbeError(f"no password is tried: {folder} belongs to another user", Cause.NOT_ASKED)
        yield folder
    except OSError as error:
        raise ProbeError(
            f"no password is tried: attempts cannot be counted in {folder} ({error.strerror})", Cause.NOT_ASKED
        ) from None


def _name(key: tuple[str, ...], salt: str = "") -> str:
    return hashlib.sha256(json.dumps([salt, *key]).encode()).hexdigest()


def _created(path: Path, text: str) -> bool:
    """Create a file; return whether this call created it."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def _slot(path: Path, places: int) -> float:
    """Take one of the first places of the last ten minutes; return 0, or the seconds until one is free."""
    waits: list[float] = []
    for number in range(places):
        slot = path.with_name(f"{path.name}-{number}")
        with contextlib.suppress(FileNotFoundError):
            wait = slot.stat().st_mtime + _WINDOW - time.time()
            if wait > 0:
                waits.append(wait)
                continue
            slot.unlink()
        if _created(slot, ""):
            return 0.0
        waits.append(_WINDOW)  # another run was quicker
    return min(waits)
