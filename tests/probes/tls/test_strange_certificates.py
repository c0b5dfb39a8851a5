"""Certificates, lists and OCSP responses with bytes changed: facts, or our own error, and nothing else."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import certlab
import nginxlab
import pytest
import tlslab
from certlab import issue
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import example, given, settings
from hypothesis import strategies as st
from suite_runs import need_nginx
from tlslab import LoopbackLook

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.identity import key_fingerprint
from pytest_nodered_sec.probes.tls.certificates import UNREADABLE, _in_full, facts
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.tls.ocsp import read_staple
from pytest_nodered_sec.probes.tls.revocation import _look_up

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.probes.transport.look import Look

ROOT = issue("Root", ca=True, organisation="Plant")
LEAF = issue(
    "localhost",
    ROOT,
    organisation="Plant",
    dns=["localhost"],
    ips=["127.0.0.1"],
    crls=["http://localhost:1/x"],
    ca_issuers=True,
    must_staple=True,
)
DER = LEAF.certificate.public_bytes(Encoding.DER)
NAME = DER.rindex(b"\x0c\x09localhost")  # the tag of the subject's common name
FEATURE = DER.index(b"\x30\x03\x02\x01\x05") + 4  # the number in its extension TLSFeature
STAPLE = certlab.ocsp_response(LEAF, ROOT)
LIST = certlab.crl(ROOT, LEAF)
CHANGES = st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=4)


def changed(der: bytes, changes: list[tuple[int, int]]) -> bytes:
    made = bytearray(der)
    for place, value in changes:
        made[place % len(made)] = value
    return bytes(made)


@settings(deadline=None, max_examples=400)
@given(CHANGES)
@example([(NAME, 0x03)])  # a BIT STRING
@example([(NAME, 0x04)])
@example([(NAME, 0x30)])
@example([(NAME, 0x1E)])
@example([(NAME, 0x45)])
@example([(FEATURE, 0)])
def test_a_certificate_is_facts_or_unreadable(changes: list[tuple[int, int]]) -> None:
    der = changed(DER, changes)
    with warnings.catch_warnings(), contextlib.suppress(*UNREADABLE):
        warnings.simplefilter("ignore")
        seen = facts(0, x509.load_der_x509_certificate(der))
        assert seen.subject.isprintable()
    assert isinstance(key_fingerprint(der), str)


def test_of_a_certificate_with_thousands_of_everything_little_is_kept() -> None:
    many = [f"a{number}.example" for number in range(4000)]
    leaf = issue(
        "localhost",
        ROOT,
        organisation="Plant",
        dns=[*many, "*.hall.plant.example", "LINE.hall.plant.example"],
        ips=[f"10.0.{number // 250}.{number % 250}" for number in range(1000)],
        crls=["ldap://localhost/x", *(f"http://localhost:1/{number}" for number in range(500))],
    )
    seen = facts(0, leaf.certificate, "line.hall.plant.example.")
    assert seen.dns_names[:3] == ("*.hall.plant.example", "LINE.hall.plant.example", "a0.example")
    assert "10.0.3.7" in facts(0, leaf.certificate, "10.0.3.7").ip_addresses
    assert seen.further_names == 4002 + 1000 - 200
    assert seen.crls == tuple(f"http://localhost:1/{number}" for number in range(4))
    assert len(repr(seen)) < 8000


def test_of_a_name_of_thousands_of_parts_the_beginning_is_kept_and_what_tells_it_apart() -> None:
    subjects = [
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"part {part}") for part in (*range(2000), last)])
        for last in ("a", "b")
    ]
    first, second = map(_in_full, subjects)
    assert first != second
    assert first == _in_full(subjects[0])
    assert len(first) < 1100


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.binary(max_size=60), st.lists(st.tuples(st.integers(0x80, 0xA8), st.binary(max_size=20)))))
def test_whatever_stands_in_the_place_of_names_is_facts_or_unreadable(
    names: bytes | list[tuple[int, bytes]],
) -> None:
    entries = names if isinstance(names, bytes) else b"".join(bytes([tag, len(name)]) + name for tag, name in names)
    leaf = issue(
        "localhost", ROOT, raw_san=b"\x30" + bytes([len(entries)]) + entries if len(entries) < 128 else entries
    )
    with warnings.catch_warnings(), contextlib.suppress(*UNREADABLE):
        warnings.simplefilter("ignore")
        seen = facts(0, leaf.certificate, "localhost")
        assert all(name.isprintable() for name in (seen.subject, *seen.dns_names, *seen.ip_addresses))


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(LIST) - 1), st.integers(0, 255)), max_size=4))
def test_a_list_tells_what_is_revoked_or_why_it_does_not(changes: list[tuple[int, int]]) -> None:
    def listed(_url: str, _fetch: object) -> x509.CertificateRevocationList:
        return x509.load_der_x509_crl(changed(LIST, changes))

    look = cast("Look", SimpleNamespace(listed=listed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = _look_up(look, facts(0, LEAF.certificate), LEAF.certificate, ROOT.certificate)
    assert bool(seen.trouble) != bool(seen.url)
    assert bool(seen.revoked) == (not seen.trouble)  # who changes anything breaks the signature
    assert seen.trouble.isprintable()


@pytest.mark.parametrize(
    ("features", "san"),
    [(b"\x30\x03\x02\x01\x00", b""), (b"\x05\x00", b""), (b"", b"\x05\x00")],
    ids=["unknown feature", "no features", "no names"],
)
def test_a_responder_whose_certificate_cannot_be_read_has_no_say(features: bytes, san: bytes) -> None:
    responder = issue("responder", ROOT, usage=ExtendedKeyUsageOID.OCSP_SIGNING, raw_features=features, raw_san=san)
    response = certlab.ocsp_response(LEAF, ROOT, signer=responder)
    staple = read_staple(response, [LEAF.certificate, ROOT.certificate])
    assert not staple.status
    assert staple.trouble.startswith("it cannot be read (")


@settings(deadline=None, max_examples=400)
@given(CHANGES)
def test_a_response_is_its_issuers_word_or_says_why_not(changes: list[tuple[int, int]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        staple = read_staple(changed(STAPLE, changes), [LEAF.certificate, ROOT.certificate])
    assert bool(staple.status) != bool(staple.trouble)


def test_a_server_whose_certificate_has_a_common_name_of_bits_is_an_error(tmp_path: Path) -> None:
    strange = ssl.DER_cert_to_PEM_cert(changed(DER, [(NAME, 0x03), (NAME + 2, 0)])).encode()
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    served = cast("certlab.Issued", SimpleNamespace(pem=strange, key_pem=LEAF.key_pem))
    with tlslab.serving_tls(tmp_path, [served, ROOT]) as server:
        target = Target("t", f"https://localhost:{server.port}", Policy(), ca_file=str(tmp_path / "ca.pem"))
        with pytest.raises(ProbeError, match=r"a certificate that .* sends cannot be read: TypeError"):
            present_chain(cast("Look", LoopbackLook(target)))


@pytest.mark.parametrize(("name", "serial"), [("x" * 80, 1), ("localhost", 0)], ids=["a long name", "serial number 0"])
def test_what_breaks_rfc_5280_and_hides_nothing_is_judged(name: str, serial: int, tmp_path: Path) -> None:
    need_nginx()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = certlab.issue_by_openssl(tmp_path, name, ROOT, serial=serial, host="localhost")
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    (tmp_path / "nginx").mkdir()
    with nginxlab.serving(tmp_path / "nginx", [odd]) as nginx:
        target = Target("t", f"https://localhost:{nginx.port}", Policy(), ca_file=str(tmp_path / "ca.pem"))
        seen = present_chain(cast("Look", LoopbackLook(target)))  # under `-W error`, as all tests here
    assert seen.leaf.subject == f"CN={name}"
    assert seen.leaf.dns_names == ("localhost",)
    assert seen.verify_errors == ()
    assert key_fingerprint(odd.certificate.public_bytes(Encoding.DER)) == seen.leaf.key_sha256
