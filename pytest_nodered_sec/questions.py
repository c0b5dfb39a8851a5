"""Which questions each control asks of a target: derived from settings and data tables, never from the network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from pytest_nodered_sec.data import editor_assets, guarded_get_routes
from pytest_nodered_sec.data.identity_headers import IDENTITY_HEADERS
from pytest_nodered_sec.data.known_holes import KNOWN_HOLES
from pytest_nodered_sec.data.spellings import SPELLINGS, respelled_routes
from pytest_nodered_sec.data.user_files import USER_FILES
from pytest_nodered_sec.data.writes import safe_writes
from pytest_nodered_sec.model import Ask, Surface
from pytest_nodered_sec.model_tls import NEW, OLD

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.model import Observation, Target

CHAIN = (Ask("chain"),)
CLIENT_CERTIFICATE = (Ask("client_certificate"),)
REVOCATION = (Ask("revocation"),)
OLD_VERSIONS = tuple(Ask("tls", (f"speaks {version}",), version) for version in OLD)
NEW_VERSIONS = (Ask("tls", (f"speaks {' '.join(NEW)}",)),)
SUITES = tuple(Ask("tls", (version,), version) for version in (*OLD, *NEW))
GROUPS = (Ask("tls", ("groups",)),)
REACH = (Ask("reach"),)
LOGIN_OFFER = (Ask("login_offer"),)
COMMS = (Ask("channel", (Surface.ADMIN.name, "/comms", "subscribe")),)
CROSS_SITE = (Ask("cross_site"),)
OWN_PORT = (Ask("direct"),)
STRANGE_NAME = (Ask("strange_name"),)
VERSIONS = (Ask("versions"),)
COOKIES = (Ask("cookies"),)
SIGN_IN = (Ask("sign_in", needs="credentials"),)
NODE_RED_RELEASE = (Ask("installed", ("Node-RED",)),)
MODULE_RELEASES = (Ask("installed", ("modules",)),)
NODE_RELEASE = (Ask("installed", ("Node.js",)),)
ADMIN_ROUTES = (Ask("admin_routes"),)
INSTALL_RIGHTS = (Ask("install_rights"),)
ENTRIES = (Ask("entries"),)
TELLS_RELEASE = tuple(
    Ask("release", (path,), f"GET {path}") for path in ("/red/about", "/settings", "/nodes", "/diagnostics")
)
LOGIN_GUESSES = (Ask("guess_login"),)

HOST_FILES = (
    "settings",
    "flows",
    "credentials",
    "sessions",
    "runtime config",
    "context",
    "projects",
    "ssh keys",
    "code",
    "environment files",
)
HOST_KEYS = ("nginx", "certbot")


def host(part: str) -> tuple[Ask, ...]:
    """Return the question for one part of what was gathered on the target's host (host-00 to host-17).

    Args:
        part: name of the part, as probes/host.py lists them.
    """
    return (Ask("host", (part,), needs="host"),)


def host_files(target: Target) -> tuple[Ask, ...]:
    """Each kind of file that holds secrets or code (host-07)."""
    return tuple(Ask("host", ("files", kind), kind, needs="host") for kind in HOST_FILES)


def host_keys(target: Target) -> tuple[Ask, ...]:
    """Each place where private keys lie (host-15)."""
    return tuple(Ask("host", ("keys", place), place, needs="host") for place in HOST_KEYS)


def http(path: str, method: str = "GET") -> Ask:
    """Return the question what an anonymous request to a site's own endpoint gets; seen is an `AccessAttempt`.

    Args:
        path: path below the node root, e.g. "/api/orders".
        method: HTTP method. Mind that a GET or HEAD runs the flow behind an open endpoint; what may write is asked with
            a body that http-in cannot parse, so that it does not.
    """
    method = method.upper()
    if method in ("GET", "HEAD", "OPTIONS"):
        return _access(Surface.NODE, _path(path), method=method)
    return Ask("endpoint", (method, _path(path), "unknown"), f"{method} {path}")


def websocket(path: str) -> Ask:
    """Return the question whether an anonymous client can open a site's own WebSocket; seen is a `ChannelAttempt`.

    Args:
        path: path below the node root, e.g. "/ws/line".
    """
    return Ask("channel", (Surface.NODE.name, _path(path), "accept"), path)


def tls(port: int) -> Ask:
    """Return the question which certificates another port of the target's machine presents; seen is a `PresentedChain`.

    Args:
        port: TCP port that begins with a TLS handshake, e.g. 8883 for MQTT.
    """
    return Ask("chain_at", (str(port),), str(port))


def question(
    look: Callable[..., Observation], *args: str, label: str = "", needs: Literal["", "credentials", "host"] = ""
) -> Ask:
    """Return a question of a site's own kind.

    Args:
        look: looks at a target: takes a `Look` and the arguments, returns an observation or raises ProbeError; a
            function of a module, which the question names.
        args: its arguments, without secrets.
        label: what a person calls this instance; needed where a control has several.
        needs: what a target must have been given, or the case is skipped as not judged.

    Raises:
        TypeError: a function that has no name of its own in a module, or arguments that are no texts.
    """
    name = getattr(look, "__name__", type(look).__name__)
    module = getattr(look, "__module__", "")
    if getattr(sys.modules.get(module), name, None) is not look:
        raise TypeError(f"question: write {name} as a function at the top of a module; the question finds it by name")
    for one in args:
        if not isinstance(one, str):
            raise TypeError(f"question: the arguments of {name} must be texts, not {type(one).__name__}")
    return Ask("own", (f"{module}:{name}", *args), label, needs)


def _path(path: str) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        raise TypeError(f"{path!r} must be a path below the node root that starts with /, such as '/api/orders'")
    return path


def _access(surface: Surface, path: str, how: str = "anonymous", method: str = "GET") -> Ask:
    return Ask("access", (surface.name, method, path, how), f"{method} {path}")


def guarded_reads(target: Target) -> tuple[Ask, ...]:
    """Every GET route that Node-RED guards, without credentials (admin-01)."""
    return tuple(_access(Surface.ADMIN, route.path) for route in guarded_get_routes())


def forged_reads(target: Target) -> tuple[Ask, ...]:
    """The same with a bearer token that nobody issued (admin-02)."""
    return tuple(_access(Surface.ADMIN, route.path, "forged") for route in guarded_get_routes())


def harmless_writes(target: Target) -> tuple[Ask, ...]:
    """Every writing route for which a request is known that writes nothing (admin-03)."""
    return tuple(
        Ask(
            "access",
            (
                Surface.ADMIN.name,
                row.method,
                row.path,
                "unwritten",
                f"{row.open_status} {row.open_type}",
                row.body,
                *(["Content-Type: application/json"] if row.body else []),
                *row.headers,
            ),
            f"{row.method} {row.path}",
        )
        for row in safe_writes()
    )


def editor_page(target: Target) -> tuple[Ask, ...]:
    """The editor's page (editor-01)."""
    return (Ask("access", (Surface.EDITOR.name, "GET", "/", "anonymous")),)


