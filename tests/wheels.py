"""What a release is: built by hatchling, installed into environments of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build(kind: str, folder: Path, source: Path = ROOT) -> Path:
    """Build a "wheel" or an "sdist" into a folder; return the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def needs(extra: str = "") -> list[str]:
    """Return what the package, or one of its extras, depends on, as pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted: list[str] = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return wanted


def lowest(extra: str = "") -> list[str]:
    """Return the oldest release series of what the package, or one of its extras, depends on."""
    pins = []
    for name, version in (re.split(r"\s*>=\s*", need) for need in needs(extra)):
        parts = version.split(".")
        pins.append(f"{name}=={version}" if len(parts) > 2 else f"{name}=={'.'.join([*parts, '0'][:2])}.*")
    return pins


def interpreter(version: str) -> str:
    """Return an interpreter of a Python version, such as "3.13", or the one that runs the tests where there is none.

    pyenv's folders are searched too: its commands on the PATH refuse a version that is not switched on.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [*map(Path, os.get_exec_path()), *sorted(pyenv.glob(f"{version}.*/bin"))]
    for program in (folder / f"python{version}" for folder in folders):
        if program.is_file() and subprocess.run([program, "-c", "import venv"], capture_output=True).returncode == 0:
            return str(program)
    return sys.executable


def install(folder: Path, *what: str, python: str = sys.executable) -> Path:
    """Make an environment with these, as pip resolves them for a Python; return its folder of programs."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    programs = folder / "bin"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(programs / "python"),
        "install",
        "-q",
        "--no-warn-conflicts",
    ]
    done = subprocess.run([*command, *what], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return programs
