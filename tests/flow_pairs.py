"""Flows of this project's own making, each with a weakness and with its harmless twin: what a reading must say.

Each pair is two lists of nodes. They are the same for a file and for a real Node-RED, which loads them without harm.
"""

from __future__ import annotations

from typing import Any, Final

Nodes = list[dict[str, Any]]  # Any: JSON, as flows are
Flow = list[dict[str, Any] | Nodes]  # Any: JSON
SECRET: Final = "hunter2-Plant-9"  # planted; it must not be seen anywhere


def node(ident: str, kind: str, *onward: str, tab: str | None = "tab", **more: Any) -> dict[str, Any]:
    """A node that sends what it makes to others, by its one output; on no tab a configuration node."""
    place = {"z": tab, "x": 100, "y": 100, "wires": [list(onward)]} if tab else {}
    return {"id": ident, "type": kind, **place, **more}


def tab(ident: str = "tab", **more: Any) -> dict[str, Any]:
    return {"id": ident, "type": "tab", "label": "Line", **more}


def value(said: str) -> list[dict[str, str]]:
    """An environment of one variable."""
    return [{"name": "W", "type": "str", "value": said}]


def inside(ident: str, *nodes: dict[str, Any], into: str, out: str, **more: Any) -> Nodes:
    """A subflow of one input and one output."""
    ways = {"in": [{"wires": [{"id": into}]}], "out": [{"wires": [{"id": out, "port": 0}]}]}
    return [
        {"id": ident, "type": "subflow", "name": "Step", **ways, **more},
        *({**inner, "z": ident} for inner in nodes),
    ]


def flows_of(flow: Flow) -> Nodes:
    """The nodes of a flow, with its tab."""
    return [tab(), *(each for part in flow for each in (part if isinstance(part, list) else [part]))]


def entry(*onward: str, url: str = "/run", method: str = "post", **more: Any) -> dict[str, Any]:
    return node("in", "http in", *onward, url=url, method=method, **more)


def execute(ident: str = "exec", addpay: Any = "payload", **more: Any) -> dict[str, Any]:
    # spawned without a shell, so that the lab may load it: what it is given is printed
    return node(ident, "exec", command="echo", addpay=addpay, useSpawn="true", timer="", **more)


