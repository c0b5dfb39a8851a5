"""What each question may send, said without sending it: for `--nodered-plan`, and for what a site wants left out.

One entry a probe, in `PLANS`; a test compares them with what the probes send to real deployments. Placeholders stand
for what is new each time: `<random>`, `<sid>`, `<hex>`. Redirects on the same host are followed and not in it.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Surface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.model import Ask, Target


class Manner(enum.Enum):
    """How a request looks to who receives it."""

    HANDSHAKE = "handshake"  # TCP, TLS, WebSocket, Socket.IO: said hello, and left
    READ = "read"
    WRITE = "write-shaped"  # the form of a write, made to write nothing; or a log-in that is ended at once
    GUESS = "guess"  # a password that somebody else chose
    EXPLOIT = "exploit-shaped"  # the form of an attack: dot segments, a stranger's identity
    OWN = "the site's own"  # what a function of the site's own does


CALM: Final = (Manner.HANDSHAKE, Manner.READ, Manner.WRITE, Manner.OWN)


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


_POLLING: Final = "/?EIO=4&transport=polling"
_READS: Final = ("GET", "HEAD", "OPTIONS")
_INSIDE: Final = ("/settings", "/nodes", "/diagnostics", "/flows")  # what tells about a Node-RED, to who may read


def _landmarks(target: Target) -> list[Request]:
    """Return what is asked of every target: canaries at the start, every twenty looks and at the end, and who it is."""
    roots = dict.fromkeys((target.admin("/<random>"), target.node("/<random>")))
    shown = [target.admin("/settings"), target.admin("/auth/login")]
    perhaps = [target.admin("/uisettings"), target.node("/dashboard/_setup")]
    for base in target.policy.dashboards or ("/ui", "/dashboard"):
        perhaps.append(target.node(base.rstrip("/") + "/socket.io") + _POLLING)
    reads = [Request(Manner.READ, "GET", path) for path in (*roots, *shown, *perhaps)]
    left = [Request(Manner.HANDSHAKE, "POST", f"{path}&sid=<sid>") for path in perhaps if path.endswith(_POLLING)]
    return [Request(Manner.HANDSHAKE, "CONNECT", f"port {target.dialled[1]}"), *reads, *left]


def _root(target: Target, surface: str, path: str) -> str:
    inside = Surface[surface] in (Surface.ADMIN, Surface.EDITOR)
    return target.admin(path) if inside else target.node(path)


def _access(target: Target, args: tuple[str, ...]) -> list[Request]:
    surface, method, path, how, *_ = args
    manner = Manner.READ if method in _READS else Manner.WRITE
    if how == "claimed":
        manner = Manner.EXPLOIT
    hints = {"/ui": target.admin("/uisettings"), "/dashboard": target.node("/dashboard/_setup")}
    told = surface == Surface.DASHBOARD.name and target.policy.dashboards is None and path in hints
    asked = Request(manner, method, _root(target, surface, path))
    return [asked, Request(Manner.READ, "GET", hints[path])] if told else [asked]


def _endpoint(target: Target, args: tuple[str, ...]) -> list[Request]:
    method, path, effect = args
    if effect == "acts" or (method in ("GET", "HEAD") and effect != "none"):
        return []
    if method in ("GET", "HEAD"):
        return _access(target, (Surface.NODE.name, method, path, "anonymous"))
    return [Request(Manner.WRITE, method, target.node(one)) for one in ("/<random>", path)]


def _join(target: Target, socket: str) -> list[Request]:
    base = target.node(socket) + _POLLING
    session = f"{base}&sid=<sid>"
    return [
        Request(Manner.HANDSHAKE, "GET", base),
        Request(Manner.HANDSHAKE, "POST", session),
        Request(Manner.HANDSHAKE, "GET", session),
    ]


def _socket(target: Target, args: tuple[str, ...]) -> list[Request]:
    (path,) = args
    socket = path.rstrip("/") + "/socket.io"
    hint = _access(target, (Surface.DASHBOARD.name, "GET", path, "anonymous"))[1:]
    upgraded = target.node(socket) + _POLLING.replace("polling", "websocket")
    joins = [*_join(target, socket), *hint, Request(Manner.HANDSHAKE, "GET", upgraded)]
    if target.policy.mode == "calm":
        return joins
    base = target.node(socket)
    detours = (base + "/.." * base.count("/") + "/x" + _POLLING, base + "/x.js" + _POLLING.removeprefix("/"))
    return [*joins, *(Request(Manner.EXPLOIT, "GET", one) for one in detours)]


def _widgets(target: Target, args: tuple[str, ...]) -> list[Request]:
    (path,) = args
    hint = _access(target, (Surface.DASHBOARD.name, "GET", path, "anonymous"))[1:]
    return [
        *_join(target, path.rstrip("/") + "/socket.io"),
        *hint,
        Request(Manner.READ, "GET", target.admin("/uisettings")),
    ]


def _interface(target: Target, args: tuple[str, ...]) -> list[Request]:
    kind, path = args
    if kind != "worldmap":
        return _join(target, "/uibuilder/vendor/socket.io" if kind == "uibuilder" else f"{path.rstrip('/')}/io")
    socket = target.node(f"{path.rstrip('/')}/socket")
    return [
        Request(Manner.READ, "GET", f"{socket}/info"),
        Request(Manner.HANDSHAKE, "POST", f"{socket}/000/<random>/xhr"),
    ]


def _upgrade(target: Target, surface: str, path: str) -> list[Request]:
    return [Request(Manner.HANDSHAKE, "GET", _root(target, surface, one)) for one in (path, "/<random>")]


def _foreign(target: Target, args: tuple[str, ...]) -> list[Request]:
    kind, path = args
    if kind == "dashboard":
        return _join(target, path.rstrip("/") + "/socket.io")
    return _upgrade(target, "ADMIN" if kind == "comms" else "NODE", path)


def _variant(target: Target, args: tuple[str, ...]) -> list[Request]:
    surface, plain, path, *how = args
    seen = _access(target, (surface, "GET", path, *(how or ["anonymous"])))
    return [*seen, *_access(target, (surface, "GET", plain, "anonymous"))]


def _in_clear(target: Target, root: str, path: str, method: str = "GET") -> Request:
    absolute = target.admin(path) if root == "admin" else target.node(path or "/")
    return Request(Manner.READ if method in _READS else Manner.WRITE, method, absolute, plain=True)


def _plain_channel(target: Target, args: tuple[str, ...]) -> list[Request]:
    kind, root, path = args
    base = _in_clear(target, root, path.rstrip("/")).path
    if kind == "Socket.IO":
        polling = f"{base}/socket.io{_POLLING}"
        return [
            Request(Manner.HANDSHAKE, "GET", polling, plain=True),
            Request(Manner.HANDSHAKE, "POST", f"{polling}&sid=<sid>", plain=True),
        ]
    return [Request(Manner.HANDSHAKE, "GET", one, plain=True) for one in (base, "/<random>")]


def _redirects(target: Target, args: tuple[str, ...]) -> list[Request]:
    root, path, method = args
    asked = _in_clear(target, root, path, method)
    query = f"{asked.path}?keep=<hex>"
    sides = (True, False) if method == "GET" else (True,)  # nothing else is followed
    return [Request(asked.manner, method, query, plain) for plain in sides] if target.tls else []


def _sign_in(target: Target, args: tuple[str, ...]) -> list[Request]:
    del args
    return [
        Request(Manner.WRITE, "POST", target.admin("/auth/token")),
        *(Request(Manner.READ, "GET", target.admin(path)) for path in _INSIDE),
        Request(Manner.WRITE, "POST", target.admin("/flows")),
        Request(Manner.WRITE, "POST", target.admin("/auth/revoke")),
    ]


def _cross_site(target: Target, args: tuple[str, ...]) -> list[Request]:
    asked = Request(Manner.WRITE, "POST", target.admin("/flow"))
    return [asked, *(_sign_in(target, args) if target.credentials else [])]


def _told(target: Target, args: tuple[str, ...]) -> list[Request]:
    del args
    anybody = [Request(Manner.READ, "GET", target.admin(path)) for path in ("/red/about", *_INSIDE)]
    return [*anybody, *(_sign_in(target, ()) if target.credentials else [])]


def _guess_login(target: Target, args: tuple[str, ...]) -> list[Request]:
    del args
    if not target.policy.guess:
        return []
    return [
        Request(Manner.GUESS, "POST", target.admin("/auth/token")),
        Request(Manner.WRITE, "POST", target.admin("/auth/revoke")),
        Request(Manner.READ, "GET", target.admin("/settings")),
    ]


def _guess_basic(target: Target, args: tuple[str, ...]) -> list[Request]:
    surface, path = args
    absolute = _root(target, surface, path or "/<random>")
    guesses = [Request(Manner.GUESS, "GET", absolute)] if target.policy.guess else []
    return [Request(Manner.READ, "GET", absolute), *guesses]


def _pages(target: Target) -> list[Request]:
    return [
        *(Request(Manner.READ, "GET", path) for path in target.pages),
        Request(Manner.READ, "GET", target.admin("/<random>"), plain=True),
    ]


def _doors(target: Target, port: int, where: str) -> list[Request]:
    """Return what is asked at another door than the URL's."""
    known = [target.admin(path) for path in ("/<random>", "/settings", "/auth/login")]
    polling = [path.rstrip("/") + "/socket.io" + _POLLING for path in target.pages[1:]]
    asked = [
        Request(Manner.HANDSHAKE, "CONNECT", f"port {port}"),
        *(Request(Manner.READ, "GET", path) for path in ("/<random>", *known, *target.pages)),
        *(Request(Manner.HANDSHAKE, "GET", path) for path in polling),
        *(Request(Manner.HANDSHAKE, "POST", f"{path}&sid=<sid>") for path in polling),
    ]
    return [replace(one, path=f"{one.path}, {where}") for one in asked]


