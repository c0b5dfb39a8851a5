"""How targets are reached, on the lab: several in one policy file, proxies, client certificates, other addresses."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from proxylab import forward_proxy
from suite_runs import ALSO_ON_4, EXPECTED, installed, run, with_outcome
from targetlab import Listener, policy, table

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.deployments import CIPHERS
from pytest_nodered_sec.lab.ports import accepts, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.live


NAMES = ("gate", "moved", "hardened")


@pytest.fixture(scope="module")
def three() -> Iterator[dict[str, lab.RunningDeployment]]:
    """One deployment behind a Basic gate, one with moved roots, one hardened."""
    with lab.start(NAMES, say=lambda line: None) as running:
        yield {deployment.name: deployment for deployment in running.deployments}


def failing(deployment: lab.RunningDeployment) -> set[str]:
    """Return what fails without the lab's own account."""
    also = ALSO_ON_4.get(deployment.name, set()) if deployment.major == 4 else set()
    return EXPECTED[deployment.name][0] - {"csrf-01", "editor-04", "flow-01", "patch-01"} | also


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_three_deployments_in_one_policy(
    three: dict[str, lab.RunningDeployment], tmp_path: Path, workers: tuple[str, ...]
) -> None:
    policy(
        tmp_path,
        table(three["gate"], admin_api="proxied"),
        table(three["moved"], admin_root="/admin-x", node_root="/node-x"),
        table(three["hardened"]),
    )
    seen = run(tmp_path, *workers)
    assert set(seen) == set(NAMES)
    for name in NAMES:
        assert with_outcome(seen[name], "non-compliant") == failing(three[name])
        assert with_outcome(seen[name], "could-not-look") == EXPECTED[name][1]


# --- the hook ----------------------------------------------------------------------------------------------------

INVENTORY = """
import csv
from dataclasses import replace
from pathlib import Path
from pytest_nodered_sec import Target

def pytest_nodered_targets(config, targets):
    (pattern,) = targets
    with (Path(__file__).parent / "inventory.csv").open() as table:
        return [
            replace(pattern, name=row["name"], url=row["url"], http_port=int(row["http_port"]),
                    direct_port=int(row["direct_port"]), admin_root=row["root"], node_root=row["node"])
            for row in csv.DictReader(table)
        ]
"""


def test_targets_from_an_inventory(three: dict[str, lab.RunningDeployment], tmp_path: Path) -> None:
    rows = ["name,url,http_port,direct_port,root,node"]
    for name, root, node in (("moved", "/admin-x", "/node-x"), ("hardened", "/", "/")):
        deployment = three[name]
        rows.append(f"line-{name},{deployment.url},{deployment.http_port},{deployment.direct_port},{root},{node}")
    (tmp_path / "inventory.csv").write_text("\n".join(rows))
    (tmp_path / "conftest.py").write_text(INVENTORY)
    ca_file = three["moved"].ca_file
    seen = run(tmp_path, "-n2", "--nodered-url=https://pattern.example", f"--nodered-ca-file={ca_file}")
    assert set(seen) == {"line-moved", "line-hardened"}
    for name in ("moved", "hardened"):
        assert with_outcome(seen[f"line-{name}"], "non-compliant") == failing(three[name])


