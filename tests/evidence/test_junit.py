"""The JUnit file: valid for the schema, and what its usual readers make of it.

`junit-10.xsd` is pytest's copy (testing/example_scripts in its source distribution) of the schema of Jenkins' xUnit
plugin; its licence, MIT, stands in it.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xmlschema
from junitparser import xunit2
from session.conftest import SITE, SURVEY, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMS = pytest.mark.parametrize("form", [(), ("--nodered-junit=strict",)], ids=["properties", "strict"])
SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("junit-10.xsd")))
POLICY = """
guess = {value = false, reason = "a directory"}
[[waiver]]
control = "site-01"
instance = "bad"
finding = "served"
reason = "why not"
expires = 2099-12-31
"""
OWN = """
def test_own(record_property):
    record_property("colour", "green")
    print("hello")
"""
ANSWER = "GET /api/orders without credentials answered 200 (application/json, 2913 bytes)"
OUTCOMES = {"bad": "waived", "worse": "non-compliant", "good": "compliant", "absent": "not-applicable",
            "error": "could-not-look"}  # fmt: skip


_WRITTEN: dict[tuple[str, ...], bytes] = {}


def written(pytester: pytest.Pytester, *args: str) -> Path:
    """Run a site's tests, each outcome once, and return the file; the same arguments are run once."""
    site = Site(pytester)
    path = site.path / "junit.xml"
    if args not in _WRITTEN:
        site.write(conftest=SURVEY, test_site=SITE, test_own=OWN)
        (site.path / "nodered-sec.toml").write_text(POLICY, encoding="utf-8")
        site.run("--nodered-suite=off", "--junitxml=junit.xml", "-W", "ignore::pytest.PytestWarning", *args)
        _WRITTEN[args] = path.read_bytes()
    path.write_bytes(_WRITTEN[args])
    return path


