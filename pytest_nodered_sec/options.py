"""From options, environment, ini values and the policy file to targets; every mistake becomes one sentence.

Each setting is resolved once, and remembers where it came from. Opens nothing but the files that are named.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from pytest_nodered_sec.model import HttpSettings, Severity, Target
from pytest_nodered_sec.policy import AdminApi, Editor, Mode, Pace, PolicyError, Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from pytest_nodered_sec.credentials import Credentials
    from pytest_nodered_sec.lab import RunningDeployment
    from pytest_nodered_sec.policyfile import Effective, PolicyFile, TargetTable, Where


@dataclass(frozen=True)
class Option:
    """One setting: `--nodered-NAME`, `NODERED_NAME` in the environment, `nodered_name` in the ini file.

    Attributes:
        name: as in the option.
        help: what a person reads.
        many: whether it may be given several times.
        choices: its values, where they are few.
        metavar: stands for the value in the help.
        sets: key of the policy file that it sets, "" where it is none of a target's.
    """

    name: str
    help: str
    many: bool = False
    choices: tuple[str, ...] = ()
    metavar: str = ""
    sets: str = ""

    @property
    def flag(self) -> str:
        """The command-line form."""
        return f"--nodered-{self.name}"

    @property
    def key(self) -> str:
        """The ini form."""
        return _key(self.name)

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.key.upper()


OPTIONS: Final = (
    Option("url", "URL under which people reach the Node-RED (repeatable: one target each)", many=True, metavar="URL"),
    Option("ca-file", "PEM file with the private CA that signed the certificate", metavar="FILE", sets="ca_file"),
    Option("timeout", "Seconds that one look may take, all of it (default 10)", metavar="SECONDS", sets="timeout"),
    Option("http-port", "Port where plain HTTP is expected (default 80)", metavar="PORT", sets="http_port"),
    Option(
        "direct-port", "Node-RED's own port, which must not answer (default 1880)", metavar="PORT", sets="direct_port"
    ),
    Option("admin-root", "httpAdminRoot as seen from outside (default /)", metavar="PATH", sets="admin_root"),
    Option("node-root", "httpNodeRoot as seen from outside (default /)", metavar="PATH", sets="node_root"),
    Option(
        "dashboard",
        "Path of a dashboard below the node root, or none (repeatable; default: /ui and /dashboard are tried)",
        many=True,
        metavar="PATH",
        sets="dashboards",
    ),
    Option("profile", "Set of thresholds (default production)", choices=get_args(Profile), sets="profile"),
    Option(
        "login-url",
        "Where your single sign-on sends strangers: https URL or a path on this host (repeatable)",
        many=True,
        metavar="URL",
        sets="login_urls",
    ),
    Option("editor", "What is expected of the editor page (default disabled)", choices=get_args(Editor), sets="editor"),
    Option(
        "admin-api",
        "What is expected of the admin API (default protected)",
        choices=get_args(AdminApi),
        sets="admin_api",
    ),
    Option(
        "pace",
        "How fast to ask: normal, or quiet (one at a time, slowly enough for intrusion detection)",
        choices=get_args(Pace),
        sets="pace",
    ),
    Option(
        "mode",
        "What to ask: full, or calm (nothing in the form of a guess or an attack)",
        choices=get_args(Mode),
        sets="mode",
    ),
    Option(
        "host",
        "Machine behind the URL, as a testinfra backend: ssh://USER@HOST, docker://NAME, local://",
        metavar="BACKEND",
        sets="host",
    ),
    Option(
        "policy",
        "Policy file: what is right at your site, and waivers (default: nodered-sec.toml beside the ini file)",
        metavar="FILE",
    ),
    Option(
        "target",
        "Target of the policy file: name, glob, or LABEL=VALUE (repeatable; default: all)",
        many=True,
        metavar="NAME",
    ),
    Option(
        "fail-on",
        "Least severity whose findings fail the run; lower ones are reported as xfailed (default low)",
        choices=tuple(one.value for one in Severity),
    ),
    Option(
        "junit",
        "Where JUnit test cases carry what was seen: as properties, or strict: in system-out, valid for junit-10.xsd",
        choices=("properties", "strict"),
    ),
    Option("evidence", "Write all evidence into a new folder: reports, what was seen, policy", metavar="DIR"),
    Option("hdf", "Write the run in MITRE's HDF, for Heimdall", metavar="FILE"),
    Option("report", "Write the run as one page to read (HTML)", metavar="FILE"),
    Option("replay", "Ask nobody: judge again what an evidence folder holds, and say what differs", metavar="DIR"),
    Option(
        "suite",
        "Bundled suite: with your tests, only, or off (default with)",
        choices=("with", "only", "off"),
    ),
    Option(
        "lab",
        "Start a real Node-RED on this machine and look at it: a deployment (default fresh), or a directory with your "
        "settings.js, flows.json, and nginx.conf or Caddyfile (NAME@4 chooses the major, NAME+nginx the proxy)",
        many=True,
        metavar="NAME",
    ),
)
_LAB_DEFAULT: Final = "fresh"
_FLAGS: Final = (
    ("controls", "List the bundled controls (id, severity, title) and exit"),
    ("show-policy", "Print what holds for each target as TOML, each value with its source, and exit"),
    ("job-summary", "Append a Markdown summary to the file that GITHUB_STEP_SUMMARY names"),
    ("audit", "Refuse a run that cannot be an audit: a narrowed one, reruns, an old table of advisories"),
    ("plan", "List every request that the collected tests would send, and send none"),
    ("init", "Look at the URL once, write a commented nodered-sec.toml, and exit"),
)


def add(parser: pytest.Parser) -> None:
    """Register the option group and its ini values."""
    group = parser.getgroup("nodered-sec", "Node-RED security compliance")
    for option in OPTIONS:
        extra: dict[str, Any] = {"action": "append" if option.many else "store", "default": None}  # Any: argparse's own
        if option.choices:
            extra["metavar"] = "|".join(option.choices)
        else:
            extra["metavar"] = option.metavar
        if option.name == "lab":
            extra.update(nargs="?", const=_LAB_DEFAULT)
        group.addoption(option.flag, dest=option.key, help=option.help, **extra)
        kind: Literal["args", "string"] = "args" if option.many else "string"
        parser.addini(option.key, f"{option.help}; as {option.flag}", type=kind)
    for name, text in _FLAGS:
        group.addoption(f"--nodered-{name}", action="store_true", dest=_key(name), help=text)
        parser.addini(_key(name), f"Refused: type --nodered-{name}, or put it into addopts", default="")


def _key(name: str) -> str:
    return f"nodered_{name.replace('-', '_')}"


def name_the_default_lab(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Rewrite a bare `--nodered-lab` in place, so that it does not swallow the path that follows it."""
    end = args.index("--") if "--" in args else len(args)
    if "--nodered-lab" not in args[:end]:
        return
    args[:end] = [f"{arg}={_LAB_DEFAULT}" if arg == "--nodered-lab" else arg for arg in args[:end]]
    # pytest has parsed them once already, and takes the paths whose conftest files it loads first from there.
    early_config.known_args_namespace.file_or_dir = parser.parse_known_args(args).file_or_dir


