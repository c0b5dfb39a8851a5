"""An ACME server (pebble), certbot and nginx on loopback: certificates as sites get them, in a directory of their own.

certbot proves its names through nginx's webroot. Names are resolved by a DNS server of pebble's that sends every name
to 127.0.0.1, so any will do; top-level domains for tests (RFC 6761) are never anybody's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Final, Self

import certlab

from pytest_nodered_sec.lab.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin"
MISSING: Final = [
    name for name in ("pebble", "pebble-challtestsrv", "certbot", "nginx") if not shutil.which(name, path=_PATH)
]
_START_LIMIT: Final = 60.0  # seconds, on a busy machine
_CHALLENGES: Final = "location /.well-known/acme-challenge/ { root %s; }"


class AcmeLab:
    """Running pebble and nginx, certbot at hand; a context manager.

    Args:
        folder: an empty directory for all files.
        chain_length: how many intermediates stand between leaf and root; Let's Encrypt's chains have 2 or 3.
        days: lifetime of the certificates.

    Attributes:
        http_port: where nginx serves plain HTTP: the challenges, and a redirect to HTTPS.
        https_port: where nginx serves what `serve` says.
        ca_file: PEM file with the root by which pebble's certificates verify.
        config_dir: certbot's directory, which is /etc/letsencrypt elsewhere.
        nginx_conf: nginx's configuration.
    """

    def __init__(self, folder: Path, *, chain_length: int = 1, days: int = 90) -> None:
        ports = free_ports(6)
        self.http_port, self.https_port, self._acme, self._management, self._dns, self._control = ports
        self.folder = folder
        self.ca_file = folder / "acme-root.pem"
        self.config_dir = folder / "letsencrypt"
        self.nginx_conf = folder / "nginx.conf"
        self._chain_length = chain_length
        self._days = days
        self._www = folder / "www"
        self._sites: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def issue(self, names: Sequence[str], *more: str) -> Path:
        """Let certbot get a certificate for these names; return its directory with fullchain.pem and privkey.pem.

        Args:
            names: host names; the first names the directory.
            more: further arguments of certbot, e.g. "--key-type=rsa".
        """
        asked = [f"--domain={name}" for name in names]
        self._certbot("certonly", "--webroot", f"--webroot-path={self._www}", "--agree-tos", *asked, *more)
        return self.config_dir / "live" / names[0]

    def renew(self, name: str) -> None:
        """Let certbot renew a certificate before its time; nginx does not reload by that."""
        self._certbot("renew", f"--cert-name={name}", "--force-renewal", "--no-random-sleep-on-renew")

    def serve(
        self, name: str, *, rules: str = "return 204;", certificate: Path | None = None, file: str = "fullchain.pem"
    ) -> None:
        """Have nginx serve a name over HTTPS, by the certificate that certbot got for it.

        Args:
            name: host name.
            rules: what its server block does.
            certificate: directory of the certificate, where it is not the name's own.
            file: what `ssl_certificate` points at in there.
        """
        live = certificate or self.config_dir / "live" / name
        files = f"ssl_certificate {live}/{file}; ssl_certificate_key {live}/privkey.pem;"
        listen = f"listen 127.0.0.1:{self.https_port} ssl;"
        self._sites[name] = f"server {{ {listen} server_name {name}; {files} {rules} }}"
        self._write()
        self.reload()
        _wait_for(self.https_port, self.folder / "nginx.log")

    def reload(self) -> None:
        """Have nginx read its configuration and the certificates again, and return when it has."""
        log = self.folder / "nginx.log"
        gone = "exited with code"  # of the worker with the old configuration, which may answer until then
        before = log.read_text().count(gone)
        self._nginx.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + _START_LIMIT
        while log.read_text().count(gone) == before:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def _start(self) -> None:
        own = certlab.issue("ACME lab", ca=True)
        leaf = certlab.issue("localhost", own, dns=["localhost"])
        root, pem, key = (self.folder / name for name in ("pebble-root.pem", "pebble.pem", "pebble.key"))
        root.write_bytes(own.pem)
        pem.write_bytes(leaf.pem)
        key.write_bytes(leaf.key_pem)
        self._pebble_root = root
        config = {
            "listenAddress": f"127.0.0.1:{self._acme}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(pem),
            "privateKey": str(key),
            "httpPort": self.http_port,
            "tlsPort": self.https_port,
            "certificateValidityPeriod": self._days * 86400,
        }
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": config}))
        self._www.mkdir()
        self._write()
        self._run(
            "pebble-challtestsrv",
            *("-defaultIPv6", "", "-defaultIPv4", "127.0.0.1", "-dns01", f"127.0.0.1:{self._dns}", "-http01", ""),
            *("-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{self._control}"),
        )
        self._run("pebble", "-config", str(self.folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{self._dns}")
        self._nginx = self._run("nginx", "-p", str(self.folder), "-e", "stderr", "-c", str(self.nginx_conf))
        for port, name in ((self._acme, "pebble"), (self._control, "pebble-challtestsrv"), (self.http_port, "nginx")):
            _wait_for(port, self.folder / f"{name}.log")
        context = ssl.create_default_context(cafile=str(root))
        url = f"https://localhost:{self._management}/roots/0"
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            self.ca_file.write_bytes(answer.read())

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        path = shutil.which(program, path=_PATH)
        assert path, f"{program} is not installed"
        quick = {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": "0",
            "PEBBLE_AUTHZREUSE": "0",  # a renewal proves its names again
            "PEBBLE_CHAIN_LENGTH": str(self._chain_length),
        }
        with (self.folder / f"{program}.log").open("wb") as log:
            process = subprocess.Popen(
                [path, *arguments], env=os.environ | quick, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._processes.append(process)
        return process

    def _write(self) -> None:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{kind}_temp_path {self.folder}/{kind}; " for kind in kinds)
        challenges = _CHALLENGES % self._www
        redirect = f"location / {{ return 301 https://$host:{self.https_port}$request_uri; }}"
        lines = [
            # A master, because nginx without one accepts nothing after a reload (measured: 1.22).
            f"daemon off; worker_processes 1; worker_shutdown_timeout 1s; pid {self.folder}/nginx.pid;",
            f"{'user root; ' if os.geteuid() == 0 else ''}error_log stderr notice;",
            "events {}",
            f"http {{ access_log off; {places}",
            f"server {{ listen 127.0.0.1:{self.http_port}; {challenges} {redirect} }}",
            *self._sites.values(),
            "}",
        ]
        self.nginx_conf.write_text("\n".join(lines) + "\n")

    def _certbot(self, *arguments: str) -> None:
        places = {"config": self.config_dir, "work": self.folder / "work", "logs": self.folder / "logs"}
        folders = [f"--{name}-dir={place}" for name, place in places.items()]
        server = ("--server", f"https://localhost:{self._acme}/dir")
        program = shutil.which("certbot", path=_PATH)
        assert program, "certbot is not installed"
        done = subprocess.run(
            [program, *arguments, *folders, *server, "-n", "--register-unsafely-without-email"],
            env=os.environ | {"REQUESTS_CA_BUNDLE": str(self._pebble_root)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
