"""systemd: a drop-in that makes a unit of Node-RED's restart, and takes rights away that it does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.remedies.model import Site

FILE: Final = "nodered.service.d/hardening.conf"


def write(changes: Iterable[str], site: Site) -> dict[str, str]:
    """Return the drop-in where the plan wants one; the user is named in the unit itself, by whoever knows it."""
    if "host.unit" not in set(changes):
        return {}
    text = f"""\
# {site.name}: /etc/systemd/system/nodered.service.d/hardening.conf, then systemctl daemon-reload and restart nodered.
# User= is yours to set, to an account that owns Node-RED's user directory and nothing else.
[Service]
Restart=on-failure
UMask=0077
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
"""
    return {FILE: text}
