"""Secrets are removed from every text that leaves the process, in every form in which they turn up."""

from __future__ import annotations

import base64
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from pytest_nodered_sec import redaction

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = 'hun ter/2"é'


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_forms", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)


@pytest.mark.parametrize(
    "form",
    [SECRET, quote(SECRET), quote(SECRET, safe=""), 'hun ter/2\\"\\u00e9', repr(SECRET),
     base64.b64encode(f"operator:{SECRET}".encode()).decode()],
)  # fmt: skip
def test_every_form_is_removed(form: str) -> None:
    redaction.learn(SECRET, username="operator")
    assert "hun" not in redaction.scrub(f"before {form} after")
    assert redaction.INSTEAD in redaction.scrub(f"before {form} after")


def test_nothing_is_changed_before_something_is_learnt() -> None:
    report = SimpleNamespace(longrepr=SECRET)
    redaction.learn("")
    assert redaction.scrub(SECRET) == SECRET
    assert redaction.scrub_within(report).longrepr == SECRET


def test_a_short_secret_is_removed_as_a_word_only() -> None:
    redaction.learn("abc")
    assert redaction.scrub("abc abcd x-abc") == "[redacted] abcd x-[redacted]"


def test_the_longer_of_two_secrets_wins() -> None:
    redaction.learn("hunter")
    redaction.learn("hunter22")
    redaction.learn("hunter")
    assert redaction.scrub("hunter22 hunter") == "[redacted] [redacted]"


def test_containers_and_objects_are_searched_even_in_a_circle() -> None:
    redaction.learn("hunter22")
    inner = SimpleNamespace(lines=["a hunter22", ("b", "hunter22")], table={"k": "hunter22"}, number=3, none=None)
    outer = SimpleNamespace(inner=inner, sections=[("log", "hunter22")])
    inner.outer = outer
    assert redaction.scrub_within(outer) is outer
    assert inner.lines == ["a [redacted]", ("b", "[redacted]")]
    assert inner.table == {"k": "[redacted]"}
    assert outer.sections == [("log", "[redacted]")]


def test_log_records_are_clean_when_they_are_made(caplog: pytest.LogCaptureFixture) -> None:
    redaction.learn("hunter22")
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").debug("GET %s", "/x?token=hunter22")
    logging.getLogger("urllib3").debug("GET %s", "/y")
    assert caplog.messages == ["GET /x?token=[redacted]", "GET /y"]
