"""The lab's own CA, and what it issues: right certificates, and wrong ones, each with one fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.lab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

ORGANISATION: Final = "Node-RED lab"
_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_DAY: Final = timedelta(days=1)


class Authority:
    """A root that lives as long as the lab.

    Args:
        folder: where `ca.pem`, what is right (`leaf.pem`, `leaf.key`) and a client's (`client.pem`, `client.key`) go.
        organisation: what its certificates name as their issuer.

    Raises:
        LabError: trustme is not installed.
    """

    def __init__(self, folder: Path, organisation: str = ORGANISATION) -> None:
        try:
            import trustme
        except ImportError:
            raise LabError("the lab needs trustme: pip install 'pytest-nodered-sec[lab]'") from None
        self._root = trustme.CA(organization_name=organisation)
        self._middle = self._root.create_child_ca()
        self._now = datetime.now(UTC)
        self._root.cert_pem.write_to_path(folder / "ca.pem")
        self._write(folder, "leaf", self._issue(self._root))
        self._write(folder, "client", self._issue(self._root, "operator@lab.example"))

    def write(self, folder: Path, kind: str, url: str) -> None:
        """Write another certificate with its key, `leaf.pem` and `leaf.key`.

        Args:
            folder: where they go, and `lab.crl`.
            kind: as `Deployment.certificate` says.
            url: where its list of revoked certificates will be served.
        """
        if kind in ("weak-key", "listed", "revoked"):
            self._build(folder, kind, url)
            return
        days = {"expired": -1, "long-lived": 1000}.get(kind, 89)
        names = ("elsewhere.example",) if kind == "wrong-name" else _NAMES
        made = self._issue(self._middle if kind == "leaf-only" else self._root, *names, days=days)
        self._write(folder, "leaf", made, whole=kind != "leaf-only")
        if kind == "root-sent":
            self._root.cert_pem.write_to_path(folder / "leaf.pem", append=True)

    def _issue(self, by: Any, *names: str, days: int = 89) -> Any:  # Any: trustme's, imported when the lab starts
        since = self._now - 30 * _DAY if days < 0 else self._now - _DAY
        return by.issue_cert(*(names or _NAMES), not_before=since, not_after=self._now + days * _DAY)

    def _write(self, folder: Path, name: str, made: Any, *, whole: bool = True) -> None:  # Any: as above
        made.private_key_pem.write_to_path(folder / f"{name}.key")
        blobs = made.cert_chain_pems if whole else made.cert_chain_pems[:1]
        for number, blob in enumerate(blobs):
            blob.write_to_path(folder / f"{name}.pem", append=number > 0)

    def _build(self, folder: Path, kind: str, url: str) -> None:
        """Write what trustme does not make: a certificate with a small key, or with a list, which is written too."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        made = self._issue(self._root)
        like = x509.load_pem_x509_certificate(made.cert_chain_pems[0].bytes())
        root = x509.load_pem_x509_certificate(self._root.cert_pem.bytes())
        signer: Any = serialization.load_pem_private_key(self._root.private_key_pem.bytes(), None)  # Any: of any kind
        key = rsa.generate_private_key(65537, 1024 if kind == "weak-key" else 2048)
        builder = x509.CertificateBuilder(
            like.issuer, like.subject, key.public_key(), like.serial_number, like.not_valid_before_utc,
            like.not_valid_after_utc,
        )  # fmt: skip
        for extension in like.extensions:
            own = isinstance(extension.value, x509.SubjectKeyIdentifier)
            value = x509.SubjectKeyIdentifier.from_public_key(key.public_key()) if own else extension.value
            builder = builder.add_extension(value, extension.critical)
        if kind != "weak-key":
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        certificate = builder.sign(signer, hashes.SHA256())
        (folder / "leaf.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
        (folder / "leaf.key").write_bytes(key.private_bytes(*kinds, plain))
        (folder / "lab.crl").write_bytes(self._list(root, signer, [certificate] if kind == "revoked" else []))

    def _list(self, root: x509.Certificate, signer: Any, revoked: list[x509.Certificate]) -> bytes:  # Any: as above
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        builder = x509.CertificateRevocationListBuilder(root.subject, self._now - _DAY, self._now + _DAY)
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder(certificate.serial_number, self._now - _DAY).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
