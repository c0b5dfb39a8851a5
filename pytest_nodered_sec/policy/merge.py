"""From layers of values to the effective values of a target, and the policy made from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.vendor_ports import VENDOR_PORTS
from pytest_nodered_sec.policy.model import (
    PROFILES,
    THRESHOLDS,
    WEAKER,
    Deviation,
    Endpoint,
    HostDemands,
    Interface,
    Policy,
    PolicyError,
    Profile,
    PublicPath,
    Thresholds,
)
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


DEFAULTS: Final[dict[str, Any]] = {
    "profile": "production",
    "editor": "disabled",
    "admin_api": "protected",
    "admin_root": "/",
    "node_root": "/",
    "login_urls": [],
    "pace": "normal",
    "mode": "full",
    "join_channels": True,
    "mutual_tls": False,
    "revocation": "none",
    "http_port": 80,
    "direct_port": 1880,
    "closed_ports": list(VENDOR_PORTS),
    "timeout": 10,
    "stale_waivers": "fail",
}


# --- what holds for one target -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effective:
    """The effective values of a target, and the layer each came from; keys as in `KEYS`."""

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def get(self, key: str) -> Any:
        """Return a value, None where nothing holds."""
        return self.values.get(key)


def effective(layers: Iterable[tuple[str, Mapping[str, Any]]]) -> Effective:
    """Merge the layers, highest precedence first; defaults come last."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in (*layers, ("default", DEFAULTS)):
        for key, value in layer.items():
            if key not in values:
                values[key], sources[key] = value, source
    return Effective(values, sources)


def policy_of(name: str, effective_values: Effective) -> Policy:
    """Build the policy of one target.

    Raises:
        PolicyError: a weaker threshold without a reason, or values that contradict each other.
    """
    values = effective_values.values
    profile: Profile = values["profile"]
    thresholds, deviations = _thresholds_of(name, profile, values)
    dashboards, public = _dashboards_of(values)
    interfaces = values.get("interfaces", [])
    public += tuple(
        PublicPath(interface["path"], interface["reason"]) for interface in interfaces if interface.get("public")
    )
    protected = tuple(Endpoint(**endpoint) for endpoint in values.get("protected_paths", []))
    guess = values.get("guess", True)
    guessing = guess if isinstance(guess, bool) else guess["value"]
    if not guessing:
        deviations.append(Deviation("guess", "false", "true", guess["reason"]))
    shared = values.get("shared_certificate", False)
    sharing = shared if isinstance(shared, bool) else shared["value"]
    if sharing:
        deviations.append(Deviation("shared_certificate", "true", "false", shared["reason"]))
    without = values.get("audit_without", [])
    for part in without:
        deviations.append(Deviation("audit_without", toml(part["part"]), "an audit with it", part["reason"]))
    deviations.extend(
        Deviation("public_paths", toml(public_path.path), "a login", public_path.reason) for public_path in public
    )
    policy = Policy(
        profile=profile,
        editor=values["editor"],
        admin_api=values["admin_api"],
        dashboards=dashboards,
        login_urls=tuple(values["login_urls"]),
        protected_paths=protected,
        public_paths=public,
        websockets=tuple(values.get("websockets", [])),
        closed_ports=tuple(values["closed_ports"]),
        interfaces=tuple(Interface(interface["kind"], interface["path"]) for interface in interfaces),
        known_credentials=tuple((pair["username"], pair["password"]) for pair in values.get("known_credentials", [])),
        guess=guessing,
        login_realm=values.get("login_realm", ""),
        front=values.get("front", ""),
        pace=values["pace"],
        mode=values["mode"],
        join_channels=values["join_channels"],
        host=_host_demands(values),
        issuer=values.get("issuer", ""),
        shared_certificate=sharing,
        mutual_tls=values["mutual_tls"],
        revocation=values["revocation"],
        certificate=values.get("sha256", ""),
        stale_waivers=values["stale_waivers"],
        audit_without=tuple(part["part"] for part in without),
        own_thresholds=None if thresholds == PROFILES[profile] else thresholds,
        deviations=tuple(deviations),
    )
    _check_consistent(name, policy)
    return policy


