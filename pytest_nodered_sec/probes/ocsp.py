"""OCSP responses that servers staple to their certificate, read and checked (RFC 6960)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_nodered_sec.model_chain import Staple

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_staple(der: bytes, path: Sequence[x509.Certificate]) -> Staple:
    """Return what a stapled response says of the leaf; nothing where it is not its issuer's word.

    Args:
        der: the response.
        path: the leaf, its issuer, and what follows.
    """
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return Staple(trouble=f"the responder said {response.response_status.name.lower().replace('_', ' ')}")
        if response.serial_number != path[0].serial_number:
            return Staple(trouble="it is about another certificate")
        if len(path) < 2 or not any(_signed(response, one) for one in _signers(response, path[1])):
            return Staple(trouble="it is not signed by the issuer, nor by whom the issuer allows to")
        return Staple(response.certificate_status.name.lower(), response.this_update_utc, response.next_update_utc)
    except (ValueError, UnsupportedAlgorithm) as error:
        return Staple(trouble=f"it cannot be read ({type(error).__name__})")


def _signers(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> list[x509.Certificate]:
    return [issuer, *(one for one in response.certificates if _delegated(one, issuer))]


def _delegated(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
        usage = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _signed(response: ocsp.OCSPResponse, by: x509.Certificate) -> bool:
    key, digest = by.public_key(), response.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True
