"""What a site demands: profile, thresholds and expectations, as frozen values.

Knows no pytest and opens nothing but policy files. Options, ini values and (later) files are turned into
a `Policy` before the first look; the rest of the code sees only that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Profile = Literal["baseline", "production", "strict"]
Editor = Literal["disabled", "protected"]
AdminApi = Literal["protected", "proxied", "disabled"]


@dataclass(frozen=True)
class Renewal:
    """When a certificate counts as late: with less left than the smaller of a share of its lifetime and a cap.

    Attributes:
        share: share of the certificate's own lifetime, 0 to 1.
        cap_days: upper bound of what must be left, in days.
        short_share: the share for lifetimes under ten days, which are renewed by the hour.
    """

    share: float
    cap_days: float
    short_share: float


RENEWAL: dict[Profile, Renewal] = {
    "baseline": Renewal(1 / 10, 15, 1 / 10),
    "production": Renewal(1 / 4, 30, 1 / 5),
    "strict": Renewal(3 / 10, 30, 1 / 4),
}


BCRYPT_COST: dict[Profile, int] = {"baseline": 8, "production": 8, "strict": 12}


@dataclass(frozen=True)
class HostDemands:
    """How Node-RED stands on its host, where that cannot be found out, and what must be there.

    Attributes:
        listens: sockets other than loopback that are intended, each a port and why: "4840 OPC UA, line 7".
        user_dir: Node-RED's user directory; "" to find it.
        settings_file: its settings file; "" to find it.
        node: path of a Node.js binary on the host; "" for the one that runs Node-RED.
        acme_client: who renews the certificate where that is neither certbot nor Caddy, e.g. "acme.sh"; "" otherwise.
        palette: whether installing nodes and modules at run time is intended.
        proxy_guards: what a proxy guards in Node-RED's place, e.g. "Caddy asks for a login on /ui"; "" for nothing.
        demands: parts that must be there: "nginx", "certbot".
        bcrypt_cost: lowest cost of a password's hash; None for the profile's.
        seconds: time limit of everything that is asked of one host.
    """

    listens: tuple[str, ...] = ()
    user_dir: str = ""
    settings_file: str = ""
    node: str = ""
    acme_client: str = ""
    palette: bool = False
    proxy_guards: str = ""
    demands: tuple[str, ...] = ()
    bcrypt_cost: int | None = None
    seconds: float = 60.0


@dataclass(frozen=True)
class Policy:
    """What one target must satisfy.

    Attributes:
        profile: which set of thresholds applies.
        editor: "disabled": no editor page; "protected": the page may be served, `/settings` must be refused.
        admin_api: "protected": refused by a login; "proxied": a gate in front refuses every path;
            "disabled": absent.
        dashboards: paths below the node root that must exist and be protected; None: `/ui` and `/dashboard`
            are tried; (): the site declares that it has none.
        login_urls: where a single sign-on sends strangers: HTTPS origin and path prefix, or a path on this host.
        host: what is demanded of the machine behind it.
    """

    profile: Profile = "production"
    editor: Editor = "disabled"
    admin_api: AdminApi = "protected"
    dashboards: tuple[str, ...] | None = None
    login_urls: tuple[str, ...] = ()
    host: HostDemands = HostDemands()

    @property
    def bcrypt_cost(self) -> int:
        """Return the lowest bcrypt cost accepted (host-03)."""
        return BCRYPT_COST[self.profile] if self.host.bcrypt_cost is None else self.host.bcrypt_cost

    @property
    def renewal(self) -> Renewal:
        """Return the profile's threshold for tls-03."""
        return RENEWAL[self.profile]
