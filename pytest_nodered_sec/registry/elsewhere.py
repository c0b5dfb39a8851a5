"""What the probes send elsewhere than to surfaces at the URL: in clear, to other ports, with the account, inside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.data.releases import unfixed
from pytest_nodered_sec.data.roots import BESIDE
from pytest_nodered_sec.data.user_files import FOLDERS
from pytest_nodered_sec.registry.requests import (
    DISGUISED,
    INSIDE,
    LINKS,
    POLLING,
    READS,
    UPGRADED,
    Manner,
    Request,
    for_socket,
    for_upgrade,
    root_of,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target


def in_clear(target: Target, root: str, path: str, method: str = "GET") -> Request:
    """Return one request over plain HTTP."""
    absolute = target.admin(path) if root == "admin" else target.node(path or "/")
    return Request(Manner.READ if method in READS else Manner.WRITE, method, absolute, plain=True)


def for_plain(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `plain` may send."""
    asked = in_clear(target, *args[1:])
    kept = replace(asked, path=f"{asked.path}?keep=<hex>")
    if asked.method != "GET":
        return [kept]
    return [kept, asked] if target.tls and asked.path in target.pages else [asked]


def for_spoofed(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `spoofed` may send."""
    del args
    return for_plain(target, ("editor", "admin", "/"))


def for_plain_channel(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `plain_channel` may send."""
    kind, root, path = args
    base = in_clear(target, root, path).path.rstrip("/")
    if kind == "Socket.IO":
        polling = f"{base}/socket.io{POLLING}"
        manner, query = (Manner.HANDSHAKE, UPGRADED) if target.policy.mode == "calm" else (Manner.EXPLOIT, DISGUISED)
        return [
            Request(Manner.HANDSHAKE, "GET", polling, plain=True),
            Request(Manner.HANDSHAKE, "POST", f"{polling}&sid=<sid>", plain=True),
            Request(manner, "GET", f"{base}/socket.io{query}", plain=True),  # where that offers none
        ]
    return [Request(Manner.HANDSHAKE, "GET", path, plain=True) for path in (base, "/<random>")]


def for_redirects(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `redirects` may send."""
    root, path, method = args
    asked = in_clear(target, root, path, method)
    return [replace(asked, path=f"{asked.path}?keep=<hex>")] if target.tls else []


def for_sign_in(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `sign_in` may send."""
    del args
    return [
        Request(Manner.WRITE, "POST", target.admin("/auth/token")),
        *(Request(Manner.READ, "GET", target.admin(path)) for path in (*INSIDE, *_unfixed_routes())),
        Request(Manner.WRITE, "POST", target.admin("/flows")),
        Request(Manner.WRITE, "POST", target.admin("/auth/revoke")),
    ]


def _unfixed_routes() -> list[str]:
    """Return what is asked about weaknesses that no release fixes, where the editor is seen to be enabled."""
    return [row.route for row in unfixed()]


def for_by_address(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `by_address` may send."""
    if args:
        asked = [target.admin("/settings"), *(target.node(path) for path in target.guarded_dashboards[:1])]
        plainly = [Request(Manner.READ, "GET", path) for path in asked]
        return [*(replace(request, path=f"{request.path}, as {args[0]}") for request in plainly), *plainly]
    harmless = [
        endpoint.path
        for endpoint in target.policy.protected_paths
        if (endpoint.method, endpoint.effect) == ("GET", "none")
    ]
    known = [target.admin(path) for path in ("/settings", "/comms")]
    dashboards = target.guarded_dashboards
    asked = [*known, *(target.node(path) for path in (*dashboards[:1], *harmless[:1], "/<random>"))]
    channels = dashboards[-1:] if target.policy.join_channels else ()
    polling = [target.node(f"{path.rstrip('/')}/socket.io") + POLLING for path in channels]
    there = [
        *(Request(Manner.READ, "GET", path) for path in asked),
        *(Request(Manner.HANDSHAKE, "GET", path) for path in polling),
        *(Request(Manner.HANDSHAKE, "POST", f"{path}&sid=<sid>") for path in polling),
    ]
    return [
        *(replace(request, path=f"{request.path}, under its address") for request in there),
        *(Request(Manner.READ, "GET", path) for path in asked),
        *(request for path in channels for request in for_socket(target, (path,))),
        *for_upgrade(target, "ADMIN", "/comms"),
    ]


def one_that_reads(target: Target) -> tuple[tuple[str, str], ...]:
    """Return surface and path of the admin API, the first page that is not public, and the first harmless endpoint."""
    harmless = (
        endpoint.path
        for endpoint in target.policy.protected_paths
        if (endpoint.method, endpoint.effect) == ("GET", "none")
    )
    return (
        ("admin API", "/settings"),
        *(("dashboard page", path) for path in target.guarded_dashboards[:1]),
        *(("endpoint", path) for path in list(harmless)[:1]),
    )


def for_announced(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `announced` may send."""
    del args
    asked = [
        target.admin(path) if surface == "admin API" else target.node(path) for surface, path in one_that_reads(target)
    ]
    plainly = [Request(Manner.READ, "GET", path) for path in asked]
    asked.append(target.node("/<random>"))
    return [*(Request(Manner.EXPLOIT, "GET", f"{path}, after a PROXY header") for path in asked), *plainly]


def for_by_address_in_clear(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `by_address_in_clear` may send."""
    del args
    known = [target.admin(path) for path in ("/settings", "/auth/login")]
    polling = [path.rstrip("/") + "/socket.io" + POLLING for path in target.pages[1:]]
    asked = [Request(Manner.READ, "GET", path) for path in (*known, *target.pages)]
    asked += [Request(Manner.HANDSHAKE, "GET", path) for path in polling]
    asked += [Request(Manner.HANDSHAKE, "POST", f"{path}&sid=<sid>") for path in polling]
    return [replace(request, path=f"{request.path}, in clear under its address") for request in asked]


def for_told_places(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `told_places` may send."""
    told = (target.admin("/uisettings"), target.node("/dashboard/_setup"))
    what = "pages and channels" if target.policy.join_channels else "pages"
    places = Request(Manner.HANDSHAKE, "GET", f"{what} of the dashboards that these and the flows name")
    led = ("to which an open page at / leads", "that the front passes on without their names")
    beside = [Request(Manner.READ, "GET", f"{', '.join(BESIDE)} below the directories {which}") for which in led]
    reads = [Request(Manner.READ, "GET", path) for path in (*told, *(target.path("/", path) for path in FOLDERS))]
    return [*reads, *LINKS, *for_flows(target, args), places, *beside]


def for_cross_site(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `cross_site` may send."""
    asked = [Request(Manner.WRITE, "POST", target.admin(path)) for path in ("/flow", "/<random>")]
    return [*asked, *(for_sign_in(target, args) if target.credentials else [])]


def for_admin_cross_origin(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `admin_cross_origin` may send."""
    asked = [Request(Manner.READ, "GET", target.admin("/settings"))]
    return [*asked, *(for_sign_in(target, args) if target.credentials else [])]


def for_cross_origin(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `cross_origin` may send."""
    method, path = args
    reads = [Request(Manner.READ, "GET", target.node(path))] if path else []
    asked = [Request(Manner.READ, method, target.node(path or "/<random>")), *reads]
    return [*asked, *(for_sign_in(target, ()) if target.credentials else [])]


def for_told(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probes of the inside send: as anybody, and with the account."""
    del args
    anybody = [Request(Manner.READ, "GET", target.admin(path)) for path in ("/red/about", *INSIDE, *_unfixed_routes())]
    return [*anybody, *(for_sign_in(target, ()) if target.credentials else [])]


def for_flows(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probes of the flows send: as `for_told`, and to the host where nobody tells."""
    return [*for_told(target, args), *for_host(target, args)]


def for_guess_login(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `guess_login` may send."""
    del args
    if not target.policy.guess:
        return []
    return [
        Request(Manner.GUESS, "POST", target.admin("/auth/token")),
        Request(Manner.WRITE, "POST", target.admin("/auth/revoke")),
        Request(Manner.READ, "GET", target.admin("/settings")),
    ]


def for_guess_basic(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `guess_basic` may send."""
    surface, path = args
    absolute = root_of(target, surface, path or "/<random>")
    guesses = [Request(Manner.GUESS, "GET", absolute)] if target.policy.guess else []
    return [Request(Manner.READ, "GET", absolute), *guesses]


def for_pages(target: Target) -> list[Request]:
    """Return what gathering the answers of all pages sends."""
    return [
        *(Request(Manner.READ, "GET", path) for path in target.pages),
        Request(Manner.READ, "GET", target.admin("/<random>"), plain=True),
    ]


def for_doors(target: Target, port: int, where: str) -> list[Request]:
    """Return what is asked at another door than the URL's."""
    known = [target.admin(path) for path in ("/<random>", "/settings", "/auth/login")]
    polling = [path.rstrip("/") + "/socket.io" + POLLING for path in target.pages[1:]]
    asked = [
        Request(Manner.HANDSHAKE, "CONNECT", f"port {port}"),
        *(Request(Manner.READ, "GET", path) for path in ("/<random>", *known, *target.pages)),
        *(Request(Manner.HANDSHAKE, "GET", path) for path in polling),
        *(Request(Manner.HANDSHAKE, "POST", f"{path}&sid=<sid>") for path in polling),
    ]
    return [replace(request, path=f"{request.path}, {where}") for request in asked]


def for_direct(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `direct` may send."""
    del args
    port = target.direct_port
    if port in (target.port, target.dialled[1]) or (target.tls and port == target.http_port):
        return []
    there = for_doors(target, port, "at Node-RED's own port")
    here = [
        request for request in there if request.method == "GET"
    ]  # where Node-RED itself refuses, what the URL's port does
    return [*there, *(replace(request, path=request.path.rpartition(", ")[0]) for request in here)]


def for_strange_name(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `strange_name` may send."""
    del args
    return for_doors(target, target.dialled[1], "as a name that nobody has") if target.named else []


def for_page(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `page` may send."""
    root, path = args
    asked = Request(Manner.READ, "GET", target.admin(path) if root == "admin" else target.node(path))
    return [asked] if target.tls else []


def for_tls(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probes of certificates send: handshakes."""
    del args
    return [Request(Manner.HANDSHAKE, "TLS", f"port {target.dialled[1]}")]  # in clear, to see that it is


def one_of_each(target: Target) -> tuple[str, ...]:
    """Return the absolute path of one place of each surface that a harmless GET opens, but for channels.

    Of endpoints it is the first below each first part of a path, at most three.
    """
    pages = (f"{path.rstrip('/')}/" for path in target.guarded_dashboards)
    first: dict[str, str] = {}
    for endpoint in target.policy.protected_paths:
        if (endpoint.method, endpoint.effect) == ("GET", "none"):
            first.setdefault(endpoint.path.split("/")[1], endpoint.path)
    return (target.admin("/settings"), *(target.node(path) for path in (*pages, *list(first.values())[:3])))


def for_without_certificate(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `client_certificate` sends."""
    random = target.admin("/<random>")
    calm = target.policy.mode == "calm"
    places = one_of_each(target) if target.policy.mutual_tls or not calm else ()
    manners = (Manner.READ, *(() if calm else (Manner.EXPLOIT,)))
    asked = [Request(manner, "GET", path) for path in (random, *places) for manner in manners]
    return [*for_tls(target, args), *asked]


def for_revocation(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `revocation` may send."""
    fetched = target.tls and target.policy.revocation == "crl"
    lists = Request(Manner.READ, "GET", "the lists of revoked certificates, from the CA over plain HTTP")
    return [*for_tls(target, args), *([lists] if fetched else [])]


def for_hellos(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `tls` sends."""
    return [replace(request, path=f"{request.path}, ClientHellos alone") for request in for_tls(target, args)]


def for_host(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what looking at the host sends."""
    del args
    return [Request(Manner.READ, "RUN", "the commands of docs/sudoers, on its host")] if target.host else []


def for_own(target: Target, args: tuple[str, ...]) -> list[Request]:
    """Return what the probe `own` may send."""
    del target
    function, *rest = args
    return [Request(Manner.OWN, "CALL", f"{function}({', '.join(rest)})")]
