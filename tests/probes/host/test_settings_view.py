"""settings.js as the running process sees it: how it was started, its files and programs, and packages that compute."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from evaluator import HASH, LOGIN, Evaluator, stand_in, until_there

from pytest_nodered_sec.lab.toolchain import node_red

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def started(evaluate: Evaluator) -> list[str]:
    """Arguments as of a Node-RED that is linked into a directory of programs."""
    root = evaluate.folder / "lib" / "node_modules" / "node-red"
    root.mkdir(parents=True, exist_ok=True)
    (root / "red.js").write_text("")
    link = evaluate.folder / "node-red"
    if not link.exists():
        link.symlink_to("lib/node_modules/node-red/red.js")
    return ["/usr/bin/env", str(link), "--settings", str(evaluate.folder / "settings.js")]


@pytest.mark.parametrize(
    "condition",
    [
        "require.main !== module",
        "module.parent",
        "require.main.filename.endsWith('/lib/node_modules/node-red/red.js')",
        "require('path').basename(process.argv[1]) === 'node-red'",
        "process.argv[2] === '--settings'",
    ],
)
def test_settings_are_never_the_main_module(condition: str, evaluate: Evaluator) -> None:
    """Each of these is true of a real Node-RED 5, which then serves /flows to anybody."""
    text = f"const s = {{adminAuth: {LOGIN}}}; if ({condition}) s.adminAuth = null; module.exports = s;"
    seen = evaluate(text, args=started(evaluate))
    assert (seen["settings"]["adminAuth"]["kind"], seen["asked"]) == ("unset", [])


def test_a_main_module_that_is_not_known_decides_nothing_unseen(evaluate: Evaluator) -> None:
    text = f"const s = {{adminAuth: {LOGIN}}}; if (require.main.filename.endsWith('x')) s.adminAuth = null; "
    assert "require.main" in evaluate(f"{text}module.exports = s;")["asked"]


def test_only_own_keys_count_where_node_red_copies_them(evaluate: Evaluator) -> None:
    """A real Node-RED 5 takes adminAuth from a prototype, and generates a credentialSecret of its own."""
    body = (
        f"adminAuth: {LOGIN}, credentialSecret: 'of-the-plant', externalModules: {{palette: {{allowInstall: false}}}}"
    )
    settings = evaluate(f"module.exports = Object.create({{{body}}});")["settings"]
    assert settings["adminAuth"]["kind"] == "set"
    assert (settings["credentialSecret"], settings["paletteInstall"]) == ("unset", "unset")
    hidden = "Object.defineProperty({}, 'credentialSecret', {value: 'of-the-plant'})"
    assert evaluate(f"module.exports = {hidden};")["settings"]["credentialSecret"] == "set"


def test_homes_and_directories_are_those_of_the_running_process(evaluate: Evaluator) -> None:
    (evaluate.folder / "auth.js").write_text("module.exports = null;")
    for place in ("os.homedir() + '/auth.js'", "path.resolve('auth.js')", "path.resolve('x', '../auth.js')"):
        text = (
            f"const os = require('os'), path = require('node:path'); module.exports = {{adminAuth: require({place})}};"
        )
        assert evaluate(text)["settings"]["adminAuth"]["kind"] == "unset", place


def test_proc_self_is_the_running_process(evaluate: Evaluator) -> None:
    text = "const secret = require('fs').readFileSync('/proc/self/environ', 'utf8').includes('PLANT_SECRET=');"
    assert evaluate(f"{text} module.exports = {{disableEditor: secret}};")["settings"]["disableEditor"] is True


@pytest.mark.parametrize(
    ("command", "right"),
    [
        ("execSync('hostname').toString().trim()", "require('os').hostname()"),
        ("execSync('uname -n', {encoding: 'utf8'}).trim()", "require('os').hostname()"),
        ("execFileSync('hostname', [], {encoding: 'utf8'}).trim()", "require('os').hostname()"),
        ("execSync('whoami').toString().trim()", "require('os').userInfo().username"),
        ("execSync('cat FOLDER/name').toString()", "'line-7'"),
    ],
)
def test_programs_whose_answer_is_known(command: str, right: str, evaluate: Evaluator) -> None:
    (evaluate.folder / "name").write_text("line-7")
    command = command.replace("FOLDER", str(evaluate.folder))
    seen = evaluate(f"const c = require('child_process'); module.exports = {{disableEditor: c.{command} === {right}}};")
    assert (seen["settings"]["disableEditor"], seen["asked"]) == (True, [])


def test_other_programs_are_not_run_and_named(evaluate: Evaluator) -> None:
    for command in ("hostname -I", "cat FOLDER/name; touch FOLDER/x", "cat name", "hostname; touch FOLDER/x"):
        text = f"require('child_process').execSync('{command}').toString()".replace("FOLDER", str(evaluate.folder))
        seen = evaluate(f"module.exports = {{adminAuth: {text} === 'x' ? null : {LOGIN}}};")
        assert seen["asked"] == ["child_process"], command
    assert not (evaluate.folder / "x").exists()


@pytest.mark.parametrize("name", ["bcrypt", "bcryptjs", "@node-rs/bcrypt"])
@pytest.mark.parametrize(
    ("made", "cost", "known"),
    [
        ("b.hashSync(process.env.PLANT_SECRET, 12)", 12, False),
        ("b.hashSync(process.env.PLANT_SECRET)", 10, False),
        ("b.hashSync(process.env.PLANT_SECRET, 2)", 4, False),
        ("b.hashSync('password', b.genSaltSync(9))", 9, True),
    ],
)
def test_hashes_that_are_made_at_each_start(name: str, made: str, cost: int, known: bool, evaluate: Evaluator) -> None:
    (evaluate.folder / "node_modules" / name).mkdir(parents=True)
    (evaluate.folder / "node_modules" / name / "index.js").write_text("throw new Error('it was run')")
    text = f"const b = require('{name}'); module.exports = {{adminAuth: {{users: [{{password: {made}}}]}}}};"
    seen = evaluate(text)
    [user] = seen["settings"]["adminAuth"]["users"]
    assert (user["hash"]["scheme"], user["hash"]["cost"], bool(user["hash"]["known"])) == ("bcrypt", cost, known)
    assert seen["asked"] == []
    assert seen["secretVariables"] == ([] if known else ["PLANT_SECRET"])


PURE = "exports.parse = (text) => JSON.parse(require('./strip').strip(text)); "
PACKAGES = {
    "json5": PURE,
    "lodash": "exports.merge = (...all) => Object.assign(...all);",
    "deepmerge": "throw new Error('not here');",
    "winston": "throw new Error('it was run');",
    "debug": "throw new Error('it was run');",
}


@pytest.fixture
def packages(evaluate: Evaluator) -> Evaluator:
    for name, text in PACKAGES.items():
        folder = evaluate.folder / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "index.js").write_text(text)
        (folder / "strip.js").write_text("exports.strip = (text) => text.replace(/,(?=\\s*})/g, '');")
    return evaluate


def test_packages_that_only_compute_are_evaluated(packages: Evaluator) -> None:
    (packages.folder / "site.json5").write_text('{"credentialSecret": "a-secret-key",\n}')
    read = "require('json5').parse(require('fs').readFileSync(__dirname + '/site.json5', 'utf8'))"
    seen = packages(f"module.exports = require('lodash').merge({{disableEditor: true}}, {read});")
    assert (seen["settings"]["credentialSecret"], seen["settings"]["disableEditor"]) == ("published", True)
    assert seen["asked"] == []
    assert {Path(one["path"]).parent.name for one in seen["loaded"]} >= {"json5", "lodash"}


def test_a_package_that_cannot_be_evaluated_stays_inert(packages: Evaluator) -> None:
    assert "deepmerge" in packages("module.exports = require('deepmerge')({}, {});")["trouble"]


def test_a_package_that_others_can_change_stays_inert(packages: Evaluator) -> None:
    (packages.folder / "node_modules" / "json5" / "index.js").chmod(0o666)
    seen = packages("module.exports = {credentialSecret: require('json5').parse('{}')};")
    assert seen["settings"]["credentialSecret"] == "computed"


def test_what_a_logger_answers_decides_nothing(packages: Evaluator) -> None:
    text = "const w = require('winston'), log = w.createLogger({transports: [new w.transports.Console()]}); "
    seen = packages(
        f"{text}module.exports = {{logging: {{file: {{audit: true, handler: () => (m) => log.info(m)}}}}}};"
    )
    assert (seen["settings"]["audit"], seen["asked"]) == (True, [])


def test_the_login_of_venus_os_leaves_the_other_settings_to_be_judged(packages: Evaluator) -> None:
    (packages.folder / "login.js").write_text(
        "const debug = require('debug')('login'); "
        "module.exports = {type: 'credentials', users: async (name) => { debug(name); return null; }};"
    )
    seen = packages("module.exports = {disableEditor: true, adminAuth: require('./login')};")
    assert (seen["settings"]["disableEditor"], seen["asked"]) == (True, [])
    decided = packages("module.exports = {disableEditor: require('debug')('login').enabled ? true : false};")
    assert decided["asked"] == ["debug"]


def test_real_defaults_of_node_red_are_read(evaluate: Evaluator) -> None:
    root = node_red(5, lambda line: None)
    text = "module.exports = {...require('node-red/settings'), disableEditor: true};"
    (evaluate.folder / "node_modules" / "node-red").symlink_to(root / "node-red")
    seen = evaluate(text)
    assert (seen["settings"]["disableEditor"], seen["asked"]) == (True, [])
    assert seen["settings"]["uiPort"] == "1880"


def test_no_file_is_read_without_a_bound(evaluate: Evaluator) -> None:
    """As a hostile local user would have them, where somebody shares a directory with him."""

    def sparse(at: Path) -> None:
        with (at / "index.js").open("wb") as file:
            file.truncate(10 << 30)

    ways: dict[str, Callable[[Path], object]] = {
        "pipe": lambda at: os.mkfifo(at / "package.json"),
        "zero": lambda at: (at / "package.json").symlink_to("/dev/zero"),
        "memory": lambda at: (at / "package.json").symlink_to("/proc/kcore"),
        "main": lambda at: (at / "package.json").write_text('{"main": "/dev/zero"}'),
        "sparse": sparse,
    }
    for name, make in ways.items():
        folder = evaluate.folder / name
        folder.mkdir()
        make(folder)
        assert evaluate(f"module.exports = {{x: require('./{name}')}};")["trouble"], name
        assert "did not end" not in evaluate.raw, name


def test_an_access_control_list_lets_others_write(evaluate: Evaluator) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("no setfacl here")
    (evaluate.folder / "auth.js").write_text(f"module.exports = {LOGIN};")
    allow = ["setfacl", "-m", "u:nobody:rw", str(evaluate.folder / "auth.js")]
    if subprocess.run(allow, capture_output=True, check=False).returncode:
        pytest.skip("no access control lists on this file system")
    trouble = evaluate("module.exports = {adminAuth: require('./auth.js')};")["trouble"]
    assert "others than Node-RED's user can change" in trouble


# --- a process with a mount namespace or groups of its own


def in_a_namespace(script: str, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    argv = ["unshare", "-m", "--propagation", "private", *more, "sh", "-c", f"{script}; touch ready; exec sleep 900"]
    process = subprocess.Popen(argv, cwd=folder, stderr=subprocess.DEVNULL)
    until_there(folder / "ready", process)
    return process


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Any]:
    """Its settings.js and a directory are mounted over those of the host, as a unit's BindPaths= does it."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    for name in ("there", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "there" / "open").touch()
    (tmp_path / "real.js").write_text(
        "module.exports = {disableEditor: require('fs').existsSync(__dirname + '/here/open')};"
    )
    (tmp_path / "settings.js").touch()
    process = in_a_namespace("mount --bind real.js settings.js && mount --bind there here", tmp_path)
    if process.poll() is not None:
        pytest.skip("no mount namespaces here")
    yield process
    process.kill()
    process.wait()


