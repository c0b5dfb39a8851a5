"""Checks whether a Node-RED deployment is hardened: a pytest plugin.

Only the public names live here, all of them in `__all__`; docs/extending.md says what each is for. Each is imported
with its first use, because every pytest run of the environment imports this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pytest_nodered_sec._version import __version__
    from pytest_nodered_sec.controls import control, require
    from pytest_nodered_sec.errors import Cause, NonCompliant, ProbeError
    from pytest_nodered_sec.lab import RunningDeployment
    from pytest_nodered_sec.model import Ask, Credentials, HttpSettings, Observation, Target
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer, Kind
    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.observations.channels import Channel, ChannelAttempt
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.questions import http, question, tls, websocket
    from pytest_nodered_sec.rules.access import refuses_access
    from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time
    from pytest_nodered_sec.rules.channels import websocket_refuses
    from pytest_nodered_sec.rules.endpoints import endpoint_refuses
    from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Severity, Verdict, Violation

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

_MODULES: Final = {
    "AccessAttempt": "observations.access",
    "Answer": "observations.answers",
    "Ask": "model",
    "Cause": "errors",
    "Channel": "observations.channels",
    "ChannelAttempt": "observations.channels",
    "Credentials": "model",
    "HttpSettings": "model",
    "Kind": "observations.answers",
    "Look": "probes.transport.look",
    "NonCompliant": "errors",
    "NotApplicable": "verdict",
    "NotJudged": "verdict",
    "Observation": "model",
    "Policy": "policy.model",
    "PresentedChain": "observations.chain",
    "ProbeError": "errors",
    "RunningDeployment": "lab",
    "Severity": "verdict",
    "Target": "model",
    "Verdict": "verdict",
    "Violation": "verdict",
    "__version__": "_version",
    "chain_is_trusted": "rules.chain",
    "control": "controls",
    "endpoint_refuses": "rules.endpoints",
    "http": "questions",
    "names_the_host": "rules.chain",
    "question": "questions",
    "refuses_access": "rules.access",
    "renewal_is_in_time": "rules.chain",
    "require": "controls",
    "tls": "questions",
    "websocket": "questions",
    "websocket_refuses": "rules.channels",
}


def __getattr__(name: str) -> Any:  # Any: a module's attributes are of all types
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
