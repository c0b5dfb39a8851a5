"""Paths that hold a value which is in no configuration: anything may stand there, so they lead to every surface."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from pytest_nodered_sec.rules.walk.pages import CHANNEL
from pytest_nodered_sec.rules.walk.request import ANYTHING, unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.request import Client


_SENT: Final = re.compile("arg_|cookie_|http_(?!host$)")


class Asking(Protocol):
    """A request on its way through any proxy."""

    client: Client
    choices: Choices

    def doubt(self, why: str) -> None:
        """Remember why the end is not sure."""


def may_hold_a_path(text: str) -> bool:
    """Whether clients choose what stands in a server's address: a path may come with it."""
    return any(_SENT.match(name) for name in unknowns(text))


def settled(request: Asking, path: str, *, other: str = "") -> str:
    """Return what a path may be: itself where it is known, else with a doubt each one in question that begins alike.

    Args:
        request: on its way.
        path: without arguments.
        other: what else it may be; "": what is known of it.
    """
    head = path.partition(ANYTHING)[0]
    if head == path or any(head.startswith(aim) for aim in request.client.aims if aim.endswith(CHANNEL)):
        return path
    request.doubt(f"what {unknowns(path)[0]} puts into a path is not in the configuration")
    known = "".join(path.split(ANYTHING)[::2])
    fitting = [aim for aim in request.client.aims if aim.lower().startswith(head.lower())]
    ways = (other or known, *fitting)
    return ways[request.choices.pick(("path", path, other), len(ways))]
