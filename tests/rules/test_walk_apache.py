"""Where requests end in Apache httpd, directive by directive; `tests/walk` compares with the real Apache."""

from __future__ import annotations

from typing import Any

import pytest
from seen import target, violations

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.probes.host.apache import tree
from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.rules.walk import apache, choices
from pytest_nodered_sec.rules.walk.apache_visit import Servers
from pytest_nodered_sec.rules.walk.request import Client
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880), ListeningSocket("unix", "/run/nr.sock"))
PROXY = 'ProxyPass "/" "http://127.0.0.1:1880/"'
BASIC = "AuthType Basic\nAuthName x\nAuthUserFile /x"
LOGIN = f"{BASIC}\nRequire valid-user"
PLAIN: dict[str, Any] = {"tls": False, "head": "", "main": "Listen 80", "at": "*:80"}


def front(body: str, main: str = "Listen 443", at: str = "*:443", head: str = "SSLEngine on") -> FrontConfig:
    text = f"ServerName main.example\n{main}\n<VirtualHost {at}>\nServerName a\n{head}\n{body}\n</VirtualHost>\n"
    files: dict[str, Any] = {"/a.conf": text}
    directives = tree("/a.conf", "/", "/usr/sbin/apache2", frozenset(), files)
    return FrontConfig("Apache httpd", "/a.conf", directives, SOCKETS)


def ends(body: str, uri: str = "/ui/", main: str = "Listen 443", at: str = "*:443", head: str = "SSLEngine on",
         **more: Any) -> set[str]:  # fmt: skip
    seen = front(body, main, at, head)
    servers = Servers(seen.directives, seen.sockets)
    client = Client(uri, **{"host": "a", **more})
    [site] = servers.sites(servers.binds[0])
    host = servers.chosen(site, client.host)
    every = choices.every(lambda made: apache.walk(servers, site.bind, host, client, made))
    words = {"node-red": "{0.uri}", "elsewhere": "elsewhere", "answered": "{0.status}", "unknown": "unknown"}
    return {words[end.kind].format(end) + ("?" if end.doubts else "") for end in every}


def location(*lines: str, path: str = "/") -> str:
    return "\n".join([f"<Location {path}>", *lines, "</Location>", PROXY])


def rule(*lines: str) -> str:
    return "\n".join(["RewriteEngine on", *lines, PROXY])


