"""What was seen of certificates beyond the chain: whether they are revoked, and whether clients must show one.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain


@dataclass(frozen=True)
class ListLookup:
    """A certificate looked up in the list of revoked ones (CRL) that it names.

    Attributes:
        certificate: the certificate.
        url: where the list is, "" where it names none.
        until: last second for which the list holds, UTC.
        revoked: since when it is revoked, UTC; None where it is not.
        reason: why, as RFC 5280 calls it; "" where that is not said.
        trouble: why it is not known, "" where it is.
    """

    certificate: CertificateFacts
    url: str = ""
    until: datetime | None = None
    revoked: datetime | None = None
    reason: str = ""
    trouble: str = ""

    def line(self) -> str:
        """Return the outcome in one short phrase."""
        name = self.certificate.named()
        if self.trouble:
            return f"{name}: {self.trouble}"
        if self.revoked:
            return f"{name} has been revoked since {self.revoked:%Y-%m-%d %H:%MZ}{self.reason and f' ({self.reason})'}"
        if not self.url:
            return f"{name} names no list"
        return f"{name} is not in {self.url}" + (
            f", which is valid until {self.until:%Y-%m-%d %H:%MZ}" if self.until else ""
        )


@dataclass(frozen=True)
class RevocationCheck:
    """Whether what was presented is revoked, by the lists where the policy asks for them, and by a stapled response.

    Attributes:
        chain: what was presented.
        lists: each certificate below the trust anchor; () where no lists were asked for.
        obstacle: why no list was asked for, "" where none was to be.
    """

    chain: PresentedChain
    lists: tuple[ListLookup, ...] = ()
    obstacle: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        lines = [lookup.line() for lookup in self.lists]
        for chain in (self.chain, self.chain.also):
            if chain is not None and chain.staple is not None:
                staple = chain.staple
                lines.append(f"stapled for {chain.leaf.named()}: {staple.status or staple.trouble}")
        return "; ".join(lines) or self.obstacle or self.chain.evidence()

    def settle(self, target: Target) -> None:
        """Raise unless every list was had, or one is enough for a finding."""
        del target
        if any(lookup.revoked for lookup in self.lists):
            return
        if self.obstacle:
            raise ProbeError(self.obstacle, Cause.UNVERIFIED)
        for lookup in self.lists:
            if lookup.trouble:
                raise ProbeError(lookup.line(), Cause.UNAVAILABLE)


@dataclass(frozen=True)
class CertificateDemand:
    """The answer to a client without a certificate.

    Attributes:
        asked: whether the server asked for one in the handshake.
        alert: the TLS alert with which it ended the connection, "" if it did not.
        status: HTTP status otherwise; 0 for none.
        named: whether the answer says that a certificate is missing.
        self_made: HTTP status with a certificate that no authority issued; 0 where none was shown, or no answer came.
        where: what was asked for.
    """

    asked: bool
    alert: str = ""
    status: int = 0
    named: bool = False
    self_made: int = 0
    where: str = "a random path"

    @property
    def takes_any(self) -> bool:
        """Whether a certificate that no authority issued leads on: to content, or to what says there is none."""
        return self.self_made != self.status and (200 <= self.self_made < 300 or self.self_made in (404, 410))

    @property
    def turned_away(self) -> bool:
        """Whether a client without one meets something else than content, or than what says that there is none."""
        return bool(self.alert) or self.named or (300 <= self.status < 500 and self.status not in (404, 410))

    @property
    def demanded(self) -> bool:
        """Whether no client gets further without one.

        nginx is often configured to answer 403 instead of its own 400 (error_page 495 496, ssl_client_verify).
        """
        return bool(self.alert) or self.named or (self.asked and self.status == 403)

    @property
    def leads_on(self) -> bool:
        """Whether a client without one meets content, or is asked for a login in its place."""
        return not self.named and (200 <= self.status < 300 or self.status == 401)

    def evidence(self) -> str:
        """Return one line for the evidence."""
        asked = "the server asked for a client certificate" if self.asked else "no client certificate was asked for"
        other = f"; with a self-made one {self.where} answered {self.self_made}" if self.self_made else ""
        if self.alert:
            return f"{asked}; without one it ended the connection ({self.alert}){other}"
        says = ", which says that the certificate is missing" if self.named else ""
        return f"{asked}; without one {self.where} answered {self.status}{says}{other}"
