"""What is kept of flows, and how the evidence says it."""

from __future__ import annotations

import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.flows import (
    ActingEntries,
    ActingEntry,
    ClearSecret,
    ClearSecrets,
    Entry,
    FlowNode,
    FlowsRead,
    FlowView,
    Passage,
    Passages,
    Weakenings,
)
from pytest_nodered_sec.policy.model import Policy

TARGET = Target("line-7", "https://plc.example", Policy())
NODE = FlowNode("exec", "b2", "stop", "Line")
ENTRY = Entry("http", "/run", "POST")
READ = FlowsRead(
    nodes=4,
    entries=(),
    dashboards=(),
    passages=(Passage(ENTRY, NODE, NODE, "code"),),
    secrets=(ClearSecret("password", "a", "func", 9),),
    weakenings=(),
    acting=(ActingEntry(ENTRY, NODE),),
)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (ENTRY, "http-in POST /run"),
        (Entry("dashboard", "/ui"), "dashboard /ui"),
        (Entry("opcua", "4840"), "OPC UA server port 4840"),
        (Entry("topics", ""), "MQTT without TLS"),
    ],
)
def test_a_way_in_a_few_words(entry: Entry, line: str) -> None:
    assert entry.line() == line


def test_a_node_is_named_by_what_is_known_of_it() -> None:
    assert NODE.line() == 'exec "stop" on "Line" (node b2)'
    assert FlowNode("exec", "b2").line() == "exec (node b2)"


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (Passages(READ, "told", ""), "4 nodes, told: 1 node reached by what 1 entry node may receive"),
        (Passages(READ, "told", "", gated=True), "may receive, every path below the node root refused"),
        (ClearSecrets(READ, "told", ""), "4 nodes, told: 1 secret in clear"),
        (Weakenings(READ, "told", ""), "4 nodes, told: no nodes without verification"),
        (ActingEntries(READ, "told", ""), "4 nodes, told: acting: http-in POST /run"),
        (Passages(None, "", "not judged"), "not judged"),
    ],
)
def test_the_line_of_evidence(view: FlowView, shown: str) -> None:
    assert view.evidence().endswith(shown)


def test_flows_that_are_too_entangled_are_no_answer() -> None:
    Passages(READ, "told", "").settle(TARGET)
    Passages(None, "", "not judged").settle(TARGET)
    with pytest.raises(ProbeError, match="line-7"):
        Passages(FlowsRead(4, (), (), None, (), (), ()), "told", "").settle(TARGET)
