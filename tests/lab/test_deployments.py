"""The lab's parts that need no server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_alone_means_the_newest_major() -> None:
    assert lab.parse("fresh") == ("fresh", lab.DEFAULT_MAJOR)
    assert lab.parse("hardened@4") == ("hardened", 4)


@pytest.mark.parametrize(("spec", "known"), [("nope", "fresh"), ("fresh@3", "4, 5"), ("fresh@x", "4, 5")])
def test_an_unknown_name_is_answered_with_the_good_ones(spec: str, known: str) -> None:
    with pytest.raises(lab.LabError, match=known):
        lab.parse(spec)


def test_a_deployment_crosses_to_a_worker_and_hides_its_password() -> None:
    one = lab.RunningDeployment(
        "fresh",
        5,
        "lab-fresh@5",
        "https://localhost:1",
        2,
        3,
        "ca",
        "/",
        "/",
        "operator",
        "s3cret",
        "/x",
        (("a", "b"),),
    )
    assert lab.RunningDeployment.from_dict(one.as_dict()) == one
    assert "s3cret" not in repr(one)


@pytest.mark.parametrize("damage", ["none", "stamp", "module", "package"])
def test_a_damaged_cache_is_noticed(damage: str, tmp_path: Path) -> None:
    for name in ("node-red", "@flowfuse/node-red-dashboard"):
        (tmp_path / "node_modules" / name).mkdir(parents=True)
        (tmp_path / "node_modules" / name / "package.json").write_text("{}")
    (tmp_path / "complete").write_text("@flowfuse/node-red-dashboard\nnode-red")
    if damage == "stamp":
        (tmp_path / "complete").unlink()
    elif damage != "none":
        lost = "node-red" if damage == "module" else "@flowfuse/node-red-dashboard"
        (tmp_path / "node_modules" / lost / "package.json").unlink()
    assert toolchain._whole(tmp_path) is (damage == "none")
