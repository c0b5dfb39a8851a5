"""The weak flows and their harmless twins on a real Node-RED: `GET /flows` tells what the file tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from flow_pairs import PAIRS, SECRET, side_by_side
from suite_runs import need_nginx

from pytest_nodered_sec import lab, questions
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.codec import encode
from pytest_nodered_sec.observations.flows import FlowView, Passages
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.flows.reading import read_flows
from pytest_nodered_sec.probes.flows.shape import nodes_of
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

# Open, so that anybody may read the flows, and no endpoint of theirs without a login: some run what they are given.
SETTINGS = (
    'module.exports = {httpNodeAuth: {user: "x", pass: "no hash, so nobody gets in"}, functionExternalModules: true};'
)


@pytest.mark.parametrize("major", [4, 5])
def test_node_red_tells_what_the_file_tells(major: int, tmp_path: Path) -> None:
    need_nginx()
    nodes = side_by_side()
    (tmp_path / "settings.js").write_text(SETTINGS)
    (tmp_path / "flows.json").write_text(json.dumps(nodes))
    with lab.start([f"{tmp_path}@{major}+nginx"], say=lambda line: None) as running:
        [deployment] = running.deployments
        target = Target(
            "pairs", deployment.url, Policy(), ca_file=deployment.ca_file, http_port=deployment.http_port, timeout=30
        )
        survey = Survey(tmp_path, (target,))
        asks = (*questions.PASSAGES, *questions.SECRETS_IN_FLOWS, *questions.VERIFICATION_IN_FLOWS)
        survey.ask_ahead(target, asks)
        seen = [survey.answer(target, ask) for ask in asks]
        survey.close()
    expected = read_flows(nodes)
    for view in seen:
        assert isinstance(view, FlowView)
        assert view.read == expected, view.lacking
        assert SECRET not in json.dumps(encode(view))
    assert isinstance(seen[0], Passages)
    assert seen[0].gated
    weak = {f"a{number:03}" for number, row in enumerate(PAIRS.values()) if {name for name, _ in row[0]} != {"flow-05"}}
    told = {passage.sink.id[:4] for passage in expected.passages or ()}
    told |= {secret.node[:4] for secret in expected.secrets} | {
        weakening.node.id[:4] for weakening in expected.weakenings
    }
    assert told == weak


def test_examples_that_packages_ship_raise_no_alarm() -> None:
    """Those of Node-RED, both dashboards and the contributed packages of the lab, each judged as a file.

    In 266 example flows of the 75 most installed packages (npm, 2026-11-29) 22 findings remained, all of them true: 13
    secrets that stand in two files of node-red-contrib-oauth2 6.2.1, and 9 nodes that switch verification off, 7 in one
    of those files and 2 in node-red-contrib-mssql-plus 0.13.1.
    """
    alarms = []
    files = 0
    for modules in (toolchain.node_red(5, print), toolchain.packages("contrib", "contributed packages", print)):
        for example in sorted(modules.rglob("examples/**/*.json")):
            nodes = nodes_of(json.loads(example.read_bytes()))
            if not nodes or not all(isinstance(node.get("type"), str) for node in nodes):
                continue
            files += 1
            read = read_flows(nodes)
            alarms += [(example.name, finding) for finding in (*(read.passages or ()), *read.secrets, *read.weakenings)]
    assert files >= 60
    assert alarms == []
