"""Proves that a Node-RED deployment is hardened: a pytest plugin.

Only the public names live here. Importing the package imports pytest and the standard library, nothing else.
"""

import pytest

# An editable install is not rewritten by pytest on its own; our suite's asserts, and its users', should be.
pytest.register_assert_rewrite("pytest_nodered_sec.suite")

from pytest_nodered_sec.controls import control, require  # noqa: E402  after the registration above, on purpose
from pytest_nodered_sec.credentials import Credentials  # noqa: E402  same
from pytest_nodered_sec.errors import NonCompliant, ProbeError  # noqa: E402  same
from pytest_nodered_sec.model import Ask, HttpSettings, NotApplicable, Severity, Target, Violation  # noqa: E402  same

__version__ = "0.1.0"

__all__ = [
    "Ask",
    "Credentials",
    "HttpSettings",
    "NonCompliant",
    "NotApplicable",
    "ProbeError",
    "Severity",
    "Target",
    "Violation",
    "__version__",
    "control",
    "require",
]
