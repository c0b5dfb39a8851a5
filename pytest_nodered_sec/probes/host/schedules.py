"""What renews certificates on a host and reloads the proxy then: cron's files, systemd's timers, certbot's hooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
_NAMES: Final = {  # of the programs of a proxy, in commands
    "nginx": "nginx|openresty",
    "Caddy": "caddy",
    "Apache httpd": "apache|httpd",
    "HAProxy": "haproxy",
    "Traefik": "traefik",
}
_AFRESH: Final = re.compile(r"reload|restart|graceful|\b(SIG)?HUP\b|\bUSR2\b|kill(all)? -1\b")
_STARTS: Final = re.compile(r"\bstart\b")
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
    return next((commands for name, commands in _services(sections) if name == service), [])


def _services(sections: dict[str, Section]) -> Iterator[tuple[str, list[str]]]:
    """Yield the services that may renew, each with what it starts, without what only tries."""
    for block in sections.get("renewers", Section("", 1)).text.split("\n\n"):
        names = re.findall(r"^Id=(.*)$", block, re.MULTILINE)
        commands = re.findall(r"argv\[\]=(.*?) ; ignore_errors=", block)
        if names:
            yield names[0], [command if _TRIES not in command else "" for command in commands]


def _is_on(timer: Unit) -> bool:
    states = (timer.get("LoadState"), timer.get("ActiveState"))
    return states == ("loaded", "active") and timer.get("UnitFileState") in _STARTED_AT_BOOT


def _is_renewal(path: str, _: str, line: str) -> bool:
    """Whether a line of cron's has certbot renew: one of a crontab is root's, and a whole command."""
    return _is_roots(path) and _RENEWS.search(line) is not None and _TRIES not in line


def _is_roots(path: str) -> bool:
    return not path.startswith("/var/spool/cron") or path.endswith("/root")


def reloaded_by(sections: dict[str, Section], lineage: str, programs: Sequence[str]) -> str:
    """Return what reloads the proxy after a renewal of this lineage, "" where nothing does.

    Args:
        sections: what the script printed.
        lineage: certbot's name of it.
        programs: which may be in front, none where that is not known.
    """
    names = "|".join(_NAMES.get(program, program.partition(" ")[0].lower()) for program in programs or _NAMES)
    for_all = ("/etc/letsencrypt/cli.ini", "/etc/sysconfig/certbot")  # the latter read by the timer of Red Hat's
    files = (*for_all, f"/etc/letsencrypt/renewal/{lineage}.conf")
    for path, _, line in lines_of(sections, "renewal"):
        key, _, value = line.partition("=")
        if path in files and (
            (key.strip() == "installer" and re.search(names, value))
            or _reloads(value, names, stopped="post" in line.lower())
        ):
            return line.strip()
    for path, sign, line in _jobs(sections):  # as its own argument, by the next command, or at another time
        installs = _is_renewal(path, sign, line) and _installs(line, names)
        if installs or (_is_roots(path) and _reloads(line, names, stopped="post" in line)):
            return path
    for service, commands in _services(sections):
        reload = any(_installs(line, names) or _reloads(line, names, stopped="post" in line) for line in commands)
        if reload and any(map(_RENEWS.search, commands)):
            return service
    runnable = {path for path, mode in _modes(sections) if mode & 0o111}
    hooks: dict[str, list[str]] = {}
    for path, _, line in lines_of(sections, "hooks"):
        if re.match(r"/etc/letsencrypt/renewal-hooks/(deploy|post)/[^/]+$", path) and path in runnable:
            hooks.setdefault(path, []).append(line)  # certbot runs no other
    for path, lines in hooks.items():
        named = any(re.search(names, line) for line in lines)  # for name in nginx postfix; do systemctl reload $name
        wanted = rf"{names}|\$\{{?\w" if named else names
        if any(_reloads(line, wanted, stopped="/post/" in path) for line in lines):
            return path
    return ""


def _installs(line: str, names: str) -> bool:
    """Whether certbot's own plugin for the proxy installs the certificate, and reloads it."""
    return "certonly" not in line and re.search(rf"(--|(-i|--installer)[ =])({names})\b", line) is not None


def _reloads(line: str, names: str, *, stopped: bool) -> bool:
    """Whether a line of shell has one of some programs take its certificate anew.

    What a script does that is called like the program is not seen: it counts.

    Args:
        line: what is run.
        names: of the programs, as a pattern.
        stopped: it may be that the program was stopped before, so that it is enough to start it.
    """
    line = re.sub(r"([\"'])([^\s\"']*)\1", r"\2", re.sub(r"(^|\s)#.*", "", line))
    if "commit ssl cert" in line and re.search(names, line):
        return True
    for part in re.split(r"&&|\|\||[;|\"']", line):
        if not re.search(names, part):
            continue
        if _AFRESH.search(part) or (stopped and _STARTS.search(part)):
            return True
        words = re.split(r"[\s=]+", part.strip())
        for before, word in zip(["hook", *words], words, strict=False):
            name = word.rpartition("/")[2]
            script = "/" in word and re.search(names, name) and not re.fullmatch(names, name)
            if script and "hook" in before:
                return True
    return False


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
