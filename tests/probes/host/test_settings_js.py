"""The evaluator of settings.js, by a real Node: every deployment of the lab, and settings that mean harm."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from typing import Any

import pytest
from evaluator import HASH, LOGIN, Evaluator

from pytest_nodered_sec.lab.deployments import DEPLOYMENTS, SAMPLE_HASH
from pytest_nodered_sec.lab.node_red import flows, settings_js

BASIC = ("httpAdminAuth", "httpNodeAuth", "httpStaticAuth")


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
        f"{{username: 'u', password: {password}, permissions: ['read', 'flows.write']}}"
        for password in (
            f'"{SAMPLE_HASH}"',
            f'"{HASH}"',
            '"5f4dcc3b5aa765d61d8327deb882cf99"',
            '"hunter2"',
            "undefined",
        )
    )
    answer = evaluate.settings(
        f"adminAuth: {{type: 'credentials', users: [{users}]}}, httpNodeAuth: {{pass: '{HASH}'}}"
    )
    reduced = [
        (user["hash"]["scheme"], user["hash"]["cost"], bool(user["hash"]["known"]))
        for user in answer["adminAuth"]["users"]
    ]
    assert reduced == [
        ("bcrypt", 8, True),
        ("bcrypt", 12, False),
        ("md5", 0, False),
        ("other", 0, False),
        ("unset", 0, False),
    ]
    assert answer["httpNodeAuth"]["hash"]["cost"] == 12
    for secret in (SAMPLE_HASH, HASH, "hunter2", "5f4dcc3b5aa7"):
        assert secret not in evaluate.raw


def test_only_bcrypt_hashes_that_are_nobody_elses_have_marks(evaluate: Evaluator) -> None:
    """A mark of what has no random salt would tell it to whoever tries words; a known sample is host-03's."""
    own = HASH.replace("$2b$", "$2y$") if HASH.startswith("$2b$") else HASH.replace("$2a$", "$2b$")
    written = [HASH, own, SAMPLE_HASH, "5f4dcc3b5aa765d61d8327deb882cf99", "hunter2"]
    users = "".join(f"{{username: 'u', password: '{password}'}}, " for password in written)
    made = "{pass: require('bcryptjs').hashSync(process.env.PLANT_SECRET, 12)}"
    (evaluate.folder / "node_modules/bcryptjs").mkdir(parents=True)
    (evaluate.folder / "node_modules/bcryptjs/index.js").write_text("throw new Error('run')")
    basic = f"httpNodeAuth: {{pass: '{HASH}'}}, httpStaticAuth: {made}"
    answer = evaluate.settings(f"adminAuth: {{type: 'credentials', users: [{users}]}}, {basic}")
    marks = [user["hash"]["mark"] for user in answer["adminAuth"]["users"]]
    assert marks == [marks[0], marks[0], "", "", ""]
    assert marks[0] == answer["httpNodeAuth"]["hash"]["mark"]
    assert re.fullmatch("[0-9a-f]{64}", marks[0])
    assert answer["httpStaticAuth"]["hash"] == {"scheme": "bcrypt", "cost": 12, "known": "", "mark": ""}
    assert hashlib.sha256(HASH.encode()).hexdigest() not in evaluate.raw


@pytest.mark.parametrize(
    "written",
    [
        "<what `npx node-red-admin hash-pw` prints>",
        "@HASH@",
        "$2y$12$" + "a" * 52,  # cut off
        "$2y$12$" + "a" * 53 + "\\n",  # pasted with the end of the line
        "$2y$99$" + "a" * 53,  # of a cost that bcrypt refuses
        "$2y$03$" + "a" * 53,
    ],
)
def test_what_cannot_be_a_bcrypt_hash_is_none(written: str, evaluate: Evaluator) -> None:
    body = f'adminAuth: {{type: "credentials", users: [{{password: "{written}"}}]}}, '
    answer = evaluate.settings(body + ", ".join(f'{key}: {{user: "u", pass: "{written}"}}' for key in BASIC))
    hashes = [answer["adminAuth"]["users"][0]["hash"], *(answer[key]["hash"] for key in BASIC)]
    assert hashes == [{"scheme": "other", "cost": 0, "known": "", "mark": ""}] * 4
    assert written not in evaluate.raw


