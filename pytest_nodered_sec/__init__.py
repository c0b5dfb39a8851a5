"""Proves that a Node-RED deployment is hardened: a pytest plugin.

Only the public names live here, all of them in `__all__`; docs/extending.md says what each is for. Importing the
package imports pytest and the standard library, nothing else: what only some tests use is imported with its first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest

# An editable install is not rewritten by pytest on its own; our suite's asserts, and its users', should be.
pytest.register_assert_rewrite("pytest_nodered_sec.suite")

from pytest_nodered_sec.controls import control, require  # noqa: E402  after the registration above, on purpose
from pytest_nodered_sec.credentials import Credentials  # noqa: E402  same
from pytest_nodered_sec.errors import Cause, NonCompliant, ProbeError  # noqa: E402  same
from pytest_nodered_sec.model import (  # noqa: E402  same
    Ask,
    HttpSettings,
    NotApplicable,
    NotJudged,
    Observation,
    Severity,
    Target,
    Verdict,
    Violation,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.lab import RunningDeployment
    from pytest_nodered_sec.model_access import AccessAttempt, Channel, ChannelAttempt
    from pytest_nodered_sec.model_answers import Answer, Kind
    from pytest_nodered_sec.model_chain import PresentedChain
    from pytest_nodered_sec.policy import Policy
    from pytest_nodered_sec.probes.look import Look
    from pytest_nodered_sec.questions import http, question, tls, websocket
    from pytest_nodered_sec.rules.access import refuses_access
    from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time
    from pytest_nodered_sec.rules.channels import websocket_refuses
    from pytest_nodered_sec.rules.endpoints import endpoint_refuses

__version__ = "0.1.0"

__all__ = [
    "AccessAttempt",
    "Answer",
    "Ask",
    "Cause",
    "Channel",
    "ChannelAttempt",
    "Credentials",
    "HttpSettings",
    "Kind",
    "Look",
    "NonCompliant",
    "NotApplicable",
    "NotJudged",
    "Observation",
    "Policy",
    "PresentedChain",
    "ProbeError",
    "RunningDeployment",
    "Severity",
    "Target",
    "Verdict",
    "Violation",
    "__version__",
    "chain_is_trusted",
    "control",
    "endpoint_refuses",
    "http",
    "names_the_host",
    "question",
    "refuses_access",
    "renewal_is_in_time",
    "require",
    "tls",
    "websocket",
    "websocket_refuses",
]

_WITH_FIRST_USE: Final = {
    "AccessAttempt": "model_access",
    "Answer": "model_answers",
    "Channel": "model_access",
    "ChannelAttempt": "model_access",
    "Kind": "model_answers",
    "Look": "probes.look",
    "Policy": "policy",
    "PresentedChain": "model_chain",
    "RunningDeployment": "lab",
    "chain_is_trusted": "rules.chain",
    "endpoint_refuses": "rules.endpoints",
    "http": "questions",
    "names_the_host": "rules.chain",
    "question": "questions",
    "refuses_access": "rules.access",
    "renewal_is_in_time": "rules.chain",
    "tls": "questions",
    "websocket": "questions",
    "websocket_refuses": "rules.channels",
}


def __getattr__(name: str) -> Any:  # Any: a module's attributes are of all types
    if name not in _WITH_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_FIRST_USE[name]}"), name)
