"""The proxies of a host: nginx and Caddy, as services and as configurations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import ListeningSocket, Unit

    pass


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
        if self.unit is not None and self.unit.wanted is False:
            enabled += ", but nothing that starts then starts it"
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
        admin_root: path of its editor and admin API; "" where it has none, or settings.js does not tell.
        node_root: path of its dashboards and endpoints, "" for /.
    """

    directives: tuple[Directive, ...]
    sockets: tuple[ListeningSocket, ...]
    other: str = ""
    admin_root: str = ""
    node_root: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.other:
            return self.other
        listeners = ", ".join(listener.line() for listener in self.sockets) or "nowhere"
        return f"nginx -T: {counted(len(_files(self.directives)), 'file')}; Node-RED listens on {listeners}"


@dataclass(frozen=True)
class CaddyMatch:
    """A set of conditions of a route in Caddy, all of which must hold.

    Attributes:
        hosts: names, of which one is asked for; () for any.
        paths: path patterns, of which one fits, whatever the letter case; () for any.
        pattern: regular expression that the path fits, or "".
        none: sets of which none may hold.
        others: whether there are further conditions, as 0.1.0 told it.
        name: of the regular expression, by which placeholders refer to what it captured.
        methods: HTTP methods, () for any.
        protocol: "http", "https" …, or "".
        networks: of clients, () for any.
        forwarded: of clients as trusted proxies tell their addresses, () for any.
        headers: names of headers and query arguments that are asked about.
        statuses: of the error that is handled, () for any.
        files: whether it asks for files on disk.
        unread: names of further conditions.
    """

    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    pattern: str = ""
    none: tuple[CaddyMatch, ...] = ()
    others: bool = False
    name: str = ""
    methods: tuple[str, ...] = ()
    protocol: str = ""
    networks: tuple[str, ...] = ()
    forwarded: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    files: bool = False
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaddyStep:
    """What a handler of Caddy does to a request.

    Attributes:
        kind: "login", "proxy", "routes", "rewrite", "end", "error", "file", "invoke", "sign", "pass", "unknown", or
            "other", as 0.1.0 told what lets it pass.
        dials: whom "proxy" hands it to.
        routes: what "routes" tries in turn.
        name: of the handler, or of the route that "invoke" goes to.
        uri: what it is rewritten to, "" for nothing; likewise before "proxy" hands it on.
        prefix: what is taken off the path's beginning.
        suffix: what is taken off its end.
        swaps: texts that are replaced in it: what, by what, how often (0: always).
        patterns: regular expressions whose matches are replaced in it, and by what.
        status: of the answer, or of the error.
        passes: whether "file" lets pass what is not there.
        gathers: whether "proxy" finds out itself whom to hand it to.
        answers: what "proxy" does with an answer: its statuses (1 to 5 for a whole class, () for any), and routes.
        errors: what "routes" tries after an error.
    """

    kind: str
    dials: tuple[str, ...] = ()
    routes: tuple[CaddyRoute, ...] = ()
    name: str = ""
    uri: str = ""
    prefix: str = ""
    suffix: str = ""
    swaps: tuple[tuple[str, str, int], ...] = ()
    patterns: tuple[tuple[str, str], ...] = ()
    status: int = 0
    passes: bool = False
    gathers: bool = False
    answers: tuple[tuple[tuple[int, ...], tuple[CaddyRoute, ...]], ...] = ()
    errors: tuple[CaddyRoute, ...] = ()


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
        errors: what is tried after an error.
        named: routes that "invoke" goes to, by name.
        certificates: names for which it demands a client certificate that it verifies, "*" for all.
        trusts: networks of proxies whose word on a client's address it takes, "*" where that is not known.
        raw: whether it hands connections on without looking into them.
        relays: networks whose word on a client's address it takes by the PROXY protocol, "*" where that is not known.
    """

    name: str
    listen: tuple[str, ...]
    tls: bool
    dials: tuple[tuple[str, bool], ...]
    routes: tuple[CaddyRoute, ...] = ()
    errors: tuple[CaddyRoute, ...] = ()
    named: tuple[tuple[str, CaddyRoute], ...] = ()
    certificates: tuple[str, ...] = ()
    trusts: tuple[str, ...] = ()
    raw: bool = False
    relays: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaddyConfig:
    """What the Caddy in front of Node-RED serves, as `caddy adapt` tells it (host-12).

    Attributes:
        file: where it says so.
        servers: what serves.
        sockets: what Node-RED listens on.
        admin_root: path of its editor and admin API; "" where it has none, or settings.js does not tell.
        node_root: path of its dashboards and endpoints, "" for /.
    """

    file: str
    servers: tuple[CaddyServer, ...]
    sockets: tuple[ListeningSocket, ...]
    admin_root: str = ""
    node_root: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        listeners = ", ".join(listener.line() for listener in self.sockets) or "nowhere"
        shown = "; ".join(
            f"{', '.join(server.listen)} ({'TLS' if server.tls else 'no TLS'})" for server in self.servers
        )
        return f"{self.file}: Caddy listens on {shown}; Node-RED on {listeners}"


def _files(directives: tuple[Directive, ...]) -> set[str]:
    return {directive.file for directive in directives} | {
        file for directive in directives for file in _files(directive.block)
    }
