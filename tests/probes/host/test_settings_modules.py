"""What settings.js loads and calls: modules that are run, inert or not there, and what they may have decided."""

from __future__ import annotations

import json

import pytest
from evaluator import HASH, LOGIN, Evaluator


def test_modules_are_inert_and_what_they_make_is_called_computed(evaluate: Evaluator) -> None:
    victim = evaluate.folder / "victim"
    victim.write_text("still here")
    seen = evaluate(
        f"""
        const fs = require("fs"), {{ SerialPort }} = require("serialport"), cp = require("node:child_process");
        new SerialPort({{ path: "/dev/ttyUSB0" }}).on("open", () => {{ throw new Error("never"); }});
        fs.unlinkSync({json.dumps(str(victim))}); fs.writeFileSync({json.dumps(str(victim))}, "gone");
        cp.execSync("rm -f {victim}");
        setTimeout(() => fs.unlinkSync({json.dumps(str(victim))}), 0);
        module.exports = {{ credentialSecret: cp.execSync("pass show plant").toString().trim(),
          adminAuth: require("node-red-auth-github")({{ users: [] }}), flowFile: require("path").join("a", "b.json"),
          https: {{ key: "k" }}, ui: {{ ioMiddleware: require("./guard") }} }};
        """.replace('require("./guard")', "(s, next) => next()")
    )
    settings = seen["settings"]
    assert settings["credentialSecret"] == "computed"
    assert (settings["adminAuth"]["kind"], settings["adminAuth"]["module"]) == ("computed", "node-red-auth-github")
    assert (settings["flowFile"], settings["https"]) == ("a/b.json", "set")
    assert victim.read_text() == "still here"


def test_files_beside_it_are_loaded_the_same_way(evaluate: Evaluator) -> None:
    (evaluate.folder / "auth.js").write_text(
        "module.exports = {type: 'credentials', users: [], default: require('./d')};"
    )
    (evaluate.folder / "d.json").write_text('{"permissions": "read"}')
    seen = evaluate("module.exports = {adminAuth: require('./auth')};")
    assert seen["settings"]["adminAuth"]["defaultPermissions"] == "read"
    assert [module["path"].rsplit("/", 1)[1] for module in seen["loaded"]] == ["settings.js", "auth.js", "d.json"]


def test_a_wrapper_that_loads_the_users_file_and_opens_it(evaluate: Evaluator) -> None:
    """Simulated after Home Assistant's add-on: -s /etc/node-red/config.js loads the user's file, then opens it."""
    (evaluate.folder / "config.js").write_text(
        "const s = require('./settings.js'); s.adminAuth = null; module.exports = s;"
    )
    text = f"module.exports = {{adminAuth: {{type: 'credentials', users: [{{password: '{HASH}'}}]}}}};"
    answer = evaluate(text, args=["--settings", str(evaluate.folder / "config.js")])
    assert answer["settings"]["adminAuth"]["kind"] == "unset"
    assert answer["file"].endswith("config.js")


def test_what_an_inert_answer_may_have_decided_is_named(evaluate: Evaluator) -> None:
    text = (
        "const s = {}; if (require('child_process').execSync('test -f x')) s.disableEditor = true; module.exports = s;"
    )
    assert evaluate(text)["asked"] == ["child_process"]
    assert evaluate("module.exports = {credentialSecret: require('child_process').execSync('pass')};")["asked"] == []
    assert evaluate("require('fs').mkdirSync('x'); module.exports = {};")["asked"] == []


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        # what a member is, an answer, or what is spread, may be what lets anybody in
        ("module.exports = {adminAuth: require('config').open ? null : LOGIN};", ["config"]),
        ("const c = require('config'); module.exports = {credentialSecret: c.get('s'), "
         "adminAuth: c.get('open') ? null : LOGIN};", ["config"]),
        ("module.exports = {adminAuth: LOGIN, ...require('config')};", ["config"]),
        ("module.exports = Object.assign({adminAuth: LOGIN}, require('config'));", ["config"]),
        ("module.exports = {disableEditor: require('config').locked};", ["config"]),
        ("module.exports = {logging: {console: {audit: require('config').audit}}};", ["config"]),
        # what it was compared with is not to be seen
        ("module.exports = {adminAuth: require('config').env === 'dev' ? null : LOGIN};", ["config"]),
        ("const {mode} = require('config'); let a = LOGIN; switch (mode) { case 'x': a = null } "
         "module.exports = {adminAuth: a};", ["config"]),
        ("const c = require('config'); module.exports = {adminAuth: ['x'].includes(c.a.b) ? null : LOGIN, "
         "credentialSecret: c.s};", ["config"]),
        ("const c = require('config'); module.exports = {adminAuth: c.get('env') === 'dev' ? null : LOGIN, "
         "credentialSecret: c.get('s')};", ["config"]),
        ("module.exports = {adminAuth: require('config').level > 3 ? LOGIN : null};", ["config"]),
        ("const u = []; for (const one of require('config').users) u.push(one); "
         "module.exports = {adminAuth: {type: 'credentials', users: u}};", ["config"]),
        ("module.exports = {adminAuth: 'open' in require('config') ? null : LOGIN};", ["config"]),
        ("module.exports = {adminAuth: require('theme') ? null : LOGIN};", ["theme"]),
        ("module.exports = {adminAuth: require('theme') ? LOGIN : null};", ["theme"]),
        # what is known to be made elsewhere, or is used later only
        ("const c = require('config'); module.exports = {credentialSecret: c.s,httpNodeAuth: {pass: c.get('p')}};", []),
        ("const {verify} =require('jsonwebtoken'); module.exports = {ui: {ioMiddleware: (s, n) => verify(s, n)}};", []),
        ("module.exports = {functionGlobalContext: {config: require('config')}};", []),
        ("module.exports = {credentialSecret: `nr-${require('config').s}`};", []),
        ("const t = require('theme'), {Verifier, keys} = require('jsonwebtoken'); "
         "module.exports = {ui: {ioMiddleware: (s, n) => new Verifier(keys.first)}};", []),
        ("module.exports = {ui: {middleware: [require('config')({}), (q, r, n) => n()]}};", []),
    ],
)  # fmt: skip
def test_a_module_that_decides_is_named(text: str, asked: list[str], evaluate: Evaluator) -> None:
    assert evaluate(text.replace("LOGIN", LOGIN))["asked"] == asked


