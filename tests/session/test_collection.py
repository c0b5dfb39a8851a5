"""Which tests a run holds, and what they are called."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_nodered_sec
from pytest_nodered_sec.catalogue import SUITE

if TYPE_CHECKING:
    from session.conftest import Site

OWN = "def test_own():\n    pass\n"
REACH = "nodered-sec/test_reach.py::test_target_answers_throughout[plant.example]"
TLS = "nodered-sec/test_tls.py::test_chain_is_trusted[plant.example]"


def suite(ids: list[str]) -> list[str]:
    return [name for name in ids if name.startswith("nodered-sec/")]


@pytest.fixture
def whole(site: Site) -> list[str]:
    """The suite's ids in an empty folder."""
    ids = site.ids()
    assert REACH in ids
    assert suite(ids) == ids
    return ids


def test_ids_follow_the_grammar(whole: list[str]) -> None:
    assert "nodered-sec/test_admin_api.py::test_anonymous_read_is_refused[plant.example-GET /flows]" in whole
    assert "nodered-sec/test_dashboard.py::test_page_refuses_strangers[plant.example-/ui]" in whole
    assert len(whole) == len(set(whole))


PLACES = """
def pytest_collection_finish(session):
    for item in session.items:
        assert item.location[1:] == item.reportinfo()[1:], item
        assert "request" not in item.fixturenames  # pytest makes three of it for each case
"""


def test_cases_stand_where_their_functions_do_and_need_nothing_of_pytests_own(site: Site, whole: list[str]) -> None:
    conftest = site.path / "conftest.py"
    conftest.write_text(conftest.read_text() + PLACES)
    assert site.ids() == whole


