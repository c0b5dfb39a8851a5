"""What tells a machine from every other one, of what was gathered there: digests, made on the machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.twins import MachineMarks

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.host.gather import Inside

_MARK: Final = re.compile(r"^(\S+) ([0-9a-f]{64})$", re.MULTILINE)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MACHINE: Final = "machine-id"
_BOOT: Final = "boot_id"


def marks_of(inside: Inside, settings: dict[str, Any] | None) -> MachineMarks:
    """Return what tells the machine from others.

    Args:
        inside: what was gathered there.
        settings: what settings.js comes to, None where that is not known.

    Raises:
        ProbeError: nothing does.
    """
    seen = list(dict.fromkeys(_MARK.findall(inside.found["marks"].text)))
    if not seen:
        raise ProbeError(
            "nothing there tells this machine from others: no machine-id, boot_id or ssh host key can be read and "
            "hashed (sha256sum)",
            Cause.UNIDENTIFIED,
        )
    by_name = dict(seen)
    told = {} if isinstance(inside.settings, ProbeError) else inside.settings.get("telemetry", {})
    return MachineMarks(
        machine=by_name.get(_MACHINE, ""),
        boot=by_name.get(_BOOT, ""),
        host_keys=tuple((name, digest) for name, digest in seen if name not in (_MACHINE, _BOOT)),
        container=inside.in_container,
        instance=told.get("instance", ""),
        secret=told.get("secret", ""),
        passwords=None if settings is None else _passwords(settings),
    )


def _passwords(settings: dict[str, Any]) -> tuple[tuple[str, str], ...]:  # Any, here and above: JSON
    """Return whose password hash (e.g. "adminAuth user 1") has which mark."""
    users = enumerate(settings["adminAuth"].get("users", ()), 1)
    hashes = [(f"adminAuth user {place}", user.get("hash")) for place, user in users]
    hashes += [(name, settings[name].get("hash")) for name in ("httpAdminAuth", "httpNodeAuth", "httpStaticAuth")]
    return tuple((who, each["mark"]) for who, each in hashes if each and _DIGEST.fullmatch(each.get("mark", "")))
