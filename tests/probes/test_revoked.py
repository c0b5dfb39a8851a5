"""Revoked certificates, by lists and by stapled responses; client certificates; clocks: on real servers."""

from __future__ import annotations

import http.server
import ssl
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast

import nginxlab
import pytest
import tlslab
from cryptography.x509.oid import ExtendedKeyUsageOID
from suite_runs import need_nginx
from tlslab import DAY, HOUR, Issued, LoopbackLook, issue, now

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Ask, HttpSettings, NotApplicable, Target
from pytest_nodered_sec.model_access import settle
from pytest_nodered_sec.model_answers import Kind, Refuser
from pytest_nodered_sec.policy import Policy
from pytest_nodered_sec.probes.demand import come_without_certificate
from pytest_nodered_sec.probes.revocation import look_up_revocation
from pytest_nodered_sec.probes.tls import present_chain
from pytest_nodered_sec.rules.chain import chain_is_trusted, renewal_is_in_time
from pytest_nodered_sec.rules.revocation import demands_client_certificate, not_revoked
from pytest_nodered_sec.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.probes.look import Look

HOST = "localhost"
CRL = Policy(revocation="crl")
MUTUAL = Policy(mutual_tls=True)


def codes(verdict: Verdict) -> list[str]:
    assert not isinstance(verdict, NotApplicable)
    return [one.code for one in verdict]


def look_at(port: int, ca: Path, policy: Policy, **more: Any) -> Look:
    return cast("Look", LoopbackLook(Target("t", f"https://{HOST}:{port}", policy, ca_file=str(ca), **more)))


# --- lists -----------------------------------------------------------------------------------------------


@dataclass
class Shop:
    """Publishes lists over plain HTTP.

    Attributes:
        port: TCP port.
        goods: path: status, body, and where a redirect leads.
        asked: paths, in the order in which they were asked for.
    """

    port: int = 0
    goods: dict[str, tuple[int, bytes, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://localhost:{self.port}{path}"


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()

    class Counter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append(self.path)
            status, body, location = shop.goods.get(self.path, (404, b"", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counter) as server:
        shop.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield shop
        finally:
            server.shutdown()
            thread.join()


class Plant:
    """A root, an intermediate and a leaf, both of which name lists; and where they are served."""

    def __init__(self, shop: Shop, folder: Path, **leaf: Any) -> None:
        self.root = issue("Root", ca=True)
        self.middle = issue("Middle", self.root, ca=True, crls=[shop.url("/root.crl")])
        leaf.setdefault("crls", [shop.url("/middle.crl")])
        self.leaf = issue(HOST, self.middle, dns=[HOST], **leaf)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.root.pem)
        self.folder = folder
        shop.goods["/root.crl"] = (200, tlslab.crl(self.root), "")
        shop.goods["/middle.crl"] = (200, tlslab.crl(self.middle), "")

    def serving(self) -> AbstractContextManager[tlslab.Server]:
        return tlslab.serving_tls(self.folder, [self.leaf, self.middle])

    def look_up(self, policy: Policy = CRL, **more: Any) -> Verdict:
        with self.serving() as server:
            look = look_at(server.port, self.ca, policy, **more)
            seen = look_up_revocation(look)
            settle(seen, look.target)
            self.said = seen.evidence()
            return not_revoked(seen, policy)


def test_what_is_in_no_list_is_not_revoked(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    assert plant.look_up() == ()
    assert sorted(shop.asked) == ["/middle.crl", "/root.crl"]
    assert f"leaf `CN=localhost` is not in {shop.url('/middle.crl')}, which holds until " in plant.said


def test_nothing_is_fetched_unless_the_policy_asks(shop: Shop, tmp_path: Path) -> None:
    verdict = Plant(shop, tmp_path).look_up(Policy())
    assert isinstance(verdict, NotApplicable)
    assert verdict.reason.startswith("not demanded: revocation = ")
    assert shop.asked == []


def test_a_revoked_leaf_is_found(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, tlslab.crl(plant.middle, plant.leaf), "")
    shop.goods["/root.crl"] = (503, b"", "")  # what cannot be had hides no finding
    verdict = plant.look_up()
    assert codes(verdict) == ["revoked"]
    assert "leaf `CN=localhost` has been revoked since " in plant.said
    assert "(keyCompromise)" in plant.said


def test_a_revoked_intermediate_is_found(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/root.crl"] = (200, tlslab.crl(plant.root, plant.middle), "")
    assert codes(plant.look_up()) == ["revoked"]
    assert "certificate 2 of the chain `CN=Middle` has been revoked" in plant.said


def test_pem_and_a_redirect_on_the_same_host_are_taken(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    pem = ssl.DER_cert_to_PEM_cert(tlslab.crl(plant.middle)).replace("CERTIFICATE", "X509 CRL").encode()
    shop.goods["/middle.crl"] = (301, b"", "/moved")
    shop.goods["/moved"] = (200, pem, "")
    assert plant.look_up() == ()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b"", ""), r"cannot be had: http://localhost:\d+/middle.crl answered 404"),
        ((200, b"<html>", ""), "holds no such list"),
        ((302, b"", "http://elsewhere.test/x"), "redirected elsewhere, to http://elsewhere.test/x"),
        ((302, b"", "https://localhost/x"), "redirected elsewhere"),
        ((302, b"", "/middle.crl"), "one redirect after another"),
        ((200, b"\0" * 3000, ""), "has more than 0 MiB"),
    ],
)
def test_a_list_that_cannot_be_had_is_could_not_look(
    answer: tuple[int, bytes, str], said: str, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_nodered_sec.probes.revocation._LIMIT", 2000)
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = answer
    with pytest.raises(ProbeError, match=said) as caught:
        plant.look_up()
    assert caught.value.cause is Cause.UNAVAILABLE
    assert "leaf `CN=localhost`" in caught.value.message


def stranger(plant: Plant, _: Shop) -> bytes:
    return tlslab.crl(issue("Middle", ca=True))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (stranger, "it is not signed by `CN=Middle`"),
        (lambda plant, shop: tlslab.crl(plant.root), "it is not signed by"),
        (lambda plant, shop: tlslab.crl(plant.middle, since=now() - 3 * DAY, until=now() - DAY), "out of date since"),
        (lambda plant, shop: tlslab.crl(plant.middle, since=now() + HOUR), "it holds from"),
        (lambda plant, shop: tlslab.crl(plant.middle, url=shop.url("/part2.crl")), "the list for other certificates"),
    ],
    ids=["stranger's", "another CA's", "late", "early", "another part"],
)
def test_a_list_that_says_nothing_here_is_could_not_look(make: Any, said: str, shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, make(plant, shop), "")
    with pytest.raises(ProbeError, match=said):
        plant.look_up()


