"""Published passwords: at Node-RED's own login, and at Basic logins.

Nobody is locked out: at each login one attempt at a time, each sent once, counted where every process of the run looks.
At a log-in that locks accounts, one for each user name and run, and none after the first sign of a lock-out; so three
runs within ten minutes that know nothing of each other still leave the right password two, and runs on one machine,
which do know, always leave it one. The site's own account gets none where its own password was refused, which was its
attempt. A Basic login, where nothing is locked, gets three; at Node-RED's own, which hashes in its event loop, none
follows for a user name whose hash takes long, and that is told.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.data.known_credentials import PER_REALM, KnownPair, left_out, to_try
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Mark, Refuser, no_answer
from pytest_nodered_sec.observations.known_passwords import BasicGuesses, Guess, LoginGuesses
from pytest_nodered_sec.observations.login_urls import is_login
from pytest_nodered_sec.probes.http.access import JSON, describe, read_login_offer
from pytest_nodered_sec.probes.login.account import REFUSED, RIGHT, basic_login, log_in, own_attempt
from pytest_nodered_sec.probes.login.session import TOKEN, session
from pytest_nodered_sec.probes.transport.answers import location_of, origin_of, path_and_query, without_query
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from pytest_nodered_sec.data.known_credentials import Kind
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look

STALL: Final = 0.25  # seconds of hashing in the event loop after which the user name is left alone
_HOPS: Final = 5
_NOT_TRIED: Final = "the password in `credentials` was refused, so none was tried for its user name"
_UNKNOWN: Final = (Cause.TIMEOUT, Cause.CLOSED, Cause.PROTOCOL)  # the password may have arrived, and been right


# --- Node-RED's own log-in


def guess_login(look: Look, admin: RootView) -> LoginGuesses:
    """Try the known passwords at `/auth/token`; a session that begins is ended at once.

    Nothing more is tried when Node-RED says that there were too many attempts: others have tried as well.

    Raises:
        ProbeError: a channel that is not verified, no answer, attempts used up, a session that could not be ended, or
            tokens for anybody that open nothing; where a password was accepted before, the sentence says so.
    """
    offer = read_login_offer(look, admin).attempt
    if Mark.LOGIN_CONFIGURED not in offer.answer.marks or not look.target.policy.guess:
        return LoginGuesses(offer)
    look.station.check_channel(look.deadline)  # before anything is counted
    pairs, spent = _taken(look, "login", TOKEN, TOKEN)
    spared = _spared(look, admin, pairs)
    refused = all(why.startswith(_NOT_TRIED) for why in spared.values())
    pairs = [pair for pair in pairs if pair.username not in spared]
    guesses: list[Guess] = []
    unanswered = {} if refused else dict(spared)
    trouble: ProbeError | None = None
    for pair in pairs:
        if unanswered:
            break
        try:
            answer = _enter(look, pair, guesses, unanswered)
        except ProbeError as error:
            trouble = error
            break
        if answer is not None and not guesses:
            return LoginGuesses(offer, gate=answer)
        if answer is not None:
            trouble = ProbeError(f"{TOKEN} answered {answer.line()}, and Node-RED before that", Cause.CHANGED)
            break
    won = next((guess for guess in guesses if guess.accepted), None)
    if trouble and won is None:
        raise trouble
    anybody = won is not None and _anybody(look, won)
    more = left_out("login", look.target.policy.known_credentials, locks=True)
    return LoginGuesses(offer, tuple(guesses), anybody, None, tuple((spared | unanswered).items()), spent, more)


def _spared(look: Look, admin: RootView, pairs: list[KnownPair]) -> dict[str, str]:
    """Return the user name of the site's account, and why no known password is tried for it, where there is a reason.

    Its own password comes first. If it is refused, it may be an old one; a second attempt in each run would lock its
    owner out after three. Where it is right, Node-RED forgets the attempts before it.
    """
    account = look.target.credentials() if look.target.credentials is not None else None
    if account is None or account.token or account.username not in {pair.username for pair in pairs}:
        return {}
    account.hide()
    if basic_login(look, admin):  # it is the account of the login before Node-RED's
        return {}
    if not own_attempt(look, account).known():
        look.extend()
        with contextlib.suppress(ProbeError), log_in(look, account):  # what goes wrong is known then
            pass
    known = own_attempt(look, account).known()
    if known in ("", RIGHT):
        return {}
    if known.startswith(REFUSED):
        return {account.username: f"{_NOT_TRIED}, `{account.username}`, and another attempt could lock its owner out"}
    return {account.username: f"nothing was tried: {known}"}


def _enter(look: Look, pair: KnownPair, guesses: list[Guess], unanswered: dict[str, str]) -> Answer | None:
    """Try one password and note what came of it; return the answer where it is somebody's else."""
    _note(look, TOKEN, TOKEN, pair.username)
    look.extend()
    accepted = opened = False
    try:
        with session(look, pair.username, pair.password, once=True) as entry:
            accepted = bool(entry.token)
            with contextlib.suppress(ProbeError):  # the password was accepted all the same
                opened = accepted and _opens(look, entry.token)
    except ProbeError as error:
        if accepted:
            raise _despite(Guess(pair.username, pair.told, accepted, opened), error) from None
        unknown = "; whether a session began is not known" if error.cause in _UNKNOWN else ""
        raise ProbeError(f"{error.message}{unknown}", error.cause) from None
    if accepted or entry.refused:
        guesses.append(Guess(pair.username, pair.told, accepted, opened))
    elif entry.locked_out:
        unanswered[pair.username] = (
            f"`{pair.username}` was not answered: {entry.answer.line()}, too many log-in attempts, some of them of "
            "earlier runs or by others; nothing more was tried. Run again in ten minutes, or leave guesses out "
            "(--nodered-mode=calm)"
        )
    elif entry.answer.status in (401, 403) and not entry.answer.block:
        return entry.answer
    else:
        raise ProbeError(f"{TOKEN} answered {entry.answer.line()} to a known password", Cause.UNAVAILABLE)
    return None


