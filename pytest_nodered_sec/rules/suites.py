"""Whether a server accepts only what is safe of TLS: versions, cipher suites, groups.

One fault, one control. A version that should not be spoken is tls-07's (tls-08's if it is TLS 1.2); its suites are
then tls-09's where they are broken, and nobody's otherwise, since with TLS 1.1 and older there is nothing better. Of
a version that may be spoken, a suite is judged once: broken (tls-09), without forward secrecy or AEAD (tls-14), or
merely outside the list (tls-15). A group that is too small is tls-10's, not its suite's fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.suites import LEAST_STRENGTH, suite_table
from pytest_nodered_sec.observations.tls import OLD
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.data.suites import Suite
    from pytest_nodered_sec.observations.tls import (
        AcceptedGroup,
        OfferedGroups,
        OfferedRenegotiation,
        OfferedVersions,
        ProtocolOffer,
    )
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_ELSEWHERE: Final = "served without TLS: see tls-01"
_LEAST_FIELD: Final = 2048  # bits of a finite field
_SHOWN: Final = 10


def old_version_is_refused(seen: OfferedVersions, policy: Policy) -> Verdict:
    """An old version is refused (RFC 7568, RFC 8996), unless the policy says otherwise."""
    if not seen.offers.tls:
        return NotApplicable(_ELSEWHERE)
    return tuple(
        Violation(
            "old-version",
            f"{offer.version} is accepted with {_some(offer.suites)}",
            f"{offer.version} is refused",
            _versions_line(policy),
        )
        for offer in seen.accepted
        if not may_speak(offer.version, policy)
    )


def new_version_is_offered(seen: OfferedVersions, policy: Policy) -> Verdict:
    """TLS 1.2 or 1.3 is offered as the profile demands, and none of the two that it does not accept."""
    if not seen.offers.tls:
        return NotApplicable(_ELSEWHERE)
    spoken = [offer.version for offer in seen.accepted]
    wanted = [f"TLSv{version}" for version in policy.thresholds.tls_offered]
    faults = []
    if not {offer.version for offer in seen.offers.versions if offer.accepted} & set(wanted):
        faults.append(
            Violation("not-offered", seen.evidence(), f"{' or '.join(wanted)} is accepted", _versions_line(policy))
        )
    for version in spoken:
        if not may_speak(version, policy):
            expected = f"{version} is refused (profile {policy.profile})"
            faults.append(Violation("too-old", f"{version} is accepted", expected, _versions_line(policy)))
    return tuple(faults)


def renegotiation_is_secure(seen: OfferedRenegotiation, policy: Policy) -> Verdict:
    """Every version that knows renegotiation binds it to the connection before it (RFC 5746)."""
    del policy
    if not seen.offers.tls:
        return NotApplicable(_ELSEWHERE)
    if not seen.renegotiable:
        return NotApplicable("only TLS 1.3 is accepted, which has no renegotiation")
    insecure = [offer.version for offer in seen.renegotiable if not offer.secure_renegotiation]
    if not insecure:
        return ()
    return (
        Violation(
            "insecure-renegotiation",
            f"{', '.join(insecure)}: the ServerHello has no renegotiation_info extension (RFC 5746)",
            "the extension in every ServerHello before TLS 1.3; without it somebody in between can put requests of his "
            "own before a client's (CVE-2009-3555), and clients with OpenSSL 3 refuse to connect",
            "update the TLS library of the server: OpenSSL has the extension since 0.9.8m (2010); or put a "
            "reverse proxy of today before it",
        ),
    )


def no_suite_is_broken(seen: ProtocolOffer, policy: Policy) -> Verdict:
    """No suite is accepted on which nobody may rely."""
    del policy
    if unasked := _unasked(seen):
        return unasked
    why: dict[str, list[Suite]] = {}
    for suite in seen.offer.suites:
        if suite.broken:
            why.setdefault(suite.broken.partition(",")[0], []).append(suite)  # the worst comes first
    return tuple(
        Violation(
            reason.replace(" ", "-").lower(),
            f"{seen.version} is accepted with {_named(suites)}: {reason}",
            "no such suite is accepted",
            _suites_line(seen.version, "intermediate"),
        )
        for reason, suites in why.items()
    )


def suites_are_forward_secret(seen: ProtocolOffer, policy: Policy) -> Verdict:
    """Every suite that is not broken has forward secrecy and is AEAD; the latter from TLS 1.2 on, which brought it."""
    if unasked := _unasked(seen) or _not_to_be_spoken(seen, policy):
        return unasked
    suites = [suite for suite in seen.offer.suites if suite.known and not suite.broken]
    static = [suite for suite in suites if not suite.forward_secret]
    unauthenticated = (
        [] if seen.version in OLD else [suite for suite in suites if suite.forward_secret and not suite.aead]
    )
    faults = []
    remedy = _suites_line(seen.version, "intermediate")
    if static:
        observed = f"{seen.version} is accepted with {_named(static)}: what is recorded today can be read by who gets "
        faults.append(
            Violation("no-forward-secrecy", f"{observed}the server's key some day", "ECDHE or DHE suites only", remedy)
        )
    if unauthenticated:
        observed = (
            f"{seen.version} is accepted with {_named(unauthenticated)}: authenticated first, then encrypted (CBC)"
        )
        faults.append(Violation("no-aead", observed, "AEAD suites only (GCM, CCM, ChaCha20-Poly1305)", remedy))
    return tuple(faults)


def suites_are_listed(seen: ProtocolOffer, policy: Policy) -> Verdict:
    """No other suite is accepted than those of the policy's list."""
    if unasked := _unasked(seen) or _not_to_be_spoken(seen, policy):
        return unasked
    demanded = policy.thresholds.tls_suites
    if demanded == "none-broken":
        return NotApplicable(f"not required by profile {policy.profile}: every suite that is not broken is accepted")
    if seen.version in OLD:
        return NotApplicable("the lists are of TLS 1.2 and 1.3")
    allowed = suite_table().lists[demanded]
    others = [suite for suite in seen.offer.suites if not _judged_elsewhere(suite) and suite.name not in allowed.suites]
    if not others:
        return ()
    return (
        Violation(
            "unlisted",
            f"{seen.version} is accepted with {_named(others)}, outside {allowed.title}",
            f"only suites of {allowed.title}",
            _suites_line(seen.version, demanded),
        ),
    )


