"""Parsers for the output of `host.sh`: pure functions from text to plain values; nothing is run here.

Which processes are believed to be what they call themselves is decided in processes.py."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host import ListeningSocket, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Section:
    """What one command of the script printed, and its exit code."""

    text: str
    code: int


def sections(text: str, mark: str) -> dict[str, Section]:
    """Split the script's output at its marks.

    What a command printed is indented, so that no file, process or socket of somebody's can be named like a mark.

    Raises:
        ProbeError: the answer is cut off.
    """
    pattern = rf"^{mark} begin (.+)\n((?: .*\n)*?) (\d+)\n{mark} end$"
    read = {}
    for name, body, code in re.findall(pattern, text, re.MULTILINE):
        lines = "\n".join(line[1:] for line in body.split("\n"))
        read[name] = Section(lines.removesuffix("\n").removesuffix("\n"), int(code))
    if "end" not in read:
        raise ProbeError("the host's answer is cut off", Cause.PROTOCOL)
    return read


@dataclass(frozen=True)
class Me:
    """The login we came by, and the host's clock."""

    uid: int
    user: str
    sudo: bool
    now: float
    uptime: float
    ticks: float


def me(section: Section) -> Me:
    """Read which user the commands run as.

    Raises:
        ProbeError: it is no Linux, or the answer is not what the script prints.
    """
    lines = section.text.split("\n")
    if len(lines) > 2 and lines[2] != "Linux":
        raise ProbeError(f"the host runs {lines[2]}; only Linux hosts are supported", Cause.PROTOCOL)
    try:
        uid, user, _, asked, now, uptime, ticks, *_ = lines
        return Me(int(uid), user, asked.startswith("sudo"), float(now), float(uptime), float(ticks))
    except ValueError:
        raise ProbeError("the host did not report the user and time (id, date, /proc/uptime)", Cause.PROTOCOL) from None


def starts(section: Section | None, unit: str) -> tuple[str, ...]:
    """Return the arguments a unit starts Node-RED with (`systemctl show -p ExecStart`)."""
    if section is None or section.code:
        return ()
    for block in section.text.split("\n\n"):
        if f"Id={unit}" in block.split("\n"):
            match = re.search(r"argv\[\]=(.*?) ;", block)
            return tuple(match[1].split()) if match else ()
    return ()


def credentials(section: Section | None, unit: str) -> tuple[str, ...]:
    """Return the files that a service's definition loads credentials from (LoadCredential=)."""
    lines = section.text.split("\n") if section is not None else []
    named = [path for name, _, path in (line.partition(" ") for line in lines) if name == unit]
    return tuple(dict.fromkeys(path for path in named if path.startswith("/")))


def sizes(section: Section | None) -> dict[str, int]:
    """Return the sizes of files, as `stat -c '%s %n'` prints them."""
    lines = section.text.split("\n") if section is not None else []
    return {path: int(size) for size, _, path in (line.partition(" ") for line in lines) if size.isdigit()}


def listening(parts: dict[str, Section], pid: int) -> tuple[ListeningSocket, ...]:
    """Return what a process listens on: the sockets of its network namespace whose inodes are among its files.

    Raises:
        ProbeError: its open files are not ours to see.
    """
    return tuple(sorted(inodes(parts, pid)))


def inodes(parts: dict[str, Section], pid: int) -> dict[ListeningSocket, str]:
    """Return the same, each with its inode; of several alike the last.

    Raises:
        ProbeError: its open files are not ours to see.
    """
    files = parts.get(f"fd {pid}", Section("", 1))
    own = set(re.findall(r"socket:\[(\d+)\]", files.text))
    if not own:
        raise ProbeError(
            f"the open files of process {pid} cannot be seen ({why(files)}): connect as its user or as root "
            "(--nodered-host=…?sudo=true, and docs/sudoers)",
            Cause.FORBIDDEN,
        )
    result = {}
    for line in parts.get(f"sockets {pid}", Section("", 1)).text.split("\n"):
        family, _, rest = line.partition(" ")
        if family == "unix":
            path, _, inode = rest.rpartition(" ")
            path = path or "(unnamed)"
            if inode in own:
                result[ListeningSocket("unix", path)] = inode
        elif family in ("tcp", "tcp6", "udp", "udp6"):
            address, _, inode = rest.partition(" ")
            if inode in own:
                result[ListeningSocket(family, *_endpoint(address))] = inode
    return result


def taken(parts: Mapping[str, Section]) -> dict[int, set[int]]:
    """Return the TCP ports that anybody listens on there, each with the ids of the users that do."""
    return {port: set(sockets.values()) for port, sockets in standing(parts).items()}


def standing(parts: Mapping[str, Section]) -> dict[int, dict[str, int]]:
    """Return the TCP ports that anybody listens on there, each with the inodes of the sockets and their users' ids."""
    result: dict[int, dict[str, int]] = {}
    text = parts.get("ports", Section("", 1)).text
    for port, uid, inode in re.findall(r"^([0-9A-F]{4}) (\d+) (\d+)$", text, re.MULTILINE):
        result.setdefault(int(port, 16), {})[inode] = int(uid)
    return result


