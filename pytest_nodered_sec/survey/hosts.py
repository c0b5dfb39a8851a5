"""Which targets are at one host, by name and by address: they share its queue, and quiet stays quiet."""

from __future__ import annotations

import contextlib
import ipaddress
import threading
import time
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.transport.names import ascii_name
from pytest_nodered_sec.probes.transport.net import resolve
from pytest_nodered_sec.probes.transport.once import Once
from pytest_nodered_sec.survey.queue import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.probes.transport.pace import Pace
    from pytest_nodered_sec.survey.queue import HostQueue


class Hosts:
    """The hosts of a run's targets.

    Args:
        targets: all of the run: if one of them is quiet, all at its host are.

    Attributes:
        workers: the threads that look.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self.workers = Workers()
        self._quiet = [target for target in targets if _is_quiet(target)]
        self._quiet_names = {_key(target, target.dialled[0]) for target in self._quiet}
        self._mixed = 0 < len(self._quiet) < len(targets)
        self._quiet_addresses = Once(self._look_up_quiet)

    def queue_of(self, target: Target, addresses: Iterable[str], calm_down: Callable[[Pace], None]) -> HostQueue:
        """Return the queue of a target's host.

        Args:
            target: one of the run's.
            addresses: where it is; none as long as that is not known.
            calm_down: called with the pace to keep from now on if the host is or becomes quiet.
        """
        keys = [_key(target, host) for host in (target.dialled[0], *addresses)]
        quiet = _is_quiet(target) or not self._quiet_names.isdisjoint(keys)
        if addresses and self._mixed and not quiet:
            quiet = not self._quiet_addresses.get().isdisjoint(keys)
        return self.workers.queue(keys, calm_down, quiet=quiet)

    def _look_up_quiet(self) -> set[str]:
        """Return where the quiet targets are, before others are asked there: one time limit for all names together."""
        keys: set[str] = set()

        def look_up(target: Target) -> None:
            with contextlib.suppress(ProbeError):  # who asks this target is told
                addresses = resolve(ascii_name(target.dialled[0]), time.monotonic() + target.timeout)
                keys.update(_key(target, address) for address in addresses)

        named = {target.dialled: target for target in self._quiet if not target.http.proxy}
        threads = [threading.Thread(target=look_up, args=(target,), daemon=True) for target in named.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return keys


def _is_quiet(target: Target) -> bool:
    return target.policy.pace == "quiet"


def _key(target: Target, host: str) -> str:
    """Return what identifies a host by one of its names or addresses.

    A loopback address is where tunnels begin: behind each of its ports is another machine.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower()
    port = target.dialled[1]
    return f"{address} port {target.http.ports.get(port, port)}" if address.is_loopback else str(address)
