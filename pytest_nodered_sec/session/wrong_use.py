"""What would be ignored in silence: options of a run without a target, and variables that are nearly ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec import redaction
from pytest_nodered_sec.credentials import named_secret
from pytest_nodered_sec.session.options import OPTIONS, beside, key_of
from pytest_nodered_sec.session.settings import REPORTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.session.run import Run
    from pytest_nodered_sec.session.settings import Settings

_ALWAYS: Final = ("plan", "audit", "fix", "control", "shard", "baseline", *REPORTS)  # addopts included
_TYPED: Final = ("policy", *(option.name for option in OPTIONS if option.sets))  # addopts may hold them for other runs

_SHORT: Final = {  # variables that are no slip of the keys, and that others use, too; so they are told, not refused
    "NODERED_USER": "NODERED_USERNAME",
    "NODERED_PASS": "NODERED_PASSWORD",
    "NODERED_PASSWD": "NODERED_PASSWORD",
    "NODERED_PW": "NODERED_PASSWORD",
    "NODERED_CA": "NODERED_CA_FILE",
    "NODERED_CA_CERT": "NODERED_CA_FILE",
    "NODERED_POLICY_FILE": "NODERED_POLICY",
}


def mistake(said: str) -> pytest.UsageError:
    """Return the usage error of a mistake in the settings, without the environment's secrets.

    It quotes what the policy says, in a `reason` for instance, and may come before any account is read.

    Args:
        said: what is wrong, and where.
    """
    for name, value in os.environ.items():
        if named_secret(name):
            redaction.learn(value)
    return pytest.UsageError(redaction.scrub_told(said))  # a date stays one where a password is 12


def refuse_without_a_target(config: pytest.Config, settings: Settings, *, dropped: bool) -> None:
    """Refuse the options of a run that has no target.

    Args:
        config: pytest's.
        settings: of the run.
        dropped: whether targets were named, and the site's hook dropped them all.

    Raises:
        pytest.UsageError: one is given.
    """
    suite = settings.one("suite", "with")
    if suite == "only" or (suite == "with" and settings.typed("suite")):
        raise pytest.UsageError(
            f"--nodered-suite={suite} needs a target: add --nodered-url=https://HOST or --nodered-lab{_above(config)}"
        )
    named = [name for name in _ALWAYS if getattr(config.option, key_of(name))]
    named += [name for name in _TYPED if not dropped and _is_typed(name, config.invocation_params.args)]
    if named:
        raise pytest.UsageError(
            f"--nodered-{named[0]} needs a target: add --nodered-url=https://HOST, or a [[target]] to the policy file"
            f"{_above(config)}"
        )


def _above(config: pytest.Config) -> str:
    """Return what may have been meant to name a target: a variable, or a policy file above where one is looked for."""
    if os.environ.get("NODERED_URI"):
        return "; NODERED_URI is set, and nothing reads it: did you mean NODERED_URL?"
    expected = beside(config)
    if config.option.nodered_policy or expected.is_file():
        return ""
    there = next((path for folder in expected.parent.parents if (path := folder / expected.name).is_file()), None)
    return f"; {there} is not read from here: run pytest beside it, or add --nodered-policy={there}" if there else ""


def _is_typed(name: str, args: Iterable[str]) -> bool:
    flag = f"--nodered-{name}"
    return any(arg == flag or arg.startswith(f"{flag}=") for arg in args)


def unread(run: Run) -> list[str]:
    """Return a sentence for each variable that is set, that nothing reads, and whose namesake the run lacks."""
    return [
        f"{name} is set, and nothing reads it; did you mean {meant}?"
        for name, meant in _SHORT.items()
        if os.environ.get(name) and any(_lacks(run, target, meant) for target in run.targets)
    ]


def _lacks(run: Run, target: Target, variable: str) -> bool:
    if variable == "NODERED_POLICY":
        return run.file is None
    return not target.ca_file if variable == "NODERED_CA_FILE" else target.credentials is None
