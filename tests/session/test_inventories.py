"""Inventories in a run: read once, bounded, without our secrets, and not at all where a run is judged again."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.policy.toml import toml
from pytest_nodered_sec.session import inventories
from pytest_nodered_sec.session.state import TARGETS

if TYPE_CHECKING:
    from session.conftest import Site

    from pytest_nodered_sec import Target

ROWS = [{"name": "north", "url": "https://north.example", "labels": {"site": "n"}, "connect": "127.0.0.1:9"}]
PRINTS = f"import json, os; print({json.dumps(json.dumps(ROWS))})"


def policy(pytester: pytest.Pytester, text: str) -> None:
    pytester.makeini("[pytest]")
    (pytester.path / "nodered-sec.toml").write_text(text, encoding="utf-8")


def command(*words: str) -> str:
    return f"[[inventory]]\ncommand = {toml(list(words))}\n"


def targets(pytester: pytest.Pytester, *args: str) -> tuple[Target, ...]:
    return pytester.parseconfigure("-p", "no:randomly", *args).stash[TARGETS]


def said(pytester: pytest.Pytester) -> str:
    with pytest.raises(pytest.UsageError) as caught:
        targets(pytester)
    return str(caught.value)


def test_targets_are_the_files_and_the_inventorys(pytester: pytest.Pytester) -> None:
    group = "[[group]]\nlabel = 'site=n'\nprofile = 'strict'\n"
    policy(pytester, f"[[target]]\nurl = 'https://own.example'\n{command(sys.executable, '-c', PRINTS)}{group}")
    own, north = targets(pytester)
    assert (own.name, own.policy.profile) == ("own.example", "production")
    assert (north.name, north.url, north.connect) == ("north", "https://north.example", "127.0.0.1:9")
    assert (dict(north.labels), north.policy.profile) == ({"site": "n"}, "strict")
    assert [target.name for target in targets(pytester, "--nodered-target=site=n")] == ["north"]
    [by_url] = targets(pytester, "--nodered-url=https://north.example")
    assert by_url.policy.profile == "strict"


def test_a_file_lies_beside_the_policy_file(pytester: pytest.Pytester) -> None:
    (pytester.path / "list.json").write_text("\ufeff" + json.dumps(ROWS), encoding="utf-8")
    policy(pytester, "[[inventory]]\nfile = 'list.json'\n")
    (pytester.path / "below").mkdir()
    assert [target.name for target in targets(pytester, "below")] == ["north"]
    policy(pytester, "[[inventory]]\nfile = 'gone.csv'\n")
    assert said(pytester) == "nodered-sec.toml: [[inventory]] gone.csv: cannot be read (No such file or directory)"
    (pytester.path / "gone.csv").write_bytes(b"\xff")
    assert said(pytester).endswith("gone.csv: is not UTF-8 text: save it as such (Excel: CSV UTF-8)")


def test_no_label_of_a_group_stands_alone(pytester: pytest.Pytester) -> None:
    policy(pytester, command(sys.executable, "-c", PRINTS) + "[[group]]\nlabel = 'site=x'\nprofile = 'strict'\n")
    assert said(pytester) == "nodered-sec.toml: [[group]]: no target of file or inventory has the label site=x"


def test_a_name_is_there_once(pytester: pytest.Pytester) -> None:
    own = "[[target]]\nname = 'north'\nurl = 'https://own.example'\n"
    policy(pytester, own + command(sys.executable, "-c", PRINTS))
    place = f"nodered-sec.toml: [[inventory]] {sys.executable}: a target called north is in"
    assert said(pytester) == f"{place} the policy file as well; remove one"
    (pytester.path / "list.csv").write_text("name,url\nsouth,https://south.example\nnorth,https://north.example\n")
    policy(pytester, "[[inventory]]\nfile = 'list.csv'\n" + command(sys.executable, "-c", PRINTS))
    assert said(pytester) == f"{place} list.csv as well; remove one"


def test_a_command_gets_none_of_our_secrets_and_no_shell(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NODERED_TOKEN", "PLANT_A_PASSWORD", "VAULT_TOKEN"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("CMDB_URL", "here")
    shows = f"import os; open('environment', 'w').write(repr(dict(os.environ))); {PRINTS}"
    policy(pytester, command(sys.executable, "-c", shows, "; touch evil", "$(touch evil)"))
    targets(pytester)
    seen = (pytester.path / "environment").read_text()
    assert "hunter2" not in seen
    assert "CMDB_URL" not in seen
    assert not (pytester.path / "evil").exists()
    policy(pytester, command(sys.executable, "-c", shows) + 'environment = ["CMDB_URL"]\n')
    targets(pytester)
    assert "'CMDB_URL': 'here'" in (pytester.path / "environment").read_text()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import sys; print('hunter2'); sys.exit(3)", "ended with status 3; run it by hand to see why, and name*"),
        (
            "import os; os.kill(os.getpid(), 9)",
            "ended by signal 9; run it by hand to see why, and name further variables*",
        ),
        ("while True: print('x' * 10000)", "is larger than 0 MiB"),
        ("import time; time.sleep(60)", "took over 2 s"),
        (
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(9)'])",
            "took over 2 s",
        ),
        ("import os, time; os.close(1); time.sleep(60)", "took over 2 s"),
        ("print('hunter2 {')", "is not JSON at line 1, column 1; the command has to print JSON*"),
        ("import sys; sys.stdout.buffer.write(bytes([255]))", "is not UTF-8 text: make the command print such"),
    ],
)
def test_a_command_is_bounded(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    monkeypatch.setattr(inventories, "MOST_BYTES", 100_000)
    monkeypatch.setattr(inventories, "SECONDS", 2)
    policy(pytester, command(sys.executable, "-c", code))
    lines = pytest.LineMatcher([said(pytester)])
    lines.fnmatch_lines([f"nodered-sec.toml: [[][[]inventory]] {sys.executable}: {sentence}"])
    assert "hunter2" not in str(lines)


def test_a_command_that_is_not_there(pytester: pytest.Pytester) -> None:
    policy(pytester, command("no-such-program"))
    assert said(pytester).endswith("no-such-program: cannot be run: No such file or directory")


def test_the_command_runs_once_whatever_the_number_of_workers(site_with_control: Site) -> None:
    counts = f"open('ran', 'a').write('x'); {PRINTS}"
    (site_with_control.path / "nodered-sec.toml").write_text(command(sys.executable, "-c", counts), encoding="utf-8")
    ran = site_with_control.path / "ran"
    only = ("--nodered-suite=off", "test_site.py", "-k", "good")
    result = site_with_control.run(*only, "-n2", "--nodered-evidence=ev", url=None)
    result.assert_outcomes(passed=1)
    assert ran.read_text() == "x"
    result = site_with_control.run(*only, "--nodered-replay=ev", "--nodered-policy=nodered-sec.toml", url=None)
    result.stdout.fnmatch_lines(["*judged 1 case again (ev, *"])
    assert ran.read_text() == "x", "a replay runs nothing"
