"""Revoked certificates by lists, on real servers; and clocks that differ."""

from __future__ import annotations

import ssl
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast

import certlab
import pytest
import tlslab
from certlab import DAY, HOUR, issue, now
from cryptography import x509
from cryptography.x509.oid import NameOID
from probes.tls.lists import CRL, HOST, Plant, Shop, codes, look_at

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Ask, HttpSettings, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.revocation import look_up_revocation
from pytest_nodered_sec.rules.chain import chain_is_trusted, renewal_is_in_time
from pytest_nodered_sec.rules.revocation import not_revoked
from pytest_nodered_sec.survey.survey import Survey
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pathlib import Path


COMPROMISED = frozenset({x509.ReasonFlags.key_compromise})
RELATIVE = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "part")])
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def test_what_is_in_no_list_is_not_revoked(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    assert plant.look_up() == ()
    assert sorted(shop.asked) == ["/middle.crl", "/root.crl"]
    assert f"leaf `CN=localhost` is not in {shop.url('/middle.crl')}, which is valid until " in plant.said


def test_nothing_is_fetched_unless_the_policy_asks(shop: Shop, tmp_path: Path) -> None:
    verdict = Plant(shop, tmp_path).look_up(Policy())
    assert isinstance(verdict, NotApplicable)
    assert verdict.reason.startswith("not required: revocation = ")
    assert shop.asked == []


def test_a_revoked_leaf_is_found(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, certlab.crl(plant.middle, plant.leaf), "")
    shop.goods["/root.crl"] = (503, b"", "")  # what cannot be had hides no finding
    verdict = plant.look_up()
    assert codes(verdict) == ["revoked"]
    assert "leaf `CN=localhost` has been revoked since " in plant.said
    assert "(keyCompromise)" in plant.said


def test_a_revoked_intermediate_is_found(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/root.crl"] = (200, certlab.crl(plant.root, plant.middle), "")
    assert codes(plant.look_up()) == ["revoked"]
    assert "certificate 2 of the chain `CN=Middle` has been revoked" in plant.said


def test_pem_and_a_redirect_on_the_same_host_are_taken(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    pem = ssl.DER_cert_to_PEM_cert(certlab.crl(plant.middle)).replace("CERTIFICATE", "X509 CRL").encode()
    shop.goods["/middle.crl"] = (301, b"", "/moved")
    shop.goods["/moved"] = (200, pem, "")
    assert plant.look_up() == ()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b"", ""), r"cannot be fetched: http://localhost:\d+/middle.crl answered 404"),
        ((200, b"<html>", ""), "holds no such list"),
        ((302, b"", "http://elsewhere.test/other.crl"), "redirected elsewhere, to http://elsewhere.test/other.crl"),
        ((302, b"", "https://localhost/x"), "redirected elsewhere"),
        ((302, b"", "/middle.crl"), "one redirect after another"),
        ((200, b"\0" * 3000, ""), "has more than 0 MiB"),
    ],
)
def test_a_list_that_cannot_be_had_is_could_not_look(
    answer: tuple[int, bytes, str], said: str, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_nodered_sec.probes.tls.revocation._LIMIT", 2000)
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = answer
    with pytest.raises(ProbeError, match=said) as caught:
        plant.look_up()
    assert caught.value.cause is Cause.UNAVAILABLE
    assert "leaf `CN=localhost`" in caught.value.message


def stranger(plant: Plant, _: Shop) -> bytes:
    return certlab.crl(issue("Middle", ca=True))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (stranger, "it is not signed by `CN=Middle`"),
        (lambda plant, shop: certlab.crl(plant.root), "it is not signed by"),
        (lambda plant, shop: certlab.crl(plant.middle, since=now() - 3 * DAY, until=now() - DAY), "out of date since"),
        (lambda plant, shop: certlab.crl(plant.middle, since=now() + HOUR), "it is valid only from"),
        (lambda plant, shop: certlab.crl(plant.middle, url=shop.url("/part2.crl")), "the list for other certificates"),
        (lambda plant, shop: certlab.crl(plant.middle, only_contains_ca_certs=True), "the list for other certificates"),
        (lambda plant, shop: certlab.crl(plant.middle, only_contains_attribute_certs=True), "for other certificates"),
        (lambda plant, shop: certlab.crl(plant.middle, relative_name=RELATIVE), "the list for other certificates"),
        (lambda plant, shop: certlab.crl(plant.middle, only_some_reasons=COMPROMISED), "some revocation reasons"),
        (lambda plant, shop: certlab.crl(plant.middle, indirect_crl=True), "of several issuers"),
        (lambda plant, shop: certlab.crl(plant.middle, extensions=[x509.DeltaCRLIndicator(7)]), "changes since list 7"),
        (lambda plant, shop: certlab.crl(plant.middle, extensions=[STRANGE]), r"critical extension \(1\.2\.3\.4\)"),
        (
            lambda plant, shop: certlab.without_next_update(certlab.crl(plant.middle), plant.middle),
            "names no end of validity",
        ),
        (
            lambda plant, shop: certlab.crl(
                plant.middle,
                plant.leaf,
                reason=x509.ReasonFlags.remove_from_crl,
                extensions=[x509.DeltaCRLIndicator(7)],
            ),
            "changes since list 7",
        ),
        (
            lambda plant, shop: certlab.crl(
                plant.middle, plant.leaf, reason=x509.ReasonFlags.certificate_hold, until=now() - HOUR / 2
            ),
            "out of date since",
        ),
    ],
    ids=[
        "stranger's",
        "another CA's",
        "late",
        "early",
        "another part",
        "for CAs",
        "for attributes",
        "by another name",
        "some reasons",
        "indirect",
        "delta",
        "strange",
        "for ever",
        "no longer on hold",
        "once on hold",
    ],
)
def test_a_list_that_says_nothing_here_is_could_not_look(make: Any, said: str, shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, make(plant, shop), "")
    with pytest.raises(ProbeError, match=said):
        plant.look_up()


