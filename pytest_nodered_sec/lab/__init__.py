"""A real Node-RED on this machine, in named deployments, to try the plugin and to test it.

POSIX only. Everything listens on loopback, in directories of its own, and ends with the run that started it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_nodered_sec.lab.deployments import DEPLOYMENTS, flows, settings_js
from pytest_nodered_sec.lab.proxies import caddyfile
from pytest_nodered_sec.lab.toolchain import MAJORS, LabError, bcrypt, caddy, node, node_red

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["DEFAULT_MAJOR", "Lab", "LabError", "RunningDeployment", "expectations", "names", "parse", "start"]

DEFAULT_MAJOR: Final = max(MAJORS)
_START_LIMIT: Final = 60.0  # seconds


@dataclass(frozen=True)
class RunningDeployment:
    """Where a deployment can be reached; plain values, so that it crosses to xdist workers.

    Attributes:
        name: which deployment.
        major: major version of Node-RED.
        label: name of its target, e.g. "lab-fresh@5".
        url: base URL.
        http_port: port of plain HTTP.
        direct_port: Node-RED's own port; one where nothing listens if it is on a unix socket.
        ca_file: PEM of the lab's CA.
        admin_root: httpAdminRoot.
        node_root: httpNodeRoot.
        username: of the admin login and of the proxy's gate.
        password: of both; random in every run.
        user_dir: Node-RED's user directory.
        expect: policy keys the deployment is meant for.
    """

    name: str
    major: int
    label: str
    url: str
    http_port: int
    direct_port: int
    ca_file: str
    admin_root: str
    node_root: str
    username: str
    password: str = field(repr=False)
    user_dir: str
    expect: tuple[tuple[str, Any], ...] = ()  # Any: values as a policy file has them

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can carry."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `as_dict` was made from."""
        return cls(**{**values, "expect": tuple((key, value) for key, value in values["expect"])})


def names() -> tuple[str, ...]:
    """Return the known deployments."""
    return tuple(DEPLOYMENTS)


def expectations(name: str) -> dict[str, Any]:
    """Return the policy keys a deployment is meant for, which also tell its test cases."""
    return dict(DEPLOYMENTS[name].expect)


def parse(spec: str) -> tuple[str, int]:
    """Split "NAME@MAJOR"; the newest major where none is given.

    Raises:
        LabError: unknown name or major.
    """
    name, _, major = spec.partition("@")
    if name not in DEPLOYMENTS:
        raise LabError(f"the lab has no deployment {name!r}; it has {', '.join(DEPLOYMENTS)}")
    if major and major not in map(str, MAJORS):
        raise LabError(f"the lab has no Node-RED {major}; it has {', '.join(map(str, MAJORS))}")
    return name, int(major or DEFAULT_MAJOR)


class Lab:
    """Running deployments; a context manager."""

    def __init__(self, deployments: tuple[RunningDeployment, ...], guardian: subprocess.Popen[str]) -> None:
        self.deployments = deployments
        self._guardian = guardian

    def stop(self) -> None:
        """Stop everything and remove its directory; may be called again."""
        assert self._guardian.stdin is not None  # noqa: S101  it was opened with a pipe; for the type checker
        with contextlib.suppress(BrokenPipeError):
            self._guardian.stdin.close()
        self._guardian.wait(15)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(specs: Sequence[str], *, say: Callable[[str], None]) -> Lab:
    """Start deployments side by side and return when all of them answer.

    Args:
        specs: "NAME" or "NAME@MAJOR", each.
        say: shows one line of progress.

    Raises:
        LabError: something is missing or did not start.
    """
    wanted = list(dict.fromkeys(parse(spec) for spec in specs))
    modules = {major: node_red(major, say) for _, major in wanted}
    caddy()
    say(f"starting {', '.join(f'{name}@{major}' for name, major in wanted)}")
    folder = Path(tempfile.mkdtemp(prefix="nodered-lab-"))
    guardian = subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("guardian.py"))],
        stdin=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _certificates(folder)
        commands: list[dict[str, Any]] = []
        running = tuple(_prepare(name, major, modules[major], folder, commands) for name, major in wanted)
        assert guardian.stdin is not None  # noqa: S101  opened with a pipe; for the type checker
        guardian.stdin.write(json.dumps({"directory": str(folder), "commands": commands}) + "\n")
        guardian.stdin.flush()
        lab = Lab(running, guardian)
        for one in running:
            _wait(one, Path(one.user_dir))
    except BaseException:
        with contextlib.suppress(BrokenPipeError, AttributeError):
            guardian.stdin.close()  # type: ignore[union-attr]  # a pipe, as above
        guardian.wait(15)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return lab


