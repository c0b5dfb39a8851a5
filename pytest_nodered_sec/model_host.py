"""What is seen on the host behind a target: frozen observations, without secrets; no I/O, no judgement.

One observation for each thing a control asks, so that its line of evidence says what that control was answered.
Everything comes from one gathering (probes/host.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date


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
    """

    pid: int
    uid: int
    user: str
    started: float
    unit: str = ""
    container: str = ""

    def line(self) -> str:
        """Return it in one short phrase."""
        where = f", {self.unit}" if self.unit else ""
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
    """

    url: str
    connected: bool
    certificates: int
    holds_served: str

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.connected:
            return f"our connection to {self.url} ends on this host"
        if self.holds_served:
            return f"the certificate that {self.url} serves is on this host: {self.holds_served}"
        return (
            f"our connection to {self.url} does not end on this host, and none of the {self.certificates} certificates "
            "found on it is the one served"
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
    """

    process: NodeRedProcess
    sockets: tuple[ListeningSocket, ...]
    published: tuple[tuple[str, int], ...] | None = None

    def evidence(self) -> str:
        """Return one line for the evidence."""
        found = ", ".join(one.line() for one in self.sockets) or "nothing"
        line = f"{self.process.line()} listens on {found}"
        if self.published is not None:
            ports = ", ".join(f"{address}: {port}" for address, port in self.published) or "no port"
            line += f"; the container runtime publishes {ports}"
        return line


@dataclass(frozen=True)
class RunningAs:
    """Whom Node-RED runs as (host-02)."""

    process: NodeRedProcess

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return f"{self.process.line()} runs as uid {self.process.uid}"


# --- settings.js -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PasswordHash:
    """A password's hash, reduced on the host.

    Attributes:
        scheme: "bcrypt", "md5", "other" (perhaps the password itself), "computed" by a module, or "unset".
        cost: bcrypt cost, else 0.
        known: which published sample it is, or "".
    """

    scheme: str
    cost: int = 0
    known: str = ""

    def line(self) -> str:
        """Return it in one short phrase."""
        cost = f" of cost {self.cost}" if self.cost else ""
        return f"{self.scheme}{cost}" + (f", the sample {self.known}" if self.known else "")


@dataclass(frozen=True)
class LoginSettings:
    """The logins that settings.js sets up (host-03).

    Attributes:
        file: path of settings.js.
        kind: of adminAuth: "unset", "set", "false" ….
        type: "credentials", "strategy" or what else stands there.
        hashes: whose hash (e.g. "adminAuth user 1", "httpNodeAuth") and what it is.
        default: what strangers may do: permissions of the `default` user, "" for nothing or no such user.
    """

    file: str
    kind: str
    type: str
    hashes: tuple[tuple[str, PasswordHash], ...] = ()
    default: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        found = "; ".join(f"{who}: {one.line()}" for who, one in self.hashes)
        auth = f"adminAuth {self.type or self.kind}" + (f", default user may {self.default}" if self.default else "")
        return f"{self.file}: {auth}" + (f"; {found}" if found else "")


@dataclass(frozen=True)
class ChannelSettings:
    """What guards dashboards and WebSocket nodes (host-04).

    Attributes:
        file: path of settings.js.
        dashboards: for each dashboard in use: name (key of settings.js), whether pages and whether sockets are guarded.
        web_sockets: paths of the WebSocket nodes that listen.
        web_sockets_guarded: whether webSocketNodeVerifyClient is a function.
        proxy_guards: what a proxy guards by the policy's word, or "".
        paths: where the dashboards are, in the same order.
        proxy: the nginx or Caddy in front, where one runs on the host and shows its configuration.
    """

    file: str
    dashboards: tuple[tuple[str, bool, bool], ...]
    web_sockets: tuple[str, ...]
    web_sockets_guarded: bool
    proxy_guards: str = ""
    paths: tuple[str, ...] = ()
    proxy: NginxConfig | CaddyConfig | None = None

    def evidence(self) -> str:
        """Return one line for the evidence."""
        parts = [
            f"{name}: page middleware {_yes(page)}, ioMiddleware {_yes(live)}" for name, page, live in self.dashboards
        ]
        if self.web_sockets:
            parts.append(
                f"WebSocket nodes at {', '.join(self.web_sockets)}, verifyClient {_yes(self.web_sockets_guarded)}"
            )
        if self.proxy_guards:
            parts.append(self.proxy_guards)
        return f"{self.file}: {'; '.join(parts) or 'no dashboard and no WebSocket node in the flows'}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


