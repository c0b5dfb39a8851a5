"""Twins as those of flow_twins.py, of which code decides: functions and JSONata."""

from __future__ import annotations

from typing import Final

from flow_pairs import Flow, change, entry, execute, function, node, rule

# what it is about: the flow that does it, and its harmless twin
IN_CODE: Final[dict[str, tuple[Flow, Flow]]] = {
    "jsonata $$.payload": (
        [entry("set"), change(rule("payload", "$$.payload.cmd", "jsonata")), execute()],
        [entry("set"), change(rule("payload", "$$.topic", "jsonata")), execute()],
    ),
    "jsonata $.payload": (
        [entry("set"), change(rule("payload", "'ls ' & $.payload.dir", "jsonata")), execute()],
        [entry("set"), change(rule("payload", "'ls ' & $string($millis())", "jsonata")), execute()],
    ),
    "jsonata lookup": (
        [entry("set"), change(rule("payload", "$lookup($, 'payload')", "jsonata")), execute()],
        [entry("set"), change(rule("payload", "$flowContext('fixed')", "jsonata")), execute()],
    ),
    "jsonata flowContext": (
        [
            entry("set"),
            change(rule("cmd", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "take"),
            change(rule("payload", "$flowContext('cmd')", "jsonata"), ident="take"),
            execute(),
        ],
        [
            entry("set"),
            change(rule("cmd", "payload", "msg", of="flow"), onward=()),
            node("t", "inject", "take"),
            change(rule("payload", "$flowContext('other')", "jsonata"), ident="take"),
            execute(),
        ],
    ),
    "append": (
        [entry("do"), function("msg.payload += '\\n';\nreturn msg;", "exec"), execute()],
        [entry("do"), function("msg.payload = 'a' + '\\n';\nreturn msg;", "exec"), execute()],
    ),
    "default value": (
        [entry("do"), function("if (!msg.payload) { msg.payload = 'all'; }\nreturn msg;", "exec"), execute()],
        [entry("do"), function("msg.topic = msg.payload; msg.payload = 'all';\nreturn msg;", "exec"), execute()],
    ),
    "default value, no braces": (
        [entry("do"), function("if (!msg.payload) msg.payload = 'all';\nreturn msg;", "exec"), execute()],
        [
            entry("do"),
            function("if (msg.payload == 'x') { return null; }\nmsg.payload = 'all';\nreturn msg;", "exec"),
            execute(),
        ],
    ),
    "early return": (
        [
            entry("do"),
            function("if (msg.payload.x) { return msg; }\nmsg.payload = 'all';\nreturn msg;", "exec"),
            execute(),
        ],
        [entry("do"), function("if (msg.payload.x) { return; }\nmsg.payload = 'all';\nreturn msg;", "exec"), execute()],
    ),
    "if else": (
        [
            entry("do"),
            function(
                "if (msg.payload === 'on') { msg.payload = 'start'; } else { msg.topic = 'stop'; }\nreturn msg;", "exec"
            ),
            execute(),
        ],
        [
            entry("do"),
            function(
                "if (msg.payload === 'on') { msg.payload = 'start'; } else { msg.payload = 'stop'; }\nreturn msg;",
                "exec",
            ),
            execute(),
        ],
    ),
    "ternary": (
        [entry("do"), function("msg.payload = msg.payload ? msg.payload : 'x';\nreturn msg;", "exec"), execute()],
        [
            entry("do"),
            function("msg.payload = msg.payload === 'on' ? 'start' : 'stop';\nreturn msg;", "exec"),
            execute(),
        ],
    ),
    "nullish": (
        [entry("do"), function("msg.url ??= msg.payload.url;\nreturn msg;", "g"), node("g", "http request", url="")],
        [
            entry("do"),
            function("msg.url = 'https://plc.example/';\nreturn msg;", "g"),
            node("g", "http request", url=""),
        ],
    ),
    "another message first": (
        [entry("do"), function("node.send({payload: 'log'});\nreturn msg;", "exec"), execute()],
        [entry("do"), function("return {payload: 'log'};", "exec"), execute()],
    ),
    "payload as message": (
        [entry("do"), function("return msg.payload;", "g"), node("g", "http request", url="")],
        [entry("do"), function("return msg;", "g"), node("g", "http request", url="")],
    ),
    "parsed as message": (
        [
            entry("do"),
            function("const m = JSON.parse(msg.payload);\nnode.send(m);", "g"),
            node("g", "http request", url=""),
        ],
        [
            entry("do"),
            function("const m = {payload: JSON.parse(msg.payload)};\nnode.send(m);", "g"),
            node("g", "http request", url=""),
        ],
    ),
    "by key of another object": (
        [
            entry("do"),
            function("const o = {};\no['filename'] = msg.payload.f;\nreturn o;", "f"),
            node("f", "file", filename="filename", filenameType="msg"),
        ],
        [
            entry("do"),
            function("const o = {};\no['filename'] = '/tmp/x';\nreturn o;", "f"),
            node("f", "file", filename="filename", filenameType="msg"),
        ],
    ),
    "child process under another name": (
        [entry("do"), function("const cp = global.get('cp');\ncp.exec(msg.payload);")],
        [entry("do"), function("const cp = global.get('cp');\ncp.exec('uptime');")],
    ),
    "spawn under another name": (
        [entry("do"), function("global.get('tools').execSync(msg.payload);")],
        [entry("do"), function("const re = global.get('re'); const m = /x/.exec(msg.payload);")],
    ),
    "fs in a function": (
        [entry("do"), function("v0.readFile(msg.payload.f, (e, d) => node.send({payload: d}));", libs=("fs",))],
        [entry("do"), function("v0.readFile('/etc/hostname', (e, d) => node.send({payload: d}));", libs=("fs",))],
    ),
    "axios in a function": (
        [entry("do"), function("v0.get(msg.payload.url).then(r => node.send(r));", libs=("axios",))],
        [
            entry("do"),
            function("v0.get('https://plc.example/').then(r => node.send({payload: r.data}));", libs=("axios",)),
        ],
    ),
    "delete after copy": (
        [
            entry("set"),
            change(
                rule("x", "payload", "msg"), {"t": "delete", "p": "payload", "pt": "msg"}, rule("payload", "x", "msg")
            ),
            execute(),
        ],
        [
            entry("set"),
            change(rule("x", "payload", "msg"), {"t": "delete", "p": "x", "pt": "msg"}, rule("payload", "x", "msg")),
            execute(),
        ],
    ),
    "whitelist in a switch statement": (
        [
            entry("do"),
            function("switch (msg.payload) {\ncase 'a': msg.payload = 'x'; break;\n}\nreturn msg;", "exec"),
            execute(),
        ],
        [
            entry("do"),
            function(
                "switch (msg.payload) {\ncase 1: msg.payload = 'x'; break;\ndefault: msg.payload = 2;\n}\nreturn msg;",
                "exec",
            ),
            execute(),
        ],
    ),
    "a function of too many statements to read": (
        [entry("do"), function("msg.cmd = msg.payload;\n" * 3100, "exec"), execute(addpay="cmd")],
        [entry("do"), function("msg.cmd = msg.payload;\n" * 3100, "exec"), execute(addpay="")],
    ),
    "one that has a module for files": (
        [entry("do"), function("msg.cmd = 1;\n" * 3100, libs=("fs",))],
        [entry("do"), function("msg.cmd = 1;\n" * 3100, libs=("moment",))],
    ),
    "clone": (
        [
            entry("do"),
            function("const m = RED.util.cloneMessage(msg);\nm.payload = m.payload.cmd;\nnode.send(m);", "exec"),
            execute(),
        ],
        [
            entry("do"),
            function("const m = RED.util.cloneMessage(msg);\nm.payload = 'x';\nnode.send(m);", "exec"),
            execute(),
        ],
    ),
}
