"""The site's own HTTP endpoints: asked only where the question cannot run the flow, or where that does no harm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.model_answers import Seen, classify
from pytest_nodered_sec.probes.access import attempt_access, describe
from pytest_nodered_sec.probes.landmarks import random_path

if TYPE_CHECKING:
    from pytest_nodered_sec.model_access import AccessAttempt
    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.look import Look

_UNPARSABLE: Final = {"Content-Type": "nonsense"}  # http-in's body parser stops at it, before the flow
_STOPPED: Final = "500 text/plain"  # its answer: @node-red/nodes/core/network/21-httpin.js, errorHandler


def attempt_endpoint(look: Look, admin: RootView, node: RootView, method: str, path: str, effect: str) -> AccessAttempt:
    """Ask an endpoint of the site without credentials.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        method: HTTP method the endpoint is declared with.
        path: path below the node root.
        effect: what a request that gets through does, as in `policy.Endpoint`.

    Raises:
        ProbeError: no answer, or a question that might act, which is not asked.
    """
    if effect == "acts":
        raise ProbeError(
            f"{method} {path} was not asked: the policy says that it acts, and on an open site the question is the "
            "act. Try it by hand where it may act, then waive this instance",
            Cause.NOT_ASKED,
        )
    if method in ("GET", "HEAD"):
        if effect != "none":
            raise ProbeError(
                f"{method} {path} was not asked: on an open site the question runs the flow. Where that is harmless "
                f'declare {{path = "{path}", method = "{method}", effect = "none"}} in protected_paths',
                Cause.NOT_ASKED,
            )
        return attempt_access(look, admin, node, Surface.NODE.name, method, path, "anonymous")
    nowhere = look.answer(method, look.target.node(random_path()), headers=_UNPARSABLE, body=b"x")
    view = replace(node, canary=Seen("a random path", nowhere, classify(nowhere, look.target)))
    answer = look.answer(method, look.target.node(path), headers=_UNPARSABLE, body=b"x")
    how = "without credentials, with a body that http-in cannot parse,"
    return describe(look, Surface.NODE, method, path, how, answer, view, _STOPPED)
