"""The proxies of a host: nginx as a service, its configuration, and the routes to Node-RED."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_proxies import CaddyConfig, NginxConfig, NginxService
from pytest_nodered_sec.probes.host import caddy, fronts
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.gather import Nginx, files_of
from pytest_nodered_sec.probes.host.mounts import read_elsewhere
from pytest_nodered_sec.probes.host.nginx import ports_of
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.probes.host.gather import Inside


SLACK: Final = 2.0  # seconds: the kernel's start times are whole ticks after a boot time in whole seconds


def check_no_box(inside: Inside, proxy: str) -> None:
    """Raise ProbeError where a proxy runs in a container, whose configuration the host does not show."""
    section = inside.found.get(f"boxed {proxy}")
    if section is not None and fronts.box_in_front(section, text_of.taken(inside.found).get(int(_port(inside)), set())):
        raise ProbeError(
            f"{proxy} runs in the container {section.text.strip()[:12]}: its configuration is inside and cannot be "
            "inspected from the host; what it lets pass is asked from outside (admin-01, dash-01 and the like)",
            Cause.FORBIDDEN,
        )


def other_proxy(inside: Inside) -> str:
    """Return the names of the proxies that run there beside or instead of nginx, "" for none."""
    return " and ".join(
        dict.fromkeys([*(["Caddy"] if inside.caddy else []), *(front.program for front in inside.fronts)])
    )


def nginx_masters(inside: Inside) -> list[list[str]]:
    """Return the lines on nginx's masters and workers, word by word."""
    section = inside.found.get("nginx-processes")
    return [line.split() for line in section.text.split("\n") if line.strip()] if section is not None else []


def nginx_service(inside: Inside) -> NginxService:
    """Return nginx as a service.

    Raises:
        ProbeError: it runs in a container, or does not show its configuration.
    """
    other = other_proxy(inside)
    if inside.nginx is None:
        check_no_box(inside, "nginx")
    if "nginx-version" not in inside.found:
        return NginxService(installed=False, running=False, other=other)
    running = bool(nginx_masters(inside))
    unknown = None
    try:
        units = text_of.units(inside.found.get("units"))
    except ProbeError as error:
        units, unknown = {}, error
    if isinstance(inside.nginx, ProbeError):
        raise inside.nginx.again()
    if inside.nginx is None:
        return NginxService(
            installed=True,
            running=running,
            unit=text_of.at_boot(units.get("nginx.service"), inside.found.get("started-by")),
            other=other,
        )
    own = inside.found.get(f"unit-of {inside.nginx.master}", Section("", 1)).text.strip()
    unit = text_of.at_boot(units.get(own or "nginx.service"), inside.found.get("started-by"))
    tested = inside.nginx.section
    if text_of.denied(tested):
        reason = text_of.why(tested).removeprefix("nginx -T is not run: ")
        raise ProbeError(f"nginx -T is not run: {reason} (docs/host.md, docs/sudoers)", Cause.FORBIDDEN)
    if unknown is not None and tested.code == 0 and inside.nginx.master != 1:  # a container's first process is nginx
        message = f"nginx runs and its configuration is valid; whether it starts at boot cannot be seen: {unknown}"
        raise ProbeError(message, Cause.UNAVAILABLE)
    complaint = next((line for line in tested.text.split("\n") if "[emerg]" in line), "")
    return NginxService(
        True, running, unit, tested.code == 0, redaction.cut(complaint.removeprefix("nginx: "), 200), other
    )


def check_nginx_is_seen(inside: Inside) -> None:
    """Raise ProbeError where an nginx runs that does not show its configuration."""
    if isinstance(inside.nginx, ProbeError):
        raise inside.nginx.again()
    if inside.nginx is not None and inside.nginx.tree is None:
        reason = text_of.why(inside.nginx.section)
        raise ProbeError(
            f"nginx -T does not show its configuration: {reason} (docs/host.md, docs/sudoers)", Cause.FORBIDDEN
        )
    if inside.nginx is not None:
        name = inside.found.get(f"unit-of {inside.nginx.master}", Section("", 1)).text.strip()
        if why := read_elsewhere("nginx", inside.found, name, files_of(nginx_tree(inside))):
            raise ProbeError(why, Cause.UNIDENTIFIED)


def nginx_config(inside: Inside) -> NginxConfig:
    """Return nginx's whole configuration, if that is what runs.

    Raises:
        ProbeError: it cannot be seen, or changed since.
    """
    check_nginx_is_seen(inside)
    if inside.nginx is None:
        for proxy in ("nginx", "caddy"):
            check_no_box(inside, proxy)
        if not other_proxy(inside):
            _check_nobody_else_serves(inside)
        there = "nginx-version" in inside.found
        other = f"{other_proxy(inside)} is the proxy there" if other_proxy(inside) else "no other proxy was found"
        why = "nginx is installed but not running" if there else "nginx is not installed"
        return NginxConfig((), (), f"{why}; {other}")
    if stale := nginx_newer(inside):
        raise ProbeError(
            f"{stale[0][0]} was changed {stale[0][1]} s after nginx's workers started, so it is not what runs: "
            "see host-17",
            Cause.CHANGED,
        )
    return NginxConfig(nginx_tree(inside), text_of.listening(inside.found, inside.node_red.process.pid))


def _check_nobody_else_serves(inside: Inside) -> None:
    """Raise ProbeError where a program that is none of the known ones listens on the URL's port."""
    port, pid = int(_port(inside)), inside.node_red.process.pid
    if port not in text_of.taken(inside.found):
        return
    own = text_of.listening(inside.found, pid)
    if not any(listener.port == port and listener.family.startswith("tcp") for listener in own):
        raise ProbeError(
            f"a program whose configuration is not read here listens on port {port}: neither Node-RED nor a proxy that "
            "was recognised; what it lets pass is asked from outside (admin-01 and the like)",
            Cause.UNIDENTIFIED,
        )


