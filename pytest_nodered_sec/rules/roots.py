"""Whether Node-RED answers at undeclared paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_nodered_sec.verdict import NotApplicable, Severity, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.roots import UndeclaredPlace, UndeclaredPlaces
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict


def nothing_answers_undeclared(seen: UndeclaredPlaces, policy: Policy) -> Verdict:
    """No undeclared path exposes Node-RED to anonymous clients."""
    reasons = [policy.public_reason(place.path) for place in seen.places]
    if reasons and all(reasons):
        return NotApplicable(f"declared public: {reasons[0]}")
    return tuple(
        _finding(place) for place, reason in zip(seen.places, reasons, strict=True) if place.shown and not reason
    )


def _finding(place: UndeclaredPlace) -> Violation:
    """Return the violation; less severe if only Node-RED's own login answers there."""
    login_only = all(glimpse.login for glimpse in place.shown)
    route = (place.usual or place.path).rstrip("/")
    above = f"{place.view.root.rstrip('/')}/".lower().startswith(f"{route}/".lower())
    # Node-RED takes it in any letter case; but a regular expression goes before the target's own location below it.
    pattern = re.sub(r"[^\w/-]", r"\\\g<0>", route)
    location = f"{route}/" if above else f"~* ^{pattern}(/|$)"
    wrong_url = above and not place.view.identity
    meant = (
        "leave the path out of the URL, if the Node-RED above it is the one to test; otherwise " if wrong_url else ""
    )
    return Violation(
        "undeclared-login" if login_only else "undeclared",
        place.evidence(),
        "no Node-RED outside the URL, its roots and the paths in the policy",
        f"{meant}remove the route from the proxy (nginx: location {location} {{ return 404; }}) or put it behind the "
        "same login; if intended, add it as a separate target or list it in the policy (dashboards, "
        "--nodered-node-root, --nodered-admin-root)",
        Severity.MEDIUM if login_only else None,
    )
