"""testinfra's own objects for a host specification: its backend, and its host with everything it offers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import testinfra.backend
import testinfra.host

from pytest_nodered_sec.errors import Cause, ProbeError


def backend_of(spec: str) -> Any:
    """Return testinfra's backend for a specification; `ssh_extra_args` may stand there too.

    Raises:
        ProbeError: there is no such backend, or it lacks a library.
    """
    query = parse_qs(urlsplit(spec).query)
    extra = {"ssh_extra_args": query["ssh_extra_args"][0]} if "ssh_extra_args" in query else {}
    try:
        return testinfra.backend.get_backend(spec, **extra)
    except (RuntimeError, ImportError, ValueError, TypeError) as error:
        raise ProbeError(f"--nodered-host={spec.partition('?')[0]}: {error}", Cause.UNREACHABLE) from None


def host_of(spec: str) -> Any:
    """Return testinfra's own host for a specification, with everything it offers.

    Raises:
        ProbeError: there is no such backend.
    """
    backend = backend_of(spec)
    host = testinfra.host.Host(backend)
    backend.set_host(host)
    return host
