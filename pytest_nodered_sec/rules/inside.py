"""What Node-RED tells of itself: its release, unguarded routes of its modules, what it installs, its ways in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.flow_nodes import INTERFACES, PORTS
from pytest_nodered_sec.data.releases import unguarded_packages
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.policy.model import Interface
from pytest_nodered_sec.remedies.lines import ADMIN_AUTH, nginx_gate, toml
from pytest_nodered_sec.rules.palette import is_unguarded
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.account import AdminRoutes, InstallRights, ReleaseAttempt
    from pytest_nodered_sec.observations.flows import Entries, Entry
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_PALETTE: Final = "externalModules: {palette: {allowInstall: false, allowUpload: false}}"
_MODULES: Final = "externalModules: {modules: {allowInstall: false}}"


def release_is_not_told(seen: ReleaseAttempt, policy: Policy) -> Verdict:
    """The exact release is not told to anybody: it says which advisories to try."""
    if not seen.release:
        if seen.attempt.kind is Kind.ABSENT and seen.attempt.view.api_absent and policy.admin_api != "disabled":
            return NotApplicable(f"no admin API at {seen.attempt.view.root}")
        return ()
    path = seen.attempt.path
    remedy = ADMIN_AUTH
    if path == "/red/about":  # an asset of the editor, which no login of Node-RED's own covers
        rule = f"nginx: location ~* ^{seen.attempt.view.root}red/about {{ return 404; }}"
        remedy = f"{rule}; or settings.js: disableEditor: true"
    return (Violation("release-told", seen.evidence(), "401, 403 or 404", remedy),)


def admin_routes_are_guarded(seen: AdminRoutes, policy: Policy) -> Verdict:
    """A gate stands before all of the admin root, or no installed package has routes there that nobody guards."""
    root = seen.login.view.root
    if seen.gated:
        return ()
    if seen.login.view.api_absent:
        return NotApplicable(f"no admin API at {root}")
    if seen.modules is None:
        return NotJudged(f"{seen.lacking}; or put a login in front of all of {root}")
    installed = dict(seen.modules)
    return tuple(
        Violation(
            "unguarded-package",
            f"{row.name} {installed[row.name]} is installed, {seen.told}, and "
            f"{seen.login.path} needs no login: nothing protects {row.routes}",
            f"a login in front of all of {root}: these routes have none (seen in {row.version}, {row.file}) and "
            f"expose {row.gives}",
            f"nginx: {nginx_gate(root)}. Or npm uninstall {row.name}, in the user directory",
        )
        for row in unguarded_packages()
        if row.name in installed and is_unguarded(row, installed[row.name])
    )


def nothing_installs_from_the_editor(seen: InstallRights, policy: Policy) -> Verdict:
    """Neither nodes nor modules can be installed from the editor, unless the policy says so."""
    if seen.lacking:
        return NotJudged(seen.lacking)
    if seen.palette is None:
        return NotApplicable(f"{seen.evidence()}; see host-09 for the settings")
    if policy.host.palette:
        return NotApplicable(f"{seen.evidence()}; the policy allows it (palette)")
    ways = (
        ("palette", seen.palette.nodes, "nodes can be installed in the editor", _PALETTE),
        ("function-modules", seen.palette.modules, "function nodes can install modules", _MODULES),
    )
    return tuple(
        Violation(
            code,
            f"{what}, {seen.told}",
            "no installation at run time: installed packages are code",
            f"settings.js: {line}, then restart it; if intended, nodered-sec.toml: inside.palette = true",
        )
        for code, may, what, line in ways
        if may
    )


def ways_in_are_declared(seen: Entries, policy: Policy) -> Verdict:
    """Every endpoint in the flows is listed in the policy, so that the other controls test it."""
    if seen.entries is None:
        return NotJudged(seen.lacking)
    undeclared = [entry for entry in seen.entries if not _is_declared(entry, policy)]
    return tuple(
        Violation(
            f"undeclared-{entry.kind}",
            f"the flows open {entry.line()}, {seen.told}; it is not in the policy",
            "every endpoint of the flows is listed in the policy",
            f"nodered-sec.toml: {_declaration(entry, undeclared, policy)}; or delete the node",
        )
        for entry in undeclared
    )


def _is_declared(entry: Entry, policy: Policy) -> bool:
    public = {path.path for path in policy.public_paths}
    if entry.kind == "http":
        return entry.where in public or (entry.method, entry.where) in {
            (p.method, p.path) for p in policy.protected_paths
        }
    if entry.kind == "websocket":
        return entry.where in public or entry.where in policy.websockets
    if entry.kind == "dashboard":  # where none is declared, /ui and /dashboard are tried
        usual = ("/ui", "/dashboard") if policy.dashboards is None else policy.dashboards
        return entry.where in public or entry.where in usual
    if entry.kind in INTERFACES:
        declared = {(interface.kind, interface.path) for interface in policy.interfaces}
        tried = entry.where == f"/{entry.kind}" and entry.kind != "uibuilder" and entry.kind not in dict(declared)
        return entry.where in public or (entry.kind, entry.where) in declared or tried
    return policy.host.allows(entry.where)


def _declaration(entry: Entry, undeclared: list[Entry], policy: Policy) -> str:
    """Return the whole key, with what the policy says already: a key may stand in TOML once only.

    A GET is said to have no effect, which HTTP promises and a flow need not keep: the line says to look first.
    """
    alike = [other for other in undeclared if other.kind == entry.kind]
    if entry.kind == "http":
        declared = [(endpoint.path, endpoint.method, str(endpoint.effect)) for endpoint in policy.protected_paths]
        added = [(entry.where, entry.method, "none" if entry.method == "GET" else "unknown") for entry in alike]
        rows = [dict(zip(("path", "method", "effect"), values, strict=True)) for values in (*declared, *added)]
        look = '; effect = "none" lets the suite send this GET: where that would do harm, write "acts"'
        return f"protected_paths = {toml(rows)}{look if any(entry.method == 'GET' for entry in alike) else ''}"
    if entry.kind == "websocket":
        return f"websockets = {toml([*policy.websockets, *(entry.where for entry in alike)])}"
    if entry.kind == "dashboard":
        usual = policy.dashboards or ()
        return f"dashboards = {toml([*usual, *(entry.where for entry in alike)])}"
    if entry.kind in INTERFACES:
        more = [Interface(kind, entry.where) for kind in INTERFACES for entry in undeclared if entry.kind == kind]
        return f"interfaces = {toml([_said_of(interface, policy) for interface in (*policy.interfaces, *more)])}"
    ports = [entry for entry in undeclared if entry.kind in PORTS]
    listens = [*policy.host.listens, *(f"{entry.where} {entry.kind.upper()} node of the flows" for entry in ports)]
    return f"inside.listens = {toml(listens)}"


def _said_of(interface: Interface, policy: Policy) -> dict[str, object]:
    reason = policy.public_reason(interface.path)
    return {"kind": interface.kind, "path": interface.path} | ({"public": True, "reason": reason} if reason else {})
