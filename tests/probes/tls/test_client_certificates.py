"""Whether a client certificate is demanded, and whose will do, on real servers."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, cast

import hostile
import nginxlab
import pytest
import tlslab
from certlab import Issued, issue
from cryptography.x509.oid import ExtendedKeyUsageOID
from probes.tls.lists import HOST, codes, look_at

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Ask, HttpSettings, Target
from pytest_nodered_sec.observations.answers import Kind, Refuser
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.client_certificate import come_without_certificate
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.rules.chain import chain_is_trusted
from pytest_nodered_sec.rules.revocation import demands_client_certificate
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from pathlib import Path


MUTUAL = Policy(mutual_tls=True)


# --- client certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected", "said"),
    [
        ("ssl_verify_client on;", [], "answered 400, which says that the certificate is missing"),
        ("ssl_verify_client optional; if ($ssl_client_verify != SUCCESS) { return 403; }", [], "answered 403"),
        (
            "ssl_verify_client optional_no_ca; if ($ssl_client_verify = NONE) { return 403; }",
            ["any-certificate"],
            "without one a random path answered 403; with a self-made one a random path answered 204",
        ),
        (
            "ssl_verify_client optional_no_ca; if ($ssl_client_verify != SUCCESS) { return 403; }",
            [],
            "a self-made one a random path answered 403",
        ),
        (
            'ssl_verify_client optional_no_ca; if ($ssl_client_i_dn !~ "CN=Root") { return 403; }',
            ["any-certificate"],
            "with a self-made one a random path answered 204",
        ),
        (
            "ssl_verify_client optional_no_ca; if ($ssl_client_verify = NONE) { return 302 https://sso.example/; }",
            ["any-certificate"],
            "without one a random path answered 302; with a self-made one a random path answered 204",
        ),
        ("ssl_verify_client optional;", ["not-demanded"], "the server asked for a client certificate; without one"),
        ("", ["not-demanded"], "no client certificate was asked for; without one a random path answered 204"),
        (
            "return 403;",
            ["not-demanded"],
            "no client certificate was asked for; without one a random path answered 403",
        ),
    ],
)
def test_whether_nginx_demands_a_client_certificate_is_seen(
    settings: str, expected: list[str], said: str, authority: tuple[Issued, Issued], tmp_path: Path
) -> None:
    root, middle = authority
    (tmp_path / "ca.pem").write_bytes(root.pem)
    asks = f"ssl_client_certificate {tmp_path}/ca.pem; " if "verify_client" in settings else ""
    chain = [issue(HOST, middle, dns=[HOST]), middle]
    with nginxlab.serving(tmp_path, chain, server=asks + settings) as nginx:
        seen = come_without_certificate(look_at(nginx.port, tmp_path / "ca.pem", MUTUAL))
        assert nginx.logged() == []
        places = 4 if "optional" in settings and expected != ["any-certificate"] else 1  # each may decide by itself
        assert nginx.accepted() == places * (1 if expected == ["not-demanded"] else 2)
    assert codes(demands_client_certificate(seen, MUTUAL)) == expected
    assert said in seen.evidence()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("ssl_verify_client optional_no_ca; if ($ssl_client_verify = NONE) { return 403; }", ["any-certificate"]),
        ("ssl_verify_client on;", []),
        ("", []),
    ],
)
def test_a_self_made_certificate_is_tried_where_one_is_asked_for(
    settings: str, expected: list[str], authority: tuple[Issued, Issued], tmp_path: Path
) -> None:
    root, middle = authority
    (tmp_path / "ca.pem").write_bytes(root.pem)
    asks = f"ssl_client_certificate {tmp_path}/ca.pem; " if settings else ""
    with nginxlab.serving(tmp_path, [issue(HOST, middle, dns=[HOST]), middle], server=asks + settings) as nginx:
        seen = come_without_certificate(look_at(nginx.port, tmp_path / "ca.pem", Policy()))
        shaken = 2  # of tls-01, for either kind of key; the looks of a run share them
        assert nginx.accepted() == shaken + (2 if settings else 0)
    assert seen.asked is bool(settings)
    verdict = demands_client_certificate(seen, Policy())
    assert (codes(verdict) if isinstance(verdict, tuple) else []) == expected


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda value: value.name)
def test_an_alert_is_a_demand(version: ssl.TLSVersion, authority: tuple[Issued, Issued], tmp_path: Path) -> None:
    root, middle = authority
    (tmp_path / "ca.pem").write_bytes(root.pem)
    chain = [issue(HOST, middle, dns=[HOST]), middle]
    with tlslab.serving_tls(
        tmp_path, chain, clients=root.certificate, demand=ssl.CERT_REQUIRED, version=version
    ) as server:
        look = look_at(server.port, tmp_path / "ca.pem", MUTUAL)
        seen = come_without_certificate(look)
        presented = present_chain(look)
    assert seen.evidence().startswith(
        "the server asked for a client certificate; without one it ended the connection ("
    )
    assert demands_client_certificate(seen, MUTUAL) == chain_is_trusted(presented, MUTUAL) == ()
    assert presented.wants_certificate


def test_a_hint_before_the_answer_is_not_the_answer() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2
    refusal = hints + b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with hostile.serving(lambda request: hostile.Reply(stream=lambda sock: sock.sendall(refusal))) as server:
        seen = come_without_certificate(look_at(server.port, hostile.default_ca().pem_path, MUTUAL))
    assert seen.status == 403


def test_the_targets_own_certificate_is_shown_for_the_chain_and_not_for_the_demand(
    authority: tuple[Issued, Issued], tmp_path: Path
) -> None:
    root, middle = authority
    (tmp_path / "ca.pem").write_bytes(root.pem)
    ours = issue("us", root, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    pair = nginxlab.write_chain(tmp_path, "ours", [ours])
    chain = [issue(HOST, middle, dns=[HOST]), middle]
    http_settings = HttpSettings(client_certificate=(str(pair[0]), str(pair[1])))
    with tlslab.serving_tls(
        tmp_path, chain, clients=root.certificate, demand=ssl.CERT_REQUIRED, version=ssl.TLSVersion.TLSv1_2
    ) as server:
        look = look_at(server.port, tmp_path / "ca.pem", Policy(), http=http_settings)
        assert chain_is_trusted(present_chain(look), Policy()) == ()
        assert come_without_certificate(look).demanded
    broken = HttpSettings(client_certificate=(str(pair[0]), str(pair[0])))
    with pytest.raises(ProbeError, match="the client certificate of t cannot be used"):
        present_chain(look_at(1, tmp_path / "ca.pem", Policy(), http=broken))


@pytest.mark.parametrize("meant", [True, False])
def test_an_alert_in_place_of_an_answer_is_a_refusal_where_that_is_meant(meant: bool, tmp_path: Path) -> None:
    root = issue("Root", ca=True)
    (tmp_path / "ca.pem").write_bytes(root.pem)
    policy = Policy(mutual_tls=meant, admin_api="proxied")
    with tlslab.serving_tls(
        tmp_path,
        [issue(HOST, root, dns=[HOST])],
        clients=root.certificate,
        demand=ssl.CERT_REQUIRED,
        version=ssl.TLSVersion.TLSv1_3,
    ) as server:
        survey = Survey()
        target = Target("t", f"https://{HOST}:{server.port}", policy, ca_file=str(tmp_path / "ca.pem"), timeout=5)
        try:
            if meant:
                seen = cast("Any", survey.answer(target, Ask("access", ("ADMIN", "GET", "/settings", "anonymous"))))
                assert (seen.answer.status, seen.kind, seen.refuser) == (496, Kind.REFUSED, Refuser.CERTIFICATE)
                page = cast("Any", survey.answer(target, Ask("page", ("admin", "/"))))
                assert page.turned_away == "GET /: a TLS alert, no answer, without a client certificate"
            else:
                with pytest.raises(ProbeError, match="see reach-01"):
                    survey.answer(target, Ask("page", ("admin", "/")))
        finally:
            survey.close()


@pytest.mark.parametrize(
    ("handle", "cause"),
    [
        (tlslab.hangs, Cause.TIMEOUT),
        (tlslab.closes, Cause.CLOSED),
        (tlslab.says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), Cause.PROTOCOL),
        (tlslab.says(b"\x15\x03\x03\x00\x02\x02\x28"), Cause.PROTOCOL),  # handshake failure, nothing asked for
    ],
)
def test_what_is_no_tls_is_no_demand(
    handle: Any, cause: Cause, authority: tuple[Issued, Issued], tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes(authority[0].pem)
    with tlslab.serving(handle) as server, pytest.raises(ProbeError) as caught:
        come_without_certificate(look_at(server.port, tmp_path / "ca.pem", MUTUAL, timeout=0.6))
    assert caught.value.cause is cause
