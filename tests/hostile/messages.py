"""Requests, replies, what a behaviour may be, and HTTP as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import socket
    from typing import BinaryIO


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names in lower case, `number` is 1 for the server's first."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    number: int = 1


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; `stream` writes to the connection itself, instead of all the rest."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Callable[[socket.socket], None] | None = None


Handler = Callable[[Request], Reply | None]


@dataclass(frozen=True)
class Raw:
    """A behaviour that gets each connection before TLS; usable as a decorator."""

    run: Callable[[socket.socket], None]


@dataclass(frozen=True)
class TurnsAfter:
    """See `turns_after`."""

    base: Behaviour
    after: int
    other: Behaviour | Literal["refuse connections"]


@dataclass(frozen=True)
class ChangesCertificate:
    """See `changes_certificate_after`."""

    after: int
    base: Behaviour


Behaviour = Handler | Raw | TurnsAfter | ChangesCertificate
Refuse = Literal["refuse connections"]
REFUSE: Final = "refuse connections"


def page(text: str, status: int = 200, **headers: str) -> Reply:
    """Return an HTML answer; `x_name="…"` becomes the header X-Name."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "text/html; charset=utf-8", **named}, text.encode())


def json_reply(data: object, status: int = 200) -> Reply:
    """Return a JSON answer as Express writes it."""
    body = json.dumps(data, separators=(",", ":")).encode()
    return Reply(status, {"Content-Type": "application/json; charset=utf-8"}, body)


def read_headers(lines: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := lines.readline(65537).decode("latin-1").strip():
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def read_body(lines: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = headers.get("content-length", "0")
        return lines.read(int(length) if length.isdigit() else 0)
    body = b""
    while size := int(lines.readline(100).split(b";")[0].strip() or b"0", 16):
        body += lines.read(size)
        lines.readline(100)
    read_headers(lines)  # trailers
    return body


def head_of(status: int, headers: Mapping[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{fields}\r\n".encode("latin-1")


def send(sock: socket.socket, reply: Reply, *, keep: bool, with_body: bool = True) -> bool:
    """Write a reply; return whether the connection stays open."""
    names = {name.lower() for name in reply.headers}
    headers = dict(reply.headers)
    bodiless = reply.status < 200 or reply.status in (204, 304)
    if not bodiless and not names & {"content-length", "transfer-encoding"}:
        headers["Content-Length"] = str(len(reply.body))
    if "connection" not in names:
        headers["Connection"] = "keep-alive" if keep else "close"
    keep = keep and all(value.lower() != "close" for name, value in headers.items() if name.lower() == "connection")
    body = reply.body if with_body and not bodiless else b""
    sock.sendall(head_of(reply.status, headers) + body)
    return keep
