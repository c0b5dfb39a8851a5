"""The script that asks the host: it runs in every POSIX shell, and opens nothing for writing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.probes.host.gather import SCRIPT
from pytest_nodered_sec.probes.host.parse import me, sections

if TYPE_CHECKING:
    from pathlib import Path

MARK = "==0123456789abcdef"
ASKED = ("-c", SCRIPT, "sh", MARK, "", "1F90")  # of any shell
PATIENCE = 300  # seconds: it looks at whatever runs here, and other tests' Node-REDs may be many
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
CHANGES = (
    "openat,open,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,chown,fchown,fchownat,chmod,fchmod,"
)
CHANGES += "fchmodat,truncate,ftruncate,link,linkat,symlink,symlinkat,utimensat,execve"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_posix_shell_runs_it(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    done = subprocess.run([*shell, *ASKED], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stderr == ""
    parts = sections(done.stdout, MARK)
    assert me(parts["me"]).uptime > 0
    assert {"me", "self", "os", "connection", "cron", "end"} <= set(parts)


def test_nothing_is_opened_for_writing(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace here")
    log = tmp_path / "strace"
    subprocess.run(
        [strace, "-f", "-qq", "-e", f"trace={CHANGES}", "-o", str(log), "sh", *ASKED],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    lines = [line.split(maxsplit=1) for line in log.read_text().splitlines()]
    nginx = {
        pid for pid, call in lines if call.startswith("execve(") and '"-T"' in call
    }  # tests/machine/test_host_nginx.py
    calls = [call for pid, call in lines if pid not in nginx and not call.startswith(("execve", "<...", "+++", "---"))]
    assert len(calls) > 100
    changing = [call for call in calls if not call.startswith("open") or re.search("O_WRONLY|O_RDWR|O_CREAT", call)]
    assert [line for line in changing if '"/dev/null"' not in line] == []


def test_the_logins_own_variables_change_nothing() -> None:
    environment = {"PATH": "/tmp", "IFS": "x", "POSIXLY_CORRECT": "1", "SYSTEMD_LOG_LEVEL": "debug", "mark": "x"}  # noqa: S108  not used
    for shell in SHELLS:
        if program := shutil.which(shell[0]):
            argv = [program, *shell[1:], *ASKED]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=True, env=environment)
            assert me(sections(done.stdout, MARK)["me"]).user, shell


FUNCTIONS = SCRIPT.partition("\nif [ $# -gt 0 ]")[0]


def called(shell: list[str], what: str) -> subprocess.CompletedProcess[str]:
    """Run a line behind the script's functions."""
    argv = [*shell, "-c", f"{FUNCTIONS}\n{what}", "sh", MARK, "", "-"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of root's take root")
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_file_of_roots_has_its_name_from_anybody_where_anybody_may_write(shell: list[str], tmp_path: Path) -> None:
    """In /tmp a hard link to `sudo` may be called nginx, where the kernel allows such (fs.protected_hardlinks = 0)."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    shared = tmp_path / "shared"
    (shared / "of-root").mkdir(parents=True)
    shared.chmod(0o1777)
    for place in (shared, shared / "of-root"):
        (place / "nginx").write_text("")
    lines = [f'closed "{place}"; echo $?' for place in (shared / "nginx", shared / "of-root", shared / "of-root/nginx")]
    assert called(shell, "\n".join(lines)).stdout.split() == ["1", "0", "0"]


WRITTEN = {
    "in a directory of root's": ("error_log @/own/a.log", ""),
    "in one that another user has": ("error_log @/theirs/a.log info", "@/theirs, where it would open a.log"),
    "in one that is not there, below that": ("access_log @/theirs/b/c.log", "@/theirs, where it would open c.log"),
    "in one where anybody may make files": ("pid @/shared/nginx.pid", "@/shared, where it would open nginx.pid"),
    "through a link": ("http { access_log @/own/to-theirs/a.log; }", "@/theirs, where it would open a.log"),
    "from the prefix": ("access_log theirs/a.log", "@/theirs, where it would open a.log"),
    "a link of root's own": ("access_log @/own/link", ""),
    "nowhere": ("access_log off; rewrite_log on; error_log stderr; access_log syslog:server=a", ""),
    "to a terminal": ("access_log /dev/stdout", ""),
    "into shared memory": ("error_log /dev/shm/a.log", "/dev/shm, where it would open a.log"),  # noqa: S108  not used
    "by a name that each request makes": ("access_log @/theirs/$host.log", ""),
    "to a directory in one that its workers have": ("proxy_temp_path @/workers/proxy", ""),
    "to a directory in one that others have": ("proxy_temp_path @/theirs/p 1 2", "@/theirs, where it would open p"),
    "to a link where its workers have": ("proxy_cache_path @/workers/link", "@/workers, where it would open link"),
    "files in one that its workers have": ("error_log @/workers/a.log", "@/workers, where it would open a.log"),
}  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nginx") is None, reason="files of root's take root, and nginx")
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_nginx_is_not_run_where_another_user_may_say_where_its_files_lead(shell: list[str], tmp_path: Path) -> None:
    """Whoever can change the directory makes a link there when we have looked: root then makes what he likes."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    for name, owner in (("own", 0), ("theirs", 4321), ("shared", 0), ("workers", 4322)):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, owner, owner)
    (tmp_path / "shared").chmod(0o1777)
    (tmp_path / "own" / "to-theirs").symlink_to(tmp_path / "theirs")
    for link in ("own/link", "workers/link"):
        (tmp_path / link).symlink_to("/etc/nobody-made-this")
    lines = ["exe=$(command -v nginx) of=4322"]
    for number, (written, _) in enumerate(WRITTEN.values()):
        file = tmp_path / f"{number}.conf"
        file.write_text(f"events {{}} {written};\n".replace("@", str(tmp_path)))
        lines.append(f'echo "{number} $(changeable {file} {tmp_path})"')
    told = [line.partition(" ")[2] for line in called(shell, "\n".join(lines)).stdout.splitlines()]
    end = ": chown that directory to root, or move the file"
    wanted = [f"{text.replace('@', str(tmp_path))}{end}" if text else "" for _, text in WRITTEN.values()]
    assert dict(zip(WRITTEN, told, strict=True)) == dict(zip(WRITTEN, wanted, strict=True))


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("nginx", True),
        ("nginx -g daemon off;", True),
        ("nginx -e stderr -g daemon off; master_process on;worker_processes 2 -q", True),
        ("nginx -g daemon off; include /etc/nginx/more.conf;", False),
        ("nginx -g http { server { listen 81; } }", False),
        ("nginx -qginclude /etc/nginx/more.conf;", False),
        ("nginx -e stderr -gdaemon off;", True),
        ("nginx -g load_module modules/x.so; -q", False),
    ],
)
def test_nginx_is_not_asked_for_what_it_would_not_show(words: str, shown: bool, shell: list[str]) -> None:
    """`nginx -T` knows nothing of the directives that stand behind the master's own -g."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    own = f"words() {{ echo 'nginx: master process {words}'; }}\nchangeable() {{ :; }}\nroot() {{ echo run; }}"
    told = called(shell, f"{own}\nconfiguration $$").stdout
    assert (told == "run\n", "holds directives (-g)" in told) == (shown, not shown)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nginx") is None, reason="files of root's take root, and nginx")
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_the_files_that_nginx_was_started_with_are_those_that_it_shows(shell: list[str], tmp_path: Path) -> None:
    """nginx takes an option's value in the same word, too, and behind letters without one; a file counts from -p."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    (tmp_path / "a b").mkdir()
    for name in ("own.conf", "a b/own.conf"):
        (tmp_path / name).write_text(f"error_log {tmp_path}/log; pid {tmp_path}/pid; events {{}} # own\n")
    own = tmp_path / "own.conf"
    started = {
        f"-c {own}": True,
        f"-c{own}": True,
        f"-qc{own} -p{tmp_path}": True,
        f"-p {tmp_path}/ -c own.conf -g daemon off;": True,
        f"-p{tmp_path} -cown.conf": True,
        f"-e stderr -c {tmp_path}/a b/own.conf -q": True,
        f"-g daemon off; -c{own}": True,
        "-p. -c own.conf": False,
        f"-c{own} -cother.conf": False,
    }
    for words, shown in started.items():
        given = f"words() {{ echo 'nginx: master process nginx {words}'; }}"
        told = called(shell, f"{given}\nexe=$(command -v nginx)\nconfiguration $$ 2>&1").stdout
        assert ("# own" in told, "nginx -T is not run" in told) == (shown, not shown), (words, told)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_process_that_has_ended_is_no_server_that_is_not_to_be_seen(shell: list[str]) -> None:
    """In a container nobody may wait for an nginx that has died; and anybody may keep a `sudo` that he called nginx."""
    true = shutil.which("true")
    if shutil.which(shell[0]) is None or true is None:
        pytest.skip(f"no {shell[0]} here")
    name = "nginx-ended"
    code = f"import os, sys\nopen('/proc/self/comm', 'w').write({name!r}); os._exit(0)"
    process = subprocess.Popen([sys.executable, "-c", code])  # and is not waited for
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    told = called(shell, f"processes; echo; table=$(processes); named {name}; candidates").stdout
    process.wait()
    assert f"{os.getpid()}\t" in told
    assert str(process.pid) not in told.split()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_what_is_in_no_table_is_not_taken_for_roots(shell: list[str]) -> None:
    """Its main thread has ended, and others of its threads are called as Node.js calls its own."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    lines = "own=2001\ntable='7\t1\t998\tnode\t'\ngrep() { printf '/proc/%s/task/1/comm\\n' 7 8 9; }\ncandidates"
    assert called(shell, lines).stdout.split() == ["7"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_crontab_of_millions_of_lines_hides_no_others(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    long = "x" * 5000
    for code in (0, 1, 2):
        own = f"root() {{ yes '/c/nobody:certbot {long}' | head -9999; echo '/c/root:certbot renew'; return {code}; }}"
        told = called(shell, f"{own}\ncrontabs; echo $?").stdout.splitlines()
        assert (len(told), told[-2], told[-1]) == (102, "/c/root:certbot renew", str(code))
        assert max(map(len, told)) == 1000


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_many_user_ids_of_one_session_leave_room_for_services(shell: list[str]) -> None:
    """Somebody with ids of his own (/etc/subuid) starts ten under each."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    crowd = [f"{1000 + number}\t1\t{100_000 + number // 5}\tnginx\tsession" for number in range(300)]
    table = "\n".join([*crowd, "5000\t1\t998\tnginx\t"])
    seen = called(shell, f"own=2001\ntable='{table}'\nnamed nginx\nnamed nginx left").stdout.split("\n")
    assert (len(seen[:-2]), seen[-3:-1]) == (41, ["5000", "nginx 260"])


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_many_control_groups_that_are_called_like_containers_leave_room_for_others(shell: list[str]) -> None:
    """A service that may make control groups (Delegate=yes) calls thousands of them so, and its processes nginx."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    crowd = [
        line
        for number in range(1000, 3000)
        for line in (f"{number}\t1\t997\tnginx\tbox", f"{number + 2000}\t1\t997\tnode-red\tbox")
    ]
    table = "\n".join([*crowd, "9000\t1\t0\tnginx\tbox", "9001\t9000\t101\tnginx\tbox", "9002\t1\t996\tnode-red\t"])
    seen = called(shell, f"own=2001\ntable='{table}'\nnamed nginx\nnamed nginx left\necho\ncandidates").stdout
    nginx, red = ([line for line in part.split("\n") if line] for part in seen.split("\n\n", 1))
    assert (len(nginx), nginx[-2:]) == (82, ["9000", "9001"])  # those of root's container, whoever its workers are
    assert (len([pid for pid in red if pid in table]) >= 81, "9002" in red) == (True, True)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_no_file_passes_for_a_socket_by_its_name(shell: list[str], tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    if shutil.which(shell[0]) is None or sleep is None:
        pytest.skip(f"no {shell[0]} here")
    names = ["denied socket:[4242]", "x -> socket:[4242]", "cannot\n9 -> socket:[4242]"]
    for name in names:
        (tmp_path / name).touch()
    with contextlib.ExitStack() as opened:
        held = [opened.enter_context((tmp_path / name).open()) for name in names]
        own = opened.enter_context(socket.socket())
        inode = os.fstat(own.fileno()).st_ino
        kept = [own.fileno(), *(file.fileno() for file in held)]
        process = opened.enter_context(subprocess.Popen([sleep, "900"], pass_fds=kept))
        seen = called(shell, f"files {process.pid}").stdout
        process.kill()
    assert f"socket:[{inode}]" in seen
    assert "4242" not in seen


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_script_that_waits_for_node_red_still_has_what_it_was_given(shell: list[str], tmp_path: Path) -> None:
    """As the entrypoint.sh of Node-RED's own images; here the process only calls itself so."""
    sleep, started = shutil.which("sleep"), ": /usr/local/bin/node $NODE_OPTIONS red.js --userDir /data"
    if sleep is None or shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    shutil.copy(sleep, tmp_path / "node-red")
    (tmp_path / "entrypoint.sh").write_text(f"#!/bin/sh\n{started}\n./node-red 900 &\necho $!\nwait $!\n")
    argv = ["sh", "./entrypoint.sh", "--settings", "/etc/nodered/settings.js", "-D", "a=secret"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        try:
            asked = [*shell, *ASKED]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE, check=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    told = sections(done.stdout, MARK)[f"process {pid}"].text.split("\n")
    assert f"starter {started}" in told
    given = [line.split() for line in told if line.startswith("given")]
    assert given[-1] == ["given", *argv[:4], "-D", "(hidden)"]


def test_no_file_of_the_kernels_is_read_as_a_script(tmp_path: Path) -> None:
    """Anybody's shell may say that it runs /proc/kmsg: who reads that as root takes it from others, and never ends."""
    sleep, cat = shutil.which("sleep"), shutil.which("cat")
    assert sleep is not None
    shutil.copy(sleep, tmp_path / "node-red")
    words = "./node-red 900 & echo $!; wait $! # red.js\n"
    with subprocess.Popen([words], executable=cat, stdin=subprocess.PIPE) as holder:
        argv = ["sh", f"/proc/{holder.pid}/cmdline"]
        process = subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        try:
            asked = ["sh", *ASKED]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE, check=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
            process.communicate()
            holder.kill()
    assert "starter " not in sections(done.stdout, MARK)[f"process {pid}"].text


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_neither_a_name_of_two_lines_nor_megabytes_of_arguments_hide_a_process(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    code = r"open('/proc/self/comm', 'w').write('node-red\n) S 1 '); print(flush=True); __import__('time').sleep(900)"
    argv = [sys.executable, "-c", code, *["node-red " + "x" * 120_000] * 8]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            asked = [*shell, *ASKED]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE, check=True)
        finally:
            process.kill()
    told = sections(done.stdout, MARK)[f"process {process.pid}"].text
    facts = {key: value for key, _, value in (line.partition(" ") for line in told.split("\n"))}
    assert (facts["ticks"].isdigit(), facts["PPid"], facts["same"]) == (True, str(os.getpid()), str(os.getuid()))
    assert len(told) < 80_000
