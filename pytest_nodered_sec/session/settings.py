"""The settings of options, environment and ini file: each resolved once, with its source. Opens no connection."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import texts
from pytest_nodered_sec.session.options import FLAGS, OPTIONS, Option, beside, is_there, key_of
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.policy.file import PolicyFile
    from pytest_nodered_sec.policy.where import Where


NEW: Final = "new"  # of --nodered-fail-on: what the baseline does not have
_PREFIX: Final = "NODERED_"
_OTHERS: Final = ("NODERED_USERNAME", "NODERED_PASSWORD", "NODERED_TOKEN", "NODERED_LAB_LOCKS")  # of no option


@dataclass(frozen=True)
class Settings:
    """Resolved settings: raw texts by option name, and where each came from.

    Attributes:
        shown: whether something is only shown, for which nobody needs an account.
    """

    values: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, str]
    places: Mapping[str, Where]
    shown: bool = False

    def one(self, name: str, default: str) -> str:
        """Return a single value or its default."""
        return self.values[name][-1] if name in self.values else default

    def many(self, name: str) -> tuple[str, ...]:
        """Return all values, () if none was given."""
        return self.values.get(name, ())

    def typed(self, *names: str) -> bool:
        """Whether the command line gives one of these options."""
        return any(self.sources.get(name) == "option" for name in names)

    def described(self) -> str:
        """Return every given setting with its source, for the header."""
        from pytest_nodered_sec.policy.urls import without_private_paths
        from pytest_nodered_sec.results.provenance import program

        kept = {"host": without_private_paths, "seal": program}  # others hold nothing that is nobody's business
        shown = {name: [*map(kept.get(name, str), texts)] for name, texts in self.values.items()}
        return ", ".join(f"{name}={' '.join(texts)} ({self.sources[name]})" for name, texts in shown.items())

    def layer(self, source: str) -> tuple[str, dict[str, Any]]:
        """Return the policy keys that one source sets.

        Raises:
            PolicyError: an invalid value.
        """
        from pytest_nodered_sec.policy.schema import KEYS

        return source, {
            option.sets: KEYS[option.sets](_value(option, self.values[option.name]), self.places[option.name])
            for option in OPTIONS
            if option.sets and self.sources.get(option.name) == source
        }


def _value(option: Option, texts: tuple[str, ...]) -> object:
    """Return an option's texts as TOML values; a text that is not a number stays a text."""
    if option.many:
        return list(texts)
    text = texts[-1]
    if option.sets not in ("http_port", "direct_port", "timeout"):
        return text
    if text.removeprefix("-").isdecimal():
        return int(text)
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def resolve(config: pytest.Config) -> Settings:
    """Collect the settings: command line over environment over ini file.

    Raises:
        pytest.UsageError: an empty value, or a value for a flag.
        PolicyError: a value that is not among the option's choices.
    """
    _refuse_flags(config)
    _refuse_misspelt_variables()
    values: dict[str, tuple[str, ...]] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        typed = config.getoption(option.key)
        ini = config.getini(option.key)
        candidates = (
            ("option", typed if option.many or option.once else [typed] if typed is not None else None),
            ("environment", _words(option, os.environ.get(option.variable))),
            ("ini", ini if option.many else [ini] if ini else None),
        )
        if typed == "" or (isinstance(typed, list) and "" in typed):
            raise pytest.UsageError(f"{option.flag} is empty: give a value, or remove the option")
        if option.once and typed and len(typed) > 1:
            raise pytest.UsageError(
                f"{option.flag} is given {len(typed)} times ({', '.join(typed)}): a run accepts one; "
                "start a separate run for each"
            )
        for source, given in candidates:
            if given:
                values[option.name] = tuple(str(value) for value in given)
                sources[option.name] = source
                break
        if option.metavar in ("FILE", "DIR") and sources.get(option.name) == "ini" and config.inipath:
            # as pytest reads its own paths
            values[option.name] = tuple(str(config.inipath.parent / value) for value in values[option.name])
    places = _places(sources, config.inipath) if values else {}
    for option in OPTIONS:
        for value in values.get(option.name, ()):
            if option.choices and value not in option.choices:
                raise places[option.name].says(value, f"must be one of {', '.join(option.choices)}")
    return Settings(values, sources, places, only_shows(config))


def refuse_two(config: pytest.Config) -> None:
    """Refuse an option that replaces the run beside another such, or beside the plan of a run.

    Raises:
        pytest.UsageError: two are given.
    """
    named = [
        f"--nodered-{name}"
        for name in ("controls", "guide", "lab-pack", "show-policy", "init", "plan")
        if getattr(config.option, key_of(name)) not in (None, False)
    ]
    if len(named) > 1:
        raise pytest.UsageError(f"{' and '.join(named)} each take the place of the run: give one of them")


