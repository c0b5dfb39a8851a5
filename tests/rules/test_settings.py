"""What settings.js says: for each control a weak setting on which it fails and a hardened one on which it passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from seen import PASS, SKIP, outcome, target, violations

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_proxies import NginxConfig
from pytest_nodered_sec.observations.host_settings import (
    AuditSettings,
    ChannelSettings,
    EditorSettings,
    Egress,
    LoginSettings,
    ModuleSettings,
    PasswordHash,
    SecretSettings,
)
from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.rules.settings import (
    audit_is_on,
    channels_are_guarded,
    editor_is_as_expected,
    egress_is_declared,
    logins_are_sound,
    nothing_installs_at_run_time,
    secret_is_set,
)
from pytest_nodered_sec.verdict import NotJudged

LOGIN = "auth_basic plant; auth_basic_user_file f;"
FILE = "/home/nodered/.node-red/settings.js"
STRONG = PasswordHash("bcrypt", 12)
SAMPLE = PasswordHash("bcrypt", 8, "of settings.js (its password is published)")


def codes(rule: Any, seen: Any, **demands: Any) -> list[str]:
    assert seen.evidence()
    return [violation.code for violation in violations(rule(seen, target(**demands).policy))]


def login(*hashes: PasswordHash, kind: str = "set", type: str = "credentials", default: str = "") -> LoginSettings:
    named = tuple((f"adminAuth user {place}", account_hash) for place, account_hash in enumerate(hashes, 1))
    return LoginSettings(FILE, kind, type, named, default)


@pytest.mark.parametrize(
    ("seen", "demands", "expected"),
    [
        (login(STRONG), {}, []),
        (login(type="strategy"), {}, []),
        (login(kind="unset", type=""), {}, ["no-admin-auth"]),
        (login(kind="false", type=""), {"admin_api": "disabled"}, []),
        (login(kind="unset", type=""), {"admin_api": "proxied"}, []),
        (login(STRONG, type="password"), {}, ["unknown-type"]),
        (login(STRONG, default="read"), {}, ["default-user"]),
        (login(SAMPLE), {}, ["hash-known"]),
        (login(PasswordHash("md5")), {}, ["hash-md5"]),
        (login(PasswordHash("other")), {}, ["hash-other"]),
        (login(SAMPLE, PasswordHash("computed")), {}, ["hash-known"]),
        (login(PasswordHash("bcrypt", 8)), {}, []),
        (login(PasswordHash("bcrypt", 8)), {"profile": "strict"}, ["hash-cost"]),
        (login(STRONG, PasswordHash("unset")), {}, ["hash-unset"]),
    ],
)
def test_logins_are_sound(seen: LoginSettings, demands: dict[str, Any], expected: list[str]) -> None:
    assert codes(logins_are_sound, seen, **demands) == expected


@pytest.mark.parametrize("who", ["adminAuth user 1", "httpAdminAuth", "httpNodeAuth", "httpStaticAuth"])
def test_a_placeholder_in_place_of_a_hash_is_a_finding_that_says_so(who: str) -> None:
    """README's own `pass: "<what … prints>"` and an unreplaced @HASH@ are both of the scheme "other"."""
    seen = LoginSettings(FILE, "set", "strategy", ((who, PasswordHash("other")),))
    [violation] = violations(logins_are_sound(seen, target().policy))
    assert (violation.code, violation.expected) == ("hash-other", "a bcrypt hash")
    assert f"{who}: no bcrypt hash: a plain-text password, a placeholder" in violation.observed


@pytest.mark.parametrize(
    ("dashboards", "sockets", "verified", "expected"),
    [
        ((("ui", True, True), ("dashboard", True, True)), ("/ws/a", "/ws/b"), True, []),
        ((("ui", True, False),), (), False, ["ui-socket"]),
        ((("dashboard", False, True),), (), False, ["dashboard-page"]),
        ((), ("/ws/a",), False, ["websocket"]),
    ],
)
def test_channels_are_guarded(
    dashboards: tuple[tuple[str, bool, bool], ...], sockets: tuple[str, ...], verified: bool, expected: list[str]
) -> None:
    seen = ChannelSettings(FILE, dashboards, sockets, verified)
    assert codes(channels_are_guarded, seen) == expected


