"""Where a target's credentials come from: environment variables, or a command such as a vault's.

Values are read when a look needs them, registered with `redaction` at once, and never shown.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMAND_LIMIT: Final = 60.0  # seconds; a vault may ask a person to touch a key
# What a command is given of our environment: where programs, settings, sockets and temporary files are. Passwords of
# other targets, proxies and CA bundles are not among it.
_PASSED_ON: Final = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "TEMP", "TMP"),
        *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
        *("SSH_AUTH_SOCK", "GNUPGHOME", "GPG_TTY", "DISPLAY", "WAYLAND_DISPLAY"),
        *("SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "HOMEDRIVE", "HOMEPATH"),  # of Windows
        *("APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES"),
    )
)
_SECRET: Final = re.compile(
    r"PASS(WORD|WD|PHRASE)?(_|$)|_PW(D?_|$)|SECRET|TOKEN|CREDENTIAL|AUTH(_|$)|(API|ACCESS|PRIVATE|SIGNING)_?KEY|COOKIE|JWT",
    re.IGNORECASE,
)


def named_secret(name: str) -> bool:
    """Whether a variable of that name holds a secret, as its name goes."""
    return _SECRET.search(name) is not None


def missing(prefix: str, *, dashboards: bool = False) -> str:
    """Return what is wrong with the variables `PREFIX_USERNAME`, `_PASSWORD` and `_TOKEN`, "" where nothing is.

    Args:
        prefix: what their names begin with.
        dashboards: whether it is the dashboards' account, which may be `PREFIX_COOKIE` instead.
    """
    username, password, token = _variables(prefix)
    if dashboards and os.environ.get(f"{prefix}_COOKIE"):
        return f"{prefix}_COOKIE and another of its variables are set; set one" if username or password or token else ""
    if token and (username or password):
        return f"{prefix}_TOKEN and {prefix}_USERNAME or _PASSWORD are set; set the one or the others"
    if not token and not (username and password):
        wanted = f"{prefix}_PASSWORD" if username else f"{prefix}_USERNAME"
        return f"{wanted} is not set; set {prefix}_USERNAME and {prefix}_PASSWORD, or {prefix}_TOKEN"
    return ""


def given(prefix: str) -> bool:
    """Whether any of a prefix's variables is set."""
    return any(_variables(prefix))


def from_environment(prefix: str, *, dashboards: bool = False) -> Credentials:
    """Read the variables of a prefix that `missing` has found to be complete."""
    cookie = os.environ.get(f"{prefix}_COOKIE", "") if dashboards else ""
    username, password, token = _variables(prefix)
    kind = "cookie" if cookie else "token" if token else "password"
    return Credentials(username, password, token, cookie, f"the {kind} in {prefix}_{kind.upper()}")


def _variables(prefix: str) -> tuple[str, str, str]:
    username, password, token = (os.environ.get(f"{prefix}_{name}", "") for name in ("USERNAME", "PASSWORD", "TOKEN"))
    return username, password, token


def from_command(argv: Sequence[str], variables: Sequence[str] = (), *, dashboards: bool = False) -> Credentials:
    """Run a command whose output is `{"username": …, "password": …}` or `{"token": …}`, as JSON.

    It inherits only the few environment variables that most programs need, so that it sees no other target's password.

    Args:
        argv: program and arguments; no shell.
        variables: names of further environment variables that it inherits.
        dashboards: whether it is for the dashboards' account, for which it may print `{"cookie": …}` instead.

    Raises:
        ProbeError: it cannot be run, fails, takes over 60 s, or says something else. Its output is not shown.
    """
    what = f"the command of {'dashboard_' if dashboards else ''}credentials ({argv[0]})"
    try:
        done = subprocess.run(  # noqa: S603  the site's own command, from its policy file, without a shell
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_LIMIT,
            check=False,
            env=harmless(variables),
        )
    except OSError as error:
        raise ProbeError(f"{what} cannot be run: {error.strerror}", Cause.UNAVAILABLE) from None
    except subprocess.TimeoutExpired:
        raise ProbeError(f"{what} took over {_COMMAND_LIMIT:.0f} s", Cause.TIMEOUT) from None
    if done.returncode:
        raise ProbeError(f"{what} ended with status {done.returncode}{_missed(variables)}", Cause.UNAVAILABLE)
    try:
        said = json.loads(done.stdout)
        known = isinstance(said, dict) and all(isinstance(value, str) for value in said.values())
        ways = ({"token"}, {"username", "password"}, *(({"cookie"},) if dashboards else ()))
        if known and set(said) in ways:
            return Credentials(**said, origin=f"what {what} prints")
    except ValueError:
        pass
    or_cookie = ' or {"cookie": …}' if dashboards else ""
    raise ProbeError(
        f'{what} must print {{"username": …, "password": …}} or {{"token": …}}{or_cookie} as JSON, and nothing else',
        Cause.UNAVAILABLE,
    )


def harmless(variables: Sequence[str] = ()) -> dict[str, str]:
    """Return the part of our environment that any program may see, with the variables named."""
    names = {*_PASSED_ON, *variables}
    return {name: value for name, value in os.environ.items() if name in names or name.startswith("LC_")}


def without_secrets(own: Sequence[str] = ()) -> dict[str, str]:
    """Return our environment without what is ours alone and what looks like a secret of somebody else's.

    Left out are NODERED_*, values that hold a secret that was learnt, and names that say that they hold one: an ssh
    client may hand its environment on (SendEnv), and a container's client needs no vault's token. What any program may
    see stays: a password may be "usr", and stand in PATH.

    Args:
        own: beginnings of names that are the program's own, such as "DOCKER_": these it gets.
    """
    theirs = tuple(own)
    return harmless() | {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NODERED_")
        and (redaction.scrub_told if name.startswith(theirs) else redaction.scrub)(value) == value
        and (name.startswith(theirs) or not _SECRET.search(name))
    }


def _missed(variables: Sequence[str]) -> str:
    """Return what the command may have missed in its environment, as the end of a sentence."""
    unset = [name for name in variables if name not in os.environ]
    if unset:
        return f"; {', '.join(unset)} of its environment is not set"
    if variables:
        return ""
    return '; if it needs environment variables, name them: credentials = {command = […], environment = ["VAULT_ADDR"]}'
