"""What users may build on: the names, their docstrings, what importing them costs, and that the docs know them."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_nodered_sec
from pytest_nodered_sec import plugin

DOC = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
NAMES = [name for name in pytest_nodered_sec.__all__ if name not in ("Verdict", "__version__")]  # those are no objects


def documented(heading: str) -> list[str]:
    """Return the names in the first column of the tables below a heading."""
    section = DOC.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)", row)]


def test_the_docs_name_exactly_what_is_public() -> None:
    assert sorted(documented("What there is")) == sorted(
        name for name in pytest_nodered_sec.__all__ if name != "__version__"
    )


def test_the_docs_name_exactly_the_fixtures_for_users() -> None:
    definitions = {
        name: fixture for name, fixture in vars(plugin).items() if type(fixture).__name__ == "FixtureFunctionDefinition"
    } or {name: fixture for name, fixture in vars(plugin).items() if hasattr(fixture, "_pytestfixturefunction")}
    there = {name for name in definitions if name.startswith("nodered_")}
    aliases = {name for name in there if f"def {name}(nodered_seen:" in inspect.getsource(plugin)}
    fixtures = set(documented("Fixtures"))
    assert there - aliases <= fixtures <= there


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_says_what_it_is(name: str) -> None:
    thing = getattr(pytest_nodered_sec, name)
    assert inspect.getdoc(thing), name
    members = vars(thing).items() if inspect.isclass(thing) else ()
    for member, value in members:
        if inspect.isfunction(value) and not member.startswith("_"):
            assert inspect.getdoc(value), f"{name}.{member}"


@pytest.mark.parametrize("name", [name for name in NAMES if inspect.isfunction(getattr(pytest_nodered_sec, name))])
def test_every_public_function_is_typed(name: str) -> None:
    function = getattr(pytest_nodered_sec, name)
    assert set(inspect.signature(function).parameters) | {"return"} == set(function.__annotations__)


def test_observations_say_all_their_attributes() -> None:
    for name in ("AccessAttempt", "Answer", "ChannelAttempt", "PresentedChain", "Target", "HttpSettings", "Policy"):
        thing = getattr(pytest_nodered_sec, name)
        described = re.findall(r"^    (\w+):", inspect.getdoc(thing) or "", re.MULTILINE)
        assert described == list(thing.__dataclass_fields__), name


def test_what_only_some_tests_use_is_imported_with_its_first_use() -> None:
    code = """
import sys, pytest
before = set(sys.modules)
import pytest_nodered_sec
ours = ["controls", "credentials", "errors", "model", "redaction"]
names = {"pytest_nodered_sec", *(f"pytest_nodered_sec.{one}" for one in ours)}
assert set(sys.modules) - before <= names | {"json", "json.decoder", "json.encoder", "json.scanner", "_json"}, (
    set(sys.modules) - before - names)
for name in pytest_nodered_sec.__all__:
    getattr(pytest_nodered_sec, name)
try:
    pytest_nodered_sec.httpp
except AttributeError as error:
    assert str(error) == "module 'pytest_nodered_sec' has no attribute 'httpp'"
else:
    raise AssertionError
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_imported_late_is_what_type_checkers_see() -> None:
    source = inspect.getsource(pytest_nodered_sec)
    block = source.split("if TYPE_CHECKING:\n")[1].split("\n\n")[0]
    told = {
        name: module.removeprefix("pytest_nodered_sec.")
        for module, names in re.findall(r"from (\S+) import (.+)", block)
        for name in names.split(", ")
    }
    assert told == pytest_nodered_sec._MODULES
