"""Tables for fleet-01 and -02: what several targets share, and what means nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from chains import CLEAR, LEAF, both, chain

from pytest_nodered_sec.observations.twins import Beside, MachineMarks
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.twins import machine_is_no_copy, tls_key_is_its_own
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.verdict import Verdict

OWN = chain(replace(LEAF, key_sha256="a"))
RENEWED = chain(replace(LEAF, key_sha256="a", fingerprint="later"))  # another certificate of the same key
OTHER = chain(replace(LEAF, key_sha256="b", fingerprint="other"))
OLD = chain(LEAF)  # as 0.1.0 stored it: without the key
TWO_KEYS = both(OTHER, chain(replace(LEAF, key_sha256="a")))


def beside(
    own: PresentedChain | MachineMarks,
    *others: PresentedChain | MachineMarks,
    unseen: tuple[str, ...] = (),
    elsewhere: str = "",
) -> Beside:
    return Beside(own, tuple((f"line-{number}", other) for number, other in enumerate(others, 1)), unseen, elsewhere)


def said(verdict: Verdict) -> list[str]:
    if isinstance(verdict, (NotApplicable, NotJudged)):
        return [f"{type(verdict).__name__}: {verdict.reason}"]
    return [f"{violation.code}: {violation.observed}" for violation in verdict]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (beside(OWN, OTHER), []),
        (beside(OWN, OTHER, unseen=("line-9",)), []),
        (beside(OWN, OTHER, RENEWED, OWN), ["shared-key: its TLS key is also that of line-2, line-3"]),
        (beside(OLD, OWN), ["shared-key: its TLS key is also that of line-1"]),
        (beside(OWN, TWO_KEYS), ["shared-key: its TLS key is also that of line-1"]),
        (beside(TWO_KEYS, OWN), ["shared-key: its TLS key is also that of line-1"]),
        (beside(OWN, CLEAR), []),
        (beside(CLEAR, OWN), ["NotApplicable: plant.example is served without TLS: see tls-01"]),
        (beside(OWN), ["NotApplicable: there is no other server or machine in this run to compare with"]),
        (beside(OWN, unseen=("a", "b")), ["NotJudged: not judged: no other target was seen (a, b)"]),
        (beside(OWN, OTHER, elsewhere="shard 1/2 leaves out 3 of 5 targets"),
         ["NotJudged: not judged: no copy was found, but shard 1/2 leaves out 3 of 5 targets"]),
        (beside(OWN, RENEWED, elsewhere="more"), ["shared-key: its TLS key is also that of line-1"]),
    ],
)  # fmt: skip
def test_tls_keys(seen: Beside, expected: list[str]) -> None:
    assert said(tls_key_is_its_own(seen, Policy())) == expected


def test_a_certificate_that_the_policy_declares_as_shared_is_no_twin() -> None:
    [line] = said(tls_key_is_its_own(beside(OWN, OWN), Policy(shared_certificate=True)))
    assert line.startswith("NotApplicable: the policy declares that several targets share one certificate")


KEY = ("ssh-ed25519", "1")
MACHINE = MachineMarks("m", "b", (KEY, ("ssh-rsa", "2")))
FRESH = MachineMarks("n", "c", (("ssh-ed25519", "3"),))
BARE = MachineMarks("", "")
PASSWORDS = (("adminAuth user 1", "p"), ("httpNodeAuth", "q"))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (beside(MACHINE, FRESH, BARE), []),
        (beside(BARE, BARE, MACHINE), []),
        (beside(MACHINE, MACHINE), []),  # the same boot: the same machine, looked at twice
        (beside(MACHINE, FRESH, replace(MACHINE, boot="d", host_keys=())),
         ["shared-machine-id: its machine id (/etc/machine-id) is also that of line-2"]),
        (beside(MACHINE, replace(FRESH, host_keys=(KEY,)), replace(BARE, machine="m", host_keys=(KEY,))),
         ["shared-machine-id: its machine id (/etc/machine-id) is also that of line-2",
          "shared-host-key: an ssh host key of it (/etc/ssh) is also that of line-1, line-2"]),
        (beside(replace(MACHINE, instance="i", secret="s"), replace(FRESH, instance="i"), replace(FRESH, secret="s")),
         ["shared-secret: the key that its Node-RED made for its credentials is also that of line-2",
          "shared-instance-id: its Node-RED's instance id (.config.runtime.json) is also that of line-1"]),
        (beside(MACHINE, replace(MACHINE, boot="d", container=True)), []),
        (beside(replace(MACHINE, container=True), replace(MACHINE, boot="d")),
         ["NotApplicable: a container has no marks of its own: give the host that runs it"]),
        (beside(replace(MACHINE, passwords=PASSWORDS), replace(FRESH, passwords=(("httpNodeAuth", "q"),)),
                replace(BARE, passwords=(("adminAuth user 1", "r"), ("adminAuth user 2", "p")))),
         ["shared-password: its password hash (adminAuth user 1, httpNodeAuth in settings.js) is also that of line-1, "
          "line-2"]),
        (beside(replace(MACHINE, passwords=PASSWORDS), replace(FRESH, passwords=(("httpNodeAuth", "r"),))), []),
        (beside(replace(MACHINE, passwords=PASSWORDS), replace(MACHINE, passwords=PASSWORDS)), []),  # one machine
        (beside(replace(MACHINE, passwords=PASSWORDS, container=True), replace(FRESH, passwords=PASSWORDS)),
         ["shared-password: its password hash (adminAuth user 1, httpNodeAuth in settings.js) is also that of line-1"]),
        (beside(replace(MACHINE, secret="s"), replace(FRESH, secret="s", container=True)),
         ["shared-secret: the key that its Node-RED made for its credentials is also that of line-1"]),
        (beside(MACHINE), ["NotApplicable: there is no other server or machine in this run to compare with"]),
    ],
)  # fmt: skip
def test_machines(seen: Beside, expected: list[str]) -> None:
    assert said(machine_is_no_copy(seen, Policy())) == expected


def test_nothing_of_a_machine_is_told_but_what_it_has() -> None:
    assert beside(MACHINE, FRESH, unseen=("x",)).evidence() == (
        "machine id: seen; ssh host keys: ssh-ed25519, ssh-rsa; of Node-RED: password hashes: not seen; "
        "compared with 1 other target; not seen: x"
    )
    bare = "machine id: none; ssh host keys: none; of Node-RED: "
    assert beside(replace(BARE, passwords=PASSWORDS), FRESH, FRESH).evidence() == (
        f"{bare}password hashes: 2; compared with 2 other targets"
    )
    told = replace(BARE, instance="i", secret="s", passwords=())
    assert told.evidence() == f"{bare}instance id, key for credentials, password hashes: 0"
