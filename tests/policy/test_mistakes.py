"""The sentence that each mistake in a policy file gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from policy_files import PIN, file_of, policy_from

from pytest_nodered_sec.policy.file import read
from pytest_nodered_sec.policy.model import PolicyError

if TYPE_CHECKING:
    from pathlib import Path


ONE = '[[target]]\nurl = "https://plant.example"\n'

NOT_HERE = "secrets do not belong in this file; use credentials"
NO_SECRETS = "secrets do not belong in this file; give one of {env = *} and {command = *}"


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
        ("http_port = '80'", 'nodered-sec.toml: http_port = "80": give a TCP port, 1 to 65535, without quotes'),
        (ONE + "fail_on = 'high'", "*: fail_on belongs to the whole run: move it to the top of the file, above *"),
        ("[thresholds]\nfail_on = 'high'", "*: fail_on belongs to the whole run: move it to the top of the file, *"),
        ("[inside]\neditor = 'protected'", "*: editor does not belong here: move it to the top of the file, or *"),
        ("[[waiver]]\npace = 'quiet'", "*: pace does not belong here: move it to the top of the file, or directly *"),
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
        ("a = 1\na = 2", "*is not TOML: a stands twice in one table, in line 1 and in line 2"),
        ("b = 1\n[t]\na = [\n1]\nb = 2\na = [\n2]\n", "*: a stands twice in one table, in line 3 and in line 6"),
        ("a.b = 1\n'' = 2\na.b = 2", "*: a.b stands twice in one table, in line 1 and in line 3"),
        ("[t]\na = 1\n[[t]]\n", "*: line 3: [[][[]t]], but t stands above, too, as a key or with other brackets"),
        ("[t]\na = {}\n[u]\na = 1\na.b = 2", "*: Cannot overwrite a value (at end of document)"),
        ("editor = 'disabled\n", "*is not TOML: *"),
        ('editor = "disabled\n', "*is not TOML: Illegal character *; a text ends with its quote, in the same line"),
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
    (tmp_path / "x.toml").write_bytes(b"profile = 'strict'\r\nissuer = 'M\xfcller'")
    with pytest.raises(PolicyError, match=r"x\.toml: line 2 is not UTF-8 text: save the file as UTF-8"):
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
        ("websockets = ['/ws', '/ws/']", "websockets names /ws twice; remove one"),
        ("dashboards = ['/ui', '/hmi', '/UI']", "dashboards names /ui and /UI, one to Node-RED; remove one"),
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
