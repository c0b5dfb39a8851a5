"""What the controls about the inside are answered with: the account's view, else what anybody is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.releases import advisories_checked, unfixed
from pytest_nodered_sec.errors import ProbeError, see_reach
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.account import AdminRoutes, Installed, InstallRights, ReleaseAttempt, View
from pytest_nodered_sec.observations.answers import Kind, Mark, Refuser
from pytest_nodered_sec.observations.exposure import Exposure
from pytest_nodered_sec.observations.flows import Entries, FlowView, Passages
from pytest_nodered_sec.probes.flows.reading import view_of
from pytest_nodered_sec.probes.http.access import JSON, describe
from pytest_nodered_sec.probes.login.view import limits, read_view, release_in

if TYPE_CHECKING:
    from pytest_nodered_sec.data.releases import Unfixed
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.observations.flows import FlowsRead
    from pytest_nodered_sec.probes.host.flows import HostFlows
    from pytest_nodered_sec.probes.login.account import AccountVisit
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.probes.transport.once import Once

_ANYBODY: Final = "anybody"
_ABOUT: Final = "/red/about"
_SOURCES: Final = {"Node-RED": "/settings", "modules": "/nodes", "Node.js": "/diagnostics"}
_FIELDS: Final = {"Node-RED": "release", "modules": "modules", "Node.js": "node"}


def ask_release(look: Look, admin: RootView, path: str) -> ReleaseAttempt:
    """Ask without credentials for something that may name the release.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        path: path below it.

    Raises:
        ProbeError: no answer.
    """
    absolute = look.target.admin(path)
    attempt = describe(look, Surface.ADMIN, "GET", path, "without credentials", look.read(absolute, JSON), admin)
    if attempt.kind is not Kind.SERVED:
        return ReleaseAttempt(attempt, "")
    answer, got = look.exchange("GET", absolute, headers=JSON)
    attempt = describe(look, Surface.ADMIN, "GET", path, "without credentials", answer, admin)
    return ReleaseAttempt(attempt, release_in(got, path) if attempt.kind is Kind.SERVED else "")


@dataclass(frozen=True)
class Told:
    """What anybody is told, found once per target.

    Attributes:
        view: what an open admin API tells; None where `/settings` is not served.
        about: the editor's change log, or why it was not answered.
    """

    view: View | None
    about: ReleaseAttempt | ProbeError


def hear(look: Look, admin: RootView) -> Told:
    """Ask for the editor's change log, and an open admin API for everything it tells."""
    about: ReleaseAttempt | ProbeError
    try:
        about = ask_release(look, admin, _ABOUT)
    except ProbeError as error:
        about = error
    settings = admin.settings
    if settings is None or settings.kind is not Kind.SERVED or Mark.SETTINGS not in settings.answer.marks:
        return Told(None, about)

    def ask(path: str) -> Exchange:
        look.extend()
        return look.ask("GET", look.target.admin(path), headers=JSON, limit=limits(path)[0])

    return Told(read_view(_ANYBODY, ask, lambda got: look.reduce(got).line()), about)


def list_installed(look: Look, account: AccountVisit, told: Told, admin: RootView, what: str) -> Installed:
    """Return the releases of Node-RED, its modules, or Node.js.

    Args:
        look: the look.
        account: what became of the site's account.
        told: what anybody is told.
        admin: landmarks of the admin root.
        what: "Node-RED", "modules" or "Node.js".

    Raises:
        ProbeError: nothing is known, and that because something gave no answer.
    """
    on, checked = datetime.now(UTC).date(), advisories_checked()
    about = told.about
    named = what == "Node-RED" and isinstance(about, ReleaseAttempt) and about.release
    try:
        values, said, lacking = _found(look, account, told, admin, _SOURCES[what], _FIELDS[what])
    except ProbeError:
        if not named:
            raise
        values, said, lacking = None, "", ""
    if named and not values:
        about_it = (("node-red", str(named)),)
        exposures = see_exposures(look, account, told, admin)
        return Installed(what, about_it, _source(_ABOUT, "anybody"), "", on, checked, exposures)
    if lacking and what == "Node-RED":
        _raise_for(about)
    if what == "modules":
        return Installed(what, values or (), said, lacking, on, checked)
    package = {"Node-RED": "node-red", "Node.js": "node"}[what]
    releases = ((package, values),) if values else ()
    exposures = see_exposures(look, account, told, admin) if what == "Node-RED" and releases else ()
    return Installed(what, releases, said, lacking, on, checked, exposures)


