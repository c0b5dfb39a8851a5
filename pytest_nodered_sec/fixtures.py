"""The fixtures tests ask for: read-only views of target and policy, and what was seen.

An observation is fetched here, in setup, so that could-not-look is an error and never a failure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec.collection import (
    ATTEMPTS,
    COLLECTED,
    ELSEWHERE,
    LAB,
    LEFT_OUT,
    PREFIX,
    RAN,
    RECORDING,
    REPLAYED,
    TARGETS,
    TODAY,
    Case,
    case_of,
)
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_waivers import WaivedCase, WaiverUse

if TYPE_CHECKING:
    from pytest_nodered_sec.evidence.replay import Replay
    from pytest_nodered_sec.lab import RunningDeployment
    from pytest_nodered_sec.ledger import Record
    from pytest_nodered_sec.model import Observation, Target
    from pytest_nodered_sec.model_access import (
        AccessAttempt,
        ChannelAttempt,
        FileAttempt,
        ForeignAttempt,
        LoginOffer,
        PlainAttempt,
        Reach,
        SocketAttempt,
        VariantAttempt,
    )
    from pytest_nodered_sec.model_account import SignIn
    from pytest_nodered_sec.model_certificates import CertificateDemand, RevocationCheck
    from pytest_nodered_sec.model_chain import PresentedChain
    from pytest_nodered_sec.model_channels import InterfaceAttempt, ShownWidgets
    from pytest_nodered_sec.model_credentials import BasicGuesses, LoginGuesses
    from pytest_nodered_sec.model_doors import (
        Announcements,
        ClosedPort,
        DirectDoors,
        PageAnswers,
        SeenCookies,
        StrangeName,
    )
    from pytest_nodered_sec.model_exposure import RedirectTrails, SpoofedAttempt
    from pytest_nodered_sec.model_tls import OfferedGroups, OfferedVersions, ProtocolOffer
    from pytest_nodered_sec.policy import Policy
    from pytest_nodered_sec.survey import Survey

_SURVEY: Final = pytest.StashKey["Survey | Replay"]()
_TOLD: Final = pytest.StashKey[dict[str, dict[str, Any]]]()  # who answered, by target, as the controller knows it
_LOOKED: Final[pytest.StashKey[Observation | ProbeError]] = pytest.StashKey()  # of an item, settled or not
_SEEN: Final[pytest.StashKey[Observation]] = pytest.StashKey()  # what an item was given to judge
_AHEAD: Final = pytest.StashKey[set[str]]()


@pytest.fixture
def _nodered_case(request: pytest.FixtureRequest) -> Case:
    """Target and question of this test case."""
    case: Case = request.param
    if case.target is None:
        pytest.fail("no target: name one with --nodered-url=https://HOST, or try --nodered-lab", pytrace=False)
    return case


@pytest.fixture
def nodered_target(_nodered_case: Case) -> Target:
    """The target this test case is about (read-only: how it is asked is settled before the first look)."""
    assert _nodered_case.target is not None  # noqa: S101  _nodered_case has failed otherwise; for the type checker
    return _nodered_case.target


@pytest.fixture(scope="session")
def nodered_targets(request: pytest.FixtureRequest) -> tuple[Target, ...]:
    """All targets of the run."""
    return request.config.stash.get(TARGETS, ())


@pytest.fixture
def nodered_policy(_nodered_case: Case, nodered_target: Target) -> Policy:
    """What this site demands of the target."""
    __tracebackhide__ = True
    _check_target(_nodered_case, nodered_target)
    return nodered_target.policy


@pytest.fixture
def nodered_lab(request: pytest.FixtureRequest, nodered_target: Target) -> RunningDeployment:
    """The lab's deployment that this test case is about: where a test may act. At every other target it is skipped."""
    for one in request.config.stash.get(LAB, []):
        if one["url"] == nodered_target.url:
            from pytest_nodered_sec.lab import RunningDeployment

            return RunningDeployment.from_dict(one)
    pytest.skip(f"{nodered_target.name} is not in the lab, and this test may act: see --nodered-lab")


