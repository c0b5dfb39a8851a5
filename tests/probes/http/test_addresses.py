"""A name with several addresses: a real nginx that listens differently on each, and ports that cannot be reached."""

from __future__ import annotations

import errno
import re
import socket
from typing import TYPE_CHECKING, Any

import hostile
import nginxlab
import pytest
from certlab import DAY, Issued, issue, now
from probes.http.named import LEAF, PASS, ROOT, TABLE, at, guard, outcomes, verdict
from suite_runs import need_nginx

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import HttpSettings, Target
from pytest_nodered_sec.observations.cleartext import PlainAttempt, PortState
from pytest_nodered_sec.observations.side_ports import DirectDoors
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.probes.transport import station as station_module
from pytest_nodered_sec.rules.exposure import own_port_is_shut
from pytest_nodered_sec.rules.reach import addresses_agree
from pytest_nodered_sec.rules.transport import nothing_in_clear

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.model import Observation
    from pytest_nodered_sec.survey.survey import Survey


SIX = "::1"


def named(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(station_module, "resolve", lambda name, deadline: addresses)


def test_an_ipv6_listener_without_the_gate_is_a_finding(
    tmp_path: Path, upstream: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_nginx()
    named(monkeypatch, "127.0.0.1", SIX)
    way = f"location /ui {{ @GUARD@ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    rest = f"location ~ ^/(settings|auth|flows|comms) {{ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    files = f"ssl_certificate {tmp_path}/chain0.pem; ssl_certificate_key {tmp_path}/chain0.key;"
    lines = f"{way.replace('@GUARD@', '')} {rest} location / {{ return 404; }}"
    other = f"server {{ listen [::1]:@PORT@ ssl; {files} {lines} }}"
    with nginxlab.serving(
        tmp_path, [LEAF], server=way.replace("@GUARD@", guard(tmp_path)) + rest, http=TABLE + other
    ) as nginx:
        seen, codes = verdict(survey, at(nginx.port))
    assert codes == ["address-open"]
    [violation] = addresses_agree(seen, Policy())  # type: ignore[misc]  # a verdict may also be no tuple
    assert "[::1] serves what 127.0.0.1 refuses: GET /ui without credentials" in violation.observed
    assert "a live channel at /ui/socket.io" in violation.observed


@pytest.mark.parametrize(
    ("chain", "tls", "codes", "says"),
    [
        ([issue("localhost", ROOT, dns=["localhost"])], "", [], ""),
        (
            [issue("localhost", ROOT, dns=["localhost"], since=now() - 90 * DAY, until=now() - 5 * DAY)],
            "",
            ["address-certificate"],
            "[::1] presents another chain than 127.0.0.1: leaf `CN=localhost` expired on",
        ),
        ([issue("debian", dns=["debian"])], "", ["address-certificate"], "self-signed"),
        (
            [issue("localhost", ROOT, dns=["localhost"])],
            "ssl_protocols TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;",
            ["address-tls"],
            "[::1] accepts TLSv1.1, which 127.0.0.1 refuses",
        ),
    ],
    ids=["as good", "expired", "of the package", "old"],
)
def test_an_ipv6_listener_with_other_tls_is_a_finding(
    tmp_path: Path,
    upstream: int,
    survey: Survey,
    monkeypatch: pytest.MonkeyPatch,
    chain: list[Issued],
    tls: str,
    codes: list[str],
    says: str,
) -> None:
    need_nginx()
    named(monkeypatch, "127.0.0.1", SIX)
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    lines = f"{guard(tmp_path)} location / {{ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    certificate, key = nginxlab.write_chain(tmp_path, "other", chain)
    files = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    other = f"server {{ listen [::1]:@PORT@ ssl; {files} {tls} {lines} }}"
    with nginxlab.serving(tmp_path, [LEAF], server=lines, http=TABLE + other) as nginx:
        policy = Policy(dashboards=("/ui",), admin_api="proxied")
        seen, came = verdict(survey, at(nginx.port, ca_file=str(tmp_path / "ca.pem"), policy=policy))
    assert came == codes
    assert all(says in violation.observed for violation in addresses_agree(seen, policy))  # type: ignore[union-attr]  # codes came: violations


def test_an_endpoint_that_is_open_at_ipv6_alone_is_a_finding(
    tmp_path: Path, upstream: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_nginx()
    named(monkeypatch, "127.0.0.1", SIX)
    rest = f"{guard(tmp_path)} location / {{ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    files = f"ssl_certificate {tmp_path}/chain0.pem; ssl_certificate_key {tmp_path}/chain0.key;"
    way = "location = /api/orders { auth_basic off; default_type application/json; return 200 '[]'; }"
    other = f"server {{ listen [::1]:@PORT@ ssl; {files} {way} {rest} }}"
    with nginxlab.serving(tmp_path, [LEAF], server=rest, http=TABLE + other) as nginx:
        endpoints = (Endpoint("/api/orders", effect="none"),)
        policy = Policy(dashboards=("/ui",), admin_api="proxied", protected_paths=endpoints, websockets=("/ws/line",))
        seen, codes = verdict(survey, at(nginx.port, policy=policy))
    assert codes == ["address-open"]
    [violation] = addresses_agree(seen, policy)  # type: ignore[misc]  # a verdict may also be no tuple
    assert "[::1] serves what 127.0.0.1 refuses: GET /api/orders" in violation.observed


def test_the_same_at_both_is_compliant_and_the_side_ports_are_believed(
    tmp_path: Path, upstream: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_nginx()
    named(monkeypatch, "127.0.0.1", SIX)
    lines = f"location /ui {{ {guard(tmp_path)} proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    lines += f"location ~ ^/(settings|auth|flows|comms) {{ proxy_pass http://127.0.0.1:{upstream}; {PASS} }}"
    with nginxlab.serving(tmp_path, [LEAF], server=lines, http=TABLE, ipv6=True) as nginx:
        target = at(nginx.port)
        asks = (questions.OWN_PORT[0], *questions.surfaces_in_clear(target), *questions.ADDRESSES)
        observations = outcomes(survey, target, *asks)
        assert not [observation for observation in observations if isinstance(observation, ProbeError)]
        seen, codes = verdict(survey, target)
    assert codes == []
    assert re.fullmatch(r"127\.0\.0\.1 answered; \[::1\]: \d\d questions asked", seen.evidence())


def unreachable(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let connecting to a further address fail on our side."""
    create = socket.create_connection

    def connect(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        if address[0] == "2001:db8::5":
            raise OSError(number, "our own trouble")
        return create(address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", connect)


@pytest.mark.parametrize(
    "number",
    [
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.EMFILE,
        errno.EACCES,
        errno.ENOBUFS,
        errno.EADDRNOTAVAIL,
        errno.EPERM,
    ],
)
def test_an_address_that_cannot_be_reached_from_here_is_never_closed(
    number: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, "127.0.0.1", "2001:db8::5")
    unreachable(monkeypatch, number)
    with hostile.serving(hostile.FakeNodeRED()) as server:
        target = at(server.port, http=HttpSettings(ports={9229: hostile.closed_port()}))
        asks = (*questions.ADDRESSES, questions.OWN_PORT[0], *questions.closed_ports(target))
        first, *others = outcomes(survey, target, *asks, *questions.surfaces_in_clear(target))
    assert isinstance(first, ProbeError)
    assert "not every address of localhost can be looked at" in first.message
    assert "[2001:db8::5]: connecting to 2001:db8::5" in first.message
    assert 'connect = "127.0.0.1"' in first.message
    assert {str(observation).rpartition(": ")[2] for observation in others} == {"see reach-02"}


def beside_the_url(
    number: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> tuple[Target, list[Observation | ProbeError]]:
    """Return what is seen of side ports to which no connection can be made, for one reason."""
    create = socket.create_connection
    with hostile.serving(hostile.FakeNodeRED()) as server:

        def connect(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
            if address[1] != server.port:
                raise OSError(number, "no connection")
            return create(address, *rest, **more)

        monkeypatch.setattr(socket, "create_connection", connect)
        target = at(server.port)
        return target, outcomes(survey, target, questions.OWN_PORT[0], *questions.surfaces_in_clear(target))


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH])
def test_no_route_to_a_side_port_alone_is_a_firewalls_word(
    number: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, (direct, *clear) = beside_the_url(number, survey, monkeypatch)
    assert isinstance(direct, DirectDoors)
    assert {door.state for door in direct.doors} == {PortState.PROHIBITED}
    assert own_port_is_shut(direct, target.policy) == ()
    for seen in clear:
        assert isinstance(seen, PlainAttempt)
        assert "nothing can be reached on port" in seen.evidence()
        assert nothing_in_clear(seen, target.policy) == ()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES])
def test_trouble_of_ours_with_a_side_port_is_never_closed(
    number: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, observations = beside_the_url(number, survey, monkeypatch)
    assert {observation.cause for observation in observations if isinstance(observation, ProbeError)} == {
        Cause.OUR_SIDE
    }
    assert len([observation for observation in observations if isinstance(observation, ProbeError)]) == len(
        observations
    )
