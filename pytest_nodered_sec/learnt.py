"""What the runs of this process have learnt to be secret: each run for itself, also where one runs inside another.

A run inside a test of another knows what that one had learnt before it, and the outer one hides what the inner one
learns, because its output may be part of the outer one's. Two runs that follow each other share nothing, and what was
learnt before a run by somebody else of the process, such as a unit test that made credentials, is not the run's.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

INSTEAD: Final = "[redacted]"
_KEPT: Final = 10_000  # texts, of
_KEPT_LENGTH: Final = 400  # characters at most: those that come again, such as node ids, are short
_LONG: Final = 20  # characters of a word that is hardly a header's own, nor a host's name
_SHORT: Final = 4  # characters; shorter values are removed only where they stand as a word of their own
_DIGITS: Final = 5  # of a port, a year, the seconds of a day


@dataclass(frozen=True)
class Form:
    """A spelling of a secret.

    Attributes:
        text: itself.
        anywhere: whether it is looked for in any letter case, and in parts.
    """

    text: str
    anywhere: bool = False


def forms_of(secret: str) -> Iterator[Form]:
    """Yield the spellings by which a secret is found in a text, and in each of its readings."""
    yield from (Form(form) for form in spellings.forms(secret))
    yield from (Form(form, anywhere=len(form) >= spellings.SHORTEST) for form in spellings.encoded(secret))
    if len(secret) >= spellings.SHORTEST and not _is_ordinary(secret):
        yield Form(secret, anywhere=True)


class Cleaner:
    """Finds secrets in texts, and remembers texts without any: a run cleans the same ones again and again.

    Args:
        forms: every form of every secret.
    """

    def __init__(self, forms: frozenset[Form]) -> None:
        self._forms = forms
        self._clean: set[str] = set()

    @functools.cached_property  # the accounts of many targets are learnt one after the other, and used then
    def _pattern(self) -> re.Pattern[str]:
        by_start: dict[str, list[str]] = {}  # few at each place of a text: of a fleet there are many passwords
        for form in sorted({form.text for form in self._forms if not form.anywhere}, key=len, reverse=True):
            start, rest = _expression(form)
            by_start.setdefault(start, []).append(rest)
        starts = [f"{start}(?:{'|'.join(rests)})" for start, rests in by_start.items()]
        return re.compile("|".join(starts) or "(?!)")

    @functools.cached_property
    def _parts(self) -> spellings.Parts:
        return spellings.Parts(form.text for form in self._forms if form.anywhere)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        if text in self._clean:
            return text
        clean = self.outside(text, ())
        if clean == text and len(text) < _KEPT_LENGTH:
            if len(self._clean) > _KEPT:
                self._clean.clear()
            self._clean.add(text)
        return clean

    def outside(self, text: str, own: Sequence[tuple[int, int]]) -> str:
        """Return the text without secrets, but for those that lie within a part that is our own.

        Args:
            text: any.
            own: where such parts begin and end.
        """
        places = sorted(
            (begins, ends)
            for begins, ends in self._spans(text)
            if not any(first <= begins and ends <= last for first, last in own)
        )
        kept, done = "", 0
        for begins, ends in places:
            if begins >= done:
                kept += text[done:begins] + INSTEAD
            done = max(done, ends)
        return kept + text[done:] if places else text

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where secrets begin and end; those within another's place, too."""
        for reading in spellings.readings(text):
            place = 0
            while match := self._pattern.search(reading.text, place):
                yield reading.span(*match.span())
                place = match.start() + 1  # one that is our own may have another beside it
        yield from (reading.span(*span) for span in self._parts.spans(reading.text))


def _expression(form: str) -> tuple[str, str]:
    """Return the expression of a form, its first letter's and the rest's."""
    start, rest = _letter(form[0]), "".join(map(_letter, form[1:]))
    return (rf"(?<!\w){start}", rf"{rest}(?!\w)") if len(form) < _SHORT else (start, rest)


@functools.cache
def _letter(letter: str) -> str:
    """Return the expression of a letter as it is, or as in a URL: from UTF-8 or Latin-1; a space may be a plus, too."""
    if letter.isascii() and letter.isalnum():
        return letter
    raw = {letter.encode(errors="surrogateescape"), *([letter.encode("latin-1")] if letter < "\u0100" else [])}
    quoted = sorted("".join(f"%{byte:02X}" for byte in each) for each in raw)
    ways = [re.sub("[A-F]", lambda digit: f"[{digit[0]}{digit[0].lower()}]", way) for way in quoted]
    return f"(?:{'|'.join([*ways, re.escape(letter), *([re.escape('+')] if letter == ' ' else [])])})"


