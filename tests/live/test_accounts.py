"""How targets are signed in to, on the lab: each with its own account, which goes nowhere else."""

from __future__ import annotations

import hashlib
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from suite_runs import run, with_outcome
from targetlab import Listener, policy, table

from pytest_nodered_sec import lab
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.live


@pytest.fixture
def two() -> Iterator[dict[str, lab.RunningDeployment]]:
    """Two of them where nobody has guessed passwords minutes ago, which counts when an account is used."""
    with lab.start(["hardened", "moved"], say=lambda line: None) as running:
        yield {deployment.name: deployment for deployment in running.deployments}


# --- accounts ----------------------------------------------------------------------------------------------------


def password_of(deployment: lab.RunningDeployment) -> str:
    return deployment.credentials()[1]


def account_of(monkeypatch: pytest.MonkeyPatch, username: str, password: str) -> None:
    monkeypatch.setenv("PLANT_USERNAME", username)
    monkeypatch.setenv("PLANT_PASSWORD", password)


def sessions(deployment: lab.RunningDeployment) -> str:
    path = Path(deployment.user_dir) / ".sessions.json"
    return path.read_text() if path.exists() else "{}"


def test_accounts_are_used_and_nothing_stays(
    hardened: lab.RunningDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = hardened
    for username, evidence in (("admin", "permissions *, token for 604800 s, Node-RED"), ("viewer", "answered 401")):
        folder = tmp_path / username
        folder.mkdir()
        account_of(monkeypatch, username, password_of(deployment))
        policy(folder, table(deployment, credentials={"env": "PLANT"}))
        (controls,) = run(folder, "-k", "account_is_honoured or sessions_are_short").values()
        assert controls == {"admin-08": {"compliant"}, "admin-09": {"compliant"}}
        report = (folder / "out.xml").read_text()
        assert evidence in report
        assert password_of(deployment) not in report
        assert sessions(deployment) in ("{}", "")


def test_a_wrong_account_and_a_long_session_are_findings(
    hardened: lab.RunningDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = hardened
    for username, password, failing in (
        ("nobody", "wrong-4711", "admin-08"),
        ("admin", password_of(deployment), "admin-09"),
    ):
        folder = tmp_path / username
        folder.mkdir()
        account_of(monkeypatch, username, password)
        policy(folder, table(deployment, profile="strict", credentials={"env": "PLANT"}))
        (controls,) = run(folder, "-k", "account_is_honoured or sessions_are_short").values()
        assert with_outcome(controls, "non-compliant") == {failing}


def test_no_secret_goes_to_a_certificate_that_does_not_verify(
    two: dict[str, lab.RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = two["hardened"]
    account_of(monkeypatch, "admin", password_of(deployment))
    text = table(deployment, credentials={"env": "PLANT"})
    policy(tmp_path, text.replace(f"ca_file = {toml(deployment.ca_file)}\n", ""))
    (controls,) = run(tmp_path, "-k", "account_is_honoured").values()
    assert controls == {"admin-08": {"could-not-look"}}
    report = (tmp_path / "out.xml").read_text()
    assert "nothing secret is sent to https://localhost:" in report

    server = urlsplit(deployment.url)
    assert server.hostname
    assert server.port
    leaf = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((server.hostname, server.port)))
    pinned = text.replace(f"ca_file = {toml(deployment.ca_file)}\n", f'sha256 = "{hashlib.sha256(leaf).hexdigest()}"\n')
    policy(tmp_path, pinned)
    (controls,) = run(tmp_path, "-k", "account_is_honoured or chain_is_trusted or names_the_host").values()
    assert controls == {"admin-08": {"compliant"}, "tls-01": {"compliant"}, "tls-02": {"not-applicable"}}
    policy(tmp_path, table(deployment, credentials={"env": "PLANT"}, sha256="ab" * 32))
    (controls,) = run(tmp_path, "-k", "account_is_honoured or chain_is_trusted").values()
    assert controls == {"admin-08": {"could-not-look"}, "tls-01": {"non-compliant"}}


def test_credentials_of_one_target_never_reach_another(
    two: dict[str, lab.RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, other = two["hardened"], two["moved"]
    third = Listener(Path(deployment.ca_file).with_name("leaf.pem"))
    account_of(monkeypatch, "admin", password_of(deployment))
    command = [sys.executable, "-c", f'print(\'{{"username": "admin", "password": "{password_of(other)}"}}\')']
    policy(
        tmp_path,
        table(deployment, credentials={"env": "PLANT"}),
        table(other, admin_root="/admin-x", node_root="/node-x", credentials={"command": command}),
        f'[[target]]\nname = "third"\nurl = "https://localhost:{third.port}"\nca_file = {toml(deployment.ca_file)}\n',
    )
    seen = run(tmp_path, "-n2", "--nodered-timeout=8")
    assert seen["hardened"]["admin-08"] == seen["moved"]["admin-08"] == {"compliant"}
    assert seen["third"]["admin-08"] == {"not-judged"}
    assert third.heard
    nobody = b"uthorization: Basic bm9ib2R5Om5vYm9keQ=="  # proxy-05 tries nobody:nobody
    assert b"uthorization: Basic" not in third.heard.replace(nobody, b"")
    for secret in (password_of(deployment), password_of(other)):
        assert secret.encode() not in third.heard
        assert secret not in (tmp_path / "out.xml").read_text()
        for log in (deployment, other):
            assert secret not in (Path(log.user_dir).parent / "node-red.log").read_text()
