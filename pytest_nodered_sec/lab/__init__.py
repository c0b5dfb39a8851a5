"""A real Node-RED on this machine, in named deployments, to try the plugin and to test it.

POSIX only. Everything listens on loopback, in directories of its own, and ends with the run that started it.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from pytest_nodered_sec.lab import guardian, sites, toolchain
from pytest_nodered_sec.lab.certificates import Authority
from pytest_nodered_sec.lab.deployments import DEPLOYMENTS, Deployment, flows, settings_js
from pytest_nodered_sec.lab.proxies import PROXIES, Front
from pytest_nodered_sec.lab.toolchain import MAJORS, DamagedError, LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "Lab",
    "LabError",
    "RunningDeployment",
    "Spec",
    "expectations",
    "majors",
    "names",
    "parse",
    "start",
]

DEFAULT_PROXY: Final = "caddy"
_USER: Final = "admin"
_START_LIMIT: Final = 120.0  # seconds; a small machine that starts many has to share
_TAIL: Final = 2000  # characters of a log that are shown: enough for a stack and what stands above it
_STARTS: Final = 3  # attempts, where another one can help
_ENDED: Final = f".*{re.escape(guardian.ENDED)}"
_DAMAGED: Final = re.compile(f"Waiting for missing types|(Cannot find module|SyntaxError){_ENDED}", re.DOTALL)
_PORT_TAKEN: Final = re.compile(f"(address already in use|EADDRINUSE|port in use){_ENDED}", re.DOTALL | re.IGNORECASE)


class Spec(NamedTuple):
    """What `--nodered-lab` names: a deployment, the major version of its Node-RED, and the proxy in front.

    Attributes:
        name: of the deployment; of a site's own directory its absolute path.
        major: of Node-RED.
        proxy: "caddy" or "nginx".
    """

    name: str
    major: int
    proxy: str

    @property
    def folder(self) -> str:
        """The site's own directory, "" for a deployment of the lab's."""
        return "" if self.name in DEPLOYMENTS else self.name

    @property
    def deployment(self) -> Deployment:
        """How it stands there, as far as the lab says."""
        return DEPLOYMENTS.get(self.name, Deployment())

    @property
    def called(self) -> str:
        """The name, of a directory its last part; without what configuration files would read otherwise."""
        return re.sub(r"[^\w.-]", "_", Path(self.name).name[:30], flags=re.ASCII)

    @property
    def label(self) -> str:
        """Name of its target, e.g. "lab-fresh@5" or "lab-fresh@5+nginx"."""
        return f"lab-{self}"

    def __str__(self) -> str:
        return f"{self.called}@{self.major}{'' if self.proxy == DEFAULT_PROXY else f'+{self.proxy}'}"


@dataclass(frozen=True)
class RunningDeployment:
    """Where a deployment can be reached; plain values without a secret, so that it may cross to xdist workers.

    Attributes:
        name: which deployment.
        major: major version of Node-RED.
        proxy: what stands in front of it, "caddy" or "nginx".
        label: name of its target, e.g. "lab-fresh@5".
        url: base URL.
        http_port: port of plain HTTP.
        direct_port: Node-RED's own port; one where nothing listens if it is on a unix socket.
        inspector_port: port in place of 9229, that of Node's inspector; nothing listens where it is off.
        ca_file: PEM of the lab's CA.
        admin_root: httpAdminRoot.
        node_root: httpNodeRoot.
        credentials_file: JSON file, mode 0600, with user name and password; see `credentials`.
        user_dir: Node-RED's user directory.
        has_login: whether user and password open the admin API.
        client_certificate: PEM files of a client certificate and its key, where one is demanded.
        expect: policy keys the deployment is meant for.
    """

    name: str
    major: int
    proxy: str
    label: str
    url: str
    http_port: int
    direct_port: int
    inspector_port: int
    ca_file: str
    admin_root: str
    node_root: str
    credentials_file: str
    user_dir: str
    has_login: bool
    client_certificate: tuple[str, str] | None = None
    expect: tuple[tuple[str, Any], ...] = ()  # Any: values as a policy file has them

    def credentials(self) -> tuple[str, str]:
        """Read user name and password of the admin login and of the proxy's gate; of each deployment its own.

        Raises:
            OSError: the lab has been stopped.
        """
        username, password = json.loads(Path(self.credentials_file).read_text())
        return username, password

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can carry."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `as_dict` was made from."""
        shown = values["client_certificate"]
        plain = {**values, "client_certificate": shown and tuple(shown)}
        return cls(**{**plain, "expect": tuple((key, value) for key, value in values["expect"])})


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
    one = DEPLOYMENTS[name]
    rules = one.locations or one.gate == "but-files" or one.certificate or one.mutual or one.accepts
    return ("nginx",) if rules else tuple(PROXIES)


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
            near = difflib.get_close_matches(re.split("[@+]", spec)[0], DEPLOYMENTS, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(DEPLOYMENTS)}"
            raise LabError(
                f"--nodered-lab={spec}: the lab has no such deployment, and finds no directory {spec!r}; {hint}"
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
        proxy = proxy or sites.proxy_of(Path(name)) or DEFAULT_PROXY
        sites.check(Path(name), proxy)
        return Spec(name, int(major or max(known)), proxy)
    fitting = proxies(name)
    if proxy and proxy not in fitting:
        raise LabError(f"the lab has no {name} behind {proxy}; it has {', '.join(fitting)}")
    return Spec(name, int(major or max(known)), proxy or fitting[0])


def _split(spec: str) -> tuple[str, str, str]:
    """Return directory, major and proxy of what may be a path with @ and + in it."""
    found = re.fullmatch(r"(.*?)(?:@(\d+))?(?:\+(\w+))?", spec, re.DOTALL)
    parts = (spec, "", "") if found is None or Path(spec).expanduser().is_dir() else found.groups("")
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
            raise LabError(f"two of the lab's directories would be called {label}: give one another name")
    for proxy in {spec.proxy for spec in wanted}:
        {"caddy": toolchain.caddy, "nginx": toolchain.nginx}[proxy]()  # before the long installation
    modules = _modules(wanted, say)
    for release in {spec.deployment.node for spec in wanted} - {""}:
        toolchain.node_of(release, say)
    say(f"starting {', '.join(map(str, wanted))}")
    for spec in wanted:
        if spec.folder:
            say(f"the flows of {spec.folder} run here: what they connect to, they do connect to")
    for _ in range(_STARTS - 1):
        try:
            return _start(wanted, modules)
        except _PortTakenError:
            say("another program took one of the lab's ports at the same moment: starting again")
        except DamagedError as error:
            say(str(error))
            for one in modules.values():
                toolchain.distrust(one)
            modules = _modules(wanted, say)
    return _start(wanted, modules)


def _modules(wanted: Sequence[Spec], say: Callable[[str], None]) -> dict[int | str, Path]:
    """Return where the packages of each major and of each further set lie."""
    needed = sorted({spec.deployment.packages for spec in wanted} - {""})
    sets: dict[int | str, Path] = {
        major: toolchain.node_red(major, say) for major in sorted({spec.major for spec in wanted})
    }
    return sets | {name: toolchain.packages(name, f"the packages of {name!r}", say) for name in needed}


def _start(wanted: Sequence[Spec], modules: Mapping[int | str, Path]) -> Lab:
    lab = Lab()
    try:
        authority = Authority(lab.folder)
        # Deployments that differ in the proxy alone share a Node-RED.
        shared: dict[tuple[object, ...], list[Spec]] = {}
        for spec in wanted:
            shared.setdefault((spec.major, spec.folder, *spec.deployment.node_red), []).append(spec)
        passwords = [secrets.token_urlsafe(12) for _ in shared]
        hashes = toolchain.bcrypt(next(iter(modules.values())), passwords)
        # All ports at once: two Caddys would share one without a word.
        ports = iter(_free_ports(2 * len(shared) + 2 * len(wanted)))
        commands: list[dict[str, Any]] = []
        running: dict[Spec, RunningDeployment] = {}
        for specs, password, hashed in zip(shared.values(), passwords, hashes, strict=True):
            own = (next(ports), next(ports))
            plant = _plant(specs[0], modules, lab.folder, own, password, hashed, commands)
            for spec in specs:
                first = "" if spec == specs[0] else specs[0].label
                running[spec] = _prepare(
                    spec, plant, lab.folder, (next(ports), next(ports)), commands, first, authority
                )
        lab.deployments = tuple(running[spec] for spec in wanted)
        lab.launch(commands)
        for spec, one in zip(wanted, lab.deployments, strict=True):
            _wait(spec, one, lab.folder)
    except BaseException:
        lab.stop()
        raise
    return lab


@dataclass(frozen=True)
class _Plant:
    """A Node-RED that is about to start: where it listens, where its files are, and who may log in."""

    listen: str
    direct_port: int
    inspector_port: int
    folder: Path
    password: str
    hashed: str
    admin_root: str
    node_root: str


def _plant(
    spec: Spec,
    sets: Mapping[int | str, Path],
    folder: Path,
    ports: tuple[int, int],
    password: str,
    hashed: str,
    commands: list[dict[str, Any]],
) -> _Plant:
    """Write the files of a Node-RED into a directory of its own, and add the command that starts it."""
    deployment = spec.deployment
    modules = sets[spec.major]
    here = folder / f"red-{spec.called}-{spec.major}"
    here.mkdir()
    user_dir = here / "node-red"
    direct_port, inspector_port = ports
    site = sites.copy(Path(spec.folder), user_dir, modules) if spec.folder else None
    hidden = site.near if site else deployment.socket
    # A short name: the path of a socket may have some 100 characters.
    listen = str(here / "s") if hidden else f"127.0.0.1:{direct_port}"
    port = json.dumps(listen) if hidden else str(direct_port)
    if site:
        sites.write_settings(user_dir, port)
    else:
        user_dir.mkdir()
        (user_dir / "settings.js").write_text(settings_js(deployment, port, hashed, secrets.token_hex(16)))
        (user_dir / "flows.json").write_text(flows(deployment))
        if deployment.packages:
            _link(user_dir / "node_modules", modules, sets[deployment.packages])
        else:
            (user_dir / "node_modules").symlink_to(modules)
        shutil.copyfile(modules.parent / "package.json", user_dir / "package.json")
    (here / "credentials.json").touch(mode=0o600)
    (here / "credentials.json").write_text(json.dumps([_USER, deployment.password or password]))
    inspect = [f"--inspect=127.0.0.1:{inspector_port}"] if deployment.inspector else []
    node = toolchain.node_of(deployment.node, lambda line: None) if deployment.node else toolchain.node()
    red = [str(node), *inspect, *_shims(spec.major, here), str(modules / "node-red" / "red.js"), "-u", str(user_dir)]
    red += ["-s", str(user_dir / sites.SETTINGS)] if site else []
    environment = {"HOME": str(here)}
    commands.append({"argv": red, "cwd": str(user_dir), "env": environment, "log": str(here / "node-red.log")})
    roots = (site.admin_root, site.node_root) if site else (deployment.admin_root, deployment.node_root)
    return _Plant(listen, direct_port, inspector_port, here, password, hashed, *roots)


def _prepare(
    spec: Spec,
    plant: _Plant,
    folder: Path,
    ports: tuple[int, int],
    commands: list[dict[str, Any]],
    first: str,
    authority: Authority,
) -> RunningDeployment:
    """Write the files of a deployment's proxy into a directory of its own, and add the command that starts it.

    Args:
        spec: which deployment.
        plant: the Node-RED behind it.
        folder: the lab's directory.
        ports: of HTTPS and of plain HTTP.
        commands: what is started.
        first: label of the deployment with the same Node-RED at which passwords are guessed, "" for this one: Node-RED
            counts attempts, whichever way they come.
        authority: issues what is not right.
    """
    deployment = spec.deployment
    here = folder / str(spec)
    here.mkdir()
    https_port, http_port = ports
    password, hashed = deployment.gate_login or (plant.password, plant.hashed)
    if deployment.certificate:
        authority.write(here, deployment.certificate, f"http://localhost:{http_port}/lab.crl")
    certificates = here if deployment.certificate else folder
    ca = folder / "ca.pem"
    front = Front(https_port, http_port, plant.listen, certificates, ca, here, _USER, password, hashed, spec.folder)
    argv = PROXIES[spec.proxy](deployment, front)
    environment = {"HOME": str(here), "XDG_DATA_HOME": str(here), "XDG_CONFIG_HOME": str(here)}
    commands.append({"argv": argv, "cwd": str(here), "env": environment, "log": str(here / "proxy.log")})
    return RunningDeployment(
        name=spec.name,
        major=spec.major,
        proxy=spec.proxy,
        label=spec.label,
        url=f"https://localhost:{https_port}" if deployment.tls else f"http://localhost:{http_port}",
        http_port=http_port,
        direct_port=plant.direct_port,
        inspector_port=plant.inspector_port,
        ca_file=str(ca),
        admin_root=plant.admin_root,
        node_root=plant.node_root,
        credentials_file=str(plant.folder / "credentials.json"),
        user_dir=str(plant.folder / "node-red"),
        has_login=deployment.has_login,
        client_certificate=(str(folder / "client.pem"), str(folder / "client.key")) if deployment.mutual else None,
        expect=(*deployment.expect, *([("guess", _elsewhere(first))] if first else [])),
    )


def _elsewhere(first: str) -> dict[str, Any]:
    return {"value": False, "reason": f"passwords of the same Node-RED are tried at {first}"}


def _link(place: Path, *sets: Path) -> None:
    """Make a directory in which the packages of several sets seem to lie; what they need is found where they are."""
    for modules in sets:
        for name in toolchain.asked_for(modules):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).symlink_to(modules / name)