def test_channels_that_a_declared_proxy_guards_and_those_that_are_not_there() -> None:
    declared = HostDemands(proxy_guards="nginx asks for a login on /ui and its socket")
    seen = ChannelSettings(FILE, (("ui", False, False),), (), False, declared.proxy_guards)
    assert outcome(channels_are_guarded, seen, target(host=declared)) == PASS
    assert declared.proxy_guards in seen.evidence()
    assert outcome(channels_are_guarded, ChannelSettings(FILE, (), (), False), target()) == SKIP


NGINX = "http {{ server {{ listen 443 ssl; location / {{ {0} proxy_pass http://127.0.0.1:1880; }} {1} }} }}"


@pytest.mark.parametrize(
    ("inside", "beside", "expected"),
    [
        (LOGIN, "", []),
        ("", "", ["ui-page", "ui-socket"]),
        (LOGIN, "location /hmi/socket.io/ { auth_basic off; proxy_pass http://127.0.0.1:1880; }",
         ["ui-page", "ui-socket"]),
        (LOGIN, "location /hmi/socket.io/ { return 404; }", []),
    ],
)  # fmt: skip
def test_channels_that_nginx_guards(inside: str, beside: str, expected: list[str]) -> None:
    text = "# configuration file /etc/nginx/nginx.conf:\n" + NGINX.format(inside, beside)
    nginx = NginxConfig(tree(text), (ListeningSocket("tcp", "127.0.0.1", 1880),))
    seen = ChannelSettings(FILE, (("ui", False, False),), (), False, "", ("/hmi",), nginx)
    assert codes(channels_are_guarded, seen) == expected


@pytest.mark.parametrize(("inside", "expected"), [(LOGIN, []), ("", ["websocket"])])
def test_web_sockets_that_nginx_guards(inside: str, expected: list[str]) -> None:
    text = "# configuration file /etc/nginx/nginx.conf:\n" + NGINX.format(inside, "")
    nginx = NginxConfig(tree(text), (ListeningSocket("tcp", "127.0.0.1", 1880),))
    assert codes(channels_are_guarded, ChannelSettings(FILE, (), ("/ws/a",), False, "", (), nginx)) == expected


def test_a_proxy_that_cannot_be_told_is_not_judged() -> None:
    text = "# configuration file /etc/nginx/nginx.conf:\n" + NGINX.format("access_by_lua_file /a;", "")
    nginx = NginxConfig(tree(text), (ListeningSocket("tcp", "127.0.0.1", 1880),))
    seen = ChannelSettings(FILE, (("ui", False, False),), ("/ws/a",), False, "", ("/hmi",), nginx)
    verdict = channels_are_guarded(seen, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "access_by_lua_file (/etc/nginx/nginx.conf:" in verdict.reason
    assert codes(channels_are_guarded, replace(seen, proxy=None, dashboards=(), paths=())) == ["websocket"]


def test_an_nginx_that_leads_elsewhere_guards_nothing() -> None:
    seen = ChannelSettings(FILE, (("ui", False, True),), (), False, "", ("/ui",), NginxConfig((), ()))
    assert codes(channels_are_guarded, seen) == ["ui-page"]


@pytest.mark.parametrize(
    ("seen", "demands", "expected"),
    [
        (EditorSettings(FILE, True, "", "", True, False), {}, []),
        (EditorSettings(FILE, False, "false", "", False, False), {}, []),
        (EditorSettings(FILE, False, "", "", True, False), {}, ["editor"]),
        (EditorSettings(FILE, False, "", "", True, False), {"editor": "protected"}, []),
        (EditorSettings(FILE, False, "", "", False, False), {"editor": "protected"}, ["editor-open"]),
        (EditorSettings(FILE, True, "/admin", "", True, False), {"admin_api": "disabled"}, ["admin-api"]),
        (EditorSettings(FILE, True, "", "", True, True), {}, ["http-admin-auth"]),
        (EditorSettings(FILE, True, "", "/red", True, False), {}, ["http-root"]),
        (EditorSettings(FILE, True, "", "", True, False, ("httpNodeCors", "httpStatic")), {}, ["cors", "cors"]),
        (EditorSettings(FILE, True, "", "", True, False, (), ('sameSite: "none"',)), {}, ["cookie"]),
    ],
)
def test_editor_is_as_expected(seen: EditorSettings, demands: dict[str, Any], expected: list[str]) -> None:
    assert codes(editor_is_as_expected, seen, **demands) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("set", []),
        ("unset", ["secret-unset"]),
        ("false", ["secret-false"]),
        ("empty", ["secret-empty"]),
        ("published", ["secret-published"]),
        ("missing", ["secret-missing"]),
        ("guessable", ["secret-guessable"]),
    ],
)
def test_secret_is_set(kind: str, expected: list[str]) -> None:
    assert codes(secret_is_set, SecretSettings(FILE, kind)) == expected


