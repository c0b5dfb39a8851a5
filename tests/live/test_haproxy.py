"""Real HAProxy in front of a real Node-RED, with the rules that guides give it: what passes them is a finding."""

from __future__ import annotations

import contextlib
import re
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from certlab import issue
from nginxlab import write_chain
from servers import running
from suite_runs import installed, run, with_outcome

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
PASSWORD = "hunter2-operator"
POLICY = """
admin_api = "proxied"
editor = "protected"
dashboards = ["/ui", "/dashboard"]
protected_paths = [{path = "/api/orders", effect = "none"}]
"""
RULES = {
    "closed": "http-request auth realm plant unless operator\n  default_backend login",
    "websockets pass": (
        "acl ws hdr(Upgrade) -i WebSocket\n  use_backend free if ws\n"
        "  http-request auth realm plant unless operator or { hdr(Upgrade) -i WebSocket }\n  default_backend login"
    ),
    "neighbours pass": (
        "acl near hdr_ip(X-Forwarded-For) 192.168.0.0/16\n  http-request auth realm plant unless operator or near\n"
        "  default_backend login"
    ),
    "nameless handshakes pass": (
        "http-request deny unless { hdr(host),field(1,:) -i localhost }\n"
        "  http-request auth realm plant if { ssl_fc_sni -i localhost } !operator\n  default_backend login"
    ),
    "other forms of the name pass": (
        "http-request deny unless { hdr(host),field(1,:) -i localhost }\n"
        "  acl here hdr(host) -m reg ^localhost:[0-9]+$\n"
        "  http-request auth realm plant if here !operator\n  default_backend login"
    ),
    "whole URLs pass": "http-request auth realm plant if { url_beg / } !operator\n  default_backend login",
}

DROPS = {
    "silent-drop": "http-request silent-drop",
    "tarpit": "timeout tarpit 60s\n  http-request tarpit",
    "reject": "http-request reject",
    "500": "http-request deny deny_status 500",
}


@contextlib.contextmanager
def haproxy(folder: Path, rules: str, node_red: int, bind: str = "") -> Iterator[int]:
    """Run HAProxy with these lines of the frontend until the block ends; yield its port of HTTPS.

    Args:
        folder: an existing directory for its files.
        rules: lines of the frontend.
        node_red: TCP port of the Node-RED.
        bind: further words of the line by which it listens; `@FILES@` stands for the directory.
    """
    program = installed("haproxy")
    (port,) = ports.free_ports(1)
    authority = issue("lab", ca=True)
    certificate, key = write_chain(folder, "leaf", [issue("localhost", authority, dns=["localhost"]), authority])
    (folder / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "haproxy.cfg").write_text(f"""
global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
userlist operators
  user operator insecure-password {PASSWORD}
frontend plant
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem {bind.replace("@FILES@", str(folder))}
  acl operator http_auth(operators)
  {rules}
backend login
  server node-red 127.0.0.1:{node_red}
backend free
  server node-red 127.0.0.1:{node_red}
""")
    command = [program, "-db", "-f", str(folder / "haproxy.cfg")]
    with running(command, folder / "haproxy.log", partial(ports.accepts, port)):
        yield port


@pytest.fixture(scope="module")
def node_red() -> Iterator[int]:
    """The port of a Node-RED without any login of its own."""
    with lab.start(["fresh@5"], say=lambda line: None) as running:
        yield running.deployments[0].direct_port


def judged(
    folder: Path,
    rules: str,
    node_red: int,
    bind: str = "",
    more: str = "",
    cases: str = "test_exposure or test_dashboard or test_admin_api",
) -> dict[str, set[str]]:
    (folder / "policy.toml").write_text(POLICY + more)
    with haproxy(folder, rules, node_red, bind) as port:
        args = [f"--nodered-url=https://localhost:{port}", f"--nodered-ca-file={folder}/ca.pem"]
        args += [f"--nodered-policy={folder}/policy.toml", f"--nodered-http-port={ports.free_ports(1)[0]}"]
        [controls] = run(folder, *args, "-k", cases).values()
    return controls


