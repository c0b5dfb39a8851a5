"""Reviewed facts about Node-RED, as data files and the typed loaders that read them.

Only facts that somebody read in a published package and measured belong here, never judgement.
Each data file says where its facts are from and when they were reviewed.
`guarded_routes.toml`: the GET routes of Node-RED 3, 4 and 5, reviewed 2026-11-23.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import MISSING, dataclass, fields
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

App = Literal["admin", "editor"]
APPS: Final[tuple[str, ...]] = get_args(App)
_FILE: Final = "guarded_routes.toml"


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What every row says.

    Attributes:
        method: always "GET".
        route: the Express pattern as the source spells it.
        app: the Express app the route belongs to; "editor" is gone with disableEditor.
        first: the first major that has it.
        last: the last major that has it; None while the newest reviewed one still does.
        source: npm package and file.
    """

    method: str
    route: str
    app: App
    first: int
    last: int | None = None
    source: str

    def exists_in(self, major: int) -> bool:
        """Whether Node-RED of this major has the route."""
        return self.first <= major and (self.last is None or major <= self.last)


@dataclass(frozen=True, kw_only=True)
class GuardedRoute(_Row):
    """A request for a route that Node-RED guards with `needsPermission`.

    Attributes:
        path: a concrete request below the admin root, perhaps with a query.
        guard: the permission demanded.
        open_status: what an open default instance answers.
        protected_status: what a default instance with adminAuth answers to an anonymous request.
        api_landmark: whether this is the one route that shows the admin API.
        note: what a reader would stumble over.
    """

    path: str
    guard: str
    open_status: int = 200
    protected_status: int = 401
    api_landmark: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class UnguardedRoute(_Row):
    """A request for a route that is public by design.

    Attributes:
        path: a concrete request below the admin root.
        reason: why it is public.
        open_status: what a default instance answers, open or protected.
        editor_asset: whether 200 shows that the editor is on (with disableEditor it is 404).
    """

    path: str
    reason: str
    open_status: int = 200
    editor_asset: bool = False


@dataclass(frozen=True, kw_only=True)
class UnaskedRoute(_Row):
    """A guarded route that no request stands for.

    Attributes:
        guard: the permission demanded.
        reason: why it is not asked.
    """

    guard: str
    reason: str


@dataclass(frozen=True)
class RouteTable:
    """The whole table, in the order of the file."""

    guarded: tuple[GuardedRoute, ...]
    unguarded: tuple[UnguardedRoute, ...]
    unasked: tuple[UnaskedRoute, ...]


def guarded_get_routes() -> tuple[GuardedRoute, ...]:
    """Return the requests that must be refused without a login: the admin app's, then the editor app's."""
    return _table().guarded


def unguarded_get_routes() -> tuple[UnguardedRoute, ...]:
    """Return the requests that are public by design."""
    return _table().unguarded


def unasked_get_routes() -> tuple[UnaskedRoute, ...]:
    """Return the guarded routes that are not asked, with the reasons."""
    return _table().unasked


def editor_assets() -> tuple[UnguardedRoute, ...]:
    """Return the public requests that answer 200 only while the editor is on."""
    return tuple(row for row in _table().unguarded if row.editor_asset)


@functools.cache
def _table() -> RouteTable:
    return parse_routes((resources.files(__name__) / _FILE).read_text(encoding="utf-8"))


def parse_routes(text: str) -> RouteTable:
    """Read a route table.

    Raises:
        ValueError: it is no TOML, or a row is wrong; the message names the row.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{_FILE}: {error}") from error
    if unknown := sorted(tables.keys() - {"route", "unguarded", "unasked"}):
        raise ValueError(f"{_FILE}: unknown table {', '.join(unknown)}")
    table = RouteTable(
        _rows("route", tables, GuardedRoute),
        _rows("unguarded", tables, UnguardedRoute),
        _rows("unasked", tables, UnaskedRoute),
    )
    asked = [("route", row.path) for row in table.guarded]
    asked += [("unguarded", row.path) for row in table.unguarded]
    _refuse_duplicates(asked)
    _refuse_duplicates([("unasked", row.route) for row in table.unasked])
    landmarks = [row.path for row in table.guarded if row.api_landmark]
    if landmarks != ["/settings"]:
        raise ValueError(f"{_FILE}: api_landmark belongs to /settings alone, not to {landmarks}")
    return table


_R = TypeVar("_R", bound=_Row)
_TYPES: Final[dict[str, type]] = {
    "str": str,
    "App": str,
    "int": int,
    "int | None": int,
    "bool": bool,
}


def _rows(table: str, tables: dict[str, Any], kind: type[_R]) -> tuple[_R, ...]:
    raw = tables.get(table, [])
    if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
        raise ValueError(f"{_FILE}: write [[{table}]], one table per row")
    rows = tuple(_row(table, number, row, kind) for number, row in enumerate(raw, 1))
    _check_order(table, rows)
    return rows


def _row(table: str, number: int, raw: dict[str, Any], kind: type[_R]) -> _R:
    name = f"{_FILE}: [[{table}]] {number} ({raw.get('path', raw.get('route', '?'))})"
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(raw.keys() - known.keys()):
        raise ValueError(f"{name}: unknown key {', '.join(unknown)}")
    for key, field in known.items():
        if key not in raw:
            if field.default is MISSING:
                raise ValueError(f"{name}: {key} is missing")
        elif type(raw[key]) is not _TYPES[str(field.type)]:
            raise ValueError(f"{name}: {key} must be of type {field.type}, not {raw[key]!r}")
        elif raw[key] == "":
            raise ValueError(f"{name}: {key} is empty")
    row = kind(**raw)
    if row.method != "GET":
        raise ValueError(f"{name}: method must be GET, not {row.method}")
    if not row.route.startswith(("/", "use(")):
        raise ValueError(f"{name}: route must start with '/'")
    if not raw.get("path", "/").startswith("/"):
        raise ValueError(f"{name}: path must start with '/'")
    if row.app not in APPS:
        raise ValueError(f"{name}: app must be one of {', '.join(APPS)}, not {row.app!r}")
    if row.last is not None and row.first > row.last:
        raise ValueError(f"{name}: first ({row.first}) is after last ({row.last})")
    if isinstance(row, UnguardedRoute) and row.editor_asset:
        if row.app != "editor":
            raise ValueError(f"{name}: an editor_asset belongs to the editor app")
        if row.open_status != 200:
            raise ValueError(f"{name}: an editor_asset answers 200, not {row.open_status}")
    return row


def _check_order(table: str, rows: Sequence[_Row]) -> None:
    ranks = [APPS.index(row.app) for row in rows]
    if ranks != sorted(ranks):
        late = next(here for here in range(1, len(ranks)) if ranks[here] < ranks[here - 1])
        row = rows[late]
        raise ValueError(
            f"{_FILE}: [[{table}]] {late + 1} ({row.route}): rows are grouped by app, {row.app} comes first"
        )


def _refuse_duplicates(names: Iterable[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for table, name in names:
        if name in seen:
            raise ValueError(f"{_FILE}: [[{table}]] {name}: already in [[{seen[name]}]]")
        seen[name] = table
