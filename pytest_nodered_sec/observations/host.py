"""Observations of the host that runs Node-RED: frozen, without secrets; no I/O, no judgement.

One observation for each thing a control asks, so that its line of evidence says what that control was answered.
Everything comes from one gathering (probes/host/gather.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.exposure import lines
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from datetime import date

    from pytest_nodered_sec.observations.exposure import Exposure


@dataclass(frozen=True)
class NodeRedProcess:
    """The running Node-RED.

    Attributes:
        pid: process id on the side looked at.
        uid: user id it runs as.
        user: name of that user, or the number where it has none there.
        started: start, seconds since the epoch.
        unit: systemd service it runs in, or "".
        container: id of the container it runs in, or "".
        user_unit: service of its user's own systemd that it runs in, or "".
        lingers: whether that systemd runs without a login, from boot on.
        manager: process manager that is not systemd and keeps it, e.g. "supervisord", or "".
    """

    pid: int
    uid: int
    user: str
    started: float
    unit: str = ""
    container: str = ""
    user_unit: str = ""
    lingers: bool = False
    manager: str = ""

    def line(self) -> str:
        """Return it in one short phrase."""
        where = f", {self.unit or self.user_unit}" if self.unit or self.user_unit else ""
        where += f", container {self.container[:12]}" if self.container else ""
        return f"Node-RED (pid {self.pid}, user {self.user}{where})"


@dataclass(frozen=True)
class Identity:
    """Whether the host looked at serves the URL (host-00).

    Attributes:
        url: base URL of the target.
        connected: whether our own connection to the URL is in the host's table of connections.
        certificates: how many certificates were found on the host.
        holds_served: path of the one that the URL serves, or "".
        impostors: what calls itself Node-RED, nginx or Caddy there and is not, a phrase each.
    """

    url: str
    connected: bool
    certificates: int
    holds_served: str
    impostors: tuple[str, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return "; ".join([self.where(), *self.impostors])

    def where(self) -> str:
        """Return how it is known whether this host serves the URL."""
        if self.connected:
            return f"our connection to {self.url} ends on this host"
        if self.holds_served:
            return f"the certificate that {self.url} serves is on this host: {self.holds_served}"
        return (
            f"our connection to {self.url} does not end on this host: of "
            f"{counted(self.certificates, 'certificate')} found on it, none is the one served"
        )


@dataclass(frozen=True, order=True)
class ListeningSocket:
    """A socket that Node-RED listens on.

    Attributes:
        family: "tcp", "tcp6", "udp", "udp6" or "unix".
        address: IP address, or path of a unix socket.
        port: port, 0 for a unix socket.
    """

    family: str
    address: str
    port: int = 0

    def line(self) -> str:
        """Return e.g. "tcp 0.0.0.0:1880"."""
        if self.family == "unix":
            return f"unix {self.address}"
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.family.removesuffix('6')} {address}:{self.port}"


@dataclass(frozen=True)
class Listening:
    """Everything that the Node-RED process listens on (host-01).

    Attributes:
        process: whose.
        sockets: sorted.
        published: ports that the container runtime publishes, as (address of the host, port in the container);
            None where the process is in no container, or shares the host's network.
        inspectors: ports at which Node.js would have its inspector: its own, and what it was told.
    """

    process: NodeRedProcess
    sockets: tuple[ListeningSocket, ...]
    published: tuple[tuple[str, int], ...] | None = None
    inspectors: tuple[int, ...] = (9229,)

    def evidence(self) -> str:
        """Return one line for the evidence."""
        listeners = ", ".join(listener.line() for listener in self.sockets) or "nothing"
        line = f"{self.process.line()} listens on {listeners}"
        if self.published is not None:
            ports = ", ".join(f"{address}: {port}" for address, port in self.published) or "no port"
            line += f"; the container runtime publishes {ports}"
        return line


@dataclass(frozen=True)
class RunningAs:
    """The user that Node-RED runs as (host-02)."""

    process: NodeRedProcess

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return f"{self.process.line()} runs as uid {self.process.uid}"


# --- services --------------------------------------------------------------------------------------------


_UNTIL_THE_NEXT_START: Final = ("enabled-runtime", "masked", "masked-runtime", "transient")


@dataclass(frozen=True)
class Unit:
    """A systemd unit, as shown by `systemctl show`.

    Attributes:
        name: e.g. "nodered.service".
        properties: name and value, as printed.
        wanted: whether what the machine starts with has it started; None where that is not told.
    """

    name: str
    properties: tuple[tuple[str, str], ...] = ()
    wanted: bool | None = None

    @property
    def starts_at_boot(self) -> bool:
        """Whether it starts when the machine does, which its UnitFileState alone does not say."""
        state = self.get("UnitFileState")
        if state in _UNTIL_THE_NEXT_START:
            return False
        return state in ("enabled", "generated") if self.wanted is None else self.wanted

    @property
    def to_start_at_boot(self) -> str:
        """What has systemctl start it when the machine does."""
        if self.get("UnitFileState") in ("enabled", "static", "indirect"):  # there is nothing more to enable
            return f"add-wants multi-user.target {self.name}"
        return f"enable {self.name}"

    def get(self, key: str) -> str:
        """Return a property's value, "" where it has none."""
        return dict(self.properties).get(key, "")


