"""The basic values: targets, questions, credentials, and the protocol of observations.

No I/O, nothing mutable, no third-party import. The observations themselves are in `observations/`.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import quote, unquote, urlsplit

from pytest_nodered_sec import redaction, texts
from pytest_nodered_sec.data.letters import mixed_case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.policy.model import Policy


@dataclass(frozen=True, order=True)
class Ask:
    """One question to a target: the key in the survey's cache, and the instance in a test's id.

    Attributes:
        probe: name of a probe in `pytest_nodered_sec.registry.PROBES`; "" where the run itself answers.
        args: its arguments, plain strings without secrets.
        label: what a person calls it, e.g. "GET /flows"; empty where a control has one instance only.
        needs: what a target must have been given for it: "credentials", "dashboard_credentials", "host", or "".
        beside: whether the answer is judged beside those of the run's other targets; it is the same question.
    """

    probe: str
    args: tuple[str, ...] = ()
    label: str = ""
    needs: str = ""
    beside: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class HttpSettings:
    """How requests get to a target, beyond its URL; set in the hook `pytest_nodered_targets`.

    Attributes:
        proxy: URL of an HTTP proxy through which every connection is made (CONNECT), or "".
        client_certificate: PEM files of a client certificate and its key, or None.
        headers: sent with every request to the URL's origin; treated as secrets, so only once its certificate
            has verified.
        ports: TCP ports to dial in place of others, where a tunnel leads to them: {9229: 19229}.
    """

    proxy: str = field(default="", repr=False)
    client_certificate: tuple[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    ports: Mapping[int, int] = field(default_factory=dict, hash=False)

    def hide(self) -> None:
        """Keep the proxy's password and the headers' values out of what the run writes."""
        userinfo = self.proxy.rpartition("@")[0].partition("//")[2]  # not by urlsplit: a password may hold / or #
        user, _, password = userinfo.partition(":")
        for said in (password, unquote(password)):
            redaction.learn(said, username=unquote(user))
        for value in self.headers.values():
            redaction.learn(value)


@dataclass(frozen=True)
class Target:
    """A deployment to test, and how to reach it; known before the first look.

    Attributes:
        name: unique in the run; part of every test id.
        url: base URL, http or https, without userinfo, query or trailing slash.
        policy: what this site demands.
        admin_root: httpAdminRoot as seen from outside, below the URL's path; starts with "/".
        node_root: httpNodeRoot as seen from outside, below the URL's path; starts with "/".
        find_roots: whether other roots are looked for where these show no Node-RED.
        http_port: TCP port where plain HTTP is expected.
        direct_port: Node-RED's own TCP port, which must not answer.
        assumed_ports: which of `http_port` and `direct_port` nobody set.
        ca_file: PEM file with additional trust anchors, or None.
        timeout: deadline of one whole look, in seconds.
        host: testinfra backend string of the machine, or None.
        connect: address or name to dial instead of the URL's, with or without port; the URL's name stays in SNI and
            Host.
        flows: file or folder of flows that is judged alone, without a deployment; "" for a deployment.
        labels: what the site sorts its targets by.
        http: proxy, client certificate and headers.
        credentials: returns the account to use; called when a look needs it, in the process that looks;
            perhaps for several targets at the same time.
        dashboard_credentials: the same for the account that opens the dashboards.
    """

    name: str
    url: str
    policy: Policy
    admin_root: str = "/"
    node_root: str = "/"
    find_roots: bool = False
    http_port: int = 80
    direct_port: int = 1880
    assumed_ports: tuple[str, ...] = ()
    ca_file: str | None = None
    timeout: float = 10.0
    host: str | None = None
    connect: str | None = None
    flows: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    http: HttpSettings = HttpSettings()
    credentials: Callable[[], Credentials] | None = field(default=None, repr=False)
    dashboard_credentials: Callable[[], Credentials] | None = field(default=None, repr=False)

    @cached_property
    def tls(self) -> bool:
        """Whether the URL is https."""
        return self.url.startswith("https:")

    @cached_property
    def hostname(self) -> str:
        """Host of the URL, lower case, IPv6 literals without brackets."""
        return urlsplit(self.url).hostname or ""

    @cached_property
    def named(self) -> bool:
        """Whether the host of the URL is a name, not an IP address."""
        try:
            ipaddress.ip_address(self.hostname)
        except ValueError:
            return True
        return False

    @cached_property
    def port(self) -> int:
        """TCP port of the URL."""
        return urlsplit(self.url).port or (443 if self.tls else 80)

    @cached_property
    def origin(self) -> str:
        """Scheme, host and port of the URL as browsers write them, which leave the scheme's own port out."""
        return texts.origin("https" if self.tls else "http", self.hostname, self.port)

    @cached_property
    def dialled(self) -> tuple[str, int]:
        """Host and TCP port that are dialled for the URL."""
        parts = urlsplit(f"//{self.connect or ''}")
        return parts.hostname or self.hostname, parts.port or self.port

    def path(self, root: str, path: str) -> str:
        """Return the absolute URL path of `path` below `root` ("/" or the admin or node root), as it is sent.

        What no request line can hold, such as "ö" or a space, is percent-encoded as UTF-8; the rest stays as written.
        """
        prefix = urlsplit(self.url).path.rstrip("/")
        return re.sub("[^!-~]", lambda match: quote(match[0]), prefix + root.rstrip("/") + path)

    def admin(self, path: str) -> str:
        """Return the absolute URL path of an admin path, e.g. "/settings"."""
        return self.path(self.admin_root, path)

    def node(self, path: str) -> str:
        """Return the absolute URL path of a path below the node root, e.g. "/ui"."""
        return self.path(self.node_root, path)

    @cached_property
    def pages(self) -> tuple[str, ...]:
        """Absolute paths of what people open: the admin root, then each dashboard, guessed where none is declared."""
        return (self.admin("/"), *(self.node(path) for path in self.dashboards))

    @cached_property
    def dashboards(self) -> tuple[str, ...]:
        """Each dashboard's path below the node root, guessed where none is declared."""
        declared = self.policy.dashboards
        return ("/ui", "/dashboard") if declared is None else declared

    @cached_property
    def guarded_dashboards(self) -> tuple[str, ...]:
        """Those of `dashboards` that are not declared public."""
        return tuple(path for path in self.dashboards if not self.policy.public_reason(path))

    def __str__(self) -> str:
        return self.name


