"""From settings and policy file to targets; every mistake is reported in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from pytest_nodered_sec.data.vendor_ports import INSPECTOR, VENDOR_PORTS
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.results.fleet import Fleet, taken
from pytest_nodered_sec.session.settings import only_shows
from pytest_nodered_sec.texts import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_nodered_sec.model import Credentials
    from pytest_nodered_sec.policy.file import PolicyFile, TargetTable
    from pytest_nodered_sec.policy.merge import Effective
    from pytest_nodered_sec.session.settings import Settings


@dataclass(frozen=True)
class Prepared:
    """A target made from the settings, before the hook, with the effective values and their sources."""

    target: Target
    effective: Effective


def prepare(settings: Settings, file: PolicyFile | None) -> list[Prepared]:
    """Return the targets that the settings and the policy file name.

    Raises:
        PolicyError: an invalid setting.
    """
    if file is None and not settings.values:  # an unused plugin imports nothing more
        return []
    from pytest_nodered_sec.policy.file import PolicyFile

    file = file or PolicyFile()
    prepared = [_prepared(settings, file, url, table) for url, table in _named(settings, file)]
    return with_bare_credentials(prepared)


def _named(settings: Settings, file: PolicyFile) -> list[tuple[str, TargetTable | None]]:
    """Choose the URLs of command line or environment, else the policy file's targets, else the ini file's URLs."""
    urls = [_checked(settings, url) for url in settings.many("url")]
    strong = settings.sources.get("url") in ("option", "environment")
    if settings.many("target"):
        chosen = _chosen(settings, file)
        return [(table.url, table) for table in chosen] + (_of_urls(settings, file, urls) if strong else [])
    if strong or settings.many("lab") or settings.many("flows") or not file.targets:
        return _of_urls(settings, file, urls)
    return [(table.url, table) for table in file.targets]


def _of_urls(settings: Settings, file: PolicyFile, urls: Sequence[str]) -> list[tuple[str, TargetTable | None]]:
    """Return each URL with its table in the policy file, if any; several tables of one URL must be chosen by name."""
    named: list[tuple[str, TargetTable | None]] = []
    for url in urls:
        tables = [table for table in file.targets if _same(table.url) == _same(url)]
        if len(tables) > 1:
            names = ", ".join(_called(table) for table in tables[:3]) + (", …" if len(tables) > 3 else "")
            raise settings.places["url"].says(
                url,
                f"{len(tables)} targets of the policy file have this URL ({names}); choose one with "
                "--nodered-target=NAME",
            )
        named.append((url, tables[0] if tables else None))
    return named


def _called(table: TargetTable) -> str:
    return table.name or name_of(table.url)


def _chosen(settings: Settings, file: PolicyFile) -> list[TargetTable]:
    chosen: list[TargetTable] = []
    for selector in settings.many("target"):
        matching = [table for table in file.targets if table.chosen_by(selector, _called(table))]
        if not matching:
            there = _nearest(selector, file) if file.targets else "there is no policy file with a [[target]]"
            raise settings.places["target"].says(selector, f"no target has that name or label; {there}")
        chosen += [table for table in matching if table not in chosen]
    return chosen


def _nearest(selector: str, file: PolicyFile) -> str:
    """Return the name or label that was meant, else which targets there are."""
    names = list(map(_called, file.targets))
    labels = [f"{label}={value}" for table in file.targets for label, value in table.labels.items()]
    near = difflib.get_close_matches(selector, [*names, *labels], 1)
    return f"did you mean {near[0]}?" if near else f"the file has {listed(names)}"


def omitted(file: PolicyFile, targets: Iterable[Target]) -> tuple[str, ...]:
    """Return the names of the file's targets that are not among these."""
    there = {target.name for target in targets}
    return tuple(name for name in map(_called, file.targets) if name not in there)


