"""What renews certificates on a host and reloads the proxy then: cron's files, systemd's timers, certbot's hooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import Unit

_CLIENT: Final = re.compile(r"acme\.sh|dehydrated|getssl|uacme|acmetool|simp_le|lego\b")
_STARTED_AT_BOOT: Final = ("enabled", "static", "generated", "indirect", "alias")
_TIMERS: Final = ("certbot.timer", "certbot-renew.timer", "snap.certbot.renew.timer")
_RENEWS: Final = re.compile(r"certbot.*(renew|certonly|--keep)|renew\S*certbot|certbot.*\\$")
_TRIES: Final = "--dry-run"  # renews nothing
_RUN_PARTS: Final = re.compile(r"/etc/(cron\.(hourly|daily|weekly|monthly)|periodic/[^/]+)")
_NOT_RUN: Final = {  # names that cron and run-parts pass over
    True: re.compile(r".*(~|,|\.rpm(save|orig|new)|\.swp|,v|\.cfsaved)|[.#].*"),  # of Red Hat's and SUSE's
    False: re.compile(r".*[^A-Za-z0-9_-].*"),
}
_OF_RED_HAT: Final = re.compile(r'^ID(_LIKE)?=["\']?.*\b(rhel|fedora|centos|suse)', re.MULTILINE)


def other_clients(sections: dict[str, Section]) -> tuple[str, ...]:
    """Return other clients than certbot that a cron file or a service names, with where that is."""
    lines = [*_jobs(sections), *lines_of(sections, "acme")]
    pairs = [(client, path) for path, _, line in lines if (client := _CLIENT.search(line) or _CLIENT.search(path))]
    return tuple(dict.fromkeys(f"{client[0]} ({path})" for client, path in pairs))


def scheduled_by(sections: dict[str, Section]) -> tuple[str, bool, str]:
    """Return what renews the certificate, whether it is enabled, and the result of its last run.

    Raises:
        ProbeError: no service manager tells, and no cron file does.
    """
    jobs = [job for job in _jobs(sections) if _is_renewal(*job)]
    running = "/comm" in sections.get("crond", Section("", 1)).text
    try:
        units = text_of.units(sections.get("units"))
    except ProbeError:
        if not jobs:
            raise
        units = {}
    # Debian's own cron file leaves it to the timer wherever systemd runs
    cron = [path for path, _, line in jobs if not (units and "-d /run/systemd/system" in line)]
    schedule, on, result = (cron[0], running, "") if cron else ("", False, "")
    timers = [(_is_on(timer), timer, service) for timer, service in _timers(sections, units)]
    if timers:
        active, timer, service = max(timers, key=lambda row: row[0])  # the first that is on, else the first
        result = service.get("Result") if service is not None else ""
        if not on:
            schedule, on = timer.name, active
    return schedule, on, result


def _timers(sections: dict[str, Section], units: dict[str, Unit]) -> list[tuple[Unit, Unit | None]]:
    """Return the timers that start certbot, its own first, and the service of each."""
    names = [*_TIMERS, *(name for name in units if name.endswith(".timer") and name not in _TIMERS)]
    result = []
    for name in names:
        timer = units.get(name)
        if timer is None or timer.get("LoadState") not in ("loaded", "masked"):
            continue
        started = timer.get("Triggers") or name.replace(".timer", ".service")
        commands = _commands(sections, started)
        if any(map(_RENEWS.search, commands)) if commands else name in _TIMERS:
            result.append((timer, units.get(started)))
    return result


def _commands(sections: dict[str, Section], service: str) -> list[str]:
    """Return what a service starts, without what only tries."""
    blocks = sections.get("renewers", Section("", 1)).text.split("\n\n")
    text = next((block for block in blocks if f"Id={service}" in block.split("\n")), "")
    commands = re.findall(r"argv\[\]=(.*?) ;", text)
    return [command if _TRIES not in command else "" for command in commands]


def _is_on(timer: Unit) -> bool:
    states = (timer.get("LoadState"), timer.get("ActiveState"))
    return states == ("loaded", "active") and timer.get("UnitFileState") in _STARTED_AT_BOOT


def _is_renewal(path: str, _: str, line: str) -> bool:
    """Whether a line of cron's has certbot renew: one of a crontab is root's, and a whole command."""
    if path.startswith("/var/spool/cron") and not path.endswith("/root"):
        return False
    return _RENEWS.search(line) is not None and _TRIES not in line


def reloaded_by(sections: dict[str, Section], lineage: str) -> str:
    """Return what reloads the proxy after a renewal of this lineage, "" where nothing does."""
    for_all = ("/etc/letsencrypt/cli.ini", "/etc/sysconfig/certbot")  # the latter read by the timer of Red Hat's
    files = (*for_all, f"/etc/letsencrypt/renewal/{lineage}.conf")
    for path, _, line in lines_of(sections, "renewal"):
        if path in files and re.match(r"(?i)((renew|deploy|post)[_-]hook|installer) *= *.*(nginx|caddy)", line):
            return line.strip()
    for path, sign, line in _jobs(sections):  # as its own argument, or by the next command
        if _is_renewal(path, sign, line) and re.search("nginx|caddy", line):
            return path
    runnable = {path for path, mode in _modes(sections) if mode & 0o111}
    for path, _, _line in lines_of(sections, "hooks"):
        if re.match(r"/etc/letsencrypt/renewal-hooks/(deploy|post)/[^/]+$", path) and path in runnable:
            return path  # certbot runs no other
    return ""


def _jobs(sections: dict[str, Section]) -> list[tuple[str, str, str]]:
    """Return what grep found in cron's files, as `lines_of` does, without those that cron passes over."""
    runnable = sections.get("runnable", Section("denied", 1))
    unnamed = _NOT_RUN[_OF_RED_HAT.search(sections.get("os", Section("", 1)).text) is not None]
    result = []
    for path, sign, line in lines_of(sections, "cron"):
        folder, _, name = path.rpartition("/")
        script = _RUN_PARTS.fullmatch(folder) is not None
        if (script or folder == "/etc/cron.d") and unnamed.fullmatch(name):
            continue
        if script and "/cron." in folder and "denied" not in runnable.text and path not in runnable.text.split("\n"):
            continue
        if script or not re.match(r"\s*[A-Za-z_]\w*\s*=", line):  # of a variable
            result.append((path, sign, line))
    return result


def lines_of(sections: dict[str, Section], name: str) -> list[tuple[str, str, str]]:
    """Return what grep found: path, ":" and line, each; comments say nothing."""
    text = sections.get(name, Section("", 1)).text
    lines = [line.partition(":") for line in text.split("\n") if line.startswith("/")]
    return [line for line in lines if not line[2].lstrip().startswith("#")]


def _modes(sections: dict[str, Section]) -> list[tuple[str, int]]:
    lines = [line.strip().split(" ", 6) for line in sections["lineages"].text.split("\n")]
    return [
        (line[6].strip("'"), int(line[0], 8)) for line in lines if len(line) == 7 and re.fullmatch("[0-7]+", line[0])
    ]
