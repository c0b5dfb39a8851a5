"""One surface of a target, asked in several ways: by headers, forms of the path, another method or version of HTTP."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.part import with_query, written
from pytest_nodered_sec.data.ways import CREDENTIAL_SHAPED, OFTEN_FREE, UPGRADE
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import NODE_RED_MARKS, Answer, Classified, Kind, Mark, Refuser, alike
from pytest_nodered_sec.observations.channels import Channel
from pytest_nodered_sec.probes.channels.dashboard import connect_channel, connect_with, upgrade_channel
from pytest_nodered_sec.probes.channels.engineio import QUERY, WEBSOCKET
from pytest_nodered_sec.probes.channels.handshake import upgrade
from pytest_nodered_sec.probes.channels.socketio import JOIN, NotTakenError, joined, knock, not_taken
from pytest_nodered_sec.probes.channels.websocket import accept, attempt_channel, join, subscribe
from pytest_nodered_sec.probes.http.access import attempt_access, describe, naming, not_mounted, unsigned_token
from pytest_nodered_sec.probes.http.endpoint import attempt_endpoint
from pytest_nodered_sec.probes.http.refusals import dropped_parts, turns_away
from pytest_nodered_sec.probes.transport.form import form_of
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.registry.ways import free_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_nodered_sec.data.part import Part
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.observations.channels import ChannelAttempt, SocketAttempt
    from pytest_nodered_sec.observations.side_ports import Visit
    from pytest_nodered_sec.probes.http.side_ports import Entrance
    from pytest_nodered_sec.probes.transport.look import Look

_UPGRADE_LIMIT: Final = 3.0  # seconds; an upgrade that nobody serves is often never answered (`attempt_channel`)
_REFUSED_INSIDE: Final = Classified(Kind.REFUSED, Refuser.NODE_RED, why="the client was refused after the handshake")
SURFACES: Final = {
    "admin API": Surface.ADMIN,
    "dashboard page": Surface.DASHBOARD,
    "channel, polling": Surface.DASHBOARD,
    "channel, WebSocket": Surface.DASHBOARD,
    "/comms": Surface.ADMIN,
    "endpoint": Surface.NODE,
    "WebSocket endpoint": Surface.NODE,
}
TALKS: Final = {"channel, WebSocket": join, "/comms": subscribe, "WebSocket endpoint": accept}


class Asking:
    """One surface, asked in several ways.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        surface: a key of `SURFACES`.
        method: HTTP method.
        path: path below the surface's root; of a channel that of its dashboard.
    """

    def __init__(self, look: Look, admin: RootView, node: RootView, surface: str, method: str, path: str) -> None:
        self.look = look
        self._admin = admin
        self._node = node
        self._name = surface
        self._surface = SURFACES[surface]
        self._method = method
        self.path = path
        # No header follows the redirect by which Express adds the slash to a page.
        self._asked = path.rstrip("/") + "/" if surface == "dashboard page" else path
        self.opened = False  # whether a channel was joined already: once a run, because flows notice
        self.guarded = False  # whether the channel's own middleware refuses: then only joining tells
        self.untaken = False  # whether a front offers the channel's session, and takes no packets: then, too
        behind_admin = self._surface is Surface.ADMIN
        self.view = admin if behind_admin else node
        self._absolute = look.target.admin if behind_admin else look.target.node

    @property
    def noticed(self) -> bool:
        """Whether flows notice that it was opened."""
        return self._name.startswith("channel") or self._name == "WebSocket endpoint"

    def of(self, surface: str, path: str) -> Asking:
        """Return another surface of the same target."""
        return Asking(self.look, self._admin, self._node, surface, "GET", path)

    def plainly(self) -> AccessAttempt:
        """Return what strangers get without any headers."""
        if self._name.startswith("channel"):
            return self._judged(connect_channel(self.look, self._admin, self._node, self.path))
        if self._name in TALKS:
            talk = "subscribe" if self._name == "/comms" else "accept"
            return self._judged(
                attempt_channel(self.look, self._admin, self._node, self._surface.name, self.path, talk)
            )
        if self._name == "endpoint":
            return plain_endpoint(self.look, self._admin, self._node, self._method, self.path)
        return attempt_access(
            self.look, self._admin, self._node, self._surface.name, self._method, self.path, "anonymous"
        )

    def handed_out(self) -> dict[str, str]:
        """Return the cookies that the root's landmarks and this surface have set for strangers, who were asked before.

        What else has set some depends on which thread came first.
        """
        landmarks = [seen for view in (self._admin, self._node) for seen in (view.canary, view.settings, view.login)]
        own = self._absolute(self.path)
        own = f"{own.rstrip('/')}/socket.io/" if self._name.startswith("channel") else own
        return self.look.station.noticed.handed_out([*(seen.path for seen in landmarks if seen), own])

    def opened_by_its_slash(self, seen: AccessAttempt) -> bool:
        """Whether a page is served without any headers, too, with the slash that the ways put behind it."""
        if seen.kind is not Kind.SERVED or self._asked == self.path:
            return False
        surface = self._surface.name
        bare = attempt_access(self.look, self._admin, self._node, surface, "GET", self._asked, "anonymous")
        return bare.kind is Kind.SERVED

    def _judged(self, seen: SocketAttempt | ChannelAttempt) -> AccessAttempt:
        """Return the HTTP side, refused where Node-RED or the dashboard refused after the handshake."""
        if seen.channel in (Channel.OPEN, Channel.NO_CHANNEL):
            closed = seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED
            self.untaken = closed and seen.attempt.answer.status == 200
            return seen.attempt
        self.guarded = True
        return replace(seen.attempt, classified=_REFUSED_INSIDE)

    def nothing_behind(self, plain: AccessAttempt) -> bool:
        """Whether a request without any headers got past every gate, and nobody serves this.

        A WebSocket may have lost its `Upgrade` to the gate before Node-RED answered: there only a close tells.
        """
        if plain.kind is not Kind.ABSENT:
            return False
        upgraded = self._name in ("/comms", "WebSocket endpoint")
        return plain.answer.status in (0, 502, 504) if upgraded else not_mounted(plain)

    def ask(self, parts: Sequence[Part]) -> AccessAttempt:
        """Ask with the headers of all these parts."""
        headers = _filled(self.look, parts, self._absolute(self._asked), self._page(), self.handed_out())
        said = " and ".join(part.said for part in parts)
        names, dropped = {part.name for part in parts}, dropped_parts(self.look)
        if len(parts) == 1 and names <= dropped:
            dropped.add(said)  # at another address, at another surface
        with self.look.formed(form_of(parts, self._absolute(random_path())), suspecting=len(parts) > 1):
            if any(part.rewrites for part in parts):
                return self._rewritten(parts, said, headers)
            seen = self._with(parts, said, headers)
            if seen.answer.dropped and len(parts) == 1:
                dropped.update(names)
            return seen if self._name in TALKS else self._unless_everywhere(seen, parts, headers)

    def _unless_everywhere(self, seen: AccessAttempt, parts: Sequence[Part], headers: dict[str, str]) -> AccessAttempt:
        """Return what it amounts to where every path gets the same by these parts: nothing is opened.

        So gates do that refuse programs with 401, and lead browsers to a login; and fronts that answer 5xx to what they
        do not take, such as HTTP/1.0 (505). A header that names the path that is meant names a random one here.
        """
        unlike = seen.kind is Kind.SERVED and not seen.answer.marks & (NODE_RED_MARKS | {Mark.NODES})
        turned_away = seen.classified.cause is Cause.UNAVAILABLE and turns_away(seen.answer.status)
        if not (unlike or turned_away) and seen.classified.cause not in (Cause.INDISTINCT, Cause.UNDECLARED_LOGIN):
            return seen
        root = self._absolute("/").rstrip("/")
        there = naming(headers, self._meant(parts), root + random_path())
        everywhere = self.look.answer(seen.method, with_query(root + random_path(), parts), headers=there)
        if not alike(seen.answer, everywhere):
            return seen
        return replace(seen, classified=Classified(Kind.ABSENT, why="as every path that is asked so"))

    def _meant(self, parts: Sequence[Part]) -> str:
        """Return the path that headers of these parts name while another is asked; "" where none does."""
        return self._absolute(self._asked) if any(part.rerouted for part in parts) else ""

    def _with(self, parts: Sequence[Part], said: str, headers: dict[str, str]) -> AccessAttempt:
        if self._name in TALKS:
            return self._within(lambda: self._upgrade(said, headers, parts=parts), f"as a WebSocket, {said}")
        if UPGRADE not in parts:
            return self._send(parts, said, headers)
        return self._within(lambda: self._send(parts, said, headers), said)

    def _within(self, ask: Callable[[], AccessAttempt], said: str) -> AccessAttempt:
        """Ask for an upgrade, in less time than the look has; there is more to ask in that."""
        look = self.look
        try:
            with look.within(_UPGRADE_LIMIT):
                seen = ask()
        except ProbeError as error:
            if error.cause not in (Cause.CLOSED, Cause.TIMEOUT):
                raise
            seen = describe(look, self._surface, self._method, self.path, said, Answer(0), self.view)
        if seen.answer.status and seen.answer.status < 500:
            return seen
        # It was taken for a WebSocket, which nobody serves there (see `attempt_channel`): that opens nothing.
        return replace(seen, classified=Classified(Kind.ABSENT))

    def _rewritten(self, parts: Sequence[Part], said: str, headers: dict[str, str]) -> AccessAttempt:
        """Ask by a path in another form; who leads to the usual form, or takes no such path, opens nothing."""
        nothing = Classified(Kind.ABSENT)
        try:
            seen = self._with(parts, said, headers)
        except ProbeError as error:
            if error.cause is not Cause.CLOSED:
                raise
            nowhere = describe(self.look, self._surface, self._method, self.path, said, Answer(0), self.view)
            return replace(nowhere, classified=nothing)
        leads_on = 300 <= seen.answer.status < 400 and seen.kind is not Kind.REFUSED
        return replace(seen, classified=nothing) if leads_on or seen.kind is Kind.INDISTINCT else seen

    def _written(self, parts: Sequence[Part]) -> Callable[[str], str]:
        return partial(written, parts, origin=self.look.target.origin)

    def _page(self) -> str:
        """Return the page from which a browser would ask: a dashboard's own, before endpoints the first one's."""
        target = self.look.target
        if self._surface is Surface.NODE and target.dashboards:
            return target.node(target.dashboards[0].rstrip("/") + "/")
        return self._absolute(self.path.rstrip("/") + "/" if self._surface is Surface.DASHBOARD else "/")

    def _send(self, parts: Sequence[Part], said: str, headers: dict[str, str]) -> AccessAttempt:
        look, path, write = self.look, self._asked, self._written(parts)
        if self._name == "channel, polling" and self.guarded:
            claim = json.dumps({"token": unsigned_token()}) if CREDENTIAL_SHAPED in parts else ""
            return self._judged(connect_with(look, self._node, path, said, headers, claim))
        if self._name == "channel, polling":
            socket = f"{path.rstrip('/')}/socket.io"
            query = with_query(QUERY, parts)
            seen, session = knock(look, self._node, self._surface, socket, said, headers, query, write)
            if session is None:
                return seen
            try:
                with joined(look, session, *([JOIN] if self.untaken else []), headers=headers):
                    return seen  # and left at once: that a session is offered tells enough
            except NotTakenError as error:
                return replace(seen, classified=not_taken(error))
        meant = self._meant(parts)
        asked = with_query(random_path() if meant else path, parts)
        method = next((part.method for part in parts if part.method), self._method)
        if self._name == "endpoint" and self._method != "GET":
            return attempt_endpoint(look, self._admin, self._node, self._method, asked, "unknown", headers, said, write)
        lines = (f"{name}: {value}" for name, value in headers.items())
        return attempt_access(
            look,
            self._admin,
            self._node,
            self._surface.name,
            method,
            asked,
            said,
            "",
            "",
            *lines,
            write=write,
            meant=meant,
        )

    def enter(self, entrance: Entrance, said: str) -> AccessAttempt:
        """Ask by another entrance; what leads home to the URL is nothing that is served there, nor another site's."""
        if self._name == "/comms":
            return self._within(lambda: self._upgrade(said, {}, entrance), f"as a WebSocket, {said}")
        polling = self._name == "channel, polling"
        if polling and self.untaken:
            return self._within(lambda: self._upgrade(said, {}, entrance), f"as a WebSocket, {said}")
        path = self.path.rstrip("/") + f"/socket.io{QUERY}" if polling else self.path
        visit = entrance.visit(self._absolute(path))
        if visit.onward and visit.classified.refuser is not Refuser.LOGIN:
            visit = entrance.visit(self._absolute(path) + "/")
        seen = describe(self.look, self._surface, "GET", path.partition("?")[0], said, visit.answer, self.view)
        if visit.classified.refuser is Refuser.LOGIN:  # on this name's own host
            return replace(seen, classified=visit.classified)
        if visit.homeward or (seen.kind is Kind.SERVED and not self._ours(entrance, visit)):
            return replace(seen, classified=Classified(Kind.ABSENT))
        return seen

    def _ours(self, entrance: Entrance, visit: Visit) -> bool:
        """Whether it is something of Node-RED's that is served there; an endpoint's answer may be anything."""
        if visit.node_red or self._name != "endpoint":
            return visit.node_red
        return not alike(entrance.visit(self._absolute(random_path())).answer, visit.answer)

    def _upgrade(
        self, said: str, headers: dict[str, str], entrance: Entrance | None = None, parts: Sequence[Part] = ()
    ) -> AccessAttempt:
        dashboard = self._surface is Surface.DASHBOARD
        path = self.path.rstrip("/") + "/socket.io" if dashboard else self.path
        talk = accept if self.opened and not self.guarded else TALKS.get(self._name, join)
        asked, adds = self._written(parts)(self._absolute(path)), partial(with_query, parts=parts)
        if dashboard and entrance:
            answer, channel = upgrade(self.look, adds(asked + WEBSOCKET), headers, talk, "", entrance)
        elif dashboard:
            answer, channel = upgrade_channel(self.look, asked, headers, talk, adds, refused=True)
        else:
            answer, channel = upgrade(self.look, adds(asked), headers, talk, "", entrance, refused=True)
        seen = describe(self.look, self._surface, "GET", path, f"as a WebSocket, {said}", answer, self.view)
        if channel not in (None, Channel.OPEN):  # past the gate, where Node-RED or the dashboard refuses
            return replace(seen, classified=_REFUSED_INSIDE)
        if channel is None and seen.kind is Kind.SERVED:  # whatever it is, no WebSocket is open
            return replace(seen, classified=Classified(Kind.ABSENT))
        return seen


