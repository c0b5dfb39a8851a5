"""Whether anything of Node-RED comes in clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Mark, PortState, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Answer, PlainAnswer, PlainAttempt, Verdict
    from pytest_nodered_sec.policy import Policy

_REMEDY: Final = "nginx, server on port 80: return 301 https://$host$request_uri;"
_EXPECTED: Final = "a redirect to https, a 4xx other than 401, a close, or a closed port"


def nothing_in_clear(seen: PlainAttempt, policy: Policy) -> Verdict:
    """A surface cannot be had over plain HTTP, on any address of the name."""
    return tuple(
        Violation(code, _observed(seen, one, what), _EXPECTED, _REMEDY + _other_owner(seen))
        for one in seen.answers
        for code, what in _faults(one)
    )


def _observed(seen: PlainAttempt, one: PlainAnswer, what: str) -> str:
    where = f" at {one.address}" if len(seen.answers) > 1 else ""
    return f"GET {seen.path} over plain HTTP, port {seen.port}{where}, answered {one.line()}: {what}"


def _other_owner(seen: PlainAttempt) -> str:
    hint = " (if port 80 belongs to something else, set --nodered-http-port)"
    return hint if seen.default_port else ""


def _faults(one: PlainAnswer) -> list[tuple[str, str]]:
    if one.state is not PortState.ANSWERED or one.answer is None:
        return []
    fault = _fault(one.answer)
    return [fault] if fault else []


def _fault(answer: Answer) -> tuple[str, str] | None:
    if answer.status == 401:
        return "password-in-clear", "it invites a password in clear text"
    if answer.status < 300:
        return "served", "it is served in clear text"
    if answer.location.startswith("http:"):
        return "stays-in-clear", "the redirect stays in clear text"
    if Mark.EXPRESS in answer.marks:
        return "node-red-answers", "Node-RED itself answers in clear text"
    return None
