"""The parts of what was gathered on a host, each as the observation its control asks for.

Parsing only, nothing is run: a part that could not be looked at is a `ProbeError` of its own, so that one missing right
costs one control.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_host import (
    AuditSettings,
    CaddyConfig,
    CaddyMatch,
    CaddyRoute,
    CaddyServer,
    CaddyStep,
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
from pytest_nodered_sec.probes.host import Nginx, environment_of_unit, files_of, files_of_unit, named, ports_of
from pytest_nodered_sec.probes.host_text import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nodered_sec.model import Observation
    from pytest_nodered_sec.model_host import Directive
    from pytest_nodered_sec.probes.host import Inside
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
    if inside.in_container and not inside.connected and inside.served not in disk:
        raise ProbeError(
            f"a container does not show whether it is the one behind {inside.url}: look at the machine of the proxy",
            Cause.UNIDENTIFIED,
        )
    return Identity(inside.url, inside.connected, len(disk), disk.get(inside.served, ""))


def _certificates(inside: Inside) -> dict[str, str]:
    """Return the certificates found on the host: where, by SHA-256; former ones of a lineage lie in archive/."""
    result: dict[str, str] = {}
    for name, section in inside.later.items():
        if name.startswith("certificate:"):
            result |= dict.fromkeys(_fingerprints(section.text)[:1], name.removeprefix("certificate:"))
    kept: dict[str, str] = {}  # path: certificate
    for line in inside.found["certificates"].text.split("\n") if "certificates" in inside.found else ():
        path, _, content = line.partition(":")
        if path.startswith("/etc/letsencrypt/"):
            kept[path] = f"{kept.get(path, '')}{content}\n"
    for path in sorted(kept):  # archive/ before live/, whose links lead there: what is in use has the last word
        result |= dict.fromkeys(_fingerprints(kept[path]), path)
    return result


def _fingerprints(text: str) -> list[str]:
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----", text)
    return [hashlib.sha256(ssl.PEM_cert_to_DER_cert(one)).hexdigest() for one in blocks]


def _listening(inside: Inside) -> Listening:
    process = inside.node_red.process
    ports, _ = text_of.published(inside.docker, inside.networks)
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
    if seen["define"]:
        raise ProbeError(
            f"Node-RED was started with -D, which sets what {seen['file']} does not say: put it there instead",
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
    return [(one["path"], round(one["changed"] - started)) for one in loaded if one["changed"] > started + _SLACK]


def _installed(inside: Inside) -> list[tuple[str, int]]:
    """Return the packages that were installed or updated after Node-RED started, with the seconds."""
    if isinstance(inside.settings, ProbeError):
        return []
    started = inside.node_red.process.started
    packages = inside.settings["versions"]["packages"]
    return [(one["path"], round(one["changed"] - started)) for one in packages if one["changed"] > started + _SLACK]


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
    proxy = None
    try:
        proxy = _way(inside)
    except ProbeError as error:
        alone = all(page and live for _, page, live in dashboards) and (verified or not types["webSockets"])
        if not alone and not inside.demands.proxy_guards:
            raise ProbeError(f"whether the proxy guards what the settings do not: {error}", error.cause) from None
    return ChannelSettings(
        seen["file"],
        dashboards,
        tuple(f"{root}/{path.strip('/')}" for path in types["webSockets"]),
        verified,
        inside.demands.proxy_guards,
        paths,
        proxy,
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
    if kind == "environment files":
        return _environment(inside)
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    process = inside.node_red.process
    own = {"root", process.user}
    files = tuple(
        tuple(_step(step, seen["groups"], own) for step in one["steps"]) for one in seen["kinds"].get(kind, [])
    )
    return FileAccess(kind, seen["userDir"], process, files)


def _environment(inside: Inside) -> FileAccess:
    """Return the files from which the service manager gives Node-RED its environment, secrets perhaps."""
    process = inside.node_red.process
    paths = environment_of_unit(inside.found, process.unit)
    steps = _looked_at(inside, {"root", process.user}, paths)
    there = [path for path in paths if path in steps]
    return FileAccess("environment files", process.unit or "no service", process, _on_the_way(there, steps))


def _step(raw: dict[str, Any], groups: dict[str, Any], own: set[str]) -> FileStep:
    members = groups.get(str(raw["gid"]), {}).get("members", [])
    strangers = tuple(sorted(set(members) - own)) + (("whom its access control list names",) if raw["acl"] else ())
    return FileStep(raw["path"], raw["mode"], raw["uid"], raw["gid"], raw["folder"], strangers)


def _patch(inside: Inside) -> PatchLevel:
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    versions = seen["versions"]
    if not versions["nodeRed"]:
        raise ProbeError(
            "Node-RED's own package.json was not found, or several differ, so its release is not known",
            Cause.UNIDENTIFIED,
        )
    if stale := _installed(inside):
        raise ProbeError(
            f"{stale[0][0]} was installed {stale[0][1]} s after Node-RED started, so it is not what runs: see host-17",
            Cause.CHANGED,
        )
    today = datetime.now(UTC).date()
    modules = tuple((name, release) for name, release in versions["modules"])
    return PatchLevel(versions["nodeRed"], versions["node"], today, modules)


def _supervision(inside: Inside) -> Supervision:
    process = inside.node_red.process
    if inside.docker is not None or process.container:
        return Supervision(process, None, restart_policy=text_of.published(inside.docker, inside.networks)[1])
    units = text_of.units(inside.found.get("units"))
    unit = units.get(process.unit) if process.unit else None
    if stale := _unit_newer(inside):
        raise ProbeError(
            f"{stale[0][0]} was changed {stale[0][1]} s after Node-RED started, so it is not how it runs: see host-17",
            Cause.CHANGED,
        )
    security = inside.found.get(f"security {process.unit}")
    exposure = re.search(r": ([0-9.]+) [A-Z]", security.text) if security is not None else None
    return Supervision(process, unit, float(exposure[1]) if exposure else None)


def _check_no_box(inside: Inside, proxy: str) -> None:
    if (section := inside.found.get(f"boxed {proxy}")) is not None:
        raise ProbeError(
            f"{proxy} runs in the container {section.text.strip()[:12]}: its configuration lies in there and cannot be "
            "looked at from the host",
            Cause.FORBIDDEN,
        )


def _other_proxy(inside: Inside) -> str:
    return "Caddy" if "caddy" in inside.found else ""


def _masters(inside: Inside) -> list[list[str]]:
    section = inside.found.get("nginx-processes")
    return [line.split() for line in section.text.split("\n") if line.strip()] if section is not None else []


def _nginx_service(inside: Inside) -> NginxService:
    other = _other_proxy(inside)
    if inside.nginx is None:
        _check_no_box(inside, "nginx")
    if "nginx-version" not in inside.found:
        return NginxService(installed=False, running=False, other=other)
    running = bool(_masters(inside))
    unknown = None
    try:
        units = text_of.units(inside.found.get("units"))
    except ProbeError as error:
        units, unknown = {}, error
    if isinstance(inside.nginx, ProbeError):
        raise inside.nginx.again()
    if inside.nginx is None:
        return NginxService(installed=True, running=running, unit=units.get("nginx.service"), other=other)
    own = inside.found.get(f"unit-of {inside.nginx.master}", Section("", 1)).text.strip()
    unit = units.get(own or "nginx.service")
    tested = inside.nginx.section
    if text_of.denied(tested):
        raise ProbeError(f"nginx -T may not be run: {text_of.why(tested)} (docs/sudoers has the line)", Cause.FORBIDDEN)
    if unknown is not None and tested.code == 0 and inside.nginx.master != 1:  # a container's first process is nginx
        message = f"nginx runs and its configuration is valid; whether it starts at boot cannot be seen: {unknown}"
        raise ProbeError(message, Cause.UNAVAILABLE)
    complaint = next((line for line in tested.text.split("\n") if "[emerg]" in line), "")
    return NginxService(True, running, unit, tested.code == 0, complaint.removeprefix("nginx: ")[:200], other)


def _nginx_config(inside: Inside) -> NginxConfig:
    if isinstance(inside.nginx, ProbeError):
        raise inside.nginx.again()
    if inside.nginx is None:
        for proxy in ("nginx", "caddy"):
            _check_no_box(inside, proxy)
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
    if "caddy" not in inside.found or _nginx_in_front(inside):
        return _nginx_config(inside)
    if isinstance(inside.settings, ProbeError):
        raise inside.settings.again()
    for one in inside.settings["caddies"]:
        servers = tuple(
            CaddyServer(
                raw["name"],
                tuple(raw["listen"]),
                raw["tls"],
                tuple((to["dial"], to["secure"]) for to in raw["dials"]),
                _routes(raw["routes"]),
            )
            for raw in one["servers"]
        )
        port = _port(inside)
        if any(at.rpartition(":")[2] == port for server in servers for at in server.listen):
            sockets = text_of.listening(inside.found, inside.node_red.process.pid)
            return CaddyConfig(one["file"], servers, sockets)
    why = "; ".join(dict.fromkeys(one["trouble"] for one in inside.settings["caddies"] if one["trouble"]))
    raise ProbeError(
        f"Caddy runs there, but none was seen to serve port {_port(inside)}{': ' + why if why else ''}", Cause.FORBIDDEN
    )


def _routes(raw: list[dict[str, Any]]) -> tuple[CaddyRoute, ...]:
    return tuple(
        CaddyRoute(
            _matches(one["sets"]),
            tuple(CaddyStep(step["kind"], tuple(step["dials"]), _routes(step["routes"])) for step in one["steps"]),
            one["group"],
            one["last"],
        )
        for one in raw
    )


def _matches(raw: list[dict[str, Any]]) -> tuple[CaddyMatch, ...]:
    return tuple(
        CaddyMatch(tuple(one["hosts"]), tuple(one["paths"]), one["pattern"], _matches(one["not"]), one["others"])
        for one in raw
    )


def _port(inside: Inside) -> str:
    parts = urlsplit(inside.url)
    return str(parts.port or (443 if parts.scheme == "https" else 80))


def _nginx_in_front(inside: Inside) -> bool:
    """Whether it is nginx that listens on the URL's port."""
    return _port(inside) in ports_of(_nginx_tree(inside))


