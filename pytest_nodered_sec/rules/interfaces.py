"""Whether anonymous clients can join other user interfaces, and act on public dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import Channel, Product
from pytest_nodered_sec.remedies.lines import nginx_gate
from pytest_nodered_sec.rules.dashboard import absent_dashboard
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.channels import InterfaceAttempt, ShownWidgets
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

# Widgets made to send into a flow: node-red-dashboard 3.6.6, nodes/*.js (`control.type`; a switch adds its style) and
# @flowfuse/node-red-dashboard 1.31.0, nodes/widgets/*.js (`onAction`, `onChange`); reviewed 2026-11-25.
_ACTING: Final = {
    Product.DASHBOARD_1: (
        "button",
        "colour-picker",
        "date-picker",
        "dropdown",
        "form",
        "numeric",
        "slider",
        "switch",
        "text-input",
    ),
    Product.DASHBOARD_2: (
        "ui-button",
        "ui-button-group",
        "ui-dropdown",
        "ui-file-input",
        "ui-form",
        "ui-notification to confirm",
        "ui-number-input",
        "ui-radio-group",
        "ui-slider",
        "ui-switch",
        "ui-table to click on",
        "ui-text-input",
    ),
}
_LOGINS: Final = {
    "uibuilder": "In uibuilder itself, sioMiddleware.js in its .config folder can refuse anonymous clients",
    "worldmap": "httpNodeAuth does not cover it",
    "flexdash": "httpNodeAuth does not cover it",
}


def interface_refuses(seen: InterfaceAttempt, policy: Policy) -> Verdict:
    """An interface's live channel refuses anonymous clients; a declared one is there."""
    declared = any((interface.kind, interface.path) == (seen.kind, seen.path) for interface in policy.interfaces)
    reason = policy.public_reason(seen.path)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    absent = seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.ABSENT
    if (absent or seen.unknown) and declared:
        return (
            Violation(
                "declared-but-absent",
                f"{seen.evidence()}, though the policy declares this interface",
                "the declared interface, behind a login",
                "correct interfaces in the policy, or --nodered-node-root",
            ),
        )
    if absent:
        return NotApplicable(f"no {seen.kind} found: {seen.evidence()}")
    if seen.channel is Channel.REFUSED_BY_MIDDLEWARE:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED:
        return ()
    path = seen.attempt.absolute.removesuffix("/info")
    return (
        Violation(
            "channel-open" if seen.channel is Channel.OPEN else "channel-answers",
            seen.evidence(),
            "a refusal of the connect packet, or 401 or 403",
            f"nginx: {nginx_gate(path)}. {_LOGINS[seen.kind]}",
        ),
    )


def public_dashboard_only_shows(seen: ShownWidgets, policy: Policy) -> Verdict:
    """A dashboard that is declared public holds no widget that acts.

    What a template does, and what a widget of somebody else does, is not known: the evidence names them.
    """
    if not policy.public_reason(seen.path):
        return NotApplicable("not declared public: dash-01 and dash-02 judge it")
    if seen.joined.channel is Channel.NO_CHANNEL and seen.joined.attempt.kind is Kind.ABSENT:
        return absent_dashboard(seen.joined.attempt, policy)
    acting = [f"{number} {kind}" for kind, number in seen.counts if _acts(seen.product, kind)]
    if not acting or seen.read_only:
        return ()
    first = seen.product is Product.DASHBOARD_1
    return (
        Violation(
            "acts",
            f"{seen.evidence()}; these act: {', '.join(acting)}",
            "display widgets only: text, gauge, chart",
            "move these widgets to a dashboard behind a login"
            + (", or settings.js: ui: {readOnly: true}" if first else ""),
        ),
    )


def _acts(product: Product | None, kind: str) -> bool:
    known = _ACTING[product] if product else ()
    plain = kind.removesuffix("-CR")  # a text input that sends when Enter is pressed
    return plain in known or (product is Product.DASHBOARD_1 and kind.startswith("switch-"))
