"""What a person can do where a front answers in place of Node-RED, by what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import elsewhere

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import Answer, Classified

_TURNED_AWAY: Final = (
    "let the front pass the machine that runs the tests, or test behind the front (`connect` in the policy file)"
)
CLOSES_ALL: Final = (
    "if every path is closed like this, a front closes what it does not know (nginx: return 444), bans this machine, "
    "or reaches nothing behind it (stunnel): correct the host name of the URL, let the front pass the machine that "
    "runs the tests, or start Node-RED"
)
NEWER_ALONE: Final = (
    "the front takes HTTP/2 alone: let it take HTTP/1.1, too (Caddy: `protocols h1 h2`), or test behind the front "
    "(`connect` in the policy file)"
)
_EMPTY: Final = (
    "an empty page, which fronts answer to names that they do not know, and some to strangers: correct the host name "
    "of the URL, or let the front answer 401"
)
_DIGEST: Final = (
    "a Digest login, which no account of the tests passes: what needs an account is seen only where the front asks for "
    "Basic, or behind the front (`connect` in the policy file)"
)
_BY_STATUS: Final = {
    400: "the front takes none of these requests (nginx: return 400): correct the host name of the URL, or let the "
    "front pass the machine that runs the tests",
    403: "a refusal that asks for no login: where strangers are shown one, the front bans this machine (fail2ban, "
    "CrowdSec, a limit of requests); let it pass the machine that runs the tests",
    421: "the server does not serve this name on this connection: correct the host name of the URL",
    429: "a rate limit: let it pass the machine that runs the tests, or slow down (--nodered-pace=quiet)",
    451: "the front refuses the country or network of this machine: test from where the users are",
    500: "the front, or what is behind it, breaks on every request (HAProxy's tarpit says so, too): see its log, or "
    "let it pass the machine that runs the tests",
    502: "the proxy does not reach Node-RED: start it, or correct its address in the proxy",
    503: "maintenance, overload, or no Node-RED behind the proxy: test when it serves again",
    504: "the proxy gets no answer from Node-RED: see whether it runs, and its address in the proxy",
    505: "the front takes HTTP/2 alone, or no version that this tool speaks: let it take HTTP/1.1 from the machine "
    "that runs the tests, or test behind the front (`connect` in the policy file)",
    511: "the network that this machine is in wants a login first: log in there, or test from another network",
}


def way_out(answer: Answer) -> str:
    """Return what to do about an answer that every path gets; "" where it does not tell."""
    if answer.block:
        return _TURNED_AWAY
    if 200 <= answer.status < 300 and not answer.length:
        return _EMPTY
    return digest_login(answer) or _BY_STATUS.get(answer.status, "")


def digest_login(answer: Answer) -> str:
    """Return what to do about a Digest login that offers no Basic; "" where there is none."""
    asked = answer.status == 401 and answer.challenge.lower().startswith("digest")
    return _DIGEST if asked and answer.basic_realm is None else ""


def unanswered(evidence: str, answer: Answer, classified: Classified, target: Target, path: str = "") -> ProbeError:
    """Return the error of a question that got no answer; of an undeclared login the same for all that lead to it.

    Args:
        evidence: what was asked and what came.
        answer: what came.
        classified: what it is.
        target: the target.
        path: absolute path, which a redirect may repeat.
    """
    login = answer.location.removesuffix(path)
    if classified.cause is Cause.UNDECLARED_LOGIN and login.startswith("https:"):
        return ProbeError(f"the target redirects strangers to {login}: {elsewhere(login, target)}", classified.cause)
    why = f": {classified.why}" if classified.why else ""
    return ProbeError(f"{evidence}{why}", classified.cause or Cause.UNAVAILABLE)
