"""Questions of a site's own: another port's TLS, and whatever a function of the site's looks at.

Each stands between two signs of life of the admin root, so that who is banned half-way does not take silence for
a refusal.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Observation
from pytest_nodered_sec.probes.transport.look import Look

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.probes.transport.net import Timed


class _LookAt(Look):
    """A look at another port of the target's machine, under its name."""

    def __init__(self, look: Look, port: int) -> None:
        super().__init__(look.station)
        name = f"[{self.target.hostname}]" if ":" in self.target.hostname else self.target.hostname
        self.target = replace(self.target, url=f"https://{name}:{port}")

    def connect(self) -> Timed:
        return self.dial(self.target.port)


def present_chain_at(look: Look, admin: RootView, port: str) -> PresentedChain:
    """Return what another port presents in a TLS handshake.

    Raises:
        ProbeError: what answered is not TLS, or nothing answered in time.
    """
    from pytest_nodered_sec.probes.tls.handshake import present_chain

    del admin  # a sign of life
    return present_chain(_LookAt(look, int(port)))


def call(look: Look, admin: RootView, name: str, *args: str) -> Observation:
    """Look by a function of the site's own.

    Args:
        look: the look.
        admin: landmarks of the admin root, as a sign of life.
        name: the function, "MODULE:FUNCTION".
        args: its arguments.

    Raises:
        ProbeError: as the function, which may leave what goes wrong with a connection as it is.
        TypeError: what it returned is no observation.
    """
    del admin
    module, _, function = name.partition(":")
    try:
        seen = getattr(import_module(module), function)(look, *args)
    except OSError as error:
        what = " ".join((function, *args))
        raise ProbeError(f"{what} got no answer: {error.strerror or error}", Cause.UNREACHABLE) from None
    if not isinstance(seen, Observation):
        raise TypeError(
            f"{function} must return an observation, a frozen dataclass with a method evidence(), "
            f"not {type(seen).__name__}"
        )
    return seen
