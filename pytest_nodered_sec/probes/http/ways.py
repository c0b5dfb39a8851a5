"""Surfaces asked by another way than the usual one: with the headers of `data.ways`, in another spelling.

Each look first learns what the surface gets without them, which other controls ask as well and which is asked once:
where that is served there is nothing to pass, and where it is no answer nothing more is asked.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.queries import TRANSPORT
from pytest_nodered_sec.data.schemes import BASIC, DIGEST
from pytest_nodered_sec.data.ways import (
    IDENTITY,
    NEWER,
    ONCE,
    RARE,
    RETURNED,
    SLASHES,
    UNTIDY,
)
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.observations.addresses import BY_TURNS, Turn
from pytest_nodered_sec.observations.answers import Kind, Mark, Refuser
from pytest_nodered_sec.probes.http.access import attempt_access
from pytest_nodered_sec.probes.http.asking import SURFACES, TALKS, Asking, effect_of, plain_endpoint
from pytest_nodered_sec.probes.http.endpoint import attempt_endpoint
from pytest_nodered_sec.probes.http.refusals import dropped_parts
from pytest_nodered_sec.probes.http.variant import attempt_variant, with_enough
from pytest_nodered_sec.registry.ways import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nodered_sec.data.part import Part
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look


# Ways past a gate alone, where Node-RED's own login got the plain request. By the others a front may log in for us.
_PAST_GATES: Final = ("rerouted", "behind", "written", "dotted", "freed")
_BAD_GATEWAY: Final = 502
NOT_SPOKEN: Final = ", and not in HTTP/2, on which the server agreed and which it did not speak,"


def attempt_way(
    look: Look, admin: RootView, node: RootView, surface: str, method: str, path: str, way: str
) -> VariantAttempt:
    """Ask a surface by one way, once; where its parts together are answered otherwise than without them, by each part.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        surface: a key of `SURFACES`.
        method: HTTP method; one that may write is sent with a body that http-in cannot parse.
        path: path below the surface's root; of a channel that of its dashboard.
        way: a key of `WAYS`.

    Raises:
        ProbeError: no answer.
    """
    asking = Asking(look, admin, node, surface, method, path)
    return _once(asking, surface, method, path, way)


def _once(asking: Asking, surface: str, method: str, path: str, way: str) -> VariantAttempt:
    return asking.look.shared(f"{method} {path} of {surface} by {way}", lambda: _try_way(asking, surface, path, way))


def _try_way(asking: Asking, surface: str, path: str, way: str) -> VariantAttempt:
    look, plain = asking.look, asking.plainly()
    if plain.kind is Kind.SERVED or plain.classified.cause is not None or asking.nothing_behind(plain):
        return VariantAttempt(path, plain, plain)
    if plain.kind is Kind.REFUSED and way in RARE:
        for earlier in _earlier(look, surface, path):
            if asking.of(surface, earlier).plainly().gate == plain.gate:
                return VariantAttempt(path, plain, plain, elsewhere=earlier)
    sent = parts_of(look.target, way)
    if plain.refuser is Refuser.NODE_RED and way in _PAST_GATES:
        if not sent or way != "dotted" or surface != "admin API":
            return VariantAttempt(path, plain, plain)
        sent = [UNTIDY]
    if (
        surface in TALKS
        and plain.kind is Kind.ABSENT
        and (way in ONCE or (way in _PAST_GATES and Mark.EXPRESS in plain.answer.marks))
    ):  # a page shows more, and Node-RED's own page stands behind every gate
        return VariantAttempt(path, plain, plain)
    if way in ONCE and plain.kind is Kind.REFUSED and (told := _told_elsewhere(asking, surface, path, plain, way)):
        return VariantAttempt(path, plain, plain, elsewhere=told)
    fitting = [part for part in sent if _fits(asking, surface, plain, part)]
    dropped = [part for part in fitting if part.name in dropped_parts(look)]  # which would hide the others
    parts = [part for part in fitting if part not in dropped]
    if way == "written" and SLASHES in parts and _may_tell_apart(asking, surface, path, plain):
        return _form_by_form(asking, parts, dropped, plain)
    return _by(asking, parts, dropped, plain)


def _form_by_form(
    asking: Asking, parts: Sequence[Part], dropped: Sequence[Part], plain: AccessAttempt
) -> VariantAttempt:
    """Ask by the headers together, then by each form of the path: a front may refuse one of them as the gate does.

    Raises:
        ProbeError: no answer.
    """
    headers = [part for part in parts if part.write is None]
    forms = [part for part in parts if part.write is not None]
    seen: list[VariantAttempt] = []
    for some, by_itself in ((headers, dropped), *(([form], ()) for form in forms)):
        seen.append(_by(asking, some, by_itself, plain))
        if seen[-1].attempt.kind is Kind.SERVED:
            return seen[-1]
    first = seen[0].attempt
    for each in seen:
        if each.attempt.kind is Kind.NO_ANSWER:
            return each
    how = " and, by itself, ".join(each.attempt.how for each in seen if _same(each.attempt, first))
    names = tuple(name for each in seen for name in each.ways)
    return replace(seen[0], attempt=replace(first, how=how), ways=names)


def _by(asking: Asking, parts: Sequence[Part], dropped: Sequence[Part], plain: AccessAttempt) -> VariantAttempt:
    """Ask by these parts together; where that is answered otherwise than without them, and of those dropped, by each.

    Raises:
        ProbeError: no answer.
    """
    look, path = asking.look, asking.path
    together, asked = _asked(asking, parts, plain)
    asking.opened = together.kind is Kind.SERVED
    split = [] if _same(together, plain) else _apart(asking, parts, together, plain)
    trials = ((part, *_asked(asking, [part], plain)) for part in (*split, *dropped))
    alone = [(part, seen) for part, seen, sent in trials if sent]
    for kind in (Kind.SERVED, Kind.NO_ANSWER):
        for part, seen in alone:
            if seen.kind is kind and asking.opened_by_its_slash(seen):
                return VariantAttempt(path, seen, seen)  # dash-04 judges that
            if seen.kind is kind:
                _same_again(look, seen, partial(asking.ask, [part]))
                return _naming(asking, VariantAttempt(path, seen, plain, (part.name,)), part)
    if asking.opened_by_its_slash(together):
        return VariantAttempt(path, together, together)
    if together.kind is Kind.NO_ANSWER and split and alone:  # of which each part by itself is answered
        asked = [part for part, _ in alone]
        together = replace(alone[0][1], how=f"{' and '.join(part.said for part in asked)}, each by itself,")
    else:
        _same_again(look, together, partial(asking.ask, asked))
    if NEWER in parts and NEWER not in asked:
        together = replace(together, how=f"{together.how}{NOT_SPOKEN}")
    attempt = VariantAttempt(path, together, plain, tuple(part.name for part in (*asked, *dropped)))
    return _naming(asking, attempt, asked[0]) if len(asked) == 1 else attempt


def _naming(asking: Asking, seen: VariantAttempt, part: Part) -> VariantAttempt:
    """Name which of a part's headers are enough, where nobody notices that it is asked again."""
    if asking.noticed or not part.headers or part is RETURNED:  # of which the names are the target's
        return seen
    said = replace(part, headers=())
    return with_enough(
        asking.look, seen, part.said, part.headers, lambda some: asking.ask([replace(said, headers=tuple(some))])
    )


