"""Reading certificates, and the trusted roots."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import re
import ssl
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

import certifi
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from pytest_nodered_sec import redaction
from pytest_nodered_sec.observations.chain import CertificateFacts

if TYPE_CHECKING:
    from collections.abc import Iterable

UNREADABLE: Final = (
    ValueError,
    UnicodeError,
    TypeError,  # e.g. a common name of type BIT STRING
    KeyError,  # a number in the extension TLSFeature (RFC 7633) that cryptography does not know
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    Warning,  # cryptography warns of serial numbers below one; under `-W error` that is raised
)
_ODD: Final = (
    "Attribute's length must be|Parsed a serial number which wasn't positive"  # cryptography's warnings of them
)
_NAMES: Final = 100  # entries of a SAN that are kept; a public CA's certificates seldom have more
_LISTS: Final = 4  # URLs of lists of revoked certificates; real certificates name one or two
_WHOLE: Final = 1000  # characters of a name in full
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def tolerate() -> None:
    """Let cryptography read certificates with a name of more than 64 characters or serial number 0, as devices have.

    It warns of them, which a run with `-W error` raises. pytest takes filters back after each test, so this is called
    before each certificate is read; they are not set aside in the meantime, because other threads would see that.
    """
    warnings.filterwarnings("ignore", _ODD, Warning)


@functools.cache
def system_store() -> tuple[str | None, str | None, str]:
    """Return file and folder of the system's trust store, and what to call it; certifi's where there is none.

    The OpenSSL inside the cryptography wheel looks in a place of its own, which is empty. The paths compiled into
    Python's are the system's; `cafile` and `capath` would follow SSL_CERT_FILE and SSL_CERT_DIR instead.
    """
    paths = ssl.get_default_verify_paths()
    file, folder = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    has_file, has_folder = file.is_file(), folder.is_dir() and any(folder.iterdir())
    if not has_file and not has_folder:
        return certifi.where(), None, "certifi"
    return str(file) if has_file else None, str(folder) if has_folder else None, "the system's store"


@functools.cache
def windows_roots() -> tuple[x509.Certificate, ...]:
    """Return the roots of Windows' own store that servers may use; () elsewhere.

    There is no file of them, and Windows fetches the public ones only when they are needed: certifi's are trusted too.
    """
    enumerated = getattr(ssl, "enum_certificates", None)
    certificates = []
    for der, encoding, usages in enumerated("ROOT") if enumerated else ():
        if encoding == "x509_asn" and (usages is True or ssl.Purpose.SERVER_AUTH.oid in usages):
            with contextlib.suppress(*UNREADABLE):
                certificates.append(x509.load_der_x509_certificate(der))
    return tuple(certificates)


@functools.cache
def public_roots() -> frozenset[str]:
    """Return the SHA-256 (lower-case hex) of every root that Mozilla's programme trusts, as certifi has them.

    Not the system's store: sites put the root of a CA of their own in there. Read without parsing: one of them warns.
    """
    text = Path(certifi.where()).read_text(encoding="ascii", errors="replace")
    return frozenset(hashlib.sha256(base64.b64decode(block)).hexdigest() for block in _PEM.findall(text))


def key_sha256(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of its public key (SubjectPublicKeyInfo, as in RFC 7469), "" if that cannot be read."""
    with contextlib.suppress(*UNREADABLE):
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(key).hexdigest()
    return ""


