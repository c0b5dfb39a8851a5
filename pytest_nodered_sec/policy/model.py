"""What a site demands: profile, thresholds and expectations, as frozen values.

It imports neither pytest nor files or options: `policy.file` and `policy.merge` read those and build a `Policy` before
the first request; the rest of the code uses only that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_nodered_sec.data.vendor_ports import VENDOR_PORTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from pytest_nodered_sec.policy.attestation import Attestation

Profile = Literal["baseline", "production", "strict"]
Editor = Literal["disabled", "protected"]
AdminApi = Literal["protected", "proxied", "disabled"]
Suites = Literal["none-broken", "intermediate", "modern", "nist-800-52r2"]
Effect = Literal["none", "unknown", "acts"]
Front = Literal["nginx", "caddy", "apache", "haproxy", "traefik", "none"]
Pace = Literal["normal", "quiet"]
Mode = Literal["full", "calm"]
Revocation = Literal["none", "crl"]
InterfaceKind = Literal["uibuilder", "worldmap", "flexdash"]
StaleWaivers = Literal["fail", "warn"]
AUDIT_PARTS: Final = ("account", "host")  # what an audit needs to see a target from inside


class PolicyError(ValueError):
    """An invalid setting: one sentence that names the place and what to write instead."""


@dataclass(frozen=True)
class RenewalThresholds:
    """When a certificate counts as late: with less left than the smaller of a share of its lifetime and a cap.

    Attributes:
        share: share of the certificate's own lifetime, 0 to 1.
        cap_days: upper bound of what must be left, in days.
        short_share: the share for lifetimes under ten days, which are renewed by the hour.
    """

    share: float
    cap_days: float
    short_share: float


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of a profile.

    Attributes:
        tls_accepted: TLS versions a server may accept.
        tls_offered: TLS versions of which it must offer at least one.
        tls_suites: which suites may be accepted: any but broken ones, or those of a list.
        renewal_share: see `RenewalThresholds`.
        renewal_cap_days: see `RenewalThresholds`.
        renewal_short_share: see `RenewalThresholds`.
        private_lifetime_days: longest lifetime of a private CA's certificate, in days; infinite for any.
        hsts_max_age: least max-age of Strict-Transport-Security, in seconds.
        redirect_statuses: HTTP statuses by which plain HTTP may redirect to HTTPS.
        redirect_keeps_method: whether other requests than GET and HEAD must be redirected by 307 or 308.
        session_days: longest life of a session token, in days.
        bcrypt_cost: least cost of a bcrypt hash (the logarithm of its rounds).
    """

    tls_accepted: tuple[str, ...]
    tls_offered: tuple[str, ...]
    tls_suites: Suites
    renewal_share: float
    renewal_cap_days: float
    renewal_short_share: float
    private_lifetime_days: float
    hsts_max_age: int
    redirect_statuses: tuple[int, ...]
    redirect_keeps_method: bool
    session_days: float
    bcrypt_cost: int


PROFILES: Final[dict[Profile, Thresholds]] = {
    "baseline": Thresholds(
        tls_accepted=("1.2", "1.3"),
        tls_offered=("1.2", "1.3"),
        tls_suites="none-broken",
        renewal_share=1 / 10,
        renewal_cap_days=15,
        renewal_short_share=1 / 10,
        private_lifetime_days=math.inf,
        hsts_max_age=86400,
        redirect_statuses=(301, 302, 303, 307, 308),
        redirect_keeps_method=False,
        session_days=7,
        bcrypt_cost=8,
    ),
    "production": Thresholds(
        tls_accepted=("1.2", "1.3"),
        tls_offered=("1.2", "1.3"),
        tls_suites="intermediate",
        renewal_share=1 / 4,
        renewal_cap_days=30,
        renewal_short_share=1 / 5,
        private_lifetime_days=825,
        hsts_max_age=15768000,
        redirect_statuses=(301, 307, 308),
        redirect_keeps_method=False,
        session_days=7,
        bcrypt_cost=8,
    ),
    "strict": Thresholds(
        tls_accepted=("1.3",),
        tls_offered=("1.3",),
        tls_suites="modern",
        renewal_share=3 / 10,
        renewal_cap_days=30,
        renewal_short_share=1 / 4,
        private_lifetime_days=398,
        hsts_max_age=63072000,
        redirect_statuses=(301, 307, 308),
        redirect_keeps_method=True,
        session_days=1,
        bcrypt_cost=12,
    ),
}

_RANK: Final = {"none-broken": 0, "intermediate": 1, "nist-800-52r2": 1, "modern": 2}


