"""Completes pytest's JUnit file on the controller: metadata of the run, and validity by the schema.

pytest has written the file, so no more than its format is relied on; its own way to suite properties,
`record_testsuite_property`, loses them under xdist.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec import private, redaction
from pytest_nodered_sec.evidence import changes, headline
from pytest_nodered_sec.evidence.files import check_file
from pytest_nodered_sec.evidence.plans import told
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.texts import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nodered_sec.evidence.changes import TargetPlan
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.results.baseline import Since
    from pytest_nodered_sec.results.metadata import RunFacts
    from pytest_nodered_sec.session.ledger import Ledger


class Completion:
    """Completes the file once pytest has written it, and before anybody gathers it.

    Args:
        ledger: knows the run.
        targets: what is looked at.
        strict: whether the file must be valid for junit-10.xsd, which has no properties of test cases.
    """

    def __init__(self, ledger: Ledger, targets: Sequence[Target], *, strict: bool) -> None:
        self._ledger = ledger
        self._targets = targets
        self._strict = strict
        self._lost = ""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """See that the file can be written, before anything is sent."""
        path = place_of(session.config)
        if path is None:
            return
        try:
            check_file(path, "--junitxml")
        except PolicyError as error:
            raise pytest.UsageError(str(error)) from None
        private.mind_junit(session.config, partial(self._failed, session, path))

    def _failed(self, session: pytest.Session, path: Path, error: OSError) -> None:
        if not error.filename:  # it was opened, and what stands there now is no whole JUnit file
            with contextlib.suppress(OSError):
                if path.is_file():  # and not /dev/full, a pipe or the like
                    path.unlink()
        self._lost = f"the JUnit file is not written: {path}: {error.strerror}"
        session.exitstatus = pytest.ExitCode.USAGE_ERROR

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Complete the file, if there is one."""
        path = place_of(session.config)
        if path is None or self._lost or not path.is_file():
            return
        facts = self._ledger.facts()
        plans = changes.of_run(self._targets, self._ledger.records, facts)
        cut = "interrupted" if facts["interrupted"] else self._ledger.incomplete()
        said = headline.headline(self._ledger.records, [target.name for target in self._targets], cut)
        more = [("headline", said), *_since(self._ledger.since(facts))]
        try:
            complete(path, facts, more, plans, strict=self._strict)
        except OSError as error:
            self._failed(session, path, error)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say that there is no file."""
        if self._lost:
            terminalreporter.write_line(f"nodered-sec: {self._lost}")


def place_of(config: pytest.Config) -> Path | None:
    """Return where pytest writes its JUnit file, None where it writes none."""
    given = getattr(config.option, "xmlpath", None)
    return config.invocation_params.dir / Path(os.path.expandvars(given)).expanduser() if given else None


_RESULTS: Final = ("failure", "error", "skipped")


def complete(
    path: Path, facts: RunFacts, more: Sequence[tuple[str, str]], plans: Sequence[TargetPlan], *, strict: bool
) -> None:
    """Write the run's facts into a JUnit file, as properties of its test suites.

    Args:
        path: the file.
        facts: what the run knows.
        more: further properties, names and values: the sentence that says how it stands, what changed.
        plans: what to change at each target.
        strict: whether what test cases carry as properties becomes a line of JSON in their system-out.
    """
    tree = ET.parse(path)  # noqa: S314  pytest wrote it a moment ago
    for suite in tree.iter("testsuite"):
        properties = suite.find("properties")
        if properties is None:
            properties = ET.Element("properties")
            suite.insert(0, properties)
        for own in properties:  # of record_testsuite_property
            own.attrib.update({name: readable(redaction.scrub(value)) for name, value in own.attrib.items()})
        for name, value in (*_properties(facts), *more, *_changes(plans)):
            ET.SubElement(properties, "property", name=readable(f"nodered_sec.{name}"), value=readable(value))
        for case in suite.findall("testcase"):
            if _was_run_again(case):
                suite.remove(case)
            elif _outcome(case) == "could-not-look":
                _as_error(suite, case)
    for case in tree.iter("testcase"):
        skipped = case.find("skipped[@type='pytest.xfail']")
        if skipped is not None and _outcome(case):
            skipped.text = skipped.get("message")  # some read nothing but the text: GitLab
        if strict:
            _move(case)
    written = path.resolve()  # pytest follows a link, too
    new = written.with_name(f"{written.name}.new")
    try:
        tree.write(new, encoding="utf-8", xml_declaration=True)
        new.replace(written)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _outcome(case: ET.Element) -> str:
    """Return what became of a control's case, "" where it is none."""
    element = case.find("properties/property[@name='nodered_sec.outcome']")
    return element.get("value", "") if element is not None else ""


