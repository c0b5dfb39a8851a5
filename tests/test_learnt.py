"""The forms in which a secret is recognised: as browsers, servers, libraries and pytest itself write it."""

from __future__ import annotations

import base64
import html
import json
import re
import textwrap
import time
from urllib.parse import quote

import pytest
from _pytest._io.saferepr import saferepr

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


SECRET = "Kran!7x/+é&pw"
RAW = SECRET.encode()
TOKEN = base64.urlsafe_b64encode(bytes(range(7, 250))).decode()


def b64(text: bytes) -> str:
    return base64.b64encode(text).decode()


@pytest.mark.parametrize(
    "form",
    [
        "".join(f"&#{ord(letter)};" for letter in SECRET),
        "".join(f"&#x{ord(letter):x};" for letter in SECRET),
        "".join(f"&#X{ord(letter):04X};" for letter in SECRET),
        "Kran&excl;7x&sol;&plus;&eacute;&amp;pw",
        html.escape(html.escape(SECRET)),
        json.dumps(SECRET).replace("&", "\\u0026")[1:-1],  # as Go writes it
        json.dumps(SECRET).replace("/", "\\/")[1:-1],  # as PHP does
        json.dumps(json.dumps(json.dumps(SECRET))),
        "".join(f"\\u{ord(letter):04X}" for letter in SECRET),
        "".join(f"\\x{byte:02x}" for byte in RAW),
        "".join(f"\\{byte:03o}" for byte in RAW),
        "".join(f"%{byte:02x}" for byte in RAW),
        quote(quote(SECRET, safe=""), safe=""),
        html.escape(quote(SECRET)),
        b64(RAW),
        base64.urlsafe_b64encode(RAW).decode().rstrip("="),
        quote(b64(RAW), safe=""),
        *(b64(b"x" * before + b":" + RAW) for before in range(3)),
        b64(b'{"user": "x", "password": "' + RAW + b'", "more": 1}'),
        base64.encodebytes(b"x" * 50 + RAW).decode(),
        *(RAW.hex(mark) for mark in ":- "),
        RAW.hex().upper(),
        ", ".join(f"0x{byte:02x}" for byte in RAW),
        SECRET.upper(),
        SECRET.swapcase(),
        f"{SECRET[:6]}\n{SECRET[6:]}",
        f"'{SECRET[:6]}'\r\n  '{SECRET[6:]}'",
        f"{SECRET[:8]}…",
        f"...{SECRET[5:]}",
        saferepr(f"Bearer {TOKEN}"),  # as pytest shows a long value: its beginning and its end
        saferepr(TOKEN, 30),  # as in the first line of a comparison
        textwrap.fill(TOKEN, 60),
        TOKEN[40:100],
    ],
)
def test_it_is_found_escaped_encoded_in_other_letters_broken_and_cut(form: str) -> None:
    redaction.learn(SECRET, username="operator")
    redaction.learn(TOKEN)
    clean = redaction.scrub(f"<p>before {form} after</p>")
    assert INSTEAD in clean
    left = clean.replace(INSTEAD, "").lower()
    assert left.startswith("<p>before ")
    assert left.endswith(" after</p>")
    for secret, part in ((SECRET, 5), (TOKEN, 12), (b64(RAW), 8), (RAW.hex(), 8)):
        assert not [1 for place in range(len(secret) - part) if secret[place : place + part].lower() in left]


@pytest.mark.parametrize(
    "secret",
    ["12", "2026", "401", "plant", "hydraulic", "12345", "Factory-2026", "correct horse battery staple", "deadbeef",
     "text/html,application/json;q=0.9", "https://gateway-07.plant.example/nodered", "x", "äöü",
     "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"],
)  # fmt: skip
def test_no_other_text_is_taken_for_an_encoded_one_or_for_a_part(secret: str) -> None:
    redaction.learn(secret, username="operator")
    text = (
        "2027-11-30T10:02:07Z GET /flows answered 403 (text/html, 5312 bytes) at https://gateway-07.example/node\n"
        "  'application/json': 3132, MTI=, MjAyNy8xMQ, AB:13:34:56:78:90, 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b…\n"
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, User-Agent: pytest-nodered-sec/1.0 … correct&nbsp;word\\n%31%33 Linux\n"
    )
    assert redaction.scrub(text) == redaction.scrub_told(text) == text


def test_what_is_declared_stays_in_whatever_spelling() -> None:
    redaction.learn("Line-Seven7")
    own = re.compile(re.escape("/ws/LINE-SEVEN7"))
    assert redaction.scrub_seen("GET /ws/LINE-SEVEN7 LINE-SEVEN7", own) == f"GET /ws/LINE-SEVEN7 {INSTEAD}"


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
