"""Chains as they were seen, for tables: a leaf, an intermediate, a root, all in order; and what is found in them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain
from pytest_nodered_sec.rules.certificates import (
    chain_is_in_order,
    issued_by_the_named_ca,
    keys_are_strong,
    lifetime_is_limited,
)
from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.policy.model import Policy

RULES: Mapping[str, Callable[[PresentedChain, Policy], Any]] = {
    "tls-01": chain_is_trusted,
    "tls-02": names_the_host,
    "tls-03": renewal_is_in_time,
    "tls-04": chain_is_in_order,
    "tls-05": keys_are_strong,
    "tls-06": lifetime_is_limited,
    "tls-11": issued_by_the_named_ca,
}


def findings(seen: PresentedChain, policy: Policy) -> str:
    """Return control and codes of what is found, as a case says it."""
    lines = []
    for control, rule in RULES.items():
        verdict = rule(seen, policy)
        if verdict and not isinstance(verdict, NotApplicable):
            lines.append(f"{control}: " + " ".join(sorted(fault.code for fault in verdict)))
    return " ".join(lines)


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
HOST = "plant.example"


def certificate(position: int, subject: str, issuer: str, **what: Any) -> CertificateFacts:
    facts: dict[str, Any] = {
        "not_before": NOW - 30 * DAY,
        "not_after": NOW + 60 * DAY - SECOND,
        "dns_names": (HOST,) if position == 0 else (),
        "ip_addresses": (),
        "has_san": position == 0,
        "fingerprint": hashlib.sha256(f"{subject} {issuer}".encode()).hexdigest(),
    }
    return CertificateFacts(position, subject, issuer, subject == issuer, **(facts | what))


LEAF = certificate(0, "CN=plant.example", "CN=Mid")
MID = certificate(1, "CN=Mid", "CN=Root")
ROOT = certificate(2, "CN=Root", "CN=Root")
STORE_ROOT = replace(ROOT, position=-1)


def chain(*sent: CertificateFacts, errors: tuple[tuple[int, int], ...] = (), **what: Any) -> PresentedChain:
    what.setdefault("host", HOST)
    return PresentedChain(
        protocol="TLSv1.3",
        certificates=sent or (LEAF, MID),
        verify_errors=errors,
        trust="the system's store",
        looked_at=NOW,
        **what,
    )


CLEAR = PresentedChain("plant.example", "", (), (), "", NOW, 80)


def faults(verdict: tuple[Violation, ...] | NotApplicable) -> tuple[Violation, ...]:
    assert not isinstance(verdict, NotApplicable)
    return verdict


def codes(verdict: tuple[Violation, ...] | NotApplicable) -> list[str]:
    return [violation.code for violation in faults(verdict)]


def both(first: PresentedChain, second: PresentedChain) -> PresentedChain:
    def kind(seen: PresentedChain, name: str) -> PresentedChain:
        leaf = replace(seen.leaf, kind=name, key_type=name, fingerprint=f"leaf {name}")
        return replace(seen, certificates=(leaf, *seen.certificates[1:]), path=(leaf, *seen.path[1:]))

    return replace(kind(first, "EC"), also=kind(second, "RSA"))
