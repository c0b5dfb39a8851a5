"""A run as one page that a person reads: what the template `report.html.j2` shows, worked out and escaped."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pytest_nodered_sec.data.frameworks import frameworks, untouched
from pytest_nodered_sec.evidence.baseline import causes
from pytest_nodered_sec.evidence.headline import SEVERITIES, findings
from pytest_nodered_sec.evidence.plans import alike, front, listed, names, told
from pytest_nodered_sec.results.rollup import ORDER
from pytest_nodered_sec.texts import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_nodered_sec.evidence.report import Report
    from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain
    from pytest_nodered_sec.results.baseline import Change, Since
    from pytest_nodered_sec.results.metadata import WaiverFacts
    from pytest_nodered_sec.results.records import Account, Finding, Record

# outcome: sign, words, in the order of the cards and columns
_SHOWN: Final = {
    "compliant": ("✓", "compliant"),
    "non-compliant": ("✗", "non-compliant"),
    "could-not-look": ("!", "could not look"),
    "waived": ("W", "waived"),
    "not-applicable": ("–", "not applicable"),  # noqa: RUF001  a dash is meant
    "not-judged": ("?", "not judged"),
    "not-selected": ("·", "not selected"),
    "attested": ("A", "attested"),
}
_ONLY_WHERE_SEEN: Final = ("not-selected", "attested")


_GOOD: Final = {"compliant", "not-applicable", "waived"}


def html(report: Report) -> str:
    """Return a run as a page that needs nothing beside it: no script, no font, no network."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # what a target sent is never markup
        finalize=lambda value: readable(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = _when
    return environment.get_template("report.html.j2").render(
        report=report,
        signs=_SHOWN,
        shown={one: words for one, words in _SHOWN.items() if one not in _ONLY_WHERE_SEEN or report.counts[one]},
        outcomes=[one for one in ORDER if report.counts[one] or one in {each["outcome"] for each in report.accounts}],
        attestations=[(one["name"], each) for one in report.facts["targets"] for each in one["attestations"]],
        severities=SEVERITIES,
        frameworks=frameworks(),
        families=_families(report),
        findings=_findings(report),
        unseen=_grouped(report.with_outcome("could-not-look"), lambda one: one["target"]),
        skipped=_grouped(
            report.with_outcome("not-judged", "not-applicable"),
            lambda one: (one["outcome"], one["control"], one["target"]),
        ),
        passed=[(one, [case for case in one.records if case["outcome"] == "compliant"]) for one in report.judged],
        deviations=[(one["name"], each) for one in report.facts["targets"] for each in one["deviations"]],
        waivers=_waivers(report),
        waived=report.with_outcome("waived"),
        since=report.since,
        compared=_compared(report.since) if report.since else [],
        plans=[(names(group), front(group[0]), told(group)) for group in alike(report.plans)],
        not_judged=any(report.counts[one] for one in ("could-not-look", "not-judged", "not-selected")),
        good=not report.unfinished and report.counts.keys() <= _GOOD,
        chains=[(name, one, _links(one)) for name, one in report.chains.items()],
        requirements=_requirements(report),
        controls={one.id: one for one in report.judged},
        days_left=lambda day: (date.fromisoformat(day) - datetime.fromisoformat(report.facts["started"]).date()).days,
    )


def _compared(since: Since) -> list[tuple[str, list[tuple[Change, str, int]]]]:
    """Return the findings that changed since the baseline by what became of them: the first, its targets, how many."""
    kinds = (
        ("new", since.new),
        ("fixed", since.fixed),
        ("waived or not applicable now", since.dropped),
        ("not looked at again", since.unknown),
    )
    return [
        (kind, [(one, listed(targets), number) for one, targets, number in causes(changes)])
        for kind, changes in kinds
        if changes
    ]


def _when(text: str) -> str:
    """Return a time as people write it."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC" if text else ""


def _families(report: Report) -> dict[str, dict[str, Any]]:  # Any, here and below: what the template takes
    """Return by family: how many cases came to what, how bad, and each control's row of the matrix."""
    found: dict[str, dict[str, Any]] = {}
    for one in report.judged:
        family = found.setdefault(one.family, {"counts": Counter(), "bad": Counter(), "rows": []})
        family["bad"].update(case["severity"] for case in one.records if case["outcome"] == "non-compliant")
        there = {account["target"]: account for account in report.accounts if account["control"] == one.id}
        for account in there.values():
            family["counts"].update(account["instances"])
        family["rows"].append((one, [_cell(there.get(name)) for name in report.names]))
    return found


def _cell(account: Account | None) -> tuple[str, str]:
    """Return the worst outcome of a control at a target, and the number of cases by outcome."""
    if account is None:
        return "", ""
    counted = account["instances"]
    return account["outcome"], ", ".join(f"{number} {_SHOWN[one][1]}" for one, number in counted.items())


def _findings(report: Report) -> list[dict[str, Any]]:
    """Return findings, the worst first; those of one kind are one, with each target and instance below it."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    controls = {one.id: one for one in report.judged}
    changed = _changed(report)
    for case in report.with_outcome("non-compliant"):
        for one in findings(case):
            key = (one["severity"], case["control"], one["code"], one["expected"], one["remedy"], case["reason"])
            new = {"case": case, "finding": one, "control": controls[case["control"]], "seen": [], "targets": []}
            entry = found.setdefault(key, new)
            entry["seen"].append((case, one["observed"]))
            entry["change"], fits = changed.get(_key(case, one), ("", True))
            entry["fits"] = fits or not one["remedy"].startswith("nginx")
            entry["targets"] = list(dict.fromkeys([*entry["targets"], case["target"] or "none"]))
    entries = sorted(found.values(), key=lambda one: SEVERITIES.index(one["finding"]["severity"]))
    first: dict[str, dict[str, Any]] = {}
    for entry in entries:  # the matrix leads to the first of a control
        entry["first"] = first.setdefault(entry["case"]["control"], entry) is entry
    return entries


def _changed(report: Report) -> dict[tuple[str, ...], tuple[str, bool]]:
    """Return by finding which change ends it, and whether a remedy that is worded for nginx fits there."""
    return {
        (planned.target.name, finding.control, finding.code, finding.instance, finding.observed): (
            words.what,
            planned.front in (None, "none", "nginx"),
        )
        for planned in report.plans
        for step, words in zip(planned.steps, told([planned]), strict=True)
        for finding in step.findings
    }


def _key(case: Record, finding: Finding) -> tuple[str, ...]:
    return case["target"], case["control"], finding["code"], case["instance"], finding["observed"]


def _grouped(cases: Iterable[Record], key: Callable[[Record], object]) -> list[dict[str, Any]]:
    """Return cases that share their reason, and this key, as one."""
    found: dict[object, dict[str, Any]] = {}
    for case in cases:
        reason = case["reason"] or case["observed"]
        entry = found.setdefault((key(case), reason), {"case": case, "reason": reason, "all": []})
        entry["all"].append(case)
    return list(found.values())


def _waivers(report: Report) -> list[tuple[str, WaiverFacts, int]]:
    """Return target, waiver, and how many cases it covers now, the first to expire first."""
    found = []
    for target in report.facts["targets"]:
        for waiver in target["waivers"]:
            cases = [
                one
                for one in report.records
                if waiver["in_force"]
                and one["waiver"]
                and (one["target"], one["control"]) == (target["name"], waiver["control"])
                if waiver["instance"] in ("", one["instance"])
                if waiver["finding"] in ("", *one["waiver"]["findings"])
            ]
            found.append((target["name"], waiver, len(cases)))
    return sorted(found, key=lambda one: one[1]["expires"])


def _links(chain: PresentedChain) -> list[dict[str, Any]]:
    """Return a chain's certificates from the leaf up: as verification walked them, then what else was sent."""
    walked = chain.path or chain.certificates
    others = [one for one in chain.certificates if one not in walked]
    bad = {depth for _, depth in chain.verify_errors}
    return [
        {
            "facts": one,
            "role": _role(one, used=one in walked),
            "bad": number in bad and one in walked,
            "left": (one.not_after - chain.looked_at).days,
            "share": max(0, min(100, round(100 * (one.not_after - chain.looked_at).total_seconds() / one.lifetime))),
        }
        for number, one in enumerate([*walked, *others])
    ]


def _role(one: CertificateFacts, *, used: bool) -> str:
    if one.position < 0:
        return "from the trust store"
    role = "leaf" if one.position == 0 else f"sent as certificate {one.position + 1}"
    return role if used else f"{role}, not part of the chain"


class _Framework(NamedTuple):
    """A framework: for each requirement the controls that bear on it at each target; and what none bears on."""

    name: str
    rows: list[tuple[str, list[list[tuple[str, str]]]]]
    untouched: tuple[str, ...]


def _requirements(report: Report) -> list[_Framework]:
    """Return the frameworks: a row for each requirement, a column for each target, of controls and outcomes."""
    there = {(one["target"], one["control"]): one["outcome"] for one in report.accounts}
    table: dict[str, dict[str, list[str]]] = {key: {} for key in frameworks()}
    for one in report.judged:
        for key, ids in one.requirements.items():
            for number in ids:
                table[key].setdefault(number, []).append(one.id)

    def cells(ids: Sequence[str]) -> list[list[tuple[str, str]]]:
        return [[(one, there[name, one]) for one in ids if (name, one) in there] for name in report.names]

    return [
        _Framework(
            name,
            [(number, cells(ids)) for number, ids in sorted(table[key].items(), key=_natural)],
            untouched(key, table[key]),
        )
        for key, name in frameworks().items()
    ]


def _natural(item: tuple[str, Any]) -> list[tuple[bool, int, str]]:
    """Sort numbers in ids as numbers."""
    words = "".join(one if one.isalnum() else " " for one in item[0]).split()
    return [(not one.isdigit(), int(one) if one.isdigit() else 0, one) for one in words]
