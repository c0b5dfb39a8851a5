"""The end of the terminal: findings folded, and what to change, from records."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from evidence.records import OPEN, TARGET, lines, record

from pytest_nodered_sec import private
from pytest_nodered_sec.evidence import changes, ending, fix
from pytest_nodered_sec.evidence.plans import alike, front, names, told
from pytest_nodered_sec.policy.model import Policy

if TYPE_CHECKING:
    from pathlib import Path


def test_findings_are_folded_and_end_in_changes() -> None:
    text = lines(*OPEN, record("tls-01", outcome="compliant"))
    assert "admin-01 critical served · admin-01 saw served · and 24 more" in text
    assert text.count("saw served") == 1
    assert "1. critical · settings.js: adminAuth" in text
    assert "fixes 25 findings of admin-01 · pytest --nodered-guide, step 2" in text
    assert text.endswith("plant: 25 findings in 25 tests, 1 change")


def test_a_clean_target_is_a_line() -> None:
    assert lines(record("tls-01", outcome="compliant")) == "plant: no findings"


def test_a_dead_target_is_said_elsewhere() -> None:
    assert lines(*(record(f"tls-0{number}", outcome="could-not-look", reason="see reach-01") for number in "123")) == ""


def test_what_could_not_be_looked_at_is_folded_by_its_cause() -> None:
    unseen = [record(f"tls-{number:02}", outcome="could-not-look", reason="no answer") for number in range(1, 8)]
    others = [record("dash-01", outcome="could-not-look", reason=f"reason {number}") for number in range(8)]
    text = lines(*unseen, *others, record("http-01", outcome="compliant"))
    assert "could not look · plant: no answer (tls-01, tls-02, tls-03, tls-04 and 3 more)" in text
    assert "could not look · 3 more reasons: -v shows them" in text
    reach = record("reach-01", outcome="could-not-look", reason="nothing identifies Node-RED there")
    first = lines(*unseen, *others, reach, record("http-01", outcome="compliant")).partition("\n")[0]
    assert first == "could not look · plant: nothing identifies Node-RED there (reach-01)"  # it explains all others
    assert text.endswith("plant: no findings, 15 could not be looked at")


def test_what_a_waiver_accepts_is_no_finding() -> None:
    waiver = {"findings": ["served"]}
    text = lines(record("admin-01", "served", "other", waiver=waiver), record("dash-01", outcome="waived"))
    assert "saw other" in text
    assert "saw served" not in text
    assert "1 finding in 1 test, 1 change, 1 waived" in text


def test_everything_is_left_to_pytest_where_all_is_shown() -> None:
    assert "saw served" not in lines(*OPEN, show_all=True)
    assert "adminAuth" in lines(*OPEN, show_all=True)


def test_a_proxy_that_is_not_recognised_is_not_guessed() -> None:
    text = lines(record("http-06", "missing"), server="")
    assert '(proxy not recognised: set front = "nginx", "caddy", ' in text
    assert "(proxy not recognised; --nodered-fix" in lines(*OPEN, server="")  # which no change needs to know
    assert "1. critical · proxy: add Strict-Transport-Security" in text
    for server, name in (("Caddy", "Caddy"), ("nginx", "nginx"), ("1.1 Caddy", "Caddy")):
        assert f"1. critical · {name}: add" in lines(record("http-06", "missing"), server=server)
    realm = record("dash-01", outcome="compliant", observed='GET /ui answered 401 (Basic realm="traefik")')
    assert "(proxy: Traefik;" in lines(realm, record("http-06", "missing"), server="")


@pytest.mark.parametrize(
    ("observed", "name"),
    [
        ("nginx -T: 3 files; Node-RED listens on 127.0.0.1:1880", "nginx"),
        ("/etc/caddy/Caddyfile: Caddy listens on :443 (TLS); Node-RED on 127.0.0.1:1880", "Caddy"),
        ("HAProxy: /etc/haproxy/haproxy.cfg; Node-RED listens on 127.0.0.1:1880", "HAProxy"),
        ("Apache httpd: /etc/apache2/apache2.conf; Node-RED listens on nowhere", "Apache httpd"),
    ],
)
def test_what_is_seen_on_the_host_names_the_proxy(observed: str, name: str) -> None:
    seen = record("host-12", outcome="compliant", observed=observed)
    assert f"(proxy: {name};" in lines(seen, record("http-06", "missing"), server="")
    other = seen | {"control": "host-11", "observed": "nginx is not installed; Caddy is"}
    assert "not recognised" in lines(other, record("http-06", "missing"), server="")


def test_without_a_proxy_the_plan_says_which_to_put_there(tmp_path: Path) -> None:
    planned = changes.of_target(replace(TARGET, policy=Policy(front="none")), [record("http-06", "missing")], "")
    assert front(planned) == 'no proxy: put one in front, such as nginx, and name it, front = "nginx"'
    assert told([planned])[0].what.startswith("proxy: add Strict-Transport-Security")
    files = fix.files(planned)
    assert "No proxy stands in front, and some changes need one: they are written for nginx." in files["CHANGES.md"]
    assert "nginx-node-red.conf" in files
    unknown = changes.of_target(TARGET, [record("http-06", "missing")], "")
    assert (
        "Which proxy stands in front is not known: the changes are written for nginx." in fix.files(unknown)[fix.PAGE]
    )
    assert (
        "proxy" not in fix.files(changes.of_target(TARGET, [record("admin-01", "served")], ""))[fix.PAGE].split("##")[0]
    )


def test_targets_that_need_the_same_share_a_list() -> None:
    records = [record("http-06", "missing"), record("http-06", "missing") | {"target": "hall"}]
    facts: Any = {"targets": [{"name": "plant", "identity": {"server": "nginx"}}, {"name": "hall", "identity": {}}]}
    plans = changes.of_run([TARGET, replace(TARGET, name="hall")], records, facts)
    assert [names(group) for group in alike(plans)] == ["plant", "hall"]  # of different fronts
    facts["targets"][1]["identity"] = {"server": "nginx/1.2"}
    [group] = alike(changes.of_run([TARGET, replace(TARGET, name="hall")], records, facts))
    assert told(group)[0].ends == "fixes 2 findings of http-06"


def test_the_last_section_is_true_of_a_lab() -> None:
    planned = changes.of_target(TARGET, OPEN, "nginx")
    mine = fix.files(planned)[fix.PAGE]
    assert "$ pytest --nodered-suite=only --nodered-url=https://plant.example/nr" in mine
    built_in = fix.files(planned, "fresh")[fix.PAGE]
    assert "$ pytest --nodered-suite=only --nodered-lab=hardened" in built_in
    assert "This was the lab's `fresh`, which ended with the run" in built_in
    own = fix.files(planned, "/my plant")[fix.PAGE]
    assert "$ pytest --nodered-suite=only --nodered-lab='/my plant'" in own
    assert "make the changes there. Ports and host name in the files are the lab's." in own
    framed = [record("http-06", "missing")]
    parts = fix.files(changes.of_target(TARGET, framed, "Caddy"), "/my plant")[fix.PAGE]
    assert "To try it in /my plant:\n\n- Into the directory's Caddyfile goes only what stands inside" in parts
    assert "To try it in" not in fix.files(changes.of_target(TARGET, framed, "Caddy"), "fresh")[fix.PAGE]
    alone = changes.of_target(TARGET, [record("host-14", "x")], "nginx")
    assert "The files have" not in fix.files(alone, "fresh")[fix.PAGE]
    assert "The files have its ports and host name" in built_in
    assert "--nodered-url" not in own


def test_flows_alone_are_looked_at_again_as_such() -> None:
    target = replace(TARGET, name="f2.json", url="https://", flows="my flows/f2.json")
    page = fix.files(changes.of_target(target, [record("flow-02", "runs-command")], ""))[fix.PAGE]
    assert "\nmy flows/f2.json. Make the changes from top to bottom" in page
    assert "$ pytest --nodered-suite=only --nodered-flows='my flows/f2.json'\n" in page
    assert not re.search("--nodered-url|account|https", page)


class Reporter:
    """As much of pytest's as lists reports."""

    def __init__(self, **stats: list[Any]) -> None:
        self.stats = stats
        self.listed: list[tuple[str, list[Any]]] = []

    def summary_errors(self) -> None:
        self.listed.append(("errors", self.stats["error"]))

    def summary_failures(self) -> None:
        self.listed.append(("failures", self.stats["failed"]))

    def short_test_summary(self) -> None:
        self.listed.append(("short", self.stats["failed"]))


