"""Where the lab's packages come from: npm's registry, a mirror of it, or an archive that another machine made.

`PYTEST_NODERED_LAB_NPM` names a mirror's URL or an archive's path; `--nodered-lab-pack=FILE` makes an archive.
"""

from __future__ import annotations

import os
import platform
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE: Final = "PYTEST_NODERED_LAB_NPM"
_LOG: Final = "A complete log of this run"  # how npm ends, whatever the reason
_HINT: Final = (
    f"behind a company's proxy set HTTPS_PROXY and NODE_EXTRA_CA_CERTS; without a network set {VARIABLE} to a mirror's "
    "URL or to an archive (docs/lab.md)"
)


def registry() -> list[str]:
    """Return npm's arguments for a mirror, () for its own registry."""
    named = os.environ.get(VARIABLE, "")
    return [f"--registry={named}"] if named.startswith(("http://", "https://")) else []


def archive() -> Path | None:
    """Return the archive from which packages are taken, None where they come from a registry.

    Raises:
        LabError: there is no such file.
    """
    named = os.environ.get(VARIABLE, "")
    if not named or registry():
        return None
    path = Path(named).expanduser()
    if not path.is_file():
        raise LabError(f"{VARIABLE}={named}: there is no such file; give the URL of an npm registry, or an archive")
    return path


def failed(name: str, said: str) -> LabError:
    """Return the error of a set of packages that npm could not install, for what npm said."""
    lines = [line.removeprefix("npm error ") for line in said.strip().splitlines()]
    lines = [line for line in lines if line and _LOG not in line] or ["no reason given"]
    reason = next((line for line in lines if "reason:" in line), lines[-1])
    return LabError(f"npm could not install {name}: {reason}; is the npm registry reachable? If not: {_HINT}")


def waiting() -> str:
    """Return what to say while npm works for long: without a network it tries again for minutes, and is silent."""
    return f"npm is still working; without a way to its registry it tries for minutes, so end it with Ctrl-C: {_HINT}"


def pack(file: Path, places: Iterable[Path]) -> None:
    """Write an archive of folders of the cache; nobody sees it before it is whole.

    Raises:
        LabError: it exists, or cannot be written.
    """
    if file.exists():
        raise LabError(f"--nodered-lab-pack={file} exists; move it away first")
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".nodered-lab-") as folder:
            part = Path(folder, "part")
            with tarfile.open(part, "w:gz", compresslevel=3) as made:
                for place in places:
                    made.add(place, place.name, filter=_nobodys)
            part.rename(file)
    except OSError as error:
        raise LabError(f"--nodered-lab-pack={file} cannot be written: {error.strerror}") from None


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return an entry without the names and numbers of who made the archive."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def unpack(source: Path, name: str, folder: Path) -> None:
    """Put one folder of an archive into `folder`, without what leads out of it.

    Raises:
        LabError: the archive is none, or does not hold it.
    """
    if not hasattr(tarfile, "data_filter"):
        raise LabError(f"{VARIABLE}: archives need Python 3.11.4 or newer")
    try:
        with tarfile.open(source) as opened:
            members = (tar_info for tar_info in opened if tar_info.name.partition("/")[0] == name)
            opened.extractall(folder, members, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise LabError(f"{VARIABLE}={source} cannot be unpacked: {error}") from None
    if not (folder / name).is_dir():
        machine = f"{platform.system()} {platform.machine()}"
        raise LabError(
            f"{VARIABLE}={source} does not hold {name}: make it anew with this version, the same deployments and on a "
            f"machine such as this ({machine}): pytest --nodered-lab=NAME --nodered-lab-pack=FILE"
        )
