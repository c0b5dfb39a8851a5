"""One check for each key of the policy file: it validates the value and returns it as the rest of the code uses it."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pytest_nodered_sec.policy.model import (
    AUDIT_PARTS,
    AdminApi,
    Editor,
    Effect,
    Front,
    InterfaceKind,
    Mode,
    Pace,
    PolicyError,
    Profile,
    Revocation,
    StaleWaivers,
    Suites,
)
from pytest_nodered_sec.policy.urls import check_connect, check_host, check_login_url, check_url
from pytest_nodered_sec.policy.values import (
    check_flag,
    check_path,
    check_port,
    check_seconds,
    check_text,
    hidden,
    list_of,
    number_between,
    one_of,
    sha256_of,
    shape_of,
    shape_of_table,
    shaped,
    unknown_key,
)
from pytest_nodered_sec.policy.where import Where
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3")


_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def table_of(raw: Any, where: Where, /, **allowed: Callable[[Any, Where], Any]) -> dict[str, Any]:
    """Check a table: known keys only, each by its own function.

    Raises:
        PolicyError: it is no table, or holds an unknown key or an invalid value.
    """
    if not isinstance(raw, dict):
        raise where.says(raw, f"write a table: {{{', '.join(f'{key} = …' for key in allowed)}}}")
    for key in raw:
        if key not in allowed:
            raise where.says(raw, unknown_key(key, allowed))
    return {key: allowed[key](inner, replace(where, name=f"{where.name}.{key}")) for key, inner in raw.items()}


def entry_of(
    raw: Any,
    place: str,
    known: Mapping[str, Callable[[Any, Where], Any]],
    needed: Mapping[str, str],
    *named_by: str,
) -> tuple[Where, dict[str, Any]]:
    """Return where an entry of a repeated table stands, and its checked values.

    Args:
        raw: the entry.
        place: for messages, e.g. `nodered-sec.toml: waiver`.
        known: its keys and their checks.
        needed: the keys it must have, and an example of each.
        named_by: keys by whose values messages name it.

    Raises:
        PolicyError: it is no table, a key is unknown or missing, or a value is invalid.
    """
    if not isinstance(raw, dict):
        raise PolicyError(f"{place}: write {place.rpartition(' ')[2]} with two brackets, once for each")
    where = Where(" ".join((place, *(str(raw[key]) for key in named_by if key in raw))), "")
    for key in raw:
        if key not in known:
            raise PolicyError(f"{where.place}: {unknown_key(key, known)}")
    for key, example in needed.items():
        if key not in raw:
            raise PolicyError(f"{where.place}: add {key} = {example}")
    return where, {key: known[key](value, Where(where.place, key)) for key, value in raw.items()}


def needs(table: dict[str, Any], where: Where, *keys: str) -> dict[str, Any]:
    """Return a table that has these keys.

    Raises:
        PolicyError: a key is missing.
    """
    for key in keys:
        if key not in table:
            raise where.says(table, f"add {key} = …")
    return table


_DASHBOARD: Final = {"path": check_path, "public": check_flag, "reason": check_text}


@shaped({"anyOf": [shape_of(check_path), shape_of_table(_DASHBOARD, "path")]})
def _dashboard(value: Any, where: Where) -> Any:
    if isinstance(value, str):
        return check_path(value, where)
    table = needs(table_of(value, where, **_DASHBOARD), where, "path")
    if table.get("public") and "reason" not in table:
        raise where.says(value, "a public dashboard needs a reason: add reason = …")
    return table if table.get("public") else table["path"]


@shaped({"anyOf": [{"const": "none"}, {"type": "array", "items": shape_of(_dashboard)}, {"const": ["none"]}]})
def _dashboards(value: Any, where: Where) -> Any:
    if value == "none" or value == ["none"]:
        return []
    if isinstance(value, list) and "none" in value:
        raise where.hides("none means that there is no dashboard: give paths or none, not both")
    if not isinstance(value, list):
        raise where.says(value, 'write a list of paths, or "none"')
    return [_dashboard(dashboard, where) for dashboard in value]


_INTERFACE: Final = {"kind": one_of(*get_args(InterfaceKind)), **_DASHBOARD}


@shaped(shape_of_table(_INTERFACE, "kind", "path"))
def _interface(value: Any, where: Where) -> dict[str, Any]:
    table = needs(table_of(value, where, **_INTERFACE), where, "kind", "path")
    if table.get("public") and "reason" not in table:
        raise where.says(value, "a public interface needs a reason: add reason = …")
    return table if table.get("public") else {"kind": table["kind"], "path": table["path"]}


_PROTECTED: Final = {"path": check_path, "method": one_of(*_METHODS), "effect": one_of(*get_args(Effect))}


@shaped(shape_of_table(_PROTECTED, "path"))
def _protected_path(value: Any, where: Where) -> dict[str, Any]:
    return needs(table_of(value, where, **_PROTECTED), where, "path")


_PUBLIC: Final = {"path": check_path, "reason": check_text}


@shaped(shape_of_table(_PUBLIC, *_PUBLIC))
def _public_path(value: Any, where: Where) -> dict[str, Any]:
    return needs(table_of(value, where, **_PUBLIC), where, *_PUBLIC)


@shaped({"type": "string"})
def _any_text(value: Any, where: Where) -> str:
    if not isinstance(value, str):
        raise where.says(value, "give some text")
    return value  # blank passwords are used in the field


_PAIR: Final = {"username": check_text, "password": _any_text}


@shaped(shape_of_table(_PAIR, *_PAIR))
def _pair(value: Any, where: Where) -> dict[str, Any]:
    return needs(table_of(value, where, **_PAIR), where, *_PAIR)


@shaped({"type": "string", "pattern": r"^[^\W\d]\w*$"})
def variable_name(value: Any, where: Where) -> str:
    """Check the name of an environment variable."""
    if not check_text(value, where).isidentifier():
        raise where.says(value, "give the name of an environment variable, such as VAULT_ADDR; not its value")
    return str(value)


@shaped({"type": "string", "pattern": r"^[^\W\d]\w*$"})
def _prefix(value: Any, where: Where) -> str:
    if not check_text(value, where).isidentifier():
        raise where.says(value, "give the prefix of the variables' names: letters, digits and _")
    return str(value)


_CREDENTIALS: Final = {"env": _prefix, "command": list_of(check_text), "environment": list_of(variable_name)}


@shaped(
    {
        "oneOf": [
            shape_of_table({"env": _prefix}, "env"),
            shape_of_table({key: _CREDENTIALS[key] for key in ("command", "environment")}, "command"),
        ]
    }
)
def _credentials(value: Any, where: Where) -> dict[str, Any]:
    ways = 'give one of {env = "PREFIX"} and {command = ["program", "argument"]}'
    if not isinstance(value, dict) or not value.keys() <= set(_CREDENTIALS):
        raise where.says(value, f"secrets do not belong in this file; {ways}")
    table = table_of(value, where, **_CREDENTIALS)
    if table.keys() - {"environment"} not in ({"env"}, {"command"}) or table.get("command") == []:
        raise where.says(value, ways)
    if "environment" in table and "env" in table:
        raise where.says(
            value, "environment names the variables that a command inherits; remove it from credentials with env"
        )
    return table


def _usually(usual: bool) -> Callable[[Any, Where], Any]:
    """Accept a flag, which needs a reason where it is not as usual."""
    table = {"value": check_flag, "reason": check_text}

    @shaped({"anyOf": [{"const": usual}, shape_of_table(table, "value")]})
    def checked(value: Any, where: Where) -> Any:
        if value is usual:
            return usual
        parsed = {"value": value} if value is (not usual) else needs(table_of(value, where, **table), where, "value")
        if parsed["value"] is not usual and "reason" not in parsed:
            raise where.says(value, f'say why: {{value = {str(not usual).lower()}, reason = "…"}}')
        return parsed

    return checked


@shaped({"type": "string", "pattern": r"^([0-9A-Fa-f.:\[\]]+:)?\d+ .*\S"})
def _listen(value: Any, where: Where) -> str:
    socket, _, why = check_text(value, where).partition(" ")
    address, _, port = socket.rpartition(":")
    given = ""
    with contextlib.suppress(ValueError):
        given = f"{ip_address(address.strip('[]'))}:"
    if not port.isdecimal() or not why.strip() or (address and not given):
        raise where.says(value, 'give a port and the reason: "4840 OPC UA, line 7", or "10.8.0.2:1880 WireGuard"')
    return f"{given}{port} {why}"


@shaped({"type": "string", "pattern": r"^(telemetry|catalogue|assistant) .*\S"})
def _egress(value: Any, where: Where) -> str:
    kind, _, why = check_text(value, where).partition(" ")
    if kind not in ("telemetry", "catalogue", "assistant") or not why.strip():
        raise where.says(
            value, 'give telemetry, catalogue or assistant, and why: "telemetry agreed with the works council"'
        )
    return str(value)


@shaped({"type": "string", "pattern": r"^\S+ .*\S"})
def _script(value: Any, where: Where) -> str:
    package, _, why = check_text(value, where).partition(" ")
    if not package or not why.strip():
        raise where.says(value, 'give a package and what its script is for: "serialport builds its driver"')
    return str(value)


_WITHOUT: Final = {"part": one_of(*AUDIT_PARTS), "reason": check_text}


@shaped(shape_of_table(_WITHOUT, *_WITHOUT))
def _without(value: Any, where: Where) -> dict[str, Any]:
    return needs(table_of(value, where, **_WITHOUT), where, *_WITHOUT)


@shaped({"type": "object", "additionalProperties": {"type": "string", "minLength": 1}})
def _labels(value: Any, where: Where) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(label, str) and label for label in value.values()):
        raise where.says(value, 'write a table of strings: {line = "7"}')
    return dict(value)


@shaped({"type": "string", "pattern": "^[^=]+=.+$"})
def check_selector(value: Any, where: Where) -> str:
    """Check what selects targets: a name, a glob or LABEL=VALUE."""
    name, equals, label = check_text(value, where).partition("=")
    if not (name and equals and label):
        raise where.says(value, 'give a label and its value: "line=7"')
    return str(value)


@shaped(shape_of(check_text))
def check_ca_file(value: Any, where: Where) -> str:
    """Check a file of trust anchors: it exists, and is PEM."""
    path = Path(check_text(value, where)).expanduser()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise where.says(value, f"cannot be read ({error.strerror})") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise where.says(value, "holds no PEM certificate")
    return str(path.resolve())


def _threshold(check: Callable[[Any, Where], Any]) -> Callable[[Any, Where], Any]:
    """Accept a bare value, or a table of value and reason; a weaker value needs a reason."""

    table = {"value": check, "reason": check_text}

    @shaped({"anyOf": [shape_of(check), shape_of_table(table, "value")]})
    def checked(value: Any, where: Where) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {"value": check(value, where)}
        return needs(table_of(value, where, **table), where, "value")

    return checked


_THRESHOLDS: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "tls_accepted": list_of(one_of(*VERSIONS)),
    "tls_offered": list_of(one_of(*VERSIONS)),
    "tls_suites": one_of(*get_args(Suites)),
    "renewal_share": number_between(0, 1, "a share of the lifetime, 0 to 1"),
    "renewal_cap_days": number_between(0, math.inf, "days"),
    "renewal_short_share": number_between(0, 1, "a share of the lifetime, 0 to 1"),
    "private_lifetime_days": number_between(0, math.inf, "days, or inf for any"),
    "hsts_max_age": number_between(0, math.inf, "whole seconds", whole=True),
    "redirect_statuses": list_of(number_between(300, 399, "HTTP statuses, 300 to 399", whole=True)),
    "redirect_keeps_method": check_flag,
    "session_days": number_between(0, math.inf, "days"),
    "bcrypt_cost": number_between(4, 31, "a bcrypt cost, 4 to 31", whole=True),
}


_INSIDE: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "listens": list_of(_listen),
    "user_dir": check_text,
    "settings_file": check_text,
    "node": check_text,
    "acme_client": check_text,
    "egress": list_of(_egress),
    "palette": check_flag,
    "install_scripts": list_of(_script),
    "proxy_guards": check_text,
    "demands": list_of(one_of("nginx", "certbot")),
    "seconds": number_between(1, 600, "seconds, 1 to 600"),
}


KEYS: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "profile": one_of(*get_args(Profile)),
    "editor": one_of(*get_args(Editor)),
    "admin_api": one_of(*get_args(AdminApi)),
    "admin_root": check_path,
    "node_root": check_path,
    "dashboards": _dashboards,
    "login_urls": list_of(check_login_url),
    "protected_paths": list_of(_protected_path),
    "public_paths": list_of(_public_path),
    "websockets": list_of(check_path),
    "interfaces": list_of(_interface),
    "guess": _usually(True),
    "login_realm": check_text,
    "known_credentials": hidden(list_of(_pair)),
    "front": one_of(*get_args(Front)),
    "pace": one_of(*get_args(Pace)),
    "mode": one_of(*get_args(Mode)),
    "join_channels": check_flag,
    "http_port": check_port,
    "direct_port": check_port,
    "closed_ports": list_of(check_port),
    "ca_file": check_ca_file,
    "sha256": sha256_of("certificate"),
    "issuer": check_text,
    "shared_certificate": _usually(False),
    "mutual_tls": check_flag,
    "revocation": one_of(*get_args(Revocation)),
    "connect": check_connect,
    "host": check_host,
    "credentials": hidden(_credentials),
    "dashboard_credentials": hidden(_credentials),
    "timeout": check_seconds,
    "stale_waivers": one_of(*get_args(StaleWaivers)),
    "audit_without": list_of(_without),
    **{f"thresholds.{name}": _threshold(check) for name, check in _THRESHOLDS.items()},
    **{f"inside.{name}": check for name, check in _INSIDE.items()},
}
TABLES: Final = {"thresholds": _THRESHOLDS, "inside": _INSIDE}
TARGET_ONLY: Final[dict[str, Callable[[Any, Where], Any]]] = {"url": check_url, "name": check_text, "labels": _labels}
NOT_SHARED: Final = (
    "sha256",
    "connect",
    "credentials",
    "dashboard_credentials",
)  # belong to a single target: never a default for several


check_fail_on: Final = one_of(*(severity.value for severity in Severity))
