"""Revoked certificates, by lists and by stapled responses; client certificates; clocks: on real servers."""

from __future__ import annotations

import http.server
import ssl
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast

import certlab
import hostile
import nginxlab
import pytest
import tlslab
from certlab import DAY, HOUR, Issued, issue, now
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from suite_runs import need_nginx
from tlslab import LoopbackLook

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Ask, HttpSettings, Target
from pytest_nodered_sec.observations.answers import Kind, Refuser
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.client_certificate import come_without_certificate
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.tls.ocsp import read_staple
from pytest_nodered_sec.probes.tls.revocation import look_up_revocation
from pytest_nodered_sec.rules.chain import chain_is_trusted, renewal_is_in_time
from pytest_nodered_sec.rules.revocation import demands_client_certificate, not_revoked
from pytest_nodered_sec.survey.survey import Survey
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.verdict import Verdict

HOST = "localhost"
COMPROMISED = frozenset({x509.ReasonFlags.key_compromise})
RELATIVE = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "part")])
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
CRL = Policy(revocation="crl")
MUTUAL = Policy(mutual_tls=True)


def codes(verdict: Verdict) -> list[str]:
    assert not isinstance(verdict, NotApplicable)
    return [violation.code for violation in verdict]


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
        shop.goods["/root.crl"] = (200, certlab.crl(self.root), "")
        shop.goods["/middle.crl"] = (200, certlab.crl(self.middle), "")

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
    assert f"leaf `CN=localhost` is not in {shop.url('/middle.crl')}, which is valid until " in plant.said


def test_nothing_is_fetched_unless_the_policy_asks(shop: Shop, tmp_path: Path) -> None:
    verdict = Plant(shop, tmp_path).look_up(Policy())
    assert isinstance(verdict, NotApplicable)
    assert verdict.reason.startswith("not required: revocation = ")
    assert shop.asked == []


def test_a_revoked_leaf_is_found(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, certlab.crl(plant.middle, plant.leaf), "")
    shop.goods["/root.crl"] = (503, b"", "")  # what cannot be had hides no finding
    verdict = plant.look_up()
    assert codes(verdict) == ["revoked"]
    assert "leaf `CN=localhost` has been revoked since " in plant.said
    assert "(keyCompromise)" in plant.said


def test_a_revoked_intermediate_is_found(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/root.crl"] = (200, certlab.crl(plant.root, plant.middle), "")
    assert codes(plant.look_up()) == ["revoked"]
    assert "certificate 2 of the chain `CN=Middle` has been revoked" in plant.said


def test_pem_and_a_redirect_on_the_same_host_are_taken(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    pem = ssl.DER_cert_to_PEM_cert(certlab.crl(plant.middle)).replace("CERTIFICATE", "X509 CRL").encode()
    shop.goods["/middle.crl"] = (301, b"", "/moved")
    shop.goods["/moved"] = (200, pem, "")
    assert plant.look_up() == ()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b"", ""), r"cannot be fetched: http://localhost:\d+/middle.crl answered 404"),
        ((200, b"<html>", ""), "holds no such list"),
        ((302, b"", "http://elsewhere.test/other.crl"), "redirected elsewhere, to http://elsewhere.test/other.crl"),
        ((302, b"", "https://localhost/x"), "redirected elsewhere"),
        ((302, b"", "/middle.crl"), "one redirect after another"),
        ((200, b"\0" * 3000, ""), "has more than 0 MiB"),
    ],
)
def test_a_list_that_cannot_be_had_is_could_not_look(
    answer: tuple[int, bytes, str], said: str, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_nodered_sec.probes.tls.revocation._LIMIT", 2000)
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = answer
    with pytest.raises(ProbeError, match=said) as caught:
        plant.look_up()
    assert caught.value.cause is Cause.UNAVAILABLE
    assert "leaf `CN=localhost`" in caught.value.message


def stranger(plant: Plant, _: Shop) -> bytes:
    return certlab.crl(issue("Middle", ca=True))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (stranger, "it is not signed by `CN=Middle`"),
        (lambda plant, shop: certlab.crl(plant.root), "it is not signed by"),
        (lambda plant, shop: certlab.crl(plant.middle, since=now() - 3 * DAY, until=now() - DAY), "out of date since"),
        (lambda plant, shop: certlab.crl(plant.middle, since=now() + HOUR), "it is valid only from"),
        (lambda plant, shop: certlab.crl(plant.middle, url=shop.url("/part2.crl")), "the list for other certificates"),
        (lambda plant, shop: certlab.crl(plant.middle, only_contains_ca_certs=True), "the list for other certificates"),
        (lambda plant, shop: certlab.crl(plant.middle, only_contains_attribute_certs=True), "for other certificates"),
        (lambda plant, shop: certlab.crl(plant.middle, relative_name=RELATIVE), "the list for other certificates"),
        (lambda plant, shop: certlab.crl(plant.middle, only_some_reasons=COMPROMISED), "some revocation reasons"),
        (lambda plant, shop: certlab.crl(plant.middle, indirect_crl=True), "of several issuers"),
        (lambda plant, shop: certlab.crl(plant.middle, extensions=[x509.DeltaCRLIndicator(7)]), "changes since list 7"),
        (lambda plant, shop: certlab.crl(plant.middle, extensions=[STRANGE]), r"critical extension \(1\.2\.3\.4\)"),
        (
            lambda plant, shop: certlab.without_next_update(certlab.crl(plant.middle), plant.middle),
            "names no end of validity",
        ),
        (
            lambda plant, shop: certlab.crl(
                plant.middle,
                plant.leaf,
                reason=x509.ReasonFlags.remove_from_crl,
                extensions=[x509.DeltaCRLIndicator(7)],
            ),
            "changes since list 7",
        ),
        (
            lambda plant, shop: certlab.crl(
                plant.middle, plant.leaf, reason=x509.ReasonFlags.certificate_hold, until=now() - HOUR / 2
            ),
            "out of date since",
        ),
    ],
    ids=[
        "stranger's",
        "another CA's",
        "late",
        "early",
        "another part",
        "for CAs",
        "for attributes",
        "by another name",
        "some reasons",
        "indirect",
        "delta",
        "strange",
        "for ever",
        "no longer on hold",
        "once on hold",
    ],
)
def test_a_list_that_says_nothing_here_is_could_not_look(make: Any, said: str, shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, make(plant, shop), "")
    with pytest.raises(ProbeError, match=said):
        plant.look_up()


