"""The table of known passwords: what is tried, in which order, and what may not stand in it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.data.known_credentials import PER_USER, is_public, known_pairs, parse, to_try

if TYPE_CHECKING:
    from pytest_nodered_sec.data.known_credentials import Kind

ROW = '[[pair]]\nusername = "a"\npassword = "b"\nkind = "both"\nsource = "s"\npublished = ["p"]\n'


def pairs(kind: Kind, *own: tuple[str, str]) -> list[tuple[str, str]]:
    return [(one.username, one.password) for one in to_try(kind, own)]


def test_the_likeliest_come_first_and_a_blank_password_only_where_it_can_log_in() -> None:
    assert pairs("login")[0] == pairs("basic")[0] == ("admin", "password")
    assert ("admin", "") in pairs("basic")
    assert all(password for _, password in pairs("login"))


@pytest.mark.parametrize("kind", ["login", "basic"])
def test_every_bundled_pair_is_tried_where_a_site_names_none(kind: Kind) -> None:
    assert pairs(kind) == [(one.username, one.password) for one in known_pairs(kind)]
    assert len(known_pairs("basic")) <= 3


def test_a_sites_own_come_first_and_count() -> None:
    own = (("admin", "x"), ("line", "a"), ("line", "b"), ("line", "c"), ("admin", "x"), ("user", ""))
    login, basic = pairs("login", *own), pairs("basic", *own)
    assert login[:3] == [("admin", "x"), ("line", "a"), ("line", "b")]
    assert ("user", "") not in login
    assert ("user", "") in basic
    assert ("admin", "password") in login
    assert max(Counter(name for name, _ in login).values()) == PER_USER


def test_a_password_is_not_shown() -> None:
    (one, *_) = to_try("login", [("line", "hunter2")])
    assert "hunter2" not in repr(one)
    assert one.told == "a password that the policy names"


def test_what_is_published_is_public() -> None:
    assert is_public("password")
    assert not is_public("hunter2")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ROW.replace('source = "s"\n', ""), "give username, password, kind, source and published"),
        (ROW.replace("both", "ssh"), "kind must be one of login, basic, both"),
        (ROW.replace('"s"', '""'), "only the password may be empty"),
        (ROW.replace('"b"', '""'), "takes no blank password"),
        (ROW * 3, "would never be tried"),
    ],
)
def test_a_wrong_row_is_named(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(text)
