"""The parts of what was gathered on a host, each as the observation its control asks for.

Parsing only, nothing is run: a part that could not be looked at is a `ProbeError` of its own, so that one missing right
costs one control.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_host import (
    AuditSettings,
    CaddyConfig,
    CaddyServer,
    ChannelSettings,
    EditorSettings,
    FileAccess,
    FileStep,
    Freshness,
    Identity,
    KeyAccess,
    Listening,
    LoginSettings,
    ModuleSettings,
    NginxConfig,
    NginxService,
    PasswordHash,
    PatchLevel,
    Renewal,
    RunningAs,
    SecretSettings,
    Supervision,
)
from pytest_nodered_sec.probes import host_text as text_of
from pytest_nodered_sec.probes.host import Nginx, files_of, named, ports_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.model import Observation
    from pytest_nodered_sec.model_host import Directive
    from pytest_nodered_sec.probes.host import Inside
    from pytest_nodered_sec.probes.host_text import Section
    from pytest_nodered_sec.probes.look import Look

_SLACK: Final = 2.0  # seconds: the kernel's start times are whole ticks after a boot time in whole seconds


def look_inside(look: Look, inside: Inside, part: str, *args: str) -> Observation:
    """Return the part of the gathering that a control asks for.

    Raises:
        ProbeError: this part could not be looked at.
    """
    return _PARTS[part](inside, *args)


def _identity(inside: Inside) -> Identity:
    disk = _certificates(inside)
    return Identity(inside.url, inside.connected, len(disk), disk.get(inside.served, ""))


def _certificates(inside: Inside) -> dict[str, str]:
    """Return the certificates found on the host: where, by SHA-256."""
    result: dict[str, str] = {}
    for name, section in inside.later.items():
        if name.startswith("certificate:"):
            result |= dict.fromkeys(_fingerprints(section.text)[:1], name.removeprefix("certificate:"))
    if "certificates" in inside.found:
        result |= dict.fromkeys(_fingerprints(inside.found["certificates"].text), "/etc/letsencrypt/live")
    return result


def _fingerprints(text: str) -> list[str]:
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----", text)
    return [hashlib.sha256(ssl.PEM_cert_to_DER_cert(one)).hexdigest() for one in blocks]


def _listening(inside: Inside) -> Listening:
    process = inside.node_red.process
    ports, _ = text_of.published(inside.docker)
    if process.container and inside.docker is None:
        raise ProbeError(f"{process.line()}: no docker here tells which ports are published", Cause.FORBIDDEN)
    return Listening(process, text_of.listening(inside.found, process.pid), ports)


def _running_as(inside: Inside) -> RunningAs:
    return RunningAs(inside.node_red.process)


def _settings(inside: Inside) -> dict[str, Any]:
    """Return what settings.js says, if that is what runs.

    Raises:
        ProbeError: it could not be read, it is newer than the process, or it belongs to another Node-RED.
    """
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    if stale := _newer(inside):
        raise ProbeError(
            f"{stale[0][0]} was changed {stale[0][1]} s after Node-RED started, so what it says is not what runs: "
            "see host-17",
            Cause.CHANGED,
        )
    _check_it_is_this_one(inside, seen)
    return seen


def _check_it_is_this_one(inside: Inside, seen: dict[str, Any]) -> None:
    """Compare the settings found with what the process listens on: another file's settings prove nothing."""
    wanted = str(seen.get("port") or seen["settings"]["uiPort"] or "1880")
    try:
        sockets = text_of.listening(inside.found, inside.node_red.process.pid)
    except ProbeError:
        return  # host-01 carries the cause; where the user directory was named this check is not the only one
    if any(wanted in (str(one.port), one.address) for one in sockets):
        return
    shown = ", ".join(one.line() for one in sockets)
    raise ProbeError(
        f"{seen['file']} says uiPort {wanted}, but {inside.node_red.process.line()} listens on {shown}: these are not "
        "the settings it runs with; name the right ones with the host's user_dir or settings_file in the policy",
        Cause.UNIDENTIFIED,
    )


