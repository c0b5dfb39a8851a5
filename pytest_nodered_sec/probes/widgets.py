"""What a dashboard shows: the configuration that it tells, unasked, to who has connected to its live channel.

Of it only the numbers of widgets by type are kept. Nothing is emitted, the session is closed at once.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.model_access import Channel, SocketAttempt
from pytest_nodered_sec.model_channels import Product, ShownWidgets
from pytest_nodered_sec.probes.access import with_hint
from pytest_nodered_sec.probes.dashboard import outcome
from pytest_nodered_sec.probes.socketio import JOIN, hear, joined, knock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.look import Look

_POLLS: Final = 3  # answers in which it must have come
_WHOLE: Final = 8 * 2**20  # bytes of a configuration, which is read whole: half of it proves nothing
# node-red-dashboard 3.6.6, ui.js, updateUi · @flowfuse/node-red-dashboard 1.31.0, nodes/config/ui_base.js, emitConfig
_TOLD: Final = {  # event: whose it is, and the part without which it is none
    "ui-controls": (Product.DASHBOARD_1, "menu", list),
    "ui-config": (Product.DASHBOARD_2, "widgets", dict),
}


def show_widgets(look: Look, admin: RootView, node: RootView, path: str) -> ShownWidgets:
    """Join a dashboard's live channel without credentials, and count the widgets of the configuration that it tells.

    Both dashboards send it to the client that has connected, and to nobody else.

    Args:
        look: the look.
        admin: landmarks of the admin root (what shows a Node-RED).
        node: landmarks of the node root.
        path: the dashboard's path below the node root.

    Raises:
        ProbeError: no answer, or an accepted connection on which no configuration came.
    """
    socket = path.rstrip("/") + "/socket.io"
    attempt, session = knock(look, node, Surface.DASHBOARD, socket, "without credentials")
    if session is None:
        return ShownWidgets(path, SocketAttempt(with_hint(look, attempt, path), Channel.NO_CHANNEL))
    packets: tuple[str, ...] = ()
    with joined(look, session, JOIN):
        for _ in range(_POLLS):
            packets += hear(look, session, limit=_WHOLE)
            if any(packet.startswith("44") for packet in packets) or any(_configurations(packets)):
                break
    seen = SocketAttempt(attempt, outcome(packets, socket), len(packets) - 1)
    if seen.channel is not Channel.OPEN:
        return ShownWidgets(path, seen)
    told = list(_configurations(packets))
    if not told:
        raise ProbeError(f"{seen.evidence()}, but no configuration of a dashboard that can be read", Cause.PROTOCOL)
    counts = Counter(kind for product, data in told for kind in _kinds(product, data))
    shown = ShownWidgets(path, seen, told[0][0], tuple(sorted(counts.items())))
    return replace(shown, read_only=_read_only(look)) if shown.product is Product.DASHBOARD_1 else shown


def _configurations(packets: Iterable[str]) -> Iterator[tuple[Product, dict[str, Any]]]:  # Any: theirs
    for packet in packets:
        event = re.match(r"4(?:2|5\d+-)(\[.*)", packet, re.DOTALL)
        with contextlib.suppress(ValueError):
            name, *rest = json.loads(event[1]) if event else [""]
            data = rest[-1] if rest else None
            product, part, kind = _TOLD.get(str(name), (None, "", list))
            if product and isinstance(data, dict) and isinstance(data.get(part), kind):
                yield product, data


def _kinds(product: Product, data: dict[str, Any]) -> Iterator[str]:
    """Return the type of every widget; of one whose settings decide whether it acts, with a word about them."""
    for widget in _widgets(product, data):
        kind = str(widget.get("type", ""))
        kind = kind if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", kind) else "unnamed"
        props = widget.get("props")
        props = props if isinstance(props, dict) else {}
        columns = _dicts(props.get("columns"))
        if kind == "ui-table":
            chosen = props.get("selectionType", "none") in ("click", "checkbox")
            kind += " to click on" if chosen or any(one.get("type") == "button" for one in columns) else ""
        elif kind == "ui-notification":
            kind += " to confirm" if props.get("allowConfirm") else ""
        yield kind


def _widgets(product: Product, data: dict[str, Any]) -> list[dict[str, Any]]:
    if product is Product.DASHBOARD_2:
        return _dicts(list(data["widgets"].values()))
    # tabs hold groups, which hold widgets; links hold nothing
    groups = [group for tab in _dicts(data["menu"]) for group in _dicts(tab.get("items"))]
    return [*_dicts(data.get("globals")), *(one for group in groups for one in _dicts(group.get("items")))]


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _read_only(look: Look) -> bool:
    """Whether Dashboard 1 says that it takes no input (settings.js: ui.readOnly; nodes/ui_base.js, /uisettings)."""
    with contextlib.suppress(ValueError):
        settings = json.loads(look.ask("GET", look.target.admin("/uisettings")).body)
        return isinstance(settings, dict) and settings.get("readOnly") is True
    return False
