"""Remedies of host-12, pasted into the weak configuration that they are for.

The real server takes them, the finding is gone, strangers reach neither page nor channel, the right account both.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from caddylab import adapted
from loopback import ask, echoing, free_ports, listens
from seen import target, violations
from suite_runs import installed, need_nginx

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.observations.host_proxies import NginxConfig
from pytest_nodered_sec.probes.host import apache, haproxy, nginx, traefik
from pytest_nodered_sec.rules.fronts import _REDIRECT
from pytest_nodered_sec.rules.nginx_tls import tls_is_as_demanded
from pytest_nodered_sec.rules.proxy import way_is_guarded
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_nodered_sec.verdict import Violation

HASHED: Final = "$2y$08$1BVe9kfvygu9/RHjWtm22.lz/2FWWgWP/fGHX1x8NfbxovYcTgKQK"
BASIC: Final = f"Authorization: Basic {base64.b64encode(b'operator:secret').decode()}"
HOST: Final = "plant.example"
MODULES: Final = (
    "mpm_event", "authn_core", "authz_core", "authz_user", "auth_basic", "authn_file", "proxy", "proxy_http", "rewrite",
)  # fmt: skip


def found(program: str, directives: Any, red: int) -> list[Violation]:
    seen = FrontConfig(program, "x", directives, (ListeningSocket("tcp", "127.0.0.1", red),))
    verdict = way_is_guarded(seen, target().policy)
    return [] if isinstance(verdict, NotApplicable) else [each for each in violations(verdict) if each.code != "plain"]


def pasted(remedy: str) -> list[str]:
    """Return the lines of a remedy, in their order."""
    return re.findall("`([^`]*)`", remedy) or [remedy[remedy.index("location ") :]]


def crypted() -> str:
    """Return a hash that nginx can check, which knows no bcrypt but the system's."""
    command = ["openssl", "passwd", "-apr1", "secret"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def running(command: list[str], folder: Path, port: int, red: int) -> Iterator[None]:
    with (folder / "out").open("w") as out, echoing({red: "red"}):
        process = subprocess.Popen(command, stdout=out, stderr=out, env={"HOME": str(folder)})
        try:
            assert listens(process, port), (folder / "out").read_text()
            until = time.monotonic() + 20
            while (
                ask(port, HOST, "GET", "/ui/")[0] == "404" and time.monotonic() < until
            ):  # Traefik reads its files later
                time.sleep(0.05)
            yield
        finally:
            process.kill()
            process.wait(10)


def reached(port: int, *more: str) -> list[str]:
    """Return who answers: on the page, its channel, the channel's upgrade, and the page in another letter case."""
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    asked = [("/ui/", ()), ("/ui/socket.io/?transport=polling", ()), ("/ui/socket.io/", upgrade), ("/UI/", ())]
    return [ask(port, HOST, "GET", uri, *headers, *more)[0] for uri, headers in asked]


def proves(port: int) -> None:
    assert reached(port) == ["401"] * 4
    assert reached(port, BASIC) == ["red"] * 4


def of_haproxy(folder: Path, port: int, red: int) -> tuple[Callable[[list[str]], list[Violation]], list[str]]:
    weak = "http-request auth if { path_beg -i /ui } !{ path_sub socket.io } !{ http_auth(u) }"

    def write(lines: list[str]) -> list[Violation]:
        gate, *accounts = lines or [""]
        accounts = [line.replace("password HASH", "insecure-password secret") for line in accounts]
        text = (
            "defaults\nmode http\ntimeout client 5s\ntimeout server 5s\ntimeout connect 5s\n"
            "userlist u\nuser operator insecure-password secret\n"
            f"frontend f\nbind 127.0.0.1:{port}\n{gate}\n{weak}\ndefault_backend red\n"
            f"backend red\nserver a 127.0.0.1:{red}\n"
        ) + "\n".join(accounts).replace("NAME", "operator")
        (folder / "x.cfg").write_text(text + "\n")
        return found("HAProxy", haproxy.tree([("x.cfg", text)]), red)

    return write, [installed("haproxy"), "-db", "-f", f"{folder}/x.cfg"]


def of_apache(folder: Path, port: int, red: int) -> tuple[Callable[[list[str]], list[Violation]], list[str]]:
    (folder / "accounts").write_text(f"operator:{HASHED}\n")
    login = f"AuthType Basic\nAuthName x\nAuthUserFile {folder}/accounts\nRequire valid-user"

    def write(lines: list[str]) -> list[Violation]:
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in MODULES)
        own = "\n".join(lines).replace("/etc/apache2/node-red.htpasswd", f"{folder}/accounts")
        text = (
            f"{modules}ServerRoot {folder}\nPidFile {folder}/pid\nErrorLog {folder}/log\nMutex file:{folder}\n"
            f"Listen 127.0.0.1:{port}\nServerName main.example\n<VirtualHost *:{port}>\nServerName {HOST}\n"
            f"<LocationMatch ^/ui(?!/socket)>\n{login}\n</LocationMatch>\nProxyPass / http://127.0.0.1:{red}/\n"
            f"<LocationMatch ^/ui/socket>\nRequire all granted\n</LocationMatch>\n{own}\n</VirtualHost>\n"
        )
        (folder / "x.conf").write_text(text)
        folder.chmod(0o755)
        (folder / "accounts").chmod(0o644)
        return found("Apache httpd", apache.tree("a", "/", "/usr/sbin/apache2", frozenset(), {"a": text}), red)

    return write, [installed("apache2"), "-X", "-f", f"{folder}/x.conf"]


