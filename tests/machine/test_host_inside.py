"""The host controls at a real Node-RED: through a real sshd, and as this machine; exactly which fail and err.

No systemd runs in a test machine's container, and what else it runs is its own affair: host-10, -11 and -14 are
proven on their own (tests/rules, tests/probes), here only Node-RED's. Nothing else may run beside the tests of this
directory: host-17 judges whatever nginx the machine has.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from sshlab import SSHD, SshLab
from suite_runs import run, with_outcome

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.lab.toolchain import node
from pytest_nodered_sec.probes.host.way import Way

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(SSHD is None and not os.environ.get("CI"), reason="no sshd here: apt install openssh-server"),
]

# the lab runs as whoever runs the tests, and its settings are theirs
OF_THE_LAB = {"host-02", "host-19"} if os.geteuid() == 0 else {"host-19"}
# what else runs here decides these, hostile users of machines that other tests boot included
MACHINE = {"host-00", "host-10", "host-11", "host-12", "host-13", "host-14", "host-15"}
EXPECTED = {
    "hardened": set(),
    "fresh": {"host-03", "host-04", "host-05", "host-06", "host-08", "host-09", "host-20"},
    "article": {"host-03", "host-04", "host-05", "host-06", "host-08", "host-09", "host-20"},
    "httpnodeauth": {"host-04", "host-06", "host-08", "host-09"},
    "adminoff": {"host-04", "host-06", "host-08", "host-09"},
    "noeditor-open": {"host-03", "host-04", "host-06", "host-08", "host-09"},
    "anonread": {"host-03", "host-04", "host-06", "host-08", "host-09"},
}


def of_host(controls: dict[str, set[str]], outcome: str) -> set[str]:
    return {control for control in with_outcome(controls, outcome) if control.startswith("host-")} - MACHINE


def test_exactly_these_controls_fail_on_this_machine(tmp_path: Path) -> None:
    specs = [f"--nodered-lab={name}" for name in EXPECTED]
    seen = run(tmp_path, "--nodered-host=local://", "-k", "test_host_", *specs)
    failing = {
        name.split("@")[0].removeprefix("lab-"): of_host(controls, "non-compliant") for name, controls in seen.items()
    }
    assert failing == {name: expected | OF_THE_LAB for name, expected in EXPECTED.items()}
    assert {name: of_host(controls, "could-not-look") for name, controls in seen.items()} == {
        name: set() for name in seen
    }


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshLab]:
    with SshLab(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def test_over_ssh_one_connection_and_a_handful_of_commands_tell_the_same(sshd: SshLab, tmp_path: Path) -> None:
    [seen] = run(tmp_path, f"--nodered-host={sshd.spec()}", "-k", "test_host_", "--nodered-lab=hardened").values()
    assert of_host(seen, "non-compliant") == OF_THE_LAB
    assert of_host(seen, "could-not-look") == set()
    assert of_host(seen, "compliant") >= {"host-01", "host-03"}  # host-00 tells of whatever else runs here
    assert sshd.connections() == 1
    assert sshd.commands() <= 3


def test_without_a_host_each_case_says_how_to_name_one(tmp_path: Path) -> None:
    [seen] = run(tmp_path, "-k", "test_host_", "--nodered-lab=fresh").values()
    assert {outcome for outcomes in seen.values() for outcome in outcomes} == {"not-judged"}


def reason_of(spec: str, seconds: float = 20.0) -> ProbeError:
    begun = time.monotonic()
    with Way(spec, seconds) as way, pytest.raises(ProbeError) as caught:
        way.run("true")
    assert time.monotonic() - begun < seconds + 2
    return caught.value


def test_a_wrong_key_a_stranger_and_nobody_are_told_apart(sshd: SshLab) -> None:
    assert "Permission denied (publickey)" in reason_of(sshd.spec(key="wrong")).message
    assert "Host key verification failed" in reason_of(sshd.spec(known="stranger")).message
    assert "Connection refused" in reason_of("ssh://ops@127.0.0.1:9").message
    assert (
        "no command can be run on host docker://no-such-container-here: "
        in reason_of("docker://no-such-container-here").message
    )
    with pytest.raises(ProbeError, match="Unknown connection type"):
        Way("telnet://plant.example", 1)


def test_a_host_that_never_answers_ends_at_the_time_limit(tmp_path: Path) -> None:
    with SshLab(tmp_path, ["ForceCommand sleep 30"]) as sshd:
        trouble = reason_of(sshd.spec(), seconds=2)
    assert trouble.cause is Cause.TIMEOUT
    assert trouble.message == f"host {sshd.spec().partition('?')[0]} did not answer within 2 s"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lend a login to somebody else")
@pytest.mark.parametrize("sudo", [False, True])
def test_a_login_without_rights_errs_and_names_what_is_missing(sudo: bool, tmp_path: Path) -> None:
    """The commands arrive with the rights of nobody, who may not use sudo."""
    nobody = 'ForceCommand setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"'
    (tmp_path / "sshd").mkdir()
    (tmp_path / "run").mkdir()
    with SshLab(tmp_path / "sshd", [nobody]) as sshd:
        spec = sshd.spec(more="&sudo=true" if sudo else "")
        [seen] = run(tmp_path / "run", f"--nodered-host={spec}", "-k", "test_host_", "--nodered-lab=hardened").values()
    assert (
        of_host(seen, "non-compliant") <= OF_THE_LAB
    )  # plain to see, unless somebody else's Node-RED runs here as well
    settings = {f"host-{number:02}" for number in (1, 3, 4, 5, 6, 7, 8, 9, 16, 17, 19, 20)}
    assert settings <= of_host(seen, "could-not-look")


def test_nothing_of_what_the_host_says_is_logged(sshd: SshLab, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"), Way(sshd.spec(), 20) as way:
        assert "hunter2" in way.run("echo hunter2")
    assert "hunter2" not in caplog.text


OVERRIDE = """
from dataclasses import replace