def _less(value: Any, demanded: Any) -> bool:  # Any: numbers of one kind, which the readers have checked
    return bool(value < demanded)


def _more(value: Any, demanded: Any) -> bool:  # Any: as above
    return bool(value > demanded)


def _wider(value: Any, demanded: Any) -> bool:  # Any: sequences of one kind
    return not set(value) <= set(demanded)


WEAKER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "tls_accepted": _wider,
    "tls_offered": _wider,
    "tls_suites": lambda value, demanded: _RANK[value] < _RANK[demanded],
    "renewal_share": _less,
    "renewal_cap_days": _less,
    "renewal_short_share": _less,
    "private_lifetime_days": _more,
    "hsts_max_age": _less,
    "redirect_statuses": _wider,
    "redirect_keeps_method": _less,
    "session_days": _more,
    "bcrypt_cost": _less,
}
THRESHOLDS: Final = tuple(field.name for field in fields(Thresholds))


@dataclass(frozen=True)
class Endpoint:
    """An HTTP endpoint of the site's flows that must refuse anonymous requests.

    Attributes:
        path: path below the node root.
        method: HTTP method.
        effect: what an accepted request does: "none": a GET may be sent; "unknown": only a request that the body
            parser of `http in` rejects is sent; "acts": nothing is ever sent.
    """

    path: str
    method: str = "GET"
    effect: Effect = "unknown"