@pytest.mark.parametrize("details", [False, True])
def test_pytest_lists_none_of_the_suites_failures_but_the_users_own(details: bool) -> None:
    ours: Any = type("Report", (), {"nodeid": "nodered-sec/test_x.py::x", "nodered": {}})()
    theirs: Any = type("Report", (), {"nodeid": "test_y.py::y", "nodered": {}})()
    plain: Any = type("Report", (), {"nodeid": "test_z.py::z"})()
    reporter: Any = Reporter(failed=[ours, theirs, plain], error=[ours], passed=[ours])
    with private.unlisted(reporter, ending._is_folded, details=details):
        reporter.summary_errors(), reporter.summary_failures()
        assert reporter.stats == {"failed": [ours, theirs, plain], "error": [ours], "passed": [ours]}  # for others
        reporter.short_test_summary()
    folded = [("errors", []), ("failures", [theirs, plain])]
    shown = [("errors", [ours]), ("failures", [ours, theirs, plain])]
    assert reporter.listed == [*(shown if details else folded), ("short", [theirs, plain])]
    reporter.short_test_summary()
    assert reporter.listed[-1] == ("short", [ours, theirs, plain])


def test_a_line_for_each_finding_where_that_is_typed() -> None:
    text = lines(*OPEN, style="line")
    assert text.count("admin-01 critical served · admin-01 saw served\n") == 25
    assert "more" not in text.partition("What to change")[0]


def test_quiet_says_less() -> None:
    assert "fixes 25" not in lines(*OPEN, quiet=1)
    assert "1. critical · settings.js" in lines(*OPEN, quiet=1)
    assert lines(*OPEN, quiet=2) == "plant: 25 findings in 25 tests, 1 change"
