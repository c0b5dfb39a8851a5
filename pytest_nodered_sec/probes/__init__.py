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
        stage: 0: side by side with others; 1: one at a time when those are done, because a log-in that goes wrong may
            lock somebody out: known passwords; 2: when those are done, side by side, what one log-in of the site's own
            account found, after which Node-RED forgets them; 3: at the very end, what sums up.
        given: what is found once per target and handed in before the landmarks, without a canary: "host", "account",
            "told", "tls", or a landmark of which the probe asks the canary itself.
        trips: round trips of one look, roughly; those with many begin first, so that nobody waits for them at the end.
        doors: whether a connection that is refused or closed is an answer: then one must be accepted afterwards.
    """

    module: str
    function: str
    landmarks: tuple[str, ...] = ()
    stage: int = 0
    given: tuple[str, ...] = ()
    trips: int = 1
    doors: bool = False

    def load(self) -> Callable[..., Observation]:
        """Import the probe."""
        found: Callable[..., Observation] = getattr(import_module(f"{__name__}.{self.module}"), self.function)
        return found


PROBES: Final[dict[str, Probe]] = {
    "access": Probe("access", "attempt_access", ("admin", "node")),
    "login_offer": Probe("access", "read_login_offer", ("admin",)),
    "endpoint": Probe("endpoint", "attempt_endpoint", ("admin", "node")),
    "socket": Probe("dashboard", "connect_channel", ("admin", "node"), trips=7),
    "widgets": Probe("widgets", "show_widgets", ("admin", "node"), trips=5),
    "interface": Probe("interface", "attempt_interface", ("node",), trips=4),
    "channel": Probe("websocket", "attempt_channel", ("admin", "node"), trips=3),
    "foreign": Probe("origin", "attempt_foreign", ("admin", "node"), trips=4),
    "variant": Probe("variant", "attempt_variant", ("admin", "node")),
    "cross_site": Probe("crosssite", "post_across_sites", ("admin", "node"), stage=2, given=("account",)),
    "file": Probe("static", "attempt_file", ("admin",)),
    "hole": Probe("static", "attempt_hole", ("admin",)),
    "plain": Probe("plain", "ask_in_clear", ("admin", "plain"), doors=True),
    "redirects": Probe("plain", "follow_redirects", ("admin", "plain"), trips=8, doors=True),
    "spoofed": Probe("plain", "ask_spoofed", ("admin", "plain"), doors=True),
    "plain_channel": Probe("plain", "ask_channel_in_clear", ("admin", "plain"), doors=True),
    "page": Probe("pages", "open_page", ("admin",)),
    "versions": Probe("pages", "read_versions", ("admin", "node", "plain"), doors=True),
    "direct": Probe("doors", "try_own_port", ("admin", "node"), trips=9, doors=True),
    "strange_name": Probe("doors", "try_strange_name", ("admin", "node"), trips=9, doors=True),
    "closed_port": Probe("doors", "try_closed_port", ("admin",), trips=2, doors=True),
    "chain": Probe("tls", "present_chain", trips=5),
    "tls": Probe("suites", "see_part", given=("tls",), trips=10),
    "chain_at": Probe("own", "present_chain_at", ("admin",), trips=5),
    "own": Probe("own", "call", ("admin",)),
    "client_certificate": Probe("demand", "come_without_certificate", trips=4),
    "revocation": Probe("revocation", "look_up_revocation", trips=6),
    "host": Probe("host_parts", "look_inside", given=("host",)),
    "release": Probe("told", "ask_release", ("admin",)),
    "guess_login": Probe("guess", "guess_login", ("admin",), stage=1),
    "guess_basic": Probe("guess", "guess_basic", ("admin", "node"), stage=1),
    "cookies": Probe("pages", "collect_cookies", ("admin",), stage=3, given=("plain",)),
    "sign_in": Probe("account", "sign_in", ("admin",), stage=2, given=("account",)),
    "installed": Probe("told", "list_installed", ("admin",), stage=2, given=("account", "told")),
    "admin_routes": Probe("told", "see_admin_routes", ("admin",), stage=2, given=("account", "told")),
    "install_rights": Probe("told", "see_install_rights", ("admin",), stage=2, given=("account", "told")),
    "entries": Probe("told", "list_entries", ("admin",), stage=2, given=("account", "told")),
    "reach": Probe("reach", "see_both_ends", given=("admin",), stage=3),
}
