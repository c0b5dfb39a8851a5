"""Loaded everywhere, active nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from session.conftest import Site

HEAVY = ("requests", "urllib3", "OpenSSL", "cryptography", "testinfra", "certifi", "idna", "trustme", "jinja2")
OURS = ("survey", "probes", "rules", "lab", "suite", "questions", "data", "xdist", "evidence", "codec")


def test_an_unused_plugin_imports_nothing_heavy_and_says_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    # Another plugin in this environment may import them before ours does: they are switched off.
    pytester.makepyfile(
        test_x=f"""
        import sys

        def test_own():
            loaded = sys.modules
            assert "pytest_nodered_sec.plugin" in loaded
            assert [name for name in {HEAVY!r} if name in loaded] == []
            ours = sorted(name for name in loaded if name.startswith("pytest_nodered_sec."))
            for part in {OURS!r}:
                assert f"pytest_nodered_sec.{{part}}" not in ours
        """
    )
    before = {path.name for path in pytester.path.iterdir()}
    others = [f"-pno:{name}" for name in ("pytest_cov", "testinfra", "pytest11.testinfra", "randomly", "xdist")]
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", *others)
    result.assert_outcomes(passed=1)
    said = [line for line in result.outlines + result.errlines if not line.startswith(("plugins: ", "running: "))]
    assert not [line for line in said if "nodered" in line]
    written = {path.name for path in pytester.path.iterdir()} - before
    assert written <= {"__pycache__", "runpytest-0", "runpytest-current", "stdout", "stderr"}  # pytest's and pytester's


def test_it_can_be_kept_out(site: Site) -> None:
    site.write(conftest="", test_own="def test_own():\n    pass\n")
    result = site.run("-p", "no:nodered_sec", "--help", url=None, anew=True)
    assert "nodered" not in result.stdout.str().replace("no:nodered_sec", "")
    site.run("-p", "no:nodered_sec", url=None, anew=True).assert_outcomes(passed=1)


def test_a_run_at_a_target_imports_the_survey_only_when_it_asks(site: Site) -> None:
    site.write(
        conftest="",
        test_own="""
import sys

def test_own(nodered_target):
    assert "pytest_nodered_sec.survey.survey" not in sys.modules
    assert "pytest_nodered_sec.probes" not in sys.modules
""",
    )
    site.run("--nodered-suite=off", anew=True).assert_outcomes(passed=1)
