"""Certificates for servers of the suites, a look at them, and what the controls say of what they accept."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Any, cast

import certlab
from certlab import issue
from tlslab import LoopbackLook

from pytest_nodered_sec import questions
from pytest_nodered_sec.lab.deployments import CIPHERS
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.suites import see_part
from pytest_nodered_sec.rules import suites as rules
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.observations.tls import TlsOffers
    from pytest_nodered_sec.probes.transport.look import Look


HOST = "nodered.test"
CONTROLS: dict[str, tuple[tuple[Ask, ...], Callable[[Any, Policy], Any]]] = {
    "tls-07": (questions.OLD_VERSIONS, rules.old_version_is_refused),
    "tls-08": (questions.NEW_VERSIONS, rules.new_version_is_offered),
    "tls-09": (questions.SUITES, rules.no_suite_is_broken),
    "tls-14": (questions.SUITES, rules.suites_are_forward_secret),
    "tls-15": (questions.SUITES, rules.suites_are_listed),
    "tls-10": (questions.GROUPS, rules.groups_are_large_enough),
    "tls-16": (questions.RENEGOTIATION, rules.renegotiation_is_secure),
}
ROOT = issue("Lab Root", ca=True)
MIDDLE = issue("Lab Intermediate", ROOT, ca=True)
EC = issue(HOST, MIDDLE, dns=[HOST], ips=["127.0.0.1", "::1"])
RSA = issue(HOST, MIDDLE, dns=[HOST], ips=["127.0.0.1", "::1"], key=certlab.rsa_key(2048))
TODAY = f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {CIPHERS}"


def look_at(port: int, *, host: str = HOST, timeout: float = 5.0, policy: Policy | None = None) -> Look:
    return cast("Look", LoopbackLook(Target("t", f"https://{host}:{port}", policy or Policy(), timeout=timeout)))


def judged(offers: TlsOffers, policy: Policy | None = None) -> dict[str, set[str]]:
    """Return which instances fail, by control: the label, or "" where a control has one."""
    policy = policy or Policy()
    target = Target("t", f"https://{HOST}", policy)
    names: dict[str, set[str]] = {}
    for control, (asks, rule) in CONTROLS.items():
        for ask in asks:
            seen = see_part(cast("Look", None), offers, *ask.args)
            settle(seen, target)
            assert seen.evidence()
            verdict = rule(seen, policy)
            if not isinstance(verdict, NotApplicable) and verdict:
                names.setdefault(control, set()).add(ask.label)
    return names


def accepted(offers: TlsOffers) -> dict[str, set[str]]:
    """Return OpenSSL's names of the suites of each version that is accepted."""
    return {
        offer.version: {suite.openssl or suite.name for suite in offer.suites}
        for offer in offers.versions
        if offer.accepted
    }


def lead(sock: socket.socket, port: int, hello: bytes = b"") -> None:
    """Lead a ClientHello to a real server, and its answer back."""
    with socket.create_connection(("127.0.0.1", port)) as there:
        there.sendall(hello or sock.recv(65536))
        while True:
            ready, _, _ = select.select([there, sock], [], [], 5)
            data = there.recv(65536) if there in ready else b""
            if not data:
                return
            sock.sendall(data)
