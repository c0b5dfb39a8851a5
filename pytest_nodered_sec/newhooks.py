"""The hooks that a conftest may implement; specifications only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.model import Target


@pytest.hookspec(firstresult=True)
def pytest_nodered_targets(config: pytest.Config, targets: Sequence[Target]) -> Sequence[Target] | None:
    """Return the run's targets: those that options name, added to, dropped or replaced; None leaves them alone.

    Called once per process, in any conftest that pytest loads at start. The result must be the same in every
    process: derive it from files and the environment, never from an answer of a target.
    """
