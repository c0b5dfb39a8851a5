"""What leaves the plant by itself, of what the host's Node told: telemetry, catalogues, AI assistants (host-20)."""

from __future__ import annotations

from typing import Any

from pytest_nodered_sec.data.assistants import ASSISTANTS
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_settings import Egress


def egress_of(seen: dict[str, Any]) -> Egress:
    """Return what leaves by itself.

    Args:
        seen: what the host's Node told of settings.js and of the files beside it.

    Raises:
        ProbeError: a module, or a file that cannot be read, decides it.
    """
    settings, told, modules = seen["settings"], seen["telemetry"], seen["versions"]["modules"]
    state, by = settings["telemetry"], "settings.js"
    if told["silenced"]:
        state, by = "off", "NODE_RED_DISABLE_TELEMETRY or --no-telemetry"
    if told["chosen"] != "unset":  # outweighs the others
        state, by = told["chosen"], "a user of the editor"
    editor = not settings["disableEditor"] and settings["httpAdminRoot"] != "false"
    palette = editor and "false" not in (settings["paletteInstall"], settings["paletteEditable"])
    if state == "computed" or (palette and settings["catalogues"] is None):
        raise ProbeError(
            f"{seen['file']} or .config.runtime.json does not tell what telemetry or the palette's catalogues come to",
            Cause.UNIDENTIFIED,
        )
    on = settings["assistant"] in ("unset", "on")
    return Egress(
        seen["file"],
        seen["versions"]["nodeRed"],
        state,
        by if state != "unset" else "",
        tuple(settings["catalogues"]) if palette else (),
        tuple((name, release) for name, release in modules if on and name in ASSISTANTS),
    )
