"""What was seen of live channels beyond whether a dashboard's is open: what is shown there, and other interfaces'.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_access import Channel, settle
from pytest_nodered_sec.model_answers import Kind

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.model_access import AccessAttempt, SocketAttempt


class Product(enum.Enum):
    """Whose dashboard it is."""

    DASHBOARD_1 = "Dashboard 1"  # node-red-dashboard
    DASHBOARD_2 = "Dashboard 2"  # @flowfuse/node-red-dashboard


@dataclass(frozen=True)
class ShownWidgets:
    """Which widgets a dashboard shows to who has joined its live channel without credentials.

    Attributes:
        path: the dashboard's path below the node root.
        joined: the attempt to join.
        product: whose dashboard it is, None where nothing was told.
        counts: type of widget and how many there are.
        read_only: whether it says that it takes no input.
    """

    path: str
    joined: SocketAttempt
    product: Product | None = None
    counts: tuple[tuple[str, int], ...] = ()
    read_only: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.product is None:
            return self.joined.evidence()
        shown = ", ".join(f"{number} {kind}" for kind, number in self.counts) or "no widgets"
        locked = ", and takes no input (readOnly)" if self.read_only else ""
        return f"{self.path} ({self.product.value}) shows strangers {shown}{locked}"

    def settle(self, target: Target) -> None:
        """Raise unless it is known what is shown, or that nothing is."""
        settle(self.joined, target)
        if self.joined.channel is Channel.NO_CHANNEL and self.joined.attempt.kind is Kind.SERVED:
            raise ProbeError(f"{self.evidence()}: what the dashboard shows cannot be read", Cause.PROTOCOL)


@dataclass(frozen=True)
class InterfaceAttempt:
    """An anonymous attempt to join the live channel of a user interface that is no dashboard.

    Attributes:
        kind: whose it is, as the policy names it.
        path: its path below the node root; "" for a uibuilder whose instances are not known.
        attempt: the HTTP side: the handshake and its answer.
        channel: what came of it.
        namespace: Socket.IO's namespace that was asked for, "" for none.
        unknown: whether the server, which answers strangers, has no such namespace.
    """

    kind: str
    path: str
    attempt: AccessAttempt
    channel: Channel
    namespace: str = ""
    unknown: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        part = f", namespace {self.namespace}," if self.namespace else ""
        where = f"{self.kind}: live channel {self.attempt.path}{part} {self.attempt.how}"
        if self.channel is Channel.OPEN:
            return f"{where} was joined"
        if self.unknown:
            return f"{where} answers strangers{': no such instance' if self.path else ''}"
        if self.channel is Channel.REFUSED_BY_MIDDLEWARE:
            return f"{where} was refused by its middleware"
        return f"{where} answered {self.attempt.answer.line()}{self.attempt.remark()}"

    def settle(self, target: Target) -> None:
        """Raise unless it is known whether strangers get in."""
        if self.channel is Channel.NO_CHANNEL:
            settle(self.attempt, target)
        if self.unknown and not self.path:
            raise ProbeError(
                f"{self.evidence()}: which instances it has cannot be seen from outside. Name them: interfaces = "
                f'[{{kind = "{self.kind}", path = "/URL"}}], or shut the whole path',
                Cause.UNIDENTIFIED,
            )
