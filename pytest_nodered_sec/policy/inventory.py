"""`[[inventory]]`: targets that stand elsewhere, and how a text that lists them becomes targets. Opens nothing.

An inventory says which deployments there are and where, never what is demanded of them: that stays in the policy file.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.policy.schema import entry_of, variable_name
from pytest_nodered_sec.policy.urls import check_connect, check_host, check_url
from pytest_nodered_sec.policy.values import check_text, list_of, shaped
from pytest_nodered_sec.policy.where import Where
from pytest_nodered_sec.texts import counted, in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MOST_BYTES: Final = 16 * 1024 * 1024  # of one inventory
MOST_TARGETS: Final = 10_000  # of one inventory
SECONDS: Final = 60  # for one command
_LONG: Final = 80  # characters of a name in a message
_FIELDS: Final = ("name", "url", "host", "connect")
_HOST_FIELDS: Final = {
    "url": "nodered_url",
    "host": "nodered_host",
    "connect": "nodered_connect",
}  # in Ansible
_EXAMPLES: Final = {
    "url": "https://{name}.example",
    "host": "ssh://{ansible_user}@{ansible_host}",
    "connect": "{ansible_host}:443",
}
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")  # what may be put into a pattern
_NAMED: Final = re.compile(r"\{([^{}]+)\}")
_TEMPLATE: Final = "{{"  # of Jinja
_ALL: Final = "all"
_EVERY: Final = (_ALL, "ungrouped")  # Ansible's groups that say nothing of a host
_BETWEEN: Final = ",;\t"  # what may stand between the columns of CSV


@shaped({"type": "string", "pattern": r"\.([cC][sS][vV]|[jJ][sS][oO][nN])$"})
def _file(value: Any, where: Where) -> str:  # Any, here and below: TOML holds anything
    if not check_text(value, where).lower().endswith((".csv", ".json")):
        raise where.says(
            value,
            "give a .csv or a .json file; Ansible reads its other formats itself: "
            'command = ["ansible-inventory", "-i", "hosts.ini", "--list"]',
        )
    return str(value)


@shaped({"type": "string", "pattern": r"^(?=.*\S)([^{}]|\{[^{}]+\})+$"})
def _pattern(value: Any, where: Where) -> str:
    if set("{}") & set(_NAMED.sub("", check_text(value, where))):
        raise where.says(value, "put each field between single braces: {name}")
    return str(value)


@shaped({"type": "array", "items": {"type": "string", "pattern": r"\S"}, "minItems": 1})
def _command(value: Any, where: Where) -> list[str]:
    words: list[str] = list_of(check_text)(value, where)
    if not words:
        raise where.says(value, 'give program and arguments: ["ansible-inventory", "-i", "hosts.ini", "--list"]')
    return words


KNOWN: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "file": _file,
    "command": _command,
    "environment": list_of(variable_name),
    "group": check_text,
    "url": _pattern,
    "host": _pattern,
    "connect": _pattern,
}


@dataclass(frozen=True)
class Inventory:
    """Where targets are listed.

    Attributes:
        called: its place in messages: the file, or the command's program.
        file: as written, relative to the policy file; "" for none.
        command: program and arguments, () for none.
        environment: names of further variables that the command inherits.
        group: the group of an Ansible inventory whose hosts are meant, "" for all.
        patterns: by key (url, host, connect) what holds where an entry has none of its own: {name} and its other
            fields, an Ansible host's variables among them, are replaced.
    """

    called: str
    file: str
    command: tuple[str, ...]
    environment: tuple[str, ...]
    group: str
    patterns: Mapping[str, str]


@dataclass(frozen=True)
class Listed:
    """One target of an inventory, checked.

    Attributes:
        name: as listed.
        url: its own, or the pattern's.
        values: host and connect, where there are such.
        labels: as listed; of an Ansible host its groups, each "yes".
    """

    name: str
    url: str
    values: Mapping[str, str]
    labels: Mapping[str, str]


def check_inventory(table: Any, file: str) -> Inventory:
    """Check one `[[inventory]]`.

    Args:
        table: as TOML has it.
        file: what the policy file is called in messages.

    Raises:
        PolicyError: an unknown key or an invalid value.
    """
    where, entry = entry_of(table, f"{file}: [[inventory]]", KNOWN, {}, "file")
    if ("file" in entry) == ("command" in entry):
        raise PolicyError(f'{where.place}: give one of file = "targets.csv" and command = ["program", "argument"]')
    if "environment" in entry and "command" not in entry:
        raise PolicyError(f"{where.place}: environment names variables that a command inherits; remove it")
    ours = next((variable for variable in entry.get("environment", ()) if variable.startswith("NODERED_")), "")
    if ours:
        raise PolicyError(f"{where.place}: environment = {ours}: no command is given what is meant for this plugin")
    command = tuple(entry.get("command", ()))
    return Inventory(
        f"{file}: [[inventory]] {entry['file'] if 'file' in entry else command[0]}",
        entry.get("file", ""),
        command,
        tuple(entry.get("environment", ())),
        entry.get("group", ""),
        {key: entry[key] for key in _HOST_FIELDS if key in entry},
    )


def targets_of(inventory: Inventory, text: str) -> list[Listed]:
    """Return the targets that a text lists, in its order.

    Raises:
        PolicyError: it is not what an inventory is, it lists nothing, too much or a name twice, or an entry is wrong.
    """
    if not text.strip():
        raise PolicyError(f"{inventory.called}: {'prints nothing' if inventory.command else 'is empty'}")
    rows = _csv(inventory, text) if inventory.file.lower().endswith(".csv") else _json(inventory, text)
    entries: dict[str, Listed] = {}
    for place, fields, labels in rows:
        entry = _listed(inventory, f"{inventory.called}: {place}", fields, labels)
        if entry.name in entries:
            raise PolicyError(f"{inventory.called}: {place}: a second target is called {entry.name}; remove one")
        entries[entry.name] = entry
        if len(entries) > MOST_TARGETS:
            raise PolicyError(f"{inventory.called}: lists more than {MOST_TARGETS} targets; split it")
    if not entries:
        raise PolicyError(
            f"{inventory.called}: lists no target, and a run without targets proves nothing{_by_hand(inventory)}"
        )
    return list(entries.values())


_Row = tuple[str, dict[str, str], dict[str, str]]  # its place, its fields, its labels


def _csv(inventory: Inventory, text: str) -> Iterable[_Row]:
    """Return the rows of a CSV file; columns other than name, url, host and connect are labels."""
    if inventory.group:
        raise PolicyError(f"{inventory.called}: group chooses hosts of an Ansible inventory, and this is CSV")
    rows = csv.reader(StringIO(text), delimiter=_delimiter(text), strict=True)
    try:
        header = _header(next(rows, []))
        if "name" not in header or not all(header) or len(set(header)) < len(header):
            raise PolicyError(f"{inventory.called}: line 1: give each column a name of its own, and one of them `name`")
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            while len(row) > len(header) and not row[-1].strip():
                row.pop()  # of columns that are empty, as spreadsheets write them
            if len(row) != len(header):
                values, columns = counted(len(row), "value"), counted(len(header), "column")
                raise PolicyError(f"{inventory.called}: line {rows.line_num}: has {values} for {columns}")
            cells = {key: cell.strip() for key, cell in zip(header, row, strict=True) if cell.strip()}
            labels = {key: cell for key, cell in cells.items() if key not in _FIELDS}
            yield f"line {rows.line_num}", cells, labels
    except csv.Error as error:
        raise PolicyError(f"{inventory.called}: line {rows.line_num}: is not CSV: {error}") from None


def _delimiter(text: str) -> str:
    """Return what stands between the columns: that by which one of them is called `name`."""
    for delimiter in _BETWEEN:
        with contextlib.suppress(csv.Error):  # as where a quoted name ends at another one
            if "name" in _header(next(csv.reader(StringIO(text), delimiter=delimiter, strict=True), [])):
                return delimiter
    return _BETWEEN[0]


def _header(cells: list[str]) -> list[str]:
    """Return the columns' names, those of our fields in small letters, without empty ones at the end."""
    names = [cell.strip().lower() if cell.strip().lower() in _FIELDS else cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def _by_hand(inventory: Inventory) -> str:
    """Return what to do where a command printed something else than was expected."""
    return "; run it by hand to see why: Ansible only warns of what it cannot read" if inventory.command else ""


def _json(inventory: Inventory, text: str) -> Iterable[_Row]:
    try:
        content = json.loads(text)
    except ValueError as error:
        # the text itself is not shown: an inventory may hold passwords
        at = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "its start"
        ours = "; the command has to print JSON, as `ansible-inventory --list` does" if inventory.command else ""
        raise PolicyError(f"{inventory.called}: is not JSON at {at}{ours}") from None
    except RecursionError:
        raise PolicyError(f"{inventory.called}: is JSON too deeply nested to be an inventory") from None
    if isinstance(content, dict):
        return _ansible(inventory, content)
    if not isinstance(content, list):
        raise PolicyError(
            f'{inventory.called}: write a list, [{{"name": "line-7", "url": "https://…"}}], or what '
            "`ansible-inventory --list` prints"
        )
    if inventory.group:
        raise PolicyError(f"{inventory.called}: group chooses hosts of an Ansible inventory, and this is a list")
    return [_entry(inventory, number, row) for number, row in enumerate(content, 1)]


def _entry(inventory: Inventory, number: int, entry: Any) -> _Row:
    place = f"entry {number}"
    if not isinstance(entry, dict) or not isinstance(entry.get("labels", {}), dict):
        raise PolicyError(f"{inventory.called}: {place}: write an object, its labels as an object of strings")
    for key in entry:
        if key not in (*_FIELDS, "labels"):
            raise PolicyError(
                f"{inventory.called}: {place}: unknown key {in_one_line(key, _LONG)}; known are "
                f"{', '.join(_FIELDS)} and labels; what is demanded stays in the policy file"
            )
    fields = {key: field for key, field in entry.items() if key != "labels"}
    labels = entry.get("labels", {})
    for key, field in (*fields.items(), *labels.items()):
        if not isinstance(field, str) or not field:
            raise PolicyError(
                f"{inventory.called}: {place}: give {in_one_line(key, _LONG)} as a string, or leave it out"
            )
    return place, fields, labels


def _ansible(inventory: Inventory, content: Mapping[str, Any]) -> Iterable[_Row]:
    """Return the hosts of an Ansible inventory; variables other than nodered_… are there for patterns alone."""
    groups = {
        name: group if isinstance(group, dict) else {"hosts": group}  # as old scripts print them
        for name, group in content.items()
        if name != "_meta" and (isinstance(group, dict) or _are_texts(group))
    }
    meta = content.get("_meta", {})
    variables = meta.get("hostvars", {}) if isinstance(meta, dict) else None
    if not groups or not isinstance(variables, dict):
        raise PolicyError(f"{inventory.called}: is an object, and not what `ansible-inventory --list` prints")
    if inventory.group and inventory.group not in groups:
        raise PolicyError(
            f"{inventory.called}: group = {inventory.group}: the inventory has no such group{_by_hand(inventory)}"
        )
    members = {name: _hosts(inventory, groups, name) for name in groups}
    every = dict.fromkeys(host for hosts in members.values() for host in hosts)
    shared = {name: groups[name]["vars"] for name in _by_depth(groups) if groups[name].get("vars")}
    for host in members[inventory.group] if inventory.group else every:
        own: dict[str, Any] = {}
        for more in (*(shared[name] for name in shared if host in members[name]), variables.get(host, {})):
            if not isinstance(more, dict):
                raise PolicyError(f"{inventory.called}: host {in_one_line(host, _LONG)}: its variables are no object")
            own |= more
        own.setdefault("inventory_hostname", host)
        fields = {key: field for key, field in own.items() if isinstance(field, str)}
        fields |= {key: str(field) for key, field in own.items() if type(field) is int}
        for key in ("url", "host", "connect"):
            fields.pop(key, None)
        fields |= {key: fields[name] for key, name in _HOST_FIELDS.items() if name in fields}
        labels = {name: "yes" for name, hosts in members.items() if name not in _EVERY and host in hosts}
        yield f"host {in_one_line(host, _LONG)}", fields | {"name": host}, labels


def _by_depth(groups: Mapping[str, Any]) -> list[str]:
    """Return the groups as Ansible takes their variables: those further down, and later in the alphabet, count more."""
    depth = dict.fromkeys(groups, 0)
    for _ in groups:  # as deep as they can be; in a circle no deeper than that
        deeper = {
            child: depth[name] + 1
            for name, group in groups.items()
            for child in group.get("children", ())
            if depth.get(child, len(groups)) <= depth[name]
        }
        if not deeper:
            break
        depth |= deeper
    return sorted(groups, key=lambda name: (name != _ALL, depth[name], name))


def _hosts(inventory: Inventory, groups: Mapping[str, Any], name: str) -> dict[str, None]:
    """Return the hosts of a group and of the groups below it, in their order."""
    members: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop(0)
        if current in seen:
            continue
        seen.add(current)
        group = groups.get(current, {})
        hosts, children = group.get("hosts", []), group.get("children", [])
        if not _are_texts(hosts) or not _are_texts(children):
            raise PolicyError(
                f"{inventory.called}: group {in_one_line(current, _LONG)}: give hosts and children as lists of names"
            )
        members |= dict.fromkeys(hosts)
        waiting += children
    return members


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _listed(inventory: Inventory, place: str, fields: Mapping[str, str], labels: Mapping[str, str]) -> Listed:
    """Return an entry, checked as a `[[target]]` is.

    Raises:
        PolicyError: it has no name or URL, or one that is none.
    """
    name = check_text(fields.get("name", ""), Where(place, "name"))
    own = {key: fields.get(key) or _filled(inventory, key, place, fields) for key in _HOST_FIELDS}
    if not own["url"]:
        raise PolicyError(
            f'{place}: give it {_own(place, "url")}, or the [[inventory]] a pattern: url = "https://{{name}}.example"'
        )
    if "?" in (fields.get("host") or ""):
        raise PolicyError(
            f'{place}: host: options of a connection belong in the policy file: host = "ssh://{{name}}?…"'
        )
    for key in (key for key in own if _TEMPLATE in own[key]):
        raise PolicyError(
            f"{place}: {key} is a template, which is filled in only when Ansible runs: give the [[inventory]] a "
            f'pattern, such as {key} = "{_EXAMPLES[key]}"'
        )
    url = check_url(own["url"], Where(place, "url"))
    values = {
        key: check(own[key], Where(place, key))
        for key, check in (("host", check_host), ("connect", check_connect))
        if own[key]
    }
    return Listed(name, url, values, labels)


def _own(place: str, key: str) -> str:
    """Return how an entry of an inventory says something for itself alone."""
    return f"the variable {_HOST_FIELDS[key]}" if place.rpartition(": ")[2].startswith("host ") else f"a {key}"


def _filled(inventory: Inventory, key: str, place: str, fields: Mapping[str, str]) -> str:
    """Return a pattern with the entry's fields in it, "" where there is no pattern.

    Raises:
        PolicyError: it has no such field, or one that would be more than a name, an address or a number there.
    """

    def field(match: re.Match[str]) -> str:
        value = fields.get(match[1], "")
        if not _PLAIN.fullmatch(value):
            what = "is not given" if not value else "is more than a name, an address or a number"
            raise PolicyError(
                f"{place}: {match[1]} {what}, and {key} = {inventory.patterns[key]} needs it; "
                f"correct it, or give the entry {_own(place, key)}"
            )
        return value

    return _NAMED.sub(field, inventory.patterns.get(key, ""))
