"""The host itself: is it the right one, what does Node-RED listen on, whom does it run as, who supervises it, who
renews its certificate, how old is it, and is what was read what runs."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.patches import faults_of, node_faults, with_unfixed
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import (
        Freshness,
        Identity,
        Listening,
        ListeningSocket,
        PatchLevel,
        Renewal,
        RunningAs,
        Supervision,
        Unit,
    )
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_SANDBOX: Final = (  # systemd.exec(5); what each profile demands is below
    ("NoNewPrivileges", ("yes",), "NoNewPrivileges=yes"),
    ("PrivateTmp", ("yes", "connected", "disconnected"), "PrivateTmp=yes"),
    ("ProtectSystem", ("yes", "full", "strict"), "ProtectSystem=full"),
)
_STRICT_SANDBOX: Final = (
    ("ProtectSystem", ("strict",), "ProtectSystem=strict (and ReadWritePaths= for the user directory)"),
    ("ProtectKernelTunables", ("yes",), "ProtectKernelTunables=yes"),
    ("RestrictSUIDSGID", ("yes",), "RestrictSUIDSGID=yes"),
)


def host_serves_the_url(seen: Identity, policy: Policy) -> Verdict:
    """The host looked at serves the URL, and nothing on it passes itself off as Node-RED or its proxy."""
    violations = [
        Violation(
            "impostor",
            impostor,
            "Node-RED, nginx and Caddy run only as root or as their service's own user",
            "find out who started it and stop it; its data was ignored",
        )
        for impostor in seen.impostors
    ]
    if not (seen.connected or seen.holds_served):
        wrong = Violation(
            "another-host",
            seen.where(),
            "the machine that serves the URL",
            "point --nodered-host at the machine that serves the URL (its proxy), not at another one",
        )
        violations.append(wrong)
    return tuple(violations)


def listens_only_inside(seen: Listening, policy: Policy) -> Verdict:
    """Every listening socket of Node-RED is loopback, unpublished, or declared; the inspector's never is."""
    return tuple(violation for socket in seen.sockets for violation in _exposed(socket, seen, policy))


def _exposed(socket: ListeningSocket, seen: Listening, policy: Policy) -> list[Violation]:
    where = f"{seen.process.line()} listens on {socket.line()}"
    if socket.port in seen.inspectors and socket.family.startswith("tcp"):
        return [
            Violation(
                "inspector",
                f"{where}: Node's inspector, which executes any code sent to it",
                "no inspector in production",
                "start Node-RED without --inspect (unit: ExecStart, NODE_OPTIONS), then restart it",
            )
        ]
    if socket.family == "unix" or ip_address(socket.address.partition("%")[0]).is_loopback:
        return []
    if policy.host.allows(str(socket.port), socket.address.partition("%")[0]):
        return []
    remedy = f'settings.js: uiHost: "127.0.0.1"; declare a node\'s own port: listens = ["{socket.port} what it is"]'
    if seen.published is not None:
        outside = [address for address, port in seen.published if port == socket.port]
        open_to = [address for address in outside if not ip_address(address).is_loopback]
        if not open_to:
            return []
        where += f", published at {', '.join(open_to)}"
        remedy = f"publish it to the proxy only: docker run -p 127.0.0.1:{socket.port}:{socket.port} (compose: ports)"
    return [Violation("exposed", f"{where}: not loopback, not declared", "loopback, or a declared port", remedy)]


def runs_without_root(seen: RunningAs, policy: Policy) -> Verdict:
    """Node-RED does not run as root."""
    if seen.process.uid:
        return ()
    return (
        Violation(
            "root",
            seen.evidence(),
            "a dedicated user",
            "unit: User=nodered (systemctl edit nodered; chown -R nodered its user directory), then restart it",
        ),
    )


