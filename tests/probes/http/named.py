"""A name with addresses of choice, nginx behind it, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hostile
from certlab import issue

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.addresses import Addresses
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.reach import addresses_agree

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.model import Ask, Observation
    from pytest_nodered_sec.survey.survey import Survey


ROOT = issue("Addresses", ca=True)
LEAF = issue("localhost", ROOT, dns=["localhost"])

TABLE = 'map $http_upgrade $connection_upgrade { default upgrade; "" ""; }'
PASS = """proxy_http_version 1.1; proxy_set_header Host $http_host;
proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"""
HANDSHAKE = hostile.Reply(200, {"Content-Type": "text/plain"}, b'0{"sid":"abc","upgrades":[],"pingInterval":25000}')


def node_red(request: hostile.Request) -> hostile.Reply | None:
    """A hardened look-alike with an unguarded dashboard."""
    path = request.path.partition("?")[0]
    if path == "/ui":
        return hostile.page("<html ng-app='ui'>Node-RED Dashboard</html>")
    if path == "/ui/socket.io/":
        if request.method == "POST":
            return hostile.Reply(200, {}, b"ok")
        return hostile.Reply(200, HANDSHAKE.headers, b'40{"sid":"x"}') if "sid=" in request.path else HANDSHAKE
    return hostile.FakeNodeRED()(request)


def at(port: int, **settings: Any) -> Target:
    policy = settings.pop("policy", Policy(dashboards=("/ui",)))
    settings = {"http_port": hostile.closed_port(), "direct_port": hostile.closed_port(), **settings}
    return Target("plant", f"https://localhost:{port}", policy, timeout=3.0, **settings)


def guard(folder: Path) -> str:
    (folder / "users").write_text("operator:{PLAIN}right\n")
    return f'auth_basic "plant"; auth_basic_user_file {folder}/users;'


def verdict(survey: Survey, target: Target) -> tuple[Addresses, list[str]]:
    seen = survey.answer(target, questions.ADDRESSES[0])
    assert isinstance(seen, Addresses)
    violations = addresses_agree(seen, target.policy)
    assert isinstance(violations, tuple)
    return seen, [violation.code for violation in violations]


def outcomes(survey: Survey, target: Target, *asks: Ask) -> list[Observation | ProbeError]:
    survey.ask_ahead(target, asks)
    observations: list[Observation | ProbeError] = []
    for ask in asks:
        try:
            observations.append(survey.answer(target, ask))
        except ProbeError as error:
            observations.append(error)
    return observations
