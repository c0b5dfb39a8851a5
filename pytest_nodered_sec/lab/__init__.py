"""A real Node-RED on this machine, in named deployments, to try the plugin and to test it.

POSIX only. Everything listens on loopback, in directories of its own, and ends with the run that started it.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_nodered_sec.lab import guardian, sites, supply, toolchain
from pytest_nodered_sec.lab.certificates import Authority
from pytest_nodered_sec.lab.deployments import DEPLOYMENTS, Deployment
from pytest_nodered_sec.lab.errors import DamagedError, LabError
from pytest_nodered_sec.lab.listing import listing
from pytest_nodered_sec.lab.parts import plant, prepare
from pytest_nodered_sec.lab.ports import accepts, free_ports, held
from pytest_nodered_sec.lab.proxies import PROXIES, refused_by_caddy
from pytest_nodered_sec.lab.running import DEFAULT_PROXY, RunningDeployment, Spec
from pytest_nodered_sec.lab.servers import BEHIND, SERVERS
from pytest_nodered_sec.lab.toolchain import MAJORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = [
    "Lab",
    "LabError",
    "RunningDeployment",
    "Spec",
    "expectations",
    "listing",
    "majors",
    "names",
    "pack",
    "parse",
    "start",
]

_START_LIMIT: Final = 120.0  # seconds; a small machine that starts many has to share
_TAIL: Final = 2000  # characters of a log that are shown: enough for a stack and what stands above it
_STARTS: Final = 3  # attempts, where another one can help
_ENDED: Final = f".*{re.escape(guardian.ENDED)}"
_DAMAGED: Final = re.compile(f"Waiting for missing types|(Cannot find module|SyntaxError){_ENDED}", re.DOTALL)
_PORT_TAKEN: Final = re.compile(f"(address already in use|EADDRINUSE|port in use){_ENDED}", re.DOTALL | re.IGNORECASE)


def names() -> tuple[str, ...]:
    """Return the known deployments."""
    return tuple(DEPLOYMENTS)


def expectations(name: str) -> dict[str, Any]:
    """Return the policy keys a deployment is meant for, which also tell its test cases; of a directory none."""
    return dict(DEPLOYMENTS.get(name, Deployment()).expect)


def majors(name: str) -> tuple[int, ...]:
    """Return Node-RED's majors that a deployment exists for."""
    return DEPLOYMENTS[name].majors or MAJORS


def proxies(name: str) -> tuple[str, ...]:
    """Return the proxies that a deployment can stand behind, the usual one first."""
    deployment = DEPLOYMENTS[name]
    rules = (
        deployment.locations
        or deployment.gate == "but-files"
        or deployment.certificate
        or deployment.mutual
        or deployment.accepts
        or any(deployment.front)
    )
    if rules:
        return ("nginx",)
    return ("caddy", "nginx", *(SERVERS if name in BEHIND else ()))


def parse(spec: str) -> Spec:
    """Read "NAME[@MAJOR][+PROXY]" or "DIRECTORY[@MAJOR][+PROXY]".

    The deployment's newest major and usual proxy where none is given; of a directory the one it has a file for.

    Raises:
        LabError: unknown name, major or proxy; a directory that the lab cannot use, or that bears a deployment's name.
    """
    rest, _, proxy = spec.partition("+")
    name, _, major = rest.partition("@")
    own = name not in DEPLOYMENTS
    if own:
        name, major, proxy = _split(spec)
        if not name or not Path(name).is_dir():
            near = difflib.get_close_matches(re.split("[@+]", spec)[0], DEPLOYMENTS, 3)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise LabError(
                f"--nodered-lab={spec}: the lab has no such deployment, and finds no directory {spec!r}; "
                f"{hint}--nodered-lab=list shows all"
            )
    elif Path(name).is_dir():
        raise LabError(
            f"--nodered-lab={spec}: the lab has such a deployment, and here is a directory {name}, both exist: write "
            f"./{spec} for your directory, or run elsewhere for the lab's"
        )
    known = MAJORS if own else majors(name)
    if major and major not in map(str, known):
        raise LabError(f"the lab has no {name} with Node-RED {major}; it has {', '.join(map(str, known))}")
    if proxy and proxy not in PROXIES:
        raise LabError(f"the lab has no proxy {proxy!r}; it has {', '.join(PROXIES)}")
    if own:
        if proxy in SERVERS:
            raise LabError(f"the lab puts a directory behind caddy or nginx, not behind {proxy}: leave +{proxy} out")
        proxy = proxy or sites.proxy_of(Path(name)) or DEFAULT_PROXY
        sites.check(Path(name), proxy)
        return Spec(name, int(major or max(known)), proxy)
    fitting = proxies(name)
    if proxy and proxy not in fitting:
        raise LabError(f"the lab has no {name} behind {proxy}; it has {', '.join(fitting)}")
    return Spec(name, int(major or max(known)), proxy or fitting[0])