def _newer(inside: Inside) -> list[tuple[str, int]]:
    if isinstance(inside.settings, ProbeError):
        return []
    started = inside.node_red.process.started
    loaded = inside.settings["loaded"]
    return [(one["path"], round(one["mtime"] - started)) for one in loaded if one["mtime"] > started + _SLACK]


def _hash(raw: dict[str, Any]) -> PasswordHash:
    return PasswordHash(raw["scheme"], raw["cost"], raw["known"])


def _login(inside: Inside) -> LoginSettings:
    seen = _settings(inside)
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
    hashes = [(f"adminAuth user {place}", _hash(user["hash"])) for place, user in enumerate(auth["users"], 1)]
    hashes += [
        (name, _hash(settings[name]["hash"]))
        for name in ("httpAdminAuth", "httpNodeAuth", "httpStaticAuth")
        if settings[name]["kind"] not in ("unset", "false")
    ]
    default = "" if auth["defaultKind"] in ("unset", "false") else auth["defaultPermissions"] or "*"
    return LoginSettings(seen["file"], auth["kind"], auth["type"], tuple(hashes), default)


def _channels(inside: Inside) -> ChannelSettings:
    seen = _settings(inside)
    settings, types = seen["settings"], seen["types"]
    if not types["known"]:
        raise ProbeError(
            f"the flows in {seen['userDir']} cannot be read, so its dashboards are not known", Cause.PROTOCOL
        )
    guard = ("function", "computed", "set")
    in_use = (("ui", types["dashboard1"]), ("dashboard", types["dashboard2"]))
    dashboards = tuple(
        (key, settings[key]["middleware"] in guard, settings[key]["ioMiddleware"] in guard)
        for key, used in in_use
        if used
    )
    root = settings["httpNodeRoot"].rstrip("/")
    names = {"ui": settings["ui"].get("path") or "ui", "dashboard": "dashboard"}
    paths = tuple(f"{root}/{names[key].strip('/')}" for key, _, _ in dashboards)
    verified = settings["webSocketNodeVerifyClient"] in guard
    nginx = None
    with contextlib.suppress(ProbeError):  # host-12 carries why it cannot be looked at; then the settings alone count
        nginx = _nginx_config(inside)
    return ChannelSettings(
        seen["file"], dashboards, types["webSockets"], verified, inside.demands.proxy_guards, paths, nginx
    )


def _editor(inside: Inside) -> EditorSettings:
    seen = _settings(inside)
    settings = seen["settings"]
    return EditorSettings(
        seen["file"],
        settings["disableEditor"],
        settings["httpAdminRoot"],
        settings["httpRoot"],
        settings["adminAuth"]["kind"] not in ("unset", "false", "empty"),
        settings["httpAdminAuth"]["kind"] not in ("unset", "false", "empty"),
    )


def _secret(inside: Inside) -> SecretSettings:
    seen = _settings(inside)
    return SecretSettings(seen["file"], seen["settings"]["credentialSecret"])


def _audit(inside: Inside) -> AuditSettings:
    seen = _settings(inside)
    return AuditSettings(seen["file"], seen["settings"]["audit"])


def _modules(inside: Inside) -> ModuleSettings:
    seen = _settings(inside)
    settings = seen["settings"]
    closed = {
        "externalModules.palette.allowInstall": settings["paletteInstall"] == "false",
        "externalModules.palette.allowUpload": settings["paletteUpload"] == "false",
        "externalModules.modules.allowInstall": settings["moduleInstall"] == "false"
        or settings["functionExternalModules"] == "false",
    }
    return ModuleSettings(seen["file"], tuple(name for name, off in closed.items() if not off))


