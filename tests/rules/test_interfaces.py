"""Other user interfaces, and public dashboards: what is open, what acts, and what nobody could tell."""

from __future__ import annotations

from typing import Any

import pytest
from seen import (
    BROKEN,
    ERROR,
    FAIL,
    FORBIDDEN,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    SKIP,
    TO_SSO,
    attempt,
    outcome,
    target,
    violations,
)

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Answer
from pytest_nodered_sec.observations.channels import Channel, InterfaceAttempt, Product, ShownWidgets, SocketAttempt
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Interface, Policy, PublicPath
from pytest_nodered_sec.rules.interfaces import interface_refuses, public_dashboard_only_shows
from pytest_nodered_sec.verdict import NotApplicable

HANDSHAKE = Answer(200, "text/plain", 118, likeness=(20,))
HMI = Interface("uibuilder", "/hmi")
MAP = Interface("worldmap", "/worldmap")
SOCKETS = {"uibuilder": "/uibuilder/vendor/socket.io", "worldmap": "/worldmap/socket/info", "flexdash": "/flexdash/io"}


def joining(
    answer: Answer,
    channel: Channel = Channel.NO_CHANNEL,
    interface: Interface = HMI,
    path: str | None = None,
    **more: Any,
) -> InterfaceAttempt:
    asked = attempt(Surface.NODE, SOCKETS[interface.kind], answer, OPEN)
    return InterfaceAttempt(interface.kind, interface.path if path is None else path, asked, channel, **more)


def letter(seen: InterfaceAttempt, **demands: Any) -> str:
    return outcome(interface_refuses, seen, target(**demands))


@pytest.mark.parametrize(
    ("answer", "channel", "guessed", "declared"),
    [
        (HANDSHAKE, Channel.OPEN, FAIL, FAIL),
        (HANDSHAKE, Channel.REFUSED_BY_MIDDLEWARE, PASS, PASS),
        (NODE_BASIC, Channel.NO_CHANNEL, PASS, PASS),
        (FORBIDDEN, Channel.NO_CHANNEL, PASS, PASS),
        (NOT_FOUND, Channel.NO_CHANNEL, SKIP, FAIL),
        (Answer(400, "application/json", 41), Channel.NO_CHANNEL, FAIL, FAIL),
        (BROKEN, Channel.NO_CHANNEL, ERROR, ERROR),
        (TO_SSO, Channel.NO_CHANNEL, ERROR, ERROR),
    ],
)
def test_an_interface(answer: Answer, channel: Channel, guessed: str, declared: str) -> None:
    assert letter(joining(answer, channel, MAP)) == guessed
    assert letter(joining(answer, channel), interfaces=(HMI,)) == declared


def test_a_declared_instance_that_is_unknown_is_missed() -> None:
    seen = joining(HANDSHAKE, Channel.REFUSED_BY_MIDDLEWARE, namespace="/hmi", unknown=True)
    assert letter(seen, interfaces=(HMI,)) == FAIL
    (violation,) = violations(interface_refuses(seen, Policy(interfaces=(HMI,))))
    assert violation.code == "declared-but-absent"
    assert "answers anonymous clients: no such instance, though the policy declares this" in violation.observed


def test_a_uibuilder_that_answers_and_of_which_nothing_is_known_is_no_verdict() -> None:
    seen = joining(HANDSHAKE, Channel.REFUSED_BY_MIDDLEWARE, path="", unknown=True)
    with pytest.raises(ProbeError, match=r'Name them: interfaces = \[\{kind = "uibuilder", path = "/URL"\}\]'):
        settle(seen, target())


def test_a_public_interface_does_not_apply() -> None:
    public = (PublicPath("/worldmap", "kiosk"),)
    verdict = interface_refuses(joining(HANDSHAKE, Channel.OPEN, MAP), Policy(interfaces=(MAP,), public_paths=public))
    assert verdict == NotApplicable("declared public: kiosk")


@pytest.mark.parametrize(
    ("interface", "says"),
    [
        (HMI, 'nginx: location ~* "^/uibuilder/vendor/socket\\.io(/|$)" {@In uibuilder itself'),
        (MAP, 'nginx: location ~* "^/worldmap/socket(/|$)" {'),
        (Interface("flexdash", "/flexdash"), 'nginx: location ~* "^/flexdash/io(/|$)" {'),
    ],
)
def test_the_remedy_names_the_channel(interface: Interface, says: str) -> None:
    (violation,) = violations(interface_refuses(joining(HANDSHAKE, Channel.OPEN, interface), Policy()))
    start, _, end = says.partition("@")
    assert violation.remedy.startswith(start)
    assert end in violation.remedy
    assert violation.observed.endswith("was joined")
    assert violation.code == "channel-open"


