"""Observations of live channels, of dashboards and other interfaces: who may join them, and what they show.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import settle_blanket
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.access import AccessAttempt


class Channel(enum.Enum):
    """The outcome of an attempt to join a live channel: Socket.IO's connect packet, or a WebSocket."""

    OPEN = "open"  # 40{"sid":…}
    REFUSED_BY_MIDDLEWARE = "refused by ioMiddleware"  # 44{"message":…}
    REFUSED_INSIDE = "refused after the handshake"  # /comms: {"auth":"fail"}
    UNANSWERED = "never answered"  # the dashboards' own guard against a foreign Origin
    NO_CHANNEL = "no live channel"  # the HTTP layer answered; see the attempt


SHUT: Final = (Channel.REFUSED_BY_MIDDLEWARE, Channel.UNANSWERED)


@dataclass(frozen=True)
class SocketAttempt:
    """An anonymous Socket.IO connect to a dashboard's live channel.

    Attributes:
        attempt: the HTTP side: the polling handshake and its answer.
        channel: what the connect packet got.
        events: packets beyond the connect answer that arrived with it (their content is not kept).
        detour_left_out: whether the ways around a gate were left out, as the policy's calm mode wants.
    """

    attempt: AccessAttempt
    channel: Channel
    events: int = 0
    detour_left_out: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        where = f"Socket.IO connect to {self.attempt.absolute} {self.attempt.how}"
        if self.channel is Channel.OPEN:
            packets = counted(self.events, "more packet")
            return f"{where} was accepted" + (f"; {packets} came with the answer" if self.events else "")
        if self.channel is Channel.REFUSED_BY_MIDDLEWARE:
            return f"{where} was refused by ioMiddleware"
        if self.channel is Channel.UNANSWERED:
            return f"{where} was never answered"
        untried = "; bypasses were not tried (calm mode)" if self.detour_left_out else ""
        return f"{where} answered {self.attempt.answer.line()}{untried}"

    def settle(self, target: Target) -> None:
        """Raise if neither the channel nor HTTP gave an answer."""
        if self.channel is Channel.NO_CHANNEL:
            self.attempt.settle(target)


@dataclass(frozen=True)
class ChannelAttempt:
    """An anonymous attempt to open a WebSocket.

    Attributes:
        attempt: the handshake and its answer.
        channel: what came of it.
    """

    attempt: AccessAttempt
    channel: Channel

    def evidence(self) -> str:
        """Return one line for the evidence."""
        where = f"WebSocket {self.attempt.absolute} {self.attempt.how}"
        if self.channel is Channel.OPEN:
            return f"{where} was accepted"
        if self.channel is Channel.REFUSED_INSIDE:
            return f"{where} was refused after the handshake"
        return f"{where} answered {self.attempt.answer.line()}{self.attempt.remark()}"

    def settle(self, target: Target) -> None:
        """Raise if neither the channel nor HTTP gave an answer, or only a gate before everything did."""
        if self.channel is not Channel.NO_CHANNEL:
            return
        self.attempt.settle(target)
        if self.attempt.surface is Surface.ADMIN and self.attempt.view.blanket:
            settle_blanket(self.attempt, target)  # an absence proves no more


@dataclass(frozen=True)
class ForeignAttempt:
    """An attempt to join a live channel with a foreign Origin.

    Attributes:
        seen: what came of it.
        login_first: whether the same is refused without an Origin too, so that the Origin decided nothing.
    """

    seen: SocketAttempt | ChannelAttempt
    login_first: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.seen.evidence() + (", as without an Origin" if self.login_first else "")

    def settle(self, target: Target) -> None:
        """Raise unless the attempt answers its question."""
        self.seen.settle(target)


class Product(enum.Enum):
    """The product that provides the dashboard."""

    DASHBOARD_1 = "Dashboard 1"  # node-red-dashboard
    DASHBOARD_2 = "Dashboard 2"  # @flowfuse/node-red-dashboard


@dataclass(frozen=True)
class ShownWidgets:
    """The widgets that a dashboard shows to a client without credentials on its live channel.

    Attributes:
        path: the dashboard's path below the node root.
        joined: the attempt to join.
        product: the product, None if unknown.
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
        return f"{self.path} ({self.product.value}) shows anonymous clients {shown}{locked}"

    def settle(self, target: Target) -> None:
        """Raise unless it is known which widgets are shown, or that none are."""
        self.joined.settle(target)
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
        where = f"{self.kind}: live channel {self.attempt.absolute}{part} {self.attempt.how}"
        if self.channel is Channel.OPEN:
            return f"{where} was joined"
        if self.unknown:
            return f"{where} answers anonymous clients{': no such instance' if self.path else ''}"
        if self.channel is Channel.REFUSED_BY_MIDDLEWARE:
            return f"{where} was refused by its middleware"
        return f"{where} answered {self.attempt.answer.line()}{self.attempt.remark()}"

    def settle(self, target: Target) -> None:
        """Raise unless it is known whether anonymous clients may join."""
        if self.channel is Channel.NO_CHANNEL:
            self.attempt.settle(target)
        if self.unknown and not self.path:
            raise ProbeError(
                f"{self.evidence()}: which instances it has cannot be seen from outside. Name them: interfaces = "
                f'[{{kind = "{self.kind}", path = "/URL"}}], or protect the whole path',
                Cause.UNIDENTIFIED,
            )