def _files(inside: Inside, kind: str) -> FileAccess:
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    process = inside.node_red.process
    own = {"root", process.user}
    files = tuple(
        tuple(_step(step, seen["groups"], own) for step in one["steps"]) for one in seen["kinds"].get(kind, [])
    )
    return FileAccess(kind, seen["userDir"], process, files)


def _step(raw: dict[str, Any], groups: dict[str, Any], own: set[str]) -> FileStep:
    members = groups.get(str(raw["gid"]), {}).get("members", [])
    strangers = tuple(sorted(set(members) - own))
    return FileStep(raw["path"], raw["mode"], raw["uid"], raw["gid"], raw["folder"], strangers)


def _patch(inside: Inside) -> PatchLevel:
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    versions = seen["versions"]
    if not versions["nodeRed"]:
        raise ProbeError("Node-RED's own package.json was not found, so its release is not known", Cause.UNIDENTIFIED)
    today = datetime.now(UTC).date()
    return PatchLevel(versions["nodeRed"], versions["node"], today, versions["dashboard1"], versions["dashboard2"])


def _supervision(inside: Inside) -> Supervision:
    process = inside.node_red.process
    if process.container:
        return Supervision(process, None, restart_policy=text_of.published(inside.docker)[1])
    units = text_of.units(inside.found.get("units"))
    unit = units.get(process.unit) if process.unit else None
    security = inside.found.get(f"security {process.unit}")
    exposure = re.search(r": ([0-9.]+) [A-Z]", security.text) if security is not None else None
    return Supervision(process, unit, float(exposure[1]) if exposure else None)


def _other_proxy(inside: Inside) -> str:
    return "Caddy" if "caddy" in inside.found else ""


def _masters(inside: Inside) -> list[list[str]]:
    section = inside.found.get("nginx-processes")
    return [line.split() for line in section.text.split("\n") if line.strip()] if section is not None else []


def _nginx_service(inside: Inside) -> NginxService:
    other = _other_proxy(inside)
    if "nginx-version" not in inside.found:
        return NginxService(installed=False, running=False, other=other)
    running = bool(_masters(inside))
    try:
        unit = text_of.units(inside.found.get("units")).get("nginx.service")
    except ProbeError:
        unit = None
    if isinstance(inside.nginx, ProbeError):
        raise inside.nginx.again()
    if inside.nginx is None:
        return NginxService(installed=True, running=running, unit=unit, other=other)
    tested = inside.nginx.section
    if tested.code and re.search(r"denied|sudo:", tested.text):
        raise ProbeError(f"nginx -T may not be run: {text_of.why(tested)} (docs/sudoers has the line)", Cause.FORBIDDEN)
    complaint = next((line for line in tested.text.split("\n") if "[emerg]" in line), "")
    return NginxService(True, running, unit, tested.code == 0, complaint.removeprefix("nginx: ")[:200], other)


def _nginx_config(inside: Inside) -> NginxConfig:
    if isinstance(inside.nginx, ProbeError):
        raise inside.nginx.again()
    if inside.nginx is None:
        there = "nginx-version" in inside.found
        other = f"{_other_proxy(inside)} is the proxy there" if _other_proxy(inside) else "no other proxy was found"
        why = "nginx is installed but does not run, so nothing comes through it" if there else "nginx is not installed"
        return NginxConfig((), (), f"{why}; {other}")
    if inside.nginx.tree is None:
        raise ProbeError(
            f"nginx -T does not show its configuration: {text_of.why(inside.nginx.section)} (see docs/sudoers)",
            Cause.FORBIDDEN,
        )
    if stale := _nginx_newer(inside):
        raise ProbeError(
            f"{stale[0][0]} was changed {stale[0][1]} s after nginx's newest worker started, so it is not what runs: "
            "see host-17",
            Cause.CHANGED,
        )
    return NginxConfig(inside.nginx.tree, text_of.listening(inside.found, inside.node_red.process.pid))


