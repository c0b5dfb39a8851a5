"""settings.js at another time: what it changes after it was read, what it reads that has changed, the clock it saw."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from evaluator import HASH, LOGIN

if TYPE_CHECKING:
    from pathlib import Path

    from evaluator import Evaluator

OPEN = "module.exports.adminAuth = null"
LATER = {
    "a timer": (f"setTimeout(() => {{ {OPEN}; }}, 500)", "setTimeout"),
    "a timer that looks at a file": (
        f"setInterval(() => {{ if (fs.existsSync(__dirname + '/open')) {OPEN}; }}, 300)",
        "setInterval",
    ),
    "an emitter": (
        f"const e = new (require('events'))(); e.on('x', () => {{ {OPEN}; }}); setTimeout(() => e.emit('x'), 9)",
        "setTimeout",
    ),
    "a promise": (
        "fs.promises.readFile(__dirname + '/open.json', 'utf8')"
        ".then((text) => Object.assign(module.exports, JSON.parse(text)))",
        "an async function",
    ),
    "an async function": (f"(async () => {{ await 1; {OPEN}; }})()", "an async function"),
    "import()": (f"import('fs').then(() => {{ {OPEN}; }})", "an async function"),
    "a timer as a promise": (
        f"require('timers/promises').setTimeout(9).then(() => {{ {OPEN}; }})",
        "an async function",
    ),
    "a timer made a promise": (
        f"require('util').promisify(setTimeout)(9).then(() => {{ {OPEN}; }})",
        "an async function",
    ),
    "a name that is looked up": (f"require('dns').promises.lookup('x').then(() => {{ {OPEN}; }})", "an async function"),
    "a watcher": (f"fs.watchFile(__filename, () => {{ {OPEN}; }})", "fs"),
    "a signal": (f"process.on('SIGUSR2', () => {{ {OPEN}; }})", "process.on SIGUSR2"),
    "the next turn": (f"process.nextTick(() => {{ {OPEN}; }})", "nextTick"),
    "a task": (f"queueMicrotask(() => {{ {OPEN}; }})", "queueMicrotask"),
    "a server of its own": (f"require('http').createServer(() => {{ {OPEN}; }}).listen(9)", "http"),
    "a module that calls back": (f"require('unleash').on('changed', () => {{ {OPEN}; }})", "unleash"),
    "a class that calls back": (f"new (require('serialport').SerialPort)({{}}, () => {{ {OPEN}; }})", "serialport"),
}


@pytest.mark.parametrize("name", LATER)
def test_what_changes_the_settings_later_is_named(name: str, evaluate: Evaluator) -> None:
    """A real Node-RED 5 looks at adminAuth with each request: the first four serve /flows to anybody after a second."""
    (evaluate.folder / "open").touch()
    (evaluate.folder / "open.json").write_text('{"adminAuth": null}')
    text, asked = LATER[name]
    seen = evaluate(f"const fs = require('fs'); module.exports = {{adminAuth: {LOGIN}}}; {text};")
    assert asked in seen["asked"]


@pytest.mark.parametrize(
    "text",
    [
        "setInterval(() => console.log('alive'), 6e4)",
        "process.on('SIGTERM', () => process.exit(0)); process.on('uncaughtException', (e) => { throw e; })",
        "setTimeout(() => require('http').get('http://127.0.0.1:1/', (r) => r.resume()).on('error', () => {}), 5000)",
        "setTimeout(() => { while (true) {} }, 9)",
        "Promise.reject(new Error('x'))",
        "const {setTimeout: wait} = require('timers/promises'); (async () => { while (true) await wait(1000); })()",
        "(async () => { for (;;) await new Promise((go) => setTimeout(go, 9)); })()",
        "require('fs').readFile(__filename, () => {})",
        "import('fs').then((fs) => { module.exports.functionGlobalContext = {fs}; })",
    ],
)
def test_what_changes_no_setting_later_decides_nothing(text: str, evaluate: Evaluator) -> None:
    seen = evaluate(f"module.exports = {{adminAuth: {LOGIN}}}; {text};", limit=3000)
    assert seen["settings"]["adminAuth"]["kind"] == "set"
    assert [name for name in seen["asked"] if name != "fs.readFile"] == []


MADE = {
    "a getter": f"module.exports = {{get adminAuth() {{ return Date.now() > 1e15 ? null : {LOGIN}; }}}}",
    "a getter inside": f"const l = {LOGIN}; l.users[0] = {{get password() {{ return '{HASH}' + ''; }}}}; "
    "exports.adminAuth = l",
    "a getter of a class": f"module.exports = new (class {{ get adminAuth() {{ return Date.now() && {LOGIN}; }} }})()",
    "a Proxy": f"module.exports = {{adminAuth: new Proxy({LOGIN}, {{}})}}",
    "a getter that says it is native": (
        f"module.exports = {{get adminAuth() {{ const says = '[native code]'; return says && {LOGIN}; }}}}"
    ),
    "a bound getter": f"Object.defineProperty(exports, 'adminAuth', {{enumerable: true, get: (function () {{ return "
    f"Date.now() && {LOGIN}; }}).bind(null)}})",
    "a Proxy of a getter": f"Object.defineProperty(exports, 'adminAuth', {{enumerable: true, get: new Proxy(() => "
    f"Date.now() && {LOGIN}, {{}})}})",
    "settings that are a Proxy": f"module.exports = new Proxy({{adminAuth: {LOGIN}}}, {{}})",
}


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_anew_with_each_request_is_not_judged(name: str, evaluate: Evaluator) -> None:
    trouble = evaluate(MADE[name])["trouble"]
    what = "all settings" if name.startswith("settings") else "adminAuth"
    assert trouble.startswith(f"it makes {what} by a getter or a Proxy, which Node-RED asks anew with each request")


@pytest.mark.parametrize(
    "text",
    [  # TypeScript; esbuild; a copy
        f"const y_1 = {{a: {LOGIN}}}; Object.defineProperty(exports, 'adminAuth', "
        "{enumerable: true, get: function () { return y_1.a; }})",
        f"const a = {LOGIN}; Object.defineProperty(exports, 'adminAuth', {{enumerable: true, get: () => a}})",
        f"module.exports = {{...{{get adminAuth() {{ return Date.now() && {LOGIN}; }}}}}}",
        f"module.exports = {{adminAuth: {LOGIN}, functionGlobalContext: new Proxy({{}}, {{}})}}",
        f"module.exports = {{adminAuth: {LOGIN}, https: {{key: Buffer.from('x')}}, x: new Map([[1, new Date()]])}}",
        f"module.exports = {{adminAuth: {LOGIN}, x: new URL('https://a.example'), y: new Uint8Array(2), z: new Set()}}",
        f"module.exports = {{adminAuth: {LOGIN}, https: {{key: require('crypto').createSecretKey(Buffer.from('x'))}}}}",
        f"class A {{}}; module.exports = Object.assign(new A(), {{adminAuth: {LOGIN}, x: /x/, y: Promise.resolve(1)}})",
        f"module.exports = Object.assign(Object.create(null), {{adminAuth: {LOGIN}, hasOwnProperty: () => true}})",
    ],
)
def test_getters_that_name_a_value_are_as_good_as_one(text: str, evaluate: Evaluator) -> None:
    assert evaluate(text)["settings"]["adminAuth"]["kind"] == "set"


def dated(file: Path, seconds: float) -> None:
    """Set when a file last changed, from now; a second name for it, so that the inode's date does not count."""
    if not file.with_suffix(".kept").exists():
        file.with_suffix(".kept").hardlink_to(file)
    os.utime(file, (time.time() + seconds,) * 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("later", "existsSync(__dirname + '/later') ? LOGIN : null"),
        ("site.json", "JSON.parse(fs.readFileSync(__dirname + '/site.json')).adminAuth"),
        ("users", "statSync(__dirname + '/users').size > 9 ? LOGIN : null"),
        ("line.env", "(require('dotenv').config({path: __dirname + '/line.env'}), process.env.CLOSED) ? LOGIN : null"),
    ],
)
def test_files_that_have_changed_since_are_told(name: str, text: str, evaluate: Evaluator) -> None:
    """A real Node-RED 5 had read the old ones: it serves /flows to anybody until it is restarted."""
    file = evaluate.folder / name
    file.write_text('{"adminAuth": {}}' if name == "site.json" else "CLOSED=1\n")
    text = text if text.startswith(("JSON", "(")) else f"fs.{text}"
    settings = f"const fs = require('fs'); module.exports = {{adminAuth: {text.replace('LOGIN', LOGIN)}}};"
    dated(file, 60)
    seen = evaluate(settings)
    assert [told["path"] for told in seen["loaded"] if told.get("read")] == [str(file)]
    dated(file, -60)
    assert [told for told in evaluate(settings)["loaded"] if told.get("read")] == []


