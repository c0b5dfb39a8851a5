"""Reading `nodered-sec.toml`: its tables, checked key by key.

Each key has one check, in `schema.KEYS`, which options and ini values pass as well. Does not import pytest. Each
mistake is a `PolicyError` of one sentence.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.policy.assessment import NO_ASSESSMENT, Assessment, check_assessment, check_attestation
from pytest_nodered_sec.policy.inventory import Inventory, check_inventory
from pytest_nodered_sec.policy.model import (
    PolicyError,
    Waiver,
)
from pytest_nodered_sec.policy.schema import (
    KEYS,
    NOT_SHARED,
    TABLES,
    TARGET_ONLY,
    check_ca_file,
    check_fail_on,
    check_selector,
    entry_of,
)
from pytest_nodered_sec.policy.text import parse
from pytest_nodered_sec.policy.values import check_day, check_text, unknown_key
from pytest_nodered_sec.policy.where import Where

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pytest_nodered_sec.policy.attestation import Attestation


FILE_NAME: Final = "nodered-sec.toml"
LISTS: Final = ("target", "group", "waiver", "attestation", "inventory")  # tables with two brackets


# --- the file ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetTable:
    """One `[[target]]`.

    Attributes:
        name: as given, or "".
        url: base URL.
        labels: by which `[[group]]` and `--nodered-target` choose it.
        values: checked values of its other keys.
        waivers: findings of this target that are accepted until a date.
        attestations: what somebody vouches for at this target.
        listed: whether it stands in an inventory, and not in this file.
    """

    name: str
    url: str
    labels: Mapping[str, str]
    values: Mapping[str, Any]
    waivers: tuple[Waiver, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    listed: bool = False

    def chosen_by(self, selector: str, name: str) -> bool:
        """Whether a selector means this target."""
        return chosen_by(selector, name, self.labels)


def chosen_by(selector: str, name: str, labels: Mapping[str, str]) -> bool:
    """Whether NAME, a glob of names, or LABEL=VALUE (the value may be a glob) means a target."""
    label, equals, wanted = selector.partition("=")
    if equals:
        return label in labels and fnmatchcase(labels[label], wanted)
    return fnmatchcase(name, selector) or name == selector


@dataclass(frozen=True)
class PolicyFile:
    """The checked contents of a policy file.

    Attributes:
        path: where it lies, None for no file.
        values: for every target.
        groups: label selector and values, in the file's order.
        targets: in the file's order.
        fail_on: lowest severity that fails the run, "" if the file does not set it.
        waivers: which targets (NAME, a glob, LABEL=VALUE; "" for all), and what is accepted there until a date.
        called: its name in messages.
        assessment: who assesses what, and by what right.
        attestations: which targets, as for waivers, and what somebody vouches for there.
        inventories: where further targets are listed.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    targets: tuple[TargetTable, ...] = ()
    fail_on: str = ""
    waivers: tuple[tuple[str, Waiver], ...] = ()
    called: str = ""
    assessment: Assessment = NO_ASSESSMENT
    attestations: tuple[tuple[str, Attestation], ...] = ()
    inventories: tuple[Inventory, ...] = ()

    def with_listed(self, tables: Sequence[TargetTable]) -> PolicyFile:
        """Return the file with the targets of its inventories behind its own.

        Raises:
            PolicyError: no target has the label of a group.
        """
        whole = replace(self, targets=(*self.targets, *tables))
        for selector, _ in self.groups:
            if not any(table.chosen_by(selector, "") for table in whole.targets):
                raise PolicyError(f"{self.called}: [[group]]: no target of file or inventory has the label {selector}")
        return whole

    def layers(self, table: TargetTable | None) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the file's values for a target, highest precedence first; `table` is None if the file lacks it.

        Raises:
            PolicyError: two groups contradict each other.
        """
        if table is None:
            return [("policy file", self.values)]
        grouped: dict[str, Any] = {}
        origin: dict[str, str] = {}
        for selector, values in self.groups:
            if not table.chosen_by(selector, ""):
                continue
            for key, value in values.items():
                if key in grouped and grouped[key] != value and key not in table.values:
                    raise PolicyError(
                        f"{self.called}: [[group]] {origin[key]} and [[group]] {selector} set {key} of target "
                        f"{table.name or table.url} differently; set it in the [[target]]"
                    )
                grouped[key], origin[key] = value, selector
        return [("[[target]]", table.values), ("[[group]]", grouped), ("policy file", self.values)]


def read(path: Path, without: Collection[str] = (), called: str = "") -> PolicyFile:
    """Read and check a policy file.

    Args:
        path: of the file.
        without: keys to ignore wherever they occur.
        called: its name in messages: the path as typed, else the file's name.

    Raises:
        PolicyError: it cannot be read, is not TOML, or holds an invalid key or value.
    """
    name = called or path.name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PolicyError(f"{name}: cannot be read ({error.strerror})") from None
    content = parse(data, name)
    targets, groups, waivers, attested, listings = (content.pop(key, []) for key in LISTS)
    fail_on = content.pop("fail_on", "")
    if fail_on:
        check_fail_on(fail_on, Where(name, "fail_on"))
    assessment = check_assessment(content.pop("assessment", {}), Where(name, "assessment"))
    for tables, what in zip((targets, groups, waivers, attested, listings), LISTS, strict=True):
        if not isinstance(tables, list):
            raise PolicyError(f"{name}: write [[{what}]] with two brackets, once for each")
    for table in (content, *targets, *groups):
        for key in without if isinstance(table, dict) else ():
            table.pop(key, None)
    values = _values(content, Where(name, ""), path, others=(*LISTS, "assessment", "fail_on"))
    for key in NOT_SHARED:
        if key in values:
            raise PolicyError(f"{name}: {key} belongs to one target; move it below a [[target]]")
    folder = None if "ca_file" in without else path.parent  # without it somebody judges again, and has no documents
    read_targets = tuple(_target(table, path, name, folder) for table in targets)
    inventories = tuple(check_inventory(table, name) for table in listings)
    read_groups = tuple(_group(table, path, name, None if inventories else read_targets) for table in groups)
    read_waivers = tuple(_waiver(table, f"{name}: [[waiver]]", target=check_text) for table in waivers)
    where = f"{name}: [[attestation]]"
    vouched = tuple(check_attestation(table, where, folder, target=check_text) for table in attested)
    return PolicyFile(
        path, values, read_groups, read_targets, fail_on, read_waivers, name, assessment, vouched, inventories
    )


def _values(table: dict[str, Any], where: Where, path: Path, others: Iterable[str] = ()) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if key in TABLES:
            if not isinstance(value, dict):
                raise PolicyError(f"{where.place}: {key} is a table: write [{key}] and one key per line")
            for name in value:
                if name not in TABLES[key]:
                    raise PolicyError(f"{where.place}: [{key}]: {_strange(name, TABLES[key])}")
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        elif (table_of := next((name for name in TABLES if key in TABLES[name]), "")) and key not in KEYS:
            raise PolicyError(f"{where.place}: {key} belongs below [{table_of}] (of one target: [target.{table_of}])")
        elif key not in KEYS or "." in key:
            known = [*(key for key in KEYS if "." not in key), *TABLES, *others]
            raise PolicyError(f"{where.place}: {_strange(key, known)}")
        else:
            flat[key] = value
    for key, value in flat.items():
        if key == "ca_file" and isinstance(value, str):
            merged[key] = check_ca_file(str(path.parent / Path(value).expanduser()), Where(where.place, key))
        else:
            merged[key] = KEYS[key](value, Where(where.place, key))
    return merged


def _strange(key: str, known: Iterable[str]) -> str:
    """Return the message about a key that is none where it stands: TOML takes a file's end for its last table's."""
    if key == "fail_on":
        return "fail_on belongs to the whole run: move it to the top of the file, above the first line with ["
    if key in KEYS:
        return f"{key} does not belong here: move it to the top of the file, or directly below a [[target]]"
    return unknown_key(key, known)


def _target(table: Any, path: Path, name: str, folder: Path | None) -> TargetTable:
    if not isinstance(table, dict):
        raise PolicyError(f"{name}: write [[target]] with two brackets, once for each")
    place = f"{name}: [[target]] {table.get('name') or table.get('url') or ''}".rstrip()
    own = {
        key: check(table[key], Where(place if key != "url" else f"{name}: [[target]]", key))
        for key, check in TARGET_ONLY.items()
        if key in table
    }
    if "url" not in own:
        raise PolicyError(f'{place}: add url = "https://…"')
    below = ("waiver", "attestation")
    rest = {key: value for key, value in table.items() if key not in (*TARGET_ONLY, *below)}
    values = _values(rest, Where(place, ""), path, others=(*TARGET_ONLY, *below))
    waivers, attested = (table.get(key, []) for key in below)
    for tables, what in ((waivers, "waiver"), (attested, "attestation")):
        if not isinstance(tables, list):
            raise PolicyError(f"{place}: write [[target.{what}]] with two brackets, once for each")
    accepted = tuple(_waiver(waiver, f"{place}: [[target.waiver]]", target=_of_one)[1] for waiver in waivers)
    where = f"{place}: [[target.attestation]]"
    vouched = tuple(check_attestation(row, where, folder, target=_of_one)[1] for row in attested)
    return TargetTable(own.get("name", ""), own["url"], own.get("labels", {}), values, accepted, vouched)


WAIVER: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "control": check_text,
    "instance": check_text,
    "finding": check_text,
    "reason": check_text,
    "expires": check_day,
    "approver": check_text,
    "ticket": check_text,
    "measure": check_text,
}


WAIVER_NEEDED: Final = {"control": '"tls-01"', "reason": '"…"', "expires": "2030-12-31"}  # with an example


def _of_one(value: Any, where: Where) -> str:
    kind = "attestation" if "[[target.attestation]]" in where.place else "waiver"
    raise where.says(value, f"the {kind} is already below its target; remove this key")


def _waiver(table: Any, place: str, **more: Callable[[Any, Where], Any]) -> tuple[str, Waiver]:
    """Check one waiver; return its selector of targets, "" where there is none, and the waiver."""
    from pytest_nodered_sec.data.findings import ONCE_ONLY_FINDING, ONLY_FINDING  # read when somebody waives something
    from pytest_nodered_sec.data.known_findings import findings_of

    for key in table if isinstance(table, dict) else ():
        if key not in WAIVER and key not in more and (key in KEYS or key == "fail_on"):
            raise PolicyError(f"{place}: {_strange(key, ())}")
    where, checked = entry_of(table, place, WAIVER | more, WAIVER_NEEDED, "control", "instance")
    if "finding" not in checked and checked["control"] in ONCE_ONLY_FINDING:
        checked["finding"] = ONCE_ONLY_FINDING[checked["control"]]
    if "finding" not in checked and checked["control"] not in ONLY_FINDING:
        if not findings_of(checked["control"]):
            raise PolicyError(
                f"{where.place}: no bundled control is called {checked['control']}: correct it, or, if it is a control "
                'of your own, add finding = "…"'
            )
        raise PolicyError(
            f'{where.place}: add finding = "…": {checked["control"]} can have several, and a waiver of one must not '
            "hide another (reports show the code after the severity; JUnit has it in nodered_sec.findings)"
        )
    if "finding" in checked:
        _check_finding(checked["control"], checked["finding"], Where(where.place, "finding"))
    return checked.pop("target", ""), Waiver(**checked)


def _check_finding(control: str, code: str, where: Where) -> None:
    """Refuse a code that a control cannot find, where its codes are known: such a waiver would accept nothing."""
    from pytest_nodered_sec.data.findings import FORMER_FINDINGS, known_findings

    known = known_findings(control)
    if known and code not in known and code not in FORMER_FINDINGS:
        near = difflib.get_close_matches(code, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"it can have {' or '.join(known)}"
        raise where.says(code, f"{control} has no such finding; {hint}")


def _group(table: Any, path: Path, name: str, targets: Sequence[TargetTable] | None) -> tuple[str, dict[str, Any]]:
    """Check a group; `targets` is None where inventories list more of them than the file has."""
    place = f"{name}: [[group]]"
    if not isinstance(table, dict) or "label" not in table:
        raise PolicyError(f'{place}: add label = "NAME=VALUE" to choose its targets')
    selector = check_selector(table["label"], Where(place, "label"))
    if targets is not None and not any(target.chosen_by(selector, "") for target in targets):
        raise PolicyError(f"{place}: no [[target]] has the label {selector}")
    rest = {key: value for key, value in table.items() if key != "label"}
    values = _values(rest, Where(f"{place} {selector}", ""), path, others=("label",))
    for key in NOT_SHARED:
        if key in values:
            raise PolicyError(f"{place} {selector}: {key} belongs to one target; move it below a [[target]]")
    return selector, values