def _may_tell_apart(asking: Asking, surface: str, path: str, plain: AccessAttempt) -> bool:
    """Whether both forms of a path may get what the plain one gets, where one of them alone is let past.

    So whoever refuses without a name may do, and a login: of that the first surface that it refuses tells.
    """
    if plain.refuser is Refuser.UNNAMED or surface == "admin API":
        return True
    pages = _earlier(asking.look, surface, path) if surface == "dashboard page" else asking.look.target.dashboards
    earlier = (("admin API", "/settings"), *(("dashboard page", page) for page in pages))
    for name, page in earlier:
        with contextlib.suppress(ProbeError):  # other controls carry why there is no answer
            if asking.of(name, page).plainly().gate == plain.gate:
                return False
    return True


def _told_elsewhere(asking: Asking, surface: str, path: str, plain: AccessAttempt, way: str) -> str:
    """Return a page that the same login refuses, and whose answer to such a way tells of all that it refuses; else "".

    Who answers a page by it as without is no gate that opens for it; and where nothing is there, nobody tidies paths.
    Another login behind that one would hide what is opened.
    """
    pages = _earlier(asking.look, surface, path) if surface == "dashboard page" else asking.look.target.dashboards
    for page in pages if plain.refuser is not Refuser.UNNAMED else ():
        with contextlib.suppress(ProbeError):  # other controls carry why there is no answer
            asking_page = asking.of("dashboard page", page)
            if asking_page.plainly().gate != plain.gate:
                continue
            seen = _once(asking_page, "dashboard page", "GET", page, way)
            if seen.attempt.kind in (Kind.SERVED, Kind.ABSENT) or _same(seen.attempt, plain):
                return page
    return ""


def _earlier(look: Look, surface: str, path: str) -> tuple[str, ...]:
    """Return the dashboards before this one, where it is a dashboard's surface."""
    dashboards = look.target.dashboards
    known = SURFACES[surface] is Surface.DASHBOARD and path in dashboards
    return dashboards[: dashboards.index(path)] if known else ()


