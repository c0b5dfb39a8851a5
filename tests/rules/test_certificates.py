"""Tables for tls-04, -05, -06 and -11: what certificates say of themselves in, findings out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from chains import CLEAR, DAY, LEAF, MID, NOW, ROOT, SECOND, STORE_ROOT, both, certificate, chain, codes, faults

from pytest_nodered_sec.data.lifetimes import LIMITS, public_limit
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.certificates import (
    chain_is_in_order,
    issued_by_the_named_ca,
    keys_are_strong,
    lifetime_is_limited,
)
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain

UPPER = certificate(1, "CN=Upper", "CN=Root")
LOWER = certificate(2, "CN=Mid", "CN=Upper")


def strong(*sent: CertificateFacts) -> tuple[CertificateFacts, ...]:
    return tuple(replace(leaf, key_type="RSA", key_bits=2048, signature_hash="sha256") for leaf in sent)


@pytest.mark.parametrize("rule", [chain_is_in_order, keys_are_strong, lifetime_is_limited])
def test_without_tls_they_do_not_apply(rule: object) -> None:
    assert rule(CLEAR, Policy()) == NotApplicable("served without TLS: see tls-01")  # type: ignore[operator]  # any rule
    assert issued_by_the_named_ca(CLEAR, Policy(issuer="Plant")) == NotApplicable("served without TLS: see tls-01")


# --- tls-04 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "expected", "said"),
    [
        (chain(LEAF, MID), [], ""),
        (chain(LEAF), [], ""),  # what is missing is tls-01's
        (
            chain(LEAF, replace(ROOT, position=1), errors=((20, 0),)),
            ["root-sent"],
            "certificate 2 of the chain `CN=Root` is a root",
        ),
        (chain(LEAF, MID, ROOT), ["root-sent"], "take `CN=Root` at place 3 out of the file"),
        (
            chain(LEAF, MID, replace(MID, position=2)),
            ["duplicate"],
            "3 of the chain `CN=Mid` was sent before",
        ),
        (chain(LEAF, UPPER, LOWER), ["wrong-order"], "in order: `CN=plant.example`, `CN=Mid`, `CN=Upper`"),
        (chain(LEAF, MID, certificate(2, "CN=Other", "CN=X")), ["stranger"], "`CN=Other` issued none of the others"),
        (chain(LEAF, UPPER, errors=((20, 0),)), [], ""),  # the gap is tls-01's
        (
            chain(LEAF, MID, certificate(2, "CN=Root", "CN=Old", not_after=NOW - DAY), path=(LEAF, MID, STORE_ROOT)),
            ["expired-extra"],
            "`CN=Root` has expired (2026-11-22)",
        ),
        (
            chain(LEAF, path=(LEAF, replace(MID, position=-1), STORE_ROOT)),
            ["taken-from-the-store"],
            "the intermediate `CN=Mid` is not sent; it was found in the system's store",
        ),
        (chain(LEAF, path=(LEAF, replace(MID, position=-1))), [], ""),  # trusted by itself
    ],
)
def test_each_way_of_disorder_is_told(seen: PresentedChain, expected: list[str], said: str) -> None:
    verdict = faults(chain_is_in_order(seen, Policy()))
    assert codes(verdict) == expected
    assert said in "".join(violation.observed + violation.remedy for violation in verdict)


def test_an_issuer_is_known_by_its_key_where_both_say_which() -> None:
    own, issuer = ("", "aa"), ("aa", "")
    leaf, mid = replace(LEAF, key_ids=own), replace(MID, key_ids=issuer)
    assert mid.issued(leaf)
    assert not replace(mid, key_ids=("bb", "")).issued(leaf)
    assert not replace(mid, names=("CN=Mid,O=Other", "")).issued(replace(leaf, names=("", "CN=Mid,O=Plant")))
    assert mid.issued(replace(leaf, key_ids=("", "")))


@pytest.mark.parametrize(
    ("key_ids", "expected"), [(("", ""), True), (("aa", ""), True), (("aa", "aa"), True), (("aa", "bb"), False)]
)
def test_a_new_key_of_the_same_name_is_no_root(key_ids: tuple[str, str], expected: bool) -> None:
    assert replace(ROOT, key_ids=key_ids).self_signed is expected


def test_what_two_chains_have_in_common_is_told_once() -> None:
    seen = both(chain(LEAF, MID, ROOT), chain(LEAF, MID, ROOT))
    assert codes(chain_is_in_order(seen, Policy())) == ["root-sent"]


# --- tls-05 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key_type", "bits", "expected"),
    [
        ("RSA", 2048, []),
        ("RSA", 2047, ["weak-key"]),
        ("EC", 256, []),
        ("EC", 224, ["weak-key"]),
        ("Ed25519", 256, []),
        ("Ed448", 456, []),
        ("DSA", 3072, ["weak-key"]),
    ],
)
def test_keys_are_measured_by_their_kind(key_type: str, bits: int, expected: list[str]) -> None:
    leaf, mid = strong(LEAF, MID)
    for sent in (
        (replace(leaf, key_type=key_type, key_bits=bits), mid),
        (leaf, replace(mid, key_type=key_type, key_bits=bits)),
    ):
        verdict = faults(keys_are_strong(chain(*sent), Policy()))
        assert codes(verdict) == expected
        assert all(f"has a key of {bits} bits ({key_type})" in violation.observed for violation in verdict)


@pytest.mark.parametrize(
    ("digest", "expected"),
    [("", []), ("sha256", []), ("sha3-512", []), ("sha1", ["weak-signature"]), ("md5", ["weak-signature"])],
)
def test_signatures_are_measured_by_their_digest(digest: str, expected: list[str]) -> None:
    leaf, mid, root = strong(LEAF, MID, replace(ROOT, position=-1))
    root = replace(root, signature_hash=digest)  # nobody relies on it
    for sent in ((replace(leaf, signature_hash=digest), mid, root), (leaf, replace(mid, signature_hash=digest), root)):
        assert codes(keys_are_strong(chain(*sent[:2], path=sent), Policy())) == expected


def test_the_key_of_a_trust_anchor_counts() -> None:
    leaf, mid, root = strong(LEAF, MID, replace(ROOT, position=-1))
    seen = chain(leaf, mid, path=(leaf, mid, replace(root, key_bits=1024)))
    assert codes(keys_are_strong(seen, Policy())) == ["weak-key"]


def test_what_is_sent_for_nothing_does_not_count_unless_the_way_was_not_found() -> None:
    leaf, mid, extra = strong(LEAF, MID, certificate(2, "CN=Other", "CN=X"))
    seen = chain(leaf, mid, replace(extra, key_bits=512), path=(leaf, mid))
    assert keys_are_strong(seen, Policy()) == ()
    assert codes(keys_are_strong(replace(seen, verify_errors=((20, 1),)), Policy())) == ["weak-key"]


@pytest.mark.parametrize("what", [{"key_type": "1.2.3"}, {"signature_hash": "1.2.3"}])
def test_what_is_not_known_is_not_judged_unless_something_else_is_weak(what: dict[str, str]) -> None:
    leaf, mid = strong(LEAF, MID)
    strange = replace(mid, **what)  # type: ignore[arg-type]  # fields of several types
    verdict = keys_are_strong(chain(leaf, strange), Policy())
    assert isinstance(verdict, NotJudged)
    assert verdict.reason.startswith("not judged: certificate 2 of the chain `CN=Mid` has a key (")
    assert codes(keys_are_strong(chain(replace(leaf, key_bits=1024), strange), Policy())) == ["weak-key"]


# --- tls-06 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issued", "limit"),
    [
        ("2018-02-28", None),
        ("2018-03-01", 825),
        ("2020-08-31", 825),
        ("2020-09-01", 398),
        ("2026-03-14", 398),
        ("2026-03-15", 200),
        ("2027-03-15", 100),
        ("2029-03-14", 100),
        ("2029-03-15", 47),
    ],
)
def test_limits_are_those_of_the_day_of_issue(issued: str, limit: int | None) -> None:
    day = datetime.fromisoformat(issued).replace(tzinfo=UTC)
    assert public_limit(day) == limit
    assert sorted(LIMITS, reverse=True) == list(LIMITS)
    lifetime = timedelta(days=limit or 3000)
    seen = chain(replace(LEAF, not_before=day, not_after=day + lifetime - SECOND), MID, public=True)
    longer = replace(seen, certificates=(replace(seen.leaf, not_after=day + lifetime), MID))
    if limit is None:
        assert isinstance(lifetime_is_limited(longer, Policy()), NotApplicable)
    else:
        assert lifetime_is_limited(seen, Policy()) == ()
        [fault] = faults(lifetime_is_limited(longer, Policy()))
        assert fault.expected == f"at most {limit} days (publicly trusted, issued {issued})"


def living(days: float) -> PresentedChain:
    return chain(replace(LEAF, not_before=NOW - DAY, not_after=NOW - DAY + timedelta(days=days) - SECOND), MID)


def test_private_ones_live_as_long_as_the_policy_allows() -> None:
    assert lifetime_is_limited(living(825), Policy()) == ()
    [fault] = faults(lifetime_is_limited(living(826), Policy()))
    assert (fault.code, fault.expected) == ("lives-too-long", "at most 825 days (private CA, profile production)")
    assert fault.observed == "leaf `CN=plant.example` is issued for 826.0 days (2026-11-22 to 2029-02-25)"
    assert codes(lifetime_is_limited(living(399), Policy("strict"))) == ["lives-too-long"]
    verdict = lifetime_is_limited(living(9999), Policy("baseline"))
    assert verdict == NotApplicable("not required by profile baseline, for certificates of a private CA")


def test_a_pinned_certificate_lives_as_long_as_it_likes() -> None:
    assert isinstance(lifetime_is_limited(living(9999), Policy(certificate="00")), NotApplicable)


def test_of_two_chains_one_may_be_public() -> None:
    seen = both(living(9999), replace(living(300), public=True))
    assert codes(lifetime_is_limited(seen, Policy("baseline"))) == ["lives-too-long"]
    assert codes(lifetime_is_limited(seen, Policy())) == ["lives-too-long", "lives-too-long"]


# --- tls-11 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuer", "organisation", "expected"),
    [
        ("Let's Encrypt", "Let's Encrypt", []),
        ("let's encrypt", "Let's Encrypt", []),
        ("Let's Encrypt", "Other", ["other-issuer"]),
        ("Root", "", []),  # by the root's common name
        ("Plant", "", []),  # by the root's organisation
        ("Mid", "", ["other-issuer"]),  # never by an intermediate's
        ("Root", "Other", ["other-issuer"]),
    ],
)
def test_the_issuer_is_known_by_its_organisation(issuer: str, organisation: str, expected: list[str]) -> None:
    leaf = replace(LEAF, organisations=("", organisation))
    anchor = replace(STORE_ROOT, organisations=("Plant", "Plant"))
    verdict = faults(issued_by_the_named_ca(chain(leaf, MID, path=(leaf, MID, anchor)), Policy(issuer=issuer)))
    assert codes(verdict) == expected
    assert all("was issued by “" in violation.observed and f"“{issuer}”" == violation.expected for violation in verdict)


def test_no_issuer_is_demanded_by_default() -> None:
    assert isinstance(issued_by_the_named_ca(chain(), Policy()), NotApplicable)


def test_what_does_not_verify_may_have_been_written_by_anybody() -> None:
    leaf = replace(LEAF, organisations=("", "Plant"))
    seen = chain(leaf, MID, errors=((20, 1),))
    assert isinstance(issued_by_the_named_ca(seen, Policy(issuer="Plant")), NotJudged)
    assert codes(issued_by_the_named_ca(seen, Policy(issuer="Other"))) == ["other-issuer"]
