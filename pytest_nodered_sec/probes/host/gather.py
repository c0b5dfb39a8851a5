"""The inside of a target: everything is gathered over testinfra, in two or three round trips.

`gather` runs once per target (the landmark "host"); parts.py takes the answers apart. No command writes; `sudo`
is used where testinfra's option asks for it, and only for the lines of `host.sh` that say `root` and for Node-RED's own
user (docs/sudoers lists them).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import secrets
import time
import zlib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.assistants import ASSISTANTS
from pytest_nodered_sec.data.known_credentials import known_passwords
from pytest_nodered_sec.data.known_secrets import PUBLISHED
from pytest_nodered_sec.data.releases import advisories
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host import Unit
from pytest_nodered_sec.probes.flows.elsewhere import tables
from pytest_nodered_sec.probes.host import fronts, nginx, processes
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.caddy import caddies
from pytest_nodered_sec.probes.host.nginx import named, ports_of
from pytest_nodered_sec.probes.host.places import check_it_is_behind, led_to, may_hold
from pytest_nodered_sec.probes.host.starting import as_user, node_of
from pytest_nodered_sec.probes.host.told import checked
from pytest_nodered_sec.probes.host.way import Way
from pytest_nodered_sec.probes.transport.contexts import tls_context
from pytest_nodered_sec.probes.transport.deadlines import ended_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.policy.model import HostDemands
    from pytest_nodered_sec.probes.host.candidate import Candidate
    from pytest_nodered_sec.probes.host.parse import Me, Section
    from pytest_nodered_sec.probes.transport.look import Look

MODULES: Final = sorted({*ASSISTANTS, *(row.package for row in advisories())} - {"node-red"})
_EVALUATION: Final = 3.0  # seconds that settings.js may take


def _read(ending: str, *names: str) -> str:
    files = [resources.files(__package__).joinpath(f"{name}.{ending}") for name in names]
    return "\n".join(file.read_text(encoding="ascii") for file in files)


SCRIPT: Final = _read("sh", "trust", "processes", "nginx", "fronts", "host")
_CHILD: Final = ("view", "evaluate", "stand_ins", "later", "reduce")  # what evaluates settings.js needs no more
PROGRAM: Final = _read("js", *_CHILD, "caddy", "flows", "sending", "graph", "palette", "keepers", "settings")
CHILD: Final = _read("js", *_CHILD) + "\nevaluate();\n"


@dataclass(frozen=True)
class Nginx:
    """The nginx that runs: its master's process id, what `nginx -T` printed, and that as a tree (None: none came)."""

    master: int
    section: Section
    tree: tuple[Directive, ...] | None


@dataclass(frozen=True)
class Inside:
    """All that was gathered of one host; parts that could not be looked at are the reasons why."""

    demands: HostDemands
    url: str
    who: Me
    found: dict[str, Section]
    node_red: Candidate
    docker: Section | None
    networks: Section | None
    in_container: bool
    connected: bool
    served: str
    settings: dict[str, Any] | ProbeError
    nginx: Nginx | ProbeError | None
    later: dict[str, Section] = field(default_factory=dict)
    impostors: tuple[str, ...] = ()
    caddy: bool = False
    fronts: tuple[fronts.Front, ...] = ()
    commands: int = 0


def gather(look: Look) -> Inside:
    """Ask the host everything; once per target.

    Raises:
        ProbeError: no way in, or no Node-RED runs there.
    """
    target = look.target
    demands = target.policy.host
    mark = f"=={secrets.token_hex(8)}"
    with Way(target.host or "", demands.seconds) as way, _served(look) as (served, address, port):
        first = [mark, way.sudo, f"{port:04X}"]
        sections = text_of.sections(way.script(SCRIPT, *first), mark)
        who = text_of.me(sections["me"])
        nginx = _kept(lambda: _nginx(sections, target.port))
        tree = nginx.tree if isinstance(nginx, Nginx) and nginx.tree else ()
        leading = tree if str(target.port) in ports_of(tree) else None
        there = processes.candidates(sections, who, target.direct_port, led_to(leading or ()))
        node_red = processes.choose(there, sections, demands, target.direct_port)
        if not way.into_container:  # where its ports are others
            check_it_is_behind(sections, node_red, (target.port, target.direct_port), leading)
        front = processes.caddies(sections, who)
        if not way.into_container and target.port in text_of.taken(sections):
            front = [each for each in front if may_hold(sections, each, target.port)]
        settings = _kept(lambda: evaluate(way, who, node_red, demands, sections, caddies(front, sections)))
        unit = node_red.process.unit
        others = fronts.running(sections, who, target.port)
        paths = [*_paths(nginx), *fronts.paths(others), *(f"time:{path}" for path in files_of_unit(sections, unit))]
        paths += [step for path in environment_of_unit(sections, unit) for step in (path, *_above(path))]
        later = text_of.sections(way.script(SCRIPT, *first, *paths), mark) if paths else {}
        pid = node_red.process.pid
        docker, networks = way.container() or (sections.get(f"docker {pid}"), sections.get(f"networks {pid}"))
    return Inside(
        demands=demands,
        url=target.url,
        who=who,
        found=sections,
        node_red=node_red,
        docker=docker,
        networks=networks,
        in_container=way.into_container,
        connected=text_of.connected(sections.get("connection"), address, port),
        served=served,
        settings=settings,
        nginx=nginx,
        later=later,
        impostors=processes.impostors(sections, who, node_red),
        caddy=bool(front),
        fronts=tuple(others),
        commands=way.commands,
    )