@dataclass(frozen=True)
class Settings:
    """Resolved settings: raw texts by option name, and where each came from."""

    values: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, str]
    places: Mapping[str, Where]

    def one(self, name: str, default: str) -> str:
        """Return a single value or its default."""
        return self.values[name][-1] if name in self.values else default

    def many(self, name: str) -> tuple[str, ...]:
        """Return all values, () if none was given."""
        return self.values.get(name, ())

    def typed(self, *names: str) -> bool:
        """Whether one of these stands on the command line."""
        return any(self.sources.get(name) == "option" for name in names)

    def described(self) -> str:
        """Return every given setting with its source, for the header."""
        from pytest_nodered_sec.policyfile import without_private_paths

        shown = {name: [*map(without_private_paths, found)] if name == "host" else found
                 for name, found in self.values.items()}  # fmt: skip
        return ", ".join(f"{name}={' '.join(found)} ({self.sources[name]})" for name, found in shown.items())

    def layer(self, source: str) -> tuple[str, dict[str, Any]]:
        """Return the policy keys that one source sets.

        Raises:
            PolicyError: a value that cannot be used.
        """
        from pytest_nodered_sec.policyfile import KEYS

        return source, {
            option.sets: KEYS[option.sets](_value(option, self.values[option.name]), self.places[option.name])
            for option in OPTIONS
            if option.sets and self.sources.get(option.name) == source
        }


