"""Chains as they were seen, for tables about them: a leaf, an intermediate, a root, all in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_nodered_sec.model import CertificateFacts, NotApplicable, PresentedChain, Violation

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
        "fingerprint": f"{subject} {issuer}",
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
    return [one.code for one in faults(verdict)]


def both(first: PresentedChain, second: PresentedChain) -> PresentedChain:
    def kind(seen: PresentedChain, name: str) -> PresentedChain:
        leaf = replace(seen.leaf, kind=name, key_type=name, fingerprint=f"leaf {name}")
        return replace(seen, certificates=(leaf, *seen.certificates[1:]), path=(leaf, *seen.path[1:]))

    return replace(kind(first, "EC"), also=kind(second, "RSA"))
