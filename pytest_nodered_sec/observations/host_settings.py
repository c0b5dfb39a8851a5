"""What settings.js of a host says, reduced: no hash, no secret and no path of anybody else's leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.observations.host_proxies import CaddyConfig, NginxConfig

    pass


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
        if self.scheme == "other":
            return "no bcrypt hash: a plain-text password, a placeholder that was never replaced, or a damaged hash"
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
        hashes = "; ".join(f"{who}: {account_hash.line()}" for who, account_hash in self.hashes)
        auth = f"adminAuth {self.type or self.kind}" + (f", default user may {self.default}" if self.default else "")
        return f"{self.file}: {auth}" + (f"; {hashes}" if hashes else "")


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
    proxy: NginxConfig | CaddyConfig | FrontConfig | None = None

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
        if any(page or live for _, page, live in self.dashboards) or (self.web_sockets and self.web_sockets_guarded):
            parts.append("whether these functions refuse anonymous clients is checked by dash-02 and live-01")
        return f"{self.file}: {'; '.join(parts) or 'no dashboard and no WebSocket node in the flows'}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


@dataclass(frozen=True)
class EditorSettings:
    """Editor and admin API in settings.js (host-05).

    Attributes:
        file: path of settings.js.
        disabled: disableEditor is true.
        admin_root: httpAdminRoot, or httpRoot in its place; "false" where it is false; "" where neither is set.
        http_root: the deprecated httpRoot as written, "" where it is not set.
        admin_auth: adminAuth is set.
        basic_admin_auth: the deprecated httpAdminAuth is set.
        cors: keys by which pages of any origin may read what a user's browser gets with its login.
        cookie: options of httpAdminCookieOptions that keep the log-in's cookie from nobody, as written.
    """

    file: str
    disabled: bool
    admin_root: str
    http_root: str
    admin_auth: bool
    basic_admin_auth: bool
    cors: tuple[str, ...] = ()
    cookie: tuple[str, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return (
            f"{self.file}: disableEditor {str(self.disabled).lower()}, httpAdminRoot {self.admin_root or '(default)'}, "
            f"adminAuth {_yes(self.admin_auth)}"
            + (", httpAdminAuth yes" if self.basic_admin_auth else "")
            + (f", httpRoot {self.http_root}" if self.http_root else "")
            + "".join(f", {key} for any origin" for key in self.cors)
            + (f", httpAdminCookieOptions {', '.join(self.cookie)}" if self.cookie else "")
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
        modes = ", ".join(self.open)
        return f"{self.file}: " + (f"not switched off: {modes}" if modes else "nothing can be installed at run time")


@dataclass(frozen=True)
class Egress:
    """What leaves the plant without any flow that sends it (host-20).

    Attributes:
        file: path of settings.js.
        release: of Node-RED; telemetry came with 4.1.
        telemetry: "on", "off", or "unset": off until a user of the editor agrees.
        said_by: who switched telemetry on or off: "settings.js", "a user of the editor" …, or "".
        catalogues: servers from which the editor, in its user's browser, gets what can be installed.
        assistants: AI assistants that are installed, with their releases.
    """

    file: str
    release: str
    telemetry: str
    said_by: str = ""
    catalogues: tuple[str, ...] = ()
    assistants: tuple[tuple[str, str], ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        state = "off until a user of the editor agrees" if self.telemetry == "unset" else self.telemetry
        said = f" ({self.said_by})" if self.said_by else ""
        more = "".join(f", {name} {release}" for name, release in self.assistants) or ", no AI assistant known here"
        return f"{self.file}: telemetry {state}{said}, catalogues: {', '.join(self.catalogues) or 'none'}{more}"
