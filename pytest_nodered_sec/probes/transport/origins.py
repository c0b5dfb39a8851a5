"""Origins that belong to somebody else, by which pages of other sites are played."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target

STRANGER: Final = "https://stranger.invalid"  # an Origin that belongs to nobody (RFC 2606)
_LABEL: Final = 63  # characters


def lookalike(target: Target) -> str:
    """Return an origin that anybody could have, and that begins with, contains and ends with the target's name.

    So a comparison by `startsWith`, `includes`, `endsWith`, or by a pattern without an end takes it for the target's
    own. An address, and a name beyond ASCII, gets the stranger's.
    """
    scheme, name = target.url.partition("://")[0], target.hostname
    longest = max(map(len, f"stranger-{name}".split(".")))
    if not (target.named and name.isascii()) or longest > _LABEL:
        return STRANGER
    usual = target.port == (443 if target.tls else 80)
    return f"{scheme}://{name}.stranger-{name}{'' if usual else f':{target.port}'}"
