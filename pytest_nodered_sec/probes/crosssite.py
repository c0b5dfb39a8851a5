"""A form post as another site's page would make a browser send it; a request that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Kind, Surface, VariantAttempt
from pytest_nodered_sec.probes.access import attempt_access
from pytest_nodered_sec.probes.origin import STRANGER

if TYPE_CHECKING:
    from pytest_nodered_sec.model import RootView
    from pytest_nodered_sec.probes.look import Look

_FORM: Final = ("400 application/json", "x=1", "Content-Type: application/x-www-form-urlencoded")  # no nodes: no flow
_FOREIGN: Final = (f"Origin: {STRANGER}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")


def post_across_sites(look: Look, admin: RootView, node: RootView) -> VariantAttempt:
    """Post a form without a flow in it to `/flow` as another site would; where that is refused, as this site would.

    Raises:
        ProbeError: no answer.
    """
    seen = attempt_access(look, admin, node, Surface.ADMIN.name, "POST", "/flow", "cross-site", *_FORM, *_FOREIGN)
    if seen.kind is not Kind.REFUSED:
        return VariantAttempt("/flow", seen)
    own = attempt_access(look, admin, node, Surface.ADMIN.name, "POST", "/flow", "same-site", *_FORM)
    return VariantAttempt("/flow", seen, own)
