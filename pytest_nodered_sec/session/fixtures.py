"""The fixtures' values: read-only views of target and policy, and the observation.

Observations are fetched here, in setup, so that "could not look" is an error and never a failure.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Ask
from pytest_nodered_sec.observations.twins import Beside
from pytest_nodered_sec.session import idle
from pytest_nodered_sec.session.ahead import Ahead
from pytest_nodered_sec.session.carried import Carriers
from pytest_nodered_sec.session.skips import will_not_run
from pytest_nodered_sec.session.state import (
    ATTEMPTS,
    AWAY,
    COLLECTED,
    LAB,
    RAN,
    RECORDING,
    REPLAYED,
    RUNNING,
    TARGETS,
    Case,
    Turn,
    case_of,
    control_of,
    of_suite,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pytest_nodered_sec.lab import RunningDeployment
    from pytest_nodered_sec.model import Observation, Target
    from pytest_nodered_sec.observations.waivers import WaiverUse
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.probes.transport.session import TargetSession
    from pytest_nodered_sec.probes.transport.station import Station
    from pytest_nodered_sec.session.state import Answers

SURVEY: Final = pytest.StashKey["Answers"]()
LOOKED: Final[pytest.StashKey[Observation | ProbeError]] = pytest.StashKey()  # of an item, settled or not
_SEEN: Final[pytest.StashKey[Observation]] = pytest.StashKey()  # what an item was given to judge
_BESIDE: Final = pytest.StashKey[dict[Ask, list[tuple["Target", Any]]]]()  # answers by question; None where unseen
_AHEAD: Final = pytest.StashKey[Ahead]()
_CARRIED: Final = pytest.StashKey[Carriers]()


def turn(config: pytest.Config) -> Turn:
    """Return a test case, with target and question; raise without a target."""
    item = config.stash.get(RUNNING, None)  # None where no option of ours is given, and a test asks while it runs
    case = (case_of(item) if item else None) or _case_of_one(config)
    if item is None or case.target is None:
        if targets(config):
            pytest.fail(
                "no target: flows alone answer no request; name a deployment with --nodered-url=https://HOST, or "
                "leave your own tests out with --nodered-suite=only",
                pytrace=False,
            )
        pytest.fail("no target: name one with --nodered-url=https://HOST, or try --nodered-lab", pytrace=False)
    return Turn(item, case)


def _case_of_one(config: pytest.Config) -> Case:
    """Return the case of a test that was collected without our fixtures and asks for one while it runs.

    pytest could not make one test for each target of it; so there may be one target only.
    """
    deployments = [target for target in targets(config) if not target.flows]
    if len(deployments) > 1:
        pytest.fail(
            "a fixture of nodered-sec was asked for while the test runs (by a step of pytest-bdd, or getfixturevalue), "
            f"and the run has {len(deployments)} targets: give the test itself the argument nodered_target, then it "
            "runs once for each",
            pytrace=False,
        )
    return Case(deployments[0] if deployments else None)


def targets(config: pytest.Config) -> tuple[Target, ...]:
    """Return all targets of the run."""
    return config.stash.get(TARGETS, ())


def policy(case: Case, target: Target) -> Policy:
    """Return what this site demands of a case's target.

    Raises:
        ProbeError: another fixture replaced the target.
    """
    __tracebackhide__ = True
    _check_target(case, target)
    return target.policy


def lab(config: pytest.Config, target: Target) -> RunningDeployment:
    """Return the target's deployment in the lab; skip the test if the target is not of the lab."""
    for deployment in config.stash.get(LAB, []):
        if deployment["url"] == target.url:
            from pytest_nodered_sec.lab import RunningDeployment

            return RunningDeployment.from_dict(deployment)
    pytest.skip(f"{target.name} is not in the lab, and this test may act: see --nodered-lab")


