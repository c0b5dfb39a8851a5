"""The services around Node-RED on the host: its supervisor, nginx, and who renews the certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.host import certificate_is_renewed, is_supervised
from pytest_nodered_sec.rules.nginx import nginx_is_in_service
from pytest_nodered_sec.rules.nginx_tls import tls_is_as_demanded
from pytest_nodered_sec.rules.proxy import way_is_guarded

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import Renewal, Supervision
    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.observations.host_proxies import CaddyConfig, NginxConfig, NginxService
    from pytest_nodered_sec.policy.model import Policy


@control("host-10", severity=Severity.MEDIUM, asks=questions.host("supervision"))
def test_is_supervised(nodered_seen: Supervision, nodered_policy: Policy) -> None:
    """A service manager supervises and sandboxes Node-RED."""
    require(is_supervised(nodered_seen, nodered_policy))


@control("host-11", severity=Severity.HIGH, asks=questions.host("nginx service"))
def test_nginx_is_in_service(nodered_seen: NginxService, nodered_policy: Policy) -> None:
    """nginx is installed, enabled and running with a valid configuration."""
    require(nginx_is_in_service(nodered_seen, nodered_policy))


@control("host-12", severity=Severity.HIGH, asks=questions.host("way"))
def test_way_through_the_proxy_is_guarded(
    nodered_seen: NginxConfig | CaddyConfig | FrontConfig, nodered_policy: Policy
) -> None:
    """Every route through the proxy to Node-RED is encrypted, and sockets are protected like pages."""
    require(way_is_guarded(nodered_seen, nodered_policy))


@control("host-13", severity=Severity.MEDIUM, asks=questions.host("nginx"))
def test_nginx_tls_is_as_demanded(nodered_seen: NginxConfig, nodered_policy: Policy) -> None:
    """nginx's TLS settings meet the policy, and its version is hidden."""
    require(tls_is_as_demanded(nodered_seen, nodered_policy))


@control("host-14", severity=Severity.HIGH, asks=questions.host("renewal"))
def test_certificate_is_renewed(nodered_seen: Renewal, nodered_policy: Policy) -> None:
    """The served certificate is renewed automatically."""
    require(certificate_is_renewed(nodered_seen, nodered_policy))