def way_through(inside: Inside) -> NginxConfig | CaddyConfig | FrontConfig:
    """Return the configuration of the proxy in front, and where Node-RED behind it has what.

    Raises:
        ProbeError: as `_in_front`.
    """
    admin, node = _roots(inside)
    return replace(_in_front(inside), admin_root=admin, node_root=node)


def _roots(inside: Inside) -> tuple[str, str]:
    """Return the paths of Node-RED's admin root ("" for none) and node root, as settings.js has them."""
    if isinstance(inside.settings, ProbeError):
        return "", ""
    settings = inside.settings["settings"]
    admin, node = (settings.get(name, "") for name in ("httpAdminRoot", "httpNodeRoot"))
    return "" if admin == "false" else f"/{admin.strip('/')}", "" if node == "false" else f"/{node.strip('/')}"


def _in_front(inside: Inside) -> NginxConfig | CaddyConfig | FrontConfig:
    """Return the configuration of the proxy in front: the one that listens on the URL's port.

    Raises:
        ProbeError: it cannot be seen, or no proxy that runs there is seen to listen on it.
    """
    if nginx_in_front(inside):
        return nginx_config(inside)
    troubles: list[str] = []
    if inside.caddy and not isinstance(inside.settings, ProbeError):
        for raw in inside.settings["caddies"]:
            troubles += [raw["trouble"]] * bool(raw["trouble"])
            servers = tuple(caddy.server(server) for server in raw["servers"])
            if any(at.rpartition(":")[2] == _port(inside) for server in servers for at in server.listen):
                sockets = text_of.listening(inside.found, inside.node_red.process.pid)
                return CaddyConfig(raw["file"], servers, sockets)
    if (other := _front_in_front(inside)) is not None:
        return other
    if not inside.caddy:
        return nginx_config(inside)
    if isinstance(inside.settings, ProbeError):
        raise inside.settings.again()
    why = "; ".join(dict.fromkeys(troubles))
    raise ProbeError(
        f"Caddy runs there, but none was seen to serve port {_port(inside)}{': ' + why if why else ''}", Cause.FORBIDDEN
    )


def _front_in_front(inside: Inside) -> FrontConfig | None:
    """Return the configuration of the proxy, neither nginx nor Caddy, that listens on the URL's port.

    Raises:
        ProbeError: it cannot be seen, or nothing else can be in front.
    """
    trouble = None
    for front in inside.fronts:
        try:
            sockets = text_of.listening(inside.found, inside.node_red.process.pid)
            config = fronts.config(front, inside.later, sockets)
            if why := read_elsewhere(
                front.program, inside.found, front.unit, {config.file, *files_of(config.directives)}
            ):
                raise ProbeError(why, Cause.UNIDENTIFIED)
        except ProbeError as error:
            trouble = error
            continue
        if _port(inside) in fronts.ports_of(config.directives):
            return config
    if trouble is not None:
        raise trouble.again()
    if inside.fronts and inside.nginx is None and not inside.caddy:
        names = other_proxy(inside)
        raise ProbeError(f"{names} runs there, but was not seen to serve port {_port(inside)}", Cause.UNIDENTIFIED)
    return None


def _port(inside: Inside) -> str:
    parts = urlsplit(inside.url)
    return str(parts.port or (443 if parts.scheme == "https" else 80))


def nginx_in_front(inside: Inside) -> bool:
    """Whether it is nginx that listens on the URL's port."""
    return _port(inside) in ports_of(nginx_tree(inside))


def nginx_tree(inside: Inside) -> tuple[Directive, ...]:
    """Return nginx's directives, () where none came."""
    return (inside.nginx.tree or ()) if isinstance(inside.nginx, Nginx) else ()


def nginx_newer(inside: Inside) -> list[tuple[str, int]]:
    """Return the files that are newer than what nginx read, with the seconds.

    It read them when the oldest worker that goes on was started: one that dies has a successor with what was read then.
    """
    if not isinstance(inside.nginx, Nginx):
        return []
    master, who = str(inside.nginx.master), inside.who
    lines = [line for line in nginx_masters(inside) if len(line) > 2 and line[2].isdigit()]
    workers = [int(line[2]) for line in lines if line[1] == master and line[-2:] != ["shutting", "down"]]
    own = [int(line[2]) for line in lines if line[0] == master]
    read = who.now - who.uptime + min(workers or own, default=0) / who.ticks
    return changed(inside, sorted(files_of(nginx_tree(inside))), read)


def changed(inside: Inside, paths: Sequence[str], since: float) -> list[tuple[str, int]]:
    """Return which files changed after a moment: content or inode, so that a kept date does not hide it.

    Raises:
        ProbeError: the date of one cannot be seen.
    """
    dated = {}
    for path in paths:
        section = inside.later.get(f"time:{path}", Section("", 1))
        if lines_of_pids := re.findall(r"^(?:\d{9,} ?)+$", section.text, re.MULTILINE):
            dated[path] = max(int(part) for line in lines_of_pids for part in line.split())
        elif "No such file" not in section.text:  # one that is gone is no evidence either way
            reason = text_of.why(section)
            raise ProbeError(f"when {path} was changed cannot be seen: {reason} (docs/sudoers)", Cause.FORBIDDEN)
    return [(path, round(at - since)) for path, at in dated.items() if at > since + SLACK]