def seen(turn: Turn, target: Target) -> Observation:
    """Return the answer to a case's question.

    Raises:
        ProbeError: it could not be looked at.
    """
    __tracebackhide__ = True
    item, case = turn
    _check_target(case, target)
    if case.ask is None:
        pytest.fail("nothing was asked: declare the question with @control(..., asks=[...])", pytrace=False)
    if not case.ask.probe:
        use = item.stash[_SEEN] = _use_of_waiver(item.config, target, case.ask.label)
        return use
    survey = _survey(item.session)
    _ahead(item.session).begin(target)
    from pytest_nodered_sec.observations.settling import answered  # only where something was asked

    outcome = survey.outcome(target, case.ask)
    if item.config.stash.get(RECORDING, False) or (case.ask.beside and _is_worker(item.config)):
        item.stash[LOOKED] = outcome
    try:
        answer = answered(outcome, target)
    except ProbeError as error:
        control = control_of(item)
        shown = of_suite(item.nodeid) and next(item.iter_markers("xfail"), None) is None
        told = _carriers(item.session).told(target, control.id if control else "", case.ask, error, shown=shown)
        raise told from None
    if case.ask.beside:
        answer = _beside(item.session, target, case.ask, answer)
    item.stash[_SEEN] = answer
    return answer


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _beside(
    session: pytest.Session, target: Target, ask: Ask, answer: Any
) -> Beside:  # Any: what the question asks for
    """Return an answer beside those of the other targets that were asked the same."""
    if _is_worker(session.config):
        return Beside(answer, elsewhere="it is judged at the end, when all workers have told what they saw")
    known = session.stash.setdefault(_BESIDE, {})
    if ask not in known:
        known[ask] = _answers(session, ask)
    others = [(candidate, seen) for candidate, seen in known[ask] if _is_elsewhere(candidate, target, ask)]
    return Beside(
        answer,
        tuple((target.name, seen) for target, seen in others if seen is not None),
        tuple(target.name for target, seen in others if seen is None),
        session.config.stash[AWAY],
    )


def _answers(session: pytest.Session, ask: Ask) -> list[tuple[Target, Any]]:  # Any: as above
    """Return what each target of the run that is asked a question showed; None where it could not be looked at."""
    from pytest_nodered_sec.observations.settling import answered  # as in `seen`

    answers: list[tuple[Target, Any]] = []
    for item in session.items:
        case = case_of(item)
        if case and case.target and case.ask == ask and case.ask.beside and not will_not_run(item):
            _ahead(session).begin(case.target)
            try:
                answers.append((case.target, answered(_survey(session).outcome(case.target, ask), case.target)))
            except ProbeError:
                answers.append((case.target, None))
    return answers


def _is_elsewhere(target: Target, other: Target, ask: Ask) -> bool:
    """Whether two targets are not the same server, or for questions to the machine not the same machine."""
    if ask.probe == "host":
        return target.host != other.host
    return (target.hostname, target.dialled, target.http.proxy) != (other.hostname, other.dialled, other.http.proxy)


def answer_from(session: pytest.Session, answers: Answers) -> None:
    """Take the answers from elsewhere than from a survey."""
    session.stash[SURVEY] = answers


def check_given(item: pytest.Item) -> None:
    """Check that a test of the suite got the real observation and policy, not those of an overriding fixture.

    Raises:
        ProbeError: a conftest or another plugin overrides the fixture.
    """
    __tracebackhide__ = True
    case = case_of(item)
    if case is None or case.target is None:
        return
    ours = {"nodered_target": case.target, "nodered_policy": case.target.policy}
    seen = item.stash.get(_SEEN, None)
    if seen is not None:
        del item.stash[_SEEN]  # or every case would keep its own until the run ends
    given = getattr(item, "funcargs", {})
    names = dict.fromkeys(("nodered_seen", *given))  # it first: others are made of it
    for name, value in ((name, given[name]) for name in names if name in given):
        if name.startswith("nodered_") and value is not ours.get(name, seen):
            raise _stands_in(name, case.target)


