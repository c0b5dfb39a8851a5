"""One surface over plain HTTP, on every address of the name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.model import PlainAttempt, PortState, alike
from pytest_nodered_sec.probes.landmarks import ask_plain

if TYPE_CHECKING:
    from pytest_nodered_sec.model import PlainAnswer, RootView
    from pytest_nodered_sec.probes.landmarks import PlainView
    from pytest_nodered_sec.probes.look import Look


def ask_in_clear(look: Look, admin: RootView, plain: PlainView, surface: str, root: str, path: str) -> PlainAttempt:
    """Ask a surface's path on the plain HTTP port of every address.

    Args:
        look: the look.
        admin: landmarks of the admin root; asking for them shows that the HTTPS side is alive.
        plain: what a random path got over plain HTTP.
        surface: what a person calls it.
        root: "admin" or "node".
        path: path below that root; "" for the node root itself, where a random path tells more than "/".

    Raises:
        ProbeError: a port accepted and gave no answer.
    """
    target = look.target
    absolute = target.admin(path) if root == "admin" else target.node(path or "/")
    answers = tuple(_at(look, canary, plain, absolute) for canary in plain.answers)
    default_port = target.tls and target.http_port == 80 and target.port != 443
    return PlainAttempt(surface, absolute, look.station.plain_port, default_port, answers)


def _at(look: Look, canary: PlainAnswer, plain: PlainView, path: str) -> PlainAnswer:
    if canary.state in (PortState.REFUSED, PortState.FILTERED):
        return canary
    seen = ask_plain(look, canary.address, path)
    if seen.answer is None or canary.answer is None:
        return seen
    return replace(seen, indistinct=seen.answer.status < 300 and alike(seen.answer, canary.answer))