def _nginx_tree(inside: Inside) -> tuple[Directive, ...]:
    return (inside.nginx.tree or ()) if isinstance(inside.nginx, Nginx) else ()


def _nginx_newer(inside: Inside) -> list[tuple[str, int]]:
    """Return the files nginx read that are newer than its newest worker, with the seconds."""
    if not isinstance(inside.nginx, Nginx):
        return []
    master, who = str(inside.nginx.master), inside.who
    starts = [int(line[2]) for line in _masters(inside) if len(line) > 2 and master in line[:2] and line[2].isdigit()]
    newest = who.now - who.uptime + max(starts, default=0) / who.ticks
    return _changed(inside, sorted(files_of(_nginx_tree(inside))), newest)


def _unit_newer(inside: Inside) -> list[tuple[str, int]]:
    """Return the files of Node-RED's unit that are newer than the process, with the seconds."""
    return _changed(inside, files_of_unit(inside.found, inside.node_red.process.unit), inside.node_red.process.started)


def _changed(inside: Inside, paths: Sequence[str], since: float) -> list[tuple[str, int]]:
    """Return which files changed after a moment: content or inode, so that a kept date does not hide it."""
    times = {path: inside.later.get(f"time:{path}", Section("", 1)).text for path in paths}
    dated = {path: max(map(int, found)) for path, text in times.items() if (found := re.findall(r"\b\d{9,}\b", text))}
    return [(path, round(at - since)) for path, at in dated.items() if at > since + _SLACK]


