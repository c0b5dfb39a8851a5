"""The evaluator of settings.js, by a real Node: every deployment of the lab, and settings that mean harm."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.lab.deployments import DEPLOYMENTS, SAMPLE_HASH, flows, settings_js
from pytest_nodered_sec.lab.toolchain import node
from pytest_nodered_sec.probes.host import PROGRAM, PUBLISHED, source
from pytest_nodered_sec.probes.host_text import answer_of_node

if TYPE_CHECKING:
    from pathlib import Path

HASH = "$2y$12$" + "a" * 53


@pytest.fixture
def stand_in(tmp_path: Path) -> Any:
    """A process in Node-RED's place: its environment and directory are what the evaluator reads of it."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PLANT_SECRET": "from-the-environment"}
    environment["NODE_RED_OPTIONS"] = f"-s {tmp_path}/line.js -D disableEditor=false"
    environment["NODE_OPTIONS"] = "--require=/does/not/exist.js"
    process = subprocess.Popen(["/bin/sleep", "60"], cwd=tmp_path, env=environment)
    yield process
    process.kill()
    process.wait()


class Evaluator:
    """Evaluates a text as the settings.js of a directory."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder = folder
        self.pid = pid
        self.raw = ""

    def __call__(self, text: str, limit: int = 1000, **given: Any) -> dict[str, Any]:
        (self.folder / "settings.js").write_text(text, encoding="utf-8")
        mark = f"=={secrets.token_hex(4)}"
        defaults = {"mark": mark, "pid": self.pid, "userDir": str(self.folder), "settingsFile": "", "args": []}
        program = source(
            {
                **defaults,
                "known": PUBLISHED,
                "modules": ["node-red-dashboard"],
                "limit": limit,
                "program": PROGRAM,
                **given,
            }
        )
        done = subprocess.run(
            [str(node()), "-"], input=program, capture_output=True, text=True, timeout=20, check=False
        )
        self.raw = done.stdout + done.stderr
        found = answer_of_node(done.stdout, mark)
        assert found, self.raw
        return found

    def settings(self, body: str) -> dict[str, Any]:
        found = self(f"module.exports = {{ {body} }};")
        assert "settings" in found, found
        settings: dict[str, Any] = found["settings"]
        return settings


@pytest.fixture
def evaluate(tmp_path: Path, stand_in: subprocess.Popen[bytes]) -> Evaluator:
    return Evaluator(tmp_path, stand_in.pid)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_deployment_of_the_lab_is_read(name: str, evaluate: Evaluator) -> None:
    deployment = DEPLOYMENTS[name]
    (evaluate.folder / "flows.json").write_text(flows(deployment))
    seen = evaluate(settings_js(deployment, "1880", HASH, "s3cr3t-of-the-plant"))
    settings = seen["settings"]
    assert settings["disableEditor"] is ("disableEditor: true" in deployment.settings)
    assert (settings["adminAuth"]["kind"] == "set") is ("adminAuth" in deployment.settings)
    assert (settings["credentialSecret"] == "set") is ("credentialSecret" in deployment.settings)
    assert settings["audit"] is ("audit: true" in deployment.settings)
    assert seen["types"]["dashboard1"] is deployment.dashboards
    assert "s3cr3t-of-the-plant" not in evaluate.raw
    assert HASH not in evaluate.raw


def test_hashes_come_back_as_scheme_cost_and_known_sample(evaluate: Evaluator) -> None:
    users = ", ".join(
        f"{{username: 'u', password: {one}, permissions: ['read', 'flows.write']}}"
        for one in (f'"{SAMPLE_HASH}"', f'"{HASH}"', '"5f4dcc3b5aa765d61d8327deb882cf99"', '"hunter2"', "undefined")
    )
    found = evaluate.settings(f"adminAuth: {{type: 'credentials', users: [{users}]}}, httpNodeAuth: {{pass: '{HASH}'}}")
    reduced = [
        (one["hash"]["scheme"], one["hash"]["cost"], bool(one["hash"]["known"])) for one in found["adminAuth"]["users"]
    ]
    assert reduced == [
        ("bcrypt", 8, True),
        ("bcrypt", 12, False),
        ("md5", 0, False),
        ("other", 0, False),
        ("unset", 0, False),
    ]
    assert found["httpNodeAuth"]["hash"]["cost"] == 12
    for secret in (SAMPLE_HASH, HASH, "hunter2", "5f4dcc3b5aa7"):
        assert secret not in evaluate.raw


def test_a_hash_named_like_a_member_of_objects_is_no_known_sample(evaluate: Evaluator) -> None:
    found = evaluate.settings("httpNodeAuth: {user: 'u', pass: 'constructor'}")
    assert found["httpNodeAuth"]["hash"] == {"scheme": "other", "cost": 0, "known": ""}


def test_the_environment_is_the_running_processs_without_its_node_options(evaluate: Evaluator) -> None:
    found = evaluate.settings(
        "credentialSecret: process.env.PLANT_SECRET, uiPort: process.env.PORT || 1880, "
        "httpAdminRoot: process.env.NODE_OPTIONS ? '/wrong' : '/admin'"
    )
    assert (found["credentialSecret"], found["uiPort"], found["httpAdminRoot"]) == ("set", "1880", "/admin")
    assert "from-the-environment" not in evaluate.raw
    assert evaluate.settings("credentialSecret: process.env.MISSING")["credentialSecret"] == "unset"


def test_arguments_that_a_unit_leaves_to_the_environment_are_followed(evaluate: Evaluator) -> None:
    (evaluate.folder / "line.js").write_text("module.exports = {httpAdminRoot: '/line'};")
    seen = evaluate("module.exports = {};", userDir="", args=["node-red-pi", "$NODE_RED_OPTIONS"])
    assert (seen["settings"]["httpAdminRoot"], seen["define"]) == ("/line", True)
    assert evaluate("module.exports = {};", args=["node-red-pi", "${NOTHING}"])["define"] is False


def test_where_its_arguments_are_known_no_other_place_is_guessed(evaluate: Evaluator) -> None:
    assert "settings" in evaluate("module.exports = {};", userDir="")  # the working directory, for want of arguments
    seen = evaluate("module.exports = {};", userDir="", args=["node-red"])
    assert seen["file"] == str(evaluate.folder / ".node-red" / "settings.js")
    assert seen["trouble"] == "it throws Error"


def test_modules_are_inert_and_what_they_make_is_called_computed(evaluate: Evaluator) -> None:
    victim = evaluate.folder / "victim"
    victim.write_text("still here")
    seen = evaluate(
        f"""
        const fs = require("fs"), {{ SerialPort }} = require("serialport"), cp = require("node:child_process");
        new SerialPort({{ path: "/dev/ttyUSB0" }}).on("open", () => {{ throw new Error("never"); }});
        fs.unlinkSync({json.dumps(str(victim))}); fs.writeFileSync({json.dumps(str(victim))}, "gone");
        cp.execSync("rm -f {victim}");
        for (const line of fs.readFileSync("x").toString().split("\\n")) throw new Error("never");
        setTimeout(() => fs.unlinkSync({json.dumps(str(victim))}), 0);
        module.exports = {{ credentialSecret: fs.readFileSync("/etc/secret", "utf8").trim(),
          adminAuth: require("node-red-auth-github")({{ users: [] }}), flowFile: require("path").join("a", "b.json"),
          https: {{ key: fs.readFileSync("k") }}, ui: {{ ioMiddleware: require("./guard") }} }};
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
    assert [one["path"].rsplit("/", 1)[1] for one in seen["loaded"]] == ["settings.js", "auth.js", "d.json"]


