"""Where requests end in Apache httpd, directive by directive; `tests/walk` compares with the real Apache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rules.apache_host import BASIC, LOGIN, PLAIN, PROXY, ends, front, location, rule
from seen import target, violations

from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.rules.walk.apache_visit import Servers
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_fronts import FrontConfig

OIDC = "AuthType openid-connect\n{}\nRequire valid-user"
CASES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "OpenID Connect": (location(OIDC.format("OIDCScope openid")) + PROXY, {}, {"401"}),
    "OpenID Connect for programs": (location(OIDC.format("OIDCUnAuthAction 401")) + PROXY, {}, {"401"}),
    "OpenID Connect that lets others pass": (
        location(OIDC.format("OIDCUnAuthAction pass")) + PROXY,
        {},
        {"401?", "/ui/?"},
    ),
    "OpenID Connect that lets some pass": (
        location(OIDC.format("OIDCUnAuthAction auth \"%{HTTP:X-A} != '1'\"")) + PROXY,
        {},
        {"401?", "/ui/?"},
    ),
    "whom an unknown directive may let in": (
        location("LetIn all\nRequire valid-user", BASIC) + PROXY,
        {},
        {"401?", "/ui/?"},
    ),
    "a header that is set before anybody is asked": (
        f"RequestHeader set Authorization x early\n{location(LOGIN)}{PROXY}",
        {},
        {"unknown?"},
    ),
    "a header that is set for who is behind": (
        f"RequestHeader set Authorization x\n{location(LOGIN)}{PROXY}",
        {},
        {"401"},
    ),
    "a rule that puts a space into the arguments": (rule("RewriteRule ^/(.*)$ /x?y=$1"), {"uri": "/a%20b"}, {"403"}),
    "an error page that a rule refuses": (
        "ErrorDocument 404 /e\n" + rule("RewriteRule ^/ui - [R=404]", "RewriteRule ^/e - [F]"),
        {},
        {"403"},
    ),
    "an error page that is not rewritten after END": (
        f"ErrorDocument 401 /page\n<Location /ui>\n{LOGIN}\n</Location>\n"
        + rule("RewriteRule ^/page - [F]", "RewriteRule ^/ui - [END]"),
        {},
        {"/page"},
    ),
    "an error page that is rewritten, whatever END says of what is passed on": (
        f"ErrorDocument 401 /page\n<Location /ui>\n{LOGIN}\n</Location>\n"
        + rule("RewriteRule ^/page - [F]", "RewriteRule ^/ui - [END,PT]"),
        {},
        {"403"},
    ),
    "an error page that redirects, which Apache does not tell": (
        f"ErrorDocument 401 /page\n<Location /ui>\n{LOGIN}\n</Location>\nRedirect /page https://b/\n"
        f"ProxyPass /page !\n{PROXY}",
        {},
        {"401"},
    ),
    "an error page of a bad path, which was asked for nothing yet": (
        f"ErrorDocument 404 /page\n{location('Require all denied')}",
        {"uri": "/a%2fb"},
        {"404"},
    ),
    "an error page under a condition in another, for which is asked again": (
        f'ErrorDocument 401 /x\n<If "true">\n<If "true">\n{LOGIN}\n</If>\n</If>\n{PROXY}',
        {},
        {"401"},
    ),
    "an error page for which a variable is set": (
        f"ErrorDocument 401 /page\nSetEnvIf Request_URI ^/page near\n<Location /ui>\n{LOGIN}\n</Location>\n"
        f"<Location /page>\nRequire env near\n</Location>\n{PROXY}",
        {},
        {"/page"},
    ),
    "a condition that joins the Location's demand, which stands in place of the proxy's": (
        f"<Proxy *>\n{LOGIN}\n</Proxy>\n<Location />\nRequire all granted\n</Location>\n"
        f'<If "true">\nAuthMerging And\nRequire all granted\n</If>\n{PROXY}',
        {},
        {"/ui/"},
    ),
    "a condition in one that joins its demand": (
        f'<If "true">\n{BASIC}\n<If "true">\nAuthMerging And\nRequire all granted\n</If>\nRequire valid-user\n</If>\n'
        f'<If "true">\nRequire all granted\n</If>\n{PROXY}',
        {},
        {"/ui/"},
    ),
    "a rule that puts a space into passed arguments": (
        rule("RewriteRule ^/(.*)$ /x?y=$1 [PT]"),
        {"uri": "/a%20b"},
        {"403"},
    ),
    "a rule that redirects with a space": (rule("RewriteRule ^/(.*)$ /x?y=$1 [R]"), {"uri": "/a%20b"}, {"302"}),
    "a rule that redirects with a space as it is": (
        rule("RewriteRule ^/(.*)$ /x?y=$1 [R,NE]"),
        {"uri": "/a%20b"},
        {"403"},
    ),
    "a group that no condition has": (
        rule("RewriteCond %{TIME_HOUR} ^1", "RewriteRule ^ /x%1 [PT]"),
        {},
        {"/x?", "/ui/?"},
    ),
    "a group of a condition that cannot be read": (
        rule("RewriteCond %{TIME_HOUR} (?R)", "RewriteRule ^ /x [PT]"),
        {},
        {"/x?", "/ui/?"},
    ),
    "nothing": ("", {}, {"200"}),
    "a file that is not there": ("", {"exists": False}, {"404"}),
    "ProxyPass": (PROXY, {"uri": "/ui/?a=b"}, {"/ui/?a=b"}),
    "no proxying": (f"ProxyPass /ui !\n{PROXY}", {}, {"200"}),
    "half a line": (f"ProxyPass /x\n{PROXY}", {}, {"/ui/"}),
    "by a pattern": ("ProxyPassMatch ^/(u.)/$ http://127.0.0.1:1880/x\\$/$1/$7", {}, {"/x$/ui/"}),
    "by a pattern, without a group": ("ProxyPassMatch ^/ui http://127.0.0.1:1880", {}, {"/ui/"}),
    "by a pattern, not": ("ProxyPassMatch ^/ui !\nProxyPassMatch ^/x http://127.0.0.1:1880", {}, {"200"}),
    "nocanon of a pattern": ("ProxyPassMatch ^/(.*) http://127.0.0.1:1880/$1 nocanon", {"uri": "/%75i/"}, {"/ui/?"}),
    "nocanon": ('ProxyPass "/" "http://127.0.0.1:1880/" nocanon', {"uri": "/%75i/"}, {"/%75i/"}),
    "nocanon of a decoded path": ('ProxyPass "/ui" "http://127.0.0.1:1880/ui" nocanon', {"uri": "/%75i/"}, {"/ui/"}),
    "a mapping": ('ProxyPass "/" "http://127.0.0.1:1880/" mapping=servlet', {}, {"/ui/?"}),
    "a unix socket": ('ProxyPass "/" "unix:/run/nr.sock|http://localhost/"', {}, {"/ui/"}),
    "FastCGI": ('ProxyPass "/" "fcgi://127.0.0.1:1880/"', {}, {"elsewhere"}),
    "elsewhere": ('ProxyPass "/" "https://user@b/x"', {}, {"elsewhere"}),
    "a URL of the environment": ('ProxyPass "/" "http://${RED}/"', {}, {"unknown?"}),
    "no URL": ('ProxyPass "/" "red/"', {}, {"unknown?"}),
    "a path behind a port": ('ProxyPass "/" "http://127.0.0.1:1880"', {}, {"500"}),
    "a WebSocket": ('ProxyPass "/" "ws://127.0.0.1:1880/"', {}, {"/ui/", "500"}),
    "a WebSocket, not asked for": ('ProxyPass "/" "ws://127.0.0.1:1880/"', {"headers": {}}, {"500"}),
    "a balancer": (
        "<Proxy balancer://x>\nBalancerMember http://127.0.0.1:1880\nBalancerMember http://b status=+H\n</Proxy>\n"
        'ProxyPass "/" "balancer://x/"',
        {},
        {"/ui/"},
    ),
    "a balancer of nobody": ('ProxyPass "/" "balancer://x/"', {}, {"unknown?"}),
    "a member by its balancer": (
        'BalancerMember balancer://x http://127.0.0.1:1880\nProxyPass "/" "balancer://x/"',
        {},
        {"/ui/"},
    ),
    "no path": (PROXY, {"uri": "*"}, {"400"}),
    "above the root": (PROXY, {"uri": "/../x"}, {"400"}),
    "dots": (PROXY, {"uri": "/a/./.%2e/ui/."}, {"/ui/"}),
    "no escape": (PROXY, {"uri": "/%zz"}, {"400"}),
    "an encoded slash": (PROXY, {"uri": "/a%2fb"}, {"404"}),
    "an encoded slash, allowed": (f"AllowEncodedSlashes NoDecode\n{PROXY}", {"uri": "/a%2fb"}, {"/a/b?"}),
    "slashes": (
        f"MergeSlashes off\n<Location /a/b>\nRequire all denied\n</Location>\n{PROXY}",
        {"uri": "//a//b"},
        {"403"},
    ),
    "clear text to a TLS port": (PROXY, {"tls": False}, {"400"}),
    "a client certificate": (f"SSLVerifyClient require\n{PROXY}", {}, {"0"}),
    "a client certificate, shown": (f"SSLVerifyClient require\n{PROXY}", {"granted": True}, {"/ui/"}),
    "a forward proxy": (f"ProxyRequests On\n{PROXY}", {}, {"/ui/?"}),
    "what is not known": (f"SomeModule on\n{PROXY}", {}, {"unknown?"}),
    # redirects and error documents
    "a redirect": ("Redirect / https://b/", {"uri": "/ui/?a"}, {"302"}),
    "gone": ("Redirect gone /ui", {}, {"410"}),
    "a number": ("Redirect 404 /", {}, {"404"}),
    "another path": ("RedirectPermanent /x https://b/", {}, {"200"}),
    "a redirect by a pattern": ("RedirectMatch 301 ^/u https://b/?x", {"uri": "/ui/?a"}, {"301"}),
    "by another pattern": ("RedirectMatch ^/x https://b/", {}, {"200"}),
    "a redirect of an expression": (f"Redirect https://b/\n{PROXY}", {}, {"/ui/"}),
    "a redirect of an expression, alone": ("Redirect https://b/", {}, {"200?"}),
    "a redirect in a section": (location("Redirect /ui https://b/"), {}, {"302"}),
    "one that is for another path": (location("Redirect /x https://b/"), {}, {"/ui/"}),
    "an error document": (f"ErrorDocument 401 /page\n<Location /ui>\n{LOGIN}\n</Location>\n{PROXY}", {}, {"/page"}),
    "an error document of the same section": (f"ErrorDocument 401 /ui/x\n{location(LOGIN)}", {}, {"/ui/x"}),
    "an error document that is refused": (
        f"ErrorDocument 401 /x\n<Location /ui>\n{LOGIN}\n</Location>\n<Location /x>\n{LOGIN}\n</Location>\n{PROXY}",
        {},
        {"401"},
    ),
    "a text": (f"ErrorDocument 401 sorry\n{location(LOGIN)}", {}, {"401"}),
    "of another status": (f"ErrorDocument 404 /x\n{location(LOGIN)}", {}, {"401"}),
    # files that may say more
    ".htaccess": ("<Directory /var/www>\nAllowOverride All\n</Directory>", {}, {"unknown?"}),
    "no .htaccess": ("<Directory /var/www>\nAllowOverride None\nRequire all granted\n</Directory>", {}, {"200"}),
    "rules in a directory": ("<Directory /var/www>\nRewriteRule ^ http://b [P]\n</Directory>", {}, {"unknown?"}),
    "a handler": ("<Location /ui>\nSetHandler proxy:http://127.0.0.1:1880\n</Location>", {}, {"unknown?"}),
    "another handler": ("<Location /ui>\nSetHandler server-status\n</Location>", {}, {"200"}),
    # rewriting
    "no engine": (f"RewriteRule ^ - [F]\n{PROXY}", {}, {"/ui/"}),
    "forbidden": (rule("RewriteRule ^/ui - [F]"), {}, {"403"}),
    "forbidden under a condition": (rule("RewriteCond %{HTTPS} on", "RewriteRule ^ - [F]"), {}, {"403"}),
    "rules say gone": (rule("RewriteRule ^ - [G]"), {}, {"410"}),
    "rules say not found": (rule("RewriteRule ^ - [R=404]"), {}, {"404"}),
    "rules redirect": (rule("RewriteRule ^ https://b%{REQUEST_URI} [R=permanent,L]"), {}, {"301"}),
    "rules redirect to a path": (rule("RewriteRule ^/ui /x [R,NE]"), PLAIN, {"302"}),
    "rules redirect strangely": (rule("RewriteRule ^/ui x [R=strange]"), {}, {"302"}),
    "rules redirect by themselves": (rule("RewriteRule ^ https://b/"), {}, {"302"}),
    "rules proxy": (rule("RewriteRule ^/ui/(.*) http://127.0.0.1:1880/x/$1$5 [P,QSA]"), {"uri": "/ui/a?b"}, {"/x/a?b"}),
    "rules proxy with arguments": (rule("RewriteRule ^ http://127.0.0.1:1880/?x [P,QSD]"), {"uri": "/?b"}, {"/?x"}),
    "rules pass on": (rule("RewriteRule ^/ui /x [PT]"), {}, {"/x"}),
    "rules pass on what is no path": (rule("RewriteRule ^/ui x [PT]"), {}, {"400"}),
    "rules find a file": (rule("RewriteRule ^/ui /x [L]"), {}, {"200"}),
    "rules find no path": (rule("RewriteRule ^/ui x [L]"), {}, {"400"}),
    "rules that do nothing": (rule("RewriteRule ^/x /y", "RewriteRule x", "RewriteRule ^ - [L]"), {}, {"/ui/"}),
    "rules that are chained": (rule("RewriteRule ^/x - [C]", "RewriteRule ^ - [F]"), {}, {"/ui/"}),
    "a chain that ends": (rule("RewriteRule ^/x - [C]"), {}, {"/ui/"}),
    "rules that are skipped": (rule("RewriteRule ^ - [S=1]", "RewriteRule ^ - [F]"), {}, {"/ui/"}),
    "a negated pattern": (rule("RewriteRule !^/x - [F]"), {}, {"403"}),
    "a flag that is not followed": (rule("RewriteRule ^ - [N]"), {}, {"unknown?"}),
    "an empty flag": (rule("RewriteRule ^/UI - [,nocase,F]"), {}, {"403"}),
    "options": (f"RewriteOptions Inherit\n{PROXY}", {}, {"/ui/?"}),
    "an engine of the main server's": ("RewriteRule ^ - [F]", {"main": "Listen 443\nRewriteEngine on"}, {"403"}),
    "a condition on the path": (rule("RewriteCond %{REQUEST_FILENAME} ^/(.)", "RewriteRule ^ /%1 [PT]"), {}, {"/u"}),
    "a condition, negated": (rule("RewriteCond %{REQUEST_URI} !^/ui", "RewriteRule ^ - [F]"), {}, {"/ui/"}),
    "an equal": (rule("RewriteCond %{REQUEST_METHOD} =get [NC]", "RewriteRule ^ - [F]"), {}, {"403"}),
    "an equal of another case": (rule("RewriteCond %{REQUEST_METHOD} =get", "RewriteRule ^ - [F]"), {}, {"/ui/"}),
    "one of two": (
        rule(
            "RewriteCond %{HTTPS} off [OR]",
            "RewriteCond %{HTTPS} on [ornext]",
            "RewriteCond %{HTTPS} x",
            "RewriteRule ^ - [F]",
        ),
        {},
        {"403"},
    ),
    "neither": (rule("RewriteCond %{HTTPS} off [OR]", "RewriteCond %{HTTPS} no", "RewriteRule ^ - [F]"), {}, {"/ui/"}),
    "half a condition": (rule("RewriteCond x", "RewriteRule ^ - [F]"), {}, {"/ui/"}),
    "files": (rule("RewriteCond %{REQUEST_FILENAME} -f", "RewriteRule ^ - [F]"), {}, {"403", "/ui/"}),
    "files, known": (rule("RewriteCond %{REQUEST_FILENAME} !-f", "RewriteRule ^ - [F]"), {"exists": False}, {"403"}),
    "a subrequest": (rule("RewriteCond %{REQUEST_URI} -U", "RewriteRule ^ - [F]"), {}, {"403?", "/ui/?"}),
    "a comparison": (rule("RewriteCond %{SERVER_PORT} >1", "RewriteRule ^ - [F]"), {}, {"403?", "/ui/?"}),
    "a rule's expression": (rule('RewriteCond expr "-n %{HTTP:Upgrade}"', "RewriteRule ^ - [F]"), {}, {"403", "/ui/"}),
    "a header, chosen": (rule("RewriteCond %{HTTP:Upgrade} websocket", "RewriteRule ^ - [F]"), {}, {"403", "/ui/"}),
    "a header, sent": (rule("RewriteCond %{HTTP_X_A} b", "RewriteRule ^ - [F]"), {"headers": {"x-a": "b"}}, {"403"}),
    "a secret": (rule("RewriteCond %{HTTP:X-Key} !=42", "RewriteRule ^ - [F]"), {}, {"403", "/ui/?"}),
    "the server's": (rule("RewriteCond %{TIME_HOUR} 1", "RewriteRule ^ - [F]"), {}, {"403?", "/ui/?"}),
    "the name": (rule("RewriteCond %{HTTP:Host} ^a$", "RewriteRule ^ - [F]"), {}, {"403"}),
    "the address": (
        rule("RemoteIPHeader X", "RewriteCond %{REMOTE_ADDR} ^10", "RewriteRule ^ - [F]"),
        {},
        {"403", "/ui/"},
    ),
    "a map": (rule("RewriteRule ^ http://${m:x}/ [P]"), {}, {"unknown?"}),
    "an escape": (rule("RewriteRule ^ /\\%x [PT]"), {}, {"/%25x"}),
    "a pattern in rules that cannot be read": (rule("RewriteRule (?R) - [F]"), {}, {"403?", "/ui/?"}),
}


@pytest.mark.parametrize(("body", "more", "expected"), CASES.values(), ids=CASES)
def test_a_directive(body: str, more: dict[str, Any], expected: set[str]) -> None:
    assert ends(body, **more) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"main": "Listen 443"}, {"unknown?"}),
        ({"main": "Listen 443\nListen 127.0.0.1:81\n<VirtualHost *:81>\n" + PROXY + "\n</VirtualHost>"}, {"/ui/"}),
        ({"main": "Listen 443\nListen 127.0.0.1:81\n" + PROXY}, {"/ui/"}),
    ],
)
def test_apache_behind_itself(more: dict[str, str], expected: set[str]) -> None:
    port = "81" if "81" in more["main"] else "443"
    assert ends(f'ProxyPass "/" "http{"s" * (port == "443")}://127.0.0.1:{port}/"', **more) == expected


def codes(seen: FrontConfig, **demands: Any) -> list[str]:
    return [fault.code for fault in violations(way_is_guarded(seen, target(**demands).policy))]


def test_a_way_that_is_guarded() -> None:
    assert codes(front(location(LOGIN))) == []
    assert gate(front(location(LOGIN)), "/ui") == "closed"
    assert gate(front(PROXY), "/ui") == "open"
    redirects = front("Redirect permanent / https://a/", "Listen 80", "*:80", "")
    assert isinstance(way_is_guarded(redirects, target().policy), NotApplicable)
    assert isinstance(way_is_guarded(front(f"Strange x\n{location(LOGIN)}"), target().policy), NotJudged)


def test_what_opens_the_way() -> None:
    by_path = location(LOGIN, path="/ui")
    assert codes(front(by_path)) == ["letter-case"]
    assert codes(front(f'ProxyPass "/panel/" "http://127.0.0.1:1880/ui/"\n{location(LOGIN, path="~ (?i)^/ui")}')) == [
        "alias"
    ]
    upgraded = (
        "RewriteEngine on\nRewriteCond %{HTTP:Upgrade} websocket [NC]\n"
        "RewriteRule ^/panel/(.*) ws://127.0.0.1:1880/ui/$1 [P,L]\n" + location(LOGIN, path="~ (?i)^/ui")
    )
    assert codes(front(upgraded)) == ["alias"]
    unless = location(LOGIN, "Require expr %{HTTP:Upgrade} == 'websocket'")
    assert codes(front(unless)) == ["header", "header"]


def test_plain_and_far() -> None:
    assert codes(front(location(LOGIN), "Listen 80", "*:80", "")) == ["plain"]
    assert codes(front(location(LOGIN), "Listen 443", "*:443", "")) == []  # of this port, Apache speaks TLS
    assert codes(front(location(LOGIN), "Listen 8443 https", "*:8443", "")) == []
    far = location(LOGIN).replace("http://127.0.0.1", "https://10.0.0.5")
    assert codes(front(far)) == ["upstream"]
    assert codes(front(far.replace("https", "http"))) == ["upstream"]
    assert codes(front(f"SSLProxyVerify require\n{far}")) == []
    inner = "Listen 443\nListen 127.0.0.1:81\n<VirtualHost 127.0.0.1:81>\n" + PROXY + "\n</VirtualHost>"
    assert codes(front(location(LOGIN).replace("1880", "81"), inner)) == []


def test_which_virtual_host_answers() -> None:
    two = "Listen 443\n<VirtualHost *:443>\nServerName https://first:443\nSSLEngine on\nRedirect 404 /\n</VirtualHost>"
    named = front(f"ServerAlias *.b ?.c\n{location(LOGIN)}", two)
    servers = Servers(named.directives, named.sockets)
    [site] = servers.sites(servers.binds[0])
    first, second = site.hosts
    assert [servers.chosen(site, name) for name in ("A", "x.b", "y.c", "first", "other")] == [
        second, second, second, first, first
    ]  # fmt: skip
    assert codes(named) == []
    by_address = front(PROXY, "Listen 443\nListen [::1]:443", "10.0.0.1:443", "SSLEngine on")
    servers = Servers(by_address.directives, by_address.sockets)
    assert [[len(site.hosts) for site in servers.sites(bind)] for bind in servers.binds] == [[1, 0], [0]]
    assert [bind.local for bind in servers.binds] == [False, True]
    assert gate(by_address, "/ui") == "open"
    mixed = front(location(LOGIN), "Listen 443\n<VirtualHost 10.0.0.1>\nServerName c\n</VirtualHost>", "10.0.0.1:443")
    assert "some name no port" in gate(mixed, "/ui")
    less = front(location(LOGIN), f"Listen 443\n<VirtualHost *>\nServerName c\n{PROXY}\n</VirtualHost>")
    assert gate(less, "/ui") == "closed"  # what names the port is asked before
    assert gate(front(location(LOGIN), f"Listen 443\nListen 80\n{PROXY}"), "/ui") == "open"  # the main server's


def test_what_is_asked_for() -> None:
    paths = (
        'RedirectMatch ^/old/(.*) https://b/\nErrorDocument 404 /page\nProxyPass "/pa*" "http://127.0.0.1:1880/"\n'
        "RewriteEngine on\nRewriteCond %{REQUEST_URI} ^/board/(.*)\nRewriteRule ^/[^/]+/(.*) /ui/$1 [PT]\n"
    )
    assert gate(front(paths + location(LOGIN, path="~ (?i)^/ui")), "/ui") == "closed"
    alias = "RewriteEngine on\nRewriteCond %{REQUEST_URI} ^/board/(.*)\nRewriteRule ^ http://127.0.0.1:1880/ui/%1 [P]\n"
    assert gate(front(alias + location(LOGIN, path="~ (?i)^/ui")), "/ui") == "open"
