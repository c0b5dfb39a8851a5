"""The lab's deployments: small pieces of settings.js, flows and proxy rules, each with a name.

Every one is `fresh` or `hardened` with a change, so that what differs is what is written here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from pytest_nodered_sec.lab.certificates import ORGANISATION
from pytest_nodered_sec.lab.gates import weak_gates

SAMPLE_HASH: Final = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."  # "password", from settings.js
_COMMON_HASH: Final = "$2b$08$UEc.NPffzIjIm67PFonHwuVD5tYYnADfmgmyzrQNXfVr6ezJUUqt."  # "admin"
_BLANK_HASH: Final = "$2b$08$sWZKHEZtLKrVblzwv5zx8ePAI1NVBYzH8r.MMMXdlYRbydc8K55OC"  # ""; quick, so that all are asked


@dataclass(frozen=True)
class Deployment:
    """How a Node-RED stands there.

    Attributes:
        settings: lines of settings.js; @HASH@ and @SECRET@ are filled in.
        tls: whether the proxy speaks HTTPS; without it everything comes over plain HTTP.
        socket: whether Node-RED listens on a unix socket instead of a TCP port.
        gate: "" for none; "dashboards": Basic login before dashboards and endpoints; "endpoints": before endpoints and
            what a dashboard keeps beside its page; "all": before everything;
            "dashboards-cased", "routes-cased": before dashboards, before routes, in lower case only;
            "but-flows", "but-ui", "but-files": before routes and dashboards, all but one, or but what is called like a
            file; "unless-named": before everything, unless a header names somebody; "unless-upgraded": before
            dashboards and endpoints, unless a WebSocket is asked for; "same-site": no login, but no form of another
            site passes; "sso": a redirect to a login elsewhere.
        locations: nginx's own rules, which no other proxy has: of each location how it matches, and what it does
            before it passes the request on, "gate" being a Basic login.
        front: nginx's own configuration, which no other proxy has: lines beside the server block, and lines of the
            server in place of gate and locations. `@GUARD@` is the Basic login, `@PASS@` what passes a request on,
            `@TLS@` the address of HTTPS and its certificate, `@FOLDER@` the proxy's directory; ("", "") for none.
        tidy: whether a gate by path refuses dot segments, which it and Node-RED read differently.
        sockets: paths below which the proxy forwards `Upgrade`; () for everywhere.
        plain: what the plain HTTP port does: "redirect" to HTTPS (301), "302" (the same with that status), "echo" (to
            whatever Host the client names), "serve", or "trusting" (serve, and pass the client's X-Forwarded-*).
        password: the account's password where it is a published one, else ""; then `settings` hold its hash.
        gate_login: password and bcrypt hash of the Basic login where it is a known one; None for the account's.
        headers: whether the proxy adds and removes headers as advised, and keeps back what names the release.
        hsts: value of Strict-Transport-Security among them, "" for none.
        extra: headers that the proxy adds to every answer besides.
        versions: whether the proxy tells its version.
        named: whether the proxy answers HTTPS under its own names only.
        certificate: "" for a right one; "leaf-only", "wrong-name", "expired", "long-lived", "root-sent", "weak-key", or
            "listed" and "revoked", which name a list of revoked certificates; behind nginx only, as the next.
        mutual: whether the proxy demands a client certificate.
        inspector: whether Node's inspector listens.
        dashboards: whether there are dashboards.
        flows: "both"; "first": Dashboard 1 only; "display-only": both, without a widget that acts; "login-form";
            "undeclared": ways in of which the policy does not know; "weak": a weakness for each of flow-02 to flow-04.
        packages: set of contributed packages beside Node-RED and its dashboards, "" for none.
        gated: first parts of further paths behind the gate.
        accepts: nginx's lines on versions, suites and curves of TLS, which no other proxy has; "" for the advised ones.
        majors: Node-RED's that it exists for; () for each that the lab runs everything on.
        node: release of Node.js, "" for one with the last security fixes.
        admin_root: httpAdminRoot as seen from outside.
        node_root: httpNodeRoot as seen from outside.
        expect: policy keys this deployment is meant for.
    """

    settings: str = ""
    tls: bool = True
    socket: bool = False
    gate: str = ""
    locations: tuple[tuple[str, str], ...] = ()
    front: tuple[str, str] = ("", "")
    tidy: bool = True
    sockets: tuple[str, ...] = ()
    plain: str = "redirect"
    password: str = ""
    gate_login: tuple[str, str] | None = None
    headers: bool = False
    hsts: str = "max-age=63072000"
    extra: tuple[tuple[str, str], ...] = ()
    versions: bool = False
    named: bool = True
    certificate: str = ""
    mutual: bool = False
    inspector: bool = False
    dashboards: bool = True
    flows: str = "both"
    packages: str = ""
    gated: tuple[str, ...] = ()
    accepts: str = ""
    majors: tuple[int, ...] = ()
    node: str = ""
    admin_root: str = "/"
    node_root: str = "/"
    expect: tuple[tuple[str, Any], ...] = ()  # Any: values as a policy file has them

    @property
    def has_login(self) -> bool:
        """Whether the account opens the admin API: Node-RED's own login, or a Basic one before it."""
        return "adminAuth" in self.settings or "httpAdminAuth" in self.settings or self.gate in ("all", "unless-named")

    @property
    def dashboard_user(self) -> str:
        """Who may log in before the dashboards with the account's password, "" where nobody may, or only others."""
        if self.gate_login or self.password or any(self.front) or self.gate in ("sso", "same-site"):
            return ""
        if not self.gate:
            return "user" if _NODE_LOGIN in self.settings else ""
        return "admin"

    @property
    def node_red(self) -> tuple[object, ...]:
        """What stands behind the proxy; deployments of which this is the same can share one Node-RED."""
        # Two passwords that differ are two accounts; and where one is known, it is guessed at both places.
        return (
            self.settings,
            self.socket,
            self.inspector,
            self.dashboards,
            self.flows,
            self.packages,
            self.password,
            self.gate_login,
            self.node,
        )


_LOGIN: Final = """adminAuth: {type: "credentials", users: [
    {username: "admin", password: "@HASH@", permissions: "*"},
    {username: "viewer", password: "@HASH@", permissions: "read"}]},"""
_NODE_LOGIN: Final = 'httpNodeAuth: {user: "user", pass: "@HASH@"},'
_ORIGIN_GUARD: Final = """(socket, next) => {
    const {origin, host} = socket.handshake.headers;
    next(!origin || new URL(origin).host === host ? undefined : new Error("foreign origin"));
  }"""
_SAME_ORIGIN: Final = "(info) => !info.origin || new URL(info.origin).host === info.req.headers.host"
_NO_INSTALL: Final = (
    "externalModules: {palette: {allowInstall: false, allowUpload: false}, modules: {allowInstall: false}},"
)
_REFUSE_PAGES: Final = '(req, res) => res.status(401).send("no")'

_SITE: Final = (
    (
        "protected_paths",
        [
            {"path": "/api/orders", "method": "GET", "effect": "none"},
            {"path": "/api/orders", "method": "POST", "effect": "unknown"},
        ],
    ),
    ("websockets", ["/ws/line"]),
)

_COOKIE: Final = ("Set-Cookie", "line=7; Path=/; Secure; HttpOnly; SameSite=Lax")

CIPHERS: Final = ":".join(  # Mozilla's intermediate guideline; nginx offers more by itself
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
_TODAY: Final = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers"

_FRESH: Final = Deployment()
_HARDENED: Final = Deployment(
    settings=f"""{_LOGIN}
  disableEditor: true,
  credentialSecret: "@SECRET@",
  ui: {{ioMiddleware: {_ORIGIN_GUARD}}},
  dashboard: {{ioMiddleware: {_ORIGIN_GUARD}}},
  webSocketNodeVerifyClient: {_SAME_ORIGIN},
  {_NO_INSTALL}
  logging: {{console: {{level: "info", metrics: false, audit: true}}}},""",
    socket=True,
    gate="dashboards",
    sockets=("/ui/socket.io", "/dashboard/socket.io", "/ws"),
    headers=True,
    extra=(_COOKIE,),
    expect=_SITE,
)
_EDITED: Final = replace(  # the editor stays, behind the login
    _HARDENED,
    settings=_HARDENED.settings.replace("disableEditor: true,", ""),
    sockets=(*_HARDENED.sockets, "/comms"),
    expect=(*_SITE, ("editor", "protected")),
)
_LEGACY: Final = replace(  # the deprecated Basic login of the admin API
    _HARDENED,
    settings=_HARDENED.settings.replace(_LOGIN, 'httpAdminAuth: {user: "admin", pass: "@HASH@"},').replace(
        "disableEditor: true,", ""
    ),
    sockets=(*_HARDENED.sockets, "/comms"),
    headers=False,
    expect=(*_SITE, ("admin_api", "proxied")),
)
_PUBLIC: Final = (
    "dashboards",
    [{"path": path, "public": True, "reason": "andon board"} for path in ("/ui", "/dashboard")],
)
_NO_DASHBOARDS: Final = 'denyList: ["node-red-dashboard", "@flowfuse/node-red-dashboard"]'  # not loaded, so not mounted

DEPLOYMENTS: Final[dict[str, Deployment]] = {
    "fresh": _FRESH,
    "hardened": _HARDENED,
    "article": Deployment(
        settings=_LOGIN.replace("@HASH@", SAMPLE_HASH),
        tls=False,
        plain="serve",
        password="password",  # noqa: S106  the published one is what this deployment is about
        flows="login-form",
    ),
    "httpnodeauth": Deployment(settings=f"{_LOGIN} {_NODE_LOGIN} disableEditor: true,", expect=_SITE),
    "moved": Deployment(
        settings=f'{_LOGIN} disableEditor: true, httpAdminRoot: "/admin-x", httpNodeRoot: "/node-x",',
        admin_root="/admin-x",
        node_root="/node-x",
    ),
    "admin-elsewhere": Deployment(
        settings=f'{_LOGIN} disableEditor: true, httpAdminRoot: "/admin-x",', admin_root="/admin-x"
    ),
    "node-elsewhere": Deployment(settings='disableEditor: true, httpNodeRoot: "/node-x",', node_root="/node-x"),
    "adminoff": Deployment(settings="httpAdminRoot: false,", expect=(("admin_api", "disabled"),)),
    "adminoff-nodeauth": Deployment(
        settings=f"httpAdminRoot: false, {_NODE_LOGIN}", expect=(("admin_api", "disabled"),)
    ),
    "gate": Deployment(gate="all", expect=(("admin_api", "proxied"),)),
    "sso": Deployment(gate="sso"),
    "noeditor-open": Deployment(settings="disableEditor: true,"),
    "secret-root": Deployment(settings=f'httpAdminRoot: "/secret", {_NODE_LOGIN}'),
    "anonread": Deployment(
        settings=_LOGIN.replace("}]}", '}], default: {permissions: "read"}}') + " disableEditor: true,"
    ),
    "middleware-only": Deployment(
        settings=f"{_LOGIN} disableEditor: true, ui: {{middleware: {_REFUSE_PAGES}}}, "
        f"dashboard: {{middleware: {_REFUSE_PAGES}}},"
    ),
    "plain-leak": replace(_HARDENED, plain="serve"),
    "editor-protected": _EDITED,
    "nodash": replace(
        _HARDENED,
        settings=_HARDENED.settings.replace("palette: {", f"palette: {{{_NO_DASHBOARDS}, "),
        sockets=("/ws",),
        dashboards=False,
    ),
    "ungated": replace(_HARDENED, gate=""),
    "legacy-auth": _LEGACY,
    "any-origin": replace(  # ioMiddleware that forgets what it replaces, and no gate in front
        _HARDENED,
        settings=_HARDENED.settings.replace(_ORIGIN_GUARD, "(socket, next) => next()").replace(
            _SAME_ORIGIN, "() => true"
        ),
        gate="",
    ),
    "cased-gate": replace(_HARDENED, gate="dashboards-cased"),
    "untidy": replace(_HARDENED, tidy=False, sockets=()),
    "cased-routes": replace(  # the proxy guards what Node-RED does not
        _HARDENED, settings=_HARDENED.settings.replace(_LOGIN, ""), gate="routes-cased"
    ),
    "named": Deployment(gate="unless-named", expect=(("admin_api", "proxied"),)),
    "same-site": Deployment(settings="disableEditor: true,", gate="same-site"),
    "static-home": replace(_HARDENED, settings=f"{_HARDENED.settings} httpStatic: __dirname,"),
    "acting": replace(  # endpoints that must not be asked
        _HARDENED,
        expect=(
            (
                "protected_paths",
                [{"path": "/api/orders"}, {"path": "/api/orders", "method": "POST", "effect": "acts"}],
            ),
        ),
    ),
    "redirect-302": replace(_HARDENED, plain="302"),
    "redirect-echo": replace(_HARDENED, plain="echo"),
    "require-https": replace(
        _HARDENED,
        settings=_HARDENED.settings.replace("disableEditor: true,", "requireHttps: true,"),
        plain="trusting",
        expect=(("editor", "protected"),),
    ),
    "undeclared": replace(_HARDENED, flows="undeclared"),
    "weak-flows": replace(_HARDENED, flows="weak"),
    "palette": replace(_EDITED, settings=_EDITED.settings.replace(_NO_INSTALL, "")),
    "tells-release": replace(  # and lets through what no release fixes
        _EDITED, settings=f"{_EDITED.settings} editorTheme: {{projects: {{enabled: true}}}},", headers=False
    ),
    "sample-login": replace(  # settings.js as it comes, comments removed
        _HARDENED,
        settings=_HARDENED.settings.replace("@HASH@", SAMPLE_HASH, 1),
        password="password",  # noqa: S106  as above
    ),
    "sample-gate": replace(_HARDENED, gate_login=("password", SAMPLE_HASH)),
    "common-gate": replace(_HARDENED, gate_login=("admin", _COMMON_HASH)),
    "blank-gate": replace(_HARDENED, gate_login=("", _BLANK_HASH)),
    "sample-nodeauth": replace(
        _HARDENED, settings=f"{_HARDENED.settings} {_NODE_LOGIN.replace('@HASH@', SAMPLE_HASH)}", gate=""
    ),
    "sample-legacy-auth": replace(
        _LEGACY,
        settings=_LEGACY.settings.replace("@HASH@", SAMPLE_HASH),
        password="password",  # noqa: S106  as above
    ),
    "no-hsts": replace(_HARDENED, hsts=""),
    "short-hsts": replace(_HARDENED, hsts="max-age=300"),
    "direct-open": replace(_HARDENED, socket=False),  # a gate that can be passed by
    "versions-told": replace(_HARDENED, versions=True),
    "any-name": replace(_HARDENED, named=False),
    "any-name-open": replace(  # no login of Node-RED's own behind it
        _HARDENED, settings=_HARDENED.settings.replace(_LOGIN, ""), named=False
    ),
    "leaf-only": replace(_HARDENED, certificate="leaf-only"),
    "wrong-name": replace(_HARDENED, certificate="wrong-name"),
    "expired": replace(_HARDENED, certificate="expired"),
    "root-sent": replace(_HARDENED, certificate="root-sent"),
    "weak-key": replace(_HARDENED, certificate="weak-key"),
    "long-lived": replace(_HARDENED, certificate="long-lived"),
    "unmet": replace(  # what only the policy asks for, and is not so
        _HARDENED,
        certificate="revoked",
        expect=(*_SITE, ("issuer", "Let's Encrypt"), ("mutual_tls", True), ("revocation", "crl")),
    ),
    "mutual": replace(
        _HARDENED,
        certificate="listed",
        mutual=True,
        expect=(*_SITE, ("issuer", ORGANISATION), ("mutual_tls", True), ("revocation", "crl")),
    ),
    "inspector-open": replace(_HARDENED, inspector=True),
    "plain-cookie": replace(_HARDENED, extra=(("Set-Cookie", "line=7; Path=/"),)),
    "cors": replace(_HARDENED, extra=(_COOKIE, ("Access-Control-Allow-Origin", "*"))),
    "wrong-account": replace(_HARDENED, password="not the account's"),  # noqa: S106  nobody's
    "long-session": replace(
        _HARDENED,
        settings=_HARDENED.settings.replace('type: "credentials",', 'type: "credentials", sessionExpiryTime: 2592000,'),
    ),
    "old-node": replace(_HARDENED, node="20.18.0", majors=(4,)),
    "node-behind": replace(_HARDENED, node="24.19.0"),  # of a line that is kept
    "basic-gate": replace(  # a login that browsers send by themselves
        _HARDENED,
        settings=_HARDENED.settings.replace(_LOGIN, ""),
        gate="all",
        expect=(*_SITE, ("admin_api", "proxied")),
    ),
    # How guides write it: nginx matches what it reads, Express ignores letter case and a slash at the end.
    "location-exact": replace(
        _HARDENED,
        settings=_HARDENED.settings.replace(_LOGIN, ""),
        gate="but-flows",
        locations=(("= /flows", "deny all;"),),
    ),
    "location-prefix": replace(
        _HARDENED,
        settings=_HARDENED.settings.replace(_LOGIN, ""),
        gate="but-flows",
        locations=(("/flows", "deny all;"),),
    ),
    "location-ui": replace(
        _HARDENED, gate="but-ui", locations=(("^~ /ui/", "gate"),), sockets=("/dashboard/socket.io", "/ws")
    ),
    "location-files": replace(_HARDENED, gate="but-files", sockets=()),
    "unless-upgraded": replace(_HARDENED, gate="unless-upgraded"),
    "limit-except": replace(
        _HARDENED, settings=_HARDENED.settings.replace(_LOGIN, ""), locations=(("/", "limit_except GET { deny all; }"),)
    ),
    "old-release": Deployment(settings=_LOGIN, flows="first", majors=(1,)),
    "interfaces": replace(
        _HARDENED,
        settings=f"{_HARDENED.settings} uibuilder: {{telemetryEnabled: false}},",
        packages="contrib",
        expect=(*_SITE, ("interfaces", [{"kind": "uibuilder", "path": "/hmi"}])),
    ),
    # @SECLEVEL=0: what OpenSSL itself would not do any more.
    "old-versions": replace(  # which know CBC only, so that TLS 1.2 has it too
        _HARDENED,
        accepts=f"ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers {CIPHERS}:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0;",
    ),
    "no-tls13": replace(
        _HARDENED,
        accepts=f"ssl_protocols TLSv1.2; ssl_ciphers {CIPHERS};",
        expect=(*_SITE, ("thresholds.tls_offered", {"value": ["1.3"]})),
    ),
    "null-suite": replace(_HARDENED, accepts=f"{_TODAY} {CIPHERS}:ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0;"),
    "other-suite": replace(_HARDENED, accepts=f"{_TODAY} {CIPHERS}:ECDHE-ECDSA-AES128-CCM;"),
    "small-curve": replace(
        _HARDENED, accepts=f"{_TODAY} {CIPHERS}:@SECLEVEL=0; ssl_ecdh_curve X25519:prime256v1:secp192r1;"
    ),
    "public-acting": replace(_HARDENED, gate="endpoints", expect=(*_SITE, _PUBLIC)),
}
DEPLOYMENTS.update(
    {name: replace(_HARDENED, **changes) for name, changes in weak_gates(_HARDENED.settings, _LOGIN, _SITE).items()}
)
DEPLOYMENTS["interfaces-gated"] = replace(DEPLOYMENTS["interfaces"], gated=("uibuilder", "hmi", "worldmap", "flexdash"))
DEPLOYMENTS["public-showing"] = replace(DEPLOYMENTS["public-acting"], flows="display-only")