def _split(spec: str) -> tuple[str, str, str]:
    """Return directory, major and proxy of what may be a path with @ and + in it."""
    match = re.fullmatch(r"(.*?)(?:@(\d+))?(?:\+(\w+))?", spec, re.DOTALL)
    parts = (spec, "", "") if match is None or Path(spec).expanduser().is_dir() else match.groups("")
    return parts[0] and str(Path(parts[0]).expanduser().resolve()), parts[1], parts[2]


class Lab:
    """Running deployments; a context manager."""

    def __init__(self) -> None:
        self.deployments: tuple[RunningDeployment, ...] = ()
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._guardian.stdout is not None  # noqa: S101  opened with a pipe; for the type checker
        with self._guardian.stdout as told:
            self.folder = Path(told.readline().rstrip("\n"))
        self._idle = contextlib.ExitStack()

    def hold(self, ports: Iterable[int]) -> None:
        """Keep ports at which nobody is to answer from being taken by others while the lab runs."""
        for port in ports:
            with contextlib.suppress(OSError):  # somebody was faster, which the run will show
                self._idle.enter_context(held(port))

    def launch(self, commands: Sequence[dict[str, Any]]) -> None:
        """Let the guardian start these: argv, cwd, env (added to ours) and log of each; may be called once."""
        assert self._guardian.stdin is not None  # noqa: S101  as above
        self._guardian.stdin.write(json.dumps(commands) + "\n")
        self._guardian.stdin.flush()

    def stop(self) -> None:
        """Stop everything and remove its directory; may be called again."""
        assert self._guardian.stdin is not None  # noqa: S101  as above
        with contextlib.suppress(BrokenPipeError):
            self._guardian.stdin.close()
        self._guardian.wait(15)
        self._idle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _PortTakenError(LabError):
    """Somebody else listens on a port that was free a moment ago."""


def start(specs: Sequence[str], *, say: Callable[[str], None]) -> Lab:
    """Start deployments side by side and return when all of them answer.

    Args:
        specs: "NAME[@MAJOR][+PROXY]" or "DIRECTORY[@MAJOR][+PROXY]", each.
        say: shows one line of progress.

    Raises:
        LabError: something is missing or did not start.
    """
    wanted = list(dict.fromkeys(parse(spec) for spec in specs))
    labels = [spec.label for spec in wanted]
    for label in labels:
        if labels.count(label) > 1:
            raise LabError(f"two directories for the lab would both be called {label}: rename one of them")
    for proxy in {spec.proxy for spec in wanted}:
        getattr(toolchain, proxy)()  # before the long installation
    modules, nodes = _modules(wanted, say), _nodes(wanted, say)
    say(f"starting {', '.join(map(str, wanted))}")
    for spec in wanted:
        if spec.folder:
            say(sites.said_of_flows(Path(spec.folder)))
    for _ in range(_STARTS - 1):
        try:
            return _start(wanted, modules, nodes)
        except _PortTakenError:
            say("another program took one of the lab's ports at the same moment: starting again")
        except DamagedError as error:
            say(str(error))
            for path in modules.values():
                toolchain.distrust(path)
            modules = _modules(wanted, say)
    return _start(wanted, modules, nodes)


def _modules(wanted: Sequence[Spec], say: Callable[[str], None]) -> dict[int | str, Path]:
    """Return where the packages of each major and of each further set lie."""
    needed = sorted({spec.deployment.packages for spec in wanted} - {""})
    sets: dict[int | str, Path] = {
        major: toolchain.node_red(major, say) for major in sorted({spec.major for spec in wanted})
    }
    return sets | {name: toolchain.packages(name, f"the packages of {name!r}", say) for name in needed}


