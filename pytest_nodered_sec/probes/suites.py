"""What a server accepts of TLS: each version, each cipher suite, the groups that matter; without any cryptography.

A ClientHello offers one version and every suite there is. What the server chooses is left out of the next, until it
refuses: as many connections as suites, and one more. A refusal is an alert that says so; where a server says nothing
of the kind (it closes, or resets), it must do so twice. At the end what was accepted first is offered once more: where
that is refused now, somebody stopped talking to us, and what was not seen yet is not known.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.suites import suite_table
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_tls import (
    AcceptedGroup,
    OfferedGroups,
    OfferedVersions,
    ProtocolOffer,
    TlsOffers,
    VersionOffer,
)
from pytest_nodered_sec.probes.hello import CURVE, Malformed, Version, client_hello, exchange_of, read
from pytest_nodered_sec.probes.names import ascii_name, banner, is_address
from pytest_nodered_sec.probes.once import Once

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.data.suites import Suite
    from pytest_nodered_sec.model import Observation
    from pytest_nodered_sec.probes.hello import KeyExchange, Said, ServerHello
    from pytest_nodered_sec.probes.look import Look

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
_USUAL: Final = (  # of which every server has one, unless it has none at all
    *(0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028),
    *(0x009C, 0x009D, 0x009E, 0x009F, 0x002F, 0x0035, 0x003C, 0x003D, 0x0033, 0x0039, 0x0067, 0x006B, 0x000A, 0x0016),
    *(0x0004, 0x0005, 0xC007, 0xC011, 0xC008, 0xC012, 0x0041, 0x0084, 0x0045, 0x0088, 0x0096, 0x009A, 0x0009, 0x0015),
    *(0x0001, 0x0002, 0x003B, 0x0018, 0x001B, 0x0034, 0x003A, 0xC018, 0xC019, 0x0003, 0x0006, 0x0008, 0x0014, 0x0017),
)
_ALERTS: Final = {
    0: "close_notify",
    10: "unexpected_message",
    22: "record_overflow",
    40: "handshake_failure",
    47: "illegal_parameter",
    50: "decode_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
}
_PROTOCOL_VERSION: Final = 70
_REFUSALS: Final = (40, _PROTOCOL_VERSION, 71)  # alerts that say: not with these versions, suites or groups
_LANES: Final = (  # what is asked one after the other
    (Version.TLSV1_3,),
    (Version.TLSV1_2,),
    (Version.TLSV1_1, Version.TLSV1_0, Version.SSLV3),
)
_LAST_SHARE: Final = 1 / 8  # of a look's time, kept for confirming
_PIECE: Final = 16384  # bytes read at once


def see_part(look: Look, offers: TlsOffers, part: str) -> Observation:
    """Return what a control asks for of everything that a server accepts.

    Args:
        look: not needed any more.
        offers: as `see_offers` found it.
        part: "groups"; "VERSION": what it accepts of that version; "speaks VERSION …": whether it speaks them.
    """
    del look
    what, _, versions = part.partition(" ")
    if what == "speaks":
        return OfferedVersions(offers, tuple(versions.split()))
    return OfferedGroups(offers) if what == "groups" else ProtocolOffer(offers, part)


def see_offers(look: Look) -> TlsOffers:
    """Find out everything that a server accepts.

    Raises:
        ProbeError: no TLS was seen there: something else answered, nothing did, or every ClientHello was refused.
    """
    if not look.target.tls:
        return TlsOffers()
    asker = _Asker(look)
    lanes = [Once(partial(_see_versions, asker, versions)) for versions in _LANES]
    if look.target.policy.pace != "quiet":
        for lane in lanes[1:]:
            threading.Thread(target=lane.settle, daemon=True, name="nodered-sec-look").start()
    seen = [lane.get() for lane in lanes]
    offers = TlsOffers(
        tuple(offer for one in seen for offer in one.versions),
        tuple(group for one in seen for group in one.groups.values()),
        next((one.trouble for one in seen if one.trouble), None),
    )
    _check_answered(look, offers)
    asker.confirm()
    return offers


def _check_answered(look: Look, offers: TlsOffers) -> None:
    """Raise where no version was accepted: then a refusal proves nothing."""
    if any(one.accepted for one in offers.versions):
        return
    for one in offers.versions:
        if one.trouble is not None:
            raise one.trouble
    how = ", ".join(dict.fromkeys(one.refusal for one in offers.versions))
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


def _see_versions(asker: _Asker, versions: Sequence[Version]) -> _Seen:
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
            refusal = f"answered with {_label(first.hello.version)}"
            seen.versions.append(VersionOffer(version.label, refusal=refusal))
        elif first.alert == _PROTOCOL_VERSION:  # which says that no older one is spoken either (RFC 5246, E.1)
            seen.versions += [VersionOffer(one.label, refusal=first.refusal) for one in versions[place:]]
            break
        else:
            seen.versions.append(VersionOffer(version.label, refusal=first.refusal))
    return seen


def _begin(asker: _Asker, version: Version) -> tuple[_Reply, list[tuple[int, ...]]]:
    """Offer everything, or where that is not taken, less; return the answer, and in which portions to go on.

    Raises:
        ProbeError: no answer in time, or none of TLS.
    """
    everything, usual = (_TLS13, _TLS13[:3]) if version == Version.TLSV1_3 else (_SUITES, _USUAL)
    silence: ProbeError | None = None
    reply: _Reply | None = None
    try:
        reply = asker.ask(version, everything)
    except ProbeError as error:
        if error.cause is not Cause.TIMEOUT:
            raise
        silence = error
    if reply is not None and (reply.hello is not None or reply.alert == _PROTOCOL_VERSION):
        return reply, [everything]
    others = [code for code in everything if code not in usual]
    portions = [usual, *(tuple(others[here : here + _FEW]) for here in range(0, len(others), _FEW))]
    for place, portion in enumerate(portions):
        again = asker.ask(version, portion)
        if again.hello is not None or again.alert == _PROTOCOL_VERSION:
            return again, portions[place:]
        if reply is not None and again.refusal == reply.refusal:  # so the first was not too long
            break
    if silence is not None:
        raise silence
    return again, []


def _eliminate(
    asker: _Asker, version: Version, first: _Reply, portions: Sequence[tuple[int, ...]], seen: _Seen
) -> VersionOffer:
    """Find every suite of a version that is spoken, and the groups in which keys are agreed on with it."""
    chosen: dict[int, Suite] = {}
    ahead: _Reply | None = first
    try:
        for portion in portions:
            left = portion
            while left:
                reply, ahead = ahead or asker.ask_twice(version, left, _weakest_first(version, seen)), None
                if reply.hello is None or reply.hello.version != version:
                    break
                chosen[reply.hello.suite] = suite_table().suite(reply.hello.suite)
                seen.note(version, reply.hello, reply.exchange)
                left = tuple(code for code in left if code not in chosen)
        _see_disputed_groups(asker, version, chosen.values(), seen)
    except ProbeError as error:
        after = f" (after {len(chosen)} suites of {version.label}; --nodered-timeout gives more time)"
        late = error.cause is Cause.TIMEOUT
        trouble = ProbeError(f"{error.message}{after}", error.cause) if late else error
        return VersionOffer(version.label, tuple(chosen.values()), trouble=trouble)
    return VersionOffer(version.label, tuple(chosen.values()))


# --- groups ------------------------------------------------------------------------------------------------------


def _weakest_first(version: Version, seen: _Seen | None = None) -> list[int]:
    """Return the groups that a version knows, those seen already last: so most servers show another each time."""
    known = [one for one in suite_table().groups.values() if version == Version.TLSV1_3 or one.code < 0x001F]
    shown = seen.codes(version) if seen else set()
    return [one.code for one in sorted(known, key=lambda one: (one.code in shown, one.strength))]


def _see_disputed_groups(asker: _Asker, version: Version, suites: Iterable[Suite], seen: _Seen) -> None:
    """Offer the groups that the policy objects to alone; of the others it is enough to have seen some.

    Raises:
        ProbeError: no answer.
    """
    new = version == Version.TLSV1_3
    curves = [one.code for one in suites if new or one.key_exchange.startswith(CURVE)]
    left = [code for code in _weakest_first(version) if code in asker.disputed[new] - seen.codes(version)]
    while curves and left:
        reply = asker.ask_twice(version, curves, left)
        if reply.hello is None or reply.hello.version != version:
            return
        seen.note(version, reply.hello, reply.exchange)
        if not seen.codes(version) & set(left):  # it does not care what is offered
            return
        left = [code for code in left if code not in seen.codes(version)]


# --- one ClientHello ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reply:
    """What a ClientHello was answered.

    Attributes:
        hello: what was chosen, None where it was refused.
        exchange: the group that followed, where there is one.
        alert: by which it was refused; None for none.
        refusal: how it was refused, "" where it was not.
    """

    hello: ServerHello | None = None
    exchange: KeyExchange | None = None
    alert: int | None = None
    refusal: str = ""

    @property
    def certain(self) -> bool:
        """Whether a refusal says that it is one."""
        return self.alert in _REFUSALS


class _Asker:
    """Sends ClientHellos, each over a connection of its own; used by several threads."""

    def __init__(self, look: Look) -> None:
        self._look = look
        host = ascii_name(look.target.hostname)
        self._name = b"" if is_address(host) else host.rstrip(".").encode("ascii")
        self._accepted: tuple[Version, int] | None = None
        self._until = look.deadline - _LAST_SHARE * (look.deadline - time.monotonic())
        self.disputed = suite_table().disputed(look.target.policy.thresholds.tls_suites)

    def ask(self, version: Version, suites: Sequence[int], groups: Sequence[int] | None = None) -> _Reply:
        """Send one.

        Raises:
            ProbeError: no connection; no answer in time; something else than TLS; a choice that was not offered.
        """
        groups = _weakest_first(version) if groups is None else groups
        sent = client_hello(version, suites, groups, self._name, os.urandom(32))
        reply = self._exchange(sent)
        hello = reply.hello
        if hello is None:
            return reply
        if hello.suite not in suites or hello.version > version:
            raise ProbeError(
                f"{self._look.target.url} chose {suite_table().suite(hello.suite)} of {_label(hello.version)}, "
                "which was not offered",
                Cause.PROTOCOL,
            )
        self._accepted = self._accepted or (version, hello.suite)
        return reply

    def ask_twice(self, version: Version, suites: Sequence[int], groups: Sequence[int]) -> _Reply:
        """Send one, and where it is not certain that the answer is a refusal, once more.

        Raises:
            ProbeError: as `ask`; the two answers differ.
        """
        reply = self.ask(version, suites, groups)
        if reply.hello is not None or reply.certain:
            return reply
        again = self.ask(version, suites, groups)
        if again.hello is not None:
            raise ProbeError(
                f"{self._look.target.url} answered one ClientHello in two ways: first it {reply.refusal}",
                Cause.CHANGED,
            )
        return again

    def confirm(self) -> None:
        """Offer once more what was accepted first.

        Raises:
            ProbeError: it is refused now.
        """
        if self._accepted is None:
            return
        version, suite = self._accepted
        self._until = self._look.deadline
        reply = self.ask(version, [suite])
        if reply.hello is None:
            raise ProbeError(
                f"{self._look.target.url} stopped answering us during the look at its TLS ({reply.refusal}); "
                "banned, or down?",
                Cause.CHANGED,
            )

    def _exchange(self, sent: bytes) -> _Reply:
        where = self._look.target.url
        data = b""
        until = time.monotonic() + max(0.0, self._until - time.monotonic()) / 2  # leaves time for the others
        with contextlib.closing(self._look.connect()) as sock:
            try:
                sock.settimeout(_left(until))
                sock.sendall(sent)
                while True:
                    sock.settimeout(_left(until))
                    piece = sock.recv(_PIECE)
                    data += piece
                    said = read(data)
                    if said.complete or (not piece and said.hello is not None):
                        return _reply(said)
                    if not piece:
                        return _Reply(refusal=f"closed the connection after {len(data)} bytes")
            except TimeoutError:
                got = f"{len(data)} bytes" if data else "nothing"
                raise ProbeError(
                    f"{where} did not answer a ClientHello in time: {got} came back", Cause.TIMEOUT
                ) from None
            except OSError as error:
                return _Reply(refusal=f"ended the connection ({(error.strerror or 'reset').lower()})")
            except Malformed as error:
                raise ProbeError(f"no TLS at {where}: {banner(data) or error} answered", Cause.PROTOCOL) from None


def _reply(said: Said) -> _Reply:
    if said.hello is not None and said.alert is None:  # some choose, and then find that they cannot
        return _Reply(said.hello, said.exchange)
    alert = said.alert if said.alert is not None else 0
    return _Reply(alert=alert, refusal=f"alert {_ALERTS.get(alert, alert)}")


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _label(version: int) -> str:
    with contextlib.suppress(ValueError):
        return Version(version).label
    return f"version 0x{version:04X}"