def _way(inside: Inside) -> NginxConfig | CaddyConfig:
    """Return the configuration of the proxy in front: the nginx or the Caddy that listens on the URL's port."""
    parts = urlsplit(inside.url)
    port = str(parts.port or (443 if parts.scheme == "https" else 80))
    if "caddy" not in inside.found or port in ports_of(_nginx_tree(inside)):
        return _nginx_config(inside)
    if isinstance(inside.settings, ProbeError):
        raise inside.settings.again()
    for one in inside.settings["caddies"]:
        servers = tuple(
            CaddyServer(
                raw["name"], tuple(raw["listen"]), raw["tls"], tuple((to["dial"], to["secure"]) for to in raw["dials"])
            )
            for raw in one["servers"]
        )
        if any(at.rpartition(":")[2] == port for server in servers for at in server.listen):
            sockets = text_of.listening(inside.found, inside.node_red.process.pid)
            return CaddyConfig(one["file"], servers, sockets)
    why = "; ".join(dict.fromkeys(one["trouble"] for one in inside.settings["caddies"] if one["trouble"]))
    raise ProbeError(
        f"Caddy runs there, but none was seen to serve port {port}{': ' + why if why else ''}", Cause.FORBIDDEN
    )


def _nginx_tree(inside: Inside) -> tuple[Directive, ...]:
    return (inside.nginx.tree or ()) if isinstance(inside.nginx, Nginx) else ()


def _nginx_newer(inside: Inside) -> list[tuple[str, int]]:
    """Return the files nginx read that are newer than its newest worker, with the seconds."""
    if not isinstance(inside.nginx, Nginx):
        return []
    master, who = str(inside.nginx.master), inside.who
    starts = [int(line[2]) for line in _masters(inside) if len(line) > 2 and master in line[:2] and line[2].isdigit()]
    newest = who.now - who.uptime + max(starts, default=0) / who.ticks
    times = {name.removeprefix("time:"): one.text for name, one in inside.later.items() if name.startswith("time:")}
    dated = [(path, float(text)) for path, text in times.items() if text.strip().isdigit()]
    return [(path, round(mtime - newest)) for path, mtime in dated if mtime > newest + _SLACK]


def _freshness(inside: Inside) -> Freshness:
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    disk = _certificates(inside)
    on_disk = inside.served in disk if disk and inside.served else None
    return Freshness(
        inside.node_red.process,
        tuple(_newer(inside)),
        tuple(_nginx_newer(inside)),
        len(seen["loaded"]) + len(files_of(_nginx_tree(inside))),
        on_disk,
    )


_LINEAGE: Final = re.compile(r"/etc/letsencrypt/live/([^/ ']+)/cert\.pem")
_TIMERS: Final = ("certbot.timer", "certbot-renew.timer", "snap.certbot.renew.timer")


def _renewal(inside: Inside) -> Renewal:
    found = inside.found
    other = inside.demands.acme_client or _other_proxy(inside)
    if "certbot" not in found and "lineages" not in found:
        return Renewal("", other=other)
    listed = found.get("lineages")
    if listed is None or listed.code:
        reason = text_of.why(listed) if listed is not None else "/etc/letsencrypt is not there"
        raise ProbeError(f"certbot's lineages cannot be listed: {reason} (docs/sudoers has the line)", Cause.FORBIDDEN)
    if not inside.served and not other:
        raise ProbeError(f"{inside.url} showed no certificate to compare: see tls-01", Cause.PROTOCOL)
    names = tuple(sorted(set(_LINEAGE.findall(listed.text))))
    served = next((path for path in [_certificates(inside).get(inside.served, "")] if path), "")
    lineage = served.split("/live/")[-1].split("/")[0] if "/live/" in served else served and "one of them"
    cron = [line for line in found["cron"].text.split("\n") if line.startswith("/")]
    schedule, on, result = (cron[0], True, "") if cron else ("", False, "")
    try:
        units = text_of.units(found.get("units"))
    except ProbeError:
        if not cron:
            raise
        units = {}
    for name in _TIMERS:
        timer = units.get(name)
        if timer is not None and timer.there:
            schedule, on = name, timer.get("ActiveState") == "active"
            service = units.get(timer.get("Triggers") or name.replace(".timer", ".service"))
            result = service.get("Result") if service is not None else ""
            break
    renewal, hooks = found.get("renewal"), found.get("hooks")
    reloads = next((line.split(":", 1)[-1] for line in _hooks(renewal)), "")
    reloads = reloads or next((line for line in (hooks.text.split("\n") if hooks else []) if line.startswith("/")), "")
    return Renewal("certbot", names, lineage, schedule, on, result, reloads.strip(), other)