def see_exposures(look: Look, account: AccountVisit, told: Told, admin: RootView) -> tuple[Exposure, ...]:
    """Return whether what no release of Node-RED fixes can be used here; arguments as above.

    Raises:
        ProbeError: a request by which that is seen got no answer.
    """
    for view in _views(account, told):
        if view.editor is not None:
            return tuple(_exposure(row, view) for row in unfixed())
    return tuple(_exposure_to_anybody(look, row, told, admin) for row in unfixed())


def _exposure(row: Unfixed, view: View) -> Exposure:
    source = _source("/settings", view.asker)
    if not view.editor:
        return Exposure(row.id, closed=f"the editor is disabled, {source}")
    if row.needs == "projects" and not view.projects:
        return Exposure(row.id, closed=f"Projects are disabled, {source}")
    if row.route in dict(view.broken):
        raise dict(view.broken)[row.route].again()
    ((refused, line),) = [(refused, line) for path, refused, line in view.routes if path == row.route]
    if refused:
        return Exposure(row.id, closed=f"{line}: refused before Node-RED")
    what = "Projects are" if row.needs == "projects" else "the editor is"
    return Exposure(row.id, exposed=f"{what} enabled, {source}; {line}")


def _exposure_to_anybody(look: Look, row: Unfixed, told: Told, admin: RootView) -> Exposure:
    """Return what is seen without an account; admin-01 asks the same."""
    what = "Projects are" if row.needs == "projects" else "the editor is"
    unknown = Exposure(row.id, lacking=f"whether {what} enabled is not known: give an account that may read /settings")
    if not isinstance(told.about, ReleaseAttempt) or not told.about.release or row.needs != "editor":
        return unknown  # the change log is the editor's own
    answer = look.read(look.target.admin(row.route), JSON)
    attempt = describe(look, Surface.ADMIN, "GET", row.route, "without credentials", answer, admin)
    if attempt.classified.cause is not None:
        raise ProbeError(attempt.evidence(), attempt.classified.cause)
    if attempt.kind is Kind.SERVED or attempt.refuser is Refuser.NODE_RED:
        return Exposure(row.id, exposed=f"the editor is enabled, {_source(_ABOUT, _ANYBODY)}; {attempt.evidence()}")
    if attempt.answer.status in (403, 404, 410) and not attempt.like_canary:
        return Exposure(row.id, closed=f"{attempt.evidence()}: refused before Node-RED")
    return unknown


def _raise_for(about: ReleaseAttempt | ProbeError) -> None:
    """Raise where the change log was not refused or absent, but gave no answer."""
    if isinstance(about, ProbeError):
        raise about.again()
    if about.attempt.classified.cause is not None:
        raise ProbeError(about.evidence(), about.attempt.classified.cause)


def see_admin_routes(look: Look, account: AccountVisit, told: Told, admin: RootView) -> AdminRoutes:
    """Return what stands before the admin root, and the packages that may have routes below it.

    Args:
        look: the look.
        account: what became of the site's account.
        told: what anybody is told.
        admin: landmarks of the admin root.

    Raises:
        ProbeError: nothing is known, and that because something gave no answer.
    """
    login = admin.login
    assert login is not None, "an admin root's view always has it"  # noqa: S101  states an invariant for the type checker
    attempt = describe(look, Surface.ADMIN, "GET", "/auth/login", "without credentials", login.answer, admin)
    if attempt.kind is Kind.REFUSED and attempt.like_canary:
        return AdminRoutes(attempt, True, None, "", "")
    return AdminRoutes(attempt, False, *_found(look, account, told, admin, "/nodes", "modules"))


def see_install_rights(look: Look, account: AccountVisit, told: Told, admin: RootView) -> InstallRights:
    """Return whether nodes and modules can be installed from the editor; arguments as above.

    Raises:
        ProbeError: nothing is known, and that because something gave no answer.
    """
    palette, said, lacking = _found(look, account, told, admin, "/settings", "palette")
    if palette is not None:
        return InstallRights(True, palette, said, "")
    editor, said, lacking = _found(look, account, told, admin, "/settings", "editor")
    return InstallRights(editor, None, said, lacking)


