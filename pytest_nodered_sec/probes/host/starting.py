"""How Node.js is started on a host: which one, as whom, with whose groups and what environment.

A program runs there only where root, or the user that it then runs as, alone can change it; and it gets no right that
Node-RED itself lacks.
"""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.host.candidate import Candidate
    from pytest_nodered_sec.probes.host.parse import Me

_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PATH: Final = "/usr/bin:/bin:/run/current-system/sw/bin:/run/wrappers/bin"
_NOGROUP: Final = 65534  # in place of root's group


def node_of(node_red: Candidate, sections: dict[str, Section]) -> str:
    """Return the Node.js to run: Node-RED's own, where only root or its own user can change it; else the host's.

    Raises:
        ProbeError: others can change the one, and there is no other that only root can change.
    """
    if node_red.theirs and PurePosixPath(node_red.exe).name.startswith("node"):
        return node_red.exe
    if there := sections.get("node", Section("", 1)).text.strip():
        return there
    state = (
        "was deleted or replaced after it started" if node_red.deleted else "can be changed by others, or is not seen"
    )
    raise ProbeError(
        f"the Node.js that runs Node-RED ({node_red.exe or 'of an unknown place'}) {state}, and this host has no other "
        "that only root can change, so none is run: restart Node-RED, or name one in the policy: [inside] node",
        Cause.FORBIDDEN,
    )


def as_user(who: Me, node_red: Candidate, node: str, *, sudo: bool) -> str:
    """Return the shell command that runs Node on the first argument, as the user that Node-RED runs as.

    Node gets nothing of our environment, no group that the process lacks, and never root's.

    Raises:
        ProbeError: we are somebody else, and sudo was not asked for; or nobody vouches for a user without a name.
    """
    uid, user = node_red.process.uid, node_red.process.user
    clean = f"env -i PATH={_PATH}"
    run = f"{clean} {shlex.quote(node)} -"
    here = f'PATH={_PATH}; export PATH; cd /; printf %s "$1" | '
    if who.uid == uid:
        return f"{here}{run} 2>&1"
    name = shlex.quote(user) if _USER.fullmatch(user) and not user.isdigit() else ""
    if not name and not node_red.vouched:
        raise ProbeError(
            f"nothing is run as user id {uid}: it has no entry in passwd, and no service vouches for the process",
            Cause.FORBIDDEN,
        )
    if who.uid == 0:
        gid = node_red.gid or _NOGROUP
        others = ",".join(str(group) for group in node_red.groups if group)
        rights = "--no-new-privs --inh-caps=-all --bounding-set=-all " + f"--reuid={uid} --regid={gid} "
        rights += f"--groups={others}" if others else "--clear-groups"
        by_name = f"{clean} su -s /bin/sh -c {shlex.quote(run)} {name}"  # of busybox, whose setpriv cannot
        otherwise = _unless_of_root(name, by_name) if name else "echo 'no setpriv there (util-linux)'"
        return (
            f"{here}if {clean} setpriv {rights} true 2>/dev/null; then {clean} setpriv {rights} {run}; "
            f"else {otherwise}; fi 2>&1"
        )
    if not sudo:
        raise ProbeError(
            f"settings.js is read as {user}, the user Node-RED runs as, but the session is {who.user}: add "
            "?sudo=true to --nodered-host (docs/sudoers has the lines it needs)",
            Cause.FORBIDDEN,
        )
    if not name:
        raise ProbeError(
            f"nothing is run as user id {uid}: it has no entry in passwd, and sudo would give it root's group; look as "
            "root, or as that user",
            Cause.FORBIDDEN,
        )
    return here + _unless_of_root(name, f"{clean} sudo -n -u {name} {shlex.quote(node)} -") + " 2>&1"


def _unless_of_root(name: str, command: str) -> str:
    """Return a command that gives a user all its groups, unless root's is one of them."""
    reason = f"nothing is run as {name}, whose groups include root's"
    return f'case " $(id -G {name}) " in *" 0 "*) echo {shlex.quote(reason)} ;; *) {command} ;; esac'
