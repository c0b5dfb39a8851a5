"""Observations of published passwords that were tried; no password is kept.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError, see_reach
from pytest_nodered_sec.observations.answers import Kind, Mark
from pytest_nodered_sec.observations.way_out import unanswered

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer

_TWO_WAYS: Final = (
    "a look inside the host judges the hash (host-03; `host` in the policy file); or leave guesses out and say why "
    '(guess = {value = false, reason = "..."})'
)


@dataclass(frozen=True)
class Guess:
    """A known password that was tried.

    Attributes:
        username: the account.
        told: description of the password: who publishes it.
        accepted: whether it was accepted.
        opened: whether the session that began was seen to open something, at Node-RED's own login.
    """

    username: str
    told: str
    accepted: bool
    opened: bool = False

    def line(self) -> str:
        """Return it in one phrase."""
        return f"`{self.username}` with {self.told} was {'accepted' if self.accepted else 'refused'}"


def _told(guesses: tuple[Guess, ...]) -> str:
    return "; ".join(guess.line() for guess in guesses) or "no password was tried"


@dataclass(frozen=True)
class LoginGuesses:
    """Known passwords at Node-RED's own login; sessions are already logged out.

    Attributes:
        offer: the answer of `/auth/login` without credentials.
        guesses: the passwords tried.
        any_password: whether a made-up user name and password were accepted as well.
        gate: what was answered in Node-RED's place before anything was answered by it; None where nothing was.
        unanswered: user names for which something was not answered, and why; the rest stands.
        spent: where user names were tried instead, whose accounts are the same (`login_realm`).
        left_out: user names of which the policy names more passwords than are tried in a run.
    """

    offer: AccessAttempt
    guesses: tuple[Guess, ...] = ()
    any_password: bool = False
    gate: Answer | None = None
    unanswered: tuple[tuple[str, str], ...] = ()
    spent: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def login(self) -> bool:
        """Whether Node-RED's own login is there, as far as an anonymous client can see."""
        return Mark.LOGIN_CONFIGURED in self.offer.answer.marks

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.login:
            return self.offer.evidence()
        if self.gate is not None:
            return f"POST /auth/token answered {self.gate.line()}"
        left = "".join(f"; {why}" for _, why in self.unanswered)
        return f"POST /auth/token: {_told(self.guesses)}{left}{_elsewhere(self.spent)}{_more(self.left_out)}"

    def settle(self, target: Target) -> None:
        """Raise if Node-RED was not seen behind a gate, or a user name got no answer and no password was accepted."""
        if not target.policy.guess:
            return
        if not self.login:
            self.offer.settle(target)
            return
        answered = {guess.username for guess in self.guesses}
        never = [why for username, why in self.unanswered if username not in answered]
        if never and not any(guess.accepted for guess in self.guesses):
            raise ProbeError(f"POST /auth/token: {'; '.join(never)}", Cause.UNAVAILABLE)


@dataclass(frozen=True)
class BasicGuesses:
    """Known passwords at one place behind a Basic login.

    Attributes:
        attempt: the answer without credentials.
        realm: the login's realm, None where no Basic login is asked for.
        guesses: what was tried.
        same_as: the place where this login was asked with passwords already, "" for here.
        slow: longest that an attempt kept Node-RED from everything else, in seconds, where that was too long; else 0.
        untried: what was not tried after it, in words.
        spent: as for `LoginGuesses`.
        left_out: as for `LoginGuesses`.
        as_well: which made-up login was let in after a known one, in words, "" for none.
    """

    attempt: AccessAttempt
    realm: str | None = None
    guesses: tuple[Guess, ...] = ()
    same_as: str = ""
    slow: float = 0.0
    untried: tuple[str, ...] = ()
    spent: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    as_well: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.realm is None or self.same_as:
            return self.attempt.evidence()
        left = f"; not tried: {' and '.join(self.untried)}, because {self._stalled()}" if self.untried else ""
        asked = f"{self.attempt.method} {self.attempt.absolute}"
        others = (f"; so was {self.as_well}" if self.as_well else "") + _elsewhere(self.spent) + _more(self.left_out)
        return f'{asked}, Basic realm="{self.realm}": {_told(self.guesses)}{left}{others}'

    def settle(self, target: Target) -> None:
        """Raise if the request without credentials got no answer, or passwords were left out and none was accepted."""
        classified = self.attempt.classified
        if target.policy.guess and classified.cause is not None and classified.kind is not Kind.INDISTINCT:
            if self.attempt.view.opaque:
                raise see_reach(target.name)
            raise unanswered(self.attempt.evidence(), self.attempt.answer, classified, target, self.attempt.absolute)
        if self.untried and not any(guess.accepted for guess in self.guesses):
            raise ProbeError(f"{self.evidence()}; {_TWO_WAYS}", Cause.NOT_ASKED)

    def _stalled(self) -> str:
        return f"an attempt for that user name kept Node-RED from everything else for {self.slow:.2f} s"


def _elsewhere(spent: tuple[str, ...]) -> str:
    return f"; other user names were tried at {' and '.join(dict.fromkeys(spent))}" if spent else ""


def _more(left_out: tuple[str, ...]) -> str:
    if not left_out:
        return ""
    names = ", ".join(f"`{username}`" for username in left_out)
    return f"; not tried: further passwords of the policy for {names}, because a run has no more attempts"
