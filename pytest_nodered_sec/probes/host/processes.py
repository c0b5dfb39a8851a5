"""Which processes of a host are what they call themselves: pure functions from the text of `host.sh`.

Anybody on a machine can start a process of any name, with any arguments, and name a setuid program like a server. So a
process is believed only where root, a container engine, the service manager or we ourselves vouch for it: by all of its
user ids, by its executable as the kernel names it, by the service it runs in. The others are named as impostors.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host import NodeRedProcess
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.candidate import Candidate
from pytest_nodered_sec.probes.host.places import holds

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import Unit
    from pytest_nodered_sec.policy.model import HostDemands
    from pytest_nodered_sec.probes.host.parse import Me, Section

_NODE: Final = ("node", "nodejs", "MainThread")  # comm of a Node.js without a title
_NODE_PROGRAM: Final = re.compile(r"(node|nodejs)([-.0-9].*)?")
_CONTAINER: Final = re.compile(r"[0-9a-f]{64}")
_SERVICE: Final = re.compile(r"(?:/[^/]*\.slice)*/([A-Za-z0-9_][A-Za-z0-9:_.@\\-]*\.service)(?:/.*)?")
_OF_USER: Final = re.compile(
    r".*/user@\d+\.service(?:/[^/]*\.slice)*/([A-Za-z0-9_][A-Za-z0-9:_.@\\-]*\.service)(?:/.*)?"
)
_MANAGERS: Final = (  # by the name of the parent, or of the service that all of it runs in
    ("supervisord", re.compile(r"supervisord?(\.service)?")),
    ("pm2", re.compile(r"PM2.*|pm2.*\.service")),
    ("runit", re.compile(r"runsv|runit.*\.service")),
    ("s6", re.compile(r"s6-supervise|s6.*\.service")),
)
_MACHINE: Final = re.compile(r"/(machine\.slice|lxc|lxc\.payload[^/]*)/.*")  # LXC and systemd-nspawn
# of the entrypoint.sh of Node-RED's own images
_ENTRYPOINT: Final = re.compile(r'\S*/node \$NODE_OPTIONS \S*red\.js --userDir (/\S*) \$FLOWS "\$\{@\}" &')
# which change no argument
_BESIDE: Final = re.compile(
    r"(cd|exec|exit|export|nvm|sleep|true|ulimit|umask|wait)( .*)?|"
    r"(source|\.) \S*(nvm\.sh|/etc/profile|\.(profile|bashrc|bash_profile))"
)
_SWITCHES: Final = re.compile(r"(.*/)?(su|runuser)")
_SHELL: Final = re.compile(rf"(.*/)?(ba|da|a|z|k|fi)?sh|{_SWITCHES.pattern}")
_NAMED: Final = re.compile(r"(node-?red|caddy)(@.*)?\.service")  # services whose names vouch for what runs in them
_RED: Final = re.compile(r"(^|/)(red\.js|node-red(-pi)?)$")


def candidates(
    sections: dict[str, Section], who: Me, direct_port: int = 0, led_to: frozenset[int] = frozenset()
) -> list[Candidate]:
    """Return the processes that are Node-RED, in order of their ids: by title, program or command, and by their place.

    A place is a service of that name, Node-RED's own port, or, of a service, all ports to which the nginx in front
    leads (`led_to`): so one with another title is found, and an application of somebody's own that embeds Node-RED.
    Those that nobody vouches for count only where there are no others.
    """
    named, placed = [], []
    for candidate in _processes(sections, "process", who):
        if candidate.exe and not _NODE_PROGRAM.fullmatch(_program(candidate)):
            continue  # whatever it calls itself
        if not candidate.settled:
            continue
        if claims(candidate) or (candidate.sure and _starts_it(sections, candidate.process)):
            named.append(candidate)
        elif (candidate.comm in _NODE or candidate.exe) and (
            _is_main(sections, candidate)
            or _is_on(sections, candidate, direct_port)
            or (candidate.vouched and _is_all_behind(sections, candidate, led_to))
        ):
            placed.append(candidate)
    for pool in (named, placed):
        for vouched in ([red for red in pool if red.sure], [red for red in pool if red.vouched]):
            if vouched:
                return _sorted(vouched)
    return _sorted([*named, *placed])


def impostors(sections: dict[str, Section], who: Me, node_red: Candidate) -> tuple[str, ...]:
    """Return what calls itself Node-RED, nginx or Caddy on this host and is not, a phrase each."""
    lines = []
    for name, section in sections.items():
        if name.startswith("impostor "):
            claimed, uid, user, exe = [*section.text.strip().split(" ", 3), "", "", "", ""][:4]
            if uid:  # else it ended while we looked
                lines.append(_impostor(name[9:], claimed, user if user not in ("", "UNKNOWN") else uid, exe))
    for candidate in _processes(sections, "caddy", who):
        if not candidate.vouched and candidate.exe:
            lines.append(_impostor(str(candidate.process.pid), "caddy", candidate.process.user, candidate.exe))
    for candidate in _processes(sections, "process", who):
        strange = bool(candidate.exe) and not _NODE_PROGRAM.fullmatch(_program(candidate))
        other = not candidate.vouched and candidate.process.uid != node_red.process.uid
        if candidate.process.pid != node_red.process.pid and claims(candidate, strange=strange) and (strange or other):
            lines.append(_impostor(str(candidate.process.pid), "node-red", candidate.process.user, candidate.exe))
    lines += [f"{count} more processes of other users call themselves {name}" for name, count in _crowd(sections)]
    if service := _in_place_of(sections, node_red):
        pid, user = node_red.process.pid, node_red.process.user[:40]
        lines.append(f"process {pid} of user {user} runs in place of {service}, whose user is another")
    return tuple(lines)


def _crowd(sections: dict[str, Section]) -> list[tuple[str, str]]:
    """Return names by which more processes call themselves than are looked at, with how many more."""
    lines = [line.split() for line in sections.get("crowd", text_of.Section("", 1)).text.split("\n")]
    return [(line[0], line[1]) for line in lines if len(line) == 2 and line[1].isdigit()]


def check_it_is_no_strangers(sections: dict[str, Section], node_red: Candidate) -> None:
    """Refuse to take somebody's Node-RED for that of a service, which does not run or is another one.

    Raises:
        ProbeError: nobody vouches for it, and a service of that name is another user's.
    """
    if service := _in_place_of(sections, node_red):
        raise ProbeError(
            f"{node_red.process.line()} runs in place of {service}, whose user is another: its settings are not taken "
            "for that service's; see host-00",
            Cause.UNIDENTIFIED,
        )


def _in_place_of(sections: dict[str, Section], node_red: Candidate) -> str:
    process = node_red.process
    known = _starts_it(sections, process) or _manager(
        "", process.unit
    )  # other services (cron) start what anybody likes
    for name in () if node_red.vouched or known else ("nodered.service", "node-red.service"):
        unit = _unit(sections, name)
        if (
            unit is not None
            and process.unit not in (name, *unit.get("Names").split())
            and unit.get("LoadState") == "loaded"
            and unit.get("User")
            not in (
                process.user,
                str(process.uid),
            )
        ):
            return name
    return ""


def caddies(sections: dict[str, Section], who: Me) -> list[Candidate]:
    """Return the Caddys that run on this host and are believed to be that."""
    return [candidate for candidate in _processes(sections, "caddy", who) if candidate.vouched]


def _impostor(pid: str, claimed: str, user: str, exe: str) -> str:
    program = f"its program is {exe[:200]}" if exe else "its program cannot be seen"
    return f"process {pid} of user {user[:40]} calls itself {claimed}; {program}"


def _sorted(pool: list[Candidate]) -> list[Candidate]:
    return sorted(pool, key=lambda candidate: candidate.process.pid)


def _program(candidate: Candidate) -> str:
    return candidate.exe.rpartition("/")[2]


def claims(candidate: Candidate, *, strange: bool = False) -> bool:
    """Whether it calls itself Node-RED, by its title or by what it says it runs."""
    titled = candidate.comm.startswith("node-red") and not candidate.comm.startswith("node-red-a")  # not node-red-admin
    if titled:
        return candidate.comm == "node-red" or not strange  # a shell script called node-red-start claims nothing
    return candidate.comm in _NODE and any(map(_RED.search, candidate.args[1:]))


def _processes(sections: dict[str, Section], kind: str, who: Me) -> list[Candidate]:
    own = _CONTAINER.search(sections["self"].text) if "self" in sections else None
    result = []
    for name, section in sections.items():
        if not re.fullmatch(rf"{kind} \d+", name):
            continue
        lines = [line.partition(" ") for line in section.text.split("\n")]
        facts = {key: value.rstrip(" ") for key, _, value in lines}
        groups = [value for key, _, value in lines if key == "cgroup"]
        if "Uid" in facts and facts.get("ticks"):  # else it ended while we looked
            result.append(_candidate(int(name.split()[1]), facts, groups, own[0] if own else "", sections, who))
    return result


def _candidate(
    pid: int, facts: dict[str, str], groups: list[str], own: str, sections: dict[str, Section], who: Me
) -> Candidate:
    paths = [line.split(":", 2)[2] for line in groups if line.count(":") > 1]
    unit = next(
        (match[1] for match in map(_SERVICE.fullmatch, paths) if match and not match[1].startswith("user@")), ""
    )
    box, _, maker = facts.get("box", "").partition(" ")
    user_unit = next((match[1] for match in map(_OF_USER.fullmatch, paths) if match), "")
    user = facts.get("user", "")
    process = NodeRedProcess(
        pid=pid,
        uid=int(facts["Uid"]),
        user=user if user not in ("", "UNKNOWN") else facts["Uid"],
        started=who.now - who.uptime + int(facts["ticks"]) / who.ticks,
        unit=unit,
        container="" if own and own == box else box,
        user_unit="" if unit or user_unit.startswith("init.") else user_unit,
        lingers=facts.get("lingers") == "yes",
        manager=_manager(facts.get("parent", ""), unit or user_unit),
    )
    engine = (bool(process.container) and not maker) or any(map(_MACHINE.fullmatch, paths))
    closed = facts.get("closed") == "yes"
    settled = facts.get("same") == facts["Uid"]
    ours = process.uid == who.uid != 0
    itself = engine or ours or (process.uid == 0 and closed and _is_what_it_says(facts))
    served = _is_of_its_service(sections, process, facts.get("PPid", ""))
    known = itself or (served and (_NAMED.fullmatch(process.unit) is not None or _starts_it(sections, process)))
    args = tuple(facts.get("args", "").split())
    return Candidate(
        process=process,
        exe=facts.get("exe", ""),
        cwd=facts.get("cwd", ""),
        args=args,
        comm=facts.get("comm", ""),
        vouched=settled and (itself or served),
        sure=settled and known,
        settled=settled,
        maker=maker if process.container else "",
        gid=int(facts["gid"]) if "gid" in facts else None,
        groups=tuple(map(int, re.findall(r"\d+", facts.get("groups", "")))),
        closed=closed and "deleted" not in facts,
        theirs=(closed or facts.get("theirs") == "yes") and "deleted" not in facts,
        deleted="deleted" in facts,
        given=_plain_words(facts.get("given", ""), facts.get("starter", "")),
    )


def plain(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a command comes to; of a shell's what starts Node-RED, () where only that shell could tell."""
    place = _command_of(words)
    if place < 0:
        return words
    text = " ".join(words[place:])
    if re.search(r"[|<>()`\"'\\#]|(?<!&)&(?!&)", text):
        return ()
    each = [part.split() for part in re.split("&&|;", text)]
    starting = [part for part in each if any(map(_RED.search, part))]
    others = [" ".join(part) for part in each if part and part not in starting]
    if (
        len(starting) > 1
        or not all(map(_BESIDE.fullmatch, others))
        or any(re.search(r"[*?\[{~]", " ".join(part)) for part in starting)
    ):
        return ()
    return tuple(starting[0]) if starting else words[place:] if len(each) == 1 else ()


