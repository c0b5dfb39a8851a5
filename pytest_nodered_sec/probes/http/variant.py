"""A path requested in another form than usual and, if that decides the verdict, in the usual form too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import root_in_mixed_case
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.observations.answers import Kind, Refuser
from pytest_nodered_sec.probes.http.access import attempt_access, not_mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look


def attempt_variant(
    look: Look,
    admin: RootView,
    node: RootView,
    surface: str,
    plain: str,
    path: str,
    how: str = "anonymous",
    *headers: str,
) -> VariantAttempt:
    """Ask for a path in another spelling, or with other headers; where that is served, ask plainly too.

    Another spelling of a path that Node-RED itself refuses, or says nobody serves, is not asked for.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        surface: name of a `Surface`; decides the root.
        plain: the path as Node-RED spells it, below the root.
        path: the same, perhaps in another spelling, sent as written.
        how: as for `attempt_access`.
        *headers: further headers, each "Name: value".

    Raises:
        ProbeError: no answer.
    """
    if how == "anonymous":
        usual = attempt_access(look, admin, node, surface, "GET", plain, how)
        if not_mounted(usual) or usual.refuser is Refuser.NODE_RED:  # whose routes know no letter case
            return VariantAttempt(plain, usual)
    seen = attempt_access(look, admin, node, surface, "GET", path, how, "", "", *headers)
    mixed = root_in_mixed_case(look.target, surface, plain, path)
    if seen.kind is not Kind.SERVED and how == "anonymous" and mixed:
        said = f"without credentials, as {mixed},"
        seen = attempt_access(look, admin, node, surface, "GET", plain, said, "", "", write=lambda _: mixed)
    if seen.kind is not Kind.SERVED:
        return VariantAttempt(plain, seen)
    if how != "anonymous" and path != plain:  # a slash at the end, which may be all that opens it: dash-04 judges that
        without = attempt_access(look, admin, node, surface, "GET", path, "anonymous")
        if without.kind is Kind.SERVED:
            return VariantAttempt(plain, seen, without)
    opened = VariantAttempt(plain, seen, attempt_access(look, admin, node, surface, "GET", plain, "anonymous"))
    if how != "claimed":
        return opened

    def ask(some: Sequence[tuple[str, str]]) -> AccessAttempt:
        lines = (f"{name}: {value}" for name, value in some)
        return attempt_access(look, admin, node, surface, "GET", path, how, "", "", *lines)

    pairs = [(name, value) for name, _, value in (header.partition(": ") for header in headers)]
    return with_enough(look, opened, how, pairs, ask)


def with_enough(
    look: Look,
    seen: VariantAttempt,
    what: str,
    headers: Sequence[tuple[str, str]],
    ask: Callable[[Sequence[tuple[str, str]]], AccessAttempt],
) -> VariantAttempt:
    """Return it with the names of those of its headers that are enough, where they opened what is refused without them.

    They are found by halves, in twice as many requests as the number of headers has binary digits; at another surface
    those that were enough are tried first.

    Args:
        look: the look.
        seen: what was seen with all of them.
        what: what they have in common.
        headers: name and value of each.
        ask: asks the same with some of them.
    """
    if seen.attempt.kind is not Kind.SERVED or seen.plain is None or seen.plain.kind is Kind.SERVED:
        return seen

    def opens(some: Sequence[tuple[str, str]]) -> bool:
        look.extend()
        try:
            return ask(some).kind is Kind.SERVED
        except ProbeError:  # the finding stands without it
            return False

    cookies = [(name, cookie) for name, value in headers if name == "Cookie" for cookie in value.split("; ")]
    every = [*(pair for pair in headers if pair[0] != "Cookie"), *cookies]
    before = look.station.noticed.enough.get(what, ())
    enough = (
        before if len(every) > 1 and before and set(before) <= set(every) and opens(before) else _enough(every, opens)
    )
    look.station.noticed.enough[what] = enough
    named = (f"Cookie {value.partition('=')[0]}" if name == "Cookie" else name for name, value in enough)
    return replace(seen, enough=tuple(named) if len(enough) < len(every) or len(every) == 1 else ())


def _enough(
    headers: Sequence[tuple[str, str]], opens: Callable[[Sequence[tuple[str, str]]], bool]
) -> Sequence[tuple[str, str]]:
    while len(headers) > 1:
        middle = len(headers) // 2
        halves = (headers[:middle], headers[middle:])
        half = next((half for half in halves if opens(half)), None)
        if half is None:  # it takes some of both
            break
        headers = half
    return headers
