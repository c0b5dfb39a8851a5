"""What Node-RED tells of itself: its release, unguarded routes of its modules, what it installs, its ways in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.releases import unguarded_packages
from pytest_nodered_sec.model import NotApplicable, NotJudged, Violation
from pytest_nodered_sec.model_answers import Kind
from pytest_nodered_sec.policy import Interface

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_account import AdminRoutes, Entries, Entry, InstallRights, ReleaseAttempt
    from pytest_nodered_sec.policy import Policy

_PALETTE: Final = "externalModules: {palette: {allowInstall: false, allowUpload: false}}"
_MODULES: Final = "externalModules: {modules: {allowInstall: false}}"


def release_is_not_told(seen: ReleaseAttempt, policy: Policy) -> Verdict:
    """The exact release is not told to anybody: it says which advisories to try."""
    if not seen.release:
        if seen.attempt.kind is Kind.ABSENT and seen.attempt.view.api_absent and policy.admin_api != "disabled":
            return NotApplicable(f"no admin API at {seen.attempt.view.root}")
        return ()
    path = seen.attempt.path
    remedy = 'settings.js: adminAuth: {type: "credentials", users: [...]}, without a `default` user'
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
        return NotJudged(f"{seen.lacking}; or put a login before all of {root}")
    installed = dict(seen.modules)
    return tuple(
        Violation(
            "unguarded-package",
            f"{row.name} {installed[row.name]} is installed, {seen.told}, and "
            f"{seen.login.path} answers anybody: nothing stands before {row.routes}",
            f"a login before all of {root}, because these routes ask for none (read in {row.version}, {row.file}); "
            f"they give {row.gives}",
            f"nginx: location {root} {{ auth_basic ...; }} or auth_request; or npm uninstall {row.name}",
        )
        for row in unguarded_packages()
        if row.name in installed
    )


def nothing_installs_from_the_editor(seen: InstallRights, policy: Policy) -> Verdict:
    """Neither nodes nor modules can be installed from the editor, unless the policy says so."""
    if seen.lacking:
        return NotJudged(seen.lacking)
    if seen.palette is None:
        return NotApplicable(f"{seen.evidence()}; host-09 tells what the settings allow")
    if policy.host.palette:
        return NotApplicable(f"{seen.evidence()}; the policy says so (palette)")
    ways = (
        ("palette", seen.palette.nodes, "nodes can be installed in the editor", _PALETTE),
        ("function-modules", seen.palette.modules, "function nodes can install modules", _MODULES),
    )
    return tuple(
        Violation(
            code,
            f"{what}, {seen.told}",
            "nothing is installed while Node-RED runs: what is installed is code",
            f"settings.js: {line}, then restart it; where it is intended, nodered-sec.toml: inside.palette = true",
        )
        for code, may, what, line in ways
        if may
    )


def ways_in_are_declared(seen: Entries, policy: Policy) -> Verdict:
    """Every way in that the flows open stands in the policy, where the other controls find it."""
    if seen.entries is None:
        return NotJudged(seen.lacking)
    return tuple(
        Violation(
            f"undeclared-{one.kind}",
            f"the flows open {one.line()}, {seen.told}; the policy does not know of it",
            "every way in is declared, so that it is judged",
            f"nodered-sec.toml: {_declaration(one)}; or delete the node",
        )
        for one in seen.entries
        if not _is_declared(one, policy)
    )


def _is_declared(one: Entry, policy: Policy) -> bool:
    public = {path.path for path in policy.public_paths}
    if one.kind == "http":
        return one.where in public or (one.method, one.where) in {(p.method, p.path) for p in policy.protected_paths}
    if one.kind == "websocket":
        return one.where in public or one.where in policy.websockets
    if one.kind == "uibuilder":
        return one.where in public or Interface("uibuilder", one.where) in policy.interfaces
    return any(listens.split()[:1] == [one.where] for listens in policy.host.listens)


def _declaration(one: Entry) -> str:
    where = json.dumps(one.where, ensure_ascii=False)
    if one.kind == "http":
        return f'protected_paths = [{{path = {where}, method = "{one.method}"}}]'
    if one.kind == "websocket":
        return f"websockets = [{where}]"
    if one.kind == "uibuilder":
        return f'interfaces = [{{kind = "uibuilder", path = {where}}}]'
    listens = json.dumps(f"{one.where} what it is", ensure_ascii=False)
    return f"inside.listens = [{listens}]"
