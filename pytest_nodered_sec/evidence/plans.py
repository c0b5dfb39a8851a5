"""Plans in words: what the terminal, the HTML page, the job summary and JUnit say of the same steps."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_nodered_sec.remedies import fronts
from pytest_nodered_sec.remedies.model import Where
from pytest_nodered_sec.texts import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.evidence.changes import TargetPlan
    from pytest_nodered_sec.remedies.model import Step

GUIDE: Final = "pytest --nodered-guide"  # prints what pip installs of docs/hardening.md
TELL: Final = 'set front = "nginx", "caddy", "apache", "haproxy", "traefik" or "none" in the policy file'


class Told(NamedTuple):
    """A step, as a person reads it.

    Attributes:
        severity: of the worst finding that it ends.
        what: where to change what: "settings.js: disableEditor: true".
        findings: how many it ends.
        controls: whose findings these are.
        guide: where the guide shows it, "" for nowhere.
    """

    severity: str
    what: str
    findings: int
    controls: tuple[str, ...]
    guide: str

    @property
    def ends(self) -> str:
        """What it ends, in words."""
        return f"fixes {counted(self.findings, 'finding')} of {listed(self.controls)}"


def alike(plans: Iterable[TargetPlan]) -> list[list[TargetPlan]]:
    """Return targets with something to change; those that need the same changes together."""
    groups: dict[tuple[str | None, ...], list[TargetPlan]] = defaultdict(list)
    for planned in plans:
        if planned.steps:
            groups[planned.front, *(step.change.id for step in planned.steps)].append(planned)
    return list(groups.values())


def told(group: Sequence[TargetPlan]) -> list[Told]:
    """Return the steps of targets that need the same, in words; the findings of all are counted."""
    first = group[0]
    return [
        Told(
            step.severity,
            titled(place(first, step), step.change.title),
            sum(len(planned.steps[number].findings) for planned in group),
            step.controls,
            f"{GUIDE}, {step.change.guide}" if step.change.guide else "",
        )
        for number, step in enumerate(first.steps)
    ]


def titled(where: str, title: str) -> str:
    """Return what to change where; a control of the site, and a rule's own remedy, may name the place already."""
    return title if title.startswith(f"{where}:") else f"{where}: {title}"


def place(planned: TargetPlan, step: Step) -> str:
    """Return where a step is done, as a person calls it."""
    where: str = step.change.where.value
    if step.change.where is Where.FRONT:
        where = fronts.NAMES[planned.front] if planned.front and planned.front != "none" else "proxy"
    return where


def front(planned: TargetPlan) -> str:
    """Return which proxy stands there; where nobody knows, and a change needs it, how to say so."""
    if planned.target.flows:
        return "flows alone"
    needed = any(step.change.where is Where.FRONT for step in planned.steps)
    if planned.front == "none":
        name = fronts.NAMES[planned.site.front]
        advice = f': put one in front, such as {name}, and name it, front = "{planned.site.front}"'
        return "no proxy" + (advice if needed else "")
    if planned.front is None:
        return "proxy not recognised" + (f": {TELL}" if needed else "")
    return f"proxy: {fronts.NAMES[planned.front]}"


def names(plans: Sequence[TargetPlan]) -> str:
    """Return the targets of a group."""
    return listed([planned.target.name for planned in plans])
