"""A finding's remedy as it is shown: for the front that stands there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_nodered_sec.evidence.reworded import reworded
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.remedies.lines import nginx_gate

PLANT = Target("plant", "https://plant.example", Policy())
GATE = f"nginx: {nginx_gate('/ui')}. In Node-RED itself, ioMiddleware of ui can refuse anonymous clients"
FILES = "(--nodered-fix=DIR writes the files)"


def shown(
    control: str, remedy: str, *, instance: str = "/ui", observed: str = "seen", server: str = "", front: Any = ""
) -> str:
    """Return the remedy as a person reads it."""
    findings = [{"code": "x", "severity": "high", "observed": observed, "expected": "", "remedy": remedy}]
    record: dict[str, Any] = {"control": control, "instance": instance, "outcome": "non-compliant", "waiver": None}
    record |= {"target": "plant", "observed": observed, "findings": findings}
    text = f"{control} high x · {observed}\n  expected  401\n  remedy    {remedy}\n  waiver    of another"
    target = replace(PLANT, policy=replace(PLANT.policy, front=front))
    changed = reworded(text, record, target, server)
    assert changed.startswith(f"{control} high x · {observed}\n  expected  401\n")
    assert changed.endswith("\n  waiver    of another")
    return changed.partition("  remedy    ")[2].partition("\n")[0]


@pytest.mark.parametrize(("server", "front", "name"), [("Caddy", "", "Caddy"), ("", "haproxy", "HAProxy")])
def test_it_is_the_change_of_the_plan(server: str, front: Any, name: str) -> None:
    gate = f"{name}: require a login for /ui, everything below it and its live channel {FILES}"
    assert shown("dash-02", GATE, server=server, front=front) == gate
    gate = f"{name}: require a login for /dashboard, everything below it and its live channel {FILES}"
    assert shown("dash-04", GATE, instance="/dashboard/_setup", server=server, front=front) == gate
    redirect = shown("http-02", "nginx, server on port 80: return 308 https://$host;", server=server, front=front)
    assert redirect.startswith(f"{name}: answer plain HTTP only with a redirect to HTTPS")


def test_what_the_plan_has_in_nginxs_words_only_is_said_to_be_nginxs() -> None:
    own = "nginx: limit_req zone=login"
    assert shown("site-01", own, server="Caddy") == f"Caddy: the same as this does in nginx: {own}"


@pytest.mark.parametrize(
    ("server", "front", "observed", "remedy"),
    [
        ("nginx/1.22", "", "seen", GATE),
        ("", "", "seen", GATE),  # nobody knows what stands there
        ("Caddy", "none", "seen", GATE),
        ("Caddy", "", "nginx -T: no login", GATE),  # nginx is there as well
        ("Caddy", "", "seen", "settings.js: disableEditor: true"),
    ],
)
def test_all_else_stays(server: str, front: Any, observed: str, remedy: str) -> None:
    assert shown("dash-02", remedy, observed=observed, server=server, front=front) == remedy
