"""Sealing: the site's command signs SHA256SUMS, and a changed byte is seen by who verifies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from session.evidence_site import OWN, SEES, controls, said
from suite_runs import installed

if TYPE_CHECKING:
    from session.conftest import Site

DOCS = (Path(__file__).parents[2] / "docs/evidence.md").read_text(encoding="utf-8")


@pytest.fixture
def own(site: Site) -> Site:
    """A site with one control that is met."""
    site.write(conftest=(site.path / "conftest.py").read_text() + SEES, test_site=controls("good"))
    return site


def openssl(folder: Path, *args: str) -> int:
    return subprocess.run(["openssl", *args], cwd=folder, capture_output=True, check=False).returncode  # noqa: S607  from apt


def test_openssl_signs_as_the_docs_say_and_a_changed_byte_is_seen(own: Site) -> None:
    [command] = re.findall(r"--nodered-seal='(openssl dgst [^']*)'", DOCS)
    assert openssl(own.path, "genrsa", "-out", "signing-key.pem", "2048") == 0
    assert openssl(own.path, "rsa", "-in", "signing-key.pem", "-pubout", "-out", "public.pem") == 0
    result = own.run(*OWN, "--nodered-evidence=ev", f"--nodered-seal={command}")
    assert "sealed by openssl" in said(result)
    assert "seal=openssl … (option)" in result.stdout.str()
    assert "signing-key.pem" not in result.stdout.str()
    folder = own.path / "ev"
    assert "signed with: openssl" in (folder / "README.txt").read_text()
    assert "signing-key" not in (folder / "run.json").read_text()
    verify = ("dgst", "-sha256", "-verify", "public.pem", "-signature", "ev/SHA256SUMS.bin", "ev/SHA256SUMS")
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert openssl(own.path, *verify) == 0
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    page = folder / "report.html"
    page.write_bytes(page.read_bytes().replace(b"compliant", b"Compliant", 1))
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode != 0
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("a", "b", 1))
    assert openssl(own.path, *verify) != 0


def changed(file: Path) -> None:
    """Change one byte."""
    content = file.read_bytes()
    file.write_bytes(content[:-2] + bytes((content[-2] ^ 1,)) + content[-1:])


def test_minisign_signs_as_the_docs_say_and_a_changed_byte_is_seen(own: Site) -> None:
    make = [installed("minisign"), "-G", "-W", "-p", "minisign.pub", "-s", "minisign.key"]
    subprocess.run(make, cwd=own.path, check=True, capture_output=True)
    [command] = re.findall(r"--nodered-seal='(minisign [^']*)'", DOCS)
    result = own.run(*OWN, "--nodered-evidence=evidence", f"--nodered-seal={command}")
    assert "sealed by minisign" in said(result)
    [verify] = re.findall(r"`(minisign -Vm [^`]*)`", DOCS)
    assert subprocess.run(verify.split(), cwd=own.path, check=False, capture_output=True).returncode == 0
    changed(own.path / "evidence/SHA256SUMS")
    assert subprocess.run(verify.split(), cwd=own.path, check=False, capture_output=True).returncode != 0


AUTHORITY = """
[tsa]
default_tsa = own
[own]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


def test_a_time_stamp_is_taken_as_the_docs_say_and_a_changed_byte_is_seen(own: Site) -> None:
    """From an authority of our own: only that answers, in place of one that the site would ask over HTTP."""
    assert "sealed by openssl" in said(
        own.run(*OWN, "--nodered-evidence=evidence", f"--nodered-seal={_of_stamps('query')[0]}")
    )
    (own.path / "tsa.cnf").write_text(AUTHORITY)
    (own.path / "serial").write_text("01\n")
    new = "req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa-ca.pem -subj /CN=stamps -days 9"
    assert openssl(own.path, *new.split(), "-addext", "extendedKeyUsage=critical,timeStamping") == 0
    reply = "ts -reply -config tsa.cnf -queryfile evidence/SHA256SUMS.tsq -signer tsa-ca.pem -inkey tsa.key"
    assert openssl(own.path, *reply.split(), "-out", "evidence/SHA256SUMS.tsr") == 0
    [verify] = _of_stamps("verify")
    assert openssl(own.path, *verify.split()[1:]) == 0
    changed(own.path / "evidence/SHA256SUMS")
    assert openssl(own.path, *verify.split()[1:]) != 0


def _of_stamps(step: str) -> list[str]:
    return re.findall(rf"(openssl ts -{step} [^'\n]*)", DOCS)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        (f"{sys.executable} -c 'raise SystemExit(3)'", "ended with status 3"),
        (
            f"{sys.executable} -c 'import os; assert \"NODERED_PASSWORD\" in os.environ'",
            "ended with status 1",
        ),
    ],
)
def test_a_folder_that_could_not_be_sealed_says_so(
    own: Site, monkeypatch: pytest.MonkeyPatch, command: str, wrong: str
) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "x")
    monkeypatch.setenv("NODERED_PASSWORD", "y")
    result = own.run(*OWN, "--nodered-evidence=ev", f"--nodered-seal={command}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    [told] = [line for line in said(result) if line.startswith("the evidence is not sealed: ")]
    assert told.endswith(f"{wrong}; run it by hand to see why")
    assert (own.path / "ev/SHA256SUMS").exists()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--nodered-seal=true"], "--nodered-seal signs an evidence folder: add --nodered-evidence=DIR"),
        (["--nodered-evidence=ev", "--nodered-seal= "], "--nodered-seal is blank: give a command"),
        (["--nodered-evidence=ev", "--nodered-seal=sign '"], "--nodered-seal: the command cannot be read (No closing*"),
        (["--nodered-evidence=ev", "--nodered-seal=no-such-signer x"], "*there is no program no-such-signer"),
    ],
)
def test_a_command_that_cannot_be_is_refused_before_anything_is_asked(
    own: Site, args: list[str], sentence: str
) -> None:
    result = own.run(*OWN, *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
    assert own.asked() == []


def test_the_reports_for_machines_are_written_by_their_options(own: Site) -> None:
    result = own.run(*OWN, "--nodered-defectdojo=out/dd.json", "--nodered-oscal=out/ar.json")
    assert {"defectdojo written to out/dd.json", "oscal written to out/ar.json"} <= set(said(result))
    assert json.loads((own.path / "out/dd.json").read_text())["findings"] == []
    [result_of_plant] = json.loads((own.path / "out/ar.json").read_text())["assessment-results"]["results"]
    assert {finding["target"]["status"]["state"] for finding in result_of_plant["findings"]} == {"satisfied"}