def _value(option: Option, texts: tuple[str, ...]) -> object:
    """Return the texts of an option as the policy file would write them; what is no number stays a text."""
    if option.many:
        return list(texts)
    text = texts[-1]
    if option.sets not in ("http_port", "direct_port", "timeout"):
        return text
    if text.isdecimal():
        return int(text)
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def resolve(config: pytest.Config) -> Settings:
    """Collect the settings: command line over environment over ini file.

    Raises:
        pytest.UsageError: an empty value, or one for an option that has none.
        PolicyError: a value that its option does not know.
    """
    _refuse_flags(config)
    values: dict[str, tuple[str, ...]] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        typed = config.getoption(option.key)
        ini = config.getini(option.key)
        candidates = (
            ("option", typed if option.many else [typed] if typed is not None else None),
            ("environment", _words(option, os.environ.get(option.variable))),
            ("ini", ini if option.many else [ini] if ini else None),
        )
        if typed == "" or (isinstance(typed, list) and "" in typed):
            raise pytest.UsageError(f"{option.flag} is empty: give a value, or leave the option out")
        for source, found in candidates:
            if found:
                values[option.name] = tuple(str(value) for value in found)
                sources[option.name] = source
                break
        if option.metavar in ("FILE", "DIR") and sources.get(option.name) == "ini" and config.inipath:
            # as pytest reads its own paths
            values[option.name] = (str(config.inipath.parent / values[option.name][0]),)
    places = _places(sources, config.inipath) if values else {}
    for option in OPTIONS:
        for value in values.get(option.name, ()):
            if option.choices and value not in option.choices:
                raise places[option.name].says(value, f"no such choice; it must be one of {', '.join(option.choices)}")
    return Settings(values, sources, places)


def _refuse_flags(config: pytest.Config) -> None:
    """Refuse an option without a value that is set where it has no effect: NODERED_PLAN=1 would send everything."""
    for name, _ in _FLAGS:
        key = _key(name)
        set_by_variable = bool(os.environ.get(key.upper()))
        if not getattr(config.option, key) and (set_by_variable or config.getini(key)):
            raise pytest.UsageError(
                f"{key.upper() if set_by_variable else key} has no effect: type --nodered-{name}, or put it into "
                f"{'PYTEST_ADDOPTS' if set_by_variable else 'addopts'}"
            )


def _places(sources: Mapping[str, str], inipath: Path | None) -> dict[str, Where]:
    """Return how a sentence about each given setting begins."""
    from pytest_nodered_sec.policyfile import Where

    forms = {
        "option": lambda option: Where("", option.flag),
        "environment": lambda option: Where("", option.variable),
        "ini": lambda option: Where(inipath.name if inipath else "ini", option.key),
    }
    return {option.name: forms[sources[option.name]](option) for option in OPTIONS if option.name in sources}


def _words(option: Option, value: str | None) -> list[str] | None:
    if not value:
        return None
    return value.split() if option.many else [value]


def only_shows(config: pytest.Config) -> bool:
    """Whether the run shows something and executes no test: then no lab is started and no answer is due."""
    option = config.option
    return any(
        getattr(option, name, False)
        for name in (
            "collectonly",
            "version",
            "markers",
            "showfixtures",
            "show_fixtures_per_test",
            "cacheshow",
            "setupplan",
            "nodered_plan",
        )
    )


def stay_in_one_process(config: pytest.Config) -> None:
    """Switch xdist off, for a run that shows what was collected: its controller collects nothing."""
    if hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = 0, "no", []


def answers_are_due(config: pytest.Config, *, typed: bool) -> bool:
    """Whether a run without any answer proves nothing: unless somebody who named no target chose other tests."""
    option = config.option
    chosen = any(getattr(option, name, None) for name in ("keyword", "markexpr", "deselect", "lf", "stepwise"))
    return not only_shows(config) and not option.setuponly and (typed or not chosen)


def reports(config: pytest.Config, settings: Settings) -> dict[str, Path]:
    """Return what is to be left of the run, and where: "evidence", "hdf", "report", "job-summary"."""
    wanted = {
        name: Path(settings.one(name, "")).expanduser() for name in ("evidence", "hdf", "report") if settings.many(name)
    }
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "") if config.option.nodered_job_summary else ""
    return wanted | ({"job-summary": Path(summary)} if summary else {})


def policy_file(config: pytest.Config, settings: Settings) -> PolicyFile | None:
    """Read the policy file: the one that is named, else nodered-sec.toml beside the ini file, if there is one.

    Raises:
        PolicyError: it cannot be used.
    """
    named = settings.one("policy", "")
    beside = (config.inipath.parent if config.inipath else config.rootpath) / "nodered-sec.toml"
    if not named and not beside.is_file():
        return None
    from pytest_nodered_sec import policyfile

    return policyfile.read(Path(named).expanduser() if named else beside, called=named)


