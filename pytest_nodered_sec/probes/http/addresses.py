"""The other addresses of a host name: the same questions, asked at each address."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.ways import PROXY_05
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.addresses import Addresses, AddressView, Glance
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import Channel
from pytest_nodered_sec.probes.channels.dashboard import connect_channel
from pytest_nodered_sec.probes.channels.engineio import QUERY, farewell, offered
from pytest_nodered_sec.probes.channels.websocket import attempt_channel
from pytest_nodered_sec.probes.http.access import attempt_access
from pytest_nodered_sec.probes.http.asking import plain_endpoint
from pytest_nodered_sec.probes.http.landmarks import see_again, view_admin, view_node
from pytest_nodered_sec.probes.http.undeclared import look_below
from pytest_nodered_sec.probes.http.ways import attempt_way
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.tls.suites import old_versions
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.questions.surfaces import askable_endpoints, representatives
from pytest_nodered_sec.questions.ways import other_roots

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nodered_sec.observations.access import AccessAttempt, VariantAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.observations.channels import ChannelAttempt, SocketAttempt
    from pytest_nodered_sec.probes.transport.station import Station

_DECLARED: Final = 8  # endpoints, and WebSockets, that are asked at each address
_BY_WAYS: Final = ("admin API", "dashboard page", "endpoint")  # of each the first: a server block's lines are for all


def compare_addresses(look: Look, admin: RootView, node: RootView) -> Addresses:
    """Ask for all that stands behind the gate at every address of the name; at a single one nothing more is asked.

    That is the landmarks, dashboards, /comms, the first declared endpoints and WebSockets, ways past the gate, known
    roots, certificates and old TLS versions.

    Args:
        look: the look.
        admin: landmarks of the admin root at the address that all looks dial.
        node: landmarks of the node root there.

    Raises:
        ProbeError: that address does not answer as at the start.
    """
    station = look.station
    first = AddressView(station.address)
    turns = station.repeats.turns()
    others = [address for address in station.addresses if address != station.address]
    if turns or not others:
        return Addresses((first, *map(AddressView, others)), turns)
    ours = _with_tls(station, AddressView(station.address, tuple(_glances(station, admin, node))))
    views = [_view(station, address) for address in others]
    look.extend()
    if not see_again(look, admin).same_as(admin.sign):
        raise ProbeError(f"{look.target.url} no longer answers as at the start", Cause.CHANGED)
    return Addresses((ours, *views), station.repeats.turns())


def _view(station: Station, address: str) -> AddressView:
    try:
        there = station.at(address)
        admin = view_admin(Look(there))
        apart = there.target.node("/") != admin.root
        node = view_node(Look(there), admin) if apart else admin
        view = _with_tls(there, AddressView(address, tuple(_glances(there, admin, node))))
        if not see_again(Look(there), admin).same_as(admin.sign):
            return replace(view, trouble="it no longer answers as at the start")
        return view
    except ProbeError as error:
        return AddressView(address, trouble=error.message)


def _with_tls(station: Station, view: AddressView) -> AddressView:
    """Note the certificates, and the old versions that are spoken: another server block may stand there."""
    if not station.target.tls:
        return view
    try:
        return replace(view, chain=present_chain(Look(station)), old_versions=old_versions(Look(station)))
    except ProbeError as error:
        return replace(view, trouble=error.message)


def _glances(station: Station, admin: RootView, node: RootView) -> Iterator[Glance]:
    """Ask in the same order at every address; what the run has asked already is not asked again."""
    for seen in (admin.settings, admin.login):
        if seen is not None:
            yield Glance(f"GET {seen.path} without credentials", seen.kind, seen.answer.line())
    policy = station.target.policy
    joined = [path for path in station.target.guarded_dashboards if policy.join_channels]
    station.channels.add(joined)
    for path in station.target.dashboards:
        page = attempt_access(Look(station), admin, node, Surface.DASHBOARD.name, "GET", path, "anonymous")
        yield _of_request(page)
        if path in joined:
            yield _of_channel(connect_channel(Look(station), admin, node, path))
    yield _of_channel(attempt_channel(Look(station), admin, node, Surface.ADMIN.name, "/comms", "subscribe"))
    for spot in askable_endpoints(station.target)[:_DECLARED]:
        yield _of_request(plain_endpoint(Look(station), admin, node, spot.method, spot.path))
    for path in policy.websockets[:_DECLARED]:
        yield _of_channel(attempt_channel(Look(station), admin, node, Surface.NODE.name, path, "accept"))
    first = {spot.surface: spot for spot in reversed(representatives(station.target))}
    for surface in _BY_WAYS:
        for way in PROXY_05[surface] if surface in first else ():
            spot = first[surface]
            yield _of_way(attempt_way(Look(station), admin, node, surface, spot.method, spot.path, way), way)
    for ask in other_roots(station.target):
        if ask.probe == "root":
            (place,) = look_below(Look(station), admin, *ask.args).places
            glimpse = (*place.shown, *place.glimpses)[0]
            yield Glance(f"GET {glimpse.path}", _shown(bool(place.shown)), glimpse.answer.line())


def ask_again(station: Station, paths: Sequence[str]) -> None:
    """Ask for dashboards' pages and channels once more; the station compares the answers, word for word the same asked.

    Who is alone has no connection kept: each request opens one, and two in a row lead to two servers.

    Args:
        station: the target's.
        paths: absolute, with query; a session of Socket.IO that one opens is closed before any flow notices.

    Raises:
        ProbeError: no answer.
    """

    def ask(look: Look, path: str) -> None:
        _, got = look.exchange("GET", path)
        session = offered(got.body) if path.endswith(QUERY) and got.status == 200 else None
        if session:
            with contextlib.suppress(ProbeError):  # it ends by itself then
                look.ask("POST", f"{path}&sid={session[0]}", body=farewell(old=session[1]))

    with station.places.alone():
        Look(station).side_by_side(ask, paths)


def _of_way(seen: VariantAttempt, way: str) -> Glance:
    """Return whether it opens: what else an address answers to other forms of a request need not be the same."""
    opened = bool(seen.ways) and seen.attempt.kind is Kind.SERVED
    line = seen.attempt.answer.line() if opened else (seen.plain or seen.attempt).answer.line()
    return Glance(seen.attempt.question() if opened else f"{seen.attempt.path} {way}", _shown(opened), line)


def _shown(served: bool) -> Kind:
    return Kind.SERVED if served else Kind.REFUSED


def _of_request(attempt: AccessAttempt) -> Glance:
    return Glance(attempt.question(), attempt.kind, attempt.answer.line())


def _of_channel(seen: SocketAttempt | ChannelAttempt) -> Glance:
    what = f"a live channel at {seen.attempt.path} {seen.attempt.how}"
    if seen.channel is Channel.NO_CHANNEL:
        return Glance(what, seen.attempt.kind, seen.attempt.answer.line())
    return Glance(what, Kind.SERVED if seen.channel is Channel.OPEN else Kind.REFUSED, seen.channel.value)
