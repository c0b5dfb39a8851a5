"""Texts that were written to take long: they are read in windows, and not for ever."""

from __future__ import annotations

import time

import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.flows.patience import Patience
from pytest_nodered_sec.probes.flows.reading import read_flows

TAB = {"id": "t", "type": "tab"}


def function(**more: str) -> dict[str, object]:
    return {"id": "n", "type": "function", "z": "t", "wires": [], **more}


@pytest.mark.parametrize("before", [0, 8180, 8191, 9000, 30_000, 49_990])
def test_what_stands_where_two_windows_meet_is_found(before: int) -> None:
    code = "x;" * (before // 2) + 'const password = "correct-horse-9"; o.rejectUnauthorized = false;' + "y;" * 30_000
    seen = read_flows([TAB, function(func=code)])
    assert [clear_secret.kind for clear_secret in seen.secrets]
    assert [weakening.what for weakening in seen.weakenings] == ["unverified"]


@pytest.mark.parametrize("said", ["://?a=" * 500_000, "server=" * 500_000 + "password=", "\\`" * 1_000_000])
def test_a_text_that_takes_too_long_is_not_read_to_its_end(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 10_000, 20))
    monkeypatch.setattr(time, "thread_time", lambda: next(ticks))
    with pytest.raises(ProbeError, match="to read"):
        read_flows([TAB, function(func=said, name=said)])


def test_who_has_time_reads_on() -> None:
    assert "".join(Patience().windows("abc", 2)) == "abcc"
