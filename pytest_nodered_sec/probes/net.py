"""Names and TCP connections, with a deadline; nothing here knows HTTP or TLS."""

from __future__ import annotations

import socket
import threading
import time

from pytest_nodered_sec.errors import Cause, ProbeError


def resolve(hostname: str, deadline: float) -> tuple[str, ...]:
    """Return all addresses of a name, IPv4 first, each once.

    The system's resolver has no time limit of its own, so it runs in a thread that is abandoned at the deadline.

    Args:
        hostname: name or address literal.
        deadline: absolute `time.monotonic()` seconds.

    Raises:
        ProbeError: the name does not resolve, or not in time.
    """
    found: list[str] = []
    trouble: list[str] = []

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            trouble.append(getattr(error, "strerror", None) or str(error))
            return
        ordered = sorted(infos, key=lambda info: info[0] != socket.AF_INET)
        found.extend(dict.fromkeys(str(info[4][0]) for info in ordered))

    thread = threading.Thread(target=look_up, daemon=True, name="nodered-sec-resolve")
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if trouble:
        raise ProbeError(f"the name {hostname} does not resolve: {trouble[0]}", Cause.UNREACHABLE)
    if not found:
        raise ProbeError(f"the name {hostname} did not resolve in time", Cause.TIMEOUT)
    return tuple(found)


def dial(address: str, port: int, deadline: float) -> socket.socket:
    """Connect to one address.

    Raises:
        ProbeError: UNREACHABLE if refused or unroutable, TIMEOUT if nothing answered by the deadline.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise ProbeError(f"no time left to connect to {address} port {port}", Cause.TIMEOUT)
    try:
        sock = socket.create_connection((address, port), timeout=left)
    except TimeoutError:
        raise ProbeError(f"connecting to {address} port {port} got no answer", Cause.TIMEOUT) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ProbeError(f"connecting to {address} port {port}: {reason}", Cause.UNREACHABLE) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