def editor_parts(target: Target) -> tuple[Ask, ...]:
    """The editor's assets, and the routes of the editor app (editor-02)."""
    routes = [route.path for route in guarded_get_routes() if route.app == "editor"]
    assets = [asset.path for asset in editor_assets()]
    return tuple(_access(Surface.EDITOR, path) for path in (*assets, *routes))


def dashboards_of(target: Target) -> tuple[str, ...]:
    """Return the dashboards' paths below the node root: those declared, else the two products' defaults."""
    declared = target.policy.dashboards
    return ("/ui", "/dashboard") if declared is None else declared


def dashboard_pages(target: Target) -> tuple[Ask, ...]:
    """Each dashboard's page (dash-01)."""
    return tuple(
        Ask("access", (Surface.DASHBOARD.name, "GET", path, "anonymous"), path) for path in dashboards_of(target)
    )


def dashboard_channels(target: Target) -> tuple[Ask, ...]:
    """Each dashboard's live channel (dash-02)."""
    return tuple(Ask("socket", (path,), path) for path in dashboards_of(target))


def public_widgets(target: Target) -> tuple[Ask, ...]:
    """What each dashboard shows (dash-05); asked only where it is declared public."""
    return tuple(Ask("widgets", (path,), path) for path in dashboards_of(target))