def _apart(asking: Asking, parts: Sequence[Part], together: AccessAttempt, plain: AccessAttempt) -> Sequence[Part]:
    """Return what of these parts, which together are answered otherwise, is asked for each by itself.

    Another form of the path gets past many a gate to where nobody serves it. There the other parts are asked together,
    without it. And where Express names the path as it was sent, nobody has tidied it, and nobody would tidy one form.
    """
    forms = [part for part in parts if part.write is not None]
    others = [part for part in parts if part not in forms]
    if len(parts) < 2:
        return []
    if not forms or len(others) < 2 or together.kind is Kind.NO_ANSWER:
        return parts
    differs = not _same(_asked(asking, others, plain)[0], plain)
    untouched = Mark.ECHO in together.answer.marks
    return [part for part in parts if (differs if part in others else not untouched)]


def _asked(asking: Asking, parts: Sequence[Part], plain: AccessAttempt) -> tuple[AccessAttempt, Sequence[Part]]:
    """Ask with these parts, without HTTP/2 where a server that has agreed on it does not speak it; return which."""
    try:
        seen = asking.ask(parts) if parts else plain
        # As Apache httpd answers a GET with a body now and then.
        return (asking.ask(parts) if seen.answer.status == _BAD_GATEWAY != plain.answer.status else seen), parts
    except ProbeError as error:
        if NEWER not in parts or error.cause not in (Cause.PROTOCOL, Cause.CLOSED):
            raise
    return _asked(asking, [part for part in parts if part is not NEWER], plain)


def _fits(asking: Asking, surface: str, plain: AccessAttempt, part: Part) -> bool:
    """Whether a part can be sent to this surface, and tells something there."""
    if part is TRANSPORT:
        return surface != "channel, polling"
    if part is RETURNED:
        return bool(asking.handed_out())
    if part is BASIC:  # where it is asked for, cred-02 guesses; a wrong password may lock an account
        return plain.refuser is not Refuser.NODE_RED and not plain.answer.challenge.lower().startswith("basic")
    if part.of_requests and surface in TALKS:
        return False
    if part is DIGEST:
        return not plain.answer.challenge.lower().startswith("digest")
    return part is not NEWER or asking.look.speaks_http2()


def _same_again(look: Look, seen: AccessAttempt, ask: Callable[[], AccessAttempt]) -> None:
    """Ask once more for what was served: several servers at one address may answer by turns.

    Raises:
        ProbeError: it is not served now.
    """
    if seen.kind is not Kind.SERVED:
        return
    look.extend()  # what is served may take its time
    again = ask()
    if again.kind in (Kind.REFUSED, Kind.ABSENT):
        turn = Turn(seen.question(), (seen.answer.line(), again.answer.line()), open=True)
        look.station.repeats.add(turn)
        raise ProbeError(f"{BY_TURNS}: {turn.line()}", Cause.CHANGED)


def _same(seen: AccessAttempt, plain: AccessAttempt) -> bool:
    """Whether two answers have the same kind and status, and either both or neither are those of Express."""
    if (seen.kind, seen.refuser, seen.answer.status) != (plain.kind, plain.refuser, plain.answer.status):
        return False
    return (Mark.EXPRESS in seen.answer.marks) == (Mark.EXPRESS in plain.answer.marks)


def attempt_claim(look: Look, admin: RootView, node: RootView, *headers: str) -> VariantAttempt:
    """Ask the admin API with every identity header at once; with these alone where that makes a difference.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        *headers: each "Name: value".

    Raises:
        ProbeError: no answer.
    """
    path, surface = "/settings", Surface.ADMIN.name
    every = [f"{name}: {value}" for name, value in IDENTITY.headers]

    def ask(how: str, *headers: str) -> AccessAttempt:
        return attempt_access(look, admin, node, surface, "GET", path, how, "", "", *headers)

    plain = ask("anonymous")
    if plain.kind is Kind.REFUSED:
        seen = look.shared("every identity header", lambda: ask("claimed", *every))
        if _same(seen, plain):
            return VariantAttempt(path, seen)
    return attempt_variant(look, admin, node, surface, path, path, "claimed", *headers)


def attempt_spelled_endpoint(
    look: Look, admin: RootView, node: RootView, method: str, plain: str, path: str
) -> VariantAttempt:
    """Ask for a declared endpoint in another spelling; where that is served, as it is declared too.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        method: HTTP method, as for `attempt_way`.
        plain: the path as it is declared.
        path: another spelling of it, sent as written.

    Raises:
        ProbeError: no answer.
    """
    seen = attempt_endpoint(look, admin, node, method, path, effect_of(method))
    if seen.kind is not Kind.SERVED:
        return VariantAttempt(plain, seen, ways=("spelling",))
    return VariantAttempt(plain, seen, plain_endpoint(look, admin, node, method, plain), ("spelling",))
