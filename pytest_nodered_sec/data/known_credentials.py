"""Passwords that the whole world knows: `known_credentials.toml` and its loader; what to try at which login."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

Kind = Literal["login", "node_red", "proxy"]
PER_USER: Final = 1  # attempts for one user name at a log-in that locks accounts: Node-RED does at the sixth
PER_REALM: Final = 3  # attempts at one Basic login, for all user names together
_FILE: Final = "known_credentials.toml"
_KEYS: Final = {"username", "password", "source", "published"}


@dataclass(frozen=True)
class KnownPair:
    """A user name and a password that somebody else knows too.

    Attributes:
        username: the account.
        password: its password, which is never shown.
        told: what a finding calls the password.
    """

    username: str
    password: str = field(repr=False)
    told: str


def known_pairs(kind: Kind) -> tuple[KnownPair, ...]:
    """Return the bundled pairs for one kind of login, the likeliest first."""
    return tuple(
        KnownPair(
            row["username"],
            row["password"],
            f"the password published by {row['source']}" if row["password"] else "a blank password",
        )
        for row in _table()[kind]
    )


def known_passwords() -> list[str]:
    """Return all bundled passwords, whatever they are for."""
    return sorted({pair.password for kind in get_args(Kind) for pair in known_pairs(kind)})


def to_try(kind: Kind, own: Iterable[tuple[str, str]], *, locks: bool) -> tuple[KnownPair, ...]:
    """Return the pairs to try at one login in one run: the site's own, then the bundled ones.

    Args:
        kind: which login; a blank password cannot log in at Node-RED's own.
        own: user names and passwords that the site's policy names.
        locks: whether accounts are locked there, so that each user name is tried once only.
    """
    named = [KnownPair(username, password, "a password that the policy names") for username, password in own]
    chosen: dict[tuple[str, str], KnownPair] = {}
    for pair in (*named, *known_pairs(kind)):
        tried = sum(username == pair.username for username, _ in chosen)
        if (tried < PER_USER or not locks) and (pair.password or kind != "login"):
            chosen.setdefault((pair.username, pair.password), pair)
    pairs = tuple(chosen.values())
    return pairs if kind == "login" else pairs[:PER_REALM]


def left_out(kind: Kind, own: Iterable[tuple[str, str]], *, locks: bool) -> tuple[str, ...]:
    """Return the user names of which the site names a password that `to_try` leaves out."""
    named = list(own)
    chosen = {(pair.username, pair.password) for pair in to_try(kind, named, locks=locks)}
    return tuple(sorted({username for username, password in named if (username, password) not in chosen}))


def is_public(password: str) -> bool:
    """Whether a password is one of the table."""
    return any(row["password"] == password for kind in get_args(Kind) for row in _table()[kind])


def credentials_checked() -> date:
    """Return when the lists were last reviewed."""
    checked: date = _table()["checked"]
    return checked


@functools.cache
def _table() -> dict[str, Any]:  # Any: TOML, checked here
    return parse((resources.files(__package__) / _FILE).read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, Any]:  # Any: as above
    """Read the lists of pairs.

    Raises:
        ValueError: a row is wrong, or would never be tried; the message names it.
    """
    table = tomllib.loads(text)
    for kind in get_args(Kind):
        rows = table.setdefault(kind, [])
        for number, row in enumerate(rows, 1):
            name = f"{_FILE}: [[{kind}]] {number} ({row.get('username', '?')})"
            if set(row) != _KEYS:
                raise ValueError(f"{name}: give username, password, source and published")
            if not (row["username"] and row["source"] and row["published"]):
                raise ValueError(f"{name}: only the password may be empty")
            if kind == "login" and not row["password"]:
                raise ValueError(f"{name}: POST /auth/token takes no blank password")
            before = [other["username"] for other in rows[: number - 1]]
            if number > PER_REALM if kind != "login" else before.count(row["username"]) >= PER_USER:
                raise ValueError(f"{name}: it would never be tried")
    return table
