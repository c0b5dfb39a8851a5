"""A deployment as `--nodered-lab` names it, and where it can be reached once it runs."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from pytest_nodered_sec.lab.deployments import DEPLOYMENTS, Deployment

if TYPE_CHECKING:
    from collections.abc import Mapping


DEFAULT_PROXY: Final = "caddy"


class Spec(NamedTuple):
    """What `--nodered-lab` names: a deployment, the major version of its Node-RED, and the proxy in front.

    Attributes:
        name: of the deployment; of a site's own directory its absolute path.
        major: of Node-RED.
        proxy: "caddy" or "nginx".
    """

    name: str
    major: int
    proxy: str

    @property
    def folder(self) -> str:
        """The site's own directory, "" for a deployment of the lab's."""
        return "" if self.name in DEPLOYMENTS else self.name

    @property
    def deployment(self) -> Deployment:
        """How it stands there, as far as the lab says."""
        return DEPLOYMENTS.get(self.name, Deployment())

    @property
    def called(self) -> str:
        """The name, of a directory its last part; without what configuration files would read otherwise."""
        return re.sub(r"[^\w.-]", "_", Path(self.name).name[:30], flags=re.ASCII)

    @property
    def label(self) -> str:
        """Name of its target, e.g. "lab-fresh@5" or "lab-fresh@5+nginx"."""
        return f"lab-{self}"

    def __str__(self) -> str:
        return f"{self.called}@{self.major}{'' if self.proxy == DEFAULT_PROXY else f'+{self.proxy}'}"


@dataclass(frozen=True)
class RunningDeployment:
    """Where a deployment can be reached; plain values without a secret, so that it may cross to xdist workers.

    Attributes:
        name: which deployment.
        major: major version of Node-RED.
        proxy: what stands in front of it, "caddy" or "nginx".
        label: name of its target, e.g. "lab-fresh@5".
        url: base URL.
        http_port: port of plain HTTP.
        direct_port: Node-RED's own port; one where nothing listens if it is on a unix socket.
        inspector_port: port in place of 9229, that of Node's inspector; nothing listens where it is off.
        ca_file: PEM of the lab's CA.
        admin_root: httpAdminRoot.
        node_root: httpNodeRoot.
        credentials_file: JSON file, mode 0600, with user name and password; see `credentials`.
        user_dir: Node-RED's user directory.
        has_login: whether user and password open the admin API.
        dashboard_user: who opens the dashboards with that password, "" for nobody.
        client_certificate: PEM files of a client certificate and its key, where one is demanded.
        expect: policy keys the deployment is meant for.
    """

    name: str
    major: int
    proxy: str
    label: str
    url: str
    http_port: int
    direct_port: int
    inspector_port: int
    ca_file: str
    admin_root: str
    node_root: str
    credentials_file: str
    user_dir: str
    has_login: bool
    dashboard_user: str = ""
    client_certificate: tuple[str, str] | None = None
    expect: tuple[tuple[str, Any], ...] = ()  # Any: values as a policy file has them

    def credentials(self) -> tuple[str, str]:
        """Read user name and password of the admin login and of the proxy's gate; of each deployment its own.

        Raises:
            OSError: the lab has been stopped.
        """
        username, password = json.loads(Path(self.credentials_file).read_text())
        return username, password

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can carry."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `as_dict` was made from."""
        shown = values["client_certificate"]
        plain = {**values, "client_certificate": shown and tuple(shown)}
        return cls(**{**plain, "expect": tuple((key, value) for key, value in values["expect"])})
