"""`--nodered-fix=DIR`: the plan of each target as a page to work through, and the files that it speaks of.

It writes into the directory and nowhere else; the target is never touched.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pytest_nodered_sec.evidence import plans
from pytest_nodered_sec.evidence.files import write
from pytest_nodered_sec.evidence.plans import GUIDE
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.remedies import fronts, policy_file, settings, systemd
from pytest_nodered_sec.remedies.changes import CERTIFICATE, OPERATORS, SAME_ACCOUNT
from pytest_nodered_sec.remedies.fronts import common
from pytest_nodered_sec.remedies.model import Where
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.evidence.changes import TargetPlan
    from pytest_nodered_sec.remedies.model import Step

PAGE: Final = "CHANGES.md"
_OTHER: Final = f"For another, {plans.TELL}, and run again."
# Where Node-RED listens, and who asks for a login: a Basic login of the front's before the admin API would want the
# same header as Node-RED's own. What the policy is to list of the flows needs a gate as soon as it is listed.
_WITH_FRONT: Final = {
    *("settings.uiHost", "settings.adminAuth"),
    *("policy.protected_paths", "policy.websockets", "policy.interfaces"),
}
_OPTIONS: Final = "Add the options of this run, --nodered-fix with a new folder."
_RESTART: Final = "Restart Node-RED first: it reads settings.js, accounts and packages only when it starts."
_IN_CLEAR: Final = frozenset(("http-01", "http-02", "http-03", "http-04", "http-05"))
_SHOWN: Final = 3  # findings that a step quotes


def files(planned: TargetPlan, lab: str = "", *, said: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the files of a target's plan, by name; none where there is nothing to change.

    Args:
        planned: the target and its plan.
        lab: which deployment of the lab it is: a name, or a site's own directory; "" for a target of somebody's.
        said: where there is no policy file, the keys that options and environment set, and their values (Any: TOML
            values); None where there is one, so that only what it lacks is written.
    """
    if not planned.steps:
        return {}
    made = configuration(planned, said=None if lab else said)
    return {PAGE: _page(planned, made, lab, whole=bool(_front_files(planned)))} | made


