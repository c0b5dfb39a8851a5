"""Flows in which what comes in reaches something that runs or opens it, each with a twin in which it does not.

The verdicts were written down before the reading was run. It must tell each from its twin by its file, by what an
account gets, and by what leaves a host. What code decides stands in flow_twins_code.py.
"""

from __future__ import annotations

from typing import Final

from flow_pairs import Flow, change, entry, execute, function, inside, node, rule, switch, tab, value
from flow_twins_code import IN_CODE

# what it is about: the flow that does it, and its harmless twin
TWINS: Final[dict[str, tuple[Flow, Flow]]] = {
    "subflow in subflow": (
        [
            *inside("a", node("b", "subflow:in2"), into="b", out="b"),
            *inside("in2", node("p", "json"), into="p", out="p"),
            entry("one"),
            node("one", "subflow:a", "exec"),
            execute(),
        ],
        [
            *inside("a", node("b", "subflow:in2"), into="b", out="b"),
            *inside("in2", node("p", "change", rules=[rule("payload", "x", "str")]), into="p", out="p"),
            entry("one"),
            node("one", "subflow:a", "exec"),
            execute(),
        ],
    ),
    "link call dynamic": (
        [
            entry("c"),
            node("c", "link call", "exec", linkType="dynamic"),
            node("t", "link in", "b"),
            node("b", "link out", mode="return"),
            execute(),
        ],
        [
            entry("c"),
            node("c", "link call", "exec", linkType="dynamic"),
            node("t", "link in", "set"),
            change(rule("payload", "x", "str"), onward=("b",)),
            node("b", "link out", mode="return"),
            execute(),
        ],
    ),
    "switch eq, else": (
        [
            entry("switch"),
            node(
                "switch",
                "switch",
                property="payload",
                propertyType="msg",
                rules=[{"t": "eq", "v": "a", "vt": "str"}, {"t": "else"}],
            )
            | {"wires": [[], ["exec"]]},
            execute(),
        ],
        [
            entry("switch"),
            node(
                "switch",
                "switch",
                property="payload",
                propertyType="msg",
                rules=[{"t": "eq", "v": "a", "vt": "str"}, {"t": "else"}],
            )
            | {"wires": [["exec"], []]},
            execute(),
        ],
    ),
    "switch by path, exec the path": (
        [
            entry("switch"),
            switch({"t": "neq", "v": "x", "vt": "str"}, prop="payload.cmd"),
            execute(addpay="payload.cmd"),
        ],
        [
            entry("switch"),
            switch({"t": "eq", "v": "start", "vt": "str"}, {"t": "eq", "v": "stop", "vt": "str"}, prop="payload.cmd"),
            execute(addpay="payload.cmd"),
        ],
    ),
    "switch by path, then change": (
        [
            entry("switch"),
            switch({"t": "eq", "v": "start", "vt": "str"}, prop="payload.cmd", onward="set"),
            change(rule("payload", "payload.arg", "msg")),
            execute(),
        ],
        [
            entry("switch"),
            switch({"t": "eq", "v": "start", "vt": "str"}, prop="payload.cmd", onward="set"),
            change(rule("payload", "payload.cmd", "msg")),
            execute(),
        ],
    ),
    "inject from context": (
        [
            entry("set"),
            change(rule("cmd", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "exec", props=[{"p": "payload", "v": "cmd", "vt": "flow"}]),
            execute(),
        ],
        [
            entry("set"),
            change(rule("cmd", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "exec", props=[{"p": "payload", "v": "x", "vt": "str"}]),
            execute(),
        ],
    ),
    "inject from context, legacy": (
        [
            entry("set"),
            change(rule("cmd", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "exec", props=[{"p": "payload"}], payload="cmd", payloadType="flow"),
            execute(),
        ],
        [
            entry("set"),
            change(rule("cmd", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "exec", props=[{"p": "payload"}], payload="cmd", payloadType="str"),
            execute(),
        ],
    ),
    "two context hops": (
        [
            entry("set"),
            change(rule("a", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "m"),
            function("global.set('b', flow.get('a'));", ident="m"),
            node("u", "inject", "n"),
            function("msg.payload=global.get('b');return msg", "exec", ident="n"),
            execute(),
        ],
        [
            entry("set"),
            change(rule("a", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "m"),
            function("global.set('b', flow.get('z'));", ident="m"),
            node("u", "inject", "n"),
            function("msg.payload=global.get('b');return msg", "exec", ident="n"),
            execute(),
        ],
    ),
    "trigger template": (
        [entry("t"), node("t", "trigger", "exec", op1="cat {{payload}}", op1type="str", op2type="nul"), execute()],
        [entry("t"), node("t", "trigger", "exec", op1="cat x", op1type="str", op2="0", op2type="str"), execute()],
    ),
    "trigger from context": (
        [
            entry("set"),
            change(rule("cmd", "payload", "msg", of="flow"), onward=()),
            node("i", "inject", "t"),
            node("t", "trigger", "exec", op1="cmd", op1type="flow", op2type="nul"),
            execute(),
        ],
        [
            entry("set"),
            change(rule("cmd", "payload", "msg", of="flow"), onward=()),
            node("i", "inject", "t"),
            node("t", "trigger", "exec", op1="cmd", op1type="str", op2type="nul"),
            execute(),
        ],
    ),
    "range of a part": (
        [entry("r"), node("r", "range", "exec", property="payload.n"), execute()],
        [entry("r"), node("r", "range", "exec", property="payload"), execute()],
    ),
    "html out property": (
        [entry("h"), node("h", "html", "exec", property="payload", outproperty="cmd"), execute(addpay="cmd")],
        [entry("h"), node("h", "html", "exec", property="payload", outproperty="payload"), execute(addpay="cmd")],
    ),
    "split by key": (
        [
            entry("h"),
            node("h", "split", "f", addname="filename"),
            node("f", "file", filename="filename", filenameType="msg"),
        ],
        [entry("h"), node("h", "split", "f", addname=""), node("f", "file", filename="filename", filenameType="msg")],
    ),
    "catch error message": (
        [
            entry("do"),
            function("node.error(msg.payload.x, {});", ident="do"),
            node("c", "catch", "set", scope=None),
            change(rule("payload", "error.message", "msg")),
            execute(),
        ],
        [
            entry("do"),
            function("node.error(msg.payload.x, {});", ident="do"),
            node("c", "catch", "set", scope=None),
            change(rule("payload", "failed", "str")),
            execute(),
        ],
    ),
    "catch outside the subflow": (
        [
            entry("one"),
            *inside("sub", function("throw new Error('x')", ident="p"), into="p", out="p"),
            node("one", "subflow:sub"),
            node("c", "catch", "exec", scope=["one"]),
            execute(),
        ],
        [
            entry("one"),
            *inside("sub", function("throw new Error('x')", ident="p"), into="p", out="p"),
            node("one", "subflow:sub"),
            node("c", "catch", "exec", scope=["other"]),
            execute(),
        ],
    ),
    "catch nested group": (
        [
            {"id": "g1", "type": "group", "z": "tab"},
            {"id": "g2", "type": "group", "z": "tab", "g": "g1"},
            entry("j"),
            node("j", "json", g="g2"),
            node("c", "catch", "exec", scope="group", g="g1"),
            execute(),
        ],
        [
            {"id": "g1", "type": "group", "z": "tab"},
            {"id": "g2", "type": "group", "z": "tab", "g": "g1"},
            entry("j"),
            node("j", "json", g="g1"),
            node("c", "catch", "exec", scope="group", g="g2"),
            execute(),
        ],
    ),
    "status text of a function": (
        [
            entry("do"),
            function("node.status({text: msg.payload});return null"),
            node("s", "status", "set", scope=None),
            change(rule("payload", "status.text", "msg")),
            execute(),
        ],
        [
            entry("do"),
            function("node.status({text: 'busy'});return null"),
            node("s", "status", "set", scope=None),
            change(rule("payload", "status.text", "msg")),
            execute(),
        ],
    ),
    "status of debug": (
        [
            entry("d"),
            node("d", "debug", tostatus=True),
            node("s", "status", "set", scope=["d"]),
            change(rule("payload", "status.text", "msg")),
            execute(),
        ],
        [
            entry("d"),
            node("d", "debug", tostatus=False),
            node("s", "status", "set", scope=["d"]),
            change(rule("payload", "status.text", "msg")),
            execute(),
        ],
    ),
    "MSSQL out field": (
        [entry("q"), node("q", "MSSQL", "exec", query="SELECT 1", queryOptType="editor", outField="rows"), execute()],
        [
            entry("q"),
            node("q", "MSSQL", "exec", query="SELECT 1", queryOptType="editor", outField="payload"),
            execute(),
        ],
    ),
    "template into payload from flow": (
        [
            entry("set"),
            change(rule("x", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "tp"),
            node("tp", "template", "exec", field="payload", template="cat {{flow.x}}", syntax="mustache"),
            execute(),
        ],
        [
            entry("set"),
            change(rule("x", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "tp"),
            node("tp", "template", "exec", field="payload", template="cat {{flow.y}}", syntax="mustache"),
            execute(),
        ],
    ),
    "exec fixed": (
        [entry("e"), execute("e", addpay="payload") | {"wires": [["exec"], [], []]}, execute()],
        [entry("e"), execute("e", addpay="") | {"wires": [["exec"], [], []]}, execute()],
    ),
    "tcp in": (
        [node("t", "tcp in", "exec", server="server", port="9000"), execute()],
        [node("t", "tcp in", "exec", server="client", host="plc.example", port="9000"), execute()],
    ),
    "udp in": (
        [node("t", "udp in", "exec", port="9000"), execute()],
        [node("t", "udp in", port="9000"), execute()],
    ),
    "env in the method of a subflow": (
        [
            *inside("a", entry("exec", url="${W}"), execute(), into="none", out="none"),
            node("o", "subflow:a", env=[{"name": "W", "type": "str", "value": "/b"}]),
        ],
        [*inside("a", entry("exec", url="${W}"), execute(), into="none", out="none")],
    ),
    "link out to two": (
        [
            entry("o"),
            node("o", "link out", mode="link", links=["l1", "l2"]),
            node("l1", "link in"),
            node("l2", "link in", "exec"),
            execute(),
        ],
        [
            entry("o"),
            node("o", "link out", mode="link", links=["l1"]),
            node("l1", "link in"),
            node("l2", "link in", "exec"),
            execute(),
        ],
    ),
    "move to sub property": (
        [entry("set"), change(rule("req.query.a", "payload.a", "msg", act="move")), execute()],
        [entry("set"), change(rule("req", "topic", "msg", act="move"), rule("payload", "s", "str")), execute()],
    ),
    "join/csv/yaml": (
        [entry("y"), node("y", "yaml", "csv"), node("csv", "csv", "j"), node("j", "join", "exec"), execute()],
        [
            entry("y"),
            node("y", "yaml", "csv"),
            node("csv", "csv", "j"),
            node("j", "join", "http"),
            node("http", "http response"),
            execute(),
        ],
    ),
    "http response only": (
        [entry("r", "exec"), node("r", "http response"), execute()],
        [entry("r"), node("r", "http response"), execute()],
    ),
    "disabled tab": (
        [tab("t2", disabled=False), entry("exec", tab="t2"), execute(tab="t2")],
        [tab("t2", disabled=True), entry("exec", tab="t2"), execute(tab="t2")],
    ),
    "switch istype": (
        [entry("switch"), switch({"t": "istype", "v": "string", "vt": "string"}), execute()],
        [entry("switch"), switch({"t": "istype", "v": "boolean", "vt": "boolean"}), execute()],
    ),
    "unknown node between entry and file": (
        [entry("u"), node("u", "whoever", "f"), node("f", "file in", filename="payload", filenameType="msg")],
        [entry("u"), node("u", "whoever", "f"), node("f", "file in", filename="payload", filenameType="str")],
    ),
    "switch between": (
        [entry("switch"), switch({"t": "btwn", "v": "a", "vt": "str", "v2": "z", "v2t": "str"}), execute()],
        [entry("switch"), switch({"t": "btwn", "v": "1", "vt": "num", "v2": "9", "v2t": "num"}), execute()],
    ),
    "a widget of Dashboard 2": (
        [node("w", "ui-switch", "g"), node("g", "http request", url="")],
        [node("w", "ui_switch", "g"), node("g", "http request", url="")],
    ),
    "a button of Dashboard 2": (
        [node("w", "ui-button", "exec"), execute(addpay="command")],
        [node("w", "ui-button", "exec"), execute()],
    ),
    **IN_CODE,
}

# flows, and the ways in that they open
ENTRIES: Final[list[tuple[Flow, list[str]]]] = [
    ([*inside("a", entry(url="${W}"), into="none", out="none"), node("o", "subflow:a", env=value("/b"))],
     ["http-in POST /b"]),
    ([*inside("a", entry(url="${W}"), into="none", out="none", env=value("/own")), node("o", "subflow:a"),
      node("o2", "subflow:a", env=value("/b"))], ["http-in POST /own", "http-in POST /b"]),
    ([{"id": "g1", "type": "group", "z": "tab", "env": value("/g")}, entry(url="${W}", g="g1")], ["http-in POST /g"]),
    ([*inside("a", node("o", "subflow:b", tab="a"), into="none", out="none"), node("p", "subflow:a", env=value("502")),
      *inside("b", node("m", "modbus-server", serverPort="${W}"), into="none", out="none")],
     ["Modbus server port 502"]),
    ([entry(url="${NOWHERE}"), node("s", "OpcUa-Server", port=""), node("c", "s7 endpoint", tab=None, port="102")],
     ["http-in POST /${NOWHERE}", "OPC UA server port 53880"]),
]  # fmt: skip
# flows whose commands and expressions turn verification off, or do not
UNVERIFIED: Final[list[tuple[Flow, list[str]]]] = [
    ([{**execute(addpay=""), "command": "curl -sk https://plc.example/"}], ["unverified"]),
    ([{**execute(addpay=""), "command": "wget --no-check-certificate https://plc.example/"}], ["unverified"]),
    ([{**execute(addpay=""), "command": "ssh -o StrictHostKeyChecking=no plc reboot"}], ["unverified"]),
    ([{**execute(addpay=""), "command": "curl -s --cacert /etc/ca.pem https://plc.example/k"}], []),
    ([change(rule("options", '{"rejectUnauthorized": false}', "jsonata"), onward=())], ["unverified"]),
    ([change(rule("options", '{"rejectUnauthorized": true}', "jsonata"), onward=())], []),
]
