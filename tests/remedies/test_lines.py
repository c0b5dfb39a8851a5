"""Remedies of one line work when they are pasted: nginx and Node.js read them, and none has a gap to fill."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from suite_runs import need_nginx

import pytest_nodered_sec
from pytest_nodered_sec.catalogue import bundled
from pytest_nodered_sec.data.known_findings import findings_of
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.remedies.lines import (
    ADMIN_AUTH,
    HTTP_NODE_AUTH,
    NO_DOTS,
    apache_gate,
    caddy_gate,
    haproxy_gate,
    nginx_gate,
    toml,
)

ROOMS = ("rules", "remedies")
GAP = re.compile(r"(\[\.\.\.\]|\{ ?\.\.\.(?![\w(])|\.\.\.[;,}]|=> ?(\.\.\.|…)|\{…\}|… ?\}|<bcrypt hash>)")
TEXTS = [
    (path, node.value)
    for room in ROOMS
    for path in sorted((Path(pytest_nodered_sec.__file__).parent / room).rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
]


def test_no_remedy_has_a_gap() -> None:
    assert [(path.name, text) for path, text in TEXTS if GAP.search(text)] == []


def test_a_full_stop_stands_between_sentences() -> None:
    remedies = [row.remedy for control in bundled() for row in findings_of(control)]
    assert [text for text in remedies if re.search(r"[^.:;,!?(\"`] (In|Or|One|Change|Until) ", text)] == []


@pytest.mark.parametrize("gap", ["users: [...]", "{ auth_basic ...; }", "(socket, next) => …", "adminAuth: {…}"])
def test_a_gap_would_be_seen(gap: str) -> None:
    assert GAP.search(gap)


@pytest.mark.parametrize("path", ["/", "/ui", "/nr/ui/", "/a.b-c", "/größe", '/a"b', "/a b", "/ws/{id}", "/x(y)|z"])
def test_nginx_takes_the_gate(path: str, tmp_path: Path) -> None:
    need_nginx()
    lines = f"{NO_DOTS}\n{nginx_gate(path)}"
    text = f"pid {tmp_path}/pid; events {{}} http {{ server {{ listen 127.0.0.1:8080; {lines} }} }}"
    (tmp_path / "nginx.conf").write_text(text)
    command = [str(toolchain.nginx()), "-t", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "syntax is ok" in done.stderr, done.stderr


def test_the_gate_covers_what_is_below_and_passes_it_on() -> None:
    gate = nginx_gate("/nr/ui/")
    assert 'location ~* "^/nr/ui(/|$)" {' in gate
    assert "proxy_pass http://127.0.0.1:1880;" in gate
    assert "proxy_set_header Upgrade $http_upgrade;" in gate
    assert nginx_gate("/").startswith("location / {")


def test_the_gates_of_other_proxies_are_for_any_path() -> None:
    assert "`@nodered path *`" in caddy_gate("/")
    assert "`@nodered path /ui /ui/*`" in caddy_gate("/ui/")
    assert "path_reg -i '^(/|$)'" in haproxy_gate("/")
    assert '<LocationMatch "(?i)^/a\\.b(/|$)">' in apache_gate("/a.b")


@pytest.mark.parametrize("line", [ADMIN_AUTH, HTTP_NODE_AUTH])
def test_node_reads_the_setting_and_stops_while_the_file_is_missing(line: str, tmp_path: Path) -> None:
    setting = re.sub(r"^settings\.js: |(, without a `default` user)?\. You write .*", "", line)
    (tmp_path / "settings.js").write_text(f"module.exports = {{\n    {setting},\n}};\n")
    command = [str(toolchain.node()), "-p", "JSON.stringify(require('./settings.js'))"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Cannot find module './" in done.stderr
    for name in ("users.json", "node-login.json"):
        (tmp_path / name).write_text("[]")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_values_are_written_as_toml() -> None:
    value = {"path": '/a"ü', "public": True, "ports": (1, 2)}
    assert tomllib.loads(f"x = {toml([value])}")["x"] == [{"path": '/a"ü', "public": True, "ports": [1, 2]}]