def test_a_hash_named_like_a_member_of_objects_is_no_known_sample(evaluate: Evaluator) -> None:
    answer = evaluate.settings("httpNodeAuth: {user: 'u', pass: 'constructor'}")
    assert answer["httpNodeAuth"]["hash"] == {"scheme": "other", "cost": 0, "known": "", "mark": ""}


def test_the_environment_is_the_running_processs(evaluate: Evaluator) -> None:
    answer = evaluate.settings(
        "credentialSecret: process.env.PLANT_SECRET, uiPort: process.env.PORT || 1880, "
        "httpAdminRoot: process.env.NODE_OPTIONS ? '/admin' : '/wrong'"  # seen, and not acted upon
    )
    assert (answer["credentialSecret"], answer["uiPort"], answer["httpAdminRoot"]) == ("set", "1880", "/admin")
    assert "from-the-environment" not in evaluate.raw
    assert evaluate.settings("credentialSecret: process.env.MISSING")["credentialSecret"] == "unset"


def test_arguments_that_a_unit_leaves_to_the_environment_are_followed(evaluate: Evaluator) -> None:
    (evaluate.folder / "line.js").write_text("module.exports = {httpAdminRoot: '/line'};")
    seen = evaluate("module.exports = {};", userDir="", args=["node-red-pi", "$NODE_RED_OPTIONS"])
    assert (seen["settings"]["httpAdminRoot"], seen["define"], seen["inspectors"]) == ("/line", True, [9230])
    assert evaluate("module.exports = {};", args=["node-red-pi", "${NOTHING}"])["define"] is False


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["-s", "A", "-s", "B"], "b"),  # the last counts
        (["/usr/bin/node-red", "--set", "B"], "b"),  # what only one option begins with
        (["-settings=B"], "b"),
        (["node", "--stack-size", "9", "/opt/node-red/red.js", "-vs", "B"], "b"),  # letters together
        (["node-red", "--unknown", "-s", "B", "--", "-s", "A"], "b"),
        (["/opt/start.sh", "-s", "B"], "b"),
        (["-u", "A", "--userDir", "C"], "c"),
    ],
)
def test_arguments_are_taken_as_node_red_takes_them(args: list[str], expected: str, evaluate: Evaluator) -> None:
    places = {"A": "a.js", "B": "b.js", "C": "c"}
    (evaluate.folder / "c").mkdir()
    for name in ("a.js", "b.js", "c/settings.js"):
        (evaluate.folder / name).write_text(f"module.exports = {{httpAdminRoot: '/{name[0]}'}};")
    given = [re.sub(r"\b([ABC])$", lambda match: str(evaluate.folder / places[match[1]]), word) for word in args]
    assert evaluate("module.exports = {};", userDir="", args=given)["settings"]["httpAdminRoot"] == f"/{expected}"


def test_which_settings_run_is_not_guessed_where_others_may(evaluate: Evaluator) -> None:
    (evaluate.folder / ".node-red").mkdir()
    (evaluate.folder / ".node-red" / "settings.js").write_text("module.exports = {};")
    here = [str(evaluate.folder / name) for name in (".node-red/settings.js", "settings.js")]
    seen = evaluate("module.exports = {};", userDir="")
    assert (seen["others"], seen["starter"]) == (here, "")
    assert evaluate("module.exports = {};", userDir="", manager="pm2")["starter"] == "pm2"
    assert evaluate("module.exports = {};", userDir="", args=["/opt/start.sh", "prod"])["starter"] == "/opt/start.sh"
    seen = evaluate("module.exports = {};", userDir="", manager="pm2", settingsFile=here[0])
    assert (seen["others"], seen["starter"], seen["file"]) == ([], "", here[0])
    seen = evaluate("module.exports = {};", userDir="", args=["/usr/bin/node-red"])
    assert (seen["others"], seen["starter"]) == (here[:1], "")


