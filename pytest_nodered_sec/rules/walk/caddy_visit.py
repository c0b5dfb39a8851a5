"""A request on its way through Caddy: who sends it, and what has become of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_nodered_sec.rules.walk.journey import Journey

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import CaddyConfig, CaddyServer
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.request import Client


@dataclass
class Visit(Journey):
    """A request on its way.

    Attributes:
        client: who sent it.
        seen: Caddy's configuration.
        server: the server that answers.
        choices: what the client decides.
        path: percent-encoded.
        query: without the "?".
        status: of the error that is handled.
        groups: of routes of which one was taken.
        captured: by regular expressions, by placeholder.
        signed: whether its Authorization was set on the way.
        refused: what refused it.
        doubts: why its end is not sure.
    """

    client: Client
    seen: CaddyConfig
    server: CaddyServer
    choices: Choices
    path: str
    query: str
    status: int = 0
    groups: set[str] = field(default_factory=set)
    captured: dict[str, str] = field(default_factory=dict)
    signed: bool = False
    refused: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """Path and query."""
        return (self.path or "/") + (f"?{self.query}" if self.query else "")