def _same(url: str) -> str:
    """Return a URL in normal form, with its port, for comparison."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"


def _checked(settings: Settings, url: str) -> str:
    from pytest_nodered_sec.policy.urls import split_url

    return split_url(url, settings.places["url"]).geturl().rstrip("/")


def _prepared(settings: Settings, file: PolicyFile, url: str, table: TargetTable | None) -> Prepared:
    from pytest_nodered_sec.policy.merge import effective

    name = _called(table) if table else name_of(url)
    values = effective(
        [
            settings.layer("option"),
            settings.layer("environment"),
            *file.layers(table),
            settings.layer("ini"),
        ]
    )
    return Prepared(target_of(name, url, values, table.labels if table else {}, shown=settings.shown), values)


def target_of(name: str, url: str, values: Effective, labels: Mapping[str, str], *, shown: bool = False) -> Target:
    """Return a target made from its effective values; of one that is only shown the account may be missing.

    Raises:
        PolicyError: values that contradict each other.
    """
    from pytest_nodered_sec.policy.merge import policy_of

    policy = policy_of(name, values)
    if policy.certificate and not url.startswith("https:"):
        raise PolicyError(f"target {name}: sha256 pins a certificate, but {url} is not https")
    target = Target(
        name=name,
        url=url,
        policy=policy,
        admin_root=values.get("admin_root"),
        node_root=values.get("node_root"),
        find_roots=values.sources["admin_root"] == values.sources["node_root"] == "default",
        http_port=values.get("http_port"),
        direct_port=values.get("direct_port"),
        assumed_ports=tuple(key for key in ("http_port", "direct_port") if values.sources[key] == "default"),
        ca_file=values.get("ca_file"),
        timeout=values.get("timeout"),
        host=values.get("host"),
        connect=values.get("connect"),
        labels=labels,
        credentials=_credentials(name, values.get("credentials"), shown=shown),
        dashboard_credentials=_credentials(name, values.get("dashboard_credentials"), dashboards=True, shown=shown),
    )
    target = _without_own_ports(target)
    _check_ports(target)
    return target


def _without_own_ports(target: Target) -> Target:
    """Remove the target's own ports from the bundled list: it may be the product that uses one of them."""
    ports = target.policy.closed_ports
    own = {target.port, target.http_port, target.direct_port} - {INSPECTOR}
    if ports != tuple(VENDOR_PORTS) or not own & set(ports):
        return target
    left = tuple(port for port in ports if port not in own)
    return replace(target, policy=replace(target.policy, closed_ports=left))


def _check_ports(target: Target) -> None:
    for what, port in (
        ("the URL's", target.port),
        ("http_port", target.http_port),
        ("direct_port", target.direct_port),
    ):
        if port in target.policy.closed_ports:
            raise PolicyError(
                f"target {target.name}: closed_ports names {port}, which is {what}; remove it from closed_ports"
            )


def _credentials(
    name: str, source: Mapping[str, Any] | None, *, dashboards: bool = False, shown: bool = False
) -> Callable[[], Credentials] | None:
    if source is None:
        return None
    from pytest_nodered_sec import credentials

    if "command" in source:
        inherited = source.get("environment", ())
        return lambda: credentials.from_command(source["command"], inherited, dashboards=dashboards)
    trouble = credentials.missing(source["env"], dashboards=dashboards)
    if trouble and not shown:
        raise PolicyError(f"target {name}: {trouble}")
    # read now, so that it is redacted and no command of another target inherits it
    credentials.from_environment(source["env"], dashboards=dashboards)
    return lambda: credentials.from_environment(source["env"], dashboards=dashboards)


def with_bare_credentials(prepared: list[Prepared]) -> list[Prepared]:
    """Give the bare variables (NODERED_USERNAME …) to the run's only target; with several targets refuse them."""
    if not prepared:
        return prepared
    from pytest_nodered_sec import credentials

    if not credentials.given("NODERED"):
        return prepared
    if len(prepared) > 1:
        raise PolicyError(
            "NODERED_USERNAME, NODERED_PASSWORD and NODERED_TOKEN work for one target only, and there are "
            f'{len(prepared)}; write credentials = {{env = "PREFIX"}} below each [[target]]'
        )
    (single,) = prepared
    if single.target.credentials:
        return prepared
    trouble = credentials.missing("NODERED")
    if trouble:
        raise PolicyError(trouble)
    credentials.from_environment("NODERED")  # read now, so that it is redacted
    return [replace(single, target=replace(single.target, credentials=lambda: credentials.from_environment("NODERED")))]


def with_waivers(target: Target, file: PolicyFile | None) -> Target:
    """Return a target with the policy file's waivers and attestations for it, wherever the target comes from.

    Raises:
        PolicyError: two of them are the same.
    """
    if file is None:
        return target
    own = [waiver for table in file.targets if _called(table) == target.name for waiver in table.waivers]
    chosen = [waiver for selector, waiver in file.waivers if not selector or _means(selector, target)]
    waivers = (*target.policy.waivers, *own, *chosen)
    ids = [str(waiver) for waiver in waivers]
    twice = next((waiver_id for waiver_id in ids if ids.count(waiver_id) > 1), "")
    if twice:
        raise PolicyError(f"target {target.name}: two waivers are for {twice}; remove one")
    vouched = [
        attestation for table in file.targets if _called(table) == target.name for attestation in table.attestations
    ]
    vouched += [attestation for selector, attestation in file.attestations if not selector or _means(selector, target)]
    attestations = (*target.policy.attestations, *vouched)
    return replace(target, policy=replace(target.policy, waivers=waivers, attestations=attestations))


def _means(selector: str, target: Target) -> bool:
    from pytest_nodered_sec.policy.file import chosen_by

    return chosen_by(selector, target.name, target.labels)


