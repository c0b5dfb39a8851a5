"""The questions that each control asks of a target: derived from settings and data tables, never from the network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from pytest_nodered_sec.data import editor_assets, guarded_get_routes
from pytest_nodered_sec.data.known_holes import KNOWN_HOLES
from pytest_nodered_sec.data.user_files import USER_FILES
from pytest_nodered_sec.data.writes import safe_writes
from pytest_nodered_sec.model import Ask, Surface
from pytest_nodered_sec.observations.tls import NEW, OLD
from pytest_nodered_sec.questions.surfaces import askable_endpoints, dashboards_of, harmless_endpoints
from pytest_nodered_sec.questions.ways import claimed_identities as claimed_identities
from pytest_nodered_sec.questions.ways import cross_origin_readers as cross_origin_readers
from pytest_nodered_sec.questions.ways import other_roots as other_roots
from pytest_nodered_sec.questions.ways import other_ways as other_ways
from pytest_nodered_sec.questions.ways import respelled_pages as respelled_pages
from pytest_nodered_sec.questions.ways import respelled_reads as respelled_reads

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.model import Observation, Target

CHAIN = (Ask("chain"),)
OWN_KEY = (Ask("chain", beside=True),)
OWN_MACHINE = (Ask("host", ("marks",), needs="host", beside=True),)
CLIENT_CERTIFICATE = (Ask("client_certificate"),)
REVOCATION = (Ask("revocation"),)
OLD_VERSIONS = tuple(Ask("tls", (f"speaks {version}",), version) for version in OLD)
NEW_VERSIONS = (Ask("tls", (f"speaks {' '.join(NEW)}",)),)
SUITES = tuple(Ask("tls", (version,), version) for version in (*OLD, *NEW))
GROUPS = (Ask("tls", ("groups",)),)
RENEGOTIATION = (Ask("tls", ("renegotiation",)),)
REACH = (Ask("reach"),)
ADDRESSES = (Ask("addresses"),)
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
PASSAGES = (Ask("passages"),)
SECRETS_IN_FLOWS = (Ask("flows", ("secrets",)),)
VERIFICATION_IN_FLOWS = (Ask("flows", ("verification",)),)
ACTING_ENTRIES = (Ask("flows", ("acting",)),)
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
SETTINGS_FILES = (Ask("host", ("files", "settings"), needs="host"),)


def host(part: str) -> tuple[Ask, ...]:
    """Return the question for one part of what was gathered on the target's host (host-00 to host-21).

    Args:
        part: name of the part, as probes/host/gather.py lists them.
    """
    return (Ask("host", (part,), needs="host"),)


def host_files(target: Target) -> tuple[Ask, ...]:
    """Each kind of file that holds secrets or code (host-07)."""
    return tuple(Ask("host", ("files", kind), kind, needs="host") for kind in HOST_FILES)


def host_keys(target: Target) -> tuple[Ask, ...]:
    """Each place where private keys lie (host-15)."""
    return tuple(Ask("host", ("keys", place), place, needs="host") for place in HOST_KEYS)


def http(path: str, method: str = "GET") -> Ask:
    """Return the question how a site's own endpoint answers an anonymous request; the answer is an `AccessAttempt`.

    Args:
        path: path below the node root, e.g. "/api/orders".
        method: HTTP method. A GET or HEAD runs the flow behind an open endpoint; writing methods are sent with a body
            that `http in` cannot parse, so that they do not.
    """
    method = method.upper()
    if method in ("GET", "HEAD", "OPTIONS"):
        return _access(Surface.NODE, _path(path), method=method)
    return Ask("endpoint", (method, _path(path), "unknown"), f"{method} {path}")


def websocket(path: str) -> Ask:
    """Return the question whether an anonymous client can open a site's WebSocket; the answer is a `ChannelAttempt`.

    Args:
        path: path below the node root, e.g. "/ws/line".
    """
    return Ask("channel", (Surface.NODE.name, _path(path), "accept"), path)


def tls(port: int) -> Ask:
    """Return the question which certificates another port of the target presents; the answer is a `PresentedChain`.

    Args:
        port: TCP port that begins with a TLS handshake, e.g. 8883 for MQTT.
    """
    return Ask("chain_at", (str(port),), str(port))


def question(
    look: Callable[..., Observation], *args: str, label: str = "", needs: Literal["", "credentials", "host"] = ""
) -> Ask:
    """Return a question that a site's own function answers.

    Args:
        look: looks at a target: takes a `Look` and the arguments, returns an observation or raises ProbeError; a
            function of a module, which the question names.
        args: its arguments, without secrets.
        label: name of this instance in the test id; required if a control has several.
        needs: what the target must be configured with ("credentials", "host"); otherwise the case is not judged.

    Raises:
        TypeError: a function that is not at the top of a module, or arguments that are not strings.
    """
    name = getattr(look, "__name__", type(look).__name__)
    module = getattr(look, "__module__", "")
    if getattr(sys.modules.get(module), name, None) is not look:
        raise TypeError(f"question: write {name} as a function at the top of a module; the question finds it by name")
    for arg in args:
        if not isinstance(arg, str):
            raise TypeError(f"question: the arguments of {name} must be strings, not {type(arg).__name__}")
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
    """The same routes with a made-up bearer token (admin-02)."""
    hexadecimal = (_access(Surface.ADMIN, route.path, "forged") for route in guarded_get_routes())
    return (*hexadecimal, Ask("access", (Surface.ADMIN.name, "GET", "/settings", "unsigned"), "GET /settings JWT"))


def harmless_writes(target: Target) -> tuple[Ask, ...]:
    """Every write route for which a request is known that writes nothing (admin-03)."""
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


def dashboard_pages(target: Target) -> tuple[Ask, ...]:
    """Each dashboard's page (dash-01)."""
    return tuple(
        Ask("access", (Surface.DASHBOARD.name, "GET", path, "anonymous"), path) for path in dashboards_of(target)
    )


