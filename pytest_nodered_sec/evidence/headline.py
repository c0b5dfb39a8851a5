"""The sentence that a report opens with: what the worst finding means, in words for somebody who reads nothing else.

Pure: from records to the sentence. It says no more than the finding proves.
"""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.results.rollup import JUDGED
from pytest_nodered_sec.texts import counted
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nodered_sec.results.records import Finding, Record

SEVERITIES: Final = tuple(severity.value for severity in Severity)
_NAMED: Final = 4  # targets that the sentence names
_LONG: Final = 160  # characters of an observation

_CVE: Final = ("CVE-*",)

# What a finding means, the worst consequence first: patterns of codes by control, () for every code.
_MEANINGS: Final[tuple[tuple[str, Mapping[str, tuple[str, ...]]], ...]] = (
    ("Anyone on the network can run code", {"admin-03": ("served",)}),
    ("Anyone on the network can log in to the admin API", {"cred-01": ()}),
    ("Anyone on the network can use the admin API", {"admin-01": ("served",), "admin-02": ("served",)}),
    ("Anyone on the network can read files", {"static-01": (), "static-02": ()}),
    (
        "Anyone on the network can join a live channel",
        {"dash-02": ("channel-open",), "live-01": ("channel-open",), "node-02": ("channel-open",)},
    ),
    ("Anyone on the network can read the editor's debug messages", {"admin-06": ("channel-open",)}),
    ("Anyone on the network can call an HTTP endpoint", {"node-01": ("served",)}),
    ("Anyone on the network can open a dashboard", {"dash-01": ("served",)}),
    ("A published password opens a login", {"cred-02": ("known-password",)}),
    ("Strangers get past a login", {"cred-02": (), "proxy-05": (), "admin-05": (), "admin-12": (), "dash-04": ()}),
    ("Node-RED can be reached past its proxy", {"proxy-01": ()}),
    ("Node-RED is served without encryption", {"http-01": ("served",), "http-05": ("served",), "tls-01": ("no-tls",)}),
    ("The certificate does not prove the server's identity", {"tls-01": (), "tls-02": ()}),
    ("Software with known vulnerabilities is running", {"patch-01": _CVE, "patch-02": _CVE, "host-16": _CVE}),
)


def headline(records: Sequence[Record], targets: Sequence[str], unfinished: str = "") -> str:
    """Return the sentence.

    Args:
        records: what became of each case.
        targets: names of all of them.
        unfinished: why the run ended before its time, "" where it did not.
    """
    bad = [
        (record, finding)
        for record in records
        if record["outcome"] == "non-compliant"
        for finding in findings(record)
        if finding["code"] not in (record["waiver"]["findings"] if record["waiver"] else ())
    ]
    if bad:
        return _worst(bad, len(targets))
    outcomes = Counter(record["outcome"] for record in records)
    if not any(outcomes[outcome] for outcome in JUDGED):
        return "Nothing is proven: no question was answered."
    waived = f" other than {counted(outcomes['waived'], 'waived test case')}" if outcomes["waived"] else ""
    unseen = outcomes["could-not-look"]
    if unseen:
        return f"No findings{waived}, but {counted(unseen, 'test case')} could not be looked at."
    return f"No findings{waived}." if not unfinished else f"No findings{waived} so far: the run is incomplete."


def _worst(bad: Sequence[tuple[Record, Finding]], number: int) -> str:
    ranked = [(SEVERITIES.index(finding["severity"]), _rank(record, finding)) for record, finding in bad]
    first = min(ranked)
    there = [pair for pair, rank in zip(bad, ranked, strict=True) if rank == first]
    record, finding = there[0]
    if first[1] == len(_MEANINGS):
        seen = " ".join(finding["observed"].split())
        short = seen if len(seen) <= _LONG else f"{seen[:_LONG]}…"
        at = f" at {record['target']}" if number > 1 and record["target"] else ""
        return f"The worst finding{at} is {finding['severity']}: {short.rstrip('.')}."
    return f"{_MEANINGS[first[1]][0]} on {_places([each['target'] for each, _ in there], number)}."


def _rank(record: Record, finding: Finding) -> int:
    """Return which meaning a finding has."""
    for place, (_, meant) in enumerate(_MEANINGS):
        codes = meant.get(record["control"])
        if codes is not None and (not codes or any(fnmatchcase(finding["code"], code) for code in codes)):
            return place
    return len(_MEANINGS)


def _places(targets: Sequence[str], number: int) -> str:
    names = list(dict.fromkeys(targets))
    if number <= 1:
        return "this machine"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} of {number} targets: {', '.join(names[:_NAMED])}{more}"


def findings(record: Record) -> list[Finding]:
    """Return a case's findings; a site's own test that failed without one has what it saw."""
    if record["findings"] or record["outcome"] != "non-compliant":
        return record["findings"]
    seen = record["observed"] or "the test failed"
    return [{"code": "", "severity": record["severity"], "observed": seen, "expected": "", "remedy": ""}]
