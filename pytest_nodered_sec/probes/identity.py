"""What identifies a server beyond the next renewal of its certificate."""

from __future__ import annotations

import functools


@functools.lru_cache(maxsize=64)
def key_fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate's public key (SubjectPublicKeyInfo, as in RFC 7469), "" if it cannot be read.

    Args:
        certificate: DER.
    """
    from cryptography import x509  # heavy: only once something has answered with a certificate

    from pytest_nodered_sec.probes.tls.certificates import UNREADABLE, key_sha256, tolerate

    tolerate()
    try:
        return key_sha256(x509.load_der_x509_certificate(certificate))
    except UNREADABLE:
        return ""
