"""Files that settings.js is, reads and lies beside: who can change them, which count, and whose flows run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from evaluator import HASH, Evaluator


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
