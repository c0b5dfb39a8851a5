"""Flows reduced on another machine, by a real Node: read as they are here, and nothing of their content comes back."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from flow_pairs import KINDS, PAIRS, REACHING, SECRET, Nodes, entry, execute, flows_of, node, tab
from flow_twins import ENTRIES, TWINS, UNVERIFIED

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.probes.flows import elsewhere
from pytest_nodered_sec.probes.flows.reading import read_flows
from pytest_nodered_sec.probes.flows.shape import nodes_of
from pytest_nodered_sec.probes.host.gather import source

if TYPE_CHECKING:
    from pathlib import Path

FURTHER: dict[str, Nodes] = {
    "environment": [
        tab(env=[{"name": "WHERE", "type": "str", "value": "/line"}, {"name": "PORT", "type": "num", "value": 1502}]),
        {"id": "all", "type": "global-config", "env": [{"name": "BROKER", "type": "str", "value": "plc.example"}]},
        entry("exec", url="${WHERE}"), execute(), node("m", "modbus-server", serverPort="${PORT}"),
        node("broker", "mqtt-broker", tab=None, broker="${BROKER}", usetls=False),
        node("out", "mqtt out", broker="broker"), node("t", "tcp in", server="server", port="$(NOWHERE)"),
        node("ws", "websocket-listener", tab=None, path="${WHERE}"),
    ],
    "listeners": [
        tab(), node("u", "uibuilder", url="line"), node("w", "worldmap"), node("f", "flexdash dashboard", path="/fd"),
        node("a", "aedes broker", mqtt_port=1883, mqtt_ws_port="8080"),
        node("t", "tcp out", beserver="server", port="9"),
        node("udp", "udp in", port="514"),
        node("wi", "worldmap in", "exec", path="/map"), execute(),
    ],
    "a dashboard": [
        tab(), node("base", "ui-base", tab=None, path="/panel"), node("page", "ui-page", tab=None, ui="base"),
        node("group", "ui-group", tab=None, page="page"), node("b", "ui-form", "exec", group="group"), execute(),
        node("b1", "ui_button", group="nowhere"),
    ],
    "names": [
        tab(label="Line 1"), entry("exec", name="password = 'Sommer24'"), execute(name="Run\nthis " + "x" * 300),
        node("odd", "a type with <marks>", password=SECRET),
    ],
    "names that are no ASCII": [
        tab(label="Straße"), entry("exec"), execute(), node("a", "odd", passwort="täg1" * 9),
        node("p", "odd", password="Grüße-aus-Köln"),
        node("b", "function", func="msg.größe = msg.payload; msg.ok = 'ä'", apiKey="\U0001f511\U0001f511key"),
    ],
    "tables": [
        tab(), entry("t"), node("t", "template", "g", field="flow.x", fieldType="global", template="a{{payload.x}}"),
        node("tick", "inject", "do"), node("do", "function", "exec", func="msg.payload=global.get('flow');return msg"),
        execute(), node("mail", "e-mail", tls=False), node("old", "odd", minVersion="TLSv1.1"),
        node("json", "change", rules=[{"t": "set", "p": "x", "to": '{"rejectUnauthorized": false}', "tot": "json"}]),
        node("v6", "http request", url="http://[::1]:8080/", authType="basic"),
        node("in", "http request", url="http://plc.example/", headers=[{"keyType": "Authorization"}]),
        node("user", "http request", url="http://a:b@plc.example/"),
    ],
}  # fmt: skip


def flows_to_compare() -> list[Nodes]:
    """All flows of the tests, and those that the packages of the lab ship as examples."""
    every = [nodes for _, *both in PAIRS.values() for nodes in both] + list(FURTHER.values())
    every += [[tab(), *(each for part in nodes for each in (part if isinstance(part, list) else [part]))]
              for _, nodes in REACHING]  # fmt: skip
    every += [flows_of(flow) for both in TWINS.values() for flow in both]
    every += [flows_of(flow) for flow, _ in (*ENTRIES, *UNVERIFIED)]
    every += [[tab(), node("a", "odd", **more)] for more, _ in KINDS]
    for modules in (toolchain.node_red(5, print), toolchain.packages("contrib", "contributed packages", print)):
        for example in sorted(modules.rglob("examples/**/*.json")):
            nodes = nodes_of(json.loads(example.read_bytes()))
            if isinstance(nodes, list) and all(isinstance(part.get("type"), str) for part in nodes):
                every.append(nodes)
    return every


def reduced(folder: Path, files: list[Path]) -> list[dict[str, Any]]:
    """What the program says of these files."""
    lines = "\n".join(f"say(graphOf({json.dumps(str(file))}));" for file in files)
    program = source({"mark": "==", "flows": elsewhere.tables(), "args": [], "pid": 1})
    program = program.removesuffix("main();\n") + lines
    done = subprocess.run(
        [str(toolchain.node()), "-"], input=program, capture_output=True, text=True, timeout=60, check=True, cwd=folder
    )
    return [json.loads(line[3:]) for line in done.stdout.split("\n") if line.startswith("== ")]


def test_what_leaves_another_machine_is_read_as_the_flows_are_here(tmp_path: Path) -> None:
    every = flows_to_compare()
    files = [tmp_path / f"{number}.json" for number in range(len(every))]
    for file, nodes in zip(files, every, strict=True):
        file.write_text(json.dumps(nodes), encoding="utf-8")
    seen = reduced(tmp_path, files)
    assert len(seen) == len(every) > 200
    for nodes, answer in zip(every, seen, strict=True):
        said = json.dumps(answer, ensure_ascii=False)
        assert elsewhere.read_reduced(answer) == read_flows(nodes), (nodes, answer)
        assert SECRET not in said
        assert "Sommer24" not in said


def test_only_a_regular_file_of_bounded_size_is_read(tmp_path: Path) -> None:
    pipe, large, word, single = (tmp_path / name for name in ("pipe", "large", "word", "single"))
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(30 << 20)
    word.write_text(f'{{"password": "{SECRET}"')
    single.write_text(f'{{"id": "a", "type": "{SECRET}"}}')
    seen = reduced(tmp_path, [pipe, tmp_path, large, word, single, tmp_path / "nowhere"])
    assert [answer["trouble"].replace(f"{tmp_path}", "") for answer in seen] == [
        "/pipe is no regular file", " is no regular file", "/large has more than 24 MiB", "it is no JSON",
        "it holds no flows of Node-RED", "there is no such file",
    ]  # fmt: skip
    assert SECRET not in json.dumps(seen)


@pytest.mark.parametrize(
    "said",
    [
        {"nodes": 7, "secrets": []},
        {"nodes": [7], "secrets": []},
        {"nodes": [], "secrets": 7},
        {"nodes": [], "secrets": [["password", "a", "b"]]},
        {"nodes": [], "secrets": [["password", "a", "b", True]]},
        {},
    ],
)
def test_what_no_such_program_says_is_not_read(said: dict[str, Any]) -> None:
    with pytest.raises(ProbeError, match="have an unexpected form"):
        elsewhere.read_reduced(said)


def test_a_kind_of_secret_that_nobody_knows_is_not_shown() -> None:
    [secret] = elsewhere.read_reduced({"nodes": [], "secrets": [[SECRET, "a", "b", 15]]}).secrets
    assert (secret.kind, secret.length) == ("secret", 15)


@pytest.mark.parametrize("pattern", [r"\A", "(?x) a # b"])
def test_what_javascript_writes_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"comment|known"):
        elsewhere.spelled(re.compile(pattern))
