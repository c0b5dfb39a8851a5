"""A folder with a user's tests, run by a pytest of its own over a survey that asks nobody."""

from __future__ import annotations

import os
import sys
import time

import pytest
import warm
from session.evidence_site import POLICY, SEES, controls

from pytest_nodered_sec.session import audit
from pytest_nodered_sec.survey import survey

# Answers by the question's first argument; whatever the bundled suite asks is not looked at, but noted.
SURVEY = """
import os, pathlib
from dataclasses import dataclass
import pytest_nodered_sec.session.audit
import pytest_nodered_sec.survey.survey
from pytest_nodered_sec.errors import Cause, ProbeError

LOG = pathlib.Path(__file__).parent / "asked"

@dataclass(frozen=True)
class Seen:
    how: str
    def evidence(self):
        return f"GET /{self.how} without credentials answered 401"

class Survey:
    def __init__(self, attempts=None, targets=()):
        self.known = set()
    def ask_ahead(self, target, asks):
        LOG.mkdir(exist_ok=True)
        for ask in asks:
            if (target, ask) not in self.known:
                self.known.add((target, ask))
                with (LOG / str(os.getpid())).open("a") as log:
                    log.write(f"{target.name} {ask.label}\\n")
    def outcome(self, target, ask):
        self.ask_ahead(target, [ask])
        secret = "hunter2-must-not-be-shown"
        how = ask.args[0] if ask.probe == "stub" else "error"
        if how == "error":
            return ProbeError("GET / got no answer within 10 s", Cause.TIMEOUT)
        if how == "crash":
            os._exit(3)
        if how == "bug":
            raise KeyError("bug in a probe")
        return Seen(how)
    def identity(self, target):
        return {"addresses": ["192.0.2.7", "2001:db8::7"], "dialled": "192.0.2.7", "source": "192.0.2.1",
                "leaf_sha256": "ab" * 32, "key_sha256": "cd" * 32, "clock_offset": 2, "node_red": "4.1.0"}
    def let_go(self, target, kept):
        pass
    def stop(self):
        pass
    def close(self):
        LOG.joinpath("closed").touch()

pytest_nodered_sec.survey.survey.Survey = Survey
pytest_nodered_sec.session.audit._OLDEST_TABLE = 10**6  # days: an audit shall not fail here by the calendar alone
"""

SITE = '''
import pytest
from pytest_nodered_sec import Ask, NonCompliant, NotApplicable, Severity, Violation, control, require

ANSWER = "GET /api/orders without credentials answered 200 (application/json, 2913 bytes)"
REMEDY = 'settings.js: adminAuth: {type: "credentials", users: require("./users.json")}, without a `default` user'
ONE = Violation("served", ANSWER, "401 or 403", REMEDY)
TWO = Violation("cors", "any origin may read it", "no Access-Control-Allow-Origin", "settings.js: httpNodeCors")
VERDICTS = {"good": (), "bad": (ONE,), "worse": (ONE, TWO), "absent": NotApplicable("no orders here")}

def asks(*labels):
    return [Ask("stub", (label,), label) for label in labels]

@control("site-01", severity=Severity.CRITICAL, asks=asks("good", "bad", "worse", "absent", "error"))
def test_orders(nodered_seen):
    """Orders are refused."""
    require(VERDICTS[nodered_seen.how])
'''

# A plugin by which the controller's ledger can be read afterwards, from book.json.
DUMP = """
import json, pathlib, pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    book = session.config.pluginmanager.get_plugin("nodered-sec-ledger")
    if book:
        found = {"facts": book.facts(), "accounts": book.accounts(), "records": book.records}
        pathlib.Path(__file__).with_name("book.json").write_text(json.dumps(found))
"""

AUDIT_WITHOUT = """audit_without = [
    {part = "account", reason = "has none"},
    {part = "host", reason = "belongs to the vendor"},
]
"""
ASSESSMENT = """
[assessment]
assessor = "J. Doe"
organisation = "Example Security"
authorisation = "OT-7, 2026-11-20"
scope = "line 7"
"""

URL = "--nodered-url=https://plant.example"
WORKERS = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])


class Site:
    """A user's folder, and pytest runs in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        pytester.makeini("[pytest]")

    def write(self, **files: str) -> None:
        """Write Python files by name, without suffix."""
        for name, text in files.items():
            (self.path / f"{name}.py").write_text(text, encoding="utf-8")

    def audited(self, text: str = "") -> None:
        """Write a policy file with what an audit demands, and more."""
        (self.path / "nodered-sec.toml").write_text(AUDIT_WITHOUT + text + ASSESSMENT, encoding="utf-8")

    def run(self, *args: object, url: str | None = "https://plant.example", anew: bool = False) -> pytest.RunResult:
        """Run pytest in a process of its own, at a target unless told otherwise.

        Args:
            args: of pytest.
            url: of the target.
            anew: whether it matters that nothing is imported yet.
        """
        target = [f"--nodered-url={url}"] if url else []
        if anew:
            return self.pytester.runpytest_subprocess(*warm.ALONE, *target, *map(str, args))
        place = os.pathsep.join(filter(None, [str(self.path), os.environ.get("PYTHONPATH", "")]))
        begun = time.perf_counter()
        words = [*target, *map(str, args)]
        done = warm.run([*warm.alone(words), *words], self.path, os.environ | {"PYTHONPATH": place})
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        lines = done.stdout.splitlines(), done.stderr.splitlines()
        return pytest.RunResult(done.returncode, *lines, time.perf_counter() - begun)

    def ids(self, *args: object, url: str | None = "https://plant.example") -> list[str]:
        """Return the collected node ids."""
        result = self.run("--collect-only", "-q", *args, url=url)
        return [line for line in result.outlines if "::" in line]

    def asked(self) -> list[str]:
        """Return what was asked, by all processes together."""
        return sorted(line for log in self.path.glob("asked/[0-9]*") for line in log.read_text().splitlines())


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("NODERED_", "PYTEST_ADDOPTS", "COV_CORE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)


@pytest.fixture
def site(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An empty folder with the survey that asks nobody."""
    # A run in this very process loads SURVEY too: what it puts in place ends with its test.
    monkeypatch.setattr(survey, "Survey", survey.Survey)
    monkeypatch.setattr(audit, "_OLDEST_TABLE", audit._OLDEST_TABLE)
    made = Site(pytester)
    made.write(conftest=SURVEY)
    return made


@pytest.fixture
def site_with_control(site: Site) -> Site:
    """The same with a user's own control, answered in every way."""
    site.write(test_site=SITE)
    return site


@pytest.fixture
def two_targets(site: Site) -> Site:
    """Two targets, a waiver, and a control that comes to everything."""
    (site.path / "conftest.py").write_text((site.path / "conftest.py").read_text() + SEES)
    site.write(test_site=controls("good", "bad", "absent", "error"))
    (site.path / "nodered-sec.toml").write_text(POLICY)
    return site
