"""Certificates, lists and OCSP responses with bytes changed: facts, or our own error, and nothing else."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import tlslab
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tlslab import LoopbackLook, issue

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.identity import key_fingerprint
from pytest_nodered_sec.probes.tls.certificates import UNREADABLE, facts
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.tls.ocsp import read_staple

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
STAPLE = tlslab.ocsp_response(LEAF, ROOT)
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
def test_a_certificate_is_facts_or_unreadable(changes: list[tuple[int, int]]) -> None:
    der = changed(DER, changes)
    with warnings.catch_warnings(), contextlib.suppress(*UNREADABLE):
        warnings.simplefilter("ignore")
        seen = facts(0, x509.load_der_x509_certificate(der))
        assert seen.subject.isprintable()
    assert isinstance(key_fingerprint(der), str)


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
    served = cast("tlslab.Issued", SimpleNamespace(pem=strange, key_pem=LEAF.key_pem))
    with tlslab.serving_tls(tmp_path, [served, ROOT]) as server:
        target = Target("t", f"https://localhost:{server.port}", Policy(), ca_file=str(tmp_path / "ca.pem"))
        with pytest.raises(ProbeError, match=r"a certificate that .* sends cannot be read: TypeError"):
            present_chain(cast("Look", LoopbackLook(target)))
