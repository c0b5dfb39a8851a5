"""What the admin API returns to the site's account or to anonymous clients, and the observations made from it.

Values only, like `model`, which they build on. Of the flows only what `flows` has is kept: no credentials or code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_nodered_sec.observations.exposure import lines
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from datetime import date

    from pytest_nodered_sec.errors import ProbeError
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer
    from pytest_nodered_sec.observations.exposure import Exposure
    from pytest_nodered_sec.observations.flows import Entry, FlowsRead


@dataclass(frozen=True)
class Palette:
    """What may be installed while Node-RED runs.

    Attributes:
        nodes: whether the editor installs nodes.
        modules: whether function nodes install modules.
    """

    nodes: bool
    modules: bool


@dataclass(frozen=True)
class View:
    """What the admin API returned to one client.

    Attributes:
        asker: user name, "the given token" or "anybody".
        release: Node-RED's release, "" where not told.
        node: Node.js' release, "" where not told.
        modules: installed node modules and their releases; None where not told.
        editor: whether the editor is on; None where not told.
        palette: what may be installed; None where not told, which is so with the editor off.
        entries: ways in that the flows open; None where not told.
        refused: paths that were refused or are absent, each with the answer in a few words.
        broken: paths without a usable answer, each with the reason.
        dashboards: paths of the dashboards that the flows name, below the node root.
        flows: what a reading of the flows shows; None where not told.
        projects: whether Projects are enabled; None where not told.
        routes: asked for what no release fixes: path, whether it was refused before Node-RED, and the answer.
        node_root: httpNodeRoot; "" where not told.
    """

    asker: str
    release: str = ""
    node: str = ""
    modules: tuple[tuple[str, str], ...] | None = None
    editor: bool | None = None
    palette: Palette | None = None
    entries: tuple[Entry, ...] | None = None
    refused: tuple[tuple[str, str], ...] = ()
    broken: tuple[tuple[str, ProbeError], ...] = ()
    dashboards: tuple[str, ...] = ()
    flows: FlowsRead | None = field(default=None, repr=False)
    projects: bool | None = None
    routes: tuple[tuple[str, bool, str], ...] = ()
    node_root: str = ""


@dataclass(frozen=True)
class SignIn:
    """How the admin API treated the account that the site configured; the session is already logged out.

    Attributes:
        account: user name, or "the given token".
        refusal: the answer to the log-in, or to `/settings` with the token, where it was refused; else "".
        permissions: what `/settings` says the account may do, e.g. "*" or "read"; "" where it says nothing.
        expires_in: life of the session token in seconds, None where none was issued.
        write: for an account that may only read: the answer to a write that changes nothing; else None.
        view: what the account could read; None if it was refused.
        origin: what its owner corrects where it is wrong, as `Credentials` say it; "" where nobody knows.
    """

    account: str
    refusal: str = ""
    permissions: str = ""
    expires_in: int | None = None
    write: Answer | None = None
    view: View | None = field(default=None, repr=False)
    origin: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.refusal:
            return f"{self.account} was refused: {self.refusal}"
        life = f", token for {self.expires_in} s" if self.expires_in is not None else ""
        wrote = f"; its write (POST /flows, deliberately invalid) answered {self.write.line()}" if self.write else ""
        release = f", Node-RED {self.view.release}" if self.view and self.view.release else ""
        return f"{self.account} was accepted, permissions {self.permissions or 'unknown'}{life}{release}{wrote}"


# --- what controls take from it -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ReleaseAttempt:
    """A request without credentials for something that names Node-RED's release.

    Attributes:
        attempt: the request and its answer.
        release: the release that the answer names, "" for none.
    """

    attempt: AccessAttempt
    release: str

    @property
    def node_red(self) -> str:
        """Node-RED's release, "" where it was not named."""
        return self.release

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return f"{self.attempt.evidence()}{f', which names release {self.release}' if self.release else ''}"

    def settle(self, target: Target) -> None:
        """Raise where the request got no answer."""
        self.attempt.settle(target)


@dataclass(frozen=True)
class Installed:
    """Releases of what is installed: Node-RED, its modules, or Node.js.

    Attributes:
        what: "Node-RED", "modules" or "Node.js".
        releases: package and release; empty where nothing is installed, or nothing is known.
        told: where that is from, e.g. "seen in GET /settings as viewer"; "" where nothing is known.
        lacking: why nothing is known, "" otherwise.
        on: date of the look, UTC.
        checked: date of the tables by which it is judged.
        exposures: what no release fixes; of Node-RED only.
    """

    what: str
    releases: tuple[tuple[str, str], ...]
    told: str
    lacking: str
    on: date
    checked: date
    exposures: tuple[Exposure, ...] = ()

    @property
    def node_red(self) -> str:
        """Node-RED's release, "" where that is not what was asked, or not known."""
        return dict(self.releases).get("node-red", "") if self.what == "Node-RED" else ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.lacking:
            return self.lacking
        if self.what == "modules":
            named = ", ".join(f"{name} {release}" for name, release in self.releases) or "no modules"
        else:
            named = f"{self.what} {self.releases[0][1]}"
        return f"{named}, {self.told}; table of {self.checked.isoformat()}{lines(self.exposures)}"


@dataclass(frozen=True)
class AdminRoutes:
    """The gate before the admin root, and the packages with routes below it.

    Attributes:
        login: the anonymous request for `/auth/login`, public by design where nothing stands before it.
        gated: whether that and every path here is refused.
        modules: installed node modules and their releases; None where not known.
        told: where that is from, "" where not known.
        lacking: why it is not known, "" otherwise.
    """

    login: AccessAttempt
    gated: bool
    modules: tuple[tuple[str, str], ...] | None
    told: str
    lacking: str

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.gated or self.modules is None:
            return self.login.evidence()
        return f"{self.login.evidence()}; {counted(len(self.modules), 'module')}, {self.told}"

    def settle(self, target: Target) -> None:
        """Raise if the request got no answer, or everything was refused before Node-RED."""
        self.login.settle(target)


@dataclass(frozen=True)
class InstallRights:
    """Whether nodes and modules can be installed from the editor.

    Attributes:
        editor: whether the editor is on; None where not known.
        palette: what may be installed; None where not known, or the editor is off.
        told: where that is from, "" where not known.
        lacking: why it is not known, "" otherwise.
    """

    editor: bool | None
    palette: Palette | None
    told: str
    lacking: str

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.lacking:
            return self.lacking
        if self.palette is None:
            return f"the editor is off, {self.told}"
        may = {True: "can be installed", False: "cannot be installed"}
        nodes, modules = may[self.palette.nodes], may[self.palette.modules]
        return f"nodes {nodes} in the editor, modules {modules} by function nodes, {self.told}"