def test_a_directory_that_an_argument_names_outweighs_the_files_own(evaluate: Evaluator) -> None:
    (evaluate.folder / "own").mkdir()
    seen = evaluate("module.exports = {userDir: 'own'};", userDir="", args=["-u", "."])
    assert seen["userDir"] == str(evaluate.folder)
    seen = evaluate("module.exports = {userDir: 'own'};", userDir="", args=["-s", "settings.js"])
    assert seen["userDir"] == str(evaluate.folder / "own")


def test_pages_of_dashboard_2_are_where_its_flows_say(evaluate: Evaluator) -> None:
    nodes = [{"type": "ui-base", "path": "/hmi"}, {"type": "ui-base"}, {"type": "ui-base", "path": "/x", "d": True}]
    (evaluate.folder / "flows.json").write_text(json.dumps(nodes))
    assert evaluate("module.exports = {};")["types"]["pages"] == ["/hmi", "/dashboard"]


def test_where_its_arguments_are_known_no_other_place_is_guessed(evaluate: Evaluator) -> None:
    assert "settings" in evaluate("module.exports = {};", userDir="")  # the working directory, for want of arguments
    seen = evaluate("module.exports = {};", userDir="", args=["node-red"])
    assert seen["file"] == str(evaluate.folder / ".node-red" / "settings.js")
    assert (
        seen["trouble"]
        == "there is no such file that Node-RED's user can reach; name it with the host's settings_file in the policy"
    )


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


def test_a_default_that_is_a_function_is_called_one(evaluate: Evaluator) -> None:
    """Simulated after FlowFuse: who a stranger is, is decided at run time."""
    answer = evaluate.settings("adminAuth: {type: 'strategy', strategy: {}, default: async () => ({permissions: '*'})}")
    assert answer["adminAuth"]["defaultKind"] == "function"


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


def test_a_value_that_never_ends_is_ended_from_outside(evaluate: Evaluator) -> None:
    seen = evaluate("module.exports = {uiPort: {toString() { while (true) {} }}};", limit=200)
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
    paths = {
        kind: [file["steps"][0]["path"].removeprefix(str(folder.resolve())) for file in many]
        for kind, many in kinds.items()
    }
    assert paths == {
        "settings": ["/settings.js"],
        "flows": ["/lab.json", "/.lab.json.backup"],
        "credentials": ["/lab_cred.json"],
        "sessions": ["/.sessions.json"],
        "runtime config": ["/.config.runtime.json"],
        "context": ["/context/global/global.json"],
        "projects": ["/projects/line/.git/config"],
        "code": ["/node_modules", "/node_modules/node-red-contrib-b"],  # all, and those that others may change
        "ssh keys": ["/projects/.sshkeys/__plant"],
        "environment files": [],
    }
    assert kinds["flows"][0]["steps"][-1]["path"] == "/"


def test_what_node_red_itself_can_change_is_told_of_the_file_the_link_and_all_above(evaluate: Evaluator) -> None:
    real = evaluate.folder / "of_root"
    real.mkdir()
    (real / "line.js").write_text("module.exports = {};")
    (evaluate.folder / "linked.js").symlink_to("of_root/line.js")
    seen = evaluate("", settingsFile=str(evaluate.folder / "linked.js"))["kinds"]["settings"]
    chains = [[step["path"] for step in entry["steps"]] for entry in seen]
    parents = [str(path) for path in (real / "line.js").resolve().parents]
    assert [str(real / "line.js"), *parents] in chains
    assert [str(evaluate.folder / "linked.js"), *parents[1:]] in chains
    [link] = [entry["steps"][0] for entry in seen if entry["steps"][0]["path"].endswith("linked.js")][:1]
    assert (link["mode"], link["own"]) == (0, False)  # a link is replaced, not written
    assert seen[0]["steps"][0]["own"] is True
    assert [step["own"] for step in seen[0]["steps"] if step["path"] == str(real)] == [True]
    assert {step["mount"] for step in seen[0]["steps"] if step["path"] == "/"} == {True}