def _check_target(case: Case, given: object) -> None:
    """Check that no fixture overrides `nodered_target`, from which the others are made.

    Raises:
        ProbeError: a conftest or another plugin overrides it.
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
    """Return the outcomes of the cases that a waiver covers; they ran earlier, in this process."""
    waiver = next(waiver for waiver in target.policy.waivers if str(waiver) == label)
    collected, ran = config.stash[COLLECTED], config.stash.get(RAN, {})
    return idle.use_of(config, target, waiver, collected, ran)


def _survey(session: pytest.Session) -> Answers:
    stored = session.config.stash.get(REPLAYED, None)
    if stored is not None:
        session.stash[SURVEY] = stored.replay
    if SURVEY not in session.stash:
        from pytest_nodered_sec.survey.survey import Survey  # asks over the network: only when a test needs it

        targets: tuple[Target, ...] = session.config.stash.get(TARGETS, ())
        session.stash[SURVEY] = Survey(session.config.stash.get(ATTEMPTS, None), targets)
    return session.stash[SURVEY]


def _ahead(session: pytest.Session) -> Ahead:
    if _AHEAD not in session.stash:
        session.stash[_AHEAD] = Ahead(session, _survey(session))
        session.config.pluginmanager.register(session.stash[_AHEAD], "nodered-sec-ahead")
    return session.stash[_AHEAD]


def _carriers(session: pytest.Session) -> Carriers:
    if _CARRIED not in session.stash:
        session.stash[_CARRIED] = Carriers(() if _may_stop(session.config) else session.items, _survey(session))
    return session.stash[_CARRIED]


def _may_stop(config: pytest.Config) -> bool:
    """Whether the run may end before the case that others would name (-x, --maxfail, --sw)."""
    return bool(config.option.maxfail or getattr(config.option, "stepwise", False))


def let_go(session: pytest.Session, target: Target, kept: list[Ask]) -> None:
    """Let go of what was seen of a target, but for the answers to some questions."""
    if SURVEY in session.stash:
        session.stash[SURVEY].let_go(target, kept)


def close(session: pytest.Session) -> None:
    """End the survey, if it was started."""
    if SURVEY in session.stash:
        session.stash[SURVEY].close()


def host(config: pytest.Config, target: Target) -> Any:  # Any: testinfra is imported only when a test asks for a host
    """Return testinfra's host for a target; this machine only for `local://`.

    Raises:
        ProbeError: no host was given, testinfra does not know the backend, or the run is a replay.
    """
    if REPLAYED in config.stash:
        raise ProbeError(
            "a replay opens no connection, and the evidence does not keep what a test asked its host", Cause.NOT_ASKED
        )
    if target.host is None:
        raise ProbeError(f"no host given for {target.name}: add --nodered-host=ssh://USER@HOST", Cause.UNIDENTIFIED)
    from pytest_nodered_sec.probes.host.backend import host_of

    return host_of(target.host)


def http(session: pytest.Session, target: Target) -> TargetSession:
    """Return a requests session bound to a target.

    Raises:
        ProbeError: it cannot be reached, or the run is a replay.
    """
    from pytest_nodered_sec.probes.transport.session import TargetSession  # imports requests

    return TargetSession(_station(session, target))


def account_http(session: pytest.Session, target: Target) -> AbstractContextManager[TargetSession]:
    """Return a context in which a requests session is logged in with the site's account.

    Raises:
        ProbeError: the target cannot be reached, or an evidence folder is judged again. Entering the context: no
            account, or one that cannot be used.
    """
    running = session.config.stash.get(LAB, [])
    named = any(
        deployment["url"] == target.url and not Path(deployment["name"]).is_absolute() for deployment in running
    )  # no site's directory
    if named and target.credentials is None:
        raise ProbeError(
            f"{target.name}: this deployment of the lab has no login, so nodered_account_http has no account; "
            "--nodered-lab=hardened has one",
            Cause.UNAVAILABLE,
        )
    from pytest_nodered_sec.probes.login.own import account_session  # imports requests

    return account_session(_station(session, target))


def _station(session: pytest.Session, target: Target) -> Station:
    if REPLAYED in session.config.stash:
        raise ProbeError(
            "a replay sends no requests, and the evidence does not keep what this test requested", Cause.NOT_ASKED
        )
    survey = _survey(session)
    assert hasattr(survey, "station")  # noqa: S101  the survey itself: a replay has none
    station: Station = survey.station(target)
    return station
