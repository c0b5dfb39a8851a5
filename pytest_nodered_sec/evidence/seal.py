"""Sealing an evidence folder: what its README.txt says, and the site's own command that signs SHA256SUMS."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.credentials import without_secrets
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.texts import readable

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.evidence.report import Report

README: Final = "README.txt"
_LIMIT: Final = 300  # seconds; a person may have to type a passphrase or touch a key
# beginnings of variables that signing programs take their secrets from
_OWN: Final = ("SIGNING_", "COSIGN_", "SIGSTORE_", "ACTIONS_ID_TOKEN_", "PKCS11_", "SSH_AUTH_SOCK", "GPG_")
_PLACE: Final = "{}"  # in the command: the path of SHA256SUMS


def readme(report: Report, sealed: str) -> str:
    """Return the page that tells a stranger what the folder is, and how to check it.

    Args:
        report: the run.
        sealed: the program that signs SHA256SUMS, "" for none.
    """
    facts = report.facts
    signed = f"SHA256SUMS was then signed with: {sealed}" if sealed else "SHA256SUMS was not signed by this run."
    return f"""Evidence of a Node-RED security assessment

{readable(report.headline)}
{report.judgement[0].upper()}{report.judgement[1:]}.

assessment  {report.assessment or "not stated"}
targets     {", ".join(target["name"] for target in facts["targets"])}
looked at   {facts["started"]} to {facts["ended"]}
written by  pytest-nodered-sec {facts["plugin"]}

Begin with report.html, which any browser shows without a network.

Is anything changed? In this folder:

    sha256sum --check --strict SHA256SUMS

(macOS: shasum -a 256 --check SHA256SUMS). Every line must end in "OK". {signed}
Whoever can change the files can also write a new SHA256SUMS: verify a signature of it with a public key that you did
not get with this folder. Signatures and time stamps lie beside it and are not listed in it.

Judge it again, offline, beside this folder:

    pip install pytest-nodered-sec=={facts["plugin"]}
    pytest --nodered-replay=THIS_FOLDER --nodered-suite=only

The folder holds no passwords, tokens, cookies or response bodies, but addresses, paths and names: treat it like a
network plan.
"""


def command_of(text: str) -> list[str]:
    """Return the words of a signing command.

    Raises:
        PolicyError: it has an open quote, no word, or a program that is not there.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise PolicyError(f"--nodered-seal: the command cannot be read ({error})") from None
    if not words:
        raise PolicyError("--nodered-seal is blank: give a command")
    if not shutil.which(words[0]):
        raise PolicyError(f"--nodered-seal: there is no program {words[0]}")
    return words


def seal(words: list[str], sums: Path, begun_in: Path) -> str:
    """Run the site's command over SHA256SUMS; return what went wrong, "" for nothing.

    Its path stands where the command has {}, else at its end. The command gets no password of a target, and nothing
    that it prints is shown: it may repeat its arguments, a key's passphrase among them.

    Args:
        words: program and arguments; no shell.
        sums: the file to sign.
        begun_in: where pytest was started: the command's own files are named from there.
    """
    path = str(sums.resolve())
    argv = [word.replace(_PLACE, path) for word in words]
    if argv == words:
        argv.append(path)
    try:
        done = subprocess.run(  # noqa: S603  the site's own command, from its command line, without a shell
            argv, cwd=begun_in, timeout=_LIMIT, check=False, env=without_secrets(_OWN), stdin=subprocess.DEVNULL,
            capture_output=True,
        )  # fmt: skip
    except OSError as error:
        return f"{argv[0]} cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{argv[0]} took over {_LIMIT} s"
    return f"{argv[0]} ended with status {done.returncode}; run it by hand to see why" if done.returncode else ""