CASES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
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
    # sections
    "a login": (location(LOGIN), {}, {"401"}),
    "a login, passed": (location(LOGIN), {"granted": True}, {"/ui/"}),
    "a login elsewhere": (location(LOGIN, path="/u"), {}, {"/ui/"}),
    "a login by a pattern": (f"<LocationMatch ^/ui>\n{LOGIN}\n</LocationMatch>\n{PROXY}", {}, {"401"}),
    "a login by a tilde": (location(LOGIN, path="~ ^/ui"), {}, {"401"}),
    "a login by wildcards": (location(LOGIN, path="/?i/*"), {}, {"401"}),
    "by strange wildcards": (location(LOGIN, path="/[u]i/"), {}, {"401?", "/ui/?"}),
    "a pattern that cannot be read": (location(LOGIN, path="~ (?R)"), {}, {"401?", "/ui/?"}),
    "a slash at its end": (location(LOGIN, path="/ui/"), {}, {"401"}),
    "later sections": (location("Require all granted", path="/ui") + "\n" + location(LOGIN), {}, {"401"}),
    "joined": (f"{location('Require ip 10.0.0.0/8')}\n{location('AuthMerging And', LOGIN, path='/ui')}", {}, {"403"}),
    "joined by or": (
        f"{location('Require all granted')}\n{location('AuthMerging Or', LOGIN, path='/ui')}",
        {},
        {"/ui/"},
    ),
    "joined with nothing": (f"{location(LOGIN)}\n{location('AuthMerging And', path='/ui')}", {}, {"401"}),
    "joined and passed": (
        f"{location('Require user x')}\n{location('AuthMerging And', LOGIN, path='/ui')}",
        {"granted": True},
        {"/ui/"},
    ),
    "joined and refused": (f"{location(LOGIN)}\n{location('AuthMerging And', 'Require user a')}", {}, {"401"}),
    "for a method": (location(f"<Limit POST>\n{LOGIN}\n</Limit>"), {}, {"/ui/"}),
    "for this method": (location(f"<Limit GET>\n{LOGIN}\n</Limit>"), {"method": "HEAD"}, {"401"}),
    "for other methods": (location(f"<LimitExcept POST>\n{LOGIN}\n</LimitExcept>"), {}, {"401"}),
    "for another method, joined": (
        f"{location('Require ip 10')}\n{location('AuthMerging Or', '<Limit POST>', LOGIN, '</Limit>')}",
        {},
        {"403"},
    ),
    "no AuthType": (location("Require valid-user"), {}, {"500"}),
    "another AuthType": (location("AuthType Own", "Require valid-user"), {}, {"401?", "/ui/?"}),
    "anonymous": (location(LOGIN, "AuthBasicProvider anon file"), {}, {"401?", "/ui/?"}),
    "an address that anybody may say": (
        f"RemoteIPHeader X-Real-IP\nRemoteIPTrustedProxy 10.0.0.1 192.0.0.0/2\n{location('Require ip 11')}",
        {},
        {"/ui/", "403"},
    ),
    "denied": (location("Require all denied"), {}, {"403"}),
    "denied to accounts": (location(LOGIN.replace("valid-user", "method POST\nRequire valid-user")), {}, {"401"}),
    "all users but one": (
        location(BASIC, "<RequireAll>", "Require valid-user", "Require not user guest", "</RequireAll>"),
        {"granted": True},
        {"/ui/"},
    ),
    "all users but some": (
        location(
            BASIC,
            "<RequireAll>",
            "Require valid-user",
            "<RequireNone>",
            "Require group guests",
            "Require user guest",
            "</RequireNone>",
            "</RequireAll>",
        ),
        {"granted": True},
        {"/ui/"},
    ),
    "all users but those": (
        location(BASIC, "<RequireAll>", "Require valid-user", "Require not user guest", "</RequireAll>"),
        {},
        {"401"},
    ),
    "nobody at all": (
        location(BASIC, "<RequireAll>", "Require user a", "Require not valid-user", "</RequireAll>"),
        {"granted": True},
        {"401"},
    ),
    "a network of examples": (location("Require ip 203.0.113.0/24"), {}, {"403"}),
    "all but a network of examples": (
        location("<RequireAll>", "Require all granted", "Require not ip 203.0.113.0/24", "</RequireAll>"),
        {},
        {"/ui/"},
    ),
    "never": (
        location(BASIC, "<RequireAll>", "Require valid-user", "Require method POST", "</RequireAll>"),
        {"granted": True},
        {"403"},
    ),
    "not": (
        location("<RequireAll>", "Require all granted", "Require not ip 211.77.9.0/24", "</RequireAll>"),
        {},
        {"403"},
    ),
    "not these": (
        location(
            "<RequireAll>", "Require all granted", "<RequireNone>", "Require ip 10", "</RequireNone>", "</RequireAll>"
        ),
        {},
        {"/ui/"},
    ),
    "none of these": (
        location(
            "<RequireAll>", "Require all granted", "<RequireNone>", "Require ip 211", "</RequireNone>", "</RequireAll>"
        ),
        {},
        {"403"},
    ),
    "a strange group": (location("<RequireAny>", "Other x", "Require all granted", "</RequireAny>"), {}, {"/ui/?"}),
    "near": (location("Require ip 211.77.9"), {}, {"/ui/"}),
    "local": (location("Require local"), {}, {"403"}),
    "no network": (location("Require ip no:where"), {}, {"403?", "/ui/?"}),
    "near, granted": (location("Require ip 10"), {"granted": True}, {"403", "/ui/"}),
    "an address of the client's choice": (
        f"RemoteIPHeader X-Real-IP\n{location('Require ip 11')}",
        {},
        {"403", "/ui/"},
    ),
    "a private address, which nobody may say": (
        f"RemoteIPHeader X-Real-IP\n{location('Require ip 10 fd00::/8')}",
        {},
        {"403"},
    ),
    "a private address of an internal proxy's choice": (
        f"RemoteIPHeader X-Real-IP\nRemoteIPInternalProxy 192.0.0.0/2\n{location('Require ip 10')}",
        {},
        {"403", "/ui/"},
    ),
    "an address that some proxies may say": (
        f"RemoteIPHeader X-Real-IP\nRemoteIPTrustedProxy 10.0.0.1\n{location('Require ip 11')}",
        {},
        {"403"},
    ),
    "an address by the PROXY protocol": (
        f"RemoteIPProxyProtocol On\n{location('Require ip 10')}",
        {},
        {"403", "/ui/"},
    ),
    "an address by the PROXY protocol, but not from there": (
        f"RemoteIPProxyProtocol On\nRemoteIPProxyProtocolExceptions 211.77.9.0/24\n{location('Require ip 10')}",
        {},
        {"403"},
    ),
    "a host's name": (location("Require host example.org"), {}, {"403"}),
    "a host's name, granted": (location("Require host example.org"), {"granted": True}, {"403", "/ui/"}),
    "an address of a proxy's": (
        f"RemoteIPHeader X-Real-IP\nRemoteIPInternalProxy 10.0.0.1\n{location('Require ip 10')}",
        {},
        {"403"},
    ),
    "TLS": (location("Require ssl"), {}, {"/ui/"}),
    "TLS is demanded": (location("SSLRequireSSL"), PLAIN, {"403"}),
    "a certificate": (location("Require ssl-verify-client"), {}, {"403"}),
    "a certificate is demanded": (location("SSLVerifyClient require"), {}, {"403"}),
    "a certificate is not": (
        f"{location('SSLVerifyClient require')}\n{location('SSLVerifyClient none')}",
        {},
        {"/ui/"},
    ),
    "a program": (location("Require claim-of x"), {}, {"403?", "/ui/?"}),
    "an expression": (location("Require expr %{HTTP:Upgrade} == 'websocket'"), {}, {"403", "/ui/"}),
    "an expression of a secret": (location("Require expr %{HTTP:X-Key} == 'x'"), {}, {"403", "/ui/?"}),
    "an expression of the server": (location("Require expr %{TIME_HOUR} -gt 5"), {}, {"403?", "/ui/?"}),
    "an expression with a function": (location("Require expr req('Upgrade') == 'x'"), {}, {"403", "/ui/"}),
    "if": (f"<If \"%{{HTTP_USER_AGENT}} == 'x'\">\nRequire all denied\n</If>\n{PROXY}", {}, {"403", "/ui/"}),
    "if in a section": (location('<If "-n %{HTTP:Upgrade}">', "Require all denied", "</If>"), {}, {"403", "/ui/"}),
    "else": (location("<Else>", "Require all denied", "</Else>"), {}, {"403"}),
    "rules in a section": (location("RewriteEngine on", "RewriteRule ^ -"), {}, {"/ui/?"}),
    "a proxied section": (f"<Proxy *>\nRequire all denied\n</Proxy>\n{PROXY}", {}, {"403"}),
    "by a proxied pattern": (f"<ProxyMatch ^http://.*1880>\nRequire all denied\n</ProxyMatch>\n{PROXY}", {}, {"403"}),
    "of another": (f"<Proxy http://b>\nRequire all denied\n</Proxy>\n{PROXY}", {}, {"/ui/"}),
    "ProxyPass in a section": (location("ProxyPass http://127.0.0.1:1880/dash", path="/ui"), {}, {"/dash/"}),
    "ProxyPass in a pattern": (
        "<LocationMatch ^/u(.*)>\nProxyPassMatch http://127.0.0.1:1880/x$1\n</LocationMatch>",
        {},
        {"/xi/"},
    ),
    "ProxyPass with wildcards": (location("ProxyPass !", path="/u*/"), {}, {"/ui/?"}),
    # the older way
    "deny": (location("Order allow,deny", "Deny from all"), {}, {"403"}),
    "allow": (location("Order allow,deny", "Allow from 211.77.9.0/24"), {}, {"/ui/"}),
    "deny, then allow": (location("Deny from all", "Allow from 10"), {}, {"403"}),
    "deny nobody": (location("Order deny,allow"), {}, {"/ui/"}),
    "satisfy any": (location(LOGIN, "Satisfy any"), {}, {"/ui/"}),
    "satisfy any of two": (location(LOGIN, "Deny from all", "Satisfy any"), {}, {"401"}),
    "overridden": (f"{location('Deny from all')}\n{location('Satisfy all')}", {}, {"/ui/"}),
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
