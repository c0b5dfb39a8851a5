"""Apache httpd, HAProxy and Traefik that run on this machine are recognized, and their files are read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from loopback import free_ports, is_open, listens
from probes.host.front_files import SOCKETS, looked

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.probes.host import fronts
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "defaults\nmode http\ntimeout client 1s\ntimeout server 1s\ntimeout connect 1s\n"
ROUTES = "http: {routers: {a: {rule: PathPrefix(`/`), service: red, middlewares: [x], tls: {}}}}"

ASKED = (
    "sites",
    "!sites",
    "!sites/none/at/all",
    '"sites//b.conf"',
    "'!sites/b.conf'",
    "/none",
    "!/none",
    "sites/b.conf/x",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that nobody else can change, as far as this one and what is above it go."""
    (tmp_path / "conf").mkdir(mode=0o755)
    return tmp_path / "conf"


@pytest.mark.skipif(
    shutil.which("apache2", path="/usr/sbin:/usr/bin") is None and not os.environ.get("CI"),
    reason="apt install apache2-bin",
)
def test_a_real_apache_is_recognized_and_its_files_are_read(folder: Path) -> None:
    port, *others = free_ports(1 + len(ASKED))
    (folder / "sites").mkdir()
    (folder / "sites" / "b.conf").write_text("<VirtualHost *:1>\n</VirtualHost>")
    (folder / "a.conf").symlink_to(folder / "sites" / "b.conf")
    (folder / "open.conf").write_text(f"Include {folder}/sites/secret\n")
    (folder / "open.conf").chmod(0o666)
    modules = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
        for name in ("mpm_event", "authz_core", "headers")
    )
    (folder / "apache.conf").write_text(
        f'{modules}\nServerName a\nPidFile {folder}/pid\nErrorLog {folder}/log\nServerRoot "{folder}"\n'
        f"Listen 127.0.0.1:{port}\nInclude a.conf\nIncludeOptional 'sites/*.conf'\nIncludeOptional none/*.conf\n"
        'RequestHeader set Authorization "Basic c2VjcmV0"\n<IfDefine NEVER>\nInclude open.conf\n</IfDefine>\n'
        + "".join(
            f"<IfFile {path}>\nListen 127.0.0.1:{other}\n</IfFile>\n" for path, other in zip(ASKED, others, strict=True)
        )
        + "<IfFile a.conf>\nServerName b\n</IfFile>\n"
    )
    command = ["/usr/sbin/apache2", "-X", "-d", "/", "-f", f"{folder}/apache.conf"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        assert listens(process, port)
        sections = looked()
        who = text_of.me(sections["me"])
        [seen] = [running for running in fronts.running(sections, who) if running.pid == process.pid]
        assert seen.exe == "/usr/sbin/apache2"
        later = looked(*fronts.paths([seen]))
        with pytest.raises(ProbeError, match=r"whether <iffile a\.conf> holds is not known"):  # where a link led is not
            fronts.config(seen, later, SOCKETS)
        later |= {f"standing:{folder}/a.conf": Section("no 0", 0)}
        config = fronts.config(seen, later, SOCKETS)
        open_ports = {one for one in (port, *others) if is_open(one)}
        assert fronts.ports_of(config.directives) == set(map(str, open_ports))
        assert len(open_ports) == 5
        assert [line.name for line in config.directives].count("virtualhost") == 2
        assert later[f"config:{folder}/open.conf"].code == 1
        assert f"config:{folder}/sites/secret" not in later  # what others can change leads nowhere
        assert "c2VjcmV0" not in "".join(section.text for section in later.values())
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.skipif(
    shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None and not os.environ.get("CI"),
    reason="apt install haproxy",
)
def test_a_real_haproxy_is_recognized_and_an_impostor_is_not(folder: Path) -> None:
    port, other = free_ports(2)
    config = folder / "haproxy.cfg"
    text = f"{HEAD}frontend web\nbind 127.0.0.1:"
    config.write_text(f"{text}{port}\nhttp-request deny\n")
    (folder / "other.cfg").write_text(f"{text}{other}\n")
    shutil.copy("/usr/sbin/haproxy", folder / "haproxy")
    (folder / "haproxy").chmod(0o777)  # others can change it
    programs = (("/usr/sbin/haproxy", config), (str(folder / "haproxy"), folder / "other.cfg"))
    running = [
        subprocess.Popen([program, "-db", "-f", file.name], stderr=subprocess.DEVNULL, cwd=folder)
        for program, file in programs
    ]
    try:
        assert listens(running[0], port)
        assert listens(running[1], other)
        sections = looked()
        assert f"impostor {running[1].pid}" in sections
        who = text_of.me(sections["me"])
        [seen] = [front for front in fronts.running(sections, who) if front.pid == running[0].pid]
        assert f"front {running[1].pid}" not in sections
        later = looked(*fronts.paths([seen]))
        assert fronts.ports_of(fronts.config(seen, later, SOCKETS).directives) == {str(port)}
    finally:
        for process in running:
            process.kill()
            process.wait(10)


@pytest.mark.parametrize("at_home", [False, True])
def test_a_real_traefik_is_recognized_and_its_files_are_read(at_home: bool, folder: Path) -> None:
    (port,) = free_ports(1)
    static = {"entryPoints": {"web": {"address": f"127.0.0.1:{port}"}}, "providers": {"file": {"directory": "dynamic"}}}
    (folder / "traefik.yml").write_text(json.dumps(static))
    (folder / "dynamic").mkdir()
    (folder / "dynamic" / "a.yml").write_text(ROUTES)
    command = [str(toolchain.traefik()), "--configFile=traefik.yml"]
    if at_home:  # which outweighs its flags
        (folder / ".config").mkdir()
        (folder / "traefik.yml").rename(folder / ".config" / "traefik.yml")
        command[1:] = ["--entryPoints.none.address=127.0.0.1:1", "--providers.file.filename=/none.yml"]
    own = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    process = subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.DEVNULL)
    try:
        assert listens(process, port)
        sections = looked()
        if "cannot be told" in sections[f"front {process.pid}"].text:
            pytest.skip("others can change the traefik of this environment")
        who = text_of.me(sections["me"])
        [seen] = [running for running in fronts.running(sections, who) if running.pid == process.pid]
        config = fronts.config(seen, looked(*fronts.paths([seen])), SOCKETS)
        assert fronts.ports_of(config.directives) == {str(port)}
        assert [section.name for section in config.directives] == ["static", "dynamic"]
    finally:
        process.kill()
        process.wait(10)
