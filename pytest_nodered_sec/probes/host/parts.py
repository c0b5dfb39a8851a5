"""The parts of what was gathered on a host, each as the observation its control asks for.

Parsing only, nothing is run: a part that could not be looked at is a `ProbeError` of its own, so that one missing right
costs one control.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host import (
    Freshness,
    Identity,
    Listening,
    RunningAs,
    Supervision,
    Unit,
)
from pytest_nodered_sec.observations.host_settings import (
    AuditSettings,
    ChannelSettings,
    EditorSettings,
    LoginSettings,
    ModuleSettings,
    PasswordHash,
    SecretSettings,
)
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.certificates import (
    certificates_on,
    key_access,
    renewal_of,
    served_on_disk,
)
from pytest_nodered_sec.probes.host.egress import egress_of
from pytest_nodered_sec.probes.host.file_access import files_of_kind
from pytest_nodered_sec.probes.host.gather import files_of, files_of_unit
from pytest_nodered_sec.probes.host.marks import marks_of
from pytest_nodered_sec.probes.host.palette import lock_of, nodes_of
from pytest_nodered_sec.probes.host.patches import installed_since, patch_level
from pytest_nodered_sec.probes.host.proxies import (
    SLACK,
    changed,
    check_nginx_is_seen,
    nginx_config,
    nginx_newer,
    nginx_service,
    nginx_tree,
    way_through,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.model import Observation
    from pytest_nodered_sec.observations.host_settings import Egress
    from pytest_nodered_sec.observations.twins import MachineMarks
    from pytest_nodered_sec.probes.host.gather import Inside
    from pytest_nodered_sec.probes.transport.look import Look


def look_inside(look: Look, inside: Inside, part: str, *args: str) -> Observation:
    """Return the part of the gathering that a control asks for.

    Raises:
        ProbeError: this part could not be looked at.
    """
    return _PARTS[part](inside, *args)


def _identity(inside: Inside) -> Identity:
    disk = certificates_on(inside)
    if inside.in_container and not inside.connected and inside.served not in disk:
        raise ProbeError(
            f"a container does not show whether it serves {inside.url}: check the proxy's machine",
            Cause.UNIDENTIFIED,
        )
    return Identity(inside.url, inside.connected, len(disk), disk.get(inside.served, ""), inside.impostors)


def _listening(inside: Inside) -> Listening:
    process = inside.node_red.process
    ports, _ = text_of.published(inside.docker, inside.networks)
    if process.container and inside.docker is None:
        raise ProbeError(f"{process.line()}: docker is not here to show which ports are published", Cause.FORBIDDEN)
    sockets = text_of.listening(inside.found, process.pid)
    if not sockets:  # it serves the URL: what is empty is the table of sockets that we were shown
        raise ProbeError(f"what {process.line()} listens on cannot be seen (/proc/{process.pid}/net)", Cause.FORBIDDEN)
    told = () if isinstance(inside.settings, ProbeError) else inside.settings["inspectors"]
    return Listening(process, sockets, ports, (9229, *told))


def _running_as(inside: Inside) -> RunningAs:
    return RunningAs(inside.node_red.process)


def settings_of(inside: Inside) -> dict[str, Any]:
    """Return what settings.js says, if that is what runs.

    Raises:
        ProbeError: it could not be read, it is newer than the process, or it belongs to another Node-RED.
    """
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    if stale := _newer(inside):
        raise ProbeError(
            f"{stale[0][0]} was changed {stale[0][1]} s after Node-RED started, so what runs may differ: see host-17",
            Cause.CHANGED,
        )
    if seen["define"]:
        raise ProbeError(
            f"Node-RED was started with -D, which overrides {seen['file']}: move the setting there",
            Cause.UNIDENTIFIED,
        )
    if seen.get("asked"):
        raise ProbeError(
            f"{seen['file']} calls {', '.join(seen['asked'])}, which is not run here, so its result is not known: "
            "write the result into settings.js or the environment",
            Cause.UNIDENTIFIED,
        )
    _check_it_is_this_one(inside, seen)
    return seen


def _check_it_is_this_one(inside: Inside, seen: dict[str, Any]) -> None:
    """Compare the settings found with what the process listens on: another file's settings prove nothing."""
    wanted = str(seen.get("port") or seen["settings"]["uiPort"] or "1880")
    try:
        sockets = text_of.listening(inside.found, inside.node_red.process.pid)
    except ProbeError as error:
        if not seen["guessed"]:
            return  # it was named, by Node-RED's arguments or by the policy; host-01 carries the cause
        raise error.again() from None
    if any(wanted in (str(listener.port), listener.address) for listener in sockets):
        return
    if wanted == "computed" and seen.get("named"):
        return
    shown = ", ".join(listener.line() for listener in sockets)
    raise ProbeError(
        f"{seen['file']} says uiPort {wanted}, but {inside.node_red.process.line()} listens on {shown}: these are not "
        "the settings it runs with; name the right ones in the policy: [inside] user_dir or settings_file",
        Cause.UNIDENTIFIED,
    )


