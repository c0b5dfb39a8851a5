"""Cipher suites and groups of TLS by code point, and the lists that are asked for: `suites.toml`, and its loader."""

from __future__ import annotations

import functools
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import date

_AEAD: Final = re.compile("_(GCM|CCM|POLY1305|MGM)(_|$)|AEGIS")
_FRESH: Final = ("DHE_", "ECDHE_", "PSK_DHE", "DH_anon", "ECDH_anon", "SRP_", "ECCPWD")  # a new secret each time
_BROKEN: Final = (  # what the name holds, and why nobody may rely on it
    (re.compile("NULL|^TLS_SHA(256|384)_"), "no encryption"),
    (re.compile("_anon"), "no authentication"),
    (re.compile("EXPORT"), "export-grade keys"),
    (re.compile("RC4"), "RC4"),
    (re.compile("_DES(40)?_"), "DES"),
    (re.compile("3DES"), "3DES"),
    (re.compile("_MD5$"), "MD5"),
)


LEAST_STRENGTH: Final = 112  # bits: as much as a finite field of 2048 has (NIST SP 800-57 part 1, table 2)


@dataclass(frozen=True)
class Suite:
    """A cipher suite.

    Attributes:
        code: code point, 16 bits.
        name: IANA's name; "0xABCD" where there is none.
        openssl: OpenSSL's name, "" where it never had the suite.
    """

    code: int
    name: str
    openssl: str

    @property
    def _parts(self) -> tuple[str, str]:
        """Key exchange with authentication, and the rest; suites of TLS 1.3 name only the rest (RFC 8446, B.4)."""
        kind, _, rest = self.name.removesuffix("_DRAFT").partition("_")[2].rpartition("_WITH_")
        return kind.removesuffix("_EXPORT").removesuffix("_EXPORT1024"), rest

    @property
    def key_exchange(self) -> str:
        """How the secret is agreed on, and who shows a key: "ECDHE_RSA", "RSA"; "" for those of TLS 1.3."""
        return self._parts[0]

    @property
    def encryption(self) -> str:
        """The cipher, its key and its mode: "AES_128_GCM", "3DES_EDE_CBC", "NULL"."""
        rest = self._parts[1]
        if re.fullmatch("SHA(256|384)_SHA(256|384)", rest):  # RFC 9150: only integrity
            return "NULL"
        return re.sub("_(MD5|SHA|SHA256|SHA384|SHA512|SM3|IMIT|OMAC|GOSTR3411)$", "", rest)

    @property
    def mac(self) -> str:
        """What protects a record: "AEAD", or the hash of its HMAC."""
        return "AEAD" if self.aead else self._parts[1].rpartition("_")[2]

    @property
    def known(self) -> bool:
        """Whether its name tells anything."""
        return not self.name.startswith("0x")

    @property
    def aead(self) -> bool:
        """Whether it encrypts and authenticates in one (RFC 5116)."""
        return bool(_AEAD.search(self._parts[1]))

    @property
    def forward_secret(self) -> bool:
        """Whether what was recorded stays secret when the server's key becomes known."""
        return not self.key_exchange or self.key_exchange.startswith(_FRESH)

    @property
    def broken(self) -> str:
        """Why nobody may rely on it, the worst first: "no authentication, RC4"; "" where that is not so."""
        return ", ".join(why for part, why in _BROKEN if part.search(self.name))

    def __str__(self) -> str:
        return f"{self.name} ({self.openssl})" if self.openssl not in ("", self.name) else self.name


@dataclass(frozen=True)
class Group:
    """A group in which keys are agreed on.

    Attributes:
        code: code point, 16 bits.
        name: IANA's name; "0xABCD" where there is none.
        openssl: OpenSSL's name, "" where it has none.
        strength: comparable strength in bits, 0 where it is not known.
    """

    code: int
    name: str
    openssl: str
    strength: int

    def __str__(self) -> str:
        return f"{self.name} ({self.openssl})" if self.openssl.lower() not in ("", self.name.lower()) else self.name


@dataclass(frozen=True)
class SuiteList:
    """What a guideline allows, by IANA's names.

    Attributes:
        title: what a finding calls it.
        source: where it was read.
        checked: when.
        suites: its suites, and those that we allow besides.
        groups: its groups, and those that we allow besides; empty where groups are not demanded.
    """

    title: str
    source: str
    checked: date
    suites: frozenset[str]
    groups: frozenset[str]


@dataclass(frozen=True)
class SuiteTable:
    """The whole table.

    Attributes:
        suites: by code point.
        groups: by code point.
        lists: by name.
    """

    suites: dict[int, Suite]
    groups: dict[int, Group]
    lists: dict[str, SuiteList]

    def disputed(self, demanded: str) -> tuple[frozenset[int], frozenset[int]]:
        """Return the groups that the required list forbids: up to TLS 1.2; and with 1.3, which has no weak ones."""
        listed = self.lists[demanded].groups if demanded in self.lists else frozenset()
        unlisted = frozenset(code for code, group in self.groups.items() if listed and group.name not in listed)
        weak = frozenset(code for code, group in self.groups.items() if group.strength < LEAST_STRENGTH)
        return weak | unlisted, unlisted

    def suite(self, code: int) -> Suite:
        """Return the suite of a code point, named after it where there is none."""
        return self.suites.get(code) or Suite(code, f"0x{code:04X}", "")

    def group(self, code: int) -> Group:
        """Return the group of a code point, named after it where there is none."""
        return self.groups.get(code) or Group(code, f"0x{code:04X}", "", 0)


@functools.cache
def suite_table() -> SuiteTable:
    """Return the table of `suites.toml`."""
    return parse((resources.files(__package__) / "suites.toml").read_text(encoding="utf-8"))


def parse(text: str) -> SuiteTable:
    """Read a table.

    Raises:
        ValueError: it is no TOML, a code point or name stands there twice, or a list names what is not there.
    """
    tables = tomllib.loads(text)
    suites = [Suite(int(code, 16), name, _name(openssl)) for code, name, openssl in _rows(tables["suites"])]
    groups = [Group(int(code, 16), name, _name(own), int(bits)) for code, name, own, bits in _rows(tables["groups"])]
    for rows in (suites, groups):
        for many in ([f"{row.code:04X}" for row in rows], [row.name for row in rows]):
            if twice := [name for name, count in Counter(many).items() if count > 1]:
                raise ValueError(f"suites.toml: {twice[0]} stands there twice")
    lists = {name: _list(name, listed) for name, listed in tables["list"].items()}
    named = {suite.name for suite in suites} | {group.name for group in groups}
    for name, suite_list in lists.items():
        if strange := (suite_list.suites | suite_list.groups) - named:
            raise ValueError(f"suites.toml: [list.{name}] {min(strange)} is in no table")
    return SuiteTable({suite.code: suite for suite in suites}, {group.code: group for group in groups}, lists)


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


def _name(text: str) -> str:
    return "" if text == "-" else text


def _list(name: str, table: dict[str, Any]) -> SuiteList:
    if unknown := table.keys() - {"title", "source", "checked", "suites", "besides", "groups", "besides_groups"}:
        raise ValueError(f"suites.toml: [list.{name}] unknown key {min(unknown)}")
    allowed = frozenset(table["suites"]) | frozenset(table.get("besides", ()))
    groups = frozenset(table.get("groups", ())) | frozenset(table.get("besides_groups", ()))
    return SuiteList(table["title"], table["source"], table["checked"], allowed, groups)
