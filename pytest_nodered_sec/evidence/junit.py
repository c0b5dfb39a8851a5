"""pytest's JUnit file, completed on the controller: what the run knows about itself, and where a schema must hold.

pytest has written the file, so no more than its format is relied on; its own way to suite properties,
`record_testsuite_property`, loses them under xdist.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.facts import RunFacts
    from pytest_nodered_sec.ledger import Ledger


class Completion:
    """Completes the file once pytest has written it, and before anybody gathers it.

    Args:
        ledger: knows the run.
        strict: whether the file must be valid for junit-10.xsd, which has no properties of test cases.
    """

    def __init__(self, ledger: Ledger, *, strict: bool) -> None:
        self._ledger = ledger
        self._strict = strict

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Complete the file, if there is one."""
        config = session.config
        given = getattr(config.option, "xmlpath", None)
        path = config.invocation_params.dir / Path(os.path.expandvars(given or "")).expanduser()  # as pytest reads it
        if given and path.is_file():
            complete(path, self._ledger.facts(), strict=self._strict)


_RESULTS: Final = ("failure", "error", "skipped")


def complete(path: Path, facts: RunFacts, *, strict: bool) -> None:
    """Write the run's facts into a JUnit file, as properties of its test suites.

    Args:
        path: the file.
        facts: what the run knows.
        strict: whether what test cases carry as properties becomes a line of JSON in their system-out.
    """
    tree = ET.parse(path)  # noqa: S314  pytest wrote it a moment ago
    for suite in tree.iter("testsuite"):
        properties = suite.find("properties")
        if properties is None:
            properties = ET.Element("properties")
            suite.insert(0, properties)
        for name, value in _properties(facts):
            ET.SubElement(properties, "property", name=f"nodered_sec.{name}", value=value)
        for case in suite.findall("testcase"):
            if _was_run_again(case):
                suite.remove(case)
    for case in tree.iter("testcase"):
        skipped = case.find("skipped[@type='pytest.xfail']")
        if skipped is not None and _outcome(case):
            skipped.text = skipped.get("message")  # some read nothing but the text: GitLab
        if strict:
            _move(case)
    new = path.with_name(f"{path.name}.new")
    tree.write(new, encoding="utf-8", xml_declaration=True)
    new.replace(path)


def _outcome(case: ET.Element) -> str:
    """Return what became of a control's case, "" where it is none."""
    found = case.find("properties/property[@name='nodered_sec.outcome']")
    return found.get("value", "") if found is not None else ""


def _was_run_again(case: ET.Element) -> bool:
    """Whether this is what pytest-rerunfailures leaves of a first attempt: no result, as if it had passed.

    GitLab would take it for the case's only entry, and pytest does not count it either.
    """
    return all(case.find(tag) is None for tag in _RESULTS) and _outcome(case) not in ("", "compliant")


def _move(case: ET.Element) -> None:
    for properties in case.findall("properties"):
        case.remove(properties)
        found = {one.get("name", ""): one.get("value", "") for one in properties}
        out = case.find("system-out")  # there where output is logged; many read the first one alone
        if out is None:
            out = ET.SubElement(case, "system-out")
        out.text = f"{out.text or ''}{json.dumps(found, ensure_ascii=False)}\n"


def _properties(facts: RunFacts) -> Iterator[tuple[str, str]]:
    yield "plugin", facts["plugin"]
    yield "tools", json.dumps(facts["tools"])
    yield "started", facts["started"]
    yield "ended", facts["ended"]
    yield "narrowed", facts["narrowed"]
    yield "interrupted", str(facts["interrupted"]).lower()
    yield "audit", str(facts["audit"]).lower()
    yield "replayed", facts["replayed"]
    yield "fail_on", facts["fail_on"]
    for target in facts["targets"]:
        start = f"target.{target['name']}"
        yield f"{start}.url", target["url"]
        yield f"{start}.profile", target["profile"]
        yield f"{start}.policy_sha256", target["policy_sha256"]
        for name, value in target["identity"].items():
            if value not in (None, "", []):  # what is not known is left out
                yield f"{start}.{name}", " ".join(value) if isinstance(value, list) else str(value)
        for deviation in target["deviations"]:
            yield f"{start}.deviation", json.dumps(deviation, ensure_ascii=False)
        for waiver in target["waivers"]:
            yield f"{start}.waiver", json.dumps(waiver, ensure_ascii=False)