def test_an_access_control_list_is_seen(evaluate: Evaluator) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("no setfacl here: apt install acl")
    evaluate.settings("")
    before = evaluate("module.exports = {};")["kinds"]["settings"][0]["steps"]
    given = ["setfacl", "-m", "u:nobody:r", str(evaluate.folder / "settings.js")]
    subprocess.run(given, check=True)
    after = evaluate("module.exports = {};")["kinds"]["settings"][0]["steps"]
    assert [step["acl"] for step in before] == [False] * len(before)
    assert [step["acl"] for step in after] == [True] + [False] * (len(after) - 1)


def test_a_date_that_was_kept_does_not_hide_a_change(evaluate: Evaluator) -> None:
    file = evaluate.folder / "kept.js"
    file.write_text("module.exports = {};")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    [loaded] = evaluate("", args=["-s", str(file)])["loaded"]
    assert loaded["changed"] > 1_700_000_000


def test_the_sample_secret_is_known(evaluate: Evaluator) -> None:
    assert evaluate.settings("credentialSecret: 'a-secret-key'")["credentialSecret"] == "published"
    assert evaluate.settings("credentialSecret: 'of our own'")["credentialSecret"] == "set"


def test_credentials_lie_in_the_user_directory_or_beside_the_flows(evaluate: Evaluator) -> None:
    """Of a flow file elsewhere, Node-RED 4 keeps them in the user directory, 5 beside it unless they are there."""
    apart = evaluate.folder / "line"
    apart.mkdir()
    for file in (apart / "flow.json", apart / "flow_cred.json", evaluate.folder / "flow_cred.json"):
        file.write_text("[]")
    credentials = evaluate(f"module.exports = {{flowFile: '{apart}/flow.json'}};")["kinds"]["credentials"]
    assert [credential["asked"] for credential in credentials] == [
        f"{apart}/flow_cred.json",
        f"{evaluate.folder}/flow_cred.json",
    ]
    (apart / "package.json").write_text('{"node-red": {"settings": {"credentialsFile": "own.json"}}}')
    (apart / "own.json").write_text("{}")
    credentials = evaluate(f"module.exports = {{flowFile: '{apart}/flow.json'}};")["kinds"]["credentials"]
    assert f"{apart}/own.json" in [credential["asked"] for credential in credentials]


@pytest.mark.parametrize(
    ("body", "key", "value"),
    [
        ("telemetry: {enabled: false}", "telemetry", "off"),
        ("telemetry: {enabled: 'false'}", "telemetry", "on"),  # as Node-RED reads it
        ("telemetry: {enabled: null}", "telemetry", "off"),
        ("telemetry: {}", "telemetry", "unset"),
        ("telemetry: {enabled: require('unleash').isEnabled('t')}", "telemetry", "computed"),
        ("", "catalogues", ["catalogue.nodered.org"]),
        ("editorTheme: {palette: {catalogues: []}}", "catalogues", []),
        ("editorTheme: {palette: {catalogues: ['https://u:s3cr3t@npm.plant:8443/c.json', '/c.json']}}", "catalogues",
         ["npm.plant:8443", "a relative address"]),
        ("editorTheme: {palette: require('theme')}", "catalogues", None),
        ("editorTheme: {palette: {catalogues: require('theme').list}}", "catalogues", None),
        ("flowforge: {assistant: {enabled: false}}", "assistant", "off"),
        ("flowforge: {}", "assistant", "unset"),
        ("httpAdminCookieOptions: {secure: true, sameSite: 'None', httpOnly: false}", "adminCookie",
         ["httpOnly: false", 'sameSite: "none"']),
        ("httpAdminCookieOptions: {name: 'x'}", "adminCookie", []),
        ("httpNodeCors: {origin: '*', methods: 'GET'}", "cors", []),  # with it no browser shows what a login opened
        ("httpNodeCors: {origin: true, credentials: true}", "cors", ["httpNodeCors"]),
        ("httpStaticCors: {origin: ['https://a.example'], credentials: true}", "cors", []),
        ("httpStatic: [{path: '/srv', cors: {origin: true, credentials: true}}]", "cors", ["httpStatic"]),
    ],
)  # fmt: skip
def test_what_leaves_and_what_lets_others_in(body: str, key: str, value: object, evaluate: Evaluator) -> None:
    assert evaluate.settings(body)[key] == value
    assert "s3cr3t" not in evaluate.raw


