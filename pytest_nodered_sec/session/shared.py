"""What the reports of many cases hold in common: kept once, because pytest keeps every report until the run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.results.records import Record

_PAIRS: Final = pytest.StashKey[dict[tuple[str, str], tuple[str, str]]]()  # properties that many cases have
_PROPERTIES: Final = {
    name: f"nodered_sec.{name}" for name in ("control", "severity", "target", "observed", "outcome", "policy_sha256")
}
_KEYWORDS: Final[pytest.StashKey[Mapping[str, Any]]] = pytest.StashKey()  # of an item's reports so far


def properties(config: pytest.Config, record: Record | None) -> list[tuple[str, str]]:
    """Return the JUnit properties of a record; each pair once for all cases, which keep them until the run ends."""
    if record is None:
        return []
    pairs = [(full, str(record[name])) for name, full in _PROPERTIES.items()]  # type: ignore[literal-required]  # names of fields
    if codes := dict.fromkeys(finding["code"] for finding in record["findings"]):
        pairs.append(("nodered_sec.findings", " ".join(codes)))
    known = config.stash.setdefault(_PAIRS, {})
    return [pair if pair[0] == _PROPERTIES["observed"] else known.setdefault(pair, pair) for pair in pairs]


def keywords(item: pytest.Item, report: pytest.TestReport) -> Mapping[str, Any]:  # Any: as pytest types it
    """Return a report's keywords; those of an earlier report of the item where they are equal, as they nearly are."""
    known = item.stash.get(_KEYWORDS, None)
    if known != report.keywords:
        known = item.stash[_KEYWORDS] = report.keywords
    return known
