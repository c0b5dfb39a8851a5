"""What a server may accept of TLS, by table: which control says what about it, and that no other does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.data.suites import suite_table
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.observations.tls import (
    NEW,
    OLD,
    AcceptedGroup,
    OfferedGroups,
    OfferedRenegotiation,
    OfferedVersions,
    ProtocolOffer,
    TlsOffers,
    VersionOffer,
)
from pytest_nodered_sec.policy.model import PROFILES, Policy
from pytest_nodered_sec.rules.suites import (
    groups_are_large_enough,
    new_version_is_offered,
    no_suite_is_broken,
    old_version_is_refused,
    renegotiation_is_secure,
    suites_are_forward_secret,
    suites_are_listed,
)
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.data.suites import Group, Suite
    from pytest_nodered_sec.policy.model import Profile
    from pytest_nodered_sec.verdict import Verdict

TABLE = suite_table()
SUITES = {suite.openssl or suite.name: suite for suite in TABLE.suites.values()}
GROUPS = {row.name: row for row in TABLE.groups.values()}
GCM = "ECDHE-RSA-AES128-GCM-SHA256"
TROUBLE = ProbeError("no answer in time", Cause.TIMEOUT)
IN_CLEAR = NotApplicable("served without TLS: see tls-01")


def policy(profile: Profile = "production", **thresholds: Any) -> Policy:
    return Policy(profile=profile, own_thresholds=replace(PROFILES[profile], **thresholds))


def suites(*names: str) -> tuple[Suite, ...]:
    return tuple(SUITES[name] for name in names)


def offers(*groups: AcceptedGroup, **accepted: tuple[str, ...]) -> TlsOffers:
    """What is accepted: suites by version, "SSLv3" or the digits of TLS's."""
    versions = []
    for version in reversed((*OLD, *NEW)):
        names = accepted.get(version.replace("TLSv1.", "v"))
        offer = VersionOffer(version, suites(*names)) if names else VersionOffer(version, refusal="alert 40")
        versions.append(offer)
    return TlsOffers(tuple(versions), groups)


def codes(verdict: Verdict) -> list[str]:
    assert not isinstance(verdict, NotApplicable), verdict
    return [violation.code for violation in verdict]


def only(verdict: Verdict) -> Violation:
    assert not isinstance(verdict, NotApplicable), verdict
    [violation] = verdict
    return violation


# --- versions ----------------------------------------------------------------------------------------------------


def test_an_old_version_is_a_finding_with_its_suites_and_the_line() -> None:
    seen = OfferedVersions(offers(v0=("AES128-SHA",), v2=(GCM,)), ("TLSv1.0",))
    fault = only(old_version_is_refused(seen, Policy()))
    assert fault.observed == "TLSv1.0 is accepted with TLS_RSA_WITH_AES_128_CBC_SHA (AES128-SHA)"
    assert fault.remedy == ("nginx: ssl_protocols TLSv1.2 TLSv1.3; Caddy: tls { protocols tls1.2 tls1.3 }")
    assert seen.evidence() == fault.observed


def test_an_old_version_that_is_refused_passes_and_says_how() -> None:
    seen = OfferedVersions(offers(v2=(GCM,)), ("SSLv3",))
    assert old_version_is_refused(seen, Policy()) == ()
    assert seen.evidence() == "SSLv3 is refused (alert 40)"


def test_a_site_may_accept_an_old_version() -> None:
    seen = OfferedVersions(offers(v0=("AES128-SHA",), v2=(GCM,)), ("TLSv1.0",))
    own = policy(tls_accepted=("1.0", "1.2", "1.3"))
    assert old_version_is_refused(seen, own) == ()
    both = OfferedVersions(offers(SSLv3=("RC4-SHA",), v0=("AES128-SHA",)), ("SSLv3",))
    assert only(old_version_is_refused(both, own)).remedy == (
        "nginx: ssl_protocols TLSv1 TLSv1.2 TLSv1.3; Caddy: tls { protocols tls1.2 tls1.3 }"
    )


@pytest.mark.parametrize(
    ("accepted", "profile", "expected"),
    [
        ({"v2": (GCM,), "v3": ("TLS_AES_128_GCM_SHA256",)}, "production", []),
        ({"v2": (GCM,)}, "production", []),
        ({"v3": ("TLS_AES_128_GCM_SHA256",)}, "strict", []),
        ({"v1": ("AES128-SHA",)}, "baseline", ["not-offered"]),
        ({"v2": (GCM,), "v3": ("TLS_AES_128_GCM_SHA256",)}, "strict", ["too-old"]),
        ({"v2": (GCM,)}, "strict", ["not-offered", "too-old"]),
    ],
)
def test_a_version_of_today_is_offered(
    accepted: dict[str, tuple[str, ...]], profile: Profile, expected: list[str]
) -> None:
    seen = OfferedVersions(offers(**accepted), NEW)
    assert codes(new_version_is_offered(seen, Policy(profile=profile))) == expected
    assert seen.evidence().count("; ") == 1


