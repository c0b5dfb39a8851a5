"""Tables for tls-01, -02 and -03: verify codes, names and dates in, findings out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from chains import CLEAR, DAY, HOUR, LEAF, MID, NOW, ROOT, SECOND, STORE_ROOT, certificate, chain, codes, faults

from pytest_nodered_sec.policy.model import Policy, Profile
from pytest_nodered_sec.rules.chain import chain_is_trusted, counted, names_the_host, renewal_is_in_time
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.chain import PresentedChain

# --- tls-01 ----------------------------------------------------------------------------------------------


def test_no_error_is_trust() -> None:
    assert chain_is_trusted(chain(), Policy()) == ()


def test_without_tls_there_is_no_trust() -> None:
    (fault,) = faults(chain_is_trusted(CLEAR, Policy()))
    assert (fault.code, fault.observed) == ("no-tls", "plant.example is served without TLS")
    assert "ssl_certificate" in fault.remedy


@pytest.mark.parametrize(
    ("code", "depth"), [(9, 0), (10, 0), (62, 0), (66, 0), (67, 1), (68, 0), (68, 1), (3, 0), (23, 0), (23, 1)]
)
def test_what_other_controls_judge_is_not_judged_twice(code: int, depth: int) -> None:
    assert chain_is_trusted(chain(errors=((code, depth),)), Policy()) == ()


@pytest.mark.parametrize("code", sorted(set(range(1, 100)) - {2, 3, 9, 10, 20, 21, 23, 62, 66, 67, 68}))
@pytest.mark.parametrize("depth", [0, 1])
def test_every_other_code_is_a_finding(code: int, depth: int) -> None:
    (fault,) = faults(chain_is_trusted(chain(errors=((code, depth),)), Policy()))
    assert fault.code == f"verify-{code}"
    assert fault.observed.startswith(("leaf `CN=plant.example` ", "certificate 2 of the chain `CN=Mid` ")[depth])
    assert fault.remedy
    assert fault.expected == "a chain that verifies to a trusted root"


def test_a_code_without_words_of_ours_is_told_by_its_number() -> None:
    (fault,) = faults(chain_is_trusted(chain(errors=((33, 1),)), Policy()))
    assert fault.observed == "certificate 2 of the chain `CN=Mid` does not verify (OpenSSL verify code 33)"


@pytest.mark.parametrize(
    ("seen", "code", "observed", "remedy"),
    [
        (
            chain(replace(LEAF, ca_issuers=True), errors=((20, 0), (21, 0))),
            "incomplete-chain",
            "the server sends the leaf `CN=plant.example` only; its issuer `CN=Mid` is neither sent nor trusted",
            "add the intermediate `CN=Mid` (nginx: ssl_certificate must point at fullchain.pem; Caddy: tls "
            "fullchain.pem privkey.pem)",
        ),
        (chain(LEAF, errors=((20, 0), (21, 0))), "incomplete-chain", "neither sent nor trusted", "--nodered-ca-file"),
        (chain(LEAF, errors=((21, 0),)), "incomplete-chain", "neither sent nor trusted", "--nodered-ca-file"),
        (
            chain(replace(LEAF, issuer="CN=Plant Intermediate CA"), errors=((21, 0),)),
            "incomplete-chain",
            "neither sent nor trusted",
            "add the intermediate `CN=Plant Intermediate CA` (",
        ),
        (
            chain(LEAF, ROOT, errors=((20, 0), (21, 0)), path=(LEAF,)),
            "incomplete-chain",
            "the server sends 2 certificates, but not the one that issued the leaf `CN=plant.example`: `CN=Mid`",
            "add the intermediate `CN=Mid`",
        ),
        (
            chain(errors=((20, 1),), path=(LEAF, MID)),
            "unknown-ca",
            "certificate 2 of the chain `CN=Mid` was issued by `CN=Root`, which is not trusted (the system's store)",
            "if this CA is yours, pass its root with --nodered-ca-file=FILE",
        ),
        (chain(errors=((20, 1),)), "unknown-ca", "was issued by `CN=Root`", "if this CA is yours"),
        (
            chain(LEAF, replace(MID, ca_issuers=True), errors=((20, 1), (21, 0))),
            "unknown-ca",
            "was issued by `CN=Root`",
            "send the whole chain of the CA (nginx: ",
        ),
        (
            chain(LEAF, errors=((2, 1),), path=(LEAF, replace(MID, position=-1))),
            "anchor-is-no-root",
            "certificate `CN=Mid` of the trust store was issued by `CN=Root`, which is not trusted",
            "put the root `CN=Root` itself into the --nodered-ca-file",
        ),
        (chain(LEAF, MID, ROOT, errors=((19, 2),)), "verify-19", "`CN=Root` is a root that is", "--nodered-ca-file"),
        (chain(LEAF, errors=((18, 0),)), "verify-18", "is self-signed and not trusted", "--nodered-ca-file"),
        *(
            (
                replace(seen, ca_file="other.pem"),
                code,
                issuer,
                f"the chain ends at `{issuer}`, another CA than those in other.pem: if it is your CA, pass the file",
            )
            for seen, code, issuer in (
                (chain(LEAF, errors=((20, 0), (21, 0))), "incomplete-chain", "CN=Mid"),
                (chain(errors=((20, 1),)), "unknown-ca", "CN=Root"),
                (chain(LEAF, MID, ROOT, errors=((19, 2),)), "verify-19", "CN=Root"),
            )
        ),
        (chain(errors=((79, 1), (26, 1), (32, 1))), "verify-79", "is not a CA certificate", "fullchain.pem"),
        (chain(errors=((26, 1),)), "verify-26", "`CN=Mid` may not issue certificates for servers", "fullchain.pem"),
        (chain(errors=((26, 0),)), "verify-26", "may not be used for a server", "serverAuth"),
        (chain(errors=((22, 101), (20, 101))), "verify-22", "a chain that is too long", "fullchain.pem"),
        (chain(errors=((10, 1),)), "verify-10", "`CN=Mid` has expired (2027-01-22 11:59Z)", "certbot renew"),
        (chain(errors=((9, 1),)), "verify-9", "`CN=Mid` is not yet valid (from 2026-10-24 12:00Z)", "timedatectl"),
        (
            chain(errors=((10, 2),), path=(LEAF, MID, STORE_ROOT)),
            "verify-10",
            "certificate `CN=Root` of the trust store has expired",
            "ca-certificates",
        ),
        (chain(errors=((47, 0),)), "verify-47", "name constraint", "allowed to certify"),
    ],
)
def test_each_fault_names_its_certificate_and_its_remedy(
    seen: PresentedChain, code: str, observed: str, remedy: str
) -> None:
    (fault,) = faults(chain_is_trusted(seen, Policy()))
    assert fault.code == code
    assert observed in fault.observed
    assert remedy in fault.remedy


def test_faults_of_several_certificates_are_all_reported() -> None:
    other = certificate(2, "CN=Upper", "CN=Root")
    seen = chain(LEAF, MID, other, errors=((10, 2), (10, 1), (26, 0), (20, 2), (66, 0), (10, 0)))
    assert codes(chain_is_trusted(seen, Policy())) == ["verify-10", "verify-10", "verify-26", "unknown-ca"]


# --- tls-02 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "names", "addresses"),
    [
        ("plant.example", ("plant.example",), ()),
        ("PLANT.example", ("Plant.EXAMPLE",), ()),
        ("plant.example.", ("plant.example",), ()),
        ("line.plant.example", ("other.example", "*.plant.example"), ()),
        ("xn--fa-hia.example", ("xn--fa-hia.example",), ()),
        ("nodered", ("nodered",), ()),
        ("10.0.0.5", (), ("10.0.0.5",)),
        ("2001:0DB8::0001", (), ("2001:db8::1",)),
        ("fe80::1%eth0", (), ("fe80::1",)),
    ],
)
def test_names_that_count(host: str, names: tuple[str, ...], addresses: tuple[str, ...]) -> None:
    leaf = replace(LEAF, dns_names=names, ip_addresses=addresses)
    assert names_the_host(chain(leaf, MID, host=host), Policy()) == ()


@pytest.mark.parametrize(
    ("host", "names", "addresses", "said"),
    [
        ("plant.example", ("other.example",), (), "is for other.example, not for plant.example"),
        ("plant.example", ("*.plant.example",), (), "(a wildcard does not cover its parent domain)"),
        ("a.line.plant.example", ("*.plant.example",), (), "(a wildcard matches one label only)"),
        (".plant.example", ("*.plant.example",), (), "not for .plant.example"),
        ("plant.example", ("*.example",), (), "not for plant.example"),
        ("plant.example", ("*",), (), "is for *, not"),
        ("plant.example", ("p*.example",), (), "is for p*.example, not"),
        ("line.plant.example", ("line.*.example",), (), "is for line.*.example, not"),
        ("plant.example", (), (), "is for no host, not for plant.example"),
        ("10.0.0.5", ("10.0.0.5",), (), "(the address is listed as a DNS name, which does not count)"),
        ("10.0.0.5", ("plant.example",), ("10.0.0.6",), "is for plant.example, 10.0.0.6, not for 10.0.0.5"),
        ("plant.example", tuple(f"{n}.example" for n in range(100)), (), "4.example and 95 more, not"),
        ("plant.example", ("plant.example\\x00.evil",), (), "not for plant.example"),
    ],
)
def test_names_that_do_not_count(host: str, names: tuple[str, ...], addresses: tuple[str, ...], said: str) -> None:
    leaf = replace(LEAF, dns_names=names, ip_addresses=addresses)
    (fault,) = faults(names_the_host(chain(leaf, MID, host=host), Policy()))
    assert fault.code == "wrong-name"
    assert said in fault.observed
    assert host in fault.expected
    assert ("subjectAltName = IP:10.0.0.5" if host == "10.0.0.5" else "certbot") in fault.remedy


def test_names_that_are_not_kept_are_counted() -> None:
    leaf = replace(LEAF, dns_names=tuple(f"{n}.example" for n in range(100)), further_names=3900)
    (fault,) = faults(names_the_host(chain(leaf, MID, host="plant.example"), Policy()))
    assert "4.example and 3995 more, not for plant.example" in fault.observed


def test_a_common_name_does_not_count() -> None:
    leaf = replace(LEAF, dns_names=(), has_san=False)
    (fault,) = faults(names_the_host(chain(leaf, MID), Policy()))
    assert fault.code == "no-san"
    assert "its common name does not count" in fault.observed


# --- tls-03 ----------------------------------------------------------------------------------------------


def dated(lifetime: timedelta, left: timedelta) -> PresentedChain:
    end = NOW + left
    return chain(replace(LEAF, not_before=end - lifetime + SECOND, not_after=end), MID)


@pytest.mark.parametrize(
    ("profile", "lifetime", "left", "expected"),
    [
        ("baseline", 90 * DAY, 9 * DAY, []),
        ("baseline", 90 * DAY, 9 * DAY - SECOND, ["renewal-late"]),
        ("production", 90 * DAY, 22.5 * DAY, []),
        ("production", 90 * DAY, 22.5 * DAY - SECOND, ["renewal-late"]),
        ("strict", 90 * DAY, 27 * DAY, []),
        ("strict", 90 * DAY, 27 * DAY - SECOND, ["renewal-late"]),
        # certbot renews at a third: not late on that day
        ("strict", 90 * DAY, 30 * DAY - HOUR, []),
        ("strict", 45 * DAY, 15 * DAY - HOUR, []),
        # the cap
        ("baseline", 3650 * DAY, 15 * DAY, []),
        ("baseline", 3650 * DAY, 15 * DAY - SECOND, ["renewal-late"]),
        ("production", 3650 * DAY, 30 * DAY, []),
        ("strict", 3650 * DAY, 30 * DAY - SECOND, ["renewal-late"]),
        # short lifetimes
        ("baseline", 160 * HOUR, 16 * HOUR, []),
        ("baseline", 160 * HOUR, 16 * HOUR - SECOND, ["renewal-late"]),
        ("production", 160 * HOUR, 32 * HOUR, []),
        ("production", 160 * HOUR, 32 * HOUR - SECOND, ["renewal-late"]),
        ("strict", 160 * HOUR, 40 * HOUR, []),
        ("strict", 160 * HOUR, 40 * HOUR - SECOND, ["renewal-late"]),
        ("production", 10 * DAY, 2.5 * DAY - SECOND, ["renewal-late"]),
        ("production", 10 * DAY - SECOND, 2.1 * DAY, []),
        # the ends
        ("production", 90 * DAY, 90 * DAY - SECOND, []),
        ("production", 90 * DAY, 90 * DAY, ["not-yet-valid"]),
        ("production", 90 * DAY, timedelta(0), ["renewal-late"]),
        ("production", 90 * DAY, -SECOND, ["expired"]),
    ],
)
def test_late_is_measured_by_the_certificates_own_lifetime(
    profile: Profile, lifetime: timedelta, left: timedelta, expected: list[str]
) -> None:
    assert codes(renewal_is_in_time(dated(lifetime, left), Policy(profile))) == expected


def test_dates_and_remedies_are_told() -> None:
    (late,) = faults(renewal_is_in_time(dated(90 * DAY, 10 * DAY), Policy()))
    assert late.observed == "leaf `CN=plant.example` has 10.0 of 90.0 days left (to 2026-12-03 12:00Z)"
    assert late.expected == "at least 22.5 days (profile production)"
    assert "certbot renew" in late.remedy
    (early,) = faults(renewal_is_in_time(dated(90 * DAY, 91 * DAY), Policy()))
    assert "our clock says 2026-11-23 12:00Z" in early.observed
    assert "timedatectl" in early.remedy
    (over,) = faults(renewal_is_in_time(dated(90 * DAY, -DAY), Policy()))
    assert over.observed == "leaf `CN=plant.example` expired on 2026-11-22 12:00Z"


def test_without_tls_names_and_dates_do_not_apply() -> None:
    expected = NotApplicable("served without TLS: see tls-01")
    assert names_the_host(CLEAR, Policy()) == expected
    assert renewal_is_in_time(CLEAR, Policy()) == expected


def test_one_certificate_is_one_certificate() -> None:
    assert ", 1 certificate sent, " in chain(LEAF).evidence()
    assert ", 2 certificates sent, " in chain().evidence()


def test_a_pinned_certificate_is_trusted_by_its_fingerprint_alone() -> None:
    seen = chain(errors=((18, 0),))
    pinned = Policy(certificate=seen.certificates[0].fingerprint)
    assert chain_is_trusted(seen, pinned) == ()
    assert isinstance(names_the_host(seen, pinned), NotApplicable)
    (fault,) = faults(chain_is_trusted(seen, Policy(certificate="00" * 32)))
    assert fault.code == "not-the-pinned-one"


# --- dates, clocks, two chains ---------------------------------------------------------------------------


def test_dates_that_openssl_does_not_look_at_are_looked_at() -> None:
    late = replace(MID, not_after=NOW - DAY)
    early = replace(MID, not_before=NOW + DAY)
    for leaf, code in ((late, "verify-10"), (early, "verify-9")):
        assert codes(chain_is_trusted(chain(LEAF, leaf, errors=((20, 1),)), Policy())) == ["unknown-ca", code]
    met = chain(LEAF, late, errors=((10, 1),))
    assert codes(chain_is_trusted(met, Policy())) == ["verify-10"]  # once
    unused = chain(LEAF, MID, replace(ROOT, not_after=NOW - DAY), path=(LEAF, MID, STORE_ROOT))
    assert chain_is_trusted(unused, Policy()) == ()


@pytest.mark.parametrize(
    ("skew", "hint"),
    [
        (None, ""),
        (119, ""),
        (-7200, "; the target's clock is 2:00:00 behind ours, by its Date header"),
        (90000, "; the target's clock is 1 day, 1:00:00 ahead of ours, by its Date header"),
    ],
)
def test_clocks_that_differ_are_a_hint(skew: int | None, hint: str) -> None:
    seen = replace(dated(90 * DAY, 91 * DAY), skew=skew)
    [leaf] = faults(renewal_is_in_time(seen, Policy()))
    assert leaf.observed.endswith(hint or "12:00Z")
    [above] = faults(chain_is_trusted(chain(errors=((9, 1),), skew=skew), Policy()))
    assert above.observed.endswith(hint or "12:00Z)")


def test_what_may_not_sign_is_told_from_what_is_no_ca() -> None:
    [no_ca] = faults(chain_is_trusted(chain(errors=((79, 1),)), Policy()))
    [mute] = faults(chain_is_trusted(chain(LEAF, replace(MID, authority=True), errors=((79, 1),)), Policy()))
    assert "is not a CA certificate" in no_ca.observed
    assert "may not sign certificates (keyUsage)" in mute.observed
    [purpose] = faults(chain_is_trusted(chain(replace(LEAF, for_servers=False), errors=((26, 0),)), Policy()))
    assert purpose.observed == "leaf `CN=plant.example` may not be used for a server"


def test_both_chains_of_a_server_are_judged() -> None:
    other = replace(LEAF, kind="RSA", dns_names=("other.example",))
    seen = replace(chain(), also=chain(other, MID, errors=((20, 1),)))
    assert codes(chain_is_trusted(seen, Policy())) == ["unknown-ca"]
    [name] = faults(names_the_host(seen, Policy()))
    assert name.observed.startswith("RSA leaf `CN=plant.example` is for other.example")
    assert replace(seen, unseen="whether …").evidence().endswith("; whether …")
    assert [link.subject for link in counted(seen)] == ["CN=plant.example", "CN=Mid"]
