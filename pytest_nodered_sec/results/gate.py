"""Which findings fail a run: from a severity on; where a baseline is the measure, those alone that it does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.results.baseline import Key, keyed, worse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nodered_sec.results.records import Finding


@dataclass(frozen=True)
class Gate:
    """What fails a run.

    Attributes:
        fail_on: the lowest severity whose findings do.
        known: severities of the findings that do not, by what tells them apart; None where any finding does.
    """

    fail_on: str
    known: Mapping[Key, str] | None = None

    def tolerates(self, target: str, control: str, instance: str, findings: Sequence[Finding]) -> str:
        """Return why these findings of a case fail nothing, as the option that says so; "" where they fail the run.

        Args:
            target: its name.
            control: its id.
            instance: of the control.
            findings: those that no waiver accepts.
        """
        new = self._new(target, control, instance, findings)
        if all(worse(self.fail_on, finding["severity"]) for finding in new):
            return self.knows(target, control, instance, findings) or f"below     --nodered-fail-on={self.fail_on}"
        return ""

    def knows(self, target: str, control: str, instance: str, findings: Sequence[Finding]) -> str:
        """Return why these findings fail nothing where the baseline has them all, else ""; arguments as above."""
        if self._new(target, control, instance, findings):
            return ""
        return "known     --nodered-fail-on=new, and the baseline has it"

    def _new(self, target: str, control: str, instance: str, findings: Sequence[Finding]) -> list[Finding]:
        return [finding for key, finding in keyed(target, control, instance, findings) if not self._has(key, finding)]

    def _has(self, key: Key, finding: Finding) -> bool:
        return self.known is not None and key in self.known and not worse(finding["severity"], self.known[key])

    def as_plain(self) -> list[list[object]] | None:
        """Return what is known as plain values, for a worker."""
        return None if self.known is None else [[*key, severity] for key, severity in self.known.items()]


def known_of(plain: Sequence[Sequence[object]] | None) -> dict[Key, str] | None:
    """Return what is known, from plain values."""
    if plain is None:
        return None
    return {
        Key(str(target), str(control), str(instance), str(code), str(things), int(str(number))): str(severity)
        for target, control, instance, code, things, number, severity in plain
    }