def test_a_wrapper_that_loads_the_users_file_and_opens_it(evaluate: Evaluator) -> None:
    """Simulated after Home Assistant's add-on: -s /etc/node-red/config.js loads the user's file, then opens it."""
    (evaluate.folder / "config.js").write_text(
        "const s = require('./settings.js'); s.adminAuth = null; module.exports = s;"
    )
    text = f"module.exports = {{adminAuth: {{type: 'credentials', users: [{{password: '{HASH}'}}]}}}};"
    found = evaluate(text, args=["--settings", str(evaluate.folder / "config.js")])
    assert found["settings"]["adminAuth"]["kind"] == "unset"
    assert found["file"].endswith("config.js")


def test_a_default_that_is_a_function_is_called_one(evaluate: Evaluator) -> None:
    """Simulated after FlowFuse: who a stranger is, is decided at run time."""
    found = evaluate.settings("adminAuth: {type: 'strategy', strategy: {}, default: async () => ({permissions: '*'})}")
    assert found["adminAuth"]["defaultKind"] == "function"


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("while (true) {}", "it did not end within 0.5 s"),
        ("process.exit(0)", "settings.js calls process.exit(0)"),
        ("throw new Error('password is hunter2')", "it throws Error"),
        ("throw null", "it throws something"),
        ("module.exports = {", "it throws SyntaxError"),
        ("require('./missing')", "which is not there"),
        ("module.exports = require('our-settings')", "settings.js exports what the module our-settings makes"),
        ("this.constructor.constructor('return process')().exit(3)", ""),
        ("console.log.constructor('return process')().reallyExit(3)", "it ended the process that read it"),
        ("const f = () => new Promise(() => {}).then(f); f(); while (true) {}", "it did not end within 0.5 s"),
    ],
)
def test_settings_that_mean_harm_end_in_a_reason(text: str, trouble: str, evaluate: Evaluator) -> None:
    begun = time.monotonic()
    seen = evaluate(text, limit=500)
    assert "settings" not in seen
    assert trouble in seen["trouble"]
    assert "hunter2" not in evaluate.raw
    assert time.monotonic() - begun < 6