def test_settings_are_those_that_the_process_sees(apart: subprocess.Popen[bytes], tmp_path: Path) -> None:
    evaluate = Evaluator(tmp_path, apart.pid)
    seen = evaluate(f"module.exports = {{adminAuth: {LOGIN}}};")
    assert (seen["settings"]["adminAuth"]["kind"], seen["settings"]["disableEditor"]) == ("unset", True)
    assert seen["apart"] == {"settings": str(tmp_path / "settings.js")}  # who can reach it there is not known


@pytest.mark.parametrize("reads", ["fs.readFileSync('FILE', 'utf8')", "fs.existsSync('FILE')", "require('FILE')"])
def test_what_takes_a_group_that_we_are_not_given_is_not_guessed(reads: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can lend a group")
    with tempfile.TemporaryDirectory() as name:  # pytest closes its own to others whenever another run begins
        Path(name).chmod(0o755)
        folder = Path(name, "line")
        folder.mkdir()
        (folder / "flag.json").write_text("{}")
        os.chown(folder, 0, 4242)
        folder.chmod(0o750)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--groups=4242", "sleep", "900"]
        process = subprocess.Popen(argv, cwd="/")
        try:
            assert until_there(Path(f"/proc/{process.pid}/comm"), process, "sleep")  # then it has that group
            evaluate = Evaluator(Path(name), process.pid)
            evaluate.through = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            look = reads.replace("FILE", f"{folder}/flag.json")
            text = f"const fs = require('fs'); let open = false; try {{ open = {look}; }} catch {{}} "
            seen = evaluate(f"{text}module.exports = {{adminAuth: open ? null : {json.dumps(HASH)}}};", userDir=name)
        finally:
            process.kill()
            process.wait()
    assert "takes a group that Node-RED's process has" in seen["trouble"]


# --- pm2 and supervisord

PM2_ENV = {"name": "red", "pm_exec_path": "/opt/node-red/red.js", "autorestart": "true", "created_at": "17"}


@pytest.mark.parametrize(
    ("entry", "environment", "kept"),
    [
        ({}, {}, (True, True, "")),
        ({}, {"autorestart": "false"}, (False, True, "")),
        ({"created_at": 18}, {}, (True, True, "pm2 save would show them")),
        ({"name": "other"}, {}, (True, False, "pm2 save would show them")),
        (None, {}, (True, False, "pm2 save would show them")),
    ],
)
def test_what_pm2_started_is_what_it_saved(
    entry: dict[str, Any] | None, environment: dict[str, str], kept: tuple[bool, bool, str], tmp_path: Path
) -> None:
    """The environment of a process and the dump as pm2 6 writes them: tests/live has no pm2."""
    (tmp_path / ".pm2").mkdir()
    saved = {
        "name": "red",
        "pm_exec_path": "/opt/node-red/red.js",
        "created_at": 17,
        "args": ["-s", f"{tmp_path}/a.js"],
    }
    if entry is not None:
        (tmp_path / ".pm2" / "dump.pm2").write_text(json.dumps([saved | entry]))
    (tmp_path / "a.js").write_text("module.exports = {uiPort: 1990};")
    process = stand_in(tmp_path, PM2_ENV | environment)
    try:
        seen = Evaluator(tmp_path, process.pid)("module.exports = {};", userDir="", manager="pm2")
    finally:
        process.kill()
        process.wait()
    assert (seen["kept"]["restarts"], seen["kept"]["starts"], seen["kept"]["trouble"]) == kept
    assert (seen["settings"]["uiPort"] == "1990", seen["starter"] == "") == (not kept[2], not kept[2])


@pytest.mark.parametrize(
    "given",
    [
        {"node_args": "--trace-warnings,--inspect=0.0.0.0:9231"},  # fork mode, an array that Node.js has joined
        {"pm2_env": json.dumps({"node_args": ["--trace-warnings", "--inspect-port=9231"]})},  # cluster mode
    ],
)
def test_an_inspector_that_pm2_starts_is_told(given: dict[str, str], tmp_path: Path) -> None:
    process = stand_in(tmp_path, PM2_ENV | given)
    try:
        seen = Evaluator(tmp_path, process.pid)("module.exports = {};", manager="pm2")
    finally:
        process.kill()
        process.wait()
    assert seen["inspectors"] == [9230, 9231]


CONF = "[unix_http_server]\nfile=/x\n[supervisord]\nuser=root\n[include]\nfiles = conf.d/*.conf\n"
PROGRAM = "[program:red]\ncommand=/opt/node-red/red.js -s FOLDER/a.js\n  ; of the line\n"


@pytest.mark.parametrize(
    ("program", "after", "kept"),
    [
        (PROGRAM, "", (True, True, "")),
        (f"{PROGRAM}autorestart=false ; why\nautostart : false\n", "", (False, False, "")),
        (PROGRAM.replace("red]", "blue]"), "", (None, None, "names no program red")),
        (PROGRAM, "touch -d '1 minute' conf.d/red.conf", (None, None, "was changed after supervisord read it")),
        (PROGRAM, "chmod 666 conf.d/red.conf", (None, None, "others than root and Node-RED's user can change")),
        (PROGRAM, "rm conf.d/red.conf; mkdir conf.d/red.conf", (None, None, "is no regular file")),
    ],
)
def test_what_supervisord_starts_stands_in_its_files(
    program: str, after: str, kept: tuple[bool | None, bool | None, str], tmp_path: Path
) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "super.conf").write_text(CONF)
    (tmp_path / "conf.d" / "red.conf").write_text(program.replace("FOLDER", str(tmp_path)))
    (tmp_path / "a.js").write_text("module.exports = {uiPort: 1990};")
    names = {"SUPERVISOR_GROUP_NAME": "red", "SUPERVISOR_PROCESS_NAME": "red", "PATH": os.environ["PATH"]}
    (tmp_path / "keeper").write_text("sleep 900 & echo $! >child; wait")
    keeper = subprocess.Popen(["/bin/sh", "keeper", "-c", "super.conf"], cwd=tmp_path, env=names)
    assert until_there(tmp_path / "child", keeper, "\n")
    subprocess.run(["/bin/sh", "-c", after], cwd=tmp_path, check=True)
    try:
        child = int((tmp_path / "child").read_text())
        seen = Evaluator(tmp_path, child)("module.exports = {};", userDir="", manager="supervisord")
    finally:
        os.kill(child, signal.SIGKILL)
        keeper.wait()
    assert (seen["kept"]["restarts"], seen["kept"]["starts"]) == kept[:2]
    assert kept[2] in seen["kept"]["trouble"]
    if not kept[2]:
        assert (seen["settings"]["uiPort"], seen["starter"]) == ("1990", "")
        assert {Path(one["path"]).name for one in seen["loaded"]} >= {"a.js", "super.conf", "red.conf"}
