"""What plain HTTP answered, as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.observations.cleartext import PlainAnswer, PlainAttempt, PortState

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import Answer


def plain(*answers: PlainAnswer, default_port: bool = False) -> PlainAttempt:
    return PlainAttempt("editor", "/", 80, default_port, answers)


def met(state: PortState) -> PlainAnswer:
    return PlainAnswer("192.0.2.1", state)


def answered(answer: Answer, address: str = "192.0.2.1", *, indistinct: bool = False) -> PlainAnswer:
    return PlainAnswer(address, PortState.ANSWERED, answer, indistinct)
