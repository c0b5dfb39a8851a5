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
        tuple((name, _routes([route])[0]) for name, route in raw["named"]),
        tuple(raw["certificates"]),
        tuple(raw["trusts"]),
        raw["raw"],
        tuple(raw["relays"]),
    )


def _routes(raw: list[dict[str, Any]]) -> tuple[CaddyRoute, ...]:
    return tuple(
        CaddyRoute(
            _matches(route["sets"]), tuple(_step(step) for step in route["steps"]), route["group"], route["last"]
        )
        for route in raw
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
            tuple(config["hosts"]),
            tuple(config["paths"]),
            config["pattern"],
            _matches(config["not"]),
            name=config["name"],
            methods=tuple(config["methods"]),
            protocol=config["protocol"],
            networks=tuple(config["networks"]),
            forwarded=tuple(config["forwarded"]),
            headers=tuple(config["headers"]),
            statuses=tuple(config["statuses"]),
            files=config["files"],
            unread=tuple(config["unread"]),
        )
        for config in raw
    )