def _certificates(folder: Path) -> None:
    try:
        import trustme
    except ImportError:
        raise LabError("the lab needs trustme: pip install 'pytest-nodered-sec[lab]'") from None
    now = datetime.now(UTC)
    authority = trustme.CA()
    leaf = authority.issue_cert(
        "localhost", "127.0.0.1", "::1", not_before=now - timedelta(days=1), not_after=now + timedelta(days=89)
    )
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.private_key_pem.write_to_path(folder / "leaf.key")
    for number, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(folder / "leaf.pem", append=number > 0)


def _prepare(name: str, major: int, modules: Path, folder: Path, commands: list[dict[str, Any]]) -> RunningDeployment:
    deployment = DEPLOYMENTS[name]
    here = folder / f"{name}-{major}"
    here.mkdir(mode=0o700)
    https_port, http_port, direct_port = _free_ports(3)
    password = "password" if name == "article" else secrets.token_urlsafe(12)  # the article's is the published one
    hashed = bcrypt(modules, password)
    listen = json.dumps(str(here / "nr.sock")) if deployment.socket else str(direct_port)
    upstream = f"unix/{here}/nr.sock" if deployment.socket else f"127.0.0.1:{direct_port}"
    (here / "settings.js").write_text(settings_js(deployment, listen, hashed, secrets.token_hex(16)))
    (here / "flows.json").write_text(flows(deployment))
    (here / "node_modules").symlink_to(modules)
    shutil.copyfile(modules.parent / "package.json", here / "package.json")
    (here / "Caddyfile").write_text(caddyfile(deployment, upstream, https_port, http_port, folder, "operator", hashed))
    environment = {"HOME": str(here), "XDG_DATA_HOME": str(here / "caddy"), "XDG_CONFIG_HOME": str(here / "caddy")}
    red = [str(node()), str(modules / "node-red" / "red.js"), "-u", str(here)]
    proxy = [str(caddy()), "run", "--config", str(here / "Caddyfile"), "--adapter", "caddyfile"]
    for argv, log in ((red, "node-red.log"), (proxy, "caddy.log")):
        commands.append({"argv": argv, "cwd": str(here), "env": environment, "log": str(here / log)})
    return RunningDeployment(
        name=name,
        major=major,
        label=f"lab-{name}@{major}",
        url=f"https://localhost:{https_port}" if deployment.tls else f"http://localhost:{http_port}",
        http_port=http_port,
        direct_port=direct_port,
        ca_file=str(folder / "ca.pem"),
        admin_root=deployment.admin_root,
        node_root=deployment.node_root,
        username="admin" if name == "article" else "operator",
        password=password,
        user_dir=str(here),
        expect=deployment.expect,
    )


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


def _wait(one: RunningDeployment, here: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT
    proxy_port = int(one.url.rsplit(":", 1)[1])
    while time.monotonic() < deadline:
        log = (here / "node-red.log").read_text() if (here / "node-red.log").exists() else ""
        if "Started flows" in log and _accepts(proxy_port) and _accepts(one.http_port):
            return
        time.sleep(0.1)
    tails = [(here / name).read_text()[-600:] for name in ("node-red.log", "caddy.log") if (here / name).exists()]
    raise LabError(f"{one.label} did not start within {_START_LIMIT:.0f} s: {' … '.join(tails)}")


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
