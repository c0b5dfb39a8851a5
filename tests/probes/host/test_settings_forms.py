"""settings.js as people write it: compiled from TypeScript, bundled, in parts, with what Node.js loads before it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from evaluator import HASH, LOGIN, Evaluator, stand_in

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

COMPILED = """
var __importDefault = (mod) => (mod && mod.__esModule) ? mod : { "default": mod };
var __importStar = (mod) => { if (mod && mod.__esModule) return mod; var result = {}; for (var k in mod)
  if (k !== "default" && Object.prototype.hasOwnProperty.call(mod, k)) { let name = k, desc =
    Object.getOwnPropertyDescriptor(mod, k); if (!desc || ("get" in desc ? !mod.__esModule : desc.writable ||
    desc.configurable)) desc = { enumerable: true, get: () => mod[name] }; Object.defineProperty(result, k, desc); }
  result.default = mod; return result; };
var __toESM = (mod, node) => { const to = Object.create(Object.getPrototypeOf(mod)); if (node || !mod.__esModule)
  Object.defineProperty(to, "default", { value: mod, enumerable: true });
  for (let key of Object.getOwnPropertyNames(mod)) if (!Object.prototype.hasOwnProperty.call(to, key))
    Object.defineProperty(to, key, { get: () => mod[key] }); return to; };