@pytest.mark.parametrize("name", ["local-settings", "./local-settings", "@plant/settings"])
def test_what_is_not_installed_is_not_there_as_for_node_red(name: str, evaluate: Evaluator) -> None:
    tried = f"const s = {{adminAuth: {LOGIN}}}; try {{ require('{name}'); s.adminAuth = null; }} catch (e) {{ "
    seen = evaluate(f"{tried} if (e.code !== 'MODULE_NOT_FOUND') throw e; }} module.exports = s;")
    assert (seen["settings"]["adminAuth"]["kind"], seen["asked"]) == ("set", [])
    assert f"requires {name}, which is not" in evaluate(f"require('{name}'); module.exports = {{}};")["trouble"]


def test_timers_and_requires_of_their_own_work_and_import_is_named(evaluate: Evaluator) -> None:
    (evaluate.folder / "more.js").write_text("module.exports = {uiPort: 1990};")
    timers = "setInterval(() => 0, 9).unref(); setTimeout(() => 0, 9).ref(); clearTimeout(setImmediate(() => 0));"
    own = "const r = require('node:module').createRequire(__filename); module.exports = r('./more.js');"
    assert evaluate(f"{timers} {own}")["settings"]["uiPort"] == "1990"
    text = "import('node:os').then(() => 1); module.exports = {};"
    assert evaluate(text)["settings"]["uiPort"] == ""  # what comes of it comes too late for Node-RED


def test_dotenv_and_environment_files_are_read(evaluate: Evaluator) -> None:
    (evaluate.folder / "line.env").write_text("A_SECRET=hunter2-hunter2\nPLANT_SECRET=other\n")
    for way in (f"require('dotenv').config({{path: '{evaluate.folder}/line.env'}})", "process.loadEnvFile('line.env')"):
        answer = evaluate(f"{way}; module.exports = {{credentialSecret: process.env.A_SECRET}};")
        assert answer["settings"]["credentialSecret"] == "set"
    assert "hunter2" not in evaluate.raw


PREFIXES = [
    "JSON.parse(fs.readFileSync(__dirname + '/options.json'))", "process.umask(0o077)", "process.execPath.length",
    "process.getgid()", "process.stdin.on('data', () => 1)", "process.removeAllListeners('warning')", "atob('eA==')",
    "crypto.randomUUID()", "require('crypto').createHash('sha256').update('x').digest('hex')", "performance.now()",
    "new Headers({a: 'b'})", "new AbortController().signal instanceof AbortSignal", "new Blob(['x'])",
    "require('util').promisify(require('child_process').exec)('ls').then(() => 1)", "require('./lib')",
    "require('./o')", "structuredClone({})", "new URL('http://x')", "process.memoryUsage().rss",
    "process.on('exit', () => 1)",
]  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_settings_use_is_there(prefix: str, evaluate: Evaluator) -> None:
    (evaluate.folder / "lib" / "src").mkdir(parents=True)
    (evaluate.folder / "lib" / "package.json").write_text('{"main": "src/start"}')
    (evaluate.folder / "lib" / "src" / "start.js").write_text("module.exports = 1;")
    for name in ("options.json", "o.json"):
        (evaluate.folder / name).write_text("{}")
    answer = evaluate(f"const fs = require('fs'); {prefix}; module.exports = {{disableEditor: true}};")
    assert answer.get("settings", answer)["disableEditor"] is True


@pytest.mark.parametrize("text", ["export default {};", "import os from 'node:os'; export const uiPort = 1880;"])
def test_es_modules_are_named(text: str, evaluate: Evaluator) -> None:
    """Of a real Node-RED 5 they end the start: it needs an object of its own."""
    assert "is an ES module, which is not evaluated here" in evaluate(text)["trouble"]
    (evaluate.folder / "auth.mjs").write_text(text)
    trouble = evaluate("module.exports = {adminAuth: require('./auth.mjs').default};")["trouble"]
    assert "auth.mjs is an ES module" in trouble


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("const f = fs.openSync('/x', 'r'); module.exports = {adminAuth: LOGIN};", ["fs.openSync"]),
        ("fs.readFile('x', () => { module.exports.adminAuth = null; }); module.exports = {};", ["fs.readFile"]),
        ("module.exports = {adminAuth: process.stdout.isTTY ? null : LOGIN};", ["stdout"]),
        ("module.exports = {adminAuth: require('cluster').isWorker ? null : LOGIN};", ["cluster"]),
        ("module.exports = {adminAuth: require('vm').runInNewContext('1') ? null : LOGIN};", ["vm"]),
        ("fs.mkdirSync('x', {recursive: true}); process.stdout.write('x'); module.exports = {};", []),
    ],
)
def test_what_reads_and_is_not_done_is_named(text: str, asked: list[str], evaluate: Evaluator) -> None:
    assert evaluate("const fs = require('fs'); " + text.replace("LOGIN", LOGIN))["asked"] == asked
