"""In which order a target's questions are asked, and which of them one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.host_names import UNNAMED
from pytest_nodered_sec.data.ways import ONCE, RARE, WAYS
from pytest_nodered_sec.registry import PROBES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from pytest_nodered_sec.model import Ask, Target

_IN_CLEAR: Final = 2  # connections to the plain HTTP port at once
_NEWER: Final = (("admin API", "browser"), ("dashboard page", "browser"), ("endpoint", "browser"))  # ways
_UPGRADE: Final = 3  # round trips of a connection over TLS and one request


def lanes(asks: Iterable[Ask]) -> list[list[Ask]]:
    """Return questions by what asks them one after the other, those first that take longest."""
    asks = list(asks)
    first = {(ask.probe, ask.args[:1] * (ask.probe == "access")): ask for ask in reversed(asks)}  # often for all others
    now = sorted(asks, key=lambda ask: (-_trips(ask), ask not in first.values()))
    clear = [ask for ask in now if "plain" in PROBES[ask.probe].landmarks]
    # Too many at once on the plain port would take the connections of the others, which would have to reconnect.
    together: dict[Hashable, list[Ask]] = {number: clear[number::_IN_CLEAR] for number in range(_IN_CLEAR)}
    for name in ("tls", "behind"):  # an upgrade that nobody serves takes long
        together[name] = [ask for ask in now if _lane(ask) == name]
    # The first of these tells whether HTTP/2 is spoken, for which all others would wait.
    together["newer"] = [ask for ask in now if ask.probe == "way" and ask.args[::3] in _NEWER][:1]
    now = [ask for ask in now if ask not in together["newer"]]
    for ask in now:
        if ask not in clear:
            lane = together.setdefault(_lane(ask) or ask, [])
            lane += [ask] if ask not in lane else []
    return [*filter(None, together.values())]


def one_by_one(guesses: Iterable[Ask], target: Target) -> list[list[Ask]]:
    """Return guesses by what makes them one after the other: those at Node-RED's log-in, and at Basic logins beside it.

    Where both know the accounts of one directory, which of them has the attempts must not depend on who is faster.
    """
    lanes: dict[str, list[Ask]] = {}
    for ask in guesses:
        lanes.setdefault("" if target.policy.login_realm else ask.probe, []).append(ask)
    return [*lanes.values()]


def _lane(ask: Ask) -> Hashable:
    """Return which questions are asked one after the other, because one settles the others, which would only wait.

    None for those that are asked by themselves.
    """
    how = ask.args[-1] if ask.args else ""
    surface = ask.args[0] if ask.probe == "way" else ""
    if PROBES[ask.probe].module.startswith("tls."):
        return "tls"
    if ask.probe == "access" and how == "forged":  # all routes of a permission by one of them
        return how
    if ask.probe == "by_address" and how in ("", UNNAMED):
        return ask.probe
    if surface == "/comms" or ("/comms" in ask.args and ask.probe in ("channel", "foreign")):
        return "/comms"
    if surface == "WebSocket endpoint" or ask.probe == "channel" or ask.args[:1] == ("websocket",):
        return "WebSocket endpoint"
    if surface == "channel, WebSocket" or (surface == "channel, polling" and how == "upgrade"):
        return "channel", ask.args[2]
    if surface and how in (*RARE, *ONCE) and not surface.startswith("channel"):
        return how
    if surface and how == "upgrade":  # by the connection by which the first was refused
        return how, surface
    return ("channel", how) if ask.probe in ("socket", "foreign") else None


def _trips(ask: Ask) -> int:
    """Return roughly how many round trips a question takes: as a WebSocket each form of a path takes a connection."""
    if ask.probe != "way" or ask.args[0].startswith("channel"):
        return PROBES[ask.probe].trips
    forms = sum(part.write is not None for part in WAYS[ask.args[-1]].parts)
    upgraded = ask.args[0] in ("/comms", "WebSocket endpoint") or ask.args[-1] == "upgrade"
    return (_UPGRADE if upgraded else 1) * (1 + forms)