@pytest.fixture
def nodered_seen(request: pytest.FixtureRequest, _nodered_case: Case, nodered_target: Target) -> Observation:
    """What the control's question was answered with.

    Raises:
        ProbeError: it could not be looked at.
    """
    __tracebackhide__ = True
    _check_target(_nodered_case, nodered_target)
    if _nodered_case.ask is None:
        pytest.fail("nothing was asked: declare the question with @control(..., asks=[...])", pytrace=False)
    if not _nodered_case.ask.probe:
        use = request.node.stash[_SEEN] = _use_of_waiver(request.config, nodered_target, _nodered_case.ask.label)
        return use
    survey = _survey(request.session)
    ahead = request.session.stash.setdefault(_AHEAD, set())
    if nodered_target.name not in ahead:
        ahead.add(nodered_target.name)
        cases = [case_of(item) for item in request.session.items if not item.get_closest_marker("skip")]
        survey.ask_ahead(
            nodered_target,
            [case.ask for case in cases if case and case.target == nodered_target and case.ask and case.ask.probe],
        )
    from pytest_nodered_sec.model_access import answered  # only where something was asked

    found = survey.outcome(nodered_target, _nodered_case.ask)
    if request.config.stash.get(RECORDING, False):
        request.node.stash[_LOOKED] = found
    seen = request.node.stash[_SEEN] = answered(found, nodered_target)
    return seen


def check_given(item: pytest.Item) -> None:
    """See that a test of the suite judges what was seen by what is demanded, and nothing that stands in for either.

    Raises:
        ProbeError: a fixture of that name in a conftest or another plugin took the place of ours.
    """
    __tracebackhide__ = True
    case = case_of(item)
    if case is None or case.target is None:
        return
    ours = {"nodered_target": case.target, "nodered_policy": case.target.policy}
    seen = item.stash.get(_SEEN, None)
    given = getattr(item, "funcargs", {})
    for name, value in sorted(given.items(), key=lambda one: one[0] != "nodered_seen"):  # others are made of it
        if name.startswith("nodered_") and value is not ours.get(name, seen):
            raise _stands_in(name, case.target)


def _check_target(case: Case, given: object) -> None:
    """See that what is made of the target is not made of something else.

    Raises:
        ProbeError: a fixture of a conftest or another plugin took the place of `nodered_target`.
    """
    __tracebackhide__ = True
    if case.target is not None and given is not case.target:
        raise _stands_in("nodered_target", case.target)


def _stands_in(name: str, target: Target) -> ProbeError:
    return ProbeError(
        f"a fixture of this site is called {name} as well, and would be judged in place of {target.name}: "
        "give it another name",
        Cause.NOT_ASKED,
    )


def _use_of_waiver(config: pytest.Config, target: Target, label: str) -> WaiverUse:
    """Return what became of the cases that a waiver is about; they ran before, in this process."""
    waiver = next(one for one in target.policy.waivers if str(one) == label)
    ran = config.stash.get(RAN, {})
    return WaiverUse(
        waiver=waiver,
        today=config.stash[TODAY],
        left_out=config.stash[LEFT_OUT],
        elsewhere="" if waiver.control in _bundled(config) else config.stash[ELSEWHERE],
        cases=tuple(
            _waived_case(one["instance"], ran.get(one["nodeid"]))
            for one in config.stash[COLLECTED]
            if one["target"] == target.name and waiver.concerns(one["control"], one["instance"])
        ),
    )


def _bundled(config: pytest.Config) -> set[str]:
    """Return the ids of the suite's controls that were collected: that of waivers is one of them."""
    return {one["control"] for one in config.stash[COLLECTED] if one["nodeid"].startswith(f"{PREFIX}/")}


def _waived_case(instance: str, record: Record | None) -> WaivedCase:
    if record is None:
        return WaivedCase(instance, "", ())
    return WaivedCase(instance, record["outcome"], tuple(one["code"] for one in record["findings"]))


def _survey(session: pytest.Session) -> Survey | Replay:
    stored = session.config.stash.get(REPLAYED, None)
    if stored is not None:
        session.stash[_SURVEY] = stored.replay
    if _SURVEY not in session.stash:
        from pytest_nodered_sec.survey import Survey  # asks over the network: only when a test needs it

        session.stash[_SURVEY] = Survey(session.config.stash.get(ATTEMPTS, None))
    return session.stash[_SURVEY]