def _direct(target: Target, args: tuple[str, ...]) -> list[Request]:
    del args
    port = target.direct_port
    if port in (target.port, target.dialled[1]) or (target.tls and port == target.http_port):
        return []
    there = _doors(target, port, "at Node-RED's own port")
    here = [one for one in there if one.method == "GET"]  # where Node-RED itself refuses, what the URL's port does
    return [*there, *(replace(one, path=one.path.rpartition(", ")[0]) for one in here)]


def _strange_name(target: Target, args: tuple[str, ...]) -> list[Request]:
    del args
    return _doors(target, target.dialled[1], "as a name that nobody has") if target.named else []


def _page(target: Target, args: tuple[str, ...]) -> list[Request]:
    root, path = args
    asked = Request(Manner.READ, "GET", target.admin(path) if root == "admin" else target.node(path))
    return [asked] if target.tls and target.named else []


def _tls(target: Target, args: tuple[str, ...]) -> list[Request]:
    del args
    return [Request(Manner.HANDSHAKE, "TLS", f"port {target.dialled[1]}")] if target.tls else []


def _without_certificate(target: Target, args: tuple[str, ...]) -> list[Request]:
    return [*_tls(target, args), Request(Manner.READ, "GET", target.admin("/<random>"))]


def _revocation(target: Target, args: tuple[str, ...]) -> list[Request]:
    fetched = target.tls and target.policy.revocation == "crl"
    lists = Request(Manner.READ, "GET", "the lists of revoked certificates, from the CA over plain HTTP")
    return [*_tls(target, args), *([lists] if fetched else [])]


