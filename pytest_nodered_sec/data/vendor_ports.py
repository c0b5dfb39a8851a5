"""TCP ports by which what comes with Node-RED opens a second way in: the default of `closed_ports`.

Only ports of products that ship Node-RED, and the inspector's, with where each was read. Reviewed 2026-11-28.
"""

from __future__ import annotations

from typing import Final

INSPECTOR: Final = 9229
VENDOR_PORTS: Final = {
    INSPECTOR: "Node.js (node --inspect): anyone who reaches it runs code",
    1879: "FlowFuse device agent 4.2.1: its Web UI, on 0.0.0.0 in plain HTTP (github.com/FlowFuse/device-agent)",
    1891: "products that ship Node-RED, as reports of 2026 on boneIO, FUXA and FlowFuse name it beside 1879",
    46836: "Home Assistant's Node-RED app 22.0.2: Node-RED without a login behind its nginx, on the host's network",
}
