"""Whom Apache httpd lets in, directive by directive: sections, `Require`, and `Order` with `Allow` and `Deny`."""

from __future__ import annotations

from typing import Any

import pytest
from rules.apache_host import BASIC, LOGIN, PLAIN, PROXY, ends, location

CASES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
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
}


@pytest.mark.parametrize(("body", "more", "expected"), CASES.values(), ids=CASES)
def test_a_directive(body: str, more: dict[str, Any], expected: set[str]) -> None:
    assert ends(body, **more) == expected