def test_the_right_part_of_a_list_is_taken(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, certlab.crl(plant.middle, url=shop.url("/middle.crl")), "")
    assert plant.look_up() == ()


@pytest.mark.parametrize(
    "make",
    [
        lambda plant: certlab.crl(plant.middle, plant.leaf, extensions=[x509.DeltaCRLIndicator(7)]),
        lambda plant: certlab.crl(plant.middle, plant.leaf, until=now() - HOUR / 2),
        lambda plant: certlab.crl(plant.middle, plant.leaf, only_some_reasons=COMPROMISED),
    ],
    ids=["delta", "late", "some reasons"],
)
def test_an_entry_stands_in_an_old_list_and_in_a_part(make: Any, shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    shop.goods["/middle.crl"] = (200, make(plant), "")
    assert codes(plant.look_up()) == ["revoked"]


def test_a_whole_list_with_a_number_and_word_of_changes_is_taken(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(shop.url("/delta"))], None, None, None)
    made = certlab.crl(
        plant.middle, extensions=[x509.CRLNumber(9), x509.FreshestCRL([point])], only_contains_user_certs=True
    )
    shop.goods["/middle.crl"] = (200, made, "")
    assert plant.look_up() == ()


def test_who_may_not_sign_lists_signs_none(shop: Shop, tmp_path: Path) -> None:
    plant = Plant(shop, tmp_path)
    usage = certlab.usages("key_cert_sign")
    plant.middle = issue("Middle", plant.root, ca=True, crls=[shop.url("/root.crl")], key_usage=usage)
    plant.leaf = issue(HOST, plant.middle, dns=[HOST], crls=[shop.url("/middle.crl")])
    shop.goods["/middle.crl"] = (200, certlab.crl(plant.middle), "")
    with pytest.raises(ProbeError, match=r"`CN=Middle` may not sign lists \(its keyUsage lacks cRLSign\)"):
        plant.look_up()