def _refuse_flags(config: pytest.Config) -> None:
    """Refuse a flag in the environment or ini file, where it has no effect: NODERED_PLAN=1 would send everything."""
    for name, _ in FLAGS:
        key = key_of(name)
        set_by_variable = bool(os.environ.get(key.upper()))
        if not getattr(config.option, key) and (set_by_variable or config.getini(key)):
            raise pytest.UsageError(
                f"{key.upper() if set_by_variable else key} has no effect: put --nodered-{name} on the command "
                f"line or into {'PYTEST_ADDOPTS' if set_by_variable else 'addopts'}"
            )


def _refuse_misspelt_variables() -> None:
    """Name the variable that was meant, where one that begins like ours is not read: NODERED_SUIT=only changes nothing.

    Left alone are those of somebody else (NODERED_VERSION), and what a policy file may name (NODERED_A_PASSWORD).
    """
    options = [option.variable for option in OPTIONS]
    flags = [key_of(name).upper() for name, _ in FLAGS]
    known = [*options, *flags, *_OTHERS]
    for name in sorted(os.environ):
        if not name.startswith(_PREFIX) or name in known or not os.environ[name]:
            continue
        for meant in known:
            if _misspells(name.removeprefix(_PREFIX), meant.removeprefix(_PREFIX)):
                way = f"--{meant.lower().replace('_', '-')} on the command line" if meant in flags else meant
                raise pytest.UsageError(f"{name} is set, and nothing reads it; did you mean {way}?")


def _misspells(word: str, meant: str) -> bool:
    """Whether a word is probably another one; PORT is not REPORT, and HOME is not HOST."""
    replaced = len(word) == len(meant) > 4 and sum(a != b for a, b in zip(word, meant, strict=True)) == 1
    return replaced or texts.nearly(word, meant)


def _places(sources: Mapping[str, str], inipath: Path | None) -> dict[str, Where]:
    """Return for each given setting the start of an error message about it."""
    from pytest_nodered_sec.policy.where import Where

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
    """Whether the run only prints something and executes no test, so that it needs neither lab nor answers."""
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
            "nodered_show_policy",
        )
    )


def stay_in_one_process(config: pytest.Config) -> None:
    """Switch xdist off for a run that shows what was collected, because its controller collects nothing."""
    if hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = 0, "no", []


def answers_are_due(config: pytest.Config, *, typed: bool) -> bool:
    """Whether a run without answers must fail: not if the user named no target and selected other tests."""
    option = config.option
    chosen = any(getattr(option, name, None) for name in ("keyword", "markexpr", "deselect", "lf", "stepwise"))
    return not only_shows(config) and not getattr(option, "setuponly", False) and (typed or not chosen)


REPORTS: Final = (  # options that name where one is written
    "evidence", "hdf", "report", "sarif", "codequality", "defectdojo", "oscal",
)  # fmt: skip


def reports(config: pytest.Config, settings: Settings) -> dict[str, Path]:
    """Return which reports to write, and where: the options of REPORTS, and "job-summary"."""
    wanted = {name: Path(settings.one(name, "")).expanduser() for name in REPORTS if settings.many(name)}
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "") if config.option.nodered_job_summary else ""
    return wanted | ({"job-summary": Path(summary)} if summary else {})


def policy_file(config: pytest.Config, settings: Settings) -> PolicyFile | None:
    """Read the policy file: the one named by the option, else nodered-sec.toml beside the ini file, if it exists.

    Raises:
        PolicyError: it is invalid.
    """
    named = settings.one("policy", "")
    place = beside(config)
    if not named and not is_there(place):
        return None
    if named and not Path(named).expanduser().exists():
        init = "; --nodered-init always writes nodered-sec.toml" if config.option.nodered_init else ""
        raise settings.places["policy"].says(named, f"there is no such file{init}")
    from pytest_nodered_sec.policy import file as policyfile

    return policyfile.read(Path(named).expanduser() if named else place, called=named)


def fail_on(settings: Settings, file: PolicyFile | None) -> str:
    """Return the lowest severity whose findings fail the run: option and environment over policy file over ini."""
    given = severity(settings)
    if settings.sources.get("fail-on") == "ini" and file and file.fail_on:
        return file.fail_on
    return given or (file.fail_on if file and file.fail_on else Severity.LOW.value)


def severity(settings: Settings) -> str:
    """Return the severity that `--nodered-fail-on` names, "" for none; of several the last."""
    return next((value for value in reversed(settings.many("fail-on")) if value != NEW), "")


def only_new(settings: Settings) -> bool:
    """Whether only those findings fail the run that the baseline does not have.

    Raises:
        pytest.UsageError: there is no baseline.
    """
    if NEW not in settings.many("fail-on"):
        return False
    if not settings.many("baseline"):
        raise pytest.UsageError(
            "--nodered-fail-on=new needs an earlier run to compare with: add --nodered-baseline=DIR"
        )
    return True
