"""What a policy file may say, and what holds in the end: keys, layers, groups, selectors, and what is shown."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from policy_files import PIN, file_of, policy_from

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.file import TargetTable
from pytest_nodered_sec.policy.merge import effective, policy_of
from pytest_nodered_sec.policy.model import (
    PROFILES,
    THRESHOLDS,
    WEAKER,
    Deviation,
    Endpoint,
    Interface,
    Policy,
    PolicyError,
    PublicPath,
)
from pytest_nodered_sec.policy.schema import KEYS
from pytest_nodered_sec.policy.show import digest, policy_as_toml
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from pathlib import Path


FULL = f"""
profile = "strict"
[[target]]
name = "line 7"
url = "https://plant.example:8443/red"
labels = {{line = "7"}}
editor = "protected"
admin_root = "/admin/"
node_root = "/api"
dashboards = ["/ui/", {{path = "/wall", public = true, reason = "andon board"}}, {{path = "/hmi"}}]
login_urls = ["https://sso.example/realms", "/outpost/"]
protected_paths = [{{path = "/orders"}}, {{path = "/orders", method = "POST", effect = "acts"}}]
public_paths = [{{path = "/health", reason = "load balancer"}}]
websockets = ["/ws"]
interfaces = [{{kind = "uibuilder", path = "/hmi"}}, {{kind = "worldmap", path = "/m", public = true, reason = "x"}}]
guess = {{value = false, reason = "accounts of the directory"}}
known_credentials = [{{username = "plc", password = ""}}]
login_realm = "plant"
http_port = 8080
direct_port = 1881
closed_ports = [9229, 502]
sha256 = "{":".join(["AB"] * 32)}"
issuer = "Let's Encrypt"
shared_certificate = {{value = true, reason = "wildcard"}}
mutual_tls = true
revocation = "crl"
connect = "[::1]:9443"
host = "ssh://ops@plant"
timeout = 2.5
[target.thresholds]
hsts_max_age = {{value = 300, reason = "others share the name"}}
session_days = 0.5
private_lifetime_days = {{value = inf, reason = "burnt in"}}
"""


def test_every_key_reaches_the_policy(tmp_path: Path) -> None:
    policy = policy_from(tmp_path, FULL)
    assert (policy.profile, policy.editor, policy.admin_api) == ("strict", "protected", "protected")
    assert policy.dashboards == ("/ui", "/wall", "/hmi")
    assert policy.login_urls == ("https://sso.example/realms", "/outpost/")
    assert policy.protected_paths == (Endpoint("/orders"), Endpoint("/orders", "POST", "acts"))
    assert policy.public_paths == (
        PublicPath("/health", "load balancer"),
        PublicPath("/wall", "andon board"),
        PublicPath("/m", "x"),
    )
    assert policy.interfaces == (Interface("uibuilder", "/hmi"), Interface("worldmap", "/m"))
    assert policy.websockets == ("/ws",)
    assert policy.closed_ports == (9229, 502)
    assert not policy.guess
    assert policy.known_credentials == (("plc", ""),)
    assert policy.login_realm == "plant"
    assert policy.certificate == PIN
    assert (policy.issuer, policy.mutual_tls, policy.revocation) == ("Let's Encrypt", True, "crl")
    assert policy.shared_certificate
    assert (policy.thresholds.hsts_max_age, policy.thresholds.session_days) == (300, 0.5)
    assert policy.thresholds.private_lifetime_days == math.inf
    assert policy.thresholds.bcrypt_cost == PROFILES["strict"].bcrypt_cost
    assert policy.deviations == (
        Deviation("thresholds.private_lifetime_days", "inf", "398", "burnt in"),
        Deviation("thresholds.hsts_max_age", "300", "63072000", "others share the name"),
        Deviation("guess", "false", "true", "accounts of the directory"),
        Deviation("shared_certificate", "true", "false", "wildcard"),
        Deviation("public_paths", '"/health"', "a login", "load balancer"),
        Deviation("public_paths", '"/wall"', "a login", "andon board"),
        Deviation("public_paths", '"/m"', "a login", "x"),
    )
    assert policy.deviations[0].line() == "thresholds.private_lifetime_days = inf instead of 398: burnt in"
    assert policy.public_reason("/wall") == "andon board"
    assert policy.public_reason("/ui") == ""


def test_what_is_shown_can_be_read_back(tmp_path: Path) -> None:
    file = file_of(tmp_path, FULL)
    (table,) = file.targets
    merged = effective(file.layers(table))
    policy = policy_of("line 7", merged)
    target = Target(
        table.name,
        table.url,
        policy,
        merged.get("admin_root"),
        merged.get("node_root"),
        merged.get("http_port"),
        merged.get("direct_port"),
        timeout=merged.get("timeout"),
        host=merged.get("host"),
        connect=merged.get("connect"),
        labels=table.labels,
    )
    text = policy_as_toml(target, target, merged.sources)
    assert 'profile = "strict"  # policy file' in text
    assert "hsts_max_age = {value = 300" in text
    assert "bcrypt_cost = 12  # profile strict" in text
    (tmp_path / "again").mkdir()
    again = file_of(tmp_path / "again", text)
    assert again.targets[0].labels == {"line": "7"}
    twin = policy_of("line 7", effective(again.layers(again.targets[0])))
    assert twin.known_credentials == ()  # counted, not shown
    assert twin.login_realm == policy.login_realm
    assert twin.thresholds == policy.thresholds
    assert twin.interfaces == policy.interfaces
    assert twin.public_reason("/m") == "x"
    assert twin.shared_certificate
    assert (twin.issuer, twin.mutual_tls, twin.revocation) == (policy.issuer, policy.mutual_tls, policy.revocation)
    assert set(twin.deviations) == set(policy.deviations)


def test_what_only_a_hook_knows_says_so() -> None:
    target = Target("x", "https://x.example", Policy(dashboards=(), known_credentials=(("a", "hunter2"),), guess=False))
    text = policy_as_toml(target, None, {})
    assert 'dashboards = "none"  # hook' in text
    assert "# known_credentials: 1 more than the bundled ones" in text
    assert "hunter2" not in text
    assert tomllib.loads(text)["target"][0]["closed_ports"] == [9229, 1879, 1891, 46836]
    assert (
        tomllib.loads(policy_as_toml(replace(target, policy=Policy(closed_ports=())), None, {}))["target"][0][
            "closed_ports"
        ]
        == []
    )
    assert tomllib.loads(text)["target"][0]["guess"] == {"value": False, "reason": "set by the hook"}


def test_the_digest_is_of_the_demands_and_not_of_the_way_they_were_written() -> None:
    plain = digest(Policy())
    assert plain == digest(Policy(own_thresholds=PROFILES["production"]))
    assert plain != digest(Policy("strict"))
    assert plain != digest(Policy(dashboards=()))
    assert digest(Policy(known_credentials=(("a", "x"),))) == digest(Policy(known_credentials=(("a", "y"),)))


@pytest.mark.parametrize("key", THRESHOLDS)
def test_every_threshold_knows_what_is_weaker(key: str) -> None:
    weak, strong = (getattr(PROFILES[name], key) for name in ("baseline", "strict"))
    assert not WEAKER[key](strong, strong)
    assert not WEAKER[key](strong, weak)
    assert weak == strong or WEAKER[key](weak, strong)


def test_profiles_have_the_numbers_of_the_design() -> None:
    assert [thresholds.hsts_max_age for thresholds in PROFILES.values()] == [86400, 15768000, 63072000]
    assert [thresholds.private_lifetime_days for thresholds in PROFILES.values()] == [math.inf, 825, 398]
    assert [thresholds.bcrypt_cost for thresholds in PROFILES.values()] == [8, 8, 12]
    assert [thresholds.session_days for thresholds in PROFILES.values()] == [7, 7, 1]
    assert [thresholds.tls_accepted for thresholds in PROFILES.values()] == [("1.2", "1.3"), ("1.2", "1.3"), ("1.3",)]
    assert [(Policy(name).renewal.share, Policy(name).renewal.cap_days) for name in PROFILES] == [
        (0.1, 15), (0.25, 30), (0.3, 30)
    ]  # fmt: skip
    assert [Policy(name).renewal.short_share for name in PROFILES] == [0.1, 0.2, 0.25]


GROUPS = """
profile = "baseline"
[[target]]
name = "a"
url = "https://a.example"
labels = {line = "7", site = "north"}
timeout = 1
[[target]]
url = "https://b.example:8443"
labels = {line = "7"}
[[group]]
label = "line=7"
timeout = 2
editor = "protected"
[[group]]
label = "site=n*"
timeout = 3
"""


def test_layers_from_the_strongest_to_the_weakest(tmp_path: Path) -> None:
    file = file_of(tmp_path, GROUPS)
    a, b = (
        effective([("option", {"http_port": 8080}), *file.layers(table), ("ini", {"profile": "strict"})])
        for table in file.targets
    )
    assert (a.get("timeout"), a.sources["timeout"]) == (1, "[[target]]")
    assert (b.get("timeout"), b.sources["timeout"]) == (2, "[[group]]")
    assert (a.get("profile"), a.sources["profile"]) == ("baseline", "policy file")
    assert (a.get("http_port"), a.sources["http_port"]) == (8080, "option")
    assert (a.get("direct_port"), a.sources["direct_port"]) == (1880, "default")
    assert effective(file.layers(None)).get("timeout") == 10


def test_groups_that_contradict_each_other(tmp_path: Path) -> None:
    file = file_of(tmp_path, GROUPS.replace("timeout = 1\n", ""))
    with pytest.raises(
        PolicyError, match=r"\[\[group\]\] line=7 and \[\[group\]\] site=n\* set timeout of target a diff"
    ):
        file.layers(file.targets[0])


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("a", True),
        ("a*", True),
        ("[ab]", True),
        ("b", False),
        ("line=7", True),
        ("line=8", False),
        ("site=n*", True),
        ("floor=1", False),
    ],
)
def test_selectors(selector: str, chosen: bool) -> None:
    table = TargetTable("a", "https://a.example", {"line": "7", "site": "north"}, {})
    assert table.chosen_by(selector, "a") is chosen


@pytest.mark.parametrize("value", [True, 0, 1.5, math.inf, 'a"\\\n\x7fé', ["x", {"a b": [1]}], {"key-1": "x"}])
def test_toml_can_be_read_back(value: Any) -> None:
    assert tomllib.loads(f"x = {toml(value)}")["x"] == value


def test_every_key_is_known_once() -> None:
    assert {key.removeprefix("thresholds.") for key in KEYS if key.startswith("thresholds.")} == set(THRESHOLDS)
