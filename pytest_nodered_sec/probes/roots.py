"""Where the admin and the node root are, as the target itself says, where nobody said it before.

What is told is believed only where it shows a Node-RED and the roots assumed so far do not: behind a proxy the roots
seen from outside may be others than those in settings.js.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.model_answers import NODE_RED_MARKS, Kind, Refuser
from pytest_nodered_sec.probes.landmarks import random_path, see, view_admin
from pytest_nodered_sec.probes.look import Look

if TYPE_CHECKING:
    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.look import Station


def find_roots(station: Station) -> RootView:
    """Look at the admin root; where the roots were not given, find them first, and note them in the station's target.

    Dashboard 2's `/dashboard/_setup` names both roots, an open `/settings` the node root (measured on 4.1 and 5.0).

    Raises:
        ProbeError: no answer.
    """
    view = view_admin(Look(station))
    if station.target.find_roots and view.api_absent:
        view = _admin_elsewhere(station) or view
    if station.target.find_roots and view.settings is not None and view.settings.kind is Kind.SERVED:
        view = replace(view, found=_node_elsewhere(station, view) or view.found)
    return view


def _admin_elsewhere(station: Station) -> RootView | None:
    given = station.target
    source = given.node("/dashboard/_setup")
    told = _json(Look(station), source).get("RED")
    root = _root(told.get("httpAdminRoot") if isinstance(told, dict) else None)
    if not root or root == given.admin_root:
        return None
    station.target = replace(given, admin_root=root)
    view = view_admin(Look(station))
    shown = view.settings and (view.settings.refuser is Refuser.NODE_RED or view.settings.answer.marks & NODE_RED_MARKS)
    if shown:
        return replace(view, found=f"admin root {root} as {source} says")
    station.target = given
    return None


def _node_elsewhere(station: Station, view: RootView) -> str:
    given = station.target
    source = given.admin("/settings")
    root = _root(_json(Look(station), source).get("httpNodeRoot"))
    if not root or root == given.node_root or _has_dashboard(station):
        return ""
    station.target = replace(given, node_root=root)
    if _has_dashboard(station):
        return "; ".join(filter(None, (view.found, f"node root {root} as {source} says")))
    station.target = given
    return ""


def _has_dashboard(station: Station) -> bool:
    target = station.target
    canary = see(Look(station), target.node(random_path()), None)
    paths = target.policy.dashboards or ("/ui", "/dashboard")
    seen = [see(Look(station), target.node(path), canary.answer) for path in paths]
    return any(one.kind in (Kind.SERVED, Kind.REFUSED) for one in seen)


def _json(look: Look, path: str) -> dict[str, Any]:  # Any: JSON of the target
    _, got = look.exchange("GET", path)
    try:
        found = json.loads(got.body) if got.status == 200 else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _root(told: Any) -> str:  # Any: JSON of the target
    """Return a root as we write them, "" where what was told is none."""
    usable = isinstance(told, str) and len(told) < 100 and re.fullmatch(r"(/[\w.~-]+)*/?", told) and ".." not in told
    return (told.rstrip("/") or "/") if usable else ""
