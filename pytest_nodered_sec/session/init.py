"""A first `nodered-sec.toml` for `--nodered-init`: requirements, each with a comment that says what the target does.

The requirements come from options, environment and defaults, never from the target: a policy that demands what is
already there would prove nothing.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import Kind, Mark, Refuser, alike, classify
from pytest_nodered_sec.observations.reach import login_page, moved_to, of_a_dashboard, speaks_tls
from pytest_nodered_sec.policy import json_schema
from pytest_nodered_sec.policy.file import FILE_NAME
from pytest_nodered_sec.policy.merge import DEFAULTS
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.transport.station import Station

_ADMIN_ROOTS: Final = ("/admin", "/red", "/nodered", "/node-red", "/editor")  # as guides and images choose them
_LOGINS: Final = {Mark.LOGIN_OPEN, Mark.LOGIN_CONFIGURED}
_DASHBOARDS: Final = ("/ui", "/dashboard")


def write(targets: Sequence[Target], said: Mapping[str, Any], folder: Path) -> str:
    """Inspect the run's targets, write one file and its schema for editors, and return the message for the user.

    Args:
        targets: of the run.
        said: policy keys set by options and environment, and their values; Any: TOML values.
        folder: directory for the file.

    Raises:
        pytest.UsageError: no target, the file exists or cannot be written, or no target gives an answer.
    """
    if not targets or any(target.flows for target in targets):
        raise pytest.UsageError("--nodered-init needs a target: add --nodered-url=https://HOST, once for each")
    path = folder / FILE_NAME
    if path.exists():
        raise pytest.UsageError(f"--nodered-init: {path} exists; move it away first")
    tables, unseen, doubts = _tables(targets, said)
    if len(unseen) == len(targets):
        raise pytest.UsageError(f"--nodered-init: {'; '.join(unseen.values())}")
    try:
        path.write_text(drafted(tables, said), encoding="utf-8")
        (folder / json_schema.NAME).write_text(json_schema.text(), encoding="utf-8")  # newer than one that is there
    except OSError as error:
        raise pytest.UsageError(f"--nodered-init: {path} cannot be written ({error.strerror})") from None
    missed = "".join(f"not looked at, see the file: {name}: {why}\n" for name, why in unseen.items())
    missed += "".join(f"{doubt}\n" for doubt in doubts)
    return (
        f"{path} written; review it, then run: pytest --nodered-suite=only --nodered-fix=changes\n"
        "(which also writes what to change, as files, into the folder `changes`)\n"
        f"{json_schema.NAME} beside it lets editors check and complete it\n{missed}"
    )


def drafted(tables: Sequence[str], said: Mapping[str, Any]) -> str:
    """Return the text of a policy file with these `[[target]]`s; `said` as for `write`."""
    profile = 'profile = "production"  # or "baseline", "strict": the set of thresholds\n\n'
    head = (
        f"#:schema ./{json_schema.NAME}\n# Requirements; --nodered-show-policy prints all values in force.\n\n"
        + ("" if "profile" in said else profile)
    )  # fmt: skip
    return head + "\n".join(tables)


def _tables(targets: Sequence[Target], said: Mapping[str, Any]) -> tuple[list[str], dict[str, str], list[str]]:
    """Return a table for each target, why nothing was seen of those that gave no answer, by name, and doubts."""
    tables: list[str] = []
    unseen: dict[str, str] = {}
    doubts: list[str] = []
    for target in targets:
        prefix = "PLANT" if len(targets) == 1 else f"PLANT_{re.sub('[^A-Z0-9]', '_', target.name.upper())}"
        try:
            lines, doubtful = _inspected(target, said)
            doubts += [f"{target.name}: {doubt}" for doubt in doubtful]
        except ProbeError as error:
            unseen[target.name] = error.message
            lines = [f"# Not looked at: {' '.join(error.message.split())}", *_unseen(said)]
        tables.append("\n".join([*_head(target, said), "", *lines, *_accounts(prefix)]) + "\n")
    return tables, unseen, doubts


def _inspected(target: Target, said: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Inspect a target once, and return the lines of what it does, and what must be settled before a run.

    Raises:
        ProbeError: it cannot be reached, or every path answers with an error.
    """
    from pytest_nodered_sec.probes.http import landmarks
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.probes.transport.station import Station

    station = Station(target)
    try:
        station.arrive(Look(station).deadline)
        view = landmarks.view_admin(Look(station))
        unverified = _unverified(station)
        admin, identified = _admin(station, view, said)
        login = [*_login(view, target, said), *_dashboard_logins(station, view, said)]
        groups = (_trust(target, unverified), admin, login, _dashboards(station, view, said))
        doubts = [f"{unverified}: {_NO_TRUST}"] if unverified else []
        nowhere = f"nothing at {view.root} identifies Node-RED: {speaks_tls(view.canary.answer, target) or _NOT_THERE}"
        wrong = of_a_dashboard(view, target) or ("" if identified else nowhere)
        doubts += [wrong] if wrong else []
        return [line for group in groups if group for line in (*group, "")], doubts
    finally:
        station.close()