SETTINGS = """
from dataclasses import replace
from pytest_nodered_sec import HttpSettings

def pytest_nodered_targets(config, targets):
    return [replace(one, http=HttpSettings({})) for one in targets]
"""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A forward proxy; its port and its log."""
    with forward_proxy(tmp_path / "proxy") as running:
        yield running


def test_through_a_corporate_proxy(
    three: dict[str, lab.RunningDeployment], proxy: tuple[int, Path], tmp_path: Path
) -> None:
    deployment, (port, log) = three["hardened"], proxy
    (tmp_path / "conftest.py").write_text(SETTINGS.format(f"proxy='http://plant:hunter2-proxy@127.0.0.1:{port}'"))
    (controls,) = run(tmp_path, f"--nodered-url={deployment.url}", f"--nodered-ca-file={deployment.ca_file}",
                      f"--nodered-http-port={deployment.http_port}").values()  # fmt: skip
    assert with_outcome(controls, "non-compliant") == set()
    # whether a port is closed or the proxy will not connect, nobody can tell from here
    assert with_outcome(controls, "could-not-look") == {"proxy-01", "proxy-04"}
    asked = log.read_text()
    assert f"CONNECT localhost:{deployment.url.rsplit(':', 1)[1]}" in asked
    assert f"CONNECT localhost:{deployment.http_port}" in asked
    assert "hunter2-proxy" not in (tmp_path / "out.xml").read_text()


def test_a_proxy_that_refuses_says_nothing_about_the_target(
    three: dict[str, lab.RunningDeployment], proxy: tuple[int, Path], tmp_path: Path
) -> None:
    deployment, (port, _) = three["hardened"], proxy
    (tmp_path / "conftest.py").write_text(SETTINGS.format(f"proxy='http://plant:wrong-proxy@127.0.0.1:{port}'"))
    (controls,) = run(
        tmp_path, f"--nodered-url={deployment.url}", f"--nodered-http-port={deployment.http_port}"
    ).values()
    assert with_outcome(controls, "compliant") == set()
    assert f"the proxy 127.0.0.1:{port} answered CONNECT" in (tmp_path / "out.xml").read_text()


def test_with_a_client_certificate(three: dict[str, lab.RunningDeployment], tmp_path: Path) -> None:
    """Somebody's nginx demands a certificate; with it the suite sees what stands behind."""
    deployment, program = three["moved"], installed("nginx")
    https_port, http_port = free_ports(2)
    certificates = Path(deployment.ca_file).parent
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(f"""
daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
events {{}}
http {{ {temporary} access_log off;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {CIPHERS};
  server_tokens off; ssl_certificate {certificates}/leaf.pem; ssl_certificate_key {certificates}/leaf.key;
  server {{ listen 127.0.0.1:{http_port}; return 301 https://localhost:{https_port}$request_uri; }}
  server {{ listen 127.0.0.1:{https_port} ssl default_server; return 444; }}
  server {{
    listen 127.0.0.1:{https_port} ssl; server_name localhost;
    ssl_client_certificate {certificates}/ca.pem; ssl_verify_client on;
    location / {{
      proxy_pass http://127.0.0.1:{deployment.direct_port}; proxy_http_version 1.1; proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }}
  }}
}}
""")
    process = subprocess.Popen(
        [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 10
        while not accepts(https_port):
            assert time.monotonic() < deadline, (tmp_path / "error.log").read_text()
            time.sleep(0.05)
        folder = tmp_path / "run"
        folder.mkdir()
        pair = (f"{certificates}/leaf.pem", f"{certificates}/leaf.key")
        (folder / "conftest.py").write_text(SETTINGS.format(f"client_certificate={pair}"))
        args = [
            f"--nodered-url=https://localhost:{https_port}",
            f"--nodered-ca-file={deployment.ca_file}",
            f"--nodered-http-port={http_port}",
            f"--nodered-direct-port={deployment.direct_port}",
            "--nodered-admin-root=/admin-x",
            "--nodered-node-root=/node-x",
        ]
        (controls,) = run(folder, *args).values()
        assert with_outcome(controls, "non-compliant") == failing(deployment)
        (folder / "conftest.py").unlink()
        (controls,) = run(folder, *args).values()
        assert "admin-01" in with_outcome(controls, "could-not-look")
        assert "a client certificate is demanded; give one in the hook" in (folder / "out.xml").read_text()
        (folder / "nodered-sec.toml").write_text('mutual_tls = true\nadmin_api = "proxied"')
        (controls,) = run(folder, *args).values()  # strangers shall get no further, and that is all that is seen
        assert {"admin-01", "dash-01", "dash-02", "editor-01", "tls-12"} <= with_outcome(controls, "compliant")
        assert with_outcome(controls, "could-not-look") == set()
    finally:
        process.terminate()
        process.wait(10)


def test_extra_headers_are_sent_to_their_target_only(three: dict[str, lab.RunningDeployment], tmp_path: Path) -> None:
    deployment = three["hardened"]
    third = Listener(Path(deployment.ca_file).with_name("leaf.pem"))
    (tmp_path / "conftest.py").write_text(SETTINGS.format("headers={'CF-Access-Client-Secret': 'hunter2-header'}"))
    url = f"--nodered-url=https://localhost:{third.port}"
    run(tmp_path, url, "--nodered-timeout=2", "-k", "test_login_is_configured")
    assert b"hunter2-header" not in third.heard  # its certificate does not verify without the CA
    run(
        tmp_path,
        url,
        "--nodered-timeout=2",
        "-k",
        "test_login_is_configured",
        f"--nodered-ca-file={deployment.ca_file}",
    )
    assert b"CF-Access-Client-Secret: hunter2-header" in third.heard
    assert "hunter2-header" not in (tmp_path / "out.xml").read_text()


def test_another_address_is_dialled_under_the_same_name(
    three: dict[str, lab.RunningDeployment], tmp_path: Path
) -> None:
    deployment = three["hardened"]
    port = deployment.url.rsplit(":", 1)[1]
    text = table(deployment, url="https://localhost:9", connect=f"127.0.0.1:{port}")
    policy(tmp_path, text)
    (controls,) = run(tmp_path, "-k", "chain_is_trusted or names_the_host or login_is_configured").values()
    assert controls["tls-01"] == controls["tls-02"] == controls["admin-04"] == {"compliant"}


# --- a first policy file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("moved", ['admin_root = "/admin-x"', "is served"]),
        ("gate", ['admin_api = "proxied"', "a proxy refuses everything before Node-RED"]),
        ("hardened", ["Node-RED's own login", 'dashboards = ["/ui", "/dashboard"]']),
    ],
)
def test_init_writes_what_it_found(
    three: dict[str, lab.RunningDeployment], tmp_path: Path, name: str, sentences: list[str]
) -> None:
    deployment = three[name]
    command = [sys.executable, "-m", "pytest", "--nodered-init", f"--nodered-url={deployment.url}"]
    command += [f"--nodered-ca-file={deployment.ca_file}"]
    if name == "moved":
        command.append("--nodered-admin-root=/admin-x")
        sentences = ["Found: /admin-x/auth/login", 'admin_root = "/admin-x"']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "nodered-sec.toml written; review it, then run: pytest --nodered-suite=only" in done.stdout
    text = (tmp_path / "nodered-sec.toml").read_text()
    for sentence in sentences:
        assert sentence in text
    written = tomllib.loads(text)["target"][0]
    assert (written["url"], written["ca_file"]) == (deployment.url, deployment.ca_file)
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "--nodered-show-policy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert deployment.url in shown.stdout


