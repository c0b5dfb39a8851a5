"""docs/evidence.md: its one-liners sign and verify, and find a change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs/evidence.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
KEYS = {
    "ssh-keygen": "mkdir -p ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && "
    'echo "ops@plant.example $(cat ~/.ssh/id_ed25519.pub)" > allowed_signers',
    "gpg": "mkdir -pm 700 ~/.gnupg && gpg -q --batch --passphrase '' --quick-gen-key ops@plant.example ed25519 sign",
    "openssl": "openssl genrsa -out signing-key.pem 2048 && "
    "openssl rsa -in signing-key.pem -pubout -out signing-public.pem",
}


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HOME": str(folder), "GNUPGHOME": str(folder / ".gnupg")}
    shell = ["sh", "-c", command]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("tool", KEYS)
def test_what_the_docs_say_signs_and_verifies(tool: str, tmp_path: Path) -> None:
    if not shutil.which(tool):
        pytest.skip(f"there is no {tool}")
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence/run.json").write_text("{}\n")
    assert run(tmp_path / "evidence", "sha256sum run.json > SHA256SUMS").returncode == 0
    made = run(tmp_path, KEYS[tool])
    assert made.returncode == 0, made.stderr
    sign, verify = (command for command in COMMANDS if command.startswith(tool))
    for command in (sign, verify):
        done = run(tmp_path, command)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "evidence/SHA256SUMS").write_text("0" * 64 + "  run.json\n")
    assert run(tmp_path, verify).returncode != 0
    if tool == "gpg":
        run(tmp_path, "gpgconf --kill gpg-agent")
    [check] = [command for command in COMMANDS if "sha256sum" in command]
    assert run(tmp_path, check).returncode != 0
