"""The values of a plan: a finding, the place that it is about, a change, and the plan itself."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_nodered_sec import texts

if TYPE_CHECKING:
    from collections.abc import Iterable

FrontName = Literal["nginx", "caddy", "apache", "haproxy", "traefik", "none"]
SEVERITIES: Final = ("critical", "high", "medium", "low")


class Where(enum.Enum):
    """Where a change is made, as a person calls it."""

    SETTINGS = "settings.js"
    FRONT = "front"
    HOST = "host"
    POLICY = "nodered-sec.toml"
    CREDENTIALS = "credentials"
    PACKAGE = "packages"
    FLOWS = "in the flow"


@dataclass(frozen=True)
class Finding:
    """One finding of a run.

    Attributes:
        control: id of the control.
        severity: "critical", "high", "medium" or "low".
        code: what is wrong, as the rule calls it.
        instance: which question of the control, e.g. "GET /flows", "/ui"; "" where there is one only.
        observed: what was asked and what came back.
        remedy: the rule's own words.
    """

    control: str
    severity: str
    code: str
    instance: str = ""
    observed: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Site:
    """What a change must know of the target.

    Attributes:
        name: of the target.
        host: name or address in the URL.
        port: of HTTPS.
        http_port: of plain HTTP.
        direct_port: where Node-RED listens.
        admin_root: httpAdminRoot as the front sees it: with the URL's path, without a slash at the end.
        node_root: the same of httpNodeRoot.
        found_roots: further roots like it, which the policy does not know and something of Node-RED answered below.
        admin_api: what the policy expects: "protected", "proxied" or "disabled".
        editor: what the policy expects: "disabled" or "protected".
        dashboards: their paths below the node root: pages with a live channel at `/socket.io`.
        channels: paths of WebSockets and of other live channels below the node root.
        endpoints: paths of the site's HTTP endpoints below the node root.
        public: paths below the node root that the policy leaves open.
        hsts: seconds of Strict-Transport-Security.
        versions: TLS versions to accept, e.g. ("1.2", "1.3").
        session_seconds: longest life of a session token.
        cookies: whether cookies lack their flags.
        clients: whether strangers need a client certificate.
        node_login: whether Node-RED's own Basic login, httpNodeAuth, was seen.
        shut: absolute paths of dashboards whose page is refused without asking for a login: no account opens it.
        flows_read: whether the flows were read, so that `channels` and `endpoints` are all that these open.
        front: what stands before Node-RED; "none" where nothing does.
    """

    name: str
    host: str
    port: int = 443
    http_port: int = 80
    direct_port: int = 1880
    admin_root: str = ""
    node_root: str = ""
    found_roots: tuple[str, ...] = ()
    admin_api: str = "protected"
    editor: str = "disabled"
    dashboards: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    hsts: int = 15768000
    versions: tuple[str, ...] = ("1.2", "1.3")
    session_seconds: int = 604800
    cookies: bool = False
    clients: bool = False
    node_login: bool = False
    shut: tuple[str, ...] = ()
    flows_read: bool = True
    front: FrontName = "nginx"

    @property
    def origin(self) -> str:
        """Scheme, host and port as a browser shows them."""
        return texts.origin("https", self.host, self.port)

    @property
    def gated(self) -> tuple[str, ...]:
        """Absolute paths that need a login in front, each with everything below it; shortest first of each."""
        wanted = sorted({*self.dashboards, *self.channels, *self.endpoints} - set(self.public))
        kept: list[str] = []
        for path in wanted:
            if not any(path == prefix or path.startswith(f"{prefix.rstrip('/')}/") for prefix in kept):
                kept.append(path)
        return self._below_each_root(kept)

    @property
    def sockets(self) -> tuple[str, ...]:
        """Absolute paths at which the front passes `Upgrade` on."""
        pages = [f"{path.rstrip('/')}/socket.io" for path in self.dashboards]
        return self._below_each_root(sorted({*pages, *self.channels}))

    def _below_each_root(self, paths: Iterable[str]) -> tuple[str, ...]:
        roots = (self.node_root, *self.found_roots)
        return tuple(dict.fromkeys(root + path for root in roots for path in paths))

    @property
    def comms(self) -> str:
        """Absolute path of the editor's channel where there is to be an editor, "" elsewhere."""
        return f"{self.admin_root}/comms" if self.editor == "protected" else ""


@dataclass(frozen=True)
class Change:
    """One thing to change.

    Attributes:
        id: stable name, e.g. "settings.adminAuth", "front.gate./ui".
        where: in which file or place.
        title: what to do, as an imperative.
        breaks: what stops working where it is done wrongly.
        guide: section of docs/hardening.md.
        decide: what only a person can decide for it, "" for nothing.
    """

    id: str
    where: Where
    title: str
    breaks: str = ""
    guide: str = ""
    decide: str = ""


@dataclass(frozen=True)
class Step:
    """A change of a plan, and what it ends.

    Attributes:
        change: what to do.
        severity: of the worst finding that it ends.
        findings: which it ends.
    """

    change: Change
    severity: str
    findings: tuple[Finding, ...]

    @property
    def controls(self) -> tuple[str, ...]:
        """The controls whose findings it ends."""
        return tuple(sorted({finding.control for finding in self.findings}))
