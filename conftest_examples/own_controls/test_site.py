"""What this site demands besides the bundled controls."""

from pytest_nodered_sec import Severity, control, require
from pytest_nodered_sec.questions import http
from pytest_nodered_sec.rules.access import refuses_access


@control("site-01", severity=Severity.HIGH, asks=[http("/api/orders")])
def test_orders_are_refused(nodered_attempt, nodered_policy):
    """The list of orders refuses anonymous requests."""
    require(refuses_access(nodered_attempt, nodered_policy))
