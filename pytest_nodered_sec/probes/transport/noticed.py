"""What a target's answers tell besides what was asked: who answers, its clock, its cookies."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_nodered_sec.probes.transport.answers import (
    COOKIES,
    announced_http3,
    clock_offset,
    cookies_of,
    handed_out,
    server_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.observations.side_ports import Cookie
    from pytest_nodered_sec.probes.transport.http import Exchange


class Noticed:
    """Such things of one target at one address.

    Attributes:
        answers: how many there were.
        server: what the first answer with Server or Via said.
        http3: the first offer of HTTP/3.
        clock_offset: seconds by which the target's clock is ahead, by the first Date it sent; None for none.
        handed_out: cookies that refusals of strangers have set, with values; never shown.
        enough: made-up headers that were enough to be served something, by what else was sent with them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.answers = 0
        self.server = ""
        self.http3 = ""
        self.clock_offset: int | None = None
        self.handed_out: dict[str, str] = {}
        self.enough: dict[str, Sequence[tuple[str, str]]] = {}
        self._cookies: dict[Cookie, Cookie] = {}

    def note(self, method: str, path: str, got: Exchange, *, secret: bool = False) -> None:
        """Note what an answer tells.

        Args:
            method: HTTP method, or "WebSocket".
            path: absolute path that was asked.
            got: the answer.
            secret: whether something secret was sent: then its cookies are handed out to nobody.
        """
        with self._lock:
            self.answers += 1
            self.server = self.server or server_of(got)
            if self.clock_offset is None:
                self.clock_offset = clock_offset(got, datetime.now(UTC))
            self.http3 = self.http3 or announced_http3(got)
            for cookie in cookies_of(got):
                if len(self._cookies) < COOKIES:
                    self._cookies.setdefault(cookie, replace(cookie, where=f"{method} {path.partition('?')[0]}"))
            if got.status >= 300 and not secret and len(self.handed_out) < COOKIES:
                self.handed_out = {**self.handed_out, **handed_out(got)}  # anew: others may be reading

    def cookies(self) -> tuple[Cookie, ...]:
        """Return the cookies set so far, each kind once."""
        with self._lock:
            return tuple(self._cookies.values())
