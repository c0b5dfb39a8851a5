"""Where a target's credentials come from: environment variables, or a command such as a vault's.

Values are read when a look needs them, learnt by `redaction` at once, and never shown.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMAND_LIMIT: Final = 60.0  # seconds; a vault may ask a person to touch a key


@dataclass(frozen=True)
class Credentials:
    """An account of the target: user name and password, or a token; neither is ever shown.

    Attributes:
        username: account name, "" with a token.
        password: its password.
        token: a bearer token of Node-RED's admin API.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        redaction.learn(self.password, username=self.username)
        redaction.learn(self.token)


def missing(prefix: str) -> str:
    """Return what is wrong with the variables `PREFIX_USERNAME`, `_PASSWORD` and `_TOKEN`, "" where nothing is."""
    username, password, token = _variables(prefix)
    if token and (username or password):
        return f"{prefix}_TOKEN and {prefix}_USERNAME or _PASSWORD are set; set the one or the others"
    if not token and not (username and password):
        wanted = f"{prefix}_PASSWORD" if username else f"{prefix}_USERNAME"
        return f"{wanted} is not set; set {prefix}_USERNAME and {prefix}_PASSWORD, or {prefix}_TOKEN"
    return ""


def given(prefix: str) -> bool:
    """Whether any of a prefix's variables is set."""
    return any(_variables(prefix))


def from_environment(prefix: str) -> Credentials:
    """Read the variables of a prefix that `missing` has found to be complete."""
    username, password, token = _variables(prefix)
    return Credentials(username, password, token)


def _variables(prefix: str) -> tuple[str, str, str]:
    username, password, token = (os.environ.get(f"{prefix}_{name}", "") for name in ("USERNAME", "PASSWORD", "TOKEN"))
    return username, password, token


def from_command(argv: Sequence[str], target: str) -> Credentials:
    """Run a command whose output is `{"username": …, "password": …}` or `{"token": …}`, as JSON.

    Args:
        argv: program and arguments; no shell.
        target: name of the target, for the sentence.

    Raises:
        ProbeError: it cannot be run, fails, takes over 60 s, or says something else. Its output is not shown.
    """
    what = f"the credentials command of {target} ({argv[0]})"
    try:
        done = subprocess.run(  # noqa: S603  the site's own command, from its policy file, without a shell
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_LIMIT, check=False
        )
    except OSError as error:
        raise ProbeError(f"{what} cannot be run: {error.strerror}", Cause.UNAVAILABLE) from None
    except subprocess.TimeoutExpired:
        raise ProbeError(f"{what} took over {_COMMAND_LIMIT:.0f} s", Cause.TIMEOUT) from None
    if done.returncode:
        raise ProbeError(f"{what} ended with status {done.returncode}", Cause.UNAVAILABLE)
    try:
        said = json.loads(done.stdout)
        known = isinstance(said, dict) and all(isinstance(value, str) for value in said.values())
        if known and (set(said) == {"token"} or set(said) == {"username", "password"}):
            return Credentials(**said)
    except ValueError:
        pass
    raise ProbeError(
        f'{what} must print {{"username": …, "password": …}} or {{"token": …}} as JSON, and nothing else',
        Cause.UNAVAILABLE,
    )
