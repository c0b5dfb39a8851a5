"""Whether another form of a request bypasses the rule that guards its path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.side_ports import Http3Offer
from pytest_nodered_sec.remedies.lines import nginx_gate
from pytest_nodered_sec.rules.access import refuses_access
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import VariantAttempt
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict


def spelling_opens_nothing(seen: VariantAttempt, policy: Policy) -> Verdict:
    """Another spelling of a path reaches nothing that the path itself refuses."""
    attempt, plain = seen.attempt, seen.plain
    if plain is None:
        return refuses_access(attempt, policy)
    if plain.kind is Kind.SERVED:
        return NotApplicable(
            f"{plain.evidence()}: served under the usual spelling as well, which another control judges"
        )
    path = plain.absolute
    return (
        Violation(
            "spelling",
            f"{attempt.evidence()}, while {path} answered {plain.answer.line()}",
            "the same answer as for the path itself",
            f"nginx, in place of location {path} (Express ignores letter case and one trailing slash): "
            f"{nginx_gate(path)}. Or let Node-RED itself refuse: settings.js: adminAuth, httpNodeAuth",
        ),
    )


def identity_header_opens_nothing(seen: VariantAttempt, policy: Policy) -> Verdict:
    """A forged identity opens nothing that is refused without it."""
    attempt, plain = seen.attempt, seen.plain
    reason = policy.public_reason(seen.asked)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if plain is not None and plain.kind is Kind.SERVED:
        return NotApplicable(f"{plain.evidence()}: served without it too")
    if plain is None or attempt.kind is not Kind.SERVED:
        return () if attempt.kind is Kind.REFUSED else NotApplicable(f"{attempt.evidence()}: nothing is served there")
    return (
        Violation(
            "believed",
            f"{attempt.evidence()}, and {plain.answer.line()} without it{_enough(seen)}",
            "the same answer as without it",
            _dropping(seen),
        ),
    )


def _enough(seen: VariantAttempt) -> str:
    """Return which of the headers that were sent together open, where that is known."""
    if not seen.enough or f"header {seen.enough[0]}:" in seen.attempt.how:
        return ""
    return f"; {' and '.join(seen.enough)} {'alone is' if len(seen.enough) == 1 else 'are'} enough"


def _dropping(seen: VariantAttempt) -> str:
    name = seen.enough[0] if len(seen.enough) == 1 else "NAME"
    variable = f"$http_{name.lower().replace('-', '_')}" if name != "NAME" else "$http_NAME"
    return (
        f'let the gate drop {", ".join(seen.enough) or "the header"}: nginx: proxy_set_header {name} "", and no '
        f"{variable} in map, if or auth_basic; Caddy: request_header -{name}; HAProxy: http-request del-header {name}"
    )


_GATE: Final = "the same answer as without it"
_REMEDIES: Final = {
    "upgrade": "require the login with and without Upgrade: HAProxy: http-request auth before any "
    "use_backend; nginx: no map of $http_upgrade in auth_basic",
    "browser": "do not accept a User-Agent, Origin or Referer as a login: auth_basic (nginx) or http-request auth "
    "(HAProxy) for every request",
    "forwarded": "accept forwarding headers from the proxy in front only: nginx: set_real_ip_from ITS-ADDRESS, and no "
    "satisfy any; HAProxy: http-request del-header X-Forwarded-For",
    "connection": "require the login whatever Connection says: nginx: no map of $http_connection in auth_basic",
    "handshake": "require the login whatever Sec-WebSocket-Key and -Version say: nginx: no map of "
    "$http_sec_websocket_key in auth_basic",
    "query": "require the login whatever the query says: nginx: auth_basic in the location, no map of $arg_token or "
    "$request_uri in it",
    "monitor": "require the login of monitors, too, or let them ask a path of their own: nginx: no map of "
    "$http_user_agent in auth_basic",
    "returned": "require a login, not a cookie that every refusal sets: auth_basic or auth_request for every request",
    "transport": "require the login whatever the query says: nginx: no map of $arg_transport in auth_basic",
    "credential-shaped": "check the session or key, not only its presence: nginx: auth_request for every request",
    "cdn": "require the login here too, or let the firewall admit the CDN's addresses only, or demand its client "
    "certificate: anybody can send its headers",
    "host": "let every name get the login: HAProxy: http-request auth without hdr(host), http-request deny unless "
    "{ hdr(host),field(1,:) -i NAME }; nginx: no map of $http_host in auth_basic",
    "navigation": "require the login whatever Sec-Fetch-Mode, Sec-Purpose, User-Agent and such say: nginx: no map of "
    "$http_sec_fetch_mode or $http_user_agent in auth_basic",
    "embedded": "require the login whatever a page is part of: nginx: no map of $http_sec_fetch_dest, "
    "$http_referer or $http_x_requested_with in auth_basic",
    "events": "require the login whatever Accept says: nginx: no map of $http_accept or $http_sec_fetch_dest in "
    "auth_basic",
    "basic": "check name and password, not only that they are sent: nginx: auth_basic in place of if",
    "rewritten": 'drop rewriting headers before any access check: nginx: proxy_set_header X-Original-URL ""; '
    'proxy_set_header X-Forwarded-Uri "";',
    "slashes": "judge the path that is forwarded: nginx: auth_basic in the location (or map $uri) in place of map "
    "$request_uri, with a login by default",
    "absolute": "judge the path, not all that the request line holds: HAProxy: path_beg in place of url_beg, path_reg "
    "in place of url_reg; Apache httpd: %{REQUEST_URI} in place of %{THE_REQUEST}; Varnish: if (req.url !~ "
    '"^/") { return (synth(400)); }',
    "behind": "require the login before a connection is passed on unread: Varnish: return (pipe) after the login, and "
    "for the paths of WebSockets alone",
    "program": "require the login of programs, too: nginx: no map of $http_accept, $http_range or "
    "$http_if_none_match in auth_basic",
    "older": "require the login in every version of HTTP: nginx: no map of $server_protocol in auth_basic; HAProxy: "
    "http-request auth without req.ver",
    "newer": "require the login in every version of HTTP: nginx: auth_basic in place of if ($server_protocol ...); "
    "HAProxy: http-request auth without ssl_fc_alpn; Caddy: basic_auth without protocol",
    "nameless": "require the login of requests without User-Agent: nginx: no map of $http_user_agent in auth_basic",
    "carrying": "require the login with and without a body: nginx: no map of $content_length, "
    "$http_transfer_encoding or $http_expect in auth_basic",
    "preflight": "answer preflights by their method, OPTIONS, and require the login of everything else: nginx: no map "
    "of $http_access_control_request_method in auth_basic",
    "head": "require the login of every method: nginx: no map of $request_method in auth_basic; Apache httpd: Require "
    "outside <Limit> and <LimitExcept>",
    "bearer": "check the token, not only its presence: adminAuth.tokens must verify its signature; nginx: auth_basic "
    "or auth_request for every request",
    "believed": 'let the gate drop the header: nginx: proxy_set_header NAME ""; Caddy: request_header -NAME',
    "spelling": "nginx: location ~* ^PATH(/|$) (Express ignores letter case and one trailing slash)",
    "address": "let the default server refuse: nginx: listen 443 ssl default_server; return 444;",
    "sni": "require the login of the port or of the Host header, not of the name in the TLS handshake: HAProxy: "
    "http-request auth without ssl_fc_sni, http-request deny unless { hdr(host) -i NAME }",
    "proxy-protocol": "believe a PROXY header of the balancer in front only: Traefik: proxyProtocol: trustedIPs: "
    "[ITS-ADDRESS] in place of insecure; Caddy: proxy_protocol { allow ITS-ADDRESS }",
    "local-name": "require the login under every name, because anybody can send it as Host; or let what is meant for "
    "the local network listen at its address alone: nginx: listen 192.168.1.5:443 ssl in the server block for "
    "NAME.local",
    "localhost": "let what is meant for this machine listen on it alone: nginx: listen 127.0.0.1:8443 ssl in the "
    "server block for localhost",
}
_REMEDIES_ALIKE: Final = {
    "rerouted": "rewritten",
    "ending": "query",
    "encoded": "slashes",
    "dotted": "slashes",
    "freed": "slashes",
    "flagged": "credential-shaped",
    "chunked": "carrying",
    "scheme": "bearer",
    "keyed": "bearer",
    "digest": "basic",
    "image": "events",
    "style": "events",
    "script": "embedded",
    "hook": "credential-shaped",
    "tool": "monitor",
    "jwt": "bearer",
}


def way_opens_nothing(seen: VariantAttempt | Http3Offer, policy: Policy) -> Verdict:
    """No other form of a request opens a surface that refuses the plain request; HTTP/3 is not asked."""
    if isinstance(seen, Http3Offer):
        if not seen.offer:
            return NotApplicable(seen.evidence())
        return NotJudged(
            f"not judged: {seen.evidence()}: what it lets pass is not known. Turn it off (nginx: no listen with quic; "
            "Caddy: servers { protocols h1 h2 }; HAProxy: no bind quic4@; Traefik: no http3), or see by hand that it "
            "refuses what HTTPS refuses, and write that down as an attestation of proxy-05"
        )
    attempt, plain = seen.attempt, seen.plain
    reason = policy.public_reason(seen.asked)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if plain is not None and plain.kind is Kind.SERVED:
        return NotApplicable(f"{plain.evidence()}: served to a plain request too")
    if seen.elsewhere:
        return NotApplicable(f"asked at {seen.elsewhere}: a rare way, for which one place that refuses is enough")
    opened = attempt.kind is Kind.SERVED and (attempt.answer.status < 400 or attempt.answer.status == 500)
    if opened and plain is not None:
        way = seen.ways[0]
        return (
            Violation(
                way,
                f"{attempt.evidence()}, while {plain.evidence()}{_enough(seen)}",
                _GATE,
                _REMEDIES[_REMEDIES_ALIKE.get(way, way)] + _here(seen),
            ),
        )
    nothing = attempt.kind is Kind.ABSENT and (plain is None or plain.kind is Kind.ABSENT)
    return NotApplicable(f"{attempt.evidence()}: nothing is served there") if nothing else ()


def _here(seen: VariantAttempt) -> str:
    return f" (here: {', '.join(seen.enough)})" if seen.enough else ""


def page_spelling_opens_nothing(seen: VariantAttempt, policy: Policy) -> Verdict:
    """Another spelling of a dashboard's path opens no page that the path itself refuses."""
    reason = policy.public_reason(seen.asked)
    return NotApplicable(f"declared public: {reason}") if reason else spelling_opens_nothing(seen, policy)
