"""Where one reason keeps many cases from looking, one of the run's cases tells it, and the others name that case."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from session.conftest import Site

# A login before one dashboard, which another one has not; a host that is off; and a dashboard's channel that hangs.
LOGIN = """
class Behind(Survey):
    def outcome(self, target, ask):
        words = ask.args
        if ask.needs == "host":
            return ProbeError("host ssh://plant cannot be reached", Cause.UNREACHABLE)
        if ask.probe == "socket" and "/dashboard" in words:
            return ProbeError("/dashboard/socket.io was silent", Cause.TIMEOUT)
        if any(word.startswith(("/ui", "/UI", "/dashboard")) for word in words):
            return ProbeError(f"{words} leads to a login", Cause.UNDECLARED_LOGIN)
        if ask.probe == "reach":
            return Seen("reach")
        if "/flows" in words:
            return ProbeError("plant gave no usable answer: see reach-01", Cause.SEE_REACH)
        return ProbeError(f"{ask}: a reason of its own", Cause.PROTOCOL)

pytest_nodered_sec.survey.survey.Survey = Behind
"""


def _told(site: Site, *args: str) -> dict[str, list[str]]:
    """Return what each control's cases say that could not look."""
    site.write(conftest=(site.path / "conftest.py").read_text() + LOGIN)
    site.run("--nodered-host=ssh://plant", "--junitxml=out.xml", *args)
    told = defaultdict[str, list[str]](list)
    for error in ElementTree.parse(site.path / "out.xml").iter("error"):  # noqa: S314  our own file
        before, _, reason = (error.get("message") or "").rstrip('"').partition("could not look: ")
        told[before.split('"')[-1].split()[0]].append(reason)
    return told


def test_cases_of_one_dashboard_name_the_one_that_asks_its_page(site: Site) -> None:
    told = _told(site)
    assert [reason.endswith("leads to a login") for reason in told["dash-01"]] == [True, True]
    assert told["dash-02"][0].endswith(": see dash-01, /ui")
    assert told["dash-02"][1] == "/dashboard/socket.io was silent"  # another reason
    assert {reason.rpartition(": ")[2] for reason in told["dash-04"]} == {"see dash-01, /ui", "see dash-01, /dashboard"}
    assert {reason.rpartition(": ")[2] for reason in told["host-07"]} == {"see host-00"}
    assert told["host-00"] == ["host ssh://plant cannot be reached"]


def test_a_case_that_is_not_in_the_run_is_not_named(site: Site) -> None:
    told = _told(site, "--nodered-control=dash-04", "--nodered-control=host-07")
    assert all(reason.endswith("leads to a login") for reason in told["dash-04"])
    assert set(told["host-07"]) == {"host ssh://plant cannot be reached"}