def of_traefik(folder: Path, port: int, red: int) -> tuple[Callable[[list[str]], list[Violation]], list[str]]:
    (folder / "accounts").write_text(f"operator:{HASHED}\n")
    static = {"entryPoints": {"web": {"address": f"127.0.0.1:{port}"}},
              "providers": {"file": {"directory": f"{folder}/dynamic"}}}  # fmt: skip
    (folder / "dynamic").mkdir()
    (folder / "x.yml").write_text(json.dumps(static))

    def write(lines: list[str]) -> list[Violation]:
        gated = {"rule": "PathRegexp(`(?i)^/ui`)", "service": "red", "priority": 10, "middlewares": ["own"]}
        socket = {"rule": "PathPrefix(`/ui/socket.io`)", "service": "red", "priority": 20}
        if lines:
            socket["middlewares"] = ["node-red-login@file"]
        users = {"basicAuth": {"usersFile": f"{folder}/accounts"}}
        services = {"red": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{red}"}]}}}
        routers = {"page": gated, "socket": socket}
        dynamic = {"http": {"routers": routers, "middlewares": {"own": users}, "services": services}}
        files = [line.replace("/etc/traefik/node-red-accounts", f"{folder}/accounts") for line in lines]
        text = [json.dumps(dynamic), *files]
        trees = [traefik.tree("static", "traefik.yml", static)]
        for number, each in enumerate(text):
            (folder / "dynamic" / f"{number}.yml").write_text(each)
            trees.append(traefik.tree("dynamic", f"{number}.yml", traefik.table(f"{number}.yml", each)))
        return found("Traefik", tuple(trees), red)

    return write, [str(toolchain.traefik()), f"--configFile={folder}/x.yml"]


def of_caddy(folder: Path, port: int, red: int) -> tuple[Callable[[list[str]], list[Violation]], list[str]]:
    (folder / "accounts").write_text(f"operator {HASHED}\n")

    def write(lines: list[str]) -> list[Violation]:
        own = "\n".join(lines).replace("/etc/caddy/node-red-accounts", f"{folder}/accounts")
        text = (
            f"{{\nadmin off\nauto_https off\npersist_config off\n}}\nhttp://{HOST}:{port} {{\nbind 127.0.0.1\n{own}\n"
            f"@page path /ui/\nbasic_auth @page {{\nimport {folder}/accounts\n}}\nreverse_proxy 127.0.0.1:{red}\n}}\n"
        )
        (folder / "Caddyfile").write_text(text)
        seen = adapted(text, (ListeningSocket("tcp", "127.0.0.1", red),))
        return [each for each in violations(way_is_guarded(seen, target().policy)) if each.code != "plain"]

    return write, [str(toolchain.caddy()), "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]


def of_nginx(folder: Path, port: int, red: int) -> tuple[Callable[[list[str]], list[Violation]], list[str]]:
    need_nginx()
    (folder / "accounts").write_text(f"operator:{crypted()}\n")
    folder.chmod(0o755)
    places = " ".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    login = f"auth_basic x; auth_basic_user_file {folder}/accounts;"

    def write(lines: list[str]) -> list[Violation]:
        own = "\n".join(lines).replace("/etc/nginx/node-red.htpasswd", f"{folder}/accounts")
        own = own.replace("127.0.0.1:1880", f"127.0.0.1:{red}")
        http = (
            f"access_log off; {places}\nserver {{ listen 127.0.0.1:{port}; server_name {HOST};\n{own}\n"
            f"location /ui/socket.io/ {{ proxy_pass http://127.0.0.1:{red}; }}\n"
            f"location / {{ {login} proxy_pass http://127.0.0.1:{red}; }} }}"
        )
        text = (
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\nhttp {{\n{http}\n}}\n"
        )
        (folder / "x.conf").write_text(text)
        seen = NginxConfig(
            nginx.tree(f"# configuration file x.conf:\n{text}"), (ListeningSocket("tcp", "127.0.0.1", red),)
        )
        return [each for each in violations(way_is_guarded(seen, target().policy)) if each.code != "plain"]

    return write, [str(toolchain.nginx()), "-p", str(folder), "-e", "stderr", "-c", f"{folder}/x.conf"]


@pytest.mark.parametrize("front", [of_nginx, of_haproxy, of_apache, of_traefik, of_caddy])
def test_the_login_that_is_printed_guards_the_channel(front: Any, tmp_path: Path) -> None:
    port, red = free_ports(2)
    write, command = front(tmp_path, port, red)
    weak = [violation for violation in write([]) if violation.code == "socket"]
    with running(command, tmp_path, port, red):
        assert "red" in reached(port)
    assert [violation.code for violation in write(pasted(weak[0].remedy))] == []
    with running(command, tmp_path, port, red):
        proves(port)


@pytest.mark.parametrize("given", ["", "server_tokens on;\nssl_protocols TLSv1.1 TLSv1.2;\nssl_ciphers HIGH;"])
def test_the_lines_about_tls_take_the_place_of_what_stands_there(given: str, tmp_path: Path) -> None:
    need_nginx()
    (key, pem), (port, red) = (tmp_path / "key.pem", tmp_path / "leaf.pem"), free_ports(2)
    request = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=x", "-keyout", str(key)]
    subprocess.run([*request, "-out", str(pem)], capture_output=True, check=True)
    server = f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {pem}; ssl_certificate_key {key};"
    lines = [f"pid {tmp_path}/pid;", "events {}", "http {", *given.split("\n"), server]
    lines += [f"location / {{ proxy_pass http://127.0.0.1:{red}; }} }}", "}"]

    def judged() -> list[Violation]:
        tree = nginx.tree("# configuration file x.conf:\n" + "\n".join(lines) + "\n")
        seen = NginxConfig(tree, (ListeningSocket("tcp", "127.0.0.1", red),))
        return list(violations(tls_is_as_demanded(seen, target().policy)))

    assert {violation.code for violation in judged()} == {"tokens", "protocols", "ciphers"}
    for violation in judged():
        where, _, line = violation.remedy.partition(": ")
        if place := re.search(r":(\d+)\)$", where):
            lines[int(place[1]) - 1] = line
        else:
            lines[2] += f" {line}"
    assert judged() == []
    (tmp_path / "x.conf").write_text("\n".join(lines) + "\n")
    command = [str(toolchain.nginx()), "-t", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "x.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "syntax is ok" in done.stderr, done.stderr


@pytest.mark.parametrize("front", [of_haproxy, of_apache])
def test_the_redirect_that_is_printed_goes_before_all_else(front: Any, tmp_path: Path) -> None:
    port, red = free_ports(2)
    write, command = front(tmp_path, port, red)
    program = {of_haproxy: "HAProxy", of_apache: "Apache httpd"}[front]
    lines = [line.replace("NAME", HOST) for line in pasted(_REDIRECT[program])]
    write(lines)
    with running(command, tmp_path, port, red):
        assert [ask(port, HOST, "GET", uri) for uri in ("/ui/", "/flows")] == [
            ({of_haproxy: "301", of_apache: "308"}[front], f"https://{HOST}{uri}") for uri in ("/ui/", "/flows")
        ]
