"""The way to a target: where it is, and a first connection, each found once."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.transport.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.model import Ask
    from pytest_nodered_sec.probes.transport.station import Station

_LANDMARKS: Final = 3  # requests with which a run goes on, side by side (`view_admin`)


class Way:
    """The way to one target.

    Args:
        station: the target's.
        tell: called with its addresses.

    Attributes:
        resolved: whether its addresses are known.
        arrived: whether it was reached.
    """

    def __init__(self, station: Station, tell: Callable[[tuple[str, ...]], None]) -> None:
        self._station = station
        self._tell = tell
        self.resolved = Once(self._resolve)
        self.arrived = Once(self._arrive)

    def enter(self, asks: Iterable[Ask], meanwhile: Callable[[], object]) -> None:
        """Reach the target; where /comms is to be asked for, that goes out before everything else.

        Args:
            asks: the questions that wait for this.
            meanwhile: begins what needs connections alone, while that is on its way.
        """
        self.arrived.settle()
        if self.arrived.known and any(ask.probe == "channel" and ask.args[1] == "/comms" for ask in asks):
            from pytest_nodered_sec.probes.channels.websocket import begin_with_comms

            def go_on() -> None:
                if not self._station.pace.quiet:
                    for _ in range(_LANDMARKS):
                        self._station.beside(self._connect)
                    meanwhile()

            begin_with_comms(self._station, go_on)

    def _resolve(self) -> bool:
        from pytest_nodered_sec.probes.transport.look import Look

        self._tell(self._station.resolve(Look(self._station).deadline))
        return True

    def _arrive(self) -> bool:
        from pytest_nodered_sec.probes.transport.look import Look

        look = Look(self._station)
        self.resolved.get()
        self._station.arrive(look.deadline)
        return True

    def get_ready_to_guess(self) -> None:
        """Connect for Node-RED's log-in, and for a Basic login beside it; who guesses is told what goes wrong."""
        from pytest_nodered_sec.probes.transport.look import Look

        if self._station.noticed.basic and not self._station.pace.quiet:
            self._station.beside(partial(self._connect, verified=True))
        with contextlib.suppress(ProbeError):
            self._station.check_channel(Look(self._station).deadline)

    def _connect(self, *, verified: bool = False) -> None:
        """Open one more connection in advance; who needs it is told what goes wrong."""
        from pytest_nodered_sec.probes.transport.look import Look

        verified = verified or bool(self._station.target.http.headers)
        with contextlib.suppress(ProbeError):
            self._station.client(None, verified=verified)[0].prepare(Look(self._station).deadline)