def test_the_right_part_of_a_list_is_taken(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, tlslab.crl(plant.middle, url=shop.url("/middle.crl")), "")
    assert plant.look_up() == ()


@pytest.mark.parametrize(
    ("crls", "said"),
    [
        ([], 'names no list of revoked certificates, though revocation = "crl" asks for one'),
        (["ldap://ca.test/cn=x", "https://ca.test/x"], "by other ways than plain HTTP only"),
        (["http://localhost:99999/x"], "is no URL"),
        (["http:///x"], "is no URL"),
        (["http://localhost:1/x"], "refused"),
    ],
)
def test_a_leaf_without_a_list_that_can_be_asked_for_is_could_not_look(
    crls: list[str], said: str, shop: Shop, tmp_path: Path
) -> None:
    with pytest.raises(ProbeError, match=said):
        Plant(shop, tmp_path, crls=crls).look_up()


def test_a_place_that_never_answers_ends_at_the_deadline(shop: Shop, tmp_path: Path) -> None:
    with tlslab.serving(tlslab.hangs) as silent, pytest.raises(ProbeError, match="no complete answer within the time"):
        Plant(shop, tmp_path, crls=[f"http://localhost:{silent.port}/x"]).look_up(timeout=1)


def test_the_second_place_will_do(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path, crls=["ldap://ca.test/x", shop.url("/gone"), shop.url("/middle.crl")])
    assert plant.look_up() == ()


def test_what_lives_a_week_needs_no_list(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path, crls=[], since=now() - HOUR, until=now() + 159 * HOUR)
    assert plant.look_up() == ()
    assert "leaf `CN=localhost` names no list" in plant.said


