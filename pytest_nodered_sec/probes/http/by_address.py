"""The target asked under its address, as localhost or by a local name, or with no name in the TLS handshake.

Another server block may answer, or a rule that goes by that name (SNI) may not hold.

Whoever answers there may be another site: only what shows a Node-RED, or opens what the name refuses, counts.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.host_names import AT_HOME, DOTTED, UNNAMED
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.observations.answers import Answer, Classified, Kind
from pytest_nodered_sec.observations.cleartext import PlainAnswer, PlainAttempt, PortState
from pytest_nodered_sec.probes.http.access import describe
from pytest_nodered_sec.probes.http.asking import SURFACES, Asking
from pytest_nodered_sec.probes.http.side_ports import Entrance, paths

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.http.landmarks import PlainView
    from pytest_nodered_sec.probes.transport.look import Look


_UNNAMED: Final = ("admin API", "dashboard page")  # what is asked under another name, and without


def attempt_by_address(look: Look, admin: RootView, node: RootView, name: str = "") -> VariantAttempt:
    """Ask for admin API, a page, live channels and an endpoint under the target's address in place of the name.

    The first that is served there and not under the name is returned, else the first of all.

    No handshake names an address. Where the same login is asked for there as under the name, it was not for that name
    in the handshake, and the target's own name is not asked without.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        name: another name to ask under, of admin API and page alone; "" for the address, UNNAMED for the target's own
            with no name in the TLS handshake, DOTTED for it with a dot at its end, a key of AT_HOME for its first label
            in that domain.

    Raises:
        ProbeError: silence, or no TLS.
    """
    if name and name != UNNAMED:
        return _under(look, admin, node, name)
    addressed = partial(look.shared, "under the address", partial(_under, look, admin, node, ""))
    if not name:
        return addressed()
    with contextlib.suppress(ProbeError):
        seen = addressed()
        if set(_places(look.target, name)) <= _asked_to_log_in(look):
            said = f"{seen.attempt.how}, and so without one in the TLS handshake,"
            return replace(seen, attempt=replace(seen.attempt, how=said), ways=("sni",))
    return _under(look, admin, node, name)


def _asked_to_log_in(look: Look) -> set[tuple[str, str]]:
    """Return the places where a login is asked for under the address as under the name, to be added to."""
    return look.shared("asked to log in under the address", set)


def _under(look: Look, admin: RootView, node: RootView, name: str) -> VariantAttempt:
    target, address = look.target, look.station.address
    unnamed, dotted = name == UNNAMED, name == DOTTED
    at_home = AT_HOME.get(name)
    name = f"{target.hostname}." if dotted else f"{target.hostname.partition('.')[0]}.{at_home}" if at_home else name
    host = look.station.host_header(target.port) if unnamed else _host(name or address, target.port, _usual(target))
    said = f"under {'' if name else 'the address '}{host} in place of the name"
    said = "without a name in the TLS handshake" if unnamed else said
    where = f"{host} without a name in the TLS handshake" if unnamed else f"the address {host}"
    way = "sni" if unnamed else "host" if dotted else "local-name" if at_home else name or "address"
    first: tuple[Asking, AccessAttempt] | None = None
    port, pace = target.dialled[1], look.station.pace
    with Entrance(look, address, port, host, tls=target.tls, where=where, named=not unnamed, pace=pace) as entrance:
        for surface, path in _places(target, name):
            asking = Asking(look, admin, node, surface, "GET", path)
            try:
                seen = asking.enter(entrance, said)
            except ProbeError as error:
                if error.cause not in (Cause.REJECTED, Cause.CLOSED):
                    raise
                nothing = describe(look, SURFACES[surface], "GET", path, said, Answer(0), asking.view)
                seen = replace(nothing, classified=Classified(Kind.REFUSED))  # turned away
                first = first or (asking, seen)
                break
            opened = seen.kind is Kind.SERVED and (plain := asking.plainly()).kind is not Kind.SERVED
            if opened and asking.untaken:  # a session tells nothing
                seen = asking.enter(entrance, said)
                opened = seen.kind is Kind.SERVED
            if opened and not asking.guarded:  # a middleware refuses by any name, after a session is offered
                return VariantAttempt(path, seen, plain, (way,))
            if surface in _UNNAMED and not name and _same_login(seen, asking.plainly()):
                _asked_to_log_in(look).add((surface, path))
            first = first or (asking, seen)
    assert first is not None, "there is always an admin API to ask for"  # noqa: S101  for the type checker
    return VariantAttempt("/settings", first[1], first[0].plainly(), (way,))


def _same_login(seen: AccessAttempt, plain: AccessAttempt) -> bool:
    """Whether two answers ask for the same login."""
    ours, theirs = ((each.refuser, each.answer.status, each.answer.challenge) for each in (seen, plain))
    return seen.kind is Kind.REFUSED and bool(seen.answer.challenge) and ours == theirs


def _usual(target: Target) -> int:
    return 443 if target.tls else 80


def _places(target: Target, name: str) -> list[tuple[str, str]]:
    """Return what is asked for, surface and path below its root: of each surface one place that is not public.

    A block for another name is not made for live channels alone: what is there is seen by the API and a page.
    """
    dashboards = target.guarded_dashboards
    if name:
        return [("admin API", "/settings"), *(("dashboard page", path) for path in dashboards[:1])]
    channels = dashboards[-1:] if target.policy.join_channels else ()
    harmless = [
        endpoint.path
        for endpoint in target.policy.protected_paths
        if (endpoint.method, endpoint.effect) == ("GET", "none")
    ]
    return [
        ("admin API", "/settings"),
        *(("dashboard page", path) for path in dashboards[:1]),
        *(("channel, polling", path) for path in channels),
        ("/comms", "/comms"),
        *(("endpoint", path) for path in harmless[:1]),
    ]


def ask_by_address_in_clear(look: Look, admin: RootView, plain: PlainView) -> PlainAttempt:
    """Ask over plain HTTP under each address in place of the name, until something shows a Node-RED.

    Where the first answer leads to HTTPS, nothing more is asked.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        plain: what a random path got over plain HTTP.

    Raises:
        ProbeError: a port accepted and gave no answer.
    """
    answers = tuple(
        answer if answer.state is not PortState.ANSWERED else _in_clear(look, answer.address)
        for answer in plain.answers
    )
    path, port = look.target.admin("/settings"), look.station.plain_port
    return PlainAttempt("the address as Host", path, port, default_port=False, answers=answers)


def _in_clear(look: Look, address: str) -> PlainAnswer:
    look.extend()
    port = look.station.plain_port
    host = _host(address, port, 80)
    first: PlainAnswer | None = None
    where, pace = f"the address {host}", look.station.client(address, verified=False)[1]
    with Entrance(look, address, port, host, tls=False, where=where, pace=pace) as entrance:
        for path in paths(look)[1:]:
            try:
                visit = entrance.visit(path)
            except ProbeError as error:
                if error.cause is not Cause.CLOSED:
                    raise
                return first or PlainAnswer(address, PortState.CLOSED)
            seen = PlainAnswer(address, PortState.ANSWERED, visit.answer, elsewhere=not visit.node_red)
            if visit.node_red or (first is None and visit.answer.location.startswith("https:")):
                return seen
            first = first or seen
    assert first is not None, "there is always an admin API to ask for"  # noqa: S101  for the type checker
    return first


def _host(address: str, port: int, default: int) -> str:
    """Return an address as it stands in a Host header."""
    host = f"[{address}]" if ":" in address else address
    return host if port == default else f"{host}:{port}"
