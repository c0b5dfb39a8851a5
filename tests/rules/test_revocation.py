"""Tables for tls-12 and tls-13: lists, stapled responses and demands in, findings out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from chains import CLEAR, DAY, LEAF, MID, NOW, both, chain, codes, faults
from seen import target

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.certificates import CertificateDemand, ListLookup, RevocationCheck
from pytest_nodered_sec.observations.chain import Staple
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.revocation import demands_client_certificate, not_revoked
from pytest_nodered_sec.verdict import NotApplicable

CRL = Policy(revocation="crl")
URL = "http://ca.test/mid.crl"
CLEAN = ListLookup(LEAF, URL, NOW + DAY)
REVOKED = ListLookup(LEAF, URL, NOW + DAY, NOW - DAY, "keyCompromise")
UNKNOWN = ListLookup(LEAF, trouble="its list cannot be fetched")


def test_lists_are_judged_one_by_one() -> None:
    above = replace(REVOKED, certificate=MID, reason="", until=None)
    verdict = faults(not_revoked(RevocationCheck(chain(), (CLEAN, REVOKED, above)), CRL))
    assert [violation.observed for violation in verdict] == [
        "leaf `CN=plant.example` has been revoked since 2026-11-22 12:00Z (keyCompromise)",
        "certificate 2 of the chain `CN=Mid` has been revoked since 2026-11-22 12:00Z",
    ]
    assert ["new key" in violation.remedy for violation in verdict] == [True, False]
    assert not_revoked(RevocationCheck(chain(), (CLEAN,)), CRL) == ()


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (Policy(), "not required: revocation"),
        (CRL, "the certificate is self-signed"),
        (Policy(revocation="crl", certificate="00"), "the pinned certificate"),
    ],
)
def test_where_nothing_can_be_said_nothing_is(policy: Policy, reason: str) -> None:
    verdict = not_revoked(RevocationCheck(chain()), policy)
    assert isinstance(verdict, NotApplicable)
    assert verdict.reason.startswith(reason)
    assert not_revoked(RevocationCheck(CLEAR), policy) == NotApplicable("served without TLS: see tls-01")


@pytest.mark.parametrize(
    ("staple", "must", "expected"),
    [
        (None, True, ["staple-missing"]),
        (Staple("good", NOW - DAY, NOW + DAY), True, []),
        (Staple("good", NOW - DAY), False, []),
        (Staple("good", NOW - DAY, NOW - DAY), False, ["staple-late"]),
        (Staple("good", NOW - 11 * DAY), False, ["staple-late"]),
        (Staple("good", NOW + DAY, NOW + 2 * DAY), True, ["staple-early"]),
        (Staple("good", NOW + timedelta(minutes=1)), True, []),
        (Staple("good"), True, []),
        (Staple("revoked", NOW - DAY, NOW + DAY), False, ["revoked"]),
        (Staple(trouble="it is for another certificate"), False, ["staple-unusable"]),
    ],
)
def test_stapled_responses_are_judged_where_they_are(staple: Staple | None, must: bool, expected: list[str]) -> None:
    seen = replace(chain(replace(LEAF, must_staple=must), MID), staple=staple)
    assert codes(not_revoked(RevocationCheck(seen), Policy())) == expected
    second = both(chain(), seen)
    verdict = not_revoked(RevocationCheck(second), Policy())
    assert codes(verdict) == expected
    assert all("RSA leaf" in violation.observed for violation in faults(verdict))


def test_the_line_says_what_was_looked_up() -> None:
    assert CLEAN.line() == f"leaf `CN=plant.example` is not in {URL}, which is valid until 2026-11-24 12:00Z"
    assert replace(CLEAN, until=None).line() == f"leaf `CN=plant.example` is not in {URL}"
    assert ListLookup(MID).line() == "certificate 2 of the chain `CN=Mid` names no list"
    stapled = replace(chain(), staple=Staple("good", NOW))
    assert RevocationCheck(stapled, (CLEAN,)).evidence() == f"{CLEAN.line()}; stapled for leaf `CN=plant.example`: good"
    odd = replace(chain(), staple=Staple(trouble="it cannot be read"))
    assert RevocationCheck(odd).evidence() == "stapled for leaf `CN=plant.example`: it cannot be read"
    assert RevocationCheck(chain()).evidence() == chain().evidence()
    assert RevocationCheck(chain(), obstacle="no").evidence() == "no"


def test_what_is_not_known_is_an_error_unless_something_is_revoked() -> None:
    RevocationCheck(chain(), (CLEAN,)).settle(target())
    RevocationCheck(chain(), (UNKNOWN, REVOKED)).settle(target())
    for seen, cause in (
        (RevocationCheck(chain(), (CLEAN, UNKNOWN)), Cause.UNAVAILABLE),
        (RevocationCheck(chain(), obstacle="no"), Cause.UNVERIFIED),
    ):
        with pytest.raises(ProbeError) as caught:
            seen.settle(target())
        assert caught.value.cause is cause


@pytest.mark.parametrize(
    ("seen", "demanded"),
    [
        (CertificateDemand(True, alert="tlsv13 alert certificate required"), True),
        (CertificateDemand(True, status=400, named=True), True),
        (CertificateDemand(True, status=403), True),
        (CertificateDemand(True, alert="tlsv13 alert certificate required", self_made=200), False),
        (CertificateDemand(True, status=403, self_made=404), False),
        (CertificateDemand(True, status=302, self_made=404), False),
        (CertificateDemand(True, status=403, self_made=403), True),
        (CertificateDemand(False, status=403), False),
        (CertificateDemand(True, status=404), False),
        (CertificateDemand(True, status=401, where="GET /ui/"), False),
        (CertificateDemand(False, status=400), False),
    ],
)
def test_who_gets_further_without_a_certificate_was_not_asked_for_one(seen: CertificateDemand, demanded: bool) -> None:
    verdict = faults(demands_client_certificate(seen, Policy(mutual_tls=True)))
    assert str(seen.status or seen.alert) in seen.evidence()
    assert (not verdict) is demanded
    assert all(
        violation.observed == seen.evidence() and "ssl_verify_client on" in violation.remedy for violation in verdict
    )


@pytest.mark.parametrize(
    ("seen", "leads"),
    [
        (CertificateDemand(True, status=200), True),
        (CertificateDemand(True, status=401), True),  # a login in its place
        (CertificateDemand(True, status=401, named=True), False),
        (CertificateDemand(True, status=403), False),
        (CertificateDemand(True, status=302), False),
    ],
)
def test_a_login_in_place_of_a_certificate_leads_on(seen: CertificateDemand, leads: bool) -> None:
    assert seen.leads_on is leads


@pytest.mark.parametrize(
    ("seen", "codes"),
    [
        (CertificateDemand(True, alert="unknown ca", self_made=404), ["any-certificate"]),
        (CertificateDemand(True, status=401, self_made=200), ["any-certificate"]),
        (CertificateDemand(True, status=404, self_made=200), []),  # it opens more, not all
        (CertificateDemand(True, status=403), []),
        (CertificateDemand(False), []),
    ],
)
def test_a_certificate_that_anybody_makes_opens_nothing_even_where_none_is_demanded(
    seen: CertificateDemand, codes: list[str]
) -> None:
    verdict = demands_client_certificate(seen, Policy())
    if codes:
        assert [violation.code for violation in faults(verdict)] == codes
    else:
        assert isinstance(verdict, NotApplicable)