def test_what_is_said_of_an_interface() -> None:
    assert "namespace /hmi, anonymously was joined" in joining(HANDSHAKE, Channel.OPEN, namespace="/hmi").evidence()
    assert joining(HANDSHAKE, Channel.REFUSED_BY_MIDDLEWARE).evidence().endswith("was refused by its middleware")
    assert joining(NOT_FOUND).evidence().endswith("anonymously answered 404 (text/html, 150 bytes)")


# --- public dashboards ---------------------------------------------------------------------------------------------

WALL = (PublicPath("/ui", "andon board"),)


def shown(
    *counts: tuple[str, int],
    product: Product | None = Product.DASHBOARD_1,
    channel: Channel = Channel.OPEN,
    answer: Answer = HANDSHAKE,
    **more: Any,
) -> ShownWidgets:
    joined = SocketAttempt(attempt(Surface.DASHBOARD, "/ui/socket.io", answer, OPEN), channel)
    return ShownWidgets("/ui", joined, product, counts, **more)


def judged(seen: ShownWidgets, **demands: Any) -> str:
    return outcome(
        public_dashboard_only_shows, seen, target(**{"public_paths": WALL, "dashboards": ("/ui",)} | demands)
    )


@pytest.mark.parametrize(
    "kind", ["button", "slider", "switch", "switch-material", "text-input", "text-input-CR", "form"]
)
def test_what_acts_on_a_public_dashboard_1_is_found(kind: str) -> None:
    assert judged(shown((kind, 1), ("text", 2))) == FAIL
    assert judged(shown((kind, 1), read_only=True)) == PASS


@pytest.mark.parametrize(
    "kind", ["ui-button", "ui-dropdown", "ui-file-input", "ui-table to click on", "ui-notification to confirm"]
)
def test_what_acts_on_a_public_dashboard_2_is_found(kind: str) -> None:
    assert judged(shown((kind, 1), product=Product.DASHBOARD_2)) == FAIL
    assert judged(shown((kind, 1), product=Product.DASHBOARD_1)) == PASS  # a stranger's widget there


@pytest.mark.parametrize("kind", ["text", "gauge", "chart", "template", "ui-text", "ui-table", "ui-template", "other"])
@pytest.mark.parametrize("product", [Product.DASHBOARD_1, Product.DASHBOARD_2])
def test_what_shows_and_what_is_not_known_is_evidence(kind: str, product: Product) -> None:
    seen = shown((kind, 3), product=product)
    assert judged(seen) == PASS
    assert f"3 {kind}" in seen.evidence()


def test_a_dashboard_that_is_not_public_is_judged_elsewhere() -> None:
    assert judged(shown(("button", 1)), public_paths=()) == SKIP


@pytest.mark.parametrize(
    ("answer", "channel", "expected"),
    [
        (HANDSHAKE, Channel.REFUSED_BY_MIDDLEWARE, PASS),
        (NODE_BASIC, Channel.NO_CHANNEL, PASS),
        (NOT_FOUND, Channel.NO_CHANNEL, FAIL),
        (PAGE, Channel.NO_CHANNEL, ERROR),
        (Answer(400, "application/json", 41), Channel.NO_CHANNEL, ERROR),
        (BROKEN, Channel.NO_CHANNEL, ERROR),
    ],
)
def test_a_public_dashboard_that_tells_nothing(answer: Answer, channel: Channel, expected: str) -> None:
    assert judged(shown(product=None, channel=channel, answer=answer)) == expected


def test_a_public_path_that_is_only_guessed_to_be_a_dashboard() -> None:
    assert judged(shown(product=None, channel=Channel.NO_CHANNEL, answer=NOT_FOUND), dashboards=None) == SKIP


def test_the_finding_counts_and_names() -> None:
    seen = shown(("button", 2), ("template", 1), ("text", 3))
    (violation,) = violations(public_dashboard_only_shows(seen, Policy(public_paths=WALL)))
    assert violation.observed == (
        "/ui (Dashboard 1) shows anonymous clients 2 button, 1 template, 3 text; these act: 2 button"
    )
    assert violation.remedy.endswith("settings.js: ui: {readOnly: true}")
    other = shown(("ui-slider", 1), product=Product.DASHBOARD_2)
    assert "readOnly" not in violations(public_dashboard_only_shows(other, Policy(public_paths=WALL)))[0].remedy


def test_what_is_said_of_a_public_dashboard() -> None:
    assert shown().evidence() == "/ui (Dashboard 1) shows anonymous clients no widgets"
    assert shown(("button", 1), read_only=True).evidence().endswith("1 button, and takes no input (readOnly)")
    assert shown(product=None, channel=Channel.REFUSED_BY_MIDDLEWARE).evidence().endswith("refused by ioMiddleware")
