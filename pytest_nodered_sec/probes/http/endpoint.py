"""The site's own HTTP endpoints: asked only if the request cannot run the flow, or if that does no harm."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Seen, classify
from pytest_nodered_sec.probes.http.access import attempt_access, describe
from pytest_nodered_sec.probes.http.refusals import closed_twice, method_refused, unless_dropped
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.transport.look import Look

UNPARSABLE: Final = {"Content-Type": "nonsense"}  # http-in's body parser stops at it, before the flow
STOPPED: Final = "500 text/plain"  # its answer: @node-red/nodes/core/network/21-httpin.js, errorHandler
_READING: Final = ("GET", "HEAD")


def attempt_endpoint(
    look: Look,
    admin: RootView,
    node: RootView,
    method: str,
    path: str,
    effect: str,
    headers: Mapping[str, str] | None = None,
    said: str = "without credentials",
    write: Callable[[str], str] | None = None,
) -> AccessAttempt:
    """Ask an endpoint of the site without credentials.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        method: HTTP method the endpoint is declared with.
        path: path below the node root.
        effect: what a request that gets through does, as in `policy.Endpoint`.
        headers: further headers of a method that may write.
        said: what those are, for the evidence.
        write: turns the absolute path of such a method into the form that is sent; None for the usual one.

    Raises:
        ProbeError: no answer, or a question that might act, which is not asked.
    """
    if effect == "acts":
        advice = (
            'Let the flow take POST instead, with no effect = "acts" in protected_paths'
            if method in _READING
            else 'Without effect = "acts" in protected_paths'
        )
        raise ProbeError(
            f'{method} {path} was not sent: its effect is "acts", and on an open site the request would run the flow. '
            f"{advice}: then a body is sent that http-in cannot parse, so that the flow does not run. Or try it by "
            "hand, and leave this test out with --deselect: only findings can be waived",
            Cause.NOT_ASKED,
        )
    if method in _READING:
        if effect != "none":
            raise ProbeError(
                f"{method} {path} was not sent: on an open site the request would run the flow. If that is harmless, "
                f'declare {{path = "{path}", method = "{method}", effect = "none"}} in protected_paths',
                Cause.NOT_ASKED,
            )
        return attempt_access(look, admin, node, Surface.NODE.name, method, path, "anonymous")

    def ask(asked: str, sent: Mapping[str, str]) -> Answer:
        send = partial(look.answer, method, asked, headers=sent, body=b"x")
        try:
            return send()
        except ProbeError as error:
            return closed_twice(look, error, node, f"{method} {asked} {sent}", send)

    nowhere = look.shared(f"{method} of a random path", partial(ask, look.target.node(random_path()), UNPARSABLE))
    view = replace(node, canary=Seen("a random path", nowhere, classify(nowhere, look.target)))
    absolute = look.target.node(path)
    asked = write(absolute) if write else absolute
    sent = {**(headers or {}), **UNPARSABLE}
    send = partial(ask, asked, sent)
    other = look.target.node(random_path())
    elsewhere = partial(look.answer, method, write(other) if write else other, headers=sent, body=b"x")
    answer = unless_dropped(look, node, said, send, elsewhere) if headers else send()
    how = f"{said}, with a body that http-in cannot parse,"
    attempt = describe(look, Surface.NODE, method, path, how, answer, view, STOPPED)
    refused = method_refused(look, answer, method, node, nowhere)
    return replace(attempt, classified=refused) if refused else attempt
