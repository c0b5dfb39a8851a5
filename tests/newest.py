"""The verdicts on the newest Node-RED of each major and the newest dashboards: tells what is coming, fails nothing.

A script beside the tests, because what others release must not break this project's build. What follows on the
command line goes to pytest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pytest_nodered_sec.lab import LabError, toolchain

PINNED = Path(toolchain.__file__).with_name("npm")
VERDICTS = Path(__file__).parent / "live" / "test_verdicts.py"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="nodered-newest-") as name:
        folder = Path(name)
        newer = {major: resolve(folder / str(major), major) for major in toolchain.MAJORS}
        for major, changes in newer.items():
            say(f"Node-RED {major}: {', '.join(changes) or 'nothing is newer than what is pinned'}")
        if any(newer.values()):
            environment = {**os.environ, "NODERED_LAB_LOCKS": name, "XDG_CACHE_HOME": str(folder / "cache")}
            command = [sys.executable, "-m", "pytest", "-q", str(VERDICTS), *sys.argv[1:]]
            failed = subprocess.run(command, env=environment, check=False).returncode
            say("the verdicts on the newest releases " + ("differ: see above" if failed else "are the same"))


def resolve(folder: Path, major: int) -> list[str]:
    """Write the lock file of the newest releases; return what differs from the pinned ones."""
    folder.mkdir()
    newest = {"node-red": f"^{major}", "node-red-dashboard": "latest", "@flowfuse/node-red-dashboard": "latest"}
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": newest}))
    done = toolchain.npm(folder, "install", "--package-lock-only")
    if done.returncode:
        raise LabError(done.stderr)
    pinned = versions(PINNED / str(major))
    return [f"{name} {version}" for name, version in versions(folder).items() if pinned.get(name) != version]


def versions(folder: Path) -> dict[str, str]:
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    return {place.removeprefix("node_modules/"): package["version"] for place, package in packages.items() if place}


def say(line: str) -> None:
    sys.stdout.write(f"newest: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except (LabError, OSError, subprocess.SubprocessError) as error:
        say(f"could not be tried: {error}")