def _newer(inside: Inside) -> list[tuple[str, int]]:
    if isinstance(inside.settings, ProbeError):
        return []
    started = inside.node_red.process.started
    loaded = inside.settings["loaded"]
    return [
        (module["path"], round(module["changed"] - started)) for module in loaded if module["changed"] > started + SLACK
    ]


def _hash(raw: dict[str, Any]) -> PasswordHash:
    return PasswordHash(raw["scheme"], raw["cost"], raw["known"])


def _login(inside: Inside) -> LoginSettings:
    seen = settings_of(inside)
    settings = seen["settings"]
    auth = settings["adminAuth"]
    for name, kind in (("adminAuth", auth["kind"]), ("adminAuth.users", auth["usersKind"])):
        if kind in ("computed", "function"):
            raise ProbeError(
                f"{seen['file']}: {name} is made by a {auth['module'] or 'function'} that is not run here; "
                "admin-01 and admin-02 ask from outside what it lets strangers do",
                Cause.UNIDENTIFIED,
            )
    if auth["defaultKind"] in ("computed", "function"):
        raise ProbeError(
            f"{seen['file']}: adminAuth.default is a function: what a stranger may do is decided at run time; "
            "admin-01 and admin-02 ask from outside",
            Cause.UNIDENTIFIED,
        )
    if decides := auth.get("decides"):
        raise ProbeError(
            f"{seen['file']}: adminAuth.{decides[0]} is a function: whom it lets in is decided at run time; admin-01 "
            "and admin-02 ask from outside",
            Cause.UNIDENTIFIED,
        )
    users = list(enumerate(auth["users"], 1))
    if auth["type"] == "strategy":  # its users log in elsewhere
        users = [(place, user) for place, user in users if user["hash"]["scheme"] != "unset"]
    hashes = [(f"adminAuth user {place}", _hash(user["hash"])) for place, user in users]
    hashes += [
        (name, _hash(settings[name]["hash"]))
        for name in ("httpAdminAuth", "httpNodeAuth", "httpStaticAuth")
        if settings[name]["kind"] not in ("unset", "false", "function", "computed")
    ]
    default = "" if auth["defaultKind"] in ("unset", "false", "powerless") else auth["defaultPermissions"] or "*"
    return LoginSettings(seen["file"], auth["kind"], auth["type"], tuple(hashes), default)


def _channels(inside: Inside) -> ChannelSettings:
    seen = settings_of(inside)
    settings, types = seen["settings"], seen["types"]
    if not types["known"]:
        raise ProbeError(
            f"the flows in {seen['userDir']} cannot be read, so its dashboards are not known", Cause.PROTOCOL
        )
    guard = ("function", "computed", "set")
    in_use = [("ui", settings["ui"].get("path") or "ui")] * types["dashboard1"]
    in_use += [("dashboard", page) for page in types.get("pages") or ["dashboard"] * types["dashboard2"]]
    dashboards = tuple(
        (key, settings[key]["middleware"] in guard, settings[key]["ioMiddleware"] in guard) for key, _ in in_use
    )
    root = settings["httpNodeRoot"].strip("/")
    paths = tuple(f"/{root}/{page.strip('/')}".replace("//", "/") for _, page in in_use)
    verified = settings["webSocketNodeVerifyClient"] in guard
    proxy = None
    try:
        proxy = way_through(inside)
    except ProbeError as error:
        alone = all(page and live for _, page, live in dashboards) and (verified or not types["webSockets"])
        if not alone and not inside.demands.proxy_guards:
            raise ProbeError(f"whether the proxy guards what the settings do not: {error}", error.cause) from None
    return ChannelSettings(
        seen["file"],
        dashboards,
        tuple(f"/{root}/{path.strip('/')}".replace("//", "/") for path in types["webSockets"]),
        verified,
        inside.demands.proxy_guards,
        paths,
        proxy,
    )


def _editor(inside: Inside) -> EditorSettings:
    seen = settings_of(inside)
    settings = seen["settings"]
    return EditorSettings(
        seen["file"],
        settings["disableEditor"],
        settings["httpAdminRoot"],
        settings["httpRoot"],
        settings["adminAuth"]["kind"] not in ("unset", "false", "empty"),
        settings["httpAdminAuth"]["kind"] not in ("unset", "false", "empty"),
        tuple(settings["cors"]),
        tuple(settings["adminCookie"]),
    )


def _egress(inside: Inside) -> Egress:
    return egress_of(settings_of(inside))


