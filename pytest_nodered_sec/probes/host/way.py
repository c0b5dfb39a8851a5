"""The connection to a host: a testinfra backend with one time limit, one connection, and limits on the output.

Scripts travel over standard input to `sh` wherever the backend has one, so that neither the login's own shell (fish,
tcsh, busybox) nor a list of processes gets to see them. What is run, and what the answers mean, stands elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Final

import testinfra.host
from testinfra.backend.ssh import SshBackend

from pytest_nodered_sec import redaction, threads
from pytest_nodered_sec.credentials import harmless, without_secrets
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.backend import backend_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.probes.host.parse import Section

_MOST: Final = 1 << 24  # bytes that one command may print
_STANDARD_INPUT: Final = ("local", "ssh", "safe-ssh")  # backends that hand it on
_CLOUDS: Final = (
    "KUBE",
    "AWS_",
    "GOOGLE_",
    "CLOUDSDK_",
    "AZURE_",
    "ARM_",
    "OIDC_",
)  # kubectl logs in through their tools
_CLIENTS: Final = {  # beginnings of the names of variables that are each client's own, secrets among them
    "ssh": ("SSH_",),
    "safe-ssh": ("SSH_",),
    "docker": ("DOCKER_", "SSH_"),
    "podman": ("CONTAINER", "PODMAN_", "REGISTRY_", "SSH_"),
    "kubectl": _CLOUDS,
    "openshift": _CLOUDS,
    "ansible": ("ANSIBLE_", "SSH_"),
}


_THREAD: Final = "nodered-sec-host"  # name of the threads in which testinfra runs what we ask


def _not_of_ours(_: logging.LogRecord) -> bool:
    """Keep testinfra from logging what our own threads run: it logs whole outputs at DEBUG."""
    return threading.current_thread().name != _THREAD


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
        self._given = b""
        self.sudo = ""

    def __enter__(self) -> Way:
        if self._backend.NAME == "ansible" and not self._backend.force_ansible:
            self._backend = self._within(self._ansibles) or self._backend
        if self._backend.sudo:
            user = self._backend.sudo_user or "root"
            self.sudo = "sudo" if user == "root" else f"sudo -u {user}"
        self._backend.sudo = False
        self._backend.get_encoding = lambda: "utf-8"  # else testinfra asks the host, which costs a round trip
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
                    env=self._environment(),
                    timeout=5,
                    check=False,
                )
            self._folder.cleanup()

    def script(self, text: str, *args: str) -> str:
        """Run a script of `sh` with these arguments; return what it printed.

        Raises:
            ProbeError: as `run`.
        """
        if self._backend.NAME not in _STANDARD_INPUT:
            return self.run("/bin/sh -c %s sh" + " %s" * len(args), text, *args)
        given = " ".join(map(shlex.quote, args))
        self._given = f"set -- {given}\n{{\n{text}\n}} </dev/null\n".encode()
        return self.run("exec /bin/sh")

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
            last = redaction.cut((errors.strip().split("\n") or [""])[-1], 200)
            raise ProbeError(
                f"no command can be run on {self._where()}: {last or f'exit code {done.rc}'}", Cause.UNREACHABLE
            )
        return output

    def _within(self, act: Callable[[], Any]) -> Any:
        """Run a function in its own thread, up to the time limit.

        Raises:
            ProbeError: no connection, an error, or the time limit.
        """
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(act())
            except BaseException as error:  # noqa: BLE001  handed to the thread that waits
                future.set_exception(error)

        logging.getLogger("testinfra").addFilter(_not_of_ours)  # once, however often it is added
        threads.start(work, _THREAD)
        try:
            return future.result(max(0.0, self._deadline - time.monotonic()))
        except FutureTimeout:
            self._kill()
            raise ProbeError(f"{self._where()} did not answer within {self._seconds:g} s", Cause.TIMEOUT) from None
        except (RuntimeError, OSError, AssertionError, ValueError) as error:
            raise ProbeError(f"{self._where()} cannot be reached: {_reason(error)}", Cause.UNREACHABLE) from None

    def _ansibles(self) -> Any:
        """Return the backend that ansible's inventory names for a host, None where only ansible itself gets there."""
        backend = self._backend
        host = backend.ansible_runner.get_host(
            backend.host, ssh_config=backend.ssh_config, ssh_identity_file=backend.ssh_identity_file
        )
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
        given, self._given = self._given, b""
        process = subprocess.Popen(  # noqa: S602  a shell, as testinfra does it: its backends quote
            line,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=self._environment(),
        )
        self._processes.append(process)
        kept: dict[Any, bytes] = {}
        others = [
            threading.Thread(target=_feed, args=(process.stdin, given), daemon=True),
            threading.Thread(target=lambda: kept.update(errors=_bounded(process.stderr)), daemon=True),
        ]
        for thread in others:
            thread.start()
        output = _bounded(process.stdout)
        if len(output) > _MOST:
            self._kill()
        for thread in others:
            thread.join()
        code = process.wait()
        if len(output) > _MOST:
            raise ValueError(f"more than {_MOST >> 20} MiB came back")
        return self._backend.result(code, line.encode(), output, kept["errors"])

    def _environment(self) -> dict[str, str]:
        """Return what a program started here gets of ours: what runs with local:// may be another user's."""
        name = self._backend.NAME
        return harmless() if name == "local" else without_secrets(_CLIENTS.get(name, ()))

    def _kill(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _feed(stream: Any, given: bytes) -> None:
    with contextlib.suppress(OSError), stream:  # it may end without reading all
        stream.write(given)


def _bounded(stream: Any) -> bytes:
    with stream:
        output: bytes = stream.read(_MOST + 1)
    return output


def _reason(error: BaseException) -> str:
    result = error.args[0] if error.args else ""
    errors = getattr(result, "stderr_bytes", None)
    text = errors.decode("utf-8", "replace") if errors is not None else str(error)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return redaction.cut(lines[-1], 200) if lines else type(error).__name__