def test_a_chain_that_does_not_verify_has_us_ask_for_nothing(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    plant.ca.write_bytes(issue("Other", ca=True).pem)
    with pytest.raises(ProbeError, match="the lists that it names are not asked for: see tls-01") as caught:
        plant.look_up()
    assert caught.value.cause is Cause.UNVERIFIED
    assert shop.asked == []


def test_a_certificate_without_an_issuer_cannot_be_revoked(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    plant.leaf = issue(HOST, dns=[HOST], crls=[shop.url("/middle.crl")])
    plant.ca.write_bytes(plant.leaf.pem)
    with tlslab.serving_tls(tmp_path, [plant.leaf]) as server:
        look = look_at(server.port, plant.ca, CRL)
        verdict = not_revoked(look_up_revocation(look), CRL)
    assert isinstance(verdict, NotApplicable)
    assert "its own issuer" in verdict.reason


def test_a_list_goes_through_the_targets_proxy(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    with pytest.raises(ProbeError, match="the proxy 127"):
        plant.look_up(http=HttpSettings(proxy="http://127.0.0.1:1"))


def test_a_list_is_fetched_once_in_a_run(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    survey = Survey()
    with plant.serving() as server:
        for name in ("a", "b"):
            target = Target(name, f"https://{HOST}:{server.port}", CRL, ca_file=str(plant.ca), http_port=1)
            assert not_revoked(cast("Any", survey.answer(target, Ask("revocation"))), CRL) == ()
        survey.close()
    assert sorted(shop.asked) == ["/middle.crl", "/root.crl"]


# --- stapled responses -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> tuple[Issued, Issued]:
    need_nginx()
    root = issue("Root", ca=True)
    return root, issue("Middle", root, ca=True)


@pytest.mark.parametrize(
    ("case", "must", "found"),
    [
        ("none", False, None),
        ("none", True, ["staple-missing"]),
        ("good", True, []),
        ("delegated", True, []),
        ("revoked", False, ["revoked"]),
        ("late", False, ["staple-late"]),
        ("stranger", True, ["staple-unusable"]),
        ("other", False, ["staple-unusable"]),
    ],
)
def test_a_stapled_response_is_judged_and_missed_only_where_demanded(
    case: str, must: bool, found: list[str] | None, authority: tuple[Issued, Issued], tmp_path: Path
) -> None:
    root, middle = authority
    leaf = issue(HOST, middle, dns=[HOST], must_staple=must)
    responder = issue("Responder", middle, usage=ExtendedKeyUsageOID.OCSP_SIGNING)
    responses = {
        "good": tlslab.ocsp_response(leaf, middle),
        "delegated": tlslab.ocsp_response(leaf, middle, signer=responder),
        "revoked": tlslab.ocsp_response(leaf, middle, revoked=True),
        "late": tlslab.ocsp_response(leaf, middle, until=now() - DAY),
        "stranger": tlslab.ocsp_response(leaf, middle, signer=issue("Middle", ca=True)),
        "other": tlslab.ocsp_response(issue("other", middle), middle),
    }
    (tmp_path / "ca.pem").write_bytes(root.pem)
    (tmp_path / "staple").write_bytes(responses.get(case, b""))
    stapling = "" if case == "none" else f"ssl_stapling on; ssl_stapling_file {tmp_path}/staple;"
    with nginxlab.serving(tmp_path, [leaf, middle], server=stapling) as nginx:
        seen = look_up_revocation(look_at(nginx.port, tmp_path / "ca.pem", Policy()))
    verdict = not_revoked(seen, Policy())
    if found is None:
        assert isinstance(verdict, NotApplicable)
    else:
        assert codes(verdict) == found, seen.evidence()


# --- client certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "found", "said"),
    [
        ("ssl_verify_client on;", [], "answered 400, which says that the certificate is missing"),
        ("ssl_verify_client optional; if ($ssl_client_verify != SUCCESS) { return 403; }", [], "answered 403"),
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
    settings: str, found: list[str], said: str, authority: tuple[Issued, Issued], tmp_path: Path
) -> None:
    root, middle = authority
    (tmp_path / "ca.pem").write_bytes(root.pem)
    asks = f"ssl_client_certificate {tmp_path}/ca.pem; " if "verify_client" in settings else ""
    chain = [issue(HOST, middle, dns=[HOST]), middle]
    with nginxlab.serving(tmp_path, chain, server=asks + settings) as nginx:
        seen = come_without_certificate(look_at(nginx.port, tmp_path / "ca.pem", MUTUAL))
        assert (nginx.accepted(), nginx.logged()) == (1, [])
    assert codes(demands_client_certificate(seen, MUTUAL)) == found
    assert said in seen.evidence()


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
            with pytest.raises(ProbeError, match="client certificate"):
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


# --- clocks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(days=-3), "behind"),
        (timedelta(hours=5), "ahead of"),
        (timedelta(0), ""),
        (None, ""),
    ],
)
def test_a_clock_that_differs_is_a_hint_where_dates_are_wrong(
    ahead: timedelta | None, said: str, tmp_path: Path
) -> None:
    root = issue("Root", ca=True)
    (tmp_path / "ca.pem").write_bytes(root.pem)
    late = issue("Late", root, ca=True, until=now() - HOUR)
    chain = [issue(HOST, late, dns=[HOST], until=now() - HOUR), late]
    dated = f"Date: {format_datetime(now() + ahead)}\r\n" if ahead is not None else ""
    reply = f"HTTP/1.1 404 Not Found\r\n{dated}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with tlslab.serving_tls(tmp_path, chain, reply=reply) as server:
        survey = Survey()
        target = Target("t", f"https://{HOST}:{server.port}", Policy(), ca_file=str(tmp_path / "ca.pem"))
        seen = cast("Any", survey.answer(target, Ask("chain")))
        survey.close()
    [leaf] = renewal_is_in_time(seen, Policy())  # type: ignore[misc]  # a verdict may also be no tuple
    [above] = chain_is_trusted(seen, Policy())  # type: ignore[misc]  # a verdict may also be no tuple
    for one in (leaf, above):
        hint = one.observed.partition("; the target's clock is ")[2]
        assert hint.endswith(f" {said} ours, by its Date header") if said else not hint