def _nodes(wanted: Sequence[Spec], say: Callable[[str], None]) -> dict[str, Path]:
    """Return the Node.js of each release that deployments name, "" for the one with the last security fixes."""
    return {
        release: toolchain.node_of(release, say) if release else toolchain.patched_node(say)
        for release in sorted({spec.deployment.node for spec in wanted})
    }


def pack(specs: Sequence[str], file: Path, *, say: Callable[[str], None]) -> None:
    """Write an archive of what deployments need from npm, for machines without a network.

    Args:
        specs: as `start` takes them.
        file: the archive.
        say: shows one line of progress.

    Raises:
        LabError: something cannot be installed here, or the archive cannot be written.
    """
    wanted = [parse(spec) for spec in specs]
    within = toolchain.cache()
    needed = [*_modules(wanted, say).values(), *_nodes(wanted, say).values()]
    places = {within / path.relative_to(within).parts[0] for path in needed if path.is_relative_to(within)}
    say(f"packing {', '.join(sorted(place.name for place in places))} …")
    supply.pack(file, sorted(places))


def _start(wanted: Sequence[Spec], modules: Mapping[int | str, Path], nodes: Mapping[str, Path]) -> Lab:
    lab = Lab()
    try:
        authority = Authority(lab.folder)
        # Deployments that differ in the proxy alone share a Node-RED.
        shared: dict[tuple[object, ...], list[Spec]] = {}
        for spec in wanted:
            near = spec.proxy != "traefik"  # which knows no unix socket
            shared.setdefault((spec.major, spec.folder, near, *spec.deployment.node_red), []).append(spec)
        passwords = [secrets.token_urlsafe(12) for _ in shared]
        hashes = toolchain.bcrypt(next(iter(modules.values())), passwords)
        # All ports at once: two Caddys would share one without a word.
        ports = iter(free_ports(2 * len(shared) + 2 * len(wanted)))
        commands: list[dict[str, Any]] = []
        running: dict[Spec, RunningDeployment] = {}
        for specs, password, hashed in zip(shared.values(), passwords, hashes, strict=True):
            own = (next(ports), next(ports))
            node = nodes[specs[0].deployment.node]
            red = plant(specs[0], modules, lab.folder, own, password, hashed, commands, node)
            lab.hold(red.idle)
            for spec in specs:
                first = "" if spec == specs[0] else specs[0].label
                running[spec] = prepare(spec, red, lab.folder, (next(ports), next(ports)), commands, first, authority)
        lab.deployments = tuple(running[spec] for spec in wanted)
        lab.launch(commands)
        for spec, deployment in zip(wanted, lab.deployments, strict=True):
            _wait(spec, deployment, lab.folder)
    except BaseException:
        lab.stop()
        raise
    return lab


def _wait(spec: Spec, deployment: RunningDeployment, folder: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT
    proxy_port = int(deployment.url.rsplit(":", 1)[1])
    red_log = Path(deployment.user_dir).parent / "node-red.log"
    proxy_log = folder / deployment.label.removeprefix("lab-") / "proxy.log"
    while time.monotonic() < deadline:
        logs = [_read(red_log), _read(proxy_log)]
        for log in logs:
            if _PORT_TAKEN.search(log):
                raise _PortTakenError(f"{deployment.label} did not start: one of its ports is taken")
            missing = sites.missing_types(log) if spec.folder else ""
            if missing:
                raise LabError(
                    f"the flows of {spec.folder} need nodes that the lab does not have ({missing}): "
                    f"run `npm install` of their packages in {spec.folder}, which the lab then uses"
                )
            if not spec.folder and _DAMAGED.search(log):
                raise DamagedError(f"{deployment.label} did not start: its Node-RED is damaged")
            if guardian.ENDED in log:
                reason = refused_by_caddy(proxy_log.parent) if log == logs[1] and spec.proxy == "caddy" else ""
                raise LabError(f"{deployment.label} did not start: {reason or log[-_TAIL:]}")
        if "Started flows" in logs[0] and accepts(proxy_port) and accepts(deployment.http_port):
            return
        time.sleep(0.1)
    tails = " … ".join(_read(log)[-_TAIL:] for log in (red_log, proxy_log))
    raise LabError(f"{deployment.label} did not start within {_START_LIMIT:.0f} s: {tails}")


def _read(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""
