"""Whether what must be unique is unique: gateways that were flashed from one image share what only one may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.chain import PresentedChain
from pytest_nodered_sec.observations.twins import MachineMarks
from pytest_nodered_sec.texts import listed
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nodered_sec.observations.twins import Beside
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

    _Others = Sequence[tuple[str, MachineMarks]]

_NEW_KEY: Final = (
    "make a new key on each machine, have it certified and the old certificate revoked: certbot renew --force-renewal "
    "--new-key, or openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256; if one certificate is meant for all, "
    'declare it: shared_certificate = {value = true, reason = "…"}'
)
_NEW_ID: Final = (
    "rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot. In the image, leave "
    "/etc/machine-id empty"
)
_NEW_HOST_KEYS: Final = (
    "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh. In the image, leave them out, so that the first "
    "boot makes them"
)
_NEW_INSTANCE: Final = (
    "stop Node-RED, remove instanceId from .config.runtime.json in its user directory, start it. In the image, leave "
    "that file out"
)
_OWN_KEY: Final = (
    "set a credentialSecret of its own in settings.js: credentialSecret: process.env.NODE_RED_CREDENTIAL_SECRET, and "
    "deploy; then change what the credentials hold. In the image, leave .config.runtime.json and flows_cred.json out"
)
_OWN_HASH: Final = (
    "a password of its own for each: node-red admin hash-pw, and its hash into settings.js or the environment of that "
    "machine. In the image, or the template that settings.js is written from, leave the hash out. Published samples "
    "are judged by host-03"
)


def tls_key_is_its_own(seen: Beside, policy: Policy) -> Verdict:
    """No other server of the run has this server's TLS key, unless the policy says that they share a certificate."""
    own = seen.seen
    assert isinstance(own, PresentedChain)  # noqa: S101  what fleet-01 asks
    if not own.certificates:
        return NotApplicable(f"{own.host} is served without TLS: see tls-01")
    if policy.shared_certificate:
        return NotApplicable("the policy declares that several targets share one certificate (shared_certificate)")
    keys = _keys(own)
    twins = [name for name, other in seen.others if isinstance(other, PresentedChain) and keys & _keys(other)]
    if twins:
        observed = f"its TLS key is also that of {listed(twins)}"
        return (Violation("shared-key", observed, "a key that no other server has", _NEW_KEY),)
    return _compared(seen)


def machine_is_no_copy(seen: Beside, policy: Policy) -> Verdict:
    """No other machine of the run has this machine's id or ssh host keys, or its Node-RED's id, key or passwords."""
    own = seen.seen
    assert isinstance(own, MachineMarks)  # noqa: S101  what fleet-02 asks
    others = [
        (name, other)
        for name, other in seen.others
        if isinstance(other, MachineMarks) and not (own.boot and own.boot == other.boot)
    ]
    violations = (*_of_machine(own, others), *_of_node_red(own, others))
    if own.container and not violations:
        return NotApplicable("a container has no marks of its own: give the host that runs it")
    return violations or _compared(seen)


def _of_machine(own: MachineMarks, others: _Others) -> Iterator[Violation]:
    """Return what two machines share; a container has the marks of its image, or of the machine that runs it."""
    machines = [] if own.container else [(name, other) for name, other in others if not other.container]
    if twins := [name for name, other in machines if own.machine and own.machine == other.machine]:
        observed = f"its machine id (/etc/machine-id) is also that of {listed(twins)}"
        yield Violation("shared-machine-id", observed, "an id that no other machine has", _NEW_ID)
    keys = set(own.host_keys)
    if twins := [name for name, other in machines if keys & set(other.host_keys)]:
        observed = f"an ssh host key of it (/etc/ssh) is also that of {listed(twins)}"
        yield Violation("shared-host-key", observed, "host keys that no other machine has", _NEW_HOST_KEYS)


def _of_node_red(own: MachineMarks, others: _Others) -> Iterator[Violation]:
    """Return what two Node-REDs share, on machines or in containers."""
    if twins := [name for name, other in others if own.secret and own.secret == other.secret]:
        observed = f"the key that its Node-RED made for its credentials is also that of {listed(twins)}"
        yield Violation("shared-secret", observed, "a key that no other Node-RED has", _OWN_KEY)
    shared = {digest for _, other in others for digest in _passwords(other)} & _passwords(own)
    if shared:
        accounts = [account for account, digest in own.passwords or () if digest in shared]
        twins = [name for name, other in others if shared & _passwords(other)]
        observed = f"its password hash ({listed(accounts)} in settings.js) is also that of {listed(twins)}"
        yield Violation("shared-password", observed, "a password that opens no other", _OWN_HASH, Severity.MEDIUM)
    if twins := [name for name, other in others if own.instance and own.instance == other.instance]:
        observed = f"its Node-RED's instance id (.config.runtime.json) is also that of {listed(twins)}"
        expected = "an id that no other Node-RED has"
        yield Violation("shared-instance-id", observed, expected, _NEW_INSTANCE, Severity.LOW)


def _passwords(marks: MachineMarks) -> set[str]:
    return {digest for _, digest in marks.passwords or ()}


def _keys(chain: PresentedChain) -> set[str]:
    """Return the digests of a server's certificates and keys: evidence of 0.1.0 has those of certificates alone."""
    leaves = [presented.leaf for presented in (chain, chain.also) if presented is not None and presented.certificates]
    return {digest for leaf in leaves for digest in (leaf.fingerprint, leaf.key_sha256) if digest}


def _compared(seen: Beside) -> Verdict:
    """Return what no twin means: nothing where there was nobody to compare with."""
    if seen.elsewhere:
        return NotJudged(f"not judged: no copy was found, but {seen.elsewhere}")
    if seen.others:
        return ()
    if seen.unseen:
        return NotJudged(f"not judged: no other target was seen ({listed(seen.unseen)})")
    return NotApplicable("there is no other server or machine in this run to compare with")
