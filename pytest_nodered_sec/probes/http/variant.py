"""A path requested in another form than usual and, if that decides the verdict, in the usual form too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import root_in_mixed_case
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.observations.answers import Kind, Refuser
from pytest_nodered_sec.probes.http.access import attempt_access, not_mounted

if TYPE_CHECKING:
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
    return VariantAttempt(plain, seen, attempt_access(look, admin, node, surface, "GET", plain, "anonymous"))