def list_entries(
    look: Look, account: AccountVisit, told: Told, inside: Once[HostFlows | None], admin: RootView
) -> Entries:
    """Return the endpoints that the flows open.

    Args:
        look: the look.
        account: what became of the site's account.
        told: what anybody is told.
        inside: the flows of the target's host, which is looked at where neither shows them.
        admin: landmarks of the admin root.

    Raises:
        ProbeError: nothing is known, and that because something gave no answer.
    """
    read, said, lacking = _flows(look, account, told, inside, admin)
    return Entries(read.entries if read else None, said, lacking)


def read_passages(
    look: Look, account: AccountVisit, told: Told, inside: Once[HostFlows | None], admin: RootView, node: RootView
) -> Passages:
    """Return what the flows do with what comes in; arguments as above, and the landmarks of the node root.

    Raises:
        ProbeError: nothing is known, and that because something gave no answer.
    """
    return Passages(*_flows(look, account, told, inside, admin), gated=node.canary.kind is Kind.REFUSED)


def read_flows(
    look: Look, account: AccountVisit, told: Told, inside: Once[HostFlows | None], admin: RootView, what: str
) -> FlowView:
    """Return what the flows hold, for one of the controls that judge it; arguments as above.

    Raises:
        ProbeError: nothing is known, and that because something gave no answer.
    """
    return view_of(what)(*_flows(look, account, told, inside, admin))


def _flows(
    look: Look, account: AccountVisit, told: Told, inside: Once[HostFlows | None], admin: RootView
) -> tuple[FlowsRead | None, str, str]:
    """Return what a reading of the flows shows; where they are from; why they are not known.

    Raises:
        ProbeError: they are not known because something gave no answer.
    """
    if all(view.flows is None for view in _views(account, told)):
        there = inside.get()
        if there is not None:
            return there.read, there.told, ""
    return _found(look, account, told, admin, "/flows", "flows")


def _found(
    look: Look, account: AccountVisit, told: Told, admin: RootView, path: str, name: str
) -> tuple[Any, str, str]:
    """Return a value of the account's view, else of anybody's; where it is from; why it is not known.

    Any: values of one field of `View`.

    Raises:
        ProbeError: it is not known because something gave no answer.
    """
    views = _views(account, told)
    for view in views:
        value = getattr(view, name)
        if value is not None and value != "":
            return value, _source(path, view.asker), ""
    if account.trouble is not None:
        raise account.trouble.again()
    for view in views:
        if path in dict(view.broken):
            raise dict(view.broken)[path].again()
    settings = admin.settings
    if not views and settings is not None and settings.classified.cause is not None:
        if admin.opaque:
            raise see_reach(look.target.name)
        line = f"GET {settings.path} without credentials answered {settings.answer.line()}"
        why = f": {settings.classified.why}" if settings.classified.why else ""
        raise ProbeError(f"{line}{why}", settings.classified.cause)
    return None, "", _lacking(account, admin, views, path)


def _views(account: AccountVisit, told: Told) -> list[View]:
    """Return what the account was told, then what anybody is."""
    return [view for view in (account.seen.view if account.seen else None, told.view) if view is not None]


def _source(path: str, asker: str) -> str:
    """Return where a value was seen, as findings and evidence say it."""
    return f"seen in GET {path}, which anyone can read" if asker == "anybody" else f"seen in GET {path} as {asker}"


def _lacking(account: AccountVisit, admin: RootView, views: list[View], path: str) -> str:
    if account.seen is not None and account.seen.refusal:
        return f"not judged: {account.seen.evidence()} (see admin-08)"
    if admin.api_absent:
        return f"not judged: no admin API at {admin.root}"
    if views:
        refused = dict(views[0].refused).get(path)
        why = f"{refused}; give an account that may read it" if refused else f"GET {path} does not contain it"
        return f"not judged: {why}"
    return (
        'not judged without an account that has read permission: set credentials = {env = "PREFIX"} in the policy '
        "file, or NODERED_USERNAME and NODERED_PASSWORD"
    )
