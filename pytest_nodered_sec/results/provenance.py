"""Where results come from: the command, the code and its tables, the machine that looked, and its clock.

No secrets: of the command line only the values of options that are known to hold none are kept.
"""

from __future__ import annotations

import csv
import ctypes
import functools
import hashlib
import json
import platform
import re
import shlex
import sys
from base64 import urlsafe_b64encode
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Final, TypedDict

from pytest_nodered_sec.data.known_credentials import credentials_checked
from pytest_nodered_sec.data.releases import advisories_checked, node_checked
from pytest_nodered_sec.policy.urls import without_private_paths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import Distribution

INSTEAD: Final = "…"  # of a value that is not kept
_PACKAGE: Final = "pytest-nodered-sec"
_FILES: Final = "pytest_nodered_sec/"
# pytest's own options, and xdist's and rerunfailures', whose values say what a run did
_SAFE: Final = frozenset(("-c", "-k", "-m", "-n", "-p", "-r", "-W", "--basetemp", "--capture", "--color",
                          "--confcutdir", "--deselect", "--dist", "--durations", "--ignore", "--ignore-glob",
                          "--import-mode", "--junit-xml", "--junitxml", "--maxfail", "--numprocesses", "--reruns",
                          "--rootdir", "--show-capture", "--tb", "--tx", "--verbosity"))  # fmt: skip
_FLAGS: Final = re.compile(
    r"-[vqsxlh]+|--(?:lf|ff|sw|co|collect-only|last-failed|stepwise|exitfirst|verbose|quiet|help|strict-markers|"
    r"strict-config|setup-only|no-header|no-summary|runxfail)"
)
_USER: Final = re.compile(r"(?<=://)[^/@\s]*(?=@)")


class Code(TypedDict):
    """The code that judged: SHA-256 of the wheel's list of files, "" if unknown, and files that are not as listed."""

    record_sha256: str
    changed: list[str]
    editable: bool


def command(args: Iterable[str]) -> list[str]:
    """Return a command line without values that may be secret: those of options that neither we nor pytest define."""
    kept: list[str] = []
    hide = False  # whether the next word may be the value of such an option
    for arg in args:
        if not arg.startswith("-"):
            kept.append(INSTEAD if hide else _USER.sub(INSTEAD, arg))
            hide = False
            continue
        name, sign, value = arg.partition("=")
        if not name.startswith("--"):
            name, sign, value = arg[:2], "", arg[2:]
        safe = name.startswith("--nodered-") or name in _SAFE or bool(_FLAGS.fullmatch(arg))
        if name == "--nodered-seal":
            safe, value = bool(sign), program(value)
        elif name == "--nodered-host":
            value = without_private_paths(value)
        kept.append(name + sign + (_USER.sub(INSTEAD, value) if safe else INSTEAD if value else ""))
        hide = not safe and not value
    return kept


def program(text: str) -> str:
    """Return a command's program: its arguments may hold a passphrase."""
    try:
        words = shlex.split(text)
    except ValueError:
        return INSTEAD
    return f"{words[0]} {INSTEAD}" if len(words) > 1 else "".join(words)


@functools.cache
def code() -> Code:
    """Return which code judges; see `code_of`."""
    try:
        return code_of(distribution(_PACKAGE))
    except PackageNotFoundError:
        return Code(record_sha256="", changed=[], editable=False)


def code_of(installed: Distribution) -> Code:
    """Return which code is installed: the digest is equal for every installation of one wheel.

    Installers add lines of their own to RECORD, so only those of the package's files count, sorted by name.
    """
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    rows = [row for row in csv.reader((installed.read_text("RECORD") or "").splitlines()) if len(row) == 3]
    own = sorted(row for row in rows if row[0].startswith(_FILES) and row[1])
    if not own:
        return Code(record_sha256="", changed=[], editable=bool(origin.get("dir_info", {}).get("editable")))
    listed = "".join(f"{','.join(row)}\n" for row in own)
    changed = [name for name, digest, _ in own if _digest(str(installed.locate_file(name))) != digest]
    return Code(record_sha256=hashlib.sha256(listed.encode()).hexdigest(), changed=changed, editable=False)


def _digest(path: str) -> str:
    """Return a file's digest as RECORD has it, "" if it cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  importlib's own paths need not be pathlib's
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return ""
    return "sha256=" + urlsafe_b64encode(digest).decode().rstrip("=")


def tables() -> dict[str, str]:
    """Return when each table was last reviewed, as ISO dates."""
    return {
        "advisories.toml": advisories_checked().isoformat(),
        "node_releases.toml": node_checked().isoformat(),
        "known_credentials.toml": credentials_checked().isoformat(),
    }


def machine() -> str:
    """Return which machine looks: its name and system. Its address towards each target is in the target's identity."""
    return f"{platform.node() or 'unnamed'} ({platform.system()} {platform.release()}, {platform.machine()})"


_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC of adjtimex(2)


class _Timex(ctypes.Structure):
    """The beginning of the kernel's struct timex; the rest is room that it may write to."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def clock() -> str:
    """Return what the times are taken from, and whether the kernel says that the clock is synchronised."""
    try:
        kernel = ctypes.CDLL(None, use_errno=True).adjtimex if sys.platform == "linux" else None
    except (OSError, AttributeError):
        kernel = None
    seen = _Timex()  # modes 0: nothing is set
    if kernel is None or kernel(ctypes.byref(seen)) < 0:
        return "system clock; whether it is synchronised is not known"
    if seen.status & _UNSYNCHRONISED:
        return "system clock, not synchronised"
    return f"system clock, synchronised (off by at most {seen.maxerror / 1_000_000:.3f} s)"
