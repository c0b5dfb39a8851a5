"""Pairs of gates before one open Node-RED: one that something made up opens, and its sound twin; what is found of each.

Every gate has a port of its own, all of a table's in one server. What must be found was written before it was run.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from certlab import issue
from nginxlab import write_chain
from servers import reserved_ports, running
from suite_controls import CONTROLS, rule_of

from pytest_nodered_sec import lab
from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab import deployments, toolchain
from pytest_nodered_sec.lab.node_red import flows
from pytest_nodered_sec.lab.ports import free_ports
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_ROOT = issue("Ways", ca=True)
ELSEWHERE: Final = "gate.plant.example"  # a name that only the target's `connect` leads to this machine
_LEAF = issue("localhost", _ROOT, dns=["localhost", ELSEWHERE])
HASH: Final = "$2y$04$XFJ8n0/JUb3RAioQ4JjLHOZFEH6ZpONFPq2wqCLjUsOxqP3mtqbYC"
# first segments of what an open Node-RED serves: for gates that guard a list, and let everything else pass
PATHS: Final = (
    "ui|dashboard|api|ws|comms|auth|context|credentials|debug|diagnostics|favicon.ico|flows?|icons|inject|library|locales|"
    "nodes|plugins|projects|red|resources|settings|theme|types|udp-ports|ui_base|uisettings|vendor"
)
POLICY: Final = Policy(
    admin_api="proxied",
    editor="protected",
    dashboards=("/ui",),
    protected_paths=(Endpoint("/api/orders", effect="none"),),
    websockets=("/ws/line",),
)
_ASKED: Final = (
    *("reach-01", "admin-01", "admin-02", "admin-03", "admin-05", "admin-06", "admin-12", "cred-02", "dash-01"),
    *("dash-02", "dash-04", "node-01", "node-02", "origin-01", "proxy-05", "roots-01"),
)


@dataclass(frozen=True)
class Pair:
    """A gate that is opened, and one that is not.

    Attributes:
        weak: lines of the first.
        found: controls and codes that must be found of it, "proxy-05:head admin-12:believed".
        sound: lines of the second.
        beside: lines outside of the gate, for both; `@WEAK@` and `@SOUND@` stand for their ports.
        named: whether the target has a name of its own, not localhost.
    """

    weak: str
    found: str
    sound: str
    beside: str = ""
    named: bool = False


@dataclass(frozen=True)
class Street:
    """A running server with all gates of a table.

    Attributes:
        folder: where its certificates are.
        ports: of each gate, by "NAME weak" and "NAME sound".
        pairs: the table.
    """

    folder: Path
    ports: Mapping[str, int] = field(default_factory=dict)
    pairs: Mapping[str, Pair] = field(default_factory=dict)

    def found(self, name: str, which: str) -> dict[str, str]:
        """Return what is found at one gate: "CONTROL:CODE", and what was seen; "CONTROL!" where none could look."""
        return findings(self.target(name, which))

    def target(self, name: str, which: str) -> Target:
        """Return one gate as it is asked."""
        port, plain, direct = self.ports[f"{name} {which}"], *free_ports(2)
        named = self.pairs[name].named
        return Target(
            f"{name} {which}",
            f"https://{ELSEWHERE if named else 'localhost'}:{port}",
            POLICY,
            http_port=plain,
            direct_port=direct,
            ca_file=str(self.folder / "ca.pem"),
            connect=f"127.0.0.1:{port}" if named else None,
        )


def findings(target: Target) -> dict[str, str]:
    """Return what the controls that judge gates find at a target."""
    attempts = tempfile.TemporaryDirectory()  # where they are counted
    found, survey = dict[str, str](), Survey(Path(attempts.name))
    rules = {control: rule_of(catalogue()[control]) for control in _ASKED}
    try:
        asks = {control: list(CONTROLS[control].asks(target)) for control in _ASKED}
        for control in _ASKED:
            survey.ask_ahead(target, asks[control])
        for control in _ASKED:
            for ask in asks[control]:
                try:
                    verdict = rules[control](survey.answer(target, ask), target.policy)
                except ProbeError as error:
                    found[f"{control}!"] = error.message
                    continue
                for violation in verdict if isinstance(verdict, tuple) else ():
                    found[f"{control}:{violation.code}"] = violation.observed
    finally:
        survey.close()
        attempts.cleanup()
    return found


@contextlib.contextmanager
def open_node_red(folder: Path, logins: str = "") -> Iterator[int]:
    """Run a Node-RED with no login but those in these lines of settings.js, whose /ui takes any WebSocket.

    Yields its TCP port.
    """
    folder.mkdir()
    (folder / "settings.js").write_text(
        "module.exports = {ui: {ioMiddleware: (socket, next) => next()}, webSocketNodeVerifyClient: () => true, "
        f"telemetry: {{enabled: false}}, {logins}}};"
    )
    (folder / "flows.json").write_text(flows(deployments.Deployment()))
    with lab.start([str(folder)], say=lambda line: None) as there:
        yield there.deployments[0].direct_port


def nginx(upstreams: Mapping[str, int], folder: Path, gates: Mapping[str, tuple[int, str]]) -> list[str]:
    """Write nginx's configuration; return the command that runs it.

    Args:
        upstreams: TCP ports, by the names under which the gates' lines pass on to them.
        folder: an existing directory; in the lines `@FILES@` stands for it.
        gates: of each its port and lines.
    """
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port} ssl; {lines.replace('@FILES@', str(folder))} }}"
        for port, lines in gates.values()
    )
    behind = "".join(f"upstream {name} {{ server 127.0.0.1:{port}; }} " for name, port in upstreams.items())
    places = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "users").write_text("operator:{PLAIN}right\n")
    (folder / "nginx.conf").write_text(
        f"""daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{ }}
http {{ access_log off; {places} ssl_certificate {folder}/leaf.pem; ssl_certificate_key {folder}/leaf.key;
map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }} {behind} {servers} }}"""
    )
    return [str(toolchain.nginx()), "-p", str(folder), "-e", f"{folder}/start.log", "-c", f"{folder}/nginx.conf"]


def _speaks_tls(port: int) -> bool:
    """Whether a port takes a TLS handshake: Traefik listens before it has read its routers."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=5) as sock,
        context.wrap_socket(sock, server_hostname="localhost"),
    ):
        return True
    return False


@contextlib.contextmanager
def standing(
    folder: Path, pairs: Mapping[str, Pair], command: Callable[[Path, Mapping[str, tuple[int, str]]], list[str]]
) -> Iterator[Street]:
    """Run a server with both gates of every pair until the block ends.

    Args:
        folder: an existing directory for its files; `leaf.pem`, `leaf.key` and `ca.pem` are written there.
        pairs: the table.
        command: writes the configuration of these gates, each a port and lines, and returns the command that runs it.
    """
    write_chain(folder, "leaf", [_LEAF, _ROOT])
    (folder / "ca.pem").write_bytes(_ROOT.pem)
    lines = {f"{name} {which}": getattr(pair, which) for name, pair in pairs.items() for which in ("weak", "sound")}
    with reserved_ports(len(lines)) as free:
        ports = dict(zip(lines, free, strict=True))
        gates = {gate: (ports[gate], text) for gate, text in lines.items()}
        with running(command(folder, gates), folder / "log", lambda: all(map(_speaks_tls, ports.values()))):
            yield Street(folder, ports, pairs)
