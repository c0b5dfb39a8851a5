"""Targets of the lab: what is expected of each deployment, and how to reach it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.model import HttpSettings
from pytest_nodered_sec.session.targets import Prepared, target_of, with_bare_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_nodered_sec.lab import RunningDeployment
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.policy.file import PolicyFile
    from pytest_nodered_sec.session.settings import Settings


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
        prepared.append(Prepared(_with_accounts(replace(target, http=http), deployment), values))
    alone = (
        len(prepared) == 1 and Path(deployment.name).is_absolute()
    )  # a site's own directory, with accounts that only the site knows
    return with_bare_credentials(prepared) if alone else prepared


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
