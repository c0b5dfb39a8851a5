"""How a node is named in a finding: by type, name, tab and id, and by nothing that looks like a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.observations.flows import FlowNode
from pytest_nodered_sec.probes.flows.secrets import looks_secret

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.flows.shape import Flows, Node

_LONGEST: Final = 60  # characters of a name


def named(flows: Flows, node: Node) -> FlowNode:
    """Return a node as findings name it."""
    return FlowNode(_word(node.get("type")), _word(node.get("id")), _name(node.get("name")), _name(flows.label(node)))


def _word(said: Any) -> str:
    return said if isinstance(said, str) and re.fullmatch(r"[\w@/. :-]{1,80}", said) else "?"


def _name(said: Any) -> str:
    return "" if not isinstance(said, str) or looks_secret(said) else redaction.in_one_line(said, _LONGEST)
