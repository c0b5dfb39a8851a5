"""The inside of a target: everything is gathered over testinfra, in two or three round trips.

`gather` runs once per target (the landmark "host"); host_parts.py takes the answers apart. No command writes; `sudo`
is used where testinfra's option asks for it, and only for the lines of `host.sh` that say `root` and for Node-RED's own
user (docs/sudoers lists them).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import testinfra.backend
import testinfra.host
from testinfra.backend.ssh import SshBackend

from pytest_nodered_sec.data.releases import advisories
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_host import Unit
from pytest_nodered_sec.probes import host_nginx
from pytest_nodered_sec.probes import host_text as text_of
from pytest_nodered_sec.probes.http import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_nodered_sec.model_host import Directive
    from pytest_nodered_sec.policy import HostDemands
    from pytest_nodered_sec.probes.host_text import Candidate, Me, Section
    from pytest_nodered_sec.probes.look import Look

PUBLISHED: Final = {  # what stands in node-red's settings.js, as a comment that is ready to be used
    # under adminAuth, httpNodeAuth and httpStaticAuth
    "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN.": "of settings.js (its password is published)",
    "a-secret-key": "credentialSecret of settings.js",
}
MODULES: Final = sorted({row.package for row in advisories()} - {"node-red"})
_EVALUATION: Final = 3.0  # seconds that settings.js may take
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
SCRIPT: Final = resources.files(__package__).joinpath("host.sh").read_text(encoding="ascii")
PROGRAM: Final = resources.files(__package__).joinpath("settings.js").read_text(encoding="ascii")


# --- the way there ---------------------------------------------------------------------------------------


class _NoRecords(logging.Filter):
    """Keeps testinfra from logging what our own threads run: it logs whole outputs at DEBUG."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread not in self.threads


_QUIET: Final = _NoRecords()


