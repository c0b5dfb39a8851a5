"""How nginx reads a request's URI, and how it writes one for an upstream (ngx_http_parse.c, ngx_string.c)."""

from __future__ import annotations

import re
from typing import Final

_HEX: Final = re.compile("[0-9a-fA-F]{2}")
_ESCAPED: Final = frozenset(' "#%<>?\\^`{|}')
_ESCAPED_IN_ARGS: Final = frozenset(' "#%&+;<>?\\^`{|}')


class BadUriError(ValueError):
    """nginx answers 400."""


def parse(raw: str, *, merge_slashes: bool = True) -> tuple[str, str, bool]:
    """Return path, arguments and whether anything was percent-encoded.

    Raises:
        BadUriError: nginx refuses it.
    """
    target, _, _ = raw.partition("#")
    path, _, args = target.partition("?")
    if not path.startswith("/"):
        raise BadUriError(raw)
    out: list[str] = []
    for segment in _segments(path, merge_slashes=merge_slashes):
        if segment == "/..":
            if not out:
                raise BadUriError(raw)
            out.pop()
            continue
        if segment != "/.":
            out.append(segment)
    text = "".join(out)
    if _decoded(path).rpartition("/")[2] in (".", ".."):
        text += "/"
    return text, args, "%" in path


def _segments(path: str, *, merge_slashes: bool) -> list[str]:
    text = _decoded(path)
    if merge_slashes:
        text = re.sub("/{2,}", "/", text)
    return [f"/{part}" for part in text.split("/")[1:]]


def _decoded(path: str) -> str:
    """Undo percent-encoding once.

    Raises:
        BadUriError: a "%" without two digits, or a NUL.
    """
    parts = path.split("%")
    for part in parts[1:]:
        if not _HEX.match(part) or part.startswith("00"):
            raise BadUriError(path)
    return parts[0] + "".join(chr(int(part[:2], 16)) + part[2:] for part in parts[1:])


def escaped(text: str, *, args: bool = False) -> str:
    """Percent-encode as nginx does for an upstream's URI, or for arguments."""
    special = _ESCAPED_IN_ARGS if args else _ESCAPED
    return "".join(f"%{ord(char):02X}" if char in special or not "\x20" < char < "\x7f" else char for char in text)