def _command_of(words: tuple[str, ...]) -> int:
    """Return where a shell's command (-c, -lc) begins among words; -1 where no shell is given any before Node-RED."""
    if words[1:2] == ("-c",) and not _SWITCHES.fullmatch(words[0]):
        return 2
    begin = next((place for place, word in enumerate(words) if _SHELL.fullmatch(word) or _RED.search(word)), len(words))
    switches = begin < len(words) and _SWITCHES.fullmatch(words[begin]) is not None
    for place in range(begin + 1, len(words)):
        word, before = words[place], words[place - 1]
        if re.fullmatch("-[A-Za-z]*c", word) and not _RED.search(words[begin]):
            # su -c COMMAND USER: where its command ends is not to be seen
            return (
                len(words) if switches and all(part.startswith("-") for part in words[begin + 1 : place]) else place + 1
            )
        if not (word.startswith("-") or switches or re.fullmatch("-[A-Za-z]*[oO]", before)):
            return -1
    return -1


def _plain_words(text: str, starter: str) -> tuple[str, ...]:
    """Return the words of a shell's command, () where only that shell could tell what they come to.

    Those of entrypoint.sh too, with which Node-RED's own images start: it hands on its arguments.
    """
    words = tuple(text.split())
    if (official := _ENTRYPOINT.fullmatch(starter.strip())) and words[1:2]:
        return ("red.js", "--userDir", official[1], "$FLOWS", *words[2:])
    return plain(words) if words[1:2] == ("-c",) else ()