@dataclass(frozen=True)
class PublicPath:
    """A path below the node root that anyone may use, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Interface:
    """A user interface other than a dashboard, whose live channel must refuse anonymous clients.

    Attributes:
        kind: whose it is.
        path: its path below the node root.
    """

    kind: InterfaceKind
    path: str


@dataclass(frozen=True)
class Deviation:
    """A point in which the site demands less than its profile, or makes something public.

    Attributes:
        key: of the policy file.
        value: the value in force, as TOML.
        demanded: what the profile demands.
        reason: the site's own words.
    """

    key: str
    value: str
    demanded: str
    reason: str = field(repr=False)  # pytest's trace shows targets before any secret is learnt

    def line(self) -> str:
        """Return it in one line."""
        return f"{self.key} = {self.value} instead of {self.demanded}: {self.reason}"


@dataclass(frozen=True)
class Waiver:
    """A finding that the site accepts until a date.

    Attributes:
        control: id of the control.
        expires: last day on which it holds, UTC.
        reason: the site's own words.
        finding: code of the violation; "" if the control has only one.
        instance: what follows the target in the test's id, e.g. "GET /flows"; "" for every instance of the control.
        approver: who accepted it, "" if not named.
        ticket: its ticket, "" if none is named.
        measure: compensating measure, "" if none is named.
    """

    control: str
    expires: date
    reason: str
    finding: str = ""
    instance: str = ""
    approver: str = ""
    ticket: str = ""
    measure: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.control, self.instance, self.finding)))

    def line(self, today: date) -> str:
        """Return it in one line, with its state on this day, UTC."""
        until = f"until {self.expires}" if self.in_force(today) else f"expired after {self.expires}"
        more = [("approver", self.approver), ("ticket", self.ticket), ("measure", self.measure)]
        return f"{self}, {until}: {self.reason}" + "".join(f"; {name}: {value}" for name, value in more if value)

    def concerns(self, control: str, instance: str) -> bool:
        """Whether it is about this case."""
        return self.control == control and self.instance in ("", instance)

    def names(self, code: str) -> bool:
        """Whether it is about this finding of such a case."""
        return self.finding in ("", code)

    def in_force(self, today: date) -> bool:
        """Whether it holds on this day, UTC."""
        return today <= self.expires


@dataclass(frozen=True)
class HostDemands:
    """What is known of and demanded of the host: what cannot be detected there, and what must be present.

    Attributes:
        listens: intended listening ports other than on loopback, each with a reason: "4840 OPC UA, line 7"; with an
            address in front, of a VPN perhaps, only there: "10.8.0.2:1880 WireGuard".
        user_dir: Node-RED's user directory; "" to find it.
        settings_file: its settings file; "" to find it.
        node: path of a Node.js binary on the host; "" for the one that runs Node-RED.
        acme_client: ACME client that renews the certificate if neither certbot nor Caddy does, e.g. "acme.sh"; else "".
        egress: what may leave the plant by itself, each a kind (telemetry, catalogue, assistant) and why.
        palette: whether installing nodes and modules at run time is intended.
        install_scripts: packages that may run scripts when they are installed, each with what for.
        proxy_guards: what a proxy guards instead of Node-RED, e.g. "Caddy asks for a login on /ui"; "" for nothing.
        demands: software that must be present: "nginx", "certbot".
        seconds: time limit for all checks of one host.
    """

    listens: tuple[str, ...] = ()
    user_dir: str = ""
    settings_file: str = ""
    node: str = ""
    acme_client: str = ""
    egress: tuple[str, ...] = ()
    palette: bool = False
    install_scripts: tuple[str, ...] = ()
    proxy_guards: str = ""
    demands: tuple[str, ...] = ()
    seconds: float = 60.0

    def allows(self, port: str, address: str = "") -> bool:
        """Whether `listens` has a port; with an address, whether there: an entry without one means every address."""
        for line in self.listens:
            where, _, listed = line.split()[0].rpartition(":")
            if listed == port and (not address or where in ("", address)):
                return True
        return False


@dataclass(frozen=True)
class Policy:
    """What one target must satisfy.

    Attributes:
        profile: which set of thresholds applies.
        editor: "disabled": no editor page; "protected": the page may be served, `/settings` must be refused.
        admin_api: "protected": refused by a login; "proxied": a proxy in front refuses every path;
            "disabled": absent.
        dashboards: paths below the node root that must exist and be protected; None: `/ui` and `/dashboard`
            are tried; (): the site declares that it has none.
        login_urls: where a single sign-on redirects anonymous users: HTTPS origin and path prefix, or a path on this
            host.
        protected_paths: the site's endpoints.
        public_paths: what anyone may use: endpoints, or dashboards and interfaces with their live channel.
        websockets: paths of WebSocket endpoints below the node root.
        closed_ports: TCP ports on which nothing may answer.
        interfaces: user interfaces other than dashboards; for kinds not listed, the default path is tried.
        known_credentials: pairs of user name and password to try besides the bundled ones.
        guess: whether known credentials are tried at all.
        login_realm: name of the directory that holds the accounts, where several logins share them; "" otherwise.
        front: the reverse proxy, for which remedies are written; "" to recognise it by its answers.
        pace: "quiet": one request at a time, slow enough for intrusion detection.
        mode: "calm": no password guesses and nothing that looks like an attack are sent.
        join_channels: whether dashboards' live channels are opened, which flows see as one `connect` and one `lost`.
        host: what is demanded of the machine behind it.
        issuer: organisation of the CA that must have issued the certificate, "" for any.
        shared_certificate: whether several targets may have one certificate and key.
        mutual_tls: whether a client certificate must be demanded.
        revocation: "crl": the certificates must not be revoked by the lists that they name.
        certificate: SHA-256 of the only accepted certificate (lower-case hex), "" to verify by trust anchors.
        waivers: findings that the site accepts until a date.
        stale_waivers: whether a waiver that is no longer needed fails the run or causes a warning.
        audit_without: which of `AUDIT_PARTS` an audit does without here; `deviations` has the reasons.
        attestations: what somebody vouches for because no program sees it.
        own_thresholds: thresholds that replace the profile's, None to use the profile's.
        deviations: where this policy is weaker than its profile.
    """

    profile: Profile = "production"
    editor: Editor = "disabled"
    admin_api: AdminApi = "protected"
    dashboards: tuple[str, ...] | None = None
    login_urls: tuple[str, ...] = ()
    protected_paths: tuple[Endpoint, ...] = ()
    public_paths: tuple[PublicPath, ...] = ()
    websockets: tuple[str, ...] = ()
    closed_ports: tuple[int, ...] = tuple(VENDOR_PORTS)
    interfaces: tuple[Interface, ...] = ()
    known_credentials: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    guess: bool = True
    login_realm: str = ""
    front: Front | Literal[""] = ""
    pace: Pace = "normal"
    mode: Mode = "full"
    join_channels: bool = True
    host: HostDemands = HostDemands()
    issuer: str = ""
    shared_certificate: bool = False
    mutual_tls: bool = False
    revocation: Revocation = "none"
    certificate: str = ""
    waivers: tuple[Waiver, ...] = ()
    stale_waivers: StaleWaivers = "fail"
    audit_without: tuple[str, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    own_thresholds: Thresholds | None = None
    deviations: tuple[Deviation, ...] = ()

    @property
    def thresholds(self) -> Thresholds:
        """Return the thresholds in force."""
        return self.own_thresholds or PROFILES[self.profile]

    @property
    def renewal(self) -> RenewalThresholds:
        """Return the threshold for tls-03."""
        own = self.thresholds
        return RenewalThresholds(own.renewal_share, own.renewal_cap_days, own.renewal_short_share)

    def public_reason(self, path: str) -> str:
        """Return why a path below the node root is public, "" where it is not."""
        return next((public_path.reason for public_path in self.public_paths if public_path.path == path), "")