@pytest.mark.parametrize(
    ("rules", "failing"),
    [
        ("closed", set()),
        ("websockets pass", {"admin-06", "dash-02", "origin-01", "proxy-05"}),
        ("neighbours pass", {"proxy-05"}),
        ("whole URLs pass", {"proxy-05"}),
        ("nameless handshakes pass", {"proxy-05"}),
        ("other forms of the name pass", {"proxy-05"}),
    ],
)
def test_what_passes_the_rules_is_found(rules: str, failing: set[str], node_red: int, tmp_path: Path) -> None:
    controls = judged(tmp_path, RULES[rules], node_red)
    beside = {"csrf-01", "http-06", "proxy-01", "proxy-03"}  # of the Node-RED and the name, whatever the rules
    assert with_outcome(controls, "non-compliant") - beside == failing
    assert with_outcome(controls, "could-not-look") == set()
    assert {"admin-01", "dash-01"} <= with_outcome(controls, "compliant")


@pytest.mark.parametrize(
    ("unless", "code"),
    [
        ("req.hdr(authorization) -m beg Basic", "any-password"),
        ("req.hdr(authorization),word(2,' '),b64dec -m beg admin:", "any-password"),
        ("req.hdr(authorization),word(2,' '),b64dec -m str admin:admin", "known-password"),
    ],
    ids=["any login", "any password", "known password"],
)
def test_a_gate_that_compares_no_password_is_told_from_a_known_one(
    unless: str, code: str, node_red: int, tmp_path: Path
) -> None:
    rules = f"http-request auth realm plant unless {{ {unless} }}\n  default_backend login"
    controls = judged(tmp_path, rules, node_red, cases="known_password_opens_nothing")
    assert controls == {"cred-02": {"non-compliant", "not-applicable"}}
    assert f"{code}] " in (report := (tmp_path / "out.xml").read_text()) or f"{code} " in report


@pytest.mark.parametrize("drop", DROPS.values(), ids=DROPS)
def test_what_is_dropped_in_silence_is_refused(drop: str, node_red: int, tmp_path: Path) -> None:
    rules = f"{drop} if {{ hdr(X-Forwarded-For) -m found }}\n  {RULES['closed']}"
    controls = judged(tmp_path, rules, node_red, cases="(no_other_way or identity_headers) and settings")
    assert {name: seen - {"not-applicable"} for name, seen in controls.items()} == {"proxy-05": {"compliant"}}
    controls = judged(tmp_path, rules, node_red, cases="identity_headers and (X-Forwarded-For or Remote-User)")
    assert controls == {"admin-12": {"compliant"}}


