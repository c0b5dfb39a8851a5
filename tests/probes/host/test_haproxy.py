"""HAProxy on the host: which runs, which files it reads, what becomes of them.

The script is run by the shells here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from loopback import ask, echoing, free_ports, listens
from probes.host.front_files import OPS, SOCKETS, front, looked, trouble

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.probes.host import fronts, haproxy
from pytest_nodered_sec.probes.host.parse import Section
from pytest_nodered_sec.rules.proxy import gate

if TYPE_CHECKING:
    from pathlib import Path


HEAD = "defaults\nmode http\ntimeout client 1s\ntimeout server 1s\ntimeout connect 1s\n"
CONFIG = "frontend web\nbind :443,:8000-8001 ssl\ndefault_backend red\nbackend red\nserver a 127.0.0.1:1880"


def test_a_haproxy_and_its_file() -> None:
    seen = front()
    assert (seen.program, seen.since) == ("HAProxy", 1_700_000_090.0)  # of the worker: a reload keeps the master
    assert fronts.paths([seen]) == ["haproxy:/:/etc/haproxy/haproxy.cfg"]
    later = {"config:/etc/haproxy/haproxy.cfg": Section(f"1700000000\n{CONFIG}", 0)}
    config = fronts.config(seen, later, SOCKETS)
    assert [section.name for section in config.directives] == ["frontend", "backend"]
    assert fronts.ports_of(config.directives) == {"443", "8000", "8001"}


def test_several_files_and_directories() -> None:
    args = "name haproxy\ncwd /srv/conf\nstart 1\narg haproxy\narg -C\narg conf\narg -f"
    args += "\narg a.cfg\narg --\narg d\narg /b.cfg"
    seen = front(args)
    assert fronts.files(seen) == ("/srv/conf/a.cfg", "/srv/conf/d", "/b.cfg")
    below = ("2.cfg", "1.cfg", "not.conf", ".hidden.cfg", "below/3.cfg")
    names = (*(f"/srv/conf/d/{name}" for name in below), "/srv/conf/a.cfg", "/b.cfg")
    later = {f"config:{name}": Section("1600000000\nfrontend x", 0) for name in names}
    files = [section.file for section in fronts.config(seen, later, SOCKETS).directives]
    assert files == ["/srv/conf/a.cfg", "/srv/conf/d/1.cfg", "/srv/conf/d/2.cfg", "/b.cfg"]


def test_what_cannot_be_looked_at() -> None:
    path = "config:/etc/haproxy/haproxy.cfg"
    assert "was changed after HAProxy read it" in trouble(front(), {path: Section(f"1700000099\n{CONFIG}", 0)})
    assert "others than root can change" in trouble(front(), {path: Section("others than root can change x", 1)})
    assert "holds no file" in trouble(front(), {})
    assert "without the name of a file" in trouble(front("name haproxy\nstart 1\narg haproxy\narg -db\narg -f"), {})
    unseen = front("permission denied: whether this is haproxy is not to be seen (/proc/PID/exe)", 1)
    assert "permission denied" in trouble(unseen, {})
    assert front("gone", 1).program == "a proxy"
    envoy = front("name envoy\nstart 1\narg envoy")
    assert trouble(envoy, {}).startswith("Envoy cannot be looked at: its configuration is not read here")
    [boxed] = fronts.running({"boxed haproxy": Section("8f4e0c1d" * 8, 0), "boxed nginx": Section("x", 0)}, OPS)
    assert "runs in the container 8f4e0c1d8f4e" in trouble(boxed, {})


# --- HAProxy's own words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("acl x path /a # and more", ("x", "path", "/a")),
        (r"acl x path /a\ b \#c d#e", ("x", "path", "/a b", "#c", "d")),
        (r"""acl x path 'a "b' "c 'd" "\"\$\x41\n" """, ("x", "path", 'a "b', "c 'd", '"$A\n')),
        (r"acl x path_reg \.js$ \x2f '\.'", ("x", "path_reg", r"\.js$", "/", r"\.")),
        ('acl x path "$HOME/${A-b}c"', ("x", "path", "\0the environment's HOME\0/\0the environment's A\0c")),
        ("acl x path '$HOME'\r", ("x", "path", "$HOME")),
        ("stats auth admin:secret", ("auth", "(hidden)")),
    ],
)
def test_words(line: str, words: tuple[str, ...]) -> None:
    [section] = haproxy.tree([("x", f"# head\n\nfrontend a\n{line}")])
    assert section.block[0].args == words


def test_lines_that_are_not_read() -> None:
    for line, why in (
        (".if defined(X)", ".if is not followed"),
        ('acl x path "a', "not closed"),
        ("acl \\", "not closed"),
    ):
        with pytest.raises(ProbeError) as caught:
            haproxy.tree([("h.cfg", f"frontend a\n{line}")])
        assert why in caught.value.message
        assert "h.cfg:2" in caught.value.message
    assert haproxy.tree([("x", "strange\n.notice x\nuserlist u\nuser a password b")])[0].block == ()


def later(*paths: Path) -> dict[str, Section]:
    return looked(*(f"config:{path}" for path in paths))


SECRETS = """userlist plant
user operator password $5$salt$hashhash
user other insecure-password secret # clear
frontend a
stats auth admin:secret
acl x path /a"""


def test_files_come_without_their_secrets(folder: Path) -> None:
    (folder / "haproxy.cfg").write_text(SECRETS)
    (folder / "users.yml").write_text('users: ["a:$apr1$abc$def", "b:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="]')
    (folder / "notes.txt").write_text("not of interest")
    (folder / "big.conf").write_text("#" * 300_000)
    (folder / "link.cfg").symlink_to(folder / "haproxy.cfg")
    seen = later(folder)
    names = {name for name in seen if name.startswith("config:")}
    assert {name.rpartition("/")[2] for name in names} == {"haproxy.cfg", "users.yml", "big.conf", "link.cfg"}
    text = "".join(seen[name].text for name in names)
    assert not [word for word in ("hash", "secret", "apr1", "W6ph5") if word in text]
    assert "acl x path /a" in seen[f"config:{folder}/link.cfg"].text
    assert seen[f"config:{folder}/haproxy.cfg"].text.split("\n")[0].isdigit()
    assert (seen[f"config:{folder}/big.conf"].code, "larger" in seen[f"config:{folder}/big.conf"].text) == (1, True)


def test_what_others_can_change_is_not_read(folder: Path) -> None:
    (folder / "open.cfg").write_text("frontend a")
    (folder / "open.cfg").chmod(0o666)
    seen = later(folder / "open.cfg", folder / "none.cfg")
    assert seen[f"config:{folder}/open.cfg"] == Section(f"others than root can change {folder}/open.cfg", 1)
    assert seen[f"config:{folder}/none.cfg"].text.strip() == f"{folder}/none.cfg is not there"
    if os.getuid() == 0:
        (folder / "theirs.cfg").write_text("frontend a")
        os.chown(folder / "theirs.cfg", 12345, 12345)
        assert later(folder / "theirs.cfg")[f"config:{folder}/theirs.cfg"].code == 1


@pytest.mark.skipif(
    shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None and not os.environ.get("CI"),
    reason="apt install haproxy",
)
@pytest.mark.parametrize("place", ["$PLACE", "${PLACE}", '"${PLACE}"', "'${PLACE}'"])
def test_addresses_of_servers_are_filled_in_from_the_environment_without_quotes_too(place: str, folder: Path) -> None:
    port, behind = free_ports(2)
    text = f"{HEAD}frontend web\nbind 127.0.0.1:{port}\ndefault_backend red\nbackend red\nserver a {place}\n"
    (folder / "haproxy.cfg").write_text(text)
    command = ["/usr/sbin/haproxy", "-db", "-f", f"{folder}/haproxy.cfg"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={"PLACE": f"127.0.0.1:{behind}"})
    try:
        with echoing({behind: "red"}):
            assert listens(process, port)
            assert ask(port, "a", "GET", "/x") == ("red", "/x")
    finally:
        process.kill()
        process.wait(10)
    for sockets in (SOCKETS, ()):
        seen = FrontConfig("HAProxy", "haproxy.cfg", haproxy.tree([("haproxy.cfg", text)]), sockets)
        assert "the address of server a (haproxy.cfg:10) is not in the configuration" in gate(seen, "/ui")


LISTS = """global
default-path config
frontend web
acl near src -f /etc/near -f "far"
acl own path,map_beg(/etc/own,x) -m found
use_backend %[req.hdr(host),lower,map(/etc/hosts.map,red)] if { path -f /etc/open }
http-request set-map(/etc/own) %[path] x if near
acl odd path -f"""


def test_lists_and_maps_of_a_haproxy() -> None:
    later = {"config:/etc/haproxy/haproxy.cfg": Section(f"1600000000\n{LISTS}", 0)}
    later |= {f"config:/etc/{name}": Section("1600000000\n# no\n 10.0.0.0/8 \r\n\nb", 0) for name in ("near", "own")}
    later["config:/etc/hosts.map"] = Section("1700000099\na red", 0)
    later["config:/etc/open"] = Section("others than root can change /etc/open", 1)
    sections = fronts.config(front(), later, SOCKETS).directives[2:]
    told = {
        section.args[0]: (section.name, *(section.args[1:] or [line.name for line in section.block]))
        for section in sections
    }
    assert told["/etc/near"] == ("patterns", "10.0.0.0/8 ", "b")
    assert told["far"] == ("unread", "default-path is not followed: name it from /")
    assert told["/etc/own"] == ("unread", "rules change it while HAProxy runs")
    assert "was changed after HAProxy read it" in told["/etc/hosts.map"][1]
    assert told["/etc/open"] == ("unread", "HAProxy: others than root can change /etc/open")


def test_files_of_patterns_come_by_the_script_but_for_those_that_may_be_secret(folder: Path) -> None:
    """What a header, a cookie or a token is compared with may be keys."""
    lines = [
        "acl a path_beg -i -f a -f \"b\"", "acl h hdr(host) -m end -i -f hosts", "acl c cook(sid) -f secret",
        "http-request deny if { src -f bad } !{ req.hdr(x-key) -f secret }", "acl t http_auth_bearer -f secret",
        "use_backend %[req.hdr(host),lower,map_dom(names,red)] if { path,map_beg(paths) -m found }",
        "http-request set-var(txn.u) req.hdr(authorization),map(secret)", "acl v var(txn.host) -m str -f c",
        "acl w var(txn.token) -m str -f secret", "acl x xpath -f secret", f"acl y base -M -f {folder}/bases",
    ]  # fmt: skip
    names = ("a", "b", "hosts", "bad", "names", "paths", "c", "bases")
    for name in (*names, "secret"):
        (folder / name).write_text("x y\n")
    (folder / "haproxy.cfg").write_text("frontend web\n" + "\n".join(lines))
    seen = looked(f"haproxy:{folder}:{folder}/haproxy.cfg")
    assert {name for name in seen if name != "end"} == {f"config:{folder}/{name}" for name in (*names, "haproxy.cfg")}
    (folder / "haproxy.cfg").chmod(0o666)
    seen = looked(f"haproxy:{folder}:{folder}/haproxy.cfg")  # whoever writes it might name any file
    assert {name for name in seen if name != "end"} == {f"config:{folder}/haproxy.cfg"}
    (folder / "d").mkdir()
    (folder / "haproxy.cfg").rename(folder / "d" / "1.cfg")
    (folder / "d" / "1.cfg").chmod(0o644)
    assert f"config:{folder}/bad" in looked(f"haproxy:{folder}:{folder}/d")