@dataclass(frozen=True)
class Prepared:
    """A target as the settings make it, before the hook, and which of them made it so."""

    target: Target
    effective: Effective


def prepare(settings: Settings, file: PolicyFile | None) -> list[Prepared]:
    """Return the targets that the settings and the policy file name.

    Raises:
        PolicyError: a setting that cannot be used.
    """
    if file is None and not settings.values:  # an unused plugin reads no further modules
        return []
    from pytest_nodered_sec.policyfile import PolicyFile

    file = file or PolicyFile()
    prepared = [_prepared(settings, file, url, table) for url, table in _named(settings, file)]
    return _with_bare_credentials(prepared)


def _named(settings: Settings, file: PolicyFile) -> list[tuple[str, TargetTable | None]]:
    """Choose: what is typed or in the environment, else the policy file's targets, else the ini file's URL."""
    urls = [_checked(settings, url) for url in settings.many("url")]
    strong = settings.sources.get("url") in ("option", "environment")
    if settings.many("target"):
        chosen = _chosen(settings, file)
        return [(table.url, table) for table in chosen] + (_of_urls(settings, file, urls) if strong else [])
    if strong or settings.many("lab") or not file.targets:
        return _of_urls(settings, file, urls)
    return [(table.url, table) for table in file.targets]


def _of_urls(settings: Settings, file: PolicyFile, urls: Sequence[str]) -> list[tuple[str, TargetTable | None]]:
    """Return each URL with its table of the policy file, if it has one; several tell their tunnels apart by name."""
    found: list[tuple[str, TargetTable | None]] = []
    for url in urls:
        tables = [table for table in file.targets if _same(table.url) == _same(url)]
        if len(tables) > 1:
            names = ", ".join(_called(table) for table in tables[:3]) + (", …" if len(tables) > 3 else "")
            raise settings.places["url"].says(
                url, f"{len(tables)} targets of the policy file have this URL ({names}); say --nodered-target=NAME"
            )
        found.append((url, tables[0] if tables else None))
    return found


def _called(table: TargetTable) -> str:
    return table.name or name_of(table.url)


def _chosen(settings: Settings, file: PolicyFile) -> list[TargetTable]:
    chosen: list[TargetTable] = []
    for selector in settings.many("target"):
        found = [table for table in file.targets if table.chosen_by(selector, _called(table))]
        if not found:
            names = ", ".join(map(_called, file.targets))
            there = f"it has {names}" if names else "there is no policy file with a [[target]]"
            raise settings.places["target"].says(selector, f"no target is called so or has that label; {there}")
        chosen += [table for table in found if table not in chosen]
    return chosen


