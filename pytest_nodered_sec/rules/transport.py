"""Whether anything of Node-RED comes in clear, and whether clear text leads to HTTPS as it should."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.answers import NODE_RED_MARKS, Mark
from pytest_nodered_sec.observations.cleartext import PortState
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import Answer
    from pytest_nodered_sec.observations.cleartext import (
        Hop,
        PlainAnswer,
        PlainAttempt,
        RedirectTrails,
        SpoofedAttempt,
        Trail,
    )
    from pytest_nodered_sec.observations.side_ports import PageAnswers
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_OF_NODE_RED: Final = NODE_RED_MARKS | {Mark.EXPRESS}
_REMEDY: Final = "nginx, server on port 80: return 301 https://$server_name$request_uri;"
_EXPECTED: Final = "a redirect to https, a 4xx other than 401, a close, or a closed port"


def nothing_in_clear(seen: PlainAttempt, policy: Policy) -> Verdict:
    """A surface is not served over plain HTTP, on any address of the host name."""
    return tuple(
        Violation(code, _observed(seen, answer, what), _EXPECTED, _REMEDY + _other_owner(seen))
        for answer in seen.answers
        for code, what in _faults(answer)
    )


def _observed(seen: PlainAttempt, answer: PlainAnswer, what: str) -> str:
    where = f" at {answer.address}" if len(seen.answers) > 1 else ""
    return f"{seen.method} {seen.path} over plain HTTP, port {seen.port}{where}, answered {answer.line()}: {what}"


def _other_owner(seen: PlainAttempt) -> str:
    hint = " (if port 80 belongs to something else, set --nodered-http-port)"
    return hint if seen.default_port else ""


def _faults(answer: PlainAnswer) -> list[tuple[str, str]]:
    if answer.state is not PortState.ANSWERED or answer.answer is None or answer.elsewhere:
        return []
    if answer.reached:
        return [("served", "it is served in clear text")]
    fault = _fault(answer.answer)
    return [fault] if fault else []


def _fault(answer: Answer) -> tuple[str, str] | None:
    if answer.status == 401:
        return "password-in-clear", "it asks for a password in clear text"
    if answer.status < 300:
        return "served", "it is served in clear text"
    if answer.location.startswith("http:"):
        return "stays-in-clear", "the redirect stays in clear text"
    if Mark.EXPRESS in answer.marks:
        return "node-red-answers", "Node-RED itself answers in clear text"
    return None


def login_stays_out(seen: PlainAttempt, policy: Policy) -> Verdict:
    """Node-RED's login is never served in clear: there a password or a token would cross the network readable."""
    del policy
    return tuple(
        Violation(code, _observed(seen, answer, what), _EXPECTED, _REMEDY + _other_owner(seen))
        for answer in seen.answers
        for code, what in _faults(answer) or _reached(answer)
    )


def _reached(answer: PlainAnswer) -> list[tuple[str, str]]:
    """A 400 that a random path does not get is Node-RED asking for a better log-in."""
    complains = answer.answer is not None and answer.answer.status == 400 and not answer.like_canary
    return [("login-answers", "the login is accepted in clear text")] if complains else []


def channel_stays_out(seen: PlainAttempt, policy: Policy) -> Verdict:
    """A live channel is not offered in clear; a 404 of Node-RED's offers none."""
    del policy
    return tuple(
        Violation(code, _observed(seen, answer, what), _EXPECTED, _REMEDY + _other_owner(seen))
        for answer in seen.answers
        for code, what in _faults(answer)
        if code != "node-red-answers"
    )


def redirects_well(seen: RedirectTrails, policy: Policy) -> Verdict:
    """A redirect has the profile's status, stays on the host, and ends on HTTPS at the path that was asked."""
    if not seen.tls:
        return NotApplicable("there is no HTTPS to redirect to (see tls-01)")
    if not any(trail.hops for trail in seen.trails):
        return NotApplicable("no redirect (http-01 judges what is served in clear text)")
    return tuple(violation for trail in seen.trails if trail.hops for violation in _flaws(seen, trail, policy))