@dataclass(frozen=True)
class EditorSettings:
    """Editor and admin API in settings.js (host-05).

    Attributes:
        file: path of settings.js.
        disabled: disableEditor is true.
        admin_root: httpAdminRoot as written; "false" where it is false; "" where it is not set.
        http_root: httpRoot as written, "" where it is not set (it overrides both roots).
        admin_auth: adminAuth is set.
        basic_admin_auth: the deprecated httpAdminAuth is set.
    """

    file: str
    disabled: bool
    admin_root: str
    http_root: str
    admin_auth: bool
    basic_admin_auth: bool

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return (
            f"{self.file}: disableEditor {str(self.disabled).lower()}, httpAdminRoot {self.admin_root or '(default)'}, "
            f"adminAuth {_yes(self.admin_auth)}"
            + (", httpAdminAuth yes" if self.basic_admin_auth else "")
            + (f", httpRoot {self.http_root}" if self.http_root else "")
        )


@dataclass(frozen=True)
class SecretSettings:
    """credentialSecret (host-06); `kind` is "set", "computed" by a module, "published", "unset", "false", "empty"."""

    file: str
    kind: str

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return f"{self.file}: credentialSecret is {self.kind}"


@dataclass(frozen=True)
class AuditSettings:
    """Whether any log handler has audit on (host-08)."""

    file: str
    audit: bool

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return f"{self.file}: audit logging is {'on' if self.audit else 'off'}"


@dataclass(frozen=True)
class ModuleSettings:
    """What may be installed while Node-RED runs (host-09).

    Attributes:
        file: path of settings.js.
        open: the keys of settings.js that leave a way open, e.g. "externalModules.palette.allowInstall".
    """

    file: str
    open: tuple[str, ...]

    def evidence(self) -> str:
        """Return one line for the evidence."""
        found = ", ".join(self.open)
        return f"{self.file}: " + (f"not switched off: {found}" if found else "nothing can be installed at run time")


# --- files -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileStep:
    """A file or one of the directories above it.

    Attributes:
        path: real path.
        mode: permission bits.
        uid: owner.
        gid: group.
        folder: whether it is a directory.
        strangers: members of the group other than root and the user Node-RED runs as.
        owner: name of the owner where that is nobody who should own it, or "" (keys only).
    """

    path: str
    mode: int
    uid: int
    gid: int
    folder: bool
    strangers: tuple[str, ...] = ()
    owner: str = ""


@dataclass(frozen=True)
class FileAccess:
    """Files of one kind, each with every directory above it, the root last (host-07).

    Attributes:
        kind: "settings", "flows" ….
        user_dir: Node-RED's user directory; of "environment files" the unit that names them.
        process: whose files they are.
        files: each as its steps, the file first.
    """

    kind: str
    user_dir: str
    process: NodeRedProcess
    files: tuple[tuple[FileStep, ...], ...]

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.files:
            return f"{self.user_dir} has no {self.kind}"
        shown = ", ".join(f"{steps[0].path} ({steps[0].mode:04o})" for steps in self.files[:3])
        more = f" and {len(self.files) - 3} more" if len(self.files) > 3 else ""
        return f"{self.kind}: {shown}{more}; {self.user_dir}"


