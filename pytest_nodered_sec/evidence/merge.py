"""Several evidence folders as one run: shards of a fleet, or a look at some targets that came later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.results.fleet import Fleet
from pytest_nodered_sec.results.records import Looked
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nodered_sec.evidence.stored import Stored

_NAMED: Final = 4  # folders or targets that a sentence names
_SEVERITIES: Final = [severity.value for severity in Severity]


def of_all(folders: Sequence[Stored]) -> Stored:
    """Return several folders as one stored run: each target as the folder has it that looked last.

    Of two looks in the same second, that of the folder which is named last counts. Findings fail the run from the
    lowest severity on that any of the folders had.

    Raises:
        PolicyError: a folder is named twice.
    """
    if len(folders) == 1:
        return folders[0]
    places = [stored.folder.resolve() for stored in folders]
    twice = next(
        (stored.folder for stored, place in zip(folders, places, strict=True) if places.count(place) > 1), None
    )
    if twice is not None:
        raise PolicyError(f"--nodered-replay={twice} is given twice; name each folder once")
    last = _last(folders)
    names = tuple(dict.fromkeys(name for stored in folders for name in (*stored.fleet.names, *stored.looks)))
    here = [name for name in names if name in last]
    looks = {name: last[name].looks[name] for name in here}
    replay = folders[0].replay
    for folder in folders:
        replay = replay.having(folder.replay, {name for name in here if last[name] is folder})
    times = sorted((look["at"] for look in looks.values()), key=datetime.fromisoformat)
    return replace(
        folders[0],
        said=_said(folders, times, looks, last),
        fail_on=max((stored.fail_on for stored in folders), key=_SEVERITIES.index),
        looked=_together([stored.looked for stored in folders], times[0]),
        looks=looks,
        targets=tuple(target for name in here for target in last[name].targets if target.name == name),
        policies={name: last[name].policies[name] for name in here},
        records={
            node: record
            for stored in folders
            for node, record in stored.records.items()
            if last.get(record.target, stored) is stored
        },
        replay=replay,
        fleet=Fleet(names),
        omitted=tuple(dict.fromkeys(name for stored in folders for name in stored.omitted if name not in last)),
    )


def assessment(folders: Sequence[Stored]) -> Mapping[str, Any]:  # Any: JSON
    """Return the assessment that all folders have.

    Raises:
        PolicyError: two of them differ.
    """
    first = folders[0]
    for stored in folders:
        keys = [
            key
            for key in {**first.assessment, **stored.assessment}
            if first.assessment.get(key) != stored.assessment.get(key)
        ]
        if keys:
            raise PolicyError(
                f"{first.folder} and {stored.folder} differ in the [assessment] ({', '.join(keys)}), "
                "and one run has one: give --nodered-policy=FILE with the [assessment] and all targets"
            )
    return first.assessment


def _last(folders: Iterable[Stored]) -> dict[str, Stored]:
    """Return by target the folder whose look at it is the last."""
    last: dict[str, Stored] = {}
    for stored in folders:
        for name, look in stored.looks.items():
            if name not in last or _when(look) >= _when(last[name].looks[name]):
                last[name] = stored
    return last


def _when(look: Looked) -> datetime:
    return datetime.fromisoformat(look["at"])


def _together(looks: Sequence[Looked], first: str) -> Looked:
    """Return who looked, and when first: each version, machine and clock once."""

    def each(values: Iterable[str]) -> str:
        return "; ".join(dict.fromkeys(filter(None, values)))

    return Looked(
        at=first,
        by=each(look["by"] for look in looks),
        machine=each(look["machine"] for look in looks),
        clock=each(look["clock"] for look in looks),
    )


def _said(
    folders: Sequence[Stored], times: Sequence[str], looks: Mapping[str, Looked], last: Mapping[str, Stored]
) -> str:
    """Return what is judged, in one phrase; targets that several folders have are named with the one that counts."""
    several = [
        f"{name} ({last[name].folder.name} at {look['at']})"
        for name, look in looks.items()
        if sum(name in stored.looks for stored in folders) > 1
    ]
    cut = [stored.folder.name for stored in folders if stored.unfinished]
    versions = dict.fromkeys(look["by"] for look in looks.values())
    parts = [
        f"{len(folders)} folders ({_listed([stored.folder.name for stored in folders])})",
        f"looked at from {times[0]} to {times[-1]} by version {' and '.join(versions)}",
        f"incomplete: {_listed(cut)}" if cut else "",
        f"of targets in several folders the later look counts: {_listed(several)}" if several else "",
    ]
    return ", ".join(filter(None, parts))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