def _is_ordinary(form: str) -> bool:
    """Whether a secret may stand in any answer by chance: a word, a host's name, or a number such as a port."""
    if len(form) < _SHORT or (form.isdecimal() and len(form) <= _DIGITS):
        return True
    letters = form.replace(".", "")
    return len(form) < _LONG and letters.isalpha() and (form.islower() or letters.isupper() or letters.istitle())


class Secrets:
    """What one run has learnt, and what finds it.

    Attributes:
        cleaner: finds every secret in each of its forms; None while nothing was learnt.
        of_real: the same for those that are no ordinary word or number.

    Args:
        outer: the run inside which this one runs.
        own: what it begins with.
    """

    def __init__(self, outer: Secrets | None = None, own: set[Form] | None = None) -> None:
        self.outer = outer
        self.own = own or set()
        self._inner: set[Form] = set()  # of runs inside this one
        self._before: set[Form] | None = None  # what it knew when the run began that has not begun to learn
        self.cleaner: Cleaner | None = None
        self.of_real: Cleaner | None = None
        self._renew()

    def add(self, forms: set[Form]) -> None:
        """Learn a secret by all its forms."""
        if not forms <= self.own:
            self.own |= forms
            self._renew()

    def add_of_inner(self, forms: set[Form]) -> None:
        """Learn a secret of a run inside this one, which is none for those that follow it."""
        if not forms <= self._inner:
            self._inner |= forms
            self._renew()

    def mark(self) -> None:
        """Note that a run is about to begin inside this one, or after it."""
        self._before = set(self.own)

    def hand_over(self) -> set[Form]:
        """Return what was learnt since the mark, all where there is none, and keep it for this run's texts only."""
        since = self.own - (self._before or set())
        if self._before is not None:
            self._inner |= since
            self.own, self._before = self._before, None
        return since

    def forget(self) -> None:
        """Forget everything."""
        self.own, self._inner, self._before = set(), set(), None
        self._renew()

    def _renew(self) -> None:
        """Make a new cleaner: what the old one found clean may hold the new secret."""
        forms = self.own | self._inner
        real = frozenset(form for form in forms if not _is_ordinary(form.text))
        self.cleaner = Cleaner(frozenset(forms)) if forms else None
        self.of_real = Cleaner(real) if real else None


class Runs:
    """The runs of this process that have begun and not ended; thread-safe.

    A thread belongs to the run of which it carries the context (`threads.start`), any other to the innermost one.

    Args:
        watch: called when something is learnt first; returns what ends that, called when the last run has ended.
    """

    def __init__(self, watch: Callable[[], Callable[[], None]]) -> None:
        self._watch = watch
        self._stop_watching: Callable[[], None] | None = None
        self._lock = threading.RLock()
        self._outside = Secrets()  # of what is no run
        self._open: list[Secrets] = []
        self._here: ContextVar[Secrets | None] = ContextVar("nodered-sec-run", default=None)

    @property
    def current(self) -> Secrets:
        """What the run of this thread has learnt."""
        here = self._here.get()
        if here is not None:
            return here
        return self._open[-1] if self._open else self._outside

    def come(self) -> None:
        """Note that a run is about to read its `conftest.py`: what is learnt from now on is its own."""
        with self._lock:
            self.current.mark()

    def begin(self) -> Callable[[], None]:
        """Begin a run, and return what ends it."""
        with self._lock:
            outer = self.current
            since = outer.hand_over()
            run = Secrets(outer, since if outer is self._outside else outer.own | since)
            self._open.append(run)
        before = self._here.set(run)

        def end() -> None:
            with contextlib.suppress(ValueError):  # ended in another context, which is none of the run's
                self._here.reset(before)
            with self._lock:
                self._open.remove(run)
                run.forget()
                if not self._open:
                    self._end()

        return end

    def add(self, forms: set[Form]) -> None:
        """Learn a secret by all its forms, for the run of this thread."""
        with self._lock:
            if self._stop_watching is None:
                self._stop_watching = self._watch()
            run = self.current
            run.add(forms)
            while run.outer is not None and run.outer is not self._outside:
                run = run.outer
                run.add_of_inner(forms)

    def _end(self) -> None:
        self._outside.forget()
        if self._stop_watching is not None:
            self._stop_watching()
            self._stop_watching = None