def _flaws(seen: RedirectTrails, trail: Trail, policy: Policy) -> list[Violation]:
    where = f" at {trail.address}" if len(seen.trails) > 1 else ""
    observed = f"{seen.method} {seen.path} over plain HTTP, port {seen.port}{where}, was answered {trail.line()}"
    first = trail.hops[0]
    first_https = next((hop for hop in trail.hops if hop.https), None)
    violations: list[Violation] = []

    def add(code: str, what: str, expected: str) -> None:
        remedy = f"nginx, server on port {seen.port}: return {_status(seen, policy)} https://{seen.host}$request_uri;"
        violations.append(Violation(code, f"{observed}: {what}", expected, remedy))

    allowed = _allowed(seen, policy)
    if first.status not in allowed:
        statuses = ", ".join(str(number) for number in allowed)
        add("status", f"status {first.status}", f"one of {statuses}, as profile {policy.profile} demands")
    # What HTTPS does is its own: http-06 judges where that leads.
    leaving = trail.hops[: trail.hops.index(first_https) + 1] if first_https else trail.hops
    if first_https is None or not all(hop.https for hop in leaving):
        add("detour", "a hop uses plain HTTP", "one redirect, straight to https://")
    strange = [hop.host for hop in leaving if hop.host != seen.host and not hop.login]
    if strange:
        add("elsewhere", f"it redirects to {strange[0]}", f"a redirect to {seen.host}, or to a declared login")
    if first_https is not None and first_https.port == seen.port:
        add(
            "plain-port",
            "that is the port of plain HTTP, where HTTPS does not answer",
            "a redirect to HTTPS's own port",
        )
    if first_https is not None and not _keeps(first_https):
        add("loses-path", "path and query are lost", f"a redirect to https://{seen.host}{seen.path}")
    return violations


def _keeps(hop: Hop) -> bool:
    return hop.keeps_path or hop.login


def _allowed(seen: RedirectTrails, policy: Policy) -> tuple[int, ...]:
    thresholds = policy.thresholds
    if seen.method not in ("GET", "HEAD") and thresholds.redirect_keeps_method:
        return tuple(
            redirect_status for redirect_status in thresholds.redirect_statuses if redirect_status in (307, 308)
        )
    return thresholds.redirect_statuses


def _status(seen: RedirectTrails, policy: Policy) -> int:
    """Return the status to propose: one that keeps the method where the profile wants that, else 301."""
    allowed = _allowed(seen, policy)
    return 301 if 301 in allowed else next(iter(allowed), 308)


def headers_do_not_steer(seen: SpoofedAttempt, policy: Policy) -> Verdict:
    """A header that any client can send neither disables the redirect nor becomes its target."""
    redirecting = [answer for answer in seen.before.answers if answer.answer is not None and answer.answer.location]
    if not redirecting:
        return NotApplicable("no redirect that a header could change")
    was = {answer.address for answer in redirecting if not _faults(answer)}
    return tuple(
        violation for answer in seen.after.answers if answer.address in was for violation in _steered(seen, answer)
    )


def _steered(seen: SpoofedAttempt, answer: PlainAnswer) -> list[Violation]:
    name, _, value = seen.header.partition(": ")
    if name == "X-Forwarded-Proto":
        return [
            Violation(
                "switched-off",
                f"{_observed(seen.after, answer, what)}, though without {seen.header} it redirects",
                "the redirect, whatever headers the client sends",
                "redirect in the proxy, not by settings.js: requireHttps, and let it set the header itself: "
                "proxy_set_header X-Forwarded-Proto $scheme;",
            )
            for _, what in _faults(answer)
        ]
    if answer.answer is None:
        return []
    if name == "Host" and not answer.answer.location and answer.answer.marks & _OF_NODE_RED:
        return [
            Violation(
                "served-by-name",
                f"{_observed(seen.after, answer, 'it is Node-RED in clear text')}, "
                "though under its own name it redirects",
                "the redirect, whatever name the client says",
                "nginx, server on port 80: listen 80 default_server; return 301 https://NAME$request_uri;",
            )
        ]
    if value not in answer.answer.location:
        return []
    own_name = "nginx: write the name into the redirect, not $host: return 301 https://NAME$request_uri;"
    own_header = (
        "nginx: proxy_set_header X-Forwarded-Host $server_name; (settings.js: requireHttps trusts the client's)"
    )
    return [
        Violation(
            "becomes-target",
            _observed(seen.after, answer, f"{seen.header} became the redirect's target"),
            "a redirect to a name that is configured, or none",
            own_name if name == "Host" else own_header,
        )
    ]