def _same(url: str) -> str:
    """Return a URL in the form in which two that mean the same place are equal."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"


def _checked(settings: Settings, url: str) -> str:
    from pytest_nodered_sec.policyfile import split_url

    return split_url(url, settings.places["url"]).geturl().rstrip("/")


def _prepared(settings: Settings, file: PolicyFile, url: str, table: TargetTable | None) -> Prepared:
    from pytest_nodered_sec.policyfile import effective

    name = _called(table) if table else name_of(url)
    found = effective(
        [
            settings.layer("option"),
            settings.layer("environment"),
            *file.layers(table),
            settings.layer("ini"),
        ]
    )
    return Prepared(_target(name, url, found, table.labels if table else {}), found)


def _target(name: str, url: str, found: Effective, labels: Mapping[str, str]) -> Target:
    from pytest_nodered_sec.policyfile import policy_of

    policy = policy_of(name, found)
    if policy.certificate and not url.startswith("https:"):
        raise PolicyError(f"target {name}: sha256 pins a certificate, but {url} is not https")
    target = Target(
        name=name,
        url=url,
        policy=policy,
        admin_root=found.get("admin_root"),
        node_root=found.get("node_root"),
        find_roots=found.sources["admin_root"] == found.sources["node_root"] == "default",
        http_port=found.get("http_port"),
        direct_port=found.get("direct_port"),
        ca_file=found.get("ca_file"),
        timeout=found.get("timeout"),
        host=found.get("host"),
        connect=found.get("connect"),
        labels=labels,
        credentials=_credentials(name, found.get("credentials")),
    )
    _check_ports(target)
    return target


def _check_ports(target: Target) -> None:
    for what, port in (
        ("the URL's", target.port),
        ("http_port", target.http_port),
        ("direct_port", target.direct_port),
    ):
        if port in target.policy.closed_ports:
            raise PolicyError(
                f"target {target.name}: closed_ports names {port}, which is {what}; leave it out of closed_ports"
            )


def _credentials(name: str, source: Mapping[str, Any] | None) -> Callable[[], Credentials] | None:
    if source is None:
        return None
    from pytest_nodered_sec import credentials

    if "command" in source:
        return lambda: credentials.from_command(source["command"], name)
    trouble = credentials.missing(source["env"])
    if trouble:
        raise PolicyError(f"target {name}: {trouble}")
    return lambda: credentials.from_environment(source["env"])


def _with_bare_credentials(prepared: list[Prepared]) -> list[Prepared]:
    """Give the bare variables (NODERED_USERNAME …) to the run's one target; with several they belong to none."""
    if not prepared:
        return prepared
    from pytest_nodered_sec import credentials

    if not credentials.given("NODERED"):
        return prepared
    if len(prepared) > 1:
        raise PolicyError(
            "NODERED_USERNAME, NODERED_PASSWORD and NODERED_TOKEN are for one target, and there are "
            f'{len(prepared)}; say credentials = {{env = "PREFIX"}} below each [[target]]'
        )
    (one,) = prepared
    if one.target.credentials:
        return prepared
    trouble = credentials.missing("NODERED")
    if trouble:
        raise PolicyError(trouble)
    return [replace(one, target=replace(one.target, credentials=lambda: credentials.from_environment("NODERED")))]


def prepare_lab(
    settings: Settings, file: PolicyFile | None, deployments: Iterable[RunningDeployment]
) -> list[Prepared]:
    """Return a target for each running deployment of the lab: typed options win over what it is meant for."""
    from pytest_nodered_sec.policyfile import effective

    prepared: list[Prepared] = []
    for one in deployments:
        found = effective(
            [
                ("lab", _where_it_runs(one)),
                settings.layer("option"),
                ("lab", dict(one.expect)),
                settings.layer("environment"),
                *(file.layers(None) if file else []),
                settings.layer("ini"),
            ]
        )
        target = _target(one.label, one.url, found, {})
        # 9229 itself is the developer's
        http = HttpSettings(ports={9229: one.inspector_port}, client_certificate=one.client_certificate)
        prepared.append(Prepared(replace(target, credentials=_lab_account(one), http=http), found))
    alone = len(prepared) == 1 and Path(one.name).is_absolute()  # a site's own directory, whose accounts the site knows
    return _with_bare_credentials(prepared) if alone else prepared


def _lab_account(one: RunningDeployment) -> Callable[[], Credentials] | None:
    if not one.has_login:
        return None
    from pytest_nodered_sec.credentials import Credentials

    return lambda: Credentials(*one.credentials())


def _where_it_runs(one: RunningDeployment) -> dict[str, Any]:
    return {
        "admin_root": one.admin_root,
        "node_root": one.node_root,
        "http_port": one.http_port,
        "direct_port": one.direct_port,
        "ca_file": one.ca_file,
        "inside.user_dir": one.user_dir,
    }


def lab_placeholders(settings: Settings, expected: Mapping[str, Mapping[str, Any]]) -> list[Prepared]:
    """Return targets of the same names and cases for a run that only collects: the lab is not started for it.

    Args:
        settings: options, environment and ini.
        expected: what each deployment is meant for, by label.
    """
    from pytest_nodered_sec.policyfile import effective

    prepared: list[Prepared] = []
    for label, expect in expected.items():
        layers = [settings.layer("option"), ("lab", expect), settings.layer("environment"), settings.layer("ini")]
        found = effective(layers)
        prepared.append(Prepared(_target(label, "https://localhost", found, {}), found))
    return prepared


def with_waivers(target: Target, file: PolicyFile | None) -> Target:
    """Return a target with the waivers that the policy file has for it, wherever the target comes from.

    Raises:
        PolicyError: two of them are the same.
    """
    if file is None:
        return target
    own = [one for table in file.targets if _called(table) == target.name for one in table.waivers]
    chosen = [one for selector, one in file.waivers if not selector or _means(selector, target)]
    waivers = (*target.policy.waivers, *own, *chosen)
    ids = [str(one) for one in waivers]
    twice = next((one for one in ids if ids.count(one) > 1), "")
    if twice:
        raise PolicyError(f"target {target.name}: two waivers are for {twice}; leave one")
    return replace(target, policy=replace(target.policy, waivers=waivers))