def _unseen(said: Mapping[str, Any]) -> list[str]:
    """Return what was typed of what is otherwise written beside what was seen."""
    return [*(f"{key} = {toml(said[key])}" for key in _JUDGED if key in said), ""]


def _head(target: Target, said: Mapping[str, Any]) -> list[str]:
    return [
        "[[target]]",
        f"name = {toml(target.name)}  # part of every test id: do not change it later",
        f"url = {toml(target.url)}",
        *_given(target, said),
        *_ports(target, said),
    ]


def _accounts(prefix: str) -> list[str]:
    return [
        "# Endpoints of your flows (http in) that need a login. A GET is sent only if effect is none.",
        '# protected_paths = [{path = "/api/orders", method = "GET", effect = "none"}]',
        '# websockets = ["/ws/line"]',
        '# public_paths = [{path = "/health", reason = "health check of the load balancer"}]',
        "",
        f"# Account for the controls that need a login: {prefix}_USERNAME and {prefix}_PASSWORD, or {prefix}_TOKEN.",
        f'# credentials = {{env = "{prefix}"}}',
        "# Account of who works with the dashboards, with which dash-06 opens them: OPERATOR_USERNAME and so on.",
        '# dashboard_credentials = {env = "OPERATOR"}',
    ]


_NO_TRUST: Final = "for a private CA, name its root as ca_file in the file"
_NOT_THERE: Final = "the URL may be wrong, a login may hide it, or httpAdminRoot is another path or false; see the file"
_CHECK: Final = "# Check: if another port is used, say so here, or the controls that ask there pass and prove nothing."
_PORTS: Final = {
    "http_port": "where plain HTTP answers (http-01)",
    "direct_port": "Node-RED's own port, uiPort in settings.js (proxy-01)",
}
_JUDGED: Final = ("admin_root", "editor", "admin_api", "login_urls", "dashboards")  # written beside what was found


def _given(target: Target, said: Mapping[str, Any]) -> list[str]:
    """Return what options, environment and hook set for the target, so that the file is complete."""
    from_hook = {"ca_file": target.ca_file, "http_port": target.http_port, "direct_port": target.direct_port}
    given = {key: value for key, value in from_hook.items() if value not in (None, DEFAULTS.get(key))}
    given |= {key: value for key, value in said.items() if key not in _JUDGED}
    return [f"{key} = {toml(value)}" for key, value in given.items()]


def _ports(target: Target, said: Mapping[str, Any]) -> list[str]:
    """Return the ports that nobody set, to be checked: where another is used, the controls ask in vain, and pass.

    A URL without TLS has the port of plain HTTP.
    """
    there = {"http_port": target.http_port, "direct_port": target.direct_port}
    assumed = [key for key in _PORTS if key not in said and there[key] == DEFAULTS[key]]
    lines = [f"# {key} = {DEFAULTS[key]}  # {_PORTS[key]}" for key in assumed if target.tls or key != "http_port"]
    return [_CHECK, *lines] if lines else []


def _seen(station: Station, path: str) -> Answer | None:
    from pytest_nodered_sec.probes.transport.look import Look

    with contextlib.suppress(ProbeError):
        return Look(station).answer("GET", path)
    return None


def _unverified(station: Station) -> str:
    """Return why the target's certificate does not verify, "" where it does or there is none."""
    from pytest_nodered_sec.probes.transport.look import Look

    try:
        if station.target.tls:
            station.check_channel(Look(station).deadline)
    except ProbeError as error:
        if error.cause is Cause.UNVERIFIED:
            return error.message.partition(": ")[2]
    return ""


def _trust(target: Target, unverified: str) -> list[str]:
    if not unverified:
        return []
    named = (
        [] if target.ca_file else ['# ca_file = "plant-ca.pem"  # root of a private CA, as PEM; relative to this file']
    )
    return [f"# Found: {unverified}.", *named]


