"""A site's own directory in the lab: its settings.js, its flows, and its part of the proxy's configuration.

Node-RED runs on a copy. Its settings hold, but for where it listens and what is logged; Node-RED 4 and 5 alike.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

SNIPPETS: Final = {"caddy": "Caddyfile", "nginx": "nginx.conf"}
SETTINGS: Final = "lab-settings.js"
_LEFT_OUT: Final = shutil.ignore_patterns("node_modules", ".git", ".npm", ".sessions.json", ".venv", *SNIPPETS.values())
_READ: Final = r"""
const site = require("./settings.js");
const root = (one) => typeof (one ?? site.httpRoot) === "string" ? "/" + (one ?? site.httpRoot) : "/";
const near = typeof site.uiPort === "string" || ["127.0.0.1", "localhost", "::1"].includes(site.uiHost);
const fs = require("fs");
const unread = () => {  // why Node-RED would start without the site's flows, which it only notes in its log
    if (site.storageModule || site.editorTheme?.projects?.enabled) return "";  // they are kept elsewhere
    const name = "flowFile" in site ? site.flowFile || "flows_HOSTNAME.json" : "flows.json";
    if (!fs.existsSync(name)) {
        const others = fs.readdirSync(".").filter((one) => /^flows.*\.json$/.test(one) && !one.endsWith("_cred.json"));
        const plain = /^(\.\/)?flows\.json$/.test(name);
        if (plain && !others.length) return "";  // nobody has drawn any yet
        return `${name} does not exist: set flowFile in settings.js to your file of flows`;
    }
    try {
        const flows = JSON.parse(fs.readFileSync(name, "utf8").replace(/^\uFEFF/, ""));
        return Array.isArray(flows) ? "" : `${name} cannot be read: it holds no list of nodes`;
    } catch (error) {
        const place = /(at position|line) \d[^)]*\)?/.exec(error.message);  // and not what stands there
        return `${name} is not valid JSON${place ? `, ${place[0]}` : ""}`;
    }
};
const flows = unread();
const told = {near, flows, adminRoot: root(site.httpAdminRoot), nodeRoot: root(site.httpNodeRoot)};
fs.writeFileSync(process.argv[1], JSON.stringify(told));
process.exit(0);  // whatever the settings have begun
"""
_OWN: Final = """\
// The lab's part: where Node-RED listens and what it logs. Everything else is the site's.
const site = require("./settings.js");
const {https, ...rest} = site;  // TLS is the proxy's
const logging = {...site.logging, console: {metrics: false, audit: false, ...site.logging?.console, level: "info"}};
module.exports = {flowFile: "flows.json", ...rest, uiPort: @PORT@, uiHost: "127.0.0.1", logging};
"""
_UPSTREAM: Final = r"(127\.0\.0\.1|localhost|\[::1\]):1880\b"
_ACCOUNTS: Final = re.compile(r"(\bauth_basic_user_file\s+)[^;]+;")


@dataclass(frozen=True)
class Site:
    """What the site's settings.js says.

    Attributes:
        near: whether Node-RED listens where only the proxy gets to.
        admin_root: httpAdminRoot.
        node_root: httpNodeRoot.
    """

    near: bool
    admin_root: str
    node_root: str


def check(folder: Path, proxy: str) -> None:
    """Raise LabError where a directory is none that the lab can use, or has nothing for that proxy."""
    if not (folder / "settings.js").is_file():
        raise LabError(f"{folder} has no settings.js: put Node-RED's there, and flows.json beside it")
    there = [name for name, file in SNIPPETS.items() if (folder / file).is_file()]
    if there and proxy not in there:
        raise LabError(f"{folder} has no {SNIPPETS[proxy]}, and the lab was asked for {proxy}")


def proxy_of(folder: Path) -> str:
    """Return the proxy that a directory has something for, "" where it has for none."""
    return next((name for name, file in SNIPPETS.items() if (folder / file).is_file()), "")


def said_of_flows(folder: Path) -> str:
    """Return what whoever runs a directory must know of its flows."""
    if any(folder.glob("flows*.json")):
        return f"the flows of {folder} run here, and connect to whatever they are configured for"
    return (
        f"{folder} has no flows.json: unless its settings.js keeps them elsewhere, none run, and what the policy "
        "declares is absent"
    )


def copy(folder: Path, user_dir: Path, modules: Path) -> Site:
    """Make a user directory of a site's directory, and return what its settings.js says.

    Args:
        folder: the site's.
        user_dir: does not exist yet.
        modules: the packages of a Node-RED; those that the site has installed beside its flows come first.

    Raises:
        LabError: settings.js or the flows cannot be read.
    """
    shutil.copytree(folder, user_dir, ignore=_LEFT_OUT, ignore_dangling_symlinks=True)
    packages = user_dir / "node_modules"
    packages.mkdir()
    own = _installed(folder / "node_modules")
    for name, place in {**{module: modules / module for module in toolchain.asked_for(modules)}, **own}.items():
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).symlink_to(place)
    if not (user_dir / "package.json").exists():
        shutil.copyfile(modules.parent / "package.json", user_dir / "package.json")
    return _read(folder, user_dir)


def _installed(modules: Path) -> dict[str, Path]:
    """Return the packages in a node_modules by name, but for Node-RED itself."""
    places = [*modules.glob("[!.@]*/"), *modules.glob("@*/*/")]
    named = {path.relative_to(modules).as_posix(): path for path in places}
    return {name: place.resolve() for name, place in named.items() if name != "node-red"}


def _read(folder: Path, user_dir: Path) -> Site:
    said = user_dir.parent / "site.json"
    command = [str(toolchain.node()), "-e", _READ, str(said)]
    try:
        done = subprocess.run(command, cwd=user_dir, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        raise LabError(f"{folder}/settings.js cannot be read: it does not end within a minute") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line]
        raise LabError(f"{folder}/settings.js cannot be read: {(lines or ['no reason given'])[0].strip()}")
    answer = json.loads(said.read_text())
    if answer["flows"]:
        raise LabError(f"{folder}: the flows would not run: {answer['flows']}")
    return Site(
        answer["near"], *(re.sub("/+", "/", answer[key]).rstrip("/") or "/" for key in ("adminRoot", "nodeRoot"))
    )


def write_settings(user_dir: Path, port: str) -> None:
    """Write the settings that Node-RED starts with; `port` is uiPort, a number or a quoted socket path."""
    (user_dir / SETTINGS).write_text(_OWN.replace("@PORT@", port))


def own_part(folder: Path, proxy: str, upstream: str, accounts: Path) -> str:
    """Return a site's part of the proxy's configuration, for where the lab's Node-RED listens; "" for none.

    Args:
        folder: the site's.
        proxy: "caddy" or "nginx".
        upstream: what stands for 127.0.0.1:1880.
        accounts: file that nginx shall read accounts from, whatever the site's own is called.
    """
    file = folder / SNIPPETS[proxy]
    if not file.is_file():
        return ""
    scheme = "(http://)?" if proxy == "caddy" else ""  # which Caddy takes before TCP addresses only
    text = re.sub(scheme + _UPSTREAM, lambda _match: upstream, file.read_text(encoding="utf-8"))
    return _ACCOUNTS.sub(lambda match: f"{match[1]}{accounts};", text)


def missing_types(log: str) -> str:
    """Return the node types that a log says are missing, "" for none."""
    _, mark, rest = log.partition("Waiting for missing types to be registered:")
    return ", ".join(re.findall(r"\[info\]  - (\S+)", rest)) if mark else ""