def _freshness(inside: Inside) -> Freshness:
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    return Freshness(
        inside.node_red.process,
        (*_newer(inside), *_installed(inside), *_unit_newer(inside)),
        tuple(_nginx_newer(inside)),
        len(seen["loaded"]) + len(files_of(_nginx_tree(inside))),
        _served_on_disk(inside),
    )


def _served_on_disk(inside: Inside) -> bool | None:
    """Whether the certificate served is one in use on the host; None where none is there, or none was served.

    Raises:
        ProbeError: one that nginx names cannot be read, and the others are not the one served.
    """
    in_use = {found: path for found, path in _certificates(inside).items() if "/letsencrypt/archive/" not in path}
    if not inside.served or inside.served in in_use:
        return bool(inside.served) or None
    _check_rights(inside.found, "certificates")
    for name, section in inside.later.items():
        known = name.startswith("certificate:/etc/letsencrypt/")  # seen as root, with all of certbot's
        if name.startswith("certificate:") and section.code and not known:
            path = name.removeprefix("certificate:")
            raise ProbeError(f"{path} cannot be read: {text_of.why(section)} (docs/sudoers)", Cause.FORBIDDEN)
    return False if in_use else None


_LINEAGE: Final = re.compile(r"/etc/letsencrypt/live/([^/ ']+)/cert\.pem")
_STARTED_AT_BOOT: Final = ("enabled", "static", "generated", "indirect", "alias")
_TIMERS: Final = ("certbot.timer", "certbot-renew.timer", "snap.certbot.renew.timer")


