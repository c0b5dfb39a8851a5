"""What was seen of passwords that the whole world knows; no password is kept.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_access import settle
from pytest_nodered_sec.model_answers import Kind, Mark

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.model_access import AccessAttempt
    from pytest_nodered_sec.model_answers import Answer


@dataclass(frozen=True)
class Guess:
    """A known password that was tried.

    Attributes:
        username: the account.
        told: what to call the password: who publishes it.
        accepted: whether it was accepted.
    """

    username: str
    told: str
    accepted: bool

    def line(self) -> str:
        """Return it in one phrase."""
        return f"`{self.username}` with {self.told} was {'accepted' if self.accepted else 'refused'}"


def _told(guesses: tuple[Guess, ...]) -> str:
    return "; ".join(one.line() for one in guesses) or "no password was tried"


@dataclass(frozen=True)
class LoginGuesses:
    """Known passwords at Node-RED's own log-in; sessions that began are over when this exists.

    Attributes:
        offer: what `/auth/login` said to a stranger.
        guesses: what was tried.
        any_password: whether a made-up user name and password were accepted as well.
        gate: what was answered in Node-RED's place before anything was answered by it; None where nothing was.
        unanswered: user names for which something was not answered, and why; the rest stands.
        spent: where user names were tried instead, whose accounts are the same (`login_realm`).
    """

    offer: AccessAttempt
    guesses: tuple[Guess, ...] = ()
    any_password: bool = False
    gate: Answer | None = None
    unanswered: tuple[tuple[str, str], ...] = ()
    spent: tuple[str, ...] = ()

    @property
    def login(self) -> bool:
        """Whether there is a log-in by Node-RED itself, as far as a stranger sees."""
        return Mark.LOGIN_CONFIGURED in self.offer.answer.marks

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.login:
            return self.offer.evidence()
        if self.gate is not None:
            return f"POST /auth/token answered {self.gate.line()}"
        left = "".join(f"; {why}" for _, why in self.unanswered)
        return f"POST /auth/token: {_told(self.guesses)}{left}{_elsewhere(self.spent)}"

    def settle(self, target: Target) -> None:
        """Raise where nobody was seen behind a gate, or a user name was never answered and nothing was accepted."""
        if not target.policy.guess:
            return
        if not self.login:
            settle(self.offer, target)
            return
        answered = {one.username for one in self.guesses}
        never = [why for username, why in self.unanswered if username not in answered]
        if never and not any(one.accepted for one in self.guesses):
            raise ProbeError(f"POST /auth/token: {'; '.join(never)}", Cause.UNAVAILABLE)


@dataclass(frozen=True)
class BasicGuesses:
    """Known passwords at one place behind a Basic login.

    Attributes:
        attempt: what a stranger gets there.
        realm: the login's realm, None where no Basic login is asked for.
        guesses: what was tried.
        same_as: the place where this login was asked with passwords already, "" for here.
        slow: seconds that an attempt took after which nothing more was asked, 0 for none.
        spent: as for `LoginGuesses`.
    """

    attempt: AccessAttempt
    realm: str | None = None
    guesses: tuple[Guess, ...] = ()
    same_as: str = ""
    slow: float = 0.0
    spent: tuple[str, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.realm is None or self.same_as:
            return self.attempt.evidence()
        slow = f"; nothing more was asked, the last took {self.slow:.2f} s" if self.slow else ""
        asked = f"{self.attempt.method} {self.attempt.path}"
        return f'{asked}, Basic realm="{self.realm}": {_told(self.guesses)}{slow}{_elsewhere(self.spent)}'

    def settle(self, target: Target) -> None:
        """Raise where a stranger got no answer, so that nobody knows what stands there."""
        classified = self.attempt.classified
        if target.policy.guess and classified.cause is not None and classified.kind is not Kind.INDISTINCT:
            why = f": {classified.why}" if classified.why else ""
            raise ProbeError(f"{self.attempt.evidence()}{why}", classified.cause)


def _elsewhere(spent: tuple[str, ...]) -> str:
    return f"; other user names were tried at {' and '.join(dict.fromkeys(spent))}" if spent else ""
