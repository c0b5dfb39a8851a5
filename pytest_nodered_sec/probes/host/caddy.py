"""Caddy's servers, from what the program on the host made of its configuration (settings.js, `served`)."""

from __future__ import annotations

from typing import Any

from pytest_nodered_sec.observations.host_proxies import CaddyMatch, CaddyRoute, CaddyServer, CaddyStep


def server(raw: dict[str, Any]) -> CaddyServer:
    """Return a server."""
    return CaddyServer(
        raw["name"],
        tuple(raw["listen"]),
        raw["tls"],
        tuple((to["dial"], to["secure"]) for to in raw["dials"]),
        _routes(raw["routes"]),
        _routes(raw["errors"]),
        tuple((name, _routes([one])[0]) for name, one in raw["named"]),
        tuple(raw["certificates"]),
        tuple(raw["trusts"]),
        raw["raw"],
    )


def _routes(raw: list[dict[str, Any]]) -> tuple[CaddyRoute, ...]:
    return tuple(
        CaddyRoute(_matches(one["sets"]), tuple(_step(step) for step in one["steps"]), one["group"], one["last"])
        for one in raw
    )


def _step(raw: dict[str, Any]) -> CaddyStep:
    return CaddyStep(
        raw["kind"],
        tuple(raw["dials"]),
        _routes(raw["routes"]),
        name=raw["name"],
        uri=raw["uri"],
        prefix=raw["prefix"],
        suffix=raw["suffix"],
        swaps=tuple((find, put, limit) for find, put, limit in raw["swaps"]),
        patterns=tuple((find, put) for find, put in raw["patterns"]),
        status=raw["status"],
        passes=raw["passes"],
        gathers=raw["gathers"],
        answers=tuple((tuple(answer["statuses"]), _routes(answer["routes"])) for answer in raw["answers"]),
        errors=_routes(raw["errors"]),
    )


def _matches(raw: list[dict[str, Any]]) -> tuple[CaddyMatch, ...]:
    return tuple(
        CaddyMatch(
            tuple(one["hosts"]),
            tuple(one["paths"]),
            one["pattern"],
            _matches(one["not"]),
            name=one["name"],
            methods=tuple(one["methods"]),
            protocol=one["protocol"],
            networks=tuple(one["networks"]),
            forwarded=tuple(one["forwarded"]),
            headers=tuple(one["headers"]),
            statuses=tuple(one["statuses"]),
            files=one["files"],
            unread=tuple(one["unread"]),
        )
        for one in raw
    )
