"""Reading the inventories of a policy file: a file beside it, or what a command prints.

A command is the site's own, runs once, without a shell, in the policy file's folder, and gets as little of our
environment as a vault's command does. What it prints may hold secrets of other programs: none of it is ever shown.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec import credentials
from pytest_nodered_sec.policy.file import TargetTable
from pytest_nodered_sec.policy.inventory import MOST_BYTES, SECONDS, Inventory, Listed, targets_of
from pytest_nodered_sec.policy.model import PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.policy.file import PolicyFile

_LISTED: Final = pytest.StashKey[str]()  # the targets of all inventories as JSON, for xdist's workers
_GIVEN: Final = "nodered_listed"


def with_inventories(config: pytest.Config, file: PolicyFile | None) -> PolicyFile | None:
    """Return the policy file with the targets of its inventories; every process of a run has the same.

    Raises:
        PolicyError: an inventory cannot be read, or holds something else.
    """
    if file is None or not file.inventories:
        return file
    if hasattr(config, "workerinput"):
        rows = json.loads(config.workerinput[_GIVEN])
    else:
        folder = file.path.parent if file.path else Path()
        entries = _entries(file, folder)
        rows = [(entry.name, entry.url, dict(entry.labels), dict(entry.values)) for entry in entries]
        config.stash[_LISTED] = json.dumps(rows)
    return file.with_listed([TargetTable(name, url, labels, values, listed=True) for name, url, labels, values in rows])


def _entries(file: PolicyFile, folder: Path) -> list[Listed]:
    """Return the targets of all inventories.

    Raises:
        PolicyError: an inventory cannot be read, holds something else, or lists a target that is there already.
    """
    places = dict.fromkeys((table.name for table in file.targets), "the policy file")
    entries: list[Listed] = []
    for inventory in file.inventories:
        listed = targets_of(inventory, _text(inventory, folder))
        if twice := next((entry.name for entry in listed if entry.name in places), ""):
            raise PolicyError(f"{inventory.called}: a target called {twice} is in {places[twice]} as well; remove one")
        places |= dict.fromkeys((entry.name for entry in listed), inventory.file or inventory.command[0])
        entries += listed
    return entries


def hand_over(config: pytest.Config, workerinput: dict[str, object]) -> None:
    """Give a worker what this process read."""
    workerinput[_GIVEN] = config.stash.get(_LISTED, "[]")


def as_stored(file: PolicyFile, targets: Sequence[Target]) -> PolicyFile:
    """Return a policy file for judging again: its inventories list what was looked at, and nothing is read or run.

    Raises:
        PolicyError: no target has the label of a group.
    """
    if not file.inventories:
        return file
    own = {table.name for table in file.targets}
    tables = [
        TargetTable(target.name, target.url, target.labels, _values(target), listed=True)
        for target in targets
        if target.name not in own
    ]
    return file.with_listed(tables)


def _values(target: Target) -> dict[str, str]:
    return {key: value for key in ("host", "connect") if (value := getattr(target, key))}


def _text(inventory: Inventory, folder: Path) -> str:
    """Return what an inventory holds.

    Raises:
        PolicyError: it cannot be read, is too large, or no text.
    """
    raw = _printed(inventory, folder) if inventory.command else _content(inventory, folder)
    if len(raw) > MOST_BYTES:
        raise PolicyError(f"{inventory.called}: is larger than {MOST_BYTES // 1024 // 1024} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        how = "save it as such (Excel: CSV UTF-8)" if inventory.file else "make the command print such"
        raise PolicyError(f"{inventory.called}: is not UTF-8 text: {how}") from None


def _content(inventory: Inventory, folder: Path) -> bytes:
    try:
        with (folder / Path(inventory.file).expanduser()).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"{inventory.called}: cannot be read ({error.strerror})") from None


def _printed(inventory: Inventory, folder: Path) -> bytes:
    """Return the beginning of what a command prints, up to a byte more than it may."""
    try:
        running = subprocess.Popen(  # noqa: S603  the site's own command, from its policy file, without a shell
            inventory.command,
            cwd=folder,
            env=credentials.harmless(inventory.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise PolicyError(f"{inventory.called}: cannot be run: {error.strerror}") from None
    chunks: list[bytes] = []

    def read() -> None:
        assert running.stdout is not None  # noqa: S101  it is a pipe
        with running.stdout as pipe:
            chunks.append(pipe.read(MOST_BYTES + 1))

    deadline = time.monotonic() + SECONDS
    reader = threading.Thread(target=read, daemon=True)  # a child of the command may hold the pipe for ever
    reader.start()
    reader.join(SECONDS)
    try:
        if not chunks:
            raise PolicyError(f"{inventory.called}: took over {SECONDS} s")
        if len(chunks[0]) > MOST_BYTES:
            return chunks[0]
        status = running.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise PolicyError(f"{inventory.called}: took over {SECONDS} s") from None
    finally:
        running.kill()
        running.wait()
    if status:
        how = f"with status {status}" if status > 0 else f"by signal {-status}"
        raise PolicyError(
            f"{inventory.called}: ended {how}; run it by hand to see why, and name further variables that it needs: "
            'environment = ["ANSIBLE_VAULT_PASSWORD_FILE"]'
        )
    return chunks[0]
