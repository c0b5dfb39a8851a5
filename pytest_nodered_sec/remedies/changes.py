"""What each change is: where it is made, what to do, what it would break, and where the guide shows it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.lines import OTHER_CA, SAME_MACHINE
from pytest_nodered_sec.remedies.model import Change, Where

if TYPE_CHECKING:
    from pytest_nodered_sec.remedies.model import Finding, Site

_NPM: Final = re.compile(r"npm (un)?install .*")
_NODE: Final = re.compile(r"install Node\.js \d")
_SETTINGS: Final = "step 2"
_FRONT: Final = "step 3"
_ACCOUNTS: Final = "users.json beside settings.js: who may log in, each with a hash from `node-red admin hash-pw`"
OPERATORS: Final = "who may log in at the proxy"
SAME_ACCOUNT: Final = (
    "who may log in at the proxy: the account of httpNodeAuth (settings.js), because a browser sends one login for both"
)
_IN_CLEAR: Final = "passwords that were sent over plain HTTP may be known to others: change them once HTTPS works"
_WHERE_SET: Final = "where it is set (settings.js, a node, Traefik itself): Traefik adds none to cookies"
_SHUT: Final = (
    "if a `middleware` of ui or dashboard in settings.js does that, remove it, or it keeps out those who have logged in"
)
_PRESENT: Final = "present a certificate for this name, with its whole chain, renewed in time"
_GIVEN: Final = (
    "the file given with --nodered-ca-file is of another CA than the certificate: give that CA's root, if it is yours"
)
_FROM_ELSEWHERE: Final = "and ask at the network address"
_HERE: Final = f"{SAME_MACHINE[0].upper()}{SAME_MACHINE[1:]}; at a loopback address Node-RED's port stays open"
CERTIFICATE: Final = "which certificate and key the proxy presents"

_KNOWN: Final = {
    known.id: known
    for known in (
        Change(
            "settings.adminAuth",
            Where.SETTINGS,
            'adminAuth: {type: "credentials", users: require("./users.json")}, without a `default` user',
            "Node-RED does not start without users.json; if the proxy has a Basic login of its own for the admin API, "
            "remove it, because both use the same header",
            _SETTINGS,
            _ACCOUNTS,
        ),
        Change(
            "settings.disableEditor",
            Where.SETTINGS,
            "disableEditor: true",
            "flows can then only be deployed through the admin API",
            _SETTINGS,
        ),
        Change(
            "settings.httpAdminRoot",
            Where.SETTINGS,
            "httpAdminRoot: false",
            "flows can no longer be deployed over the network",
            _SETTINGS,
        ),
        Change(
            "settings.uiHost",
            Where.SETTINGS,
            'uiHost: "127.0.0.1"',
            "a proxy on another machine can no longer reach Node-RED; instead close the port to others in a firewall",
            _SETTINGS,
        ),
        Change(
            "settings.externalModules",
            Where.SETTINGS,
            "externalModules: {palette: {allowInstall: false, allowUpload: false}, modules: {allowInstall: false}}",
            "nodes can then only be installed with npm, in the user directory",
            _SETTINGS,
        ),
        Change(
            "settings.origin",
            Where.SETTINGS,
            "ioMiddleware and webSocketNodeVerifyClient that compare the Origin with the Host",
            "pages of another origin can no longer join the channel",
            _SETTINGS,
        ),
        Change(
            "settings.passwords",
            Where.SETTINGS,
            "give each account a password of its own (node-red admin hash-pw)",
            "",
            _SETTINGS,
            "the new passwords",
        ),
        Change(
            "settings.account",
            Where.SETTINGS,
            'permissions: "read" in adminAuth.users for the account that may only read',
            "",
            _SETTINGS,
        ),
        Change(
            "settings.tokens",
            Where.SETTINGS,
            "adminAuth without `tokens`, or with a function that verifies each token's signature",
            "programs that come with such tokens log in with a user name",
        ),
        Change("settings.sessionExpiryTime", Where.SETTINGS, "sessionExpiryTime in adminAuth, as the profile says", ""),
        Change(
            "settings.credentialSecret",
            Where.SETTINGS,
            "credentialSecret: process.env.NODE_RED_CREDENTIAL_SECRET, then deploy once",
            "without the variable saved credentials cannot be read",
            _SETTINGS,
            "the secret (openssl rand -hex 32)",
        ),
        Change(
            "settings.logging",
            Where.SETTINGS,
            'logging: {console: {level: "info", metrics: false, audit: true}}',
            "",
            _SETTINGS,
        ),
        Change(
            "settings.httpStatic",
            Where.SETTINGS,
            "let httpStatic name a directory of its own, and change every secret that stood in the user directory",
            "",
            "",
            "which directory httpStatic serves",
        ),
        Change(
            "front.tls",
            Where.FRONT,
            "serve HTTPS with the versions and suites of the profile",
            "clients that support older versions only can no longer connect",
            _FRONT,
        ),
        Change(
            "front.certificate",
            Where.FRONT,
            f"{_PRESENT} (for a private CA add --nodered-ca-file=ROOT to the run)",
            "",
            "step 4",
            CERTIFICATE,
        ),
        Change(
            "front.redirect",
            Where.FRONT,
            "answer plain HTTP only with a redirect to HTTPS, with the host name written out",
            "clients that post over plain HTTP must use HTTPS",
            _FRONT,
        ),
        Change(
            "front.headers",
            Where.FRONT,
            "add Strict-Transport-Security, frame-ancestors and nosniff to every answer",
            "HSTS applies to every port of this host name",
            _FRONT,
        ),
        Change("front.hide", Where.FRONT, "remove Access-Control-Allow-Origin and version headers", "", _FRONT),
        Change("front.names", Where.FRONT, "refuse requests for other host names", "", _FRONT),
        Change(
            "front.unfixed",
            Where.FRONT,
            "refuse /library and /settings/user/keys: no release of Node-RED fixes CVE-2026-71269 and node-red#5868",
            "flows are then kept in no library, and the SSH keys of Projects are managed on the host",
            _FRONT,
        ),
        Change("front.release", Where.FRONT, "refuse the editor's change log, red/about", "", _FRONT),
        Change("front.dots", Where.FRONT, "answer 404 where a path has dot segments", "", _FRONT),
        Change("front.cookies", Where.FRONT, "give every cookie Secure, HttpOnly and SameSite", "", _FRONT),
        Change("front.identity", Where.FRONT, "drop headers from clients that name a user", "", _FRONT),
        Change("front.accounts", Where.FRONT, "give the accounts of the proxy new passwords", "", _FRONT, OPERATORS),
        Change("front.same-site", Where.FRONT, "refuse what a page of another site sends (Sec-Fetch-Site)", "", _FRONT),
        Change(
            "front.ways",
            Where.FRONT,
            "let no header, address, spelling or second path bypass the login",
            "whatever was meant to be open that way needs the login, or an entry in the policy",
            _FRONT,
            OPERATORS,
        ),
        Change(
            "front.clients",
            Where.FRONT,
            "demand a client certificate",
            "",
            _FRONT,
            "which CA the clients have",
        ),
        Change(
            "front.gate./",
            Where.FRONT,
            "require a login for everything",
            "programs that use the admin API need an account of the proxy",
            _FRONT,
            OPERATORS,
        ),
        Change("policy.protected_paths", Where.POLICY, "list the flows' endpoints in protected_paths", "", "step 5"),
        Change("policy.websockets", Where.POLICY, "list the flows' WebSockets in websockets", "", "step 5"),
        Change("policy.interfaces", Where.POLICY, "list the flows' interfaces in interfaces", "", "step 5"),
        Change(
            "policy.dashboards", Where.POLICY, "list the dashboards that the flows name in dashboards", "", "step 5"
        ),
        Change("policy.listens", Where.POLICY, "list the flows' own ports in inside.listens", "", "step 5"),
        Change("flows.acting", Where.SETTINGS, "move widgets that act to a dashboard behind a login", ""),
        Change("package.node-red", Where.PACKAGE, "update Node-RED to a maintained release without advisories", ""),
        Change(
            "host.ports",
            Where.HOST,
            "stop the service that listens there (Node.js: no --inspect), or close the port",
            "",
        ),
        Change(
            "host.nodejs",
            Where.HOST,
            "install a maintained Node.js with the last security fixes of its line, then restart Node-RED",
            "",
        ),
        Change("host.unit", Where.HOST, "run Node-RED as a service of a user of its own", "", "step 1"),
    )
}


def change(name: str, site: Site, finding: Finding) -> Change:
    """Return the change of an id, as `table.changes` names it for a finding."""
    if name == "front.gate./":
        return _minding_shut(_KNOWN[name], site, "/")
    if name == "front.tls" and finding.code == "no-tls":
        return replace(_KNOWN[name], breaks=_IN_CLEAR)
    if name == "front.cookies" and site.front == "traefik":
        return replace(_KNOWN[name], title=f"{_KNOWN[name].title} {_WHERE_SET}")
    if name == "settings.uiHost" and finding.remedy.endswith(SAME_MACHINE):
        known = _KNOWN[name]
        return replace(known, title=f"{known.title}, {_FROM_ELSEWHERE}", breaks=f"{known.breaks}. {_HERE}")
    if name == "front.certificate" and OTHER_CA in finding.remedy:
        return replace(_KNOWN[name], title=f"{_GIVEN}; otherwise {_PRESENT}")
    if name == "host.nodejs" and _NODE.match(finding.remedy):
        return replace(_KNOWN[name], title=finding.remedy)  # with the release to install
    if name in _KNOWN:
        return _KNOWN[name]
    if name.startswith("front.gate."):
        path = name.removeprefix("front.gate.")
        channel = any(listener.startswith(path) for listener in site.sockets)
        below = ", everything below it and its live channel" if channel else " and everything below it"
        title = f"require a login for {path}{below}"
        decide = SAME_ACCOUNT if site.node_login else OPERATORS
        mind = "browsers ask for a password again if another login at this host name has a different realm"
        return _minding_shut(Change(name, Where.FRONT, title, mind, _FRONT, decide), site, path)
    if name.startswith("package."):
        by_npm = _NPM.search(finding.remedy)  # a front's own words stand beside it, for who has that front
        return Change(name, Where.PACKAGE, by_npm[0] if by_npm else finding.remedy)
    return Change(name, _where(finding), finding.remedy or f"see why {finding.control} fails: {finding.observed}")


def _minding_shut(gate: Change, site: Site, path: str) -> Change:
    """Return a login with what else must go where a page below it is refused to everybody."""
    shut = [root for root in site.shut if f"{root}/".startswith(f"{path.rstrip('/')}/")]
    if not shut:
        return gate
    refused = f"{' and '.join(shut)} refuse{'s' if len(shut) == 1 else ''} everybody today, without asking for a login"
    return replace(gate, breaks=f"{gate.breaks}. {refused}: {_SHUT}")


def _where(finding: Finding) -> Where:
    if finding.code == "account-refused":
        return Where.CREDENTIALS
    if finding.control == "waiver-01" or finding.code == "declared-but-absent":
        return Where.POLICY
    starts = {
        "settings.js": Where.SETTINGS,
        "nginx": Where.FRONT,
        "Caddy": Where.FRONT,
        "nodered-sec": Where.POLICY,
        "leave the path out": Where.POLICY,
        "in the flow": Where.FLOWS,
    }
    return next((where for start, where in starts.items() if finding.remedy.startswith(start)), Where.HOST)