def test_a_site_may_want_an_old_version_to_be_offered() -> None:
    own = policy(tls_accepted=("1.1", "1.2"), tls_offered=("1.1",))
    assert new_version_is_offered(OfferedVersions(offers(v1=("AES128-SHA",)), NEW), own) == ()


def test_the_remedy_of_strict_leaves_one_version() -> None:
    seen = OfferedVersions(offers(v2=(GCM,), v3=("TLS_AES_128_GCM_SHA256",)), NEW)
    remedy = only(new_version_is_offered(seen, Policy(profile="strict"))).remedy
    assert remedy == "nginx: ssl_protocols TLSv1.3; Caddy: tls { protocols tls1.3 }"


# --- suites ------------------------------------------------------------------------------------------------------


def of(version: str, *names: str) -> ProtocolOffer:
    return ProtocolOffer(offers(**{version.replace("TLSv1.", "v"): names}), version)


BROKEN, STATIC, OTHER = no_suite_is_broken, suites_are_forward_secret, suites_are_listed


@pytest.mark.parametrize(
    ("name", "control", "code"),
    [
        ("NULL-SHA", BROKEN, "no-encryption"),
        ("AECDH-NULL-SHA", BROKEN, "no-encryption"),
        ("ADH-AES128-GCM-SHA256", BROKEN, "no-authentication"),
        ("EXP-RC4-MD5", BROKEN, "export-grade-keys"),
        ("RC4-SHA", BROKEN, "rc4"),
        ("DES-CBC-SHA", BROKEN, "des"),
        ("ECDHE-RSA-DES-CBC3-SHA", BROKEN, "3des"),
        ("KRB5-IDEA-CBC-MD5", BROKEN, "md5"),
        ("AES128-GCM-SHA256", STATIC, "no-forward-secrecy"),
        ("AES128-SHA", STATIC, "no-forward-secrecy"),
        ("PSK-AES128-GCM-SHA256", STATIC, "no-forward-secrecy"),
        ("ECDHE-RSA-AES128-SHA256", STATIC, "no-aead"),
        ("DHE-RSA-CAMELLIA128-SHA", STATIC, "no-aead"),
        ("ECDHE-ARIA128-GCM-SHA256", OTHER, "unlisted"),
        ("DHE-RSA-AES128-CCM", OTHER, "unlisted"),
        ("DHE-RSA-AES128-GCM-SHA256", None, ""),
        ("DHE-RSA-CHACHA20-POLY1305", None, ""),
        (GCM, None, ""),
    ],
)
def test_a_suite_is_judged_by_one_control(name: str, control: object, code: str) -> None:
    seen = of("TLSv1.2", name)
    faults = {rule: codes(rule(seen, Policy())) for rule in (BROKEN, STATIC, OTHER)}
    assert faults == {rule: [code] if rule is control else [] for rule in (BROKEN, STATIC, OTHER)}


def test_suites_with_one_fault_are_one_finding_that_names_each() -> None:
    many = [suite for suite in SUITES if SUITES[suite].broken.startswith("no authentication") and SUITES[suite].openssl]
    fault = only(no_suite_is_broken(of("TLSv1.2", *many), Policy()))
    assert len(many) > 10
    assert all(f"({suite})" in fault.observed for suite in many)
    old = OfferedVersions(offers(v0=tuple(many), v2=(GCM,)), ("TLSv1.0",))
    assert only(old_version_is_refused(old, Policy())).observed.endswith(f" and {len(many) - 10} more")
    assert codes(no_suite_is_broken(of("TLSv1.2", "NULL-SHA", "RC4-SHA", "NULL-SHA256"), Policy())) == [
        "no-encryption",
        "rc4",
    ]


def test_remedies_name_suites_that_pass() -> None:
    remedy = only(suites_are_forward_secret(of("TLSv1.2", "AES128-SHA"), Policy())).remedy
    names = remedy.removeprefix("nginx: ssl_ciphers ").split(";")[0].split(":")
    assert len(names) == 6
    for rule in (BROKEN, STATIC, OTHER):
        assert rule(of("TLSv1.2", *names), Policy()) == ()
    nist = policy(tls_suites="nist-800-52r2")
    fault = only(suites_are_listed(of("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"), nist))
    assert fault.observed.endswith("outside NIST SP 800-52 revision 2")
    assert fault.remedy.startswith(
        "nginx: ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
    )


