"""The entry point, loaded by every pytest run of the environment: options, fixtures, and whether any of it is used.

Until it is, one module of options is imported besides this, and nothing is opened, written or printed; then
`session.hooks` is registered. pytest rewrites the asserts of neither module (PYTEST_DONT_REWRITE): there are none.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.session import options

if TYPE_CHECKING:
    import warnings
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    import requests

    from pytest_nodered_sec.lab import RunningDeployment
    from pytest_nodered_sec.model import Observation, Target
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.observations.channels import ChannelAttempt
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.session.state import Turn

_SUITE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "suite")  # noqa: PTH118, PTH120  pathlib costs more
_HOOKS = "nodered-sec-hooks"
_CASE = "_nodered_case"
_MARK = "nodered_control"
_SEVERITIES = ("critical", "high", "medium", "low")  # of `verdict`, which is imported only where it is used


class Hooks:
    """The one hook that a site implements, in a `conftest.py` that pytest loads at start."""

    @pytest.hookspec(firstresult=True)
    def pytest_nodered_targets(self, config: pytest.Config, targets: Sequence[Target]) -> Sequence[Target] | None:
        """Return the targets of the run: those named by options and policy file, added to, dropped or replaced.

        Args:
            config: pytest's.
            targets: what options and policy file name.

        Returns:
            The run's targets, or None to leave them alone.
        """


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    options.name_the_defaults(early_config, parser, args)
    if redaction := sys.modules.get("pytest_nodered_sec.redaction"):  # another run of this process has loaded it
        redaction.come()
    yield  # after which the options of a site's own conftest.py are known
    options.refuse_misspelt(parser, args)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    code: int | None = _hooks().command(config) if _is_used(config) else None
    return code


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARK}(control): a security control; set it with @control")
    for severity in _SEVERITIES:
        config.addinivalue_line("markers", f"nodered_{severity}: a control of this severity; set it with @control")
    config.pluginmanager.register(Cases(config), "nodered-sec-cases")
    if _is_used(config) or any(map(_names_the_suite, config.args)):
        _register(config)


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(collection_path: Path) -> bool | None:
    # The suite hangs below the session, if at all; as a directory of somebody's project it is not collected.
    return True if collection_path.name == "suite" and str(collection_path) == _SUITE else None


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Wake up late where a test takes a fixture of ours, or is a control, in a run that names no target."""
    if metafunc.config.pluginmanager.has_plugin(_HOOKS):
        return
    if _CASE in metafunc.fixturenames or metafunc.definition.get_closest_marker(_MARK):
        _register(metafunc.config).pytest_generate_tests(metafunc)


def pytest_warning_recorded(warning_message: warnings.WarningMessage, when: str) -> None:
    if when == "config":  # where pytest says which ini keys nobody knows
        options.refuse_misspelt_key(str(warning_message.message))


def _is_used(config: pytest.Config) -> bool:
    """Whether an option, a variable, an ini value, a policy file or the hook asks for anything of ours."""
    return (
        options.given(config)
        or any(name.startswith("NODERED_") for name in os.environ)
        or bool(config.hook.pytest_nodered_targets.get_hookimpls())
    )


def _names_the_suite(arg: str) -> bool:
    """Whether an argument is a test of the suite: its id as printed, or its file, as editors name it."""
    path = arg.partition("::")[0]
    return path.startswith(_SUITE) or (path.startswith("nodered-sec/") and not os.path.exists(path))  # noqa: PTH110  as above


def _hooks() -> Any:  # Any: a module that is not imported for its type
    from pytest_nodered_sec.session import hooks

    return hooks


def _register(config: pytest.Config) -> Any:  # Any: as above
    """Register the hooks, once; pytest calls their `pytest_configure` at once."""
    if not config.pluginmanager.has_plugin(_HOOKS):
        config.pluginmanager.register(_hooks(), _HOOKS)
    return _hooks()


def _fixtures() -> Any:  # Any: as above
    from pytest_nodered_sec.session import fixtures

    return fixtures


class Cases:
    """Has the fixture that all others are made of, and pytest's config.

    It would have that from `request`, which costs a test as much as two fixtures: pytest makes three of it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.fixture
    def _nodered_case(self) -> Turn:
        """Target and question of this test case."""
        turn: Turn = _fixtures().turn(self._config)
        return turn


@pytest.fixture
def nodered_target(_nodered_case: Turn) -> Target:
    """The target of this test case (read-only: how it is asked is settled before the first look)."""
    target = _nodered_case.case.target
    assert target is not None  # noqa: S101  _nodered_case has failed otherwise; for the type checker
    return target


@pytest.fixture(scope="session")
def nodered_targets(request: pytest.FixtureRequest) -> tuple[Target, ...]:
    """All targets of the run."""
    targets: tuple[Target, ...] = _fixtures().targets(request.config)
    return targets


@pytest.fixture
def nodered_policy(_nodered_case: Turn, nodered_target: Target) -> Policy:
    """What this site demands of the target."""
    __tracebackhide__ = True
    policy: Policy = _fixtures().policy(_nodered_case.case, nodered_target)
    return policy


@pytest.fixture
def nodered_lab(request: pytest.FixtureRequest, nodered_target: Target) -> RunningDeployment:
    """The lab's deployment of this test case, where a test may act. At every other target the test is skipped."""
    deployment: RunningDeployment = _fixtures().lab(request.config, nodered_target)
    return deployment


@pytest.fixture
def nodered_seen(_nodered_case: Turn, nodered_target: Target) -> Observation:
    """The answer to the control's question; where it could not be had, an error."""
    __tracebackhide__ = True
    observation: Observation = _fixtures().seen(_nodered_case, nodered_target)
    return observation


@pytest.fixture
def nodered_attempt(nodered_seen: AccessAttempt) -> AccessAttempt:
    """`nodered_seen` of a control that asks for access to a path."""
    return nodered_seen


@pytest.fixture
def nodered_channel(nodered_seen: ChannelAttempt) -> ChannelAttempt:
    """`nodered_seen` of a control that asks for a WebSocket."""
    return nodered_seen


@pytest.fixture
def nodered_chain(nodered_seen: PresentedChain) -> PresentedChain:
    """`nodered_seen` of a control that asks for the certificate chain."""
    return nodered_seen


@pytest.fixture
def nodered_host(request: pytest.FixtureRequest, nodered_target: Target) -> Any:  # Any: testinfra is not imported
    """testinfra's host of this test case's target, for a site's own tests; an error where none was given."""
    return _fixtures().host(request.config, nodered_target)


@pytest.fixture
def nodered_http(request: pytest.FixtureRequest, nodered_target: Target) -> requests.Session:
    """A `requests.Session` bound to the target: relative URLs, its CA, proxy, time limit and pace; anonymous."""
    __tracebackhide__ = True
    session: requests.Session = _fixtures().http(request.session, nodered_target)
    return session


@pytest.fixture
def nodered_account_http(request: pytest.FixtureRequest, nodered_target: Target) -> Iterator[requests.Session]:
    """`nodered_http`, logged in with the site's account (Node-RED's token, or Basic), and logged out at the end."""
    __tracebackhide__ = True
    with _fixtures().account_http(request.session, nodered_target) as session:
        yield session