def _anybody(look: Look, won: Guess) -> bool:
    """Whether a made-up user name and password get in as well; then it must be shown that this is Node-RED."""
    look.extend()
    entered = opens = False
    try:
        with session(look, random_path()[1:], secrets.token_urlsafe(18), once=True) as entry:
            entered = bool(entry.token)
            opens = entered and _opens(look, entry.token)
            if entered and not opens and not won.opened:
                raise ProbeError("so was a made-up one, and the token does not open /settings", Cause.INDISTINCT)
    except ProbeError as error:
        if not entered or opens or not won.opened:
            raise _despite(won, error) from None
        # else it is a session of a user name that adminAuth.users does not know: it opens nothing, not even its end
    return entered


def _opens(look: Look, token: str) -> bool:
    """Whether a session opens /settings."""
    bearer = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    got = look.ask("GET", look.target.admin("/settings"), headers=bearer, secret=True)
    return Mark.SETTINGS in look.reduce(got).marks


def _despite(won: Guess, error: ProbeError) -> ProbeError:
    return ProbeError(f"{TOKEN}: {won.line()}, but {error.message}", error.cause)


# --- Basic logins


def guess_basic(look: Look, admin: RootView, node: RootView, surface: str, path: str) -> BasicGuesses:
    """Try the known passwords at one place, if a Basic login stands before it that was not asked at another one.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        surface: name of a `Surface`; decides the root.
        path: path below the root that a GET does not harm; "" for one that nobody serves.

    Raises:
        ProbeError: a channel that is not verified, no answer, attempts used up, or answers that change by themselves.
    """
    which = Surface[surface]
    view = admin if which is Surface.ADMIN else node
    absolute = look.target.admin(path) if which is Surface.ADMIN else look.target.node(path)
    headers = JSON if which is Surface.ADMIN else {}  # as others have asked already
    plainly = look.read(absolute, headers) if path else node.canary.answer
    attempt = describe(look, which, "GET", path or "/<random>", "without credentials", plainly, view)
    realm = plainly.basic_realm
    if realm is None or not look.target.policy.guess:
        return BasicGuesses(attempt)
    login, place = _login_of(attempt, realm), f"{attempt.method} {attempt.path}"
    first = look.station.basic_logins.setdefault(login, place)
    if first != place:
        return BasicGuesses(attempt, realm, same_as=first)
    look.station.check_channel(look.deadline)  # as above
    asked = absolute if path else node.canary.path
    # Node-RED hashes: beside its log-in, which does as well, how long that takes would not be known.
    with look.station.guessing if attempt.refuser is Refuser.NODE_RED_BASIC else contextlib.nullcontext():
        look.extend()
        return _guesses_at(look, _followed(look, asked) if plainly.hops else asked, attempt, realm, login)


def _login_of(attempt: AccessAttempt, realm: str) -> str:
    """Return what distinguishes logins: the realm, and for Node-RED, whose realm is always the same, the root too."""
    own = attempt.view.root if attempt.refuser is Refuser.NODE_RED_BASIC else ""
    return f"Basic {realm} {own}"


def _guesses_at(look: Look, asked: str, attempt: AccessAttempt, realm: str, login: str) -> BasicGuesses:
    place = f"{attempt.method} {attempt.path}"
    kind: Kind = "node_red" if attempt.refuser is Refuser.NODE_RED_BASIC else "proxy"
    pairs, spent = _taken(look, kind, login, place, f'Basic realm="{realm}"')
    guesses: list[Guess] = []
    stalls: dict[str, float] = {}
    untried: list[str] = []
    as_well = ""
    for pair in pairs:
        if guesses and guesses[-1].accepted:
            break
        if pair.username in stalls:
            untried.append(f"`{pair.username}` with {pair.told}")
            continue
        if look.target.policy.login_realm:  # else nobody locks out there
            _note(look, login, place, pair.username)
        got = _open(look, asked, pair)
        accepted = _let_in(look, asked, got)
        if accepted:
            again = look.ask("GET", asked)
            if again.status != 401:
                raise ProbeError(
                    f"{place} answers inconsistently: now {again.status} without credentials", Cause.CHANGED
                )
            left = 0 if kind == "node_red" or look.target.policy.login_realm else PER_REALM - len(guesses) - 1
            as_well = _as_well(look, asked, pair, left)
        guesses.append(Guess(pair.username, pair.told, accepted))
        if kind == "node_red" and got.seconds > STALL and not accepted:  # it hashes for the name that it knows only
            stall = got.seconds - look.ask("GET", asked).seconds  # what is slow without a password is not the hash
            stalls |= {pair.username: stall} if stall > STALL else {}
    more = left_out(kind, look.target.policy.known_credentials, locks=bool(look.target.policy.login_realm))
    return BasicGuesses(
        attempt, realm, tuple(guesses), "", max(stalls.values(), default=0.0), tuple(untried), spent, more, as_well
    )