def _manager(parent: str, unit: str) -> str:
    """Return the process manager, other than systemd, that keeps a process, or ""."""
    return next((name for name, of in _MANAGERS if of.fullmatch(parent.strip()) or of.fullmatch(unit)), "")


def _is_what_it_says(facts: dict[str, str]) -> bool:
    program = facts.get("exe", "").rpartition("/")[2]
    return bool(_NODE_PROGRAM.fullmatch(program) or re.fullmatch(r"caddy([-.0-9].*)?", program))


def _is_of_its_service(sections: dict[str, Section], process: NodeRedProcess, parent: str) -> bool:
    """Whether the service manager started it, as the user that the service names."""
    unit = _unit(sections, process.unit)
    if unit is None or unit.get("User") not in (
        process.user,
        str(process.uid),
        "" if process.uid == 0 else process.user,
    ):
        return False
    return unit.get("MainPID") in (str(process.pid), parent) or _NAMED.fullmatch(process.unit) is not None


def _starts_it(sections: dict[str, Section], process: NodeRedProcess) -> bool:
    """Whether the service that a process runs in says that it starts Node-RED."""
    return any(map(_RED.search, text_of.starts(sections.get("starts"), process.unit)))


def _is_all_behind(sections: dict[str, Section], candidate: Candidate, ports: frozenset[int]) -> bool:
    return bool(ports and candidate.process.unit) and all(holds(sections, candidate, port) for port in ports)


