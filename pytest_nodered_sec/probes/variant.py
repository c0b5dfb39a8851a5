"""A path asked for in another way than usual, and where that decides the verdict, in the usual way too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model_access import VariantAttempt
from pytest_nodered_sec.model_answers import Kind
from pytest_nodered_sec.probes.access import attempt_access

if TYPE_CHECKING:
    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.look import Look


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
    seen = attempt_access(look, admin, node, surface, "GET", path, how, "", "", *headers)
    if seen.kind is not Kind.SERVED:
        return VariantAttempt(plain, seen)
    return VariantAttempt(plain, seen, attempt_access(look, admin, node, surface, "GET", plain, "anonymous"))
