"""A first `nodered-sec.toml` from one look at a target: what was found, and what a person is likely to change.

What is found is written as a comment beside the demand, never instead of it: a draft that takes what is there for
what should be there would prove nothing. What was said on the way here (options, environment) is the demand.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model_answers import NODE_RED_MARKS, Kind, Mark, Refuser
from pytest_nodered_sec.policyfile import DEFAULTS, FILE_NAME, toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.model_answers import Answer, RootView
    from pytest_nodered_sec.probes.look import Station

_ADMIN_ROOTS: Final = ("/admin", "/red", "/nodered", "/node-red", "/editor")  # as guides and images choose them
_DASHBOARDS: Final = ("/ui", "/dashboard")


def write(targets: Sequence[Target], said: Mapping[str, Any], folder: Path) -> str:
    """Look at the one target, write the file, and return what to say.

    Args:
        targets: of the run.
        said: keys of the policy file that were set on the way here, and their values; Any: as TOML has them.
        folder: where the file will be.

    Raises:
        pytest.UsageError: not one target, a file that exists or cannot be written, or nothing could be seen.
    """
    if len(targets) != 1:
        raise pytest.UsageError("--nodered-init looks at one target: add one --nodered-url=https://HOST")
    path = folder / FILE_NAME
    if path.exists():
        raise pytest.UsageError(f"--nodered-init: {path} exists; move it away first")
    try:
        text = drafted(targets[0], said)
    except ProbeError as error:
        raise pytest.UsageError(f"--nodered-init: {error.message}") from None
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise pytest.UsageError(f"--nodered-init: {path} cannot be written ({error.strerror})") from None
    return f"{path} written; read it, decide, then run: pytest --nodered-suite=only\n"


def drafted(target: Target, said: Mapping[str, Any]) -> str:
    """Look at a target once and return the text of a policy file for it; `said` as for `write`.

    Raises:
        ProbeError: it cannot be reached, or every path of it answers with an error.
    """
    from pytest_nodered_sec.probes.look import Look, Station

    station = Station(target)
    try:
        station.arrive(Look(station).deadline)
        return _text(station, said)
    finally:
        station.close()


def _text(station: Station, said: Mapping[str, Any]) -> str:
    from pytest_nodered_sec.probes import landmarks
    from pytest_nodered_sec.probes.look import Look

    target = station.target
    view = landmarks.view_admin(Look(station))
    lines = [
        f"# What is right at {target.url}; see --nodered-show-policy for all that holds.",
        "",
        *([] if "profile" in said else ['profile = "production"  # or "baseline", "strict": how much is enough', ""]),
        "[[target]]",
        f"name = {toml(target.name)}  # part of every test id: choose it once",
        f"url = {toml(target.url)}",
        *_given(target, said),
        "",
        *_admin(station, view, said),
        "",
        *_login(view, said),
        "",
        *_dashboards(station, view, said),
        "",
        "# Endpoints of your flows (http-in) that strangers must not use. A GET is sent only where effect is none.",
        '# protected_paths = [{path = "/api/orders", method = "GET", effect = "none"}]',
        '# websockets = ["/ws/line"]',
        '# public_paths = [{path = "/health", reason = "the load balancer asks it"}]',
        "",
        "# An account by which what needs a login is judged: PLANT_USERNAME and PLANT_PASSWORD, or PLANT_TOKEN.",
        '# credentials = {env = "PLANT"}',
    ]
    return "\n".join(lines) + "\n"


_JUDGED: Final = ("admin_root", "editor", "admin_api", "login_urls", "dashboards")  # stand beside what was found


def _given(target: Target, said: Mapping[str, Any]) -> list[str]:
    """Return what was said about the target on the way here, so that the file stands alone."""
    from_hook = {"ca_file": target.ca_file, "http_port": target.http_port, "direct_port": target.direct_port}
    given = {key: value for key, value in from_hook.items() if value not in (None, DEFAULTS.get(key))}
    given |= {key: value for key, value in said.items() if key not in _JUDGED}
    return [f"{key} = {toml(value)}" for key, value in given.items()]


def _seen(station: Station, path: str) -> Answer | None:
    from pytest_nodered_sec.probes.look import Look

    with contextlib.suppress(ProbeError):
        return Look(station).answer("GET", path)
    return None


def _admin(station: Station, view: RootView, said: Mapping[str, Any]) -> list[str]:
    target = station.target
    shown = bool(view.identity) and not view.api_absent
    root = target.admin_root if shown or "admin_root" in said else _other_root(station)
    lines = [f"# Found: {', '.join(view.identity) or 'nothing that shows a Node-RED'} at {view.root}."]
    if root and root != "/":
        seen = "" if not shown and "admin_root" in said else "  # httpAdminRoot: /auth/login answers there"
        lines.append(f"admin_root = {toml(root)}{seen}")
    elif not root:
        lines.append('# admin_root = "/admin"  # where httpAdminRoot is elsewhere')
    page = _seen(station, target.path(root or target.admin_root, "/"))
    if page is None:
        found = "the admin root gave no answer"
    elif Mark.EDITOR in page.marks:
        found = 'the editor page is served; if that is meant, and a login stands behind it: "protected"'
    else:
        found = f"no editor page: {page.line()}"
    lines.append(f"editor = {toml(said.get('editor', 'disabled'))}  # found: {found}")
    return lines


def _other_root(station: Station) -> str:
    """Return another admin root whose `/auth/login` is Node-RED's, "" if none is found."""
    for root in _ADMIN_ROOTS:
        answer = _seen(station, station.target.path(root, "/auth/login"))
        if answer and (answer.marks & NODE_RED_MARKS or answer.challenge == 'Bearer realm="Users"'):
            return root
    return ""


