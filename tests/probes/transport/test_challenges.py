"""WWW-Authenticate as servers and proxies send it, and as nobody should."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nodered_sec.observations.answers import Refuser, refuser_of
from pytest_nodered_sec.probes.transport.challenges import REALM_LIMIT, basic_realm, challenges, shown


@pytest.mark.parametrize(
    ("value", "line", "realm"),
    [
        ('Bearer realm="Users"', 'Bearer realm="Users"', None),
        ('Bearer realm="Users", error="invalid_token"', 'Bearer realm="Users"', None),
        ('Bearer, Basic realm="Users"', 'Bearer, Basic realm="Users"', "Users"),
        ('Basic charset="UTF-8", realm="x"', 'Basic realm="x"', "x"),
        ('basic REALM = "a, \\"b\\""', 'basic realm="a, "b""', 'a, "b"'),
        ('Digest realm="x", nonce="Basic realm=\\"y\\"", qop=auth', 'Digest realm="x"', None),
        ('NTLM, Negotiate, Basic realm=""', 'NTLM, Negotiate, Basic realm=""', ""),
        ("Negotiate YWJj==, Basic", "Negotiate, Basic", ""),
        ("Basic realm=open", 'Basic realm="open"', "open"),
        ('Basic realm="un\x1bclosed', 'Basic realm="un\\x1bclosed"', "un\\x1bclosed"),
        (', ,Basic realm="x" ,', 'Basic realm="x"', "x"),
        ('="x", Basic realm="y"', 'Basic realm="y"', "y"),
        ('realm="x"', "", None),
        ("", "", None),
        ('Basic realm="x", Basic realm="x"', 'Basic realm="x"', "x"),
    ],
)
def test_each_challenge_has_its_own_parameters(value: str, line: str, realm: str | None) -> None:
    offered = challenges(value)
    assert shown(offered) == line
    assert basic_realm(offered) == realm


@pytest.mark.parametrize(
    ("value", "refuser"),
    [
        ('Bearer realm="Users"', Refuser.NODE_RED),
        ('Bearer, Basic realm="Users"', Refuser.PROXY),
        ('Basic realm="Authorization Required"', Refuser.NODE_RED_BASIC),
        ('Basic charset="UTF-8", realm="Authorization Required"', Refuser.NODE_RED_BASIC),
        ('Bearer realm="Users", Basic realm="x"', Refuser.PROXY),
        ("nonsense=", Refuser.UNNAMED),
    ],
)
def test_who_refused_is_told_by_all_challenges(value: str, refuser: Refuser) -> None:
    assert refuser_of(shown(challenges(value))) is refuser


@pytest.mark.parametrize("value", ["Basic a@=x", "Basic@=x", "Basic a@", "a@,", "/==@x", 'Basic realm="@\\', 'a=@"'])
@pytest.mark.parametrize("many", [" ", "\t", "=", "a", "/", "\\", '"', ","])
def test_a_long_field_takes_no_longer_than_its_length(value: str, many: str) -> None:
    begun = time.process_time()
    challenges(value.replace("@", many * 60_000))
    assert time.process_time() - begun < 1  # 60,000 spaces before a = took four seconds, and no deadline ends that


@given(st.one_of(st.text(max_size=200), st.text('Bb arel m=",\\\tx/', max_size=200)))
def test_whatever_comes_is_reduced_to_one_short_line(value: str) -> None:
    offered = challenges(value)
    assert shown(offered).isprintable()
    assert all(challenge.realm is None or len(challenge.realm) <= REALM_LIMIT for challenge in offered)


def test_a_realm_is_cut() -> None:
    [challenge] = challenges(f'Basic realm="{"x" * 60_000}"')
    assert len(challenge.line()) <= REALM_LIMIT + 20


def test_of_thousands_of_challenges_the_first_are_read() -> None:
    offered = challenges(", ".join(f"S{number} realm={number}" for number in range(9000)))
    assert offered[0].line() == 'S0 realm="0"'
    assert len(offered) < 40