def dashboard_channels(target: Target) -> tuple[Ask, ...]:
    """Each dashboard's live channel (dash-02)."""
    return tuple(Ask("socket", (path,), path) for path in dashboards_of(target))


def dashboards_with_account(target: Target) -> tuple[Ask, ...]:
    """Each dashboard, opened with the account given for that (dash-06)."""
    return tuple(Ask("dashboard_visit", (path,), path, needs="dashboard_credentials") for path in dashboards_of(target))


def public_widgets(target: Target) -> tuple[Ask, ...]:
    """What each dashboard shows (dash-05); asked only where it is declared public."""
    return tuple(Ask("widgets", (path,), path) for path in dashboards_of(target))


_USUAL_INTERFACES = (("uibuilder", ""), ("worldmap", "/worldmap"), ("flexdash", "/flexdash"))


def interfaces(target: Target) -> tuple[Ask, ...]:
    """Each user interface other than a dashboard: those declared, else each kind's default path (live-01)."""
    declared = [(interface.kind, interface.path) for interface in target.policy.interfaces]
    usual = [interface for interface in _USUAL_INTERFACES if interface[0] not in {kind for kind, _ in declared}]
    return tuple(Ask("interface", interface, " ".join(interface).rstrip()) for interface in (*declared, *usual))


def endpoints(target: Target) -> tuple[Ask, ...]:
    """Each HTTP endpoint that the policy declares (node-01)."""
    return tuple(
        Ask(
            "endpoint",
            (endpoint.method, endpoint.path, endpoint.effect),
            f"{endpoint.method} {endpoint.path}",
        )
        for endpoint in target.policy.protected_paths
    )


def websockets(target: Target) -> tuple[Ask, ...]:
    """Each WebSocket endpoint that the policy declares (node-02)."""
    return tuple(Ask("channel", (Surface.NODE.name, path, "accept"), path) for path in target.policy.websockets)


def foreign_origins(target: Target) -> tuple[Ask, ...]:
    """Each live channel with a foreign Origin (origin-01); a path may stand for another channel and a WebSocket."""
    others = (("comms", "/comms"), *(("dashboard", path) for path in dashboards_of(target)))
    taken = [path for _, path in others]
    return (
        *(Ask("foreign", other, other[1]) for other in others),
        *(
            Ask("foreign", ("websocket", path), f"WebSocket {path}" if path in taken else path)
            for path in target.policy.websockets
        ),
    )


def support_data(target: Target) -> tuple[Ask, ...]:
    """The files that Dashboard 2 serves beside its page (dash-03); Dashboard 1 has none of them."""
    bases = [path for path in dashboards_of(target) if target.policy.dashboards is not None or path != "/ui"]
    parts = ("/_setup", "/_debug/datastore/NOPE", "/_debug/statestore/NOPE")
    return tuple(_access(Surface.DASHBOARD, base.rstrip("/") + part) for base in bases for part in parts)


def foreign_readers(target: Target) -> tuple[Ask, ...]:
    """An answer of the admin API, and the preflight of a write, to a foreign Origin (admin-07)."""
    origin = "Origin: https://stranger.invalid"
    return (
        Ask("admin_cross_origin", label="GET /settings"),
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
    """Each file of the user directory with a well-known name (static-01)."""
    return tuple(Ask("file", row, row[0]) for row in USER_FILES)


def known_holes(target: Target) -> tuple[Ask, ...]:
    """Each known vulnerability through which files can be read (static-02)."""
    return tuple(Ask("hole", row, row[0]) for row in KNOWN_HOLES)


def basic_logins(target: Target) -> tuple[Ask, ...]:
    """Each path that may have a Basic login and where a GET does no harm (cred-02)."""
    return (
        Ask("guess_basic", (Surface.ADMIN.name, "/settings"), "admin"),
        Ask("guess_basic", (Surface.NODE.name, ""), "node"),
        *(Ask("guess_basic", (Surface.DASHBOARD.name, path), path) for path in dashboards_of(target)),
        *(Ask("guess_basic", (Surface.NODE.name, path), f"GET {path}") for path in harmless_endpoints(target)),
    )


def surfaces_in_clear(target: Target) -> tuple[Ask, ...]:
    """Every surface over plain HTTP (http-01)."""
    fixed = (
        Ask("plain", ("editor", "admin", "/"), "editor"),
        Ask("plain", ("admin-api", "admin", "/settings"), "admin-api"),
        Ask("plain", ("login", "admin", "/auth/login"), "login"),
        Ask("plain", ("node", "node", ""), "node"),
    )
    writing = [spot for spot in askable_endpoints(target) if spot.method != "GET"]
    return (
        *fixed,
        *(Ask("plain", (path, "node", path), path) for path in dashboards_of(target)),
        *(Ask("plain", (path, "node", path), f"GET {path}") for path in harmless_endpoints(target)),
        *(Ask("plain_write", (spot.method, spot.path), spot.label) for spot in writing),
        Ask("plain", ("flows", "admin", "/flows"), "GET /flows"),
        *([Ask("by_address_in_clear", label="the address as Host")] if target.named and target.tls else []),
    )


def redirects(target: Target) -> tuple[Ask, ...]:
    """The redirects of pages and of a login over plain HTTP (http-02)."""
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
