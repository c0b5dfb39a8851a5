"""Addresses that a PROXY header names, by which balancers tell those behind who asks; reviewed 2026-12-01."""

from __future__ import annotations

from typing import Final

# Those that `data.ways` names in forwarding headers, and the machine's own. Traefik 3: proxyProtocol.insecure, Caddy 2:
# the listener wrapper proxy_protocol with allow 0.0.0.0/0; both take connections without such a header, too.
ANNOUNCED: Final = ("192.168.1.5", "10.0.0.1", "127.0.0.1", "172.17.0.1", "192.168.178.2", "192.168.0.2", "100.64.0.1")


def header(address: str, port: int) -> bytes:
    """Return the line that stands before everything else on a connection (HAProxy's proxy-protocol.txt, 2.1).

    Args:
        address: IPv4 address that it names.
        port: TCP port that is dialled.
    """
    return f"PROXY TCP4 {address} {address} 52000 {port}\r\n".encode("ascii")
