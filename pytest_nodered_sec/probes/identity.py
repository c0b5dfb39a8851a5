"""Who answers: what is the same at the next renewal of a certificate."""

from __future__ import annotations

import functools
import hashlib


@functools.lru_cache(maxsize=64)
def key_fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate's public key (SubjectPublicKeyInfo, as in RFC 7469), "" if it cannot be read.

    Args:
        certificate: DER.
    """
    from cryptography import x509  # heavy: only once something has answered with a certificate
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    except (ValueError, UnsupportedAlgorithm, Warning):  # a warning of cryptography's under `-W error`
        return ""
