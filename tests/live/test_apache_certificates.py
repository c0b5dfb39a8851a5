"""Apache httpd that asks for a client certificate after the handshake: another one in TLS 1.2, a message in TLS 1.3."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import apachelab
import pytest
from certlab import issue
from cryptography.x509.oid import ExtendedKeyUsageOID
from suite_runs import run, with_outcome

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certlab import Issued

pytestmark = pytest.mark.live
ROOT = issue("Plant", ca=True)
LEAF = issue("localhost", ROOT, dns=["localhost"])
CLIENT = issue("operator", ROOT, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
HOOK = """
from dataclasses import replace
from pytest_nodered_sec import HttpSettings

def pytest_nodered_targets(config, targets):
    return [replace(target, http=HttpSettings(client_certificate=("client.pem", "client.key"))) for target in targets]
"""


@pytest.fixture(scope="module")
def node_red() -> Iterator[int]:
    """The port of an open Node-RED with both dashboards."""
    with lab.start(["fresh"], say=lambda line: None) as running:
        yield running.deployments[0].direct_port


def write(folder: Path, name: str, issued: Issued) -> None:
    (folder / f"{name}.pem").write_bytes(issued.pem)
    (folder / f"{name}.key").write_bytes(issued.key_pem)


@contextlib.contextmanager
def apache(folder: Path, upstream: int, version: str) -> Iterator[str]:
    write(folder, "leaf", LEAF)
    write(folder, "root", ROOT)
    lines = (
        f"SSLEngine on\nSSLProtocol {version}\n"
        f"SSLCertificateFile {folder}/leaf.pem\nSSLCertificateKeyFile {folder}/leaf.key\n"
        f"SSLCACertificateFile {folder}/root.pem\n<Location />\nSSLVerifyClient require\n</Location>\n"
    )
    with apachelab.serving(folder, upstream, lines, ("socache_shmcb", "ssl")) as port:
        yield f"https://localhost:{port}"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("given", [False, True], ids=["stranger", "client"])
def test_a_certificate_that_is_asked_for_after_the_handshake(
    node_red: int, tmp_path: Path, version: str, *, given: bool
) -> None:
    (front := tmp_path / "front").mkdir()
    (folder := tmp_path / "run").mkdir()
    if given:
        write(folder, "client", CLIENT)
        (folder / "conftest.py").write_text(HOOK)
    more = ["mutual_tls = true", 'admin_api = "proxied"'] if not given else []
    with apache(front, node_red, version) as url:
        policy = [*more, f"ca_file = '{front / 'root.pem'}'", "[[target]]", f"url = '{url}'"]
        (folder / "nodered-sec.toml").write_text("\n".join(policy))
        names = "admin_api or dashboard or reach or comms"
        (controls,) = run(folder, "-k", names).values()
    assert with_outcome(controls, "could-not-look") == set()
    opened = {"admin-01", "admin-03", "dash-01", "dash-02", "dash-03", "admin-06"}
    assert (with_outcome(controls, "non-compliant") & opened == opened) is given
    assert with_outcome(controls, "compliant") >= {"reach-01", *(() if given else ("admin-01", "dash-01", "dash-02"))}
