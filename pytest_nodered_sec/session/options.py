"""The command-line options and ini values: what argparse needs, and nothing else.

Every pytest run imports this file, so it imports nothing else of the plugin, and tells pytest not to rewrite its
asserts (PYTEST_DONT_REWRITE).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Option:
    """One setting: `--nodered-NAME`, `NODERED_NAME` in the environment, `nodered_name` in the ini file.

    Attributes:
        name: the option's name without `--nodered-`.
        help: help text.
        many: whether it may be given several times.
        once: whether giving it twice is a usage error; without it, the last value wins.
        choices: the allowed values; () for any.
        metavar: placeholder for the value in the help.
        sets: policy key that it sets; "" if it sets none.
    """

    name: str
    help: str
    many: bool = False
    once: bool = False
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
        return key_of(self.name)

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.key.upper()


OPTIONS: Final = (
    Option("url", "URL at which users reach Node-RED (repeatable: each URL is one target)", many=True, metavar="URL"),
    Option(
        "ca-file", "PEM file of the private CA that issued the target's certificate", metavar="FILE", sets="ca_file"
    ),
    Option(
        "timeout", "Time limit for each check of a target, in seconds (default 10)", metavar="SECONDS", sets="timeout"
    ),
    Option("http-port", "Port of plain HTTP (default 80)", metavar="PORT", sets="http_port"),
    Option(
        "direct-port",
        "Node-RED's own port, which must not be reachable (default 1880)",
        metavar="PORT",
        sets="direct_port",
    ),
    Option("admin-root", "httpAdminRoot as seen from outside (default /)", metavar="PATH", sets="admin_root"),
    Option("node-root", "httpNodeRoot as seen from outside (default /)", metavar="PATH", sets="node_root"),
    Option(
        "dashboard",
        "Path of a dashboard below the node root, or none (repeatable; default: try /ui and /dashboard)",
        many=True,
        metavar="PATH",
        sets="dashboards",
    ),
    Option(
        "profile",
        "Set of thresholds (default production)",
        choices=("baseline", "production", "strict"),
        sets="profile",
    ),
    Option(
        "login-url",
        "Login page to which your single sign-on redirects: an https URL or a path on this host (repeatable)",
        many=True,
        metavar="URL",
        sets="login_urls",
    ),
    Option(
        "editor",
        "Editor page: off (disabled), or behind a login (protected); default disabled",
        choices=("disabled", "protected"),
        sets="editor",
    ),
    Option(
        "admin-api",
        "Admin API: guarded by Node-RED (protected) or by a proxy (proxied), or off (disabled); default protected",
        choices=("protected", "proxied", "disabled"),
        sets="admin_api",
    ),
    Option(
        "pace",
        "Request rate: normal, or quiet (one request at a time, slow enough for intrusion detection) (default normal)",
        choices=("normal", "quiet"),
        sets="pace",
    ),
    Option(
        "mode",
        "What to send: full, or calm (no password guesses and nothing that looks like an attack) (default full)",
        choices=("full", "calm"),
        sets="mode",
    ),
    Option(
        "host",
        "Machine that runs Node-RED, as a testinfra backend: ssh://USER@HOST, docker://NAME, local://",
        metavar="BACKEND",
        sets="host",
    ),
    Option(
        "flows",
        "File of flows to judge alone, without a deployment; or a folder: a project, or flows that were split "
        "(repeatable)",
        many=True,
        metavar="PATH",
    ),
    Option(
        "policy",
        "Policy file: your site's requirements and waivers (default: nodered-sec.toml beside the ini file)",
        metavar="FILE",
    ),
    Option(
        "target",
        "Targets of the policy file to test: name, glob, or LABEL=VALUE (repeatable; default: all)",
        many=True,
        metavar="NAME",
    ),
    Option(
        "shard",
        "Test every N-th target by name, from the I-th on, e.g. 3/8; the other shards test the others",
        once=True,
        metavar="I/N",
    ),
    Option(
        "fail-on",
        "Lowest severity whose findings fail the run (default low); new: findings that the baseline does not have "
        "(repeatable: both); others are reported as xfailed",
        many=True,
        choices=("critical", "high", "medium", "low", "new"),
    ),
    Option(
        "exit",
        "Exit code of a run that fails: pytest's 1, or split: 1 findings, 6 something could not be looked at, 7 both",
        choices=("pytest", "split"),
    ),
    Option(
        "junit",
        "Where JUnit cases hold the evidence: in properties, or (strict) in system-out, valid against junit-10.xsd",
        choices=("properties", "strict"),
    ),
    Option("evidence", "Write all evidence into a new folder: reports, observations, policy", metavar="DIR"),
    Option(
        "seal",
        "Command that signs the folder's SHA256SUMS; {} in it is that file's path (default: at its end)",
        once=True,
        metavar="CMD",
    ),
    Option("hdf", "Write the results in MITRE's HDF, for Heimdall", metavar="FILE"),
    Option("sarif", "Write the findings as SARIF 2.1.0, for GitHub's code scanning", metavar="FILE"),
    Option("codequality", "Write the findings as GitLab's code quality report", metavar="FILE"),
    Option("defectdojo", "Write the findings as DefectDojo's generic findings", metavar="FILE"),
    Option("oscal", "Write the results as OSCAL assessment results", metavar="FILE"),
    Option("report", "Write the results as one HTML page", metavar="FILE"),
    Option(
        "fix",
        "Write the changes for each target as a page and files, into a new folder; the target is not changed",
        metavar="DIR",
    ),
    Option(
        "show",
        "End of the terminal output: the changes, or all cases as well (default changes; -v implies all)",
        choices=("changes", "all"),
    ),
    Option(
        "replay",
        "Send nothing: judge the observations in an evidence folder again and report the differences (repeatable: the "
        "folders are one run)",
        many=True,
        metavar="DIR",
    ),
    Option(
        "baseline",
        "Compare with an earlier run's evidence folder: findings that are new, fixed or still open; changed targets",
        once=True,
        metavar="DIR",
    ),
    Option(
        "suite",
        "Run the bundled suite with your tests, run only the suite, or switch it off (default with)",
        choices=("with", "only", "off"),
    ),
    Option(
        "control",
        "Run only the controls with such an id, e.g. dash-* (repeatable); other tests are left out",
        many=True,
        metavar="GLOB",
    ),
    Option(
        "lab",
        "Start a real Node-RED on this machine and test it: a named deployment (default fresh), or a directory with "
        "your settings.js, flows.json, and nginx.conf or Caddyfile (NAME@4: major version 4, NAME+nginx: behind nginx)",
        many=True,
        metavar="NAME",
    ),
)
_LAB_DEFAULT: Final = "fresh"
LISTED: Final = "list"  # of controls, where no glob is given
_VERY_NEARLY: Final = 0.85  # likeness by difflib: "urll" is nearly "url", "port" is not nearly "report"
_BARE: Final = {"--nodered-lab": _LAB_DEFAULT, "--nodered-controls": LISTED}  # options whose value may be left out
FLAGS: Final = (
    (
        "controls",
        "List the bundled controls (id, severity, title) and exit; with =GLOB, e.g. dash-*, print of each also reason, "
        "findings, remedies and requirements",
    ),
    ("show-policy", "Print the effective policy of each target as TOML, each expectation with its source, and exit"),
    ("job-summary", "Append a Markdown summary to the file named by GITHUB_STEP_SUMMARY"),
    (
        "audit",
        "Refuse runs that cannot be an audit: tests left out, no account or host, no [assessment], old tables",
    ),
    ("plan", "List every request that the collected tests would send, and send nothing"),
    (
        "lab-pack",
        "Write an archive of what the named deployments of the lab need from npm, and exit; on a machine without "
        "a network, set PYTEST_NODERED_LAB_NPM to that file",
    ),
    ("guide", "Print the guide from a fresh Node-RED to all green, as Markdown, and exit"),
    ("init", "Inspect each URL once, write a commented nodered-sec.toml, and exit"),
)


_VALUES: Final[dict[str, dict[str, Any]]] = {  # of FLAGS, those with a value  # Any: argparse's own
    "controls": {"nargs": "?", "const": LISTED, "metavar": "GLOB"},
    "lab-pack": {"metavar": "FILE"},
}
_NAMES: Final = (*(option.name for option in OPTIONS), *(name for name, _ in FLAGS))


def add(parser: pytest.Parser) -> None:
    """Register the option group and its ini values."""
    group = parser.getgroup("nodered-sec", "Node-RED security compliance")
    for option in OPTIONS:
        extra: dict[str, Any] = {
            "action": "append" if option.many or option.once else "store",
            "default": None,
        }  # Any: argparse's own
        if option.choices:
            extra["metavar"] = "|".join(option.choices)
        else:
            extra["metavar"] = option.metavar
        if option.name == "lab":
            extra.update(nargs="?", const=_LAB_DEFAULT)
        group.addoption(option.flag, dest=option.key, help=option.help, **extra)
        kind: Literal["args", "string"] = "args" if option.many else "string"
        parser.addini(option.key, f"{option.help}; as {option.flag}", type=kind)
    for name, text in FLAGS:
        group.addoption(
            f"--nodered-{name}", dest=key_of(name), help=text, **_VALUES.get(name, {"action": "store_true"})
        )
        parser.addini(
            key_of(name), f"Not an ini value: put --nodered-{name} on the command line or into addopts", default=""
        )


def given(config: pytest.Config) -> bool:
    """Whether the run uses one of the plugin's options or ini values, or has a policy file."""
    keys = [key_of(name) for name in _NAMES]
    named = any(getattr(config.option, key) not in (None, False) for key in keys) or any(
        config.getini(key) for key in keys
    )
    return named or is_there(beside(config))


