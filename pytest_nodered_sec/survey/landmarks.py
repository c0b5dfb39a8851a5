"""What is found once per target, by the first question that needs it: landmarks, account, host, TLS."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import Refuser
from pytest_nodered_sec.probes.transport.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.host.flows import HostFlows
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.probes.transport.station import Station

_PAUSE: Final = 1.0  # seconds
_APART: Final = 0.5  # seconds; a limit of ten a second (nginx without burst) objects to three at once
_LIMITS: Final = (Cause.CLOSED, Cause.UNAVAILABLE)
_NAMES: Final = ("admin", "node", "plain", "host", "inside", "account", "told", "tls")


class Landmarks:
    """What is found once at one target.

    Args:
        station: the target's.
    """

    def __init__(self, station: Station) -> None:
        # not in a thread: see Survey.ask_ahead
        from pytest_nodered_sec.probes.http import roots  # noqa: F401  as said
        from pytest_nodered_sec.probes.login import account, told  # noqa: F401  as said

        self._station = station
        self._known = {name: self._once(name) for name in _NAMES}

    def get(self, name: str) -> Any:  # Any: they are of several types
        """Return what bears this name.

        Raises:
            ProbeError: it could not be found.
        """
        return self._known[name].get()

    def forget(self, *names: str) -> None:
        """Look for what bears one of these names again, when it is wanted."""
        for name in names:
            self._known[name] = self._once(name)

    def _once(self, name: str) -> Once[Any]:  # Any: as above
        return Once(partial(self._find, name), self._station.places.waits)

    def knows(self, name: str) -> bool:
        """Whether what bears this name was found."""
        return self._known[name].known

    def _find(self, name: str) -> Any:  # Any: as above
        from pytest_nodered_sec.probes.http import landmarks
        from pytest_nodered_sec.probes.login import account, told
        from pytest_nodered_sec.probes.tls import suites
        from pytest_nodered_sec.probes.transport.look import Look

        if name == "host":
            from pytest_nodered_sec.probes.host import gather  # imports testinfra: only where a host is asked

            return gather.gather(Look(self._station))
        if name == "inside":  # asked for only where nobody else tells: so the host is not looked at in vain
            return Once(self._flows_inside)
        if name == "tls":
            return suites.see_offers(Look(self._station))
        if name == "admin":
            return self._roots()
        admin = self.get("admin")  # first: it settles where the roots are
        if name == "node" and self._station.target.node("/") == admin.root:
            return admin
        finders: dict[str, Callable[[Look], Any]] = {
            "node": lambda look: landmarks.view_node(look, admin),
            "plain": landmarks.view_plain,
            "account": lambda look: account.visit(look, admin),
            "told": lambda look: told.hear(look, admin),
        }
        return finders[name](Look(self._station))

    def _roots(self) -> RootView:
        """Look at the admin root, and once more, alone and slowly, where a limit may have answered at the start."""
        from pytest_nodered_sec.probes.http import roots

        limited = False
        try:
            seen = roots.find_roots(self._station)
        except ProbeError as error:
            limited = error.cause in _LIMITS
            if not limited or self._station.pace.quiet:
                raise
            self._station.narrow()
        else:
            if self._station.pace.quiet or not may_be_a_limit(seen):
                return seen
        with self._station.places.alone(), self._station.pace.spaced(_APART):
            time.sleep(_PAUSE)
            self._station.begin_again(0.0)
            again = roots.find_roots(self._station)
        if not (limited or may_be_a_limit(again)):
            self._station.narrow()
        return again

    def _flows_inside(self) -> HostFlows | None:
        if self._station.target.host is None:
            return None
        from pytest_nodered_sec.probes.host.flows import flows_inside  # imports testinfra, as above

        return flows_inside(self.get("host"))


def may_be_a_limit(seen: Any) -> bool:  # Any: as above
    """Whether a root's first answers may have been a limit's: nothing showed a Node-RED, or who refuses each."""
    canary = getattr(seen, "canary", None)
    if canary is None or seen.identity:
        return False
    others = {each.refuser for each in (seen.settings, seen.login) if each is not None}
    mixed = Refuser.UNNAMED in others and len(others | {canary.refuser}) > 1
    return mixed or canary.refuser in (None, Refuser.UNNAMED)