@dataclass(frozen=True)
class Supervision:
    """Who restarts Node-RED, and what it is kept from (host-10).

    Attributes:
        process: the process.
        unit: its service, None where it runs in none, or its user's own systemd could not be asked.
        exposure: what `systemd-analyze security` says, 0 (safe) to 10, or None where it said nothing.
        restart_policy: the container runtime's restart policy, None where it runs in no container.
        restarts: whether another process manager than systemd restarts it, None where that is not known.
        starts: whether that manager starts it when it starts itself, in the same way.
    """

    process: NodeRedProcess
    unit: Unit | None
    exposure: float | None = None
    restart_policy: str | None = None
    restarts: bool | None = None
    starts: bool | None = None

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.restart_policy is not None:
            return f"{self.process.line()}: restart policy {self.restart_policy or 'none'}"
        if self.process.user_unit:
            lingers = "lingers" if self.process.lingers else "does not linger"
            state = "".join(
                f", {key}={self.unit.get(key)}"
                for key in ("UnitFileState", "Restart", "NoNewPrivileges")
                if self.unit is not None
            )
            return f"{self.process.line()} runs in {self.process.user}'s own systemd, which {lingers}{state}"
        kept = f"{self.process.manager} keeps {self.process.line()}; " if self.process.manager else ""
        if self.unit is None:
            return f"{kept}{self.process.line()} runs in no service of systemd"
        state = ", ".join(
            f"{key}={self.unit.get(key)}"
            for key in ("ActiveState", "UnitFileState", "Restart", "NoNewPrivileges", "ProtectSystem", "UMask")
        )
        exposure = "" if self.exposure is None else f"; exposure {self.exposure}"
        if self.unit.wanted is False:
            exposure += "; nothing that starts with the machine starts it"
        return f"{kept}{self.unit.name}: {state}{exposure}"


@dataclass(frozen=True)
class Renewal:
    """Who renews the served certificate (host-14).

    Attributes:
        client: "certbot", or "" where it is not there.
        lineages: names of the lineages found.
        served: name of the lineage that is served, "" where none is.
        schedule: the timer or cron file that renews, or "".
        scheduled: whether that timer is enabled and active (a cron file counts as such).
        result: Result of the service's last run ("success", "exit-code" …), "" where it never ran or nobody knows.
        reloads: what reloads the proxy afterwards, or "".
        other: the ACME client that runs instead, e.g. "Caddy" (which renews by itself).
        started: other clients that something starts, and what does, e.g. "acme.sh (/var/spool/cron/crontabs/root)".
        excluded: the file by which certbot leaves the lineage served out when it renews, or "".
    """

    client: str
    lineages: tuple[str, ...] = ()
    served: str = ""
    schedule: str = ""
    scheduled: bool = False
    result: str = ""
    reloads: str = ""
    other: str = ""
    started: tuple[str, ...] = ()
    excluded: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        left_out = f"; autorenew is off in {self.excluded}" if self.excluded else ""
        more = f"; there is {', '.join(self.started)}" if self.started else ""
        if not self.client:
            return "certbot is not installed" + (f"; {self.other} is" if self.other else "") + more
        return (
            f"certbot: lineage served: {self.served or 'none'} (of {', '.join(self.lineages) or 'none'}); "
            f"renewed by {self.schedule or 'nothing'} ({'on' if self.scheduled else 'off'}); "
            f"last run: {self.result or 'not known'}; afterwards: {self.reloads or 'no reload'}{left_out}{more}"
        )


@dataclass(frozen=True)
class PatchLevel:
    """The releases that run (host-16), on a date; of the modules those in the table of advisories.

    Attributes:
        exposures: what no release fixes, as far as the host tells.
    """

    node_red: str
    node: str
    on: date
    modules: tuple[tuple[str, str], ...] = ()
    exposures: tuple[Exposure, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        more = "".join(f", {name} {release}" for name, release in self.modules)
        return f"Node-RED {self.node_red or 'of unknown release'}, Node.js {self.node}{more}{lines(self.exposures)}"


@dataclass(frozen=True)
class Freshness:
    """Whether what was read is what runs (host-17).

    Attributes:
        process: Node-RED.
        newer: files read that are newer than the process, with the seconds by which they are.
        nginx_newer: files of nginx that are newer than its workers, in the same way.
        read: how many files were read.
        served_on_disk: whether the certificate served is among those on the host; None where none was found there.
    """

    process: NodeRedProcess
    newer: tuple[tuple[str, int], ...]
    nginx_newer: tuple[tuple[str, int], ...]
    read: int
    served_on_disk: bool | None = None

    def evidence(self) -> str:
        """Return one line for the evidence."""
        stale = [f"{path} is {seconds} s newer than what runs" for path, seconds in (*self.newer, *self.nginx_newer)]
        stale += ["the certificate served is not among those on the host"] if self.served_on_disk is False else []
        return "; ".join(stale) or f"what runs is newer than {counted(self.read, 'file')} read"
