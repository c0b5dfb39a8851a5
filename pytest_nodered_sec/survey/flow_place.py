"""One file of flows of a survey: read once, when the first question needs it; nothing is asked of anybody."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.once import Once
from pytest_nodered_sec.survey.pending import Pending

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.model import Ask, Target
    from pytest_nodered_sec.probes.transport.station import Station


class FlowPlace:
    """A file of flows in the place of a deployment."""

    def __init__(self, target: Target) -> None:
        from pytest_nodered_sec.probes.flows import file

        self._target = target
        self._answer = file.answer
        self._read = Once(partial(file.read, target.flows))

    def add(self, asks: Iterable[Ask]) -> None:
        """Do nothing: the file is read when an answer is wanted."""

    def pending(self, ask: Ask) -> Pending:
        """Return the answer to a question, or why there is none."""
        answer = Pending()
        try:
            answer.settle(self._answer(self._read.get(), self._target.flows, ask))
        except ProbeError as error:
            answer.settle(error)
        return answer

    def arrived(self) -> Station:
        """Refuse a test's own requests.

        Raises:
            ProbeError: always.
        """
        raise ProbeError(f"{self._target.name} is a file of flows; nothing can be asked of it", Cause.UNAVAILABLE)

    def identity(self) -> dict[str, Any] | None:
        """Return None: nobody answered."""
        return None

    def drop(self) -> None:
        """Do nothing: nothing waits."""

    def close(self) -> None:
        """Do nothing: nothing is open."""
