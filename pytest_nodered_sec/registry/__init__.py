"""The table of probes, by name: the module of each, what it needs, and what it may send. The only such table.

A probe's module is imported when the first question needs it, so that an unused plugin stays cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.registry.elsewhere import (
    for_admin_cross_origin,
    for_announced,
    for_by_address,
    for_by_address_in_clear,
    for_cross_origin,
    for_cross_site,
    for_direct,
    for_flows,
    for_guess_basic,
    for_guess_login,
    for_hellos,
    for_host,
    for_own,
    for_page,
    for_pages,
    for_plain,
    for_plain_channel,
    for_redirects,
    for_revocation,
    for_sign_in,
    for_spoofed,
    for_strange_name,
    for_tls,
    for_told,
    for_told_places,
    for_without_certificate,
    in_clear,
)
from pytest_nodered_sec.registry.requests import (
    Manner,
    Request,
    for_access,
    for_claim,
    for_dashboard_visit,
    for_endpoint,
    for_file,
    for_foreign,
    for_interface,
    for_root_below,
    for_socket,
    for_spelled_endpoint,
    for_undeclared,
    for_upgrade,
    for_variant,
    for_way,
    for_widgets,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.model import Observation, Target


@dataclass(frozen=True)
class Probe:
    """How to run one kind of question.

    Attributes:
        module: module below this package.
        sends: what a question may send to a target, by its arguments; a test compares it with what is sent.
        function: takes the `Look` and the question's arguments; returns an observation or raises ProbeError.
        landmarks: roots whose canaries must answer as at the start, before and after: "admin", "node", "plain".
        stage: 0: in parallel with others. 1: then, in parallel: what one login with the site's own account shows, which
            also resets Node-RED's count of failures. 2: then, one at a time: known passwords, because a failed login
            may lock an account. 3: at the end: summaries. 4: when everything is confirmed: comparisons.
        given: what is found once per target and handed in before the landmarks, without a canary: "host", "inside",
            "account", "told", "tls", or a landmark of which the probe asks the canary itself.
        trips: rough number of round trips; probes with many start first, so that the run does not wait for them at the
            end.
        doors: whether a refused or closed connection is an answer; then a new one must be accepted afterwards.
        by_turns: whether it compares the answers to equal questions, so that it runs even if they differ.
        in_flows: whether a file of flows answers it too, without a target (`probes.flows.file`).
    """

    module: str
    function: str
    sends: Callable[[Target, tuple[str, ...]], Iterable[Request]]
    landmarks: tuple[str, ...] = ()
    stage: int = 0
    given: tuple[str, ...] = ()
    trips: int = 1
    doors: bool = False
    by_turns: bool = False
    in_flows: bool = False

    @cached_property
    def confirmed_by(self) -> str:
        """What confirms what was seen: "doors", a new connection and the landmarks; "roots", those; "", nothing."""
        return "doors" if self.doors else "roots" if self.landmarks else ""

    def load(self) -> Callable[..., Observation]:
        """Import the probe."""
        function: Callable[..., Observation] = getattr(
            import_module(f"pytest_nodered_sec.probes.{self.module}"), self.function
        )
        return function


PROBES: Final[dict[str, Probe]] = {
    "access": Probe("http.access", "attempt_access", for_access, ("admin", "node")),
    "login_offer": Probe("http.access", "read_login_offer", lambda target, args: (), ("admin",)),
    "endpoint": Probe("http.endpoint", "attempt_endpoint", for_endpoint, ("admin", "node")),
    "socket": Probe("channels.dashboard", "connect_channel", for_socket, ("admin", "node"), trips=14),
    "dashboard_visit": Probe(
        "channels.account", "visit_dashboard", for_dashboard_visit, ("admin", "node"), stage=1, trips=7
    ),
    "widgets": Probe("channels.widgets", "show_widgets", for_widgets, ("admin", "node"), trips=5),
    "interface": Probe("channels.interface", "attempt_interface", for_interface, ("node",), trips=4),
    "channel": Probe(
        "channels.websocket",
        "attempt_channel",
        lambda target, args: for_upgrade(target, args[0], args[1]),
        ("admin", "node"),
        trips=3,
    ),
    "foreign": Probe("channels.origin", "attempt_foreign", for_foreign, ("admin", "node"), trips=4),
    "variant": Probe("http.variant", "attempt_variant", for_variant, ("admin", "node")),
    "way": Probe("http.ways", "attempt_way", for_way, ("admin", "node")),
    "claim": Probe("http.ways", "attempt_claim", for_claim, ("admin", "node")),
    "spelled_endpoint": Probe("http.ways", "attempt_spelled_endpoint", for_spelled_endpoint, ("admin", "node")),
    "by_address": Probe(
        "http.by_address", "attempt_by_address", for_by_address, ("admin", "node"), trips=8, doors=True
    ),
    "announced": Probe("http.announced", "attempt_announced", for_announced, ("admin", "node"), trips=2, doors=True),
    "by_address_in_clear": Probe(
        "http.by_address", "ask_by_address_in_clear", for_by_address_in_clear, ("admin", "plain"), trips=2, doors=True
    ),
    "root": Probe("http.undeclared", "look_below", for_root_below, ("admin",), trips=2),
    "undeclared": Probe("http.undeclared", "look_at_dashboard", for_undeclared, ("admin", "node"), trips=7),
    "told_places": Probe(
        "http.undeclared",
        "look_where_told",
        for_told_places,
        ("admin", "node"),
        stage=1,
        given=("account", "told", "inside"),
    ),
    "cross_site": Probe(
        "http.cross_site", "post_across_sites", for_cross_site, ("admin", "node"), stage=1, given=("account",)
    ),
    "file": Probe("http.static", "attempt_file", for_file, ("admin",)),
    "hole": Probe(
        "http.static",
        "attempt_hole",
        lambda target, args: [Request(Manner.EXPLOIT, "GET", target.admin(args[1]))],
        ("admin",),
    ),
    "plain": Probe(
        "http.cleartext",
        "ask_in_clear",
        for_plain,
        ("admin", "plain"),
        doors=True,
    ),
    "plain_write": Probe(
        "http.cleartext",
        "ask_write_in_clear",
        lambda target, args: [in_clear(target, "node", args[1], args[0])],
        ("admin", "plain"),
        doors=True,
    ),
    "cross_origin": Probe(
        "http.cross_site", "read_across_origins", for_cross_origin, ("admin", "node"), stage=1, given=("account",)
    ),
    "admin_cross_origin": Probe(
        "http.cross_site",
        "read_admin_across_origins",
        for_admin_cross_origin,
        ("admin", "node"),
        stage=1,
        given=("account",),
    ),
    "redirects": Probe("http.cleartext", "follow_redirects", for_redirects, ("admin", "plain"), trips=8, doors=True),
    "spoofed": Probe(
        "http.cleartext",
        "ask_spoofed",
        for_spoofed,
        ("admin", "plain"),
        doors=True,
    ),
    "plain_channel": Probe("http.cleartext", "ask_channel_in_clear", for_plain_channel, ("admin", "plain"), doors=True),
    "page": Probe("http.pages", "open_page", for_page, ("admin",)),
    "versions": Probe(
        "http.pages", "read_versions", lambda target, args: for_pages(target), ("admin", "node", "plain"), doors=True
    ),
    "direct": Probe("http.side_ports", "try_own_port", for_direct, ("admin", "node"), trips=9, doors=True),
    "strange_name": Probe(
        "http.side_ports", "try_strange_name", for_strange_name, ("admin", "node"), trips=9, doors=True
    ),
    "closed_port": Probe(
        "http.side_ports",
        "try_closed_port",
        lambda target, args: [Request(Manner.HANDSHAKE, "CONNECT", f"port {args[0]}")],
        ("admin",),
        trips=2,
        doors=True,
    ),
    "chain": Probe("tls.handshake", "present_chain", for_tls, trips=5),
    "tls": Probe("tls.suites", "see_part", for_hellos, given=("tls",), trips=10),
    "chain_at": Probe(
        "own",
        "present_chain_at",
        lambda target, args: [Request(Manner.HANDSHAKE, "TLS", f"port {args[0]}")],
        ("admin",),
        trips=5,
    ),
    "own": Probe("own", "call", for_own, ("admin",)),
    "client_certificate": Probe("tls.client_certificate", "come_without_certificate", for_without_certificate, trips=4),
    "revocation": Probe("tls.revocation", "look_up_revocation", for_revocation, trips=6),
    "host": Probe("host.parts", "look_inside", for_host, given=("host",)),
    "release": Probe(
        "login.told",
        "ask_release",
        lambda target, args: [Request(Manner.READ, "GET", target.admin(args[0]))],
        ("admin",),
    ),
    "guess_login": Probe("login.known_passwords", "guess_login", for_guess_login, ("admin",), stage=2),
    "guess_basic": Probe("login.known_passwords", "guess_basic", for_guess_basic, ("admin", "node"), stage=2),
    "cookies": Probe(
        "http.pages", "collect_cookies", lambda target, args: for_pages(target), ("admin",), stage=3, given=("plain",)
    ),
    "http3": Probe("http.pages", "see_http3", lambda target, args: (), ("admin",), stage=3),
    "sign_in": Probe("login.account", "sign_in", for_sign_in, ("admin",), stage=1, given=("account",)),
    "installed": Probe("login.told", "list_installed", for_told, ("admin",), stage=1, given=("account", "told")),
    "admin_routes": Probe("login.told", "see_admin_routes", for_told, ("admin",), stage=1, given=("account", "told")),
    "install_rights": Probe(
        "login.told", "see_install_rights", for_told, ("admin",), stage=1, given=("account", "told")
    ),
    "entries": Probe(
        "login.told", "list_entries", for_flows, ("admin",), stage=1, given=("account", "told", "inside"), in_flows=True
    ),
    "passages": Probe(
        "login.told",
        "read_passages",
        for_flows,
        ("admin", "node"),
        stage=1,
        given=("account", "told", "inside"),
        in_flows=True,
    ),
    "flows": Probe(
        "login.told", "read_flows", for_flows, ("admin",), stage=1, given=("account", "told", "inside"), in_flows=True
    ),
    "reach": Probe("http.reach", "see_both_ends", lambda target, args: (), ("admin",), stage=3),
    "addresses": Probe(
        "http.addresses",
        "compare_addresses",
        lambda target, args: (),  # at further addresses of the name, what others ask at the first
        given=("admin", "node"),
        stage=4,
        by_turns=True,
    ),
}
