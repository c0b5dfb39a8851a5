"""What a person can do where a front answers everything in place of Node-RED, by what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import Answer

_TURNED_AWAY: Final = (
    "let the front pass the machine that runs the tests, or test behind the front (`connect` in the policy file)"
)
_BY_STATUS: Final = {
    421: "the server does not serve this name on this connection: correct the host name of the URL",
    429: "a rate limit: let it pass the machine that runs the tests, or slow down (--nodered-pace=quiet)",
    451: "the front refuses the country or network of this machine: test from where the users are",
    502: "the proxy does not reach Node-RED: start it, or correct its address in the proxy",
    503: "maintenance, overload, or no Node-RED behind the proxy: test when it serves again",
    504: "the proxy gets no answer from Node-RED: see whether it runs, and its address in the proxy",
    511: "the network that this machine is in wants a login first: log in there, or test from another network",
}


def way_out(answer: Answer) -> str:
    """Return what to do about an answer that every path gets; "" where it does not tell."""
    return _TURNED_AWAY if answer.block else _BY_STATUS.get(answer.status, "")
