"""The pages that people open, and what their answers disclose: HSTS, server versions, cookies."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError, see_reach
from pytest_nodered_sec.observations.answers import Mark
from pytest_nodered_sec.observations.side_ports import Announcements, Http3Offer, PageAnswers, SeenCookies
from pytest_nodered_sec.probes.http.access import JSON
from pytest_nodered_sec.probes.transport.answers import follow
from pytest_nodered_sec.probes.transport.http import CERTIFICATE_REQUIRED

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.http.landmarks import PlainView
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look


def open_page(look: Look, admin: RootView, root: str, path: str) -> PageAnswers:
    """Open a page, and keep the answer of each step on the way there.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        root: "admin" or "node".
        path: path below that root.

    Raises:
        ProbeError: no answer.
    """
    target = look.target
    absolute = target.admin(path) if root == "admin" else target.node(path)
    if not target.tls:
        return PageAnswers(absolute, target.tls, target.named)
    plainly = look.read(absolute, JSON if root == "admin" else {})  # as others have asked already
    if plainly.status == CERTIFICATE_REQUIRED and not target.policy.mutual_tls:
        if admin.opaque:
            raise see_reach(target.name)
        raise ProbeError(f"GET {absolute}: a TLS alert, no answer, without a client certificate", Cause.REJECTED)
    if not plainly.hops:
        always = admin.canary.answer
        in_clear = Mark.CLEARTEXT_REDIRECT in plainly.marks and plainly.location == always.location
        return PageAnswers(absolute, True, target.named, ((absolute, plainly),), in_clear and root != "admin")
    answers: list[tuple[str, Answer]] = []

    def ask(asked: str, hops: int) -> Exchange:
        del hops
        got = look.ask("GET", asked)
        answers.append((asked.partition("?")[0], look.reduce(got, asked)))
        return got

    follow(target, look.origin(plain=False), "GET", absolute, ask)
    return PageAnswers(absolute, target.tls, target.named, tuple(answers))


def _read(look: Look, path: str) -> Answer:
    """Ask for a page as others have asked already.

    Raises:
        ProbeError: no answer.
    """
    return look.read(path, JSON if path == look.target.admin("/") else {})


def read_versions(look: Look, admin: RootView, node: RootView, plain: PlainView) -> Announcements:
    """Gather answers of every kind: pages, random paths, plain HTTP.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        plain: what a random path got over plain HTTP.
    """
    port = look.station.plain_port
    answers = [("GET of a random path", view.canary.answer) for view in dict.fromkeys((admin, node))]
    answers += [
        (f"GET of a random path over plain HTTP, port {port} at {answer.address}", answer.answer)
        for answer in plain.answers
        if answer.answer is not None
    ]
    silent: list[str] = []
    for path in look.target.pages:
        try:
            answers.append((f"GET {path}", _read(look, path)))
        except ProbeError as error:
            silent.append(error.message)
    return Announcements(tuple(answers), tuple(silent))


def collect_cookies(look: Look, plain: PlainView, admin: RootView) -> SeenCookies:
    """Open the pages, and return the cookies that those and all earlier answers of the target set.

    Args:
        look: the look.
        plain: what a random path got over plain HTTP, where cookies are set as well.
        admin: landmarks of the admin root.
    """
    for path in look.target.pages:
        with contextlib.suppress(ProbeError):  # a page without an answer sets no cookie
            _read(look, path)
    return SeenCookies(look.station.noticed.answers, look.station.noticed.cookies())


def see_http3(look: Look, admin: RootView) -> Http3Offer:
    """Return whether any answer so far offered HTTP/3; nothing is asked.

    Args:
        look: the look.
        admin: landmarks of the admin root, which are asked in any case.
    """
    del admin
    return Http3Offer(look.station.noticed.answers, look.station.noticed.http3)