def _means(selector: str, target: Target) -> bool:
    from pytest_nodered_sec.policyfile import chosen_by

    return chosen_by(selector, target.name, target.labels)


def check_waivers(file: PolicyFile | None, targets: Sequence[Target]) -> None:
    """Refuse a waiver whose target nobody knows, where the policy file names the site's targets.

    Raises:
        PolicyError: naming it.
    """
    if file is None or not file.targets:
        return
    names = [_called(table) for table in file.targets]
    for selector, waiver in file.waivers:
        known = any(table.chosen_by(selector, name) for table, name in zip(file.targets, names, strict=True))
        if selector and not known and not any(_means(selector, target) for target in targets):
            raise PolicyError(
                f"{file.called}: [[waiver]] {waiver.control}: target = {selector}: no "
                f"target is called so or has that label; the file has {', '.join(names)}"
            )


def narrowing(config: pytest.Config) -> tuple[str, ...]:
    """Return the options by which a run leaves tests out, as a person writes them."""
    option = config.option
    maxfail = getattr(option, "maxfail", 0) or 0
    given = {
        "-k": getattr(option, "keyword", ""),
        "-m": getattr(option, "markexpr", ""),
        "--deselect": getattr(option, "deselect", None),
        "--lf": getattr(option, "lf", False),
        "--sw": getattr(option, "stepwise", False),
        "-x": maxfail == 1,
        "--maxfail": maxfail > 1,
    }
    return tuple(name for name, value in given.items() if value)


_OLDEST_TABLE: Final = 90  # days since the advisories were last reviewed


def check_audit(config: pytest.Config, left_out: str, suite: str, today: date) -> None:
    """Refuse a run that cannot be an audit.

    Args:
        config: pytest's.
        left_out: by what it leaves tests out.
        suite: "with", "only" or "off".
        today: UTC.

    Raises:
        pytest.UsageError: saying what to leave out, or that the advisories are too old.
    """
    from pytest_nodered_sec.data.releases import advisories_checked

    more = ["--reruns"] if getattr(config.option, "reruns", None) else []
    more += ["--nodered-suite=off"] if suite == "off" else []
    if left_out or more:
        names = ", ".join([*filter(None, [left_out]), *more])
        raise pytest.UsageError(f"--nodered-audit asks everything, once: leave out {names}")
    age = (today - advisories_checked()).days
    if age > _OLDEST_TABLE:
        raise pytest.UsageError(
            f"--nodered-audit: the table of advisories was reviewed on {advisories_checked()}, {age} days ago; more "
            f"than {_OLDEST_TABLE} are too many: pip install -U pytest-nodered-sec"
        )


def with_testinfra(target: Target, config: pytest.Config) -> Target:
    """Return a target with testinfra's own options (--sudo, --ssh-config …) in its host; those it has already win.

    Raises:
        PolicyError: a host is named, and what looks at it is not installed.
    """
    if target.host is None:
        return target
    if find_spec("testinfra") is None or find_spec("crossplane") is None:
        raise PolicyError("looking at a host needs testinfra and crossplane: pip install 'pytest-nodered-sec[host]'")
    given = dict(parse_qsl(target.host.partition("?")[2]))
    for name in ("sudo", "sudo_user", "ssh_config", "ssh_identity_file", "ssh_extra_args", "ansible_inventory"):
        value = getattr(config.option, name, None)  # not there where testinfra's plugin is switched off
        if value:
            given.setdefault(name, "true" if value is True else str(value))
    host = target.host.partition("?")[0] + (f"?{urlencode(given, quote_via=quote)}" if given else "")
    return replace(target, host=host)


def fail_on(settings: Settings, file: PolicyFile | None) -> str:
    """Return the least severity whose findings fail the run: option and environment over policy file over ini."""
    if settings.sources.get("fail-on") == "ini" and file and file.fail_on:
        return file.fail_on
    return settings.one("fail-on", file.fail_on if file and file.fail_on else Severity.LOW.value)