@pytest.mark.parametrize(
    ("crls", "said"),
    [
        ([], 'names no list of revoked certificates, though revocation = "crl" asks for one'),
        (["ldap://ca.test/cn=x", "https://ca.test/x"], "none of its list's URLs is plain HTTP"),
        (["http://localhost:99999/x"], "is not a URL"),
        (["http:///x"], "is not a URL"),
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
    with pytest.raises(ProbeError, match="its revocation lists are not fetched: see tls-01") as caught:
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
    assert "self-signed" in verdict.reason


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


RESPONDERS: dict[str, dict[str, Any]] = {  # Any: arguments of `issue`
    "expired responder": {"usage": ExtendedKeyUsageOID.OCSP_SIGNING, "until": now() - HOUR},
    "early responder": {"usage": ExtendedKeyUsageOID.OCSP_SIGNING, "since": now() + HOUR},
    "no responder": {"usage": ExtendedKeyUsageOID.SERVER_AUTH},
    "no usage": {"ca": True},
}


@pytest.mark.parametrize(
    ("case", "must", "expected"),
    [
        ("none", False, None),
        ("none", True, ["staple-missing"]),
        ("good", True, []),
        ("delegated", True, []),
        ("revoked", False, ["revoked"]),
        ("late", False, ["staple-late"]),
        ("stranger", True, ["staple-unusable"]),
        ("other", False, ["staple-unusable"]),
        ("early", True, ["staple-early"]),
        ("clocks differ", True, []),
        ("old and for ever", True, ["staple-late"]),
        ("expired responder", True, ["staple-unusable"]),
        ("early responder", True, ["staple-unusable"]),
        ("no responder", True, ["staple-unusable"]),
        ("no usage", True, ["staple-unusable"]),
    ],
)
def test_a_stapled_response_is_judged_and_missed_only_where_demanded(
    case: str, must: bool, expected: list[str] | None, authority: tuple[Issued, Issued], tmp_path: Path
) -> None:
    root, middle = authority
    leaf = issue(HOST, middle, dns=[HOST], must_staple=must)
    responder = issue("Responder", middle, usage=ExtendedKeyUsageOID.OCSP_SIGNING)
    responses = {
        "good": certlab.ocsp_response(leaf, middle),
        "delegated": certlab.ocsp_response(leaf, middle, signer=responder),
        "revoked": certlab.ocsp_response(leaf, middle, revoked=True),
        "late": certlab.ocsp_response(leaf, middle, until=now() - DAY),
        "stranger": certlab.ocsp_response(leaf, middle, signer=issue("Middle", ca=True)),
        "other": certlab.ocsp_response(issue("other", middle), middle),
        "early": certlab.ocsp_response(leaf, middle, since=now() + DAY, until=now() + 2 * DAY),
        "clocks differ": certlab.ocsp_response(leaf, middle, since=now() + HOUR / 30),
        "old and for ever": certlab.ocsp_response(leaf, middle, since=now() - 20 * DAY, for_ever=True),
        **{
            name: certlab.ocsp_response(leaf, middle, signer=issue("Responder", middle, **more))
            for name, more in RESPONDERS.items()
        },
    }
    (tmp_path / "ca.pem").write_bytes(root.pem)
    (tmp_path / "staple").write_bytes(responses.get(case, b""))
    stapling = "" if case == "none" else f"ssl_stapling on; ssl_stapling_file {tmp_path}/staple;"
    with nginxlab.serving(tmp_path, [leaf, middle], server=stapling) as nginx:
        seen = look_up_revocation(look_at(nginx.port, tmp_path / "ca.pem", Policy()))
    verdict = not_revoked(seen, Policy())
    if expected is None:
        assert isinstance(verdict, NotApplicable)
    else:
        assert codes(verdict) == expected, seen.evidence()


KEYS: dict[str, tuple[certlab.Key | None, tuple[str, ...]]] = {
    "ECDSA": (None, ()),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate(), ()),
    "Ed448": (ed448.Ed448PrivateKey.generate(), ()),
    "RSA": (certlab.rsa_key(2048), ()),
    "RSA-PSS": (certlab.rsa_key(2048), ("-rmd", "sha384", "-rsigopt", "rsa_padding_mode:pss")),
}


@pytest.mark.parametrize(("key", "options"), KEYS.values(), ids=KEYS)
def test_a_response_and_a_list_of_any_kind_of_key_are_the_issuers_word(
    key: certlab.Key | None, options: tuple[str, ...], shop: Shop, tmp_path: Path
) -> None:
    root = issue("Root", ca=True)
    middle = issue("Middle", root, ca=True, key=key)
    leaf = issue(HOST, middle, dns=[HOST])
    made = certlab.ocsp_response_by_openssl(tmp_path, leaf, middle, *options) if options else None
    path = [leaf.certificate, middle.certificate]
    other = [leaf.certificate, issue("Middle", root, ca=True, key=key and another_like(key)).certificate]
    response = made or certlab.ocsp_response(leaf, middle)
    assert read_staple(response, path).status == "good"
    assert "not signed by the issuer" in read_staple(response, other).trouble
    plant = Plant(shop, tmp_path)
    plant.middle = issue("Middle", plant.root, ca=True, key=key)
    plant.leaf = issue(HOST, plant.middle, dns=[HOST], crls=[shop.url("/middle.crl")])
    shop.goods["/middle.crl"] = (200, certlab.crl(plant.middle), "")
    assert plant.look_up() == ()


def another_like(key: certlab.Key) -> certlab.Key:
    """Return another key of the same kind."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ed25519.Ed25519PrivateKey.generate()
    return ed448.Ed448PrivateKey.generate() if isinstance(key, ed448.Ed448PrivateKey) else certlab.rsa_key(3072)


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
        assert nginx.accepted() == (1 if expected == ["not-demanded"] else 2)
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
    for violation in (leaf, above):
        hint = violation.observed.partition("; the target's clock is ")[2]
        assert hint.endswith(f" {said} ours, by its Date header") if said else not hint
