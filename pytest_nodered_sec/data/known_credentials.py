"""Passwords that the whole world knows: `known_credentials.toml`, reviewed 2026-11-25, and its loader."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["login", "basic"]
PER_USER: Final = 2  # attempts for one user name at one login: Node-RED locks an account out at the sixth
_FILE: Final = "known_credentials.toml"
_KINDS: Final[dict[str, tuple[Kind, ...]]] = {"login": ("login",), "basic": ("basic",), "both": ("login", "basic")}


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
            f"the password that {row['source']} publishes" if row["password"] else "a blank password",
        )
        for row in _rows()
        if kind in row["kinds"]
    )


def to_try(kind: Kind, own: Iterable[tuple[str, str]]) -> tuple[KnownPair, ...]:
    """Return the pairs to try at one login: the site's own, then the bundled ones, two at most for each user name.

    Args:
        kind: which login; a blank password cannot log in at Node-RED's own.
        own: user names and passwords that the site's policy names.
    """
    named = [KnownPair(username, password, "a password that the policy names") for username, password in own]
    chosen: dict[tuple[str, str], KnownPair] = {}
    for pair in (*named, *known_pairs(kind)):
        tried = sum(username == pair.username for username, _ in chosen)
        if tried < PER_USER and (pair.password or kind == "basic"):
            chosen.setdefault((pair.username, pair.password), pair)
    return tuple(chosen.values())


def is_public(password: str) -> bool:
    """Whether a password is one of the table."""
    return any(row["password"] == password for row in _rows())


@functools.cache
def _rows() -> tuple[dict[str, Any], ...]:  # Any: TOML, checked here
    return parse((resources.files(__package__) / _FILE).read_text(encoding="utf-8"))


def parse(text: str) -> tuple[dict[str, Any], ...]:  # Any: as above
    """Read a table of pairs.

    Raises:
        ValueError: a row is wrong, or would never be tried; the message names it.
    """
    rows: list[dict[str, Any]] = tomllib.loads(text)["pair"]
    tried: list[tuple[str, Kind]] = []
    for number, row in enumerate(rows, 1):
        name = f"{_FILE}: [[pair]] {number} ({row.get('username', '?')})"
        if set(row) != {"username", "password", "kind", "source", "published"}:
            raise ValueError(f"{name}: give username, password, kind, source and published")
        if row["kind"] not in _KINDS:
            raise ValueError(f"{name}: kind must be one of {', '.join(_KINDS)}")
        if not (row["username"] and row["source"] and row["published"]):
            raise ValueError(f"{name}: only the password may be empty")
        row["kinds"] = _KINDS[row["kind"]]
        if not row["password"] and "login" in row["kinds"]:
            raise ValueError(f"{name}: POST /auth/token takes no blank password")
        tried += [(row["username"], kind) for kind in row["kinds"]]
        if any(tried.count((row["username"], kind)) > PER_USER for kind in row["kinds"]):
            raise ValueError(f"{name}: the third password of that user name would never be tried")
    return tuple(rows)
