"""The schema for editors: it takes whatever the checks take, and underlines most mistakes before pytest names them."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from policy import test_mistakes

from pytest_nodered_sec.policy import json_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

# The runs of the unit tests on Python 3.14 and with the lowest versions have no validator.
pytestmark = pytest.mark.skipif(not find_spec("check_jsonschema"), reason="check-jsonschema is not installed")

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/policy.md", ROOT / "docs/evidence.md"]
EXAMPLES = sorted((ROOT / "conftest_examples").rglob("nodered-sec.toml"))
# what only the checks see: whether a file is there, what is inside a text, what one key demands of another
UNSEEN = re.compile(
    r"missing\.pem|needs a reason|none means|say why|a password does|host = 'plant'|credentials do not|99999|"
    r"command = \[\]|has the label|NODERED_PASSWORD|give one of file|environment names"
)


def can_be_read(text: str) -> bool:
    try:
        return bool(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return False


def texts_of_examples() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    for page in PAGES:
        texts += re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(texts) >= 10
    return texts


def cases_of_mistakes() -> list[tuple[str, str]]:
    [mark] = vars(test_mistakes.test_a_mistake_is_one_sentence)["pytestmark"]
    return [case for case in mark.args[1] if can_be_read(case[0])]


def refused(folder: Path, texts: Sequence[str]) -> set[int]:
    """Return which of some TOML texts the schema refuses, as an editor would: dates are strings there."""
    (folder / json_schema.NAME).write_text(json_schema.text(), encoding="utf-8")
    for number, text in enumerate(texts):
        (folder / f"{number}.json").write_text(json.dumps(tomllib.loads(text), default=str), encoding="utf-8")
    files = [str(folder / f"{number}.json") for number in range(len(texts))]
    command = [sys.executable, "-m", "check_jsonschema", "-o", "json", "--schemafile", str(folder / json_schema.NAME)]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    said: dict[str, Any] = json.loads(done.stdout)
    assert not said.get("parse_errors")
    return {int(Path(error["filename"]).stem) for error in said.get("errors", [])}


@functools.cache
def taplo() -> str:
    """Return taplo, which Even Better TOML runs in the editor, or leave the test out where pip has none of it."""
    path = shutil.which("taplo", path=Path(sys.executable).parent) or shutil.which("taplo")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("taplo is not installed")
    return path


def underlined(folder: Path, texts: Sequence[str]) -> set[int]:
    """Return which of some TOML texts taplo refuses: each names the schema in its first line, as a drafted one does."""
    (folder / json_schema.NAME).write_text(json_schema.text(), encoding="utf-8")
    for number, text in enumerate(texts):
        (folder / f"{number}.toml").write_text(f"#:schema ./{json_schema.NAME}\n{text}", encoding="utf-8")
    argv = [taplo(), "lint", "--colors", "never", *(f"{number}.toml" for number in range(len(texts)))]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    # The places it shows, not its log: that may end before its last line.
    wrong = {int(number) for number in re.findall(r"/(\d+)\.toml:\d+:\d+", done.stderr)}
    assert (done.returncode != 0) == bool(wrong), done.stderr
    return wrong


def test_taplo_takes_every_example_and_underlines_each_mistake_that_the_schema_knows(tmp_path: Path) -> None:
    mistakes = [text for text, _ in cases_of_mistakes()]
    examples = texts_of_examples()
    for name in ("validator", "taplo"):
        (tmp_path / name).mkdir()
    seen = underlined(tmp_path / "taplo", [*examples, *mistakes])
    known = {len(examples) + number for number in refused(tmp_path / "validator", mistakes)}
    assert len(seen) > 60
    assert seen <= known, "no example among them"
    missed = [mistakes[number - len(examples)] for number in known - seen]
    assert [text for text in missed if "nan" not in text] == [], "taplo takes nan for inf: null, both"


def test_every_example_is_taken(tmp_path: Path) -> None:
    assert refused(tmp_path, texts_of_examples()) == set()


def test_mistakes_are_underlined(tmp_path: Path) -> None:
    cases = cases_of_mistakes()
    wrong = refused(tmp_path, [text for text, _ in cases])
    assert len(wrong) > 60
    unseen = [case for number, case in enumerate(cases) if number not in wrong]
    assert [case for case in unseen if not UNSEEN.search(" ".join(case))] == []


def test_every_key_is_explained() -> None:
    whole = json_schema.schema()["properties"]
    for table in (whole, whole["target"]["items"]["properties"], whole["group"]["items"]["properties"]):
        assert [key for key, value in table.items() if not value.get("description")] == []
    assert whole["profile"]["default"] == "production"
    assert "credentials" not in whole
