"""What tells a machine from every other one, and an answer beside those of the run's other targets; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.texts import counted, listed

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.chain import PresentedChain


@dataclass(frozen=True)
class MachineMarks:
    """What no two machines share (fleet-02), as digests that were made there: nothing of it is kept in clear.

    Attributes:
        machine: of its machine id, "" where it has none.
        boot: of the id of its running kernel's boot, which two looks at one machine share; "" where it is not seen.
        host_keys: of its public ssh host keys, with their types.
        container: whether a container was looked at, whose marks are those of its image or of its machine.
        instance: of the id that Node-RED made for itself, "" where it is not seen.
        secret: of the key that Node-RED made for its credentials, "" where the site chose one, or it is not seen.
        passwords: of the bcrypt hashes in settings.js, each with whose it is; without samples that are published, and
            hashes that are made anew at each start. None where it is not known what settings.js comes to.
    """

    machine: str
    boot: str
    host_keys: tuple[tuple[str, str], ...] = ()
    container: bool = False
    instance: str = ""
    secret: str = ""
    passwords: tuple[tuple[str, str], ...] | None = None

    def evidence(self) -> str:
        """Return one line for the evidence."""
        keys = listed(kind for kind, _ in self.host_keys) or "none"
        own = [
            "instance id" if self.instance else "",
            "key for credentials" if self.secret else "",
            "password hashes: not seen" if self.passwords is None else f"password hashes: {len(self.passwords)}",
        ]
        of_node_red = ", ".join(filter(None, own))
        return f"machine id: {'seen' if self.machine else 'none'}; ssh host keys: {keys}; of Node-RED: {of_node_red}"


@dataclass(frozen=True)
class Beside:
    """The answer of one target, and those of the others that were asked the same.

    Attributes:
        seen: the target's own.
        others: the others', by target; without those at the same server or machine by their addresses.
        unseen: targets that gave no answer.
        elsewhere: which targets are not in this run, "" if all are.
    """

    seen: PresentedChain | MachineMarks
    others: tuple[tuple[str, PresentedChain | MachineMarks], ...] = ()
    unseen: tuple[str, ...] = ()
    elsewhere: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        parts = [
            self.seen.evidence(),
            f"compared with {counted(len(self.others), 'other target')}",
            f"not seen: {listed(self.unseen)}" if self.unseen else "",
            self.elsewhere,
        ]
        return "; ".join(filter(None, parts))