def _filled(look: Look, parts: Sequence[Part], path: str, page: str, cookies: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of these parts with what is only known now."""
    known = {"{origin}": look.target.origin, "{random}": random_path(), "{path}": path, "{page}": page}
    known["{token}"] = unsigned_token()
    known["{host}"] = _other_host(look)
    known["{free}"] = free_path(look.target) or OFTEN_FREE
    known["{cookies}"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers: dict[str, str] = {}
    for part in parts:
        for name, value in part.headers:
            for placeholder, filling in known.items():
                value = value.replace(placeholder, filling)
            together = name == "Cookie" and name in headers
            headers[name] = f"{headers[name]}; {value}" if together else value
    return headers


def _other_host(look: Look) -> str:
    """Return the target's own name as Host may have it, too: in capitals, and with a port where it has none."""
    host = look.station.host_header(look.target.port).upper()
    port = re.search(r":[0-9]+$", host)
    return host[: port.start()] if port else f"{host}:{look.target.port}"


def plain_endpoint(look: Look, admin: RootView, node: RootView, method: str, path: str) -> AccessAttempt:
    """Return what a declared endpoint answers as it is declared, asked once."""

    def ask() -> AccessAttempt:
        return attempt_endpoint(look, admin, node, method, path, effect_of(method))

    return look.shared(f"{method} {path} as declared", ask)


def effect_of(method: str) -> str:
    """Return the effect by which an endpoint that `askable_endpoints` names is asked."""
    return "none" if method == "GET" else "unknown"
