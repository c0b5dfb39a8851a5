"""Waivers in a policy file, and what JUnit has of them after a run."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from session.conftest import Site


def today() -> date:
    """Return the day by which a run that begins now judges; not kept, because all the tests may take until tomorrow."""
    return datetime.now(UTC).date()


def waiver(control: str, finding: str = "served", days: int = 40, **more: str) -> str:
    lines = {"control": control, "finding": finding, "reason": f"why {control}"} | more
    said = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items() if value)
    return f"[[waiver]]\n{said}\nexpires = {today() + timedelta(days)}\n"


def write(site: Site, *texts: str) -> None:
    (site.path / "nodered-sec.toml").write_text("\n".join(texts), encoding="utf-8")


def seen(site: Site) -> dict[str, tuple[str, str]]:
    """Return what JUnit has of the site's own cases and of the waivers: the element and the outcome."""
    outcomes: dict[str, tuple[str, str]] = {}
    for case in ET.parse(site.path / "junit.xml").iter("testcase"):  # noqa: S314  our own run wrote it
        of = {
            str(element.get("name")).removeprefix("nodered_sec."): str(element.get("value"))
            for element in case.iter("property")
        }
        name = str(case.get("name"))
        if of["control"].startswith("site-") or of["control"] == "waiver-01":
            tags = {child.tag for child in case} - {"properties", "system-out", "system-err"}
            shown = name.partition("[plant.example-")[2].rstrip("]")
            outcomes[shown] = (" ".join(sorted(tags)), of["outcome"])
    return outcomes
