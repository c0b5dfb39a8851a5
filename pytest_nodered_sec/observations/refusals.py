"""Refusals that no status names: a method that is taken nowhere, a connection that is closed. Pure, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.answers import Classified, Kind, Mark, Refuser

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import Answer, Seen

METHOD_REFUSED: Final = "as every request by this method here"
NOT_NODE_REDS: Final = "something else than Node-RED refuses the method"
BODY_REFUSED: Final = "as every request with a body here"
TOO_LARGE: Final = 413  # of a body
UNSUPPORTED: Final = (405, 501)  # of a method
_ABSENT: Final = (404, 410)
_SAYS_MORE: Final = (401, 403, *_ABSENT, 408, 429)  # of 4xx: who refuses, that nothing is there, or that it is too much


def may_refuse_method(answer: Answer, usual: Seen) -> bool:
    """Whether a status can mean that whoever stands in front takes no request by this method.

    Args:
        answer: what came.
        usual: what a GET of a random path gets. Where that is refused, or Node-RED's own 404, a 404 without Express's
            words is not Node-RED's (nginx: if ($request_method = POST) { return 404; }).
    """
    if answer.status in _ABSENT:
        theirs = usual.kind is Kind.REFUSED or Mark.EXPRESS in usual.answer.marks
        return theirs and Mark.EXPRESS not in answer.marks
    return answer.status in UNSUPPORTED or (400 <= answer.status < 500 and answer.status not in _SAYS_MORE)


def is_no_node_reds(answer: Answer, usual: Seen) -> bool:
    """Whether a 405 or 501 from one of Node-RED's own routes is of something else in front of it.

    Node-RED's only one (POST /flows/state, runtime/lib/api/flows.js) comes as JSON.

    Args:
        answer: what came.
        usual: what a GET of a random path gets. Where that is a page, a login's form may answer so.
    """
    other = answer.status in UNSUPPORTED and answer.content_type != "application/json"
    return other and usual.kind in (Kind.REFUSED, Kind.ABSENT)


def refused_method(answer: Answer, canary: Answer, usual: Seen) -> Classified | None:
    """Return what such a status is where a random path gets it too: a refusal of the method.

    Express answers a random path with 404. Where a GET of a random path gets a page, a login's form may answer so.

    Args:
        answer: what came.
        canary: what a random path of the same root got, asked by the same method and nothing else.
        usual: what a GET of a random path gets.
    """
    alone = answer.status == canary.status and not answer.marks - {Mark.VERSION}
    taken = may_refuse_method(answer, usual) and may_refuse_method(canary, usual)
    if not (alone and taken) or usual.kind not in (Kind.REFUSED, Kind.ABSENT):
        return None
    return Classified(Kind.REFUSED, Refuser.UNNAMED, why=METHOD_REFUSED)
