"""The lab's parts that need no server."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.listing import ABOUT

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_alone_means_the_newest_major_behind_caddy() -> None:
    assert lab.parse("fresh") == ("fresh", 5, "caddy")
    assert lab.parse("hardened@4+nginx") == ("hardened", 4, "nginx")


def test_a_deployment_may_exist_for_majors_of_its_own() -> None:
    assert lab.parse("old-release") == ("old-release", 1, "caddy")
    assert lab.majors("old-release") == (1,)
    assert lab.majors("fresh") == (4, 5)


@pytest.mark.parametrize(
    ("spec", "label"),
    [("fresh@4", "lab-fresh@4"), ("fresh@4+caddy", "lab-fresh@4"), ("fresh+nginx", "lab-fresh@5+nginx")],
)
def test_the_label_names_what_is_not_the_rule(spec: str, label: str) -> None:
    assert lab.parse(spec).label == label


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        ("nope", "; --nodered-lab=list shows all"),
        ("hardend@4+nginx", r"'hardend@4\+nginx'; did you mean hardened\? --nodered-lab=list"),
        ("fresh@3", "4, 5"),
        ("fresh@x", "4, 5"),
        ("old-release@5", "it has 1"),
        ("fresh+iis", "caddy, nginx"),
        ("+nginx", "--nodered-lab=list shows all"),
    ],
)
def test_an_unknown_name_is_answered_with_the_good_ones(spec: str, known: str) -> None:
    with pytest.raises(lab.LabError, match=known):
        lab.parse(spec)


def test_each_deployment_is_listed_in_a_line() -> None:
    lines = lab.listing().splitlines()
    assert [line.split()[0] for line in lines] == list(lab.names()) == sorted(ABOUT, key=lab.names().index)
    assert "fresh                a fresh installation: no login anywhere" in lines


@pytest.mark.parametrize("ending", ["", "@4", "+nginx"])
def test_a_directory_called_as_a_deployment_is_has_to_be_told_from_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hardened").mkdir()
    with pytest.raises(lab.LabError, match=rf"both exist: write \./hardened{re.escape(ending)} for your directory"):
        lab.parse(f"hardened{ending}")
    (tmp_path / "hardened" / "settings.js").touch()
    assert lab.parse(f"./hardened{ending}").folder == str(tmp_path / "hardened")
    assert lab.parse("fresh").name == "fresh"


def test_an_nginx_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(lab.LabError, match=r"nginx is not installed: install it .* or leave \+nginx out"):
        lab.start(["fresh", "fresh+nginx"], say=pytest.fail)


def test_a_deployment_crosses_to_a_worker_without_its_password(tmp_path: Path) -> None:
    secret = tmp_path / "credentials.json"
    secret.write_text('["admin", "s3cret"]')
    deployment = lab.RunningDeployment(
        name="fresh",
        major=5,
        proxy="caddy",
        label="lab-fresh@5",
        url="https://localhost:1",
        http_port=2,
        direct_port=3,
        inspector_port=4,
        ca_file="ca",
        admin_root="/",
        node_root="/",
        credentials_file=str(secret),
        user_dir="/x",
        has_login=True,
        expect=(("a", "b"),),
    )
    crossed = lab.RunningDeployment.from_dict(json.loads(json.dumps(deployment.as_dict())))
    assert crossed == deployment
    assert crossed.credentials() == ("admin", "s3cret")
    assert "s3cret" not in f"{deployment!r} {deployment.as_dict()}"
