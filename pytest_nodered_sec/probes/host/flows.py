"""The flows that run on a host, as its Node.js reduced them: for the controls that also read them with an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.flows.elsewhere import read_reduced
from pytest_nodered_sec.probes.host.parts import settings_of

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.flows import FlowsRead
    from pytest_nodered_sec.probes.host.gather import Inside


@dataclass(frozen=True)
class HostFlows:
    """What a host's flows do, and where that is from."""

    read: FlowsRead
    told: str


def flows_inside(inside: Inside) -> HostFlows:
    """Return the flows of the target's host.

    Args:
        inside: what was gathered there.

    Raises:
        ProbeError: they could not be looked at.
    """
    seen: dict[str, Any] = settings_of(inside)["flows"]  # Any: JSON
    if "trouble" in seen:
        raise ProbeError(f"the flows in {seen['file']}, on the host: {seen['trouble']}", Cause.PROTOCOL)
    return HostFlows(read_reduced(seen), f"read from {seen['file']} on the host")
