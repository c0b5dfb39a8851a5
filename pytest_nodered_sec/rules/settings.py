"""What settings.js says: logins, channels, editor, credential secret, audit log, run-time installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import NotApplicable, Violation
from pytest_nodered_sec.rules.proxy import guards_page, guards_path

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_host import (
        AuditSettings,
        ChannelSettings,
        EditorSettings,
        LoginSettings,
        ModuleSettings,
        PasswordHash,
        SecretSettings,
    )
    from pytest_nodered_sec.policy import Policy

_HASH = "node-red admin hash-pw (bcrypt), its output into settings.js"


def logins_are_sound(seen: LoginSettings, policy: Policy) -> Verdict:
    """adminAuth is set, strangers have no rights, and no password is shared, weakly hashed or in clear."""
    found = []
    if seen.kind != "set" and policy.admin_api == "protected":
        found.append(
            Violation(
                "no-admin-auth",
                f"{seen.file}: adminAuth is {seen.kind}",
                "adminAuth with users or a strategy",
                'settings.js: adminAuth: {type: "credentials", users: [...]}, without a `default` user',
            )
        )
    elif seen.kind == "set" and seen.type not in ("credentials", "strategy"):
        found.append(
            Violation(
                "unknown-type",
                f"{seen.file}: adminAuth.type is {seen.type or 'not set'}, which Node-RED ignores: no login",
                'type "credentials" or "strategy"',
                'settings.js: adminAuth: {type: "credentials", users: [...]}',
            )
        )
    if seen.default:
        found.append(
            Violation(
                "default-user",
                f"{seen.file}: adminAuth.default gives every stranger the rights {seen.default}",
                "no `default` user",
                "settings.js: delete adminAuth.default",
            )
        )
    for who, one in seen.hashes:
        found += [
            Violation(f"hash-{what}", f"{seen.file}: {who}: {one.line()}", expected, _HASH)
            for what, expected in _weaknesses(one, policy)
        ]
    return tuple(found)


def _weaknesses(one: PasswordHash, policy: Policy) -> list[tuple[str, str]]:
    if one.known:
        return [("known", "a password of your own")]
    if one.scheme == "bcrypt":
        least = policy.thresholds.bcrypt_cost
        low = one.cost < least
        return [("cost", f"bcrypt of cost {least} or more (profile {policy.profile})")] if low else []
    if one.scheme == "computed":
        return []  # made by a module at run time: nothing is written in the file
    return [(one.scheme, "a bcrypt hash")]


def channels_are_guarded(seen: ChannelSettings, policy: Policy) -> Verdict:
    """Every dashboard in use has page and Socket.IO middleware, every WebSocket node verifies its clients."""
    if not seen.dashboards and not seen.web_sockets:
        return NotApplicable(seen.evidence())
    if policy.host.proxy_guards:
        return ()
    declare = (
        'if a proxy guards it say so in the policy (proxy_guards = "nginx asks for a login on /ui and its socket")'
    )
    found = []
    paths = seen.paths or ("",) * len(seen.dashboards)
    for (name, page, live), path in zip(seen.dashboards, paths, strict=True):
        if guards_page(seen.proxy, path):
            continue
        if not page:
            remedy = f"settings.js: {name}: {{middleware: (req, res, next) => …}}; {declare}"
            observed = f"{seen.file}: {name} has no middleware: anybody who reaches Node-RED gets its pages"
            found.append(Violation(f"{name}-page", observed, "page middleware, or a proxy's login", remedy))
        if not live:
            remedy = f"settings.js: {name}: {{ioMiddleware: (socket, next) => …}}; {declare}"
            observed = (
                f"{seen.file}: {name} has no ioMiddleware: anybody gets its live values and can press its buttons"
            )
            found.append(Violation(f"{name}-socket", observed, "Socket.IO middleware, or a proxy's login", remedy))
    left = [path for path in seen.web_sockets if not guards_path(seen.proxy, path)]
    if left and not seen.web_sockets_guarded:
        remedy = f"settings.js: webSocketNodeVerifyClient: (info) => …; {declare}"
        observed = f"{seen.file}: WebSocket nodes listen at {', '.join(left)}, webSocketNodeVerifyClient is not set"
        found.append(Violation("websocket", observed, "webSocketNodeVerifyClient, or a proxy's login", remedy))
    return tuple(found)


def editor_is_as_expected(seen: EditorSettings, policy: Policy) -> Verdict:
    """Settings agree with what the policy expects of editor and admin API, without the deprecated traps."""
    found = []
    off = seen.admin_root == "false"
    if policy.editor == "disabled" and not (seen.disabled or off):
        found.append(_disagrees("editor", seen, "disableEditor: true, as the policy says", "disableEditor: true"))
    if policy.editor == "protected" and not (seen.admin_auth or off):
        found.append(_disagrees("editor-open", seen, "an editor behind adminAuth", "adminAuth: {…}"))
    if policy.admin_api == "disabled" and not off:
        found.append(_disagrees("admin-api", seen, "httpAdminRoot: false, as the policy says", "httpAdminRoot: false"))
    if seen.basic_admin_auth:
        expected = "adminAuth instead of the deprecated httpAdminAuth, which leaves WebSocket /comms open to anybody"
        found.append(_disagrees("http-admin-auth", seen, expected, "adminAuth: {…} in its place"))
    if seen.http_root:
        expected = (
            "httpAdminRoot and httpNodeRoot instead of httpRoot, which overrides both (even httpAdminRoot: false)"
        )
        found.append(_disagrees("http-root", seen, expected, "delete httpRoot"))
    return tuple(found)


def _disagrees(code: str, seen: EditorSettings, expected: str, line: str) -> Violation:
    return Violation(code, seen.evidence(), expected, f"settings.js: {line}, then restart Node-RED")


def secret_is_set(seen: SecretSettings, policy: Policy) -> Verdict:
    """credentialSecret is the operator's own; else Node-RED writes the key beside what it encrypts."""
    if seen.kind in ("set", "computed"):
        return ()
    why = {
        "false": "credentials are stored in clear",
        "published": "it is the sample of Node-RED's own settings.js",
    }.get(seen.kind, "the key lies in .config.runtime.json")
    return (
        Violation(
            f"secret-{seen.kind}",
            f"{seen.evidence()}: {why}",
            "a secret of the operator's own",
            "settings.js: credentialSecret: process.env.NODE_RED_CREDENTIAL_SECRET (unit: LoadCredential= or a 0600 "
            "EnvironmentFile=), then deploy once",
        ),
    )


def audit_is_on(seen: AuditSettings, policy: Policy) -> Verdict:
    """Some log handler has audit on, so that logins and deployments leave a trace."""
    if seen.audit:
        return ()
    remedy = 'settings.js: logging: {console: {level: "info", metrics: false, audit: true}}, then restart Node-RED'
    return (Violation("no-audit", seen.evidence(), "audit: true in a log handler", remedy),)


def nothing_installs_at_run_time(seen: ModuleSettings, policy: Policy) -> Verdict:
    """Neither nodes nor modules can be installed while Node-RED runs, unless the policy says so."""
    if policy.host.palette:
        return NotApplicable(f"{seen.evidence()}; the policy says so (palette)")
    remedy = (
        "settings.js: externalModules: {palette: {allowInstall: false, allowUpload: false}, "
        "modules: {allowInstall: false}}"
    )
    return tuple(
        Violation(key, f"{seen.file}: {key} is not switched off", f"{key}: false", remedy) for key in seen.open
    )