def test_files_that_decide_nothing_may_change(evaluate: Evaluator) -> None:
    (evaluate.folder / "motd").write_text("x")
    dated(evaluate.folder / "motd", 60)
    text = "const fs = require('fs'); const title = fs.existsSync(__dirname + '/motd') ? 'a' : 'b'; "
    seen = evaluate(f"{text} module.exports = {{adminAuth: {LOGIN}, editorTheme: {{page: {{title}}}}}};")
    assert [told for told in seen["loaded"] if told.get("read")] == []


def test_the_clock_is_that_of_the_start(evaluate: Evaluator) -> None:
    """`Date.now() < DATE ? null : LOGIN` was open when Node-RED read it, and stays so: that is what runs."""
    started = time.time()
    time.sleep(1.5)
    past = f"{(started + 1) * 1000:.0f}"
    for clock in (
        "Date.now()",
        "new Date().getTime()",
        "+new Date",
        "new Date(Date.now()).valueOf()",
        "Date.parse(Date())",
    ):
        seen = evaluate(f"module.exports = {{disableEditor: {clock} < {past}}};")
        assert seen["settings"]["disableEditor"] is True, clock
    text = "new Date(2020, 1, 2).constructor === Date && new Date(0) instanceof Date && Date.UTC(1970, 0, 1) === 0"
    assert evaluate(f"module.exports = {{disableEditor: {text}}};")["settings"]["disableEditor"] is True
    assert evaluate("module.exports = {disableEditor: process.uptime() < 2};")["settings"]["disableEditor"] is True


