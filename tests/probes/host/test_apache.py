"""Apache httpd on the host: which runs, which files it reads, what becomes of them."""

from __future__ import annotations

import pytest
from probes.host.front_files import SOCKETS, front, trouble

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.host import fronts
from pytest_nodered_sec.probes.host.parse import Section

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
    together = front(
        "name httpd\nexe /opt/httpd\nstart 1\narg httpd\narg -Xd/srv\narg -fa.conf\narg -DA\narg --\narg -dx"
    )
    assert fronts.paths([together]) == ["apache:/srv:/srv/a.conf"]
    assert fronts.start(together).defined == {"A"}


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
        ("<IfSection x>\nListen 80\n</IfSection>", "whether <ifsection x> holds is not known"),
    ],
)
def test_what_is_not_followed(text: str, why: str) -> None:
    assert why in apache_trouble(text)


def test_what_a_file_decides_that_is_there_or_is_not() -> None:
    """Known where nothing has changed since Apache read its configuration."""
    path = "config:/etc/apache2/apache2.conf"
    text = "<IfFile a>\nListen 1\n</IfFile>\n<IfFile !/b//c>\nListen 2\n</IfFile>\n<IfFile '!a'>\nListen 3\n</IfFile>"
    for told, ports in (("yes", {"1", "2"}), ("no", {"2", "3"})):
        later = {path: Section(f"1600000000\n{text}", 0), "standing:/etc/apache2/a": Section(f"{told} 1700000052", 0),
                 "standing:/b//c": Section("no 1600000000", 0)}  # fmt: skip
        assert fronts.ports_of(fronts.config(front(APACHE), later, SOCKETS).directives) == ports
        for unsure in (f"{told} 1700000053", ""):
            with pytest.raises(ProbeError, match="whether <iffile a> holds is not known"):
                fronts.config(front(APACHE), later | {"standing:/etc/apache2/a": Section(unsure, 0)}, SOCKETS)


def test_modules_that_a_program_of_another_place_may_have() -> None:
    own = "name httpd\nexe /opt/httpd\nstart 1\narg httpd\narg -f\narg /etc/apache2/apache2.conf"
    assert "whether <ifmodule mod_ssl.c> holds" in apache_trouble(
        "<IfModule mod_ssl.c>\nListen 1\n</IfModule>", {}, own
    )
    assert apache_of("<IfModule mod_ssl.c>\nLogLevel info\nDefine A\n</IfModule>\n<IfDefine A>\nListen 1\n</IfDefine>",
                     {}, own) == []  # fmt: skip
