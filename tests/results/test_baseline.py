"""What tells findings apart, and what counts as new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.results.baseline import keyed
from pytest_nodered_sec.results.gate import Gate, known_of

if TYPE_CHECKING:
    from pytest_nodered_sec.results.baseline import Key
    from pytest_nodered_sec.results.records import Finding


def finding(observed: str, severity: str = "high", code: str = "served") -> Finding:
    return {"code": code, "severity": severity, "observed": observed, "expected": "", "remedy": ""}


def keys(*observed: str) -> list[Key]:
    return [key for key, _ in keyed("plant", "site-01", "", map(finding, observed))]


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (
            "GET /flows answered 200 (application/json, 2913 bytes)",
            "GET /flows said 200 (text/html; charset=utf-8, 3 bytes)",
        ),
        (
            "the certificate ends on 2026-12-03T10:00:00Z, in 4 days",
            "the certificate ends on 2026-12-03T10:00:00Z, in 3 days",
        ),
        ("GET /?keep=8d2fe0f8 over plain HTTP, port 80", "GET /?keep=46a7f925 over plain HTTP, port 80"),
        (
            "GET /bamocsywcaqnsyiilxhbgiey 404; GET /settings 200",
            "GET /qamocsywcaqnsyiilxhbgiez 404; GET /settings 200",
        ),
        ("a login, as at dzfrydbkdxebmcee.invalid", "a login, as at lzppfqgwjiiagzxd.invalid"),
        ("Node-RED 4.0.9 is behind", "Node-RED 4.1.2 is behind"),
        ("nginx/1.24.0 is named", "nginx/1.26 is named"),
        (f"leaf {'ab' * 32} is unknown", f"leaf {'cd' * 32} is unknown"),
    ],
)
def test_the_same_finding_in_other_words(then: str, now: str) -> None:
    assert keys(then) == keys(now)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("/ui answered, and nobody declared it", "/admin2 answered, and nobody declared it"),
        ("port 1881 answers", "port 9229 answers"),
        ("10.0.0.7:1880 answers", "10.0.0.8:1880 answers"),
        ("node-red-contrib-a opens routes", "node-red-contrib-b opens routes"),
        ("node 3f1a0b2c4d5e6f70 runs what strangers send", "node 0f1a0b2c4d5e6f71 runs what strangers send"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA is accepted", "TLS_RSA_WITH_3DES_EDE_CBC_SHA is accepted"),
    ],
)
def test_another_finding_with_the_same_code(then: str, now: str) -> None:
    assert keys(then) != keys(now)


def test_a_second_finding_that_is_alike_is_another() -> None:
    assert len(set(keys("it is open", "it is open"))) == 2


def test_what_fails_a_run() -> None:
    place = ("plant", "site-01", "")
    known = {key: "medium" for key, _ in keyed(*place, [finding("/ui answered")])}
    gate = Gate("medium", known)
    assert gate.tolerates(*place, [finding("/ui answered", "medium")]).startswith("known ")
    assert gate.tolerates(*place, [finding("/ui answered", "low")]).startswith("known ")
    assert not gate.tolerates(*place, [finding("/ui answered", "high")]), "it got worse"
    assert not gate.tolerates(*place, [finding("/hmi answered", "medium")])
    assert not gate.tolerates(*place, [finding("/ui answered", "medium"), finding("/hmi answered", "medium")])
    assert gate.tolerates(*place, [finding("/hmi answered", "low")]) == "below     --nodered-fail-on=medium"
    assert not Gate("medium").tolerates(*place, [finding("/ui answered", "medium")])
    assert known_of(gate.as_plain()) == known
    assert known_of(Gate("low").as_plain()) is None
