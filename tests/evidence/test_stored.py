"""What an evidence folder gives out, and lets go of."""

from __future__ import annotations

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.evidence.stored import Replay
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.policy.model import Policy

REACH, TLS = Ask("reach"), Ask("tls", ("TLSv1.2",), "TLSv1.2")
A, B = (Target(name, f"https://{name}.example", Policy()) for name in "ab")


def stored(name: str, *asks: Ask) -> Replay:
    seen = {(ask.probe, ask.args): ProbeError(f"{name} {ask.probe}", Cause.TIMEOUT) for ask in asks}
    return Replay({name: seen}, {name: {"server": name}})


def test_of_two_folders_each_target_is_as_the_one_has_it_that_counts() -> None:
    both = stored("a", REACH).having(stored("b", REACH, TLS), {"b"})
    assert str(both.outcome(A, REACH)) == "a reach"
    assert str(both.outcome(B, TLS)) == "b tls"
    assert "was not asked of a" in str(both.outcome(A, TLS))
    assert (both.identity(A), both.identity(B)) == ({"server": "a"}, {"server": "b"})
    later = both.having(stored("a", TLS), {"a"})
    assert str(later.outcome(A, TLS)) == "a tls"
    assert "was not asked of a" in str(later.outcome(A, REACH))  # the earlier look counts for nothing


def test_what_was_seen_of_a_target_is_let_go_and_that_of_others_is_kept() -> None:
    both = stored("a", REACH, TLS).having(stored("b", TLS), {"b"})
    both.let_go(A, [REACH])
    assert str(both.outcome(A, REACH)) == "a reach"
    assert "was not asked of a" in str(both.outcome(A, TLS))
    assert str(both.outcome(B, TLS)) == "b tls"
    assert both.identity(A) == {"server": "a"}
