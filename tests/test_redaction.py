"""Secrets are removed from every text that leaves the process, in every form in which they turn up."""

from __future__ import annotations

import base64
import contextvars
import io
import logging
import sys
import threading
import traceback
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest

from pytest_nodered_sec import redaction, threads
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.learnt import INSTEAD, Runs
from pytest_nodered_sec.model import Credentials
from pytest_nodered_sec.probes.host import parse, way

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = 'hun ter/2"é'


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_runs", Runs(redaction._watch_logging))
    factory = logging.getLogRecordFactory()
    monkeypatch.setattr(logging.Logger, "handle", logging.Logger.handle)
    yield
    logging.setLogRecordFactory(factory)


@pytest.mark.parametrize(
    "form",
    [SECRET, quote(SECRET), quote(SECRET, safe=""), 'hun ter/2\\"\\u00e9', 'hun ter/2\\"é', repr(SECRET),
     quote(SECRET, safe="").lower(), "hun ter/2&quot;é",
     SECRET.encode().decode("latin-1"),
     base64.b64encode(f"operator:{SECRET}".encode()).decode()],
)  # fmt: skip
def test_every_form_is_removed(form: str) -> None:
    redaction.learn(SECRET, username="operator")
    assert "hun" not in redaction.scrub(f"before {form} after")
    assert INSTEAD in redaction.scrub(f"before {form} after")


@pytest.mark.parametrize(
    ("issued", "learnt"),
    [
        ("test_anonymous_read_is_refused", False),
        ("gateway-07.plant.example", False),
        ("critical", False),
        ("8f14e45fceea167a5a36dedd4bea2543", True),
        ("s%3AjqT2Lw0mXk4v.9QzA1", True),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.sJ9", True),
    ],
)
def test_no_target_has_words_removed_by_issuing_them(issued: str, learnt: bool) -> None:
    redaction.learn_issued(issued)
    assert (redaction.scrub(f"x {issued} y") == "x [redacted] y") is learnt


def test_nothing_is_changed_before_something_is_learnt() -> None:
    report = SimpleNamespace(longrepr=SECRET)
    redaction.learn("")
    assert redaction.scrub(SECRET) == SECRET
    assert redaction.scrub_within(report).longrepr == SECRET


def test_a_text_that_was_clean_is_not_once_its_secret_is_learnt() -> None:
    redaction.learn("hunter2-first")
    text = "hunter2-second is said"
    assert redaction.scrub(text) is text
    redaction.learn("hunter2-second")
    assert redaction.scrub(text) == f"{INSTEAD} is said"


def test_a_short_secret_is_removed_as_a_word_only() -> None:
    redaction.learn("abc")
    assert redaction.scrub("abc abcd x-abc") == "[redacted] abcd x-[redacted]"


def test_the_longer_of_two_secrets_wins() -> None:
    redaction.learn("hunter")
    redaction.learn("hunter22")
    redaction.learn("hunter")
    assert redaction.scrub("hunter22 hunter") == "[redacted] [redacted]"


@pytest.mark.parametrize("before", [185, 190, 197])
def test_a_long_last_line_of_a_host_is_cut_without_half_a_secret(before: int) -> None:
    redaction.learn("hunter22")
    line = "x" * before + " hunter22 was refused"
    for shown in (parse.why(parse.Section(line, 1)), way._reason(OSError(line))):
        assert "hunt" not in shown
        assert len(shown) <= 200


def test_containers_and_objects_are_searched_even_in_a_circle() -> None:
    redaction.learn("hunter22")
    inner = SimpleNamespace(lines=["a hunter22", ("b", "hunter22")], table={"k": "hunter22"}, number=3, none=None)
    outer = SimpleNamespace(inner=inner, sections=[("log", "hunter22")])
    inner.outer = outer
    assert redaction.scrub_within(outer) is outer
    assert inner.lines == ["a [redacted]", ("b", "[redacted]")]
    assert inner.table == {"k": "[redacted]"}
    assert outer.sections == [("log", "[redacted]")]


def test_one_object_that_stands_in_several_places_is_clean_in_all_of_them() -> None:
    redaction.learn("hunter22")
    pair = ("user", "hunter22")
    report = SimpleNamespace(first=pair, second=pair, table={"a": pair, "b": [pair, (pair, pair)]})
    redaction.scrub_within(report)
    assert "hunter22" not in repr(report)
    assert report.table["b"][1][0] == ("user", "[redacted]")


def test_the_identity_of_a_tuple_that_was_replaced_is_not_taken_for_another() -> None:
    redaction.learn("hunter22")
    report = [[(f"{number}", "hunter22")] for number in range(500)]
    assert "hunter22" not in repr(redaction.scrub_within(report))


