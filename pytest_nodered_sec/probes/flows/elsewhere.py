"""Flows that are reduced on another machine: what its program needs for that, and a reading of what comes back.

The patterns are written once, in Python. JavaScript gets them in its own spelling, so that both read alike.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.flow_nodes import LISTENERS, MQTT_OVER_WEBSOCKET
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.flows import ClearSecret
from pytest_nodered_sec.probes.flows import code, decided, secrets, sending, shape, taint, weak
from pytest_nodered_sec.probes.flows.reading import KEPT, LIMIT, read_flows

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.flows import FlowsRead

_WORD: Final = r"\p{L}\p{N}_"
_SYNTAX: Final = r"^$\.*+?()[]{}|/"
_INLINE: Final = re.compile(r"\s*\(\?[ix]+\)")
_PATTERNS: Final[dict[str, re.Pattern[str]]] = {
    **code.PATTERNS,
    **secrets.PATTERNS,
    **sending.PATTERNS,
    **decided.PATTERNS,
    **taint.PATTERNS,
    **weak.PATTERNS,
    "environment": shape.ENVIRONMENT,
}


def tables() -> dict[str, Any]:  # Any: JSON
    """Return what the program on the other machine reads by: patterns, names and bounds."""
    return {
        "patterns": {name: spelled(pattern) for name, pattern in _PATTERNS.items()},
        "listeners": {
            kind: [name, *filter(None, [MQTT_OVER_WEBSOCKET.get(kind)])] for kind, (_, name, _) in LISTENERS.items()
        },
        "limit": LIMIT,
        "kept": KEPT,
        **code.BOUNDS,
        **sending.BOUNDS,
        **secrets.TABLES,
        **weak.TABLES,
    }


def spelled(pattern: re.Pattern[str]) -> tuple[str, str]:
    """Return a pattern as JavaScript writes it: source and flags.

    Raises:
        ValueError: it has something for which nobody has said how JavaScript writes it.
    """
    source = _INLINE.sub("", pattern.pattern, count=1) if _INLINE.match(pattern.pattern) else pattern.pattern
    result: list[str] = []
    inside, place = False, 0  # inside: of a class of characters
    while place < len(source):
        letter = source[place]
        place += 1
        if letter == "\\":
            result.append(_escape(source[place], inside=inside))
            place += 1
        elif inside:
            inside = letter != "]"
            result.append(letter)
        elif letter == "[":
            inside = True
            result.append(letter)
        elif letter == ".":
            result.append(r"[\s\S]" if pattern.flags & re.DOTALL else r"[^\n]")
        elif pattern.flags & re.VERBOSE and letter.isspace():
            continue
        elif pattern.flags & re.VERBOSE and letter == "#":
            raise ValueError(f"a comment in {source}")
        else:
            result.append(letter)
    return "".join(result), "iu" if pattern.flags & re.IGNORECASE else "u"


def _escape(letter: str, *, inside: bool) -> str:
    if letter == "w":
        return _WORD if inside else f"[{_WORD}]"
    if letter == "d":
        return r"\p{Nd}"
    if letter == "W" and not inside:
        return f"[^{_WORD}]"
    if letter == "b" and not inside:
        return f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))"
    if letter == "Z":
        return "$"
    if letter in "nrtsS" or letter.isdigit() or letter in _SYNTAX or (letter == "-" and inside):
        return f"\\{letter}"
    if letter.isalnum():
        raise ValueError(f"how JavaScript writes \\{letter} is not known")
    return letter


def read_reduced(seen: dict[str, Any]) -> FlowsRead:
    """Return what reduced flows do.

    Args:
        seen: what the program on the host printed: "nodes" and "secrets".

    Raises:
        ProbeError: it has another form.
    """
    nodes, rows = shape.nodes_of(seen.get("nodes")), seen.get("secrets")
    if nodes is None or not isinstance(rows, list) or not all(map(_is_secret, rows)):
        raise ProbeError("the reduced flows that came back from the host have an unexpected form", Cause.PROTOCOL)
    kinds = {*secrets.KINDS}
    kept = tuple(ClearSecret(kind if kind in kinds else "secret", *more) for kind, *more in rows)
    return read_flows(nodes, kept)


def _is_secret(row: Any) -> bool:  # Any: JSON
    return isinstance(row, list) and [type(value) for value in row] == [str, str, str, int]
