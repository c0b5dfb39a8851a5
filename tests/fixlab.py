"""A real Node-RED behind a real front, whose files can be replaced by what `--nodered-fix` wrote, and started again.

What a person would do with the files is done here by rule: they go where their first lines say, which below a
temporary directory means other paths, loopback addresses and the test's certificate.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from byhand import BY_HAND, MINDED, PLANTS, account, node_js, node_red
from suite_runs import installed

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.certificates import Authority
from pytest_nodered_sec.lab.node_red import flows, settings_js, without_unused
from pytest_nodered_sec.lab.parts import shims
from pytest_nodered_sec.lab.ports import accepts, free_ports
from pytest_nodered_sec.lab.proxies import PROXIES
from pytest_nodered_sec.lab.rules import Front
from pytest_nodered_sec.remedies.fronts import apache, caddy, haproxy, nginx, traefik

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_nodered_sec.remedies.model import FrontName


FRONTS: Final[tuple[FrontName, ...]] = ("nginx", "caddy", "apache", "haproxy", "traefik")
FILES: Final = (nginx.FILE, caddy.FILE, apache.FILE, haproxy.FILE, traefik.STATIC, traefik.DYNAMIC)
PORTS: Final = 5  # of HTTPS, plain HTTP, Node-RED, its inspector, and the CA's list of revoked certificates
USER: Final = "admin"
_MODULES: Final = (
    *("mpm_event", "authn_core", "authz_core", "authz_user", "auth_basic", "authn_file", "ssl", "socache_shmcb"),
    *("headers", "rewrite", "alias", "proxy", "proxy_http", "proxy_wstunnel"),
)

_INSIDE: Final = "127.0.0.2"  # the plant's loopback; the test looks from outside, which is 127.0.0.1
_LIMIT: Final = 120.0  # seconds until Node-RED and its front accept connections


def has_ipv6() -> bool:
    """Whether this machine has ::1, at which a front that was written listens as well."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as six:
        six.bind(("::1", 0))
        return True
    return False


