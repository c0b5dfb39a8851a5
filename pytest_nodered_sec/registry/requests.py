"""The requests that the probes send to a target's URL, listed without sending them.

Placeholders stand for values that are new each time: `<random>`, `<sid>`, `<hex>`. Redirects on the same host are
followed and not listed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.letters import mixed_case
from pytest_nodered_sec.data.part import with_query, written
from pytest_nodered_sec.data.queries import TRANSPORT
from pytest_nodered_sec.data.roots import EVERYTHING
from pytest_nodered_sec.data.user_files import FOLDERS, USER_FILES
from pytest_nodered_sec.data.ways import ASSETS, UNTIDY, USUAL_ASSETS
from pytest_nodered_sec.model import Surface, ending_of, root_in_mixed_case
from pytest_nodered_sec.registry.ways import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.data.part import Part
    from pytest_nodered_sec.model import Target


class Manner(enum.Enum):
    """What a request looks like to its receiver."""

    HANDSHAKE = "handshake"
    READ = "read"
    WRITE = "write-shaped"
    GUESS = "guess"
    EXPLOIT = "exploit-shaped"
    OWN = "the site's own"

    @property
    def meaning(self) -> str:
        """What it is, in one line."""
        return _MEANING[self]

    @property
    def calm(self) -> bool:
        """Whether it is sent in calm mode."""
        return self not in (Manner.GUESS, Manner.EXPLOIT)


_MEANING: Final = {
    Manner.HANDSHAKE: "TCP, TLS, WebSocket or Socket.IO: connect and close",
    Manner.READ: "GET, HEAD or OPTIONS",
    Manner.WRITE: "a write request that writes nothing, or a login with your account, logged out at once",
    Manner.GUESS: "a login with a published password",
    Manner.EXPLOIT: "looks like an attack (forged headers, dot segments), and changes nothing",
    Manner.OWN: "what a function of your own does",
}


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        manner: how it looks.
        method: HTTP method, or what else is done.
        path: absolute path with query.
        plain: whether it goes over plain HTTP.
    """

    manner: Manner
    method: str
    path: str
    plain: bool = False


POLLING: Final = "/?EIO=4&transport=polling"
UPGRADED: Final = POLLING.replace("polling", "websocket")
DISGUISED: Final = POLLING.replace("polling", "%77ebsocket")
READS: Final = ("GET", "HEAD", "OPTIONS")
INSIDE: Final = ("/settings", "/nodes", "/diagnostics", "/flows")  # what tells about a Node-RED, to who may read


def for_landmarks(target: Target) -> list[Request]:
    """Return what is asked of every target: canaries at the start, every 30 looks and at the end, and who it is."""
    roots = dict.fromkeys((target.admin("/<random>"), target.node("/<random>")))
    shown = [target.admin("/settings"), target.admin("/auth/login")]
    perhaps = [target.admin("/uisettings"), target.node("/dashboard/_setup"), target.node("/")]
    harmless = [
        endpoint.path
        for endpoint in target.policy.protected_paths
        if (endpoint.method, endpoint.effect) == ("GET", "none")
    ]
    perhaps += map(target.node, (*target.dashboards, *harmless))  # where a random path gets the connection closed
    for base in target.policy.dashboards or ("/ui", "/dashboard"):
        perhaps.append(target.node(base.rstrip("/") + "/socket.io") + POLLING)
    reads = [Request(Manner.READ, "GET", path) for path in (*roots, *shown, *perhaps)]
    left = [Request(Manner.HANDSHAKE, "POST", f"{path}&sid=<sid>") for path in perhaps if path.endswith(POLLING)]
    return [Request(Manner.HANDSHAKE, "CONNECT", f"port {target.dialled[1]}"), *reads, *left]


def root_of(target: Target, surface: str, path: str) -> str:
    """Return the absolute path of a path below a surface's root."""
    inside = Surface[surface] in (Surface.ADMIN, Surface.EDITOR)
    return target.admin(path) if inside else target.node(path)


