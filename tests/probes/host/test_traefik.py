"""Traefik on the host: which runs, which files it reads, what becomes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from probes.host.front_files import SOCKETS, front, looked

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.host import fronts, traefik
from pytest_nodered_sec.probes.host.gather import SCRIPT
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.observations.host_fronts import FrontConfig


# --- Traefik

TRAEFIK = "name traefik\nexe /usr/bin/traefik\ncwd /srv\nstart 5000\narg traefik"
STATIC = """entryPoints:
  web: {address: ":80"}
  websecure: {address: "127.0.0.1:443/tcp"}
providers:
  file: {directory: dynamic}
"""
ROUTES = "http: {routers: {a: {rule: PathPrefix(`/`), service: red, middlewares: [x], tls: {}}}}"


def traefik_of(later: dict[str, str | Section], started: str = TRAEFIK) -> FrontConfig:
    sections = {
        name: body if isinstance(body, Section) else Section(f"1600000000\n{body}", 0) for name, body in later.items()
    }
    return fronts.config(front(started), sections, SOCKETS)


def traefik_trouble(later: dict[str, str | Section], started: str = TRAEFIK) -> str:
    with pytest.raises(ProbeError) as caught:
        traefik_of(later, started)
    return caught.value.message


def test_what_of_a_traefik_is_asked_for() -> None:
    places = ("/etc/traefik", "/srv")
    etc = [f"traefik:/srv:{place}/traefik.{ending}" for place in places for ending in ("toml", "yaml", "yml")]
    assert fronts.paths([front(TRAEFIK)]) == etc
    assert fronts.paths([front(f"{TRAEFIK}\narg --configFile=a.yml")]) == ["traefik:/srv:/srv/a.yml"]
    by_flags = front(f"{TRAEFIK}\narg --providers.file.directory\narg d\narg --api")
    assert fronts.paths([by_flags]) == [*etc, "routes:/srv/d"]
    with_a_dash = front(f"{TRAEFIK}\narg -providers.file.directory=d\narg -api")
    assert fronts.paths([with_a_dash]) == [*etc, "routes:/srv/d"]


def test_the_file_in_its_users_home_outweighs_flags() -> None:
    """As a real Traefik 3.6 does: with HOME it served the entry point of that file, and none of its flags."""
    told = f"{TRAEFIK}\nhome /home/t/.config\narg --providers.file.filename=/a.yml"
    places = ("/etc/traefik", "/home/t/.config", "/srv")
    etc = [f"traefik:/srv:{place}/traefik.{ending}" for place in places for ending in ("toml", "yaml", "yml")]
    assert fronts.paths([front(told)]) == [*etc, "routes:/a.yml"]
    inside = {"config:/home/t/.config/traefik.yml": STATIC, "config:/srv/dynamic/a.yml": ROUTES}
    inside |= {"routes:/srv/dynamic": ""}
    assert traefik_of({"config:/a.yml": ROUTES, **inside}, told).file == "/home/t/.config/traefik.yml"
    hidden = Section("/home/t/.config/traefik.toml cannot be read as ops", 1)
    later: dict[str, str | Section] = {"config:/a.yml": ROUTES, "config:/home/t/.config/traefik.toml": hidden}
    assert "cannot be read as ops" in traefik_trouble(later, told)


def test_a_home_that_is_not_to_be_entered_may_hold_anything(folder: Path) -> None:
    (folder / "home").mkdir()
    seen = looked(f"config:{folder}/home/.config/traefik.yml")
    assert seen[f"config:{folder}/home/.config/traefik.yml"].text.strip().endswith("is not there")
    if os.geteuid() == 0:
        (folder / "home").chmod(0o700)
        folder.chmod(0o711)
        command = [
            "setpriv",
            "--reuid=4321",
            "--regid=4321",
            "--clear-groups",
            "sh",
            "-c",
            SCRIPT,
            "sh",
            "MARK",
            "",
            "0",
        ]
        command.append(f"config:{folder}/home/.config/traefik.yml")
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "cannot be read as" in done.stdout


def test_a_traefik_and_its_files() -> None:
    later: dict[str, str | Section] = {
        "config:/etc/traefik/traefik.toml": Section("/etc/traefik/traefik.toml is not there", 1),
        "config:/etc/traefik/traefik.yml": STATIC,
        "routes:/srv/dynamic": Section("/srv/dynamic/a.yml", 0),
        "config:/srv/dynamic/a.yml": ROUTES,
        "config:/srv/dynamic/b.toml": '[[http.services.red.loadBalancer.servers]]\nurl = "x"',
    }
    config = traefik_of(later)
    static, first, second = config.directives
    assert (static.name, first.file, second.file) == ("static", "/srv/dynamic/a.yml", "/srv/dynamic/b.toml")
    assert fronts.ports_of(config.directives) == {"80", "443"}
    assert first.block[0].block[0].block[0].block[2].args == ("x",)
    assert second.block[0].block[0].block[0].block[0].block[0].block[0].block[0].args == ("x",)
    hidden = {
        **later,
        "config:/etc/traefik/traefik.toml": Section("/etc/traefik/traefik.toml cannot be read as ops", 1),
    }
    assert "cannot be read as ops" in traefik_trouble(hidden)
    flags = f"{TRAEFIK}\narg --entryPoints.web.address=:81\narg --providers.file.filename=/a.yml\narg -x"
    beside = traefik_of({"config:/a.yml": ROUTES, "config:/srv/traefik.yml": STATIC, **{
        name: later[name] for name in later if "/srv/" in name}}, flags)  # fmt: skip
    assert beside.file == "/srv/traefik.yml"  # outweighs flags
    config = traefik_of({"config:/a.yml": ROUTES}, flags)
    assert (config.file, fronts.ports_of(config.directives)) == ("its flags", {"81"})
    newer = Section(f"1700000500\n{ROUTES}", 0)  # read again since, as files are watched
    assert traefik_of({"config:/a.yml": newer}, flags).program == "Traefik"
    assert "was changed after" in traefik_trouble(
        {"config:/a.yml": newer}, f"{flags}\narg --providers.file.watch=false"
    )


@pytest.mark.parametrize(
    ("later", "more", "why"),
    [
        ({}, "", "was started without a file or flags"),
        ({}, "--configfile=/x.yml", "/x.yml was not read"),
        ({}, "--api --api.insecure", "and a flag above it"),
        ({"/etc/traefik/traefik.yml": "a: ["}, "", "is no YAML, line 1"),
        ({"/etc/traefik/traefik.yml": "- a"}, "", "holds no table"),
        ({"/etc/traefik/traefik.toml": "a"}, "", "is no TOML"),
        ({"/etc/traefik/traefik.yml": "a: {{ env }}"}, "", "templates"),
        ({"/etc/traefik/traefik.yml": "providers: {docker: {}}"}, "", "routes of its provider docker"),
        ({"/etc/traefik/traefik.yml": STATIC}, "", "/srv/dynamic was not read"),
        ({"/x.yml": f"a: [{'x, ' * 60000}]"}, "--configFile=/x.yml", "more than 50000 values"),
    ],
)
def test_a_traefik_that_cannot_be_looked_at(later: dict[str, str], more: str, why: str) -> None:
    started = TRAEFIK + "".join(f"\narg {word}" for word in more.split())
    assert why in traefik_trouble({f"config:{name}": text for name, text in later.items()}, started)


def test_a_directory_of_traefik_that_cannot_be_looked_at() -> None:
    later: dict[str, str | Section] = {"config:/etc/traefik/traefik.yml": STATIC}
    assert "more than 400" in traefik_trouble(
        {**later, "routes:/srv/dynamic": Section("there are more than 400 files", 1)}
    )


def test_yaml_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert "PyYAML, which is not installed" in traefik_trouble({"config:/etc/traefik/traefik.yml": STATIC})


def test_what_of_traefik_is_left_out() -> None:
    values = traefik.table(
        "a.yml",
        """