def _shims(major: int, folder: Path) -> list[str]:
    """Return what makes Node.js run an old Node-RED: one before 2 logs by `util.log`, which Node.js 23 took away."""
    if major > 1:
        return []
    (folder / "shim.js").write_text('require("util").log ??= (...words) => console.log(...words);\n')
    return ["-r", str(folder / "shim.js")]


def _free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on now; all held at once, so that they differ.

    Drawn from below those that systems give to outgoing connections, which would take one before its server does.
    """
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []
        while len(held) < count:
            one = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # taken
                one.bind(("127.0.0.1", 20000 + secrets.randbelow(12000)))
                held.append(one)
        return [one.getsockname()[1] for one in held]


def _wait(spec: Spec, one: RunningDeployment, folder: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT
    proxy_port = int(one.url.rsplit(":", 1)[1])
    red_log = Path(one.user_dir).parent / "node-red.log"
    proxy_log = folder / one.label.removeprefix("lab-") / "proxy.log"
    while time.monotonic() < deadline:
        logs = [_read(red_log), _read(proxy_log)]
        for log in logs:
            if _PORT_TAKEN.search(log):
                raise _PortTakenError(f"{one.label} did not start: one of its ports is taken")
            missing = sites.missing_types(log) if spec.folder else ""
            if missing:
                raise LabError(
                    f"the flows of {spec.folder} need nodes that the lab does not have ({missing}): "
                    f"run `npm install` of their packages in {spec.folder}, which the lab then uses"
                )
            if not spec.folder and _DAMAGED.search(log):
                raise DamagedError(f"{one.label} did not start: its Node-RED is damaged")
            if guardian.ENDED in log:
                raise LabError(f"{one.label} did not start: {log[-_TAIL:]}")
        if "Started flows" in logs[0] and _accepts(proxy_port) and _accepts(one.http_port):
            return
        time.sleep(0.1)
    tails = " … ".join(_read(log)[-_TAIL:] for log in (red_log, proxy_log))
    raise LabError(f"{one.label} did not start within {_START_LIMIT:.0f} s: {tails}")


def _read(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
