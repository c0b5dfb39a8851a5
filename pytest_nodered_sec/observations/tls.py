"""What a server accepts of TLS: versions, cipher suites, groups.

Values only, like `model`; each observation settles itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_nodered_sec.data.suites import Group, Suite
    from pytest_nodered_sec.errors import ProbeError
    from pytest_nodered_sec.model import Target

OLD: Final = ("SSLv3", "TLSv1.0", "TLSv1.1")
NEW: Final = ("TLSv1.2", "TLSv1.3")


@dataclass(frozen=True)
class AcceptedGroup:
    """A key-exchange group that a server used.

    Attributes:
        version: "TLSv1.2".
        group: the curve, or a finite field with a name; None for a finite field without one, or an explicit curve.
        bits: size of a finite field's prime, 0 where `group` says it.
        suite: with which one, where it is a finite field's.
    """

    version: str
    group: Group | None = None
    bits: int = 0
    suite: Suite | None = None

    def __str__(self) -> str:
        if self.group is None:
            return f"a Diffie-Hellman group of {self.bits} bits" if self.bits else "a curve without a name"
        return str(self.group)


@dataclass(frozen=True)
class VersionOffer:
    """One TLS version, and what the server accepts of it.

    Attributes:
        version: "SSLv3", "TLSv1.0" … "TLSv1.3".
        suites: accepted, in the order in which the server chose them; empty where the version is refused.
        refusal: how it was refused, e.g. "alert protocol_version"; "" where it is accepted.
        trouble: why not all is known of it, None where all is.
        secure_renegotiation: whether it renegotiates as RFC 5746 has it, with every suite; TLS 1.3 never renegotiates.
    """

    version: str
    suites: tuple[Suite, ...] = ()
    refusal: str = ""
    trouble: ProbeError | None = None
    secure_renegotiation: bool = True

    @property
    def accepted(self) -> bool:
        """Whether the server speaks it."""
        return bool(self.suites)

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.accepted:
            return f"{self.version} is refused ({self.refusal})"
        return f"{self.version} is accepted with {', '.join(map(str, self.suites))}"


@dataclass(frozen=True)
class TlsOffers:
    """Everything that a server accepts of TLS.

    Attributes:
        versions: each version, the newest first; empty where the URL is http.
        groups: in which keys were agreed on; not every one that is strong.
        trouble: why not all is known of the groups, None where all that matters is.
    """

    versions: tuple[VersionOffer, ...] = ()
    groups: tuple[AcceptedGroup, ...] = ()
    trouble: ProbeError | None = None

    @property
    def tls(self) -> bool:
        """Whether the target is served over TLS."""
        return bool(self.versions)

    def of(self, version: str) -> VersionOffer:
        """Return what was seen of one version."""
        return next(offer for offer in self.versions if offer.version == version)


_IN_CLEAR: Final = "the target is served without TLS"
_NONE: Final = "no suite with a Diffie-Hellman group is accepted"


@dataclass(frozen=True)
class ProtocolOffer:
    """What a server accepts of one version.

    Attributes:
        offers: everything that it accepts.
        version: which version.
    """

    offers: TlsOffers
    version: str

    @property
    def offer(self) -> VersionOffer:
        """What was seen of this version."""
        return self.offers.of(self.version)

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.offer.evidence() if self.offers.tls else _IN_CLEAR

    def settle(self, target: Target) -> None:
        """Raise where not all is known of this version."""
        del target
        if self.offers.tls:
            _raise(self.offer.trouble)


@dataclass(frozen=True)
class OfferedVersions:
    """Whether a server speaks some versions.

    Attributes:
        offers: everything that it accepts.
        asked: which versions.
    """

    offers: TlsOffers
    asked: tuple[str, ...]

    @property
    def accepted(self) -> tuple[VersionOffer, ...]:
        """Those of the versions asked for that it speaks."""
        return tuple(offer for offer in self.offers.versions if offer.version in self.asked and offer.accepted)

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.offers.tls:
            return _IN_CLEAR
        return "; ".join(self.offers.of(version).evidence() for version in self.asked)

    def settle(self, target: Target) -> None:
        """Raise where it is not known whether one of them is spoken; what is spoken with is asked elsewhere."""
        del target
        for offer in self.offers.versions:
            if offer.version in self.asked and not offer.accepted:
                _raise(offer.trouble)


@dataclass(frozen=True)
class OfferedGroups:
    """The key-exchange groups that a server uses.

    Attributes:
        offers: everything that it accepts.
    """

    offers: TlsOffers

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.offers.tls:
            return _IN_CLEAR
        of: dict[str, list[str]] = {}
        for group in self.offers.groups:
            of.setdefault(group.version, []).append(str(group))
        return "; ".join(f"{version}: key exchange uses {', '.join(seen)}" for version, seen in of.items()) or _NONE

    def settle(self, target: Target) -> None:
        """Raise where not all is known of the groups that matter, or of the suites that have one."""
        del target
        _raise(self.offers.trouble)
        for offer in self.offers.versions:
            _raise(offer.trouble)


@dataclass(frozen=True)
class OfferedRenegotiation:
    """Whether a server renegotiates securely, in the versions that know renegotiation at all.

    Attributes:
        offers: everything that it accepts.
    """

    offers: TlsOffers

    @property
    def renegotiable(self) -> tuple[VersionOffer, ...]:
        """Those of the versions spoken that know renegotiation: every one before TLS 1.3."""
        return tuple(offer for offer in self.offers.versions if offer.accepted and offer.version != NEW[-1])

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.offers.tls:
            return _IN_CLEAR
        return (
            "; ".join(
                f"{offer.version}: secure renegotiation is {'' if offer.secure_renegotiation else 'not '}offered"
                for offer in self.renegotiable
            )
            or "no version before TLSv1.3 is accepted"
        )

    def settle(self, target: Target) -> None:
        """Raise where it is not known whether a version is spoken that knows renegotiation."""
        del target
        for offer in self.offers.versions:
            if offer.version != NEW[-1] and not offer.accepted:
                _raise(offer.trouble)


def _raise(trouble: ProbeError | None) -> None:
    if trouble is not None:
        raise trouble.again()
