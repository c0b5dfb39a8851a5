"""HAProxy, Apache httpd and Traefik on the host: which runs, which files it reads, what becomes of them.

The script is run by the shells here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from loopback import free_ports, listens

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.probes.host import fronts, haproxy, traefik
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.gather import SCRIPT
from pytest_nodered_sec.probes.host.parse import Me, Section

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.observations.host_fronts import FrontConfig

OPS = Me(1000, "ops", sudo=False, now=1_700_001_000.0, uptime=1000.0, ticks=100.0)
SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880),)
HAPROXY = """name haproxy
exe /usr/sbin/haproxy
cwd /
start 5000
worker 9000
arg haproxy
arg -Ws
arg -f
arg /etc/haproxy/haproxy.cfg
arg -p
arg /run/haproxy.pid"""
CONFIG = "frontend web\nbind :443,:8000-8001 ssl\ndefault_backend red\nbackend red\nserver a 127.0.0.1:1880"


def front(text: str = HAPROXY, code: int = 0) -> fronts.Front:
    [running] = fronts.running({"front 70": Section(text, code)}, OPS)
    return running


def trouble(front: fronts.Front, later: dict[str, Section]) -> str:
    with pytest.raises(ProbeError) as caught:
        fronts.config(front, later, SOCKETS)
    return caught.value.message


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


# --- the script


def looked(*args: str) -> dict[str, Section]:
    command = ["sh", "-c", SCRIPT, "sh", "MARK", "", "0", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return text_of.sections(done.stdout, "MARK")


def later(*paths: Path) -> dict[str, Section]:
    return looked(*(f"config:{path}" for path in paths))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that nobody else can change, as far as this one and what is above it go."""
    (tmp_path / "conf").mkdir(mode=0o755)
    return tmp_path / "conf"


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
def test_a_real_haproxy_is_recognized_and_an_impostor_is_not(folder: Path) -> None:
    port, other = free_ports(2)
    config = folder / "haproxy.cfg"
    text = (
        "defaults\nmode http\ntimeout client 1s\ntimeout server 1s\ntimeout connect 1s\nfrontend web\nbind 127.0.0.1:"
    )
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


# --- Apache httpd

APACHE = """name apache2
exe /usr/sbin/apache2
cwd /
start 5000
worker 9000
arg /usr/sbin/apache2
arg -k
arg start"""


def apache_of(text: str, later: dict[str, str], started: str = APACHE) -> list[tuple[str, tuple[str, ...]]]:
    """Return the directives that a configuration comes to."""
    sections = {f"config:/etc/apache2/{name}": Section(f"1600000000\n{body}", 0) for name, body in later.items()}
    sections["config:/etc/apache2/apache2.conf"] = Section(f"1600000000\n{text}", 0)
    config = fronts.config(front(started), sections, SOCKETS)
    return [(line.name, line.args) for line in config.directives]


def apache_trouble(text: str, later: dict[str, str] | None = None, started: str = APACHE) -> str:
    with pytest.raises(ProbeError) as caught:
        apache_of(text, later or {}, started)
    return caught.value.message


def test_an_apache_and_its_files() -> None:
    seen = front(APACHE)
    assert (seen.program, seen.since) == ("Apache httpd", 1_700_000_050.0)  # not of a worker: these come and go
    assert front(f"{APACHE}\nread 1700000300").since == 1_700_000_300.0  # reloaded then
    assert fronts.paths([seen]) == ["apache:/etc/apache2:/etc/apache2/apache2.conf"]
    fedora = front("name httpd\nexe /usr/sbin/httpd\nstart 1\narg /usr/sbin/httpd\narg -DFOREGROUND")
    assert fronts.paths([fedora]) == ["apache:/etc/httpd:/etc/httpd/conf/httpd.conf"]
    assert fronts.start(fedora).defined == {"FOREGROUND"}
    own = front("name httpd\nexe /opt/httpd\nstart 1\narg httpd\narg -d\narg /srv\narg -f\narg a.conf\narg -X\narg -D")
    assert fronts.paths([own]) == ["apache:/srv:/srv/a.conf"]


