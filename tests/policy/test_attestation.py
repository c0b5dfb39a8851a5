"""`[[attestation]]`: what each says, the sentence each mistake gets, and which targets it reaches."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import TYPE_CHECKING

import pytest
from policy_files import file_of

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations import codec
from pytest_nodered_sec.policy import file as policyfile
from pytest_nodered_sec.policy.attestation import Attestation
from pytest_nodered_sec.policy.model import Policy, PolicyError
from pytest_nodered_sec.policy.show import policy_as_toml
from pytest_nodered_sec.session.targets import check_waivers, with_waivers

if TYPE_CHECKING:
    from pathlib import Path

LEAST = """
[[attestation]]
control = "phys-01"
by = "J. Doe"
date = 2026-11-01
until = 2026-11-30
statement = "the cabinet is locked"
"""
DIGEST = hashlib.sha256(b"photo").hexdigest()
ONE = Attestation("phys-01", "J. Doe", date(2026, 11, 1), date(2026, 11, 30), "the cabinet is locked")
TARGETS = """
[[target]]
name = "line-7"
url = "https://line-7.example"
[[target]]
name = "hall"
url = "https://hall.example"
"""


def test_it_says_who_vouches_and_until_when() -> None:
    said = "phys-01 by J. Doe, of 2026-11-01, {}: the cabinet is locked"
    assert ONE.line(date(2026, 11, 30)) == said.format("until 2026-11-30")
    assert ONE.line(date(2026, 12, 1)) == said.format("expired after 2026-11-30")
    assert "not before 2026-11-01" in ONE.line(date(2026, 10, 1))
    assert [ONE.in_force(date(2026, month, day)) for month, day in ((10, 31), (11, 1), (11, 30), (12, 1))] == [
        False, True, True, False,
    ]  # fmt: skip


def test_a_document_is_known_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    text = LEAST + "file = 'photo.jpg'\n"
    ((selector, attestation),) = file_of(tmp_path, text).attestations
    assert (selector, attestation.document, attestation.sha256) == ("", "photo.jpg", DIGEST)
    ((_, same),) = file_of(tmp_path, text + f"sha256 = '{DIGEST.upper()}'\n").attestations
    assert same == attestation
    assert attestation.line(date(2026, 11, 2)).endswith(f"; photo.jpg {DIGEST}")
    (tmp_path / "photo.jpg").write_bytes(b"another")
    with pytest.raises(PolicyError, match="it is another document"):
        file_of(tmp_path, text + f"sha256 = '{DIGEST}'\n")
    (tmp_path / "photo.jpg").unlink()
    with pytest.raises(PolicyError, match=r"\[\[attestation\]\] phys-01: file = .* cannot be read"):
        file_of(tmp_path, text)
    again = policyfile.read(tmp_path / "nodered-sec.toml", ("ca_file",))  # who judges again has no documents
    assert again.attestations[0][1].sha256 == ""


def test_it_reaches_its_targets_and_can_be_read_back(tmp_path: Path) -> None:
    below = LEAST.replace("[[attestation]]", "[[target.attestation]]").replace("phys-01", "phys-02")
    file = file_of(tmp_path, LEAST + "target = 'line-*'\n" + TARGETS + below + f"sha256 = '{DIGEST}'\n")
    line, hall = (with_waivers(Target(name, f"https://{name}.example", Policy()), file) for name in ("line-7", "hall"))
    assert [attestation.control for attestation in line.policy.attestations] == ["phys-01"]
    assert [(attestation.control, attestation.sha256) for attestation in hall.policy.attestations] == [
        ("phys-02", DIGEST)
    ]
    again = file_of(tmp_path, policy_as_toml(hall, None, {}))
    assert again.targets[0].attestations == hall.policy.attestations
    assert codec.decode(codec.encode(hall.policy)) == hall.policy
    check_waivers(file, [line, hall])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST.replace("by =", "bye ="), "[[attestation]] phys-01: unknown key bye; did you mean by?"),
        (LEAST.replace("2026-11-30", "2026-10-30"), "until = 2026-10-30: is before date = 2026-11-01"),
        (LEAST.replace("2026-11-30", "'soon'"), "give the last valid day as 2030-12-31, without quotes"),
        (LEAST.replace('"the cabinet is locked"', '""'), 'statement = "": give some text'),
        (LEAST + "sha256 = 'ab'\n", "give the document's SHA-256: 64 hex digits"),
        (TARGETS + LEAST.replace("[[att", "[[target.att") + "target = 'x'\n", "the attestation is already below its"),
        ("attestation = 1\n", "write [[attestation]] with two brackets, once for each"),
        ("attestation = [1]\n", "write [[attestation]] with two brackets, once for each"),
        *((LEAST.replace(f"{key} =", f"# {key} ="), f"add {key} = ") for key in ("control", "by", "date", "until")),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError) as error:
        file_of(tmp_path, text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST.replace("phys-01", "tls-1"), "[[attestation]] control = tls-1: there is no such control; did you mean"),
        (LEAST + "target = 'lime-7'\n", "[[attestation]] phys-01: target = lime-7: no target has that name or label"),
    ],
)
def test_a_misspelt_control_or_target_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError) as error:
        check_waivers(file_of(tmp_path, text + TARGETS), [])
    assert said in str(error.value)
