"""Checks of plain values: a text, a path, a port, a number, a list of any of them.

Each check carries its shape, the JSON schema of what it takes, from which `json_schema` makes that of the policy file.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_nodered_sec.policy.where import Where

# --- shapes ------------------------------------------------------------------------------------------------------

_SHAPE: Final = "shape"  # attribute of a check
_Check = TypeVar("_Check", bound="Callable[..., Any]")  # Any: each check returns its own type


def shaped(shape: Mapping[str, Any]) -> Callable[[_Check], _Check]:  # Any, here and below: JSON
    """Return a decorator that gives a check its shape."""

    def give(check: _Check) -> _Check:
        setattr(check, _SHAPE, dict(shape))
        return check

    return give


def shape_of(check: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON schema of what a check takes; it may take less than that, and never more."""
    shape: dict[str, Any] = getattr(check, _SHAPE)
    return dict(shape)


def shape_of_table(checks: Mapping[str, Callable[..., Any]], *needed: str) -> dict[str, Any]:
    """Return the JSON schema of a table with these keys, some of which it needs."""
    properties = {key: shape_of(check) for key, check in checks.items()}
    table = {"type": "object", "properties": properties, "additionalProperties": False}
    return table | ({"required": list(needed)} if needed else {})


# --- checks of single values -------------------------------------------------------------------------------------


def one_of(*choices: str) -> Callable[[Any, Where], Any]:  # Any, here and below: TOML holds anything
    """Return the check of a value that must be one of a few."""

    @shaped({"enum": list(choices)})
    def check(value: Any, where: Where) -> Any:
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise where.says(value, f"must be one of {', '.join(choices)}{hint}")
        return value

    return check


@shaped({"type": "string", "pattern": r"\S"})
def check_text(value: Any, where: Where) -> str:
    """Check a text: printable, and not blank."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise where.says(value, "give some text")
    return value


@shaped({"type": "string", "pattern": "^/(?!/)[^?#]*$"})
def check_path(value: Any, where: Where) -> str:
    """Check an absolute URL path without a query; returned without its trailing slash."""
    usable = isinstance(value, str) and value.startswith("/") and not value.startswith("//")
    if not usable or "?" in value or "#" in value or not value.isprintable():
        if isinstance(value, str) and ("?" in value or "#" in value):
            value = f"{re.split('[?#]', value)[0]}…"  # a query may hold a token
        raise where.says(value, "give a path that starts with one / and has no query")
    return str(value).rstrip("/") or "/"


@shaped({"type": "integer", "minimum": 1, "maximum": 65535})
def check_port(value: Any, where: Where) -> int:
    """Check a TCP port."""
    if type(value) is not int or not 0 < value < 65536:
        quoted = ", without quotes" if isinstance(value, str) and value.isdecimal() else ""
        raise where.says(value, f"give a TCP port, 1 to 65535{quoted}")
    return value


@shaped({"type": "number", "exclusiveMinimum": 0, "maximum": 600})
def check_seconds(value: Any, where: Where) -> float:
    """Check a time in seconds, at most ten minutes."""
    if type(value) not in (int, float) or not 0 < value <= 600:
        raise where.says(value, "give seconds, more than 0 and at most 600")
    return float(value)


@shaped({"type": "boolean"})
def check_flag(value: Any, where: Where) -> bool:
    """Check a truth value."""
    if not isinstance(value, bool):
        raise where.says(value, "write true or false")
    return value


def hidden(check: Callable[[Any, Where], Any]) -> Callable[[Any, Where], Any]:
    """Return a check whose messages never show the value."""
    return shaped(shape_of(check))(lambda value, where: check(value, replace(where, secret=True)))


def list_of(check: Callable[[Any, Where], Any]) -> Callable[[Any, Where], Any]:
    """Return the check of a list, each value of which passes a check; returned as a tuple."""

    @shaped({"type": "array", "items": shape_of(check)})
    def checked(value: Any, where: Where) -> list[Any]:
        if not isinstance(value, list):
            raise where.says(value, "write a list: [...]")
        return [check(item, where) for item in value]

    return checked


@shaped({"type": "string", "format": "date"})  # as editors hand a TOML date on
def check_day(value: Any, where: Where) -> date:
    """Check a date."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise where.says(value, "give the last valid day as 2030-12-31, without quotes")
    return value


def number_between(least: float, most: float, kind: str, *, whole: bool = False) -> Callable[[Any, Where], Any]:
    """Return the check of a number within bounds.

    Args:
        least: the smallest that is accepted.
        most: the largest.
        kind: what it is called in the sentence.
        whole: whether it must be an integer.
    """

    bounds = {"minimum": least} | ({"maximum": most} if most < math.inf else {})

    # JSON has no inf: taplo, and the editors that run it, take one for null, which TOML has not
    form = "integer" if whole else "number" if most < math.inf else ["number", "null"]

    @shaped({"type": form, **bounds})
    def check(value: Any, where: Where) -> Any:
        if type(value) not in ((int,) if whole else (int, float)) or not least <= value <= most:
            raise where.says(value, f"give {kind}")
        return value

    return check


def sha256_of(what: str) -> Callable[[Any, Where], str]:
    """Return the check of a SHA-256, which is returned in lower case and without colons."""

    @shaped({"type": "string", "pattern": "^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$"})
    def check(value: Any, where: Where) -> str:
        plain = str(value).replace(":", "").lower()
        if len(plain) != 64 or not set(plain) <= set("0123456789abcdef"):
            raise where.says(value, f"give the {what}'s SHA-256: 64 hex digits, with or without colons")
        return plain

    return check


_OF_ACCOUNTS: Final = frozenset(("username", "password", "token", "secret"))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the message about an unknown key, with the most similar known key; a secret has a place elsewhere."""
    known = list(known)
    if key.casefold() in _OF_ACCOUNTS and "credentials" in known:
        return f'unknown key {key}; secrets do not belong in this file; use credentials = {{env = "PREFIX"}}'
    near = difflib.get_close_matches(key, known, 1, cutoff=0.5)
    return f"unknown key {key}; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}")