def test_an_apache_that_cannot_be_looked_at() -> None:
    path = "config:/etc/apache2/apache2.conf"
    assert "was changed after Apache httpd read it" in trouble(front(APACHE), {path: Section("1700000099\n", 0)})
    assert "others than root" in trouble(front(APACHE), {path: Section("others than root can change x", 1)})
    assert "more than 400 files" in trouble(front(APACHE), {"config:": Section("there are more than 400 files", 1)})
    assert "was not read" in trouble(front(APACHE), {})
    unknown = front("name httpd\nexe /opt/httpd\nstart 1\narg httpd")
    assert "where /opt/httpd has its configuration is not known" in trouble(unknown, {})
    assert fronts.paths([unknown]) == []
    assert "its command line holds directives" in apache_trouble("", started=f"{APACHE}\narg -c\narg Listen 80")


def test_what_files_of_apache_say() -> None:
    text = """
# Listen 1
Listen 80 \\
  https
Include sub/*.conf
IncludeOptional none/*.conf
IncludeOptional some
Define PORT 443
Listen ${PORT}
Listen ${OTHER}
Undefine PORT
LogLevel info
LoadModule ssl_module modules/mod_ssl.so
<IfModule mod_ssl.c>
ServerName "a \\"b\\" c"
</IfModule>
<IfModule !ssl_module>
ServerName none
<IfModule x>
</IfModule>
</IfModule>
<IfModule mod_php.c>
Listen 4
</IfModule>
<IfDefine !DEV>
Strange secret
</IfDefine>
<VirtualHost *:80>
  RewriteRule ^\\\\x 'y z' [L]
</VirtualHost>
<If "%{HTTPS} == 'on'">
Require all denied
</If>
<AuthnProviderAlias file x>
AuthUserFile /x
</AuthnProviderAlias>
<IfVersion >= 2.4.60>
ServerTokens Prod
</IfVersion>
ServerRoot /srv
"""
    files = {"sub/b.conf": "Listen 2", "sub/a.conf": "Listen 1", "sub/x.txt": "Listen 9", "some/c": "Listen 3"}
    assert apache_of(text, files) == [
        ("listen", ("80", "https")),
        ("listen", ("1",)),
        ("listen", ("2",)),
        ("listen", ("3",)),
        ("listen", ("443",)),
        ("listen", ("\0the environment's OTHER\0",)),
        ("servername", ('a "b" c',)),
        ("strange", ("(hidden)",)),
        ("virtualhost", ("*:80",)),
        ("if", ("\"%{HTTPS} == 'on'\"",)),
    ]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (">= 2.4", True),
        ("< 2.4", False),
        ("!< 2.4", True),
        ("<= 2.2.34", False),
        ("> 2.3", True),
        ("= 2.4", False),
        ("2.2.3", False),
        ("== 3", False),
        ("> 2.4.20", None),
        ("~ 2.4", None),
        ("", None),
    ],
)
def test_releases_of_apache(condition: str, holds: bool | None) -> None:
    """What every 2.4 answers alike; the release itself is not asked for."""
    text = f"Listen 1\n<IfVersion {condition}>\nListen 2\n</IfVersion>"
    if holds is None:
        with pytest.raises(ProbeError, match=r"whether <ifversion.*> holds is not known"):
            apache_of(text, {})
    else:
        assert len(apache_of(text, {})) == 1 + holds


def test_expressions_of_apache_keep_their_quotes() -> None:
    text = "Require not Expr %{A} == 'b c'\nrequire expr \"-R '10.0.0.0/8'\""
    assert apache_of(text, {}) == [
        ("require", ("not", "expr", "%{A} == 'b c'")),
        ("require", ("expr", "\"-R '10.0.0.0/8'\"")),
    ]


