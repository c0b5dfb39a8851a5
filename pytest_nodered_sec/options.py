"""From options, environment and ini values to targets; every mistake becomes one sentence.

Each setting is resolved once, and remembers where it came from. Opens nothing but the CA file it checks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import pytest

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy import AdminApi, Editor, HostDemands, Policy, Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_nodered_sec.lab import RunningDeployment


@dataclass(frozen=True)
class Option:
    """One setting: `--nodered-NAME`, `NODERED_NAME` in the environment, `nodered_name` in the ini file."""

    name: str
    help: str
    many: bool = False
    choices: tuple[str, ...] = ()
    metavar: str = ""

    @property
    def flag(self) -> str:
        """The command-line form."""
        return f"--nodered-{self.name}"

    @property
    def key(self) -> str:
        """The ini form."""
        return f"nodered_{self.name.replace('-', '_')}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.key.upper()


OPTIONS: Final = (
    Option("url", "URL under which people reach the Node-RED (repeatable: one target each)", many=True, metavar="URL"),
    Option("ca-file", "PEM file with the private CA that signed the certificate", metavar="FILE"),
    Option("timeout", "Seconds that one look may take, all of it (default 10)", metavar="SECONDS"),
    Option("http-port", "Port where plain HTTP is expected (default 80)", metavar="PORT"),
    Option("direct-port", "Node-RED's own port, which must not answer (default 1880)", metavar="PORT"),
    Option("admin-root", "httpAdminRoot as seen from outside (default /)", metavar="PATH"),
    Option("node-root", "httpNodeRoot as seen from outside (default /)", metavar="PATH"),
    Option(
        "dashboard",
        "Path of a dashboard below the node root, or none (repeatable; default: /ui and /dashboard are tried)",
        many=True,
        metavar="PATH",
    ),
    Option("profile", "Set of thresholds (default production)", choices=get_args(Profile)),
    Option(
        "login-url",
        "Where your single sign-on sends strangers: https URL or a path on this host (repeatable)",
        many=True,
        metavar="URL",
    ),
    Option("editor", "What is expected of the editor page (default disabled)", choices=get_args(Editor)),
    Option("admin-api", "What is expected of the admin API (default protected)", choices=get_args(AdminApi)),
    Option(
        "host",
        "Machine behind the URL, as a testinfra backend: ssh://USER@HOST, docker://NAME, local:// (once for all "
        "targets, or once for each URL, in the same order)",
        many=True,
        metavar="BACKEND",
    ),
    Option(
        "suite",
        "Bundled suite: with your tests, only, or off (default with)",
        choices=("with", "only", "off"),
    ),
    Option(
        "lab",
        "Start a real Node-RED on this machine and look at it (default fresh; NAME@4 chooses the major)",
        many=True,
        metavar="NAME",
    ),
)
_LAB_DEFAULT: Final = "fresh"


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
    group.addoption(
        "--nodered-controls",
        action="store_true",
        dest="nodered_controls",
        help="List the controls (id, severity, title) and exit",
    )


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
    """Resolved settings: raw strings by option name, and where each came from."""

    values: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, str]

    def one(self, name: str, default: str) -> str:
        """Return a single value or its default."""
        return self.values[name][-1] if name in self.values else default

    def many(self, name: str) -> tuple[str, ...]:
        """Return all values, () if none was given."""
        return self.values.get(name, ())

    def typed(self, name: str) -> bool:
        """Whether the value stands on the command line."""
        return self.sources.get(name) == "option"

    def described(self) -> str:
        """Return every given setting with its source, for the header."""
        return ", ".join(f"{name}={' '.join(values)} ({self.sources[name]})" for name, values in self.values.items())


def resolve(config: pytest.Config) -> Settings:
    """Collect the settings: command line over environment over ini file.

    Raises:
        pytest.UsageError: a value that its option does not know.
    """
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
        if option.name == "ca-file" and sources.get("ca-file") == "ini" and config.inipath:
            values["ca-file"] = (str(config.inipath.parent / values["ca-file"][0]),)  # as pytest reads its own paths
        for value in values.get(option.name, ()):
            if option.choices and value not in option.choices:
                raise pytest.UsageError(
                    f"{option.flag}={value}: no such choice; it must be one of {', '.join(option.choices)}"
                )
    return Settings(values, sources)


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
        )
    )


def answers_are_due(config: pytest.Config, *, typed: bool) -> bool:
    """Whether a run without any answer proves nothing: unless somebody who named no target chose other tests."""
    option = config.option
    chosen = any(getattr(option, name, None) for name in ("keyword", "markexpr", "deselect", "lf", "stepwise"))
    return not only_shows(config) and not option.setuponly and (typed or not chosen)


def policy_of(settings: Settings, overrides: Iterable[tuple[str, str]] = ()) -> Policy:
    """Build the policy; `overrides` are a lab deployment's expectations, over which typed options win.

    Raises:
        pytest.UsageError: a contradiction or a malformed path or URL.
    """
    wanted: dict[str, Any] = dict(overrides)  # Any: choices were checked
    for name in ("profile", "editor", "admin-api"):
        key = name.replace("-", "_")
        if name in settings.values and (key not in wanted or settings.typed(name)):
            wanted[key] = settings.one(name, "")
    return Policy(dashboards=_dashboards(settings), login_urls=_login_urls(settings), **wanted)


def _dashboards(settings: Settings) -> tuple[str, ...] | None:
    named = settings.many("dashboard")
    if "none" in named:
        if len(named) > 1:
            raise pytest.UsageError("--nodered-dashboard=none says that there is no dashboard: name paths or none")
        return ()
    return tuple(dict.fromkeys(_path("--nodered-dashboard", path) for path in named)) or None


def _login_urls(settings: Settings) -> tuple[str, ...]:
    for url in settings.many("login-url"):
        if url.startswith("/") and not url.startswith("//"):
            _path("--nodered-login-url", url)
        elif _parts("--nodered-login-url", url).scheme != "https":
            raise pytest.UsageError(f"--nodered-login-url={url}: give an https:// URL, or a path that starts with /")
    return settings.many("login-url")


def _path(flag: str, value: str) -> str:
    if not value.startswith("/") or value.startswith("//") or "?" in value or "#" in value:
        raise pytest.UsageError(f"{flag}={value}: give a path that starts with one / and has no query")
    return value.rstrip("/") or "/"


def targets_of(settings: Settings, config: pytest.Config) -> list[Target]:
    """Return one target for each `--nodered-url`, with testinfra's own options in its host.

    Raises:
        pytest.UsageError: a URL or a setting that cannot be used.
    """
    common = Target(
        name="",
        url="",
        policy=policy_of(settings),
        admin_root=_path("--nodered-admin-root", settings.one("admin-root", "/")),
        node_root=_path("--nodered-node-root", settings.one("node-root", "/")),
        http_port=_port("--nodered-http-port", settings.one("http-port", "80")),
        direct_port=_port("--nodered-direct-port", settings.one("direct-port", "1880")),
        ca_file=_ca_file(settings.one("ca-file", "")),
        timeout=timeout_of(settings),
    )
    urls = settings.many("url")
    return [
        replace(common, name=name_of(url), url=_checked(url), host=with_testinfra(host, config))
        for url, host in zip(urls, _hosts(settings.many("host"), len(urls)), strict=True)
    ]


def lab_targets(settings: Settings, deployments: Iterable[RunningDeployment]) -> list[Target]:
    """Return a target for each running deployment of the lab; its host is this machine where `local://` is said."""
    hosts = _hosts(settings.many("host"), len(settings.many("host")) or 1)
    return [
        Target(
            name=one.label,
            url=one.url,
            policy=_lab_policy(settings, one, hosts[0]),
            admin_root=one.admin_root,
            node_root=one.node_root,
            http_port=one.http_port,
            direct_port=one.direct_port,
            ca_file=one.ca_file,
            timeout=timeout_of(settings),
            host=hosts[0],
        )
        for one in deployments
    ]


def _lab_policy(settings: Settings, one: RunningDeployment, host: str | None) -> Policy:
    """Return what the deployment is meant for; seen from inside, it is the one of many whose directory is known."""
    policy = policy_of(settings, one.expect)
    return replace(policy, host=HostDemands(user_dir=one.user_dir)) if host else policy


def lab_placeholders(settings: Settings, specs: Iterable[tuple[str, int]]) -> list[Target]:
    """Return targets of the same names for a run that only collects: the lab is not started for it."""
    policy = policy_of(settings)
    return [Target(f"lab-{name}@{major}", "https://localhost", policy) for name, major in specs]


def _parts(flag: str, url: str) -> SplitResult:
    """Split a URL that holds no secret; never shows one that might."""
    if "@" in url.split("://", 1)[-1].split("/", 1)[0] or ("@" in url and "://" not in url):
        raise pytest.UsageError(
            f"{flag}: credentials do not belong into a URL (ids and logs would show them); "
            "remove the part before the @ and set NODERED_USERNAME and NODERED_PASSWORD"
        )
    shown = url.split("?", 1)[0].split("#", 1)[0]  # a query may hold a token
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url or "\\" in url:
        raise pytest.UsageError(f"{flag}={shown}: not a URL; give one such as https://plant.example")
    if "?" in url or "#" in url:
        raise pytest.UsageError(f"{flag}={shown}…: leave out what follows ? or #")
    return parts


def _checked(url: str) -> str:
    _parts("--nodered-url", url)
    return url.rstrip("/")


def name_of(url: str) -> str:
    """Return a target's name: host of the URL, and its port where that is not the scheme's default."""
    parts = _parts("--nodered-url", url)
    default = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host + (f":{parts.port}" if parts.port not in (None, default) else "")


def _hosts(values: Sequence[str], count: int) -> list[str | None]:
    """Return the host of each URL: one for all, or one for each."""
    for value in values:
        if ":" in value.rpartition("://")[2].rpartition("@")[0]:
            raise pytest.UsageError("--nodered-host: a password does not belong here (logs would show it); use a key")
        if "://" not in value:
            raise pytest.UsageError(
                f"--nodered-host={value}: say how to get there, e.g. ssh://{value} or docker://{value}; "
                "local:// is this machine"
            )
    if len(values) not in (0, 1, count):
        raise pytest.UsageError(
            f"--nodered-host stands {len(values)} times for {count} targets: once for all, or once for each URL"
        )
    return [*values] if len(values) == count else [values[0] if values else None] * count


def with_testinfra(host: str | None, config: pytest.Config) -> str | None:
    """Return a backend with testinfra's own options (--sudo, --ssh-config …) in it, those in the backend winning."""
    if host is None:
        return None
    given = dict(parse_qsl(host.partition("?")[2]))
    for name in ("sudo", "sudo_user", "ssh_config", "ssh_identity_file", "ssh_extra_args", "ansible_inventory"):
        value = getattr(config.option, name, None)  # not there where testinfra's plugin is switched off
        if value:
            given.setdefault(name, "true" if value is True else str(value))
    return host.partition("?")[0] + (f"?{urlencode(given, quote_via=quote)}" if given else "")