def _thresholds_of(name: str, profile: Profile, values: Mapping[str, Any]) -> tuple[Thresholds, list[Deviation]]:
    demanded = PROFILES[profile]
    own: dict[str, Any] = {}
    deviations: list[Deviation] = []
    for key in THRESHOLDS:
        given = values.get(f"thresholds.{key}")
        if given is None:
            continue
        asked = getattr(demanded, key)
        value = tuple(given["value"]) if isinstance(given["value"], list) else given["value"]
        if WEAKER[key](value, asked):
            if "reason" not in given:
                raise PolicyError(
                    f"target {name}: thresholds.{key} = {toml(value)} is weaker than {toml(asked)} of profile "
                    f'{profile}: write {key} = {{value = {toml(value)}, reason = "…"}}'
                )
            deviations.append(Deviation(f"thresholds.{key}", toml(value), toml(asked), given["reason"]))
        own[key] = value
    return replace(demanded, **own), deviations


def _host_demands(values: Mapping[str, Any]) -> HostDemands:
    own: dict[str, Any] = {
        key.removeprefix("inside."): value for key, value in values.items() if key.startswith("inside.")
    }
    demands: dict[str, Any] = {
        key: tuple(demand) if isinstance(demand, list) else demand for key, demand in own.items()
    }
    return HostDemands(**demands)


def _dashboards_of(values: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, tuple[PublicPath, ...]]:
    named = values.get("dashboards")
    public = [PublicPath(public_path["path"], public_path["reason"]) for public_path in values.get("public_paths", [])]
    if named is None:
        return None, tuple(public)
    public += [PublicPath(path["path"], path["reason"]) for path in named if isinstance(path, dict)]
    paths = (path["path"] if isinstance(path, dict) else path for path in named)
    return tuple(dict.fromkeys(paths)), tuple(public)


def _check_consistent(name: str, policy: Policy) -> None:
    public = {public_path.path for public_path in policy.public_paths}
    for path in (*(endpoint.path for endpoint in policy.protected_paths), *policy.websockets):
        if path in public:
            raise PolicyError(f"target {name}: {path} is declared both public and protected; remove one declaration")
    asked = [(endpoint.method, endpoint.path) for endpoint in policy.protected_paths]
    for method, path in asked:
        if asked.count((method, path)) > 1:
            raise PolicyError(f"target {name}: protected_paths names {method} {path} twice; remove one")
    for path in policy.websockets:
        if policy.websockets.count(path) > 1:
            raise PolicyError(f"target {name}: websockets names {path} twice; remove one")
    known: dict[str, str] = {}
    for path in policy.dashboards or ():
        if (other := known.setdefault(path.lower(), path)) != path:
            raise PolicyError(f"target {name}: dashboards names {other} and {path}, one to Node-RED; remove one")
    for port in policy.closed_ports:
        if policy.closed_ports.count(port) > 1:
            raise PolicyError(f"target {name}: closed_ports names {port} twice; remove one")
    for part in policy.audit_without:
        if policy.audit_without.count(part) > 1:
            raise PolicyError(f"target {name}: audit_without names the {part} twice; remove one")
    for interface in policy.interfaces:
        if policy.interfaces.count(interface) > 1:
            raise PolicyError(f"target {name}: interfaces names {interface.kind} {interface.path} twice; remove one")
    if policy.editor == "protected" and policy.admin_api == "disabled":
        raise PolicyError(
            f'target {name}: editor = "protected" needs the admin API, but admin_api = "disabled"; change one of them'
        )
    thresholds = policy.thresholds
    if not set(thresholds.tls_offered) <= set(thresholds.tls_accepted):
        raise PolicyError(
            f"target {name}: thresholds.tls_offered = {toml(thresholds.tls_offered)} names a version that "
            f"tls_accepted = {toml(thresholds.tls_accepted)} forbids"
        )
