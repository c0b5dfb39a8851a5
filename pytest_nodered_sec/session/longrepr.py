"""The representation of a finding or an error in a pytest report: pytest's own type, with our text.

Other plugins read its `reprcrash`, `reprtraceback` and `toterminal`, and xdist sends it, as for any failure.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec.errors import ProbeError

if TYPE_CHECKING:
    from pytest_nodered_sec.controls import Control
    from pytest_nodered_sec.private import ExceptionRepr

_LOOKS: Final = "pytest_nodered_sec.probes"  # observations are fetched in setup


def represent(text: str, nodeid: str, line: int) -> ExceptionRepr:
    """Return a failure that shows only this text.

    Args:
        text: a finding, or why a check could not be made.
        nodeid: of the test; its file part is shown as the place of the failure, the same on every machine.
        line: line of the test in that file, from 1.
    """
    try:
        raise AssertionError(text)  # pytest represents raised exceptions only
    except AssertionError as error:
        shown = pytest.ExceptionInfo.from_exception(error).getrepr(style="value", chain=False, tbfilter=False)
    place = shown.reprcrash
    if place is not None:  # always true for a raised exception; for the type checker
        place.path, place.lineno, place.message = nodeid.partition("::")[0], line, text
    return shown


def while_looking(error: BaseException) -> bool:
    """Whether an exception is a bug in a probe: raised there, and neither ProbeError nor pytest's."""
    frames = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    return not isinstance(error, ProbeError) and any(name.startswith(_LOOKS) for name in frames)


def without_locals(control: Control, error: BaseException) -> str:
    """Return where a probe broke, without its variables even under `--showlocals`: they hold answers, cookies, keys."""
    lines = "".join(traceback.format_exception(error, chain=False))
    return f"{control.id} {control.severity.value} · could not look: {type(error).__name__}, a bug\n{lines}"
