"""What the lab hands to others: a running deployment as plain values, and the one error it raises."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any


class LabError(Exception):
    """The lab could not be started; one sentence and what to do."""


@dataclass(frozen=True)
class RunningDeployment:
    """Where one deployment answers, and what its operator knows about it.

    Strings, integers and tuples of strings only, so that it can cross to another process.

    Attributes:
        name: the deployment's name, "fresh".
        major: Node-RED's major version, 5.
        label: a name for reports, "lab-fresh@5".
        url: where users go, "https://localhost:PORT", or "http://…" where the deployment has no TLS.
        http_port: the proxy's port for plain HTTP; where it has none, a port that is kept closed.
        direct_port: Node-RED's own TCP port; where it listens on a unix socket, a port that is kept closed.
        ca_file: PEM file with the root certificate that signed the proxy's.
        admin_root: Node-RED's httpAdminRoot ("/" also where the admin API is switched off).
        node_root: Node-RED's httpNodeRoot.
        dashboards: paths of the dashboards, the node root included.
        username: Node-RED's administrator; empty where no login is configured.
        password: the administrator's password.
        dashboard_username: who may see the dashboards (the proxy's or Node-RED's Basic login; for `sso` the
            name of the session cookie); empty where everybody may.
        dashboard_password: the password (the cookie's value) that belongs to it.
        user_dir: Node-RED's user directory, with settings.js and flows.json.
        expect: policy options that this deployment is meant for, as pairs of name and value.
    """

    name: str
    major: int
    label: str
    url: str
    http_port: int
    direct_port: int
    ca_file: str
    admin_root: str
    node_root: str
    dashboards: tuple[str, ...]
    username: str
    password: str = field(repr=False)
    dashboard_username: str
    dashboard_password: str = field(repr=False)
    user_dir: str
    expect: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, lists for tuples; it holds the passwords."""
        values = dataclasses.asdict(self)
        values["dashboards"] = list(self.dashboards)
        values["expect"] = [list(pair) for pair in self.expect]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunningDeployment:
        """Return the deployment that `as_dict` wrote."""
        return cls(
            **{
                **values,
                "dashboards": tuple(values["dashboards"]),
                "expect": tuple((name, value) for name, value in values["expect"]),
            }
        )
