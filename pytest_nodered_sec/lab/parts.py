"""The parts of a deployment, written before they start: the Node-RED with its files, and the proxy with its own."""

from __future__ import annotations

import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.lab import sites, toolchain
from pytest_nodered_sec.lab.node_red import flows, settings_js, without_unused
from pytest_nodered_sec.lab.proxies import PROXIES
from pytest_nodered_sec.lab.rules import Front
from pytest_nodered_sec.lab.running import RunningDeployment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.lab.certificates import Authority
    from pytest_nodered_sec.lab.running import Spec

_USER: Final = "admin"
_ASIDE: Final = "127.0.0.2"  # loopback, and not where the target's own port is looked for


@dataclass(frozen=True)
class Plant:
    """A Node-RED that is about to start: where it listens, where its files are, and who may log in.

    `idle` are the ports at which nobody is to answer.
    """

    listen: str
    direct_port: int
    inspector_port: int
    folder: Path
    password: str
    hashed: str
    admin_root: str
    node_root: str
    idle: tuple[int, ...]


def plant(
    spec: Spec,
    sets: Mapping[int | str, Path],
    folder: Path,
    ports: tuple[int, int],
    password: str,
    hashed: str,
    commands: list[dict[str, Any]],
    node: Path,
) -> Plant:
    """Write the files of a Node-RED into a directory of its own, and add the command that starts it by this Node.js."""
    deployment = spec.deployment
    modules = sets[spec.major]
    aside = spec.proxy == "traefik" and deployment.socket  # Traefik knows no unix socket: an address of its own
    here = folder / f"red-{spec.called}-{spec.major}{'-tcp' if spec.proxy == 'traefik' else ''}"
    here.mkdir()
    user_dir = here / "node-red"
    direct_port, inspector_port = ports
    site = sites.copy(Path(spec.folder), user_dir, modules) if spec.folder else None
    hidden = site.near if site else deployment.socket and not aside
    # A short name: the path of a socket may have some 100 characters.
    listen = str(here / "s") if hidden else f"{_ASIDE if aside else '127.0.0.1'}:{direct_port}"
    port = json.dumps(listen) if hidden else str(direct_port)
    if site:
        sites.write_settings(user_dir, port)
    else:
        user_dir.mkdir()
        quick = without_unused(deployment)
        text = settings_js(deployment, port, hashed, secrets.token_hex(16), quick)
        text = text.replace('uiHost: "127.0.0.1"', f'uiHost: "{_ASIDE}"') if aside else text
        (user_dir / "settings.js").write_text(text)
        (user_dir / "flows.json").write_text(flows(deployment))
        if deployment.packages:
            _link(user_dir / "node_modules", modules, sets[deployment.packages])
        else:
            (user_dir / "node_modules").symlink_to(modules)
        shutil.copyfile(modules.parent / "package.json", user_dir / "package.json")
        (user_dir / ".npmrc").write_text("ignore-scripts=true\n")  # host-21
    (here / "credentials.json").touch(mode=0o600)
    (here / "credentials.json").write_text(json.dumps([_USER, deployment.password or password]))
    inspect = [f"--inspect=127.0.0.1:{inspector_port}"] if deployment.inspector else []
    red = [str(node), *inspect, *shims(spec.major, here), str(modules / "node-red" / "red.js"), "-u", str(user_dir)]
    red += ["-s", str(user_dir / sites.SETTINGS)] if site else []
    compiled = modules.parent.with_name(f"{modules.parent.name}-compiled")  # a quarter of a start less
    environment = {"HOME": str(here), "NODE_COMPILE_CACHE": str(compiled)}
    commands.append({"argv": red, "cwd": str(user_dir), "env": environment, "log": str(here / "node-red.log")})
    roots = (site.admin_root, site.node_root) if site else (deployment.admin_root, deployment.node_root)
    idle = [direct_port] if hidden or aside else []
    idle += [] if deployment.inspector else [inspector_port]
    return Plant(listen, direct_port, inspector_port, here, password, hashed, *roots, tuple(idle))


def prepare(
    spec: Spec,
    plant: Plant,
    folder: Path,
    ports: tuple[int, int],
    commands: list[dict[str, Any]],
    first: str,
    authority: Authority,
) -> RunningDeployment:
    """Write the files of a deployment's proxy into a directory of its own, and add the command that starts it.

    Args:
        spec: which deployment.
        plant: the Node-RED behind it.
        folder: the lab's directory.
        ports: of HTTPS and of plain HTTP.
        commands: what is started.
        first: label of the deployment with the same Node-RED at which passwords are guessed, "" for this one: Node-RED
            counts attempts, whichever way they come.
        authority: issues what is not right.
    """
    deployment = spec.deployment
    here = folder / str(spec)
    here.mkdir()
    https_port, http_port = ports
    password, hashed = deployment.gate_login or (plant.password, plant.hashed)
    authority.write(here, deployment.certificate, f"http://localhost:{http_port}/lab.crl")
    ca = folder / "ca.pem"
    front = Front(https_port, http_port, plant.listen, here, ca, here, _USER, password, hashed, spec.folder)
    argv = PROXIES[spec.proxy](deployment, front)
    environment = {"HOME": str(here), "XDG_DATA_HOME": str(here), "XDG_CONFIG_HOME": str(here)}
    commands.append({"argv": argv, "cwd": str(here), "env": environment, "log": str(here / "proxy.log")})
    return RunningDeployment(
        name=spec.name,
        major=spec.major,
        proxy=spec.proxy,
        label=spec.label,
        url=f"https://localhost:{https_port}" if deployment.tls else f"http://localhost:{http_port}",
        http_port=http_port,
        direct_port=plant.direct_port,
        inspector_port=plant.inspector_port,
        ca_file=str(ca),
        admin_root=plant.admin_root,
        node_root=plant.node_root,
        credentials_file=str(plant.folder / "credentials.json"),
        user_dir=str(plant.folder / "node-red"),
        has_login=deployment.has_login,
        dashboard_user=deployment.dashboard_user,
        client_certificate=(str(folder / "client.pem"), str(folder / "client.key")) if deployment.mutual else None,
        expect=(*deployment.expect, *([("guess", _elsewhere(first))] if first else [])),
    )


def _elsewhere(first: str) -> dict[str, Any]:
    return {"value": False, "reason": f"passwords of the same Node-RED are tried at {first}"}


def _link(place: Path, *sets: Path) -> None:
    """Make a directory in which the packages of several sets seem to lie; what they need is found where they are."""
    for modules in sets:
        for name in toolchain.asked_for(modules):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).symlink_to(modules / name)


def shims(major: int, folder: Path) -> list[str]:
    """Return what makes Node.js run an old Node-RED: one before 2 logs by `util.log`, which Node.js 23 took away."""
    if major > 1:
        return []
    (folder / "shim.js").write_text('require("util").log ??= (...words) => console.log(...words);\n')
    return ["-r", str(folder / "shim.js")]