def facts(position: int, certificate: x509.Certificate, host: str = "") -> CertificateFacts:
    """Return the contents of a certificate.

    Args:
        position: as `CertificateFacts` has it.
        certificate: the certificate.
        host: what is asked for; of many names in the SAN, those that look like it are kept in any case.

    Raises:
        UNREADABLE: it is not written as certificates are.
    """
    tolerate()
    extensions = certificate.extensions
    host = host.lower().rstrip(".")
    names: list[str] = []
    addresses: list[str] = []
    has_san = False
    with contextlib.suppress(x509.ExtensionNotFound):
        san = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        has_san = True
        names = [plain(name) for name in san.get_values_for_type(x509.DNSName)]
        addresses = [str(address) for address in san.get_values_for_type(x509.IPAddress)]
    ca_issuers = False
    with contextlib.suppress(x509.ExtensionNotFound):
        access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        ca_issuers = any(
            description.access_method == AuthorityInformationAccessOID.CA_ISSUERS for description in access
        )
    own_key = issuer_key = b""
    with contextlib.suppress(x509.ExtensionNotFound):
        own_key = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    with contextlib.suppress(x509.ExtensionNotFound):
        issuer_key = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    must_staple = False
    with contextlib.suppress(x509.ExtensionNotFound):
        must_staple = x509.TLSFeatureType.status_request in extensions.get_extension_for_class(x509.TLSFeature).value
    authority = False
    with contextlib.suppress(x509.ExtensionNotFound):
        authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    for_servers = True
    with contextlib.suppress(x509.ExtensionNotFound):
        usages = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        for_servers = bool(usages & {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
    key_type, key_bits = _key(certificate)
    try:
        algorithm = certificate.signature_hash_algorithm
        signature_hash = algorithm.name if algorithm else ""
    except UnsupportedAlgorithm:
        signature_hash = certificate.signature_algorithm_oid.dotted_string
    return CertificateFacts(
        position=position,
        subject=_text(certificate.subject) or ", ".join((*names, *addresses)[:1]) or "(no subject)",
        issuer=_text(certificate.issuer),
        self_issued=certificate.subject == certificate.issuer,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        dns_names=(kept_names := _kept(names, host)),
        ip_addresses=(kept_addresses := _kept(addresses, host)),
        has_san=has_san,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        key_type=key_type,
        key_bits=key_bits,
        signature_hash=signature_hash,
        ca_issuers=ca_issuers,
        names=(_in_full(certificate.subject), _in_full(certificate.issuer)),
        key_ids=(own_key.hex(), issuer_key.hex()),
        organisations=(_organisation(certificate.subject), _organisation(certificate.issuer)),
        must_staple=must_staple,
        crls=_crls(extensions),
        authority=authority,
        for_servers=for_servers,
        key_sha256=key_sha256(certificate),
        further_names=len(names) + len(addresses) - len(kept_names) - len(kept_addresses),
    )


def _kept(names: list[str], host: str) -> tuple[str, ...]:
    """Return the first names; where there are too many, before them those that look like the host."""
    if len(names) <= _NAMES:
        return tuple(names)
    return tuple(sorted(names, key=lambda name: not _looks_like(name.lower(), host))[:_NAMES])


def _looks_like(name: str, host: str) -> bool:
    return name in (host, f"*.{host}") or (name.startswith("*.") and host.endswith(name[1:]))


def _in_full(name: x509.Name) -> str:
    """Return a name as RFC 4514 text; of a very long one the beginning, and what tells it from others."""
    text = name.rfc4514_string()
    return text if len(text) <= _WHOLE else f"{text[:_WHOLE]}… {hashlib.sha256(text.encode()).hexdigest()}"


def _crls(extensions: x509.Extensions) -> tuple[str, ...]:
    with contextlib.suppress(x509.ExtensionNotFound):
        points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        # A point with reasons leads to a list of some revoked certificates only (RFC 5280, 4.2.1.13).
        names = [name for point in points if not point.reasons for name in point.full_name or ()]
        urls = [str(name.value) for name in names if isinstance(name, x509.UniformResourceIdentifier)]
        usable = [url for url in urls if len(url) <= _WHOLE]
        return tuple(sorted(usable, key=lambda url: not url.startswith("http://"))[:_LISTS])
    return ()


def _organisation(name: x509.Name) -> str:
    organizations = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return plain(str(organizations[0].value)) if organizations else ""


def path_of(sent: tuple[CertificateFacts, ...], walked: Iterable[x509.Certificate]) -> tuple[CertificateFacts, ...]:
    """Return the certificates that verification walked, by depth: as sent, or else out of the trust store."""
    known = {certificate.fingerprint: certificate for certificate in reversed(sent)}
    return tuple(known.get(link.fingerprint, link) for link in (facts(-1, certificate) for certificate in walked))


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return certificate.public_key_algorithm_oid.dotted_string, 0
    match key:
        case rsa.RSAPublicKey():
            return "RSA", key.key_size
        case ec.EllipticCurvePublicKey():
            return "EC", key.key_size
        case dsa.DSAPublicKey():
            return "DSA", key.key_size
        case ed25519.Ed25519PublicKey():
            return "Ed25519", 256
        case ed448.Ed448PublicKey():
            return "Ed448", 456
    return certificate.public_key_algorithm_oid.dotted_string, 0


def _text(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return plain(f"CN={common[0].value!s}" if common else name.rfc4514_string())


def plain(text: str) -> str:
    """Make untrusted text fit for one line of a terminal."""
    return redaction.in_one_line(text, 256)