@pytest.mark.parametrize("rule", [BROKEN, STATIC, OTHER])
def test_a_version_that_is_refused_has_no_suites(rule: Any) -> None:
    seen = ProtocolOffer(offers(v2=(GCM,)), "TLSv1.1")
    assert rule(seen, Policy()) == NotApplicable("TLSv1.1 is refused: it has no suite to judge")


def test_of_a_version_that_must_not_be_spoken_only_broken_suites_are_a_fault_of_their_own() -> None:
    seen = of("TLSv1.0", "RC4-SHA", "AES128-SHA")
    assert codes(no_suite_is_broken(seen, Policy())) == ["rc4"]
    for rule in (STATIC, OTHER):
        assert rule(seen, Policy()) == NotApplicable("TLSv1.0 must not be accepted at all: see tls-07")
        new = of("TLSv1.2", "AES128-SHA")
        assert rule(new, Policy(profile="strict")) == NotApplicable("TLSv1.2 must not be accepted at all: see tls-08")


def test_of_an_old_version_that_a_site_accepts_no_more_is_asked_than_it_has() -> None:
    own = policy(tls_accepted=("1.0", "1.2", "1.3"))
    assert suites_are_forward_secret(of("TLSv1.0", "ECDHE-RSA-AES128-SHA"), own) == ()
    assert codes(suites_are_forward_secret(of("TLSv1.0", "AES128-SHA"), own)) == ["no-forward-secrecy"]
    assert isinstance(suites_are_listed(of("TLSv1.0", "ECDHE-RSA-AES128-SHA"), own), NotApplicable)


def test_baseline_has_no_list() -> None:
    verdict = suites_are_listed(of("TLSv1.2", "ECDHE-ARIA128-GCM-SHA256"), Policy(profile="baseline"))
    assert isinstance(verdict, NotApplicable)
    assert verdict.reason.startswith("not required by profile baseline")


def test_a_suite_that_nobody_registered_is_outside_the_list() -> None:
    strange = TlsOffers((VersionOffer("TLSv1.2", (TABLE.suite(0x0050),)),))
    seen = ProtocolOffer(strange, "TLSv1.2")
    assert no_suite_is_broken(seen, Policy()) == suites_are_forward_secret(seen, Policy()) == ()
    assert only(suites_are_listed(seen, Policy())).observed.startswith("TLSv1.2 is accepted with 0x0050, outside")


# --- groups ------------------------------------------------------------------------------------------------------


def group(name: str, version: str = "TLSv1.2") -> AcceptedGroup:
    return AcceptedGroup(version, GROUPS[name])


SMALL = AcceptedGroup("TLSv1.2", bits=1024, suite=SUITES["DHE-RSA-AES128-GCM-SHA256"])
UNKNOWN: Group = TABLE.group(0x1234)


@pytest.mark.parametrize(
    ("accepted", "production", "strict"),
    [
        (group("x25519"), [], []),
        (group("secp521r1"), [], []),
        (group("x448", "TLSv1.3"), [], []),
        (group("ffdhe2048", "TLSv1.3"), [], []),
        (group("X25519MLKEM768", "TLSv1.3"), [], []),
        (group("brainpoolP256r1"), [], ["unlisted-group"]),
        (group("secp224r1"), [], ["unlisted-group"]),
        (group("secp192r1"), ["small-curve"], ["small-curve"]),
        (SMALL, ["small-field"], ["small-field"]),
        (replace(SMALL, bits=2047), ["small-field"], ["small-field"]),
        (replace(SMALL, bits=2048), [], []),
        (AcceptedGroup("TLSv1.2"), ["small-curve"], ["small-curve"]),
        (AcceptedGroup("TLSv1.3", UNKNOWN), [], ["unlisted-group"]),
    ],
    ids=str,
)
def test_groups_are_judged_by_their_strength_and_strictly_by_the_list(
    accepted: AcceptedGroup, production: list[str], strict: list[str]
) -> None:
    seen = OfferedGroups(offers(accepted, v2=(GCM,)))
    assert codes(groups_are_large_enough(seen, Policy())) == production
    assert codes(groups_are_large_enough(seen, Policy(profile="baseline"))) == production
    assert codes(groups_are_large_enough(seen, Policy(profile="strict"))) == strict


def test_a_group_is_named_once_with_a_suite() -> None:
    seen = OfferedGroups(offers(SMALL, replace(SMALL, version="TLSv1.1"), group("secp192r1"), v2=(GCM,)))
    first, second = [violation.observed for violation in groups_are_large_enough(seen, Policy())]  # type: ignore[union-attr]  # a tuple
    assert first.endswith("(DHE-RSA-AES128-GCM-SHA256): a Diffie-Hellman group of 1024 bits")
    assert second == "TLSv1.2: key exchange uses secp192r1 (prime192v1), 96 bits of strength"
    assert seen.evidence() == (
        "TLSv1.2: key exchange uses a Diffie-Hellman group of 1024 bits, secp192r1 (prime192v1); "
        "TLSv1.1: key exchange uses a Diffie-Hellman group of 1024 bits"
    )
    nameless = only(groups_are_large_enough(OfferedGroups(offers(AcceptedGroup("TLSv1.2"))), Policy()))
    assert nameless.observed == "TLSv1.2: key exchange uses a curve without a name"


