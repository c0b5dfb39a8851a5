"""One reading of all flows: from what a file or the admin API holds to an observation without its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.observations.flows import (
    ActingEntries,
    ClearSecrets,
    FlowsRead,
    FlowView,
    Passages,
    Weakenings,
)
from pytest_nodered_sec.probes.flows.entries import acting_of, dashboards_of, entries_of, sources_of
from pytest_nodered_sec.probes.flows.passages import passages_of
from pytest_nodered_sec.probes.flows.secrets import secrets_of
from pytest_nodered_sec.probes.flows.shape import Flows
from pytest_nodered_sec.probes.flows.weak import weakenings_of

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.flows import ClearSecret
    from pytest_nodered_sec.probes.flows.shape import Node

LIMIT: Final = 24 * 1024 * 1024  # bytes of one flow file, or answer
VALUES: Final = 3_000_000  # in it, about
_VIEWS: Final[dict[str, type[FlowView]]] = {
    "passages": Passages,
    "secrets": ClearSecrets,
    "verification": Weakenings,
    "acting": ActingEntries,
}
KEPT: Final = 500  # findings of one kind, and of one reading


def view_of(what: str) -> type[FlowView]:
    """Return the observation in which one control sees a reading."""
    return _VIEWS[what]


def read_flows(nodes: list[Node], secrets: tuple[ClearSecret, ...] | None = None) -> FlowsRead:
    """Return what the nodes of all flows do.

    Args:
        nodes: the nodes.
        secrets: those that stand in them, where they were looked for before the nodes were reduced.
    """
    flows = Flows(nodes)
    passages = passages_of(flows, sources_of(flows))
    return FlowsRead(
        nodes=len(nodes),
        entries=entries_of(flows),
        dashboards=dashboards_of(flows),
        passages=None if passages is None else _few(passages),
        secrets=_few(secrets_of(nodes) if secrets is None else secrets),
        weakenings=_few(weakenings_of(flows)),
        acting=_few(acting_of(flows)),
    )


def _few(findings: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the first of many: who has so many has to look into the flows anyway."""
    return findings[:KEPT]
