"""Cases of a run as its JUnit file has them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from session.conftest import Site


def junit(site: Site) -> dict[str, ET.Element]:
    """Return the test cases of the JUnit file by name."""
    tree = ET.parse(site.path / "junit.xml")  # noqa: S314  written a moment ago by the run under test
    return {str(case.get("name")): case for case in tree.iter("testcase")}


def properties(case: ET.Element) -> dict[str, str]:
    values = {
        str(element.get("name")).removeprefix("nodered_sec."): str(element.get("value"))
        for element in case.iter("property")
    }
    assert len(values.pop("policy_sha256", "")) in (0, 64)
    values.pop("policy", "")  # once per target
    return values
