"""What a person needs for the second run: certificate, policy file, accounts, and lines that can be read."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evidence.records import OPEN, TARGET, lines, record

from pytest_nodered_sec.evidence import changes, fix
from pytest_nodered_sec.policy.model import Policy

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Credentials, Target

GATED = [*OPEN, record("dash-01", "served", instance="/ui"), record("dash-02", "channel-open", instance="/dashboard")]


def test_who_has_no_policy_file_gets_one_that_names_the_new_accounts() -> None:
    target = replace(TARGET, url="http://plant.example/nr")
    written = fix.files(changes.of_target(target, [*GATED, record("tls-01", "no-tls")], "nginx"), said={})
    (table,) = tomllib.loads(written["nodered-sec.toml"])["target"]
    assert table == {
        "name": "plant",
        "url": "https://plant.example/nr",
        "dashboards": ["/ui", "/dashboard"],
        "credentials": {"env": "PLANT"},
        "dashboard_credentials": {"env": "OPERATOR"},
    }
    again = written[fix.PAGE].partition("## Run pytest again")[2]
    assert "$ read -r PLANT_USERNAME; read -rs PLANT_PASSWORD; export PLANT_USERNAME PLANT_PASSWORD\n" in again
    assert "Save `nodered-sec.toml` first, then type the accounts that it names" in again
    assert "$ read -r OPERATOR_USERNAME; read -rs OPERATOR_PASSWORD;" in again
    assert "--nodered-url=https://plant.example/nr\n" in again
    moved = "Where your policy file names the target, write the new URL."
    assert moved not in again
    assert moved in fix.files(changes.of_target(target, GATED, "nginx"))[fix.PAGE]


def test_the_policy_file_that_is_written_says_what_the_run_was_told() -> None:
    said = {"ca_file": "/srv/plant-ca.pem", "direct_port": 1881, "dashboards": ["/hmi"]}
    written = fix.files(changes.of_target(TARGET, GATED, "nginx"), said=said)["nodered-sec.toml"]
    (table,) = tomllib.loads(written)["target"]
    assert table["ca_file"] == "/srv/plant-ca.pem"
    assert table["direct_port"] == 1881
    assert table["dashboards"] == ["/ui", "/dashboard"]  # what was seen says more
    lacking = fix.files(changes.of_target(TARGET, GATED, "nginx"))["nodered-sec.toml"]
    assert "ca_file" not in lacking  # the file that is there has it


def test_a_policy_file_that_is_there_gets_what_it_lacks() -> None:
    def given() -> Credentials:
        raise AssertionError

    page = fix.files(changes.of_target(TARGET, GATED, "nginx"))[fix.PAGE]
    assert "into your policy file first and uncomment the accounts there, then type them, by name and password:" in page
    known = replace(TARGET, credentials=given, dashboard_credentials=given)
    written = fix.files(changes.of_target(known, GATED, "nginx"))
    assert tomllib.loads(written["nodered-sec.toml"]) == {"dashboards": ["/ui", "/dashboard"]}
    assert "OPERATOR" not in written["nodered-sec.toml"] + written[fix.PAGE]
    declared = replace(known, policy=Policy(dashboards=("/ui", "/dashboard")))
    assert "nodered-sec.toml" not in fix.files(changes.of_target(declared, GATED, "nginx"))


def test_a_front_is_left_alone_where_only_the_policy_file_is_to_change() -> None:
    declares = record("flow-01", "undeclared-websocket")
    declares["findings"][0] |= {"observed": "the flows open WebSocket /ws/x, as seen"}
    written = fix.files(changes.of_target(TARGET, [declares], "nginx"))
    assert list(written) == [fix.PAGE]
    asked = "It asks what the policy file lists now: what is open to anybody is a finding of that run."
    assert asked in written[fix.PAGE]
    beside_others = fix.files(changes.of_target(TARGET, [declares, *GATED], "nginx"))
    assert "nginx-node-red.conf" in beside_others
    assert asked not in beside_others[fix.PAGE]


def test_the_certificate_is_somebodys_to_decide_wherever_a_front_is_written() -> None:
    for target, code in ((TARGET, "served"), (replace(TARGET, url="http://plant.example"), "no-tls")):
        records = [*GATED, record("tls-01", code)]
        page = fix.files(changes.of_target(target, records, "nginx"))[fix.PAGE]
        assert page.count("- which certificate and key") == 1
        assert "write their paths at ssl_certificate and ssl_certificate_key in nginx-node-red.conf" in page
    unseen = record("reach-01", outcome="could-not-look")
    page = fix.files(changes.of_target(TARGET, [*records, unseen, record("tls-03", "late")], "nginx"))[fix.PAGE]
    assert "which certificate and key the proxy presents" in page  # where no file is written


def test_a_long_list_is_cut_where_findings_are_folded() -> None:
    suites = record("tls-14", "no-aead")
    suites["findings"][0]["observed"] = "TLS_X, " * 100
    (line,) = [line for line in lines(suites).splitlines() if line.startswith("tls-14")]
    assert len(line) < 280
    assert line.endswith("…")
    assert "TLS_X, " * 100 in lines(suites, style="line")


def test_a_front_says_when_it_does_not_know_what_the_flows_open() -> None:
    unread = "the run did not read them"
    assert unread in fix.files(changes.of_target(TARGET, GATED, "nginx"))[fix.PAGE]
    read = [*GATED, record("flow-01", outcome="compliant")]
    assert unread not in fix.files(changes.of_target(TARGET, read, "nginx"))[fix.PAGE]


def test_ports_that_nobody_set_are_somebodys_to_decide() -> None:
    direct = (
        "- Node-RED is expected at 127.0.0.1:1880, as `direct_port` says; if it listens elsewhere, set `direct_port` "
        "and run again\n"
    )
    http = (
        "- Plain HTTP is expected at port 80, as `http_port` says; if it is served at another, set `http_port` and run "
        "again\n"
    )
    assumed = replace(TARGET, assumed_ports=("http_port", "direct_port"))

    def said(target: Target, *more: dict[str, Any], lab: str = "") -> list[bool]:
        page = fix.files(changes.of_target(target, [*GATED, *more], "nginx"), lab)[fix.PAGE]
        decide = page.partition("What you have to decide:")[2].partition("\n\n#")[0]
        return [direct in decide, http in decide]

    assert said(assumed) == [True, True]
    assert said(TARGET) == [False, False]
    assert said(replace(assumed, direct_port=1881)) == [False, True]  # by the site's hook
    assert said(assumed, record("proxy-01", "answers")) == [False, True]  # something is there
    assert said(assumed, record("http-01", "served")) == [True, False]
    assert said(assumed, record("http-06", "missing")) == [True, True]
    assert said(replace(assumed, url="http://plant.example:1880")) == [False, False]
    assert said(assumed, lab="fresh") == [False, False]
