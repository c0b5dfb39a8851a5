"""What the answers allow other sites to do in the browser of somebody who is logged in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import WITH_ACCOUNT
from pytest_nodered_sec.observations.answers import Kind, Mark, Refuser
from pytest_nodered_sec.observations.refusals import METHOD_REFUSED
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Severity, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt, VariantAttempt
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_XFO: Final = {"DENY", "SAMEORIGIN"}
_ANYBODY: Final = re.compile(r"(^|\s)(\*|https?:|https?://\*)(?=\s|$)")  # sources that leave nobody out


def _with_account(seen: AccessAttempt) -> bool:
    return seen.how.removesuffix(",").endswith(WITH_ACCOUNT)


def allows_no_foreign_origin(seen: AccessAttempt, policy: Policy) -> Verdict:
    """An answer of the admin API does not let the pages of just any origin read it.

    Behind Node-RED's own login that page reads as a stranger: no browser adds the token.
    """
    del policy  # nothing to choose here
    allowed = seen.answer.header("access-control-allow-origin")
    logged_in = _with_account(seen)
    if logged_in and seen.answer.header("access-control-allow-credentials").lower() != "true":
        return ()  # no browser lets a page read it, nor sends the login for it
    if (allowed == "*" and not logged_in) or seen.answer.lets_strangers_read:
        return (
            Violation(
                "cors",
                f"{seen.evidence()}, Access-Control-Allow-Origin: {allowed}",
                "no Access-Control-Allow-Origin for a foreign Origin",
                "nginx: proxy_hide_header Access-Control-Allow-Origin; or Node-RED 5, which sends none "
                "(every 4.x sends *)",
                Severity.LOW if seen.view.own_login else None,
            ),
        )
    if seen.kind is Kind.ABSENT:
        return NotApplicable(f"{seen.evidence()}: nothing is served there")
    by_itself = seen.kind is Kind.REFUSED and seen.refuser is not Refuser.NODE_RED and not logged_in
    return NotJudged(_unread(seen)) if by_itself and seen.method == "GET" else ()


def _unread(seen: AccessAttempt) -> str:
    """Return why it is not known what a page of another origin reads behind a login that browsers send."""
    return (
        f"not judged: {seen.evidence()}; what another site's page reads with a browser's login was not asked: give an "
        "account that the login before the admin API accepts (Basic: credentials; otherwise headers, in the hook "
        "pytest_nodered_targets)"
    )


def no_foreign_origin_reads(seen: VariantAttempt, policy: Policy) -> Verdict:
    """Behind a login that browsers send by themselves, no page of another origin may read what is answered."""
    attempt, plain = seen.attempt, seen.plain
    reason = policy.public_reason(seen.asked)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if plain is not None and plain.kind is not Kind.REFUSED:
        return NotApplicable(f"{plain.evidence()}: it requires no login; see node-01")
    allowed = attempt.answer.header("access-control-allow-origin")
    credentials = attempt.answer.header("access-control-allow-credentials").lower() == "true"
    if not credentials or not attempt.answer.lets_strangers_read:
        untold = attempt.method == "OPTIONS" and attempt.kind is Kind.REFUSED and not _with_account(attempt)
        return NotJudged(_unread(attempt)) if untold else ()
    return (
        Violation(
            "foreign-reader",
            f"{attempt.evidence()}, Access-Control-Allow-Origin: {allowed}, Access-Control-Allow-Credentials: true",
            "no credentials for a foreign Origin",
            'settings.js: httpNodeCors, httpStaticCors: {origin: "https://ALLOWED-SITE", credentials: true}, or '
            "without credentials; nginx: no add_header Access-Control-Allow-Origin $http_origin",
        ),
    )


def cross_site_post_is_refused(seen: VariantAttempt, policy: Policy) -> Verdict:
    """A form post from another site is refused, though the browser adds the login by itself."""
    del policy  # nothing to choose here
    attempt, own = seen.attempt, seen.plain
    if attempt.kind is Kind.ABSENT:
        return NotApplicable(f"{attempt.evidence()}: nothing is served there")
    if own is None:
        return (
            Violation(
                "cross-site",
                f"{attempt.evidence()}: a page of another site can deploy flows",
                "401 or 403",
                "settings.js: adminAuth, whose token browsers do not send automatically; or nginx, before the login: "
                "if ($http_sec_fetch_site = cross-site) { return 403; }",
            ),
        )
    if own.kind is not Kind.REFUSED:
        return ()
    if attempt.refuser is Refuser.NODE_RED:
        return NotApplicable(f"{attempt.evidence()}: browsers do not send this login automatically")
    if attempt.answer.status != own.answer.status or attempt.classified.why == METHOD_REFUSED:
        return ()  # refused as another site's, or because it is a POST, before anybody is asked to log in
    return NotJudged(
        f"not judged: {attempt.evidence()}, as within the site; a browser may send this login automatically: give an "
        "account that it accepts (Basic: credentials; otherwise headers, in the hook pytest_nodered_targets)"
    )


def _ignored(options: str) -> bool:
    """Whether browsers let anybody frame a page with these X-Frame-Options, several joined by commas.

    Where they contradict each other, and one of them means something, nobody may (HTML standard, 7.6 X-Frame-Options).
    """
    named = {option.strip().upper() for option in options.split(",")}
    return not named & ({*_XFO, "ALLOWALL"} if len(named) > 1 else _XFO)


def cannot_be_framed(seen: AccessAttempt, policy: Policy) -> Verdict:
    """A served page forbids framing by other sites and content-type sniffing.

    The editor asks for Node-RED's own login in whatever frame it stands, where it has one.
    """
    del policy  # nothing to choose here
    if seen.kind is not Kind.SERVED or seen.answer.status >= 300 or seen.answer.content_type != "text/html":
        return NotApplicable(f"{seen.evidence()}: no page is served")
    answer = seen.answer
    if seen.surface is Surface.EDITOR and Mark.EDITOR not in answer.marks:
        return NotApplicable(f"{seen.evidence()}, and no part of Node-RED")
    severity = Severity.LOW if seen.surface is Surface.EDITOR and seen.view.own_login else None
    violations: list[Violation] = []
    ancestors = answer.header("content-security-policy")
    if all(map(_ANYBODY.search, ancestors.split(","))) if ancestors else _ignored(answer.header("x-frame-options")):
        violations.append(
            Violation(
                "framed",
                f"{seen.evidence()}, {ancestors or 'without frame-ancestors'}: any site can frame the page",
                "Content-Security-Policy: frame-ancestors 'self', or X-Frame-Options: SAMEORIGIN",
                "nginx: add_header Content-Security-Policy \"frame-ancestors 'self'\" always;",
                severity,
            )
        )
    if answer.header("x-content-type-options").partition(",")[0].strip().lower() != "nosniff":  # of several the first
        violations.append(
            Violation(
                "sniffed",
                f"{seen.evidence()}, without X-Content-Type-Options",
                "X-Content-Type-Options: nosniff",
                "nginx: add_header X-Content-Type-Options nosniff always;",
                severity,
            )
        )
    return tuple(violations)
