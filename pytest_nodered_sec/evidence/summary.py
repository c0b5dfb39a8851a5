"""A run as a page of Markdown, for the summary of a CI job (GitHub, Gitea and Forgejo show `$GITHUB_STEP_SUMMARY`)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.evidence.baseline import causes
from pytest_nodered_sec.evidence.fleet import standings
from pytest_nodered_sec.evidence.headline import SEVERITIES, findings
from pytest_nodered_sec.evidence.plans import alike, front, names, told
from pytest_nodered_sec.results.referring import reasons
from pytest_nodered_sec.texts import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.evidence.report import Report
    from pytest_nodered_sec.results.records import Finding, Record

LIMIT: Final = 1024 * 1024  # bytes; GitHub takes no more of one step, and drops all of it where there is more
_ROOM: Final = 4096  # for what else this step writes, and for our own last line
_ENOUGH: Final = 100  # lines of one kind, more than there are grave causes; the reports have the rest
_LONG: Final = 400  # characters of one text
_UNSEEN: Final = "could-not-look"
_MARKUP: Final = re.compile(
    r"""[^\w :,.;/?=%(){}"'…→·-]|_|:(?! )"""
)  # what Markdown, HTML or an address might begin with


def markdown(report: Report) -> str:
    """Return a run as Markdown, far shorter than what GitHub takes.

    What must not be cut comes first, and nothing stands there twice: each cause once, for all targets that have it;
    each list of changes once, for all targets that need it; each target, the worst first.
    """
    lines = [
        "## Node-RED security",
        "",
        f"**{_text(report.headline)}** {_text(report.judgement[0].upper() + report.judgement[1:])}.",
        *(["", f"**Incomplete:** {_text(report.unfinished)}"] if report.unfinished else []),
        *(["", f"**Judged again:** {_text(report.replayed)}"] if report.replayed else []),
        *(["", f"**Assessment:** {_text(report.assessment)}"] if report.assessment else []),
        *_since(report),
        *_plans(report),
        *_causes(report),
        *_targets(report),
    ]
    vouched = [
        f"{_text(account['control'])} at {_text(account['target'])}: {_text(account['reason'])}"
        for account in report.accounts
        if account["outcome"] == "attested"
    ]
    lines += _section(f"Attested, not judged ({len(vouched)})", vouched)
    lines += _unseen(report)
    return _cut("\n".join(lines) + "\n")


def _unseen(report: Report) -> list[str]:
    """Return why what could not be looked at; what refers to another case is counted with it, in one line."""
    whys = Counter((case["target"], why) for case, why in reasons(report.with_outcome(_UNSEEN)))
    lines = [f"{_text(target or 'no target')}: {_text(why)} ({number})" for (target, why), number in whys.items()]
    return _section(f"Could not look ({whys.total()})", lines)


def _since(report: Report) -> list[str]:
    """Return what changed since the baseline: the numbers, new findings, targets that are silent now, and the rest."""
    since = report.since
    if since is None:
        return []
    new = [
        f"**{change.severity}** {_text(change.control)} at {_text(listed(targets))}: {_text(change.observed)}"
        + (f"<br>and {number - 1} more" if number > 1 else "")
        for change, targets, number in causes(since.new)
    ]
    fixed = [
        f"fixed: {_text(change.control)} {_text(change.code)} at {_text(listed(targets))}"
        for change, targets, _ in causes(since.fixed)
    ]
    turns = [f"{_text(turn.target)}: {_text(turn.what)}" for turn in (*since.turns, *since.added)]
    turns += [f"not in this run: {_text(listed(since.absent))}"] if since.absent else []
    return [
        *("", f"**Compared:** {_text(since.line)}"),
        *_section(f"New findings ({len(since.new)})", new),
        *_section(
            f"Newly unreachable ({len(since.unreachable)})",
            [f"{_text(turn.target)}: {_text(turn.what)}" for turn in since.unreachable],
        ),
        *_section("Changed since the baseline", [*fixed, *turns]),
    ]


