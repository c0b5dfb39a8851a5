"""What a server presents in the TLS handshake: certificates, verification errors and a stapled response; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class CertificateFacts:
    """The contents of a certificate.

    Attributes:
        position: place in the chain as sent, 0 being the leaf; -1 where it came from the trust store instead.
        subject: "CN=..." or the whole subject as RFC 4514 text; the first name of the SAN where it is empty.
        issuer: the issuer, in the same form.
        self_issued: whether subject and issuer are the same.
        not_before: first second of validity, UTC.
        not_after: last second of validity, UTC.
        dns_names: dNSName entries of the SAN, as written.
        ip_addresses: iPAddress entries of the SAN, canonical.
        has_san: whether there is a subject alternative name at all.
        fingerprint: SHA-256 of the DER, lower-case hex.
        key_type: "RSA", "EC", "Ed25519", "Ed448", "DSA", or what it is called otherwise.
        key_bits: size of the key.
        signature_hash: e.g. "sha256"; "" where the signature scheme has none of its own (Ed25519); the scheme's OID
            where it is not known here.
        ca_issuers: whether it says where its issuer's certificate can be had (RFC 5280, 4.2.2.1).
        names: subject and issuer in full, as RFC 4514 text.
        key_ids: of its own key and of its issuer's, as it says itself (RFC 5280, 4.2.1.1 and 4.2.1.2); "" for none.
        organisations: organisations (O) of subject and of issuer, "" for none.
        must_staple: whether it demands a stapled OCSP response (RFC 7633).
        crls: URLs at which its issuer publishes what is revoked (RFC 5280, 4.2.1.13).
        authority: whether it says that it is a CA's (basicConstraints).
        for_servers: whether extendedKeyUsage, where there is one, lets servers use it.
        kind: kind of key by which a leaf is told from another one of the same server, "" where there is one only.
        key_sha256: SHA-256 of its public key (SubjectPublicKeyInfo), lower-case hex; "" where 0.1.0 looked.
        further_names: how many entries of a very long SAN are not kept; none of them is the host asked for.
    """

    position: int
    subject: str
    issuer: str
    self_issued: bool
    not_before: datetime
    not_after: datetime
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    has_san: bool
    fingerprint: str
    key_type: str = ""
    key_bits: int = 0
    signature_hash: str = ""
    ca_issuers: bool = False
    names: tuple[str, str] = ("", "")
    key_ids: tuple[str, str] = ("", "")
    organisations: tuple[str, str] = ("", "")
    must_staple: bool = False
    crls: tuple[str, ...] = ()
    authority: bool = False
    for_servers: bool = True
    kind: str = ""
    key_sha256: str = ""
    further_names: int = 0

    @property
    def self_signed(self) -> bool:
        """Whether it was signed by its own key, as roots are; not by a new key of the same name."""
        own, issuer = self.key_ids
        return self.self_issued and (not issuer or not own or own == issuer)

    def issued(self, other: CertificateFacts) -> bool:
        """Whether another certificate names this one as its issuer, by name and by key where both say which."""
        own, named = self.key_ids[0], other.key_ids[1]
        same_name = (self.names[0] or self.subject) == (other.names[1] or other.issuer)
        return same_name and (not own or not named or own == named)

    @property
    def lifetime(self) -> float:
        """Seconds of validity, both ends included (RFC 5280, 4.1.2.5)."""
        return (self.not_after - self.not_before).total_seconds() + 1

    def named(self) -> str:
        """Return what a finding calls it."""
        if self.position < 0:
            return f"certificate `{self.subject}` of the trust store"
        role = f"{self.kind} leaf".lstrip() if self.position == 0 else f"certificate {self.position + 1} of the chain"
        return f"{role} `{self.subject}`"


_NOT_OF_TRUST = frozenset({3, 23, 62, 66, 67, 68})  # no CRL, revoked; name; keys and digests too weak


@dataclass(frozen=True)
class Staple:
    """An OCSP response that a server sent along with its certificate (RFC 6066, 8).

    Attributes:
        status: "good", "revoked" or "unknown"; "" where it tells nothing.
        since: first second for which it holds, UTC.
        until: last second for which it holds, UTC; None where it does not say.
        trouble: why it tells nothing, "" where it does.
    """

    status: str = ""
    since: datetime | None = None
    until: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True)
class PresentedChain:
    """The certificates a server sent, and the verification errors.

    Attributes:
        host: name or address asked for, A-labels; of an http URL as it stands there.
        protocol: TLS version of the handshake, "" where the URL is http.
        certificates: as sent.
        verify_errors: (X509_V_ERR code, depth), each once (OpenSSL, x509_vfy.h).
        trust: which anchors were trusted.
        looked_at: UTC time by our clock.
        port: TCP port asked.
        address: the address dialled, "" where nothing was.
        path: certificates by depth, as verification walked them; not always those sent, nor in that order.
        public: whether the path ends at a root of the public programmes (Mozilla's, as certifi has them).
        also: the chain that clients get who take the other kind of key only, RSA or ECDSA, where there are two.
        unseen: why it is not known whether there is a second chain, "" if it is known.
        wants_certificate: whether the server asked for a client certificate.
        skew: seconds by which the server's clock is ahead of ours, where its dates gave cause to ask; else None.
        staple: the OCSP response that came with it, None for none.
        ca_file: name of the site's file with further anchors, "" for none.
    """

    host: str
    protocol: str
    certificates: tuple[CertificateFacts, ...]
    verify_errors: tuple[tuple[int, int], ...]
    trust: str
    looked_at: datetime
    port: int = 443
    address: str = ""
    path: tuple[CertificateFacts, ...] = ()
    public: bool = False
    also: PresentedChain | None = None
    unseen: str = ""
    wants_certificate: bool = False
    skew: int | None = None
    staple: Staple | None = None
    ca_file: str = ""

    @property
    def leaf(self) -> CertificateFacts:
        """The certificate of the server itself."""
        return self.certificates[0]

    @property
    def trust_errors(self) -> tuple[tuple[int, int], ...]:
        """Those verify errors that concern trust: dates of the leaf, names, strength and revocation aside."""
        own_dates = ((9, 0), (10, 0))
        return tuple(error for error in self.verify_errors if error[0] not in _NOT_OF_TRUST and error not in own_dates)

    def at_depth(self, depth: int) -> CertificateFacts:
        """Return the certificate that a verify error of this depth is about."""
        walked = self.path or self.certificates
        return walked[min(depth, len(walked) - 1)]

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.certificates:
            return f"{self.host} is served without TLS"
        leaf = self.certificates[0]
        left = (leaf.not_after - self.looked_at).total_seconds() / 86400
        sent = counted(len(self.certificates), "certificate")
        line = (
            f"{leaf.subject} by {leaf.issuer}, {sent} sent, valid to {leaf.not_after:%Y-%m-%d} "
            f"({left:.1f} of {leaf.lifetime / 86400:.1f} days left), {self.protocol}"
        )
        if self.also is not None:
            line += f"; with an {self.also.leaf.key_type} key: {self.also.evidence()}"
        return line + (f"; {self.unseen}" if self.unseen else "")
