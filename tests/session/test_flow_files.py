"""Files of flows as targets: the same controls and ids, and nothing of a secret in anything that a run leaves."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

import pytest
from flow_pairs import PAIRS, SECRET, function, node, tab

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.flows import file

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.observations.flows import FlowsRead

NODES = PAIRS["command"][1]
SECRETS = [node for name in PAIRS for node in PAIRS[name][1] if PAIRS[name][0] == {("flow-03", "secret-in-clear")}]
SECRETS += [
    node("curl", "exec", command=f"curl -u plc:{SECRET} https://plc.example/"),
    node("sql", "odd", connection=f"Server=plc.example;Password={SECRET}", url=f"https://plc.example/?apikey={SECRET}"),
    function(f"msg.login = btoa('plc:{SECRET}');", ident="login"),
]
MODULES = "ghp_" + "Ab3dEf6hIj" * 4


def read(place: Path) -> FlowsRead:
    return file.read(str(place))


def test_a_run_judges_each_file_alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    told = [*SECRETS, function("return msg;", ident="named", name=MODULES), tab("other", label=MODULES)]
    (pytester.path / "secrets.json").write_text(json.dumps(told))
    (pytester.path / "weak.json").write_text(json.dumps(NODES))
    (pytester.path / "clean.json").write_text(json.dumps([tab()]))
    names = ("secrets.json", "weak.json", "clean.json")
    files = [f"--nodered-flows={name}" for name in names]
    reports = ["--nodered-evidence=ev", "--nodered-hdf=run.hdf", "--nodered-report=run.html", "--junitxml=out.xml"]
    reports += ["--nodered-sarif=run.sarif", "--nodered-codequality=quality.json"]
    result = pytester.runpytest_subprocess("-v", "--nodered-job-summary", *files, *reports)
    result.stdout.fnmatch_lines(["*3 targets * 0 errors*"])
    lines = result.stdout.str()
    for ending in (
        "test_flows.py::test_flows_show_no_secret[[]secrets.json[]] FAILED*",
        "test_flows.py::test_flows_run_nothing_that_strangers_send[[]weak.json[]] FAILED*",
        "test_endpoints.py::test_ways_in_are_declared[[]weak.json[]] FAILED*",
        "test_flows.py::test_flows_run_nothing_that_strangers_send[[]clean.json[]] PASSED*",
    ):
        result.stdout.fnmatch_lines([f"nodered-sec/{ending}"])
    assert "test_tls.py" not in lines
    result.assert_outcomes(passed=12, failed=3)
    left = [path for path in pytester.path.rglob("*") if path.is_file() and path.name not in names]
    assert {"out.xml", "run.hdf", "run.html", "run.sarif", "quality.json", "summary.md"} <= {path.name for path in left}
    for path in left:
        content = path.read_bytes()
        for secret in (SECRET, MODULES, "9f2c41d8a7b0e635c1d4"):
            assert secret.encode() not in content, path
            assert secret not in lines


def test_an_evidence_folder_of_flows_is_judged_again(pytester: pytest.Pytester) -> None:
    (pytester.path / "weak.json").write_text(json.dumps(NODES))
    pytester.runpytest_subprocess("--nodered-flows=weak.json", "--nodered-evidence=ev")
    (pytester.path / "weak.json").unlink()
    again = pytester.runpytest_subprocess("--nodered-replay=ev")
    again.assert_outcomes(passed=3, failed=2)


def test_a_policy_says_what_is_protected(pytester: pytest.Pytester) -> None:
    (pytester.path / "weak.json").write_text(json.dumps(NODES))
    declared = 'protected_paths = [{path = "/run", method = "POST", effect = "acts"}]'
    (pytester.path / "nodered-sec.toml").write_text(f'{declared}\n[[target]]\nurl = "https://plc.example"\n')
    pytester.runpytest_subprocess("--nodered-flows=weak.json").assert_outcomes(passed=5)


def test_what_is_no_file_is_wrong_use(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--nodered-flows=nothing.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --nodered-flows=nothing.json: there is no such file or folder"])


def test_what_is_not_json_is_wrong_use(pytester: pytest.Pytester) -> None:
    (pytester.path / "flows").mkdir()
    (pytester.path / "flows" / "bad.json").write_text('[{"id": "a"},\n  nonsense]')
    for place in ("flows", "flows/bad.json"):
        result = pytester.runpytest_inprocess("-p", "no:randomly", f"--nodered-flows={place}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        said = "ERROR: --nodered-flows: flows/bad.json is not JSON: line 2, column 3: Expecting value"
        result.stderr.fnmatch_lines([said])


def test_what_holds_no_flows_could_not_be_looked_at(pytester: pytest.Pytester) -> None:
    (pytester.path / "package.json").write_text('{"name": "plant"}')
    (pytester.path / "none.json").write_text("[]")
    result = pytester.runpytest_subprocess("--nodered-flows=package.json", "--nodered-flows=none.json")
    result.assert_outcomes(errors=10)
    result.stdout.fnmatch_lines(
        [f"*{name}.json holds no flows of Node-RED: name the file where *" for name in ("none", "package")]
    )


def test_a_plan_sends_nothing(pytester: pytest.Pytester) -> None:
    (pytester.path / "weak.json").write_text(json.dumps(NODES))
    result = pytester.runpytest_subprocess("--nodered-flows=weak.json", "--nodered-plan")
    result.stdout.fnmatch_lines(["weak.json: weak.json is read, nothing is sent"])


def test_two_files_of_one_name_are_told_apart(pytester: pytest.Pytester) -> None:
    for folder in ("a", "b"):
        (pytester.path / folder).mkdir()
        (pytester.path / folder / "flows.json").write_text(json.dumps([tab()]))
    result = pytester.runpytest_subprocess("-v", "--nodered-flows=a/flows.json", "--nodered-flows=b/flows.json")
    result.assert_outcomes(passed=10)
    result.stdout.fnmatch_lines(
        ["*show_no_secret[[]a/flows.json[]] PASSED*", "*show_no_secret[[]b/flows.json[]] PASSED*"]
    )


# --- what a file may be


def test_flows_in_every_form(tmp_path: Path) -> None:
    inside = [node for node in NODES if node["type"] != "tab"]
    forms = (
        NODES,
        {"rev": "1", "flows": NODES},
        {"id": "tab", "label": "Line", "nodes": inside, "configs": []},
    )
    for number, form in enumerate(forms):
        place = tmp_path / f"{number}.json"
        place.write_text(json.dumps(form), encoding="utf-8-sig" if number else "utf-8")
        assert len(read(place).passages or ()) == 1


def test_a_folder_of_flows_that_were_split(tmp_path: Path) -> None:
    (tmp_path / "tabs" / "node_modules").mkdir(parents=True)
    (tmp_path / "tabs" / "line.json").write_text(json.dumps(NODES[:2]))
    (tmp_path / "exec.json").write_text(json.dumps(NODES[2]))
    (tmp_path / "flows_cred.json").write_text('{"$": "x"}')
    (tmp_path / "package-lock.json").write_text("no JSON")
    (tmp_path / "tabs" / "node_modules" / "x.json").write_text("no JSON")
    (tmp_path / "other.json").write_text('{"name": "x"}')
    flows_read = read(tmp_path)
    assert (flows_read.nodes, len(flows_read.passages or ())) == (3, 1)


def test_a_project_names_its_flow_file(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"node-red": {"settings": {"flowFile": "plant.json"}}}')
    (tmp_path / "plant.json").write_text(json.dumps(NODES))
    (tmp_path / "more.json").write_text(json.dumps(NODES))
    assert read(tmp_path).nodes == 3
    (tmp_path / "package.json").write_text('{"node-red": {"settings": {"flowFile": "../plant.json"}}}')
    assert read(tmp_path).nodes == 6  # never outside the folder


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not JSON: line 1, column 1"),
        (b"{", "is not JSON: line 1, column 2"),
        (b'["\xff"]', "is not JSON: not UTF-8 at byte 2"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "holds no "),
        (b"[1]", "holds no "),
        (b'{"a": 1}', "holds no "),
        (b'[{"id": "x"}]', "holds no "),
    ],
)
def test_what_is_no_flow_file(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    for place in (tmp_path / "x.json", tmp_path):
        with pytest.raises(ProbeError, match=why):
            read(place)
        with contextlib.nullcontext() if why == "holds no " else pytest.raises(ProbeError, match=why):
            file.check(str(place))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").symlink_to("missing.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ProbeError, match=r"x\.json cannot be read: No such file or directory"):
        file.check(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    file.check(str(tmp_path / "pipe"))


def test_files_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.json").write_text(json.dumps(NODES))
    for name in ("VALUES", "LIMIT"):
        monkeypatch.setattr(file, name, 10)
        for place in (tmp_path / "x.json", tmp_path):
            with pytest.raises(ProbeError, match="more than"):
                read(place)


def test_flows_alone_answer_no_request_of_a_test(pytester: pytest.Pytester) -> None:
    (pytester.path / "flows.json").write_text(json.dumps([tab()]))
    own = pytester.makepyfile("def test_own(nodered_http):\n    pass\n")
    result = pytester.runpytest_subprocess("-p", "no:randomly", "--nodered-flows=flows.json", "-k", "test_own", own)
    result.assert_outcomes(errors=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(["no target: flows alone answer no request; name a deployment with --nodered-url=*"])