@dataclass(frozen=True)
class KeyAccess:
    """Private keys of one place, each with every directory above it that was seen (host-15).

    Attributes:
        place: "nginx" or "certbot".
        keys: each as its steps, the key first; `strangers` holds the group's name where it is not one of those allowed.
        absent: why there is none, or "".
        unseen: why those that there are were not looked at, or "".
    """

    place: str
    keys: tuple[tuple[FileStep, ...], ...]
    absent: str = ""
    unseen: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.keys:
            return self.unseen or self.absent
        return ", ".join(f"{steps[0].path} ({steps[0].mode:04o}, uid {steps[0].uid})" for steps in self.keys)


# --- services --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """A systemd unit, as `systemctl show` tells it.

    Attributes:
        name: e.g. "nodered.service".
        properties: name and value, as printed.
    """

    name: str
    properties: tuple[tuple[str, str], ...] = ()

    def get(self, key: str) -> str:
        """Return a property's value, "" where it has none."""
        return dict(self.properties).get(key, "")


@dataclass(frozen=True)
class Supervision:
    """Who restarts Node-RED, and what it is kept from (host-10).

    Attributes:
        process: the process.
        unit: its service, None where it runs in none.
        exposure: what `systemd-analyze security` says, 0 (safe) to 10, or None where it said nothing.
        restart_policy: the container runtime's restart policy, None where it runs in no container.
    """

    process: NodeRedProcess
    unit: Unit | None
    exposure: float | None = None
    restart_policy: str | None = None

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.restart_policy is not None:
            return f"{self.process.line()}: restart policy {self.restart_policy or 'none'}"
        if self.unit is None:
            return f"{self.process.line()} runs in no service of systemd"
        state = ", ".join(
            f"{key}={self.unit.get(key)}"
            for key in ("ActiveState", "UnitFileState", "Restart", "NoNewPrivileges", "ProtectSystem", "UMask")
        )
        exposure = "" if self.exposure is None else f"; exposure {self.exposure}"
        return f"{self.unit.name}: {state}{exposure}"


@dataclass(frozen=True)
class NginxService:
    """nginx as a service (host-11).

    Attributes:
        installed: whether there is an nginx.
        running: whether a master process runs.
        unit: nginx.service where systemd answered.
        valid: whether `nginx -T` found the configuration valid; None where it was not asked.
        complaint: its first complaint.
        other: another proxy that runs there instead, e.g. "Caddy".
    """

    installed: bool
    running: bool
    unit: Unit | None = None
    valid: bool | None = None
    complaint: str = ""
    other: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.installed:
            return "nginx is not installed" + (f"; {self.other} is" if self.other else "")
        enabled = self.unit.get("UnitFileState") if self.unit else "not known (no systemd)"
        state = "running" if self.running else "not running"
        tested = {True: "valid", False: f"not valid: {self.complaint}", None: "not tested"}[self.valid]
        return f"nginx: {state}, at boot: {enabled}, configuration {tested}"