def _hellos(target: Target, args: tuple[str, ...]) -> list[Request]:
    return [replace(one, path=f"{one.path}, ClientHellos alone") for one in _tls(target, args)]


def _host(target: Target, args: tuple[str, ...]) -> list[Request]:
    del args
    return [Request(Manner.READ, "RUN", "the commands of docs/sudoers, on its host")] if target.host else []


def _own(target: Target, args: tuple[str, ...]) -> list[Request]:
    del target
    function, *rest = args
    return [Request(Manner.OWN, "CALL", f"{function}({', '.join(rest)})")]


PLANS: Final[dict[str, Callable[[Target, tuple[str, ...]], Iterable[Request]]]] = {
    "access": _access,
    "login_offer": lambda target, args: (),  # a landmark
    "endpoint": _endpoint,
    "socket": _socket,
    "widgets": _widgets,
    "interface": _interface,
    "channel": lambda target, args: _upgrade(target, args[0], args[1]),
    "foreign": _foreign,
    "variant": _variant,
    "cross_site": _cross_site,
    "file": lambda target, args: [Request(Manner.READ, "GET", target.path("/", args[0]))],
    "hole": lambda target, args: [Request(Manner.EXPLOIT, "GET", target.admin(args[1]))],
    "plain": lambda target, args: [_in_clear(target, *args[1:])],
    "redirects": _redirects,
    "spoofed": lambda target, args: [_in_clear(target, "admin", "/")],
    "plain_channel": _plain_channel,
    "page": _page,
    "versions": lambda target, args: _pages(target),
    "direct": _direct,
    "strange_name": _strange_name,
    "closed_port": lambda target, args: [Request(Manner.HANDSHAKE, "CONNECT", f"port {args[0]}")],
    "cookies": lambda target, args: _pages(target),
    "chain": _tls,
    "tls": _hellos,
    "chain_at": lambda target, args: [Request(Manner.HANDSHAKE, "TLS", f"port {args[0]}")],
    "own": _own,
    "client_certificate": _without_certificate,
    "revocation": _revocation,
    "host": _host,
    "release": lambda target, args: [Request(Manner.READ, "GET", target.admin(args[0]))],
    "sign_in": _sign_in,
    "installed": _told,
    "admin_routes": _told,
    "install_rights": _told,
    "entries": _told,
    "guess_login": _guess_login,
    "guess_basic": _guess_basic,
    "reach": lambda target, args: (),  # landmarks
}


