"""The only code that opens a connection or runs a command; here, the table of probes by name.

The survey imports a probe's module when the first question needs it, so that an unused plugin stays cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.model import Observation


@dataclass(frozen=True)
class Probe:
    """How to run one kind of question.

    Attributes:
        module: module below this package.
        function: takes the `Look` and the question's arguments; returns an observation or raises ProbeError.
        landmarks: roots whose canaries must answer as at the start, before and after: "admin", "node", "plain".
        stage: 0: side by side with others; 1: one at a time when those are done, because a log-in that goes wrong
            may lock somebody out; 2: at the very end.
        given: what is found once per target and handed in before the landmarks, without a canary: "host".
    """

    module: str
    function: str
    landmarks: tuple[str, ...] = ()
    stage: int = 0
    given: tuple[str, ...] = ()

    def load(self) -> Callable[..., Observation]:
        """Import the probe."""
        found: Callable[..., Observation] = getattr(import_module(f"{__name__}.{self.module}"), self.function)
        return found


PROBES: Final[dict[str, Probe]] = {
    "access": Probe("access", "attempt_access", ("admin", "node")),
    "login_offer": Probe("access", "read_login_offer", ("admin",)),
    "endpoint": Probe("endpoint", "attempt_endpoint", ("admin", "node")),
    "socket": Probe("dashboard", "connect_channel", ("admin", "node")),
    "widgets": Probe("widgets", "show_widgets", ("admin", "node")),
    "interface": Probe("interface", "attempt_interface", ("node",)),
    "channel": Probe("websocket", "attempt_channel", ("admin", "node")),
    "foreign": Probe("origin", "attempt_foreign", ("admin", "node")),
    "variant": Probe("variant", "attempt_variant", ("admin", "node")),
    "cross_site": Probe("crosssite", "post_across_sites", ("admin", "node")),
    "file": Probe("static", "attempt_file", ("admin",)),
    "hole": Probe("static", "attempt_hole", ("admin",)),
    "plain": Probe("plain", "ask_in_clear", ("admin", "plain")),
    "redirects": Probe("plain", "follow_redirects", ("admin", "plain")),
    "spoofed": Probe("plain", "ask_spoofed", ("admin", "plain")),
    "plain_channel": Probe("plain", "ask_channel_in_clear", ("admin", "plain")),
    "chain": Probe("tls", "present_chain"),
    "host": Probe("host_parts", "look_inside", given=("host",)),
    "sign_in": Probe("account", "sign_in", ("admin",), stage=1),
    "reach": Probe("reach", "see_both_ends", ("admin",), stage=2),
}