@pytest.fixture(params=[(), ("-n2",)], ids=["plain", "xdist"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    families: tuple[str, ...] = request.param
    return families


def cases(path: Path) -> dict[str, ET.Element]:
    tree = ET.parse(path)  # noqa: S314  our own run wrote it
    return {str(case.get("name")).partition("[plant.example-")[2].rstrip("]"): case for case in tree.iter("testcase")}


def properties(element: ET.Element) -> dict[str, str]:
    return {str(prop.get("name")): str(prop.get("value")) for prop in element.iterfind("properties/property")}


@pytest.mark.parametrize("logging", ["no", "all"])
def test_strict_is_valid_for_the_schema(pytester: pytest.Pytester, workers: tuple[str, ...], logging: str) -> None:
    path = written(pytester, "-o", "nodered_junit=strict", "-o", f"junit_logging={logging}", *workers)
    SCHEMA.validate(str(path))
    for name, outcome in OUTCOMES.items():
        said = json.loads(str(cases(path)[name].findtext("system-out")).rstrip().splitlines()[-1])
        assert said["nodered_sec.outcome"] == outcome
        assert said["nodered_sec.control"] == "site-01"
    assert '{"colour": "green"}\n' in str(cases(path)[""].findtext("system-out"))


def test_without_strict_test_cases_carry_properties(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    path = written(pytester, *workers)
    assert not SCHEMA.is_valid(str(path))
    element = cases(path)
    assert {name: properties(element[name])["nodered_sec.outcome"] for name in OUTCOMES} == OUTCOMES


def test_both_forms_say_the_same(pytester: pytest.Pytester) -> None:
    plain = {name: properties(case) for name, case in cases(written(pytester)).items()}
    strict = cases(written(pytester, "--nodered-junit=strict"))
    assert {name: json.loads(str(case.findtext("system-out"))) for name, case in strict.items()} == plain


def test_the_run_stands_in_the_suite(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    (suite,) = ET.parse(written(pytester, *workers)).iter("testsuite")  # noqa: S314  our own run wrote it
    shown = {name.removeprefix("nodered_sec."): value for name, value in properties(suite).items()}
    assert shown["plugin"] == "0.1.0"
    assert shown["started"] <= shown["ended"]
    assert shown["started"].endswith("+00:00")
    assert (shown["narrowed"], shown["interrupted"], shown["audit"], shown["fail_on"]) == ("", "false", "false", "low")
    assert json.loads(shown["tools"])["pytest"] == pytest.__version__
    target = {key.removeprefix("target.plant.example."): value for key, value in shown.items() if "plant" in key}
    assert target["url"] == "https://plant.example"
    assert target["addresses"] == "192.0.2.7 2001:db8::7"
    assert (target["dialled"], target["source"], target["clock_offset"]) == ("192.0.2.7", "192.0.2.1", "2")
    assert (target["leaf_sha256"], target["key_sha256"], target["node_red"]) == ("ab" * 32, "cd" * 32, "4.1.0")
    assert json.loads(target["deviation"])["reason"] == "a directory"
    assert json.loads(target["waiver"])["expires"] == "2099-12-31"
    digests = {properties(case).get("nodered_sec.policy_sha256") for case in suite.iter("testcase")} - {None}
    assert digests == {target["policy_sha256"]}


# --- readers -----------------------------------------------------------------------------------------------------


@FORMS
def test_junitparser(pytester: pytest.Pytester, form: tuple[str, ...]) -> None:
    """Reads what GitHub's publish-unit-test-result-action reads, which is built on it."""
    path = written(pytester, *form)
    suite: Any = next(iter(xunit2.JUnitXml.fromfile(str(path))))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (6, 1, 1, 2)
    assert {prop.name: prop.value for prop in suite.properties()}[
        "nodered_sec.target.plant.example.node_red"
    ] == "4.1.0"
    cases_by_name: dict[str, Any] = {str(case.name): case for case in suite}
    waived = cases_by_name["test_orders[plant.example-bad]"]
    (skipped,) = waived.result
    assert (skipped.type, waived.classname) == ("pytest.xfail", "test_site")
    assert str(skipped.message).startswith(f"site-01 critical served · {ANSWER}")
    assert waived.is_skipped
    (failure,) = cases_by_name["test_orders[plant.example-worse]"].result
    assert str(failure.text).startswith(f"site-01 critical served · {ANSWER}")
    (error,) = cases_by_name["test_orders[plant.example-error]"].result
    assert "could not look: GET / got no answer within 10 s" in str(error.message)
    if form:
        assert json.loads(waived.system_out)["nodered_sec.outcome"] == "waived"
    else:
        assert {prop.name: prop.value for prop in waived.properties()}["nodered_sec.outcome"] == "waived"


@FORMS
def test_gitlab(pytester: pytest.Pytester, form: tuple[str, ...]) -> None:
    """As in gitlab-org/gitlab, lib/gitlab/ci/parsers/test/junit.rb: of each element the text; names must be unique."""
    read = _gitlab(written(pytester, *form))
    element = {(case.get("classname"), case.get("name")): case for case in read}
    assert len(element) == 6
    status = Counter(_gitlab_status(case)[0] for case in element.values())
    assert status == {"failed": 1, "error": 1, "skipped": 2, "success": 2}
    text = {name: _gitlab_status(case)[1] for (_, name), case in element.items()}
    assert text["test_orders[plant.example-bad]"].startswith(f"site-01 critical served · {ANSWER}\n  expected  401")
    assert text["test_orders[plant.example-worse]"].startswith(f"site-01 critical served · {ANSWER}\n  expected")
    assert "could not look: GET / got no answer" in text["test_orders[plant.example-error]"]
    assert "no orders here" in text["test_orders[plant.example-absent]"]
    assert all(float(str(case.get("time"))) >= 0 for case in element.values())


def _gitlab(path: Path) -> Iterator[ET.Element]:
    root = ET.parse(path).getroot()  # noqa: S314  our own run wrote it
    assert root.tag == "testsuites"
    yield from root.iterfind("testsuite/testcase")


def _gitlab_status(case: ET.Element) -> tuple[str, str]:
    for tag, status in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        element = case.find(tag)
        if element is not None:
            return status, element.text or ""
    return "success", ""


@FORMS
def test_github(pytester: pytest.Pytester, form: tuple[str, ...]) -> None:
    """As mikepenz/action-junit-report and dorny/test-reporter: the suite's counts, each element's message and text."""
    (suite,) = ET.parse(written(pytester, *form)).iter("testsuite")  # noqa: S314  as above
    tags = ("failure", "error", "skipped")
    kinds = Counter(tag for case in suite.iter("testcase") for tag in tags if case.find(tag) is not None)
    assert (kinds["failure"], kinds["error"], kinds["skipped"]) == tuple(
        int(str(suite.get(name))) for name in ("failures", "errors", "skipped")
    )
    for case in suite.iter("testcase"):
        assert case.get("classname")
        assert case.get("name")
        for tag in ("failure", "error", "skipped"):
            element = case.find(tag)
            if element is not None:
                assert str(element.get("message")).strip()
                assert str(element.text).strip()
    assert str(suite.get("timestamp"))
    assert float(str(suite.get("time"))) >= 0


def test_what_was_run_again_stands_there_once(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytest.importorskip("pytest_rerunfailures")
    (suite,) = ET.parse(written(pytester, "--reruns=1", *workers)).iter("testsuite")  # noqa: S314  as above
    names = [case.get("name") for case in suite.iter("testcase")]
    assert len(names) == len(set(names)) == int(str(suite.get("tests"))) == 6


def test_strict_keeps_what_pytest_wrote(pytester: pytest.Pytester) -> None:
    def gist(path: Path) -> list[tuple[str, list[str]]]:
        kept = {"properties", "system-out"}
        return [(name, [child.tag for child in case if child.tag not in kept]) for name, case in cases(path).items()]

    assert gist(written(pytester)) == gist(written(pytester, "--nodered-junit=strict"))


def test_the_file_is_found_where_pytest_writes_it(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTS", "~/reports")
    monkeypatch.setenv("HOME", str(pytester.path / "home"))
    site = Site(pytester)
    site.write(conftest=SURVEY, test_site=SITE, test_own="import os\n\ndef test_own():\n    os.chdir('/')\n")
    site.run("--nodered-suite=off", "--junitxml=$REPORTS/junit.xml")
    assert "nodered_sec.plugin" in (pytester.path / "home" / "reports" / "junit.xml").read_text()
    site.run("--nodered-suite=off", "--junitxml=here.xml")
    assert "nodered_sec.plugin" in (pytester.path / "here.xml").read_text()


def test_without_a_target_the_file_is_pytests_own(pytester: pytest.Pytester) -> None:
    site = Site(pytester)
    site.write(test_own="def test_own():\n    pass\n")
    site.run("--junitxml=junit.xml", url=None)
    assert "nodered_sec" not in (site.path / "junit.xml").read_text()
