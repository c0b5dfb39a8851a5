"""A process of a host that may be Node-RED, or a proxy, with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import NodeRedProcess


@dataclass(frozen=True)
class Candidate:
    """A process that may be Node-RED, or a proxy.

    Attributes:
        process: what the observation keeps.
        exe: path of its program, "" where that was not ours to read.
        cwd: its working directory, in the same way.
        args: its arguments, where they are still there (Node-RED overwrites them with its title).
        comm: its name.
        vouched: whether root, a container engine, the service manager or we ourselves vouch for it.
        sure: whether they also say that it is Node-RED: a service of another kind may start what it likes.
        settled: whether all of its user ids are the same, and it stayed what it is while it was looked at.
        maker: id of the user, other than root and us, who made the container that it runs in, or "".
        gid: its group, None where its four group ids differ.
        groups: its other groups.
        closed: whether its program is still there, where only root, or who looks, can change it: else it is not run.
        theirs: the same, but for its own user, who may run it: with no more rights than it has.
        deleted: whether its program was deleted or replaced after it started.
        given: the words by which a shell of the same user started it, which that shell still has.
    """

    process: NodeRedProcess
    exe: str
    cwd: str
    args: tuple[str, ...]
    comm: str = ""
    vouched: bool = False
    sure: bool = False
    settled: bool = True
    maker: str = ""
    gid: int | None = None
    groups: tuple[int, ...] = ()
    closed: bool = False
    theirs: bool = False
    deleted: bool = False
    given: tuple[str, ...] = ()