class Way:
    """A testinfra backend, with a time limit; a context manager.

    Args:
        spec: testinfra's host specification, e.g. "ssh://ops@plant.example?sudo=true".
        seconds: time limit of everything that is run.

    Attributes:
        sudo: "sudo" where it was asked for, with the user where that is not root, else "". The backend's own is off:
            only what needs it gets it.
        commands: how many commands were run.

    Raises:
        ProbeError: testinfra knows no such backend.
    """

    def __init__(self, spec: str, seconds: float) -> None:
        self.spec = spec
        self.commands = 0
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._backend: Any = backend_of(spec)  # Any: each backend has attributes of its own
        self.sudo = ""

    def __enter__(self) -> Way:
        if self._backend.NAME == "ansible" and not self._backend.force_ansible:
            self._backend = self._within(self._ansibles) or self._backend
        if self._backend.sudo:
            user = self._backend.sudo_user or "root"
            self.sudo = "sudo" if user == "root" else f"sudo -u {user}"
        self._backend.sudo = False
        self._backend._encoding = "utf-8"  # else testinfra asks the host, which costs a round trip
        self._backend.run_local = self._run_local
        if self._backend.NAME == "safe-ssh":  # keeps what commands print in files there; our marks do what they are for
            self._backend.run = SshBackend.run.__get__(self._backend)
        if self._backend.NAME in ("ssh", "safe-ssh"):
            extra = self._backend.ssh_extra_args or ""
            if "controlpath" not in extra.lower():
                self._folder = tempfile.TemporaryDirectory(prefix="nrs-")  # a socket's path must be short
                self._backend.controlpath = f"{self._folder.name}/c"
            self._backend.ssh_extra_args = f"{extra} -o BatchMode=yes".strip()
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            with contextlib.suppress(subprocess.SubprocessError, OSError):
                subprocess.run(  # noqa: S603  our own arguments; the master's own word that it may go; nothing goes over the network
                    ["ssh", "-O", "exit", "-o", f"ControlPath={self._folder.name}/c", "x"],  # noqa: S607  as testinfra calls it
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=5,
                    check=False,
                )
            self._folder.cleanup()

    def run(self, command: str, *args: str) -> str:
        """Run a command; return what it printed.

        Raises:
            ProbeError: no connection, an error, or the time limit.
        """
        self.commands += 1
        done = self._within(lambda: testinfra.host.Host(self._backend).run(command, *args))
        errors = done.stderr_bytes.decode("utf-8", "replace")
        output: str = done.stdout_bytes.decode("utf-8", "replace")
        if done.rc and not output:
            last = (errors.strip().split("\n") or [""])[-1][:200]
            raise ProbeError(f"{self._where()} cannot be asked: {last or f'exit code {done.rc}'}", Cause.UNREACHABLE)
        return output

    def _within(self, act: Callable[[], Any]) -> Any:
        """Run this in a thread of its own, for as long as there is time.

        Raises:
            ProbeError: no connection, an error, or the time limit.
        """
        future: Future[Any] = Future()

        def work() -> None:
            _QUIET.threads.add(threading.get_ident())
            try:
                future.set_result(act())
            except BaseException as error:  # noqa: BLE001  handed to the thread that waits
                future.set_exception(error)
            finally:
                _QUIET.threads.discard(threading.get_ident())

        logging.getLogger("testinfra").addFilter(_QUIET)
        threading.Thread(target=work, daemon=True, name="nodered-sec-host").start()
        try:
            return future.result(max(0.0, self._deadline - time.monotonic()))
        except FutureTimeout:
            self._kill()
            raise ProbeError(f"{self._where()} did not answer within {self._seconds:g} s", Cause.TIMEOUT) from None
        except (RuntimeError, OSError, AssertionError, ValueError) as error:
            raise ProbeError(f"{self._where()} cannot be reached: {_reason(error)}", Cause.UNREACHABLE) from None

    def _ansibles(self) -> Any:
        """Return the backend that ansible's inventory names for a host, None where only ansible itself gets there."""
        one = self._backend
        host = one.ansible_runner.get_host(one.host, ssh_config=one.ssh_config, ssh_identity_file=one.ssh_identity_file)
        return None if host is None else host.backend

    def _where(self) -> str:
        return f"host {self.spec.partition('?')[0]}"

    @property
    def into_container(self) -> bool:
        """Whether the backend goes into a container, behind whose walls its proxy's things are not to be seen."""
        return self._backend.NAME in ("docker", "podman", "kubectl", "openshift")

    def container(self) -> tuple[Section, Section] | None:
        """Return what the local docker or podman says of the container that the backend goes into, and its networks.

        None for other backends.
        """
        tool = self._backend.NAME
        if tool not in ("docker", "podman"):
            return None
        name = self._backend.name
        forms = (text_of.CONTAINER, text_of.NETWORKS)
        self.commands += 3
        told, names = (self._run_local(f"{tool} inspect --format %s %s", form, name) for form in forms)
        listed = names.stdout.split()
        drivers = self._run_local(f"{tool} network inspect --format %s" + " %s" * len(listed), text_of.DRIVERS, *listed)
        return text_of.Section(told.stdout + told.stderr, told.rc), text_of.Section(drivers.stdout, drivers.rc)

    def _run_local(self, command: str, *args: str) -> Any:
        """Stand in for testinfra's run_local, which has no time limit and leaves no way to end what it started."""
        line = self._backend.quote(command, *args)
        process = subprocess.Popen(  # noqa: S602  a shell, as testinfra does it: its backends quote
            line,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes.append(process)
        output, errors = process.communicate()
        return self._backend.result(process.returncode, line.encode(), output, errors)

    def _kill(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def backend_of(spec: str) -> Any:
    """Return testinfra's backend for a specification; `ssh_extra_args` may stand there too.

    Raises:
        ProbeError: there is no such backend, or it lacks a library.
    """
    query = parse_qs(urlsplit(spec).query)
    extra = {"ssh_extra_args": query["ssh_extra_args"][0]} if "ssh_extra_args" in query else {}
    try:
        return testinfra.backend.get_backend(spec, **extra)
    except (RuntimeError, ImportError, ValueError, TypeError) as error:
        raise ProbeError(f"--nodered-host={spec.partition('?')[0]}: {error}", Cause.UNREACHABLE) from None


def host_of(spec: str) -> Any:
    """Return testinfra's own host for a specification, with everything it offers.

    Raises:
        ProbeError: there is no such backend.
    """
    backend = backend_of(spec)
    host = testinfra.host.Host(backend)
    backend.set_host(host)
    return host


def _reason(error: BaseException) -> str:
    result = error.args[0] if error.args else ""
    errors = getattr(result, "stderr_bytes", None)
    text = errors.decode("utf-8", "replace") if errors is not None else str(error)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__


# --- gathering -------------------------------------------------------------------------------------------


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
        found = text_of.sections(_script(way, *first), mark)
        who = text_of.me(found["me"])
        node_red = choose(text_of.candidates(found, who, target.direct_port), found, demands, target.direct_port)
        settings = _kept(lambda: evaluate(way, who, node_red, demands, found))
        nginx = _kept(lambda: _nginx(found, target.port))
        unit = node_red.process.unit
        paths = [*_paths(nginx), *(f"time:{path}" for path in files_of_unit(found, unit))]
        paths += [step for path in environment_of_unit(found, unit) for step in (path, *_above(path))]
        later = text_of.sections(_script(way, *first, *paths), mark) if paths else {}
        pid = node_red.process.pid
        docker, networks = way.container() or (found.get(f"docker {pid}"), found.get(f"networks {pid}"))
    return Inside(
        demands=demands,
        url=target.url,
        who=who,
        found=found,
        node_red=node_red,
        docker=docker,
        networks=networks,
        in_container=way.into_container,
        connected=text_of.connected(found.get("connection"), address, port),
        served=served,
        settings=settings,
        nginx=nginx,
        later=later,
        commands=way.commands,
    )


def _script(way: Way, *args: str) -> str:
    return way.run("sh -c %s sh" + " %s" * len(args), SCRIPT, *args)


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
                tls_context(look.target, verified=False).wrap_socket(other, server_hostname=name) as wrapped,
            ):
                leaf = wrapped.getpeercert(binary_form=True) or b""
            other.close()
        address, port = held.getsockname()[:2]
        yield hashlib.sha256(leaf).hexdigest() if leaf else "", address, port


def choose(candidates: list[Candidate], found: dict[str, Section], demands: HostDemands, direct_port: int) -> Candidate:
    """Return the Node-RED that is meant: the only one, the one in the user directory named, or the one on its port.

    Raises:
        ProbeError: none runs there, or it is not clear which.
    """
    if not candidates:
        raise ProbeError(
            "no Node-RED runs on this host (no process node-red or red.js is to be seen, and no Node.js on its port "
            f"{direct_port}); is it the right host? "
            "A container on another one is looked into with --nodered-host=docker://NAME",
            Cause.UNIDENTIFIED,
        )
    fitting = candidates
    if demands.user_dir and len(candidates) > 1:
        fitting = [one for one in candidates if demands.user_dir in (one.cwd, *one.args)] or candidates
    if len(fitting) > 1:

        def on_port(one: Candidate) -> bool:
            with contextlib.suppress(ProbeError):
                return any(here.port == direct_port for here in text_of.listening(found, one.process.pid))
            return False

        fitting = [one for one in fitting if on_port(one)]
    if len(fitting) != 1:
        shown = "; ".join(one.process.line() for one in candidates[:5])
        raise ProbeError(
            f"{len(candidates)} Node-REDs run on this host ({shown}), and it is not clear which is meant: "
            "set --nodered-direct-port, or the host's user_dir in the policy",
            Cause.UNIDENTIFIED,
        )
    return fitting[0]


def evaluate(way: Way, who: Me, node_red: Candidate, demands: HostDemands, found: dict[str, Section]) -> dict[str, Any]:
    """Have the host's own Node evaluate settings.js as Node-RED's user; return what comes back.

    Raises:
        ProbeError: no Node there, no right to it, or a settings.js that cannot be read.
    """
    process = node_red.process
    if process.container:
        raise ProbeError(
            f"{process.line()}: its settings lie inside the container: look there with --nodered-host=docker://NAME "
            "(podman://, kubectl://)",
            Cause.FORBIDDEN,
        )
    program = PurePosixPath(node_red.exe).name.removesuffix(" (deleted)")
    node = demands.node or (node_red.exe if program.startswith("node") else "node")
    mark = f"=={secrets.token_hex(8)}"
    given = {
        "mark": mark,
        "pid": process.pid,
        "userDir": demands.user_dir,
        "settingsFile": demands.settings_file,
        "args": node_red.args[1:] if len(node_red.args) > 1 else text_of.starts(found.get("starts"), process.unit)[1:],
        "known": PUBLISHED,
        "modules": MODULES,
        "limit": int(_EVALUATION * 1000),
        "program": PROGRAM,
    }
    text = way.run("sh -c %s sh %s", as_user(who, process.uid, process.user, node, sudo=bool(way.sudo)), source(given))
    seen = text_of.answer_of_node(text, mark)
    if not seen:
        reason = text_of.why(text_of.Section(re.sub(r"\nNode\.js v\S+\s*$", "", text), 1))
        raise ProbeError(
            f"the host's Node.js ({node}) did not run as {process.user}: {reason}; "
            "name one with the host's `node` in the policy; for rights see docs/sudoers",
            Cause.FORBIDDEN,
        )
    if "settings" not in seen:
        raise ProbeError(f"{seen.get('file') or 'settings.js'} cannot be evaluated: {seen['trouble']}", Cause.PROTOCOL)
    return seen


def source(given: dict[str, Any]) -> str:
    """Return the program for the host's Node, with what it is given in front."""
    return f"const INPUT = {json.dumps(given)};\n{PROGRAM}"


def as_user(who: Me, uid: int, user: str, node: str, *, sudo: bool) -> str:
    """Return the shell command that runs Node on the first argument, as the user that Node-RED runs as.

    Raises:
        ProbeError: we are somebody else, and sudo was not asked for.
    """
    run = f"{shlex.quote(node)} -"
    if who.uid == uid:
        return f'printf %s "$1" | env -u NODE_OPTIONS {run} 2>&1'
    name = user if _USER.fullmatch(user) and not user.isdigit() else f"#{uid}"
    if who.uid == 0:
        keep = f"setpriv --reuid={uid} --regid=$(stat -c %g /proc/self) --clear-groups"
        inner = (
            f"su -s /bin/sh -c {shlex.quote(run)} {shlex.quote(name)}" if not name.startswith("#") else f"{keep} {run}"
        )
        return f'printf %s "$1" | {inner} 2>&1'
    if not sudo:
        raise ProbeError(
            f"settings.js is read as {user}, whom Node-RED runs as; we came as {who.user}: add ?sudo=true to "
            "--nodered-host (docs/sudoers has the lines it needs)",
            Cause.FORBIDDEN,
        )
    return f'printf %s "$1" | sudo -n -u {shlex.quote(name)} {run} 2>&1'


def _nginx(found: dict[str, Section], port: int) -> Nginx | None:
    """Return the nginx that runs: the only one, or the one that listens on the URL's port.

    Raises:
        ProbeError: it does not show its configuration, or it is not clear which is meant.
    """
    seen = []
    for name, section in found.items():
        if not name.startswith("nginx ") or not name[6:].isdigit():
            continue
        if "# configuration file" in section.text:
            seen.append(Nginx(int(name[6:]), section, host_nginx.tree(section.text)))
        else:
            seen.append(Nginx(int(name[6:]), section, None))
    if len(seen) > 1:
        seen = [one for one in seen if one.tree and str(port) in ports_of(one.tree)]
        if len(seen) != 1:
            raise ProbeError("several nginx run there; not one alone serves the URL's port", Cause.UNIDENTIFIED)
    return seen[0] if seen else None


def ports_of(directives: tuple[Directive, ...]) -> set[str]:
    """Return the ports that an nginx listens on, as written."""
    return {address.rpartition(":")[2] for address in named(directives, "listen")}


def _paths(nginx: Nginx | ProbeError | None) -> list[str]:
    """Return what nginx names: keys, every directory above them, certificates, files of its configuration."""
    if not isinstance(nginx, Nginx) or nginx.tree is None:
        return []
    keys = [path for path in named(nginx.tree, "ssl_certificate_key") if path.startswith("/") and "$" not in path]
    above = [parent for key in keys for parent in _above(key)]
    certificates = [path for path in named(nginx.tree, "ssl_certificate") if path.startswith("/") and "$" not in path]
    times = [f"time:{path}" for path in sorted(files_of(nginx.tree))]
    return list(dict.fromkeys([*keys, *above, *(f"certificate:{path}" for path in certificates), *times]))


def files_of_unit(found: dict[str, Section], unit: str) -> tuple[str, ...]:
    """Return the files that say how a service runs: its own, its drop-ins, its environment's."""
    one = _unit(found, unit)
    paths = (one.get("FragmentPath"), *one.get("DropInPaths").split())
    return (*(path for path in paths if path), *environment_of_unit(found, unit))


def environment_of_unit(found: dict[str, Section], unit: str) -> tuple[str, ...]:
    """Return the files that a service's environment comes from."""
    values = [value for key, value in _unit(found, unit).properties if key == "EnvironmentFiles"]
    return tuple(value.rsplit(" (", 1)[0] for value in values if value.startswith("/"))


def _unit(found: dict[str, Section], name: str) -> Unit:
    with contextlib.suppress(ProbeError):  # host-10 carries why there are none
        return text_of.units(found.get("units")).get(name, Unit(name))
    return Unit(name)


def _above(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents]


def named(directives: tuple[Directive, ...], name: str) -> list[str]:
    """Return the first argument of every directive of a name, wherever it stands."""
    here = [one.args[0] for one in directives if one.name == name and one.args]
    return here + [path for one in directives for path in named(one.block, name)]


def files_of(directives: tuple[Directive, ...]) -> set[str]:
    """Return the files that directives stand in."""
    return {one.file for one in directives} | {file for one in directives for file in files_of(one.block)}
