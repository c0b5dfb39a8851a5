"""The evidence folder: what is in it, how it is written, and that it is as it was written.

run.json         version, times, and the targets as they were, policy included, secrets left out
observations.jsonl  what was seen: one question to one target a line
results.jsonl    what became of each case
policy.toml      what was demanded, for people, and for --nodered-policy
ca-*.pem         the private CAs that were trusted
versions.json    what looked and judged
junit.xml, hdf.json, report.html  the reports
README.txt       what the folder is, and how to check it
SHA256SUMS       of all others; written last, so a folder without it is not complete
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec import redaction, texts
from pytest_nodered_sec.evidence.files import CLAIM, write
from pytest_nodered_sec.model import HttpSettings
from pytest_nodered_sec.observations import codec
from pytest_nodered_sec.policy.assessment import assessment_of
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_nodered_sec.evidence.report import Report
    from pytest_nodered_sec.model import Target

SUMS: Final = "SHA256SUMS"
RUN: Final = "run.json"
OBSERVATIONS: Final = "observations.jsonl"
RESULTS: Final = "results.jsonl"
JUNIT: Final = "junit.xml"
NEEDED: Final = (RUN, OBSERVATIONS, RESULTS)
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_CA_FILE: Final = re.compile(r"^ca_file = .*?(?=  # |$)", re.MULTILINE)
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](\S[^\n]*)")


def fill(
    folder: Path,
    report: Report,
    targets: Sequence[Target],
    looked: Iterable[Mapping[str, Any]],
    files: Mapping[str, str],
) -> None:
    """Write everything into a folder that is there; what is in it already counts as evidence too.

    Args:
        folder: where to.
        report: the run.
        targets: as they were looked at.
        looked: what was seen, line by line.
        files: further ones, as texts by name.

    Raises:
        OSError: a file cannot be written.
    """
    ours = [_with_ca(folder, target) for target in targets]
    run = {
        "schema": codec.SCHEMA,
        "facts": report.facts,
        "unfinished": report.unfinished,
        "headline": report.headline,
        "judgement": report.judgement,
        "outcomes": report.counts,
        "looked": report.looked,
        "fleet": {"names": report.fleet.names, "shard": report.fleet.shard},
        "targets": [
            {**_accounts(target), "target": _shown(target), "looked": report.looks.get(target.name)} for target in ours
        ],
    }
    write(folder / RUN, texts.as_json(run, indent=1) + "\n")
    write(folder / OBSERVATIONS, _lines(looked))
    write(folder / RESULTS, _lines(report.records))
    write(folder / "policy.toml", _policy(report, ours))
    write(
        folder / "versions.json",
        json.dumps(report.facts["tools"] | {"pytest-nodered-sec": report.facts["plugin"]}, indent=1) + "\n",
    )
    for name, text in files.items():
        write(folder / name, text)
    write(
        folder / SUMS,
        "".join(f"{_digest(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != CLAIM),
    )


def _accounts(target: Target) -> dict[str, bool]:
    """Return which accounts a target was given: without one, what needs it was not judged."""
    given = target.credentials is not None
    return {"credentials": given, "dashboard_credentials": target.dashboard_credentials is not None}


def _lines(values: Iterable[Any]) -> Iterator[str]:
    return (f"{texts.as_json(value)}\n" for value in values)


def _with_ca(folder: Path, target: Target) -> Target:
    """Put the certificates of a target's CA file beside the rest, and return the target as it names them."""
    if target.ca_file is None:
        return target
    content = Path(target.ca_file).read_text(encoding="utf-8", errors="replace")
    certificates = _CERTIFICATE.findall(content)  # and nothing else: a key may stand beside them
    text = "\n".join(certificates) + "\n"
    path = folder / f"ca-{hashlib.sha256(text.encode()).hexdigest()[:12]}.pem"
    write(path, text)
    return replace(target, ca_file=path.name)


def _shown(target: Target) -> Any:  # Any: JSON
    """Return a target without what is secret: passwords, proxy, headers, and where our keys lie."""
    policy = target.policy
    pairs = tuple((username, "") for username, _ in policy.known_credentials)  # the policy's digest has the names
    shown = replace(
        target,
        credentials=None,
        dashboard_credentials=None,
        http=HttpSettings(),
        host=target.host and target.host.partition("?")[0],
        policy=replace(policy, known_credentials=pairs),
    )
    return redaction.scrub_policy(codec.encode(shown))


def _policy(report: Report, targets: Sequence[Target]) -> str:
    """Return what was demanded as one policy file, which finds the CA files where they are now."""
    tables = []
    for facts, target in zip(report.facts["targets"], targets, strict=True):
        here = f"ca_file = {toml(target.ca_file)}"  # a name of ours: nothing in it means anything to `sub`
        tables.append(_CA_FILE.sub(here, facts["policy"]))
    assessment = assessment_of(report.facts["assessment"]).toml()
    return f'fail_on = "{report.facts["fail_on"]}"\n\n' + "\n".join(filter(None, [assessment, *tables]))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(folder: Path, option: str) -> None:
    """See that every file is as it was written; files that came later (a signature) are no concern.

    Args:
        folder: the evidence folder.
        option: which option names it.

    Raises:
        PolicyError: it is no evidence folder, or something in it was changed.
    """
    if not folder.is_dir():
        raise PolicyError(f"{option}={folder}: there is no such folder")
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise PolicyError(f"{folder} is no complete evidence folder: {SUMS} cannot be read") from None
    named = [match.groups() for match in map(_LINE.fullmatch, lines) if match]
    listed = {name for _, name in named}
    if len(named) != len(lines) or any("/" in name or "\\" in name for name in listed) or not set(NEEDED) <= listed:
        raise PolicyError(f"{folder} is no complete evidence folder: {SUMS} was changed, or lacks a file")
    for digest, name in named:
        try:
            changed = _digest(folder / name) != digest
        except OSError:
            raise PolicyError(f"{folder}/{name} cannot be read; {SUMS} names it") from None
        if changed:
            raise PolicyError(f"{folder}/{name} was changed after it was written: {SUMS} says otherwise")
