"""Where redaction ends: what is judged yet, what is computed, what is our own."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest

from pytest_nodered_sec import own_fields, redaction
from pytest_nodered_sec.learnt import INSTEAD, Runs
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.observations import codec
from pytest_nodered_sec.observations.flows import Entry
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.session import told


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_runs", Runs(lambda: lambda: None))


def test_a_header_is_judged_as_it_came_but_for_what_is_more_than_a_word() -> None:
    redaction.learn("12")
    redaction.learn("plant.example")
    assert redaction.scrub_told("max-age=12; https://plant.example") == "max-age=12; https://plant.example"
    redaction.learn("hunter22")
    assert redaction.scrub_told("max-age=12; hunter22") == f"max-age=12; {INSTEAD}"


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "::1:12", "0.1.12", "2026-12-01", "2026-12-01T12:12:12+00:00", "ab2026cd" * 8, "v18.12.0-git"],
)
def test_what_is_computed_keeps_the_letters_of_a_short_secret(text: str) -> None:
    for secret in ("12", "127", "2026"):
        redaction.learn(secret)
    assert redaction.scrub(text) != text
    assert redaction.scrub_seen(text) == text
    assert INSTEAD in redaction.scrub_seen(f"told {text}")
    redaction.learn(text)
    assert redaction.scrub_seen(text) == INSTEAD


@pytest.mark.parametrize(
    "text",
    ["1001:483920", "v1.483920", "1.483920", "2026-11-01 483920", "1.2-kran", "12:kran7", "1001:48392", "::1%kran"],
)
def test_what_only_resembles_something_computed_loses_every_secret(text: str) -> None:
    for secret in ("483920", "48392", "kran", "kran7"):
        redaction.learn(secret)
    assert INSTEAD in redaction.scrub_seen(text)


@pytest.mark.parametrize(
    ("secret", "real"),
    [
        *(("Kran!7x", True), ("hmi2026", True), ("483920", True), ("HuNter", True), ("my/ui", True), ("p@ss", True)),
        *(("Kran", False), ("plant", False), ("GET", False), ("12", False), ("1880", False), ("86400", False)),
    ],
)
def test_of_four_characters_a_secret_is_real_unless_it_is_a_word_or_a_number(secret: str, real: bool) -> None:
    redaction.learn(secret)
    assert (INSTEAD in redaction.scrub_told(f"a {secret} b")) is real


def test_what_is_cut_loses_its_secrets_before() -> None:
    redaction.learn("plant")
    assert redaction.before_cut("the plant", 9) == "the plant"
    assert redaction.before_cut("the plant", 8) == f"the {INSTEAD}"
    assert redaction.before_cut("\x1bthe plant", 10) == f"\x1bthe {INSTEAD}"  # \x1b takes four to show


def test_a_long_secret_in_what_looks_computed_goes() -> None:
    redaction.learn("0123456789abcdef")
    assert redaction.scrub_seen("ab" * 12 + "0123456789abcdef") == "ab" * 12 + INSTEAD


def test_plain_values_keep_their_keys_and_the_fields_that_are_ours() -> None:
    redaction.learn("plant")
    value = {"name": "plant", "codes": ["plant"], "plant": "a plant", "rows": [{"name": "plant", "said": ["plant"]}]}
    assert redaction.scrub_fields(value, {"name", "codes", "rows"}) == {
        "name": "plant", "codes": ["plant"], "plant": f"a {INSTEAD}", "rows": [{"name": "plant", "said": [INSTEAD]}],
    }  # fmt: skip


def test_of_a_policy_only_prose_is_searched() -> None:
    redaction.learn("12")
    text = 'expires = 2026-12-31\nreason = "code \\"12\\""\ntls = {value = "12", reason = "12, for now"}  # reason 12\n'
    clean = redaction.scrub_policy(text)
    assert clean == text.replace('\\"12\\"', f'\\"{INSTEAD}\\"').replace('"12, for', f'"{INSTEAD}, for')
    plain = {"expires": "2026-12-31", "waivers": [{"reason": "12", "value": 12}], "reason": None}
    assert redaction.scrub_policy(plain)["waivers"] == [{"reason": INSTEAD, "value": 12}]


def test_words_that_rules_know_are_kept_where_they_look_for_them() -> None:
    kinds = [kind for kind in codec._classes().values() if dataclasses.is_dataclass(kind)]
    assert {field.name for kind in kinds for field in dataclasses.fields(kind)} >= own_fields.OF_OBSERVATION
    for secret in ("http", "orders", "GET", "hunter22"):
        redaction.learn(secret)
    entry = Entry("http", "/orders/hunter22", "GET")
    clean = partial(told._clean, Target("plant", "https://plant.example", Policy()), Ask("entries"))
    seen = codec.decode(codec.encode(entry, clean))
    assert seen == dataclasses.replace(entry, where=f"/{INSTEAD}/{INSTEAD}")
    assert codec.encode(dataclasses.replace(entry, kind="hunter22"), clean)["kind"] == INSTEAD