def pytest_nodered_targets(config, targets):
    return [replace(t, policy=replace(t.policy, host=replace(t.policy.host, {}))) for t in targets]
"""
OF_SETTINGS = {f"host-{number:02}" for number in (*range(3, 10), *range(16, 22))}


def test_a_host_without_node_and_a_broken_settings_file_end_in_errors_that_say_so(tmp_path: Path) -> None:
    (tmp_path / "broken.js").write_text("throw new Error('hunter2')")
    for number, (override, said) in enumerate(
        [
            ("node='/no/such/node'", "the host's Node.js (/no/such/node) did not run"),
            (f"settings_file={str(tmp_path / 'broken.js')!r}", "broken.js cannot be evaluated: it throws Error"),
            ("user_dir='/no/such/directory'", "cannot be evaluated"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "conftest.py").write_text(OVERRIDE.format(override))
        port = "--nodered-lab=fresh"  # found by its port where the directory does not tell
        [seen] = run(folder, "--nodered-host=local://", "-k", "test_host_", port).values()
        assert of_host(seen, "could-not-look") == OF_SETTINGS, override
        text = (folder / "out.xml").read_text()
        assert said.replace("'", "&#39;") in text.replace("&apos;", "&#39;").replace("'", "&#39;")
        assert "hunter2" not in text


def test_a_port_that_is_open_to_the_network_and_the_inspector_are_found(tmp_path: Path) -> None:
    """A real Node with Node-RED's title, listening everywhere and with its inspector open."""
    (tmp_path / "settings.js").write_text("module.exports = {uiPort: 18999};")
    program = "process.title='node-red';require('http').createServer((q,r)=>r.end('x')).listen(0,'0.0.0.0',"
    program += "function(){console.log(this.address().port)})"
    process = subprocess.Popen(
        [str(node()), "--inspect=127.0.0.1:9229", "-e", program], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        (tmp_path / "conftest.py").write_text(OVERRIDE.format(f"user_dir={str(tmp_path)!r}"))
        url = f"http://localhost:{port}"
        ways = [f"--nodered-url={url}", "--nodered-host=local://", f"--nodered-direct-port={port}"]
        [seen] = run(tmp_path, *ways, "-k", "test_host_").values()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]  # opened above
    assert seen["host-01"] == {"non-compliant"}
    assert "these are not the settings it runs with" in (tmp_path / "out.xml").read_text()
    report = (tmp_path / "out.xml").read_text()
    assert "inspector, which executes any code sent to it" in report
    assert f"tcp 0.0.0.0:{port}" in report


def test_the_caddy_in_front_is_judged_by_what_it_adapts(tmp_path: Path) -> None:
    labs = ["--nodered-lab=hardened", "--nodered-lab=plain-leak"]
    seen = run(tmp_path, "--nodered-host=local://", "-k", "test_way_through", *labs)
    assert {name.split("@")[0]: controls["host-12"] for name, controls in seen.items()} == {
        "lab-hardened": {"compliant"},
        "lab-plain-leak": {"non-compliant"},
    }
    assert "$2" not in (tmp_path / "out.xml").read_text()
