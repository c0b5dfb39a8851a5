"""Many targets: the worst first, each cause once, and a page that a browser opens at once."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from reported import fleet, record, report

from pytest_nodered_sec.evidence import changes
from pytest_nodered_sec.evidence.ending import Ending
from pytest_nodered_sec.evidence.fleet import causes, standings
from pytest_nodered_sec.evidence.html import html
from pytest_nodered_sec.evidence.summary import markdown
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy

if TYPE_CHECKING:
    from pytest_nodered_sec.evidence.report import Report

LIMIT = 3_000_000  # bytes of a page of 300 targets


@pytest.fixture(scope="module")
def whole() -> Report:
    return fleet(300)


@pytest.fixture(scope="module")
def page(whole: Report) -> str:
    return html(whole)


def ending(*records: Any, **more: Any) -> str:
    whole = report(*records)
    targets = [Target(name, f"https://{name}.example", Policy()) for name in whole.names]
    book: Any = type("Book", (), {"records": list(records), "facts": lambda self: whole.facts})()
    made = Ending(book, targets, show_all=False, folder=None, **more)
    session: Any = type("Session", (), {"exitstatus": 0})()  # all that it reads
    made.pytest_sessionfinish(session)
    return "\n".join(made.lines())


def test_targets_are_told_in_the_order_of_their_harm() -> None:
    worse = [record("non-compliant", target="worse", number=n) for n in range(2)]
    dead = [record("could-not-look", control, "dead", reason=why)
            for control, why in (("reach-01", "refused"), ("tls-01", "see reach-01"))]  # fmt: skip
    mute = record("could-not-look", target="mute", reason="every path answers the same page")
    partly = [record("compliant", target="partly"), record("could-not-look", "tls-01", "partly", reason="cut off")]
    own = record("non-compliant", "site-01", "own", findings=[], severity="low")
    cases = [record("compliant", target="clean"), *partly, mute, *dead, own, record("non-compliant"), *worse]
    skipped = record("not-judged", target="skipped", reason="no account")
    assert ending(*cases, skipped, quiet=2).splitlines() == [
        "worse: 2 findings (2 critical) in 2 tests, 1 change",
        "plant: 1 finding (1 critical) in 1 test, 1 change",
        "own: 1 finding (1 low) in 1 test",
        "dead: unreachable since 00:00:00Z: refused",
        "mute: no question answered since 00:00:00Z: every path answers the same page",
        "skipped: nothing was judged",
        "partly: no findings, 1 could not be looked at",
        "clean: no findings",
    ]


def test_a_cause_of_many_targets_is_told_once() -> None:
    open_ones = [record("non-compliant", target=f"t{n:02}", number=n) for n in range(7)]
    rest = [record("compliant", target=f"t{n:02}") for n in range(7, 20)]
    text = ending(*open_ones, *rest)
    assert "What to change at 7 of 20 targets, worst first; --nodered-fix=DIR writes a folder of each:" in text
    assert "\n  1. critical · settings.js: adminAuth" in text
    assert " · 7 targets: t00, t01, t02, t03 and 3 more\n" in text
    assert "     fixes 7 findings of admin-01 · pytest --nodered-guide, step 2" in text
    assert text.endswith("t19: no findings")
    assert "What to change" not in ending(*rest)
    many = [record("non-compliant", f"site-{n:02}", f"t{n:02}") for n in range(30)]
    for number, entry in enumerate(many):
        entry["findings"][0]["remedy"] = f"mend {number}"
    assert "     and 10 changes more: --nodered-report=FILE has all" in ending(*many, quiet=1)


def test_the_job_summary_has_one_line_for_a_target_that_is_dead() -> None:
    dead = [
        record("could-not-look", control, name, reason=why, instance="")
        for name in ("a", "b")
        for control, why in (("reach-01", "refused"), ("tls-01", "see reach-01"), ("tls-02", "see reach-01"))
    ]
    partly = record("could-not-look", "tls-01", "partly", reason="cut off")
    part = markdown(report(*dead, partly)).partition("### Could not look (7)")[2].partition("###")[0]
    assert [line for line in part.splitlines() if line] == [
        "- a: refused (3)",
        "- b: refused (3)",
        "- partly: cut off (1)",
    ]


def test_causes_are_sorted_by_severity_and_then_by_how_many_have_them(whole: Report) -> None:
    rows = causes(whole.plans)
    assert rows
    assert [len(cause.targets) for cause in rows] == sorted((len(cause.targets) for cause in rows), reverse=True)
    assert {standing.name for standing in standings(whole.plans, whole.records) if standing.harm} == set(
        rows[0].targets
    )


def test_a_page_of_300_targets_is_small(page: str) -> None:
    assert len(page.encode()) < LIMIT


def test_a_fleet_that_fails_everywhere_is_small() -> None:
    controls = [f"{family}-{n:02}" for family in ("admin", "tls", "http", "proxy", "site") for n in range(1, 13)]
    names = [f"gateway-{at:03}" for at in range(300)]
    cases = [
        record("non-compliant", control, name, word)  # type: ignore[arg-type]  # any word tells them apart
        for control in controls
        for name in names
        for word in "ab"
    ]
    for at, case in enumerate(cases):
        case["findings"][0]["observed"] = f"{at}: {'x' * 200}"
    whole = report(*cases)
    targets = [Target(name, f"https://{name}.example", Policy()) for name in whole.names]
    assert len(html(replace(whole, plans=changes.of_run(targets, whole.records, whole.facts))).encode()) < LIMIT


def test_the_first_screen_says_which_fail_and_why(page: str) -> None:
    words = " ".join(re.sub("<[^>]+>", " ", page.partition("<main")[2]).split())
    order = ["39 of 300 targets fail", "line-000", "29 more that fail", "Causes across the fleet",
             "30 targets did not answer", "231 without findings", "The assessment"]  # fmt: skip
    assert sorted(order, key=words.index) == order
    assert "<summary>29 more that fail</summary>" in page
    assert "<li>line-003: unreachable since 00:00:00Z: line-003.example: connecting timed out</li>" in page


def test_each_fact_of_a_fleet_is_told_once_with_a_number(page: str) -> None:
    assert page.count("<summary>line-000 and 299 more with the same demands") == 1
    card = page.partition('<article id="f-admin-01">')[2].partition("</article>")[0]
    assert "line-000, line-007, line-014, line-021, line-028, line-035, line-042, line-049 and 31 more" in card
    assert card.count("<li>") == 24
    assert "more cases, at line-000, line-007" in card
    met = page.partition('<details id="p-tls-01">')[2].partition("</details>")[0]
    assert met.count("<li>") in (0, 4)
    assert page.partition('aria-label="Certificates"')[2].index("CN=line-000") > 0
    assert '<td class="number ">' not in page.partition("<footer")[2]
    assert "\x1b" not in page
