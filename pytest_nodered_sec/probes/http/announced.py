"""The target asked after a PROXY header, by which a balancer in front tells the client's address.

It stands before the TLS handshake. A front that takes it from anybody believes that a stranger comes from the site's
own network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.data.announced import ANNOUNCED, header
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.observations.answers import Answer, Classified, Kind, Refuser
from pytest_nodered_sec.probes.http.access import describe
from pytest_nodered_sec.probes.http.asking import SURFACES, Asking
from pytest_nodered_sec.probes.http.side_ports import Entrance
from pytest_nodered_sec.registry.elsewhere import one_that_reads

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look


def attempt_announced(look: Look, admin: RootView, node: RootView) -> VariantAttempt:
    """Ask for the admin API, a page and an endpoint after a PROXY header; who takes none ends the handshake.

    What is served without it, or refused by Node-RED itself, is not asked. Only where the handshake goes on after the
    first address are the others tried.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.

    Raises:
        ProbeError: no answer.
    """
    places = [
        (surface, asking := Asking(look, admin, node, surface, "GET", path), asking.plainly())
        for surface, path in one_that_reads(look.target)
    ]
    gated = [place for place in places if place[2].kind is Kind.REFUSED and place[2].refuser is not Refuser.NODE_RED]
    if not gated:
        first = places[0]
        return VariantAttempt(first[1].path, first[2], first[2])
    tried: VariantAttempt | None = None
    for address in ANNOUNCED:
        said = f"after a PROXY header that names {address}"
        for surface, asking, plain in gated:
            look.extend()
            seen = _ask(look, asking, address, said)
            if seen is None and tried is not None:
                continue  # it is taken, and this address is turned away
            if seen is None:
                nothing = describe(
                    look, SURFACES[surface], "GET", asking.path, f"{said}, which is not taken,", Answer(0), asking.view
                )
                return VariantAttempt(asking.path, replace(nothing, classified=Classified(Kind.REFUSED)), plain)
            opened = VariantAttempt(asking.path, seen, plain, ("proxy-protocol",))
            if seen.kind is Kind.SERVED:
                return opened
            tried = tried or opened
    assert tried is not None, "there is an address to try"  # noqa: S101  for the type checker
    return tried


def _ask(look: Look, asking: Asking, address: str, said: str) -> AccessAttempt | None:
    """Ask one place; None where the server ends the handshake, or speaks no TLS after such a header."""
    port = look.target.dialled[1]
    host = look.station.host_header(look.target.port)
    announced = header(address, port)
    pace = look.station.pace
    with Entrance(
        look, look.station.address, port, host, tls=True, where="after a PROXY header", announced=announced, pace=pace
    ) as entrance:
        try:
            return asking.enter(entrance, said)
        except ProbeError as error:
            if error.cause not in (Cause.REJECTED, Cause.CLOSED, Cause.PROTOCOL):
                raise
            return None
