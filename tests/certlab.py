"""Certificate chains, lists and OCSP responses with a fault of choice.

Keys are elliptic curves where nothing else is asked for: a whole chain takes a few milliseconds.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

HOUR: Final = datetime.timedelta(hours=1)
DAY: Final = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def issue(
    name: str,
    by: Issued | None = None,
    *,
    ca: bool = False,
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    since: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
    key: Key | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    permitted: str = "",
    path_length: int | None = None,
    ca_issuers: bool = False,
    raw_san: bytes = b"",
    raw_features: bytes = b"",
    organisation: str = "",
    key_usage: x509.KeyUsage | None = None,
    must_staple: bool = False,
    named_by_key: bool = True,
    crls: Sequence[str] = (),
) -> Issued:
    """Return a certificate; by itself where no issuer is given; without a subject where the name is empty."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    attributes += [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    subject = x509.Name(attributes)
    signer = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since or now() - 30 * DAY)
        .not_valid_after(until or now() + 60 * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
    )
    if named_by_key:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(own, critical=False)
    if by:
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
        builder = builder.add_extension(issuer_key, critical=False)
    if ca or key_usage:
        builder = builder.add_extension(key_usage or CA_USAGE, critical=True)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    if crls:
        points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in crls]
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    names = [*map(x509.DNSName, dns), *(x509.IPAddress(ipaddress.ip_address(address)) for address in ips)]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not name)
    if raw_san:
        san = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, raw_san)
        builder = builder.add_extension(san, critical=False)
    if raw_features:
        features = x509.UnrecognizedExtension(x509.TLSFeature.oid, raw_features)
        builder = builder.add_extension(features, critical=False)
    if permitted:
        constraints = x509.NameConstraints([x509.DNSName(permitted)], None)
        builder = builder.add_extension(constraints, critical=True)
    if ca_issuers:
        place = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.test/issuer.der")
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    return Issued(builder.sign(signer, _digest(signer)), key)


def usages(*names: str) -> x509.KeyUsage:
    """Return a key usage with these bits, named as cryptography names them."""
    return x509.KeyUsage(**{name: name in names for name in _BITS})


_BITS: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
CA_USAGE: Final = usages("key_cert_sign", "crl_sign")


