"""Files of Node-RED's user directory, and how each is recognised; reviewed 2026-11-30.

A web server that serves the directory serves these. Recognised by content, so that a page which answers every path
is none of them. Stored context is not asked for: /context/… is the admin API's too. Names with the host's name in
them (flows_HOST.json) cannot be known from outside.
"""

from __future__ import annotations

from typing import Final

_SETTINGS: Final = r"module\.exports\s*="
_FLOWS: Final = r'^\s*\[\s*\{[^{}]*"(type|z)"\s*:'
_CREDENTIALS: Final = r'^\s*\{\s*"\$"\s*:'

# Where httpStatic of the user directory is mounted: httpStaticRoot, or the root of one of several
_ROOTS: Final = (
    "/backup",  # httpStatic: [{path: __dirname, root: "/backup"}]
    "/data",  # Docker's user directory: -v node_red_data:/data
    "/static",  # settings.js: the comment at httpStaticRoot
    "/img",  # settings.js: the comment at httpStatic, as the next
    "/doc",
    "/public",  # Express: express.static("public")
    "/assets",  # guides to nginx, Vite
    "/files",  # guides to reports and downloads
    "/config",  # Home Assistant's add-on: its user directory
    "/.node-red",  # the user directory's own name
    "/nodered",  # guides to nginx that give Node-RED a path, and its folder with it
    "/node-red",
)

FOLDERS: Final = tuple(f"{root}/settings.js" for root in _ROOTS)  # by which the folders themselves are known, too

USER_FILES: Final = (  # path below the site's root, regular expression
    ("/settings.js", _SETTINGS),
    *((path, _SETTINGS) for path in FOLDERS),
    ("/data/flows_cred.json", _CREDENTIALS),
    ("/settings.js.bak", _SETTINGS),
    ("/settings.js~", _SETTINGS),
    ("/flows.json", _FLOWS),
    ("/.flows.json.backup", _FLOWS),  # @node-red/runtime/lib/storage/localfilesystem/util.js
    ("/flows_cred.json", _CREDENTIALS),
    ("/.flows_cred.json.backup", _CREDENTIALS),
    ("/package.json", r'"node-red-project"|"node-red-(contrib|dashboard|node)[^"]*"\s*:|"node-red"\s*:'),
    ("/.config.runtime.json", r'"(_credentialSecret|instanceId|telemetryEnabled)"\s*:'),
    ("/.config.nodes.json", r'^\s*\{\s*"[^"]+"\s*:\s*\{\s*"(name|version)"\s*:'),
    ("/.config.users.json", r'^\s*\{\s*"[^"]*"\s*:\s*\{'),
    ("/.config.json", r'"(_credentialSecret|nodes|settings)"\s*:'),
    ("/.sessions.json", r'"accessToken"\s*:'),
    ("/.npmrc", r"(?m)^[^\s=]+\s*=|_authToken"),
    ("/.env", r"(?m)^(export\s+)?[A-Z_][A-Z0-9_]*="),
    ("/.git/config", r"(?m)^\[core\]"),
)
