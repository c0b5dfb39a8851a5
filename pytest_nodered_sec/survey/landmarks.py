"""What is found once per target, by the first question that needs it: landmarks, account, host, TLS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.probes.transport.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.probes.host.flows import HostFlows
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.probes.transport.station import Station

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
        self._known = {name: Once(partial(self._find, name)) for name in _NAMES}

    def get(self, name: str) -> Any:  # Any: they are of several types
        """Return what bears this name.

        Raises:
            ProbeError: it could not be found.
        """
        return self._known[name].get()

    def forget(self, name: str) -> None:
        """Look for what bears this name again, when it is wanted."""
        self._known[name] = Once(partial(self._find, name))

    def _find(self, name: str) -> Any:  # Any: as above
        from pytest_nodered_sec.probes.http import landmarks, roots
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
            return roots.find_roots(self._station)
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

    def _flows_inside(self) -> HostFlows | None:
        if self._station.target.host is None:
            return None
        from pytest_nodered_sec.probes.host.flows import flows_inside  # imports testinfra, as above

        return flows_inside(self.get("host"))