def insists_on_https(seen: PageAnswers, policy: Policy) -> Verdict:
    """No answer of a page leads to plain HTTP; each sends HSTS with the demanded max-age."""
    if not seen.tls:
        return NotApplicable(f"{seen.evidence()} (tls-01 judges that)")
    left = _left_in_clear(seen)
    told = _tells_browsers(seen, policy)
    return told if not left else left + (told if isinstance(told, tuple) else ())


def _left_in_clear(seen: PageAnswers) -> tuple[Violation, ...]:
    """Return the violation of a page that leads to plain HTTP; of what every path does, once."""
    if seen.as_everywhere:
        return ()
    return tuple(
        Violation(
            "leads-to-clear",
            f"GET {path} answered {answer.line()}: whatever is typed there, such as a password, is sent in clear text",
            "a redirect to https://",
            f"where the redirect is written (nginx: return, rewrite) write https://{answer.location[7:]} instead of "
            f"{answer.location}; where nginx completes a path, absolute_redirect off; where it comes from behind the "
            "proxy, proxy_redirect http:// https://;",
        )
        for path, answer in seen.answers
        if Mark.CLEARTEXT_REDIRECT in answer.marks
    )


def _tells_browsers(seen: PageAnswers, policy: Policy) -> Verdict:
    demanded = policy.thresholds.hsts_max_age
    if seen.turned_away:
        return NotJudged(
            f"{seen.turned_away}; HSTS comes with what a client with a certificate gets: give one in the hook "
            "pytest_nodered_targets (HttpSettings.client_certificate)"
        )
    if not seen.named:
        return NotApplicable(f"{seen.evidence()}: browsers keep HSTS for names only (RFC 6797, 8.1.1)")
    if not demanded:
        reasons = [deviation.reason for deviation in policy.deviations if deviation.key == "thresholds.hsts_max_age"]
        return NotApplicable(f"not required: {reasons[0] if reasons else 'hsts_max_age is 0'}")
    violations: dict[str, Violation] = {}
    for path, answer in seen.answers:
        fault = _hsts_fault(answer.header("strict-transport-security"), demanded)
        if fault:
            code, what = fault
            violations.setdefault(code, _without_hsts(code, f"{seen.line(path, answer)}{what}", policy))
    return tuple(violations.values())


def _without_hsts(code: str, observed: str, policy: Policy) -> Violation:
    demanded = policy.thresholds.hsts_max_age
    return Violation(
        code,
        observed,
        f"Strict-Transport-Security: max-age={demanded} or more, on every answer, as profile {policy.profile} requires",
        f'nginx: add_header Strict-Transport-Security "max-age={demanded}" always; Caddy: header, and once more in '
        "handle_errors (browsers then use HTTPS for every port of the name, other services included)",
    )


def _hsts_fault(header: str, demanded: int) -> tuple[str, str] | None:
    if not header:
        return ("missing", "")
    age = _max_age(header)
    if age is None:
        return ("unusable", ": no valid max-age")
    if age == 0:
        return ("forgotten", ": it switches HSTS off")
    return ("short", f": {age} seconds") if age < demanded else None


def _max_age(header: str) -> int | None:
    """Return max-age as a browser reads it: of several headers the first, no directive twice (RFC 6797, 6.1, 8.1).

    Several are joined by commas here. A comma with no further max-age behind it stands in the header itself, in place
    of a semicolon, and browsers have to ignore such a header.
    """
    first = re.match(r'(?:"[^"]*"|[^",])*', header)
    if first and first[0] != header and "max-age" not in header[first.end() :].lower():
        return None
    policies: dict[str, str] = {}
    for directive in (first[0] if first else "").split(";"):
        name, _, value = (part.strip() for part in directive.partition("="))
        if name.lower() in policies:
            return None
        if name:
            policies[name.lower()] = value
    age = re.fullmatch(r'"?([0-9]+)"?', policies.get("max-age", ""))
    return int(age[1]) if age else None