@pytest.mark.parametrize("name", ["@dotenvx/dotenvx/config", "dotenv-vault", "env-cmd"])
def test_a_module_that_fills_the_environment_is_named_where_it_counts(name: str, evaluate: Evaluator) -> None:
    """It is loaded for that alone, so nothing of it is asked: the hash was called unset."""
    at = evaluate.folder / "node_modules" / name
    at.parent.mkdir(parents=True, exist_ok=True)
    at.with_suffix(".js").write_text("throw new Error('it was run')")
    users = "[{username: 'a', password: process.env.ADMIN_HASH}]"
    seen = evaluate(f"require('{name}'); module.exports = {{adminAuth: {{type: 'credentials', users: {users}}}}};")
    assert seen["asked"] == [name]
    seen = evaluate(f"require('{name}'); module.exports = {{credentialSecret: process.env.PLANT_SECRET}};")
    assert (seen["asked"], seen["settings"]["credentialSecret"]) == ([], "set")


def test_files_that_hold_the_secrets_are_looked_at_like_the_settings(evaluate: Evaluator) -> None:
    for name, text in (("hash", HASH), ("line.env", "CS=of-the-plant-7\n"), ("motd", "hello, everybody")):
        (evaluate.folder / name).write_text(text)
    seen = evaluate(
        "const fs = require('fs'), read = (name) => fs.readFileSync(__dirname + '/' + name, 'utf8'); read('motd');"
        "require('dotenv').config({path: __dirname + '/line.env'}); module.exports = {credentialSecret: process.env.CS,"
        "adminAuth: {type: 'credentials', users: [{username: 'a', password: read('hash')}]}};"
    )
    listed = [file["steps"][0]["path"].rsplit("/", 1)[1] for file in seen["kinds"]["settings"]]
    assert sorted(listed) == ["hash", "line.env", "settings.js"]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("'password'", "guessable"), ("'changeme'", "guessable"), ("'CHANGE_ME_PLEASE'", "guessable"),
        ("'please change me'", "guessable"), ("'nodered'", "guessable"), ("'Node-RED2024'", "guessable"),
        ("'my-secret-key'", "guessable"), ("'your_super_secret'", "guessable"), ("'12345678'", "guessable"),
        ("'<your secret>'", "guessable"), ("' \\n'", "guessable"), ("Buffer.from('')", "guessable"),
        ("Buffer.from('password')", "guessable"), ("Buffer.from('Vb7-kk2_qqP')", "set"), ("''", "empty"),
        ("'${CREDENTIAL_SECRET}'", "guessable"), ("'$SECRET'", "guessable"), ("'${SECRET:-x}'", "guessable"),
        ("'{{ vault_secret }}'", "guessable"), ("'@SECRET@'", "guessable"), ("'%SECRET%'", "guessable"),
        ("'__SECRET__'", "guessable"), ("'$(openssl rand -hex 32)'", "guessable"), ("'[your secret]'", "guessable"),
        ("'process.env.SECRET'", "guessable"), ("'openssl rand -hex 32'", "guessable"), ("'TODO'", "guessable"),
        ("'put your key here'", "guessable"), ("'REPLACE_WITH_A_KEY'", "guessable"), ("'fill_me_in'", "guessable"),
        ("'some random string'", "guessable"), ("'$x92kfAw'", "set"), ("'set sail to rome'", "set"),
        ("'@home-7f3a'", "set"), ("'replaced-by-7f3a'", "set"), ("'[7f3a]k'", "set"), ("'mine-is-long'", "set"),
        ("'exchange-meter-7f3a'", "set"), ("'my4Kd92kfA'", "set"), ("'correct horse'", "set"),
        ("12", "set"), ("Buffer.from('a-secret-key')", "published"),
    ],
)  # fmt: skip
def test_secrets_that_everybody_tries(written: str, kind: str, evaluate: Evaluator) -> None:
    assert evaluate.settings(f"credentialSecret: {written}")["credentialSecret"] == kind


@pytest.mark.parametrize("given", ["{}", "{permissions: []}", "{permissions: ''}", "{permissions: null}", "'read'"])
def test_a_default_user_without_rights_has_none(given: str, evaluate: Evaluator) -> None:
    """A real Node-RED 5 answers such a client as it answers one whom adminAuth.default does not know: 401."""
    login = evaluate.settings(f"adminAuth: {{type: 'credentials', users: [], default: {given}}}")["adminAuth"]
    assert login["defaultKind"] == "powerless"
    login = evaluate.settings("adminAuth: {type: 'credentials', users: [], default: {permissions: 'read'}}")[
        "adminAuth"
    ]
    assert (login["defaultKind"], login["defaultPermissions"]) == ("set", "read")
