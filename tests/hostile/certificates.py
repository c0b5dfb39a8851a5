"""Certificates of an authority that nobody but a test trusts."""

from __future__ import annotations

import datetime
import errno
import functools
import os
import ssl
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import trustme


class CA:
    """A certificate authority that nobody but the test trusts; make one per session."""

    def __init__(self, authority: trustme.CA, pem_path: Path) -> None:
        self._authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.pem_path = pem_path
        weakref.finalize(self, pem_path.unlink, missing_ok=True)  # also at exit

    @classmethod
    def new(cls) -> CA:
        """Return a new authority with its certificate in a file, at `pem_path`."""
        authority = trustme.CA()
        handle, name = tempfile.mkstemp(prefix="hostile-ca-", suffix=".pem")
        os.close(handle)
        authority.cert_pem.write_to_path(name)
        return cls(authority, Path(name))

    def issue(
        self,
        *identities: str,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> trustme.LeafCert:
        """Return a certificate for names and addresses: valid from yesterday, for 90 days more."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        return self._authority.issue_cert(
            *(identities or ("localhost", "127.0.0.1", "::1")),
            not_before=not_before or now - datetime.timedelta(days=1),
            not_after=not_after or now + datetime.timedelta(days=90),
        )

    def context(self, which: str = "first") -> ssl.SSLContext:
        """Return a server's context for localhost; each `which` has its own certificate."""
        with self._lock:
            if which not in self._contexts:
                self._contexts[which] = self.new_context()
            return self._contexts[which]

    def new_context(self) -> ssl.SSLContext:
        """Return a server's context for localhost with a certificate of its own."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sslsocket_class = _ServerSocket
        context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # Python's own list has CBC
        self.issue().configure_cert(context)
        return context


class _ServerSocket(ssl.SSLSocket):
    """Closes itself where the client was gone before TLS began; Python 3.11 leaves it open."""

    def getpeername(self) -> Any:  # Any: as in typeshed; `wrap_socket` asks it first
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise ConnectionAbortedError(errno.ECONNABORTED, "the client has gone") from None


@functools.cache
def default_ca() -> CA:
    """Return the authority of servers that were given none."""
    return CA.new()
