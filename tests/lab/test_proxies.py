"""What the lab says of a proxy's configuration, without starting a lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.lab.proxies import refused_by_caddy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("gate all", "Caddyfile:3: unrecognized directive: gate"),
        ("import /gone/node-red-accounts", "File to import not found: /gone/node-red-accounts"),
        ("reverse_proxy 127.0.0.1:port", "port"),
        ('respond "never started"', ""),
    ],
)
def test_caddy_says_what_it_refuses(tmp_path: Path, rules: str, reason: str) -> None:
    (tmp_path / "Caddyfile").write_text(f"http://127.0.0.1:1 {{\n\n{rules}\n}}\n")
    said = refused_by_caddy(tmp_path)
    assert reason in said
    assert bool(said) == bool(reason)
    assert "\n" not in said