def _renewal(inside: Inside) -> Renewal:
    found = inside.found
    other = inside.demands.acme_client or ("" if _nginx_in_front(inside) else _other_proxy(inside))
    if "certbot" not in found and "lineages" not in found:
        if inside.in_container and not other:
            raise ProbeError(
                "who renews the certificate is not to be seen in a container: look at the machine of the proxy, or say "
                'it in the policy: acme_client = "acme.sh"',
                Cause.UNIDENTIFIED,
            )
        return Renewal("", other=other)
    listed = found.get("lineages")
    if listed is None or listed.code:
        reason = text_of.why(listed) if listed is not None else "/etc/letsencrypt is not there"
        raise ProbeError(f"certbot's lineages cannot be listed: {reason} (docs/sudoers has the line)", Cause.FORBIDDEN)
    if not inside.served and not other:
        raise ProbeError(f"{inside.url} showed no certificate to compare: see tls-01", Cause.PROTOCOL)
    _check_rights(found, "certificates", "renewal", "hooks", "cron")
    names = tuple(sorted(set(_LINEAGE.findall(listed.text))))
    lineage = _lineage(_certificates(inside).get(inside.served, ""))
    schedule, on, result = _schedule(found)
    return Renewal("certbot", names, lineage, schedule, on, result, _reload(found, lineage), other)


def _check_rights(found: dict[str, Section], *names: str) -> None:
    """Raise ProbeError where one of the script's commands was denied; grep's "found nothing" is an answer."""
    for name in names:
        section = found.get(name, Section("", 0))
        if text_of.denied(section):
            raise ProbeError(f"{name}: {text_of.why(section)} (docs/sudoers has the line)", Cause.FORBIDDEN)


def _lineage(served: str) -> str:
    """Return the lineage that the certificate served belongs to, "" where it is none's."""
    found = re.search(r"/etc/letsencrypt/(?:live|archive)/([^/]+)/", served)
    return found[1] if found else ""


def _schedule(found: dict[str, Section]) -> tuple[str, bool, str]:
    """Return what renews, whether that is on, and how the last run went.

    Raises:
        ProbeError: no service manager tells, and no cron file does.
    """
    lines = _lines(found, "cron")
    running = "/comm" in found.get("crond", Section("", 1)).text
    try:
        units = text_of.units(found.get("units"))
    except ProbeError:
        if not lines:
            raise
        units = {}
    # Debian's own cron file leaves it to the timer wherever systemd runs
    cron = [path for path, _, line in lines if not (units and "-d /run/systemd/system" in line)]
    schedule, on, result = (cron[0], running, "") if cron else ("", False, "")
    for name in _TIMERS:
        timer = units.get(name)
        if timer is None or timer.get("LoadState") not in ("loaded", "masked"):
            continue
        service = units.get(timer.get("Triggers") or name.replace(".timer", ".service"))
        result = service.get("Result") if service is not None else ""
        if not on:
            states = (timer.get("LoadState"), timer.get("ActiveState"))
            schedule, on = name, states == ("loaded", "active") and timer.get("UnitFileState") in _STARTED_AT_BOOT
        break
    return schedule, on, result


def _reload(found: dict[str, Section], lineage: str) -> str:
    """Return what reloads the proxy after a renewal of this lineage, "" where nothing does."""
    for_all = ("/etc/letsencrypt/cli.ini", "/etc/sysconfig/certbot")  # the latter read by the timer of Red Hat's
    files = (*for_all, f"/etc/letsencrypt/renewal/{lineage}.conf")
    for path, _, line in _lines(found, "renewal"):
        if path in files and re.match(r"(?i)((renew|deploy|post)[_-]hook|installer) *= *.*(nginx|caddy)", line):
            return line.strip()
    for path, _, line in _lines(found, "cron"):  # as its own argument, or by the next command
        if re.search("nginx|caddy", line):
            return path
    runnable = {path for path, mode in _modes(found) if mode & 0o111}
    for path, _, _line in _lines(found, "hooks"):
        if re.match(r"/etc/letsencrypt/renewal-hooks/(deploy|post)/[^/]+$", path) and path in runnable:
            return path  # certbot runs no other
    return ""


def _lines(found: dict[str, Section], name: str) -> list[tuple[str, str, str]]:
    """Return what grep found: path, ":" and line, each; comments say nothing."""
    text = found.get(name, Section("", 1)).text
    lines = [line.partition(":") for line in text.split("\n") if line.startswith("/")]
    return [one for one in lines if not one[2].lstrip().startswith("#")]