def test_without_a_group_there_is_nothing_to_judge() -> None:
    seen = OfferedGroups(offers(v2=("AES128-GCM-SHA256",)))
    assert isinstance(groups_are_large_enough(seen, Policy()), NotApplicable)
    assert seen.evidence() == "no suite with a Diffie-Hellman group is accepted"


# --- could not look, and does not apply --------------------------------------------------------------------------


def test_in_clear_nothing_applies() -> None:
    nothing = TlsOffers()
    versions, protocol, groups = OfferedVersions(nothing, OLD), ProtocolOffer(nothing, OLD[0]), OfferedGroups(nothing)
    assert old_version_is_refused(versions, Policy()) == new_version_is_offered(versions, Policy()) == IN_CLEAR
    assert groups_are_large_enough(groups, Policy()) == IN_CLEAR
    for rule in (BROKEN, STATIC, OTHER):
        assert rule(protocol, Policy()) == IN_CLEAR
    for seen in (versions, protocol, groups):
        settle(seen, Target("t", "http://nodered.test", Policy()))
        assert seen.evidence() == "the target is served without TLS"


def test_trouble_is_an_error_where_it_matters() -> None:
    target = Target("t", "https://nodered.test", Policy())
    half = VersionOffer("TLSv1.2", suites(GCM), trouble=TROUBLE)
    silent = VersionOffer("TLSv1.1", trouble=TROUBLE)
    rest = (
        VersionOffer("TLSv1.3", refusal="x"),
        VersionOffer("TLSv1.0", refusal="x"),
        VersionOffer("SSLv3", refusal="x"),
    )
    seen = TlsOffers((half, silent, *rest))
    settle(OfferedVersions(seen, NEW), target)  # it is spoken: that is known
    settle(OfferedVersions(seen, ("TLSv1.0",)), target)
    settle(ProtocolOffer(seen, "TLSv1.3"), target)
    for lacking in (
        OfferedVersions(seen, ("TLSv1.1",)),
        ProtocolOffer(seen, "TLSv1.1"),
        ProtocolOffer(seen, "TLSv1.2"),
        OfferedGroups(seen),
        OfferedGroups(replace(seen, versions=rest, trouble=TROUBLE)),
    ):
        with pytest.raises(ProbeError, match="no answer in time"):
            settle(lacking, target)
    settle(OfferedGroups(replace(seen, versions=rest)), target)


# --- tls-16 ------------------------------------------------------------------------------------------------------


def test_every_version_before_1_3_renegotiates_securely() -> None:
    good = OfferedRenegotiation(offers(v2=(GCM,), v1=("AES128-SHA",)))
    assert renegotiation_is_secure(good, Policy()) == ()
    assert good.evidence() == ("TLSv1.2: secure renegotiation is offered; TLSv1.1: secure renegotiation is offered")
    versions = tuple(replace(offer, secure_renegotiation=False) for offer in good.offers.versions)
    bad = OfferedRenegotiation(replace(good.offers, versions=versions))
    violation = only(renegotiation_is_secure(bad, Policy()))
    assert violation.observed.startswith("TLSv1.2, TLSv1.1: the ServerHello has no renegotiation_info extension")
    assert "secure renegotiation is not offered" in bad.evidence()


def test_without_renegotiation_there_is_nothing_to_judge() -> None:
    new = OfferedRenegotiation(offers(v3=("TLS_AES_128_GCM_SHA256",), v2=()))
    assert isinstance(renegotiation_is_secure(new, Policy()), NotApplicable)
    assert new.evidence() == "no version before TLSv1.3 is accepted"
    clear = OfferedRenegotiation(TlsOffers())
    assert isinstance(renegotiation_is_secure(clear, Policy()), NotApplicable)
    assert clear.evidence() == "the target is served without TLS"


def test_a_version_that_was_not_seen_is_could_not_look() -> None:
    trouble = ProbeError("no answer", Cause.TIMEOUT)
    target = Target("t", "https://x", Policy())
    unseen = (VersionOffer("TLSv1.3", trouble=trouble), VersionOffer("TLSv1.2", refusal="alert"))
    settle(OfferedRenegotiation(TlsOffers(unseen)), target)
    with pytest.raises(ProbeError, match="no answer"):
        settle(OfferedRenegotiation(TlsOffers((VersionOffer("TLSv1.2", trouble=trouble),))), target)