def requests_of(target: Target, ask: Ask) -> tuple[Request, ...]:
    """Return what a question may send to a target, landmarks aside."""
    if not ask.probe:
        return ()
    return tuple(PLANS[ask.probe](target, ask.args))


def left_out(target: Target, ask: Ask) -> str:
    """Return why the site does not want a question to be asked, "" where it may be."""
    policy = target.policy
    if policy.mode == "calm":
        for request in requests_of(target, ask):
            if request.manner not in CALM:
                return f'not judged: mode = "calm" leaves out what is {request.manner.value}'
    if _channel_of(ask) is not None and not policy.join_channels:
        return "not judged: join_channels = false leaves out the connect and lost that a flow would see"
    return ""


def does_not_arise(target: Target, ask: Ask) -> str:
    """Return why a question does not arise, "" where it does: nobody comes for nothing.

    What strangers may join is joined once, to read what it shows.
    """
    if ask.probe == "client_certificate":
        if not target.tls:
            return "served without TLS: see tls-01"
        return "" if target.policy.mutual_tls else "not demanded: mutual_tls = true has everybody show a certificate"
    channel = _channel_of(ask)
    reason = target.policy.public_reason(channel) if channel else ""
    if ask.probe == "widgets":
        return "" if reason else "not declared public: dash-01 and dash-02 judge it"
    return f"declared public: {reason}" if reason else ""


def _channel_of(ask: Ask) -> str | None:
    """Return the path of the user interface whose live channel a question joins, None where it joins none."""
    if ask.probe in ("socket", "widgets"):
        return ask.args[0]
    joins = ask.probe == "interface" or (ask.probe, *ask.args[:1]) == ("foreign", "dashboard")
    return ask.args[1] if joins else None


def requests_to(target: Target, questions: Iterable[tuple[str, Ask]]) -> dict[Request, set[str]]:
    """Return what may be sent to a target, landmarks included, and who wants it.

    Args:
        target: the target.
        questions: control id (or the test's name) and question of each collected case.
    """
    wanted: dict[Request, set[str]] = defaultdict(set)
    for request in _landmarks(target):
        wanted[request].add("landmarks")
    clear = [Request(Manner.HANDSHAKE, "CONNECT", f"port {target.http_port}", plain=True)] if target.tls else []
    for name, ask in questions:
        requests = requests_of(target, ask)
        for request in (*requests, *_plain_landmarks(target, requests, clear)):
            wanted[request].add(name)
    return wanted


def described(target: Target, questions: Iterable[tuple[str, Ask]]) -> str:
    """Return what would be sent to a target as text, a line for each request; for the arguments see `requests_to`."""
    wanted = requests_to(target, questions)
    lines = [f"{target.name}: {target.url}, {len(wanted)} different requests, none sent"]
    if target.find_roots:
        lines.append("  (at other roots where the target names them; --nodered-admin-root and -node-root settle that)")
    order = list(Manner)
    for request in sorted(wanted, key=lambda one: (order.index(one.manner), one.plain, one.path, one.method)):
        where = f"{request.path} over plain HTTP" if request.plain else request.path
        lines.append(
            f"  {request.manner.value:<14}  {request.method:<7} {where}  [{', '.join(sorted(wanted[request]))}]"
        )
    return "\n".join(lines) + "\n"


def _plain_landmarks(target: Target, requests: Iterable[Request], clear: list[Request]) -> list[Request]:
    if not any(request.plain for request in requests):
        return []
    return [*clear, Request(Manner.READ, "GET", target.admin("/<random>"), plain=True)]