def _unit(sections: dict[str, Section], name: str) -> Unit | None:
    with contextlib.suppress(ProbeError):
        return text_of.units(sections.get("units")).get(name) if name else None
    return None


def _is_main(sections: dict[str, Section], candidate: Candidate) -> bool:
    """Whether it is the main process of a service named like Node-RED."""
    unit = _unit(sections, candidate.process.unit) if re.match("node-?red", candidate.process.unit) else None
    return unit is not None and unit.get("MainPID") == str(candidate.process.pid)


def _is_on(sections: dict[str, Section], candidate: Candidate, port: int) -> bool:
    if not candidate.sure:
        return holds(sections, candidate, port)
    with contextlib.suppress(ProbeError):  # a container has ports of its own
        sockets = text_of.listening(sections, candidate.process.pid)
        return any(here.port == port and here.family.startswith("tcp") for here in sockets)
    return False


def choose(
    candidates: list[Candidate], sections: dict[str, Section], demands: HostDemands, direct_port: int
) -> Candidate:
    """Return the Node-RED that is meant: the only one, the one in the user directory named, or the one on its port.

    Raises:
        ProbeError: none runs there, or it is not clear which.
    """
    if not candidates:
        crowd = "".join(f"; {count} more call themselves {name}" for name, count in _crowd(sections))
        raise ProbeError(
            "no Node-RED runs on this host (no process node-red or red.js was found, and no Node.js on its port "
            f"{direct_port}{crowd}); is it the right host? "
            "A container on another one is looked into with --nodered-host=docker://NAME",
            Cause.UNIDENTIFIED,
        )
    fitting = candidates
    if demands.user_dir and len(candidates) > 1:
        fitting = [
            candidate for candidate in candidates if demands.user_dir in (candidate.cwd, *candidate.args)
        ] or candidates
    if len(fitting) > 1:
        fitting = [candidate for candidate in fitting if _is_on(sections, candidate, direct_port)]
    if len(fitting) != 1:
        shown = "; ".join(candidate.process.line() for candidate in candidates[:5])
        raise ProbeError(
            f"{len(candidates)} Node-REDs run on this host ({shown}), and it is not clear which is meant: "
            "set --nodered-direct-port, or [inside] user_dir in the policy",
            Cause.UNIDENTIFIED,
        )
    return fitting[0]
