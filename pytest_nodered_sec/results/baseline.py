"""What an earlier run found, and what has changed since: findings that are new, fixed or still open; targets.

Pure: from records and identities to plain values. Two findings are the same where target, control, instance and code
are the same, and where both name the same things: paths, ports, packages, nodes. How a sentence is worded, lengths,
dates and releases make no difference, so that another release of this plugin does not find everything anew.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_nodered_sec.results.rollup import JUDGED
from pytest_nodered_sec.texts import counted
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_nodered_sec.results.metadata import ServerIdentity, TargetFacts
    from pytest_nodered_sec.results.records import Finding, Record

_RANKS: Final = {severity.value: number for number, severity in enumerate(Severity)}
_UNSEEN: Final = "could-not-look"
_REACH: Final = "reach-01"  # carries the cause where a target is dead
_WORD: Final = re.compile(r"port \d+|[^\s,;()\[\]{}\"'<>…·]+")
_THING: Final = re.compile(r"port \d+|/|\d+\.\d+\.\d+\.\d+(?::\d+)?|(?=.*[A-Za-z]).*[\d/_.@=:-].*")
_NO_THING: Final = re.compile(  # media types, times, random paths and names, digests, measures
    r"(?:text|application|image|font|multipart)/.*|charset=.*|\d{4}-\d\d-\d\d.*|\d\d:\d\d.*|.*/[a-z]{24}|"
    r"[a-z]{16}\.invalid\.?|.*[0-9a-fA-F]{32,}.*|\d+[A-Za-z]{1,3}"
)
_QUERY: Final = re.compile(r"\?.*")  # some are random
_RELEASE: Final = re.compile(r"(?<![\d.])\d+\.\d+(?:\.\d+)?(?![\d.])")


class Key(NamedTuple):
    """What tells a finding from others: `things` are what it names, `number` counts those that are alike in a case."""

    target: str
    control: str
    instance: str
    code: str
    things: str
    number: int


class Change(NamedTuple):
    """A finding that changed: `observed` is what was seen, of a fixed one by the baseline; `why` what became of it."""

    target: str
    control: str
    instance: str
    code: str
    severity: str
    observed: str
    why: str = ""


class Turn(NamedTuple):
    """What changed at a target: its certificate, its Node-RED, its policy; or that it answers no more, or again."""

    target: str
    what: str


@dataclass(frozen=True)
class Baseline:
    """An earlier run.

    Attributes:
        name: of its folder.
        looked: when it began, UTC in ISO 8601.
        findings: those that counted, the waived ones left out.
        answered: targets of which any question was answered.
        targets: what was known of each, by name.
    """

    name: str
    looked: str
    findings: Mapping[Key, Change]
    answered: frozenset[str]
    targets: Mapping[str, TargetFacts]

    @property
    def said(self) -> str:
        """Its folder, and when it looked."""
        return f"{self.name} ({self.looked})"

    @property
    def known(self) -> dict[Key, str]:
        """The severity of each finding."""
        return {key: change.severity for key, change in self.findings.items()}


@dataclass(frozen=True)
class Since:
    """What changed since the baseline.

    Attributes:
        baseline: its folder, and when it looked.
        new: findings that it does not have, or has with a lower severity.
        fixed: findings of it that were looked for, and are not there.
        still: how many findings both have.
        dropped: findings of it that are now waived, or do not apply any more.
        unknown: findings of it that could not be looked for now.
        unreachable: targets that answered then and do not now.
        turns: what else changed at targets.
        added: targets that it does not have, each with what it calls the one of that URL, "" where it has none.
        absent: targets that it has and neither this run nor another shard has.
    """

    baseline: str
    new: tuple[Change, ...]
    fixed: tuple[Change, ...]
    still: int
    dropped: tuple[Change, ...]
    unknown: tuple[Change, ...]
    unreachable: tuple[Turn, ...]
    turns: tuple[Turn, ...]
    added: tuple[Turn, ...]
    absent: tuple[str, ...]

    @property
    def line(self) -> str:
        """The numbers, in one sentence."""
        parts = [
            f"{len(self.new)} new",
            f"{len(self.fixed)} fixed",
            f"{self.still} still open",
            f"{len(self.dropped)} waived or not applicable now" if self.dropped else "",
            f"{len(self.unknown)} not looked at again" if self.unknown else "",
        ]
        targets = [
            f"{counted(len(self.unreachable), 'target')} newly unreachable" if self.unreachable else "",
            f"{counted(len({turn.target for turn in self.turns}), 'target')} changed" if self.turns else "",
            f"{counted(len(self.added), 'target')} not in the baseline" if self.added else "",
            f"{counted(len(self.absent), 'target')} of the baseline not in this run" if self.absent else "",
        ]
        findings = ", ".join(filter(None, parts))
        return "; ".join(
            filter(None, (f"findings since {self.baseline}: {findings}", ", ".join(filter(None, targets))))
        )


def keyed(target: str, control: str, instance: str, findings: Iterable[Finding]) -> Iterator[tuple[Key, Finding]]:
    """Return the findings of a case with what tells them apart."""
    seen: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        things = _things(finding["observed"])
        yield Key(target, control, instance, finding["code"], things, seen[finding["code"], things]), finding
        seen[finding["code"], things] += 1


def _things(observed: str) -> str:
    """Return what a sentence names, in order of the alphabet: "/ui node-red-contrib-x port 1881"."""
    words = {_QUERY.sub("", word).rstrip(".:") or word for word in _WORD.findall(observed)}
    named = (word for word in words if _THING.fullmatch(word) and not _NO_THING.fullmatch(word))
    return " ".join(sorted({_RELEASE.sub("#", word) for word in named}))


def counting(record: Record) -> list[Finding]:
    """Return the findings of a case that no waiver accepts."""
    accepted = record["waiver"]["findings"] if record["waiver"] else ()
    findings = record["findings"] if record["outcome"] == "non-compliant" else []
    return [finding for finding in findings if finding["code"] not in accepted]


def worse(severity: str, known: str) -> bool:
    """Whether a severity is above another one."""
    return _RANKS[severity] < _RANKS[known]


def open_findings(records: Iterable[Record]) -> dict[Key, Change]:
    """Return the findings that count, by what tells them apart."""
    return {
        key: Change(*key[:4], finding["severity"], finding["observed"])
        for record in records
        for key, finding in keyed(record["target"], record["control"], record["instance"], counting(record))
    }


def answered(records: Iterable[Record]) -> frozenset[str]:
    """Return the targets of which any question was answered."""
    return frozenset(record["target"] for record in records if record["outcome"] in JUDGED)


def since(
    before: Baseline, records: Sequence[Record], targets: Sequence[TargetFacts], elsewhere: Collection[str]
) -> Since:
    """Return what changed.

    Args:
        before: the earlier run.
        records: what became of each case now.
        targets: of this run.
        elsewhere: names of targets that other shards have.
    """
    now = open_findings(records)
    here = {target["name"] for target in targets}
    cases = {(record["target"], record["control"], record["instance"]): record for record in records}
    gone = {key: change for key, change in before.findings.items() if key not in now and change.target in here}
    sorted_out = [
        (_fate(change, cases.get((change.target, change.control, change.instance))), change) for change in gone.values()
    ]
    lost = _unreachable(before, records, here)
    absent = tuple(name for name in before.targets if name not in here and name not in elsewhere)
    renamed = {before.targets[name].get("url", ""): name for name in absent}
    return Since(
        baseline=before.said,
        new=tuple(
            change
            for key, change in now.items()
            if key not in before.findings or worse(change.severity, before.findings[key].severity)
        ),
        fixed=tuple(change for (kind, _), change in sorted_out if kind == "fixed"),
        still=sum(
            key in before.findings and not worse(change.severity, before.findings[key].severity)
            for key, change in now.items()
        ),
        dropped=tuple(change._replace(why=why) for (kind, why), change in sorted_out if kind == "dropped"),
        unknown=tuple(change._replace(why=why) for (kind, why), change in sorted_out if kind == "unknown"),
        unreachable=lost,
        turns=tuple(_turns(before, records, targets)),
        added=tuple(
            Turn(target["name"], _as(renamed.get(target["url"], "")))
            for target in targets
            if target["name"] not in before.targets
        ),
        absent=absent,
    )


def _as(name: str) -> str:
    """Return what is said of a target that the baseline does not have."""
    return "not in the baseline" + (f", which calls this URL {name}: its findings are new" if name else "")


def _fate(finding: Change, record: Record | None) -> tuple[str, str]:
    """Return what became of a finding that is not there any more, and why."""
    if record is None:
        return "unknown", "its test did not run"
    waiver = record["waiver"]
    if waiver and finding.code in waiver["findings"]:
        return "dropped", f"waived until {waiver['expires']}: {waiver['reason']}"
    if record["outcome"] == "not-applicable":
        return "dropped", record["reason"]
    if record["outcome"] in JUDGED:
        return "fixed", ""
    return "unknown", record["reason"] or record["observed"]


def _unreachable(before: Baseline, records: Sequence[Record], here: set[str]) -> tuple[Turn, ...]:
    """Return the targets that answered then and do not now, each with the cause."""
    silent = (here & before.answered) - answered(records)
    causes: dict[str, str] = {}
    for record in records:
        if (
            record["target"] in silent
            and record["outcome"] == _UNSEEN
            and (record["control"] == _REACH or record["target"] not in causes)
        ):
            causes[record["target"]] = record["reason"]
    return tuple(Turn(name, causes[name]) for name in sorted(causes))


def _turns(before: Baseline, records: Sequence[Record], targets: Sequence[TargetFacts]) -> Iterator[Turn]:
    back = answered(records) - before.answered
    for target in targets:
        then = before.targets.get(target["name"])
        if then is None:
            continue
        if target["name"] in back:
            yield Turn(target["name"], "answers again")
        for what in (
            _certificate(then["identity"], target["identity"]),
            _release(then["identity"], target["identity"]),
        ):
            if what:
                yield Turn(target["name"], what)
        if then["policy_sha256"] != target["policy_sha256"]:
            yield Turn(target["name"], f"policy {then['policy_sha256'][:12]} → {target['policy_sha256'][:12]}")


def _certificate(then: ServerIdentity, now: ServerIdentity) -> str:
    leaves = then["leaf_sha256"], now["leaf_sha256"]
    if not all(leaves) or leaves[0] == leaves[1]:
        return ""
    key = "the same key" if then["key_sha256"] == now["key_sha256"] else "a new key"
    return f"certificate {leaves[0][:12]} → {leaves[1][:12]}, {key}"


def _release(then: ServerIdentity, now: ServerIdentity) -> str:
    releases = then["node_red"], now["node_red"]
    return f"Node-RED {releases[0]} → {releases[1]}" if all(releases) and releases[0] != releases[1] else ""
