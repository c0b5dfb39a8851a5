"""Whether all addresses of a name behave alike, and whether the same requests get the same answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.chain import PresentedChain

BY_TURNS: Final = "answers differ from one question to the next"
_TELLING: Final = (Kind.SERVED, Kind.REFUSED, Kind.ABSENT)


@dataclass(frozen=True)
class Glance:
    """One question asked at one address.

    Attributes:
        what: the question, e.g. "GET /ui without credentials".
        kind: what the answer is.
        line: the answer in a short phrase.
    """

    what: str
    kind: Kind
    line: str


@dataclass(frozen=True)
class AddressView:
    """What one address of the name does.

    Attributes:
        address: the address, IPv6 without brackets.
        glances: what was asked there, in the same order at every address.
        trouble: why it could not be looked at, "" where it could.
        chain: the certificates that it presents, None where there is one address only, or it could not be looked at.
        old_versions: TLS versions before 1.2 that it accepts.
    """

    address: str
    glances: tuple[Glance, ...] = ()
    trouble: str = ""
    chain: PresentedChain | None = None
    old_versions: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The address as it stands in URLs."""
        return f"[{self.address}]" if ":" in self.address else self.address


@dataclass(frozen=True)
class Turn:
    """A question that was asked more than once and answered differently.

    Attributes:
        what: the question.
        answers: the answers in short phrases, in the order in which they came.
        open: whether one of them served what was asked for, and another did not.
    """

    what: str
    answers: tuple[str, ...]
    open: bool

    def line(self) -> str:
        """Return what happened in one phrase."""
        return f"{self.what} was answered {', then '.join(self.answers)}"


@dataclass(frozen=True)
class Addresses:
    """All addresses of a target's name, side by side.

    Attributes:
        views: the address that all other looks dialled, then the others.
        turns: equal questions that were answered differently at one address.
    """

    views: tuple[AddressView, ...]
    turns: tuple[Turn, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.turns:
            return "; ".join(turn.line() for turn in self.turns[:4])
        first, *others = self.views
        if not others:
            return f"one address, {first.shown}; the same requests got the same answers"
        said = [f"{view.shown}: {view.trouble or counted(len(view.glances), 'question') + ' asked'}" for view in others]
        return f"{first.shown} answered; {'; '.join(said)}"

    def differences(self, view: AddressView) -> tuple[tuple[Glance, Glance], ...]:
        """Return the questions that another address answers differently, with both answers."""
        pairs = zip(self.views[0].glances, view.glances, strict=False)
        return tuple(
            (ours, theirs)
            for ours, theirs in pairs
            if ours.kind is not theirs.kind and ours.kind in _TELLING and theirs.kind in _TELLING
        )

    def settle(self, target: Target) -> None:
        """Raise where an address could not be looked at and no other one shows a difference."""
        if any(turn.open for turn in self.turns) or any(self.differences(view) for view in self.views[1:]):
            return
        if self.turns:
            raise ProbeError(f"{BY_TURNS}: {self.evidence()}", Cause.CHANGED)
        troubles = [f"{view.shown}: {view.trouble}" for view in self.views if view.trouble]
        if troubles:
            raise ProbeError(
                f"not every address of {target.hostname} can be looked at from this machine ({'; '.join(troubles)}): "
                f'run from a machine that reaches it, or set connect = "{self.views[0].shown}" to look at that address '
                "alone",
                Cause.UNREACHABLE,
            )
        for view in self.views:
            for glance in view.glances:
                if glance.kind in (Kind.NO_ANSWER, Kind.INDISTINCT):
                    raise ProbeError(f"{view.shown}: {glance.what} answered {glance.line}", Cause.UNAVAILABLE)
