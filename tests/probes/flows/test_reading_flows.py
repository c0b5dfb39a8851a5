"""Flows with a weakness, and their harmless twins: read exactly, and without a word of their content."""

from __future__ import annotations

import json
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest
from flow_pairs import KINDS, PAIRS, REACHING, SECRET, Nodes, entry, execute, flows_of, function, node, subflow, tab
from flow_twins import ENTRIES, TWINS, UNVERIFIED
from seen import violations

from pytest_nodered_sec.observations.codec import encode
from pytest_nodered_sec.observations.flows import ActingEntries, ClearSecrets, Passages, Weakenings
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.flows import passages
from pytest_nodered_sec.probes.flows.reading import read_flows
from pytest_nodered_sec.rules import flows as rules

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.flows import FlowsRead

POLICY = Policy()


def judged(read: FlowsRead) -> set[tuple[str, str]]:
    verdicts = {
        "flow-02": rules.runs_nothing_that_strangers_send(Passages(read, "here", ""), POLICY),
        "flow-03": rules.shows_no_secret(ClearSecrets(read, "here", ""), POLICY),
        "flow-04": rules.verifies_whom_it_talks_to(Weakenings(read, "here", ""), POLICY),
        "flow-05": rules.acts_behind_a_login_only(ActingEntries(read, "here", ""), POLICY),
    }
    return {(name, violation.code) for name, verdict in verdicts.items() for violation in violations(verdict)}


@pytest.mark.parametrize("name", PAIRS)
def test_a_weak_flow_and_its_harmless_twin(name: str) -> None:
    expected, weak, harmless = PAIRS[name]
    assert judged(read_flows(weak)) == expected
    assert judged(read_flows(harmless)) == set()


@pytest.mark.parametrize("name", PAIRS)
def test_nothing_of_the_content_is_kept(name: str) -> None:
    _, weak, _ = PAIRS[name]
    kept = json.dumps(encode(read_flows(weak)))
    assert SECRET not in kept
    assert "9f2c41d8" not in kept


def runs(*nodes: dict[str, Any] | Nodes) -> bool:
    flat: Nodes = [tab()]
    for part in nodes:
        flat += part if isinstance(part, list) else [part]
    return bool(read_flows(flat).passages)


@pytest.mark.parametrize(("expected", "nodes"), REACHING)
def test_what_reaches_something_that_runs_it(expected: bool, nodes: Nodes) -> None:
    assert runs(nodes) is expected


@pytest.mark.parametrize("name", TWINS)
def test_a_way_that_is_open_and_its_twin(name: str) -> None:
    weak, harmless = TWINS[name]
    assert [bool(read_flows(flows_of(flow)).passages) for flow in (weak, harmless)] == [True, False]


@pytest.mark.parametrize(("flow", "entries"), ENTRIES)
def test_ways_in_at_what_the_environment_says(flow: list[Any], entries: list[str]) -> None:
    assert [opened.line() for opened in read_flows(flows_of(flow)).entries] == entries


@pytest.mark.parametrize(("flow", "weak"), UNVERIFIED)
def test_commands_that_verify_nobody(flow: list[Any], weak: list[str]) -> None:
    assert [weakening.what for weakening in read_flows(flows_of(flow)).weakenings] == weak


@pytest.mark.parametrize(("more", "kinds"), KINDS)
def test_what_is_a_secret(more: dict[str, Any], kinds: list[str]) -> None:
    assert [secret.kind for secret in read_flows([tab(), node("a", "odd", **more)]).secrets] == kinds


def test_subflows_inside_each_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "_DELIVERED", 20_000)

    def inside(name: str, other: str, number: int) -> Nodes:
        ids = [f"{name}{index}" for index in range(number)]
        ways = {"in": [{"wires": [{"id": ident} for ident in ids]}], "out": [{"wires": [{"id": ids[0], "port": 0}]}]}
        nodes = [node(ident, f"subflow:{other}", tab=name) for ident in ids]
        return [{"id": name, "type": "subflow", **ways}, *nodes, node(f"{name}in", "http in", ids[0], tab=name)]

    circle = [tab(), *inside("a", "b", 2), *inside("b", "a", 2), node("one", "subflow:a", "exec"), execute()]
    assert not read_flows(circle).passages
    wide = [tab(), *inside("a", "b", 30), *inside("b", "a", 30), node("one", "subflow:a", "exec"), execute()]
    assert not read_flows(wide).passages


def test_a_long_row_of_subflows_that_only_hand_on() -> None:
    row = [node(f"s{number}", "subflow:sub", f"s{number + 1}") for number in range(2000)]
    nodes = [tab(), *subflow(into="sub", out="sub"), entry("s0"), *row, execute("s2000")]
    assert read_flows(nodes).passages is None  # too many to follow, and no error of Python's


def test_flows_that_were_exported_without_their_tab() -> None:
    for _, weak, harmless in PAIRS.values():
        whole, part = read_flows(weak), read_flows([node for node in weak if node["type"] != "tab"])
        assert len(part.passages or ()) == len(whole.passages or ())
        assert len(part.weakenings) == len(whole.weakenings)
        alone = [node for node in harmless if node["type"] != "tab" and node.get("z") != "other"]
        assert not read_flows(alone).weakenings


def test_wiring_without_end_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "_STEPS", 2)
    assert read_flows([tab(), entry("a"), node("a", "delay", "exec"), execute()]).passages is None


@pytest.mark.parametrize(
    "odd",
    [
        {"id": 7, "type": "http in", "z": "tab", "wires": "no"},
        {"id": "x", "type": ["exec"], "z": "tab", "wires": [[None, 7, "in"]]},
        {"id": "in", "type": "http in", "z": "tab", "wires": [["x"], {"y": 1}], "url": {"a": 1}},
        {"id": "x", "type": "change", "z": "tab", "rules": [7, {"p": 7, "to": []}], "wires": [["in"]]},
        {"id": "x", "type": "function", "func": 7, "libs": [7, {}], "z": "tab"},
        {"id": "x", "type": "switch", "rules": {}, "z": "tab"},
        {"id": "s", "type": "subflow", "in": [7], "out": [{"wires": [7, {"id": 7, "port": "x"}]}], "env": [7]},
        {"id": "x", "type": "subflow:s", "z": "tab"},
        {"id": "x", "type": "link call", "links": 7, "z": "tab"},
        {"id": "x", "type": "mqtt-broker", "broker": "http://[", "z": "tab"},
    ],
)
def test_what_is_no_flow_of_node_reds_does_no_harm(odd: dict[str, Any]) -> None:
    entries = [entry("x"), {"id": "s1", "type": "subflow:s", "z": "tab", "wires": 1}, execute()]
    assert read_flows([tab(), odd, *entries, odd]).nodes == 6


def test_a_large_plant_is_read_in_a_moment() -> None:
    """A tenth of the 50,000 nodes that are read in 3 s on an idle machine: the time grows with their number."""
    nodes: Nodes = []
    for line in range(50):
        inside = [tab(f"t{line}")]
        for step in range(99):
            code = "msg.payload = msg.payload.value + 1;\nreturn msg;\n// the plant's own words\n" * 5
            kind = function(code, f"{line}-{step + 1}", ident=f"{line}-{step}") if step else entry(f"{line}-1")
            inside.append(kind | {"z": f"t{line}", "name": f"Step {step} of line {line}"})
        nodes += [*inside, execute(f"{line}-99") | {"z": f"t{line}"}]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    read = read_flows(nodes)
    assert (len(nodes), read.nodes, len(read.passages or ())) == (5_050, 5_050, 50)
    assert time.process_time() - began < 6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024
