"""What people answer for: the policy file's `[assessment]` and `[[attestation]]`, and how they are checked."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.policy.attestation import Attestation
from pytest_nodered_sec.policy.schema import entry_of, needs, table_of
from pytest_nodered_sec.policy.toml import toml
from pytest_nodered_sec.policy.values import (
    check_day,
    check_text,
    list_of,
    sha256_of,
    shape_of_table,
    shaped,
)
from pytest_nodered_sec.policy.where import Where

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Excluded:
    """A system that is not part of the assessment, and why."""

    system: str
    reason: str


@dataclass(frozen=True)
class Assessment:
    """The assessment that a run belongs to; "" for what the site does not say.

    Attributes:
        assessor: who assesses.
        organisation: for whom the assessor works.
        authorisation: reference of the permission to test.
        scope: what is assessed, in the site's own words.
        vantage: the network or place from which it is assessed.
        excluded: systems that are left out.
    """

    assessor: str = ""
    organisation: str = ""
    authorisation: str = ""
    scope: str = ""
    vantage: str = ""
    excluded: tuple[Excluded, ...] = ()

    def __bool__(self) -> bool:
        return self != Assessment()

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the keys that an audit demands and the site does not give."""
        return tuple(key for key in DEMANDED if not getattr(self, key))

    def line(self) -> str:
        """Return it in one line."""
        named = [
            f"{field.name} {getattr(self, field.name)}" for field in fields(self)[:-1] if getattr(self, field.name)
        ]
        return "; ".join([*named, *(f"excluded {excluded.system} ({excluded.reason})" for excluded in self.excluded)])

    def toml(self) -> str:
        """Return it as a table of a policy file, "" where nothing is given."""
        given = {key: value for key, value in asdict(self).items() if value}
        lines = [f"{key} = {toml(value)}\n" for key, value in given.items()]
        return "".join(["[assessment]\n", *lines]) if lines else ""


NO_ASSESSMENT: Final = Assessment()
DEMANDED: Final = ("assessor", "organisation", "authorisation", "scope")  # by an audit


_EXCLUDED: Final = {"system": check_text, "reason": check_text}


@shaped(shape_of_table(_EXCLUDED, *_EXCLUDED))
def _excluded(value: Any, where: Where) -> dict[str, Any]:  # Any, here and below: TOML holds anything
    return needs(table_of(value, where, **_EXCLUDED), where, *_EXCLUDED)


ASSESSMENT: Final[Mapping[str, Callable[[Any, Where], Any]]] = {
    **{field.name: check_text for field in fields(Assessment) if field.name != "excluded"},
    "excluded": list_of(_excluded),
}


def check_assessment(value: Any, where: Where) -> Assessment:
    """Check the table.

    Raises:
        PolicyError: an unknown key, or an invalid value.
    """
    if not isinstance(value, dict):
        raise where.hides("write a table: [assessment] and one key per line")
    table = table_of(value, where, **ASSESSMENT)
    return assessment_of(table)


def assessment_of(table: Mapping[str, Any]) -> Assessment:
    """Return the assessment that plain values describe; unknown keys are left out."""
    known = {field.name: table[field.name] for field in fields(Assessment) if field.name in table}
    return Assessment(**known | {"excluded": tuple(Excluded(**row) for row in table.get("excluded", ()))})


ATTESTATION: Final[Mapping[str, Callable[[Any, Where], Any]]] = {
    "control": check_text,
    "by": check_text,
    "date": check_day,
    "until": check_day,
    "statement": check_text,
    "file": check_text,
    "sha256": sha256_of("document"),
}


NEEDED: Final = {  # what each attestation must have, with an example
    "control": '"phys-01"',
    "by": '"J. Doe"',
    "date": "2026-11-29",
    "until": "2027-11-28",
    "statement": '"…"',
}


def check_attestation(
    table: Any, place: str, folder: Path | None, **more: Callable[[Any, Where], Any]
) -> tuple[str, Attestation]:
    """Check one attestation; return its selector of targets, "" where there is none, and the attestation.

    Args:
        table: as the file has it.
        place: for messages.
        folder: to which its file is relative; None where files are not read, because somebody else judges again.
        more: further keys and their checks.

    Raises:
        PolicyError: an unknown or missing key, an invalid value, or a file that is not as its digest says.
    """
    where, values = entry_of(table, place, {**ATTESTATION, **more}, NEEDED, "control")
    if values["until"] < values["date"]:
        raise Where(where.place, "until").says(values["until"], f"is before date = {values['date']}")
    name, digest = values.get("file", ""), values.get("sha256", "")
    if name and folder is not None:
        digest = _digest(folder / Path(name).expanduser(), digest, Where(where.place, "file"))
    return values.get("target", ""), Attestation(
        values["control"],
        values["by"],
        values["date"],
        values["until"],
        values["statement"],
        Path(name).name,
        digest,
    )


def _digest(path: Path, stated: str, where: Where) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise where.says(str(path), f"cannot be read ({error.strerror})") from None
    if stated not in ("", digest):
        raise where.says(str(path), f"has the SHA-256 {digest}, and sha256 says {stated}: it is another document")
    return digest
