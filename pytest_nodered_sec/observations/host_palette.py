"""The packages with nodes that are installed on a host: what a reading of them shows, and how they were installed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CodePlace:
    """A place in a package's code.

    Attributes:
        kind: "routes" below the admin root without a permission, "listens", "commands", or "installs": a script that
            runs at installation.
        file: below the package's directory.
        line: number of the line; of a script its name.
    """

    kind: str
    file: str
    line: str

    def where(self) -> str:
        """Return it in short."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class NodePackage:
    """A package with nodes.

    Attributes:
        name: its name.
        version: its release.
        places: what the reading shows, a few of each kind.
        whole: whether all of its code was read.
    """

    name: str
    version: str
    places: tuple[CodePlace, ...] = ()
    whole: bool = True


@dataclass(frozen=True)
class InstalledNodes:
    """The packages with nodes, as their files are (host-18).

    Attributes:
        folder: user directory.
        packages: the packages, those beside Node-RED included.
        admin: whether there is an admin root (httpAdminRoot is not false).
    """

    folder: str
    packages: tuple[NodePackage, ...]
    admin: bool = True

    def evidence(self) -> str:
        """Return one line for the evidence."""
        named = ", ".join(
            f"{package.name} {package.version}{'' if package.whole else ' (not all of it read)'}"
            for package in self.packages
        )
        return f"packages with nodes in {self.folder} and beside Node-RED: {named or 'none'}"


@dataclass(frozen=True)
class PaletteLock:
    """How the packages of the user directory are installed (host-21).

    Attributes:
        folder: where they are.
        packages: those with nodes.
        lock: name of the lock file, "" without one.
        broken: why it cannot be read, "" otherwise.
        version: of the lock's format, 0 where it says none.
        unlocked: packages that the lock lacks, or has in another release.
        registries: hosts from which the locked packages come.
        elsewhere: locked packages that come from no registry, or without a checksum.
        scripts: locked packages that run scripts at installation.
        silent: whether .npmrc keeps npm from running them.
    """

    folder: str
    packages: tuple[str, ...] = ()
    lock: str = ""
    broken: str = ""
    version: int = 0
    unlocked: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    silent: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.packages:
            return f"{self.folder} has no packages with nodes"
        lock = f"locked by {self.lock}" if self.lock else "without a lock file"
        registries = f", from {', '.join(self.registries)}" if self.registries else ""
        return f"{self.folder}: {', '.join(self.packages)}, {lock}{registries}"
