"""Cases that could not look for a reason that another case tells ("see dash-01, /ui"), and whose reason that is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEE: Final = re.compile(r"(?:^|: )see ([a-z]+-\d+)(?:, (.+))?$")
_Record = TypeVar("_Record", bound=Mapping[str, Any])  # Any: a case's record, of several kinds of values


def reasons(records: Iterable[_Record]) -> list[tuple[_Record, str]]:
    """Return cases, each with its reason, or with that of the case to which it refers.

    A case that refers to another which is not there, or which could look after all, keeps its own.
    """
    records = list(records)
    own = {
        (record["target"], record["control"], record["instance"]): _reason(record)
        for record in records
        if record["outcome"] == "could-not-look"
    }
    return [(record, own.get((record["target"], *referred(_reason(record))), _reason(record))) for record in records]


def referred(reason: str) -> tuple[str, str]:
    """Return control and instance of the case to which a reason refers, ("", "") where it refers to none."""
    match = _SEE.search(reason)
    return (match[1], match[2] or "") if match else ("", "")


def _reason(record: Mapping[str, Any]) -> str:  # Any: as above
    return str(record["reason"] or record["observed"])
