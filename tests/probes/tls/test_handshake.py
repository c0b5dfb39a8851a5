"""The chain probe against real TLS servers and against everything that is not TLS: what is seen, trusted and named."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import certifi
import certlab
import pytest
import tlslab
from certlab import DAY, issue, now
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from probes.tls.authority import HOST, Authority, codes, le_like, look_at

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.chain import PresentedChain
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls import certificates
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_seen_is_told_in_one_line(good: tlslab.Server, ca_file: str) -> None:
    seen = present_chain(look_at(good.port, ca_file=ca_file))
    until = seen.certificates[0].not_after
    assert seen.evidence() == (
        f"CN={HOST} by CN=Lab Intermediate, 2 certificates sent, valid to {until:%Y-%m-%d} "
        "(60.0 of 90.0 days left), TLSv1.3"
    )
    assert (seen.host, seen.port, seen.address, seen.protocol) == (HOST, good.port, "127.0.0.1", "TLSv1.3")
    assert seen.trust.endswith(" and lab-root.pem")
    assert abs((datetime.now(UTC) - seen.looked_at).total_seconds()) < 10


def test_a_certificate_is_reduced_to_facts(lab: Authority, tmp_path: Path, ca_file: str) -> None:
    leaf = lab.leaf(dns=[HOST, "*.plant.test"], ips=["10.0.0.5", "2001:DB8::1"], ca_issuers=True)
    with tlslab.serving_tls(tmp_path, [leaf, lab.intermediate, lab.root]) as server:
        facts, between, root = present_chain(look_at(server.port, ca_file=ca_file)).certificates
    assert (facts.position, facts.subject, facts.issuer) == (0, f"CN={HOST}", "CN=Lab Intermediate")
    assert facts.dns_names == (HOST, "*.plant.test")
    assert facts.ip_addresses == ("10.0.0.5", "2001:db8::1")
    assert (facts.key_type, facts.key_bits, facts.signature_hash) == ("EC", 256, "sha256")
    assert (facts.has_san, facts.ca_issuers, facts.self_issued) == (True, True, False)
    assert facts.lifetime == 90 * 86400 + 1
    assert len(facts.fingerprint) == 64
    assert (between.has_san, between.ca_issuers, between.self_issued) == (False, False, False)
    assert root.self_issued


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (certlab.rsa_key(1024), ("RSA", 1024)),
        (ed25519.Ed25519PrivateKey.generate(), ("Ed25519", 256)),
        (ed448.Ed448PrivateKey.generate(), ("Ed448", 456)),
        (ec.generate_private_key(ec.SECP384R1()), ("EC", 384)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_keys_are_told_apart(key: Any, expected: tuple[str, int]) -> None:
    issued = issue("self", key=key)
    facts = certificates.facts(0, issued.certificate)
    assert (facts.key_type, facts.key_bits) == expected
    assert facts.signature_hash == ("" if expected[0].startswith("Ed") else "sha256")


class _Strange:
    """What is asked of a certificate for its key, with a key nobody knows."""

    class public_key_algorithm_oid:
        dotted_string = "1.2.3"

    def __init__(self, key: object) -> None:
        self._key = key

    def public_key(self) -> object:
        if isinstance(self._key, Exception):
            raise self._key
        return self._key


def test_unknown_keys_are_named_by_their_oid() -> None:
    small = dsa.generate_private_key(2048).public_key()
    assert certificates._key(cast("Any", _Strange(small))) == ("DSA", 2048)
    assert certificates._key(cast("Any", _Strange(object()))) == ("1.2.3", 0)
    assert certificates._key(cast("Any", _Strange(ValueError("no such curve")))) == ("1.2.3", 0)


def test_an_empty_subject_is_called_by_the_san(lab: Authority, ca_file: str, tmp_path: Path) -> None:
    with tlslab.serving_tls(tmp_path, le_like(lab)) as server:
        seen = present_chain(look_at(server.port, ca_file=ca_file))
    assert [certificate.subject for certificate in seen.certificates] == [HOST, "CN=YE1", "CN=Root YE", "CN=Root X2"]
    assert [certificate.position for certificate in seen.path] == [0, 1, 2, 3, -1]


def test_escape_sequences_in_names_do_not_reach_the_terminal(lab: Authority, tmp_path: Path) -> None:
    with tlslab.serving_tls(tmp_path, [lab.leaf(name="evil\x1b[31m\nname")]) as server:
        seen = present_chain(look_at(server.port))
    assert seen.certificates[0].subject == "CN=evil\\x1b[31m\\nname"
    assert len(certificates.plain("n" * 1000)) == 256


def test_the_expired_certificate_is_named_even_when_others_were_sent_before_it(
    lab: Authority, ca_file: str, tmp_path: Path
) -> None:
    expired = issue("Expired", lab.intermediate, ca=True, until=now() - DAY)
    chain = [lab.leaf(expired), lab.intermediate, expired]  # in the wrong order, which is tls-04's
    with tlslab.serving_tls(tmp_path, chain) as server:
        seen = present_chain(look_at(server.port, ca_file=ca_file))
    verdict = chain_is_trusted(seen, Policy())
    assert isinstance(verdict, tuple)
    assert [violation.observed.split(" has ")[0] for violation in verdict] == [
        "certificate 3 of the chain `CN=Expired`"
    ]


def test_an_intermediate_as_ca_file_is_told_from_an_unknown_ca(lab: Authority, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.pem"
    anchor.write_bytes(lab.stranger_intermediate.pem)
    with tlslab.serving_tls(tmp_path, [lab.leaf(lab.stranger_intermediate)]) as server:
        seen = present_chain(look_at(server.port, ca_file=str(anchor)))
    assert codes(chain_is_trusted(seen, Policy())) == ["anchor-is-no-root"]


def test_a_private_root_is_not_trusted_unless_passed(good: tlslab.Server) -> None:
    assert codes(chain_is_trusted(present_chain(look_at(good.port)), Policy())) == ["unknown-ca"]


def test_the_environment_adds_no_trust(good: tlslab.Server, ca_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, ca_file)
    certificates.system_store.cache_clear()
    assert codes(chain_is_trusted(present_chain(look_at(good.port)), Policy())) == ["unknown-ca"]
    certificates.system_store.cache_clear()


def test_without_a_system_store_certifi_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths = ssl.get_default_verify_paths()._replace(
        openssl_cafile=str(tmp_path / "none.pem"), openssl_capath=str(tmp_path)
    )
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert certificates.system_store.__wrapped__() == (certifi.where(), None, "certifi")


def test_windows_own_store_is_trusted_besides(
    lab: Authority, good: tlslab.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    der = lab.root.certificate.public_bytes(Encoding.DER)
    stored = [(b"no certificate", "x509_asn", True), (b"", "pkcs_7_asn", True), (lab.stranger.pem, "x509_asn", set())]
    kinds = {"ROOT": [*stored, (der, "x509_asn", {ssl.Purpose.SERVER_AUTH.oid})]}
    monkeypatch.setattr(ssl, "enum_certificates", kinds.__getitem__, raising=False)
    certificates.windows_roots.cache_clear()
    try:
        seen = present_chain(look_at(good.port))
    finally:
        certificates.windows_roots.cache_clear()
    assert (chain_is_trusted(seen, Policy()), seen.public) == ((), False)
    assert seen.trust.endswith(" and the system's store")


def test_public_roots_are_those_of_mozillas_programme() -> None:
    isrg_root_x1 = "96bcec06264976f37460779acf28c5a7cfe8a3c0aae11a8ffcee05c0bddf08c6"
    assert isrg_root_x1 in certificates.public_roots()
    assert len(certificates.public_roots()) > 100


def test_a_ca_file_without_certificates_is_could_not_look(good: tlslab.Server, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(ProbeError, match=r"no certificates can be read from .*empty\.pem"):
        present_chain(look_at(good.port, ca_file=str(empty)))


def test_sni_is_sent_for_names_and_not_for_addresses(good: tlslab.Server) -> None:
    for host in (HOST, "faß.test", f"{HOST}.", "127.0.0.1"):
        present_chain(look_at(good.port, host=host))
    assert good.names[::2] == good.names[1::2] == [HOST, "xn--fa-hia.test", HOST, None]


def test_an_http_url_without_tls_has_no_chain() -> None:
    with tlslab.serving(tlslab.says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        seen = present_chain(look_at(server.port, scheme="http"))
    assert seen.certificates == ()
    assert codes(chain_is_trusted(seen, Policy())) == ["no-tls"]
    assert isinstance(names_the_host(seen, Policy()), NotApplicable)
    assert isinstance(renewal_is_in_time(seen, Policy()), NotApplicable)


# --- old parameters --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=lambda value: value.name)
def test_the_chain_of_a_server_with_old_versions_only_is_seen(
    version: ssl.TLSVersion, lab: Authority, ca_file: str, tmp_path: Path
) -> None:
    chain = [lab.leaf(issue("Old", lab.root, ca=True, until=now() - DAY)), lab.intermediate]
    with tlslab.serving_tls(tmp_path, [lab.leaf(), lab.intermediate], version=version) as server:
        seen = present_chain(look_at(server.port, ca_file=ca_file))
    assert (seen.protocol, seen.verify_errors, server.connections) == (version.name.replace("_", "."), (), 3)
    with tlslab.serving_tls(tmp_path, chain, version=version) as server:
        seen = present_chain(look_at(server.port, ca_file=ca_file))
    assert codes(chain_is_trusted(seen, Policy())) == ["incomplete-chain"]


def test_the_chain_behind_a_small_diffie_hellman_group_is_seen(lab: Authority, ca_file: str, tmp_path: Path) -> None:
    chain = [lab.leaf(key=certlab.rsa_key(2048)), lab.intermediate]
    with tlslab.serving_tls(
        tmp_path,
        chain,
        version=ssl.TLSVersion.TLSv1_2,
        ciphers="DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0",
        small_dh=True,
    ) as server:
        seen = present_chain(look_at(server.port, ca_file=ca_file))
    assert (seen.verify_errors, len(seen.certificates), server.connections) == ((), 2, 3)


def test_anonymous_suites_show_no_chain(tmp_path: Path) -> None:
    with (
        tlslab.serving_tls(tmp_path, [], version=ssl.TLSVersion.TLSv1_2, ciphers="aNULL:@SECLEVEL=0") as server,
        pytest.raises(ProbeError, match=r"no TLS handshake with .*handshake failure") as caught,
    ):
        present_chain(look_at(server.port))
    assert caught.value.cause is Cause.PROTOCOL


# --- client certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("demand", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED], ids=lambda value: value.name)
def test_a_demand_that_lets_the_handshake_end_is_no_obstacle(
    demand: ssl.VerifyMode, lab: Authority, ca_file: str, tmp_path: Path
) -> None:
    chain = [lab.leaf(), lab.intermediate]
    clients = lab.root.certificate
    with tlslab.serving_tls(tmp_path, chain, clients=clients, demand=demand, version=ssl.TLSVersion.TLSv1_3) as server:
        assert present_chain(look_at(server.port, ca_file=ca_file)).verify_errors == ()


def test_a_client_certificate_alert_is_named(lab: Authority, ca_file: str, tmp_path: Path) -> None:
    chain = [lab.leaf(), lab.intermediate]
    with (
        tlslab.serving_tls(
            tmp_path,
            chain,
            clients=lab.root.certificate,
            demand=ssl.CERT_REQUIRED,
            version=ssl.TLSVersion.TLSv1_2,
        ) as server,
        pytest.raises(ProbeError, match="demand a client certificate") as caught,
    ):
        present_chain(look_at(server.port, ca_file=ca_file))
    assert caught.value.cause is Cause.PROTOCOL


# --- not TLS ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handle", "cause", "message"),
    [
        (tlslab.hangs, Cause.TIMEOUT, "did not end in time: nothing came back"),
        (tlslab.drips, Cause.TIMEOUT, r"did not end in time: \d+ bytes came back"),
        (tlslab.closes, Cause.CLOSED, "closed the connection during the TLS handshake, after 0 bytes"),
        (tlslab.resets, Cause.CLOSED, "ended the TLS handshake: connection reset by peer"),
        (tlslab.says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Cause.PROTOCOL, "plain HTTP answered"),
        (tlslab.says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), Cause.PROTOCOL, "an SSH server answered"),
        (tlslab.says(b"220 mail.test ESMTP\r\n"), Cause.PROTOCOL, "a mail or FTP server answered"),
        (tlslab.says(bytes(range(128, 256))), Cause.PROTOCOL, r"something else answered \(b'\\x80"),
        (tlslab.says(b"\x16\x03\x03\x00\x04ABCD"), Cause.PROTOCOL, "no TLS handshake with"),
        (tlslab.says(b"\x15\x03\x03\x00\x02\x02\x50"), Cause.PROTOCOL, "no TLS handshake with .*internal error"),
    ],
    ids=["silence", "drip", "close", "reset", "http", "ssh", "smtp", "garbage", "garbage in a record", "alert"],
)
def test_what_is_not_tls_is_named_and_ends_in_time(handle: Any, cause: Cause, message: str) -> None:
    with tlslab.serving(handle) as server:
        began = time.monotonic()
        with pytest.raises(ProbeError, match=message) as caught:
            present_chain(look_at(server.port, timeout=0.6))
        took = time.monotonic() - began
    assert caught.value.cause is cause
    assert f"https://{HOST}:{server.port}" in caught.value.message
    assert "\n" not in caught.value.message
    assert took < 1.2


def test_a_flood_ends_at_the_deadline() -> None:
    def floods(sock: Any) -> None:
        record = b"\x16\x03\x03\x40\x00" + bytes(0x4000)  # HelloRequests: to be ignored, for ever
        while True:
            sock.sendall(record)

    with tlslab.serving(floods) as server:
        began = time.monotonic()
        with pytest.raises(ProbeError):
            present_chain(look_at(server.port, timeout=0.6))
    assert time.monotonic() - began < 2


def test_a_certificate_that_cannot_be_read_is_could_not_look(lab: Authority, tmp_path: Path) -> None:
    broken = b"\x30\x05\x82\x03\xff\xfe\xfd"  # a dNSName that is no IA5String
    with (
        tlslab.serving_tls(tmp_path, [lab.leaf(dns=[], raw_san=broken)]) as server,
        pytest.raises(ProbeError, match="cannot be read"),
    ):
        present_chain(look_at(server.port))


def test_a_name_that_idna_refuses_is_could_not_look() -> None:
    with pytest.raises(ProbeError, match="is not a valid host name"):
        present_chain(look_at(1, host="a\u0338..ß"))


def test_an_observation_is_a_value(good: tlslab.Server) -> None:
    seen = present_chain(look_at(good.port))
    assert isinstance(seen, PresentedChain)
    assert hash(seen)
