"""The TLS versions, cipher suites and relevant groups that a server accepts, found without any cryptography.

A ClientHello offers one version and every suite there is. What the server chooses is left out of the next, until it
refuses: as many connections as suites, and one more. A refusal is an alert that says so; where a server says nothing
of the kind (it closes, or resets), it must do so twice, and again alone after a rest, because limits of connections
close, too. At the end what was accepted first is offered once more: where
that is refused now, somebody stopped talking to us, and what was not seen yet is not known.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.suites import suite_table
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.tls import (
    AcceptedGroup,
    OfferedGroups,
    OfferedRenegotiation,
    OfferedVersions,
    ProtocolOffer,
    TlsOffers,
    VersionOffer,
)
from pytest_nodered_sec.probes.tls.asker import PROTOCOL_VERSION, Asker, label_of, weakest_first
from pytest_nodered_sec.probes.tls.clienthello import CURVE, Version, exchange_of
from pytest_nodered_sec.probes.tls.failures import Incompatible
from pytest_nodered_sec.probes.tls.handshake import TlsClient, shake_hands
from pytest_nodered_sec.probes.tls.in_clear import USUAL, is_in_clear
from pytest_nodered_sec.probes.transport.once import Once

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.data.suites import Suite
    from pytest_nodered_sec.model import Observation
    from pytest_nodered_sec.probes.tls.asker import Reply
    from pytest_nodered_sec.probes.tls.clienthello import KeyExchange, ServerHello
    from pytest_nodered_sec.probes.transport.look import Look

# Whole ranges: what stands between two registered suites may be one that somebody uses all the same.
_SUITES: Final = (
    *range(0x0001, 0x00C8),
    *range(0xC001, 0xC0B6),
    *range(0xC100, 0xC107),
    *(0xCC13, 0xCC14, 0xCC15),
    *range(0xCCA8, 0xCCAF),
    *range(0xD001, 0xD006),
    *(0xFEFE, 0xFEFF, 0xFF85),
)
_TLS13: Final = (0x1301, 0x1302, 0x1303, 0x1304, 0x1305, 0x1306, 0x1307, 0x00C6, 0x00C7, 0xC0B4, 0xC0B5)
_FEW: Final = 64  # suites in a ClientHello of less than 512 bytes: old middleboxes and servers take no longer one
_HANDSHAKE: Final = b"\x16"  # type of a record
# with which every client of OpenSSL's shakes hands, and so any server that is one
_COMMON: Final = frozenset(
    (*_TLS13[:3], 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0x009C, 0x009D, 0x009E, 0x009F)
)
_REST: Final = 1.0  # seconds in which others' connections end
_LANES: Final = (  # what is asked one after the other
    (Version.TLSV1_3,),
    (Version.TLSV1_2,),
    (Version.TLSV1_1, Version.TLSV1_0, Version.SSLV3),
)


def see_part(look: Look, offers: TlsOffers, part: str) -> Observation:
    """Return what a control asks for of everything that a server accepts.

    Args:
        look: not needed any more.
        offers: as `see_offers` found it.
        part: "groups"; "renegotiation"; "VERSION": what it accepts of that version; "speaks VERSION …": whether it
            speaks them.
    """
    del look
    what, _, versions = part.partition(" ")
    if what == "speaks":
        return OfferedVersions(offers, tuple(versions.split()))
    if what == "renegotiation":
        return OfferedRenegotiation(offers)
    return OfferedGroups(offers) if what == "groups" else ProtocolOffer(offers, part)


def see_offers(look: Look) -> TlsOffers:
    """Find out everything that a server accepts.

    Raises:
        ProbeError: no TLS was seen there: something else answered, nothing did, or every ClientHello was refused.
    """
    if is_in_clear(look):
        return TlsOffers()
    asker = Asker(look)
    waits = look.station.places.waits
    lanes = [Once(partial(_see_versions, asker, versions), waits) for versions in _LANES]
    if look.target.policy.pace != "quiet" and not look.station.narrowed:
        for lane in lanes[1:]:
            look.station.beside(lane.settle)
    seen = [lane.get() for lane in lanes]
    unsure = [place for place, versions in enumerate(_LANES) if asker.closed & set(versions)]
    if unsure and asker.accepted:
        with look.station.places.alone():
            look.pause(_REST)
            for place in unsure:
                seen[place] = _see_versions(asker, _LANES[place])
    offers = TlsOffers(
        tuple(offer for part in seen for offer in part.versions),
        tuple(group for part in seen for group in part.groups.values()),
        next((part.trouble for part in seen if part.trouble), None),
    )
    _check_answered(look, offers)
    asker.confirm()
    common = {suite.code for version in offers.versions for suite in version.suites} & _COMMON
    if common and (trouble := _why_unfinished(look)):
        raise ProbeError(
            f"{look.target.url} answers every ClientHello and completes no handshake, so what it accepts is not known: "
            f"{trouble.message}",
            trouble.cause,
        )
    return offers


def _why_unfinished(look: Look) -> ProbeError | None:
    """Return why a handshake that the server begins does not get as far as its certificate, None where it does."""
    try:
        shake_hands(look)
    except ProbeError as error:
        client = TlsClient(look, legacy=True)
        with contextlib.suppress(ProbeError, Incompatible), contextlib.closing(look.connect()) as sock:
            client.shake_hands(sock)
        begun = client.received[:1] == _HANDSHAKE
        return error if begun and not client.walked else None
    return None


def old_versions(look: Look) -> tuple[str, ...]:
    """Return the versions before TLS 1.2 that a server accepts with any of the usual suites; one ClientHello each.

    Raises:
        ProbeError: no connection, no answer in time, or something else than TLS.
    """
    asker = Asker(look)
    return tuple(version.label for version in _LANES[-1] if asker.ask(version, USUAL).hello is not None)


def _check_answered(look: Look, offers: TlsOffers) -> None:
    """Raise where no version was accepted: then a refusal proves nothing."""
    if any(version.accepted for version in offers.versions):
        return
    for offer in offers.versions:
        if offer.trouble is not None:
            raise offer.trouble
    how = ", ".join(dict.fromkeys(version.refusal for version in offers.versions))
    cause = Cause.REJECTED if "alert" in how else Cause.CLOSED
    raise ProbeError(f"no TLS with {look.target.url}: it refused every version and suite ({how})", cause)


# --- versions and suites -----------------------------------------------------------------------------------------


@dataclass
class _Seen:
    """What one lane has seen."""

    versions: list[VersionOffer] = field(default_factory=list)
    groups: dict[tuple[str, int, int], AcceptedGroup] = field(default_factory=dict)  # by version, code point, bits
    trouble: ProbeError | None = None

    def codes(self, version: Version) -> set[int]:
        """Return the code points of the groups seen with a version."""
        return {code for label, code, _ in self.groups if label == version.label}

    def note(self, version: Version, hello: ServerHello, exchange: KeyExchange | None) -> None:
        """Take note of the group in which keys would be agreed on."""
        table = suite_table()
        suite = table.suite(hello.suite)
        if exchange is None and exchange_of(hello):
            self.trouble = ProbeError(f"{suite.name} was chosen without showing its group", Cause.PROTOCOL)
        bits = exchange.bits if exchange else None
        code = exchange.group if exchange else hello.group
        if bits is not None:
            self.groups.setdefault((version.label, 0, bits), AcceptedGroup(version.label, None, bits, suite))
        elif code is not None:
            group = table.group(code) if code else None
            self.groups.setdefault((version.label, code, 0), AcceptedGroup(version.label, group))


def _see_versions(asker: Asker, versions: Sequence[Version]) -> _Seen:
    """See versions that follow each other, the newest first."""
    seen = _Seen()
    for place, version in enumerate(versions):
        try:
            first, portions = _begin(asker, version)
        except ProbeError as error:
            seen.versions.append(VersionOffer(version.label, trouble=error))
            continue
        if first.hello is not None and first.hello.version == version:
            seen.versions.append(_eliminate(asker, version, first, portions, seen))
        elif first.hello is not None:
            refusal = f"answered with {label_of(first.hello.version)}"
            seen.versions.append(VersionOffer(version.label, refusal=refusal))
        elif first.alert == PROTOCOL_VERSION:  # which says that no older one is spoken either (RFC 5246, E.1)
            seen.versions += [VersionOffer(version.label, refusal=first.refusal) for version in versions[place:]]
            break
        else:
            seen.versions.append(VersionOffer(version.label, refusal=first.refusal))
    return seen


def _begin(asker: Asker, version: Version) -> tuple[Reply, list[tuple[int, ...]]]:
    """Offer everything, or where that is not taken, less; return the answer, and in which portions to go on.

    Raises:
        ProbeError: no answer in time, or none of TLS.
    """
    everything, usual = (_TLS13, _TLS13[:3]) if version == Version.TLSV1_3 else (_SUITES, USUAL)
    silence: ProbeError | None = None
    reply: Reply | None = None
    try:
        reply = asker.ask(version, everything)
    except ProbeError as error:
        if error.cause is not Cause.TIMEOUT:
            raise
        silence = error
    if reply is not None and (reply.hello is not None or reply.alert == PROTOCOL_VERSION):
        return reply, [everything]
    others = [code for code in everything if code not in usual]
    portions = [usual, *(tuple(others[here : here + _FEW]) for here in range(0, len(others), _FEW))]
    for place, portion in enumerate(portions):
        again = asker.ask(version, portion)
        if again.hello is not None or again.alert == PROTOCOL_VERSION:
            return again, portions[place:]
        if reply is not None and again.refusal == reply.refusal:  # so the first was not too long
            break
    if silence is not None:
        raise silence
    return again, []


def _eliminate(
    asker: Asker, version: Version, first: Reply, portions: Sequence[tuple[int, ...]], seen: _Seen
) -> VersionOffer:
    """Find every suite of a version that is spoken, and the groups in which keys are agreed on with it."""
    chosen: dict[int, Suite] = {}
    secure = True
    ahead: Reply | None = first
    try:
        for portion in portions:
            left = portion
            while left:
                reply, ahead = (
                    ahead or asker.ask_twice(version, left, weakest_first(version, seen.codes(version))),
                    None,
                )
                if reply.hello is None or reply.hello.version != version:
                    break
                secure = secure and (version == Version.TLSV1_3 or reply.hello.secure_renegotiation)
                chosen[reply.hello.suite] = suite_table().suite(reply.hello.suite)
                seen.note(version, reply.hello, reply.exchange)
                left = tuple(code for code in left if code not in chosen)
        _see_disputed_groups(asker, version, chosen.values(), seen)
    except ProbeError as error:
        after = f" (after {len(chosen)} suites of {version.label}; --nodered-timeout gives more time)"
        late = error.cause is Cause.TIMEOUT
        trouble = ProbeError(f"{error.message}{after}", error.cause) if late else error
        return VersionOffer(version.label, tuple(chosen.values()), trouble=trouble, secure_renegotiation=secure)
    return VersionOffer(version.label, tuple(chosen.values()), secure_renegotiation=secure)


# --- groups ------------------------------------------------------------------------------------------------------


def _see_disputed_groups(asker: Asker, version: Version, suites: Iterable[Suite], seen: _Seen) -> None:
    """Offer only the groups that the policy forbids; of the others it is enough to have seen some.

    Raises:
        ProbeError: no answer.
    """
    new = version == Version.TLSV1_3
    curves = [suite.code for suite in suites if new or suite.key_exchange.startswith(CURVE)]
    left = [code for code in weakest_first(version) if code in asker.disputed[new] - seen.codes(version)]
    while curves and left:
        reply = asker.ask_twice(version, curves, left)
        if reply.hello is None or reply.hello.version != version:
            return
        seen.note(version, reply.hello, reply.exchange)
        if not seen.codes(version) & set(left):  # it does not care what is offered
            return
        left = [code for code in left if code not in seen.codes(version)]
