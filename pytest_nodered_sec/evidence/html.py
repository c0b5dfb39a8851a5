"""A run as one page that a person reads: what the template `report.html.j2` shows, worked out and escaped.

For many targets it is `fleet.html.j2`, with the values of `fleet_page`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pytest_nodered_sec.data.frameworks import frameworks, title
from pytest_nodered_sec.evidence import fleet_page, opening
from pytest_nodered_sec.evidence.baseline import causes
from pytest_nodered_sec.evidence.fleet import FEW, shared
from pytest_nodered_sec.evidence.headline import SEVERITIES, findings
from pytest_nodered_sec.evidence.plans import alike, front, names, told
from pytest_nodered_sec.evidence.requirements import frameworks_of
from pytest_nodered_sec.results.referring import reasons
from pytest_nodered_sec.results.rollup import ORDER
from pytest_nodered_sec.texts import counted, listed, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.evidence.report import Report
    from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain
    from pytest_nodered_sec.results.baseline import Change, Since
    from pytest_nodered_sec.results.metadata import TargetFacts, WaiverFacts
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


_CASES_OF_FLEET: Final = 23  # shown of one finding, where there are many targets; JUnit and HDF have all

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
    controls = {control.id: control for control in report.judged}
    fleet = len(report.names) > FEW
    return environment.get_template("fleet.html.j2" if fleet else "report.html.j2").render(
        report=report,
        fleet=fleet,
        shown_cases=_CASES_OF_FLEET if fleet else len(report.records),
        signs=_SHOWN,
        shown={name: words for name, words in _SHOWN.items() if name not in _ONLY_WHERE_SEEN or report.counts[name]},
        outcomes=[
            outcome
            for outcome in ORDER
            if report.counts[outcome] or outcome in {each["outcome"] for each in report.accounts}
        ],
        attestations=_of_targets(report, "attestations"),
        severities=SEVERITIES,
        frameworks=frameworks(),
        families=_families(report),
        findings=_findings(report, one_of_each=fleet),
        deviations=_of_targets(report, "deviations"),
        waivers=_waivers(report),
        waived=report.with_outcome("waived"),
        since=report.since,
        compared=_compared(report.since) if report.since else [],
        plans=alike(report.plans),
        not_judged=any(report.counts[outcome] for outcome in ("could-not-look", "not-judged", "not-selected")),
        good=not report.unfinished and report.counts.keys() <= _GOOD,
        requirements=frameworks_of(report),
        title=title,
        controls=controls,
        unmet=opening.unmet(report.with_outcome("non-compliant"), controls),
        targets=opening.targets(report),
        not_looked=opening.unseen(report),
        exceptions=opening.exceptions(report),
        policies=_policies(report),
        days_left=lambda day: (date.fromisoformat(day) - report.day).days,
        **(fleet_page.values(report) if fleet else _of_few(report)),
    )


def _of_few(report: Report) -> dict[str, Any]:  # Any, here and below: what the template takes
    """Return what the page of few targets has in place of `fleet_page.values`."""
    return {
        "unseen": _grouped(report.with_outcome("could-not-look"), lambda record: record["target"]),
        "skipped": _grouped(
            report.with_outcome("not-judged", "not-applicable"),
            lambda record: (record["outcome"], record["control"], record["target"]),
        ),
        "passed": [
            (control, [case for case in control.records if case["outcome"] == "compliant"]) for control in report.judged
        ],
        "shown_plans": [(names(group), front(group[0]), told(group)) for group in alike(report.plans)],
        "chains": [(name, chain, _links(chain)) for name, chain in report.chains.items()],
        "there": {(account["target"], account["control"]): account["outcome"] for account in report.accounts},
    }


def _of_targets(report: Report, key: Literal["attestations", "deviations"]) -> list[tuple[list[str], Any]]:
    """Return what targets have of a kind; what several have alike is one."""
    return shared((target["name"], each) for target in report.facts["targets"] for each in target[key])


def _policies(report: Report) -> list[tuple[TargetFacts, int]]:
    """Return each target's facts, and how many others have the same policy; of many targets only the first of these."""
    targets = report.facts["targets"]
    if len(targets) <= FEW:
        return [(target, 0) for target in targets]
    alike_ones = Counter(target["policy_sha256"] for target in targets)
    first = {target["policy_sha256"]: target for target in reversed(targets)}
    return [(first[digest], number - 1) for digest, number in alike_ones.items()]


def _compared(since: Since) -> list[tuple[str, list[tuple[Change, str, int]]]]:
    """Return the findings that changed since the baseline by what became of them: the first, its targets, how many."""
    kinds = (
        ("new", since.new),
        ("fixed", since.fixed),
        ("waived or not applicable now", since.dropped),
        ("not looked at again", since.unknown),
    )
    return [
        (kind, [(change, listed(targets), number) for change, targets, number in causes(changes)])
        for kind, changes in kinds
        if changes
    ]


