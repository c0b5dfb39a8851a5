"""Observations of undeclared roots and dashboards: frozen; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError, see_reach
from pytest_nodered_sec.observations.answers import Kind, alike
from pytest_nodered_sec.observations.reach import turned_away, unidentified
from pytest_nodered_sec.observations.way_out import unanswered

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import Answer, Classified, RootView


@dataclass(frozen=True)
class Glimpse:
    """One path asked there.

    Attributes:
        path: absolute path.
        answer: what came back.
        classified: its kind, beside a random path of the target's admin root.
        shows: the part of Node-RED that it identifies, e.g. "a dashboard's live channel"; "" for none.
        login: whether it only shows that Node-RED itself asks for a login.
    """

    path: str
    answer: Answer
    classified: Classified
    shows: str = ""
    login: bool = False

    def line(self) -> str:
        """Return one short phrase."""
        shown = f": {self.shows}" if self.shows else ""
        return f"{self.path} answered {self.answer.line()}{shown}"


@dataclass(frozen=True)
class UndeclaredPlace:
    """A root, or a dashboard's path, that the target's settings and policy do not name.

    Attributes:
        path: absolute path; "/" for the host's own root.
        glimpses: what was asked there.
        view: landmarks of the target's admin root.
        told: where the target itself named the place, "" where it is a known one.
        usual: the known root of which the path is another spelling, "" where it is none.
    """

    path: str
    glimpses: tuple[Glimpse, ...]
    view: RootView
    told: str = ""
    usual: str = ""

    @property
    def shown(self) -> tuple[Glimpse, ...]:
        """What shows a Node-RED there."""
        return tuple(glimpse for glimpse in self.glimpses if glimpse.shows)

    def evidence(self) -> str:
        """Return one line for the evidence."""
        told = f", which {self.told} names" if self.told else ""
        told += f", which is {self.usual} to Node-RED" if self.usual else ""
        lines = "; ".join(glimpse.line() for glimpse in self.shown or self.glimpses)
        return f"GET below {self.path}{told}, without credentials: {lines}"


@dataclass(frozen=True)
class UndeclaredPlaces:
    """Dashboards and roots that the target itself names and the policy does not declare.

    Attributes:
        places: each of them.
        asked: what was asked for such places, and what each said, in a few words.
        view: landmarks of the target's admin root.
        untested: why a root that the target names has to be declared before it is known what stands there; else "".
    """

    places: tuple[UndeclaredPlace, ...]
    asked: tuple[str, ...]
    view: RootView
    untested: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return "; ".join(place.evidence() for place in self.places) or "; ".join(self.asked)

    def settle(self, target: Target) -> None:
        """Raise unless it is known of each path whether it answers anonymous requests.

        Nothing anywhere is no evidence where nobody was seen at the target itself; what a random path gets as well
        shows that nothing of its own is there.
        """
        if any(place.shown for place in self.places):
            return
        if self.untested:
            raise ProbeError(self.untested, Cause.UNIDENTIFIED)
        if self.view.opaque or turned_away(self.view, target):
            raise see_reach(target.name)
        for place in self.places:
            for glimpse in place.glimpses:
                cause = glimpse.classified.cause
                if cause is not None and not alike(glimpse.answer, place.view.canary.answer):
                    raise unanswered(place.evidence(), glimpse.answer, glimpse.classified, target)
        if not self.view.identity and self.view.canary.kind is not Kind.REFUSED and not self.view.gated:
            raise unidentified(self.view, target, self.evidence())
