"""What this site demands besides the bundled controls."""

from pytest_nodered_sec import Severity, control, endpoint_refuses, http, require, websocket, websocket_refuses


@control("site-01", severity=Severity.HIGH, asks=[http("/api/orders"), http("/api/orders", "POST")])
def test_orders_are_refused(nodered_attempt, nodered_policy):
    """Listing and placing orders requires a login."""
    require(endpoint_refuses(nodered_attempt, nodered_policy))


@control("site-02", severity=Severity.HIGH, asks=[websocket("/ws/line")])
def test_line_is_not_streamed_to_strangers(nodered_channel, nodered_policy):
    """The line's WebSocket requires a login."""
    require(websocket_refuses(nodered_channel, nodered_policy))