@dataclass(frozen=True, slots=True)
class Slotted:
    text: str


class Pair(NamedTuple):
    name: str
    text: str


@pytest.mark.parametrize(
    "value",
    [
        {"hunter22": 1},
        {"a": {"hunter22", "b"}},
        frozenset({"hunter22"}),
        b"token=hunter22",
        Pair("a", "hunter22"),
        [Slotted("hunter22")],
        SimpleNamespace(deep=Slotted("hunter22")),
    ],
)
def test_every_kind_of_container_is_searched(value: object) -> None:
    redaction.learn("hunter22")
    clean = redaction.scrub_within(value)
    assert "hunter22" not in repr(clean)
    assert "[redacted]" in repr(clean)
    assert type(clean) is type(value)


def test_a_tuple_within_itself_ends_the_search() -> None:
    redaction.learn("hunter22")
    inner: list[object] = ["hunter22"]
    outer = (inner, "hunter22")
    inner.append(outer)
    assert "hunter22" not in repr(redaction.scrub_within(outer))


def test_log_records_are_clean_when_they_are_made(caplog: pytest.LogCaptureFixture) -> None:
    redaction.learn("hunter22")
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").debug("GET %s", "/x?token=hunter22")
    logging.getLogger("urllib3").debug("GET %s", "/y")
    assert caplog.messages == ["GET /x?token=[redacted]", "GET /y"]


def test_what_is_learnt_is_kept_until_the_last_run_has_ended() -> None:
    factory, method = logging.getLogRecordFactory(), logging.Logger.handle
    redaction.learn("hunter-before")  # as a conftest.py does, which is read before a run begins
    end_outer = redaction.begin()
    end_inner = redaction.begin()
    redaction.learn("hunter-inner")
    end_inner()
    assert redaction.scrub("hunter-before hunter-inner") == "[redacted] [redacted]"
    end_outer()
    assert redaction.scrub("hunter-before hunter-inner") == "hunter-before hunter-inner"
    assert logging.getLogRecordFactory() is factory
    assert logging.Logger.handle is method


def test_a_thread_learns_for_the_run_that_started_it_whatever_runs_meanwhile() -> None:
    ends, go, said = [redaction.begin()], threading.Event(), []

    def look() -> None:
        go.wait(5)
        redaction.learn("hunter-outer")
        said.append(redaction.scrub("hunter-outer hunter-inner"))

    thread = threads.start(look)
    ends.append(redaction.begin())
    redaction.learn("hunter-inner")
    go.set()
    thread.join(5)
    assert said == ["[redacted] [redacted]"]
    assert redaction.scrub("hunter-outer hunter-inner") == "hunter-outer [redacted]"
    ends.pop()()
    redaction.begin()  # the next one inside
    assert redaction.scrub("hunter-outer hunter-inner") == "[redacted] hunter-inner"
    ends.pop()()


def test_a_thread_of_the_site_belongs_to_the_innermost_run() -> None:
    end = redaction.begin()
    said: list[str] = []

    def own() -> None:
        redaction.learn("hunter-own")
        said.append(redaction.scrub("hunter-own"))

    thread = threading.Thread(target=own)
    thread.start()
    thread.join(5)
    assert said == ["[redacted]"]
    assert redaction.scrub("hunter-own") == "[redacted]"
    end()


def test_a_run_may_be_ended_in_another_context() -> None:
    end = redaction.begin()
    redaction.learn("hunter22")
    contextvars.Context().run(end)
    assert redaction.scrub("hunter22") == "hunter22"


def test_what_a_conftest_learns_is_its_runs_and_what_was_learnt_before_is_not() -> None:
    redaction.learn("of-a-unit-test")
    redaction.come()
    redaction.learn("of-the-conftest")
    end = redaction.begin()
    assert redaction.scrub("of-a-unit-test of-the-conftest") == "of-a-unit-test [redacted]"
    redaction.come()
    redaction.learn("of-an-inner-conftest")
    end_inner = redaction.begin()
    assert redaction.scrub("of-the-conftest of-an-inner-conftest") == "[redacted] [redacted]"
    end_inner()
    end_next = redaction.begin()
    assert redaction.scrub("of-the-conftest of-an-inner-conftest") == "[redacted] of-an-inner-conftest"
    end_next()
    assert redaction.scrub("of-the-conftest of-an-inner-conftest") == "[redacted] [redacted]"
    end()