def _was_run_again(case: ET.Element) -> bool:
    """Whether this is what pytest-rerunfailures leaves of a first attempt: no result, as if it had passed.

    GitLab would take it for the case's only entry, and pytest does not count it either.
    """
    return all(case.find(tag) is None for tag in _RESULTS) and _outcome(case) not in ("", "compliant")


def _as_error(suite: ET.Element, case: ET.Element) -> None:
    """Make an error of what pytest wrote as the failure of a test whose body could not look."""
    for failure in case.findall("failure"):
        failure.tag = "error"
        for name, more in (("failures", -1), ("errors", 1)):
            suite.set(name, str(int(suite.get(name, "0")) + more))


def _move(case: ET.Element) -> None:
    for properties in case.findall("properties"):
        case.remove(properties)
        values = {prop.get("name", ""): prop.get("value", "") for prop in properties}
        out = case.find("system-out")  # there where output is logged; many read the first one alone
        if out is None:
            out = ET.SubElement(case, "system-out")
        out.text = f"{out.text or ''}{json.dumps(values, ensure_ascii=False)}\n"


def _properties(facts: RunFacts) -> Iterator[tuple[str, str]]:
    yield "plugin", facts["plugin"]
    yield "tools", json.dumps(facts["tools"])
    yield "started", facts["started"]
    yield "ended", facts["ended"]
    yield "narrowed", facts["narrowed"]
    yield "shard", facts["shard"]
    yield "omitted", ", ".join(facts["omitted"])
    yield "interrupted", str(facts["interrupted"]).lower()
    yield "audit", str(facts["audit"]).lower()
    yield "replayed", facts["replayed"]
    yield "fail_on", facts["fail_on"]
    yield "only_new", str(facts["only_new"]).lower()
    if any(facts["assessment"].values()):
        yield "assessment", json.dumps(facts["assessment"], ensure_ascii=False)
    yield "command", shlex.join(facts["command"])
    yield "code_sha256", facts["code"]["record_sha256"]
    yield "tables", json.dumps(facts["tables"])
    yield "machine", facts["machine"]
    yield "clock", facts["clock"]
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
        for attestation in target["attestations"]:
            yield f"{start}.attestation", json.dumps(attestation, ensure_ascii=False)


def _since(since: Since | None) -> Iterator[tuple[str, str]]:
    """Return what changed since the baseline: in one sentence, and of each target as lines."""
    if since is None:
        return
    yield "since", since.line
    kinds = (("new", since.new), ("fixed", since.fixed), ("dropped", since.dropped), ("unknown", since.unknown))
    for kind, findings in kinds:
        for change in findings:
            words = (change.control, change.severity, change.code, change.instance, change.why)
            yield f"target.{change.target}.{kind}", " ".join(filter(None, words))
    for turn in since.unreachable:
        yield f"target.{turn.target}.unreachable", turn.what
    for turn in since.turns:
        yield f"target.{turn.target}.changed", turn.what
    for turn in since.added:
        yield f"target.{turn.target}.added", turn.what
    for name in since.absent:
        yield f"target.{name}.absent", "in the baseline, and not in this run"


def _changes(plans: Sequence[TargetPlan]) -> Iterator[tuple[str, str]]:
    """Return the plan of each target, a step a property, worst first."""
    for planned in plans:
        for step in told([planned]):
            yield f"target.{planned.target.name}.change", json.dumps(step._asdict(), ensure_ascii=False)
