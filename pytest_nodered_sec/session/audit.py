"""Whether a run can be an audit.

Everything is asked, once, from outside and from inside, with recent tables; scope and exceptions have a name to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec.policy.model import AUDIT_PARTS
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.results.records import Record
    from pytest_nodered_sec.session.run import Run


NOT_YET: Final = (  # of a shard
    "a shard alone is no audit: judge all of them as one, --nodered-audit with --nodered-replay=DIR for each folder"
)


def narrowing(config: pytest.Config) -> tuple[str, ...]:
    """Return the command-line options that leave tests out of this run."""
    option = config.option
    maxfail = getattr(option, "maxfail", 0) or 0
    spelt_out = any(arg.startswith("--maxfail") for arg in config.invocation_params.args)
    given = {
        "-k": getattr(option, "keyword", ""),
        "-m": getattr(option, "markexpr", ""),
        "--deselect": getattr(option, "deselect", None),
        "--lf": getattr(option, "lf", False),
        "--sw": getattr(option, "stepwise", False),
        "-x": maxfail == 1 and not spelt_out,
        "--maxfail": maxfail > 1 or (maxfail == 1 and spelt_out),
        "--setup-only": getattr(option, "setuponly", False) and not getattr(option, "setupplan", False),
        "--setup-plan": getattr(option, "setupplan", False),
    }
    return tuple(name for name, value in given.items() if value)


_OLDEST_TABLE: Final = 90  # days since a table was last reviewed


def check_audit(config: pytest.Config, left_out: str, suite: str, today: date) -> None:
    """Refuse a run that cannot be an audit.

    Args:
        config: pytest's.
        left_out: the options that leave tests out, "" for none.
        suite: "with", "only" or "off".
        today: UTC.

    Raises:
        pytest.UsageError: options leave tests out, or a table is too old.
    """
    from pytest_nodered_sec.data.known_credentials import credentials_checked
    from pytest_nodered_sec.data.releases import advisories_checked, node_checked

    more = ["--reruns"] if getattr(config.option, "reruns", None) else []
    more += ["--nodered-suite=off"] if suite == "off" else []
    if left_out or more:
        names = ", ".join([*filter(None, [left_out]), *more])
        raise pytest.UsageError(f"--nodered-audit runs every test exactly once: remove {names}")
    tables = (
        ("advisories", advisories_checked()),
        ("Node.js releases", node_checked()),
        ("published passwords", credentials_checked()),
    )
    for what, checked in tables:
        age = (today - checked).days
        if age > _OLDEST_TABLE:
            raise pytest.UsageError(
                f"--nodered-audit: the table of {what} was last reviewed on {checked}, {age} days ago "
                f"(limit {_OLDEST_TABLE}): pip install -U pytest-nodered-sec"
            )


def check_run(run: Run, today: date) -> None:
    """Refuse an audit that does not cover its targets, or for which nobody answers.

    Args:
        run: its targets, and the assessment.
        today: UTC, by which waivers are in force.

    Raises:
        pytest.UsageError: saying what is missing.
    """
    targets = run.targets
    calm = [target.name for target in targets if target.policy.mode == "calm"]
    if calm:
        raise pytest.UsageError(
            f'--nodered-audit runs every test: remove mode = "calm" of {", ".join(calm)}, or --nodered-mode=calm'
        )
    flows = ", ".join(target.name for target in targets if target.flows)
    if flows:
        raise pytest.UsageError(f"--nodered-audit needs deployments, not flow files: remove --nodered-flows ({flows})")
    if run.assessment.missing:
        raise pytest.UsageError(
            f"--nodered-audit needs a name, a permission and a scope: add {', '.join(run.assessment.missing)} to the "
            "[assessment] table of the policy file"
        )
    _check_inside(targets)
    for target in targets:
        _check_waivers(target, today)


def _check_inside(targets: Sequence[Target]) -> None:
    """Refuse a target that is seen from outside only, unless its policy says why."""
    lacks: dict[str, list[str]] = {}
    for target in targets:
        given = {"account": target.credentials is not None, "host": target.host is not None}
        for part in AUDIT_PARTS:
            if not given[part] and part not in target.policy.audit_without:
                lacks.setdefault(part, []).append(target.name)
    if not lacks:
        return
    missing = "; ".join(f"no {part} for {', '.join(names)}" for part, names in lacks.items())
    keys = " and ".join({"account": "credentials", "host": "host"}[part] for part in lacks)
    raise pytest.UsageError(
        f"--nodered-audit looks from inside as well, and there is {missing}: add {keys} to the [[target]], or say why "
        f'not: audit_without = [{{part = "{next(iter(lacks))}", reason = "…"}}]'
    )


def _check_waivers(target: Target, today: date) -> None:
    """Refuse a waiver of a critical control that nobody approved."""
    from pytest_nodered_sec.catalogue import catalogue

    for waiver in target.policy.waivers:
        entry = catalogue().get(waiver.control)
        critical = entry is not None and entry.control.severity is Severity.CRITICAL
        if critical and waiver.in_force(today) and not waiver.approver:
            raise pytest.UsageError(
                f"--nodered-audit: the waiver of {waiver} at {target.name} accepts a critical finding, and nobody "
                'approved it: add approver = "…"'
            )


def unapproved(records: Sequence[Record], targets: tuple[Target, ...], today: date) -> str:
    """Return a critical finding that is waived without an approver, "" if there is none.

    Its control need not be critical, nor one of the suite: only the finding shows it.
    """
    policies = {target.name: target.policy for target in targets}
    for record in records:
        accepted = record["waiver"]["findings"] if record["waiver"] else ()
        for finding in record["findings"]:
            if finding["code"] not in accepted or finding["severity"] != Severity.CRITICAL.value:
                continue
            waivers = [
                waiver
                for waiver in policies[record["target"]].waivers
                if waiver.concerns(record["control"], record["instance"])
                and waiver.names(finding["code"])
                and waiver.in_force(today)
            ]
            if not any(waiver.approver for waiver in waivers):
                return " ".join(filter(None, (record["control"], finding["code"], "at", record["target"])))
    return ""
