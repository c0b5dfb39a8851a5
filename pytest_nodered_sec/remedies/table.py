"""Which changes end which finding, in order of preference: by control and code, with what the policy wants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.flow_nodes import INTERFACES, PORTS
from pytest_nodered_sec.data.releases import unfixed

if TYPE_CHECKING:
    from pytest_nodered_sec.remedies.model import Finding, Site

_ADMIN: Final = ("admin-01", "admin-02", "admin-03", "admin-04", "admin-05", "admin-06", "csrf-01")
_TLS: Final = ("tls-07", "tls-08", "tls-09", "tls-10", "tls-14", "tls-15", "tls-16")
_PLAIN: Final = ("http-01", "http-02", "http-03", "http-04", "http-05")
_CERTIFICATE: Final = ("tls-01", "tls-02", "tls-03", "tls-04", "tls-05", "tls-06", "tls-11", "tls-13")
_ALWAYS: Final = {
    **dict.fromkeys(_TLS, "front.tls"),
    **dict.fromkeys(_PLAIN, "front.redirect"),
    **dict.fromkeys(_CERTIFICATE, "front.certificate"),
    "admin-07": "front.hide",
    "admin-08": "settings.account",
    "admin-09": "settings.sessionExpiryTime",
    "admin-12": "front.identity",
    "cookie-01": "front.cookies",
    "cred-01": "settings.passwords",
    "editor-04": "settings.externalModules",
    "host-06": "settings.credentialSecret",
    "host-08": "settings.logging",
    "host-09": "settings.externalModules",
    "http-06": "front.headers",
    "patch-01": "package.node-red",
    "patch-03": "host.nodejs",
    "proxy-01": "settings.uiHost",
    "proxy-02": "front.hide",
    "proxy-03": "front.names",
    "proxy-04": "host.ports",
    "static-01": "settings.httpStatic",
    "tls-12": "front.clients",
}
_POLICY: Final = {
    "undeclared-http": "policy.protected_paths",
    "undeclared-websocket": "policy.websockets",
    **dict.fromkeys((f"undeclared-{kind}" for kind in INTERFACES), "policy.interfaces"),
    **dict.fromkeys((f"undeclared-{kind}" for kind in PORTS), "policy.listens"),
    "undeclared-dashboard": "policy.dashboards",
}
_EDITOR: Final = {
    "editor": "settings.disableEditor",
    "editor-open": "settings.adminAuth",
    "admin-api": "settings.httpAdminRoot",
}
_UNFIXED: Final = frozenset(row.id for row in unfixed())
_CHANNEL: Final = re.compile(r"live channel (/[^\s,]+)")
_BELOW: Final = re.compile(r"GET below (/[^\s,]*)")
_PACKAGE: Final = re.compile(r"^(\S+) \S+ is installed|^(\S+) \S+, (?:as|seen) ")


def changes(finding: Finding, site: Site) -> tuple[str, ...]:
    """Return the ids of the changes that each end a finding, the preferred first; never none."""
    control = finding.control
    if control == "tls-01" and finding.code == "no-tls":
        return ("front.tls",)
    if control == "patch-01" and finding.code in _UNFIXED:
        return ("settings.disableEditor",) if site.editor == "disabled" else ("front.unfixed",)
    if finding.code == "account-refused":  # of admin-08 and dash-06
        return (other(finding),)
    if finding.code == "any-password":  # of cred-01 and cred-02: another password would change nothing
        inside = finding.remedy.startswith("settings.js")
        return (other(finding),) if inside else (*gates(finding.instance, site), "front.ways")
    if control in _ALWAYS:
        return (_ALWAYS[control],)
    if control == "host-05":
        return (_EDITOR.get(finding.code, other(finding)),)
    if control == "host-20" and finding.code == "catalogue":
        return ("settings.externalModules",)
    if control == "flow-01":
        return (_POLICY.get(finding.code, other(finding)),)
    if control == "csrf-01" and site.admin_api == "proxied":
        return ("front.same-site",)
    if control == "admin-02" and site.admin_api == "protected":  # where it fails alone, tokens are believed unread
        return ("settings.tokens", *_admin(site))
    if control in _ADMIN or (control == "version-01" and not finding.instance.endswith("/red/about")):
        return _admin(site)
    if control == "version-01" or control in ("editor-01", "editor-02"):
        return _editor(finding, site)
    if control == "editor-03":
        page = () if finding.instance == "editor" else gates(finding.instance, site)
        return ("front.headers", *(_editor(finding, site) if finding.instance == "editor" else page))
    if control == "origin-01":
        own = _admin(site) if finding.instance == "/comms" else ("settings.origin", *gates(finding.instance, site))
        return own
    if control == "dash-05" or (control == "flow-05" and finding.code == "public-widget"):
        return ("flows.acting",)
    if control in (
        "dash-01",
        "dash-02",
        "dash-03",
        "dash-04",
        "dash-06",
        "live-01",
        "node-01",
        "node-02",
        "host-04",
    ):
        if finding.code == "declared-but-absent":  # page and channel are declared in one place
            return (f"other.{control.partition('-')[0]}.{finding.code}",)
        if finding.code == "gate-passed" and ".." in finding.observed:
            return ("front.dots", *gates(finding.instance, site))
        channel = _CHANNEL.search(finding.observed) if control == "live-01" else None
        return gates(channel[1] if channel else finding.instance, site) or (other(finding),)
    if control == "roots-01" and finding.remedy.startswith("leave the path out"):  # nothing is known of that front
        return (other(finding),)
    if control in ("proxy-05", "roots-01"):
        asked = _BELOW.match(finding.observed) if control == "roots-01" else None
        return (*gates(asked[1] if asked else finding.instance, site), "front.ways")
    return _rest(finding, site)


def gates(instance: str, site: Site) -> tuple[str, ...]:
    """Return the gates that cover what an instance asks: the path's own, then one before everything."""
    paths = (part.partition("?")[0] for part in instance.split(" ") if part.startswith("/"))
    asked = next(paths, "")
    own = [f"front.gate.{path}" for path in site.gated if asked and _below(site.node_root + asked, path)]
    return (*own, *(("front.gate./",) if site.admin_api == "proxied" else ()))


def _below(asked: str, path: str) -> bool:
    return f"{asked.lower()}/".startswith(f"{path.lower().rstrip('/')}/")


def _admin(site: Site) -> tuple[str, ...]:
    if site.admin_api == "proxied":
        return ("front.gate./",)
    return ("settings.httpAdminRoot",) if site.admin_api == "disabled" else ("settings.adminAuth",)


def _editor(finding: Finding, site: Site) -> tuple[str, ...]:
    if site.editor == "disabled":
        return ("settings.disableEditor",)
    return ("front.release",) if finding.control == "version-01" else _admin(site)


def _rest(finding: Finding, site: Site) -> tuple[str, ...]:
    package = _PACKAGE.match(finding.observed)
    name = next(filter(None, package.groups()), "") if package else ""
    if finding.control == "admin-10" and name:
        return (*(("front.gate./",) if site.admin_api == "proxied" else ()), f"package.{name}")
    if finding.control == "patch-02" and name:
        return (f"package.{name}",)
    if finding.control == "static-02":
        return ("front.dots",)
    if finding.control == "cred-02":
        inside = finding.remedy.startswith("settings.js")
        return ("settings.passwords",) if inside else ("front.accounts",)
    if finding.control in ("host-02", "host-07", "host-10"):
        return ("host.unit",)
    return (other(finding),)


def other(finding: Finding) -> str:
    """Return the id of a change that is the rule's own remedy."""
    return f"other.{finding.control}.{finding.code}"
