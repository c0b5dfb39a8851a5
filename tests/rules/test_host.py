"""The host: for each control a weak situation on which it fails and a hardened one on which it passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from seen import FAIL, PASS, SKIP, outcome, target, violations

from pytest_nodered_sec.observations.exposure import Exposure
from pytest_nodered_sec.observations.host import (
    Freshness,
    Identity,
    Listening,
    ListeningSocket,
    NodeRedProcess,
    PatchLevel,
    Renewal,
    RunningAs,
    Supervision,
    Unit,
)
from pytest_nodered_sec.policy.model import HostDemands, Policy
from pytest_nodered_sec.rules.host import (
    certificate_is_renewed,
    host_serves_the_url,
    is_patched,
    is_supervised,
    is_what_runs,
    listens_only_inside,
    runs_without_root,
)
from pytest_nodered_sec.verdict import NotJudged

NODE_RED = NodeRedProcess(812, 998, "nodered", 1_700_000_000.0, "nodered.service")
BOXED = replace(NODE_RED, unit="", container="8f4e" * 16)
LOOPBACK = ListeningSocket("tcp", "127.0.0.1", 1880)
EVERYWHERE = ListeningSocket("tcp", "0.0.0.0", 1880)  # noqa: S104  what is to be found
TODAY = date(2026, 11, 25)
JSONATA = ["CVE-2026-77415", "CVE-2026-77414", "CVE-2026-77413", "CVE-2026-12208", "CVE-2026-52746"]
SINCE_3 = ["node-red#5884", "node-red#5768", "node-red#5724", "node-red#5722", "node-red#5186"]
SANDBOXED = {
    "Id": "nodered.service",
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "Restart": "on-failure",
    "NoNewPrivileges": "yes",
    "PrivateTmp": "yes",
    "ProtectSystem": "full",
}


def codes(rule: Any, seen: Any, **demands: Any) -> list[str]:
    return [violation.code for violation in violations(rule(seen, target(**demands).policy))]


@pytest.mark.parametrize(
    ("seen", "expected", "line"),
    [
        (Identity("https://plant.example", True, 0, ""), PASS, "our connection to https://plant.example ends on"),
        (
            Identity("https://plant.example", False, 3, "/etc/live/cert.pem"),
            PASS,
            "is on this host: /etc/live/cert.pem",
        ),
        (Identity("https://plant.example", False, 3, ""), FAIL, "of 3 certificates found on it, none"),
    ],
    ids=["our connection ends there", "the served certificate lies there", "another machine"],
)
def test_host_serves_the_url(seen: Identity, expected: str, line: str) -> None:
    assert outcome(host_serves_the_url, seen, target()) == expected
    assert line in seen.evidence()


@pytest.mark.parametrize(
    ("sockets", "published", "expected"),
    [
        ((LOOPBACK, ListeningSocket("tcp6", "::1", 1880)), None, []),
        ((ListeningSocket("unix", "/run/nodered/nr.sock"),), None, []),
        ((EVERYWHERE,), None, ["exposed"]),
        ((ListeningSocket("tcp6", "::", 1880),), None, ["exposed"]),
        ((ListeningSocket("udp", "192.168.1.7", 5353),), None, ["exposed"]),
        ((LOOPBACK, ListeningSocket("tcp", "127.0.0.1", 9229)), None, ["inspector"]),
        ((ListeningSocket("tcp", "192.168.1.7", 4840),), None, []),  # declared below
        ((EVERYWHERE,), (), []),
        ((EVERYWHERE,), (("127.0.0.1", 1880),), []),
        ((EVERYWHERE,), (("::", 1880), ("127.0.0.1", 1880)), ["exposed"]),
    ],
    ids=[
        "loopback",
        "unix",
        "everywhere",
        "everywhere, IPv6",
        "UDP",
        "the inspector, on loopback too",
        "declared",
        "in a container, unpublished",
        "published on loopback",
        "published everywhere",
    ],
)
def test_listens_only_inside(
    sockets: tuple[ListeningSocket, ...], published: tuple[tuple[str, int], ...] | None, expected: list[str]
) -> None:
    seen = Listening(BOXED if published is not None else NODE_RED, sockets, published)
    assert codes(listens_only_inside, seen, host=HostDemands(listens=("4840 OPC UA, line 7",))) == expected
    assert sockets[0].line() in seen.evidence()


def test_the_inspector_cannot_be_declared() -> None:
    seen = Listening(NODE_RED, (ListeningSocket("tcp", "127.0.0.1", 9230),), inspectors=(9229, 9230))
    assert codes(listens_only_inside, seen) == ["inspector"]
    seen = Listening(NODE_RED, (ListeningSocket("tcp", "127.0.0.1", 9229),))
    assert codes(listens_only_inside, seen, host=HostDemands(listens=("9229 debugging",))) == ["inspector"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.8.0.2", []),
        ("0.0.0.0", ["exposed"]),  # noqa: S104  only judged
        ("10.8.0.3", ["exposed"]),
        ("fd00::2", []),
    ],
)
def test_a_port_that_is_declared_at_one_address_is_so_there_only(address: str, expected: list[str]) -> None:
    seen = Listening(NODE_RED, (ListeningSocket("tcp", address, 1880),))
    demands = HostDemands(listens=("10.8.0.2:1880 WireGuard", "fd00::2:1880 WireGuard", "1990 OPC UA"))
    assert codes(listens_only_inside, seen, host=demands) == expected


def test_runs_without_root() -> None:
    assert outcome(runs_without_root, RunningAs(NODE_RED), target()) == PASS
    assert outcome(runs_without_root, RunningAs(replace(NODE_RED, uid=0, user="root")), target()) == FAIL


SUPERVISED = replace(NODE_RED, unit="supervisor.service", manager="supervisord")


def unit(**changes: str) -> Unit:
    return Unit("nodered.service", tuple({**SANDBOXED, **changes}.items()))


def test_a_service_that_nothing_starts() -> None:
    for state, remedy in (
        ("enabled", "add-wants multi-user.target nodered.service"),
        ("linked", "enable nodered.service"),
    ):
        seen = Supervision(NODE_RED, replace(unit(UnitFileState=state), wanted=False))
        [fault] = violations(is_supervised(seen, target().policy))
        assert (fault.code, fault.remedy) == ("not-enabled", f"systemctl {remedy}")
        assert fault.observed.endswith("; nothing that starts with the machine starts it")


@pytest.mark.parametrize(
    ("seen", "profile", "expected"),
    [
        (Supervision(NODE_RED, unit(), 4.2), "production", []),
        (Supervision(NODE_RED, unit(NoNewPrivileges="no", Restart="no", UnitFileState="disabled")), "production",
         ["not-enabled", "no-restart", "sandbox-NoNewPrivileges"]),
        (Supervision(NODE_RED, unit(NoNewPrivileges="no", ProtectSystem="no")), "baseline", []),
        (Supervision(NODE_RED, unit()), "strict",
         ["sandbox-ProtectSystem", "sandbox-ProtectKernelTunables", "sandbox-RestrictSUIDSGID"]),
        (Supervision(replace(NODE_RED, unit=""), None), "production", ["no-service"]),
        (Supervision(replace(NODE_RED, unit="", user_unit="nodered.service"), None), "production", ["no-linger"]),
        (Supervision(SUPERVISED, unit(NoNewPrivileges="no", Restart="no", UnitFileState="disabled")), "production",
         ["not-enabled", "sandbox-NoNewPrivileges"]),
        (Supervision(NODE_RED, replace(unit(UnitFileState="disabled"), wanted=True)), "production", []),
        (Supervision(BOXED, None, restart_policy="unless-stopped"), "production", []),
        (Supervision(BOXED, None, restart_policy="no"), "production", ["no-restart"]),
    ],
    ids=["hardened", "weak", "baseline", "strict", "started by hand",
         "a user's service", "supervisord", "started by another", "container", "container without restart"],
)  # fmt: skip
def test_is_supervised(seen: Supervision, profile: str, expected: list[str]) -> None:
    assert codes(is_supervised, seen, profile=profile) == expected
    assert seen.evidence()


RENEWED = Renewal("certbot", ("plant.example",), "plant.example", "certbot.timer", True, "success", "installer = nginx")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (RENEWED, []),
        (replace(RENEWED, result=""), []),
        (replace(RENEWED, served=""), ["not-managed"]),
        (replace(RENEWED, schedule="", scheduled=False), ["not-scheduled"]),
        (replace(RENEWED, scheduled=False), ["not-scheduled"]),
        (replace(RENEWED, result="exit-code"), ["failed"]),
        (replace(RENEWED, reloads=""), ["no-reload"]),
        (replace(RENEWED, excluded="/etc/letsencrypt/renewal/plant.example.conf"), ["excluded"]),
        (Renewal(""), ["no-acme-client"]),
    ],
)
def test_certificate_is_renewed(seen: Renewal, expected: list[str]) -> None:
    assert codes(certificate_is_renewed, seen) == expected
    assert seen.evidence()


def test_a_cron_file_that_does_not_run_is_no_unit_to_enable() -> None:
    seen = replace(RENEWED, schedule="/etc/cron.d/certbot", scheduled=False)  # Debian's leaves it to the timer
    verdict = certificate_is_renewed(seen, target().policy)
    assert isinstance(verdict, tuple)
    assert [violation.remedy for violation in verdict] == ["systemctl enable --now certbot.timer"]


def test_another_client_that_is_seen_is_to_be_checked_and_named() -> None:
    seen = Renewal("", started=("acme.sh (/var/spool/cron/crontabs/root)",))
    for renewal in (seen, replace(RENEWED, served="", started=seen.started)):
        verdict = certificate_is_renewed(renewal, target().policy)
        assert isinstance(verdict, NotJudged)
        assert "there is acme.sh (/var/spool/cron/crontabs/root); whether acme.sh renews" in verdict.reason
    assert codes(certificate_is_renewed, replace(RENEWED, started=seen.started)) == []
    assert codes(certificate_is_renewed, seen, host=HostDemands(demands=("certbot",))) == ["no-certbot"]


def test_another_acme_client_is_somebody_elses_control_unless_certbot_is_demanded() -> None:
    caddy = Renewal("", other="Caddy")
    assert outcome(certificate_is_renewed, caddy, target()) == SKIP
    assert outcome(certificate_is_renewed, Renewal("certbot", other="Caddy"), target()) == SKIP
    assert codes(certificate_is_renewed, caddy, host=HostDemands(demands=("certbot",))) == ["no-certbot"]
    assert "Caddy is" in caddy.evidence()


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (PatchLevel("4.1.15", "22.23.4", TODAY, (("node-red-dashboard", "3.6.6"),)), []),
        (PatchLevel("5.0.7", "24.22.1", TODAY), []),
        (PatchLevel("6.0.0", "28.1.0", TODAY), []),
        (PatchLevel("4.1.11", "22.23.4", TODAY), [*JSONATA, "node-red#5884"]),
        (PatchLevel("5.0.4", "24.22.2", TODAY), JSONATA),
        (PatchLevel("3.1.15", "22.23.4", TODAY), [*JSONATA, *SINCE_3, "unmaintained"]),
        (PatchLevel("not a release", "24.22.2", TODAY), ["unknown-release"]),
        (
            PatchLevel("5.0.7", "24.22.2", TODAY, (("node-red-dashboard", "2.15.0"),)),
            ["CVE-2022-3783", "CVE-2021-3223", "CVE-2019-10756"],
        ),
        (PatchLevel("5.0.7", "24.22.2", TODAY, (("node-red-contrib-huemagic", "3.0.0"),)), ["CVE-2021-25864"]),
        (PatchLevel("5.0.7", "20.20.2", TODAY), ["node-unmaintained"]),
        (PatchLevel("5.0.7", "22.23.4", date(2027, 5, 1)), ["node-unmaintained"]),
        (PatchLevel("5.0.7", "v?", TODAY), ["node-unmaintained"]),
        (PatchLevel("5.0.7", "24.22.0", TODAY), ["node-behind"]),
        (PatchLevel("5.0.7", "26.12.0", TODAY), ["node-behind"]),
        (PatchLevel("5.0.7", "26.12.1", TODAY), []),
    ],
    ids=lambda value: value.evidence() if isinstance(value, PatchLevel) else None,
)
def test_is_patched(seen: PatchLevel, expected: list[str]) -> None:
    assert codes(is_patched, seen) == expected


def test_the_patch_level_names_what_no_release_fixes() -> None:
    closed = Exposure("CVE-2026-71269", closed="disableEditor: true in settings.js")
    seen = PatchLevel("5.0.7", "24.22.3", TODAY, exposures=(closed,))
    assert is_patched(seen, Policy()) == ()
    assert seen.evidence() == (
        "Node-RED 5.0.7, Node.js 24.22.3; CVE-2026-71269, which no release fixes, closed: disableEditor: true in "
        "settings.js"
    )
    unknown = replace(seen, exposures=(closed, Exposure("node-red#5868", lacking="the editor is enabled")))
    assert is_patched(unknown, Policy()) == NotJudged("node-red#5868, which no release fixes: the editor is enabled")
    assert codes(is_patched, replace(unknown, node="24.19.0")) == ["node-behind"]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Freshness(NODE_RED, (), (), 4, True), []),
        (Freshness(NODE_RED, (), (), 4, None), []),
        (Freshness(NODE_RED, (("/home/nodered/.node-red/settings.js", 60),), (), 4), ["stale-settings"]),
        (Freshness(NODE_RED, (), (("/etc/nginx/nginx.conf", 60),), 4), ["stale-nginx"]),
        (Freshness(NODE_RED, (), (), 4, False), ["stale-certificate"]),
    ],
)
def test_is_what_runs(seen: Freshness, expected: list[str]) -> None:
    assert codes(is_what_runs, seen) == expected
    assert seen.evidence()


def test_impostors_are_findings_of_their_own() -> None:
    seen = Identity("https://plant.example", True, 0, "", ("process 7 of user nobody calls itself nginx",))
    assert [violation.code for violation in violations(host_serves_the_url(seen, target().policy))] == ["impostor"]
    assert "calls itself nginx" in seen.evidence()


def test_a_service_of_a_user_that_starts_at_boot_is_for_that_users_own_systemd_to_tell() -> None:
    seen = Supervision(replace(NODE_RED, unit="", user_unit="red.service", lingers=True), None)
    verdict = is_supervised(seen, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "systemctl --user enable red.service" in verdict.reason
    [fault] = violations(is_supervised(replace(seen, process=replace(seen.process, lingers=False)), target().policy))
    assert fault.remedy == "loginctl enable-linger nodered; as nodered: systemctl --user enable red.service"


@pytest.mark.parametrize(
    ("properties", "lingers", "profile", "expected"),
    [
        ({}, True, "production", []),
        ({}, False, "strict", ["no-linger"]),
        ({"UnitFileState": "disabled", "Restart": "no"}, True, "production", ["not-enabled", "no-restart"]),
        ({"NoNewPrivileges": "no", "ProtectSystem": "no"}, True, "production", ["sandbox-NoNewPrivileges"]),
        ({"NoNewPrivileges": "no"}, True, "baseline", []),
    ],
)
def test_a_service_of_a_user_as_its_own_systemd_shows_it(
    properties: dict[str, str], lingers: bool, profile: str, expected: list[str]
) -> None:
    process = replace(NODE_RED, unit="", user_unit="red.service", lingers=lingers)
    seen = Supervision(process, unit(**properties))
    assert codes(is_supervised, seen, profile=profile) == expected
    assert "Restart=" in seen.evidence()
    assert all(
        "systemctl --user" in violation.remedy
        for violation in violations(is_supervised(seen, target(profile=profile).policy))
    )


PM2 = replace(NODE_RED, manager="pm2")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Supervision(SUPERVISED, unit(Restart="no"), restarts=True, starts=True), []),
        (Supervision(SUPERVISED, unit(), restarts=False, starts=False), ["not-enabled", "no-restart"]),
        (Supervision(SUPERVISED, None, restarts=True, starts=True), ["no-service"]),
        (Supervision(PM2, unit(), restarts=True, starts=True), []),
        (Supervision(PM2, unit(), restarts=True, starts=False), ["not-enabled"]),
        (Supervision(PM2, unit(), restarts=False), ["no-restart"]),
        (Supervision(PM2, None, restarts=True, starts=True), ["no-service"]),
    ],
)
def test_another_process_manager_starts_and_restarts_it(seen: Supervision, expected: list[str]) -> None:
    assert codes(is_supervised, seen) == expected


@pytest.mark.parametrize("unit_of_it", [None, unit(Restart="no")])
def test_another_process_managers_restart_is_not_systemds(unit_of_it: Unit | None) -> None:
    verdict = is_supervised(Supervision(SUPERVISED, unit_of_it), target().policy)
    assert isinstance(verdict, NotJudged)
    assert verdict.reason.startswith("supervisord keeps Node-RED")
