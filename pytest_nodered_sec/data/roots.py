"""Roots under which Node-RED is found in the field, looked for on every run; reviewed 2026-11-28.

Absolute paths of the host, whatever the URL's own path. Only what shows a Node-RED counts: its log-in's description, a
dashboard, a Socket.IO session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class KnownRoot:
    """One root.

    Attributes:
        path: absolute path without a slash at the end; "" for the host's own root.
        below: what is asked below it, whatever the first answer; where that shows a Node-RED, the rest is asked too.
        source: who has it there.
        behind: what is asked besides where a gate hides all of Node-RED at the target's own root.
    """

    path: str
    below: tuple[str, ...]
    source: str
    behind: tuple[str, ...] = ()


USUAL_DASHBOARDS: Final = ("/ui", "/dashboard")  # Dashboard 1, Dashboard 2
_LOGIN: Final = "/auth/login"
_CHANNELS: Final = ("/ui/socket.io", "/dashboard/socket.io")
BESIDE: Final = ("/", _LOGIN)  # asked below a directory to which a page leads
EVERYTHING: Final = ("/auth/login", "/settings", "/dashboard/_setup", *_CHANNELS)

KNOWN_ROOTS: Final = (
    KnownRoot("", (_LOGIN, *_CHANNELS), "the whole host, where the URL has a path"),
    KnownRoot("/endpoint", (_LOGIN, *_CHANNELS), "Home Assistant's add-on: httpNodeRoot"),
    KnownRoot("/nodered", (_LOGIN,), "guides to nginx, boneIO, FUXA"),
    KnownRoot("/node-red", (_LOGIN,), "guides to nginx and Apache"),
    KnownRoot("/red", (_LOGIN,), "Node-RED's own documentation of embedding: httpAdminRoot"),
    KnownRoot("/nr", (_LOGIN,), "guides to nginx"),
    KnownRoot(  # an app that embeds Node-RED guards what passes its Express, and channels do not
        "/api",
        (_LOGIN,),
        "a proxy's location for http-in, with the path stripped; embedding: httpNodeRoot",
        _CHANNELS,
    ),
    KnownRoot("/admin", (_LOGIN,), "settings.js: the comment at httpAdminRoot"),
    KnownRoot("/editor", (_LOGIN,), "guides: httpAdminRoot"),
    KnownRoot("/flows-editor", (_LOGIN,), "guides: httpAdminRoot"),
    KnownRoot("/device-editor", (_LOGIN,), "FlowFuse device-agent: httpAdminRoot"),
    KnownRoot("/hmi", ("/socket.io",), "guides: ui.path of Dashboard 1"),
)
