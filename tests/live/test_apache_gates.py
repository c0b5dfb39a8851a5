"""Gates as sites write them for Apache httpd: what opens them is found, and their sound twins are left alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from suite_runs import installed
from waylab import ELSEWHERE, HASH, PATHS, Pair, open_node_red, standing

from pytest_nodered_sec.lab import toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waylab import Street

pytestmark = pytest.mark.live
_BASIC = "AuthType Basic\nAuthName Operators\nAuthBasicProvider file\nAuthUserFile @FILES@/users\n"
_LISTED = f"^/({PATHS})([/.]|$)|^/$"


def at(place: str, *lines: str) -> str:
    """Return a login before a place ("Location /"), with these lines."""
    text = "\n".join(lines or ("Require valid-user",))
    return f"<{place}>\n{_BASIC}{text}\n</{place.partition(' ')[0]}>\n"


def unless(*lines: str, above: str = "") -> str:
    """Return a gate that asks for no login where one of these lines is true."""
    return above + at("Location /", "<RequireAny>", "Require valid-user", *lines, "</RequireAny>")


def by_env(line: str) -> str:
    """Return a gate that asks for no login where a line has set `free`."""
    return unless("Require env free", above=f"{line}\n")


def refusing(condition: str, flag: str = "F") -> str:
    """Return a gate that refuses what is so, and asks everybody else for the login."""
    return f"RewriteEngine on\nRewriteCond {condition}\nRewriteRule ^ - [{flag}]\n{CLOSED}"


CLOSED = at("Location /")
_MERGED = "RemoteIPHeader X-Forwarded-For\n"
_OLD_STYLE = ("Order deny,allow", "Deny from all", "Allow from 192.168.0.0/16", "Require valid-user")
_OPEN_HOST = "<VirtualHost 127.0.0.1:@WEAK@>\nServerName @OTHER@\n@TLS@\n@ON@\n</VirtualHost>\n"
_SPELT = at('LocationMatch "^/(?!(?i:ui|api|ws)(/|$))"')
_NAMED = 'RewriteEngine on\nRewriteCond %{HTTP:X-Original-URL} "(.+)"\n'
GATES = {
    "methods": Pair(
        at("Location /", "<Limit GET POST>", "Require valid-user", "</Limit>"),
        "admin-03:served",
        at("Location /", "<LimitExcept OPTIONS>", "Require valid-user", "</LimitExcept>"),
    ),
    "head": Pair(
        unless("Require expr \"%{REQUEST_METHOD} == 'HEAD'\""), "proxy-05:head", unless("Require method OPTIONS")
    ),
    "older": Pair(
        by_env('SetEnvIf Request_Protocol "HTTP/1[.]0" free'),
        "proxy-05:older",
        refusing("%{SERVER_PROTOCOL} =HTTP/1.0"),
    ),
    "newer": Pair(
        by_env('SetEnvIf Request_Protocol "HTTP/2" free'), "proxy-05:newer", refusing("%{SERVER_PROTOCOL} ^HTTP/2")
    ),
    "monitor": Pair(
        by_env("BrowserMatch kube-probe free"),
        "proxy-05:monitor",
        by_env('SetEnvIf Remote_Addr "^192[.]0[.]2[.]" free'),
    ),
    "nameless": Pair(
        unless('Require expr "-z %{HTTP_USER_AGENT}"'), "proxy-05:nameless", refusing("%{HTTP_USER_AGENT} ^$", "R=400")
    ),
    "forwarded": Pair(
        by_env('SetEnvIf X-Forwarded-For "^10[.]" free'), "proxy-05:forwarded", unless("Require ip 10.0.0.0/8")
    ),
    "network": Pair(
        unless("Require expr \"%{HTTP:X-Real-IP} -ipmatch '192.168.0.0/16'\""),
        "proxy-05:forwarded",
        unless("Require expr \"%{REMOTE_ADDR} -ipmatch '192.168.0.0/16'\""),
    ),
    "inside": Pair(
        unless("Require ip 10.0.0.0/8", above=f"{_MERGED}RemoteIPInternalProxy 127.0.0.1\n"),
        "proxy-05:forwarded",
        unless(
            "Require ip 10.0.0.0/8", above=f"{_MERGED}RemoteIPTrustedProxy 127.0.0.1\n"
        ),  # which names no private one
    ),
    "tailnet": Pair(
        unless("Require ip 100.64.0.0/10", above=_MERGED),
        "proxy-05:forwarded",
        unless("Require ip 100.64.0.0/10", above=f"{_MERGED}RemoteIPTrustedProxy 192.0.2.1\n"),
    ),
    "satisfy": Pair(
        f"{_MERGED}RemoteIPInternalProxy 127.0.0.1\n" + at("Location /", *_OLD_STYLE, "Satisfy any"),
        "proxy-05:forwarded",
        f"{_MERGED}RemoteIPInternalProxy 127.0.0.1\n" + at("Location /", *_OLD_STYLE, "Satisfy all"),
    ),
    "satisfy-env": Pair(
        'SetEnvIf Cookie "session=" free\n'
        + at(
            "Location /",
            "Order deny,allow",
            "Deny from all",
            "Allow from env=free",
            "Require valid-user",
            "Satisfy any",
        ),
        "proxy-05:credential-shaped",
        'SetEnvIf Cookie "session=" free\n'
        + at(
            "Location /",
            "Order deny,allow",
            "Deny from all",
            "Allow from env=free",
            "Require valid-user",
            "Satisfy all",
        ),
    ),
    "cookie": Pair(unless('Require expr "%{HTTP_COOKIE} =~ /session=/"'), "proxy-05:credential-shaped", CLOSED),
    "flag": Pair(
        "RewriteEngine on\nRewriteCond %{HTTP_COOKIE} !loggedin=true\nRewriteRule ^ - [F]\n",
        "proxy-05:flagged",
        refusing("%{HTTP_COOKIE} !loggedin=true"),
    ),
    "browsers-only": Pair(
        "RewriteEngine on\nRewriteCond %{HTTP_USER_AGENT} !Mozilla\nRewriteRule ^ - [F]\n",
        "proxy-05:browser proxy-05:navigation",
        refusing("%{HTTP_USER_AGENT} python-requests"),
    ),
    "script": Pair(unless("Require expr \"%{HTTP:X-Requested-With} == 'XMLHttpRequest'\""), "proxy-05:browser", CLOSED),
    "referer": Pair(by_env('SetEnvIf Referer "^https://localhost" free'), "proxy-05:browser", CLOSED),
    "bearer": Pair(
        unless('Require expr "%{HTTP:Authorization} =~ /^Bearer /"'),
        "proxy-05:bearer admin-02:served",
        refusing('%{HTTP:Authorization} "^Bearer "'),
    ),
    "any login": Pair(
        unless('Require expr "%{HTTP:Authorization} =~ /^Basic /"'),
        "cred-02:any-password",
        CLOSED,
    ),
    "events": Pair(
        f"{CLOSED}<If \"%{{HTTP_ACCEPT}} == 'text/event-stream'\">\nRequire all granted\n</If>\n",
        "proxy-05:events",
        f"{CLOSED}<If \"%{{HTTP_ACCEPT}} == 'text/event-stream'\">\nRequire all denied\n</If>\n",
    ),
    "range": Pair(by_env("SetEnvIf Range . free"), "proxy-05:program", refusing("%{HTTP:Range} .", "R=416")),
    "length": Pair(
        by_env("SetEnvIf Content-Length . free"),
        "proxy-05:carrying admin-03:served proxy-05:browser",  # mod_http2 gives a Content-Type a length of 0
        refusing("%{HTTP:Content-Length} [1-9]", "R=413"),
    ),
    "chunks": Pair(
        by_env("SetEnvIf Transfer-Encoding chunked free"),
        "proxy-05:chunked",
        refusing("%{HTTP:Transfer-Encoding} .", "R=501"),
    ),
    "expect": Pair(by_env("SetEnvIf Expect . free"), "proxy-05:carrying", refusing("%{HTTP:Expect} .", "R=417")),
    "preflight": Pair(
        by_env("SetEnvIf Access-Control-Request-Method . free"),
        "proxy-05:preflight",
        unless(
            "<RequireAll>",
            "Require method OPTIONS",
            'Require expr "-n %{HTTP:Access-Control-Request-Method}"',
            "</RequireAll>",
        ),
    ),
    "user": Pair(  # the header is dropped when the environment is set already
        by_env("SetEnvIf X-Forwarded-User . free\nRequestHeader unset X-Forwarded-User"),
        "admin-12:believed",
        by_env("SetEnvIf X-Forwarded-User . free\nRequestHeader unset X-Forwarded-User early"),
    ),
    "scheme": Pair(
        by_env("SetEnvIf X-Forwarded-Proto https free"),
        "proxy-05:rewritten",
        by_env("RequestHeader unset X-Forwarded-Proto early\nSetEnvIf X-Forwarded-Proto https free"),
    ),
    "old-scheme": Pair(by_env("SetEnvIf X-Forwarded-Ssl on free"), "proxy-05:rewritten", CLOSED),
    "query": Pair(
        by_env("RewriteEngine on\nRewriteCond %{QUERY_STRING} token=\nRewriteRule ^ - [E=free:1]"),
        "proxy-05:query",
        refusing("%{QUERY_STRING} token="),
    ),
    "transport": Pair(
        unless('Require expr "%{QUERY_STRING} =~ /transport=websocket/"'),
        "proxy-05:transport dash-02:channel-open roots-01:undeclared",
        CLOSED,
    ),
    "file": Pair(
        by_env('SetEnvIf Request_URI "[.]js$" free'),
        "dash-02:gate-passed roots-01:undeclared",
        refusing(r"%{REQUEST_URI} \.js$"),
    ),
    "raw-prefix": Pair(  # an environment of the server's own is set before the path is tidied
        by_env('SetEnvIf Request_URI "^/static/" free'),
        "proxy-05:dotted",
        f"{CLOSED}<Location /static/>\nRequire all granted\n</Location>\n",
    ),
    "raw-list": Pair(
        unless("Require expr \"-z reqenv('listed')\"", above=f'SetEnvIfNoCase Request_URI "{_LISTED}" listed\n'),
        "proxy-05:dotted proxy-05:encoded proxy-05:freed",
        at(f'LocationMatch "(?i){_LISTED}"'),
    ),
    "whole-url": Pair(
        by_env('RewriteEngine on\nRewriteCond %{THE_REQUEST} "!^[A-Z]+ /"\nRewriteRule ^ - [E=free:1]'),
        "proxy-05:absolute",
        by_env('RewriteEngine on\nRewriteCond %{REQUEST_URI} "!^/"\nRewriteRule ^ - [E=free:1]'),
    ),
    "letter-case": Pair(
        _SPELT + at('LocationMatch "^/(ui|api|ws)(/|$)"'),
        "dash-04:spelling proxy-05:spelling",
        _SPELT + at('LocationMatch "(?i)^/(ui|api|ws)(/|$)"'),
    ),
    "another-root": Pair(
        f"{CLOSED}<Location /nodered/>\nRequire all granted\n</Location>\nProxyPass /nodered/ http://127.0.0.1:@NODE_RED@/\n",
        "roots-01:undeclared",
        f"{CLOSED}ProxyPass /nodered/ http://127.0.0.1:@NODE_RED@/\n",
    ),
    "rewritten": Pair(
        f"{_NAMED}RewriteRule ^ http://127.0.0.1:@NODE_RED@%1 [P]\n" + at(f'LocationMatch "(?i){_LISTED}"'),
        "proxy-05:rerouted",
        f"{_NAMED}RewriteRule ^ %1 [PT]\n" + at(f'LocationMatch "(?i){_LISTED}"'),
    ),
    "address": Pair(CLOSED, "proxy-05:address", CLOSED, beside=_OPEN_HOST.replace("@OTHER@", "127.0.0.1")),
    "localhost": Pair(
        CLOSED, "proxy-05:localhost", CLOSED, beside=_OPEN_HOST.replace("@OTHER@", "localhost"), named=True
    ),
}
_MODULES = (
    *("mpm_event", "authn_core", "authz_core", "authz_user", "authz_host", "auth_basic", "authn_file", "access_compat"),
    *("ssl", "socache_shmcb", "http2", "setenvif", "headers", "rewrite", "remoteip", "alias", "proxy", "proxy_http"),
)


def command(node_red: int, folder: Path, gates: Mapping[str, tuple[int, str]]) -> list[str]:
    """Write httpd's configuration; return the command that runs it."""
    (folder / "users").write_text(f"operator:{HASH}\n")
    tls = f"SSLEngine on\nSSLCertificateFile {folder}/leaf.pem\nSSLCertificateKeyFile {folder}/leaf.key\n"
    tls += "Protocols h2 http/1.1\n"
    on = "ProxyPreserveHost on\nProxyPass / http://127.0.0.1:@NODE_RED@/ upgrade=websocket\n"
    text = "".join(f"LoadModule {name}_module {toolchain.APACHE_MODULES}/mod_{name}.so\n" for name in _MODULES)
    text += f"ServerRoot {folder}\nServerName localhost\nPidFile {folder}/pid\nDefaultRuntimeDir {folder}\n"
    text += f"ErrorLog {folder}/error.log\nMutex file:{folder}\nSSLStrictSNIVHostCheck off\n"
    text += "StartServers 1\nServerLimit 2\nThreadsPerChild 64\nMaxRequestWorkers 128\n"
    for name, (port, lines) in gates.items():
        pair = GATES[name.rpartition(" ")[0]]
        own = ELSEWHERE if pair.named else "localhost"
        text += f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nServerName {own}\n{tls}{lines}{on}"
        text += "</VirtualHost>\n"
        text += pair.beside.replace("@WEAK@", str(port)) if name.endswith(" weak") else ""
    text = text.replace("@TLS@", tls).replace("@ON@", on)
    text = text.replace("@FILES@", str(folder)).replace("@NODE_RED@", str(node_red))
    (folder / "httpd.conf").write_text(text)
    return [installed("apache2"), "-X", "-f", str(folder / "httpd.conf")]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("apache")
    with open_node_red(folder / "site") as port, standing(folder, GATES, partial(command, port)) as there:
        yield there


@pytest.mark.parametrize("name", GATES)
def test_what_opens_a_gate_is_found(name: str, street: Street) -> None:
    seen = street.found(name, "weak")
    assert set(seen) == set(GATES[name].found.split()), seen


@pytest.mark.parametrize("name", GATES)
def test_a_sound_gate_is_left_alone(name: str, street: Street) -> None:
    assert street.found(name, "sound") == {}