def is_there(policy: Path) -> bool:
    """Whether something has a policy file's name, be it what cannot be read.

    A link may lead nowhere, and Docker makes a folder where the file to mount is missing: then nothing that the site
    demands would be known, and nobody told.
    """
    return os.path.lexists(policy)


def beside(config: pytest.Config) -> Path:
    """Return the default path of the policy file: beside the ini file."""
    return (config.inipath.parent if config.inipath else config.rootpath) / "nodered-sec.toml"


def key_of(name: str) -> str:
    """Return the ini key and attribute of an option, e.g. nodered_ca_file."""
    return f"nodered_{name.replace('-', '_')}"


def name_the_defaults(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Give a bare `--nodered-lab` and `--nodered-controls` its value, so that argparse does not take the next path."""
    end = args.index("--") if "--" in args else len(args)
    if not set(args[:end]) & set(_BARE):
        return
    args[:end] = [f"{arg}={_BARE[arg]}" if arg in _BARE else arg for arg in args[:end]]
    from pytest_nodered_sec import private  # only where the option is used

    private.name_first_paths(early_config, parser.parse_known_args(args).file_or_dir)


def refuse_misspelt(parser: pytest.Parser, args: list[str]) -> None:
    """Name the option that was meant, where one that begins like ours is nobody's; else pytest says what it says.

    Raises:
        UsageError: there is such an option.
    """
    end = args.index("--") if "--" in args else len(args)
    known = {f"--nodered-{name}" for name in _NAMES}
    strange = [arg for arg in args[:end] if arg.startswith("--node") and arg.partition("=")[0] not in known]
    if not strange:
        return
    for arg in parser.parse_known_and_unknown_args(args)[1]:
        name, sign, _ = arg.partition("=")
        near, key = _meant(name.removeprefix("--")) if arg in strange else ("", "")
        if arg in strange and (variable := _of_account(name.removeprefix("--"))):
            raise pytest.UsageError(
                f"{name}: an account does not belong on the command line, which process lists and logs show; set "
                f"{variable} in the environment"
            )
        if near:
            shown = f"{name}{sign and '=…'}"
            raise pytest.UsageError(f"{shown}: there is no such option; did you mean --nodered-{near}?")
        if key:
            raise pytest.UsageError(f"{name}: there is no such option; write {key} into nodered-sec.toml")


def refuse_misspelt_key(warned: str) -> None:
    """Name the ini key that was meant, where pytest warns of one that is very nearly ours; `warned` ends with its name.

    It warns of what no plugin has registered; others than ours may have keys that begin like ours (`nodered_port`).

    Raises:
        UsageError: there is such a key.
    """
    name = warned.split()[-1] if warned else ""
    if not name.lower().replace("-", "_").startswith(("nodered_", "node_red_")):
        return
    if variable := _of_account(name):
        raise pytest.UsageError(f"{name}: an account does not belong in this file; set {variable} in the environment")
    near, key = _meant(name, _VERY_NEARLY)
    if near in (flag for flag, _ in FLAGS):
        raise pytest.UsageError(f"{name}: there is no such ini key; put --nodered-{near} on the command line")
    if near:
        raise pytest.UsageError(f"{name}: there is no such ini key; did you mean {key_of(near)}?")
    if key:
        raise pytest.UsageError(f"{name}: there is no such ini key; write {key} into nodered-sec.toml")


def _of_account(name: str) -> str:
    """Return the variable for a part of an account that a name would give, "" where it is no such name."""
    parts = {"user": "USERNAME", "pass": "PASSWORD", "passwd": "PASSWORD"}
    part = parts.get(_word(name), _word(name).upper())
    return f"NODERED_{part}" if part in ("USERNAME", "PASSWORD", "TOKEN") else ""


def _word(name: str) -> str:
    return name.lower().replace("_", "-").replace("node-red", "nodered").removeprefix("nodered-")


def _meant(name: str, likeness: float = 0.6) -> tuple[str, str]:
    """Return which option of ours a name is nearly, and which key of the policy file it is; "" where none."""
    import difflib  # only where something is misspelt

    from pytest_nodered_sec.policy.schema import KEYS  # as above

    word = _word(name)
    key = word.replace("-", "_")
    return next(iter(difflib.get_close_matches(word, _NAMES, 1, likeness)), ""), key if key in KEYS else ""
