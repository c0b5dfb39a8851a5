"""The widgets of a dashboard, from the configuration that it sends to every client of its live channel.

Of it only the numbers of widgets by type are kept. Nothing is emitted, the session is closed at once.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.channels import Channel, Product, ShownWidgets, SocketAttempt
from pytest_nodered_sec.probes.channels.dashboard import outcome
from pytest_nodered_sec.probes.channels.socketio import JOIN, hear, joined, knock
from pytest_nodered_sec.probes.http.access import with_hint
from pytest_nodered_sec.probes.transport.answers import json_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look

_POLLS: Final = 3  # answers in which it must have come
_TYPES: Final = 500  # of widgets
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
    products: list[Product] = []
    counts: Counter[str] = Counter()
    for product, data in _configurations(packets):  # one after the other: in memory they are many times as large
        products.append(product)
        counts.update(_kinds(product, data))
    if not products:
        raise ProbeError(f"{seen.evidence()}, but no configuration of a dashboard that can be read", Cause.PROTOCOL)
    if len(counts) > _TYPES:
        raise ProbeError(f"{seen.evidence()}, but its widgets are of more than {_TYPES} types", Cause.PROTOCOL)
    shown = ShownWidgets(path, seen, products[0], tuple(sorted(counts.items())))
    return replace(shown, read_only=_read_only(look)) if shown.product is Product.DASHBOARD_1 else shown


def _configurations(packets: Iterable[str]) -> Iterator[tuple[Product, dict[str, Any]]]:  # Any: theirs
    for packet in packets:
        event = re.match(r"4(?:2|5\d+-)(\[.*)", packet, re.DOTALL)
        said = json_of(event[1]) if event else None
        if not isinstance(said, list) or len(said) < 2 or not isinstance(said[0], str):
            continue
        product, part, kind = _TOLD.get(said[0], (None, "", list))
        if product and isinstance(said[-1], dict) and isinstance(said[-1].get(part), kind):
            yield product, said[-1]


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
            kind += " to click on" if chosen or any(column.get("type") == "button" for column in columns) else ""
        elif kind == "ui-notification":
            kind += " to confirm" if props.get("allowConfirm") else ""
        yield kind


def _widgets(product: Product, data: dict[str, Any]) -> list[dict[str, Any]]:
    if product is Product.DASHBOARD_2:
        return _dicts(list(data["widgets"].values()))
    # tabs hold groups, which hold widgets; links hold nothing
    groups = [group for tab in _dicts(data["menu"]) for group in _dicts(tab.get("items"))]
    return [*_dicts(data.get("globals")), *(item for group in groups for item in _dicts(group.get("items")))]


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _read_only(look: Look) -> bool:
    """Whether Dashboard 1 says that it takes no input (settings.js: ui.readOnly; nodes/ui_base.js, /uisettings)."""
    settings = json_of(look.ask("GET", look.target.admin("/uisettings")).body)
    return isinstance(settings, dict) and settings.get("readOnly") is True
