"""An authority, what hangs below it, and a look at servers that present it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from certlab import DAY, Issued, issue, now
from tlslab import LoopbackLook

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.contexts import Contexts
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.verdict import Verdict


HOST = "nodered.test"


class Authority:
    """A root and what hangs below it."""

    def __init__(self) -> None:
        far = now() + 3000 * DAY
        self.root = issue("Lab Root", ca=True, since=now() - 1000 * DAY, until=far)
        self.intermediate = issue("Lab Intermediate", self.root, ca=True, since=now() - 900 * DAY, until=far)
        self.stranger = issue("Stranger Root", ca=True)
        self.stranger_intermediate = issue("Stranger Intermediate", self.stranger, ca=True)

    def leaf(self, by: Issued | None = None, **how: Any) -> Issued:
        how.setdefault("dns", [HOST])
        return issue(how.pop("name", HOST), by or self.intermediate, **how)


def look_at(
    port: int,
    *,
    host: str = HOST,
    ca_file: str | None = None,
    timeout: float = 3.0,
    scheme: str = "https",
    contexts: Contexts | None = None,
) -> Look:
    target = Target("t", f"{scheme}://{host}:{port}", Policy(), ca_file=ca_file, timeout=timeout)
    return cast("Look", LoopbackLook(target, contexts=contexts or Contexts()))


def codes(verdict: Verdict) -> list[str]:
    assert not isinstance(verdict, NotApplicable)
    return [violation.code for violation in verdict]


def le_like(lab: Authority) -> list[Issued]:
    x2 = issue("Root X2", lab.root, ca=True)
    ye = issue("Root YE", x2, ca=True)
    ye1 = issue("YE1", ye, ca=True, path_length=0)
    return [issue("", ye1, dns=[HOST]), ye1, ye, x2]