def tell_identity(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put who answered for a case's target on a report, where that is more than was told before."""
    case = case_of(item)
    survey = item.session.stash.get(_SURVEY, None)
    if report.when != "teardown" or survey is None or case is None or case.target is None:
        return
    told = item.session.stash.setdefault(_TOLD, {})
    known = survey.identity(case.target)
    if known is not None and known != told.get(case.target.name):
        told[case.target.name] = known
        report.nodered_identity = (case.target.name, known)  # type: ignore[attr-defined]  # crosses from a worker


def tell_looked(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put what was seen on the report of the phase in which it was, as plain values, for the evidence."""
    case, outcome = case_of(item), item.stash.get(_LOOKED, None)
    if outcome is None or report.when != "setup" or case is None or case.target is None or case.ask is None:
        return
    from pytest_nodered_sec import codec, redaction  # know every kind of observation: only where they are kept

    report.nodered_looked = {  # type: ignore[attr-defined]  # crosses from a worker
        "target": case.target.name,
        "probe": case.ask.probe,
        "args": list(case.ask.args),
        # as bytes: what a target sent may hold half a character, which no text between processes can
        "outcome": json.dumps(redaction.scrub_within(codec.encode(_kept(outcome)))).encode(),
    }


def _kept(outcome: Observation | ProbeError) -> Observation | ProbeError:
    """Return what is kept of what was seen: values of ours, and of a site's own kind that nothing is."""
    from pytest_nodered_sec import codec

    if codec.knows(outcome):
        return outcome
    kind = type(outcome).__name__
    return ProbeError(f"evidence keeps nothing of the kind {kind}, which is the site's own", Cause.NOT_ASKED)


def close(session: pytest.Session) -> None:
    """End the survey, if one was begun."""
    if _SURVEY in session.stash:
        session.stash[_SURVEY].close()


@pytest.fixture
def nodered_attempt(nodered_seen: AccessAttempt) -> AccessAttempt:
    """`nodered_seen` of a control that asks for access to a path."""
    return nodered_seen


@pytest.fixture
def nodered_login_offer(nodered_seen: LoginOffer) -> LoginOffer:
    """`nodered_seen` of a control that asks what login is offered."""
    return nodered_seen


@pytest.fixture
def nodered_sign_in(nodered_seen: SignIn) -> SignIn:
    """`nodered_seen` of a control that uses the site's account."""
    return nodered_seen


@pytest.fixture
def nodered_login_guesses(nodered_seen: LoginGuesses) -> LoginGuesses:
    """`nodered_seen` of a control that tries known passwords at Node-RED's log-in."""
    return nodered_seen


@pytest.fixture
def nodered_basic_guesses(nodered_seen: BasicGuesses) -> BasicGuesses:
    """`nodered_seen` of a control that tries known passwords at a Basic login."""
    return nodered_seen


@pytest.fixture
def nodered_socket(nodered_seen: SocketAttempt) -> SocketAttempt:
    """`nodered_seen` of a control that asks for a live channel."""
    return nodered_seen


@pytest.fixture
def nodered_widgets(nodered_seen: ShownWidgets) -> ShownWidgets:
    """`nodered_seen` of a control that asks what a dashboard shows."""
    return nodered_seen


@pytest.fixture
def nodered_interface(nodered_seen: InterfaceAttempt) -> InterfaceAttempt:
    """`nodered_seen` of a control that joins another user interface's live channel."""
    return nodered_seen


@pytest.fixture
def nodered_channel(nodered_seen: ChannelAttempt) -> ChannelAttempt:
    """`nodered_seen` of a control that asks for a WebSocket."""
    return nodered_seen


@pytest.fixture
def nodered_foreign(nodered_seen: ForeignAttempt) -> ForeignAttempt:
    """`nodered_seen` of a control that joins a live channel with a foreign Origin."""
    return nodered_seen


@pytest.fixture
def nodered_variant(nodered_seen: VariantAttempt) -> VariantAttempt:
    """`nodered_seen` of a control that asks for a path in another way."""
    return nodered_seen


@pytest.fixture
def nodered_file(nodered_seen: FileAttempt) -> FileAttempt:
    """`nodered_seen` of a control that asks for a file."""
    return nodered_seen


@pytest.fixture
def nodered_plain(nodered_seen: PlainAttempt) -> PlainAttempt:
    """`nodered_seen` of a control that asks over plain HTTP."""
    return nodered_seen


@pytest.fixture
def nodered_chain(nodered_seen: PresentedChain) -> PresentedChain:
    """`nodered_seen` of a control that asks for the certificate chain."""
    return nodered_seen


@pytest.fixture
def nodered_certificate_demand(nodered_seen: CertificateDemand) -> CertificateDemand:
    """`nodered_seen` of a control that comes without a client certificate."""
    return nodered_seen


@pytest.fixture
def nodered_revocation(nodered_seen: RevocationCheck) -> RevocationCheck:
    """`nodered_seen` of a control that asks whether certificates are revoked."""
    return nodered_seen


@pytest.fixture
def nodered_tls_versions(nodered_seen: OfferedVersions) -> OfferedVersions:
    """`nodered_seen` of a control that asks whether versions of TLS are spoken."""
    return nodered_seen


@pytest.fixture
def nodered_tls_protocol(nodered_seen: ProtocolOffer) -> ProtocolOffer:
    """`nodered_seen` of a control that asks what is accepted of one version of TLS."""
    return nodered_seen


@pytest.fixture
def nodered_tls_groups(nodered_seen: OfferedGroups) -> OfferedGroups:
    """`nodered_seen` of a control that asks in which groups keys are agreed on."""
    return nodered_seen


@pytest.fixture
def nodered_reach(nodered_seen: Reach) -> Reach:
    """`nodered_seen` of a control that asks whether the target answers throughout."""
    return nodered_seen


@pytest.fixture
def nodered_host(
    request: pytest.FixtureRequest, nodered_target: Target
) -> Any:  # Any: testinfra is imported only when a test asks for a host
    """testinfra's host of this case's target, for a site's own tests; this machine only where `local://` is said.

    Raises:
        ProbeError: no host was given, testinfra knows no such backend, or an evidence folder is judged again.
    """
    if REPLAYED in request.config.stash:
        raise ProbeError("a replay looks at nothing; what this test asked its host was not kept", Cause.NOT_ASKED)
    if nodered_target.host is None:
        raise ProbeError(
            f"no host given for {nodered_target.name}: add --nodered-host=ssh://USER@HOST", Cause.UNIDENTIFIED
        )
    from pytest_nodered_sec.probes.host import host_of

    return host_of(nodered_target.host)


@pytest.fixture
def nodered_redirects(nodered_seen: RedirectTrails) -> RedirectTrails:
    """`nodered_seen` of a control that asks where plain HTTP leads."""
    return nodered_seen


@pytest.fixture
def nodered_spoofed(nodered_seen: SpoofedAttempt) -> SpoofedAttempt:
    """`nodered_seen` of a control that asks with a header that only a proxy should set."""
    return nodered_seen


@pytest.fixture
def nodered_page(nodered_seen: PageAnswers) -> PageAnswers:
    """`nodered_seen` of a control that opens a page."""
    return nodered_seen


@pytest.fixture
def nodered_direct(nodered_seen: DirectDoors) -> DirectDoors:
    """`nodered_seen` of a control that tries Node-RED's own port."""
    return nodered_seen


@pytest.fixture
def nodered_versions(nodered_seen: Announcements) -> Announcements:
    """`nodered_seen` of a control that reads what answers say of their servers."""
    return nodered_seen


@pytest.fixture
def nodered_strange_name(nodered_seen: StrangeName) -> StrangeName:
    """`nodered_seen` of a control that asks under a name that nobody has."""
    return nodered_seen


@pytest.fixture
def nodered_closed_port(nodered_seen: ClosedPort) -> ClosedPort:
    """`nodered_seen` of a control that tries a port that must be closed."""
    return nodered_seen


@pytest.fixture
def nodered_cookies(nodered_seen: SeenCookies) -> SeenCookies:
    """`nodered_seen` of a control that gathers the cookies that were set."""
    return nodered_seen