def test_init_of_nobody_is_one_sentence(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "pytest", "--nodered-init", f"--nodered-url=https://127.0.0.1:{port}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "ERROR: --nodered-init: https://127.0.0.1" in done.stderr
    assert not (tmp_path / "nodered-sec.toml").exists()


@pytest.mark.parametrize("path", ["/ui", "/dashboard"])
def test_the_url_of_a_dashboard_is_named_as_such(path: str, tmp_path: Path) -> None:
    with lab.start(["ungated"], say=lambda line: None) as running:
        there = running.deployments[0]
        args = [f"--nodered-url={there.url}{path}", f"--nodered-ca-file={there.ca_file}"]
        pytest_there = [sys.executable, "-m", "pytest", "-q", *args]
        todo = f"is the page of a dashboard, and no admin API is below it: use `--nodered-url={there.url}`"
        told = subprocess.run(
            [*pytest_there, "--nodered-init"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert todo in told.stdout
        assert "httpAdminRoot: /auth/login answers there" not in (tmp_path / "nodered-sec.toml").read_text()
        (tmp_path / "nodered-sec.toml").unlink()
        ran = subprocess.run(
            [*pytest_there, "--nodered-suite=only"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert todo in ran.stdout
        assert "adminAuth" not in ran.stdout
