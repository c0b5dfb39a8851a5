"""The table of known passwords: what is tried, in which order, and what may not stand in it."""

from __future__ import annotations

from collections import Counter

import pytest

from pytest_nodered_sec.data.known_credentials import (
    PER_REALM,
    Kind,
    credentials_checked,
    is_public,
    known_pairs,
    left_out,
    parse,
    to_try,
)

ROW = '[[login]]\nusername = "a"\npassword = "b"\nsource = "s"\npublished = ["p"]\n'


def pairs(kind: Kind, *own: tuple[str, str], locks: bool | None = None) -> list[tuple[str, str]]:
    tried = to_try(kind, own, locks=kind == "login" if locks is None else locks)
    return [(pair.username, pair.password) for pair in tried]


def test_the_likeliest_come_first_and_a_blank_password_only_where_it_can_log_in() -> None:
    assert pairs("login")[0] == ("admin", "password")
    assert pairs("node_red") == [("user", "password"), ("admin", "password"), ("admin", "admin")]
    assert pairs("proxy") == [("admin", "admin"), ("admin", "password"), ("admin", "")]
    assert all(password for _, password in pairs("login"))
    assert credentials_checked().year >= 2026


@pytest.mark.parametrize("kind", ["login", "node_red", "proxy"])
def test_every_bundled_pair_is_tried_where_a_site_names_none(kind: Kind) -> None:
    assert pairs(kind) == [(pair.username, pair.password) for pair in known_pairs(kind)]


def test_a_log_in_that_locks_gets_one_attempt_for_each_user_name() -> None:
    own = (("admin", "x"), ("line", "a"), ("line", "b"), ("admin", "x"), ("user", ""))
    login = pairs("login", *own)
    assert login[:2] == [("admin", "x"), ("line", "a")]
    assert ("user", "") not in login
    assert max(Counter(name for name, _ in login).values()) == 1
    assert left_out("login", own, locks=True) == ("line", "user")
    assert left_out("login", own[:2], locks=True) == ()


def test_a_basic_login_gets_three_the_sites_own_first() -> None:
    own = (("admin", "x"), ("admin", "y"), ("line", ""), ("line", "z"))
    assert pairs("proxy", *own) == [("admin", "x"), ("admin", "y"), ("line", "")]
    assert left_out("proxy", own, locks=False) == ("line",)
    assert pairs("proxy", ("line", "z")) == [("line", "z"), ("admin", "admin"), ("admin", "password")]
    assert len(pairs("node_red", ("line", "z"))) == PER_REALM
    assert pairs("proxy", locks=True) == [("admin", "admin")]  # accounts of a directory


def test_a_password_is_not_shown() -> None:
    (pair, *_) = to_try("login", [("line", "hunter2")], locks=True)
    assert "hunter2" not in repr(pair)
    assert pair.told == "a password that the policy names"


def test_what_is_published_is_public() -> None:
    assert is_public("password")
    assert not is_public("hunter2")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ROW.replace('source = "s"\n', ""), "give username, password, source and published"),
        (ROW.replace('"s"', '""'), "only the password may be empty"),
        (ROW.replace('"b"', '""'), "takes no blank password"),
        (ROW * 2, "would never be tried"),
        (ROW.replace("login", "proxy") * 4, r"\[\[proxy\]\] 4 \(a\): it would never be tried"),
    ],
)
def test_a_wrong_row_is_named(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(text)
