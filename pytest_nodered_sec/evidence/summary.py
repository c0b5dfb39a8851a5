"""A run as a page of Markdown, for the summary of a CI job (GitHub, Gitea and Forgejo show `$GITHUB_STEP_SUMMARY`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.accounts import line
from pytest_nodered_sec.evidence.report import SEVERITIES, findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.evidence.report import Report
    from pytest_nodered_sec.ledger import Record

LIMIT: Final = 1024 * 1024  # bytes; GitHub takes no more of one step, and drops all of it where there is more
_ROOM: Final = 4096  # for what else this step writes, and for our own last line
_ENOUGH: Final = 50  # lines of one kind; the reports have the rest
_LONG: Final = 400  # characters of one text
_MARKUP: Final = re.compile(
    r"""[^\w :,.;/?=%(){}"'…→·-]|_|:(?! )"""
)  # what Markdown, HTML or an address might begin with


def markdown(report: Report) -> str:
    """Return a run as Markdown, far shorter than what GitHub takes."""
    counts, bad = report.counts, report.severities
    severities = ", ".join(f"{bad[one]} {one}" for one in SEVERITIES if bad[one])
    lines = [
        "## Node-RED security",
        "",
        *([f"**Incomplete:** {_text(report.unfinished)}", ""] if report.unfinished else []),
        *([f"**Judged again:** {_text(report.replayed)}", ""] if report.replayed else []),
        f"{_text(line(report.accounts, report.facts['narrowed'] or report.unfinished))}; test cases:",
        "",
        "| target | compliant | non-compliant | could not look | waived | not applicable | not judged | not selected |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    kinds = ("compliant", "non-compliant", "could-not-look", "waived", "not-applicable", "not-judged", "not-selected")
    for name in report.names:
        there = [one["instances"] for one in report.accounts if one["target"] == name]
        numbers = (str(sum(one.get(kind, 0) for one in there)) for kind in kinds)
        lines.append(f"| {_text(name or 'no target')} | {' | '.join(numbers)} |")
    if len(report.names) > 1:
        lines.append(f"| **all** | {' | '.join(f'**{counts[kind]}**' for kind in kinds)} |")
    if severities:
        lines += ["", f"Cases with findings: {severities}."]
    found = [(case, one) for case in report.with_outcome("non-compliant") for one in findings(case)]
    lines += _section("Findings", [_line(case, one["observed"], one["expected"], one["remedy"]) for case, one in found])
    unseen = report.with_outcome("could-not-look")
    lines += _section("Could not look", [_line(case, case["reason"] or case["observed"]) for case in unseen])
    return _cut("\n".join(lines) + "\n")


def _section(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    left = [f"- … and {len(lines) - _ENOUGH} more, see the report"] if len(lines) > _ENOUGH else []
    return ["", f"### {title} ({len(lines)})", "", *(f"- {one}" for one in lines[:_ENOUGH]), *left]


def _line(case: Record, observed: str, expected: str = "", remedy: str = "") -> str:
    where = " ".join(filter(None, (case["target"], case["instance"])))
    parts = [f"**{case['severity']}** {_text(case['control'])} {_text(where)}: {_text(observed)}"]
    parts += [f"expected: {_text(expected)}"] if expected else []
    parts += [f"remedy: {_text(remedy)}"] if remedy else []
    parts += [f"expected to fail {_text(case['reason'])}"] if case["reason"] and case["findings"] else []
    return "<br>".join(parts)


def _text(text: str) -> str:
    """Return a text as one line that Markdown and HTML leave as it is: what a target sent is never markup."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= _LONG else f"{flat[:_LONG]}…"
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", short)


def _cut(text: str) -> str:
    raw = text.encode()
    if len(raw) <= LIMIT - _ROOM:
        return text
    return raw[: LIMIT - _ROOM].decode(errors="ignore").rpartition("\n")[0] + "\n- … cut here, see the report\n"