def _modes(found: dict[str, Section]) -> list[tuple[str, int]]:
    lines = [line.strip().split(" ", 6) for line in found["lineages"].text.split("\n")]
    return [(one[6].strip("'"), int(one[0], 8)) for one in lines if len(one) == 7 and re.fullmatch("[0-7]+", one[0])]


def _keys(inside: Inside, place: str) -> KeyAccess:
    process = inside.node_red.process
    allowed = {"root", "ssl-cert", "caddy", process.user, *(line[3] for line in _masters(inside) if "master" in line)}
    if place == "certbot":
        listed = inside.found.get("lineages")
        if listed is None:
            return KeyAccess(place, (), "there are no certbot lineages (/etc/letsencrypt)")
        if listed.code:
            raise ProbeError(f"certbot's keys cannot be looked at: {text_of.why(listed)}", Cause.FORBIDDEN)
        steps = _listed(listed.text, allowed)
        keys = [path for path in steps if re.search(r"/archive/.*/privkey\d*\.pem$", path)]
        return KeyAccess(place, _on_the_way(keys, steps), "certbot has no lineage")
    if isinstance(inside.nginx, ProbeError):
        raise inside.nginx.again()
    keys = list(dict.fromkeys(named(_nginx_tree(inside), "ssl_certificate_key")))
    if not keys and _other_proxy(inside) and not _nginx_in_front(inside):
        unseen = "Caddy keeps the keys itself, below its data directory, where this suite does not look"
        return KeyAccess(place, (), unseen=unseen)
    if not keys:
        return KeyAccess(place, (), "no nginx runs there, or it uses no key")
    steps = _looked_at(inside, allowed, keys)
    if "lineages" in inside.found:  # live/ holds links: who gets through is told by the directories of archive/
        steps |= _listed(inside.found["lineages"].text, allowed)
        keys = [_led_to(path, inside.found["lineages"]) for path in keys]
    return KeyAccess(place, _on_the_way(keys, steps))


def _led_to(path: str, listed: Section) -> str:
    """Return where a link of certbot's leads, any other path as it is."""
    found = re.search(rf"'{re.escape(path)}' -> '\.\./\.\./([^']+)'", listed.text)
    return str(PurePosixPath(path).parents[2] / found[1]) if found else path


def _looked_at(inside: Inside, allowed: set[str], paths: Sequence[str]) -> dict[str, FileStep]:
    """Return files that the second trip looked at, and the directories above them.

    Raises:
        ProbeError: one cannot be looked at.
    """
    steps: dict[str, FileStep] = {}
    for path in dict.fromkeys(step for end in paths for step in (end, *map(str, PurePosixPath(end).parents))):
        section = inside.later.get(f"key:{path}")
        if section is None or "No such file" in section.text:
            continue
        found = _listed(section.text, allowed)
        if path not in found:
            raise ProbeError(f"{path} cannot be looked at: {text_of.why(section)} (docs/sudoers)", Cause.FORBIDDEN)
        steps |= found
    return steps


def _on_the_way(paths: list[str], steps: dict[str, FileStep]) -> tuple[tuple[FileStep, ...], ...]:
    """Return each key with the directories above it, as far as they were seen.

    Raises:
        ProbeError: one was not seen.
    """
    for path in paths:
        if path not in steps:  # a variable in its name, or a path that is relative to nginx's own
            raise ProbeError(f"where the key {path} lies cannot be told", Cause.UNIDENTIFIED)
    return tuple(
        (
            replace(steps[path], folder=False),
            *(steps[one] for one in map(str, PurePosixPath(path).parents) if one in steps),
        )
        for path in paths
    )


def _listed(text: str, allowed: set[str]) -> dict[str, FileStep]:
    """Read lines of `stat -c '%a %u %g %U %G %Y %N'`, all as directories.

    Links are left out: what they point to stands elsewhere.
    """
    steps = {}
    for line in text.split("\n"):
        parts = line.strip().split(" ", 6)
        if len(parts) != 7 or " -> " in parts[6] or not re.fullmatch(r"[0-7]{1,4}", parts[0]):
            continue  # sudo may complain on a line of its own
        path = parts[6].strip("'")
        strangers = () if parts[4] in allowed else (f"group {parts[4]}",)
        owner = "" if parts[3] in allowed else parts[3]
        steps[path] = FileStep(path, int(parts[0], 8), int(parts[1]), int(parts[2]), True, strangers, owner)
    return steps


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
