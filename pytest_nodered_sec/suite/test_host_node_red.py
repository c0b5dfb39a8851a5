"""Node-RED as it runs on the host: is it the right host, what does it listen on, what do its settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.host import (
    host_serves_the_url,
    is_patched,
    is_what_runs,
    listens_only_inside,
    runs_without_root,
)
from pytest_nodered_sec.rules.palette import packages_guard_what_they_open, palette_is_reproducible
from pytest_nodered_sec.rules.settings import (
    audit_is_on,
    channels_are_guarded,
    editor_is_as_expected,
    egress_is_declared,
    logins_are_sound,
    nothing_installs_at_run_time,
    secret_is_set,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import Freshness, Identity, Listening, PatchLevel, RunningAs
    from pytest_nodered_sec.observations.host_palette import InstalledNodes, PaletteLock
    from pytest_nodered_sec.observations.host_settings import (
        AuditSettings,
        ChannelSettings,
        EditorSettings,
        Egress,
        LoginSettings,
        ModuleSettings,
        SecretSettings,
    )
    from pytest_nodered_sec.policy.model import Policy


@control("host-00", severity=Severity.CRITICAL, asks=questions.host("identity"))
def test_host_serves_the_url(nodered_seen: Identity, nodered_policy: Policy) -> None:
    """The inspected host is the one that serves the URL.

    A hardened machine next to the one in question proves nothing.
    """
    require(host_serves_the_url(nodered_seen, nodered_policy))


@control("host-01", severity=Severity.CRITICAL, asks=questions.host("listening"))
def test_listens_only_inside(nodered_seen: Listening, nodered_policy: Policy) -> None:
    """Node-RED listens on loopback only, except where declared.

    A listener on the network can be reached past the proxy, without its TLS and its login.
    """
    require(listens_only_inside(nodered_seen, nodered_policy))


@control("host-02", severity=Severity.HIGH, asks=questions.host("user"))
def test_runs_without_root(nodered_seen: RunningAs, nodered_policy: Policy) -> None:
    """Node-RED does not run as root.

    Every flow runs code with the privileges of its process.
    """
    require(runs_without_root(nodered_seen, nodered_policy))


@control("host-03", severity=Severity.CRITICAL, asks=questions.host("login"))
def test_logins_are_sound(nodered_seen: LoginSettings, nodered_policy: Policy) -> None:
    """adminAuth is configured, with strong password hashes and no anonymous permissions."""
    require(logins_are_sound(nodered_seen, nodered_policy))


@control("host-04", severity=Severity.CRITICAL, asks=questions.host("channels"))
def test_channels_are_guarded(nodered_seen: ChannelSettings, nodered_policy: Policy) -> None:
    """Dashboards and WebSocket nodes are protected, pages and sockets alike.

    httpNodeAuth covers pages only: sockets are attached to the raw server, outside Express.
    """
    require(channels_are_guarded(nodered_seen, nodered_policy))


@control("host-05", severity=Severity.HIGH, asks=questions.host("editor"))
def test_editor_is_as_expected(nodered_seen: EditorSettings, nodered_policy: Policy) -> None:
    """settings.js matches what the policy says about the editor and the admin API."""
    require(editor_is_as_expected(nodered_seen, nodered_policy))


@control("host-06", severity=Severity.HIGH, asks=questions.host("secret"))
def test_credential_secret_is_set(nodered_seen: SecretSettings, nodered_policy: Policy) -> None:
    """credentialSecret is set to a value of your own."""
    require(secret_is_set(nodered_seen, nodered_policy))


@control("host-08", severity=Severity.MEDIUM, asks=questions.host("audit"))
def test_audit_log_is_on(nodered_seen: AuditSettings, nodered_policy: Policy) -> None:
    """Audit logging is enabled."""
    require(audit_is_on(nodered_seen, nodered_policy))


@control("host-09", severity=Severity.HIGH, asks=questions.host("modules"))
def test_nothing_installs_at_run_time(nodered_seen: ModuleSettings, nodered_policy: Policy) -> None:
    """External modules cannot be installed at run time.

    A node is code: anyone who can install one controls the process.
    """
    require(nothing_installs_at_run_time(nodered_seen, nodered_policy))


@control("host-20", severity=Severity.LOW, asks=questions.host("egress"))
def test_egress_is_declared(nodered_seen: Egress, nodered_policy: Policy) -> None:
    """Nothing leaves the plant that the policy does not declare: telemetry, catalogues, AI assistants.

    Telemetry reports once a day, the editor gets its catalogue in each user's browser, and an assistant sends flows.
    """
    require(egress_is_declared(nodered_seen, nodered_policy))


@control("host-18", severity=Severity.MEDIUM, asks=questions.host("nodes"))
def test_packages_guard_what_they_open(nodered_seen: InstalledNodes, nodered_policy: Policy) -> None:
    """No installed package opens routes, servers or commands that nobody reviewed.

    Routes of nodes below the admin root are as open as their author left them, whatever adminAuth says. Known packages
    are judged by a reviewed table; in others a bounded reading of their code looks for routes without a permission,
    servers and commands.
    """
    require(packages_guard_what_they_open(nodered_seen, nodered_policy))


@control("host-21", severity=Severity.LOW, asks=questions.host("lock"))
def test_palette_is_reproducible(nodered_seen: PaletteLock, nodered_policy: Policy) -> None:
    """The installed packages are locked, come from one registry, and run no undeclared script.

    Without a lock file the next installation is another one, and a script of a package runs before anybody sees it.
    Judged is what the user directory has.
    """
    require(palette_is_reproducible(nodered_seen, nodered_policy))


@control("host-16", severity=Severity.MEDIUM, asks=questions.host("patch level"))
def test_is_patched(nodered_seen: PatchLevel, nodered_policy: Policy) -> None:
    """Node-RED, its dashboards and Node.js have no known vulnerabilities."""
    require(is_patched(nodered_seen, nodered_policy))


@control("host-17", severity=Severity.HIGH, asks=questions.host("freshness"))
def test_what_was_read_is_what_runs(nodered_seen: Freshness, nodered_policy: Policy) -> None:
    """The files inspected are the ones in use.

    Settings changed after the process started have no effect until it restarts.
    """
    require(is_what_runs(nodered_seen, nodered_policy))