def _secret(inside: Inside) -> SecretSettings:
    seen = settings_of(inside)
    return SecretSettings(seen["file"], seen["settings"]["credentialSecret"])


def _audit(inside: Inside) -> AuditSettings:
    seen = settings_of(inside)
    return AuditSettings(seen["file"], seen["settings"]["audit"])


def _modules(inside: Inside) -> ModuleSettings:
    seen = settings_of(inside)
    settings = seen["settings"]
    closed = {
        "externalModules.palette.allowInstall": settings["paletteInstall"] == "false",
        "externalModules.palette.allowUpload": settings["paletteUpload"] == "false",
        "externalModules.modules.allowInstall": settings["moduleInstall"] == "false"
        or settings["functionExternalModules"] == "false",
    }
    return ModuleSettings(seen["file"], tuple(name for name, off in closed.items() if not off))


def _supervision(inside: Inside) -> Supervision:
    process = inside.node_red.process
    if inside.docker is not None or process.container:
        return Supervision(process, None, restart_policy=text_of.published(inside.docker, inside.networks)[1])
    if process.user_unit:
        return Supervision(process, _own_unit(inside))
    units = text_of.units(inside.found.get("units"))
    started_by = inside.found.get("started-by")
    unit = text_of.at_boot(units.get(process.unit) if process.unit else None, started_by)
    kept = {} if isinstance(inside.settings, ProbeError) else inside.settings.get("kept", {})
    if process.manager == "pm2" and unit is None:  # started by hand, and again at boot if there is such a service
        there = units.get(f"pm2-{process.user}.service")
        unit = text_of.at_boot(there, started_by) if there and there.get("LoadState") == "loaded" else None
    if stale := _unit_newer(inside):
        raise ProbeError(
            f"{stale[0][0]} was changed {stale[0][1]} s after Node-RED started, so it is not how it runs: see host-17",
            Cause.CHANGED,
        )
    security = inside.found.get(f"security {process.unit}")
    exposure = re.search(r": ([0-9.]+) [A-Z]", security.text) if security is not None else None
    return Supervision(
        process,
        unit,
        float(exposure[1]) if exposure else None,
        restarts=kept.get("restarts") if process.manager else None,
        starts=kept.get("starts") if process.manager else None,
    )


def _own_unit(inside: Inside) -> Unit | None:
    """Return its service as its user's own systemd shows it; None where nobody could ask that."""
    shown = {} if isinstance(inside.settings, ProbeError) else inside.settings["ownUnit"]
    if not shown:
        return None
    if stale := _newer(inside):
        raise ProbeError(
            f"{stale[0][0]} was changed {stale[0][1]} s after Node-RED started, so it is not how it runs: see host-17",
            Cause.CHANGED,
        )
    return Unit(inside.node_red.process.user_unit, tuple(shown.items()))


def _unit_newer(inside: Inside) -> list[tuple[str, int]]:
    """Return the files of Node-RED's unit that are newer than the process, with the seconds."""
    return changed(inside, files_of_unit(inside.found, inside.node_red.process.unit), inside.node_red.process.started)


def _freshness(inside: Inside) -> Freshness:
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    newer = (*_newer(inside), *installed_since(inside), *_unit_newer(inside))
    on_disk = served_on_disk(inside)
    # what is stale is told, whatever else is not seen; of several nginx none may be the one in front
    if not newer and on_disk is not False and not isinstance(inside.nginx, ProbeError):
        check_nginx_is_seen(inside)
    read = len(seen["loaded"]) + len(files_of(nginx_tree(inside)))
    return Freshness(inside.node_red.process, newer, tuple(nginx_newer(inside)), read, on_disk)


def _marks(inside: Inside) -> MachineMarks:
    """Return what tells the machine from others; of settings.js only where it is known to be what runs."""
    try:
        settings = settings_of(inside)["settings"]
    except ProbeError:  # host-03 carries why
        settings = None
    return marks_of(inside, settings)


_PARTS: Final[dict[str, Callable[..., Observation]]] = {
    "identity": _identity,
    "listening": _listening,
    "user": _running_as,
    "login": _login,
    "channels": _channels,
    "editor": _editor,
    "egress": _egress,
    "nodes": lambda inside: nodes_of(settings_of(inside)),
    "lock": lambda inside: lock_of(settings_of(inside)),
    "secret": _secret,
    "files": files_of_kind,
    "audit": _audit,
    "modules": _modules,
    "supervision": _supervision,
    "nginx service": nginx_service,
    "nginx": nginx_config,
    "way": way_through,
    "renewal": renewal_of,
    "keys": key_access,
    "patch level": lambda inside: patch_level(inside, settings_of),
    "freshness": _freshness,
    "marks": _marks,
}
