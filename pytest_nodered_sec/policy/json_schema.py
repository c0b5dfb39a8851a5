"""The JSON schema of `nodered-sec.toml`, made from the keys' own checks, so that editors complete and explain.

It refuses nothing that the checks take. What it cannot say (that a file exists, that two values fit) only they know.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.policy.assessment import ASSESSMENT, ATTESTATION, NEEDED
from pytest_nodered_sec.policy.file import WAIVER, WAIVER_NEEDED
from pytest_nodered_sec.policy.inventory import KNOWN as INVENTORY
from pytest_nodered_sec.policy.merge import DEFAULTS
from pytest_nodered_sec.policy.schema import KEYS, NOT_SHARED, TABLES, TARGET_ONLY, check_fail_on, check_selector
from pytest_nodered_sec.policy.values import check_text, shape_of, shape_of_table

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "nodered-sec.schema.json"

# What an editor shows beside a key; docs/policy.md says more.
_TEXTS: Final = {
    "profile": "Set of thresholds.",
    "editor": "Whether the editor's page is off, or behind a login.",
    "admin_api": "Whether the admin API is guarded by Node-RED, by a proxy, or off.",
    "admin_root": "httpAdminRoot as seen from outside.",
    "node_root": "httpNodeRoot as seen from outside.",
    "dashboards": 'Paths of dashboards below the node root, or "none"; page and live data of each must need a login.',
    "login_urls": "Where a single sign-on redirects anonymous users: an https URL, or a path on this host.",
    "protected_paths": 'Endpoints of the flows that need a login. A GET is sent only where effect is "none".',
    "public_paths": "What anyone may use, and why.",
    "websockets": "WebSocket endpoints below the node root.",
    "interfaces": "User interfaces other than dashboards.",
    "guess": "Whether published passwords are tried; false needs a reason.",
    "login_realm": "Directory behind several logins, whose accounts share one count of attempts.",
    "known_credentials": "Pairs that are tried before the bundled ones.",
    "front": "The reverse proxy that changes are written for.",
    "pace": "Request rate.",
    "mode": "calm: nothing that looks like a guess or an attack is sent.",
    "join_channels": "Whether live channels of dashboards are joined.",
    "http_port": "Port of plain HTTP.",
    "direct_port": "Node-RED's own port, which must not answer.",
    "closed_ports": "Ports on which nothing may answer.",
    "ca_file": "PEM file of the private CA, relative to this file.",
    "sha256": "The only accepted certificate.",
    "issuer": "Organisation of the CA that must have issued the certificate.",
    "shared_certificate": "Whether several targets may have one certificate and key; true needs a reason.",
    "mutual_tls": "Whether every client must present a certificate.",
    "revocation": "crl: the certificates must not be on the lists that they name.",
    "connect": "Address to connect to instead of the URL's: tunnel, VPN or jump host.",
    "host": "The machine itself, as a testinfra backend: ssh://USER@HOST, docker://NAME, local://.",
    "credentials": "Where the account comes from: environment variables with a prefix, or a command.",
    "dashboard_credentials": "The same for who works with the dashboards.",
    "timeout": "Seconds for one look.",
    "stale_waivers": "Whether waivers that are no longer needed fail the run.",
    "audit_without": "What --nodered-audit does without here, and why.",
    "thresholds": "Thresholds that replace the profile's; a weaker one needs {value = …, reason = …}.",
    "inside": "What cannot be detected on the machine, or must be there.",
    "fail_on": "Lowest severity whose findings fail the run.",
    "assessment": "Who assesses what, and by what right; shown in every report.",
    "target": "A deployment to test.",
    "group": "Values for all targets with a label; in an inventory the group of hosts that is meant.",
    "inventory": "Where further targets are listed: a CSV or JSON file, or a command that prints JSON.",
    "file": "CSV or JSON file, relative to this file.",
    "command": "Program and arguments; it prints JSON, as ansible-inventory --list does.",
    "environment": "Names of further environment variables that the command inherits.",
    "waiver": "A finding that is accepted until a date.",
    "attestation": "What a person vouches for because no test sees it.",
    "url": "URL at which users reach Node-RED.",
    "name": "Part of every test id: do not change it later.",
    "labels": "By which groups and --nodered-target choose targets.",
    "label": "LABEL=VALUE of the targets; the value may be a glob.",
}


def schema() -> dict[str, Any]:  # Any, here and below: JSON
    """Return the schema."""
    selector = {"target": check_text}
    waiver, attestation = shape_of_table(WAIVER, *WAIVER_NEEDED), shape_of_table(ATTESTATION, *NEEDED)
    below = {"waiver": {"type": "array", "items": waiver}, "attestation": {"type": "array", "items": attestation}}
    everywhere = _keys(KEYS)
    shared = {key: value for key, value in everywhere.items() if key not in NOT_SHARED}
    own = {key: shape_of(check) for key, check in TARGET_ONLY.items()}
    tables = {
        "target": _table({**own, **everywhere, **below}, "url"),
        "group": _table({"label": shape_of(check_selector), **shared}, "label"),
        "waiver": shape_of_table({**WAIVER, **selector}, *WAIVER_NEEDED),
        "attestation": shape_of_table({**ATTESTATION, **selector}, *NEEDED),
        "inventory": shape_of_table(INVENTORY) | {"oneOf": [{"required": ["file"]}, {"required": ["command"]}]},
    }
    whole = {
        "fail_on": shape_of(check_fail_on),
        "assessment": shape_of_table(ASSESSMENT),
        **shared,
        **{key: {"type": "array", "items": _explained(table)} for key, table in tables.items()},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "nodered-sec.toml: what a site demands of its Node-RED deployments",
        **_explained(_table(whole)),
    }


def text() -> str:
    """Return the schema as a file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _keys(checks: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: shape_of(check) for key, check in checks.items() if "." not in key}
    for key, value in DEFAULTS.items():
        plain[key]["default"] = value
    tables = {name: {key: checks[f"{name}.{key}"] for key in table} for name, table in TABLES.items()}
    return plain | {name: shape_of_table(table) for name, table in tables.items()}


def _table(properties: Mapping[str, Any], *needed: str) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False} | (
        {"required": list(needed)} if needed else {}
    )


def _explained(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with a description of each key that has one."""
    properties = {
        key: {"description": _TEXTS[key], **value} if key in _TEXTS else value
        for key, value in table["properties"].items()
    }
    return {**table, "properties": properties}
