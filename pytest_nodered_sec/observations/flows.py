"""What flows do, as far as a reading shows: ways in, passages to what runs commands, secrets, verification.

Nodes are named by type, name, tab and id. Of what is in them nothing is kept: no code, no values, no secrets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sized

    from pytest_nodered_sec.model import Target

from pytest_nodered_sec.data.flow_nodes import PORTS
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.texts import counted

_KINDS: Final = {
    "http": "http-in",
    "websocket": "WebSocket",
    "worldmap": "worldmap",
    "flexdash": "FlexDash",
    "uibuilder": "uibuilder",
    "dashboard": "dashboard",
    "mqtt": "MQTT broker",
    "modbus": "Modbus server",
    "opcua": "OPC UA server",
    "smtp": "SMTP server",
    "tcp": "TCP",
    "udp": "UDP",
    "topics": "MQTT without TLS",
}


@dataclass(frozen=True)
class Entry:
    """An endpoint that the flows open, or another place where messages of strangers come in.

    Attributes:
        kind: "http", "websocket", "dashboard", "uibuilder", "worldmap", "flexdash"; "tcp", "udp", "mqtt", "modbus",
            "opcua", "smtp"; "topics": messages of an MQTT broker elsewhere that is asked without TLS.
        where: path below the node root, or port; as the flows say it.
        method: HTTP method, "" where there is none.
    """

    kind: str
    where: str
    method: str = ""

    def line(self) -> str:
        """Return it in a few words."""
        name = _KINDS[self.kind]
        if self.kind in PORTS:
            return f"{name} port {self.where}"
        return " ".join(filter(None, (name, self.method, self.where)))


@dataclass(frozen=True)
class FlowNode:
    """A node, as findings name it.

    Attributes:
        type: its type.
        id: its id.
        name: its name, "" where it has none, or one that looks like a secret.
        tab: label of the tab or subflow that it is on, "" where it has none.
    """

    type: str
    id: str
    name: str = ""
    tab: str = ""

    def line(self) -> str:
        """Return it in a few words."""
        name = f' "{self.name}"' if self.name else ""
        tab = f' on "{self.tab}"' if self.tab else ""
        return f"{self.type}{name}{tab} (node {self.id})"


@dataclass(frozen=True)
class Passage:
    """A path along which what somebody sends reaches a node that runs or opens what it was given.

    Attributes:
        entry: the way in.
        source: its node.
        sink: the node that runs or opens it.
        what: what it is there: "command", "argument", "code", "query", "file" or "url".
    """

    entry: Entry
    source: FlowNode
    sink: FlowNode
    what: str


@dataclass(frozen=True)
class ClearSecret:
    """A secret that stands in the flows in clear; the secret itself is not kept.

    Attributes:
        kind: what it is, e.g. "password in a URL".
        node: id of the node.
        property: the node's property that holds it.
        length: its length, in characters.
    """

    kind: str
    node: str
    property: str
    length: int


@dataclass(frozen=True)
class Weakening:
    """A node that talks to another machine with less than TLS gives.

    Attributes:
        what: "unverified", "clear-login", "clear-mqtt" or "old-tls".
        node: the node.
    """

    what: str
    node: FlowNode


@dataclass(frozen=True)
class ActingEntry:
    """A way in by which something is changed or started.

    Attributes:
        entry: the way in.
        node: its node; of a dashboard's widgets the first.
    """

    entry: Entry
    node: FlowNode


@dataclass(frozen=True)
class FlowsRead:
    """What one reading of all flows shows.

    Attributes:
        nodes: number of nodes.
        entries: the ways in that they open.
        dashboards: paths of the dashboards that they name.
        passages: see `Passage`; None where the wiring is too entangled to follow.
        secrets: see `ClearSecret`.
        weakenings: see `Weakening`.
        acting: see `ActingEntry`.
    """

    nodes: int
    entries: tuple[Entry, ...]
    dashboards: tuple[str, ...]
    passages: tuple[Passage, ...] | None
    secrets: tuple[ClearSecret, ...]
    weakenings: tuple[Weakening, ...]
    acting: tuple[ActingEntry, ...]


# --- what controls take from it -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Entries:
    """The ways in that the flows open.

    Attributes:
        entries: the ways in; None where not known.
        told: where that is from, "" where not known.
        lacking: why it is not known, "" otherwise.
    """

    entries: tuple[Entry, ...] | None
    told: str
    lacking: str

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.entries is None:
            return self.lacking
        return f"the flows open {', '.join(entry.line() for entry in self.entries) or 'no endpoint'}, {self.told}"


@dataclass(frozen=True)
class FlowView(ABC):
    """What a reading of the flows shows, for the controls that judge it.

    Attributes:
        read: what it shows; None where not known.
        told: where that is from, "" where not known.
        lacking: why it is not known, "" otherwise.
        gated: whether strangers are refused at every path below the node root, as seen from outside.
    """

    read: FlowsRead | None
    told: str
    lacking: str
    gated: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.read is None:
            return self.lacking
        return f"{counted(self.read.nodes, 'node')}, {self.told}: {self.shown(self.read)}"

    @abstractmethod
    def shown(self, read: FlowsRead) -> str:
        """Return what the reading showed, in a few words."""


@dataclass(frozen=True)
class Passages(FlowView):
    """The passages from ways in to nodes that run or open what they are given (flow-02)."""

    def shown(self, read: FlowsRead) -> str:
        """Return what the reading showed, in a few words."""
        passages = read.passages or ()
        sinks = {passage.sink for passage in passages}
        gate = ", every path below the node root refused" if self.gated else ""
        sources = {passage.source for passage in passages}
        return f"{_counted(sinks, 'node')} reached by what {_counted(sources, 'entry node')} may receive{gate}"

    def settle(self, target: Target) -> None:
        """Raise where the wiring is too entangled to follow."""
        if self.read is not None and self.read.passages is None:
            raise ProbeError(
                f"the flows of {target.name} are wired in more ways than are followed; split them, or judge the tabs "
                "one by one with --nodered-flows",
                Cause.PROTOCOL,
            )


@dataclass(frozen=True)
class ClearSecrets(FlowView):
    """The secrets that stand in the flows (flow-03)."""

    def shown(self, read: FlowsRead) -> str:
        """Return what the reading showed, in a few words."""
        return f"{_counted(read.secrets, 'secret')} in clear"


@dataclass(frozen=True)
class Weakenings(FlowView):
    """Where the flows turn verification off (flow-04)."""

    def shown(self, read: FlowsRead) -> str:
        """Return what the reading showed, in a few words."""
        return f"{_counted(read.weakenings, 'node')} without verification"


@dataclass(frozen=True)
class ActingEntries(FlowView):
    """The ways in by which something is changed or started (flow-05)."""

    def shown(self, read: FlowsRead) -> str:
        """Return what the reading showed, in a few words."""
        return f"acting: {', '.join(dict.fromkeys(acting.entry.line() for acting in read.acting)) or 'no entry'}"


def _counted(things: Sized, name: str) -> str:
    number = len(things)
    return f"{number or 'no'} {name}{'' if number == 1 else 's'}"
