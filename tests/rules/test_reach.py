"""Whether the target was there: the rule passes what is settled, settling says the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from chains import chain
from seen import (
    AUTH,
    BROKEN,
    ERROR,
    FAIL,
    GATE,
    NOT_FOUND,
    PAGE,
    PASS,
    SHOWN,
    STRANGER,
    TO_SSO,
    outcome,
    target,
    view,
)

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.addresses import Addresses, AddressView, Glance, Turn
from pytest_nodered_sec.observations.answers import Answer, Kind
from pytest_nodered_sec.observations.reach import Reach
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.reach import addresses_agree, answers_throughout
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView

START, END = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC)


def reach(view: RootView, identity: tuple[str, ...] = ()) -> Reach:
    return Reach("192.0.2.1", ("192.0.2.1",), START, END, 61, identity, view)


def test_answers_throughout() -> None:
    seen = reach(AUTH, SHOWN)
    assert outcome(answers_throughout, seen, target()) == PASS
    assert seen.evidence() == (
        f"192.0.2.1 answered from 03:04:05Z to 03:04:09Z, 61 looks between; identified as Node-RED by {SHOWN[0]}"
    )


def test_everything_behind_a_gate() -> None:
    assert outcome(answers_throughout, reach(GATE), target(admin_api="proxied")) == PASS
    assert "; everything is refused before Node-RED" in reach(GATE).evidence()


def test_policy_proxied_does_not_excuse_a_stranger() -> None:
    assert outcome(answers_throughout, reach(STRANGER), target(admin_api="proxied")) == ERROR


@pytest.mark.parametrize(
    ("view", "says"),
    [
        (
            GATE,
            "everything under / is refused before Node-RED; the admin root may be wrong, or set "
            "--nodered-admin-api=proxied if a gate covers everything",
        ),
        (view(PAGE, PAGE, ()), "every path answers the same page"),
        (view(Answer(400, "text/html", 9), Answer(400, "text/html", 9), ()), "every path answers the same page"),
        (view(TO_SSO, TO_SSO, ()), "--nodered-login-url=https://sso.example/login"),
        (STRANGER, "wrong URL or wrong --nodered-admin-root?"),
        (view(BROKEN, NOT_FOUND, ()), "wrong URL or wrong --nodered-admin-root?"),
    ],
    ids=["gate", "catch-all page", "a client certificate is demanded", "undeclared login", "404", "404 and 500"],
)
def test_nothing_shows_a_node_red(view: RootView, says: str) -> None:
    assert outcome(answers_throughout, reach(view), target()) == ERROR
    with pytest.raises(ProbeError) as caught:
        settle(reach(view), target())
    assert says in caught.value.message
    assert caught.value.cause is Cause.UNIDENTIFIED


def test_where_nothing_shows_a_node_red_the_url_without_its_path_is_offered() -> None:
    for url, shorter in (("https://plant.example/nr", True), ("https://plant.example/", False)):
        with pytest.raises(ProbeError) as caught:
            settle(reach(STRANGER), target(url))
        said = "wrong URL (without its path: `--nodered-url=https://plant.example`) or wrong --nodered-admin-root?"
        assert (said in caught.value.message) is shorter


REFUSED = Glance("GET /ui without credentials", Kind.REFUSED, "401")
SERVED = Glance("GET /ui without credentials", Kind.SERVED, "200")
ABSENT = Glance("GET /ui without credentials", Kind.ABSENT, "404")
BROKEN_DOWN = Glance("GET /ui without credentials", Kind.NO_ANSWER, "502")
FOUR, FIVE = "192.0.2.5", "2001:db8::5"


def two(ours: Glance, theirs: Glance) -> Addresses:
    return Addresses((AddressView(FOUR, (ours,)), AddressView(FIVE, (theirs,))))


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (Addresses((AddressView(FOUR),)), PASS),
        (two(REFUSED, REFUSED), PASS),
        (two(REFUSED, SERVED), FAIL),
        (two(SERVED, REFUSED), FAIL),
        (two(REFUSED, ABSENT), FAIL),
        (two(REFUSED, BROKEN_DOWN), ERROR),
        (Addresses((AddressView(FOUR, (REFUSED,)), AddressView(FIVE, trouble="no route"))), ERROR),
        (Addresses((AddressView(FOUR, (REFUSED,), "closed"), AddressView(FIVE, (REFUSED,), chain=chain()))), ERROR),
        (Addresses((AddressView(FOUR),), (Turn("GET /ui", ("401", "200"), True),)), FAIL),
        (Addresses((AddressView(FOUR),), (Turn("GET /ui", ("401", "404"), False),)), ERROR),
    ],
)
def test_addresses_agree(seen: Addresses, letter: str) -> None:
    assert outcome(addresses_agree, seen, target()) == letter
    assert seen.evidence()


@pytest.mark.parametrize(
    ("ours", "theirs", "codes"),
    [
        (AddressView(FOUR, chain=chain()), AddressView(FIVE, chain=chain()), []),
        (AddressView(FOUR, chain=chain()), AddressView(FIVE), []),
        (AddressView(FOUR), AddressView(FIVE, chain=chain(errors=((10, 1),))), []),
        (AddressView(FOUR, chain=chain()), AddressView(FIVE, chain=chain(errors=((10, 1),))), ["address-certificate"]),
        (AddressView(FOUR, chain=chain(errors=((10, 1),))), AddressView(FIVE, chain=chain(errors=((10, 1),))), []),
        (AddressView(FOUR), AddressView(FIVE, old_versions=("TLSv1.0",)), ["address-tls"]),
        (AddressView(FOUR, trouble="closed"), AddressView(FIVE, old_versions=("TLSv1.0",)), []),
        (AddressView(FOUR, old_versions=("TLSv1.0",)), AddressView(FIVE, old_versions=("TLSv1.0",)), []),
    ],
    ids=["alike", "not seen", "first not seen", "expired", "both", "old", "first in trouble", "both old"],
)
def test_the_tls_of_another_address_is_judged_where_the_first_ones_is_better(
    ours: AddressView, theirs: AddressView, codes: list[str]
) -> None:
    verdict = addresses_agree(Addresses((ours, theirs)), Policy())
    assert isinstance(verdict, tuple)
    assert [violation.code for violation in verdict] == codes
    assert all(f"[{FIVE}]" in violation.observed and FOUR in violation.observed for violation in verdict)


def test_who_serves_is_named() -> None:
    for ours, theirs, start in (
        (REFUSED, SERVED, f"[{FIVE}] serves what {FOUR} refuses: GET /ui"),
        (SERVED, REFUSED, f"{FOUR} serves what [{FIVE}] refuses: GET /ui"),
    ):
        [violation] = addresses_agree(two(ours, theirs), Policy())  # type: ignore[misc]  # a verdict may also be no tuple
        assert violation.observed.startswith(start)
        assert violation.severity is None
    [violation] = addresses_agree(two(REFUSED, ABSENT), Policy())  # type: ignore[misc]  # as above
    assert violation.severity is Severity.LOW


def test_an_address_that_was_not_seen_hides_no_difference() -> None:
    seen = two(REFUSED, SERVED)
    seen = Addresses((*seen.views, AddressView("192.0.2.9", trouble="no route")))
    assert outcome(addresses_agree, seen, target()) == FAIL