_USUAL_INTERFACES = (("uibuilder", ""), ("worldmap", "/worldmap"), ("flexdash", "/flexdash"))


def interfaces(target: Target) -> tuple[Ask, ...]:
    """Each user interface that is no dashboard: those declared, and of other kinds the default place (live-01)."""
    declared = [(one.kind, one.path) for one in target.policy.interfaces]
    usual = [one for one in _USUAL_INTERFACES if one[0] not in {kind for kind, _ in declared}]
    return tuple(Ask("interface", one, " ".join(one).rstrip()) for one in (*declared, *usual))


def _harmless_endpoints(target: Target) -> tuple[str, ...]:
    """Return paths of declared endpoints at which a GET does nothing."""
    return tuple(one.path for one in target.policy.protected_paths if (one.method, one.effect) == ("GET", "none"))


def endpoints(target: Target) -> tuple[Ask, ...]:
    """Each HTTP endpoint that the policy declares (node-01)."""
    return tuple(
        Ask("endpoint", (one.method, one.path, one.effect), f"{one.method} {one.path}")
        for one in target.policy.protected_paths
    )


def websockets(target: Target) -> tuple[Ask, ...]:
    """Each WebSocket endpoint that the policy declares (node-02)."""
    return tuple(Ask("channel", (Surface.NODE.name, path, "accept"), path) for path in target.policy.websockets)


def foreign_origins(target: Target) -> tuple[Ask, ...]:
    """Each live channel with a foreign Origin (origin-01)."""
    return (
        Ask("foreign", ("comms", "/comms"), "/comms"),
        *(Ask("foreign", ("dashboard", path), path) for path in dashboards_of(target)),
        *(Ask("foreign", ("websocket", path), path) for path in target.policy.websockets),
    )


def support_data(target: Target) -> tuple[Ask, ...]:
    """What Dashboard 2 keeps beside its page (dash-03); a guess at Dashboard 1 has none of it."""
    bases = [path for path in dashboards_of(target) if target.policy.dashboards is not None or path != "/ui"]
    parts = ("/_setup", "/_debug/datastore/NOPE", "/_debug/statestore/NOPE")
    return tuple(_access(Surface.DASHBOARD, base.rstrip("/") + part) for base in bases for part in parts)


def _respelled(surface: Surface, plain: str) -> tuple[Ask, ...]:
    spelled = [one.write(plain.rstrip("/")) for one in SPELLINGS]
    return tuple(Ask("variant", (surface.name, plain, path), f"GET {path}") for path in spelled if path != plain)


def respelled_reads(target: Target) -> tuple[Ask, ...]:
    """Guarded routes in every spelling that real proxies were passed by (admin-05)."""
    return tuple(ask for path in respelled_routes() for ask in _respelled(Surface.ADMIN, path))


def respelled_pages(target: Target) -> tuple[Ask, ...]:
    """Each dashboard's page in every such spelling (dash-04)."""
    return tuple(ask for path in dashboards_of(target) for ask in _respelled(Surface.DASHBOARD, path))


def claimed_identities(target: Target) -> tuple[Ask, ...]:
    """Each identity header at the admin API, and all of them at once at each dashboard (admin-12)."""
    every = [f"{name}: {value}" for name, value in IDENTITY_HEADERS]
    return (
        *(
            Ask("variant", (Surface.ADMIN.name, "/settings", "/settings", "claimed", one), one.split(":")[0])
            for one in every
        ),
        *(
            Ask("variant", (Surface.DASHBOARD.name, path, path, "claimed", *every), path)
            for path in dashboards_of(target)
        ),
    )


def foreign_readers(target: Target) -> tuple[Ask, ...]:
    """An answer of the admin API, and the preflight of a write, to a foreign Origin (admin-07)."""
    origin = "Origin: https://stranger.invalid"
    return (
        Ask("access", (Surface.ADMIN.name, "GET", "/settings", "foreign", "", "", origin), "GET /settings"),
        Ask(
            "access",
            (Surface.ADMIN.name, "OPTIONS", "/flow", "foreign", "", "", origin, "Access-Control-Request-Method: POST"),
            "OPTIONS /flow",
        ),
    )


