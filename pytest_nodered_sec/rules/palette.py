"""Whether installed packages open what nobody guards, and whether they can be installed again as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.releases import reviewed_packages, unguarded_packages
from pytest_nodered_sec.rules.patches import version
from pytest_nodered_sec.verdict import Severity, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.data.releases import UnguardedPackage
    from pytest_nodered_sec.observations.host_palette import InstalledNodes, NodePackage, PaletteLock
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_SAYS: Final = {
    "routes": "registers routes below the admin root without asking for a permission",
    "listens": "opens a server of its own",
    "commands": "runs commands",
    "installs": "runs scripts when it is installed",
}
_UNINSTALL: Final = "npm uninstall {} in the user directory, or read these places and waive the finding"


def is_unguarded(row: UnguardedPackage, release: str) -> bool:
    """Whether a release is one of those that have the hole; one of an unknown form may be."""
    there, fixed = version(release), version(row.fixed) if row.fixed else None
    return there is None or fixed is None or there < fixed


def packages_guard_what_they_open(seen: InstalledNodes, policy: Policy) -> Verdict:
    """No installed package opens routes, servers or commands that nobody is known to guard."""
    gated = not seen.admin or policy.admin_api == "proxied"
    known = {row.name: row for row in unguarded_packages()}
    reviewed = {(row.name, row.version) for row in reviewed_packages()}
    return tuple(
        violation
        for package in seen.packages
        for violation in _open(package, known.get(package.name), gated=gated)
        if (package.name, package.version) not in reviewed
    )


def _open(package: NodePackage, row: UnguardedPackage | None, *, gated: bool) -> list[Violation]:
    name = f"{package.name} {package.version}"
    if row is not None and is_unguarded(row, package.version):
        return [] if gated else [_unguarded(name, row)]
    kinds = dict.fromkeys(place.kind for place in package.places)
    return [
        Violation(
            kind,
            f"{name} {_SAYS[kind]}: {', '.join(place.where() for place in package.places if place.kind == kind)}; "
            "not guarded as far as a reading shows",
            "packages whose open routes, servers and commands somebody has reviewed",
            _UNINSTALL.format(package.name),
            None if kind == "routes" else Severity.LOW,
        )
        for kind in kinds
        if not (gated and kind == "routes") and kind != "installs"  # scripts are host-21's
    ]


def _unguarded(name: str, row: UnguardedPackage) -> Violation:
    return Violation(
        "unguarded-package",
        f"{name} is installed: nothing protects {row.routes} (seen in {row.version}, {row.file})",
        f"a login in front of the whole admin root: these routes expose {row.gives}",
        f"npm uninstall {row.name} in the user directory; or a login in the proxy for all of the admin root, and "
        'nodered-sec.toml: admin_api = "proxied"',
    )


def palette_is_reproducible(seen: PaletteLock, policy: Policy) -> Verdict:
    """What is installed in the user directory is locked, from one registry, and runs no undeclared script."""
    if not seen.packages:
        return ()
    install = "npm install in the user directory writes it; install with npm ci from then on"
    if not seen.lock:
        return (Violation("no-lock", seen.evidence(), "a package-lock.json beside package.json", install),)
    where = f"{seen.folder}/{seen.lock}"
    if seen.version < 2:
        observed = f"{where} is of format {seen.version or 'unknown'}, which does not say what runs scripts"
        return (Violation("old-lock", observed, "a lock file of npm 7 or newer", install),)
    violations = []
    if seen.unlocked:
        observed = f"{where} does not have what is installed: {', '.join(seen.unlocked)}"
        violations.append(Violation("unlocked", observed, "every installed package in the lock file", install))
    if len(seen.registries) > 1:
        observed = f"{where}: packages come from {', '.join(seen.registries)}"
        remedy = "set registry= in .npmrc of the user directory to one, delete the lock file, and npm install"
        violations.append(Violation("registries", observed, "one registry", remedy))
    if seen.elsewhere:
        observed = f"{where}: from no registry, or without a checksum: {', '.join(seen.elsewhere)}"
        remedy = "publish them to your registry, and install them from there"
        violations.append(Violation("elsewhere", observed, "packages of a registry, with checksums", remedy))
    declared = {line.split()[0] for line in policy.host.install_scripts}
    scripts = [name for name in seen.scripts if name not in declared]
    if scripts and not seen.silent:
        observed = f"{where}: {', '.join(scripts)} run{'' if len(scripts) > 1 else 's'} scripts when installed"
        remedy = (
            "ignore-scripts=true in .npmrc of the user directory; or nodered-sec.toml: "
            f'inside.install_scripts = ["{scripts[0]} what its script is for"]'
        )
        violations.append(Violation("scripts", observed, "no installation script that is not declared", remedy))
    return tuple(violations)
