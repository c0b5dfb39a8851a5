"""Find, fix, prove for several plants at once: policy file, findings, what was written, look again."""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest import mock

from fixlab import PORTS, USER, Plant
from suite_runs import by_the_calendar, run, with_outcome

from pytest_nodered_sec.lab.ports import free_ports
from pytest_nodered_sec.remedies.lines import toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_nodered_sec.remedies.model import FrontName

Controls = dict[str, set[str]]  # outcomes by control
_FIXES: Final = 2  # as often as a person works through CHANGES.md at most

# Ports of the test in place of the developer's own, and the certificate that a client shows.
_CONFTEST: Final = """
import json
from dataclasses import replace
from pathlib import Path
from pytest_nodered_sec import HttpSettings

def pytest_nodered_targets(config, targets):
    told = json.loads((Path(__file__).parent / "ways.json").read_text())
    ways = {name: HttpSettings(ports={9229: port}, client_certificate=shown and tuple(shown))
        for name, (port, shown) in told.items()}
    return [replace(one, http=ways[one.name]) for one in targets]
"""


class Proved(NamedTuple):
    """What became of one deployment: at the first look, at the last, and how often it was changed."""

    found: Controls
    proved: Controls
    fixes: int


@contextlib.contextmanager
def fixed(
    front: FrontName, names: Sequence[str], folder: Path, work: Path, keys: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, tuple[Plant, Proved]]]:
    """Start deployments behind a front, look, apply what was written, look again; yield them while they run.

    Args:
        front: one of FRONTS.
        names: deployments of the lab.
        folder: for the plants; its name is short.
        work: for policy and reports.
        keys: what the policy says beyond what a deployment is for, by name.
    """
    with contextlib.ExitStack() as stack:
        ports = free_ports(PORTS * len(names))
        plants = {
            name: stack.enter_context(Plant(folder / name, front, name, ports=ports[at * PORTS : (at + 1) * PORTS]))
            for at, name in enumerate(names)
        }
        for plant in plants.values():
            plant.expose()
        policy = {name: dict(plant.deployment.expect) | dict(keys.get(name, {})) for name, plant in plants.items()}
        outcomes = _look(plants, policy, work / "0", first=True)
        seen, fixes = dict(outcomes), dict.fromkeys(names, 0)
        left = dict(plants)
        for number in range(1, _FIXES + 1):
            if not left:
                break
            for name, plant in left.items():
                written = _written(work / str(number - 1) / "fix" / name)
                plant.stop_front()
                if written:
                    plant.apply(written)
                    fixes[name] = number
                policy[name] |= tomllib.loads(written.get("nodered-sec.toml", ""))
                if plant.uninstalled:
                    policy[name].pop("interfaces", None)
            proved = _look(left, policy, work / str(number), first=False)
            seen |= proved
            left = {name: plant for name, plant in left.items() if not_green(plant, proved[name])}
        yield {name: (plants[name], Proved(outcomes[name], seen[name], fixes[name])) for name in names}


def not_green(plant: Plant, controls: Controls) -> set[str]:
    """Return the controls that fail or err, without those that the calendar alone decides."""
    judged = with_outcome(controls, "non-compliant") | with_outcome(controls, "could-not-look")
    return judged - by_the_calendar(plant.major, controls)


def _look(
    plants: Mapping[str, Plant], policy: Mapping[str, Mapping[str, Any]], work: Path, *, first: bool
) -> dict[str, Controls]:
    work.mkdir()
    for plant in plants.values():
        plant.launch()
    for plant in plants.values():
        plant.wait()
    ways = {name: [plant.inspector_port, plant.client_certificate] for name, plant in plants.items()}
    (work / "conftest.py").write_text(_CONFTEST)
    (work / "ways.json").write_text(json.dumps(ways))
    tables: list[str] = []
    variables: dict[str, str] = {}
    for number, (name, plant) in enumerate(plants.items()):
        mine = dict(policy[name])
        guarded = plant.deployment.has_login or "@GUARD@" in "".join(plant.deployment.front)
        if mine.get("admin_api") != "disabled" and (guarded or not first):
            mine["credentials"] = {"env": f"PLANT{number}"}
        if not first or plant.deployment.dashboard_user:
            mine["dashboard_credentials"] = {"env": f"OPERATOR{number}"}
        variables |= {f"PLANT{number}_USERNAME": USER, f"PLANT{number}_PASSWORD": plant.known or plant.password}
        variables |= {f"OPERATOR{number}_USERNAME": plant.operator, f"OPERATOR{number}_PASSWORD": plant.password}
        tables.append(_table(plant, mine))
    (work / "nodered-sec.toml").write_text("\n".join(tables))
    with mock.patch.dict(os.environ, variables):
        return run(work, "--nodered-suite=only", f"--nodered-fix={work / 'fix'}")


def _table(plant: Plant, keys: Mapping[str, Any]) -> str:
    """Return a plant's [[target]]."""
    where: dict[str, Any] = {
        "name": plant.name,
        "url": plant.url,
        "ca_file": str(plant.folder / "ca.pem"),
        "http_port": plant.http_port,
        "direct_port": plant.direct_port,
        "admin_root": plant.deployment.admin_root,
        "node_root": plant.deployment.node_root,
        "front": plant.front,
    }
    lines = [f"{key} = {toml(value)}" for key, value in {**where, **keys}.items()]
    return "\n".join(["[[target]]", *lines, ""])


def _written(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}
