"""Waivers in the policy file: what each says, the sentence each mistake gets, and which targets they reach."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from policy_files import file_of

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy, PolicyError, Waiver
from pytest_nodered_sec.policy.show import digest, policy_as_toml
from pytest_nodered_sec.session.targets import check_waivers, with_waivers

if TYPE_CHECKING:
    from pathlib import Path

ALL = """
[[waiver]]
control = "tls-01"
instance = "x"
finding = "unknown-ca"
reason = "old CA"
expires = 2030-12-31
target = "line-*"
approver = "J. Doe"
ticket = "OT-1"
measure = "fence"
"""
HALL = "nodered-sec.toml: [[target]] https://hall.example"
LEAST = 'control = "admin-07"\nreason = "why"\nexpires = 2030-12-31\n'
TARGETS = """
[[target]]
name = "line-7"
url = "https://line-7.example"
labels = {site = "north"}
[[target]]
url = "https://hall.example"
"""
WAIVER = Waiver("admin-07", date(2030, 12, 31), "why")


def test_everything_a_waiver_says(tmp_path: Path) -> None:
    ((selector, waiver),) = file_of(tmp_path, ALL).waivers
    assert selector == "line-*"
    assert waiver == Waiver("tls-01", date(2030, 12, 31), "old CA", "unknown-ca", "x", "J. Doe", "OT-1", "fence")
    assert str(waiver) == "tls-01 x unknown-ca"
    assert waiver.line(date(2030, 12, 31)) == (
        "tls-01 x unknown-ca, until 2030-12-31: old CA; approver: J. Doe; ticket: OT-1; measure: fence"
    )
    assert WAIVER.line(date(2031, 1, 1)) == "admin-07, expired after 2030-12-31: why"


def test_without_a_finding_it_means_the_one_there_was_when_it_was_written(tmp_path: Path) -> None:
    ((_, waiver),) = file_of(tmp_path, "[[waiver]]\n" + LEAST.replace("admin-07", "patch-03")).waivers
    assert waiver.finding == "node-unmaintained"


def test_it_holds_through_its_last_day() -> None:
    assert WAIVER.in_force(WAIVER.expires)
    assert not WAIVER.in_force(WAIVER.expires + timedelta(days=1))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('reason = "why"\nexpires = 2030-12-31', '[[waiver]]: add control = "tls-01"'),
        ('control = "admin-07"\nexpires = 2030-12-31', '[[waiver]] admin-07: add reason = "…"'),
        ('control = "admin-07"\nreason = "why"', "[[waiver]] admin-07: add expires = 2030-12-31"),
        (
            'control = "admin-07"\ninstance = "GET /settings"\nreason = "why"',
            "[[waiver]] admin-07 GET /settings: add expires = 2030-12-31",
        ),
        (
            'control = "tls-01"\nreason = "why"\nexpires = 2030-12-31',
            '[[waiver]] tls-01: add finding = "…": tls-01 can have several, and a waiver of one must not hide another '
            "(reports show the code after the severity; JUnit has it in nodered_sec.findings)",
        ),
        (
            'control = "site-01"\nreason = "why"\nexpires = 2030-12-31',
            "[[waiver]] site-01: no bundled control is called site-01: *",
        ),
        (
            'control = "admin-07"\nreason = "why"\nexpires = "2030-12-31"',
            '[[waiver]] admin-07: expires = "2030-12-31": give the last valid day as 2030-12-31, without quotes',
        ),
        (
            'control = "admin-07"\nreason = "why"\nexpires = 2030-12-31T12:00:00Z',
            "[[waiver]] admin-07: expires = 2030-12-31T12:00:00+00:00: give the last valid day *",
        ),
        (
            LEAST + 'finding = "core"',
            '[[waiver]] admin-07: finding = "core": admin-07 has no such finding; did you mean cors?',
        ),
        (
            LEAST.replace("admin-07", "tls-14") + 'finding = "cbc"',
            '[[waiver]] tls-14: finding = "cbc": tls-14 has no such finding; it can have no-aead or no-forward-secrecy',
        ),
        ('control = "admin-07"\nreason = ""\nexpires = 2030-12-31', '[[waiver]] admin-07: reason = "": give some text'),
        (
            'control = "admin-07"\nreason = " "\nexpires = 2030-12-31',
            '[[waiver]] admin-07: reason = " ": give some text',
        ),
        ('control = 7\nreason = "why"\nexpires = 2030-12-31', "[[waiver]] 7: control = 7: give some text"),
        (LEAST + 'expiry = "x"', "[[waiver]] admin-07: unknown key expiry; did you mean expires?"),
    ],
)
@pytest.mark.parametrize("table", ["waiver", "target.waiver"])
def test_a_mistake_is_one_sentence(tmp_path: Path, table: str, lines: str, sentence: str) -> None:
    before, place = "", ""
    if table == "target.waiver":
        before, place = '[[target]]\nurl = "https://hall.example"\n', "[[target]] https://hall.example: "
    with pytest.raises(PolicyError) as raised:
        file_of(tmp_path, f"{before}[[{table}]]\n{lines}\n")
    said = f"nodered-sec.toml: {place}{sentence}".replace("[[waiver]]", f"[[{table}]]")
    pytest.LineMatcher([str(raised.value)]).fnmatch_lines([said.replace("[[", "[[][[]")])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[waiver]\n" + LEAST, "nodered-sec.toml: write [[waiver]] with two brackets, once for each"),
        ("waiver = [3]", "nodered-sec.toml: [[waiver]]: write [[waiver]] with two brackets, once for each"),
        (
            '[[target]]\nurl = "https://hall.example"\n[target.waiver]\n' + LEAST,
            f"{HALL}: write [[target.waiver]] with two brackets, once for each",
        ),
        (
            '[[target]]\nurl = "https://hall.example"\n[[target.waiver]]\ntarget = "hall.example"\n' + LEAST,
            f'{HALL}: [[target.waiver]] admin-07: target = "hall.example": the waiver is already below its '
            "target; remove this key",
        ),
        (
            "stale_waivers = 'ignore'",
            'nodered-sec.toml: stale_waivers = "ignore": must be one of fa*',
        ),
    ],
)
def test_a_table_in_the_wrong_form(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PolicyError) as raised:
        file_of(tmp_path, text)
    pytest.LineMatcher([str(raised.value)]).fnmatch_lines([sentence.replace("[", "[[]")])


def target(name: str, **labels: str) -> Target:
    return Target(name, f"https://{name}", Policy(), labels=labels)


def reached(folder: Path, text: str, hall: Target) -> list[str]:
    return [str(waiver) for waiver in with_waivers(hall, file_of(folder, text)).policy.waivers]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", ["line-7", "hall.example", "lab-fresh@5"]),
        ("line-7", ["line-7"]),
        ("*.example", ["hall.example"]),
        ("site=north", ["line-7"]),
        ("lab-*", ["lab-fresh@5"]),
    ],
)
def test_which_targets_a_waiver_reaches(tmp_path: Path, selector: str, names: list[str]) -> None:
    text = TARGETS + "[[waiver]]\n" + LEAST + (f'target = "{selector}"' if selector else "")
    targets = [target("line-7", site="north"), target("hall.example"), target("lab-fresh@5")]
    assert [plant.name for plant in targets if reached(tmp_path, text, plant)] == names


def test_a_targets_own_waivers_reach_it_alone(tmp_path: Path) -> None:
    text = TARGETS + "[[target.waiver]]\n" + LEAST
    assert reached(tmp_path, text, target("hall.example")) == ["admin-07"]
    assert reached(tmp_path, text, target("line-7")) == []


def test_two_waivers_for_one_thing(tmp_path: Path) -> None:
    text = TARGETS + "[[target.waiver]]\n" + LEAST + "[[waiver]]\n" + LEAST
    with pytest.raises(PolicyError, match=r"^target hall\.example: two waivers are for admin-07; remove one$"):
        reached(tmp_path, text, target("hall.example"))
    assert reached(tmp_path, text, target("line-7")) == ["admin-07"]


def test_a_waiver_for_a_target_that_nobody_knows(tmp_path: Path) -> None:
    file = file_of(tmp_path, TARGETS + "[[waiver]]\n" + LEAST + 'target = "line-8"')
    with pytest.raises(PolicyError) as raised:
        check_waivers(file, [target("line-7")])
    assert str(raised.value) == (
        "nodered-sec.toml: [[waiver]] admin-07: target = line-8: no target has that name or label; the "
        "file has line-7, hall.example"
    )
    check_waivers(file, [target("line-8")])  # one that a hook names
    check_waivers(file_of(tmp_path, "[[waiver]]\n" + LEAST + 'target = "x"'), [])  # who knows the site's names?
    check_waivers(None, [])


@pytest.mark.parametrize(
    ("control", "code"),
    [
        ("admin-05", "spelling"),
        ("patch-01", "CVE-2099-1"),  # computed, so that nobody knows all
        ("admin-01", "cleartext-redirect"),  # of release 0.1.0
        ("site-01", "anything"),
    ],
)
def test_a_waiver_of_a_finding_that_the_control_may_have(tmp_path: Path, control: str, code: str) -> None:
    ((_, waiver),) = file_of(
        tmp_path, "[[waiver]]\n" + LEAST.replace("admin-07", control) + f'finding = "{code}"'
    ).waivers
    assert waiver.names(code)


def test_what_is_shown_can_be_read_back(tmp_path: Path) -> None:
    waivers = (WAIVER, Waiver("tls-01", date(2030, 1, 1), 'say "why"', "unknown-ca", "x", "J. Doe", "OT-1", "fence"))
    hall = Target("hall.example", "https://hall.example", Policy(waivers=waivers, stale_waivers="warn"))
    (table,) = file_of(tmp_path, policy_as_toml(hall, None, {})).targets
    assert table.waivers == waivers
    assert table.values["stale_waivers"] == "warn"


def test_waivers_are_part_of_the_digest() -> None:
    assert digest(Policy()) != digest(Policy(waivers=(WAIVER,)))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("dash-2", "dash-02"),
        ("dash-002", "dash-02"),
        ("dahs-02", "dash-02"),
        ("edtor-01", "editor-01"),
        ("tlss-1", "tls-01"),
    ],
)
def test_a_waiver_for_a_misspelt_control(tmp_path: Path, written: str, meant: str) -> None:
    waiver = LEAST.replace("admin-07", written) + 'finding = "served"\n'
    for text in ("[[waiver]]\n" + waiver, TARGETS + "[[target.waiver]]\n" + waiver):
        with pytest.raises(PolicyError) as raised:
            check_waivers(file_of(tmp_path, text), [])
        assert str(raised.value) == (
            f"nodered-sec.toml: [[waiver]] control = {written}: there is no such control; did you mean {meant}?"
        )


@pytest.mark.parametrize("own", ["site-01", "dash-20", "post-01", "line-x", "dash-02"])
def test_a_waiver_for_a_control_that_may_be_the_sites_own(tmp_path: Path, own: str) -> None:
    text = "[[waiver]]\n" + LEAST.replace("admin-07", own) + 'finding = "served"\n'
    check_waivers(file_of(tmp_path, text), [])
