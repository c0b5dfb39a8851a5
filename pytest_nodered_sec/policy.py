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
    """

    profile: Profile = "production"
    editor: Editor = "disabled"
    admin_api: AdminApi = "protected"
    dashboards: tuple[str, ...] | None = None
    login_urls: tuple[str, ...] = ()

    @property
    def renewal(self) -> Renewal:
        """Return the profile's threshold for tls-03."""
        return RENEWAL[self.profile]
