"""`[assessment]` and `audit_without`: read, checked, shown, and read back."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.policy import file as policyfile
from pytest_nodered_sec.policy.assessment import NO_ASSESSMENT, Assessment, Excluded, assessment_of
from pytest_nodered_sec.policy.merge import effective, policy_of
from pytest_nodered_sec.policy.model import PolicyError

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = Assessment("J. Doe", "Example", "OT-7", "line 7", "VLAN 20", (Excluded("line-9", "rebuilt"),))


def read(folder: Path, text: str) -> policyfile.PolicyFile:
    path = folder / "nodered-sec.toml"
    path.write_text(text, encoding="utf-8")
    return policyfile.read(path)


def test_an_assessment_is_written_as_it_was_read(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE.toml()).assessment == WHOLE
    assert read(tmp_path, "").assessment == NO_ASSESSMENT
    assert (NO_ASSESSMENT.toml(), NO_ASSESSMENT.line(), bool(NO_ASSESSMENT)) == ("", "", False)
    table: dict[str, Any] = tomllib.loads(WHOLE.toml())["assessment"]
    assert assessment_of(table | {"later": "x"}) == WHOLE
    assert Assessment(assessor="J. Doe", scope="line 7").missing == ("organisation", "authorisation")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[assessment]\nasessor = 'x'", "unknown key asessor; did you mean assessor?"),
        ("[assessment]\nscope = ''", 'nodered-sec.toml: assessment.scope = "": give some text'),
        ("[assessment]\nexcluded = ['x']", "write a table: {system = …, reason = …}"),
        ("[assessment]\nexcluded = [{system = 'x'}]", "add reason = …"),
        ("assessment = 'x'", "nodered-sec.toml: assessment: write a table: [assessment] and one key per line"),
        ("audit_without = ['host']", "write a table: {part = …, reason = …}"),
        ("audit_without = [{part = 'hosts', reason = 'x'}]", "must be one of account, host (did you mean host?)"),
        ("audit_without = [{part = 'host'}]", "add reason = …"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError) as error:
        read(tmp_path, text)
    assert said in str(error.value)


def test_what_an_audit_does_without_is_a_deviation(tmp_path: Path) -> None:
    text = "audit_without = [{part = 'host', reason = 'none'}]\n[[target]]\nurl = 'https://plant.example'\n"
    file = read(tmp_path, text)
    policy = policy_of("plant", effective(file.layers(file.targets[0])))
    assert policy.audit_without == ("host",)
    assert [deviation.line() for deviation in policy.deviations] == [
        'audit_without = "host" instead of an audit with it: none'
    ]
    twice = read(tmp_path, text.replace("[{", "[{part = 'host', reason = 'x'}, {"))
    with pytest.raises(PolicyError, match="names the host twice"):
        policy_of("plant", effective(twice.layers(twice.targets[0])))
