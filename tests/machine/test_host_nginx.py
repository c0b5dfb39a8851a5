"""A real nginx before a real Node-RED, its configuration as `nginx -T` prints it, includes and all; and a HAProxy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from evaluator import until_there
from loopback import listens
from suite_runs import run

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(NGINX is None and not os.environ.get("CI"), reason="no nginx here: apt install nginx-light"),
]

SECURE = "server_tokens off; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM;"
PROXY = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"


class Front:
    """An nginx of its own before a Node-RED: its main file includes sites, where the servers stand."""

    def __init__(self, folder: Path, red: lab.RunningDeployment) -> None:
        self.folder = folder
        self.red = red
        (folder / "sites").mkdir()
        (folder / "scratch").mkdir()
        with_lab = Path(red.ca_file).parent
        shutil.copyfile(with_lab / "leaf.key", folder / "site.key")
        (folder / "site.key").chmod(0o600)
        self.certificate = with_lab / "leaf.pem"
        self.port, self.http_port = free_ports(2)

    def write(self, site: str, head: str = SECURE) -> None:
        temporary = " ".join(
            f"{kind}_temp_path {self.folder}/scratch/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"pid {self.folder}/pid; error_log {self.folder}/error.log; worker_processes 1; events {{}}\n"
            f"http {{ access_log off; {temporary} {head}\n  include {self.folder}/sites/*.conf;\n}}\n"
        )
        (self.folder / "sites" / "red.conf").write_text(
            site.replace("@TLS@", f"listen 127.0.0.1:{self.port} ssl; server_name localhost; "
                         f"ssl_certificate {self.certificate}; ssl_certificate_key {self.folder}/site.key;")
            .replace("@PLAIN@", f"listen 127.0.0.1:{self.http_port};")
            .replace("@RED@", f"127.0.0.1:{self.red.direct_port}")
        )  # fmt: skip

    def __enter__(self) -> Front:
        assert NGINX is not None
        self.process = subprocess.Popen(
            [NGINX, "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder), "-g", "daemon off;"],
            stderr=subprocess.DEVNULL,
        )
        assert until_there(self.folder / "pid", self.process, "\n")
        assert listens(self.process, self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def judged(self, folder: Path, *args: str) -> dict[str, str]:
        """Return each host control's outcomes, in one word."""
        (folder / "conftest.py").write_text(CONFTEST.format(self.red.user_dir))
        url = f"https://localhost:{self.port}"
        [seen] = run(
            folder, f"--nodered-url={url}", "--nodered-host=local://", f"--nodered-ca-file={self.red.ca_file}",
            f"--nodered-direct-port={self.red.direct_port}", "-k", "test_host_", *args,
        ).values()  # fmt: skip
        return {control: "/".join(sorted(outcomes)) for control, outcomes in seen.items()}

    def listing(self) -> dict[str, tuple[int, int]]:
        """What is in its directory: size and time of change."""
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.folder.rglob("*")
            if path.is_file()
        }


CONFTEST = """
from dataclasses import replace

def pytest_nodered_targets(config, targets):
    return [replace(t, policy=replace(t.policy, host=replace(t.policy.host, user_dir={!r}))) for t in targets]
"""


@pytest.fixture(scope="module")
def red() -> Iterator[lab.RunningDeployment]:
    with lab.start(["anonread"], say=lambda line: None) as running:
        yield running.deployments[0]


@pytest.fixture
def front(red: lab.RunningDeployment, tmp_path: Path) -> Front:
    (tmp_path / "nginx").mkdir()
    (tmp_path / "run").mkdir()
    return Front(tmp_path / "nginx", red)


REDIRECT = "server { @PLAIN@ return 301 https://$host$request_uri; }"
GUARDED = f"location / {{ proxy_pass http://red; {PROXY} }}"
UPSTREAM = "upstream red { server @RED@; }"