def is_supervised(seen: Supervision, policy: Policy) -> Verdict:
    """A service manager starts Node-RED at boot, restarts it, and keeps it from what the profile says."""
    if seen.restart_policy is not None:
        if seen.restart_policy not in ("", "no"):
            return ()
        remedy = "docker run --restart unless-stopped (compose: restart: unless-stopped)"
        return (Violation("no-restart", seen.evidence(), "a restart policy", remedy),)
    process = seen.process
    if process.user_unit:
        return _of_its_user(seen, policy)
    if seen.unit is None and not process.manager:
        remedy = "install it as a service: a nodered.service with Restart=on-failure, systemctl enable --now nodered"
        return (Violation("no-service", seen.evidence(), "a service that systemd supervises", remedy),)
    violations = _unit_faults(seen, seen.unit, policy) if seen.unit is not None else []
    violations += _manager_faults(seen)
    if process.manager and not violations and None in (seen.restarts, seen.starts):
        return NotJudged(
            f"{seen.evidence()}; whether it restarts Node-RED depends on its own configuration, which is not read"
        )
    return tuple(violations)


def _manager_faults(seen: Supervision) -> list[Violation]:
    """Return what a process manager other than systemd does not do, as far as its own files tell."""
    name = seen.process.manager
    is_pm2 = name == "pm2"
    faults = []
    if seen.starts is not None and seen.unit is None:
        remedy = f"pm2 startup systemd -u {seen.process.user}" if is_pm2 else f"a service of systemd that runs {name}"
        faults.append(("no-service", f"a service that starts {name} at boot", remedy))
    if seen.starts is False:
        remedy = f"as {seen.process.user}: pm2 save" if is_pm2 else "autostart=true, then supervisorctl update"
        faults.append(("not-enabled", f"{name} starts Node-RED when it starts itself", remedy))
    if seen.restarts is False:
        remedy = "pm2 start it without --no-autorestart" if is_pm2 else "autorestart=true, then supervisorctl update"
        faults.append(("no-restart", f"{name} restarts Node-RED", remedy))
    return [Violation(code, seen.evidence(), expected, remedy) for code, expected, remedy in faults]


def _of_its_user(seen: Supervision, policy: Policy) -> Verdict:
    """Judge a service of a user's own systemd, which can shield no file systems without user namespaces."""
    process = seen.process
    violations = []
    if not process.lingers:
        remedy = (
            f"loginctl enable-linger {process.user}; as {process.user}: systemctl --user enable {process.user_unit}"
        )
        violations = [
            Violation("no-linger", seen.evidence(), "a service that starts at boot, before any login", remedy)
        ]
    if seen.unit is not None:
        violations += _unit_faults(seen, seen.unit, policy)
    if seen.unit is None and not violations:
        return NotJudged(
            f"{seen.evidence()}; as {process.user}, systemctl --user show -p UnitFileState,Restart {process.user_unit} "
            f"tells the rest, and systemctl --user enable {process.user_unit} has it started at boot"
        )
    return tuple(violations)


def _unit_faults(seen: Supervision, unit: Unit, policy: Policy) -> list[Violation]:
    """Return what a unit lacks; it is another process manager's where one keeps Node-RED, but holds for both."""
    violations = []
    of_user = bool(seen.process.user_unit)
    control = f"as {seen.process.user}: systemctl --user" if of_user else "systemctl"
    if not unit.starts_at_boot:
        remedy = f"{control} {unit.to_start_at_boot}"
        violations.append(Violation("not-enabled", seen.evidence(), "UnitFileState=enabled", remedy))
    if unit.get("Restart") in ("", "no") and not seen.process.manager:
        remedy = f"{control} edit {unit.name}: [Service] Restart=on-failure"
        violations.append(Violation("no-restart", seen.evidence(), "Restart=on-failure or always", remedy))
    for key, accepted, line in _SANDBOX[:1] if of_user and _demanded(policy) else _demanded(policy):
        if unit.get(key) not in accepted:
            violations.append(
                Violation(
                    f"sandbox-{key}",
                    f"{unit.name}: {key}={unit.get(key) or '(not reported)'}",
                    f"{line.split(' ')[0]} (profile {policy.profile})",
                    f"{control} edit {unit.name}: [Service] {line}",
                )
            )
    return violations


def _demanded(policy: Policy) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    if policy.profile == "baseline":
        return ()
    return _SANDBOX if policy.profile == "production" else (*_SANDBOX[:2], *_STRICT_SANDBOX)


