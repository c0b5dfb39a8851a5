"""The admin and node root as the target itself names them, if options and policy do not.

What is told is believed only where it shows a Node-RED and the roots assumed so far do not: behind a proxy the roots
seen from outside may be others than those in settings.js.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.observations.answers import NODE_RED_MARKS, Kind, Refuser
from pytest_nodered_sec.probes.http.landmarks import see, view_admin
from pytest_nodered_sec.probes.transport.answers import json_of
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.station import Station


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
    root = root_of(told.get("httpAdminRoot") if isinstance(told, dict) else None)
    if not root or root == given.admin_root:
        return None
    station.target = replace(given, admin_root=root)
    view = view_admin(Look(station))
    shown = view.settings and (view.settings.refuser is Refuser.NODE_RED or view.settings.answer.marks & NODE_RED_MARKS)
    if shown:
        return replace(view, found=f"admin root {root} according to {source}")
    station.target = given
    return None


def _node_elsewhere(station: Station, view: RootView) -> str:
    given = station.target
    source = given.admin("/settings")
    root = root_of(_json(Look(station), source).get("httpNodeRoot"))
    if not root or root == given.node_root or _has_dashboard(station):
        return ""
    station.target = replace(given, node_root=root)
    if _has_dashboard(station):
        return "; ".join(filter(None, (view.found, f"node root {root} according to {source}")))
    station.target = given
    return ""


def _has_dashboard(station: Station) -> bool:
    target = station.target
    canary = see(Look(station), target.node(random_path()), None)
    paths = target.policy.dashboards or ("/ui", "/dashboard")
    seen = [see(Look(station), target.node(path), canary.answer) for path in paths]
    return any(view.kind in (Kind.SERVED, Kind.REFUSED) for view in seen)


def _json(look: Look, path: str) -> dict[str, Any]:  # Any: JSON of the target
    _, got = look.exchange("GET", path)
    settings = json_of(got.body) if got.status == 200 else {}
    return settings if isinstance(settings, dict) else {}


def root_of(told: Any) -> str:  # Any: JSON of the target
    """Return a root in normal form, "" if the value is not a root."""
    usable = isinstance(told, str) and len(told) < 100 and re.fullmatch(r"(/[\w.~-]+)*/?", told) and ".." not in told
    return (told.rstrip("/") or "/") if usable else ""
