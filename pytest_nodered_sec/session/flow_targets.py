"""Targets that are files of flows: judged alone, without a deployment, by the same controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.session.targets import Prepared, target_of

if TYPE_CHECKING:
    from pytest_nodered_sec.policy.file import PolicyFile
    from pytest_nodered_sec.session.settings import Settings


def prepare_flows(settings: Settings, file: PolicyFile | None) -> list[Prepared]:
    """Return a target for each file or folder of flows, named after it; the policy is what holds for every target.

    Raises:
        PolicyError: there is no such file, or it cannot be read or is not JSON.
    """
    places = tuple(dict.fromkeys(settings.many("flows")))
    if not places:
        return []
    from pytest_nodered_sec.policy.merge import effective
    from pytest_nodered_sec.probes.flows import file as flow_file

    for place in places:
        if not Path(place).exists():
            raise settings.places["flows"].says(place, "there is no such file or folder")
        try:
            flow_file.check(place)
        except ProbeError as error:
            raise PolicyError(f"{settings.places['flows'].name}: {error.message}") from None
    names = [Path(place).resolve().name for place in places]
    layers = [settings.layer("option"), settings.layer("environment"), *(file.layers(None) if file else [])]
    values = effective([*layers, settings.layer("ini")])
    prepared: list[Prepared] = []
    for place, short in zip(places, names, strict=True):
        name = short if names.count(short) == 1 else place
        target = target_of(name, f"file:{place}", values, {})
        prepared.append(Prepared(replace(target, flows=place, host=None, credentials=None), values))
    return prepared
