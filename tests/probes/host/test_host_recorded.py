"""What a real machine with systemd told, recorded: for where none can be booted (tests/live/test_host_machine.py).

Recorded in November 2026 on Debian 12 with systemd 252, nginx 1.22, certbot 2.1 and Node-RED 5, hardened, by
    PYTHONPATH=tests python tests/hostlab.py >tests/probes/host/recorded/debian-12.txt
What a weak one tells is the recording with one line of its own changed, as systemctl prints it there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from seen import target, violations

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host import parse, processes
from pytest_nodered_sec.probes.host.certificates import certificates_on
from pytest_nodered_sec.probes.host.gather import Inside, _nginx, files_of_unit
from pytest_nodered_sec.probes.host.parse import Section
from pytest_nodered_sec.probes.host.parts import look_inside
from pytest_nodered_sec.rules.host import certificate_is_renewed, is_supervised
from pytest_nodered_sec.rules.nginx import nginx_is_in_service

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = (Path(__file__).parent / "recorded" / "debian-12.txt").read_text(encoding="utf-8")


def gathered(text: str) -> Inside:
    """What the probe makes of a recording, without the second trip."""
    sections = parse.sections(text, "==")
    who = parse.me(sections["me"])
    [node_red] = processes.candidates(sections, who)
    reason: Any = ProbeError("no Node.js is asked here", None)  # type: ignore[arg-type]  # no cause of its own
    inside = Inside(
        HostDemands(),
        "https://plant.example",
        who,
        sections,
        node_red,
        None,
        None,
        False,
        True,
        "",
        reason,
        _nginx(sections, 443),
    )
    served = next(iter(certificates_on(inside)))
    paths = files_of_unit(sections, node_red.process.unit)
    later = {f"time:{path}": Section(f"{int(node_red.process.started) - 60}", 0) for path in paths}
    return Inside(**{**vars(inside), "served": served, "later": later})


RULES: dict[str, Callable[..., Any]] = {
    "supervision": is_supervised,
    "nginx service": nginx_is_in_service,
    "renewal": certificate_is_renewed,
}


def codes(text: str) -> dict[str, list[str]]:
    look: Any = None
    return {
        part: [
            violation.code for violation in violations(rule(look_inside(look, gathered(text), part), target().policy))
        ]
        for part, rule in RULES.items()
    }


def block(text: str, unit: str, old: str, new: str) -> str:
    """Change a line of one unit, which systemctl shows as often as it is asked for."""
    units = text.partition("== begin units\n")[2].partition("\n== end")[0]
    for own in {part for part in units.split("\n \n") if f" Id={unit}" in part.split("\n")}:
        assert old in own
        text = text.replace(own, own.replace(old, new))
    return text


def test_the_hardened_machine_complies() -> None:
    assert codes(RECORDED) == {"supervision": [], "nginx service": [], "renewal": []}
    inside = gathered(RECORDED)
    assert (inside.node_red.process.unit, inside.node_red.process.user) == ("nodered.service", "nodered")
    look: Any = None
    assert look_inside(look, inside, "supervision").evidence() == (
        "nodered.service: ActiveState=active, UnitFileState=enabled, Restart=on-failure, NoNewPrivileges=yes, "
        "ProtectSystem=full, UMask=0077; exposure 8.5"
    )
    assert "lineage served: plant.example" in look_inside(look, inside, "renewal").evidence()


@pytest.mark.parametrize(
    ("unit", "old", "new", "part", "code"),
    [
        ("nodered.service", "UnitFileState=enabled", "UnitFileState=disabled", "supervision", "not-enabled"),
        ("nodered.service", "Restart=on-failure", "Restart=no", "supervision", "no-restart"),
        ("nodered.service", "PrivateTmp=yes", "PrivateTmp=no", "supervision", "sandbox-PrivateTmp"),
        ("nginx.service", "UnitFileState=enabled", "UnitFileState=disabled", "nginx service", "not-enabled"),
        ("nginx.service", "ActiveState=active", "ActiveState=inactive", "nginx service", "by-hand"),
        ("certbot.timer", "ActiveState=active", "ActiveState=inactive", "renewal", "not-scheduled"),
        ("certbot.timer", "UnitFileState=enabled", "UnitFileState=disabled", "renewal", "not-scheduled"),
        ("certbot.timer", "LoadState=loaded", "LoadState=masked", "renewal", "not-scheduled"),
        ("certbot.service", "Result=success", "Result=exit-code", "renewal", "failed"),
    ],
)
def test_one_line_that_is_weak(unit: str, old: str, new: str, part: str, code: str) -> None:
    assert codes(block(RECORDED, unit, old, new)) == {**{rule: [] for rule in RULES}, part: [code]}


def test_a_machine_without_a_service_manager_is_not_known_to_start_anything() -> None:
    none = "System has not been booted with systemd as init system (PID 1). Can't operate.\n"  # as systemctl says
    inside = gathered(RECORDED)
    bare = Inside(**{**vars(inside), "found": {**inside.found, "units": Section(none, 1)}})
    look: Any = None
    for part in ("supervision", "nginx service"):
        with pytest.raises(ProbeError, match="not been booted with systemd"):
            look_inside(look, bare, part)
    assert "renewed by /etc/cron.d/certbot (off)" in look_inside(look, bare, "renewal").evidence()  # no cron runs