def groups_are_large_enough(seen: OfferedGroups, policy: Policy) -> Verdict:
    """Keys are agreed on in groups of sufficient strength, and where the list names groups (strict), in those."""
    if not seen.offers.tls:
        return NotApplicable(_ELSEWHERE)
    if not seen.offers.groups:
        return NotApplicable("there is no group to judge")
    allowed = suite_table().lists.get(policy.thresholds.tls_suites)
    faults: dict[str, Violation] = {}
    for group in seen.offers.groups:
        fault = _weak(group) or (
            _unlisted(group, allowed.groups, allowed.title) if allowed and allowed.groups else None
        )
        if fault:
            faults.setdefault(f"{group}", fault)  # once, though every version has it
    return tuple(faults.values())


def _weak(group: AcceptedGroup) -> Violation | None:
    if group.group is None and group.bits:
        if group.bits >= _LEAST_FIELD:
            return None
        return Violation(
            "small-field",
            f"{group.version}, {group.suite}: {group}",
            f"at least {_LEAST_FIELD} bits",
            f"nginx: openssl dhparam -out /etc/nginx/dhparam.pem {_LEAST_FIELD}, and ssl_dhparam "
            "/etc/nginx/dhparam.pem; or leave DHE out of ssl_ciphers",
        )
    if group.group is not None and (group.group.strength >= LEAST_STRENGTH or not group.group.strength):
        return None
    strength = f", {group.group.strength} bits of strength" if group.group else ""
    return Violation(
        "small-curve",
        f"{group.version}: key exchange uses {group}{strength}",
        f"named curves with at least {LEAST_STRENGTH} bits of strength",
        _CURVES,
    )


_CURVES: Final = "nginx: ssl_ecdh_curve X25519:prime256v1:secp384r1; Caddy: tls { curves x25519 secp256r1 secp384r1 }"


def _unlisted(group: AcceptedGroup, groups: frozenset[str], title: str) -> Violation | None:
    if group.group is None or group.group.name in groups:
        return None
    observed = f"{group.version}: key exchange uses {group}"
    return Violation("unlisted-group", observed, f"groups of {title}, or stronger ones of OpenSSL", _CURVES)


def _unasked(seen: ProtocolOffer) -> NotApplicable | None:
    if not seen.offers.tls:
        return NotApplicable(_ELSEWHERE)
    if not seen.offer.accepted:
        return NotApplicable(f"{seen.version} is refused: it has no suite to judge")
    return None


def _not_to_be_spoken(seen: ProtocolOffer, policy: Policy) -> NotApplicable | None:
    if may_speak(seen.version, policy):
        return None
    control = "tls-07" if seen.version in OLD else "tls-08"
    return NotApplicable(f"{seen.version} must not be accepted at all: see {control}")


def may_speak(version: str, policy: Policy) -> bool:
    """Whether the policy accepts a version, e.g. "TLSv1.1"."""
    return version.removeprefix("TLSv") in policy.thresholds.tls_accepted


def _judged_elsewhere(suite: Suite) -> bool:
    return suite.known and bool(suite.broken or not (suite.forward_secret and suite.aead))


def _named(suites: Iterable[Suite]) -> str:
    return ", ".join(map(str, suites))


def _some(suites: Sequence[Suite]) -> str:
    more = f" and {len(suites) - _SHOWN} more" if len(suites) > _SHOWN else ""
    return _named(suites[:_SHOWN]) + more


def _versions_line(policy: Policy) -> str:
    wanted = sorted(policy.thresholds.tls_accepted)
    nginx = " ".join("TLSv1" if version == "1.0" else f"TLSv{version}" for version in wanted)
    caddy = [f"tls{version}" for version in wanted if version in ("1.2", "1.3")]
    return f"nginx: ssl_protocols {nginx}; Caddy: tls {{ protocols {' '.join(caddy)} }}"


def _suites_line(version: str, demanded: str) -> str:
    """Return the line that leaves only suites of a list, of those that are judged well."""
    table = suite_table()
    listed = [suite for suite in table.suites.values() if suite.name in table.lists[demanded].suites]
    good = [suite for suite in listed if suite.openssl and not _judged_elsewhere(suite)]
    if version == "TLSv1.3":
        names = ":".join(suite.openssl for suite in good if not suite.key_exchange)
        return f"nginx: ssl_conf_command Ciphersuites {names};"
    names = ":".join(suite.openssl for suite in good if suite.key_exchange in ("ECDHE_ECDSA", "ECDHE_RSA"))
    return f"nginx: ssl_ciphers {names}; Caddy's own are these: leave `ciphers` out of tls"
