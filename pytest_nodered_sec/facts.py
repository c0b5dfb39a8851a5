"""What a run knows about itself and its targets, as plain values: who looked, when, at what, by which demands.

No secrets, and nothing that was asked for its own sake: what is not known is "" or None.
"""

from __future__ import annotations

import platform
import ssl
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, TypedDict

import pytest

from pytest_nodered_sec import policyfile

if TYPE_CHECKING:
    from datetime import date

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.policy import Waiver


class Identity(TypedDict):
    """What answered for a target, as the process saw it that looked.

    `addresses` are all of the name, `dialled` the one that was used, `source` our own address towards it; fingerprints
    are SHA-256 in lower-case hex, of the leaf certificate and of its public key (SubjectPublicKeyInfo); `clock_offset`
    is how many seconds the target's Date is ahead of our clock; `node_red` its release.
    """

    addresses: list[str]
    dialled: str
    source: str
    leaf_sha256: str
    key_sha256: str
    clock_offset: int | None
    node_red: str


NOBODY: Final = Identity(
    addresses=[], dialled="", source="", leaf_sha256="", key_sha256="", clock_offset=None, node_red=""
)


class DeviationFacts(TypedDict):
    """Where the policy is weaker than its profile; see `policy.Deviation`."""

    key: str
    value: str
    demanded: str
    reason: str


class WaiverFacts(TypedDict):
    """A waiver; see `policy.Waiver`. `expires` is an ISO date, `in_force` whether it held when the run began."""

    control: str
    instance: str
    finding: str
    reason: str
    expires: str
    approver: str
    ticket: str
    measure: str
    in_force: bool


class TargetFacts(TypedDict):
    """One target: what was demanded of it, and who answered. `policy` is TOML that `policyfile` reads back."""

    name: str
    url: str
    profile: str
    policy: str
    policy_sha256: str
    deviations: list[DeviationFacts]
    waivers: list[WaiverFacts]
    identity: Identity


class RunFacts(TypedDict):
    """The run.

    Times are UTC in ISO 8601; `narrowed` says by what tests were left out, and is "" for a whole run; `replayed` what
    was judged again in place of looking, "" where the run looked itself.
    """

    plugin: str
    tools: dict[str, str]
    started: str
    ended: str
    narrowed: str
    interrupted: bool
    audit: bool
    replayed: str
    fail_on: str
    targets: list[TargetFacts]


_TOOLS: Final = ("requests", "urllib3", "pyOpenSSL", "cryptography", "certifi", "idna", "pytest-xdist",
                 "pytest-testinfra", "crossplane")  # fmt: skip


def tools() -> dict[str, str]:
    """Return the releases of what looked: Python, OpenSSL, pytest, and the packages that are installed."""
    found = {"python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION, "pytest": pytest.__version__}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def of_target(target: Target, policy: str, identity: Identity, today: date) -> TargetFacts:
    """Return the facts of one target.

    Args:
        target: as the run uses it.
        policy: what holds for it, as TOML.
        identity: who answered.
        today: UTC, by which waivers are in force.
    """
    return TargetFacts(
        name=target.name,
        url=target.url,
        profile=target.policy.profile,
        policy=policy,
        policy_sha256=policyfile.digest(target.policy),
        deviations=[
            DeviationFacts(key=one.key, value=one.value, demanded=one.demanded, reason=one.reason)
            for one in target.policy.deviations
        ],
        waivers=[of_waiver(one, today) for one in target.policy.waivers],
        identity=identity,
    )


def of_waiver(waiver: Waiver, today: date) -> WaiverFacts:
    """Return a waiver as plain values."""
    return WaiverFacts(
        control=waiver.control,
        instance=waiver.instance,
        finding=waiver.finding,
        reason=waiver.reason,
        expires=waiver.expires.isoformat(),
        approver=waiver.approver,
        ticket=waiver.ticket,
        measure=waiver.measure,
        in_force=waiver.in_force(today),
    )
