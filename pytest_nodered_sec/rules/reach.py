"""Whether the target was there throughout, and the same at every address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time
from pytest_nodered_sec.rules.suites import may_speak
from pytest_nodered_sec.verdict import Severity, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.addresses import Addresses, AddressView
    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.observations.reach import Reach
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_SHOWN: Final = 6  # differences of one address, or questions, that are written out
_SAME: Final = "every address of the name serves and refuses the same"
_LISTEN: Final = (
    "let one server block listen on every address (nginx: `listen 443 ssl; listen [::]:443 ssl;`), so that the same "
    "gate stands at each, and restart nginx: a reload takes no port over from a `listen` at one address; or take the "
    "address out of DNS"
)


def answers_throughout(seen: Reach, policy: Policy) -> Verdict:
    """The target answered from the first look to the last, and Node-RED was identified.

    A target that did not is could-not-look by nature, which `Reach.settle` has said before this runs: so this
    control passes or errs, and never fails.
    """
    return ()


def addresses_agree(seen: Addresses, policy: Policy) -> Verdict:
    """Every address of the name serves and refuses the same, and the same request always gets the same answer."""
    open_turns = [turn for turn in seen.turns if turn.open]
    differing = [_differing(seen, view) for view in seen.views[1:]]
    of_tls = [violation for view in seen.views[1:] for violation in _of_tls(seen.views[0], view, policy)]
    violations = (*(violation for violation in differing if violation is not None), *of_tls)
    if not open_turns:
        return violations
    told = "; ".join(turn.line() for turn in open_turns[:_SHOWN])
    return (
        *violations,
        Violation(
            "by-turns",
            f"{told}: several servers answer at this address, and one of them serves what another refuses; or a cache "
            "keeps what somebody with an account was answered",
            "the same request always gets the same answer",
            "give every server behind the load balancer the same configuration, and the same login; keep nothing that "
            "needs a login in a cache: nginx: no proxy_cache where a login is, or before Node-RED's own",
        ),
    )


def _of_tls(first: AddressView, view: AddressView, policy: Policy) -> list[Violation]:
    """Return what is wrong with another address's TLS and not with the first one's, which tls-01 to tls-07 judge."""
    if first.trouble:
        return []  # there is nothing to compare with
    violations = []
    if first.chain is not None and view.chain is not None:
        known = {fault.code for fault in _faults_of(first.chain, policy)}
        faults = [fault for fault in _faults_of(view.chain, policy) if fault.code not in known]
        if faults:
            observed = f"{view.shown} presents another chain than {first.shown}: "
            violations.append(
                Violation(
                    "address-certificate",
                    observed + "; ".join(fault.observed for fault in faults),
                    "at every address a certificate that is trusted, names the host and is in date",
                    _LISTEN,
                )
            )
    old = [
        version for version in view.old_versions if version not in first.old_versions and not may_speak(version, policy)
    ]
    if old:
        observed = f"{view.shown} accepts {', '.join(old)}, which {first.shown} refuses"
        violations.append(Violation("address-tls", observed, "the same TLS versions at every address", _LISTEN))
    return violations


def _faults_of(chain: PresentedChain, policy: Policy) -> list[Violation]:
    verdicts = [judge(chain, policy) for judge in (chain_is_trusted, names_the_host, renewal_is_in_time)]
    return [fault for verdict in verdicts if isinstance(verdict, tuple) for fault in verdict]


def _differing(seen: Addresses, view: AddressView) -> Violation | None:
    pairs = seen.differences(view)
    if not pairs:
        return None
    first = seen.views[0].shown
    opened = [pair for pair in pairs if Kind.SERVED in (pair[0].kind, pair[1].kind)]
    lines = [
        f"{theirs.what}: {first} answered {ours.line}, {view.shown} {theirs.line}"
        for ours, theirs in (opened or pairs)[:_SHOWN]
    ]
    if not opened:
        observed = f"{view.shown} refuses in another way than {first}: {'; '.join(lines)}"
        return Violation("address-differs", observed, _SAME, _LISTEN, Severity.LOW)
    serving = view.shown if any(theirs.kind is Kind.SERVED for _, theirs in opened) else first
    other = first if serving == view.shown else view.shown
    return Violation("address-open", f"{serving} serves what {other} refuses: {'; '.join(lines)}", _SAME, _LISTEN)