def test_a_getter_that_never_ends_is_ended_from_outside(evaluate: Evaluator) -> None:
    seen = evaluate("module.exports = {get adminAuth() { while (true) {} }};", limit=200)
    assert seen["trouble"] == "it did not end in time"


def test_what_settings_print_is_not_taken_for_an_answer(evaluate: Evaluator) -> None:
    escape = "const p = console.log.constructor('return process')();"
    seen = evaluate(
        f"console.log('==0000 {{}}'); {escape} p.stdout.write('\\n==00000000 {{\"settings\": {{}}}}\\n');"
        "module.exports = {disableEditor: true};"
    )
    assert seen["settings"]["disableEditor"] is True


def test_files_are_listed_with_every_directory_above_them(evaluate: Evaluator) -> None:
    folder = evaluate.folder
    (folder / "lab.json").write_text("[]")
    (folder / "lab_cred.json").write_text("{}")
    (folder / ".sessions.json").write_text("{}")
    (folder / ".config.runtime.json").write_text("{}")
    (folder / ".lab.json.backup").write_text("[]")
    for module, mode in (("node-red-contrib-a", 0o755), ("node-red-contrib-b", 0o777)):
        (folder / "node_modules" / module).mkdir(parents=True)
        (folder / "node_modules" / module).chmod(mode)
    for path in ("context/global/global.json", "projects/line/.git/config", "projects/.sshkeys/__plant"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("{}")
    kinds = evaluate("module.exports = {flowFile: 'lab.json'};")["kinds"]
    found = {
        kind: [one["steps"][0]["path"].removeprefix(str(folder.resolve())) for one in many]
        for kind, many in kinds.items()
    }
    assert found == {
        "settings": ["/settings.js"],
        "flows": ["/lab.json", "/.lab.json.backup"],
        "credentials": ["/lab_cred.json"],
        "sessions": ["/.sessions.json"],
        "runtime config": ["/.config.runtime.json"],
        "context": ["/context/global/global.json"],
        "projects": ["/projects/line/.git/config"],
        "code": ["/node_modules", "/node_modules/node-red-contrib-b"],  # all, and those that others may change
        "ssh keys": ["/projects/.sshkeys/__plant"],
    }
    assert kinds["flows"][0]["steps"][-1]["path"] == "/"


def test_an_access_control_list_is_seen(evaluate: Evaluator) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("no setfacl here: apt install acl")
    evaluate.settings("")
    before = evaluate("module.exports = {};")["kinds"]["settings"][0]["steps"]
    subprocess.run(["setfacl", "-m", "u:nobody:r", str(evaluate.folder / "settings.js")], check=True)  # noqa: S607
    after = evaluate("module.exports = {};")["kinds"]["settings"][0]["steps"]
    assert [one["acl"] for one in before] == [False] * len(before)
    assert [one["acl"] for one in after] == [True] + [False] * (len(after) - 1)


def test_a_date_that_was_kept_does_not_hide_a_change(evaluate: Evaluator) -> None:
    file = evaluate.folder / "kept.js"
    file.write_text("module.exports = {};")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    [loaded] = evaluate("", args=["-s", str(file)])["loaded"]
    assert loaded["changed"] > 1_700_000_000


def test_the_sample_secret_is_known(evaluate: Evaluator) -> None:
    assert evaluate.settings("credentialSecret: 'a-secret-key'")["credentialSecret"] == "published"
    assert evaluate.settings("credentialSecret: 'of our own'")["credentialSecret"] == "set"


def test_releases_are_those_of_what_runs(evaluate: Evaluator) -> None:
    root = evaluate.folder / "opt" / "node_modules"
    for place, version in ((root, "5.0.7"), (evaluate.folder / "node_modules", "1.0.0")):
        (place / "node-red").mkdir(parents=True)
        (place / "node-red" / "package.json").write_text(json.dumps({"version": version}))
    (root / "node-red" / "red.js").touch()
    (evaluate.folder / "node_modules" / "node-red-dashboard").mkdir()
    (evaluate.folder / "node_modules" / "node-red-dashboard" / "package.json").write_text('{"version": "3.6.6"}')
    started = evaluate("module.exports = {};", args=[str(root / "node-red" / "red.js")])["versions"]
    assert (started["nodeRed"], started["packages"][0]["path"]) == ("5.0.7", str(root / "node-red" / "package.json"))
    assert started["modules"] == [["node-red-dashboard", "3.6.6"]]
    assert started["node"] == ""  # what stands in for it is no Node.js, and cannot tell
    guessed = evaluate("module.exports = {};")["versions"]
    assert guessed["nodeRed"] == "1.0.0"