@pytest.mark.parametrize(
    ("written", "args", "expected"),
    [
        (None, [], {"chosen": "unset", "silenced": False}),
        ('{"telemetryEnabled": true}', ["node-red", "--no-telemetry"], {"chosen": "on", "silenced": True}),
        ('{"telemetryEnabled": false}', [], {"chosen": "off", "silenced": False}),
        ('{"instanceId": "1"}', [], {"chosen": "unset", "silenced": False}),
        ("{", [], {"chosen": "computed", "silenced": False}),
    ],
)
def test_telemetry_is_what_a_user_chose(
    written: str | None, args: list[str], expected: dict[str, object], evaluate: Evaluator
) -> None:
    if written is not None:
        (evaluate.folder / ".config.runtime.json").write_text(written)
    assert evaluate("module.exports = {};", args=args)["telemetry"] == expected


def test_what_node_red_made_for_itself_is_told_as_a_digest(evaluate: Evaluator) -> None:
    instance, secret = "0123456789abcdef", "ab" * 32
    (evaluate.folder / ".config.runtime.json").write_text(
        json.dumps({"instanceId": instance, "_credentialSecret": secret})
    )
    told = evaluate("module.exports = {};")["telemetry"]
    for name, value in (("instance", instance), ("secret", secret)):
        assert told[name] == hashlib.sha256(f"nodered-sec\n{value}".encode()).hexdigest()
        assert value not in evaluate.raw


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


# --- what it reads, it really reads


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_decides_is_really_looked_for(there: bool, evaluate: Evaluator) -> None:
    if there:
        (evaluate.folder / "secret").write_text("hunter2-of-the-plant")
    seen = evaluate(
        f"""
        const fs = require("node:fs"), secret = "{evaluate.folder}/secret";
        module.exports = {{ credentialSecret: "a-secret-key" }};
        if (fs.existsSync(secret)) {{
          module.exports.credentialSecret = fs.readFileSync(secret, "utf8").trim();
          module.exports.adminAuth = {{ type: "credentials", users: [{{ password: "{HASH}" }}] }};
        }}
        try {{ fs.statSync(secret); }} catch {{ module.exports.uiPort = 1; }}
        """
    )
    settings = seen["settings"]
    assert settings["credentialSecret"] == ("set" if there else "published")
    assert settings["adminAuth"]["kind"] == ("set" if there else "unset")
    assert settings["uiPort"] == ("" if there else "1")
    assert "hunter2" not in evaluate.raw


def test_only_small_regular_files_are_read(evaluate: Evaluator) -> None:
    os.mkfifo(evaluate.folder / "pipe")
    seen = evaluate(f"module.exports = {{ x: require('fs').readFileSync('{evaluate.folder}/pipe') }};")
    assert "which is no small file" in seen["trouble"]
    seen = evaluate("module.exports = { x: require('fs').readFileSync('/dev/zero') };")
    assert "which is no small file" in seen["trouble"]


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


def test_one_user_that_is_no_list(evaluate: Evaluator) -> None:
    users = evaluate.settings(
        f"adminAuth: {{type: 'credentials', users: {{username: 'a', password: '{SAMPLE_HASH}'}}}}"
    )
    assert [bool(user["hash"]["known"]) for user in users["adminAuth"]["users"]] == [True]


