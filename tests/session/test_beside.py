"""What is judged beside other targets: the same verdicts in one process, under xdist, in shards and judged again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from session.conftest import DUMP

if TYPE_CHECKING:
    from session.conftest import Site

# Each target presents a chain with the key that its name ends in; "dead" does not answer.
SEES = """
from chains import LEAF, chain
from dataclasses import replace
from pytest_nodered_sec.session.state import LEFT_OUT

def outcome(self, target, ask):
    self.ask_ahead(target, [ask])
    if "dead" in target.name or ask.probe != "chain":
        return ProbeError("got no answer within 10 s", Cause.TIMEOUT)
    key = target.name.rpartition("-")[2]
    return chain(replace(LEAF, fingerprint=target.name, key_sha256=key), host=target.hostname)

Survey.outcome = outcome

def pytest_sessionstart(session):
    session.config.stash[LEFT_OUT] = ""  # as if all were there, so that the waiver is judged
"""
NAMES = ("gw1-a", "gw2-b", "gw3-a", "gw4-dead", "gw5-c", "gw6-a")
WAIVER = """
[[waiver]]
control = "fleet-01"
finding = "shared-key"
reason = "being replaced"
expires = 2999-12-31
target = "gw6-a"
"""


@pytest.fixture
def fleet(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Six targets, of which three have one key, one waived; one is dead."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")
    site.write(conftest=(site.path / "conftest.py").read_text() + SEES, dump=DUMP)
    targets = "".join(f'[[target]]\nname = "{name}"\nurl = "https://{name}.example"\n' for name in NAMES)
    (site.path / "nodered-sec.toml").write_text(targets + WAIVER)
    return site


def verdicts(site: Site, *args: str) -> dict[str, tuple[str, str]]:
    only = ("nodered-sec/test_waivers.py", "nodered-sec/test_fleet.py::test_tls_key_is_its_own")
    site.run("-pdump", *only, *args, url=None)
    records = json.loads((site.path / "book.json").read_text())["records"]
    told = [record for record in records if record["control"] == "fleet-01" or record["target"] == "gw6-a"]
    return {f"{record['control']} {record['target']}": (record["outcome"], record["observed"]) for record in told}


def test_the_verdicts_are_the_same_however_many_processes_look(fleet: Site) -> None:
    outcomes = verdicts(fleet, "--nodered-evidence=whole")
    assert {name: outcome for name, (outcome, _) in outcomes.items()} == {
        "fleet-01 gw1-a": "non-compliant",
        "fleet-01 gw2-b": "compliant",
        "fleet-01 gw3-a": "non-compliant",
        "fleet-01 gw4-dead": "could-not-look",
        "fleet-01 gw5-c": "compliant",
        "fleet-01 gw6-a": "waived",
        "waiver-01 gw6-a": "compliant",
    }
    assert outcomes["fleet-01 gw1-a"][1] == "its TLS key is also that of gw3-a, gw6-a"
    assert outcomes["fleet-01 gw2-b"][1].endswith("; compared with 4 other targets; not seen: gw4-dead")
    assert verdicts(fleet, "-n2", "--nodered-evidence=workers") == outcomes
    assert verdicts(fleet, "--nodered-replay=workers") == outcomes


def test_a_shard_finds_its_own_twins_and_leaves_the_rest_to_whoever_judges_all(fleet: Site) -> None:
    first = verdicts(fleet, "--nodered-shard=1/2", "--nodered-evidence=first")  # gw1-a gw3-a gw5-c
    assert [first[f"fleet-01 {name}"][0] for name in ("gw1-a", "gw3-a", "gw5-c")] == [
        *("non-compliant", "non-compliant"),
        "not-judged",
    ]
    second = verdicts(fleet, "--nodered-shard=2/2", "-n2", "--nodered-evidence=second")  # gw2-b gw4-dead gw6-a
    assert second["fleet-01 gw6-a"][0] == second["waiver-01 gw6-a"][0] == "not-judged"
    assert second["fleet-01 gw2-b"][1].endswith("no copy was found, but shard 2/2 leaves out 3 of 6 targets")
    merged = verdicts(fleet, "--nodered-replay=first", "--nodered-replay=second")
    assert merged["fleet-01 gw1-a"] == ("non-compliant", "its TLS key is also that of gw3-a, gw6-a")
    assert (merged["fleet-01 gw6-a"][0], merged["fleet-01 gw5-c"][0]) == ("waived", "compliant")
