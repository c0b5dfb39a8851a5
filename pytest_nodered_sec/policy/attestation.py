"""What a person vouches for because no program sees it, as a value; `assessment` checks how the policy file says it.

An attestation never makes a control compliant: it says who stands in for what was not judged, and until when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True)
class Attestation:
    """A statement of a person about a control.

    Attributes:
        control: id of a bundled control, of a site's own, or of a requirement that no test asks about.
        by: who attests.
        dated: from when, UTC.
        until: last day on which it holds, UTC.
        statement: what is attested.
        document: name of the file that proves it, "" for none.
        sha256: of that file (lower-case hex), "" for none.
    """

    control: str
    by: str
    dated: date
    until: date
    statement: str
    document: str = ""
    sha256: str = ""

    def in_force(self, today: date) -> bool:
        """Whether it holds on this day, UTC."""
        return self.dated <= today <= self.until

    def line(self, today: date) -> str:
        """Return it in one line, with its state on this day, UTC."""
        ends = f"until {self.until}" if today <= self.until else f"expired after {self.until}"
        begins = f"of {self.dated}" if self.dated <= today else f"not before {self.dated}"
        proof = f"; {self.document or 'document'} {self.sha256}" if self.sha256 else ""
        return f"{self.control} by {self.by}, {begins}, {ends}: {self.statement}{proof}"

    def toml(self, table: str) -> str:
        """Return it as a table of a policy file; its document need not lie there."""
        values = {"control": self.control, "by": self.by, "date": self.dated, "until": self.until}
        values |= {"statement": self.statement} | ({"sha256": self.sha256} if self.sha256 else {})
        return "\n".join([f"[[{table}]]", *(f"{key} = {toml(value)}" for key, value in values.items())])
