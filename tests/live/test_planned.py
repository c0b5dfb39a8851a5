"""What the plan says is what is sent: every request to real deployments stands in it."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest
from suite_controls import CONTROLS

from pytest_nodered_sec import lab, plan
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.channels import handshake
from pytest_nodered_sec.probes.http.side_ports import Entrance
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.session.lab_targets import prepare_lab
from pytest_nodered_sec.session.settings import Settings
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.model import Ask, Target

pytestmark = pytest.mark.live
DEPLOYMENTS = (
    "fresh@5",
    "hardened@4",
    "named@5",
    "moved@5",
    "any-origin@4",
    "interfaces@4",
    "public-acting@5",
)


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    with lab.start(list(DEPLOYMENTS), say=lambda line: None) as running:
        prepared = prepare_lab(Settings({}, {}, {}), None, running.deployments)
        yield {ready.target.name.removeprefix("lab-"): ready.target for ready in prepared}


def normal(path: str) -> str:
    """Return a path as the plan writes it; a redirect that adds a slash is not in it."""
    path, comma, where = path.partition(", ")
    path = re.sub(r"/[a-z]{24}(?=$|/xhr$|[.][a-z]+$)", "/<random>", path)
    path = re.sub(r"sid=[\w-]+", "sid=<sid>", path)
    path = re.sub(r"keep=[0-9a-f]+", "keep=<hex>", path)
    head, question, query = path.partition("?")
    return head.rstrip("/") + question + query + comma + where


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_what_is_sent_was_planned(name: str, targets: dict[str, Target], monkeypatch: pytest.MonkeyPatch) -> None:
    target = targets[name]
    sent: set[tuple[str, str, bool]] = set()
    ask_really, upgrade_really, visit_really = Look.ask, handshake.upgrade, Entrance.ask

    def ask(self: Look, method: str, path: str, **more: Any) -> Any:
        sent.add((method, normal(path), bool(more.get("plain_address"))))
        return ask_really(self, method, path, **more)

    def upgrade(look: Look, path: str, *more: Any, **rest: Any) -> Any:
        where = ", under its address" if more[3:] and more[3] else ""
        sent.add(("GET", normal(path + where), bool(more[2:] and more[2])))
        return upgrade_really(look, path, *more, **rest)

    def visit(self: Entrance, method: str, path: str, *more: Any) -> Any:
        kinds = {"port": "at Node-RED's own port", "the address": "under its address"}
        kinds["after"] = "after a PROXY header"
        where = next((said for kind, said in kinds.items() if self.where.startswith(kind)), "as a name that nobody has")
        where = where if self.tls or not where.startswith("under") else f"in clear {where}"
        sent.add((method, normal(f"{path}, {where}"), False))
        return visit_really(self, method, path, *more)

    monkeypatch.setattr(Entrance, "ask", visit)
    monkeypatch.setattr(Look, "ask", ask)
    for module in ("channels.handshake", "channels.websocket", "http.cleartext", "http.asking", "channels.dashboard"):
        monkeypatch.setattr(f"pytest_nodered_sec.probes.{module}.upgrade", upgrade)
    asks = [ask for control in CONTROLS.values() for ask in control.asks(target) if can_be_asked(ask, target)]
    survey = Survey()
    try:
        survey.ask_ahead(target, asks)
        for question in asks:
            with contextlib.suppress(ProbeError):
                survey.answer(target, question)
    finally:
        survey.close()
    planned = {
        (request.method, normal(request.path), request.plain)
        for request in plan.requests_to(target, [("", question) for question in asks])
    }
    assert sent - planned == set()
    assert len(sent) > len(planned) * 0.25


def can_be_asked(ask: Ask, target: Target) -> bool:
    return not (ask.needs and not getattr(target, ask.needs)) and not plan.does_not_arise(target, ask)
