"""A run as one page that a person reads: what the template `report.html.j2` shows, worked out and escaped."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pytest_nodered_sec.accounts import ORDER, line
from pytest_nodered_sec.data.frameworks import frameworks
from pytest_nodered_sec.evidence.report import SEVERITIES, findings
from pytest_nodered_sec.texts import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.accounts import Account
    from pytest_nodered_sec.evidence.report import Report
    from pytest_nodered_sec.facts import WaiverFacts
    from pytest_nodered_sec.ledger import Record
    from pytest_nodered_sec.model_chain import CertificateFacts, PresentedChain

# outcome: sign, words, in the order of the cards and columns
_SHOWN: Final = {
    "compliant": ("✓", "compliant"),
    "non-compliant": ("✗", "non-compliant"),
    "could-not-look": ("!", "could not look"),
    "waived": ("W", "waived"),
    "not-applicable": ("–", "not applicable"),  # noqa: RUF001  a dash is meant
    "not-judged": ("?", "not judged"),
    "not-selected": ("·", "not selected"),
}


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
        shown={one: words for one, words in _SHOWN.items() if one != "not-selected" or report.counts[one]},
        outcomes=[one for one in ORDER if report.counts[one]],
        severities=SEVERITIES,
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
        judged=line(report.accounts, report.facts["narrowed"] or report.unfinished),
        chains=[(name, one, _links(one)) for name, one in report.chains.items()],
        requirements=_requirements(report),
    )


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
    """Return what stands for all cases of a control at a target, and how many came to what."""
    if account is None:
        return "", ""
    counted = account["instances"]
    return account["outcome"], ", ".join(f"{number} {_SHOWN[one][1]}" for one, number in counted.items())


def _findings(report: Report) -> list[dict[str, Any]]:
    """Return findings, the gravest first; those of one kind at one target are one, with each instance below it."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for case in report.with_outcome("non-compliant"):
        for one in findings(case):
            words = (one["code"], one["expected"], one["remedy"], case["reason"])
            key = (one["severity"], case["control"], case["target"], *words)
            entry = found.setdefault(key, {"case": case, "finding": one, "seen": []})
            entry["seen"].append(one["observed"])
    entries = sorted(found.values(), key=lambda one: SEVERITIES.index(one["finding"]["severity"]))
    first: dict[str, dict[str, Any]] = {}
    for entry in entries:  # the matrix leads to the first of a control
        entry["first"] = first.setdefault(entry["case"]["control"], entry) is entry
    return entries


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


def _requirements(report: Report) -> list[tuple[str, list[tuple[str, list[tuple[str, str]]]]]]:
    """Return by framework and requirement: the controls that bear on it, and what became of them."""
    table: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for one in report.judged:
        for key, ids in one.requirements.items():
            for number in ids:
                table.setdefault(key, {}).setdefault(number, []).append((one.id, one.outcome))
    return [(name, sorted(table[key].items(), key=_natural)) for key, name in frameworks().items() if key in table]


def _natural(item: tuple[str, Any]) -> list[tuple[bool, int, str]]:
    """Sort numbers in ids as numbers."""
    words = "".join(one if one.isalnum() else " " for one in item[0]).split()
    return [(not one.isdigit(), int(one) if one.isdigit() else 0, one) for one in words]