def denied(section: Section) -> bool:
    """Whether a command lacked a right, or was not run; sudo complains of names that do not resolve, too."""
    pattern = r"^sudo: .*(password|allowed|may not|must be)|denied|^nginx -T is not run: "
    return bool(section.code) and re.search(pattern, section.text, re.MULTILINE) is not None


def why(section: Section) -> str:
    """Return the last line of a failed command, or that it said nothing."""
    lines = [line for line in section.text.split("\n") if line.strip()]
    return redaction.cut(lines[-1].strip(), 200) if lines else "no answer"


def _endpoint(text: str) -> tuple[str, int]:
    """Read an address of /proc/net: 32-bit words in the host's order, which is little-endian wherever Node-RED runs."""
    address, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8))
    ip = ipaddress.ip_address(raw)
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip), int(port, 16)


def connected(section: Section | None, address: str, port: int) -> bool:
    """Whether an established connection to our address and port is in the host's table."""
    if section is None:
        return False
    for line in section.text.split("\n"):
        parts = line.split()
        if len(parts) == 3 and parts[2] == "01" and _endpoint(parts[1]) == (address, port):
            return True
    return False


# What docker and podman are asked, in their own templates; host.sh has the same.
CONTAINER: Final = "{{json .NetworkSettings.Ports}} {{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}}"
NETWORKS: Final = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
DRIVERS: Final = "{{.Driver}}"
_HIDES: Final = ("bridge", "nat", "null", "none")  # network drivers behind which only published ports are reached


def published(
    section: Section | None, networks: Section | None = None
) -> tuple[tuple[tuple[str, int], ...] | None, str]:
    """Return the ports that are published and the restart policy.

    None for the ports where nothing hides the others: it shares the host's network, or has an address of its own there.

    Raises:
        ProbeError: docker did not tell, or another container has the network.
    """
    if section is None:
        return None, ""
    if section.code:
        raise ProbeError(f"docker does not show which ports it publishes: {why(section)}", Cause.FORBIDDEN)
    told = section.text.strip().rpartition("\n")[2].split()  # behind what podman warns of
    text, mode, restart = (*told, "no")[:3]  # podman leaves it empty where docker says "no"
    if mode == "host":
        return None, restart
    if mode.startswith("container:"):
        raise ProbeError(
            "the container shares the network of another, whose published ports are not known: inspect that one",
            Cause.UNIDENTIFIED,
        )
    drivers = networks.text.split() if networks is not None and not networks.code else []
    if unknown := sorted(set(drivers) - {*_HIDES, "macvlan", "ipvlan"}):
        raise ProbeError(f"what a network of driver {', '.join(unknown)} publishes cannot be told", Cause.UNIDENTIFIED)
    if set(drivers) - set(_HIDES):
        return None, restart
    ports: dict[str, list[dict[str, str]] | None] = json.loads(text) or {}
    pairs = {
        (binding["HostIp"] or "::", int(port.split("/")[0]))  # "" means every address
        for port, many in ports.items()
        for binding in many or ()
    }
    return tuple(sorted(pairs)), restart


def units(section: Section | None) -> dict[str, Unit]:
    """Return the units by name.

    Raises:
        ProbeError: there is no systemd, or it does not answer.
    """
    if section is None:
        raise ProbeError("this host has no systemctl, so units cannot be inspected", Cause.UNAVAILABLE)
    if section.code:
        raise ProbeError(f"systemctl does not answer: {why(section)}", Cause.UNAVAILABLE)
    result = {}
    for block in section.text.split("\n\n"):
        pairs = tuple((key, value) for key, sign, value in (line.partition("=") for line in block.split("\n")) if sign)
        unit = Unit(dict(pairs).get("Id", ""), pairs)
        for name in {unit.name, *unit.get("Names").split()}:
            result[name] = unit
    return result


def at_boot(unit: Unit | None, section: Section | None) -> Unit | None:
    """Return a unit with whether what the machine starts with has it started, as far as systemd tells.

    Args:
        unit: of the system's own systemd.
        section: the name of that target, and behind it what starts what.
    """
    if unit is None or section is None or section.code:
        return unit
    default, _, rest = section.text.strip().partition("\n")
    known = units(Section(rest, 0))
    waiting, seen = [unit.name], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        above = known.get(name, Unit(name))
        names = {name, *above.get("Names").split()}
        if names & {default, "default.target"}:
            return replace(unit, wanted=True)
        waiting += [by for key in ("WantedBy", "RequiredBy", "BoundBy", "UpheldBy") for by in above.get(key).split()]
    return replace(unit, wanted=False) if unit.name in known else unit


def answer_of_node(text: str, mark: str) -> dict[str, Any]:
    """Return what settings.js's evaluator said, {} where it said nothing."""
    lines = [line for line in text.split("\n") if line.startswith(f"{mark} ")]
    try:
        answer = json.loads(lines[-1][len(mark) + 1 :]) if lines else {}
    except (ValueError, RecursionError):  # Node-RED's own user may have put it there
        return {}
    return answer if isinstance(answer, dict) else {}
