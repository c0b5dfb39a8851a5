"""What the controls about the inside are answered with: the account's view, else what anybody is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.releases import advisories_checked
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.model_account import AdminRoutes, Entries, Installed, InstallRights, ReleaseAttempt, View
from pytest_nodered_sec.model_answers import Kind, Mark
from pytest_nodered_sec.probes.access import JSON, describe
from pytest_nodered_sec.probes.inside import LIMIT, read_view, release_in

if TYPE_CHECKING:
    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.account import Visit
    from pytest_nodered_sec.probes.http import Exchange
    from pytest_nodered_sec.probes.look import Look

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
        return look.ask("GET", look.target.admin(path), headers=JSON, limit=LIMIT)

    return Told(read_view(_ANYBODY, ask, lambda got: look.reduce(got).line()), about)


def list_installed(look: Look, account: Visit, told: Told, admin: RootView, what: str) -> Installed:
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
        found, said, lacking = _found(account, told, admin, _SOURCES[what], _FIELDS[what])
    except ProbeError:
        if not named:
            raise
        found, said, lacking = None, "", ""
    if named and not found:
        return Installed(what, (("node-red", str(named)),), f"as GET {_ABOUT} told anybody", "", on, checked)
    if lacking and what == "Node-RED":
        _raise_for(about)
    if what == "modules":
        return Installed(what, found or (), said, lacking, on, checked)
    package = {"Node-RED": "node-red", "Node.js": "node"}[what]
    return Installed(what, ((package, found),) if found else (), said, lacking, on, checked)


def _raise_for(about: ReleaseAttempt | ProbeError) -> None:
    """Raise where the change log was not refused or absent, but gave no answer."""
    if isinstance(about, ProbeError):
        raise about.again()
    if about.attempt.classified.cause is not None:
        raise ProbeError(about.evidence(), about.attempt.classified.cause)


def see_admin_routes(look: Look, account: Visit, told: Told, admin: RootView) -> AdminRoutes:
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
    return AdminRoutes(attempt, False, *_found(account, told, admin, "/nodes", "modules"))


def see_install_rights(look: Look, account: Visit, told: Told, admin: RootView) -> InstallRights:
    """Return whether nodes and modules can be installed from the editor; arguments as above.

    Raises:
        ProbeError: nothing is known, and that because something gave no answer.
    """
    palette, said, lacking = _found(account, told, admin, "/settings", "palette")
    if palette is not None:
        return InstallRights(True, palette, said, "")
    editor, said, lacking = _found(account, told, admin, "/settings", "editor")
    return InstallRights(editor, None, said, lacking)


def list_entries(look: Look, account: Visit, told: Told, admin: RootView) -> Entries:
    """Return the ways in that the flows open; arguments as above.

    Raises:
        ProbeError: nothing is known, and that because something gave no answer.
    """
    return Entries(*_found(account, told, admin, "/flows", "entries"))


def _found(account: Visit, told: Told, admin: RootView, path: str, name: str) -> tuple[Any, str, str]:
    """Return a value of the account's view, else of anybody's; where it is from; why it is not known.

    Any: values of one field of `View`.

    Raises:
        ProbeError: it is not known because something gave no answer.
    """
    views = [one for one in (account.seen.view if account.seen else None, told.view) if one is not None]
    for view in views:
        value = getattr(view, name)
        if value is not None and value != "":
            return value, f"as GET {path} told {view.asker}", ""
    if account.trouble is not None:
        raise account.trouble.again()
    for view in views:
        if path in dict(view.broken):
            raise dict(view.broken)[path].again()
    settings = admin.settings
    if not views and settings is not None and settings.classified.cause is not None:
        line = f"GET {settings.path} without credentials answered {settings.answer.line()}"
        why = f": {settings.classified.why}" if settings.classified.why else ""
        raise ProbeError(f"{line}{why}", settings.classified.cause)
    return None, "", _lacking(account, admin, views, path)


def _lacking(account: Visit, admin: RootView, views: list[View], path: str) -> str:
    if account.seen is not None and account.seen.refusal:
        return f"not judged: {account.seen.evidence()} (admin-08 judges that)"
    if admin.api_absent:
        return f"not judged: no admin API at {admin.root}"
    if views:
        refused = dict(views[0].refused).get(path)
        why = f"{refused}; give an account that may read it" if refused else f"GET {path} does not tell it"
        return f"not judged: {why}"
    return (
        'not judged without an account that may read: set credentials = {env = "PREFIX"} in the policy file, or '
        "NODERED_USERNAME and NODERED_PASSWORD"
    )