@pytest.mark.parametrize(
    "layout",
    ["venv/lib/site-packages", "src", "../elsewhere"],
)
def test_ids_do_not_depend_on_where_the_package_lies(
    site: Site, whole: list[str], monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    place = site.path / layout
    shutil.copytree(Path(pytest_nodered_sec.__file__).parent, place / "pytest_nodered_sec")
    for marker in ("venv/pyvenv.cfg", "venv/bin/activate", "venv/conda-meta/history"):
        (site.path / marker).parent.mkdir(parents=True, exist_ok=True)
        (site.path / marker).touch()
    monkeypatch.setenv("PYTHONPATH", str(place.resolve()))
    site.write(test_own=OWN)
    assert site.ids() == ["test_own.py::test_own", *whole]
    assert site.ids(".", "-W", "error") == ["test_own.py::test_own", *whole]
    assert site.ids(url=None) == ["test_own.py::test_own"]
    assert site.ids(REACH) == [REACH]


def test_the_users_ini_does_not_hide_it(site: Site, whole: list[str]) -> None:
    site.pytester.makeini(
        """
        [pytest]
        python_files = spec_*.py
        python_functions = check_*
        python_classes = Describe*
        norecursedirs = suite pytest_nodered_sec *
        collect_imported_tests = false
        """
        if tuple(map(int, pytest.__version__.split(".")[:2])) >= (8, 4)
        else "[pytest]\npython_files = spec_*.py\npython_functions = check_*\nnorecursedirs = suite *\n"
    )
    assert site.ids() == whole


@pytest.mark.parametrize(
    "args",
    [
        ["--import-mode=importlib"],
        ["--import-mode=append"],
        ["-p", "no:cacheprovider"],
        ["-W", "error", "--strict-markers", "--strict-config"],
        ["--pyargs", "pytest_nodered_sec.suite"],
        [str(Path(pytest_nodered_sec.__file__).parent / "suite")],
        ["--rootdir=/"],
        ["--ignore=pytest_nodered_sec", "--ignore-glob=*suite*"],
    ],
)
def test_the_same_ids_under(site: Site, whole: list[str], args: list[str]) -> None:
    assert site.ids(*args) == whole


def test_beside_the_users_tests_of_the_same_name(site: Site, whole: list[str]) -> None:
    site.write(test_tls=OWN)
    assert site.ids() == ["test_tls.py::test_own", *whole]
    site.run("-k", "test_own or chain_is_trusted", "--junitxml=junit.xml", "-n2")
    text = (site.path / "junit.xml").read_text()
    assert 'classname="test_tls" name="test_own"' in text
    assert 'classname="nodered-sec.test_tls" name="test_chain_is_trusted[plant.example]"' in text


def test_when_it_joins(site: Site, whole: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (site.path / "unit").mkdir()
    (site.path / "unit" / "test_own.py").write_text(OWN)
    own = ["unit/test_own.py::test_own"]
    assert site.ids(url=None) == own
    assert site.ids() == [*own, *whole]
    assert site.ids("unit") == [*own, *whole]
    assert site.ids("--nodered-suite=only") == whole
    assert site.ids("unit", "--nodered-suite=only") == whole
    assert site.ids("--nodered-suite=off") == own
    monkeypatch.setenv("NODERED_URL", "https://plant.example")
    assert site.ids(url=None) == [*own, *whole]
    assert site.ids("unit", url=None) == own
    monkeypatch.delenv("NODERED_URL")
    site.pytester.makeini("[pytest]\nnodered_url = https://plant.example\ntestpaths = unit")
    assert site.ids(url=None) == [*own, *whole]
    assert site.ids("unit", url=None) == own
    assert site.ids("unit", REACH, url=None) == [*own, REACH]


def test_that_it_stays_out_is_said(site: Site) -> None:
    (site.path / "unit").mkdir()
    (site.path / "unit" / "test_own.py").write_text(OWN)
    site.pytester.makeini("[pytest]\nnodered_url = https://plant.example")
    said = "nodered-sec: the bundled suite stays out, because paths are named: add nodered-sec to them, or name *"
    result = site.run("-q", "unit", "--junitxml=junit.xml", url=None)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([said])
    assert 'name="nodered_sec.narrowed" value="paths"' in (site.path / "junit.xml").read_text()
    for args in (("unit", "--nodered-suite=off"), ("unit", REACH)):
        result = site.run(*args, url=None)
        result.stdout.no_fnmatch_line(said)


def test_printed_ids_work_again(site: Site, whole: list[str]) -> None:
    assert site.ids(*whole) == whole
    assert site.ids(TLS, REACH) == [REACH, TLS]
    assert site.ids("nodered-sec/test_reach.py") == [REACH]
    assert site.ids("nodered-sec") == whole
    assert site.ids(TLS.split("[")[0]) == [TLS]
    assert site.ids("--deselect", "nodered-sec/test_tls.py") == [
        nodeid for nodeid in whole if "test_tls.py" not in nodeid
    ]
    assert site.ids("-k", "names_the_host") == [nodeid for nodeid in whole if "names_the_host" in nodeid]
    assert site.run("nodered-sec/test_reach.py::test_nothing").ret == pytest.ExitCode.USAGE_ERROR
    missing = site.run("nodered-sec/test_nothing.py")
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    missing.stderr.fnmatch_lines(["ERROR: not found: nodered-sec/test_nothing.py*"])


def test_a_folder_of_that_name_is_the_users(site: Site) -> None:
    (site.path / "nodered-sec").mkdir()
    (site.path / "nodered-sec" / "test_own.py").write_text(OWN)
    assert site.ids("nodered-sec", url=None) == ["nodered-sec/test_own.py::test_own"]


@pytest.mark.parametrize("args", [(), ("-n2",)])
def test_last_failed(site_with_control: Site, args: tuple[str, ...]) -> None:
    site = site_with_control
    site.write(test_good="def test_good():\n    pass\n")
    wanted = ["-k", "test_site or test_good or chain_is_trusted", *args]
    site.run(*wanted)
    again = site.run("--lf", "-rA", *args)
    again.assert_outcomes(failed=2, errors=2)
    assert sorted(site.ids("--lf")) == sorted(
        [TLS, *(f"test_site.py::test_orders[plant.example-{how}]" for how in ("bad", "worse", "error"))]
    )


def test_several_targets(site_with_control: Site) -> None:
    ids = site_with_control.ids(
        "-k", "test_orders and good", "--nodered-url=https://[::1]:8443", "--nodered-url=http://a.example:80/x/"
    )
    assert ids == [
        f"test_site.py::test_orders[{target}-good]" for target in ("plant.example", "[::1]:8443", "a.example")
    ]
    ipv6 = "nodered-sec/test_reach.py::test_target_answers_throughout[[::1]:8443]"
    assert site_with_control.ids(ipv6, url="https://[::1]:8443") == [ipv6]


def test_plain_tests_and_controls_without_questions_or_targets(site: Site) -> None:
    site.write(
        test_plain="""
from pytest_nodered_sec import Severity, control

def test_plain(nodered_target, nodered_policy, nodered_targets):
    assert nodered_target in nodered_targets
    assert nodered_target.policy is nodered_policy

@control("site-09", severity=Severity.LOW, asks=[])
def test_none(nodered_seen):
    '''Nothing.'''
    assert nodered_seen
"""
    )
    result = site.run("--nodered-suite=off", "-rs", "--nodered-url=https://b.example")
    result.assert_outcomes(passed=2, skipped=2)
    result.stdout.fnmatch_lines(["*nothing to ask of plant.example*"])
    assert site.ids("--nodered-suite=off") == [
        "test_plain.py::test_plain[plant.example]",
        "test_plain.py::test_none[plant.example-none]",
    ]
    result = site.run(url=None)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["no target: name one with --nodered-url=https://HOST, or try --nodered-lab"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_test_of_the_suite_needs_a_target(site: Site) -> None:
    """Editors name its file; where that is outside of the project, pytest does not find the project's ini file."""
    case = "::test_chain_is_trusted[x]"
    said = "*nodered-sec/test_tls.py* needs a target: add --nodered-url=https://HOST or --nodered-lab"
    result = site.run(f"nodered-sec/test_tls.py{case}", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    site.write(test_own=OWN)
    files = (site.path / "test_own.py", f"{SUITE / 'test_tls.py'}{case}")
    result = site.run(*files, f"--rootdir={site.path}", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"{said}; pytest has read no ini file: -c FILE names one"])


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (
            "@control('site-01', severity=Severity.LOW, asks=[])\ndef test_a():\n    '''A.'''\n"
            "@control('site-01', severity=Severity.LOW, asks=[])\ndef test_b():\n    '''B.'''",
            "*control 'site-01' is defined twice, at test_x.py::test_a and at test_x.py::test_b*",
        ),
        (
            "@control('reach-01', severity=Severity.LOW, asks=[])\ndef test_a():\n    '''A.'''",
            "*control 'reach-01' is defined twice, at test_x.py::test_a and at nodered-sec/test_reach.py::*",
        ),
        (
            "@control('site-01', severity=Severity.LOW, asks=['/api'])\ndef test_a():\n    '''A.'''",
            "*control 'site-01': asks must be questions such as http('/api/orders'), not str*",
        ),
        (
            "@control('site-01', severity=Severity.LOW, asks=lambda target: ['/api'])\ndef test_a():\n    '''A.'''",
            "*control 'site-01': asks must be questions such as http('/api/orders'), not str*",
        ),
        (
            "@control('site-01', severity=Severity.LOW, asks=lambda target: None)\ndef test_a():\n    '''A.'''",
            "*control 'site-01': asks must be questions such as http('/api/orders'), not NoneType*",
        ),
        (
            "@control('site-01', severity=Severity.LOW, asks=Ask('stub'))\ndef test_a():\n    '''A.'''",
            "*control 'site-01': asks must be a list of questions: write asks=*",
        ),
        (
            "@control('site-01', severity='grave', asks=[])\ndef test_a():\n    '''A.'''",
            "*control 'site-01': severity must be one of Severity.CRITICAL, *, not 'grave'*",
        ),
        (
            "@control('Orders', severity=Severity.LOW, asks=[])\ndef test_a():\n    '''A.'''",
            "*control 'Orders': an id is lower-case letters and digits, joined by hyphens, such as 'site-01'*",
        ),
        (
            "@control('site-01', severity=Severity.LOW, asks=[Ask('stub')])\ndef test_a(nodered_policy):\n    '''A.'''",
            "*control 'site-01': test_a does not use the answer: give it the argument nodered_seen, or a*",
        ),
        (
            "@control('site-01', severity=Severity.LOW, asks=[Ask('stub'), Ask('stub', ('x',))])\n"
            "def test_a():\n    '''A.'''",
            "*control 'site-01': several questions have the label ''*",
        ),
        (
            "@control('site-01', severity=Severity.LOW, asks=[])\nclass TestX:\n    '''A.'''",
            "*a control is one function; move the decorator onto a test of the class*",
        ),
        (
            "@control('site-01', severity=Severity.LOW, asks=[])\ndef test_a():\n    pass",
            "*give test_a a docstring*",
        ),
    ],
)
def test_controls_that_cannot_be_used(site: Site, broken: str, sentence: str) -> None:
    site.write(test_x=f"from pytest_nodered_sec import Ask, Severity, control\n{broken}\n")
    result = site.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([sentence])
    assert not site.asked()


def test_collecting_asks_nothing(site_with_control: Site) -> None:
    for args in (["--collect-only"], ["--setup-plan"], ["--fixtures"]):
        assert site_with_control.run(*args).ret == 0
    assert not site_with_control.asked()


def test_only_what_is_selected_is_asked_once(site_with_control: Site) -> None:
    site = site_with_control
    site.run("-k", "test_orders and (good or bad)", "--nodered-url=https://b.example")
    assert site.asked() == ["b.example bad", "b.example good", "plant.example bad", "plant.example good"]
    assert (site.path / "asked" / "closed").exists()


def test_skip_marks_are_not_asked(site: Site) -> None:
    site.write(
        test_x="""
import pytest
from pytest_nodered_sec import Ask, Severity, control

@pytest.mark.skip(reason="machine is being rebuilt")
@control("site-01", severity=Severity.LOW, asks=[Ask("stub", ("good",), "skipped")])
def test_a(nodered_seen):
    '''A.'''
    assert nodered_seen

@control("site-02", severity=Severity.LOW, asks=[Ask("stub", ("good",), "asked")])
def test_b(nodered_seen):
    '''B.'''
    assert nodered_seen
"""
    )
    site.run("--nodered-suite=off").assert_outcomes(passed=1, skipped=1)
    assert site.asked() == ["plant.example asked"]


def test_k_selects_by_control(site_with_control: Site) -> None:
    ids = site_with_control.ids("-k", "dash-01 or site-01")
    assert {name.partition("::")[0] for name in ids} == {"nodered-sec/test_dashboard.py", "test_site.py"}
    assert len([name for name in ids if name.startswith("test_site.py")]) == 5
    assert site_with_control.ids("-k", "dash-01") == [name for name in ids if not name.startswith("test_site.py")]


SKIPPED = """
import sys
import pytest
from pytest_nodered_sec import Ask, Severity, control

def asks(label):
    return [Ask("stub", (label,), label)]

@pytest.mark.skipif(sys.version_info > (3,), reason="as a value")
@control("site-01", severity=Severity.HIGH, asks=asks("value"))
def test_value(nodered_seen):
    "A."
    assert nodered_seen

@pytest.mark.skipif("sys.version_info > (3,)", reason="as a text")
@control("site-02", severity=Severity.HIGH, asks=asks("text"))
def test_text(nodered_seen):
    "B."
    assert nodered_seen

@pytest.mark.skipif("sys.version_info < (3,)", reason="does not hold")
@control("site-03", severity=Severity.HIGH, asks=asks("run"))
def test_run(nodered_seen):
    "C."
    assert nodered_seen

@pytest.mark.xfail(run=False, reason="not run")
@control("site-04", severity=Severity.HIGH, asks=asks("unrun"))
def test_not_run(nodered_seen):
    "D."
    assert nodered_seen

@pytest.mark.skipif(condition=False, reason="does not hold")
@control("site-05", severity=Severity.HIGH, asks=asks("plain"))
def test_plain(nodered_seen):
    "E."
    assert nodered_seen

@pytest.mark.skipif(condition=True, reason="of a class")
class TestClass:
    @control("site-06", severity=Severity.HIGH, asks=asks("class"))
    def test_in_class(self, nodered_seen):
        "F."
        assert nodered_seen
"""


def test_what_a_mark_skips_is_not_asked(site: Site) -> None:
    site.write(test_site=SKIPPED)
    result = site.run("--nodered-suite=off")
    result.assert_outcomes(passed=2, skipped=3, xfailed=1)
    assert site.asked() == ["plant.example plain", "plant.example run"]
