"""A target's effective policy as text, each value with its source; it can be read back as a policy file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.policy.merge import DEFAULTS
from pytest_nodered_sec.policy.model import (
    HostDemands,
    Policy,
)
from pytest_nodered_sec.policy.toml import toml
from pytest_nodered_sec.policy.urls import without_private_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.model import Target


def policy_as_toml(target: Target, prepared: Target | None, sources: Mapping[str, str]) -> str:
    """Return a target's effective policy as TOML that can be read back, each value with its source; no secrets.

    Args:
        target: the target as the run uses it.
        prepared: the target as made from the settings, None if only the hook knows it.
        sources: the source of each value of `prepared`.
    """
    before = _values_of(prepared) if prepared else {}
    lines = ["[[target]]", f"name = {toml(target.name)}", f"url = {toml(target.url)}"]
    lines += [f"labels = {toml(dict(target.labels))}"] if target.labels else []
    for key, value in _values_of(target).items():
        if value in (None, "", [], (), {}) and not DEFAULTS.get(key):  # an empty list says something there
            continue
        section, _, name = key.rpartition(".")
        if section and f"[target.{section}]" not in lines:
            lines += _not_shown(target, sources) if section == "thresholds" else []  # the first table of the two
            lines.append(f"[target.{section}]")
        default = f"profile {target.policy.profile}" if section == "thresholds" else "default"
        source = sources.get(key, default) if prepared and before.get(key) == value else "hook"
        lines.append(f"{name} = {toml(value)}  # {source}")
    for waiver in target.policy.waivers:
        lines.append("[[target.waiver]]")
        lines += [f"{key} = {toml(value)}" for key, value in asdict(waiver).items() if value]
    lines += [attestation.toml("target.attestation") for attestation in target.policy.attestations]
    return "\n".join(lines) + "\n"


def _not_shown(target: Target, sources: Mapping[str, str]) -> list[str]:
    lines = [f"# credentials: {sources.get('credentials', 'environment or hook')}"] if target.credentials else []
    if target.dashboard_credentials:
        lines.append(f"# dashboard_credentials: {sources.get('dashboard_credentials', 'hook')}")
    pairs = len(target.policy.known_credentials)
    return lines + ([f"# known_credentials: {pairs} more than the bundled ones"] if pairs else [])


def _values_of(target: Target) -> dict[str, Any]:
    """Return a target as the values of the policy file's keys, thresholds last."""
    policy = target.policy
    dashboards = None if policy.dashboards is None else [_public(policy, path) for path in policy.dashboards]
    interfaces = [{"kind": interface.kind} | _table_of(policy, interface.path) for interface in policy.interfaces]
    own = {*(policy.dashboards or ()), *(interface.path for interface in policy.interfaces)}
    reasons = {deviation.key: deviation.reason for deviation in policy.deviations}
    without = {deviation.value: deviation.reason for deviation in policy.deviations if deviation.key == "audit_without"}
    values: dict[str, Any] = {
        "profile": policy.profile,
        "editor": policy.editor,
        "admin_api": policy.admin_api,
        "admin_root": target.admin_root,
        "node_root": target.node_root,
        "dashboards": "none" if dashboards == [] else dashboards,
        "login_urls": policy.login_urls,
        "protected_paths": [asdict(endpoint) for endpoint in policy.protected_paths],
        "public_paths": [asdict(public_path) for public_path in policy.public_paths if public_path.path not in own],
        "websockets": policy.websockets,
        "interfaces": interfaces,
        "guess": True if policy.guess else {"value": False, "reason": reasons.get("guess", "set by the hook")},
        "login_realm": policy.login_realm,
        "front": policy.front,
        "pace": policy.pace,
        "mode": policy.mode,
        "join_channels": policy.join_channels,
        "http_port": target.http_port,
        "direct_port": target.direct_port,
        "closed_ports": policy.closed_ports,
        "ca_file": target.ca_file,
        "sha256": policy.certificate,
        "issuer": policy.issuer,
        "shared_certificate": policy.shared_certificate
        and {"value": True, "reason": reasons.get("shared_certificate", "set by the hook")},
        "mutual_tls": policy.mutual_tls,
        "revocation": policy.revocation,
        "connect": target.connect,
        "host": target.host and without_private_paths(target.host),
        "timeout": target.timeout,
        "stale_waivers": policy.stale_waivers,
        "audit_without": [
            {"part": part, "reason": without.get(toml(part), "set by the hook")} for part in policy.audit_without
        ],
    }
    for name, value in asdict(policy.thresholds).items():
        key = f"thresholds.{name}"
        values[key] = {"value": value, "reason": reasons[key]} if key in reasons else value
    defaults = asdict(HostDemands())
    changed = {name: value for name, value in asdict(policy.host).items() if value != defaults[name]}
    return values | {f"inside.{name}": value for name, value in changed.items()}


def _table_of(policy: Policy, path: str) -> dict[str, Any]:
    reason = policy.public_reason(path)
    return {"path": path, "public": True, "reason": reason} if reason else {"path": path}


def _public(policy: Policy, path: str) -> Any:
    table = _table_of(policy, path)
    return table if "public" in table else path


def digest(policy: Policy) -> str:
    """Return the SHA-256 of a policy, as lower-case hex: the same for the same demands, wherever they were written."""
    plain = asdict(replace(policy, own_thresholds=policy.thresholds))
    plain["known_credentials"] = [
        username for username, _ in policy.known_credentials
    ]  # without secrets: a digest allows guessing them
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()