class Plant:
    """A Node-RED and its front, below a directory; a context manager that ends both.

    Args:
        folder: exists, and is short: sockets have names of some hundred characters.
        front: one of FRONTS.
        deployment: of PLANTS: settings and flows.
        major: of Node-RED, where the deployment exists for it.
        ports: as many as PORTS, of which nobody else is given one: for several plants they are found at once.
    """

    def __init__(
        self,
        folder: Path,
        front: FrontName,
        deployment: str = "fresh",
        major: int = 5,
        ports: Sequence[int] = (),
    ) -> None:
        self.folder, self.front, self.name = folder, front, deployment
        self.deployment = PLANTS[deployment]
        self.known = self.deployment.password  # the account's where it is a published one, until somebody changes it
        # of Node-RED's own Basic login, where there is one: a browser sends one account for both
        self.operator = "user" if "httpNodeAuth" in self.deployment.settings else USER
        opened = ports or free_ports(PORTS)
        self.https_port, self.http_port, self.direct_port, self.inspector_port, self.list_port = opened
        self.user_dir = folder / "node-red"
        self.user_dir.mkdir(parents=True)
        (folder / "front").mkdir()
        self.certificates = folder
        authority = Authority(folder)
        if self.deployment.certificate:
            self.certificates = folder / "front"
            authority.write(
                self.certificates, self.deployment.certificate, f"http://localhost:{self.http_port}/lab.crl"
            )
        majors = self.deployment.majors or toolchain.MAJORS
        self.major = major if major in majors else max(majors)
        self.node = self.deployment.node
        self.inspector = self.deployment.inspector
        modules = node_red(self.major)
        self.password, self.hashed = account(modules)
        self.link(modules)
        # behind a unix socket in the lab: here at an address that only the front knows
        self._address = _INSIDE if self.deployment.socket else "127.0.0.1"
        quick = without_unused(self.deployment)
        text = settings_js(self.deployment, str(self.direct_port), self.hashed, secrets.token_hex(16), quick)
        text = text.replace('uiHost: "127.0.0.1"', f'uiHost: "{self._address}"')
        (self.user_dir / "settings.js").write_text(text)
        (self.user_dir / "flows.json").write_text(flows(self.deployment))
        self._first: list[str] = []  # starts the front before anything was applied
        self.uninstalled: list[str] = []
        self.publishes = False  # whether the list of revoked certificates is somewhere else than at the front
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._made_of: list[object] = []  # what the running Node-RED was started with

    @property
    def url(self) -> str:
        if not self.deployment.tls and self._first:
            return f"http://localhost:{self.http_port}"
        return f"https://localhost:{self.https_port}"

    @property
    def client_certificate(self) -> tuple[str, str] | None:
        """The certificate and key that a client shows, where the policy has every client show one."""
        if not dict(self.deployment.expect).get("mutual_tls"):
            return None
        return str(self.folder / "client.pem"), str(self.folder / "client.key")

    @property
    def options(self) -> list[str]:
        """What a run must be told of a test's ports and CA."""
        ports = [f"--nodered-http-port={self.http_port}", f"--nodered-direct-port={self.direct_port}"]
        return [f"--nodered-url={self.url}", f"--nodered-ca-file={self.folder / 'ca.pem'}", *ports]

    def link(self, modules: Path) -> None:
        place = self.user_dir / "node_modules"
        sets = [modules]
        if self.deployment.packages:
            sets.append(toolchain.packages(self.deployment.packages, "contributed packages", lambda line: None))
        for path in sets:
            for name in toolchain.asked_for(path):
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).unlink(missing_ok=True)
                (place / name).symlink_to(path / name)
        shutil.copyfile(modules.parent / "package.json", self.user_dir / "package.json")

    def _red(self) -> list[str]:
        modules, node = node_red(self.major), node_js(self.node)
        inspect = [f"--inspect=127.0.0.1:{self.inspector_port}"] if self.inspector else []
        red = str(modules / "node-red" / "red.js")
        return [str(node), *inspect, *shims(self.major, self.folder), red, "-u", str(self.user_dir)]

    def expose(self) -> None:
        """Put the deployment's front before it, as the lab has it."""
        password, hashed = self.deployment.gate_login or (self.password, self.hashed)
        front = Front(self.https_port, self.http_port, f"{self._address}:{self.direct_port}", self.certificates,
                      self.folder / "ca.pem", self.folder / "front", USER, password, hashed)  # fmt: skip
        self._first = PROXIES[self.front](self.deployment, front)

    def apply(self, files: Mapping[str, str]) -> None:
        """Put files where they say that they belong, and write the accounts that they leave to a person."""
        told = [
            re.sub(r"^## \d+\. ([\w. -]+: )?", "", line)
            for line in files.get("CHANGES.md", "").splitlines()
            if line.startswith("## ")
        ]
        for words, act in BY_HAND.items():
            if any(line.startswith(words) for line in told):
                act(self)
        for words, act in MINDED.items():
            if words in files.get("CHANGES.md", ""):
                act(self)
        for name in re.findall(r"^## .*npm uninstall (\S+),", files.get("CHANGES.md", ""), re.MULTILINE):
            self._uninstall(name)
        if any(name in files for name in FILES):
            self._first = []
        settings = files.get("settings.secure.js", "")
        if settings:
            kept = self.user_dir / "settings.site.js"
            if kept.exists():  # changed before: what was written then is the site's now
                kept.rename(self.user_dir / "settings.first.js")
                text = (self.user_dir / "settings.js").read_text().replace("./settings.site.js", "./settings.first.js")
                (self.user_dir / "settings.js").write_text(text)
            (self.user_dir / "settings.js").rename(kept)
            (self.user_dir / "settings.js").write_text(settings.replace("127.0.0.1", _INSIDE))
        if 'uiHost: "127.0.0.1"' in settings:
            self._address = _INSIDE
        account = {"username": USER, "password": self.hashed, "permissions": "*"}
        (self.user_dir / "users.json").write_text(json.dumps([account]))
        self._put(files)

    def _uninstall(self, name: str) -> None:
        """Take away a package, and the nodes of its own that the flows have."""
        self.uninstalled.append(name)
        (self.user_dir / "node_modules" / name).unlink()
        kind = name.removeprefix("node-red-contrib-")
        nodes = json.loads((self.user_dir / "flows.json").read_text())
        left = [node for node in nodes if node["type"] != kind]
        (self.user_dir / "flows.json").write_text(json.dumps(left))

    def _put(self, files: Mapping[str, str]) -> None:
        here = self.folder / "front"
        for name, text in files.items():
            if name in FILES:
                (here / name).write_text(self._moved(name, text))
        line = f"{self.operator} {self.hashed}" if self.front == "caddy" else f"{self.operator}:{self._crypted()}"
        (here / "accounts").write_text(f"{line}\n")

    def _crypted(self) -> str:
        if self.front in ("apache", "traefik"):
            return self.hashed
        command = [installed("openssl"), "passwd", "-6", "-stdin"]  # an argument that begins with - would be an option
        done = subprocess.run(command, input=self.password, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def _moved(self, name: str, text: str) -> str:
        here = self.folder / "front"
        if not self.deployment.tls:  # of an http:// target the port of HTTPS is not known: the usual one
            text = re.sub(r"https://localhost(?![:\w])", f"https://localhost:{self.https_port}", text)
            text = re.sub(r"\b443\b", str(self.https_port), text)
        text = text.replace(f"127.0.0.1:{self.direct_port}", f"{self._address}:{self.direct_port}")
        text = re.sub(r"/etc/letsencrypt/live/localhost/fullchain\.pem", f"{self.folder}/leaf.pem", text)
        text = re.sub(r"/etc/letsencrypt/live/localhost/privkey\.pem", f"{self.folder}/leaf.key", text)
        text = re.sub(r"/etc/\S+?/node-red(\.htpasswd|-accounts)", f"{here}/accounts", text)
        text = re.sub(r"/etc/\S+?/node-red-clients\.pem", f"{self.folder}/ca.pem", text)
        if self.front == "nginx":
            text = re.sub(r"listen (?=\d)", "listen 127.0.0.1:", text).replace("listen [::]:", "listen [::1]:")
            if not has_ipv6():
                text = re.sub(r" *listen \[.*\n", "", text)
            places = "".join(
                f"{kind}_temp_path {here}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            head = f"daemon off; master_process off; pid {here}/pid; error_log stderr; events {{}}\n"
            return f"{head}http {{\naccess_log off; {places}\n{text}\n}}\n"
        if self.front == "caddy":
            own = "\tadmin off\n\tauto_https off\n\tpersist_config off\n\tskip_install_trust\n"
            text = text.replace(
                "{\n\thttp_port", f"{{\n{own}\tdefault_bind 127.0.0.1\n\tgrace_period 1s\n\thttp_port", 1
            )
            files = f"\ttls {self.folder}/leaf.pem {self.folder}/leaf.key"
            if "\ttls {\n" in text:
                return text.replace("\ttls {\n", f"{files} {{\n", 1)
            return text.replace(f"{self.url} {{\n", f"{self.url} {{\n{files}\n", 1)
        if self.front == "haproxy":
            both = "".join((self.folder / name).read_text() for name in ("leaf.pem", "leaf.key"))
            (here / "both.pem").write_text(both)
            text = text.replace("/etc/haproxy/certs/localhost.pem", f"{here}/both.pem")
            text = text.replace("bind :", "bind 127.0.0.1:").replace(",[::]:", ",[::1]:")
            if not has_ipv6():
                text = re.sub(r",\[::1\]:\d+ v6only", "", text)
            return text + f"\nuserlist node-red-operators\n    user {self.operator} password {self._crypted()}\n"
        if self.front == "apache":
            modules = "".join(
                f"LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n" for module in _MODULES
            )
            listen = f"Listen 127.0.0.1:{self.http_port}\nListen 127.0.0.1:{self.https_port}\n"
            head = f"ServerRoot {here}\nPidFile {here}/pid\nErrorLog {here}/error.log\nMutex file:{here}\n"
            return f"{modules}{head}{listen}ServerName localhost\n{text}"
        if name == "traefik.yml":
            return (
                text.replace('":', '"127.0.0.1:')
                .replace("/etc/traefik/dynamic", str(here / "node-red.yml"))
                .replace("directory:", "filename:")
            )
        return text

    def _command(self) -> list[str]:
        if self._first:
            return self._first
        here = self.folder / "front"
        return {
            "nginx": lambda: [installed("nginx"), "-p", f"{here}", "-e", "stderr", "-c", f"{here}/nginx-node-red.conf"],
            "caddy": lambda: [str(toolchain.caddy()), "run", "--adapter", "caddyfile", "--config", f"{here}/Caddyfile"],
            "haproxy": lambda: [installed("haproxy"), "-db", "-f", f"{here}/haproxy.cfg"],
            "apache": lambda: [installed("apache2"), "-X", "-f", f"{here}/apache-node-red.conf"],
            "traefik": lambda: [installed("traefik"), f"--configFile={here}/traefik.yml"],
        }[self.front]()

    def start(self) -> None:
        """Start both, and return when both accept connections."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the front, and Node-RED unless it runs as it is to."""
        made_of = self._red_is_made_of()
        if self._made_of != made_of:
            self._end("node-red")
            self._made_of = made_of
            self._launch("node-red", self._red())
        self._launch("front", self._command())
        if self.publishes and "list" not in self._running:
            (self.folder / "list").mkdir(exist_ok=True)
            (self.folder / "lab.crl").rename(self.folder / "list" / "lab.crl")
            where = ["--bind", "127.0.0.1", "--directory", str(self.folder / "list"), str(self.list_port)]
            self._launch("list", [sys.executable, "-m", "http.server", *where])

    def _red_is_made_of(self) -> list[object]:
        """Return what decides how Node-RED starts; a change of the front alone is none."""
        files = [self.user_dir / name for name in ("settings.js", "settings.site.js", "flows.json")]
        return [self._red(), self.uninstalled[:], [path.read_text() for path in files if path.exists()]]

    def _launch(self, name: str, command: list[str]) -> None:
        environment = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def wait(self) -> None:
        """Return when both accept connections."""
        deadline = time.monotonic() + _LIMIT
        wanted = (*((self.https_port,) if self.deployment.tls or not self._first else ()), self.http_port)
        while not all(accepts(port) for port in wanted) or not self._started():
            ended = [process.args for process in self._running.values() if process.poll() is not None]
            said = self._log("front") + self._log("node-red")
            assert not ended, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)

    def _started(self) -> bool:
        return "Started flows" in (self.folder / "node-red.log").read_text()

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def stop_front(self) -> None:
        """End the front, and leave Node-RED running for as long as nothing of its own is changed."""
        self._end("front")

    def stop(self) -> None:
        """End all of it."""
        self._end(*self._running)
        self._made_of = []

    def _end(self, *names: str) -> None:
        ending = [self._running.pop(name) for name in names if name in self._running]
        for process in ending:
            process.terminate()
        for process in ending:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)  # Apache waits for connections that are kept open
            process.kill()
            process.wait()
        if "node-red" in names:
            (self.folder / "node-red.log").unlink(missing_ok=True)

    def __enter__(self) -> Plant:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