def test_an_empty_list_guards_nothing(evaluate: Evaluator) -> None:
    answer = evaluate.settings("ui: {middleware: [], ioMiddleware: [() => 1]}, dashboard: {ioMiddleware: []}")
    assert (answer["ui"]["middleware"], answer["ui"]["ioMiddleware"]) == ("unset", "set")
    assert answer["dashboard"]["ioMiddleware"] == "unset"


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


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("module.exports = (async () => { await 1; return {adminAuth: LOGIN}; })();", "it exports a Promise"),
        ("module.exports = new Promise(() => {});", "it exports a Promise"),
        ("module.exports = Promise.reject(new Error('x'));", "it exports a Promise"),
        ("module.exports = () => ({adminAuth: LOGIN});", "it exports a function"),
        ("exports.__esModule = true; exports.default = {adminAuth: LOGIN};", "it exports its settings as `default`"),
    ],
)
def test_forms_of_which_node_red_takes_no_settings(text: str, form: str, evaluate: Evaluator) -> None:
    """A real Node-RED 5 that is given one of these serves /flows to anybody."""
    seen = evaluate(text.replace("LOGIN", LOGIN))
    assert seen["form"].startswith(form)
    assert seen["settings"]["adminAuth"]["kind"] == "unset"


def test_a_default_beside_the_same_settings_is_no_other_form(evaluate: Evaluator) -> None:
    text = (
        f"module.exports = {{adminAuth: {LOGIN}}}; module.exports.default = module.exports; exports.__esModule = true;"
    )
    seen = evaluate(text)
    assert (seen["form"], seen["settings"]["adminAuth"]["kind"]) == ("", "set")


@pytest.mark.parametrize("text", ["export default {};", "import os from 'node:os'; export const uiPort = 1880;"])
def test_es_modules_are_named(text: str, evaluate: Evaluator) -> None:
    """Of a real Node-RED 5 they end the start: it needs an object of its own."""
    assert "is an ES module, which is not evaluated here" in evaluate(text)["trouble"]
    (evaluate.folder / "auth.mjs").write_text(text)
    trouble = evaluate("module.exports = {adminAuth: require('./auth.mjs').default};")["trouble"]
    assert "auth.mjs is an ES module" in trouble


@pytest.mark.parametrize(
    ("body", "key", "value"),
    [
        ("httpAuth: {user: 'u', pass: 'hunter2'}", "httpAdminAuth.kind", "set"),  # for both roots that have none
        ("httpAuth: {user: 'u', pass: 'hunter2'}", "httpNodeAuth.hash.scheme", "other"),
        ("httpNodeAuth: [(q, r, next) => next()]", "httpNodeAuth.kind", "function"),
        ("adminAuth: {module: LOGIN}", "adminAuth.type", "credentials"),
        ("adminAuth: {module: {...LOGIN, default: {permissions: '*'}}}", "adminAuth.defaultPermissions", "*"),
        ("adminAuth: {type: 'credentials', module: require('node-red-auth-github')({})}", "adminAuth.kind", "computed"),
        ("adminAuth: {...LOGIN, authenticate: async () => ({}), tokens: () => 0}", "adminAuth.decides",
         ["authenticate", "tokens"]),
        ("adminAuth: LOGIN", "adminAuth.decides", []),
        ("disableEditor: process.env.HOME", "disableEditor", True),  # as Node-RED asks: whatever is not empty
        ("disableEditor: ''", "disableEditor", False),
        ("logging: {console: {audit: 'yes'}}", "audit", True),
        ("logging: {file: {audit: true, handler: () => () => 0}}", "audit", True),
        ("logging: {file: {audit: true}}", "audit", False),  # without a handler Node-RED makes none
        ("ui: {middleware: true}", "ui.middleware", "unset"),  # which dashboards pass over
        ("ui: {middleware: 'auth'}", "ui.middleware", "unset"),
        ("ui: {ioMiddleware: [(s, n) => n(), null]}", "ui.ioMiddleware", "unset"),
        ("ui: {ioMiddleware: [require('theme').guard]}", "ui.ioMiddleware", "computed"),
        ("httpRoot: '/x'", "httpAdminRoot", "/x"),
        ("httpRoot: '/x', httpAdminRoot: '/a'", "httpAdminRoot", "/a"),
        ("httpRoot: '/x', httpAdminRoot: false", "httpAdminRoot", "false"),
        ("httpRoot: false, httpNodeRoot: '/a'", "httpNodeRoot", "false"),
        ("credentialSecret: `${process.env.NOT_SET}`", "credentialSecret", "missing"),
        ("credentialSecret: String({})", "credentialSecret", "missing"),
    ],
)  # fmt: skip
def test_keys_are_read_as_node_red_reads_them(body: str, key: str, value: object, evaluate: Evaluator) -> None:
    answer: Any = evaluate.settings(body.replace("LOGIN", LOGIN))
    for name in key.split("."):
        answer = answer[name]
    assert answer == value


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