def timeout_of(settings: Settings) -> float:
    """Return the deadline of one look, in seconds."""
    value = settings.one("timeout", "10")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 600:
        raise pytest.UsageError(f"--nodered-timeout={value}: give seconds, more than 0 and at most 600")
    return seconds


def _port(flag: str, value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise pytest.UsageError(f"{flag}={value}: give a TCP port, 1 to 65535")
    return int(value)


def _ca_file(value: str) -> str | None:
    if not value:
        return None
    try:
        text = Path(value).expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise pytest.UsageError(f"--nodered-ca-file={value}: cannot be read ({error.strerror})") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise pytest.UsageError(f"--nodered-ca-file={value}: holds no PEM certificate")
    return str(Path(value).expanduser().resolve())


def check_targets(targets: object) -> tuple[Target, ...]:
    """Return what the options and the hook made of the targets, if it can be used.

    Raises:
        pytest.UsageError: not targets, an unusable URL, or a name that two of them bear.
    """
    if not isinstance(targets, Sequence) or not all(isinstance(one, Target) for one in targets):
        raise pytest.UsageError("pytest_nodered_targets must return a list of Target, or None to leave them alone")
    seen: set[str] = set()
    for target in targets:
        _parts(f"target {target.name}: url", target.url)
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
    return tuple(targets)
