"""What a policy file may say, the sentence each mistake gets, and what holds in the end."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from policy_files import file_of

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.file import TargetTable, read
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
from pytest_nodered_sec.policy.show import described, digest
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from pathlib import Path

ONE = '[[target]]\nurl = "https://plant.example"\n'
PIN = "ab" * 32
NOT_HERE = "secrets do not belong in this file; use credentials"
NO_SECRETS = "secrets do not belong in this file; give one of {env = *} and {command = *}"


def policy_from(folder: Path, text: str) -> Policy:
    """Return the policy of the file's only target."""
    file = file_of(folder, text)
    return policy_of("plant.example", effective(file.layers(file.targets[0])))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("profil = 'strict'", "nodered-sec.toml: unknown key profil; did you mean profile?"),
        *(
            (f"{key} = 'hunter2'", f'nodered-sec.toml: unknown key {key}; {NOT_HERE} = {{env = "PREFIX"}}')
            for key in ("username", "password", "token", "secret", "Password")
        ),
        (ONE + "password = 'hunter2'", f"nodered-sec.toml: *unknown key password; {NOT_HERE} = *"),
        ("[thresholds]\ntoken = 3", "nodered-sec.toml: [[]thresholds]: unknown key token; known are *"),
        ("qqq = 1", "nodered-sec.toml: unknown key qqq; known are profile, editor, *"),
        (
            "profile = 'strikt'",
            'nodered-sec.toml: profile = "strikt": must be one of baseline, production, strict (did you mean strict?)',
        ),
        (
            "public_paths = [{path = '/x?token=hunter2', reason = 'r'}]",
            'nodered-sec.toml: public_paths.path = "/x…": give a path that starts with one / and has no query',
        ),
        ("profile = 3", "nodered-sec.toml: profile = 3: must be one of*"),
        ("editor = true", "nodered-sec.toml: editor = true: must be one of disabled, protected"),
        ("admin_api = 'off'", 'nodered-sec.toml: admin_api = "off": must be one of*'),
        ("fail_on = 'severe'", 'nodered-sec.toml: fail_on = "severe": must be one of critical, *'),
        ("http_port = '80'", 'nodered-sec.toml: http_port = "80": give a TCP port, 1 to 65535'),
        ("direct_port = true", "nodered-sec.toml: direct_port = true: give a TCP port, 1 to 65535"),
        ("closed_ports = 9229", "nodered-sec.toml: closed_ports = 9229: write a list: [[]...]"),
        ("[inside]\nlistens = ['plant:1880 VPN']", "*: give a port and the reason*"),
        ("[inside]\nlistens = ['1880']", "*: give a port and the reason*"),
        ("[inside]\negress = ['mail to the vendor']", "*: give telemetry, catalogue or assistant, and why*"),
        ("[inside]\negress = ['telemetry']", "*: give telemetry, catalogue or assistant, and why*"),
        ("[inside]\ninstall_scripts = ['serialport']", "*: give a package and what its script is for*"),
        ("closed_ports = ['ssh']", 'nodered-sec.toml: closed_ports = "ssh": give a TCP port, 1 to 65535'),
        ("timeout = 'soon'", 'nodered-sec.toml: timeout = "soon": give seconds, more than 0 and at most 600'),
        ("admin_root = 'red'", 'nodered-sec.toml: admin_root = "red": give a path that starts with one / and*'),
        ("node_root = 3", "nodered-sec.toml: node_root = 3: give a path*"),
        ("login_urls = 'https://sso.example'", "nodered-sec.toml: login_urls = *: write a list: [[]...]"),
        ("login_urls = ['http://sso.example']", "*: give an https:// URL, or a path that starts with /"),
        ("login_urls = [3]", "nodered-sec.toml: login_urls = 3: give some text"),
        ("dashboards = ['ui']", 'nodered-sec.toml: dashboards = "ui": give a path*'),
        ("dashboards = '/ui'", 'nodered-sec.toml: dashboards = "/ui": write a list of paths, or "none"'),
        ("dashboards = ['none', '/ui']", "nodered-sec.toml: dashboards: none means that there is no dashboard*"),
        ("dashboards = [{path = '/ui', public = true}]", "*: a public dashboard needs a reason: add reason = …"),
        ("dashboards = [{public = true, reason = 'x'}]", "*dashboards = *: add path = …"),
        ("dashboards = [{path = '/ui', publik = true}]", "*dashboards = *: unknown key publik; did you mean public?"),
        ("dashboards = [{path = '/ui', public = 'yes'}]", '*dashboards.public = "yes": write true or false'),
        ("protected_paths = ['/api']", "*protected_paths = *: write a table: {path = …, method = …, effect = …}"),
        ("protected_paths = [{path = '/api', method = 'FETCH'}]", '*protected_paths.method = "FETCH": must be one of*'),
        ("protected_paths = [{path = '/api', effect = 'some'}]", '*protected_paths.effect = "some": must be one of*'),
        ("protected_paths = [{method = 'GET'}]", "*protected_paths = *: add path = …"),
        ("public_paths = [{path = '/health'}]", "*public_paths = *: add reason = …"),
        ("websockets = ['ws']", 'nodered-sec.toml: websockets = "ws": give a path*'),
        ("interfaces = ['/hmi']", "*interfaces = *: write a table: {kind = …, path = …, public = …, reason = …}"),
        (
            "interfaces = [{kind = 'uibilder', path = '/x'}]",
            '*interfaces.kind = "uibilder": must be one of*uibuilder?)',
        ),
        ("interfaces = [{kind = 'worldmap'}]", "*interfaces = *: add path = …"),
        (
            "interfaces = [{kind = 'worldmap', path = '/map', public = true}]",
            "*: a public interface needs a reason: add reason = …",
        ),
        ("guess = false", 'nodered-sec.toml: guess = false: say why: {value = false, reason = "…"}'),
        ("guess = {value = false}", "nodered-sec.toml: guess = *: say why: *"),
        ("guess = {reason = 'x'}", "nodered-sec.toml: guess = *: add value = …"),
        ("login_realm = ''", 'nodered-sec.toml: login_realm = "": give some text'),
        ("known_credentials = [{username = 'x'}]", "nodered-sec.toml: known_credentials: add password = …"),
        ("known_credentials = [{username = 'x', password = 3}]", "*: known_credentials.password: give some text"),
        ("known_credentials = 'maintenance:hunter2'", "nodered-sec.toml: known_credentials: write a list: [[]...]"),
        ("known_credentials = ['hunter2']", "nodered-sec.toml: known_credentials: write a table: {username = …, *"),
        ("known_credentials = [{user = 'x', password = 'hunter2'}]", "*: known_credentials: unknown key user; did *"),
        ("known_credentials = [{password = 'hunter2'}]", "*: known_credentials: add username = …"),
        ("known_credentials = [{username = ['hunter2'], password = 'x'}]", "*: known_credentials.username: give some*"),
        ("ca_file = 'missing.pem'", "nodered-sec.toml: ca_file = *missing.pem*: cannot be read (No such file*"),
        ("ca_file = 3", "nodered-sec.toml: ca_file = 3: give some text"),
        ("host = 'ssh://u:hunter2@plant'", "nodered-sec.toml: host: a password does not belong here*"),
        ("target = 3", "nodered-sec.toml: write [[]*"),
        ("target = [3]", "nodered-sec.toml: write [[]*"),
        ("[target]\nurl = 'https://x'", "nodered-sec.toml: write [[][[]target]] with two brackets, once for each"),
        ("[group]\nlabel = 'a=b'", "nodered-sec.toml: write [[][[]group]] with two brackets, once for each"),
        ("[[target]]\nname = 'a'", 'nodered-sec.toml: [[][[]target]] a: add url = "https://…"'),
        ("[[target]]\nurl = 'plant'", 'nodered-sec.toml: [[][[]target]]: url = "plant": not a URL*'),
        ("[[target]]\nname = ''\nurl = 'https://u:hunter2@plant'", "*: url: credentials do not*"),
        ("[[target]]\nurl = 'https://u:hunter2/x@plant'", "*: url: credentials do not*"),
        ("[[target]]\nurl = 'https://u:1?hunter2@plant'", "*: url: credentials do not*"),
        ("[[target]]\nurl = 'https://u:hunter2#x@plant'", "*: url: credentials do not*"),
        ("[[target]]\nurl = 'https://u:hunter2@plant'", "nodered-sec.toml: [[][[]target]]: url: credentials do not*"),
        (ONE + "labels = ['7']", '*: labels = *: write a table of strings: {line = "7"}'),
        (
            ONE + "nam = 'x'",
            "nodered-sec.toml: [[][[]target]] https://plant.example: unknown key nam; did you mean name?",
        ),
        (ONE + "sha256 = 'abc'", '*: sha256 = "abc": give the certificate\'s SHA-256: 64 hex digits, *'),
        (ONE + "connect = 'a/b'", '*: connect = "a/b": give an address or host name, with :PORT *'),
        (ONE + "connect = 'a:99999'", "*: connect = *: give an address or host name*"),
        (ONE + "credentials = {}", "*: credentials: give one of {env = *} and {command = *}"),
        (ONE + "credentials = {env = 'A', command = ['x']}", "*: credentials: give one of *"),
        (ONE + "credentials = {command = []}", "*: credentials: give one of *"),
        (ONE + "credentials = {environment = ['X']}", "*: credentials: give one of *"),
        (ONE + "credentials = {env = 'A', environment = ['X']}", "*: credentials: environment names the variables *"),
        (
            ONE + "credentials = {command = ['x'], environment = ['TOKEN=hunter2']}",
            "*: credentials.environment: give the name of an environment variable*",
        ),
        (ONE + "credentials = {command = 'vault -token=hunter2'}", "*: credentials.command: write a list: *"),
        (ONE + "credentials = {command = ['vault', ['hunter2']]}", "*: credentials.command: give some text"),
        (ONE + "credentials = 'admin:hunter2'", f"*: credentials: {NO_SECRETS}"),
        (ONE + "credentials = ['admin', 'hunter2']", f"*: credentials: {NO_SECRETS}"),
        (ONE + "credentials = {username = 'a', password = 'hunter2'}", f"*: credentials: {NO_SECRETS}"),
        (ONE + "credentials = {token = 'hunter2'}", f"*: credentials: {NO_SECRETS}"),
        (ONE + "credentials = {env = 'X', password = 'hunter2'}", f"*: credentials: {NO_SECRETS}"),
        (ONE + "credentials = {env = 'hunter2!'}", "*: credentials.env: give the prefix of the variables' names*"),
        (ONE + "credentials = {env = ['hunter2']}", "*: credentials.env: give some text"),
        (ONE + "connect = 'ops:hunter2@jump'", "*: connect: credentials do not belong here*; give HOST or HOST:PORT"),
        (ONE + "connect = 'ops:h/hunter2@jump'", "*: connect: credentials do not belong here*"),
        (f"sha256 = '{PIN}'", "nodered-sec.toml: sha256 belongs to one target; move it below a [[][[]target]]"),
        ("credentials = {env = 'A'}", "nodered-sec.toml: credentials belongs to one target; move it below a*"),
        (
            ONE + "labels = {line = '7'}\n[[group]]\nlabel = 'line=7'\nconnect = 'x'",
            "*[[]group]] line=7: connect belongs*",
        ),
        ("[[group]]\nprofile = 'strict'", 'nodered-sec.toml: [[][[]group]]: add label = "NAME=VALUE" to choose *'),
        ("[[group]]\nlabel = 'line'", 'nodered-sec.toml: [[][[]group]]: label = "line": give a label and its value: *'),
        (
            ONE + "[[group]]\nlabel = 'line=9'",
            "nodered-sec.toml: [[][[]group]]: no [[][[]target]] has the label line=9",
        ),
        (ONE + "labels = {l = '7'}\n[[group]]\nlabel = 'l=7'\nprofil = 1", "*[[]group]] l=7: unknown key profil; did*"),
        ("thresholds = 3", "nodered-sec.toml: thresholds is a table: write [[]thresholds] and one key per line"),
        ("[thresholds]\nhsts = 3", "nodered-sec.toml: [[]thresholds]: unknown key hsts; did you mean hsts_max_age?"),
        ("[thresholds]\nhsts_max_age = 1.5", "*: thresholds.hsts_max_age = 1.5: give whole seconds"),
        ("[thresholds]\nbcrypt_cost = 3", "*: thresholds.bcrypt_cost = 3: give a bcrypt cost, 4 to 31"),
        ("[thresholds]\nrenewal_share = 2", "*: thresholds.renewal_share = 2: give a share of the lifetime, 0 to 1"),
        ("[thresholds]\ntls_accepted = ['1.4']", '*: thresholds.tls_accepted = "1.4": must be one of*'),
        ("[thresholds]\nredirect_statuses = [200]", "*thresholds.redirect_statuses = 200: give HTTP statuses*"),
        ("[thresholds]\nsession_days = {reason = 'x'}", "*: thresholds.session_days = *: add value = …"),
        (
            "hsts_max_age = 3",
            "nodered-sec.toml: hsts_max_age belongs below [[]thresholds] (of one target: [[]target.thresholds])",
        ),
        ("x = ", "nodered-sec.toml: is not TOML: *"),
        ("editor = disabled", "*is not TOML: * (at line 1, column 10); texts stand in quotes, such as editor = *"),
        ("a = 31.12.2030", "*is not TOML: *; dates are written as 2030-12-31, texts in quotes"),
        ("a = 2030-02-31", "*is not TOML: *; dates are written as 2030-12-31, without quotes"),
        ("a = 1\na = 2", "*is not TOML: *; a key stands there twice"),
        ("a\0 = 1", "nodered-sec.toml: is not UTF-8 text (perhaps UTF-16, *): save it as UTF-8"),
        ("[inventory]\nfile = 'x.csv'", "nodered-sec.toml: write [[][[]inventory]] with two brackets, once for each"),
        ("[[inventory]]", 'nodered-sec.toml: [[][[]inventory]]: give one of file = "targets.csv" and command = *'),
        ("[[inventory]]\nfile = 'x.csv'\ncommand = ['x']", "*inventory]] x.csv: give one of file = *"),
        ("[[inventory]]\nfile = 'hosts.ini'", '*: file = "hosts.ini": give a .csv or a .json file; Ansible reads*'),
        ("[[inventory]]\ncommand = []", "*: command = []: give program and arguments: *"),
        ("[[inventory]]\ncommand = 'ls'", '*: command = "ls": write a list: *'),
        ("[[inventory]]\nfile = 'x.csv'\nenvironment = ['A']", "*: environment names variables that a command*"),
        (
            "[[inventory]]\ncommand = ['x']\nenvironment = ['NODERED_PASSWORD']",
            "*: environment = NODERED_PASSWORD: no command is given what is meant for this plugin",
        ),
        ("[[inventory]]\nfile = 'x.csv'\nlabels = {}", "*: unknown key labels; *"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PolicyError) as caught:
        file_of(tmp_path, text)
    said = str(caught.value)
    pytest.LineMatcher([said]).fnmatch_lines([sentence])
    assert "\n" not in said
    assert "hunter2" not in said


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"x\.toml: cannot be read \(No such file or directory\)"):
        read(tmp_path / "x.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(PolicyError, match=r"x\.toml: is not UTF-8 text"):
        read(tmp_path / "x.toml")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbfprofile = 'strict'\r\n")
    assert read(tmp_path / "x.toml").values == {"profile": "strict"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("editor = 'protected'\nadmin_api = 'disabled'", "editor = *protected* needs the admin API, but *"),
        (
            "protected_paths = [{path = '/a'}]\npublic_paths = [{path = '/a', reason = 'x'}]",
            "/a is declared both public and protected; remove one declaration",
        ),
        (
            "websockets = ['/ws']\npublic_paths = [{path = '/ws', reason = 'x'}]",
            "/ws is declared both public and protected*",
        ),
        ("protected_paths = [{path = '/a'}, {path = '/a/'}]", "protected_paths names GET /a twice; remove one"),
        ("closed_ports = [9229, 502, 9229]", "closed_ports names 9229 twice; remove one"),
        (
            "interfaces = [{kind = 'worldmap', path = '/a'}, {kind = 'worldmap', path = '/a/'}]",
            "interfaces names worldmap /a twice; remove one",
        ),
        (
            "[target.thresholds]\nhsts_max_age = 0",
            "thresholds.hsts_max_age = 0 is weaker than 15768000 of profile production: write hsts_max_age = *",
        ),
        ("[target.thresholds]\ntls_accepted = ['1.3']", "thresholds.tls_offered = * names a version that *"),
    ],
)
def test_a_contradiction_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy_from(tmp_path, ONE + text)
    pytest.LineMatcher([str(caught.value)]).fnmatch_lines([f"target plant.example: {sentence}"])


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
    text = described(target, target, merged.sources)
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
    text = described(target, None, {})
    assert 'dashboards = "none"  # hook' in text
    assert "# known_credentials: 1 more than the bundled ones" in text
    assert "hunter2" not in text
    assert tomllib.loads(text)["target"][0]["closed_ports"] == [9229, 1879, 1891, 46836]
    assert (
        tomllib.loads(described(replace(target, policy=Policy(closed_ports=())), None, {}))["target"][0]["closed_ports"]
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
