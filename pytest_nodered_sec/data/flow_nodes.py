"""Nodes that the reading of flows knows by type: what they open, and what they do with a message.

Each row was read in the package's own source, at the version named. A type that is not here carries everything. Nodes
that serve S7 are not here: none was found on npm (node-red-contrib-s7 3.1.3 and -s7comm are clients).
"""

from __future__ import annotations

from typing import Final, Literal

# Type: kind of entry, property of the path or port, default. Paths are below the node root, or of the port's own.
LISTENERS: Final[dict[str, tuple[str, str, str]]] = {
    "uibuilder": ("uibuilder", "url", ""),  # node-red-contrib-uibuilder 7.7.4
    "worldmap": ("worldmap", "path", "/worldmap"),  # node-red-contrib-web-worldmap 5.8.1
    "flexdash dashboard": ("flexdash", "path", "/flexdash"),  # @flexdash/node-red-flexdash 0.4.154
    "ui-base": ("dashboard", "path", "/dashboard"),  # @flowfuse/node-red-dashboard 1.31.0
    "udp in": ("udp", "port", ""),  # node-red
    "aedes broker": ("mqtt", "mqtt_port", "1883"),  # node-red-contrib-aedes 0.6.0
    "mosca in": ("mqtt", "mqtt_port", "1883"),  # node-red-contrib-mqtt-broker 0.2.5
    "modbus-server": ("modbus", "serverPort", "10502"),  # node-red-contrib-modbus 5.60.2
    "OpcUa-Server": ("opcua", "port", "53880"),  # node-red-contrib-opcua 0.2.354
    "e-mail mta": ("smtp", "port", "1025"),  # node-red-node-email 5.2.5
}
# MQTT over WebSocket at a port or path of its own: the brokers' further properties
MQTT_OVER_WEBSOCKET: Final = {"aedes broker": "mqtt_ws_port", "mosca in": "mqtt_ws_port"}
PORTS: Final = ("tcp", "udp", "mqtt", "modbus", "opcua", "smtp")  # kinds whose place is a port
INTERFACES: Final[tuple[Literal["uibuilder", "worldmap", "flexdash"], ...]] = ("uibuilder", "worldmap", "flexdash")

# Types of widgets, and those among them that only say where widgets are.
WIDGETS: Final = ("ui_", "ui-")
PLACES: Final = ("ui_base", "ui_tab", "ui_group", "ui_spacer", "ui_link", "ui-base", "ui-page", "ui-group", "ui-theme",
                 "ui-link", "ui-spacer")  # fmt: skip
# What whoever reaches a dashboard's channel decides of a widget's message, where it is not all of it: read in
# node-red-dashboard 3.6.6. In @flowfuse/node-red-dashboard 1.31.0 it is all of it: any widget passes on what
# "widget-send" brings it (measured with ui-switch and ui-text; a ui-button puts in its own payload).
GIVEN: Final = {
    "ui_button": (),
    "ui_switch": (),
    "ui_dropdown": ("payload",),
    "ui_slider": ("payload",),
    "ui_numeric": ("payload",),
    "ui_text_input": ("payload",),
    "ui_date_picker": ("payload",),
    "ui_colour_picker": ("payload",),
    "ui_form": ("payload",),
    "ui_chart": ("payload",),
    "ui_toast": ("payload",),
    "ui_ui_control": ("payload",),
}
# Widgets by which somebody at a dashboard acts. A template may only show something.
ACTS: Final = (
    "ui_button", "ui_switch", "ui_dropdown", "ui_slider", "ui_numeric", "ui_text_input", "ui_date_picker",
    "ui_colour_picker", "ui_form", "ui-button", "ui-button-group", "ui-switch", "ui-dropdown", "ui-slider",
    "ui-number-input", "ui-text-input", "ui-radio-group", "ui-file-input", "ui-form",
)  # fmt: skip


def is_widget(kind: str) -> bool:
    """Whether a node of this type is a dashboard's widget."""
    return kind.startswith(WIDGETS) and kind not in PLACES


# Database nodes that run a property of the message as it is.
QUERIES: Final = {
    "mysql": "topic",  # node-red-node-mysql 3.0.4
    "Stackhero-MySQL": "topic",  # node-red-contrib-stackhero-mysql 1.0.6
    "sqlite": "topic",  # node-red-node-sqlite 1.1.1, where sqlquery is msg.topic or batch
    "influxdb in": "query",  # node-red-contrib-influxdb 0.7.0, in place of its own
}
# Nodes that put what is not what came in into the message, and the property that names where, else the payload: of
# another server, of a command, of a file, of a database.
ANSWERS: Final = {
    "http request": "", "exec": "", "file in": "", "mysql": "", "Stackhero-MySQL": "", "sqlite": "", "postgresql": "",
    "MSSQL": "outField", "influxdb in": "",
}  # fmt: skip
# Nodes that put what came into another property: the one that names where, and the one that names what.
OUTPUTS: Final = {"html": ("outproperty", "property"), "split": ("addname", "")}  # node-red

# Modules by which a function runs commands or code.
RUNNERS: Final = frozenset(
    {
        "child_process", "cross-spawn", "execa", "isolated-vm", "node-cmd", "node-pty", "node-ssh", "python-shell",
        "shelljs", "simple-ssh", "ssh2", "vm", "vm2", "worker_threads", "zx",
    }
)  # fmt: skip
# Modules by which a function opens files, or sends requests.
FILES: Final = frozenset({"fs", "fs/promises", "fs-extra", "graceful-fs"})
REQUESTERS: Final = frozenset(
    {"axios", "follow-redirects", "got", "http", "https", "needle", "node-fetch", "request", "superagent", "undici"}
)
