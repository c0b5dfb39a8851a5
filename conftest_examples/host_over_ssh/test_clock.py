"""The machine's clock: certificates and audit logs are worth what it is worth."""

import time
from dataclasses import dataclass

from pytest_nodered_sec import Severity, Violation, control, question, require

LIMIT = 5.0  # seconds


@dataclass(frozen=True)
class Clock:
    """How far the machine's clock is from ours."""

    seconds: float

    def evidence(self):
        """Return one line for the evidence."""
        return f"the machine's clock is {self.seconds:+.0f} s from ours"


def read_clock(look):
    """Ask the machine for the time."""
    before = time.time()
    there = float(look.host().check_output("date +%s"))
    return Clock(there - (before + time.time()) / 2)


@control("site-10", severity=Severity.MEDIUM, asks=[question(read_clock, needs="host")])
def test_clock_is_right(nodered_seen):
    """The machine's clock is right."""
    wrong = Violation("clock", nodered_seen.evidence(), f"within {LIMIT:.0f} s", "apt install systemd-timesyncd")
    require((wrong,) if abs(nodered_seen.seconds) > LIMIT else ())
