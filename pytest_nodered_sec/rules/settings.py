"""What settings.js says: logins, channels, editor, secret, audit log, run-time installation, what leaves the plant."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.lines import ADMIN_AUTH, nginx_gate
from pytest_nodered_sec.rules.patches import version
from pytest_nodered_sec.rules.proxy import gate
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Severity, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_settings import (
        AuditSettings,
        ChannelSettings,
        EditorSettings,
        Egress,
        LoginSettings,
        ModuleSettings,
        PasswordHash,
        SecretSettings,
    )
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_TELEMETRY_SINCE: Final = (4, 1)
_USER: Final = "a user of the editor"  # as probes/host/parts.py says it
_OWN_NAMES: Final = (".internal", ".local", ".lan", ".localdomain", ".home.arpa", ".localhost", ".test", ".invalid")
_HASH = "node-red admin hash-pw (bcrypt), its output into settings.js"
_LOGIN = ADMIN_AUTH.removeprefix("settings.js: ")


def logins_are_sound(seen: LoginSettings, policy: Policy) -> Verdict:
    """adminAuth is set, strangers have no rights, and no password is shared, weakly hashed or in clear."""
    violations = []
    if seen.kind != "set" and policy.admin_api == "protected":
        violations.append(
            Violation(
                "no-admin-auth",
                f"{seen.file}: adminAuth is {seen.kind}",
                "adminAuth with users or a strategy",
                ADMIN_AUTH,
            )
        )
    elif seen.kind == "set" and seen.type not in ("credentials", "strategy"):
        violations.append(
            Violation(
                "unknown-type",
                f"{seen.file}: adminAuth.type is {seen.type or 'not set'}, which is not known: nobody can log in",
                'type "credentials" or "strategy"',
                ADMIN_AUTH,
            )
        )
    if seen.default:
        violations.append(
            Violation(
                "default-user",
                f"{seen.file}: adminAuth.default gives every anonymous client the permissions {seen.default}",
                "no `default` user",
                "settings.js: delete adminAuth.default",
            )
        )
    for who, account_hash in seen.hashes:
        violations += [
            Violation(f"hash-{what}", f"{seen.file}: {who}: {account_hash.line()}", expected, _HASH)
            for what, expected in _weaknesses(account_hash, policy)
        ]
    unknown = [who for who, account_hash in seen.hashes if account_hash.scheme == "computed"]
    if unknown and not violations:
        return NotJudged(
            f"{seen.file}: a module that is not run here makes the hash of {', '.join(unknown)}, so how strong it is, "
            "and of which password, is not known: write the hash itself into settings.js or the environment"
        )
    return tuple(violations)


def _weaknesses(account_hash: PasswordHash, policy: Policy) -> list[tuple[str, str]]:
    if account_hash.known:
        return [("known", "a password of your own")]
    if account_hash.scheme == "bcrypt":
        least = policy.thresholds.bcrypt_cost
        low = account_hash.cost < least
        return [("cost", f"bcrypt of cost {least} or more (profile {policy.profile})")] if low else []
    if account_hash.scheme == "computed":
        return []
    return [(account_hash.scheme, "a bcrypt hash")]


def channels_are_guarded(seen: ChannelSettings, policy: Policy) -> Verdict:
    """Every dashboard in use has page and Socket.IO middleware, every WebSocket node verifies its clients."""
    if not seen.dashboards and not seen.web_sockets:
        return NotApplicable(seen.evidence())
    if policy.host.proxy_guards:
        return ()
    declare = 'if a proxy guards it, set in the policy (proxy_guards = "nginx asks for a login on /ui and its socket")'
    violations = []
    paths = seen.paths or ("",) * len(seen.dashboards)
    doubts = []
    for (name, page, live), path in zip(seen.dashboards, paths, strict=True):
        at_the_proxy = gate(seen.proxy, path)
        if at_the_proxy == "closed" or (page and live):
            continue
        if at_the_proxy != "open":
            doubts.append(at_the_proxy)
            continue
        if not page:
            remedy = f"nginx: {nginx_gate(path or f'/{name}')}. Or settings.js: {name}.middleware; {declare}"
            observed = f"{seen.file}: {name} has no middleware: its pages require no login"
            violations.append(Violation(f"{name}-page", observed, "page middleware, or a proxy's login", remedy))
        if not live:
            remedy = f"nginx: {nginx_gate(path or f'/{name}')}. Or settings.js: {name}.ioMiddleware; {declare}"
            observed = f"{seen.file}: {name} has no ioMiddleware: its live values and buttons require no login"
            violations.append(Violation(f"{name}-socket", observed, "Socket.IO middleware, or a proxy's login", remedy))
    unguarded = () if seen.web_sockets_guarded else seen.web_sockets
    gates = {path: gate(seen.proxy, path, exactly=True) for path in unguarded}
    doubts += [state for state in gates.values() if state not in ("open", "closed")]
    left = [path for path, state in gates.items() if state == "open"]
    if left:
        remedy = f"nginx: {' '.join(map(nginx_gate, left))}. Or settings.js: webSocketNodeVerifyClient; {declare}"
        observed = f"{seen.file}: WebSocket nodes listen at {', '.join(left)}, webSocketNodeVerifyClient is not set"
        violations.append(Violation("websocket", observed, "webSocketNodeVerifyClient, or a proxy's login", remedy))
    if doubts and not violations:
        return NotJudged(f"{seen.evidence()}; whether the proxy requires a login is unknown: {doubts[0]}")
    return tuple(violations)


def editor_is_as_expected(seen: EditorSettings, policy: Policy) -> Verdict:
    """Settings agree with what the policy expects of editor and admin API, without the deprecated traps."""
    violations = []
    off = seen.admin_root == "false"
    if policy.editor == "disabled" and not (seen.disabled or off):
        violations.append(_disagrees("editor", seen, "disableEditor: true, as the policy says", "disableEditor: true"))
    if policy.editor == "protected" and not (seen.admin_auth or off):
        violations.append(_disagrees("editor-open", seen, "an editor behind adminAuth", _LOGIN))
    if policy.admin_api == "disabled" and not off:
        violations.append(
            _disagrees("admin-api", seen, "httpAdminRoot: false, as the policy says", "httpAdminRoot: false")
        )
    if seen.basic_admin_auth:
        expected = "adminAuth instead of the deprecated httpAdminAuth, which leaves WebSocket /comms without a login"
        violations.append(
            _disagrees(
                "http-admin-auth",
                seen,
                expected,
                f"in place of httpAdminAuth, {_LOGIN}",
            )
        )
    violations += [
        _disagrees(
            "cors",
            seen,
            f"{key} names the origins that may read with a user's login, or has no credentials: true",
            f'{key}: {{origin: ["https://app.example"], credentials: true}}, with your own origin',
            Severity.MEDIUM,
        )
        for key in seen.cors
    ]
    if seen.cookie:
        expected = "a log-in's cookie that neither scripts nor other sites get"
        line = 'httpAdminCookieOptions: {httpOnly: true, sameSite: "lax"}'
        violations.append(_disagrees("cookie", seen, expected, line, Severity.MEDIUM))
    if seen.http_root:
        expected = "httpAdminRoot and httpNodeRoot instead of the deprecated httpRoot, where either is not set"
        violations.append(_disagrees("http-root", seen, expected, "delete httpRoot"))
    return tuple(violations)


def _disagrees(
    code: str, seen: EditorSettings, expected: str, line: str, severity: Severity | None = None
) -> Violation:
    return Violation(code, seen.evidence(), expected, f"settings.js: {line}, then restart Node-RED", severity)


def egress_is_declared(seen: Egress, policy: Policy) -> Verdict:
    """Telemetry, catalogues and AI assistants are off, or the policy says what they are for."""
    declared = {line.split()[0] for line in policy.host.egress}
    declare = 'or declare it in the policy (egress = ["{} what it is for"])'
    outgoing = []
    release = version(seen.release)
    if seen.telemetry == "on" and not (release and release.release < _TELEMETRY_SINCE):
        observed = f"{seen.file}: telemetry is on ({seen.said_by}): a report to telemetry.nodered.org each day"
        remedy = "settings.js: telemetry: {enabled: false}"
        if seen.said_by == _USER:
            remedy = "editor: user settings, switch off what shares usage data (a user's choice outweighs settings.js)"
        outgoing.append(("telemetry", observed, "no telemetry", remedy))
    if outside := [catalogue for catalogue in seen.catalogues if not _is_inside(catalogue)]:
        observed = f"{seen.file}: the editor gets lists of what can be installed from {', '.join(outside)}"
        remedy = "settings.js: externalModules: {palette: {allowInstall: false}}"
        outgoing.append(("catalogue", observed, "no list from outside", remedy))
    for name, installed in seen.assistants:
        observed = f"{name} {installed} is installed: flows and code go to a service outside, and it can deploy"
        remedy = (
            f"npm uninstall {name} in the user directory, or settings.js: flowforge: {{assistant: {{enabled: false}}}}"
        )
        outgoing.append(("assistant", observed, "no AI assistant", remedy))
    return tuple(
        Violation(kind, observed, f"{expected}, or one that the policy declares", f"{remedy}; {declare.format(kind)}")
        for kind, observed, expected, remedy in outgoing
        if kind not in declared
    )


def _is_inside(server: str) -> bool:
    """Whether a server's name can be one of the plant's own only."""
    name = server.partition(":")[0] if server.count(":") < 2 else server.partition("]")[0].lstrip("[")
    with contextlib.suppress(ValueError):
        return not ip_address(name).is_global
    return "." not in name or name.endswith(_OWN_NAMES)


def secret_is_set(seen: SecretSettings, policy: Policy) -> Verdict:
    """credentialSecret is the operator's own; else Node-RED writes the key beside what it encrypts."""
    if seen.kind == "set":
        return ()
    if seen.kind == "computed":
        return NotJudged(
            f"{seen.file}: a module that is not run here makes credentialSecret, so whether it is your own is not "
            "known: read it from a file or the environment"
        )
    why = {
        "false": "credentials are stored in clear text",
        "published": "it is the sample of Node-RED's own settings.js",
        "guessable": "it is blank, a placeholder that was never replaced, or one of the words that are tried first",
        "missing": "it is the text that a variable or file that was not there came to",
    }.get(seen.kind, "the key is in .config.runtime.json")
    return (
        Violation(
            f"secret-{seen.kind}",
            f"{seen.evidence()}: {why}",
            "a secret that you generated",
            "settings.js: credentialSecret: process.env.NODE_RED_CREDENTIAL_SECRET, set in the unit's EnvironmentFile= "
            "(owner root, mode 0600); or, with systemd 247 or newer, unit: LoadCredential=secret:/etc/nodered.secret "
            '(owner root, mode 0600), settings.js: credentialSecret: require("fs").readFileSync('
            'process.env.CREDENTIALS_DIRECTORY + "/secret", "utf8").trim(); then deploy once',
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
        return NotApplicable(f"{seen.evidence()}; the policy allows it (palette)")
    remedy = (
        "settings.js: externalModules: {palette: {allowInstall: false, allowUpload: false}, "
        "modules: {allowInstall: false}}"
    )
    return tuple(
        Violation(key, f"{seen.file}: {key} is not switched off", f"{key}: false", remedy) for key in seen.open
    )