def test_macros_of_apache() -> None:
    """As mod_macro has them: the longest name first, values as they are or in quotes, names in any letter case."""
    text = """
<Macro Red $p $port @who>
<VirtualHost *:$port>
ProxyPass $p/ http://127.0.0.1:1880/
Require user @who
</VirtualHost>
</Macro>
<Macro Inner>
Use Red /a 80 b
Listen 1
</Macro>
Use INNER
Use red "/x y" ${PORT} 'c d'
"""
    assert apache_of(f"Define PORT 443\n{text}", {}) == [
        ("virtualhost", ("*:80",)),
        ("listen", ("1",)),
        ("virtualhost", ("*:443",)),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Include /none.conf", "was not read"),
        ("Include ${WHERE}/x", "the path of include is not known"),
        ("Include apache2.conf", "form a loop"),
        ("Use x", "Use x is not followed"),
        ("<Macro x $a>\n</Macro>\nUse X", "Use X is not followed"),
        ("<Macro x>\nUse x\n</Macro>\nUse x", "Use x is not followed"),
        ("<Macro x>\n</Macro>\nUndefMacro X\nUse x", "Use x is not followed"),
        ("<Macro x $a>\nInclude $a.conf\n</Macro>\nUse x /b", "Include $a.conf in a macro is not followed"),
        ("<Macro x @a>\n</Macro>\nUse x 'a\"b'", "the value of @a is not followed"),
        ("<VirtualHost *>", "has no end"),
        ("</VirtualHost>", "ends no section"),
        ("<VirtualHost *", "is not closed"),
        ("<IfFile /x>\nListen 80\n</IfFile>", "whether <iffile /x> holds is not known"),
    ],
)
def test_what_is_not_followed(text: str, why: str) -> None:
    assert why in apache_trouble(text)


def test_modules_that_a_program_of_another_place_may_have() -> None:
    own = "name httpd\nexe /opt/httpd\nstart 1\narg httpd\narg -f\narg /etc/apache2/apache2.conf"
    assert "whether <ifmodule mod_ssl.c> holds" in apache_trouble(
        "<IfModule mod_ssl.c>\nListen 1\n</IfModule>", {}, own
    )
    assert apache_of("<IfModule mod_ssl.c>\nLogLevel info\nDefine A\n</IfModule>\n<IfDefine A>\nListen 1\n</IfDefine>",
                     {}, own) == []  # fmt: skip


@pytest.mark.skipif(
    shutil.which("apache2", path="/usr/sbin:/usr/bin") is None and not os.environ.get("CI"),
    reason="apt install apache2-bin",
)
def test_a_real_apache_is_recognized_and_its_files_are_read(folder: Path) -> None:
    (port,) = free_ports(1)
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
        config = fronts.config(seen, later, SOCKETS)
        assert fronts.ports_of(config.directives) == {str(port)}
        assert [line.name for line in config.directives].count("virtualhost") == 2
        assert later[f"config:{folder}/open.conf"].code == 1
        assert f"config:{folder}/sites/secret" not in later  # what others can change leads nowhere
        assert "c2VjcmV0" not in "".join(section.text for section in later.values())
    finally:
        process.kill()
        process.wait(10)


# --- Traefik

TRAEFIK = "name traefik\nexe /usr/bin/traefik\ncwd /srv\nstart 5000\narg traefik"
STATIC = """entryPoints:
  web: {address: ":80"}
  websecure: {address: "127.0.0.1:443/tcp"}
providers:
  file: {directory: dynamic}
"""
ROUTES = "http: {routers: {a: {rule: PathPrefix(`/`), service: red, middlewares: [x], tls: {}}}}"


def traefik_of(later: dict[str, str | Section], started: str = TRAEFIK) -> FrontConfig:
    sections = {
        name: body if isinstance(body, Section) else Section(f"1600000000\n{body}", 0) for name, body in later.items()
    }
    return fronts.config(front(started), sections, SOCKETS)