def _causes(report: Report) -> list[str]:
    """Return each finding of each control once, the worst first."""
    groups: dict[tuple[str, str, str], list[tuple[Record, Finding]]] = {}
    for case in report.with_outcome("non-compliant"):
        for finding in findings(case):
            groups.setdefault((finding["severity"], case["control"], finding["code"]), []).append((case, finding))
    ordered = sorted(groups.items(), key=lambda item: SEVERITIES.index(item[0][0]))
    lines = [_cause(cases, len(report.names)) for _, cases in ordered]
    bad = report.severities
    severities = ", ".join(f"{bad[severity]} {severity}" for severity in SEVERITIES if bad[severity])
    return _section(f"Findings ({sum(map(len, groups.values()))}; cases: {severities})", lines)


def _cause(cases: Sequence[tuple[Record, Finding]], targets: int) -> str:
    case, first = cases[0]
    at = f" at {_text(listed([each['target'] for each, _ in cases]))}" if targets > 1 and case["target"] else ""
    parts = [f"**{first['severity']}** {_text(case['control'])}{at}: {_text(first['observed'])}"]
    parts += [f"and {len(cases) - 1} more"] if len(cases) > 1 else []
    parts += [f"expected: {_text(first['expected'])}"] if first["expected"] else []
    parts += [f"expected to fail {_text(case['reason'])}"] if case["reason"] and case["findings"] else []
    return "<br>".join(parts)


def _plans(report: Report) -> list[str]:
    """Return what to change, a list for the targets that need the same; where there are many, of each the worst."""
    groups = alike(report.plans)
    room = max(1, _ENOUGH // max(1, len(groups)))
    lines = ["", "### What to change"] if groups else []
    for group in groups[:_ENOUGH]:
        steps = told(group)
        lines += ["", f"{_text(names(group))} ({_text(front(group[0]))}):", ""]
        lines += [
            f"{place}. **{step.severity}** {_text(step.what)}<br>{_text(step.ends)}"
            + (f"; {_text(step.guide)}" if step.guide else "")
            for place, step in enumerate(steps[:room], 1)
        ]
        lines += [f"{room + 1}. … and {len(steps) - room} more, see the report"] if len(steps) > room else []
    left = groups[_ENOUGH:]
    return lines + (["", f"… and {counted(sum(map(len, left)), 'target')} more, see the report"] if left else [])


def _targets(report: Report) -> list[str]:
    kinds = ("compliant", "non-compliant", _UNSEEN, "waived", "not-applicable", "not-judged", "not-selected")
    lines = [
        "",
        "### Test cases",
        "",
        f"| target | {' | '.join(kind.replace('-', ' ') if kind != 'non-compliant' else kind for kind in kinds)} |",
        f"| --- |{' ---: |' * len(kinds)}",
    ]
    there: dict[str, Counter[str]] = {name: Counter() for name in report.names}
    for account in report.accounts:
        there[account["target"]].update(account["instances"])
    worst = [standing.name for standing in standings(report.plans, report.records)]
    for name in dict.fromkeys([*worst, *there]):
        counts = there[name]
        lines.append(f"| {_text(name or 'no target')} | {' | '.join(str(counts[kind]) for kind in kinds)} |")
    if len(there) > 1:
        lines.append(f"| **all** | {' | '.join(f'**{report.counts[kind]}**' for kind in kinds)} |")
    return lines


def _section(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    left = [f"- … and {len(lines) - _ENOUGH} more, see the report"] if len(lines) > _ENOUGH else []
    return ["", f"### {title}", "", *(f"- {line}" for line in lines[:_ENOUGH]), *left]


def _text(text: str) -> str:
    """Return a text as one line that Markdown and HTML leave as it is: what a target sent is never markup."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= _LONG else f"{flat[:_LONG]}…"
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", short)


def _cut(text: str) -> str:
    raw = text.encode()
    if len(raw) <= LIMIT - _ROOM:
        return text
    return raw[: LIMIT - _ROOM].decode(errors="ignore").rpartition("\n")[0] + "\n- … cut here, see the report\n"