def certificate_is_renewed(seen: Renewal, policy: Policy) -> Verdict:
    """The served certificate is a managed lineage, its renewal is scheduled, works, and reloads the proxy."""
    if seen.started and not (seen.served or seen.other or "certbot" in policy.host.demands):
        name = seen.started[0].partition(" ")[0]
        return NotJudged(
            f"{seen.evidence()}; whether {name} renews this certificate and reloads the proxy is not inspected: check "
            f'it, then name it in the policy: acme_client = "{name}"'
        )
    if not seen.client:
        if "certbot" in policy.host.demands:
            remedy = "apt install certbot python3-certbot-nginx && certbot --nginx"
            return (Violation("no-certbot", seen.evidence(), "certbot, as the policy says", remedy),)
        if seen.other:
            return NotApplicable(f"{seen.evidence()}, which renews certificates itself")
        return (
            Violation(
                "no-acme-client",
                seen.evidence(),
                "a tool that renews the certificate",
                'install certbot, or name the tool in the policy: acme_client = "acme.sh"',
            ),
        )
    if seen.other and not seen.lineages:
        return NotApplicable(f"certbot has no lineage; {seen.other} renews certificates itself")
    faults = []
    if not seen.served:
        faults.append(
            (
                "not-managed",
                "a certbot lineage whose certificate is served",
                "nginx: ssl_certificate is the fullchain.pem of a lineage below /etc/letsencrypt/live; if something "
                "else renews the certificate, name it in the policy: [inside] acme_client",
            )
        )
    if not seen.schedule or not seen.scheduled:
        timer = seen.schedule if seen.schedule.endswith(".timer") else "certbot.timer"  # not a file of cron's
        faults.append(("not-scheduled", "an active timer (or a cron file)", f"systemctl enable --now {timer}"))
    if seen.excluded:
        faults.append(("excluded", "a lineage that certbot renew renews", f"delete autorenew from {seen.excluded}"))
    if seen.result not in ("", "success"):
        faults.append(
            ("failed", "a last run that succeeded", "certbot renew --dry-run shows why; journalctl -u certbot")
        )
    if not seen.reloads:
        hook = "certbot reconfigure --cert-name NAME --deploy-hook 'systemctl reload nginx'"
        faults.append(("no-reload", "a reload of the proxy after each renewal", hook))
    return tuple(Violation(code, seen.evidence(), expected, remedy) for code, expected, remedy in faults)


def is_patched(seen: PatchLevel, policy: Policy) -> Verdict:
    """Node-RED and its modules are without known advisories, and Node.js is a maintained major."""
    told = "on the host"
    faults = (
        *faults_of("node-red", seen.node_red, told, seen.on, policy),
        *(violation for name, release in seen.modules for violation in faults_of(name, release, told, seen.on, policy)),
        *node_faults(seen.node, seen.on, told),
    )
    return with_unfixed(faults, seen.exposures)


def is_what_runs(seen: Freshness, policy: Policy) -> Verdict:
    """Configuration files are older than the processes that read them, and the served certificate is one on disk."""
    violations = [
        Violation(
            "stale-settings",
            f"{path} is {seconds} s newer than {seen.process.line()}",
            "Node-RED started after the last change to its files",
            f"systemctl restart {seen.process.unit or 'nodered'}: until then the old version is in use",
        )
        for path, seconds in seen.newer
    ]
    violations += [
        Violation(
            "stale-nginx",
            f"{path} is {seconds} s newer than nginx's workers",
            "nginx reloaded after the last change to its files",
            "nginx -t && systemctl reload nginx; if it was reloaded, restart it: error.log says where a "
            "reload could not take a port over, and the old configuration stays in use",
        )
        for path, seconds in seen.nginx_newer
    ]
    if seen.served_on_disk is False:
        violations.append(
            Violation(
                "stale-certificate",
                "the certificate served is not among those found on the host",
                "the certificate on disk is the one that is served",
                "systemctl reload nginx (certbot: --deploy-hook 'systemctl reload nginx')",
            )
        )
    return tuple(violations)
