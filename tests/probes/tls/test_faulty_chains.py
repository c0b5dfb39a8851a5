"""Chains with one fault each, on real TLS servers: each is found once, by its own control."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import certlab
import pytest
import tlslab
from certlab import DAY, HOUR, Issued, issue, now
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID
from probes.tls.authority import HOST, Authority, codes, le_like, look_at

from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.transport.contexts import Contexts
from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_nodered_sec.observations.chain import PresentedChain


@dataclass(frozen=True)
class Case:
    """A chain by recipe, and what must be found."""

    chain: Callable[[Authority], list[Issued]]
    errors: set[tuple[int, int]] = field(default_factory=set)
    trusted: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    host: str = HOST


def below(middle: Callable[[Authority], Issued], **how: Any) -> Callable[[Authority], list[Issued]]:
    def chain(lab: Authority) -> list[Issued]:
        between = middle(lab)
        return [lab.leaf(between, **how), between]

    return chain


def five_faults(lab: Authority) -> list[Issued]:
    leaf = lab.leaf(
        lab.stranger_intermediate,
        dns=["other.test"],
        until=now() - HOUR,
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        key=certlab.rsa_key(1024),
    )
    return [leaf, lab.stranger_intermediate]


def gap(lab: Authority) -> list[Issued]:
    second = issue("Second", lab.intermediate, ca=True)
    return [lab.leaf(second), lab.intermediate]


CASES = {
    "good": Case(lambda lab: [lab.leaf(), lab.intermediate]),
    "root sent too": Case(lambda lab: [lab.leaf(), lab.intermediate, lab.root]),
    "wrong order": Case(
        lambda lab: [lab.leaf(issue("I2", lab.intermediate, ca=True)), lab.intermediate],
        {(20, 0), (21, 0)},
        ("incomplete-chain",),
    ),
    "missing intermediate": Case(lambda lab: [lab.leaf(ca_issuers=True)], {(20, 0), (21, 0)}, ("incomplete-chain",)),
    "gap": Case(gap, {(20, 0), (21, 0)}, ("incomplete-chain",)),
    "unknown CA": Case(below(lambda lab: lab.stranger_intermediate), {(20, 1)}, ("unknown-ca",)),
    "unknown CA, root sent": Case(
        lambda lab: [lab.leaf(lab.stranger_intermediate), lab.stranger_intermediate, lab.stranger],
        {(19, 2)},
        ("verify-19",),
    ),
    "expired leaf": Case(lambda lab: [lab.leaf(until=now() - DAY), lab.intermediate], {(10, 0)}, renewed=("expired",)),
    "expired intermediate": Case(
        below(lambda lab: issue("Old", lab.root, ca=True, until=now() - DAY)), {(10, 1)}, ("verify-10",)
    ),
    "future intermediate": Case(
        below(lambda lab: issue("New", lab.root, ca=True, since=now() + DAY)), {(9, 1)}, ("verify-9",)
    ),
    "not yet valid": Case(
        lambda lab: [lab.leaf(since=now() + HOUR), lab.intermediate], {(9, 0)}, renewed=("not-yet-valid",)
    ),
    "wrong name": Case(lambda lab: [lab.leaf(dns=["other.test"]), lab.intermediate], named=("wrong-name",)),
    "common name only": Case(lambda lab: [lab.leaf(dns=[]), lab.intermediate], named=("no-san",)),
    "wildcard": Case(lambda lab: [lab.leaf(dns=["*.plant.test"]), lab.intermediate], host="line.plant.test"),
    "wildcard at its apex": Case(
        lambda lab: [lab.leaf(dns=["*.plant.test"]), lab.intermediate], named=("wrong-name",), host="plant.test"
    ),
    "self-signed": Case(lambda lab: [issue(HOST, dns=[HOST])], {(18, 0)}, ("verify-18",)),
    "no CA in between": Case(below(lambda lab: issue("No CA", lab.root)), {(79, 1)}, ("verify-79",)),
    "name constraints": Case(
        below(lambda lab: issue("Bound", lab.root, ca=True, permitted="elsewhere.test")), {(47, 0)}, ("verify-47",)
    ),
    "client certificate": Case(
        lambda lab: [lab.leaf(usage=ExtendedKeyUsageOID.CLIENT_AUTH), lab.intermediate], {(26, 0)}, ("verify-26",)
    ),
    "address": Case(lambda lab: [lab.leaf(dns=[], ips=["127.0.0.1"]), lab.intermediate], host="127.0.0.1"),
    "address as a DNS name": Case(
        lambda lab: [lab.leaf(dns=["127.0.0.1"]), lab.intermediate], named=("wrong-name",), host="127.0.0.1"
    ),
    "IDNA 2008": Case(lambda lab: [lab.leaf(dns=["xn--fa-hia.test"]), lab.intermediate], host="Faß.test"),
    "IDNA 2003": Case(
        lambda lab: [lab.leaf(dns=["fass.test"]), lab.intermediate], named=("wrong-name",), host="faß.test"
    ),
    "trailing dot": Case(lambda lab: [lab.leaf(), lab.intermediate], host=f"{HOST}."),
    "RSA 1024": Case(lambda lab: [lab.leaf(key=certlab.rsa_key(1024)), lab.intermediate], {(66, 0)}),
    "160 hours, fresh": Case(lambda lab: [lab.leaf(since=now() - HOUR, until=now() + 159 * HOUR), lab.intermediate]),
    "160 hours, late": Case(
        lambda lab: [lab.leaf(since=now() - 140 * HOUR, until=now() + 20 * HOUR), lab.intermediate],
        renewed=("renewal-late",),
    ),
    "ten years": Case(lambda lab: [lab.leaf(since=now() - 800 * DAY, until=now() + 2850 * DAY), lab.intermediate]),
    "90 days, on certbot's day": Case(
        lambda lab: [lab.leaf(since=now() - 60 * DAY, until=now() + 30 * DAY), lab.intermediate]
    ),
    "90 days, late": Case(
        lambda lab: [lab.leaf(since=now() - 75 * DAY, until=now() + 15 * DAY), lab.intermediate],
        renewed=("renewal-late",),
    ),
    "like Let's Encrypt": Case(le_like),
    "five faults": Case(
        five_faults,
        {(66, 0), (20, 1), (26, 0), (10, 0)},
        ("unknown-ca", "verify-26"),
        ("wrong-name",),
        ("expired",),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_fault_is_found_once_by_its_own_control(case: Case, lab: Authority, ca_file: str, tmp_path: Path) -> None:
    with tlslab.serving_tls(tmp_path, case.chain(lab)) as server:
        seen = present_chain(look_at(server.port, host=case.host, ca_file=ca_file))
    policy = Policy()
    errors = set(seen.verify_errors)
    assert len(errors) == len(seen.verify_errors)
    assert errors >= case.errors if case.errors else not errors, seen.verify_errors
    assert sorted(codes(chain_is_trusted(seen, policy))) == sorted(case.trusted), seen.verify_errors
    assert codes(names_the_host(seen, policy)) == list(case.named)
    assert codes(renewal_is_in_time(seen, policy)) == list(case.renewed)
    assert server.connections == 2  # for each kind of key


def test_targets_that_share_contexts_share_nothing_that_was_seen(lab: Authority, ca_file: str, tmp_path: Path) -> None:
    """An intermediate that one server sends completes no other's chain, however many shake hands at once."""
    contexts = Contexts()
    chains = {name: CASES[name].chain(lab) for name in ("good", "missing intermediate")}
    with contextlib.ExitStack() as stack:
        ports = {}
        for name, chain in chains.items():
            (folder := tmp_path / name).mkdir()
            ports[name] = stack.enter_context(tlslab.serving_tls(folder, chain)).port

        def seen(name: str) -> PresentedChain:
            return present_chain(look_at(ports[name], ca_file=ca_file, contexts=contexts))

        with ThreadPoolExecutor(6) as pool:
            names = [*chains] * 4
            for name, shown in zip(names, pool.map(seen, names), strict=True):
                assert set(shown.verify_errors) == CASES[name].errors, name
                assert shown.leaf.fingerprint == chains[name][0].certificate.fingerprint(SHA256()).hex(), name
        without = present_chain(look_at(ports["good"], contexts=contexts))
        assert without.verify_errors  # whom a target trusts is its own
