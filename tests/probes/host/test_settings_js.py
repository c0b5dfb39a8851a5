"""The evaluator of settings.js, by a real Node: hashes, arguments, and keys as Node-RED takes them."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from evaluator import HASH, LOGIN, Evaluator

from pytest_nodered_sec.data.known_secrets import PUBLISHED
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
        HASH[:-1],  # cut off
        f"{HASH}\\n",  # pasted with the end of the line
        HASH.replace("$12$", "$99$"),  # of a cost that bcrypt refuses
        HASH.replace("$12$", "$03$"),
        HASH.replace("$2y$", "$2$"),
        f"{HASH[:28]}P{HASH[29:]}",  # bits that bcrypt leaves 0, of the salt and of the hash
        f"{HASH[:-1]}D",
        "$2b$08$" + "x" * 53,
        "$2b$08$" + "u" * 53,  # which has the form
        "$2b$08$REPLACE.WITH.YOUR.HASHe0123456789.REPLACE.WITH.YOURS",
        f"{SAMPLE_HASH[:40]}AAAAA{SAMPLE_HASH[45:]}",  # the published one, altered
        SAMPLE_HASH.replace("$08$", "$12$"),
    ],
)
def test_what_cannot_be_a_bcrypt_hash_is_none(written: str, evaluate: Evaluator) -> None:
    body = f'adminAuth: {{type: "credentials", users: [{{password: "{written}"}}]}}, '
    answer = evaluate.settings(body + ", ".join(f'{key}: {{user: "u", pass: "{written}"}}' for key in BASIC))
    hashes = [answer["adminAuth"]["users"][0]["hash"], *(answer[key]["hash"] for key in BASIC)]
    assert hashes == [{"scheme": "other", "cost": 0, "known": "", "mark": ""}] * 4
    assert written not in evaluate.raw


@pytest.mark.parametrize("letter", "abxy")
def test_a_published_hash_is_one_whatever_version_it_names(letter: str, evaluate: Evaluator) -> None:
    answer = evaluate.settings(f"httpNodeAuth: {{user: 'u', pass: '$2{letter}${SAMPLE_HASH[4:]}'}}")
    assert answer["httpNodeAuth"]["hash"]["known"] == PUBLISHED[SAMPLE_HASH]


@pytest.mark.parametrize(
    "made",
    [
        "$2b$14$hUrLShXnKpVsM8gkNphkBeTDbwY6jSkqEhsygrq3YT2EpT0wZc3Km",  # bcryptjs 3.0
        "$2b$08$UEc.NPffzIjIm67PFonHwuVD5tYYnADfmgmyzrQNXfVr6ezJUUqt.",
        "$2b$08$sWZKHEZtLKrVblzwv5zx8ePAI1NVBYzH8r.MMMXdlYRbydc8K55OC",
        "$2b$08$GIFMiPsH0S48.emIGBx9qOzKnIV.vj3q.4x3sr2aJ0nmWHhLnNPNK",
        "$2y$08$1BVe9kfvygu9/RHjWtm22.lz/2FWWgWP/fGHX1x8NfbxovYcTgKQK",  # htpasswd
        "$2y$08$e8bqOVQ4IBGlBSjRR5LL1OZ.xjRz.A3a6zYgxQ5GZgkQn8xQe5hWe",
        "$2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG",  # Caddy
        "$2a$04$6lgDbSLZZAbLIzhvvjDfQu6kIbzcMqSwEc0GgpGPoF5wA0BxNEgzi",
    ],
)
def test_what_bcrypt_made_is_a_hash(made: str, evaluate: Evaluator) -> None:
    answer = evaluate.settings(f"httpNodeAuth: {{user: 'u', pass: '{made}'}}")
    seen = answer["httpNodeAuth"]["hash"]
    assert (seen["scheme"], seen["cost"]) == ("bcrypt", int(made[4:6]))


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
        == "there is no such file that Node-RED's user can reach; name it in the policy: [inside] settings_file"
    )


def test_a_default_that_is_a_function_is_called_one(evaluate: Evaluator) -> None:
    """Simulated after FlowFuse: who a stranger is, is decided at run time."""
    answer = evaluate.settings("adminAuth: {type: 'strategy', strategy: {}, default: async () => ({permissions: '*'})}")
    assert answer["adminAuth"]["defaultKind"] == "function"


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


def test_one_user_that_is_no_list(evaluate: Evaluator) -> None:
    users = evaluate.settings(
        f"adminAuth: {{type: 'credentials', users: {{username: 'a', password: '{SAMPLE_HASH}'}}}}"
    )
    assert [bool(user["hash"]["known"]) for user in users["adminAuth"]["users"]] == [True]


def test_an_empty_list_guards_nothing(evaluate: Evaluator) -> None:
    answer = evaluate.settings("ui: {middleware: [], ioMiddleware: [() => 1]}, dashboard: {ioMiddleware: []}")
    assert (answer["ui"]["middleware"], answer["ui"]["ioMiddleware"]) == ("unset", "set")
    assert answer["dashboard"]["ioMiddleware"] == "unset"


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


def test_places_come_back_typed(evaluate: Evaluator) -> None:
    answer = evaluate.settings("uiPort: 'hunter2 x', httpAdminRoot: '/x y', httpNodeRoot: '/plant-1'")
    assert (answer["uiPort"], answer["httpAdminRoot"], answer["httpNodeRoot"]) == (
        "(no port)", "(of unusual form)", "/plant-1",
    )  # fmt: skip
