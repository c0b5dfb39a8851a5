"""WWW-Authenticate, read as RFC 9110, 11.6.1, has it: several challenges in one field, each with its parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import redaction

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  RFC 9110's word for a name
# What is possessive gives nothing back: a field of 60,000 spaces took seconds to read otherwise.
_PART: Final = re.compile(
    rf"""(?P<scheme>{_TOKEN})(?:[ \t]++(?!=)|(?=,|$))
    | (?P<name>{_TOKEN})[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)(?:"|$)|(?P<value>[^\s,"]*))
    | (?P<blob>[A-Za-z0-9._~+/-]+=*)(?=[ \t]*(?:,|$))
    """,
    re.VERBOSE | re.DOTALL,
)
_SHOWN: Final = 4  # challenges of one answer
_READ: Final = 30  # the same; servers offer one or two
REALM_LIMIT: Final = 200  # characters


@dataclass(frozen=True)
class Challenge:
    """One way to log in that a server offers.

    Attributes:
        scheme: as it was sent.
        parameters: by name in lower case; a token68 is left out.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> str | None:
        """Its realm, fit to be shown and at most 200 characters long; None where it has none."""
        realm = self.parameters.get("realm")
        return None if realm is None else redaction.in_one_line(realm, REALM_LIMIT)

    def line(self) -> str:
        """Return scheme and realm: other parameters, such as nonces, are never kept."""
        scheme = redaction.cut(self.scheme, 40)
        return scheme if self.realm is None else f'{scheme} realm="{self.realm}"'


def challenges(value: str) -> tuple[Challenge, ...]:
    """Return the first challenges of a field, several fields joined by commas; what is no challenge is skipped."""
    read: list[tuple[str, dict[str, str]]] = []
    place = 0
    fresh = True  # whether an element of the list begins here
    while place < len(value) and len(read) <= _READ:
        if value[place] in ", \t":
            fresh = fresh or value[place] == ","
            place += 1
            continue
        part = _PART.match(value, place)
        if part is None:  # skip to the next element
            place = (value.find(",", place) + 1) or len(value)
            fresh = True
            continue
        if part["scheme"] and fresh:
            read.append((part["scheme"], {}))
        elif part["name"] and read:
            quoted = part["quoted"]
            said = part["value"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            read[-1][1].setdefault(part["name"].lower(), said)
        place = part.end()
        fresh = False
    return tuple(Challenge(scheme, parameters) for scheme, parameters in read)


def shown(offered: tuple[Challenge, ...]) -> str:
    """Return challenges in one line, each kind once, at most four."""
    return ", ".join(list(dict.fromkeys(challenge.line() for challenge in offered))[:_SHOWN])


def basic_realm(offered: tuple[Challenge, ...]) -> str | None:
    """Return the realm of the Basic login among the challenges, "" where it names none; None where there is none."""
    return next((challenge.realm or "" for challenge in offered if challenge.scheme.lower() == "basic"), None)