def test_a_secret_is_learnt_again_in_the_next_run(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        end = redaction.begin()
        redaction.learn("hunter22")
        logging.getLogger("plant").warning("it is hunter22")
        end()
    assert caplog.messages == ["it is [redacted]"] * 2


def test_the_log_hook_of_somebody_else_stays_when_a_run_ends() -> None:
    end = redaction.begin()
    redaction.learn("hunter22")
    inner = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:  # Any: logging's own signature, passed through
        return inner(*args, **kwargs)

    logging.setLogRecordFactory(make)
    end()
    assert logging.getLogRecordFactory() is make


def test_credentials_that_outlive_a_run_are_hidden_by_the_look_that_uses_them() -> None:
    end = redaction.begin()
    account = Credentials("operator", "hunter22")
    end()
    account.hide()
    assert redaction.scrub("hunter22") == "[redacted]"


class Own(Exception):
    def __init__(self, text: str, request: object) -> None:
        super().__init__("own")
        self.text = text
        self.request = request

    def __str__(self) -> str:
        return self.text


def _noted() -> Exception:
    error = ValueError("plain")
    error.add_note("a note of hunter22")
    return error


def _caused() -> Exception:
    error = ValueError("plain")
    error.__cause__ = KeyError("hunter22")
    error.__cause__.__context__ = error  # a circle
    return error


@pytest.mark.parametrize(
    "error",
    [
        ValueError("hunter22", 3),
        KeyError("hunter22"),
        KeyError(b"hunter22"),
        ValueError({"password": "hunter22"}),
        OSError(2, "hunter22", "/etc/hunter22"),
        OSError("hunter22"),
        ImportError("hunter22"),
        SystemExit("hunter22"),
        Own("hunter22", None),
        pytest.fail.Exception("hunter22"),
        ProbeError("GET /?hunter22", Cause.TIMEOUT),
        ExceptionGroup("several", [ValueError("hunter22"), _noted()]),
        _noted(),
        _caused(),
    ],
    ids=repr,
)
def test_an_exception_loses_its_secrets(error: BaseException) -> None:
    redaction.learn("hunter22")
    redaction.scrub_exception(error)
    text = "".join(traceback.format_exception(error))
    assert "hunter22" not in text + repr(error.args)
    assert "[redacted]" in text


def test_an_exception_without_secrets_and_what_it_refers_to_stay_as_they_are() -> None:
    redaction.scrub_exception(ValueError("hunter22"))  # nothing was learnt
    redaction.learn("hunter22")
    request = SimpleNamespace(headers={"Authorization": "Bearer hunter22"})
    error = Own("plain", request)
    values: tuple[object, ...] = (object(), 3, [])
    other = ValueError(*values)
    redaction.scrub_exception(error)
    redaction.scrub_exception(other)
    assert request.headers == {"Authorization": "Bearer hunter22"}  # it may be sent again
    assert all(new is old for new, old in zip(other.args, values, strict=True))


LOGGER = logging.getLogger("plant")


def test_a_malformed_log_call_ends_as_without_us(caplog: pytest.LogCaptureFixture) -> None:
    """logging prints what is wrong with the call and goes on; it does not raise in the caller."""
    redaction.learn("hunter22")
    shown = io.StringIO()
    handler = logging.StreamHandler(shown)
    LOGGER.addHandler(handler)
    LOGGER.propagate = False
    argument = {"password": "hunter22"}
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", errors := io.StringIO())
            LOGGER.warning("%d of hunter22", "hunter22")
            LOGGER.warning("%s %s", argument)
            LOGGER.warning("%(user)d", {"user": "hunter22"})
            LOGGER.warning("no place", 1, argument, "hunter22")
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.propagate = True
    assert errors.getvalue().count("--- Logging error ---") == 4
    logged = [line for line in errors.getvalue().splitlines() if line.startswith(("Message:", "Arguments:"))]
    assert len(logged) == 8
    assert not any("hunter22" in line for line in logged)
    assert argument == {"password": "hunter22"}  # what the site passed is its own


def test_tracebacks_stacks_and_extras_of_log_records_are_clean(caplog: pytest.LogCaptureFixture) -> None:
    redaction.learn("hunter22")
    try:
        try:
            raise KeyError("hunter22")
        except KeyError as error:
            raise ValueError("no account") from error
    except ValueError:
        LOGGER.exception("sign-in failed")
    LOGGER.error("stack", stack_info=True, extra={"header": "Bearer hunter22", "account": {"password": "hunter22"}})
    LOGGER.error("plain", exc_info=(ValueError, ValueError("harmless"), None), extra={"number": 3})
    failed, stack, plain = caplog.records
    assert "KeyError: '[redacted]'" in caplog.text
    assert "ValueError: no account" in caplog.text
    assert "hunter22" not in caplog.text
    assert failed.exc_info is None
    assert "hunter22" not in repr(vars(stack))
    assert vars(stack)["header"] == "Bearer [redacted]"
    assert plain.exc_info is not None
    assert vars(plain)["number"] == 3
