"""The answer to one HTTP request, and the observations built on such attempts: frozen, without secrets; no I/O.

`settle` says whether an observation answers its question, because that must be settled before a test body runs; what it
means for a control is decided in `rules/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError, see_landmark, see_reach
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import NODE_RED_MARKS, Kind, Mark, Refuser
from pytest_nodered_sec.observations.login_urls import place_of
from pytest_nodered_sec.observations.reach import (
    BEHIND_A_GATE,
    nobody_seen,
    of_a_dashboard,
    prefixed,
    turned_away,
    unidentified,
)
from pytest_nodered_sec.observations.way_out import unanswered

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import Answer, Classified, RootView

_EVERYWHERE: Final = (Cause.INDISTINCT, Cause.UNDECLARED_LOGIN, Cause.REJECTED)  # what may be the same on every path
_SITES: Final = (Surface.NODE, Surface.DASHBOARD)  # of whose paths an absence is judged
WITH_ACCOUNT: Final = "and with the account"  # how something was asked with the site's own, last in `how`
_LANDMARK: Final = (Surface.ADMIN, "GET", "/settings", "without credentials")


@dataclass(frozen=True)
class AccessAttempt:
    """An HTTP request to one path, and its answer.

    Attributes:
        surface: what was addressed.
        method: HTTP method.
        path: path as in the table, without root, e.g. "/flows".
        how: "without credentials" or "with a made-up bearer token".
        answer: what came back.
        classified: the answer's kind and refuser.
        like_canary: whether a random path of the same root was answered the same way.
        view: the root's landmarks.
        hint: for an absent guessed dashboard: what shows that one is elsewhere; else "".
        asked: absolute path, where it is not below the view's root; else "".
    """

    surface: Surface
    method: str
    path: str
    how: str
    answer: Answer
    classified: Classified
    like_canary: bool
    view: RootView
    hint: str = ""
    asked: str = ""

    @property
    def gate(self) -> tuple[Kind, Refuser | None, int, str]:
        """What tells one gate from another: what is known of one says nothing of the other."""
        return self.kind, self.refuser, self.answer.status, self.answer.challenge

    @property
    def absolute(self) -> str:
        """Return the whole path that was asked, e.g. "/admin/flows"."""
        return self.asked or self.view.root.rstrip("/") + self.path

    @property
    def kind(self) -> Kind:
        """Return what the answer is."""
        return self.classified.kind

    @property
    def refuser(self) -> Refuser | None:
        """Return who refused, None if the request was not refused."""
        return self.classified.refuser

    def question(self) -> str:
        """Return what was asked, e.g. 'GET /admin/flows without credentials'."""
        return f"{self.method} {self.absolute} {self.how}"

    def evidence(self) -> str:
        """Return one line for the evidence."""
        hops = " after a same-origin redirect" if self.answer.hops else ""
        return f"{self.question()} answered {self.answer.line()}{hops}{self.remark()}"

    def remark(self) -> str:
        """Return what the answer's line does not show: who refused, why, and that a page is not Node-RED's."""
        if self.kind is Kind.REFUSED and self.like_canary:
            return ", as every path here"
        if self.kind in (Kind.SERVED, Kind.ABSENT, Kind.REFUSED) and self.classified.why:
            return f": {self.classified.why}"
        if self.surface is not Surface.EDITOR:
            return ""
        if self.kind is Kind.REFUSED and self.refuser is not Refuser.NODE_RED:
            return ": refused, not absent; host-05 checks whether it is disabled"
        page = self.path == "/" and self.kind is Kind.SERVED and self.answer.status < 300
        return ": a page, not the editor" if page and Mark.EDITOR not in self.answer.marks else ""

    def settle(self, target: Target, *, compared: bool = False) -> None:
        """Raise `ProbeError` unless it answers its question under the target's policy; pure, before the test body.

        Args:
            target: the target.
            compared: whether another request is compared with it, so that it is no control's own question.
        """
        self.settle_kind(target)
        if self.surface in (Surface.ADMIN, Surface.EDITOR):
            _settle_behind_gate(self, target, compared=compared)
        absent = self.kind is Kind.ABSENT and self.surface in _SITES and Mark.EXPRESS not in self.answer.marks
        if absent and not self.view.gated and nobody_seen(self.view, target):
            raise see_reach(target.name)  # a gate may answer 404 for it, or the URL be wrong
        if self.kind is Kind.ABSENT and self.hint:
            raise ProbeError(
                f"{self.evidence()}, yet {self.hint}: name your dashboards (--nodered-dashboard=/PATH, or none), or "
                "what all of them stand below if httpNodeRoot is not / (--nodered-node-root=/PATH)",
                Cause.UNIDENTIFIED,
            )

    def settle_kind(self, target: Target) -> None:
        """Raise if there is no usable answer."""
        if self.classified.cause is not None:
            led_on = prefixed(self.view.canary) and nobody_seen(self.view, target)  # what is no GET is not followed
            if self.classified.cause in _EVERYWHERE and (self.view.opaque or led_on):
                raise see_reach(target.name)
            raise unanswered(self.evidence(), self.answer, self.classified, target, self.absolute)
        if self.refuser is Refuser.UNNAMED and self.like_canary and turned_away(self.view, target):
            raise see_reach(target.name)


@dataclass(frozen=True)
class LoginOffer:
    """The answer of `GET /auth/login` to an anonymous client (by it the editor learns how to log in).

    Attributes:
        attempt: the request and its answer; the marks LOGIN_OPEN (`{}`) and LOGIN_CONFIGURED show its content.
    """

    attempt: AccessAttempt

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.attempt.evidence()

    def settle(self, target: Target) -> None:
        """Raise unless the attempt answers its question."""
        self.attempt.settle(target)


@dataclass(frozen=True)
class VariantAttempt:
    """A request for a path in another form: another spelling, or other headers.

    Attributes:
        asked: the path as Node-RED spells it, below its root.
        attempt: the request in the other form, and its answer.
        plain: the answer to the plain request; None if it does not matter.
        ways: names of the ways of `data.ways` by which it was asked, where it was.
        elsewhere: the dashboard that is asked in place of this one, "" where none is.
        enough: names of those of its headers and cookies that are enough to be served; () where that is not known.
    """

    asked: str
    attempt: AccessAttempt
    plain: AccessAttempt | None = None
    ways: tuple[str, ...] = ()
    elsewhere: str = ""
    enough: tuple[str, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.attempt.evidence()

    def settle(self, target: Target) -> None:
        """Raise unless both requests got a usable answer."""
        if self.ways and self.plain is not None:  # what stands there is known by the usual way
            self.attempt.settle_kind(target)
        else:
            self.attempt.settle(target)
        if self.plain is not None:
            self.plain.settle(target, compared=True)


@dataclass(frozen=True)
class FileAttempt:
    """A request for a file that should not be served; the answer's content is not kept.

    Attributes:
        attempt: the request and its answer.
        found: whether the answer was recognised as that file.
        hole: the known hole by which it was asked for, "" where it was asked for by its name.
        closed_by: what closes the hole.
        left_out: where else it may be and was not asked for, as the policy's calm mode wants; "" for nowhere.
    """

    attempt: AccessAttempt
    found: bool
    hole: str = ""
    closed_by: str = ""
    left_out: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.attempt.evidence()

    def settle(self, target: Target) -> None:
        """Raise unless it is known whether the file is served."""
        attempt = self.attempt
        gated = attempt.view.gated and target.policy.admin_api in ("proxied", "disabled")
        if self.hole and gated and attempt.kind in (Kind.ABSENT, Kind.SERVED):
            return  # the intended gate before everything does not handle such paths, or serves something else there
        if self._leads_elsewhere(target) and (attempt.view.gated or attempt.view.identity):
            return
        attempt.settle(target)
        here = attempt.view.gated or Mark.EXPRESS in attempt.answer.marks
        if attempt.kind is Kind.ABSENT and here and not self.hole:
            return  # a gate exists that does not guard this path, or Node-RED's own server has no such file
        if not (self.found or attempt.kind is Kind.REFUSED or attempt.view.identity):
            raise unidentified(attempt.view, target, self.evidence())

    def _leads_elsewhere(self, target: Target) -> bool:
        """Whether the answer leads to another page of this host: no file, whatever is there, and no login of all."""
        place = place_of(self.attempt.answer.location)
        return (
            self.attempt.classified.cause is Cause.UNDECLARED_LOGIN
            and place is not None
            and place[:2] == ("https", target.hostname)
            and not place[3].endswith(self.attempt.path.rpartition("/")[2])
        )


def _settle_behind_gate(seen: AccessAttempt, target: Target, *, compared: bool) -> None:
    """Raise where a gate in front of everything, or a root without Node-RED, leaves the question unanswered."""
    view, expected = seen.view, target.policy.admin_api
    if view.blanket and seen.kind is Kind.REFUSED:
        settle_blanket(seen, target, compared=compared)
    if seen.kind is Kind.REFUSED:
        return
    editor = Mark.EDITOR in seen.answer.marks
    if of_a_dashboard(view, target) and (seen.kind is Kind.ABSENT or (seen.surface is Surface.EDITOR and not editor)):
        raise unidentified(view, target, seen.evidence())
    known = (
        view.identity
        or seen.answer.marks & (NODE_RED_MARKS | {Mark.NODES})
        or (view.gated and expected == "proxied")  # the gate that is declared lets nobody see more than this answer
    )
    if _relies_on_absence(seen, expected) and not known:
        raise unidentified(view, target, seen.evidence())
    if seen.surface is not Surface.EDITOR:
        return
    if view.api_absent and expected != "disabled" and not editor:
        raise ProbeError(
            f"{seen.evidence()}, but there is no admin API at {view.root} either: the admin root may be wrong; "
            "set --nodered-admin-root, or --nodered-admin-api=disabled",
            Cause.UNIDENTIFIED,
        )
    settings = view.settings
    if editor and target.policy.editor == "protected" and settings is not None and settings.classified.cause:
        raise ProbeError(
            f"{seen.evidence()}: the editor, but {settings.path} answered {settings.answer.line()}, so whether a "
            "login stands behind it is not known",
            settings.classified.cause,
        )


def settle_blanket(seen: AccessAttempt, target: Target, *, compared: bool = False) -> None:
    """Raise if a gate refused everything and the policy does not declare such a gate.

    One case explains it: reach-01, or if reach-01 passes because Node-RED was identified elsewhere, admin-01 with its
    landmark `GET /settings`.
    """
    if target.policy.admin_api in ("proxied", "disabled"):
        return
    if not seen.view.identity:
        raise see_reach(target.name)
    landmark = (seen.surface, seen.method, seen.path, seen.how) == _LANDMARK
    if compared or not landmark:
        raise see_landmark(target.name)
    raise ProbeError(
        f"{seen.evidence()}: {BEHIND_A_GATE.format(root=seen.view.root)}, or --nodered-admin-api=disabled if "
        "httpAdminRoot is false",
        Cause.UNIDENTIFIED,
    )


def _relies_on_absence(seen: AccessAttempt, expected: str) -> bool:
    """Whether a verdict on this answer, which is not a refusal, would rest on Node-RED being absent."""
    if seen.view.api_absent and (expected == "disabled" or seen.surface is Surface.EDITOR):
        return True
    return seen.kind is Kind.ABSENT or (seen.surface is Surface.EDITOR and seen.path == "/")
