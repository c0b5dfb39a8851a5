"""docs/hardening.md is true: its configuration is the lab's `hardened`, and what it leaves behind is all green."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import crossplane
import pytest
from suite_runs import need_nginx, run, with_outcome

from pytest_nodered_sec import collection, lab
from pytest_nodered_sec.lab import sites, toolchain
from pytest_nodered_sec.lab.deployments import DEPLOYMENTS, flows, settings_js
from pytest_nodered_sec.lab.proxies import Front, nginx
from pytest_nodered_sec.rules.host import _SANDBOX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DOC = (Path(__file__).parents[2] / "docs" / "hardening.md").read_text(encoding="utf-8")
SETTINGS, *_ = re.findall(r"```js\n(.*?)```", DOC, re.DOTALL)
SNIPPET, AROUND = re.findall(r"```nginx\n(.*?)```", DOC, re.DOTALL)
[UNIT] = re.findall(r"```ini\n(.*?)```", DOC, re.DOTALL)
POLICY, *_ = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)


def bare(text: str) -> str:
    """Return JavaScript without comments, and without white space and commas that mean nothing."""
    text = re.sub(r"\s+", "", re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return text.replace(",}", "}")


def test_the_settings_are_those_of_the_hardened_deployment() -> None:
    ours = settings_js(DEPLOYMENTS["hardened"], "1880", "@HASH@", "@SECRET@")
    assert bare(SETTINGS) == bare(ours)


def directives(text: str, folder: Path) -> set[tuple[str, ...]]:
    """Return each directive of an nginx configuration with the blocks around it."""
    (folder / "parsed.conf").write_text(text)
    parsed = crossplane.parse(str(folder / "parsed.conf"), single=True)
    assert not parsed["errors"]
    return set(walked(parsed["config"][0]["parsed"], ()))


def walked(block: Iterable[dict[str, Any]], around: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for one in block:
        line = " ".join((one["directive"], *one["args"]))
        if line == "server":  # which of them is told by its port
            ports = [inner["args"] for inner in one["block"] if inner["directive"] == "listen"]
            line = f"server {ports}"
        if "block" in one:
            yield from walked(one["block"], (*around, line))
        else:
            yield (*around, line)


def test_nginx_is_that_of_the_hardened_deployment(tmp_path: Path) -> None:
    need_nginx()
    nginx(DEPLOYMENTS["hardened"], Front(443, 80, "127.0.0.1:1880", Path("@"), Path("@"), tmp_path, "operator", "", ""))
    ours = (tmp_path / "nginx.conf").read_text()
    for found, meant in (
        (f"{tmp_path}/htpasswd", "/etc/nginx/node-red.htpasswd"),
        ("@/leaf.pem", "/etc/letsencrypt/live/plant.example/fullchain.pem"),
        ("@/leaf.key", "/etc/letsencrypt/live/plant.example/privkey.pem"),
        ("listen 127.0.0.1:", "listen "),
        ("https://localhost:443", "https://plant.example"),
        ("server_name localhost 127.0.0.1", "server_name plant.example"),
    ):
        assert found in ours
        ours = ours.replace(found, meant)
    whole = AROUND.replace("include /etc/nginx/snippets/node-red.conf;", SNIPPET)
    redirect = "return 301 https://plant.example$request_uri;"
    assert f"location / {{ {redirect} }}" in whole
    whole = whole.replace(f"location / {{ {redirect} }}", redirect)  # on its own in the lab, where nothing is renewed
    theirs = directives(f"http {{ {whole} }}", tmp_path)
    differ = {line[1:] for line in theirs ^ directives(ours, tmp_path)}
    only_here = ("access_log", "map $http_remote_user", "map $http_upgrade $unless", "add_header Set-Cookie line=7")
    left = {
        line
        for line in differ
        if line
        and not line[0].startswith(only_here)
        and not line[-1].startswith(only_here)
        and "_temp_path" not in line[0]
    }
    assert left == {("server [['80']]", "location /.well-known/acme-challenge/", "root /var/www/letsencrypt")}


@pytest.mark.live
@pytest.mark.parametrize("major", lab.majors("hardened"))
def test_who_follows_it_is_all_green(major: int, tmp_path: Path) -> None:
    need_nginx()
    plant = tmp_path / "plant"
    plant.mkdir()
    modules = toolchain.node_red(major, lambda line: None)
    [hashed] = toolchain.bcrypt(modules, ["a password of its own"])
    (plant / "settings.js").write_text(SETTINGS.replace("@HASH@", hashed).replace("@SECRET@", "0123456789abcdef"))
    (plant / "nginx.conf").write_text(SNIPPET)
    (plant / "flows.json").write_text(flows(DEPLOYMENTS["hardened"]))
    (tmp_path / "nodered-sec.toml").write_text(POLICY)
    [controls] = run(tmp_path, f"--nodered-lab=plant@{major}", "--nodered-suite=only").values()
    assert with_outcome(controls, "non-compliant") == with_outcome(controls, "could-not-look") == set()
    assert {"dash-01", "dash-02", "node-01", "node-02", "proxy-01"} <= with_outcome(controls, "compliant")


def test_the_unit_has_what_is_demanded() -> None:
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # as configparser documents it
    unit.read_string(UNIT)
    for name, enough, _ in _SANDBOX:
        assert unit["Service"][name] in enough
    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Service"]["UMask"] == "0077"
    assert unit["Service"]["User"] not in ("root", "")


def test_the_controls_it_names_exist() -> None:
    known = set(re.findall(r"^  (\S+)", collection.described(), re.MULTILINE))
    named = set(re.findall(r"\b(?:admin|cookie|cred|csrf|dash|editor|flow|host|http|live|node|origin|patch|proxy|reach"
                           r"|static|tls|version)-\d\d\b", DOC))  # fmt: skip
    assert named <= known


def test_the_deployments_it_names_exist() -> None:
    named = re.findall(r"--nodered-lab=([\w-]+)", DOC)
    assert set(named) - {"plant"} <= set(lab.names())


def test_nginx_takes_the_site_file(tmp_path: Path) -> None:
    """nginx itself reads what the page shows, with a certificate of the test's."""
    need_nginx()
    trustme = pytest.importorskip("trustme")
    leaf = trustme.CA().issue_cert("plant.example")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    text = AROUND.replace("/etc/nginx/snippets/node-red.conf", str(tmp_path / "snippet.conf"))
    text = re.sub(r"/etc/letsencrypt/\S+\.pem", str(tmp_path / "both.pem"), text)
    (tmp_path / "snippet.conf").write_text(SNIPPET)
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; events {{}} http {{ {text} }}")
    command = [str(toolchain.nginx()), "-t", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "syntax is ok" in done.stderr, done.stderr


def test_openssl_makes_what_nginx_reads() -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run([program, "passwd", "-6", "x"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("$6$")
    assert sites.SNIPPETS["nginx"] == "nginx.conf"
