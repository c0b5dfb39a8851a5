"""Writes the blocks of docs/hardening.md: `python tests/hardening_md.py`, from `remedies/`, for the page's example.

What `--nodered-guide` prints is a copy of the page, because pip installs no docs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from pytest_nodered_sec.remedies import fronts, settings, systemd
from pytest_nodered_sec.remedies.model import FrontName, Site

PAGE: Final = Path(__file__).parents[1] / "docs" / "hardening.md"
COPY: Final = Path(__file__).parents[1] / "pytest_nodered_sec" / "data" / "hardening.md"
EXAMPLE: Final = Site(
    "plant.example",
    "plant.example",
    dashboards=("/ui", "/dashboard"),
    channels=("/ws/line",),
    endpoints=("/api/orders",),
)
FRONTS: Final[tuple[FrontName, ...]] = ("nginx", "caddy", "apache", "haproxy", "traefik")
SETTINGS: Final = (  # the API stays
    *(name for name in settings._LINES if name != "settings.httpAdminRoot"),
    "settings.sessionExpiryTime",
)
_BLOCK: Final = re.compile(r"(<!-- block (\w+) -->\n).*?(<!-- end of block -->\n)", re.DOTALL)
_LANGUAGES: Final = {"settings": "js", "systemd": "ini", "nginx": "nginx", "apache": "apache", "traefik": "yaml"}


def files(site: Site) -> dict[str, dict[str, str]]:
    """Return by block what it shows for a site: file names and texts."""
    written = {front: fronts.write(replace(site, front=front)) for front in FRONTS}
    return written | {"settings": settings.write(SETTINGS, site), "systemd": systemd.write(["host.unit"], site)}


def page(text: str) -> str:
    """Return the page with its blocks as they are now."""
    blocks = files(EXAMPLE)

    def shown(match: re.Match[str]) -> str:
        fence = f"```{_LANGUAGES.get(match[2], 'text')}"
        whole = "\n".join(f"{fence}\n{content}```\n" for content in blocks[match[2]].values())
        return f"{match[1]}\n{whole}\n{match[3]}"

    return _BLOCK.sub(shown, text)


def printed(text: str) -> str:
    """Return the page as it is printed, without the marks of its blocks."""
    return re.sub(r"<!-- .*? -->\n\n?", "", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    COPY.write_text(printed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