def traefik_trouble(later: dict[str, str | Section], started: str = TRAEFIK) -> str:
    with pytest.raises(ProbeError) as caught:
        traefik_of(later, started)
    return caught.value.message


def test_what_of_a_traefik_is_asked_for() -> None:
    places = ("/etc/traefik", "/srv")
    etc = [f"traefik:/srv:{place}/traefik.{ending}" for place in places for ending in ("toml", "yaml", "yml")]
    assert fronts.paths([front(TRAEFIK)]) == etc
    assert fronts.paths([front(f"{TRAEFIK}\narg --configFile=a.yml")]) == ["traefik:/srv:/srv/a.yml"]
    by_flags = front(f"{TRAEFIK}\narg --providers.file.directory\narg d\narg --api")
    assert fronts.paths([by_flags]) == [*etc, "routes:/srv/d"]


def test_a_traefik_and_its_files() -> None:
    later: dict[str, str | Section] = {
        "config:/etc/traefik/traefik.toml": Section("/etc/traefik/traefik.toml is not there", 1),
        "config:/etc/traefik/traefik.yml": STATIC,
        "routes:/srv/dynamic": Section("/srv/dynamic/a.yml", 0),
        "config:/srv/dynamic/a.yml": ROUTES,
        "config:/srv/dynamic/b.toml": '[[http.services.red.loadBalancer.servers]]\nurl = "x"',
    }
    config = traefik_of(later)
    static, first, second = config.directives
    assert (static.name, first.file, second.file) == ("static", "/srv/dynamic/a.yml", "/srv/dynamic/b.toml")
    assert fronts.ports_of(config.directives) == {"80", "443"}
    assert first.block[0].block[0].block[0].block[2].args == ("x",)
    assert second.block[0].block[0].block[0].block[0].block[0].block[0].block[0].args == ("x",)
    hidden = {
        **later,
        "config:/etc/traefik/traefik.toml": Section("/etc/traefik/traefik.toml cannot be read as ops", 1),
    }
    assert "cannot be read as ops" in traefik_trouble(hidden)
    flags = f"{TRAEFIK}\narg --entryPoints.web.address=:81\narg --providers.file.filename=/a.yml\narg -x"
    beside = traefik_of({"config:/a.yml": ROUTES, "config:/srv/traefik.yml": STATIC, **{
        name: later[name] for name in later if "/srv/" in name}}, flags)  # fmt: skip
    assert beside.file == "/srv/traefik.yml"  # outweighs flags
    config = traefik_of({"config:/a.yml": ROUTES}, flags)
    assert (config.file, fronts.ports_of(config.directives)) == ("its flags", {"81"})
    newer = Section(f"1700000500\n{ROUTES}", 0)  # read again since, as files are watched
    assert traefik_of({"config:/a.yml": newer}, flags).program == "Traefik"
    assert "was changed after" in traefik_trouble(
        {"config:/a.yml": newer}, f"{flags}\narg --providers.file.watch=false"
    )


@pytest.mark.parametrize(
    ("later", "more", "why"),
    [
        ({}, "", "was started without a file or flags"),
        ({}, "--configfile=/x.yml", "/x.yml was not read"),
        ({}, "--api --api.insecure", "and a flag above it"),
        ({"/etc/traefik/traefik.yml": "a: ["}, "", "is no YAML, line 1"),
        ({"/etc/traefik/traefik.yml": "- a"}, "", "holds no table"),
        ({"/etc/traefik/traefik.toml": "a"}, "", "is no TOML"),
        ({"/etc/traefik/traefik.yml": "a: {{ env }}"}, "", "templates"),
        ({"/etc/traefik/traefik.yml": "providers: {docker: {}}"}, "", "routes of its provider docker"),
        ({"/etc/traefik/traefik.yml": STATIC}, "", "/srv/dynamic was not read"),
        ({"/x.yml": f"a: [{'x, ' * 60000}]"}, "--configFile=/x.yml", "more than 50000 values"),
    ],
)
def test_a_traefik_that_cannot_be_looked_at(later: dict[str, str], more: str, why: str) -> None:
    started = TRAEFIK + "".join(f"\narg {word}" for word in more.split())
    assert why in traefik_trouble({f"config:{name}": text for name, text in later.items()}, started)


