"""Apache's expressions and environment variables, and whom they let in; `tests/walk` compares with the real Apache."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.probes.host.apache import tree
from pytest_nodered_sec.rules.walk import apache, choices
from pytest_nodered_sec.rules.walk.apache_visit import Servers
from pytest_nodered_sec.rules.walk.request import Client

PROXY = 'ProxyPass "/" "http://127.0.0.1:1880/"'
BASIC = "AuthType Basic\nAuthName x\nAuthUserFile /x"
IN, OUT = {"/ui/"}, {"403"}
BOTH, UNSURE = IN | OUT, {"/ui/?", "403?"}


def ends(body: str, main: str = "Listen 443", at: str = "*:443", head: str = "SSLEngine on", **more: Any) -> set[str]:
    """Return what becomes of a request for /ui/: its path at Node-RED, a status, "?" where that is not sure."""
    text = f"ServerName main.example\n{main}\n<VirtualHost {at}>\nServerName a\n{head}\n{body}\n</VirtualHost>\n"
    directives = tree("/a.conf", "/", "/usr/sbin/apache2", frozenset(), {"/a.conf": text})
    servers = Servers(directives, (ListeningSocket("tcp", "127.0.0.1", 1880),))
    [site] = servers.sites(servers.binds[0])
    client, host = Client("/ui/", "a", **more), servers.chosen(site, "a")
    every = choices.every(lambda made: apache.walk(servers, site.bind, host, client, made))
    return {(end.uri or str(end.status)) + "?" * bool(end.doubts) for end in every}


def location(*lines: str, path: str = "/") -> str:
    return "\n".join([f"<Location {path}>", *lines, "</Location>", PROXY])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", IN),
        ("false", OUT),
        ("! false && (true)", IN),
        ("false || true", IN),
        ("%{REQUEST_URI} =~ m#^/UI/#i", IN),
        ("%{REQUEST_URI} =~ /^\\/ui\\//", IN),
        ("%{REQUEST_URI} !~ m#^/ui/#", OUT),
        ("%{REQUEST_URI} =~ m#(?R)#", UNSURE),
        ("%{REQUEST_URI} == '/ui/'", IN),
        ("%{REQUEST_URI} = '/ui/'", IN),
        ("%{REQUEST_URI} != '/ui/'", OUT),
        ("%{REQUEST_URI} < '/v'", IN),
        ("%{REQUEST_URI} in {'/x', '/ui/'}", IN),
        ("%{REQUEST_URI} -strmatch '/*/'", IN),
        ("%{REQUEST_URI} -strcmatch '/U?/'", IN),
        ("%{REQUEST_URI} -fnmatch '*'", OUT),
        ("%{SERVER_PORT} -eq 443", IN),
        ("%{SERVER_PORT} -ne 443", OUT),
        ("%{SERVER_PORT} -ge 444", OUT),
        ("%{HTTP_HOST} -eq 1", UNSURE),
        ("%{HTTP_HOST} -strange 'x'", UNSURE),
        ("'%{REQUEST_SCHEME}' . '://' . 1 == 'https://1'", IN),
        ("-R '10.0.0.0/8'", OUT),
        ("-R '211.77.9.0/24'", IN),
        ("%{REMOTE_ADDR} -ipmatch '211.77.9.0/24'", IN),
        ("%{CONN_REMOTE_ADDR} -ipmatch '10.0.0.0/8'", OUT),
        ("'10.1.1.1' -ipmatch '10.0.0.0/8'", IN),
        ("'10.1.1.1' -ipmatch 'no:where'", UNSURE),
        ("%{HTTP:X-Forwarded-For} -ipmatch '10.0.0.0/8'", BOTH),
        ("-n %{HTTP:X-Key}", BOTH),
        ("-z req('X-Key')", BOTH),
        ("-T %{HTTPS}", IN),
        ("-z %{HTTPS}", OUT),
        ("-f '/x'", BOTH),
        ("-F '/x'", UNSURE),
        ("%{HTTP:X-Key} == ''", BOTH),
        ("%{HTTP:X-Key} =~ m#^k#", {"403", "/ui/?"}),
        ("%{HTTP:X-Key} =~ m#.#", BOTH),
        ("%{HTTP:User-Agent} =~ m#^k#", BOTH),
        ("%{REMOTE_USER} == ''", IN),
        ("%{SSL_CLIENT_VERIFY} == 'NONE'", IN),
        ("%{SSL:SSL_CLIENT_S_DN_CN} == ''", IN),
        ("reqenv('near') == ''", IN),
        ("%{ENV:near} == ''", IN),
        ("tolower('X') == 'x'", UNSURE),
        ("%{HTTP_HOST} ==", UNSURE),
        ("%{HTTP_HOST}", UNSURE),
        ("(true", UNSURE),
        ("true)", UNSURE),
        ("%{HTTP_HOST} =~ 'x'", UNSURE),
        ("%{HTTP_HOST} in 'x'", UNSURE),
        ("%{HTTP_HOST} in {'x'", UNSURE),
    ],
)
def test_an_expression(expression: str, expected: set[str]) -> None:
    assert ends(location(f"Require expr {expression}")) == expected


@pytest.mark.parametrize(
    ("head", "more", "expected"),
    [
        ("SSLEngine on\nSSLVerifyClient optional_no_ca", {}, {"403"}),
        ("SSLEngine on\nSSLVerifyClient optional", {"granted": True}, {"/ui/"}),
    ],
)
def test_a_certificate(head: str, more: dict[str, Any], expected: set[str]) -> None:
    assert ends(location("Require expr %{SSL_CLIENT_VERIFY} == 'SUCCESS'"), head=head, **more) == expected
    named = "Require expr %{SSL_CLIENT_S_DN_CN} == 'operator'"  # anybody makes one of that name, where none is verified
    assert ends(location(named), head=head, **more) == {"403", "/ui/"}


def test_no_certificate_in_clear_text() -> None:
    plain: dict[str, Any] = {"tls": False, "head": "", "main": "Listen 80", "at": "*:80"}
    assert ends(location("Require expr -z %{SSL_CLIENT_VERIFY}"), **plain) == {"/ui/"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("<If false>\nRequire all granted\n</If>\n<Else>\nRequire all denied\n</Else>", OUT),
        ("<If true>\nRequire all granted\n</If>\n<Else>\nRequire all denied\n</Else>", IN),
        ("<If false>\n</If>\n<ElseIf true>\nRequire all granted\n</ElseIf>\n<Else>\nRequire all denied\n</Else>", IN),
        ("<If true>\nRequire all denied\n</If>\n<ElseIf true>\nRequire all granted\n</ElseIf>", OUT),
        ("<If true>\nRequire all granted\n<If true>\nRequire all denied\n</If>\n</If>", OUT),
        ("<If true>\nRequire all granted\n</If>\nRequire all denied", IN),  # later than what stands beside it
    ],
)
def test_a_condition(lines: str, expected: set[str]) -> None:
    assert ends(location(lines)) == expected
    assert ends(f"{location('Require all denied', path='/ui')}\n{location(lines)}") == expected
    assert ends(f"<Proxy *>\n{lines}\n</Proxy>\n{PROXY}") == expected
    outside = lines.replace("\nRequire all denied", "", 1) if lines.endswith("</If>\nRequire all denied") else lines
    assert ends(f"{outside}\n{PROXY}") == expected


EITHER = f"{BASIC}\n<RequireAny>\nRequire env near far\nRequire valid-user\n</RequireAny>"


@pytest.mark.parametrize(
    ("lines", "more", "expected"),
    [
        ("", {}, {"401"}),
        ("SetEnv near 1", {}, {"401"}),  # comes too late
        ("SetEnvIf Request_URI ^/ui/ near", {}, IN),
        ("SetEnvIf Request_URI ^/ui/ near=$0 other", {}, IN),
        ("SetEnvIf Request_URI ^/ui/ near\nSetEnvIf Request_Method GET !near", {}, {"401"}),
        ("SetEnvIfNoCase Request_URI ^/UI/ far", {}, IN),
        ("SetEnvIf Remote_Addr ^10 near", {}, {"401"}),
        ("SetEnvIf Remote_Host x near", {}, {"/ui/?", "401?"}),
        ("SetEnvIf Request_URI ^/ui/ first\nSetEnvIf first 1 near", {}, IN),
        ("SetEnvIf Request_URI ^/a first\nSetEnvIf first 1 near", {}, {"401"}),
        ("BrowserMatch Mozilla near", {}, {"/ui/", "401"}),
        ("BrowserMatchNoCase mozilla near", {"headers": {"user-agent": "Mozilla/5"}}, IN),
        ("SetEnvIf X-Token ^abc$ near", {}, {"/ui/?", "401"}),
        ("SetEnvIf X-Token . near", {}, {"/ui/", "401"}),
        ("SetEnvIf X-Token ^abc$ near", {"headers": {}}, {"401"}),
        ("SetEnvIf ^X-T . near", {}, {"/ui/?", "401?"}),
        ("SetEnvIfExpr true near", {}, {"/ui/?", "401?"}),
        ("RewriteEngine on\nRewriteRule ^/ui - [E=near]", {}, IN),
        ("RewriteEngine on\nRewriteRule ^/ui - [L,E=near:$0]", {}, IN),
        ("SetEnvIf Request_URI ^/ui/ near\nRewriteEngine on\nRewriteRule ^/ui - [E=!near]", {}, {"401"}),
        ("<Location /ui>\nSetEnvIf Request_Method GET near\n</Location>", {}, IN),
    ],
)
def test_a_variable(lines: str, more: dict[str, Any], expected: set[str]) -> None:
    assert ends(f"{lines}\n{location(EITHER)}", **more) == expected
    older = f"{BASIC}\nRequire valid-user\nOrder deny,allow\nDeny from all\nAllow from env=near env=far\nSatisfy any"
    assert ends(f"{lines}\n{location(older)}", **more) == expected


def test_a_variable_that_is_not_set() -> None:
    older = "Order allow,deny\nAllow from all\nDeny from env=!near"
    assert ends(location(older)) == OUT
    assert ends(f"SetEnvIf Request_URI . near\n{location(older)}") == IN


def test_a_variable_of_the_main_server() -> None:
    assert ends(location(EITHER), main="Listen 443\nSetEnvIf Request_URI . near") == IN
    assert ends("", main=f"Listen 443\nSetEnvIf Request_URI . near\n{location(EITHER)}", at="*:444") == IN