@dataclass(frozen=True)
class Run:
    """What a run is about.

    Attributes:
        settings: what options, environment and ini file say.
        file: the policy file, if there is one.
        prepared: targets as the settings make them.
        targets: targets as the hook leaves them.
        fail_on: least severity whose findings fail the run.
    """

    settings: Settings
    file: PolicyFile | None
    prepared: tuple[Prepared, ...]
    targets: tuple[Target, ...]
    fail_on: str


def policies(run: Run) -> dict[str, str]:
    """Return what holds for each target, by name: one `[[target]]` table each, every value with its source."""
    from pytest_nodered_sec import policyfile

    known = {one.target.name: one for one in run.prepared}
    texts: dict[str, str] = {}
    for target in run.targets:
        before = known.get(target.name)
        sources = before.effective.sources if before else {}
        texts[target.name] = policyfile.described(target, before.target if before else None, sources)
    return texts


def said(run: Run) -> dict[str, Any]:
    """Return the policy keys that options and environment set, and their values; all targets have the same."""
    layers = (run.settings.layer(source)[1] for source in ("environment", "option"))
    return {key: value for layer in layers for key, value in layer.items()}


def described(run: Run) -> str:
    """Return what holds for the whole run as one policy file.

    Raises:
        pytest.UsageError: there is no target.
    """
    if not run.targets:
        raise pytest.UsageError("--nodered-show-policy needs a target: add --nodered-url=https://HOST or a policy file")
    return f'fail_on = "{run.fail_on}"\n\n' + "\n".join(policies(run).values())


def header(run: Run, version: str, today: date) -> list[str]:
    """Return the lines at the top of a run: what was set where, and what is demanded of each target."""
    from pytest_nodered_sec.policyfile import digest

    file = f"policy file {run.file.path}, " if run.file else ""
    lines = [f"nodered-sec: {version}, {file}settings: {run.settings.described() or 'none but defaults'}"]
    for target in run.targets:
        policy = target.policy
        lines.append(
            f"nodered-sec: target {target.name}: {target.url}, profile {policy.profile}, editor {policy.editor}, "
            f"admin API {policy.admin_api}, policy {digest(policy)[:12]}"
        )
        lines += [f"nodered-sec:   deviation: {one.line()}" for one in policy.deviations]
        lines += [f"nodered-sec:   waiver: {one.line(today)}" for one in policy.waivers]
    return lines + _waivers_counted(run, today)


def _waivers_counted(run: Run, today: date) -> list[str]:
    """Return how many waivers there are and which expires next, in one line; none where there are none."""
    waivers = [(one.expires, target.name, one) for target in run.targets for one in target.policy.waivers]
    if not waivers:
        return []
    parts = [f"{len(waivers)} waiver{'s' if len(waivers) > 1 else ''}"]
    live = [one for one in waivers if one[2].in_force(today)]
    if len(live) < len(waivers):
        parts.append(f"{len(waivers) - len(live)} expired")
    if live:
        expires, name, waiver = min(live, key=lambda one: one[:2])
        left = (expires - today).days
        parts.append(f"next to expire: {waiver} of {name} after {expires} ({left} day{'s' if left != 1 else ''} left)")
    return [f"nodered-sec: {', '.join(parts)}"]


def name_of(url: str) -> str:
    """Return a target's name: host of the URL, and its port where that is not the scheme's default."""
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host + (f":{parts.port}" if parts.port not in (None, default) else "")


def check_targets(targets: object) -> tuple[Target, ...]:
    """Return what the options and the hook made of the targets, if it can be used.

    Raises:
        pytest.UsageError: not targets, or a name that cannot be used or that two of them bear.
        PolicyError: an unusable URL.
    """
    if not isinstance(targets, Sequence) or not all(isinstance(one, Target) for one in targets):
        raise pytest.UsageError("pytest_nodered_targets must return a list of Target, or None to leave them alone")
    if not targets:
        return ()
    from pytest_nodered_sec.policyfile import Where, split_url

    seen: set[str] = set()
    checked: list[Target] = []
    for target in targets:
        url = split_url(target.url, Where("", f"target {target.name}: url")).geturl()
        checked.append(target if url == target.url else replace(target, url=url))
        if not target.name or not target.name.isprintable():
            raise pytest.UsageError(
                f"target {target.url}: give it a name of printable characters, the ids begin with it"
            )
        if target.name in seen:
            raise pytest.UsageError(
                f"two targets are called {target.name}: name each one once, or give them names of their own in "
                "the hook pytest_nodered_targets"
            )
        seen.add(target.name)
    return tuple(checked)