CASES = {
    "hardened": (f"{UPSTREAM} {REDIRECT} server {{ @TLS@ {GUARDED} }}", SECURE, set()),
    "plain": (f"{UPSTREAM} server {{ @PLAIN@ @TLS@ {GUARDED} }}", SECURE, {"host-12"}),
    "old protocols": (f"{UPSTREAM} server {{ @TLS@ {GUARDED} }}", "server_tokens off;", {"host-13"}),
    "socket open": (
        f"{UPSTREAM} server {{ @TLS@ {GUARDED} location ~* ^/ui {{ "
        f"auth_basic x; auth_basic_user_file x; proxy_pass http://red; {PROXY} }} "
        f"location ^~ /ui/socket.io {{ proxy_pass http://red; {PROXY} }} }}",
        SECURE,
        {"host-12"},
    ),
    "through a map": (
        "map $host $to { default @RED@; } server { @TLS@ location / { proxy_pass http://$to; } }",
        "ssl_protocols TLSv1.2;",
        {"host-13"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_exactly_these_of_nginx_fail(name: str, front: Front, tmp_path: Path) -> None:
    site, head, failing = CASES[name]
    front.write(site, head)
    with front:
        before = front.listing()
        seen = front.judged(tmp_path / "run")
        assert front.listing() == before  # nginx -T created nothing, the nginx being there
    assert {control for control in ("host-12", "host-13") if seen[control] == "non-compliant"} == failing
    assert {seen[control] for control in {"host-12", "host-13"} - failing} <= {"compliant"}
    assert seen["host-00"] == "compliant"
    assert "non-compliant" not in seen["host-15"]
    assert seen["host-17"] == "compliant"


def test_a_file_changed_after_the_last_reload_is_not_what_runs(front: Front, tmp_path: Path) -> None:
    front.write(CASES["hardened"][0])
    with front:
        time.sleep(3)
        (front.folder / "sites" / "red.conf").touch()
        seen = front.judged(tmp_path / "run")
    assert (seen["host-12"], seen["host-13"], seen["host-17"]) == ("could-not-look", "could-not-look", "non-compliant")


def test_a_worker_that_died_has_a_successor_with_what_was_read_before(front: Front, tmp_path: Path) -> None:
    """The newest worker is younger than the file, and has the old one: nginx was not reloaded."""
    front.write(f"{UPSTREAM} server {{ @PLAIN@ @TLS@ {GUARDED} }}")
    main = front.folder / "nginx.conf"
    main.write_text(main.read_text().replace("worker_processes 1", "worker_processes 2"))
    with front:
        time.sleep(3)
        front.write(CASES["hardened"][0])
        main.write_text(main.read_text().replace("worker_processes 1", "worker_processes 2"))
        time.sleep(3)
        workers = Path(f"/proc/{front.process.pid}/task/{front.process.pid}/children").read_text().split()
        os.kill(int(workers[0]), signal.SIGKILL)
        time.sleep(0.5)
        seen = front.judged(tmp_path / "run")
    assert (seen["host-12"], seen["host-13"], seen["host-17"]) == ("could-not-look", "could-not-look", "non-compliant")


def test_a_key_that_anybody_may_read(red: lab.RunningDeployment, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own directories let nobody else in
        Path(name).chmod(0o755)
        front = Front(Path(name), red)
        front.write(CASES["hardened"][0])
        (front.folder / "site.key").chmod(0o644)
        with front:
            assert "non-compliant" in front.judged(tmp_path)["host-15"]


def test_a_configuration_that_is_not_valid_any_more(front: Front, tmp_path: Path) -> None:
    front.write(CASES["hardened"][0])
    with front:
        (front.folder / "sites" / "broken.conf").write_text("server { listen nonsense:x; }")
        seen = front.judged(tmp_path / "run")
    assert (seen["host-11"], seen["host-12"]) == ("non-compliant", "could-not-look")


@pytest.mark.skipif(HAPROXY is None and not os.environ.get("CI"), reason="no haproxy here: apt install haproxy")
def test_a_haproxy_that_guards_one_spelling_only(front: Front, tmp_path: Path) -> None:
    both = front.folder / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes(front.certificate.read_bytes() + (front.folder / "site.key").read_bytes())
    config = front.folder / "haproxy.cfg"
    config.write_text(
        "defaults\nmode http\ntimeout client 5s\ntimeout server 5s\ntimeout connect 5s\n"
        "userlist plant\nuser operator insecure-password not-to-be-seen\n"
        f"frontend web\nbind 127.0.0.1:{front.port} ssl crt {both}\n"
        "http-request auth if { path_beg /ui/ } !{ http_auth(plant) }\ndefault_backend red\n"
        f"backend red\nserver red 127.0.0.1:{front.red.direct_port}\n"
    )
    assert HAPROXY is not None
    process = subprocess.Popen([HAPROXY, "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        assert listens(process, front.port)
        seen = front.judged(tmp_path / "run", "-k", "test_way_through")
    finally:
        process.terminate()
        process.wait(10)
    assert seen == {"host-12": "non-compliant"}
    report = (tmp_path / "run" / "out.xml").read_text()
    assert "a login at /ui/ (http-request auth), none at /UI/" in report
    assert "not-to-be-seen" not in report