@pytest.mark.parametrize(
    ("rule", "seen"),
    [(logins_are_sound, login(PasswordHash("computed"))), (secret_is_set, SecretSettings(FILE, "computed"))],
)
def test_what_a_module_makes_is_not_judged(rule: Any, seen: Any) -> None:
    """`bcrypt.hashSync("admin", 8)` in settings.js is as weak as its password."""
    verdict = rule(seen, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "a module that is not run here makes" in verdict.reason


ASSISTANT = (("@flowfuse/nr-assistant", "0.18.1"),)
CATALOGUE = "catalogue.nodered.org"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Egress(FILE, "5.0.7", "off", "settings.js"), []),
        (Egress(FILE, "5.0.7", "unset"), []),
        (Egress(FILE, "5.0.7", "on", "settings.js"), ["telemetry"]),
        (Egress(FILE, "4.1.0-beta.1", "on", "a user of the editor"), ["telemetry"]),
        (Egress(FILE, "4.0.9", "on", "settings.js"), []),  # which has none
        (Egress(FILE, "", "on", "settings.js"), ["telemetry"]),
        (Egress(FILE, "5.0.7", "off", "", (CATALOGUE,)), ["catalogue"]),
        (Egress(FILE, "5.0.7", "off", "", ("npm.example:8443", "a relative address")), ["catalogue"]),
        (Egress(FILE, "5.0.7", "off", "", ("nodes.plant.internal", "10.1.2.3:80", "[fd00::7]:80", "gateway:80")), []),
        (Egress(FILE, "5.0.7", "off", "", ("8.8.8.8",)), ["catalogue"]),
        (Egress(FILE, "5.0.7", "off", "", (), ASSISTANT), ["assistant"]),
    ],
)
def test_what_leaves_the_plant_is_declared(seen: Egress, expected: list[str]) -> None:
    assert codes(egress_is_declared, seen) == expected
    declared = HostDemands(egress=tuple(f"{kind} the management agreed" for kind in expected))
    assert codes(egress_is_declared, seen, host=declared) == []


def test_a_choice_in_the_editor_is_taken_back_there() -> None:
    [violation] = violations(egress_is_declared(Egress(FILE, "5.0.7", "on", "a user of the editor"), target().policy))
    assert violation.remedy.startswith("editor: user settings")
    assert 'egress = ["telemetry what it is for"]' in violation.remedy


def test_audit_is_on() -> None:
    assert codes(audit_is_on, AuditSettings(FILE, True)) == []
    assert codes(audit_is_on, AuditSettings(FILE, False)) == ["no-audit"]


def test_nothing_installs_at_run_time() -> None:
    open_ = ModuleSettings(FILE, ("externalModules.palette.allowInstall",))
    assert codes(nothing_installs_at_run_time, ModuleSettings(FILE, ())) == []
    assert codes(nothing_installs_at_run_time, open_) == ["externalModules.palette.allowInstall"]
    assert outcome(nothing_installs_at_run_time, open_, target(host=HostDemands(palette=True))) == SKIP