@pytest.mark.parametrize("account", [False, True], ids=["stranger", "account"])
@pytest.mark.parametrize(
    ("treating", "outcome"),
    [*((drop, "compliant") for drop in DROPS.values()), ("use_backend dead", "could-not-look")],
    ids=[*DROPS, "dead"],
)
def test_who_drops_other_sites_posts_refuses_them(
    treating: str, outcome: str, account: bool, node_red: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if account:
        monkeypatch.setenv("NODERED_USERNAME", "operator")
        monkeypatch.setenv("NODERED_PASSWORD", PASSWORD)
    rules = f"{treating} if {{ hdr(Sec-Fetch-Site) cross-site }}\n  {RULES['closed']}"
    dead = f"\nbackend dead\n  server nobody 127.0.0.1:{ports.free_ports(1)[0]}"
    controls = judged(tmp_path, rules + (dead if "dead" in treating else ""), node_red, cases="csrf-01")
    known = account or outcome == "compliant"  # who has no account gets the same as any stranger before that backend
    assert controls == {"csrf-01": {outcome if known else "not-judged"}}


_KNOWN = "stick-table type ip size 100k expire 60s store {}\n  {} track-sc0 src\n  {}\n  "


@pytest.mark.parametrize(
    ("ban", "now"),
    [
        ("http-request deny if { sc_http_err_cnt(0) gt 20 }", "403 (text/html, 93 bytes)"),
        ("http-request reject if { sc_http_err_cnt(0) gt 20 }", "closed without an answer"),
    ],
    ids=["deny", "reject"],
)
def test_a_ban_after_refusals_is_one_sentence(ban: str, now: str, node_red: int, tmp_path: Path) -> None:
    rules = _KNOWN.format("http_err_cnt", "http-request", ban) + RULES["closed"]
    controls = judged(tmp_path, rules, node_red, cases="test_reach or test_admin_api or test_dashboard")
    assert with_outcome(controls, "non-compliant") == set()
    errors = re.findall(r'<error message="([^"]*)', (tmp_path / "out.xml").read_text())
    (told,) = [text for text in errors if "see reach-01" not in text]
    assert now in told
    assert "let its front pass the machine that runs the tests" in told
    assert len(errors) > 50


@pytest.mark.parametrize(
    ("ban", "said"),
    [
        ("http-request deny deny_status 429", "to a random path; a rate limit: let it pass the machine"),
        ("tcp-request connection reject", "reset by peer|ended the connection"),  # by chance
        ("http-request silent-drop", "ban"),
    ],
    ids=["429", "reject", "silent-drop"],
)  # fmt: skip
def test_a_ban_from_the_start_is_one_sentence(ban: str, said: str, node_red: int, tmp_path: Path) -> None:
    judged(
        tmp_path,
        f"{ban} if {{ src 127.0.0.1 }}\n  {RULES['closed']}",
        node_red,
        cases="test_reach or test_tls or dash-01",
    )
    errors = re.findall(r'<error message="([^"]*)', (tmp_path / "out.xml").read_text())
    [told] = [text for text in errors if "see reach-01" not in text]
    assert re.search(said, told)


def test_a_ban_from_the_start_that_looks_like_a_gate_is_said(node_red: int, tmp_path: Path) -> None:
    """So does a list of machines that may enter, and under "proxied" that is a gate before everything."""
    rules = f"http-request deny if {{ src 127.0.0.1 }}\n  {RULES['closed']}"
    controls = judged(tmp_path, rules, node_red, cases="reach-01 or admin-01 or admin-06 or dash-01 or dash-02")
    assert with_outcome(controls, "could-not-look") == with_outcome(controls, "non-compliant") == set()
    assert {"reach-01", "admin-01", "dash-01"} <= with_outcome(controls, "compliant")
    report = (tmp_path / "out.xml").read_text()
    assert "by a list of machines that may enter, or because the front bans this one" in report


@pytest.mark.parametrize("objection", ["http-request reject", "http-request tarpit", "tcp-request connection reject"])
def test_a_limit_of_connections_makes_the_run_slower_and_nothing_else(
    objection: str, node_red: int, tmp_path: Path
) -> None:
    limit = _KNOWN.format("conn_cur", "tcp-request connection", f"{objection} if {{ sc0_conn_cur gt 3 }}")
    rules = f"timeout tarpit 5s\n  {limit}{RULES['closed']}"
    controls = judged(tmp_path, rules, node_red, cases="test_reach or test_dashboard or test_tls")
    assert with_outcome(controls, "could-not-look") == set()
    assert {"reach-01", "dash-01", "dash-02", "tls-07"} <= with_outcome(controls, "compliant")
    assert "compliant" in controls["tls-16"]  # it does not apply without TLS 1.2


_RATE = _KNOWN.format("conn_rate(10s)", "tcp-request connection", "http-request {} if {} {{ sc0_conn_rate gt {} }}")


@pytest.mark.parametrize("which", ["{ path_beg /comms }", "{ hdr(Upgrade) -m found }"], ids=["path", "upgrades"])
@pytest.mark.parametrize("what", ["silent-drop", "reject", "deny", "tarpit"])
def test_what_a_limit_does_with_later_requests_closes_no_channel(
    what: str, which: str, node_red: int, tmp_path: Path
) -> None:
    """The first request of a run is for /comms: whatever is counted lets that pass."""
    rules = f"timeout tarpit 60s\n  {_RATE.format(what, which, 3)}default_backend login"
    assert judged(tmp_path, rules, node_red, cases="admin-06") == {"admin-06": {"non-compliant"}}


@pytest.mark.parametrize("which", ["{ path_beg /comms }", "{ hdr(Upgrade) -m found }"], ids=["path", "upgrades"])
@pytest.mark.parametrize("what", ["silent-drop", "reject", "deny"])
def test_what_nobody_lets_pass_is_a_closed_channel(what: str, which: str, node_red: int, tmp_path: Path) -> None:
    rules = f"http-request {what} if {which}\n  default_backend login"
    assert judged(tmp_path, rules, node_red, cases="admin-06") == {"admin-06": {"compliant"}}


@pytest.mark.parametrize(
    "login", ["", "http-request auth realm plant unless operator or { path_beg /comms }\n  "], ids=["open", "login"]
)
def test_a_limits_silence_is_no_absence(login: str, node_red: int, tmp_path: Path) -> None:
    rules = f"{_RATE.format('silent-drop', '{ src 127.0.0.1 }', 4)}{login}default_backend login"
    seen = judged(tmp_path, rules, node_red, cases="admin-06")
    assert "compliant" not in seen["admin-06"]
    assert seen["admin-06"] & {"could-not-look", "non-compliant"}


def test_a_tarpit_for_everybody_ends_soon_and_says_so(node_red: int, tmp_path: Path) -> None:
    begun = time.monotonic()
    rules = f"timeout tarpit 60s\n  http-request tarpit unless operator\n  {RULES['closed']}"
    controls = judged(tmp_path, rules, node_red, cases="test_reach or test_admin_api or test_dashboard")
    assert time.monotonic() - begun < 40
    assert with_outcome(controls, "non-compliant") == set()
    errors = re.findall(r'<error message="([^"]*)', (tmp_path / "out.xml").read_text())
    (told,) = [text for text in errors if "see reach-01" not in text]
    assert "accepts connections, and no answer ends in time" in told
    assert "let the machine that runs the tests pass" in told


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_demand_for_a_client_certificate_refuses_in_every_version(
    version: str, node_red: int, tmp_path: Path
) -> None:
    demand = f"ca-file @FILES@/ca.pem verify required ssl-min-ver {version} ssl-max-ver {version}"
    controls = judged(tmp_path, "default_backend free", node_red, demand, "mutual_tls = true")
    assert with_outcome(controls, "could-not-look") == set()
    assert with_outcome(controls, "non-compliant") <= {"http-06", "proxy-01", "proxy-03"}
    assert {"admin-01", "admin-03", "admin-06", "dash-01", "dash-02"} <= with_outcome(controls, "compliant")


@pytest.mark.parametrize("bind", ["", "ssl-max-ver TLSv1.2"], ids=["TLS 1.3", "TLS 1.2"])
def test_an_alert_for_want_of_a_certificate_is_one_sentence(bind: str, node_red: int, tmp_path: Path) -> None:
    demand = f"ca-file @FILES@/ca.pem verify required {bind}"
    cases = "reach-01 or admin-01 or admin-06 or dash-01 or http-06 or live-01"
    with haproxy(tmp_path, "default_backend login", node_red, demand) as port:
        args = [f"--nodered-url=https://localhost:{port}", f"--nodered-ca-file={tmp_path}/ca.pem"]
        run(tmp_path, *args, f"--nodered-http-port={ports.free_ports(1)[0]}", "-k", cases)
    reasons = re.findall(r'<error message="[^"]*could not look: ([^"]*)', (tmp_path / "out.xml").read_text())
    [cause] = [reason for reason in reasons if "see reach-01" not in reason]
    assert "every path answers a TLS alert: a client certificate is demanded" in cause
    assert "answered 496" not in (tmp_path / "out.xml").read_text()


def test_dashboards_that_are_down_cost_their_own_answers_only(node_red: int, tmp_path: Path) -> None:
    """HAProxy says after three seconds that nobody is there; /uisettings and others begin like /ui."""
    rules = (
        "acl pages path_beg -i /ui /dashboard\n  use_backend gone if pages\n"
        "  http-request auth realm plant unless operator or pages\n"
        f"  default_backend login\nbackend gone\n  server nobody 127.0.0.1:{ports.free_ports(1)[0]}"
    )
    begun = time.monotonic()
    controls = judged(tmp_path, rules, node_red, cases="")
    assert time.monotonic() - begun < 90  # about 30; it was 130
    reasons = set(re.findall(r"could not look: ([^\"]*?)&quot;", (tmp_path / "out.xml").read_text()))
    told = {reason.partition(",")[0] for reason in reasons if "same reason" not in reason}
    assert told == {"/ui answered 503", "/dashboard answered 503"}
    assert with_outcome(controls, "compliant") >= {"admin-01", "admin-06", "node-01", "reach-01", "tls-01"}


def test_an_endpoint_that_is_down_costs_its_own_answers_only(node_red: int, tmp_path: Path) -> None:
    """Its 503 is no limit's: what is asked beside it is judged, one case tells the reason, and no time is lost."""
    rules = (
        "acl api path_beg -i /api\n  use_backend gone if api\n  http-request auth realm plant unless operator or api\n"
        f"  default_backend login\nbackend gone\n  server nobody 127.0.0.1:{ports.free_ports(1)[0]}"
    )
    controls = judged(tmp_path, rules, node_red)
    reasons = set(re.findall(r'could not look: ([^"]*?)&quot;', (tmp_path / "out.xml").read_text()))
    assert {reason.partition(",")[0] for reason in reasons if "same reason" not in reason} == {"/api answered 503"}
    assert with_outcome(controls, "compliant") >= {"dash-01", "dash-02", "admin-01"}
    assert "could-not-look" in controls["proxy-05"]
