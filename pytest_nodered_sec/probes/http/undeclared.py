"""Undeclared parts of Node-RED: below common roots, at common dashboard paths, and at paths that it names itself.

What answers there is a finding, and never changes what is tested. Only what shows a Node-RED counts.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.letters import mixed_case
from pytest_nodered_sec.data.roots import BESIDE, EVERYTHING, KNOWN_ROOTS, USUAL_DASHBOARDS
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import (
    NODE_RED_MARKS,
    Kind,
    Mark,
    Refuser,
    alike,
    answers_for_itself,
    classify,
)
from pytest_nodered_sec.observations.channels import Channel
from pytest_nodered_sec.observations.roots import Glimpse, UndeclaredPlace, UndeclaredPlaces
from pytest_nodered_sec.probes.channels.dashboard import connect_channel, outcome
from pytest_nodered_sec.probes.channels.engineio import QUERY, offered
from pytest_nodered_sec.probes.channels.socketio import JOIN, NotTakenError, Session, hear, joined
from pytest_nodered_sec.probes.flows.entries import usable_path
from pytest_nodered_sec.probes.http.access import JSON
from pytest_nodered_sec.probes.http.links import linked_directories
from pytest_nodered_sec.probes.http.static import folders_passed_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.observations.account import View
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.host.flows import HostFlows
    from pytest_nodered_sec.probes.login.account import AccountVisit
    from pytest_nodered_sec.probes.login.told import Told
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.probes.transport.once import Once

_BELOW: Final = 6  # dashboards that are asked below a root that was told
_BEHIND: Final = {root.path: root.behind for root in KNOWN_ROOTS}
_SOCKET: Final = "/socket.io"
_LINKED: Final = 8  # roots to which a page leads
_CHANNEL: Final = "a dashboard's live channel"
_GUARDED_CHANNEL: Final = "a dashboard's live channel, which its own middleware refuses"


def look_below(look: Look, admin: RootView, root: str, *paths: str) -> UndeclaredPlaces:
    """Ask once below a root of the host that is none of the target's; for the rest if the first answers point to it.

    Where a front answers for that root otherwise than for a random path, the root is asked in another letter case, too:
    Express ignores that, and most fronts guard one.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        root: absolute path without a slash at the end.
        *paths: what is asked below it in any case.

    Raises:
        ProbeError: no answer.
    """
    return look.shared(f"below {root}, {paths}", lambda: _look_below(look, admin, root, paths))


def _look_below(look: Look, admin: RootView, root: str, paths: Sequence[str]) -> UndeclaredPlaces:
    place, suspected = _place_below(look, admin, root, paths)
    if answers_for_itself(place.glimpses[0].answer, admin.canary.answer) and not suspected and root:
        look.extend()
        there, _ = _place_below(look, admin, mixed_case(root), paths)
        place = replace(there, usual=root) if there.shown else place
    return UndeclaredPlaces((place,), (), admin)


def _place_below(look: Look, admin: RootView, root: str, paths: Sequence[str]) -> tuple[UndeclaredPlace, bool]:
    """Return what was asked below a root, and whether any of the first answers had a Node-RED suspected there."""
    suspected, may_join = False, look.target.policy.join_channels
    glimpses: list[Glimpse] = []
    asked = (*paths, *(_BEHIND.get(root, ()) if admin.blanket and may_join else ()))
    for path in asked:
        glimpse, suspicious = _glimpse(look, admin, root + path)
        glimpses.append(glimpse)
        suspected = suspected or suspicious
    if suspected:
        further = [path for path in EVERYTHING if path not in asked and (may_join or not path.endswith(_SOCKET))]
        glimpses += [_glimpse(look, admin, root + path)[0] for path in further]
    if not any(glimpse.shows and not glimpse.login for glimpse in glimpses):
        # An empty object alone is what an open Node-RED says at /auth/login, and many another server anywhere.
        glimpses = [glimpse for glimpse in glimpses if Mark.LOGIN_OPEN not in glimpse.answer.marks] or glimpses[:1]
    return UndeclaredPlace(root or "/", tuple(glimpses), admin), suspected


def _glimpse(look: Look, admin: RootView, path: str) -> tuple[Glimpse, bool]:
    """Ask one path; return also whether the answer has a Node-RED suspected there."""
    if path.endswith(_SOCKET):
        return _channel_glimpse(look, admin, path)
    answer, got = look.exchange("GET", path, headers=JSON)
    classified = classify(answer, look.target, admin.canary.answer)
    marks = answer.marks & NODE_RED_MARKS if classified.kind is Kind.SERVED else frozenset()
    own = classified.refuser is Refuser.NODE_RED
    login = own or (bool(marks) and marks <= {Mark.LOGIN_CONFIGURED, Mark.LOGIN_OPEN})
    shows = " and ".join(sorted(mark.value for mark in marks)) or ("Node-RED's own login" if own else "")
    if marks == {Mark.LOGIN_OPEN}:
        shows = ""  # until /settings says the same
    echoed = re.search(rb"<pre>Cannot GET (/[^<]*)</pre>", got.body)  # Express says which path it was asked for
    stripped = echoed is not None and echoed[1].decode("latin-1") != path
    passed = Mark.EXPRESS in answer.marks and Mark.EXPRESS not in admin.canary.answer.marks
    return Glimpse(path, answer, classified, shows, login), bool(marks) or own or stripped or passed


def _channel_glimpse(look: Look, admin: RootView, path: str) -> tuple[Glimpse, bool]:
    answer, got = look.exchange("GET", path + QUERY)
    classified = classify(answer, look.target, admin.canary.answer)
    told = offered(got.body) if got.status == 200 else None
    if told is None:
        return Glimpse(path, answer, classified), False
    session = Session(f"{path}{QUERY}&sid={told[0]}", told[1])
    try:
        with joined(look, session, JOIN):
            channel = outcome(hear(look, session), path)
    except NotTakenError:
        channel = Channel.NO_CHANNEL
    refused = channel is not Channel.OPEN
    return Glimpse(path, answer, classified, _GUARDED_CHANNEL if refused else _CHANNEL, refused), True


def look_at_dashboard(look: Look, admin: RootView, node: RootView, path: str) -> UndeclaredPlaces:
    """Ask for a dashboard's page and live channel where the policy names none.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        path: path below the node root.

    Raises:
        ProbeError: no answer.
    """
    return UndeclaredPlaces((_dashboard(look, admin, node, path, ""),), (), admin)


def _dashboard(look: Look, admin: RootView, node: RootView, path: str, told: str) -> UndeclaredPlace:
    page = look.target.node(path)
    answer = look.read(page, {})
    classified = classify(answer, look.target, node.canary.answer)
    dashboard = classified.kind is Kind.SERVED and (Mark.DASHBOARD in answer.marks or bool(told))
    glimpses = [Glimpse(page, answer, classified, "a dashboard's page" if dashboard else "")]
    if look.target.policy.join_channels:
        look.station.channels.add([path])
        seen = connect_channel(look, admin, node, path)
        shows = {Channel.OPEN: _CHANNEL, Channel.REFUSED_BY_MIDDLEWARE: _GUARDED_CHANNEL}.get(seen.channel, "")
        guarded = seen.channel is Channel.REFUSED_BY_MIDDLEWARE
        socket = look.target.node(seen.attempt.path)
        glimpses.append(Glimpse(socket, seen.attempt.answer, seen.attempt.classified, shows, guarded))
    return UndeclaredPlace(page, tuple(glimpses), node, told)


def look_where_told(
    look: Look, account: AccountVisit, told: Told, inside: Once[HostFlows | None], admin: RootView, node: RootView
) -> UndeclaredPlaces:
    """Ask for every dashboard that the target itself names and nobody declared, and where an open page at / leads.

    Dashboard 1 names its path at `/uisettings`, Dashboard 2 its channel's at `/dashboard/_setup`, the flows those of
    all of Dashboard 2's bases (measured on 4.1.15 and 5.0.7).

    Args:
        look: the look.
        account: what became of the site's account.
        told: what anybody is told.
        inside: the flows of the target's host, which is looked at where neither shows them.
        admin: landmarks of the admin root.
        node: landmarks of the node root.

    Raises:
        ProbeError: no answer.
    """
    sources = {look.target.admin("/uisettings"): _path_of_1, look.target.node("/dashboard/_setup"): _path_of_2}
    asked: list[str] = []
    named: dict[str, str] = {}
    for source, read in sources.items():
        answer, data = look.shared(f"what {source} tells", partial(_told, look, source))
        classified = classify(answer, look.target, admin.canary.answer)
        if classified.cause is Cause.UNAVAILABLE:
            raise ProbeError(f"GET {source} answered {answer.line()}", classified.cause)
        asked.append(f"GET {source} answered {answer.line()}")
        if classified.kind is Kind.SERVED and answer.content_type == "application/json":
            for path in read(look, data):
                named.setdefault(path, source)
    views = [account.seen.view if account.seen else None, told.view]
    for view in views:
        for path in view.dashboards if view else ():
            named.setdefault(path, "GET /flows")
        if view is not None and view.entries is not None:
            asked.append(f"GET /flows named {', '.join(view.dashboards) or 'no dashboard'}")
    if all(view is None or view.flows is None for view in views):
        with contextlib.suppress(ProbeError):  # the controls of the flows carry why they are not known
            there = inside.get()
            for path in there.read.dashboards if there else ():
                named.setdefault(path, "the flows on the host")
    places: list[UndeclaredPlace] = []
    for path, source in named.items():
        if path in (*look.target.dashboards, *USUAL_DASHBOARDS) or not usable_path(path):
            continue
        look.extend()
        places.append(_dashboard(look, admin, node, path, source))
    beside = [(path, "the page at /") for path in _beside(look)]
    known = {root.path: root.below for root in KNOWN_ROOTS}
    for path, source in (*beside, *folders_passed_on(look, admin)):
        look.extend()
        if path in known and look_below(look, admin, path, *known[path]).places[0].shown:
            continue  # its own case carries it
        asked.append(f"{source} names {path}")
        (place,) = look_below(look, admin, path, *BESIDE).places
        if place.shown:  # whatever else is there is another's
            places.append(replace(place, told=source))
    below, untested = _below_told_root(look, admin, node, views, named)
    return UndeclaredPlaces((*places, *below), tuple(asked), admin, untested)


def _below_told_root(
    look: Look, admin: RootView, node: RootView, views: Sequence[View | None], named: Iterable[str]
) -> tuple[list[UndeclaredPlace], str]:
    """Ask below the httpNodeRoot that the admin API tells, if nobody named a root and no dashboard is served at "/".

    Return the dashboards that answer there, and what to declare before anything else there is tested: nothing where a
    gate refuses the dashboards at "/", to which a proxy may map the root. Or nobody is behind that gate.
    """
    target = look.target
    told = next(((view.node_root, view.asker) for view in views if view and view.node_root), ("", ""))
    root = told[0]
    if not target.find_roots or target.node_root != "/" or root in ("", "/"):
        return [], ""
    stands = {_stands(look, node, path) for path in target.dashboards}
    if Kind.SERVED in stands:  # a proxy may map the root to another path
        return [], ""
    source = f"GET {target.admin('/settings')} as {told[1]}"
    places, lines = list[UndeclaredPlace](), list[str]()
    for path in list(dict.fromkeys((*target.dashboards, *named)))[:_BELOW]:
        look.extend()
        place = replace(_dashboard(look, admin, node, root + path, ""), told=f"{source} (httpNodeRoot {root})")
        places += [place] if place.shown else []
        lines += [
            glimpse.line() for glimpse in place.glimpses if glimpse.classified.kind in (Kind.SERVED, Kind.REFUSED)
        ]
    if not lines or Kind.REFUSED in stands:
        return places, ""
    return places, (
        f"{source} tells httpNodeRoot {root}, and {lines[0]}; nothing else was tested there: add "
        f"`--nodered-node-root={root}` (or the path to which a proxy maps it, which may be /)"
    )


def _stands(look: Look, node: RootView, path: str) -> Kind:
    """Return what answers at a dashboard's path; ABSENT for what answers everywhere."""
    answer = look.read(look.target.node(path), {})
    kind = classify(answer, look.target, node.canary.answer).kind
    return Kind.ABSENT if alike(answer, node.canary.answer) else kind