def function(code: str, *onward: str, ident: str = "do", libs: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    rows = [{"var": f"v{number}", "module": name} for number, name in enumerate(libs)]
    return node(ident, "function", *onward, func=code, libs=rows, outputs=1, **more)


def change(*rules: dict[str, Any], onward: tuple[str, ...] = ("exec",), ident: str = "set") -> dict[str, Any]:
    return node(ident, "change", *onward, rules=list(rules))


def rule(name: str, to: str, kind: str, act: str = "set", of: str = "msg") -> dict[str, Any]:
    return {"t": act, "p": name, "pt": of, "to": to, "tot": kind}


def switch(*rules: dict[str, Any], onward: str = "exec", prop: str = "payload") -> dict[str, Any]:
    wires = [[onward] for _ in rules]
    return node("switch", "switch", property=prop, propertyType="msg", rules=list(rules)) | {"wires": wires}


def subflow(*inside: dict[str, Any], into: str, out: str) -> Nodes:
    """A subflow of one input and one output."""
    ways = {"in": [{"wires": [{"id": into}]}], "out": [{"wires": [{"id": out, "port": 0}]}]}
    return [{"id": "sub", "type": "subflow", "name": "Step", **ways}, *({**part, "z": "sub"} for part in inside)]


MQTT: Final[dict[str, Any]] = {"tab": None, "port": "1883", "clientid": "", "autoConnect": False}
TOPIC: Final[dict[str, Any]] = {"topic": "line/1", "qos": "2", "datatype": "auto", "broker": "broker"}
BROKER: Final = node("broker", "mqtt-broker", broker="plc.example", usetls=False, **MQTT)
SAFE_BROKER: Final = node("broker", "mqtt-broker", broker="plc.example", usetls=True, **MQTT)
REQUEST: Final[dict[str, Any]] = {"method": "GET", "ret": "txt", "tls": "", "headers": []}
UNVERIFIED: Final = node("trust", "tls-config", tab=None, cert="", key="", ca="", verifyservercert=False)

# name: the findings of the weak flow, that flow, and its harmless twin, which has none
PAIRS: Final[dict[str, tuple[set[tuple[str, str]], Nodes, Nodes]]] = {
    "command": (
        {("flow-02", "runs-argument")},
        [tab(), entry("exec"), execute()],
        [tab(), entry("exec"), execute(addpay="")],
    ),
    "through switch and change": (
        {("flow-02", "runs-argument")},
        [tab(), entry("switch"), switch({"t": "else"}, onward="set"), change(rule("payload", "req.body.x", "msg")),
         execute()],
        [tab(), entry("switch"), switch({"t": "else"}, onward="set"), change(rule("payload", "status", "str")),
         execute()],
    ),
    "known values": (
        {("flow-02", "runs-argument")},
        [tab(), entry("switch"), switch({"t": "cont", "v": "start", "vt": "str"}), execute()],
        [tab(), entry("switch"), switch({"t": "eq", "v": "start", "vt": "str"}, {"t": "eq", "v": "stop", "vt": "str"}),
         execute()],
    ),
    "links": (
        {("flow-02", "runs-argument")},
        [tab(), tab("other"), entry("out"), node("out", "link out", mode="link", links=["there"]),
         node("there", "link in", "exec", tab="other", links=["out"]), execute(tab="other")],
        [tab(), tab("other", disabled=True), entry("out"), node("out", "link out", mode="link", links=["there"]),
         node("there", "link in", "exec", tab="other", links=["out"]), execute(tab="other")],
    ),
    "link call": (
        {("flow-02", "runs-argument")},
        [tab(), entry("call"), node("call", "link call", "exec", links=["there"], linkType="static"), execute(),
         node("there", "link in", "back", links=[]), node("back", "link out", mode="return", links=[])],
        [tab(), entry("call"), node("call", "link call", "exec", links=["there"], linkType="static"), execute(),
         node("there", "link in", "set", links=[]), change(rule("payload", "status", "str"), onward=("back",)),
         node("back", "link out", mode="return", links=[])],
    ),
    "subflow": (
        {("flow-02", "runs-argument")},
        [tab(), *subflow(node("pass", "delay", pauseType="delay", timeout="0", timeoutUnits="milliseconds"),
                         into="pass", out="pass"),
         entry("one"), node("one", "subflow:sub", "exec"), execute(),
         node("tick", "inject", "two", props=[]), node("two", "subflow:sub")],
        [tab(), *subflow(node("pass", "delay", pauseType="delay", timeout="0", timeoutUnits="milliseconds"),
                         into="pass", out="pass"),
         entry("one"), node("one", "subflow:sub"), execute(),
         node("tick", "inject", "two", props=[]), node("two", "subflow:sub", "exec")],
    ),
    "function with a library": (
        {("flow-02", "runs-code")},
        [tab(), entry("do"), function("v0.exec(msg.payload.name);\nreturn msg;", libs=("child_process",))],
        [tab(), entry("do"), function("// v0.exec(msg.payload)\nv0.exec('uptime', (e, out) => { msg.payload = out; "
                                      "node.send(msg); });", libs=("child_process",))],
    ),
    "file": (
        {("flow-02", "runs-file")},
        [tab(), entry("set"), change(rule("filename", "payload.name", "msg"), onward=("read",)),
         node("read", "file in", filename="filename", filenameType="msg", format="utf8")],
        [tab(), entry("set"), change(rule("filename", "payload.name", "msg"), onward=("read",)),
         node("read", "file in", filename="/var/log/line.log", filenameType="str", format="utf8")],
    ),
    "request": (
        {("flow-02", "runs-url")},
        [tab(), entry("set"), change(rule("url", "payload.url", "msg"), onward=("get",)),
         node("get", "http request", url="", **REQUEST)],
        [tab(), entry("get"), node("get", "http request", url="https://plc.example/{{payload.part}}", **REQUEST)],
    ),
    "websocket": (
        {("flow-02", "runs-argument")},
        [tab(), node("ws", "websocket-listener", tab=None, path="/ws/x", wholemsg="true"),
         node("in", "websocket in", "exec", server="ws"), execute(addpay="command")],
        [tab(), node("ws", "websocket-listener", tab=None, path="/ws/x", wholemsg="false"),
         node("in", "websocket in", "exec", server="ws"), execute(addpay="command")],
    ),
    "topics": (
        {("flow-02", "runs-argument"), ("flow-04", "clear-mqtt")},
        [tab(), BROKER, node("in", "mqtt in", "exec", **TOPIC), execute()],
        [tab(), SAFE_BROKER, node("in", "mqtt in", "exec", **TOPIC), execute()],
    ),
    "password in a URL": (
        {("flow-03", "secret-in-clear")},
        [tab(), node("get", "http request", url=f"https://meter:{SECRET}@plc.example/v", **REQUEST)],
        [tab(), node("get", "http request", url="https://meter:{{{password}}}@plc.example/v", **REQUEST)],
    ),
    "Authorization": (
        {("flow-03", "secret-in-clear")},
        [tab(), change(rule("headers.Authorization", f"Bearer {SECRET}", "str"), onward=())],
        [tab(), change(rule("headers.Authorization", "token", "env"), onward=())],
    ),
    "password in code": (
        {("flow-03", "secret-in-clear")},
        [tab(), function(f"msg.password = '{SECRET}';\nreturn msg;")],
        [tab(), function("msg.password = env.get('PASSWORD');\nreturn msg;")],
    ),
    "private key": (
        {("flow-03", "secret-in-clear")},
        [tab(), node("text", "template", template=f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n", syntax="plain")],
        [tab(), node("text", "template", template="-----BEGIN CERTIFICATE-----\nMIIB\n", syntax="plain")],
    ),
    "environment": (
        {("flow-03", "secret-in-clear")},
        [tab(env=[{"name": "API_TOKEN", "type": "str", "value": "9f2c41d8a7b0e635c1d4"}])],
        [tab(env=[{"name": "API_TOKEN", "type": "cred"}, {"name": "RELEASE", "type": "str", "value": "9f2c41d8a7"}])],
    ),
    "certificate": (
        {("flow-04", "unverified")},
        [tab(), UNVERIFIED, node("get", "http request", url="https://plc.example/", **REQUEST | {"tls": "trust"})],
        [tab(), UNVERIFIED, node("get", "http request", url="https://plc.example/", **REQUEST)],
    ),
    "certificate in code": (
        {("flow-04", "unverified")},
        [tab(), function("msg.rejectUnauthorized = false;\nreturn msg;")],
        [tab(), function("// msg.rejectUnauthorized = false;\nmsg.rejectUnauthorized = true;\nreturn msg;")],
    ),
    "login in clear": (
        {("flow-04", "clear-login")},
        [tab(), node("get", "http request", url="http://plc.example/", **REQUEST, authType="basic")],
        [tab(), node("get", "http request", url="http://127.0.0.1:8080/", **REQUEST, authType="basic")],
    ),
    "MQTT in clear": (
        {("flow-04", "clear-mqtt")},
        [tab(), BROKER, node("out", "mqtt out", **TOPIC)],
        [tab(), SAFE_BROKER, node("out", "mqtt out", **TOPIC)],
    ),
}  # fmt: skip

COMMAND: Final = function("v0.exec(msg.payload)", libs=("node:child_process",))

# whether what comes in reaches something that runs or opens it
REACHING: Final[list[tuple[bool, list[dict[str, Any] | Nodes]]]] = [
    (True, [entry("exec"), execute(addpay=True)]),
    (True, [entry("exec"), {name: value for name, value in execute().items() if name != "addpay"}]),
    (False, [entry("exec"), execute(addpay=False)]),
    (False, [entry("exec"), execute(addpay="topic")]),
    (True, [entry("exec"), execute(addpay="req.query.x")]),
    (False, [entry("exec", d=True), execute()]),
    (False, [entry("exec"), execute(d=True)]),
    (False, [node("in", "inject", "exec"), execute()]),
    (True, [entry("odd"), node("odd", "a-type-nobody-knows", "exec"), execute()]),
    (True, [entry("a"), node("a", "junction", "b"), node("b", "delay", "a", "exec"), execute()]),  # a circle
    (False, [entry("get"), node("get", "http request", "exec", url="https://plc.example/"), execute()]),
    (False, [entry("t"), node("t", "trigger", "exec", op1="1", op1type="str", op2type="nul"), execute()]),
    (True, [entry("t"), node("t", "trigger", "exec", op1type="pay", op2type="nul"), execute()]),
    (True, [entry("t"), node("t", "template", "exec", field="payload", template="x {{payload.y}}"), execute()]),
    (False, [entry("t"), node("t", "template", "exec", field="payload", template="x"), execute()]),
    (True, [entry("t"), node("t", "template", "exec", field="payload.z", template="x"), execute()]),
    (False, [entry("t"), node("t", "range", "exec"), execute()]),
    (True, [entry("c"), node("c", "catch", "exec", scope=None), execute()]),
    (True, [entry("c"), node("d", "catch", "exec", scope=None), node("c", "function", func="return"), execute()]),
    (False, [entry("c"), node("d", "catch", "exec", scope=["no"]), node("c", "function", func=""), execute()]),
    (False, [entry("c", g="1"), node("d", "catch", "exec", scope="group", g="2"), execute()]),
    (True, [entry("c"), node("c", "json"), node("d", "complete", "exec", scope=["c"]), execute()]),
    (True, [entry("c"), node("c", "link call", "x", linkType="dynamic"), node("there", "link in", "exec"),
            execute()]),
    (False, [entry("sub"), *subflow(execute(), into="none", out="none"), node("sub", "subflow:sub")]),
    (True, [entry("one"), *subflow(execute(), into="exec", out="none"), node("one", "subflow:sub")]),
    (False, [entry("exec"), *subflow(execute(), into="exec", out="none")]),  # no instance of it
    (True, [*subflow(entry("exec"), execute(), into="none", out="none"), node("one", "subflow:sub")]),
    (True, [entry("one"), *subflow(into="sub", out="sub"), node("one", "subflow:sub", "exec"), execute()]),
    (False, [entry("one"), *subflow(node("self", "subflow:sub"), into="self", out="self"),
             node("one", "subflow:sub", "exec"), execute()]),  # one that is inside itself
    # what a function does with the message
    (True, [entry("do"), COMMAND]),
    (True, [entry("do"), function("msg.payload = eval(msg.payload.x); return msg")]),
    (True, [entry("do"), function("const f = new Function(msg.payload); f()")]),
    (False, [entry("do"), function("// eval(msg.payload)\nreturn msg")]),
    (True, [entry("do"), function("global.get('child_process').exec(msg.payload)")]),
    (False, [entry("do"), function("v0.execFile('ls', ['-l'], () => {})", libs=("child_process",))]),
    (True, [entry("do"), function("v0.execFile('ls', [msg.payload], () => {})", libs=("child_process",))]),
    (False, [entry("do"), function("return {payload: v0.now()}", libs=("moment",))]),
    (True, [entry("do"), function("run = v0; return run(msg)", libs=("child_process",))]),  # nobody can tell
    (False, [entry("do"), function("msg.payload = 'status';\nreturn msg", "exec"), execute()]),
    (True, [entry("do"), function("msg.payload = 'cat ' + msg.payload;\nreturn msg", "exec"), execute()]),
    (False, [entry("do"), function("const c = 'date';\nmsg.payload = c;\nreturn msg", "exec"), execute()]),
    (False, [entry("do"), function("msg.payload = Number(msg.payload.x);\nreturn msg", "exec"), execute()]),
    (True, [entry("do"), function("return {cmd: msg.payload}", "exec"), execute(addpay="cmd")]),
    (True, [entry("do"), function("msg = other(msg); return msg", "exec"), execute(addpay="cmd")]),
    # databases
    (False, [entry("q"), node("q", "mysql", mydb="db")]),
    (True, [entry("do"), function("msg.topic = 'SELECT ' + msg.payload;\nreturn msg", "q"), node("q", "mysql")]),
    (False, [entry("do"), function("msg.topic = 'SELECT 1';\nreturn msg", "q"), node("q", "mysql")]),
    (True, [entry("set"), change(rule("topic", "payload.q", "msg"), onward=("q",)),
            node("q", "sqlite", sqlquery="msg.topic")]),
    (False, [entry("set"), change(rule("topic", "payload.q", "msg"), onward=("q",)),
             node("q", "sqlite", sqlquery="fixed", sql="SELECT 1")]),
    (True, [entry("q"), node("q", "MSSQL", query="SELECT {{{payload.x}}}", queryOptType="editor")]),
    (False, [entry("q"), node("q", "MSSQL", query="SELECT 1", queryOptType="editor")]),
    (True, [entry("q"), node("q", "MSSQL", query="", queryOpt="payload", queryOptType="msg")]),
    (True, [entry("q"), node("q", "postgresql", query="SELECT '{{msg.payload}}'", z="tab")]),
    (False, [entry("q"), node("q", "influxdb in", query="SELECT 1")]),
    (True, [entry("s"), change(rule("query", "payload", "msg"), onward=("q",), ident="s"),
            node("q", "influxdb in", query="SELECT 1")]),
    # files and requests
    (False, [entry("f"), node("f", "file", filename="")]),
    (True, [entry("set"), change(rule("filename", "req.params.f", "msg"), onward=("f",)),
            node("f", "file", filename="")]),
    (True, [entry("f"), node("f", "file in", filename="'/x/' & payload", filenameType="jsonata")]),
    (False, [entry("f"), node("f", "file in", filename="'/x/payload'", filenameType="jsonata")]),
    (True, [entry("g"), node("g", "http request", url="{{{payload.url}}}")]),
    (True, [entry("g"), node("g", "http request", url="http://{{payload.host}}/x")]),
    # change and switch nodes
    (False, [entry("set"), change(rule("cmd", "payload", "msg", act="move")), execute(addpay="cmd")]),
    (True, [entry("set"), change(rule("payload", "cmd", "msg", act="move")), execute(addpay="cmd")]),
    (False, [entry("set"), change(rule("payload", "cmd", "msg", act="move")), execute()]),
    (False, [entry("set"), change({"t": "delete", "p": "payload", "pt": "msg"}), execute()]),
    (True, [entry("set"), change(rule("payload", "x", "str", act="change")), execute()]),
    (True, [entry("set"), change(rule("payload", "$uppercase(req.query.q)", "jsonata")), execute()]),
    (False, [entry("set"), change(rule("payload", "$now() & 'payload'", "jsonata")), execute()]),
    (True, [entry("set"), change(rule("payload.more", "x", "str")), execute()]),
    (False, [entry("set"), node("set", "change", "exec", action="replace", property="payload", to="x"), execute()]),
    (False, [entry("switch"), switch({"t": "regex", "v": "^[a-z]+$", "vt": "str"}), execute()]),
    (True, [entry("switch"), switch({"t": "regex", "v": "^.*$", "vt": "str"}), execute()]),
    (False, [entry("switch"), switch({"t": "istype", "v": "number", "vt": "number"}), execute()]),
    (True, [entry("switch"), switch({"t": "eq", "v": "x", "vt": "str"}, prop="topic"), execute()]),
    # the context: what one flow leaves there another takes up
    (True, [entry("set"), change(rule("cmd", "payload", "msg", of="global"), onward=()),
            node("tick", "inject", "take"), change(rule("payload", "cmd", "global"), ident="take"), execute()]),
    (False, [entry("set"), change(rule("cmd", "payload", "msg", of="global"), onward=()),
             node("tick", "inject", "take"), change(rule("payload", "other", "global"), ident="take"), execute()]),
    (True, [entry("do"), function("flow.set('cmd', msg.payload)"),
            node("tick", "inject", "take"), execute(),
            function("msg.payload = flow.get('cmd'); return msg", "exec", ident="take")]),
]  # fmt: skip

# what a node has beside its kind, and the kinds of secrets in it
KINDS: Final[list[tuple[dict[str, Any], list[str]]]] = [
    ({"password": "Sommer24"}, ["password"]),
    ({"privatekey": "C:\\\\Temp\\\\PRIVATE.key"}, []),  # where it lies
    ({"apiKey": "/etc/plant/api.key"}, []),
    ({"password": "{{payload.password}}"}, []),
    ({"password": "${PASSWORD}"}, []),
    ({"password": "payload.password", "passwordType": "msg"}, []),
    ({"password": "Password:"}, []),
    ({"password": "DATABASE_PW", "passwordFieldType": "env"}, []),
    ({"passwordLabel": "Sommer24"}, []),
    ({"credentials": {"user": "plc", "password": "Sommer24"}}, ["password"]),
    ({"token": "oauth2Response.access_token"}, []),
    ({"token": "3f9a81c7d2e44b06a5f1"}, ["secret by its name"]),
    ({"deviceId": "3f9a81c7d2e44b06a5f1"}, []),  # entropy alone says nothing
    ({"headers": [{"keyType": "Authorization", "valueType": "other", "valueValue": "Basic cGxjOmxpbmU3"}]},
     ["Authorization header"]),
    ({"headers": [{"keyType": "other", "keyValue": "X-API-Key", "valueType": "other", "valueValue": "Sommer24"}]},
     ["password"]),
    ({"headers": [{"keyType": "other", "keyValue": "X-API-Key", "valueType": "msg", "valueValue": "apikeys"}]}, []),
    ({"func": "msg.headers = {'Authorization': 'Bearer ' + token}"}, []),
    ({"func": "msg.headers = {Authorization: 'Bearer 3f9a81c7'}"}, ["Authorization header"]),
    ({"func": "if (msg.payload.password === 'Sommer24') return msg;"}, ["password"]),
    ({"func": "const url = `https://${user}:${password}@plc.example`"}, []),
    ({"broker": "mqtts://plc:Sommer24@plc.example"}, ["password in a URL"]),
    ({"payload": '{"api_key": "Sommer24"}'}, ["password"]),
    ({"func": "const key = 'AKIAABCDEFGHIJKLMNOP'"}, ["AWS access key"]),
    ({"info": "see https://discord.com/api/webhooks/1234/abcdefghijklmnopqrstuvwx"}, ["Discord webhook"]),
    ({"url": "https://api.example/v1?city=x&apikey=Sommer24"}, ["secret in a query string"]),
    ({"url": "https://api.example/v1?appid=3f9a81c7d2e44b06a5f1"}, ["secret in a query string"]),
    ({"url": "https://api.example/v1?token=abcdef123456"}, ["secret in a query string"]),
    ({"url": "api.example/v1?access_token=Sommer24&q=1"}, ["secret in a query string"]),
    ({"path": "wss://plc.example/ws?auth-token=Sommer24"}, ["secret in a query string"]),
    ({"url": "http://influx.example:8086/write?db=line&u=plc&pass=Sommer24"}, ["secret in a query string"]),
    ({"payload": "grant_type=client_credentials&client_secret=Sommer24"}, ["secret in a query string"]),
    ({"url": "https://plc.example/?password=Sommer24&token=your_token_1"}, ["secret in a query string"]),
    ({"url": "https://plc.example/?password=xxxxxxxx&api_key=Sommer24"}, ["secret in a query string"]),
    ({"func": "msg.url = base + '/v1?token=abcdef123456';"}, ["secret in a query string"]),
    ({"url": "https://api.example/v1?token={{token}}&api_key={{{flow.key}}}"}, []),
    ({"url": "https://api.example/v1?token=${TOKEN_2}&password=<password>"}, []),
    ({"url": "https://api.example/v1?token=&page_token=&api_key="}, []),
    ({"url": "https://api.example/v1?page_token=CAUQAA12345678901&nextToken=3f9a81c7d2e44b06a5f1"}, []),
    ({"url": "https://api.example/v1?token=required&bypass=always1&key=line7"}, []),
    ({"func": "const url = `${base}?token=${token}&password=` + password + '1'; if (a&&password==b12345) return 1;"},
     []),
    ({"func": r"const said = /\?password=(.*?)(&|$)/.exec(msg.req.url) || /[?&]token=([\w-]{16,99})/.exec(url)"}, []),
    ({"url": "https://api.example/v1?apikey={{{key}}}&deviceid=3f9a81c7d2e44b06a5f1"}, []),
    ({"connection": "Server=plc.example;User Id=sa;Password=Sommer24;Encrypt=true"}, ["password"]),
    ({"connection": "Server=plc.example;Integrated Security=true"}, []),
    ({"command": "curl -u plc:Sommer24 https://plc.example/"}, ["password in a command"]),
    ({"command": "sshpass -p Sommer24 ssh plc@plc.example"}, ["password in a command"]),
    ({"command": "mysqldump -u root -pSommer24 line"}, ["password in a command"]),
    ({"command": "mosquitto_pub -h plc -u plc -P Sommer24 -t x"}, ["password in a command"]),
    ({"command": "curl -n https://plc.example/ && mysqldump --defaults-file=/root/.my.cnf line"}, []),
    ({"func": "msg.login = 'Basic ' + Buffer.from('plc:Sommer24').toString('base64')"}, ["Authorization header"]),
    ({"func": "msg.login = 'Basic ' + Buffer.from(user + ':' + env.get('PW')).toString('base64')"}, []),
    ({"text": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nSommer24"}, ["private key"]),
    ({"func": "x" * 200_000 + "=" * 200_000}, []),  # read in a moment all the same
]  # fmt: skip

_REFERENCES: Final = ("id", "z", "wires", "links", "scope", "server", "broker", "tls")


def renamed(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Nodes with ids of their own, wherever they refer to each other."""
    if isinstance(value, dict):
        return {name: renamed(inner, names, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, names, key) for inner in value]
    if key == "type" and str(value).startswith("subflow:"):
        return f"subflow:{names[value.removeprefix('subflow:')]}"
    return names.get(value, value) if key in _REFERENCES and isinstance(value, str) else value


def side_by_side() -> Nodes:
    """All flows at once, each with ids and paths of its own."""
    together: Nodes = []
    for number, (_, weak, harmless) in enumerate(PAIRS.values()):
        for kind, nodes in (("a", weak), ("b", harmless)):
            names = {node["id"]: f"{kind}{number:03}{place:04}" for place, node in enumerate(nodes)}
            for node in renamed(nodes, names):
                name = {"http in": "url", "websocket-listener": "path"}.get(node["type"])
                together.append(node | ({name: f"{node[name]}/{kind}{number}"} if name else {}))
    return together