def issue_by_openssl(
    folder: Path, name: str, by: Issued, digest: str = "sha256", *, ca: bool = False, serial: int = 77, host: str = ""
) -> Issued:
    """Return a certificate as cryptography makes none: of an old digest ("sha1", "md5"), a long name, serial number 0.

    Args:
        folder: where files go.
        name: common name.
        by: the issuer.
        digest: as openssl calls it.
        ca: whether it is an intermediate.
        serial: its number.
        host: of a leaf the name in its SAN; "" for the common name.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)
    request = x509.CertificateSigningRequestBuilder(x509.Name([attribute]))
    (folder / "request.pem").write_bytes(request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "by.pem").write_bytes(by.pem)
    (folder / "by.key").write_bytes(by.key_pem)
    own = (
        "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign"
        if ca
        else f"subjectAltName=DNS:{host or name}"
    )
    (folder / "extensions").write_text(f"{own}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    options = ["-req", "-in", "request.pem", "-CA", "by.pem", "-CAkey", "by.key", "-days", "90", f"-{digest}"]
    done = subprocess.run(
        ["openssl", "x509", *options, "-set_serial", str(serial), "-extfile", "extensions"],  # noqa: S607  by PATH
        cwd=folder,
        capture_output=True,
        timeout=30,
        check=True,
    )
    return Issued(x509.load_pem_x509_certificate(done.stdout), key)


def crl(
    by: Issued,
    *revoked: Issued,
    since: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
    url: str = "",
    reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
    extensions: Sequence[x509.ExtensionType] = (),
    **scope: Any,  # of x509.IssuingDistributionPoint
) -> bytes:
    """Return a list of revoked certificates as DER.

    Args:
        by: the issuer.
        revoked: what it lists.
        since: from when it holds.
        until: until when it holds.
        url: of the part that it is.
        reason: why everything in it is revoked.
        extensions: critical ones.
        scope: what else it says of itself, as cryptography names it.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(since or now() - HOUR)
        .next_update(until or now() + DAY)
    )
    for issued in revoked:
        entry = x509.RevokedCertificateBuilder(issued.certificate.serial_number, now() - HOUR)
        builder = builder.add_revoked_certificate(entry.add_extension(x509.CRLReason(reason), critical=False).build())
    if url or scope:
        name = [x509.UniformResourceIdentifier(url)] if url else None
        values: dict[str, Any] = {  # Any: flags, and None
            "full_name": name,
            "relative_name": None,
            "only_contains_user_certs": False,
            "only_contains_ca_certs": False,
            "only_some_reasons": None,
            "indirect_crl": False,
            "only_contains_attribute_certs": False,
        }
        builder = builder.add_extension(x509.IssuingDistributionPoint(**values | scope), critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(by.key, _digest(by.key)).public_bytes(Encoding.DER)


def without_next_update(der: bytes, by: Issued) -> bytes:
    """Return a list signed again that does not say until when it holds, as cryptography writes none."""
    signed = x509.load_der_x509_crl(der)
    assert signed.next_update_utc is not None
    written = signed.next_update_utc.strftime("%y%m%d%H%M%SZ").encode()
    tbs = _contents(signed.tbs_certlist_bytes).replace(b"\x17\x0d" + written, b"", 1)
    assert isinstance(by.key, ec.EllipticCurvePrivateKey)
    listed = _sequence(tbs)
    algorithm = _sequence(bytes.fromhex("06082a8648ce3d040302"))  # ecdsa-with-SHA256
    signature = b"\0" + by.key.sign(listed, ec.ECDSA(hashes.SHA256()))
    return _sequence(listed + algorithm + b"\x03" + bytes((len(signature),)) + signature)


def _contents(der: bytes) -> bytes:
    return der[2:] if der[1] < 0x80 else der[2 + (der[1] & 0x7F) :]


def _sequence(contents: bytes) -> bytes:
    size = len(contents)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = octets if size < 0x80 else bytes((0x80 | len(octets),)) + octets
    return b"\x30" + length + contents


def _digest(key: Key) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()


def ocsp_response(
    of: Issued,
    issuer: Issued,
    *,
    signer: Issued | None = None,
    revoked: bool = False,
    since: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
    for_ever: bool = False,
) -> bytes:
    """Return an OCSP response as DER, signed by the issuer or by a responder of its own.

    Args:
        of: the certificate.
        issuer: its issuer.
        signer: who signs it in the issuer's place.
        revoked: whether it says so.
        since: thisUpdate.
        until: nextUpdate.
        for_ever: leave nextUpdate out.
    """
    by = signer or issuer
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=of.certificate,
            issuer=issuer.certificate,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=since or now() - 2 * DAY,
            next_update=None if for_ever else until or now() + DAY,
            revocation_time=now() - DAY if revoked else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, by.certificate)
    )
    if signer:
        builder = builder.certificates([signer.certificate])
    return builder.sign(by.key, _digest(by.key)).public_bytes(Encoding.DER)


def ocsp_response_by_openssl(folder: Path, of: Issued, issuer: Issued, *options: str) -> bytes:
    """Return an OCSP response as openssl's own responder signs it, e.g. with `-rsigopt rsa_padding_mode:pss`."""
    (folder / "issuer.pem").write_bytes(issuer.pem)
    (folder / "issuer.key").write_bytes(issuer.key_pem)
    (folder / "of.pem").write_bytes(of.pem)
    until = of.certificate.not_valid_after_utc.strftime("%y%m%d%H%M%SZ")
    (folder / "index.txt").write_text(f"V\t{until}\t\t{of.certificate.serial_number:040X}\tunknown\t/CN=x\n")
    command = ["-index", "index.txt", "-CA", "issuer.pem", "-rsigner", "issuer.pem", "-rkey", "issuer.key", *options]
    command += ["-issuer", "issuer.pem", "-cert", "of.pem", "-no_nonce", "-ndays", "1", "-respout", "response"]
    command = ["openssl", "ocsp", *command]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=30, check=True)
    return (folder / "response").read_bytes()