"""
READ = "credentialSecret: FS.readFileSync(__dirname + '/secret', 'utf8').trim()"
HASHED = "httpNodeAuth: {user: 'u', pass: B.hashSync('password', 12)}"
PARTS = {"secret": "k3y-of-the-plant\n", **{f"node_modules/{name}/index.js": "throw 1" for name in
         ("bcryptjs", "mqtt", "dd-trace")}}  # fmt: skip


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("before", "body"),
    [
        ("const FS = __importDefault(require('fs')).default;", READ),
        ("const FS = __importStar(require('node:fs'));", READ),
        ("const FS = __toESM(require('fs'));", READ),
        ("const FS = __toESM(require('fs'), 1).default;", READ),
        ("const B = __importDefault(require('bcryptjs')).default;", HASHED),
        ("const B = __importStar(require('bcryptjs'));", HASHED),
        ("const C = __importStar(require('child_process'));", "debugMaxLength: C.execSync('hostname').length"),
        ("require('dd-trace').init();", ""),
        ("const c = require('mqtt').connect('mqtt://x'); c.on('message', () => {});", "functionGlobalContext: {c}"),
        ("const c = __importDefault(require('mqtt')).default.connect('x'); c.once('end', () => {});", ""),
    ],
)  # fmt: skip
def test_what_compilers_make_of_it_asks_no_module_for_anything(before: str, body: str, evaluate: Evaluator) -> None:
    write(evaluate.folder, PARTS)
    seen = evaluate(f"{COMPILED}{before} module.exports = {{adminAuth: {LOGIN}, {body}}};")
    assert (seen.get("settings", seen)["adminAuth"]["kind"], seen["asked"]) == ("set", [])
    settings = seen["settings"]
    assert settings["credentialSecret"] == ("set" if body == READ else "unset")
    known = settings["httpNodeAuth"]["hash"]["known"]
    assert known == ("of a password that everybody knows" if body == HASHED else "")


def test_a_member_of_a_compiled_import_that_decides_is_named(evaluate: Evaluator) -> None:
    write(evaluate.folder, PARTS)
    for text in ("require('mqtt')", "__importStar(require('mqtt'))", "__importDefault(require('mqtt')).default"):
        seen = evaluate(f"{COMPILED} module.exports = {{adminAuth: {text}.open === 1 ? null : {LOGIN}}};")
        assert seen["asked"] == ["mqtt"]


@pytest.mark.parametrize("name", ["node-red-auth-plant", "@plant/auth", "./auth"])
def test_what_is_not_installed_is_not_resolved(name: str, evaluate: Evaluator) -> None:
    """Node.js throws there."""
    tried = f"try {{ require.resolve('{name}'); s.adminAuth = {LOGIN}; }} "
    tried += "catch (e) { if (e.code !== 'MODULE_NOT_FOUND') throw e; }"
    seen = evaluate(f"const s = {{}}; require.resolve('node:fs'); {tried} module.exports = s;")
    assert (seen["settings"]["adminAuth"]["kind"], seen["asked"]) == ("unset", [])
    write(evaluate.folder, {"auth.js": "", "node_modules/node-red-auth-plant/index.js": "",
                            "node_modules/@plant/auth/index.js": ""})  # fmt: skip
    assert evaluate(f"const s = {{}}; {tried} module.exports = s;")["settings"]["adminAuth"]["kind"] == "set"


def test_a_directory_is_read_with_all_below_it(evaluate: Evaluator) -> None:
    write(evaluate.folder, {"conf.d/a/b.json": '{"adminAuth": null}'})
    parts = "fs.readdirSync('conf.d', {recursive: true}).filter((f) => f.endsWith('.json'))"
    seen = evaluate(
        f"const fs = require('fs'); module.exports = Object.assign({{adminAuth: {LOGIN}}}, "
        f"...{parts}.map((f) => JSON.parse(fs.readFileSync('conf.d/' + f))));"
    )
    assert seen["settings"]["adminAuth"]["kind"] == "unset"


DOTENV = """# of dotenv's own forms
CS: k3y-of-the-plant
PORT = 1889 # port
export ADMIN='/adm'
NODE=`/n`
HTTP="/r"
"""


def test_dotenv_files_are_read_as_dotenv_reads_them(evaluate: Evaluator) -> None:
    (evaluate.folder / ".env").write_text(DOTENV)
    names = "credentialSecret: e.CS, uiPort: e.PORT, httpAdminRoot: e.ADMIN, httpNodeRoot: e.NODE, httpRoot: e.HTTP"
    seen = evaluate(f"require('dotenv').config(); const e = process.env; module.exports = {{{names}}};")["settings"]
    roots = (seen["httpAdminRoot"], seen["httpNodeRoot"], seen["httpRoot"])
    assert (seen["credentialSecret"], seen["uiPort"], roots) == ("set", "1889", ("/adm", "/n", "/r"))


SECRET = "module.exports = {credentialSecret: process.env.CS};"
RED = "/usr/lib/node_modules/node-red/red.js"


@pytest.mark.parametrize(
    ("text", "environment", "args", "secret", "asked"),
    [
        (f"require('dotenv/config'); {SECRET}", {"DOTENV_CONFIG_PATH": "line.env"}, [], "set", []),
        (SECRET, {"NODE_OPTIONS": "--max-old-space-size=256 -r dotenv/config"}, [], "set", []),
        (SECRET, {}, ["node", "--require=dotenv/config", RED], "set", []),
        (SECRET, {}, ["node", "--env-file=line.env", RED], "set", []),
        (SECRET, {}, ["node", "--env-file", "line.env", "--env-file-if-exists=none.env", RED], "set", []),
        (SECRET, {"CS": ""}, ["node", "--env-file=line.env", RED], "empty", []),
        (SECRET, {}, ["node", RED, "--env-file=line.env"], "unset", []),  # Node-RED's own argument
        (SECRET, {"NODE_OPTIONS": "--require ./fills.js"}, [], "unset", ["./fills.js"]),
        (SECRET, {"NODE_OPTIONS": "--import plant-fills"}, [], "unset", ["plant-fills"]),
        (SECRET, {"NODE_OPTIONS": "-r ./traces.js -r dd-trace/init -r ./none -r"}, [], "unset", []),
    ],
)  # fmt: skip
def test_what_node_js_does_before_counts(
    text: str, environment: dict[str, str], args: list[str], secret: str, asked: list[str], tmp_path: Path
) -> None:
    files = {".env": "CS=k3y-of-the-plant\n", "line.env": "CS=k3y-of-the-plant\n", "traces.js": "start();"}
    fills = {"fills.js": "process.env.CS = 1", "node_modules/plant-fills/index.js": "Object.assign(process.env, {})"}
    process = stand_in(tmp_path, environment)
    try:
        evaluate = Evaluator(tmp_path, process.pid)
        write(tmp_path, files | fills)
        seen = evaluate(text, args=args)
    finally:
        process.kill()
        process.wait()
    assert (seen["settings"]["credentialSecret"], seen["asked"]) == (secret, asked)


@pytest.mark.parametrize(
    "condition",
    ["new Date(1.6e12).getHours() === 2", f"process.ppid === {os.getpid()}", "!process.env.NODE_CHANNEL_FD"],
    ids=["time zone", "parent", "no channel"],  # a number of a process would differ from worker to worker
)
def test_time_zone_and_parent_are_those_of_the_running_process(condition: str, tmp_path: Path) -> None:
    process: subprocess.Popen[bytes] = stand_in(tmp_path, {"TZ": "Pacific/Kiritimati"})
    try:
        seen = Evaluator(tmp_path, process.pid)(f"module.exports = {{adminAuth: {condition} ? null : {LOGIN}}};")
    finally:
        process.kill()
        process.wait()
    assert seen["settings"]["adminAuth"]["kind"] == "unset"


def test_the_word_false_of_a_variable_is_a_path_and_no_secret(tmp_path: Path) -> None:
    """httpAdminRoot: process.env.OFF, with OFF=false: a real Node-RED 5 serves its admin API at /false/."""
    process: subprocess.Popen[bytes] = stand_in(tmp_path, {"OFF": "false"})
    try:
        names = "httpAdminRoot: o, httpNodeRoot: o, credentialSecret: o, disableEditor: o"
        seen = Evaluator(tmp_path, process.pid)(f"const o = process.env.OFF; module.exports = {{{names}}};")["settings"]
    finally:
        process.kill()
        process.wait()
    assert (seen["httpAdminRoot"], seen["httpNodeRoot"]) == ("/false", "/false")
    assert (seen["credentialSecret"], seen["disableEditor"]) == ("guessable", True)  # a text that is not empty


def test_an_es_module_is_called_one(evaluate: Evaluator) -> None:
    trouble: Any = evaluate(f"export default {{adminAuth: {{users: [{{password: '{HASH}'}}]}}}};")["trouble"]
    assert "takes no default export: write module.exports = {...}" in trouble