def test_files_are_found_by_the_endings_that_node_knows(evaluate: Evaluator) -> None:
    (evaluate.folder / "more.cjs").write_text("module.exports = {uiPort: 1};")
    assert "which is not there" in evaluate("module.exports = require('./more');")["trouble"]
    (evaluate.folder / "more.json").write_text('{"uiPort": 2}')
    assert evaluate("module.exports = require('./more');")["settings"]["uiPort"] == "2"


def test_a_link_is_followed_as_node_does(evaluate: Evaluator) -> None:
    (evaluate.folder / "..data").mkdir()
    (evaluate.folder / "..data" / "line.js").write_text("module.exports = {adminAuth: require('./auth.js')};")
    (evaluate.folder / "..data" / "auth.js").write_text("module.exports = {type: 'credentials', users: []};")
    (evaluate.folder / "auth.js").write_text("module.exports = false;")
    (evaluate.folder / "linked.js").symlink_to("..data/line.js")
    seen = evaluate("", args=["-s", str(evaluate.folder / "linked.js")])
    assert seen["settings"]["adminAuth"]["kind"] == "set"


def test_what_others_can_change_is_not_run(evaluate: Evaluator) -> None:
    (evaluate.folder / "open.js").write_text("module.exports = 1;")
    (evaluate.folder / "open.js").chmod(0o666)
    seen = evaluate("module.exports = {x: require('./open')};")
    assert "others than Node-RED's user can change" in seen["trouble"]


@pytest.mark.parametrize(
    "text",
    [
        "const e = new Error('x'); e.name = 'fine, all is well'; throw e;",
        "throw new Error('settings.js calls process.exit(0)');",
        "throw {get name() { throw 1; }, message: 'evil requires x, which is not there'};",
        "const e = new Error(); e.code = 'ERR'; e.name = 'hunter2'; throw e;",
    ],
)
def test_no_settings_word_our_messages(text: str, evaluate: Evaluator) -> None:
    assert evaluate(text)["trouble"] in ("it throws something", "it throws Error")


def test_places_come_back_typed(evaluate: Evaluator) -> None:
    answer = evaluate.settings("uiPort: 'hunter2 x', httpAdminRoot: '/x y', httpNodeRoot: '/plant-1'")
    assert (answer["uiPort"], answer["httpAdminRoot"], answer["httpNodeRoot"]) == (
        "(no port)", "(of unusual form)", "/plant-1",
    )  # fmt: skip


def test_which_flows_run(evaluate: Evaluator) -> None:
    folder = evaluate.folder
    for name, path in (("flows.json", "default"), ("prod.json", "prod"), ("projects/line/red.json", "line")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps([{"type": "websocket-listener", "path": f"/ws/{path}"}]))
    (folder / "projects/line/package.json").write_text('{"node-red": {"settings": {"flowFile": "red.json"}}}')
    (folder / ".config.projects.json").write_text('{"projects": {"line": {}}, "activeProject": "line"}')
    plain, projects = "module.exports = {};", "module.exports = {editorTheme: {projects: {enabled: true}}};"
    for text, args, expected in (
        (plain, ["node-red"], "default"),
        (plain, ["/opt/node-red/red.js", "--userDir", "/data", "-v", "prod.json"], "prod"),
        ("module.exports = {flowFile: 'prod.json'};", [], "prod"),
        (plain, ["red.js", "--userDir", "/data", "$FLOWS", "prod.json"], "prod"),  # of entrypoint.sh, without FLOWS
        (projects, [], "line"),
    ):
        seen = evaluate(text, args=args)
        assert seen["types"]["webSockets"] == [f"/ws/{expected}"]
        assert [child["path"] for child in seen["flows"]["nodes"]] == [f"/ws/{expected}"]