def test_a_directory_of_traefik_that_cannot_be_looked_at() -> None:
    later: dict[str, str | Section] = {"config:/etc/traefik/traefik.yml": STATIC}
    assert "more than 400" in traefik_trouble(
        {**later, "routes:/srv/dynamic": Section("there are more than 400 files", 1)}
    )


def test_yaml_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert "PyYAML, which is not installed" in traefik_trouble({"config:/etc/traefik/traefik.yml": STATIC})


def test_what_of_traefik_is_left_out() -> None:
    values = traefik.table(
        "a.yml",
        """
tls: {certificates: [{certFile: x}], options: {a: {minVersion: b}}}
http:
  middlewares:
    a: {basicAuth: {users: ["a:b", "c:d"], usersFile: /x}, headers: {customRequestHeaders: {X-Key: secret}}}
  other: {no: null, yes: true, many: [[1], {a: 2}]}
""",
    )
    shown = str(traefik.tree("dynamic", "a.yml", values))
    assert "secret" not in shown
    assert "a:b" not in shown
    assert "certFile" not in shown
    assert "X-Key" in shown
    assert "'true'" in shown
    assert traefik.table("a.yml", "") == {}
    assert traefik.provider({"providers": {"docker": {}}}) == {}


def test_files_of_a_traefik_come_by_the_script(folder: Path) -> None:
    (folder / "dynamic" / "below").mkdir(parents=True)
    (folder / "dynamic" / "below" / "a.yml").write_text("a: {Authorization: 'Basic c2VjcmV0', b: c}")
    (folder / "dynamic" / "b.toml").write_text("")
    (folder / "dynamic" / "c.txt").write_text("")
    (folder / "traefik.yml").write_text('{"providers": {"file": {"directory": "dynamic", "watch": true}}}')
    (folder / "one.yml").write_text("providers:\n  file:\n    filename: dynamic/b.toml # one\n")
    (folder / "open.yml").write_text(f"filename: {folder}/one.yml")
    (folder / "open.yml").chmod(0o666)
    seen = looked(f"traefik:{folder}:{folder}/traefik.yml")
    assert {name.rpartition("/")[2] for name in seen if name.startswith("config:")} == {
        "traefik.yml",
        "a.yml",
        "b.toml",
    }
    assert seen[f"routes:{folder}/dynamic"].code == 0
    assert "c2VjcmV0" not in seen[f"config:{folder}/dynamic/below/a.yml"].text
    assert "b: c" in seen[f"config:{folder}/dynamic/below/a.yml"].text
    seen = looked(f"traefik:{folder}:{folder}/one.yml", f"routes:{folder}/none")
    assert f"config:{folder}/dynamic/b.toml" in seen
    assert seen[f"routes:{folder}/none"].code == 1
    assert f"config:{folder}/one.yml" not in looked(f"traefik:{folder}:{folder}/open.yml")


def test_a_real_traefik_is_recognized_and_its_files_are_read(folder: Path) -> None:
    (port,) = free_ports(1)
    static = {"entryPoints": {"web": {"address": f"127.0.0.1:{port}"}}, "providers": {"file": {"directory": "dynamic"}}}
    (folder / "traefik.yml").write_text(json.dumps(static))
    (folder / "dynamic").mkdir()
    (folder / "dynamic" / "a.yml").write_text(ROUTES)
    command = [str(toolchain.traefik()), "--configFile=traefik.yml"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
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