def _kept(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except ProbeError as error:
        return error


@contextlib.contextmanager
def _served(look: Look) -> Iterator[tuple[str, str, int]]:
    """Hold a connection to the URL; yield the served certificate's SHA-256 ("" where none came) and our end of it."""
    leaf = b""
    with look.connect() as held:
        if look.target.tls:
            other = look.connect()
            other.settimeout(max(0.01, look.deadline - time.monotonic()))
            name = look.target.hostname
            with (
                contextlib.suppress(OSError),  # no handshake: the tls controls carry why
                ended_by(other, look.deadline),
                tls_context(look.target, verified=False).wrap_socket(other, server_hostname=name) as wrapped,
            ):
                leaf = wrapped.getpeercert(binary_form=True) or b""
            other.close()
        address, port = held.getsockname()[:2]
        yield hashlib.sha256(leaf).hexdigest() if leaf else "", address, port


def evaluate(
    way: Way,
    who: Me,
    node_red: Candidate,
    demands: HostDemands,
    sections: dict[str, Section],
    proxies: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Have the host's own Node evaluate settings.js as Node-RED's user; return what comes back.

    Raises:
        ProbeError: no Node there, no right to it, or a settings.js that cannot be read.
    """
    process = node_red.process
    processes.check_it_is_no_strangers(sections, node_red)
    if process.container:
        raise ProbeError(
            f"{process.line()}: its settings are inside the container: inspect it with --nodered-host=docker://NAME "
            "(podman://, kubectl://)",
            Cause.FORBIDDEN,
        )
    node = demands.node or node_of(node_red, sections)
    mark = f"=={secrets.token_hex(8)}"
    given = {
        "mark": mark,
        "pid": process.pid,
        "userDir": demands.user_dir,
        "settingsFile": demands.settings_file,
        "args": _arguments(node_red, sections),
        "manager": process.manager,
        "known": PUBLISHED,
        "passwords": known_passwords(),
        "modules": MODULES,
        "caddies": list(proxies),
        "userUnit": process.user_unit,
        "limit": int(_EVALUATION * 1000),
        "flows": tables(),
        "program": CHILD,
    }
    command = as_user(who, node_red, node, sudo=bool(way.sudo))
    text = way.script(command, packed(source(given)))
    seen = text_of.answer_of_node(text, mark)
    if not seen:
        reason = text_of.why(text_of.Section(re.sub(r"\nNode\.js v\S+\s*$", "", text), 1))
        raise ProbeError(
            f"the host's Node.js ({node}) did not run as {process.user}: {reason}; "
            "name one in the policy: [inside] node; for rights see docs/sudoers",
            Cause.FORBIDDEN,
        )
    seen = checked(seen)
    titled = node_red.comm.startswith("node-red")
    guessed = titled and bool(seen.get("starter")) and "there is no such file" in seen.get("trouble", "")
    if "settings" not in seen and not guessed:
        embedded = not titled and not processes.claims(node_red)
        raise ProbeError(
            f"{seen.get('file') or 'settings.js'} cannot be evaluated: {seen['trouble']}"
            + (
                "; this looks like an application of your own that embeds Node-RED: write its settings to a file and "
                "name that in the policy: [inside] settings_file"
                if embedded and node_red.comm
                else ""
            ),
            Cause.PROTOCOL,
        )
    return _checked(seen, node_red)


def _checked(seen: dict[str, Any], node_red: Candidate) -> dict[str, Any]:
    """Return what settings.js comes to; what it is called says where Node-RED takes nothing from it.

    Raises:
        ProbeError: it may be another one that Node-RED uses, or an application of somebody's own that does.
    """
    starter, others = seen["starter"], seen["others"]
    if starter or len(others) > 1:
        why = f" ({seen['kept']['trouble']})" if seen.get("kept", {}).get("trouble") else ""
        by = f": {starter} starts it, with arguments that are not seen{why}" if starter else ""
        which = f"it may be any of {' and '.join(others)}" if len(others) > 1 else f"{seen['file']} is a guess"
        raise ProbeError(
            f"which settings.js Node-RED uses is not known{by}; {which}: name it in the policy: [inside] "
            "user_dir or settings_file",
            Cause.UNIDENTIFIED,
        )
    if form := seen.get("form"):
        if not node_red.comm.startswith("node-red") and not processes.claims(node_red):
            raise ProbeError(f"{seen['file']} cannot be evaluated: {form.partition(',')[0]}", Cause.PROTOCOL)
        seen["file"] += f" ({form})"
    return seen


def _arguments(node_red: Candidate, sections: dict[str, Section]) -> tuple[str, ...]:
    """Return what Node-RED was started with: its own arguments, those of the shell that started it, or its unit's.

    Not the unit's where that starts another manager.
    """
    if len(node_red.args) > 1:
        return node_red.args
    if node_red.given:
        return node_red.given
    if node_red.process.manager:
        return ()
    started = text_of.starts(sections.get("starts"), node_red.process.unit)
    return processes.plain(started) or started[:1]


def source(given: dict[str, Any]) -> str:
    """Return the program for the host's Node, with what it is given in front."""
    return f"const INPUT = {json.dumps(given)};\n{PROGRAM}"


def packed(program: str) -> str:
    """Return a program that unpacks another one and runs it.

    Where a connection has no standard input, it is one argument: at most 128 KiB on Linux (MAX_ARG_STRLEN, execve(2)).
    """
    text = base64.b64encode(zlib.compress(program.encode(), 9)).decode()
    return f'eval(require("zlib").inflateSync(Buffer.from("{text}", "base64")).toString());\n'


def _nginx(sections: dict[str, Section], port: int) -> Nginx | None:
    """Return the nginx that runs: the only one, or the one that listens on the URL's port.

    Raises:
        ProbeError: it does not show its configuration, or it is not clear which is meant.
    """
    seen = []
    for name, section in sections.items():
        if not name.startswith("nginx ") or not name[6:].isdigit():
            continue
        if "# configuration file" in section.text:
            sizes = text_of.sizes(sections.get(f"sizes {name[6:]}"))
            seen.append(Nginx(int(name[6:]), section, nginx.tree(section.text, sizes)))
        else:
            seen.append(Nginx(int(name[6:]), section, None))
    if len(seen) > 1:
        seen = [looked_at for looked_at in seen if looked_at.tree and str(port) in ports_of(looked_at.tree)]
        if len(seen) != 1:
            raise ProbeError(
                "several nginx instances run there, and it is not clear which of them serves the URL's port",
                Cause.UNIDENTIFIED,
            )
    return seen[0] if seen else None


def _paths(nginx: Nginx | ProbeError | None) -> list[str]:
    """Return what nginx names: keys, every directory above them, certificates, files of its configuration."""
    if not isinstance(nginx, Nginx) or nginx.tree is None:
        return []
    keys = [path for path in named(nginx.tree, "ssl_certificate_key") if path.startswith("/") and "$" not in path]
    above = [parent for key in keys for parent in _above(key)]
    certificates = [path for path in named(nginx.tree, "ssl_certificate") if path.startswith("/") and "$" not in path]
    times = [f"time:{path}" for path in sorted(files_of(nginx.tree))]
    return list(dict.fromkeys([*keys, *above, *(f"certificate:{path}" for path in certificates), *times]))


def files_of_unit(sections: dict[str, Section], unit: str) -> tuple[str, ...]:
    """Return the files that say how a service runs: its own, its drop-ins, its environment's."""
    described = _unit(sections, unit)
    paths = (described.get("FragmentPath"), *described.get("DropInPaths").split())
    return (*(path for path in paths if path), *environment_of_unit(sections, unit))


def environment_of_unit(sections: dict[str, Section], unit: str) -> tuple[str, ...]:
    """Return the files that a service's environment and credentials come from."""
    values = [value.rsplit(" (", 1)[0] for key, value in _unit(sections, unit).properties if key == "EnvironmentFiles"]
    return (*(path for path in values if path[:1] == "/"), *text_of.credentials(sections.get("credentials"), unit))


def _unit(sections: dict[str, Section], name: str) -> Unit:
    with contextlib.suppress(ProbeError):  # host-10 carries why there are none
        return text_of.units(sections.get("units")).get(name, Unit(name))
    return Unit(name)


def _above(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents]


def files_of(directives: tuple[Directive, ...]) -> set[str]:
    """Return the files that directives stand in."""
    return {directive.file for directive in directives} | {
        file for directive in directives for file in files_of(directive.block)
    }