def _when(text: str) -> str:
    """Return a time as people write it."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC" if text else ""


def _families(report: Report) -> dict[str, dict[str, Any]]:
    """Return by family: how many cases came to what, how bad, and each control's row of the matrix."""
    pages: dict[str, dict[str, Any]] = {}
    at: dict[str, dict[str, Account]] = defaultdict(dict)
    for account in report.accounts:
        at[account["control"]][account["target"]] = account
    for control in report.judged:
        family = pages.setdefault(control.family, {"counts": Counter(), "bad": Counter(), "rows": []})
        family["bad"].update(case["severity"] for case in control.records if case["outcome"] == "non-compliant")
        for account in at[control.id].values():
            family["counts"].update(account["instances"])
        family["rows"].append((control, [_cell(at[control.id].get(name)) for name in report.names]))
    return pages


def _cell(account: Account | None) -> tuple[str, str]:
    """Return the worst outcome of a control at a target, and the number of cases by outcome."""
    if account is None:
        return "", ""
    cases = account["instances"]
    return account["outcome"], ", ".join(f"{number} {_SHOWN[name][1]}" for name, number in cases.items())


def _findings(report: Report, *, one_of_each: bool) -> list[dict[str, Any]]:
    """Return findings, the worst first; those of one kind are one, with each target and instance below it.

    Args:
        report: the run.
        one_of_each: whether one case of each target comes before a second of any.
    """
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    controls = {control.id: control for control in report.judged}
    changed = _changed(report)
    for case in report.with_outcome("non-compliant"):
        for finding in findings(case):
            key = (
                finding["severity"],
                case["control"],
                finding["code"],
                finding["expected"],
                finding["remedy"],
                case["reason"],
            )
            new = {"case": case, "finding": finding, "control": controls[case["control"]], "seen": [], "targets": {}}
            entry = groups.setdefault(key, new)
            entry["seen"].append((case, finding["observed"]))
            entry["change"], fits = changed.get(_key(case, finding), ("", True))
            entry["fits"] = fits or not finding["remedy"].startswith("nginx")
            entry["targets"].setdefault(case["target"] or "none", len(entry["seen"]) - 1)
    entries = sorted(groups.values(), key=lambda entry: SEVERITIES.index(entry["finding"]["severity"]))
    first: dict[str, dict[str, Any]] = {}
    for entry in entries:
        places = list(entry["targets"].values()) if one_of_each else []
        seen, early = entry["seen"], set(places)
        entry["seen"] = [seen[at] for at in places] + [case for at, case in enumerate(seen) if at not in early]
        entry["targets"] = list(entry["targets"])
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
    groups: dict[object, dict[str, Any]] = {}
    for case, reason in reasons(cases):
        entry = groups.setdefault((key(case), reason), {"case": case, "reason": reason, "all": []})
        entry["all"].append(case)
    return list(groups.values())


def _waivers(report: Report) -> list[tuple[list[str], WaiverFacts, int]]:
    """Return targets, waiver, and how many cases it covers now, the first to expire first."""
    waived: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in report.records:
        if record["waiver"]:
            waived[record["target"], record["control"]].append(record)
    counts = []
    for target in report.facts["targets"]:
        for waiver in target["waivers"]:
            cases = [
                record
                for record in waived[target["name"], waiver["control"]]
                if waiver["in_force"] and record["waiver"]
                if waiver["instance"] in ("", record["instance"])
                if waiver["finding"] in ("", *record["waiver"]["findings"])
            ]
            counts.append((target["name"], waiver, len(cases)))
    covered = {(name, repr(waiver)): number for name, waiver, number in counts}
    several = shared((name, waiver) for name, waiver, _ in counts)
    rows = [(names, waiver, sum(covered[name, repr(waiver)] for name in names)) for names, waiver in several]
    return sorted(rows, key=lambda row: row[1]["expires"])


def _length(span: timedelta) -> str:
    return counted(span.days, "day") if span.days else "less than a day"


def _share(certificate: CertificateFacts, at: datetime) -> int:
    """Return how much of its life a certificate has left, in percent; one may end before it begins."""
    left = (certificate.not_after - at).total_seconds()
    return max(0, min(100, round(100 * left / max(certificate.lifetime, 1))))


def _links(chain: PresentedChain) -> list[dict[str, Any]]:
    """Return a chain's certificates from the leaf up: as verification walked them, then what else was sent."""
    walked = chain.path or chain.certificates
    others = [certificate for certificate in chain.certificates if certificate not in walked]
    bad = {depth for _, depth in chain.verify_errors}
    return [
        {
            "facts": certificate,
            "role": _role(certificate, used=certificate in walked),
            "bad": number in bad and certificate in walked,
            "expired": certificate.not_after < chain.looked_at,
            "left": _length(abs(certificate.not_after - chain.looked_at)),
            "share": _share(certificate, chain.looked_at),
        }
        for number, certificate in enumerate([*walked, *others])
    ]


def _role(certificate: CertificateFacts, *, used: bool) -> str:
    if certificate.position < 0:
        return "from the trust store"
    role = "leaf" if certificate.position == 0 else f"sent as certificate {certificate.position + 1}"
    return role if used else f"{role}, not part of the chain"