def test_the_right_part_of_a_list_is_taken(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, certlab.crl(plant.middle, url=shop.url("/middle.crl")), "")
    assert plant.look_up() == ()


@pytest.mark.parametrize(
    "make",
    [
        lambda plant: certlab.crl(plant.middle, plant.leaf, extensions=[x509.DeltaCRLIndicator(7)]),
        lambda plant: certlab.crl(plant.middle, plant.leaf, until=now() - HOUR / 2),
        lambda plant: certlab.crl(plant.middle, plant.leaf, only_some_reasons=COMPROMISED),
    ],
    ids=["delta", "late", "some reasons"],
)
def test_an_entry_stands_in_an_old_list_and_in_a_part(make: Any, shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, make(plant), "")
    assert codes(plant.look_up()) == ["revoked"]


def test_a_whole_list_with_a_number_and_word_of_changes_is_taken(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(shop.url("/delta"))], None, None, None)
    made = certlab.crl(
        plant.middle, extensions=[x509.CRLNumber(9), x509.FreshestCRL([point])], only_contains_user_certs=True
    )
    shop.goods["/middle.crl"] = (200, made, "")
    assert plant.look_up() == ()


def test_who_may_not_sign_lists_signs_none(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    usage = certlab.usages("key_cert_sign")
    plant.middle = issue("Middle", plant.root, ca=True, crls=[shop.url("/root.crl")], key_usage=usage)
    plant.leaf = issue(HOST, plant.middle, dns=[HOST], crls=[shop.url("/middle.crl")])
    shop.goods["/middle.crl"] = (200, certlab.crl(plant.middle), "")
    with pytest.raises(ProbeError, match=r"`CN=Middle` may not sign lists \(its keyUsage lacks cRLSign\)"):
        plant.look_up()


@pytest.mark.parametrize(
    ("crls", "said"),
    [
        ([], 'names no list of revoked certificates, though revocation = "crl" asks for one'),
        (["ldap://ca.test/cn=x", "https://ca.test/x"], "none of its list's URLs is plain HTTP"),
        (["http://localhost:99999/x"], "is not a URL"),
        (["http:///x"], "is not a URL"),
        (["http://localhost:1/x"], "refused"),
    ],
)
def test_a_leaf_without_a_list_that_can_be_asked_for_is_could_not_look(
    crls: list[str], said: str, shop: Shop, tmp_path: Path
) -> None:
    with pytest.raises(ProbeError, match=said):
        Plant(shop, tmp_path, crls=crls).look_up()


def test_a_place_that_never_answers_ends_at_the_deadline(shop: Shop, tmp_path: Path) -> None:
    with tlslab.serving(tlslab.hangs) as silent, pytest.raises(ProbeError, match="no complete answer within the time"):
        Plant(shop, tmp_path, crls=[f"http://localhost:{silent.port}/x"]).look_up(timeout=1)


def test_the_second_place_will_do(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path, crls=["ldap://ca.test/x", shop.url("/gone"), shop.url("/middle.crl")])
    assert plant.look_up() == ()


def test_what_lives_a_week_needs_no_list(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path, crls=[], since=now() - HOUR, until=now() + 159 * HOUR)
    assert plant.look_up() == ()
    assert "leaf `CN=localhost` names no list" in plant.said


def test_a_chain_that_does_not_verify_has_us_ask_for_nothing(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    plant.ca.write_bytes(issue("Other", ca=True).pem)
    with pytest.raises(ProbeError, match="its revocation lists are not fetched: see tls-01") as caught:
        plant.look_up()
    assert caught.value.cause is Cause.UNVERIFIED
    assert shop.asked == []


def test_a_certificate_without_an_issuer_cannot_be_revoked(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    plant.leaf = issue(HOST, dns=[HOST], crls=[shop.url("/middle.crl")])
    plant.ca.write_bytes(plant.leaf.pem)
    with tlslab.serving_tls(tmp_path, [plant.leaf]) as server:
        look = look_at(server.port, plant.ca, CRL)
        verdict = not_revoked(look_up_revocation(look), CRL)
    assert isinstance(verdict, NotApplicable)
    assert "self-signed" in verdict.reason


def test_a_list_goes_through_the_targets_proxy(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    with pytest.raises(ProbeError, match="the proxy 127"):
        plant.look_up(http=HttpSettings(proxy="http://127.0.0.1:1"))


def test_a_list_is_fetched_once_in_a_run(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    survey = Survey()
    with plant.serving() as server:
        for name in ("a", "b"):
            target = Target(name, f"https://{HOST}:{server.port}", CRL, ca_file=str(plant.ca), http_port=1)
            assert not_revoked(cast("Any", survey.answer(target, Ask("revocation"))), CRL) == ()
        survey.close()
    assert sorted(shop.asked) == ["/middle.crl", "/root.crl"]


# --- clocks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(days=-3), "behind"),
        (timedelta(hours=5), "ahead of"),
        (timedelta(0), ""),
        (None, ""),
    ],
)
def test_a_clock_that_differs_is_a_hint_where_dates_are_wrong(
    ahead: timedelta | None, said: str, tmp_path: Path
) -> None:
    root = issue("Root", ca=True)
    (tmp_path / "ca.pem").write_bytes(root.pem)
    late = issue("Late", root, ca=True, until=now() - HOUR)
    chain = [issue(HOST, late, dns=[HOST], until=now() - HOUR), late]
    dated = f"Date: {format_datetime(now() + ahead)}\r\n" if ahead is not None else ""
    reply = f"HTTP/1.1 404 Not Found\r\n{dated}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with tlslab.serving_tls(tmp_path, chain, reply=reply) as server:
        survey = Survey()
        target = Target("t", f"https://{HOST}:{server.port}", Policy(), ca_file=str(tmp_path / "ca.pem"))
        seen = cast("Any", survey.answer(target, Ask("chain")))
        survey.close()
    [leaf] = renewal_is_in_time(seen, Policy())  # type: ignore[misc]  # a verdict may also be no tuple
    [above] = chain_is_trusted(seen, Policy())  # type: ignore[misc]  # a verdict may also be no tuple
    for violation in (leaf, above):
        hint = violation.observed.partition("; the target's clock is ")[2]
        assert hint.endswith(f" {said} ours, by its Date header") if said else not hint