@dataclass(frozen=True)
class Directive:
    """One directive of nginx's configuration, includes resolved.

    Attributes:
        name: e.g. "proxy_pass".
        args: its arguments, unquoted.
        block: the directives inside it.
        file: where it stands.
        line: line there.
    """

    name: str
    args: tuple[str, ...] = ()
    block: tuple[Directive, ...] = ()
    file: str = ""
    line: int = 0

    def where(self) -> str:
        """Return "file:line"."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class NginxConfig:
    """nginx's whole configuration, and where Node-RED listens (host-12, host-13).

    Attributes:
        directives: of the main context, includes resolved.
        sockets: what Node-RED listens on.
        other: why there is no nginx configuration to judge, or "".
    """

    directives: tuple[Directive, ...]
    sockets: tuple[ListeningSocket, ...]
    other: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.other:
            return self.other
        found = ", ".join(one.line() for one in self.sockets) or "nowhere"
        return f"nginx -T: {len(_files(self.directives))} files; Node-RED listens on {found}"


@dataclass(frozen=True)
class CaddyMatch:
    """A set of conditions of a route in Caddy, all of which must hold.

    Attributes:
        hosts: names, of which one is asked for; () for any.
        paths: path patterns, of which one fits, whatever the letter case; () for any.
        pattern: regular expression that the path fits, or "".
        none: sets of which none may hold.
        others: whether there are further conditions (headers, addresses …), which are not looked at.
    """

    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    pattern: str = ""
    none: tuple[CaddyMatch, ...] = ()
    others: bool = False


@dataclass(frozen=True)
class CaddyStep:
    """What a handler of Caddy does to a request.

    Attributes:
        kind: "login", "proxy", "routes", "rewrite", "end" or "other" (which lets it pass).
        dials: whom "proxy" hands it to.
        routes: what "routes" tries in turn.
    """

    kind: str
    dials: tuple[str, ...] = ()
    routes: tuple[CaddyRoute, ...] = ()


@dataclass(frozen=True)
class CaddyRoute:
    """A route of Caddy.

    Attributes:
        matches: sets of conditions of which one must hold; () for every request.
        steps: its handlers.
        group: of the routes of one group only the first that fits is taken; "" for none.
        last: whether nothing is tried after it.
    """

    matches: tuple[CaddyMatch, ...]
    steps: tuple[CaddyStep, ...]
    group: str = ""
    last: bool = False


@dataclass(frozen=True)
class CaddyServer:
    """A server of Caddy's adapted configuration.

    Attributes:
        name: e.g. "srv0".
        listen: its addresses.
        tls: whether it speaks TLS.
        dials: whom it hands requests to, and whether over TLS.
        routes: how it gets there.
    """

    name: str
    listen: tuple[str, ...]
    tls: bool
    dials: tuple[tuple[str, bool], ...]
    routes: tuple[CaddyRoute, ...] = ()


@dataclass(frozen=True)
class CaddyConfig:
    """What the Caddy in front of Node-RED serves, as `caddy adapt` tells it (host-12)."""

    file: str
    servers: tuple[CaddyServer, ...]
    sockets: tuple[ListeningSocket, ...]

    def evidence(self) -> str:
        """Return one line for the evidence."""
        found = ", ".join(one.line() for one in self.sockets) or "nowhere"
        shown = "; ".join(f"{', '.join(one.listen)} ({'TLS' if one.tls else 'no TLS'})" for one in self.servers)
        return f"{self.file}: Caddy listens on {shown}; Node-RED on {found}"


def _files(directives: tuple[Directive, ...]) -> set[str]:
    return {one.file for one in directives} | {file for one in directives for file in _files(one.block)}


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
    """

    client: str
    lineages: tuple[str, ...] = ()
    served: str = ""
    schedule: str = ""
    scheduled: bool = False
    result: str = ""
    reloads: str = ""
    other: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.client:
            return "certbot is not there" + (f"; {self.other} is" if self.other else "")
        return (
            f"certbot: lineage served: {self.served or 'none'} (of {', '.join(self.lineages) or 'none'}); "
            f"renewed by {self.schedule or 'nothing'} ({'on' if self.scheduled else 'off'}); "
            f"last run: {self.result or 'not known'}; afterwards: {self.reloads or 'nothing is reloaded'}"
        )


@dataclass(frozen=True)
class PatchLevel:
    """The releases that run (host-16), on a date; of the modules those in the table of advisories."""

    node_red: str
    node: str
    on: date
    modules: tuple[tuple[str, str], ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        more = "".join(f", {name} {release}" for name, release in self.modules)
        return f"Node-RED {self.node_red or 'of unknown release'}, Node.js {self.node}{more}"


@dataclass(frozen=True)
class Freshness:
    """Whether what was read is what runs (host-17).

    Attributes:
        process: Node-RED.
        newer: files read that are newer than the process, with the seconds by which they are.
        nginx_newer: files of nginx that are newer than its newest worker, in the same way.
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
        stale += ["the certificate served is none of those on the host"] if self.served_on_disk is False else []
        return "; ".join(stale) or f"all {self.read} files read are older than what runs"