def _beside(look: Look) -> list[str]:
    """Return the roots to which the page at / leads, and those above them, that nobody else asks for."""
    target = look.target
    own = [target.admin("/"), target.node("/"), *map(target.node, target.dashboards)]
    known = {"", *(path.rstrip("/") for path in own), *(root.path for root in KNOWN_ROOTS)}
    parts = [path.strip("/").split("/") for path in linked_directories(look)]
    roots = ("/" + "/".join(part[:deep]) for part in parts for deep in range(1, len(part) + 1))
    return [root for root in dict.fromkeys(roots) if root not in known][:_LINKED]


def _told(look: Look, source: str) -> tuple[Answer, dict[str, Any]]:  # Any: JSON of the target
    """Return the answer and what it holds; `_setup` is not asked for a second time where dash-03 was refused it."""
    if source.endswith("/_setup"):
        seen = look.read(source, {})
        if seen.status != 200:
            return seen, {}
    answer, got = look.exchange("GET", source)
    return answer, _data(got)


def _data(got: Exchange) -> dict[str, Any]:  # Any: as above
    try:
        data = json.loads(got.body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _path_of_1(look: Look, data: dict[str, Any]) -> list[str]:
    del look
    path = data.get("path")
    return [f"/{path.strip('/')}"] if isinstance(path, str) and path.strip("/") else []


def _path_of_2(look: Look, data: dict[str, Any]) -> list[str]:
    socket = data.get("socketio")
    path = socket.get("path") if isinstance(socket, dict) else None
    root = look.target.node("").rstrip("/")
    if not isinstance(path, str) or not path.endswith(_SOCKET) or not path.startswith(f"{root}/"):
        return []
    return [path.removeprefix(root).removesuffix(_SOCKET)]
