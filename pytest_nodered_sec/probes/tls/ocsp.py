"""OCSP responses that servers staple to their certificate, read and checked (RFC 6960, 3.2).

Here: whose word a response is. Whether it holds at this time is for the rule, which gets both of its dates.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from pytest_nodered_sec.observations.chain import Staple
from pytest_nodered_sec.probes.tls.certificates import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_ITS_WORD: Final = "it is not signed by the issuer, nor by a responder to which the issuer delegates"
_PSS_DIGESTS: Final = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())


def read_staple(der: bytes, path: Sequence[x509.Certificate]) -> Staple:
    """Return what a stapled response says of the leaf; where it is not its issuer's word, why.

    Args:
        der: the response.
        path: the leaf, its issuer, and what follows.
    """
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return Staple(trouble=f"the responder said {response.response_status.name.lower().replace('_', ' ')}")
        serial = path[0].serial_number
        single = next((part for part in response.responses if part.serial_number == serial), None)
        if single is None:
            return Staple(trouble="it is for another certificate")
        trouble = _signature_trouble(response, path[1]) if len(path) > 1 else _NOT_ITS_WORD
        if trouble:
            return Staple(trouble=trouble)
        return Staple(single.certificate_status.name.lower(), single.this_update_utc, single.next_update_utc)
    except UNREADABLE as error:
        return Staple(trouble=f"it cannot be read ({type(error).__name__})")


def _signature_trouble(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> str:
    """Return why a response is not its issuer's word, "" where it is."""
    if _signed(response, issuer):
        return ""
    signer = next((certificate for certificate in response.certificates if _signed(response, certificate)), None)
    return _delegation_trouble(signer, issuer) if signer else _NOT_ITS_WORD


def _delegation_trouble(responder: x509.Certificate, issuer: x509.Certificate) -> str:
    """Return why a responder may not answer for an issuer, "" where it may (RFC 6960, 4.2.2.2)."""
    try:
        responder.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return _NOT_ITS_WORD
    try:
        usage = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usage:
        return "the certificate of its responder is not for OCSP signing (extendedKeyUsage)"
    now = datetime.now(UTC)
    if responder.not_valid_after_utc < now:
        return f"the certificate of its responder expired on {responder.not_valid_after_utc:%Y-%m-%d %H:%MZ}"
    if responder.not_valid_before_utc > now:
        return f"the certificate of its responder is valid from {responder.not_valid_before_utc:%Y-%m-%d %H:%MZ} only"
    return ""


def _signed(response: ocsp.OCSPResponse, by: x509.Certificate) -> bool:
    """Return whether a key signed a response, in whichever way keys of its kind sign."""
    signature, signed = response.signature, response.tbs_response_bytes
    try:
        match by.public_key():
            case rsa.RSAPublicKey() as key if response.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS:
                return any(_signed_with_pss(key, signature, signed, digest) for digest in _PSS_DIGESTS)
            case rsa.RSAPublicKey() as key if (digest := response.signature_hash_algorithm) is not None:
                key.verify(signature, signed, padding.PKCS1v15(), digest)
            case ec.EllipticCurvePublicKey() as key if (digest := response.signature_hash_algorithm) is not None:
                key.verify(signature, signed, ec.ECDSA(digest))
            case (ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey()) as key:
                key.verify(signature, signed)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _signed_with_pss(key: rsa.RSAPublicKey, signature: bytes, signed: bytes, digest: hashes.HashAlgorithm) -> bool:
    """Return whether an RSA-PSS signature verifies with a digest: which one it is, cryptography does not tell here."""
    try:
        key.verify(signature, signed, padding.PSS(padding.MGF1(digest), padding.PSS.AUTO), digest)
    except InvalidSignature:
        return False
    return True
