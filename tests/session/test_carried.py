"""Where one reason keeps many cases from looking, one of the run's cases tells it, and the others name that case."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

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

_FEW = ("--nodered-control=reach-01", "--nodered-control=tls-09", "--nodered-control=host-07")


def _told(site: Site, *args: str, more: str = LOGIN) -> dict[str, list[str]]:
    """Return what each control's cases say that could not look."""
    site.write(conftest=(site.path / "conftest.py").read_text() + more)
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
    assert told["host-07"][0] == "host ssh://plant cannot be reached"
    assert {reason.rpartition(": ")[2] for reason in told["host-07"][1:]} <= {"see host-07, settings"}


SILENT = """
class Gone(Survey):
    def outcome(self, target, ask):
        if ask.probe == "reach":
            return @SEEN@
        if ask.probe == "tls" or ask.needs == "host":
            return ProbeError("connecting to 192.0.2.5 port 443 got no answer", Cause.TIMEOUT)
        return ProbeError("plant gave no usable answer: see reach-01", Cause.SEE_REACH)

pytest_nodered_sec.survey.survey.Survey = Gone
"""


@pytest.mark.parametrize(
    "args",
    [("-x",), ("--maxfail=3",), ("--sw",), ("--nodered-control=admin-01",)],
    ids=["x", "maxfail", "sw", "selected"],
)
@pytest.mark.parametrize("lost", [True, False], ids=["it-says-why", "it-could-look"])
def test_a_sentence_stands_by_itself_where_the_case_that_others_name_may_not_run(
    args: tuple[str, ...], lost: bool, site: Site
) -> None:
    why = "plant no longer answers as before since look 31: banned, or down?"
    seen = f'ProbeError("{why}", Cause.CHANGED)' if lost else 'Seen("reach")'
    told = _told(site, *args, more=SILENT.replace("@SEEN@", seen))
    reasons = [reason for reasons in told.values() for reason in reasons]
    assert reasons
    by_itself = "plant gave no usable answer; to learn why, run reach-01 too, without -x, --maxfail or --sw"
    assert set(reasons) == {why if lost else by_itself}


def test_what_got_no_answer_from_a_target_that_is_lost_names_reach_01(site: Site) -> None:
    lost = 'ProbeError("plant no longer answers as before since look 31: banned, or down?", Cause.CHANGED)'
    told = _told(site, *_FEW, more=SILENT.replace("@SEEN@", lost))
    assert set(told["tls-09"]) == {"plant.example gave no usable answer: see reach-01"}
    assert told["host-07"][0] == "connecting to 192.0.2.5 port 443 got no answer"  # of another machine


def test_a_sentence_of_many_cases_is_told_by_the_first(site: Site) -> None:
    told = _told(site, *_FEW[:2], more=SILENT.replace("@SEEN@", 'Seen("reach")'))
    first, *others = told["tls-09"]
    assert first == "connecting to 192.0.2.5 port 443 got no answer"
    assert {reason.rpartition(": ")[2] for reason in others} == {"see tls-09, SSLv3"}
