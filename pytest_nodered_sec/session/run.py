"""A run's settings and targets, and the lines of its header."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import redaction
from pytest_nodered_sec.policy.assessment import NO_ASSESSMENT
from pytest_nodered_sec.results.fleet import Fleet
from pytest_nodered_sec.session.settings import severity
from pytest_nodered_sec.texts import counted, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.policy.assessment import Assessment
    from pytest_nodered_sec.policy.file import PolicyFile
    from pytest_nodered_sec.session.settings import Settings
    from pytest_nodered_sec.session.targets import Prepared

_HTTPS: Final = 443


@dataclass(frozen=True)
class Run:
    """A run's settings and targets.

    Attributes:
        settings: what options, environment and ini file say.
        file: the policy file, if there is one.
        prepared: targets made from the settings.
        targets: targets after the hook.
        fail_on: lowest severity whose findings fail the run.
        assessment: who assesses what, and by what right.
        fleet: all targets, of which a shard has a part.
        omitted: names of the policy file's targets that the run leaves out.
    """

    settings: Settings
    file: PolicyFile | None
    prepared: tuple[Prepared, ...]
    targets: tuple[Target, ...]
    fail_on: str
    assessment: Assessment = NO_ASSESSMENT
    fleet: Fleet = field(default_factory=Fleet)
    omitted: tuple[str, ...] = ()

    @property
    def left_out(self) -> str:
        """What this shard leaves to the others, "" where the run is no shard."""
        return self.fleet.left_out({target.name for target in self.targets})

    @property
    def away(self) -> str:
        """Which targets are not in this run although they belong to it, "" for none."""
        number = len(self.omitted)
        omitted = f"the run leaves out {counted(number, 'target')} of the policy file" if number else ""
        return self.left_out or self.fleet.missing({target.name for target in self.targets}) or omitted


def policies_of(run: Run) -> dict[str, str]:
    """Return the effective policy of each target, by name: one `[[target]]` table each, every value with its source."""
    from pytest_nodered_sec.policy import show

    known = {prepared.target.name: prepared for prepared in run.prepared}
    texts: dict[str, str] = {}
    for target in run.targets:
        before = known.get(target.name)
        sources = before.effective.sources if before else {}
        texts[target.name] = show.policy_as_toml(target, before.target if before else None, sources)
    return texts


def demands_of(run: Run) -> dict[str, str]:
    """Return of each target, by name, its URL and the digest of what is demanded of it."""
    from pytest_nodered_sec.policy.show import digest

    return {target.name: f"{target.url} {digest(target.policy)}" for target in run.targets}


def other_demands(run: Run, controllers: Mapping[str, str]) -> str:
    """Return how an xdist worker's run differs from its controller's, which writes the reports; "" if it does not.

    A worker on another machine has the command line, but neither the variables nor the ini file of its controller.

    Args:
        run: the worker's.
        controllers: what `demands_of` says there.
    """
    own = demands_of(run)
    differ = sorted(name for name in {**own, **controllers} if own.get(name) != controllers.get(name))
    if not differ:
        return ""
    more = f" and {len(differ) - 1} more" if len(differ) > 1 else ""
    return (
        f"this xdist worker and its controller have different targets or policies ({differ[0]}{more}): variables and "
        "ini values do not reach a worker on another machine; give --nodered-policy=FILE, with its whole path, and the "
        "same file on both"
    )


def said(run: Run) -> dict[str, Any]:
    """Return the policy keys that options and environment set, and their values; they are the same for all targets."""
    layers = (run.settings.layer(source)[1] for source in ("environment", "option"))
    return {key: value for layer in layers for key, value in layer.items()}


_OF_THE_LAB: Final = "of the lab, URL, ports, front and ca_file come with the run: these are placeholders"


def policies_as_toml(run: Run) -> str:
    """Return the effective policies of all targets as one policy file.

    Raises:
        pytest.UsageError: there is no target.
    """
    if not run.targets:
        raise pytest.UsageError(
            "--nodered-show-policy needs a target: add --nodered-url=https://HOST, or a [[target]] to the policy file"
        )
    tables = map(redaction.scrub_policy, (run.assessment.toml(), *policies_of(run).values()))
    lab = f"# {_OF_THE_LAB}\n" if run.settings.many("lab") else ""
    return f'{lab}fail_on = "{run.fail_on}"  # {_source_of_fail_on(run)}\n\n' + "\n".join(filter(None, tables))


def _source_of_fail_on(run: Run) -> str:
    source = run.settings.sources["fail-on"] if severity(run.settings) else "default"
    return "policy file" if run.file and run.file.fail_on and source in ("ini", "default") else source


def header(run: Run, version: str, today: date) -> list[str]:
    """Return the header lines: the settings with their sources, and what is demanded of each target."""
    from pytest_nodered_sec.policy.show import digest

    file = f"policy file {run.file.path}, " if run.file else ""
    lines = [f"nodered-sec: {version}, {file}settings: {run.settings.described() or 'defaults only'}"]
    lines += [f"nodered-sec: assessment: {run.assessment.line()}"] if run.assessment else []
    lines += [f"nodered-sec: {run.left_out}"] if run.left_out else []
    lines += [f"nodered-sec: not looked at, of the policy file: {listed(run.omitted)}"] if run.omitted else []
    for target in run.targets:
        policy = target.policy
        if target.flows:
            lines.append(f"nodered-sec: target {target.name}: flows of {target.flows}, policy {digest(policy)[:12]}")
        else:
            lines.append(
                f"nodered-sec: target {target.name}: {target.url}, profile {policy.profile}, editor {policy.editor}, "
                f"admin API {policy.admin_api}, policy {digest(policy)[:12]}"
            )
        lines += [f"nodered-sec:   deviation: {deviation.line()}" for deviation in policy.deviations]
        lines += [f"nodered-sec:   waiver: {waiver.line(today)}" for waiver in policy.waivers]
        lines += [f"nodered-sec:   attestation: {attestation.line(today)}" for attestation in policy.attestations]
    return lines + _waivers_counted(run, today)


def _waivers_counted(run: Run, today: date) -> list[str]:
    """Return one line with the number of waivers and the next to expire; no line without waivers."""
    waivers = [(waiver.expires, target.name, waiver) for target in run.targets for waiver in target.policy.waivers]
    if not waivers:
        return []
    parts = [f"{len(waivers)} waiver{'s' if len(waivers) > 1 else ''}"]
    live = [entry for entry in waivers if entry[2].in_force(today)]
    if len(live) < len(waivers):
        parts.append(f"{len(waivers) - len(live)} expired")
    if live:
        expires, name, waiver = min(live, key=lambda entry: entry[:2])
        left = (expires - today).days
        parts.append(f"next to expire: {waiver} of {name} after {expires} ({counted(left, 'day')} left)")
    return [f"nodered-sec: {', '.join(parts)}"]


def expired(targets: tuple[Target, ...], today: date) -> str:
    """Return in one line which waivers have expired, "" for none."""
    ended = [(waiver, target.name) for target in targets for waiver in target.policy.waivers]
    ended = [(waiver, name) for waiver, name in ended if not waiver.in_force(today)]
    if not ended:
        return ""
    verb = "waivers have" if len(ended) > 1 else "waiver has"
    named = listed([f"{waiver} of {name} after {waiver.expires}" for waiver, name in ended])
    return f"{len(ended)} {verb} expired: {named}"


def assumed(targets: tuple[Target, ...], shut: Collection[str]) -> str:
    """Return in one line where Node-RED's own port was only assumed, "" for nowhere.

    Whoever has the URL's port changed has probably not left the others as they were; a port that nothing has is shut.

    Args:
        targets: of the run.
        shut: names of those at which proxy-01 passed.
    """
    odd = [target for target in targets if target.tls and target.port != _HTTPS and target.name in shut]
    odd = [target for target in odd if "direct_port" in target.assumed_ports]
    if not odd:
        return ""
    both = "http_port" in odd[0].assumed_ports
    ports = f"{odd[0].direct_port} and {odd[0].http_port}" if both else str(odd[0].direct_port)
    options = "--nodered-direct-port" + " and --nodered-http-port" * both
    return (
        f"{listed([target.name for target in odd])}: the URL has a port of its own, and nothing answers at {ports}: if "
        f"Node-RED{' or plain HTTP' * both} has another one, too, set {options}, or proxy-01 proves nothing"
    )
