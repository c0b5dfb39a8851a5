"""Stapled OCSP responses, on real servers; keys of every kind that sign them and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import certlab
import nginxlab
import pytest
from certlab import DAY, HOUR, Issued, issue, now
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from probes.tls.lists import HOST, Plant, Shop, codes, look_at

from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.ocsp import read_staple
from pytest_nodered_sec.probes.tls.revocation import look_up_revocation
from pytest_nodered_sec.rules.revocation import not_revoked
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pathlib import Path


RESPONDERS: dict[str, dict[str, Any]] = {  # Any: arguments of `issue`
    "expired responder": {"usage": ExtendedKeyUsageOID.OCSP_SIGNING, "until": now() - HOUR},
    "early responder": {"usage": ExtendedKeyUsageOID.OCSP_SIGNING, "since": now() + HOUR},
    "no responder": {"usage": ExtendedKeyUsageOID.SERVER_AUTH},
    "no usage": {"ca": True},
}


@pytest.mark.parametrize(
    ("case", "must", "expected"),
    [
        ("none", False, None),
        ("none", True, ["staple-missing"]),
        ("good", True, []),
        ("delegated", True, []),
        ("revoked", False, ["revoked"]),
        ("late", False, ["staple-late"]),
        ("stranger", True, ["staple-unusable"]),
        ("other", False, ["staple-unusable"]),
        ("early", True, ["staple-early"]),
        ("clocks differ", True, []),
        ("old and for ever", True, ["staple-late"]),
        ("expired responder", True, ["staple-unusable"]),
        ("early responder", True, ["staple-unusable"]),
        ("no responder", True, ["staple-unusable"]),
        ("no usage", True, ["staple-unusable"]),
    ],
)
def test_a_stapled_response_is_judged_and_missed_only_where_demanded(
    case: str, must: bool, expected: list[str] | None, authority: tuple[Issued, Issued], tmp_path: Path
) -> None:
    root, middle = authority
    leaf = issue(HOST, middle, dns=[HOST], must_staple=must)
    responder = issue("Responder", middle, usage=ExtendedKeyUsageOID.OCSP_SIGNING)
    responses = {
        "good": certlab.ocsp_response(leaf, middle),
        "delegated": certlab.ocsp_response(leaf, middle, signer=responder),
        "revoked": certlab.ocsp_response(leaf, middle, revoked=True),
        "late": certlab.ocsp_response(leaf, middle, until=now() - DAY),
        "stranger": certlab.ocsp_response(leaf, middle, signer=issue("Middle", ca=True)),
        "other": certlab.ocsp_response(issue("other", middle), middle),
        "early": certlab.ocsp_response(leaf, middle, since=now() + DAY, until=now() + 2 * DAY),
        "clocks differ": certlab.ocsp_response(leaf, middle, since=now() + HOUR / 30),
        "old and for ever": certlab.ocsp_response(leaf, middle, since=now() - 20 * DAY, for_ever=True),
        **{
            name: certlab.ocsp_response(leaf, middle, signer=issue("Responder", middle, **more))
            for name, more in RESPONDERS.items()
        },
    }
    (tmp_path / "ca.pem").write_bytes(root.pem)
    (tmp_path / "staple").write_bytes(responses.get(case, b""))
    stapling = "" if case == "none" else f"ssl_stapling on; ssl_stapling_file {tmp_path}/staple;"
    with nginxlab.serving(tmp_path, [leaf, middle], server=stapling) as nginx:
        seen = look_up_revocation(look_at(nginx.port, tmp_path / "ca.pem", Policy()))
    verdict = not_revoked(seen, Policy())
    if expected is None:
        assert isinstance(verdict, NotApplicable)
    else:
        assert codes(verdict) == expected, seen.evidence()


KEYS: dict[str, tuple[certlab.Key | None, tuple[str, ...]]] = {
    "ECDSA": (None, ()),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate(), ()),
    "Ed448": (ed448.Ed448PrivateKey.generate(), ()),
    "RSA": (certlab.rsa_key(2048), ()),
    "RSA-PSS": (certlab.rsa_key(2048), ("-rmd", "sha384", "-rsigopt", "rsa_padding_mode:pss")),
}


@pytest.mark.parametrize(("key", "options"), KEYS.values(), ids=KEYS)
def test_a_response_and_a_list_of_any_kind_of_key_are_the_issuers_word(
    key: certlab.Key | None, options: tuple[str, ...], shop: Shop, tmp_path: Path
) -> None:
    root = issue("Root", ca=True)
    middle = issue("Middle", root, ca=True, key=key)
    leaf = issue(HOST, middle, dns=[HOST])
    made = certlab.ocsp_response_by_openssl(tmp_path, leaf, middle, *options) if options else None
    path = [leaf.certificate, middle.certificate]
    other = [leaf.certificate, issue("Middle", root, ca=True, key=key and another_like(key)).certificate]
    response = made or certlab.ocsp_response(leaf, middle)
    assert read_staple(response, path).status == "good"
    assert "not signed by the issuer" in read_staple(response, other).trouble
    plant = Plant(shop, tmp_path)
    plant.middle = issue("Middle", plant.root, ca=True, key=key)
    plant.leaf = issue(HOST, plant.middle, dns=[HOST], crls=[shop.url("/middle.crl")])
    shop.goods["/middle.crl"] = (200, certlab.crl(plant.middle), "")
    assert plant.look_up() == ()


def another_like(key: certlab.Key) -> certlab.Key:
    """Return another key of the same kind."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ed25519.Ed25519PrivateKey.generate()
    return ed448.Ed448PrivateKey.generate() if isinstance(key, ed448.Ed448PrivateKey) else certlab.rsa_key(3072)
