"""Metadata of a run and its targets, as plain values: versions, times, targets, policies.

No secrets, and no requests made only for this: what is not known is "" or None.
"""

from __future__ import annotations

import platform
import ssl
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, TypedDict

import pytest

from pytest_nodered_sec.policy.show import digest

if TYPE_CHECKING:
    from datetime import date

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.policy.assessment import Assessment
    from pytest_nodered_sec.policy.attestation import Attestation
    from pytest_nodered_sec.policy.model import Waiver
    from pytest_nodered_sec.results.provenance import Code


class ServerIdentity(TypedDict):
    """What identifies the server that answered for a target, as seen by the process that asked.

    `addresses` are all of the name, `dialled` the one that was used, `source` our own address towards it; fingerprints
    are SHA-256 in lower-case hex, of the leaf certificate and of its public key (SubjectPublicKeyInfo); `clock_offset`
    is how many seconds the target's Date is ahead of our clock; `node_red` its release;
    `server` is what its answers say in `Server`, else in `Via`.
    """

    addresses: list[str]
    dialled: str
    source: str
    leaf_sha256: str
    key_sha256: str
    clock_offset: int | None
    node_red: str
    server: str


NOBODY: Final = ServerIdentity(
    addresses=[], dialled="", source="", leaf_sha256="", key_sha256="", clock_offset=None, node_red="", server=""
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


class AttestationFacts(TypedDict):
    """What somebody vouches for; see `policy.Attestation`. Dates are ISO; `in_force` as for a waiver."""

    control: str
    by: str
    dated: str
    until: str
    statement: str
    document: str
    sha256: str
    in_force: bool


class TargetFacts(TypedDict):
    """One target: its policy, and what identifies its server. `policy` is TOML that `policy.file` reads back."""

    name: str
    url: str
    profile: str
    policy: str
    policy_sha256: str
    deviations: list[DeviationFacts]
    waivers: list[WaiverFacts]
    attestations: list[AttestationFacts]
    identity: ServerIdentity


class ExcludedFacts(TypedDict):
    """A system that is left out; see `policy.Excluded`."""

    system: str
    reason: str


class AssessmentFacts(TypedDict):
    """Who assesses what, and by what right; see `policy.Assessment`. "" for what the site does not say."""

    assessor: str
    organisation: str
    authorisation: str
    scope: str
    vantage: str
    excluded: list[ExcludedFacts]


class RunFacts(TypedDict):
    """The run.

    Times are UTC in ISO 8601; `narrowed` names the options that left tests out, "" for a complete run; `omitted` the
    policy file's targets that the run leaves out; `shard` says how many targets were left to other shards, "" where the
    run is none; `replayed` describes the stored run that was judged again, "" if this run asked the targets; `baseline`
    is the earlier run that this one is compared with, "" for none, and `only_new` whether its findings fail nothing;
    `command` is the command line without secrets, `settings` what options, environment and ini file say; `tables` are
    dates of review by file; `machine` and `clock` are those of who looked.
    """

    plugin: str
    tools: dict[str, str]
    started: str
    ended: str
    narrowed: str
    shard: str
    omitted: list[str]
    interrupted: bool
    audit: bool
    replayed: str
    fail_on: str
    only_new: bool
    baseline: str
    assessment: AssessmentFacts
    command: list[str]
    settings: str
    code: Code
    tables: dict[str, str]
    machine: str
    clock: str
    targets: list[TargetFacts]


_TOOLS: Final = ("requests", "urllib3", "pyOpenSSL", "cryptography", "certifi", "h2", "idna", "jinja2", "packaging",
                 "pytest-xdist", "pytest-testinfra", "testinfra", "crossplane")  # fmt: skip


def tools() -> dict[str, str]:
    """Return the releases of Python, OpenSSL, pytest, and the installed packages."""
    versions = {"python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION, "pytest": pytest.__version__}
    for name in _TOOLS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def of_assessment(assessment: Assessment) -> AssessmentFacts:
    """Return an assessment as plain values."""
    return AssessmentFacts(
        assessor=assessment.assessor,
        organisation=assessment.organisation,
        authorisation=assessment.authorisation,
        scope=assessment.scope,
        vantage=assessment.vantage,
        excluded=[ExcludedFacts(system=excluded.system, reason=excluded.reason) for excluded in assessment.excluded],
    )


def of_target(target: Target, policy: str, identity: ServerIdentity, today: date) -> TargetFacts:
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
        policy_sha256=digest(target.policy),
        deviations=[
            DeviationFacts(
                key=deviation.key, value=deviation.value, demanded=deviation.demanded, reason=deviation.reason
            )
            for deviation in target.policy.deviations
        ],
        waivers=[of_waiver(waiver, today) for waiver in target.policy.waivers],
        attestations=[of_attestation(attestation, today) for attestation in target.policy.attestations],
        identity=identity,
    )


def of_attestation(attestation: Attestation, today: date) -> AttestationFacts:
    """Return an attestation as plain values."""
    return AttestationFacts(
        control=attestation.control,
        by=attestation.by,
        dated=attestation.dated.isoformat(),
        until=attestation.until.isoformat(),
        statement=attestation.statement,
        document=attestation.document,
        sha256=attestation.sha256,
        in_force=attestation.in_force(today),
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
