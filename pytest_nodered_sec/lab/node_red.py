"""The files of a deployment's Node-RED: its settings.js, and flows for each thing that the suite looks at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pytest_nodered_sec.lab.deployments import Deployment

# Core nodes with large libraries, which take a third of a start; no flow of the lab uses them.
_HEAVY: Final = ("21-httprequest.js", "70-JSON.js", "70-XML.js", "70-HTML.js", "70-YAML.js", "10-mqtt.js")


def settings_js(deployment: Deployment, listen: str, hashed: str, secret: str, more: str = "") -> str:
    """Return settings.js; `listen` is uiPort, a number or a quoted socket path; `more` are further settings."""
    body = deployment.settings.replace("@HASH@", hashed).replace("@SECRET@", secret)
    return f"""module.exports = {{
  uiHost: "127.0.0.1", uiPort: {listen}, flowFile: "flows.json",
  telemetry: {{enabled: false, updateNotification: false}},
  {body}{more}
}};
"""


def without_unused(deployment: Deployment) -> str:
    """Return the setting that leaves out what nobody uses, "" where the editor is enabled for somebody to draw in."""
    return f"\n  nodesExcludes: {json.dumps(_HEAVY)}," if "disableEditor: true" in deployment.settings else ""


def flows(deployment: Deployment) -> str:
    """Return flows.json: an endpoint, and a value that streams every second to both dashboards."""
    tab = {"id": "tab", "type": "tab", "label": "line"}
    endpoint = [
        {"id": "in", "type": "http in", "z": "tab", "url": "/api/orders", "method": "get", "wires": [["body"]]},
        {"id": "order", "type": "http in", "z": "tab", "url": "/api/orders", "method": "post", "wires": [["ordered"]]},
        {"id": "ordered", "type": "change", "z": "tab", "wires": [["out"]]}
        | {"rules": [{"t": "set", "p": "ordered", "pt": "global", "to": "true", "tot": "bool"}]},
        {"id": "body", "type": "change", "z": "tab", "wires": [["out"]]}
        | {"rules": [{"t": "set", "p": "payload", "pt": "msg", "to": '{"orders":3}', "tot": "json"}]},
        {"id": "out", "type": "http response", "z": "tab", "wires": []},
    ]
    endpoint += [
        {"id": "line", "type": "websocket-listener", "path": "/ws/line", "wholemsg": "false"},
        {"id": "said", "type": "websocket in", "z": "tab", "server": "line", "client": "", "wires": [[]]},
        {"id": "says", "type": "websocket out", "z": "tab", "server": "line", "client": "", "wires": []},
    ]
    if deployment.flows == "undeclared":  # 99999 is no port: nothing of the lab listens elsewhere than on loopback
        endpoint += [
            {"id": "stop", "type": "http in", "z": "tab", "url": "/api/stop", "method": "post", "wires": [["out"]]},
            {"id": "gone", "type": "http in", "z": "tab", "d": True, "url": "/gone", "method": "get", "wires": [[]]},
            {"id": "hall", "type": "websocket-listener", "path": "/ws/hall", "wholemsg": "false"},
            {"id": "plc", "type": "tcp in", "z": "tab", "server": "server", "port": "99999", "wires": [[]]},
        ]
    if deployment.flows == "weak":  # the command is spawned without a shell: it prints what it is given
        endpoint += [
            {"id": "print", "type": "http in", "z": "tab", "url": "/api/print", "method": "post", "wires": [["run"]]},
            {"id": "run", "type": "exec", "z": "tab", "command": "echo", "addpay": "payload", "useSpawn": "true"}
            | {"timer": "5", "wires": [[], [], ["out"]]},
            {"id": "login", "type": "change", "z": "tab", "wires": [[]]}
            | {"rules": [{"t": "set", "p": "password", "pt": "msg", "to": "in-clear-9", "tot": "str"}]},
            {"id": "trust", "type": "function", "z": "tab", "func": "msg.rejectUnauthorized = false;\nreturn msg;"}
            | {"outputs": 1, "wires": [[]]},
        ]
    if not deployment.dashboards:
        return json.dumps([tab, *endpoint])
    dashboard1: list[dict[str, Any]] = [  # Any: nodes differ
        {"id": "ui1tab", "type": "ui_tab", "name": "Line"},
        {"id": "ui1group", "type": "ui_group", "name": "Values", "tab": "ui1tab", "width": "6"},
        {"id": "ui1text", "type": "ui_text", "z": "tab", "group": "ui1group", "label": "temperature", "wires": []}
        | {"format": "{{msg.payload}}", "layout": "row-spread"},
        {"id": "ui1button", "type": "ui_button", "z": "tab", "group": "ui1group", "label": "start", "wires": [[]]},
    ]
    dashboard2: list[dict[str, Any]] = [
        {"id": "ui2base", "type": "ui-base", "name": "Line", "path": "/dashboard", "includeClientData": True},
        {"id": "ui2theme", "type": "ui-theme", "name": "Theme"},
        {"id": "ui2page", "type": "ui-page", "name": "Line", "ui": "ui2base", "path": "/page1", "layout": "grid"}
        | {"theme": "ui2theme", "order": 1},
        {"id": "ui2group", "type": "ui-group", "name": "Values", "page": "ui2page", "width": "6", "height": "1"},
        {"id": "ui2text", "type": "ui-text", "z": "tab", "group": "ui2group", "label": "temperature", "wires": []}
        | {"format": "{{msg.payload}}", "layout": "row-spread"},
        {"id": "ui2button", "type": "ui-button", "z": "tab", "group": "ui2group", "label": "start", "wires": [[]]},
    ]
    # what a flow sees of who comes and goes, as lines of the log
    seen = {"type": "debug", "z": "tab", "active": True, "tosidebar": False, "console": True, "complete": "payload"}
    dashboard1 += [
        {"id": "ui1seen", "type": "ui_ui_control", "z": "tab", "events": "all", "wires": [["log1"]]},
        {"id": "log1", "name": "seen by ui", "wires": []} | seen,
    ]
    dashboard2 += [
        {"id": "ui2seen", "type": "ui-control", "z": "tab", "ui": "ui2base", "events": "all", "wires": [["log2"]]},
        {"id": "log2", "name": "seen by dashboard", "wires": []} | seen,
    ]
    if deployment.flows == "display-only":
        shown = [[node for node in nodes if "button" not in node["type"]] for nodes in (dashboard1, dashboard2)]
        dashboard1, dashboard2 = shown
    ticks = {"id": "tick", "type": "inject", "z": "tab", "repeat": "1", "once": True, "props": [{"p": "payload"}]}
    tick = ticks | {"payload": "", "payloadType": "date", "wires": [["ui1text", "ui2text", "says"]]}
    if deployment.flows == "login-form":  # as many how-tos teach it: GET /dashboard is never answered
        form = [
            {"id": "form", "type": "http in", "z": "tab", "url": "/dashboard", "method": "get", "wires": [["page"]]},
            {"id": "page", "type": "ui_template", "z": "tab", "group": "ui1group", "wires": [["check"]]}
            | {"format": '<form ng-submit="send({payload: {user: user, password: password}})"></form>'},
            {"id": "check", "type": "function", "z": "tab", "wires": [[]]}
            | {"func": 'return msg.payload.user === "admin" && msg.payload.password === "1234" ? msg : null;'},
        ]
        return json.dumps([tab, tick, *endpoint, *dashboard1, *form])
    if deployment.flows == "first":
        return json.dumps([tab, tick, *endpoint, *dashboard1])
    return json.dumps([tab, tick, *endpoint, *dashboard1, *dashboard2, *_contributed(deployment)])


def _contributed(deployment: Deployment) -> list[dict[str, Any]]:
    """Return user interfaces that are no dashboards, each at its usual place."""
    if deployment.packages != "contrib":
        return []
    uibuilder = {"id": "uib", "type": "uibuilder", "z": "tab", "url": "hmi", "copyIndex": True, "wires": [[], []]}
    return [
        uibuilder | {"templateFolder": "blank", "sourceFolder": "src", "deployedVersion": "7.7.4"},
        {"id": "map", "type": "worldmap", "z": "tab", "path": "/worldmap", "wires": []},
        {"id": "flex", "type": "flexdash dashboard", "name": "Line", "redServer": True, "path": "/flexdash"}
        | {"ioOpts": "", "saveConfig": True},
    ]
