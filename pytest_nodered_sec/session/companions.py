"""What other plugins are told of a control, by their own marks, where they are installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from pytest_nodered_sec.controls import Control

_ALLURE: Final = {  # its names of severities, worst first, as ours are
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "normal",
    Severity.LOW: "minor",
}


def tell(item: pytest.Item, control: Control) -> None:
    """Mark a control for allure and pytest-timeout; a mark of the test's own counts before ours.

    A look has a limit of its own, and a case may wait for others at the same target: pytest-timeout, whose thread would
    end the whole process, counts the test's body alone.
    """
    plugins = item.config.pluginmanager
    if plugins.has_plugin("allure_pytest"):
        item.add_marker(pytest.mark.allure_label(_ALLURE[control.severity], label_type="severity"))
    if plugins.has_plugin("timeout") and not item.get_closest_marker("timeout"):
        item.add_marker(pytest.mark.timeout(func_only=True))
