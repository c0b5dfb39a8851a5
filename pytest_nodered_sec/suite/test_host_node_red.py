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
from pytest_nodered_sec.rules.settings import (
    audit_is_on,
    channels_are_guarded,
    editor_is_as_expected,
    logins_are_sound,
    nothing_installs_at_run_time,
    secret_is_set,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.model_host import (
        AuditSettings,
        ChannelSettings,
        EditorSettings,
        Freshness,
        Identity,
        Listening,
        LoginSettings,
        ModuleSettings,
        PatchLevel,
        RunningAs,
        SecretSettings,
    )
    from pytest_nodered_sec.policy import Policy


@control("host-00", severity=Severity.CRITICAL, asks=questions.host("identity"))
def test_host_serves_the_url(nodered_seen: Identity, nodered_policy: Policy) -> None:
    """The host looked at is the one that serves the URL.

    A hardened machine next to the one in question proves nothing.
    """
    require(host_serves_the_url(nodered_seen, nodered_policy))


@control("host-01", severity=Severity.CRITICAL, asks=questions.host("listening"))
def test_listens_only_inside(nodered_seen: Listening, nodered_policy: Policy) -> None:
    """Node-RED listens on loopback only, apart from what is declared.

    What listens on a network can be reached past the proxy, without its TLS and its login.
    """
    require(listens_only_inside(nodered_seen, nodered_policy))


@control("host-02", severity=Severity.HIGH, asks=questions.host("user"))
def test_runs_without_root(nodered_seen: RunningAs, nodered_policy: Policy) -> None:
    """Node-RED does not run as root.

    Every flow runs code with the rights of its process.
    """
    require(runs_without_root(nodered_seen, nodered_policy))


@control("host-03", severity=Severity.CRITICAL, asks=questions.host("login"))
def test_logins_are_sound(nodered_seen: LoginSettings, nodered_policy: Policy) -> None:
    """Logins are set up, with hashes that are neither shared nor weak, and strangers have no rights."""
    require(logins_are_sound(nodered_seen, nodered_policy))


@control("host-04", severity=Severity.CRITICAL, asks=questions.host("channels"))
def test_channels_are_guarded(nodered_seen: ChannelSettings, nodered_policy: Policy) -> None:
    """Dashboards and WebSocket nodes are guarded, pages and sockets.

    httpNodeAuth covers the pages only: sockets hang on the raw server, outside Express.
    """
    require(channels_are_guarded(nodered_seen, nodered_policy))


@control("host-05", severity=Severity.HIGH, asks=questions.host("editor"))
def test_editor_is_as_expected(nodered_seen: EditorSettings, nodered_policy: Policy) -> None:
    """The settings agree with what is expected of editor and admin API."""
    require(editor_is_as_expected(nodered_seen, nodered_policy))


@control("host-06", severity=Severity.HIGH, asks=questions.host("secret"))
def test_credential_secret_is_set(nodered_seen: SecretSettings, nodered_policy: Policy) -> None:
    """The credential secret is the operator's own."""
    require(secret_is_set(nodered_seen, nodered_policy))


@control("host-08", severity=Severity.MEDIUM, asks=questions.host("audit"))
def test_audit_log_is_on(nodered_seen: AuditSettings, nodered_policy: Policy) -> None:
    """Audit logging is on."""
    require(audit_is_on(nodered_seen, nodered_policy))


@control("host-09", severity=Severity.HIGH, asks=questions.host("modules"))
def test_nothing_installs_at_run_time(nodered_seen: ModuleSettings, nodered_policy: Policy) -> None:
    """External modules cannot be installed at run time.

    A node is code: who may install one owns the process.
    """
    require(nothing_installs_at_run_time(nodered_seen, nodered_policy))


@control("host-16", severity=Severity.MEDIUM, asks=questions.host("patch level"))
def test_is_patched(nodered_seen: PatchLevel, nodered_policy: Policy) -> None:
    """Node-RED, its dashboards and Node.js are at releases without known advisories."""
    require(is_patched(nodered_seen, nodered_policy))


@control("host-17", severity=Severity.HIGH, asks=questions.host("freshness"))
def test_what_was_read_is_what_runs(nodered_seen: Freshness, nodered_policy: Policy) -> None:
    """What was read on the host is what runs.

    Settings changed after the start are promises; the old ones are in force until the restart.
    """
    require(is_what_runs(nodered_seen, nodered_policy))