def configuration(planned: TargetPlan, *, said: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the configuration files of a target's plan, by name; none where all of it is done by hand."""
    changes = [step.change.id for step in planned.steps]
    made = settings.write(changes, planned.site) | _front_files(planned)
    return made | systemd.write(changes, planned.site) | _policy(planned, said)


def _policy(planned: TargetPlan, said: Mapping[str, Any] | None) -> dict[str, str]:
    target = planned.target
    had = {
        "credentials": target.credentials is not None,
        "dashboard_credentials": target.dashboard_credentials is not None,
    }
    given = [key for key in policy_file.accounts(planned.steps, planned.site) if not had[key]]
    seen = policy_file.seen_open(planned.steps) if target.policy.dashboards is None else ()
    told = None if said is None or target.flows else {"url": _next_url(planned), **said}
    return policy_file.write(planned.steps, planned.site, told=told, seen=seen, given=given)


def _next_url(planned: TargetPlan) -> str:
    """Return the target's URL once its changes are made: who is served without TLS is served with it then."""
    target = planned.target
    return target.url if target.tls else planned.site.origin + urlsplit(target.url).path


def _front_files(planned: TargetPlan) -> dict[str, str]:
    if planned.target.flows:  # no server was asked, so nothing is known of one
        return {}
    needed = any(step.change.where is Where.FRONT or step.change.id in _WITH_FRONT for step in planned.steps)
    return fronts.write(planned.site) if needed and not planned.unseen and not _declares_only(planned) else {}


def _declares_only(planned: TargetPlan) -> bool:
    """Whether only the policy file is to change: then what stands in front may be right, and the next run asks it."""
    return all(step.change.where is Where.POLICY for step in planned.steps)


def fill(folder: Path, planned: TargetPlan, lab: str = "", *, said: Mapping[str, Any] | None = None) -> Path | None:
    """Write a target's files into a directory of its own; return that, or None where there is nothing to change.

    Raises:
        OSError: one cannot be written.
    """
    made = files(planned, lab, said=said)
    place = folder / re.sub(r"[^\w.@+-]", "_", planned.target.name)
    for name, text in made.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        write(place / name, text)
    return place if made else None


def _page(planned: TargetPlan, made: dict[str, str], lab: str, *, whole: bool) -> str:
    number = sum(len(step.findings) for step in planned.steps)
    lines = [
        f"# {planned.target.name}: {counted(len(planned.steps), 'change')} for {counted(number, 'finding')}",
        "",
        f"{planned.target.flows or planned.target.url}. {_front(planned)}"
        "Make the changes from top to bottom, then run pytest again (last section).",
        "",
        *([_of_lab(lab, files=bool(made)), ""] if lab else []),
    ]
    decide = dict.fromkeys(step.change.decide for step in planned.steps if step.change.decide)
    decide |= dict.fromkeys([] if lab else _ports(planned))
    if whole:
        decide.pop(CERTIFICATE, None)
        decide[fronts.certificate(planned.site)] = None
        if accounts := fronts.accounts(planned.site):
            who = [decision for decision in (OPERATORS, SAME_ACCOUNT) if decide.pop(decision, "-") is None]
            decide[f"{who[-1] if who else OPERATORS}; {accounts}"] = None
    if decide:
        lines += ["What you have to decide:", "", *(f"- {decision}" for decision in decide), ""]
    if made:
        lines += ["Files beside this page; the first lines of each say where it goes:", ""]
        lines += [*(f"- `{name}`" for name in made), ""]
    if whole:
        lines += [f"What else the new {fronts.NAMES[planned.site.front]} configuration does:", ""]
        lines += [*(f"- {effect}" for effect in common.effects(planned.site)), ""]
    if whole and Path(lab).is_absolute() and fronts.for_lab(planned.site):
        lines += [f"To try it in {lab}:", ""]
        lines += [*(f"- {each}" for each in fronts.for_lab(planned.site)), ""]
    at_front = any(step.change.where is Where.FRONT for step in planned.steps)
    if planned.unseen and at_front:
        lines += [f"No configuration of {fronts.NAMES[planned.site.front]} is written: {planned.unseen}.", ""]
    for place, step in enumerate(planned.steps, 1):
        by_hand = bool(planned.unseen) and step.change.where is Where.FRONT
        lines += _section(place, step, plans.place(planned, step), by_hand=by_hand)
    return "\n".join([*lines, *_again(planned, made, lab)]) + "\n"


def _ports(planned: TargetPlan) -> list[str]:
    """Return the ports that nobody set and nothing was found at: they may be others, and nothing looked there."""
    target = planned.target
    answered = {finding.control for step in planned.steps for finding in step.findings}
    expected = []
    if _assumed(target, "direct_port") and "proxy-01" not in answered and target.port != target.direct_port:
        where = f"Node-RED is expected at 127.0.0.1:{target.direct_port}"
        expected.append(f"{where}, as `direct_port` says; if it listens elsewhere, set `direct_port` and run again")
    if _assumed(target, "http_port") and not answered & _IN_CLEAR and target.tls:
        where = f"Plain HTTP is expected at port {target.http_port}"
        expected.append(f"{where}, as `http_port` says; if it is served at another, set `http_port` and run again")
    return expected


def _assumed(target: Target, key: str) -> bool:
    """Whether a port is the default because nobody set it, the site's hook included; a file of flows has none."""
    default: int = getattr(Target, key)
    return not target.flows and key in target.assumed_ports and getattr(target, key) == default


def _front(planned: TargetPlan) -> str:
    """Return for which proxy the files are written, and why, where a plan has changes of one."""
    if not any(step.change.where is Where.FRONT for step in planned.steps):
        return ""
    name = fronts.NAMES[planned.site.front]
    if planned.front == "none":
        return f"No proxy stands in front, and some changes need one: they are written for {name}. {_OTHER} "
    if planned.front is None:
        return f"Which proxy stands in front is not known: the changes are written for {name}. {_OTHER} "
    return f"Behind {name}. "


def _of_lab(lab: str, *, files: bool) -> str:
    if Path(lab).is_absolute():
        whose = " Ports and host name in the files are the lab's." if files else ""
        return f"The lab ran a copy of {lab}: make the changes there.{whose}"
    read = "The files have its ports and host name: read them as examples. " if files else ""
    return (
        f"This was the lab's `{lab}`, which ended with the run: nothing can be changed there. {read}"
        "For changes to make, look at your own Node-RED with --nodered-url."
    )


def _again(planned: TargetPlan, made: Mapping[str, str], lab: str) -> list[str]:
    """Return the last section: how to look again."""
    flows = planned.target.flows
    command = f"pytest --nodered-suite=only --nodered-url={_next_url(planned)}"
    then = f"{_OPTIONS} Then log in with each account: page, live values and API must work."
    if Path(lab).is_absolute():
        command = f"pytest --nodered-suite=only --nodered-lab={shlex.quote(lab)}"
    elif lab:
        command = "pytest --nodered-suite=only --nodered-lab=hardened"
        then = "That deployment has these changes made."
    elif flows:
        command = f"pytest --nodered-suite=only --nodered-flows={shlex.quote(flows)}"
        then = f"{_OPTIONS} Then deploy the flows, and try what was changed."
    policy = made.get(policy_file.FILE, "")
    asked = [] if lab else _variables(policy)
    told = planned.target.tls or lab or flows or "\nurl = " in policy
    moved = "" if told else " Where your policy file names the target, write the new URL."
    first = f"Save `{policy_file.FILE}` first, then type the accounts that it names"
    if "\nurl = " not in policy:  # what a policy file lacks, with the accounts as comments
        first = (
            f"Copy `{policy_file.FILE}` into your policy file first and uncomment the accounts there, then type them"
        )
    typed = [f"{first}, by name and password:", ""] if asked else []
    if _declares_only(planned):
        then = f"{_OPTIONS} It asks what the policy file lists now: what is open to anybody is a finding of that run."
    at_start = any(step.change.where in (Where.SETTINGS, Where.PACKAGE) for step in planned.steps)
    before = [_RESTART, "", *typed] if at_start and not lab else typed
    return ["## Run pytest again", "", *before, "```console", *asked, f"$ {command}", "```", "", then + moved]


def _variables(policy: str) -> list[str]:
    """Return how the variables that a policy file names are set, without a password on the command line."""
    prefixes = [prefix for prefix in (policy_file.ADMIN, policy_file.OPERATOR) if f'{{env = "{prefix}"}}' in policy]
    return [
        f"$ read -r {prefix}_USERNAME; read -rs {prefix}_PASSWORD; export {prefix}_USERNAME {prefix}_PASSWORD"
        for prefix in prefixes
    ]


def _ends(step: Step) -> str:
    worst = step.severity if len(step.findings) == 1 else f"worst: {step.severity}"
    return f"Fixes {counted(len(step.findings), 'finding')} ({worst}):"


def _section(place: int, step: Step, where: str, *, by_hand: bool) -> list[str]:
    change = step.change
    shown = [
        f"- `{finding.control}` {finding.severity} {finding.code}: {finding.observed}"
        for finding in step.findings[:_SHOWN]
    ]
    remedies = dict.fromkeys(finding.remedy for finding in step.findings) if by_hand else ()
    more = len(step.findings) - _SHOWN
    shown += [f"- and {more} more of {', '.join(step.controls)}"] if more > 0 else []
    return [
        f"## {place}. {plans.titled(where, change.title)}",
        "",
        _ends(step),
        "",
        *shown,
        "",
        *(line for remedy in remedies for line in (f"In words: {remedy}", "")),
        *([f"Note: {change.breaks}.", ""] if change.breaks else []),
        *([f"Shown by `{GUIDE}`, {change.guide}.", ""] if change.guide else []),
        f"Check: {', '.join(step.controls)} {'passes' if len(step.controls) == 1 else 'pass'}.",
        "",
    ]
