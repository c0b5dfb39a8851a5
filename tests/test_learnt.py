"""The forms in which a secret is recognised: as browsers, servers, libraries and pytest itself write it."""

from __future__ import annotations

import time

import pytest

from pytest_nodered_sec import redaction
from pytest_nodered_sec.learnt import INSTEAD, Runs


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_runs", Runs(lambda: lambda: None))


@pytest.mark.parametrize(
    ("secret", "form"),
    [
        ("it's (me)!*", "it's%20(me)!*"),  # encodeURIComponent
        ("it's (me)!*", "it%27s+%28me%29%21%2A"),
        ("a;b,c/d?e:f@g&h=i+j$k#l m", "a;b,c/d?e:f@g&h=i+j$k#l%20m"),  # encodeURI
        ("it's (me)!*", "it%27s%20(me)!*"),  # a URL's query, as browsers send it
        ("a~b c", "a%7Eb+c"),
        ("a%20b-c", "a%2520b-c"),
        ("s%3Aab12cd34ef56gh78.Q2x+YQ", "s:ab12cd34ef56gh78.Q2x+YQ"),
        ("Straße-1", "Stra\\xdfe-1"),
        ("Straße-1", "stra\\u00dfe-1"),
        ("Straße-1", "Stra%dfe-1"),
        ("Straße-1", "Stra%DFe-1"),
        ("Straße-1", "Stra%c3%9fe-1"),
        ("tab\tbed", "tab\\tbed"),
        ("5\N{EURO SIGN}-note", "5\\u20ac-note"),
        ("Kran", "x-kran"),
    ],
)
def test_forms_that_browsers_servers_and_pytest_write_are_removed(secret: str, form: str) -> None:
    redaction.learn(secret)
    assert redaction.scrub(f"before {form} after") in (f"before {INSTEAD} after", f"before x-{INSTEAD} after")


def test_a_secret_that_is_no_text_is_learnt() -> None:
    redaction.learn("hunter\udcff22")
    assert redaction.scrub("a hunter%FF22 b") == f"a {INSTEAD} b"


@pytest.mark.parametrize("marks", ["\\", "%25", "%", "%2", "% +%25", " "])
def test_no_text_takes_long_whatever_marks_a_target_issues(marks: str) -> None:
    """A token or cookie is a target's own choice: each of its marks may come in several forms."""
    issued = "abcdefg1" + marks * 60
    redaction.learn_issued(issued + "Z")
    begun = time.process_time()
    for text in (issued * 5, issued + marks * 600, issued.replace("%", "%25") * 3, issued.replace("\\", "\\\\")):
        assert redaction.scrub(text) == text
    assert time.process_time() - begun < 1


def test_the_passwords_of_a_fleet_take_no_longer_than_few() -> None:
    for number in range(400):
        redaction.learn(f"S3cret-of-{number}!x/y", username="operator")
    redaction.scrub("compiled now")
    begun = time.process_time()
    redaction.scrub("2026-12-01T10:02:07Z GET /flows answered 401 (text/html, 12 bytes) " * 1500)
    assert time.process_time() - begun < 0.5
