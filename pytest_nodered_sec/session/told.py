"""What a case's reports tell besides its record: who answered and for the evidence what was seen."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.own_fields import OF_OBSERVATION
from pytest_nodered_sec.session.fixtures import LOOKED, SURVEY
from pytest_nodered_sec.session.state import case_of

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Ask, Observation, Target
    from pytest_nodered_sec.policy.model import Endpoint, Interface, PublicPath

_TOLD: Final = pytest.StashKey[dict[str, dict[str, Any]]]()  # who answered, by target, as the controller knows it


def tell_identity(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add what identifies the target's server to a report, where it has changed since the last report."""
    case = case_of(item) if report.when == "teardown" else None
    survey = item.session.stash.get(SURVEY, None)
    if survey is None or case is None or case.target is None:
        return
    told = item.session.stash.setdefault(_TOLD, {})
    known = survey.identity(case.target)
    if known is not None and known != told.get(case.target.name):
        told[case.target.name] = known
        report.nodered_identity = (case.target.name, known)  # type: ignore[attr-defined]  # crosses from a worker


def server_of(item: pytest.Item, target: Target) -> str:
    """Return what a target's answers have said of its server so far."""
    survey = item.session.stash.get(SURVEY, None)
    known = survey.identity(target) if survey else None
    return str(known.get("server", "")) if known else ""


def tell_looked(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add the observation to the report of its phase, as plain values, for the evidence."""
    if report.when != "setup" or LOOKED not in item.stash:
        return
    case, outcome = case_of(item), item.stash[LOOKED]
    del item.stash[LOOKED]  # or every case would keep its own until the run ends
    if case is None or case.target is None or case.ask is None:
        return
    from pytest_nodered_sec.observations import codec  # knows every kind of observation: only where they are kept

    report.nodered_looked = {  # type: ignore[attr-defined]  # crosses from a worker
        "target": case.target.name,
        "probe": case.ask.probe,
        "args": list(case.ask.args),
        # as bytes: a target may have sent a lone surrogate, which execnet cannot send as text
        "outcome": json.dumps(codec.encode(_kept(outcome), partial(_clean, case.target, case.ask))).encode(),
    }


def _clean(target: Target, ask: Ask, text: str, name: str) -> str:
    """Return a text of an observation without secrets; what was asked or declared is none, and is judged again."""
    if redaction.scrub(text) == text or text in (target.name, target.url, target.hostname, ask.label, *ask.args):
        return text
    if name in OF_OBSERVATION:
        return redaction.scrub_told(text)
    roots = target.url, target.hostname, target.admin_root, target.node_root
    policy = target.policy
    endpoints: tuple[Endpoint | PublicPath | Interface, ...]
    endpoints = *policy.protected_paths, *policy.public_paths, *policy.interfaces
    declared = *target.dashboards, *policy.websockets, *policy.login_urls, *(each.path for each in endpoints)
    places = {place for place in (*roots, *declared, *ask.args) if len(place) > 1 and (place in roots or "/" in place)}
    longest_first = sorted(places, key=len, reverse=True)
    return redaction.scrub_seen(text, re.compile("|".join(map(_as_a_whole, longest_first))))


def _as_a_whole(place: str) -> str:
    """Return the expression of a path, or of a name with or without a port; "hmi" is not meant by "hmi2026"."""
    before, after = (r"(?<![\w-])" if place[0].isalnum() else ""), (r"(?![\w-])" if place[-1].isalnum() else "")
    port = "" if place.startswith("/") else r"(?::\d{1,5})?"
    return before + re.escape(place) + port + after


def _kept(outcome: Observation | ProbeError) -> Observation | ProbeError:
    """Return what the evidence keeps of an observation: its values, or a note if its type is the site's own."""
    from pytest_nodered_sec.observations import codec

    if codec.knows(outcome):
        return outcome
    kind = type(outcome).__name__
    return ProbeError(f"evidence keeps nothing of the kind {kind}, which is the site's own", Cause.NOT_ASKED)
