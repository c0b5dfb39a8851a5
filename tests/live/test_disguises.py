"""A hostile local user of a whole machine, and machines that are set up otherwise than most."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import hostlab
import pytest
import warm
from disguises import DISGUISES, START, STOP
from hostbench import Bench, Weak
from hostlab import Machine
from otherhosts import OTHERS, SOUND
from suite_runs import ids, with_outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        bool(hostlab.missing()) and not os.environ.get("CI"), reason=hostlab.missing() or "all is there"
    ),
]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    assert hostlab.missing() == ""
    if why := hostlab.forbidden():
        pytest.skip(why)
    folder = tempfile.TemporaryDirectory(prefix="nrs-")
    with folder as name, Machine(Path(name)) as machine, warm.Server(machine.outside()) as server:
        bench = Bench(machine, server)
        bench.bring(Weak(""))
        yield bench


def files_of(machine: Machine) -> list[str]:
    return [line for line in machine.picture().splitlines() if line.startswith("/")]


@pytest.mark.parametrize("name", DISGUISES)
def test_nothing_of_his_is_run_or_taken_for_the_real_one(name: str, bench: Bench, tmp_path: Path) -> None:
    script, said = DISGUISES[name]
    user = ("ops", "root")[list(DISGUISES).index(name) % 2]
    try:
        bench.bring(Weak("", do=START, given=script))
        before = files_of(bench.machine)
        seen = bench.judged(tmp_path, Weak("", user=user))
        assert files_of(bench.machine) == before
    finally:
        bench.machine.run(STOP)
    assert with_outcome(seen, "could-not-look") == set()
    assert with_outcome(seen, "non-compliant") <= ids("host-00")
    report = (tmp_path / "out.xml").read_text()
    assert not said or said in report, re.findall("calls itself[^;]*;[^;]*", report)
    assert "root:*:" not in report


@pytest.mark.parametrize("name", [*SOUND, *OTHERS])
def test_exactly_these_controls_fail_and_err(name: str, bench: Bench, tmp_path: Path) -> None:
    host = {**SOUND, **OTHERS}[name]
    seen = bench.tried(tmp_path, host)
    assert with_outcome(seen, "non-compliant") == ids(host.fails)
    assert with_outcome(seen, "could-not-look") == ids(host.errs)
