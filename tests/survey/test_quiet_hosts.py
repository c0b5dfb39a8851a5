"""A quiet target keeps its whole host quiet, whichever of the host's targets is asked first."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport import pace
from pytest_nodered_sec.survey.survey import Survey


@dataclass
class Counting:
    """A look-alike of Node-RED that counts how many requests it answers at once."""

    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: hostile.Request) -> hostile.Reply | None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        with self.lock:
            self.now -= 1
        return hostile.FakeNodeRED()(request)


@pytest.mark.parametrize("known", [True, False], ids=["known ahead", "turns up later"])
def test_a_normal_target_on_the_host_of_a_quiet_one_is_asked_quietly(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_AFTER_SUCCESS", 0.01)
    monkeypatch.setattr(pace, "_AFTER_REFUSAL", 0.01)
    counting = Counting()
    with hostile.serving(counting) as server:
        normal = Target("normal", server.url, Policy(), timeout=5)
        quiet = Target("quiet", server.url, Policy(pace="quiet"), timeout=5)
        survey = Survey(None, [normal, quiet] if known else ())
        try:
            if not known:
                survey.answer(normal, questions.LOGIN_OFFER[0])
                survey.answer(quiet, questions.LOGIN_OFFER[0])
                counting.most = 0
            asks = list(questions.guarded_reads(normal))[:12]
            survey.ask_ahead(normal, asks)
            for ask in asks:
                survey.answer(normal, ask)
        finally:
            survey.close()
    assert counting.most == 1


def test_a_quiet_name_keeps_its_address_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_AFTER_SUCCESS", 0.01)
    monkeypatch.setattr(pace, "_AFTER_REFUSAL", 0.01)
    counting = Counting()
    with hostile.serving(counting) as server:
        port = server.url.rpartition(":")[2]
        normal = Target("normal", "https://line-7.example", Policy(), timeout=5, connect=f"127.0.0.1:{port}")
        quiet = Target("quiet", f"https://localhost:{port}", Policy(pace="quiet"), timeout=5)
        survey = Survey(None, [normal, quiet])
        try:
            asks = list(questions.guarded_reads(normal))[:12]
            survey.ask_ahead(normal, asks)
            for ask in asks:
                survey.answer(normal, ask)
        finally:
            survey.close()
    assert counting.most == 1


def test_without_a_quiet_one_they_are_asked_side_by_side() -> None:
    counting = Counting()
    with hostile.serving(counting) as server:
        normal = Target("normal", server.url, Policy(), timeout=5)
        survey = Survey(None, [normal])
        asks = list(questions.guarded_reads(normal))
        survey.ask_ahead(normal, asks)
        for ask in asks:
            survey.answer(normal, ask)
        survey.close()
    assert counting.most > 1
