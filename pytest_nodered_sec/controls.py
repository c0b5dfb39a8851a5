"""The decorator `control`, which makes a test a control, and `require`, which turns a verdict into its outcome."""

from __future__ import annotations

import dis
import inspect
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from pytest_nodered_sec.errors import NonCompliant
from pytest_nodered_sec.model import Ask
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.verdict import Verdict

_Test = TypeVar("_Test", bound="Callable[..., None]")
MARK: Final = "nodered_control"
_ID: Final = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)+")
_running: Final[list[Body]] = []  # bodies of controls, innermost last: a test may run a pytest of its own
# A skip that is no verdict; named as pytest's own, whose name pytest leaves out of the reason.
Unjudged: Final[type[BaseException]] = type("Skipped", (pytest.skip.Exception,), {"__module__": "builtins"})


class Body:
    """A control's body while it runs.

    Attributes:
        judged: whether `require` was called in it.
    """

    judged = False


@dataclass(frozen=True)
class Control:
    """One requirement.

    Attributes:
        id: never changed, e.g. "admin-01".
        severity: how bad a finding is.
        asks: what must be asked of a target, known without asking it.
    """

    id: str
    severity: Severity
    asks: Callable[[Target], Iterable[Ask]]


def control(
    id: str,
    *,
    severity: Severity,
    asks: Callable[[Target], Iterable[Ask]] | Iterable[Ask],
) -> Callable[[_Test], _Test]:
    """Declare a test function to be a control, run once per target and question.

    Args:
        id: the control's id, e.g. "site-01"; unique, never reused.
        severity: how bad a finding is.
        asks: the questions, or a function that derives them from the target's settings (never from the network).

    Raises:
        TypeError: an id of another form, an unknown severity, no questions, a class instead of a function, or a test
            without docstring.
    """
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise TypeError(
            f"control {id!r}: an id is lower-case letters and digits, joined by hyphens, such as 'site-01'; reports "
            "refer to it"
        )
    if not isinstance(severity, Severity):
        choices = ", ".join(f"Severity.{severity.name}" for severity in Severity)
        raise TypeError(f"control {id!r}: severity must be one of {choices}, not {severity!r}")
    questions = asks if callable(asks) else _constant(asks_of(id, asks))
    mark: pytest.MarkDecorator = getattr(pytest.mark, MARK)(Control(id, severity, questions))
    grade: pytest.MarkDecorator = getattr(pytest.mark, f"nodered_{severity.value}")  # for -m

    def declare(test: _Test) -> _Test:
        if isinstance(test, type):
            raise TypeError(f"control {id!r}: a control is one function; move the decorator onto a test of the class")
        if not (test.__doc__ or "").strip():
            raise TypeError(f"control {id!r}: give {test.__name__} a docstring; its first line is the report's title")
        marked: _Test = pytest.mark.usefixtures("_nodered_case")(grade(mark(test)))
        return marked

    return declare


def asks_of(id: str, asks: object) -> tuple[Ask, ...]:
    """Return what a control asks, if it can be asked.

    Args:
        id: the control's.
        asks: what was given as its questions, or what a function made of them.

    Raises:
        TypeError: something that is no list of questions.
    """
    several: list[object] = list(asks) if isinstance(asks, Iterable) and not isinstance(asks, str) else [asks]
    questions = tuple(ask for ask in several if isinstance(ask, Ask))
    for ask in several:
        if not isinstance(ask, Ask):
            raise TypeError(
                f"control {id!r}: asks must be questions such as http('/api/orders'), not {type(ask).__name__}"
            )
    if isinstance(asks, Ask):
        raise TypeError(f"control {id!r}: asks must be a list of questions: write asks=[...]")
    return questions


def _constant(asks: tuple[Ask, ...]) -> Callable[[Target], tuple[Ask, ...]]:
    return lambda target: asks


class NoVerdict(TypeError):
    """A control's test gave no verdict: it was forgotten, or `require` was given something else."""


def judging(id: str, test: Callable[..., object]) -> Generator[None, object, object]:
    """Run a control's body, as the inside of a hook wrapper.

    Raises:
        NoVerdict: it passed, although it never called `require`, and nothing in it raises as an assert does; or it is
            async, and pytest refused to run it.
    """
    body = Body()
    _running.append(body)
    try:
        result = yield
    except pytest.fail.Exception as error:
        if inspect.iscoroutinefunction(test) and not _began(test, error):
            raise NoVerdict(
                f"control {id!r}: {test.__name__} is async, and no plugin runs it: mark it for yours"
            ) from None
        raise
    finally:
        _running.remove(body)
    if not body.judged and not _can_fail(test):
        raise NoVerdict(
            f"control {id!r}: {test.__name__} passed without a verdict: end it with require(...), as in "
            "require(endpoint_refuses(nodered_attempt, nodered_policy)), or with an assert"
        )
    return result


def _began(test: Callable[..., object], error: BaseException) -> bool:
    """Whether an exception came out of a test's own body."""
    code = inspect.unwrap(test).__code__
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


def _can_fail(test: Callable[..., object]) -> bool:
    """Whether a test can end badly by what stands in its own body: an assert, a raise, or pytest.fail.

    Its byte code tells what runs, the source does not: `python -O` takes out asserts that pytest has not rewritten.
    """
    code = inspect.unwrap(test).__code__
    return "fail" in code.co_names or any(
        instruction.opname == "RAISE_VARARGS" for instruction in dis.get_instructions(code)
    )


def require(verdict: Verdict) -> None:
    """End a control by its verdict.

    Raises:
        NonCompliant: if there is any violation, with all of them.
        pytest.skip.Exception: if the control does not apply; an `Unjudged` where it could not be judged.
        NoVerdict: if it is none, such as the `True` or `None` of a rule that is not one.
    """
    if _running:  # else it is called by hand, in no control
        _running[-1].judged = True
    if isinstance(verdict, NotJudged):
        raise Unjudged(verdict.reason)
    if isinstance(verdict, NotApplicable):
        pytest.skip(verdict.reason)
    if not isinstance(verdict, tuple) or not all(isinstance(violation, Violation) for violation in verdict):
        raise NoVerdict(
            f"require was given no verdict but {type(verdict).__name__}: a rule returns () for compliant, a tuple of "
            "Violation, NotApplicable or NotJudged"
        )
    if verdict:
        raise NonCompliant(verdict)
