"""What a target's answers tell besides what was asked: who answers, its clock, its cookies."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.probes.transport.answers import (
    COOKIES,
    announced_http3,
    clock_offset,
    cookies_of,
    handed_out,
    server_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.observations.side_ports import Cookie
    from pytest_nodered_sec.probes.transport.http import Exchange

_KEPT: Final = 500  # paths of which the cookies are kept
_LONGEST: Final = 4000  # characters of what is handed back; a front takes 8 kB of a line (nginx), and refuses more


class Noticed:
    """Such things of one target at one address.

    Attributes:
        answers: how many there were.
        server: what the first answer with Server or Via said.
        basic: whether any asked for a Basic login.
        http3: the first offer of HTTP/3.
        clock_offset: seconds by which the target's clock is ahead, by the first Date it sent; None for none.
        enough: made-up headers that were enough to be served something, by what else was sent with them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.answers = 0
        self.server = ""
        self.basic = False
        self.http3 = ""
        self.clock_offset: int | None = None
        self.enough: dict[str, Sequence[tuple[str, str]]] = {}
        self._handed_out: dict[str, dict[str, str]] = {}  # cookies that refusals of strangers have set, by path
        self._cookies: dict[Cookie, Cookie] = {}

    def note(self, method: str, path: str, got: Exchange, *, secret: bool = False, led_from: str = "") -> None:
        """Note what an answer tells.

        Args:
            method: HTTP method, or "WebSocket".
            path: absolute path that was asked.
            got: the answer.
            secret: whether something secret was sent: then its cookies are handed out to nobody.
            led_from: what was asked before redirects led there, "" for that path itself.
        """
        with self._lock:
            self.answers += 1
            self.server = self.server or server_of(got)
            self.basic = self.basic or "basic" in got.headers.get("www-authenticate", "").lower()
            if self.clock_offset is None:
                self.clock_offset = clock_offset(got, datetime.now(UTC))
            self.http3 = self.http3 or announced_http3(got)
            for cookie in cookies_of(got):
                where = f"{method} {path.partition('?')[0]}"
                before = self._cookies.get(cookie)
                if before is None and len(self._cookies) >= COOKIES:
                    continue
                if before is None or _order(where) < _order(before.where):
                    self._cookies[cookie] = replace(cookie, where=where)
            if got.status >= 300 and not secret and got.cookies and len(self._handed_out) < _KEPT:
                given = self._handed_out.setdefault((led_from or path).partition("?")[0], {})
                given.update(handed_out(got) if len(given) < COOKIES else {})  # each may have a name of its own

    def cookies(self) -> tuple[Cookie, ...]:
        """Return the cookies set so far, each kind once, in an order that does not depend on who asked first."""
        with self._lock:
            return tuple(sorted(self._cookies.values(), key=lambda cookie: (cookie.line(), cookie.where)))

    def handed_out(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the cookies, with values, that refusals of strangers have set at these paths; never shown."""
        with self._lock:
            given = {name: value for path in paths for name, value in self._handed_out.get(path, {}).items()}
        ends = itertools.accumulate(len(f"{name}={value}; ") for name, value in given.items())
        return {name: given[name] for name, end in zip(given, ends, strict=True) if end <= _LONGEST}


def _order(where: str) -> tuple[int, str]:
    """Return by what one of several places is named: the shortest, which is no random path."""
    return len(where), where
