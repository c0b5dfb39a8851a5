"""Sends ClientHellos and reads the answers, each over its own connection, closed after the server's first message.

Here: connecting, time, and what counts as a refusal. What is offered, and in which order, is `suites`' choice; the
bytes are `clienthello`'s.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.suites import suite_table
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.tls.clienthello import Malformed, Version, client_hello, read
from pytest_nodered_sec.probes.transport.names import ascii_name, banner, is_address

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pytest_nodered_sec.probes.tls.clienthello import KeyExchange, Said, ServerHello
    from pytest_nodered_sec.probes.transport.look import Look

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
PROTOCOL_VERSION: Final = 70
_REFUSALS: Final = (40, PROTOCOL_VERSION, 71)  # alerts that say: not with these versions, suites or groups
_LAST_SHARE: Final = 1 / 8  # of a look's time, kept for confirming
_SPACED: Final = 0.55  # seconds between two connections where a front objects; limits of 20 in ten seconds are usual
_PIECE: Final = 16384  # bytes read at once


def weakest_first(version: Version, shown: Collection[int] = ()) -> list[int]:
    """Return the groups that a version knows, those shown already last: so most servers show another each time."""
    known = [group for group in suite_table().groups.values() if version == Version.TLSV1_3 or group.code < 0x001F]
    return [group.code for group in sorted(known, key=lambda group: (group.code in shown, group.strength))]


@dataclass(frozen=True)
class Reply:
    """The answer to a ClientHello.

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
        """Whether a refusal is explicit."""
        return self.alert in _REFUSALS


class Asker:
    """Sends ClientHellos, each over a connection of its own; used by several threads.

    Attributes:
        closed: versions of which a ClientHello was answered by closing: so do limits of connections.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        host = ascii_name(look.target.hostname)
        self._name = b"" if is_address(host) else host.rstrip(".").encode("ascii")
        self.closed: set[Version] = set()
        self._accepted: tuple[Version, int] | None = None
        self._until = look.deadline - _LAST_SHARE * (look.deadline - time.monotonic())
        self.disputed = suite_table().disputed(look.target.policy.thresholds.tls_suites)

    def ask(self, version: Version, suites: Sequence[int], groups: Sequence[int] | None = None) -> Reply:
        """Send one.

        Raises:
            ProbeError: no connection; no answer in time; something else than TLS; a choice that was not offered.
        """
        groups = weakest_first(version) if groups is None else groups
        sent = client_hello(version, suites, groups, self._name, os.urandom(32))
        reply = self._exchange(sent)
        hello = reply.hello
        if hello is None:
            self.closed |= {version} if reply.alert is None else set()
            return reply
        if hello.suite not in suites or hello.version > version:
            raise ProbeError(
                f"{self._look.target.url} chose {suite_table().suite(hello.suite)} of {label_of(hello.version)}, "
                "which was not offered",
                Cause.PROTOCOL,
            )
        self._accepted = self._accepted or (version, hello.suite)
        return reply

    def ask_twice(self, version: Version, suites: Sequence[int], groups: Sequence[int]) -> Reply:
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
                f"{self._look.target.url} answered the same ClientHello differently: first it {reply.refusal}",
                Cause.CHANGED,
            )
        return again

    @property
    def accepted(self) -> bool:
        """Whether any version was accepted."""
        return self._accepted is not None

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
                f"{self._look.target.url} stopped answering during the TLS checks ({reply.refusal}); banned, or down?",
                Cause.CHANGED,
            )

    def _exchange(self, sent: bytes) -> Reply:
        where = self._look.target.url
        before = self._look.deadline
        narrowed = self._look.station.narrowed
        self._look.pause(_SPACED if narrowed else 0.0)
        begun = time.monotonic()
        data = b""
        try:
            connected = self._look.connect()
        except ProbeError as error:  # a reset may come before the ClientHello is sent, or after it
            if error.cause is not Cause.CLOSED:
                raise
            return Reply(refusal="ended the connection (reset)")
        with contextlib.closing(connected) as sock:
            now = time.monotonic()
            if narrowed:  # what was waited for may have been room
                self._look.deadline += now - begun
            self._until += self._look.deadline - before
            until = now + max(0.0, self._until - now) / 2  # leaves time for the others
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
                        return Reply(refusal=f"closed the connection after {len(data)} bytes")
            except TimeoutError:
                got = f"{len(data)} bytes" if data else "nothing"
                raise ProbeError(
                    f"{where} did not answer a ClientHello in time: {got} came back", Cause.TIMEOUT
                ) from None
            except OSError as error:
                return Reply(refusal=f"ended the connection ({(error.strerror or 'reset').lower()})")
            except Malformed as error:
                raise ProbeError(f"no TLS at {where}: {banner(data) or error} answered", Cause.PROTOCOL) from None


def _reply(said: Said) -> Reply:
    if said.hello is not None and said.alert is None:  # some choose, and then find that they cannot
        return Reply(said.hello, said.exchange)
    alert = said.alert if said.alert is not None else 0
    return Reply(alert=alert, refusal=f"alert {_ALERTS.get(alert, alert)}")


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def label_of(version: int) -> str:
    """Return the common name of a version, known or not."""
    with contextlib.suppress(ValueError):
        return Version(version).label
    return f"version 0x{version:04X}"