def pages(target: Target) -> tuple[Ask, ...]:
    """Each page that a person opens (editor-03)."""
    editor = Ask("access", (Surface.EDITOR.name, "GET", "/", "anonymous"), "editor")
    return (editor, *dashboard_pages(target))


def user_files(target: Target) -> tuple[Ask, ...]:
    """Each file of the user directory that has a name everybody knows (static-01)."""
    return tuple(Ask("file", row, row[0]) for row in USER_FILES)


def known_holes(target: Target) -> tuple[Ask, ...]:
    """Each known hole by which files can be read (static-02)."""
    return tuple(Ask("hole", row, row[0]) for row in KNOWN_HOLES)


def basic_logins(target: Target) -> tuple[Ask, ...]:
    """Each place where a Basic login may stand, and where a GET does no harm (cred-02)."""
    return (
        Ask("guess_basic", (Surface.ADMIN.name, "/settings"), "admin"),
        Ask("guess_basic", (Surface.NODE.name, ""), "node"),
        *(Ask("guess_basic", (Surface.DASHBOARD.name, path), path) for path in dashboards_of(target)),
        *(Ask("guess_basic", (Surface.NODE.name, path), f"GET {path}") for path in _harmless_endpoints(target)),
    )


def surfaces_in_clear(target: Target) -> tuple[Ask, ...]:
    """Every surface over plain HTTP (http-01)."""
    fixed = (
        Ask("plain", ("editor", "admin", "/"), "editor"),
        Ask("plain", ("admin-api", "admin", "/settings"), "admin-api"),
        Ask("plain", ("login", "admin", "/auth/login"), "login"),
        Ask("plain", ("node", "node", ""), "node"),
    )
    return (
        *fixed,
        *(Ask("plain", (path, "node", path), path) for path in dashboards_of(target)),
        *(Ask("plain", (path, "node", path), f"GET {path}") for path in _harmless_endpoints(target)),
    )


def redirects(target: Target) -> tuple[Ask, ...]:
    """Where plain HTTP sends pages, and a log-in (http-02)."""
    fixed = (
        Ask("redirects", ("admin", "/", "GET"), "editor"),
        Ask("redirects", ("admin", "/auth/token", "POST"), "token"),
    )
    return (*fixed, *(Ask("redirects", ("node", path, "GET"), path) for path in dashboards_of(target)))


def logins_in_clear(target: Target) -> tuple[Ask, ...]:
    """The login endpoints over plain HTTP, without credentials (http-03)."""
    return (
        Ask("plain", ("login", "admin", "/auth/login"), "GET /auth/login"),
        Ask("plain", ("token", "admin", "/auth/token", "POST"), "POST /auth/token"),
    )


SPOOFS = tuple(Ask("spoofed", (header,), header) for header in ("X-Forwarded-Proto", "X-Forwarded-Host", "Host"))


def channels_in_clear(target: Target) -> tuple[Ask, ...]:
    """Every live channel over plain HTTP (http-05)."""
    return (
        *(Ask("plain_channel", ("Socket.IO", "node", path), path) for path in dashboards_of(target)),
        Ask("plain_channel", ("WebSocket", "admin", "/comms"), "/comms"),
        *(Ask("plain_channel", ("WebSocket", "node", path), f"WebSocket {path}") for path in target.policy.websockets),
    )


def opened_pages(target: Target) -> tuple[Ask, ...]:
    """Each page that a person opens, over HTTPS (http-06)."""
    editor = Ask("page", ("admin", "/"), "editor")
    return (editor, *(Ask("page", ("node", path), path) for path in dashboards_of(target)))


def closed_ports(target: Target) -> tuple[Ask, ...]:
    """Each port that the policy declares closed (proxy-04)."""
    return tuple(Ask("closed_port", (str(port),), str(port)) for port in target.policy.closed_ports)


def waivers(target: Target) -> tuple[Ask, ...]:
    """Each waiver that the policy has for the target (waiver-01)."""
    return tuple(Ask("", label=str(waiver)) for waiver in target.policy.waivers)