def check_waivers(file: PolicyFile | None, targets: Sequence[Target]) -> None:
    """Refuse a waiver or an attestation for an unknown target, if the policy file names the site's targets.

    Raises:
        PolicyError: naming it.
    """
    if file is None:
        return
    _check_controls(file, targets)
    if not file.targets:
        return
    names = [_called(table) for table in file.targets]
    waived = [("waiver", selector, waiver.control) for selector, waiver in file.waivers]
    for kind, selector, control in [
        *waived,
        *(("attestation", to, attestation.control) for to, attestation in file.attestations),
    ]:
        known = any(table.chosen_by(selector, name) for table, name in zip(file.targets, names, strict=True))
        if selector and not known and not any(_means(selector, target) for target in targets):
            raise PolicyError(
                f"{file.called}: [[{kind}]] {control}: target = {selector}: no "
                f"target has that name or label; the file has {', '.join(names)}"
            )


def _check_controls(file: PolicyFile, targets: Sequence[Target]) -> None:
    """Refuse what misspells a control of the bundled suite; any other id may be a site's own control."""
    named = [("waiver", waiver.control) for _, waiver in file.waivers]
    named += [("waiver", waiver.control) for table in file.targets for waiver in table.waivers]
    named += [("waiver", waiver.control) for target in targets for waiver in target.policy.waivers]
    named += [("attestation", attestation.control) for _, attestation in file.attestations]
    named += [("attestation", attestation.control) for table in file.targets for attestation in table.attestations]
    if not named:
        return
    from pytest_nodered_sec.catalogue import bundled, meant_by

    for kind, control in named:
        meant = "" if control in bundled() else meant_by(control)
        if meant:
            raise PolicyError(
                f"{file.called}: [[{kind}]] control = {control}: there is no such control; did you mean {meant}?"
            )


def with_testinfra(target: Target, config: pytest.Config) -> Target:
    """Return a target with testinfra's options (--sudo, --ssh-config …) added to its host; existing ones win.

    Raises:
        PolicyError: a host is given, and testinfra or crossplane is not installed.
    """
    if target.host is None or only_shows(config):
        return target
    if find_spec("testinfra") is None or find_spec("crossplane") is None:
        raise PolicyError("checking a host needs testinfra and crossplane: pip install 'pytest-nodered-sec[host]'")
    given = dict(parse_qsl(target.host.partition("?")[2]))
    for name in ("sudo", "sudo_user", "ssh_config", "ssh_identity_file", "ssh_extra_args", "ansible_inventory"):
        value = getattr(config.option, name, None)  # absent if testinfra's plugin is switched off
        if value:
            given.setdefault(name, "true" if value is True else str(value))
    host = target.host.partition("?")[0] + (f"?{urlencode(given, quote_via=quote)}" if given else "")
    return replace(target, host=host)


def name_of(url: str) -> str:
    """Return a target's name: host of the URL, and its port if that is not the scheme's default."""
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host + (f":{parts.port}" if parts.port not in (None, default) else "")


def shared(settings: Settings, targets: tuple[Target, ...]) -> tuple[tuple[Target, ...], Fleet]:
    """Return the targets of this run's shard, and what all shards share; without `--nodered-shard` all targets.

    Raises:
        PolicyError: there is no such shard.
    """
    names = tuple(target.name for target in targets)
    shard = settings.one("shard", "") if targets else ""
    if not shard:
        return targets, Fleet(names)
    try:
        own = taken(shard, names)
    except ValueError as error:
        raise settings.places["shard"].says(shard, str(error)) from None
    return tuple(target for target in targets if target.name in own), Fleet(names, shard)


def check_targets(targets: object) -> tuple[Target, ...]:
    """Check the targets that the hook returned, and return them.

    Raises:
        pytest.UsageError: not targets, an invalid name, or a name that two targets share.
        PolicyError: an unusable URL.
    """
    if not isinstance(targets, Sequence) or not all(isinstance(target, Target) for target in targets):
        raise pytest.UsageError("pytest_nodered_targets must return a list of Target, or None to leave them alone")
    if not targets:
        return ()
    from pytest_nodered_sec.policy.urls import split_url
    from pytest_nodered_sec.policy.where import Where

    seen: set[str] = set()
    checked: list[Target] = []
    for target in targets:
        where = Where("", f"target {target.name}: url")
        url = target.url if target.flows else split_url(target.url, where).geturl()
        checked.append(target if url == target.url else replace(target, url=url))
        if not target.name or not target.name.isprintable():
            raise pytest.UsageError(
                f"target {target.url}: give it a name of printable characters, because test ids contain it"
            )
        if target.name in seen:
            raise pytest.UsageError(
                f"two targets are called {target.name}: remove one, or give each its own `name` in the policy file (or "
                "in the hook pytest_nodered_targets)"
            )
        seen.add(target.name)
    return tuple(checked)