def _login(view: RootView, said: Mapping[str, Any]) -> list[str]:
    canary = view.canary
    asked = {key: toml(said[key]) for key in ("login_urls", "admin_api") if key in said}
    lines = [f"login_urls = {asked['login_urls']}"] if "login_urls" in asked else []
    if canary.kind is Kind.REFUSED and view.blanket:
        lines.append(f"# Found: every path answers {canary.answer.line()}: a gate stands in front of everything.")
        proposed = '"proxied"  # remove this line if Node-RED itself should refuse'
        return [*lines, f"admin_api = {asked.get('admin_api', proposed)}"]
    if canary.answer.location.startswith("https:") and "login_urls" not in asked:
        lines.append(f"# Found: strangers are sent to {canary.answer.location}. Is that your login?")
        lines.append(f"# login_urls = [{toml(canary.answer.location)}]")
        return [*lines, *(f"admin_api = {value}" for key, value in asked.items() if key == "admin_api")]
    settings = view.settings
    if settings and settings.refuser is Refuser.NODE_RED:
        found = "Node-RED's own login refuses strangers"
    elif settings and settings.kind is Kind.SERVED:
        found = "anybody can read /settings"
    else:
        found = f"/settings answers {settings.answer.line()}" if settings else "nothing"
    others = 'or "proxied" (a gate in front), "disabled"'
    line = f"admin_api = {asked.get('admin_api', toml('protected'))}  # found: {found}"
    return [*lines, line if "admin_api" in asked else f"{line}; {others}"]


def _dashboards(station: Station, view: RootView, said: Mapping[str, Any]) -> list[str]:
    if "dashboards" in said:
        return [f"dashboards = {toml(said['dashboards'] or 'none')}  # each must refuse strangers, page and live data"]
    found: list[str] = []
    for path in _DASHBOARDS:
        answer = _seen(station, station.target.node(path))
        same = answer is not None and (answer.status, answer.location) == (
            view.canary.answer.status,
            view.canary.answer.location,
        )
        if answer is not None and answer.status not in (404, 410) and not (same and answer.status >= 300):
            found.append(path)
    if not found:
        return ['# dashboards = ["/ui"]  # none was found at /ui and /dashboard; "none" says that there is none']
    return [f'dashboards = {toml(found)}  # found; each must refuse strangers, page and live data; or "none"']