def _hooks(section: Section | None) -> list[str]:
    lines = section.text.split("\n") if section is not None else []
    return [line for line in lines if re.search(r"(renew_hook|deploy_hook|installer) *= *.*(nginx|caddy|reload)", line)]


def _keys(inside: Inside, place: str) -> KeyAccess:
    process = inside.node_red.process
    allowed = {"root", "ssl-cert", "caddy", "nginx", "www-data", process.user}
    if place == "certbot":
        listed = inside.found.get("lineages")
        if listed is None:
            return KeyAccess(place, (), "there are no certbot lineages (/etc/letsencrypt)")
        if listed.code:
            raise ProbeError(f"certbot's keys cannot be looked at: {text_of.why(listed)}", Cause.FORBIDDEN)
        steps = {step.path: step for step in map(lambda line: _listed(line, allowed), listed.text.split("\n")) if step}
        keys = [path for path in steps if re.search(r"/archive/.*/privkey\d*\.pem$", path)]
    else:
        if isinstance(inside.nginx, ProbeError):
            raise inside.nginx.again()
        keys = list(dict.fromkeys(named(_nginx_tree(inside), "ssl_certificate_key")))
        if not keys:
            return KeyAccess(place, (), "no nginx runs there, or it uses no key")
        steps = {}
        for name, section in inside.later.items():
            if name.startswith("key:"):
                if section.code:
                    path = name.removeprefix("key:")
                    raise ProbeError(
                        f"{path} cannot be looked at: {text_of.why(section)} (docs/sudoers)", Cause.FORBIDDEN
                    )
                step = _listed(section.text, allowed)
                steps |= {step.path: step} if step else {}
    found = tuple(
        tuple(steps[path] for path in (key, *map(str, PurePosixPath(key).parents)) if path in steps) for key in keys
    )
    return KeyAccess(place, tuple(one for one in found if one), "no key was found")


def _listed(line: str, allowed: set[str]) -> FileStep | None:
    """Read a line of `stat -c '%a %u %g %U %G %Y %N'`; links are left out, what they point to stands elsewhere."""
    parts = line.strip().split(" ", 6)
    if len(parts) != 7 or " -> " in parts[6] or not re.fullmatch(r"[0-7]{1,4}", parts[0]):
        return None
    path = parts[6].strip("'")
    strangers = () if parts[4] in allowed else (f"group {parts[4]}",)
    return FileStep(
        path, int(parts[0], 8), int(parts[1]), int(parts[2]), not path.endswith((".pem", ".key")), strangers
    )


_PARTS: Final[dict[str, Callable[..., Observation]]] = {
    "identity": _identity,
    "listening": _listening,
    "user": _running_as,
    "login": _login,
    "channels": _channels,
    "editor": _editor,
    "secret": _secret,
    "files": _files,
    "audit": _audit,
    "modules": _modules,
    "supervision": _supervision,
    "nginx service": _nginx_service,
    "nginx": _nginx_config,
    "way": _way,
    "renewal": _renewal,
    "keys": _keys,
    "patch level": _patch,
    "freshness": _freshness,
}
