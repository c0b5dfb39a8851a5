"""The lab in a run: starting it, packing it, and its targets: what is expected of each, and how to reach it."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import private
from pytest_nodered_sec.model import HttpSettings
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.session.settings import only_shows, resolve
from pytest_nodered_sec.session.state import LAB
from pytest_nodered_sec.session.targets import Prepared, target_of, with_bare_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from pytest_nodered_sec.lab import RunningDeployment
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.policy.file import PolicyFile
    from pytest_nodered_sec.session.settings import Settings

_UNIX: Final = ("fcntl", "grp", "pwd", "resource", "termios")  # modules that exist on Unix only


def prepare_lab(
    settings: Settings, file: PolicyFile | None, deployments: Iterable[RunningDeployment]
) -> list[Prepared]:
    """Return a target for each running deployment of the lab; options override its expectations."""
    from pytest_nodered_sec.policy.merge import effective

    prepared: list[Prepared] = []
    for deployment in deployments:
        values = effective(
            [
                ("lab", _where_it_runs(deployment)),
                settings.layer("option"),
                ("lab", dict(deployment.expect)),
                settings.layer("environment"),
                *(file.layers(None) if file else []),
                settings.layer("ini"),
            ]
        )
        target = target_of(deployment.label, deployment.url, values, {})
        # port 9229 itself may be in use on a developer's machine
        http = HttpSettings(ports={9229: deployment.inspector_port}, client_certificate=deployment.client_certificate)
        target = replace(target, http=http, connect=target.connect or _listens_at())
        prepared.append(Prepared(_with_accounts(target, deployment), values))
    alone = (
        len(prepared) == 1 and Path(deployment.name).is_absolute()
    )  # a site's own directory, with accounts that only the site knows
    return with_bare_credentials(prepared) if alone else prepared


def _listens_at() -> str | None:
    """Return where all of the lab listens, if the name localhost has another address as well: ::1, as on Debian."""
    try:
        infos = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
    except OSError:  # whoever asks the target is told
        return None
    return "127.0.0.1" if any(family == socket.AF_INET6 for family, *_ in infos) else None


def _with_accounts(target: Target, deployment: RunningDeployment) -> Target:
    from pytest_nodered_sec.model import Credentials

    own = (lambda: Credentials(*deployment.credentials())) if deployment.has_login else None
    operator = (
        (lambda: Credentials(deployment.dashboard_user, deployment.credentials()[1]))
        if deployment.dashboard_user
        else None
    )
    return replace(target, credentials=own, dashboard_credentials=operator)


def _where_it_runs(deployment: RunningDeployment) -> dict[str, Any]:
    return {
        "front": deployment.proxy or None,
        "admin_root": deployment.admin_root,
        "node_root": deployment.node_root,
        "http_port": deployment.http_port,
        "direct_port": deployment.direct_port,
        "ca_file": deployment.ca_file,
        "inside.user_dir": deployment.user_dir,
    }


def lab_placeholders(settings: Settings, expected: Mapping[str, Mapping[str, Any]]) -> list[Prepared]:
    """Return targets with the same names and cases for a run that only collects, without starting the lab.

    Args:
        settings: options, environment and ini.
        expected: the policy values expected of each deployment, by label.
    """
    from pytest_nodered_sec.policy.merge import effective

    prepared: list[Prepared] = []
    for label, expect in expected.items():
        layers = [settings.layer("option"), ("lab", expect), settings.layer("environment"), settings.layer("ini")]
        values = effective(layers)
        prepared.append(Prepared(target_of(label, "https://localhost", values, {}), values))
    return prepared


def lab_of(config: pytest.Config, settings: Settings, file: PolicyFile | None) -> list[Prepared]:
    """Start the lab where the run names it, and return its targets; a worker takes those of its controller.

    Raises:
        pytest.UsageError: it does not start.
    """
    specs = settings.many("lab")
    if not specs:
        return []
    if config.option.nodered_init:
        raise pytest.UsageError(
            "--nodered-init writes a policy for a lasting deployment, and the lab ends with this run: name "
            "yours with --nodered-url=https://HOST, and leave --nodered-lab out"
        )
    lab = package()
    try:
        if hasattr(config, "workerinput"):
            running_lab = json.loads(config.workerinput["nodered_lab"])
        elif only_shows(config):
            parsed = [lab.parse(spec) for spec in specs]
            return lab_placeholders(settings, {spec.label: lab.expectations(spec.name) for spec in parsed})
        else:
            running = lab.start(specs, say=lambda line: _say(config, line))
            config.add_cleanup(running.stop)
            running_lab = [deployment.as_dict() for deployment in running.deployments]
        config.stash[LAB] = running_lab
        return prepare_lab(settings, file, [lab.RunningDeployment.from_dict(values) for values in running_lab])
    except lab.LabError as error:
        raise pytest.UsageError(str(error)) from None


def package() -> ModuleType:
    """Return the package of the lab.

    Raises:
        pytest.UsageError: it does not run on this platform.
    """
    try:
        from pytest_nodered_sec import lab
    except ModuleNotFoundError as error:
        if error.name not in _UNIX:
            raise
        raise pytest.UsageError(
            f"--nodered-lab runs on Linux and macOS (on Windows in WSL): this Python has no module {error.name}; "
            "name a Node-RED of your own with --nodered-url=https://HOST"
        ) from None
    return lab


def pack(config: pytest.Config, file: Path) -> None:
    """Write an archive of what the lab's deployments need; of a fresh installation where none is named."""
    lab = package()
    try:
        specs = resolve(config).many("lab") or ("fresh",)
        lab.pack(specs, file.expanduser(), say=lambda line: _say(config, line))
    except (lab.LabError, PolicyError) as error:
        raise pytest.UsageError(str(error)) from None
    sys.stdout.write(f"{file}: give it to another machine's runs with PYTEST_NODERED_LAB_NPM={file.name}\n")


def _say(config: pytest.Config, line: str) -> None:
    """Print a line of progress immediately, bypassing pytest's capture."""
    with private.past_capture(config):
        sys.stderr.write(f"nodered-sec: {line}\n")
        sys.stderr.flush()