tls: {certificates: [{certFile: x}], options: {a: {minVersion: b}}}
http:
  middlewares:
    a: {basicAuth: {users: ["a:b", "c:d"], usersFile: /x}, headers: {customRequestHeaders: {X-Key: secret}}}
  other: {no: null, yes: true, many: [[1], {a: 2}]}
""",
    )
    shown = str(traefik.tree("dynamic", "a.yml", values))
    assert "secret" not in shown
    assert "a:b" not in shown
    assert "certFile" not in shown
    assert "X-Key" in shown
    assert "'true'" in shown
    assert traefik.table("a.yml", "") == {}
    assert traefik.provider({"providers": {"docker": {}}}) == {}


def test_files_of_a_traefik_come_by_the_script(folder: Path) -> None:
    (folder / "dynamic" / "below").mkdir(parents=True)
    (folder / "dynamic" / "below" / "a.yml").write_text("a: {Authorization: 'Basic c2VjcmV0', b: c}")
    (folder / "dynamic" / "b.toml").write_text("")
    (folder / "dynamic" / "c.txt").write_text("")
    (folder / "traefik.yml").write_text('{"providers": {"file": {"directory": "dynamic", "watch": true}}}')
    (folder / "one.yml").write_text("providers:\n  file:\n    filename: dynamic/b.toml # one\n")
    (folder / "open.yml").write_text(f"filename: {folder}/one.yml")
    (folder / "open.yml").chmod(0o666)
    seen = looked(f"traefik:{folder}:{folder}/traefik.yml")
    assert {name.rpartition("/")[2] for name in seen if name.startswith("config:")} == {
        "traefik.yml",
        "a.yml",
        "b.toml",
    }
    assert seen[f"routes:{folder}/dynamic"].code == 0
    assert "c2VjcmV0" not in seen[f"config:{folder}/dynamic/below/a.yml"].text
    assert "b: c" in seen[f"config:{folder}/dynamic/below/a.yml"].text
    seen = looked(f"traefik:{folder}:{folder}/one.yml", f"routes:{folder}/none")
    assert f"config:{folder}/dynamic/b.toml" in seen
    assert seen[f"routes:{folder}/none"].code == 1
    assert f"config:{folder}/one.yml" not in looked(f"traefik:{folder}:{folder}/open.yml")