def _as_well(look: Look, asked: str, won: KnownPair, left: int) -> str:
    """Return which made-up login is let in, too, "" for none: then the gate does not compare passwords.

    Args:
        look: the look.
        asked: the path.
        won: the known user name and password that were accepted.
        left: attempts that are left for that user name; a user name that nobody has takes none.
    """
    nobody, wrong = random_path()[1:], secrets.token_urlsafe(18)
    made_up = {nobody: "a made-up user name and password", won.username: f"a made-up password for `{won.username}`"}
    for username, told in list(made_up.items())[: 2 if left else 1]:
        with contextlib.suppress(ProbeError):  # the finding stands without it
            if _let_in(look, asked, _open(look, asked, KnownPair(username, wrong, told))):
                return told
    return ""


def _let_in(look: Look, asked: str, got: Exchange) -> bool:
    return not (got.status in (401, 403) or is_login(without_query(_leads_to(look, asked, got)), look.target))


def _open(look: Look, asked: str, pair: KnownPair) -> Exchange:
    look.extend()
    login = base64.b64encode(f"{pair.username}:{pair.password}".encode()).decode()
    got = look.ask("GET", asked, headers={"Authorization": f"Basic {login}"}, secret=True, once=True)
    answer = look.reduce(got, asked)
    if no_answer(answer):
        raise ProbeError(f"GET {asked} with a known password answered {answer.line()}", Cause.UNAVAILABLE)
    return got


def _followed(look: Look, path: str) -> str:
    """Ask, follow redirects on the same origin, and return the path at the end."""
    for _ in range(_HOPS):
        got = look.ask("GET", path)
        there = _leads_to(look, path, got)
        if not there or origin_of(there) != look.origin(plain=False) or is_login(without_query(there), look.target):
            return path
        path = path_and_query(there)
    raise ProbeError(f"GET {path} ends in a redirect loop (more than {_HOPS} hops)", Cause.PROTOCOL)


def _leads_to(look: Look, path: str, got: Exchange) -> str:
    return location_of(look.origin(plain=False) + path, got)


# --- what both count


def _taken(look: Look, kind: Kind, login: str, place: str, realm: str = "") -> tuple[list[KnownPair], tuple[str, ...]]:
    """Take the attempts for a login, and for the user names at it; return what may be tried.

    Accounts of a directory are the same wherever one logs in: who was tried elsewhere is left out, and where is told.

    Args:
        look: the look.
        kind: which kind of login.
        login: what tells it from others.
        place: where it is asked.
        realm: what to call it where it is one login of its own; "" where only user names count.

    Raises:
        ProbeError: the attempts were made already.
    """
    policy, logins = look.target.policy, look.station.logins
    note = f"{place} of {look.target.name}"
    for username, password in policy.known_credentials:
        redaction.learn(password, username=username)  # the site's own are secrets
    pairs = to_try(kind, policy.known_credentials, locks=kind == "login" or bool(policy.login_realm))
    spent: dict[str, str] = {}
    for username in sorted({pair.username for pair in pairs}):
        used = logins.take(look.account_keys(login, username), note)
        if used and not policy.login_realm:
            raise _used_up(f"`{username}`", place, used)
        if used:
            spent[username] = used
    left = [pair for pair in pairs if pair.username not in spent]
    used = logins.take(look.login_keys(login), note) if realm and left else ""
    if used:
        raise _used_up(realm, place, used)
    return left, tuple(spent.values())


def _note(look: Look, login: str, place: str, username: str) -> None:
    # without an account it may be anybody's name; with one, that is tried first, and forgotten where it is right
    reserve = look.target.credentials is None
    wait = look.station.logins.note(look.account_keys(login, username), reserve=reserve)
    if wait:
        raise ProbeError(
            f"{place}: `{username}` was tried so often from here that one more attempt could lock it; ask again in "
            f"{wait:.0f} s, or leave guesses out (--nodered-mode=calm)",
            Cause.NOT_ASKED,
        )


def _used_up(what: str, place: str, used: str) -> ProbeError:
    return ProbeError(f"{place}: the attempts of this run for {what} are used up, by {used}", Cause.NOT_ASKED)
