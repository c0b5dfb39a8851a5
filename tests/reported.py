"""Records and reports of runs that never were: one case, and a fleet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.evidence import changes
from pytest_nodered_sec.evidence.report import Report
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain
from pytest_nodered_sec.policy.assessment import NO_ASSESSMENT
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.results import metadata, rollup

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def record(outcome: str, control: str = "admin-01", target: str = "plant", number: int = 0, **more: Any) -> Any:
    finding = {"code": "served", "severity": "critical", "observed": f"GET /flows {number} answered 200",
             "expected": "401", "remedy": "settings.js: adminAuth"}  # fmt: skip
    return {
        "nodeid": f"nodered-sec/test_x.py::test_x[{target}-{control} {number}]", "control": control,
        "title": "A read is refused.", "severity": "critical", "target": target, "instance": f"GET /{number}",
        "observed": "GET /flows answered 401", "outcome": outcome, "reason": "",
        "findings": [finding] if outcome == "non-compliant" else [], "waiver": None, "started": NOW.isoformat(),
        "seconds": 0.1, "policy_sha256": "0" * 64, **more,
    }  # fmt: skip


def report(*records: Any, chains: dict[str, PresentedChain] | None = None, **more: Any) -> Report:
    names = dict.fromkeys(entry["target"] for entry in records)
    run: metadata.RunFacts = {
        "plugin": "9.9", "tools": {}, "started": NOW.isoformat(), "ended": NOW.isoformat(), "narrowed": "",
        "shard": "", "omitted": [], "interrupted": False, "audit": False, "replayed": "", "fail_on": "low",
        "only_new": False, "baseline": "",
        "assessment": metadata.of_assessment(NO_ASSESSMENT), "command": ["--nodered-suite=only"], "settings": "",
        "code": {"record_sha256": "", "changed": [], "editable": False}, "tables": {}, "machine": "", "clock": "",
        "targets": [
            {"name": name, "url": f"https://{name}.example", "profile": "production", "policy": "", "deviations": [],
             "policy_sha256": "0" * 64, "waivers": [], "attestations": [], "identity": metadata.NOBODY}
            for name in names
        ],
    }  # fmt: skip
    accounts = rollup.accounts([], records, [], "")
    return Report(run, records, accounts, chains or {}, **more)


def fleet(number: int) -> Report:
    """Return the run of many targets: a tenth is dead, a seventh is open, no two answers of theirs are the same."""
    whole = report(*(case for at in range(number) for case in _cases(at)))
    targets = [Target(name, f"https://{name}.example", Policy()) for name in whole.names]
    chains = {name: _chain(name, at) for at, name in enumerate(whole.names)}
    return replace(whole, plans=changes.of_run(targets, whole.records, whole.facts), chains=chains)


def _cases(at: int) -> Iterator[Any]:
    name = f"line-{at:03}"
    for place, control in enumerate(catalogue()):
        for number in range(30 if place % 30 < 3 else 2):
            outcome = "compliant"
            more = {"observed": f"GET /flows {number} of {name}.example answered 401 in {at} ms"}
            if at % 10 == 3:
                why = f"{name}.example: connecting timed out" if control == "reach-01" else "see reach-01"
                outcome, more = "could-not-look", {"reason": why}
            elif at % 7 == 0 and control.startswith("admin-0"):
                outcome = "non-compliant"
            elif control.startswith("host"):
                outcome, more = "not-judged", {"reason": "no host is named"}
            elif place % 5 == 0:
                outcome, more = "not-applicable", {"reason": f"{name} has no dashboards"}
            yield record(outcome, control, name, number, **more)


def _chain(name: str, at: int) -> PresentedChain:
    leaf = CertificateFacts(
        0, f"CN={name}", "CN=CA", False, NOW - timedelta(90), NOW + timedelta(at), (f"{name}.example",), (), True,
        f"{at:064x}", key_type="EC", key_bits=256,
    )  # fmt: skip
    return PresentedChain(f"{name}.example", "TLSv1.3", (leaf,), (), "the system's store", NOW, path=(leaf,))