def _admin(station: Station, view: RootView, said: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return the lines on admin root and editor, and whether anything showed that this is a Node-RED."""
    target = station.target
    shown = bool(view.identity) and not view.api_absent
    root = target.admin_root if shown or "admin_root" in said else _other_root(station)
    lines = [f"# Found: {', '.join(view.identity) or 'nothing that identifies Node-RED'} at {view.root}."]
    if root and root != "/":
        seen = "" if not shown and "admin_root" in said else "  # httpAdminRoot: /auth/login answers there"
        lines.append(f"admin_root = {toml(root)}{seen}")
    elif not root:
        lines.append('# admin_root = "/admin"  # if httpAdminRoot is not /')
    page = _seen(station, target.path(root or target.admin_root, "/"))
    if page is None:
        comment = "no answer at the admin root"
    elif Mark.EDITOR in page.marks:
        comment = 'the editor page is served; if that is intended and the editor needs a login, write "protected"'
    else:
        comment = f"no editor page: {page.line()}"
    lines.append(f"editor = {toml(said.get('editor', 'disabled'))}  # found: {comment}")
    return lines, bool(view.identity) or bool(root and not shown and "admin_root" not in said)


def _other_root(station: Station) -> str:
    """Return another admin root whose `/auth/login` is Node-RED's, "" if none is found."""
    for root in _ADMIN_ROOTS:
        answer = _seen(station, station.target.path(root, "/auth/login"))
        if answer and (answer.marks & _LOGINS or answer.challenge == 'Bearer realm="Users"'):
            return root
    return ""


def _login(view: RootView, target: Target, said: Mapping[str, Any]) -> list[str]:
    canary = view.canary
    asked = {key: toml(said[key]) for key in ("login_urls", "admin_api") if key in said}
    lines = [f"login_urls = {asked['login_urls']}"] if "login_urls" in asked else []
    if canary.kind is Kind.REFUSED and view.blanket:
        lines.append(f"# Found: every path answers {canary.answer.line()}: a proxy refuses everything before Node-RED.")
        proposed = '"proxied"  # remove this line if Node-RED itself should ask for the login'
        return [*lines, f"admin_api = {asked.get('admin_api', proposed)}"]
    moved = moved_to(canary, target)
    if moved:
        return [*lines, f"# Found: every path is redirected to {moved}. If that is its name, write url = {toml(moved)}"]
    led = login_page(canary) or canary.answer.location
    if led.startswith(("https:", "/")) and "login_urls" not in asked:
        lines.append(f"# Found: requests without a login are redirected to {led}. Is that your login page?")
        lines.append(f"# login_urls = [{toml(led)}]")
        proposed = '# admin_api = "proxied"  # with it, if everything here is meant to be behind that login'
        return [*lines, f"admin_api = {asked['admin_api']}" if "admin_api" in asked else proposed]
    if Mark.CERTIFICATE_DEMAND in canary.answer.marks and "admin_api" not in asked:
        proposed = '# admin_api = "proxied"  # with it'
        return [
            *lines,
            "# Found: every path demands a client certificate.",
            "# mutual_tls = true  # if every client must have one",
            proposed,
        ]
    settings = view.settings
    if settings and settings.refuser is Refuser.NODE_RED:
        comment = "Node-RED's own login"
    elif settings and settings.kind is Kind.SERVED:
        comment = "anyone can read /settings"
    else:
        comment = f"/settings answers {settings.answer.line()}" if settings else "nothing"
    others = 'or "proxied" (a proxy asks for the login), "disabled"'
    line = f"admin_api = {asked.get('admin_api', toml('protected'))}  # found: {comment}"
    return [*lines, line if "admin_api" in asked else f"{line}; {others}"]


def _dashboard_logins(station: Station, view: RootView, said: Mapping[str, Any]) -> list[str]:
    """Return the lines on undeclared logins to which dashboards redirect, where a random path is not led there too."""
    target = station.target
    logins: list[str] = []
    for path in target.dashboards or _DASHBOARDS:
        answer = _seen(station, target.node(path))
        known = answer is None or answer.location == view.canary.answer.location or moved_to(view.canary, target)
        if answer and not known and classify(answer, target).cause is Cause.UNDECLARED_LOGIN:
            logins.append(answer.location.removesuffix(target.node(path)))
    logins = [login for login in dict.fromkeys(logins) if login.startswith("https:")]
    if not logins:
        return []
    return [
        f"# Found: dashboards redirect requests without a login to {' and '.join(logins)}. Is that your login page?",
        f"# login_urls = {toml([*said.get('login_urls', ()), *logins])}",
    ]


def _dashboards(station: Station, view: RootView, said: Mapping[str, Any]) -> list[str]:
    if "dashboards" in said:
        return [f"dashboards = {toml(said['dashboards'] or 'none')}  # page and live data of each must need a login"]
    paths: list[str] = []
    for path in _DASHBOARDS:
        answer = _seen(station, station.target.node(path))
        if answer is None or answer.status in (404, 410):
            continue
        nowhere = view.canary.answer
        moved = moved_to(view.canary, station.target)
        same = (answer.status, answer.location) == (nowhere.status, nowhere.location)
        same = same or bool(moved and answer.location.startswith(f"{moved}/"))
        if not (same and (answer.status >= 300 or alike(answer, nowhere))):
            paths.append(path)
    if not paths:
        return ['# dashboards = ["/ui"]  # none found at /ui and /dashboard; "none": there is no dashboard']
    return [f'dashboards = {toml(paths)}  # found; page and live data of each must need a login; or "none"']