@runtime_checkable
class Observation(Protocol):
    """An observation of a probe: frozen, without secrets, with one line for the evidence."""

    def evidence(self) -> str:
        """Return one line saying what was asked and what came back."""


@runtime_checkable
class Settling(Protocol):
    """An observation of a module of its own, which itself says whether it is an answer."""

    def settle(self, target: Target) -> None:
        """Raise `ProbeError` unless it answers its question under the target's policy."""


class Surface(enum.Enum):
    """The part of Node-RED that a request went to; decides what absence and a refusal like the canary's mean."""

    ADMIN = "admin API"
    EDITOR = "editor"
    DASHBOARD = "dashboard"
    NODE = "node root"


@dataclass(frozen=True)
class Credentials:
    """An account of the target: user name and password, a token, or a session's cookie; no secret is ever shown.

    Attributes:
        username: account name, "" with a token or a cookie.
        password: its password.
        token: a bearer token: of Node-RED's admin API, or of the gate before the dashboards.
        cookie: of the dashboards' account only: "NAME=VALUE", several with "; " between them.
        origin: what its owner corrects where it is wrong, e.g. "the password in PLANT_PASSWORD"; "" where nobody knows.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)
    origin: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        self.hide()

    def hide(self) -> None:
        """Keep the password and token out of what the run writes.

        Done when it is made, and again by each look that uses it: it may be kept from an earlier run of the process.
        """
        redaction.learn(self.password, username=self.username)
        redaction.learn(self.token)
        for part in self.cookie.split(";"):
            redaction.learn(part.partition("=")[2].strip())


def ending_of(path: str) -> str:
    """Return what a path's last name ends with, such as ".json"; "" for nothing."""
    ending = re.search(r"\.[a-z]+$", path.partition("?")[0])
    return ending[0] if ending else ""


def root_in_mixed_case(target: Target, surface: str, plain: str, path: str) -> str:
    """Return the absolute path below the root in mixed letter case, once for each root and dashboard, or "".

    Express mounts httpAdminRoot and httpNodeRoot in any letter case, and a proxy's location /admin/ guards one
    (measured on Node-RED 5.0.7). What the URL itself puts before the root is the proxy's own, and stays.

    Args:
        target: names the roots.
        surface: name of a `Surface`; decides the root.
        plain: the path as Node-RED spells it, below the root.
        path: the spelling that is asked.
    """
    root = target.admin_root if surface == Surface.ADMIN.name else target.node_root
    first = path == mixed_case(plain.rstrip("/")) and (surface == Surface.DASHBOARD.name or plain == "/settings")
    mixed = mixed_case(root)
    return target.path(mixed, plain) if first and mixed != root else ""
