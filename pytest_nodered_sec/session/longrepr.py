"""The representation of a finding or an error in a pytest report: pytest's own type, with our text.

Other plugins read its `reprcrash`, `reprtraceback` and `toterminal`, and xdist sends it, as for any failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_nodered_sec.private import ExceptionRepr


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
