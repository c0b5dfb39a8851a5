"""A finding's own remedy in the words of the front that stands there: a rule knows none, and writes nginx's.

Only what a person reads changes, on the terminal and in JUnit. The record, of which the plan is made, keeps the rule's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.evidence import changes
from pytest_nodered_sec.evidence.plans import place, titled
from pytest_nodered_sec.remedies import fronts
from pytest_nodered_sec.remedies.model import Where
from pytest_nodered_sec.remedies.planner import plan
from pytest_nodered_sec.texts import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_nodered_sec.evidence.changes import TargetPlan
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.remedies.model import Finding

_NGINX: Final = "nginx"


def reworded(text: str, record: Mapping[str, Any], target: Target, server: str) -> str:
    """Return the text of a failure with remedies for the front, where that is known to be another than nginx.

    Args:
        text: of the failure, with the remedies as the rules give them.
        record: of the case; Any: values of several kinds.
        target: what was asked.
        server: what the target's answers say of the server.
    """
    if not any(_NGINX in finding["remedy"] for finding in record["findings"]):
        return text
    for remedy, other in _others(changes.of_target(target, [record], server)):
        text = text.replace(f"  remedy    {readable(remedy)}", f"  remedy    {readable(other)}")
    return text


def _others(planned: TargetPlan) -> Iterator[tuple[str, str]]:
    """Yield each remedy for nginx, and what takes its place; findings about an nginx that runs there keep theirs."""
    if planned.front in (None, "none", "nginx"):
        return
    for step in planned.steps:
        for finding in step.findings:
            if _NGINX in finding.remedy and _NGINX not in finding.observed:
                yield finding.remedy, _worded(finding, planned)


def _worded(finding: Finding, planned: TargetPlan) -> str:
    site = planned.site  # of one case: what the others found of dashboards is not known
    (step,) = plan([finding], replace(site, dashboards=site.dashboards or planned.target.dashboards))
    if _NGINX in step.change.title:  # the rule's own remedy: nobody has written it for others
        return f"{fronts.NAMES[planned.site.front]}: the same as this does in nginx: {finding.remedy}"
    files = " (--nodered-fix=DIR writes the files)" if step.change.where is Where.FRONT else ""
    return titled(place(planned, step), step.change.title) + files