def for_access(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `access` may send."""
    surface, method, path, how, *_ = args
    manner = Manner.READ if method in READS else Manner.WRITE
    if how == "claimed":
        manner = Manner.EXPLOIT
    hints = {"/ui": target.admin("/uisettings"), "/dashboard": target.node("/dashboard/_setup")}
    told = surface == Surface.DASHBOARD.name and target.policy.dashboards is None and path in hints
    requests = [Request(manner, method, root_of(target, surface, path))]
    if method != "GET" or (surface == Surface.EDITOR.name and ending_of(path)):  # where it is not refused
        alike = dict.fromkeys(("/<random>", f"/<random>{ending_of(path)}"))
        requests += [Request(manner, method, root_of(target, surface, random)) for random in alike]
    elif surface == Surface.DASHBOARD.name:  # where a page comes that shows no dashboard
        below = root_of(target, surface, path.rstrip("/") + "/<random>")
        requests.append(replace(requests[0], path=below))
    return [*requests, Request(Manner.READ, "GET", hints[path])] if told else requests


def for_endpoint(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `endpoint` may send."""
    method, path, effect = args
    if effect == "acts" or (method in ("GET", "HEAD") and effect != "none"):
        return []
    if method in ("GET", "HEAD"):
        return for_access(target, (Surface.NODE.name, method, path, "anonymous"))
    return [Request(Manner.WRITE, method, target.node(where)) for where in ("/<random>", path)]


def joining(target: Target, socket: str) -> list[Request]:
    """Return what joining a Socket.IO channel sends."""
    base = target.node(socket) + POLLING
    session = f"{base}&sid=<sid>"
    return [
        Request(Manner.HANDSHAKE, "GET", base),
        Request(Manner.HANDSHAKE, "POST", session),
        Request(Manner.HANDSHAKE, "GET", session),
    ]


def for_socket(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `socket` may send."""
    (path,) = args
    socket = path.rstrip("/") + "/socket.io"
    hint = for_access(target, (Surface.DASHBOARD.name, "GET", path, "anonymous"))[2:]
    base = target.node(socket)
    joins = [*joining(target, socket), *hint, Request(Manner.HANDSHAKE, "GET", base + UPGRADED)]
    if target.policy.mode == "calm":
        return joins
    assets = (f"{base}/{asset}{POLLING.removeprefix('/')}" for asset in dict.fromkeys((*ASSETS, *USUAL_ASSETS)))
    detours = (base + DISGUISED, base + "/.." * base.count("/") + "/x" + POLLING, *assets)
    return [*joins, *(Request(Manner.EXPLOIT, "GET", detour) for detour in detours)]


def for_dashboard_visit(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `dashboard_visit` may send, with the dashboards' account; the page without it as well."""
    (path,) = args
    base = path.rstrip("/")
    asked = [f"{base}/", f"{base}/<a script or style of the page>"]
    reads = [Request(Manner.READ, "GET", target.node(where)) for where in asked]
    return [*reads, *joining(target, f"{base}/socket.io")]


def for_widgets(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `widgets` may send."""
    (path,) = args
    hint = for_access(target, (Surface.DASHBOARD.name, "GET", path, "anonymous"))[2:]
    return [
        *joining(target, path.rstrip("/") + "/socket.io"),
        *hint,
        Request(Manner.READ, "GET", target.admin("/uisettings")),
    ]


def for_interface(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `interface` may send."""
    kind, path = args
    if kind != "worldmap":
        socket = "/uibuilder/vendor/socket.io" if kind == "uibuilder" else f"{path.rstrip('/')}/io"
        apart = kind == "uibuilder" and target.node_root != "/"
        roots = (target, replace(target, node_root="/")) if apart else (target,)
        return [
            request
            for root in roots
            for request in (
                *joining(root, socket),
                *(Request(Manner.HANDSHAKE, "GET", root.node(where)) for where in (socket + UPGRADED, "/<random>")),
            )
        ]
    socket = target.node(f"{path.rstrip('/')}/socket")
    return [
        Request(Manner.READ, "GET", f"{socket}/info"),
        Request(Manner.HANDSHAKE, "POST", f"{socket}/000/<random>/xhr"),
        Request(Manner.HANDSHAKE, "GET", f"{socket}/000/<random>/websocket"),
        Request(Manner.HANDSHAKE, "GET", target.node("/<random>")),
    ]


def for_upgrade(target: Target, surface: str, path: str) -> list[Request]:
    """Return what asking for a WebSocket sends."""
    return [Request(Manner.HANDSHAKE, "GET", root_of(target, surface, where)) for where in (path, "/<random>")]


def for_foreign(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `foreign` may send."""
    kind, path = args
    if kind == "dashboard":
        return joining(target, path.rstrip("/") + "/socket.io")
    return for_upgrade(target, "ADMIN" if kind == "comms" else "NODE", path)


def for_variant(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `variant` may send."""
    surface, plain, path, *how = args
    seen = for_access(target, (surface, "GET", path, *(how or ["anonymous"])))
    mixed = "" if how else root_in_mixed_case(target, surface, plain, path)
    seen += [Request(Manner.READ, "GET", mixed)] if mixed else []
    return [*seen, *for_access(target, (surface, "GET", plain, "anonymous"))]


def for_way(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `way` may send."""
    surface, method, path, name = args
    parts = parts_of(target, name)
    if not parts:  # nothing of it may be sent, and why
        return [Request(Manner.EXPLOIT, method, target.node(path))]
    manner = Manner.READ if all(part.ordinary for part in parts) else Manner.EXPLOIT
    root = target.admin if surface in ("admin API", "/comms") else target.node
    if surface.startswith("channel"):
        return [*_for_channel(target, surface, path, parts, manner), *for_socket(target, (path,))]
    several = [*([part] for part in parts), parts, *([[UNTIDY]] if (surface, name) == ("admin API", "dotted") else [])]
    by = next((part.method for part in parts if part.method), method)
    asked = [Request(manner, by, root("/<random>"))] if by != method else []  # where it is not refused
    asked += [
        Request(manner, by, with_query(written(some, root(_way_path(some, path)), target.origin), some))
        for some in several
    ]
    plain = {
        "endpoint": lambda: for_endpoint(target, (method, path, "none" if method == "GET" else "unknown")),
        "WebSocket endpoint": lambda: for_upgrade(target, Surface.NODE.name, path),
        "/comms": lambda: for_upgrade(target, Surface.ADMIN.name, path),
        "admin API": lambda: for_access(target, (Surface.ADMIN.name, "GET", path, "anonymous")),
        "dashboard page": lambda: for_access(target, (Surface.DASHBOARD.name, "GET", path, "anonymous")),
    }
    return [*asked, *plain[surface]()]


def _for_channel(target: Target, surface: str, path: str, parts: Sequence[Part], manner: Manner) -> Iterable[Request]:
    """Return what asking a live channel by these parts sends: by each alone, and by all."""
    socket = target.node(f"{path.rstrip('/')}/socket.io")
    polled = surface == "channel, polling"
    sent = [part for part in parts if part is not TRANSPORT]
    for some in (*([part] for part in sent), sent):
        asked = with_query(written(some, socket, target.origin) + (POLLING if polled else UPGRADED), some)
        yield Request(manner, "GET", asked)
        if not polled and target.policy.mode != "calm":
            yield Request(Manner.EXPLOIT, "GET", asked.replace(UPGRADED, DISGUISED))
        if polled:
            yield Request(Manner.HANDSHAKE, "POST", f"{asked}&sid=<sid>")


def _way_path(parts: Sequence[Part], path: str) -> str:
    """Return the path that is asked with these parts."""
    return "/<random>" if any(part.rerouted for part in parts) else path


# how the directories are found to which an open page at / leads
_UNSURE: Final = "what an open page at / names without a slash at its end"
LINKS: Final = (Request(Manner.READ, "GET", "/"), Request(Manner.READ, "OPTIONS", _UNSURE))


def for_file(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `file` sends."""
    path, _ = args
    asked = [Request(Manner.READ, "GET", target.path("/", path))]
    if path in FOLDERS:  # where a folder of the front's own stands there
        folder = target.path("/", path).rpartition("/")[0]
        beside = [Request(Manner.EXPLOIT, "GET", f"{folder}..{USER_FILES[0][0]}")]
        listed = f"{USER_FILES[0][0]} below the directories that {folder}/ lists"
        reads = [Request(Manner.READ, "GET", where) for where in (f"{folder}/", listed)]
        return [*asked, *(beside if target.policy.mode != "calm" else []), *reads]
    if path != USER_FILES[0][0]:
        return asked
    below = Request(Manner.READ, "GET", f"{path} below the directories to which an open page at / leads")
    return [*asked, *LINKS, below]


def for_claim(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `claim` may send."""
    del args
    return [Request(manner, "GET", target.admin("/settings")) for manner in (Manner.EXPLOIT, Manner.READ)]


def for_spelled_endpoint(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `spelled_endpoint` may send."""
    method, *paths = args
    effect = "none" if method == "GET" else "unknown"
    return [request for path in paths for request in for_endpoint(target, (method, path, effect))]


def for_root_below(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `root` may send."""
    known, *paths = args
    requests: list[Request] = []
    # in another letter case where the front answers for the root
    for root, path in product(dict.fromkeys((known, mixed_case(known))), dict.fromkeys((*paths, *EVERYTHING))):
        if path.endswith("/socket.io") and not target.policy.join_channels:
            continue
        if path.endswith("/socket.io"):
            polling = f"{root}{path}{POLLING}"
            requests += [Request(Manner.HANDSHAKE, "GET", polling)]
            requests += [Request(Manner.HANDSHAKE, how, f"{polling}&sid=<sid>") for how in ("GET", "POST")]
        else:
            requests.append(Request(Manner.READ, "GET", root + path))
    return requests


def for_undeclared(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `undeclared` may send."""
    page = for_access(target, (Surface.DASHBOARD.name, "GET", args[0], "anonymous"))
    return [*page, *for_socket(target, args)]
