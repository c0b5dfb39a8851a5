"""What is accepted of TLS, seen on real servers: nginx, OpenSSL's, tlslite-ng's; and on everything that is none."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import time
import warnings
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import certlab
import nginxlab
import pytest
import tlslab
from certlab import issue
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from suite_runs import need_nginx
from tlslab import LoopbackLook

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.lab.deployments import CIPHERS
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.tls.suites import see_offers, see_part
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.rules import suites as rules
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certlab import Issued

    from pytest_nodered_sec.observations.tls import TlsOffers

HOST = "nodered.test"
CONTROLS: dict[str, tuple[tuple[Ask, ...], Callable[[Any, Policy], Any]]] = {
    "tls-07": (questions.OLD_VERSIONS, rules.old_version_is_refused),
    "tls-08": (questions.NEW_VERSIONS, rules.new_version_is_offered),
    "tls-09": (questions.SUITES, rules.no_suite_is_broken),
    "tls-14": (questions.SUITES, rules.suites_are_forward_secret),
    "tls-15": (questions.SUITES, rules.suites_are_listed),
    "tls-10": (questions.GROUPS, rules.groups_are_large_enough),
    "tls-16": (questions.RENEGOTIATION, rules.renegotiation_is_secure),
}
ROOT = issue("Lab Root", ca=True)
MIDDLE = issue("Lab Intermediate", ROOT, ca=True)
EC = issue(HOST, MIDDLE, dns=[HOST], ips=["127.0.0.1", "::1"])
RSA = issue(HOST, MIDDLE, dns=[HOST], ips=["127.0.0.1", "::1"], key=certlab.rsa_key(2048))
TODAY = f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {CIPHERS}"
# certbot 2.1.0, options-ssl-nginx.conf
CERTBOT = f"{TODAY}:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384;"
LEGACY = (
    "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:COMPLEMENTOFALL:@SECLEVEL=0; ssl_dhparam @DH1024@;"
)


def look_at(port: int, *, host: str = HOST, timeout: float = 5.0, policy: Policy | None = None) -> Look:
    return cast("Look", LoopbackLook(Target("t", f"https://{host}:{port}", policy or Policy(), timeout=timeout)))


def judged(offers: TlsOffers, policy: Policy | None = None) -> dict[str, set[str]]:
    """Return which instances fail, by control: the label, or "" where a control has one."""
    policy = policy or Policy()
    target = Target("t", f"https://{HOST}", policy)
    names: dict[str, set[str]] = {}
    for control, (asks, rule) in CONTROLS.items():
        for ask in asks:
            seen = see_part(cast("Look", None), offers, *ask.args)
            settle(seen, target)
            assert seen.evidence()
            verdict = rule(seen, policy)
            if not isinstance(verdict, NotApplicable) and verdict:
                names.setdefault(control, set()).add(ask.label)
    return names


def accepted(offers: TlsOffers) -> dict[str, set[str]]:
    """Return OpenSSL's names of the suites of each version that is accepted."""
    return {
        offer.version: {suite.openssl or suite.name for suite in offer.suites}
        for offer in offers.versions
        if offer.accepted
    }


def parameters(text: str, folder: Path) -> str:
    """Write Diffie-Hellman parameters, and name their files."""
    small = ssl.DER_cert_to_PEM_cert(tlslab.SMALL_GROUP).replace("CERTIFICATE", "DH PARAMETERS")
    (folder / "dh1024.pem").write_text(small)
    (folder / "dh2048.pem").write_text(DH2048)
    return text.replace("@DH1024@", f"{folder}/dh1024.pem").replace("@DH2048@", f"{folder}/dh2048.pem")


# RFC 7919, ffdhe2048, as `openssl genpkey -genparam -algorithm DHX` would not be read by nginx
DH2048 = """-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""


@dataclass(frozen=True)
class Case:
    """A server block, what must be found, and how many suites of each version."""

    server: str
    fails: dict[str, set[str]] = field(default_factory=dict)
    accepts: dict[str, int] | None = field(default_factory=lambda: {"TLSv1.3": 3, "TLSv1.2": 3})
    chains: tuple[Issued, ...] = (EC,)
    policy: Policy = field(default_factory=Policy)


BASELINE, STRICT = Policy(profile="baseline"), Policy(profile="strict")
ONLY12 = "ssl_protocols TLSv1.2; ssl_ciphers"
CASES = {
    "as advised": Case(f"{TODAY};"),
    "as advised, RSA": Case(f"{TODAY};", chains=(RSA,)),
    "two certificates": Case(f"{TODAY};", accepts={"TLSv1.3": 3, "TLSv1.2": 6}, chains=(RSA, EC)),
    "certbot's options": Case(CERTBOT, chains=(RSA,)),  # without ssl_dhparam nginx has no DHE
    "certbot's options and parameters": Case(
        f"{CERTBOT} ssl_dhparam @DH2048@;", accepts={"TLSv1.3": 3, "TLSv1.2": 5}, chains=(RSA,)
    ),
    "parameters that are too small": Case(
        f"{TODAY}:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0; ssl_dhparam @DH1024@;",
        {"tls-10": {""}},
        {"TLSv1.3": 3, "TLSv1.2": 4},
        (RSA,),
    ),
    "modern": Case("ssl_protocols TLSv1.3;", accepts={"TLSv1.3": 3}),
    "modern, strict": Case("ssl_protocols TLSv1.3;", accepts={"TLSv1.3": 3}, policy=STRICT),
    "as advised, strict": Case(f"{TODAY};", {"tls-08": {""}}, policy=STRICT),
    "nginx's own suites": Case("ssl_protocols TLSv1.2;", {"tls-14": {"TLSv1.2"}, "tls-15": {"TLSv1.2"}}, None),
    "legacy": Case(
        LEGACY,
        {
            "tls-07": {"TLSv1.0", "TLSv1.1"},
            "tls-09": {"TLSv1.0", "TLSv1.1", "TLSv1.2"},
            "tls-14": {"TLSv1.2"},
            "tls-15": {"TLSv1.2"},
            "tls-10": {""},
        },
        None,  # which depends on OpenSSL; see below what sslscan finds
        (RSA,),
    ),
    "old only": Case(
        "ssl_protocols TLSv1.1; ssl_ciphers ECDHE-RSA-AES128-SHA:@SECLEVEL=0;",
        {"tls-07": {"TLSv1.1"}, "tls-08": {""}},
        {"TLSv1.1": 1},
        (RSA,),
    ),
    "a hole between the versions": Case(
        "ssl_protocols TLSv1 TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0;",
        {"tls-07": {"TLSv1.0"}, "tls-14": {"TLSv1.2"}},
        {"TLSv1.2": 1, "TLSv1.0": 1},
    ),
    "no encryption": Case(f"{ONLY12} eNULL:!aNULL:@SECLEVEL=0;", {"tls-09": {"TLSv1.2"}}, {"TLSv1.2": 4}, (RSA,)),
    "no authentication": Case(
        f"{ONLY12} AECDH-AES128-SHA:ADH-AES128-SHA:@SECLEVEL=0; ssl_dhparam @DH2048@;",
        {"tls-09": {"TLSv1.2"}},
        {"TLSv1.2": 2},
    ),
    "static RSA": Case(f"{ONLY12} AES128-GCM-SHA256:AES256-SHA;", {"tls-14": {"TLSv1.2"}}, {"TLSv1.2": 2}, (RSA,)),
    "CBC": Case(f"{ONLY12} ECDHE-ECDSA-AES128-SHA256;", {"tls-14": {"TLSv1.2"}}, {"TLSv1.2": 1}),
    "CBC, baseline": Case(
        f"{ONLY12} ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-ARIA128-GCM-SHA256;",
        {"tls-14": {"TLSv1.2"}},
        {"TLSv1.2": 2},
        policy=BASELINE,
    ),
    "other ciphers": Case(f"{ONLY12} ECDHE-ECDSA-ARIA128-GCM-SHA256;", {"tls-15": {"TLSv1.2"}}, {"TLSv1.2": 1}),
    "a small curve": Case(
        f"{TODAY}:@SECLEVEL=0; ssl_ecdh_curve prime256v1:X25519:secp192r1:sect163k1;", {"tls-10": {""}}
    ),
    "an odd curve": Case(f"{TODAY}; ssl_ecdh_curve prime256v1:brainpoolP256r1;"),
    "an odd curve, strict": Case(
        f"{TODAY}; ssl_ecdh_curve prime256v1:brainpoolP256r1;", {"tls-08": {""}, "tls-10": {""}}, policy=STRICT
    ),
    "a client certificate": Case(f"{TODAY}; ssl_client_certificate @ROOT@; ssl_verify_client on;"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_everything_that_nginx_accepts_is_seen_and_judged_once(case: Case, tmp_path: Path) -> None:
    need_nginx()
    (tmp_path / "root.pem").write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    lines = parameters(case.server, tmp_path).replace("@ROOT@", f"{tmp_path}/root.pem")
    with nginxlab.serving(tmp_path, *([issued, MIDDLE] for issued in case.chains), server=lines) as nginx:
        offers = see_offers(look_at(nginx.port))
        assert nginx.logged() == []
    if case.accepts is not None:
        assert {version: len(names) for version, names in accepted(offers).items()} == case.accepts
    assert judged(offers, case.policy) == case.fails


@pytest.mark.parametrize(
    ("server", "chains", "most"),
    [
        (f"{TODAY};", (EC,), 15),
        (f"{CERTBOT} ssl_dhparam @DH2048@;", (RSA,), 15),
        (f"{TODAY};", (EC, RSA), 15 + 3 + 1),  # three suites more, and another chain
    ],
    ids=["as advised", "certbot", "two certificates"],
)
def test_a_good_server_hardly_notices(server: str, chains: tuple[Issued, ...], most: int, tmp_path: Path) -> None:
    need_nginx()
    lines = parameters(server, tmp_path)
    with nginxlab.serving(tmp_path, *([issued, MIDDLE] for issued in chains), server=lines) as nginx:
        look = look_at(nginx.port)
        present_chain(look)
        see_offers(look)
        assert nginx.accepted() <= most
        assert nginx.logged() == []


def test_at_a_quiet_pace_one_connection_is_open_at_a_time(tmp_path: Path) -> None:
    need_nginx()
    look = look_at(0, policy=Policy(pace="quiet"))
    with nginxlab.serving(tmp_path, [EC, MIDDLE], server=f"{TODAY};") as nginx:
        opened: list[socket.socket] = []

        def connect() -> socket.socket:
            assert all(connection.fileno() < 0 for connection in opened)
            opened.append(socket.create_connection(("127.0.0.1", nginx.port), timeout=1))
            return opened[-1]

        cast("Any", look).connect = connect
        assert accepted(see_offers(look)).keys() == {"TLSv1.3", "TLSv1.2"}
    assert len(opened) > 8


def test_the_name_decides_which_server_is_seen(tmp_path: Path) -> None:
    need_nginx()
    certificates, key = nginxlab.write_chain(tmp_path, "other", [EC, MIDDLE])
    other = f"server {{ listen 127.0.0.1:@PORT@ ssl default_server; ssl_certificate {certificates}; "
    other += f"ssl_certificate_key {key}; ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-SHA; }}"
    server = f"server_name {HOST} xn--fa-hia.test; {TODAY};"
    with nginxlab.serving(tmp_path, [EC, MIDDLE], server=server, http=other) as nginx:
        for host in (HOST, f"{HOST}.", "faß.test"):
            assert len(accepted(see_offers(look_at(nginx.port, host=host)))["TLSv1.2"]) == 3
        assert accepted(see_offers(look_at(nginx.port, host="127.0.0.1")))["TLSv1.2"] == {"ECDHE-ECDSA-AES128-SHA"}


def test_an_ipv6_literal_gets_no_name(tmp_path: Path) -> None:
    need_nginx()
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    with nginxlab.serving(tmp_path, [EC, MIDDLE], server=f"{TODAY};", ipv6=True) as nginx:
        assert len(accepted(see_offers(look_at(nginx.port, host="[::1]")))) == 2


def test_an_http_url_is_asked_once_whether_it_is_in_clear() -> None:
    with tlslab.serving(tlslab.says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        look = cast("Look", LoopbackLook(Target("t", f"http://nodered.test:{server.port}", Policy())))
        offers = see_offers(look)
        assert not present_chain(look).certificates
    assert not offers.tls
    for asks, rule in CONTROLS.values():
        for ask in asks:
            seen = see_part(look, offers, *ask.args)
            settle(seen, look.target)
            assert seen.evidence() == "the target is served without TLS"
            assert rule(seen, Policy()) == NotApplicable("served without TLS: see tls-01")


def test_an_http_url_of_a_port_for_https_is_said_so(tmp_path: Path) -> None:
    need_nginx()
    with nginxlab.serving(tmp_path, [EC, MIDDLE], server=f"{TODAY};") as nginx:
        look = cast("Look", LoopbackLook(Target("t", f"http://{HOST}:{nginx.port}", Policy())))
        for probe in (see_offers, present_chain):
            with pytest.raises(ProbeError) as unseen:
                probe(look)
            url = f"http://{HOST}:{nginx.port}"
            use = f"use `--nodered-url={url.replace('http', 'https')}`"
            assert str(unseen.value) == f"{url} is a port for HTTPS: {use}"


def test_too_many_suites_for_the_time_are_an_error_that_says_so(tmp_path: Path) -> None:
    need_nginx()
    lines = parameters(LEGACY, tmp_path)

    def slow(sock: socket.socket) -> None:
        time.sleep(0.2)  # a long way
        lead(sock, nginx.port)

    with nginxlab.serving(tmp_path, [RSA, MIDDLE], server=lines) as nginx, tlslab.serving(slow) as server:
        offers = see_offers(look_at(server.port, timeout=4.0))
    trouble = offers.of("TLSv1.2").trouble
    assert trouble is not None
    assert re.search(r"\(after \d+ suites of TLSv1.2; --nodered-timeout gives more time\)", trouble.message)
    target = Target("t", f"https://{HOST}", Policy())
    with pytest.raises(ProbeError):
        settle(see_part(cast("Look", None), offers, "TLSv1.2"), target)
    settle(see_part(cast("Look", None), offers, "speaks TLSv1.2"), target)


# --- compared with sslscan ---------------------------------------------------------------------------------------


def scanned(port: int) -> dict[str, set[int]]:
    """Return code points by version, as sslscan finds them."""
    program = shutil.which("sslscan")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("sslscan is not installed")
    extras = ["fallback", "renegotiation", "compression", "heartbleed", "groups", "check-certificate"]
    command = [program, "--xml=-", *(f"--no-{extra}" for extra in extras), f"--sni-name={HOST}", f"127.0.0.1:{port}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    codes: dict[str, set[int]] = {}
    for element in ElementTree.fromstring(told).iter("cipher"):  # noqa: S314  of a program of ours
        codes.setdefault(element.attrib["sslversion"], set()).add(int(element.attrib["id"], 16))
    return codes


@pytest.mark.parametrize(
    "server",
    [f"{TODAY};", CERTBOT + " ssl_dhparam @DH2048@;", "ssl_protocols TLSv1.3;", LEGACY],
    ids=["as advised", "certbot", "modern", "legacy"],
)
def test_sslscan_finds_the_same(server: str, tmp_path: Path) -> None:
    need_nginx()
    lines = parameters(server, tmp_path)
    with nginxlab.serving(tmp_path, [RSA, MIDDLE], [EC, MIDDLE], server=lines) as nginx:
        offers = see_offers(look_at(nginx.port))
        theirs = scanned(nginx.port)
    ours = {offer.version: {suite.code for suite in offer.suites} for offer in offers.versions if offer.accepted}
    assert ours == theirs


# --- what nginx cannot do ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def s_server(folder: Path, *options: str) -> Iterator[int]:
    """Run OpenSSL's own server."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    certificates, key = nginxlab.write_chain(folder, "chain", [RSA, MIDDLE])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [program, "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-cert", str(certificates)]
    process = subprocess.Popen(
        [*command, "-key", str(key), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.communicate()


def test_shared_keys_and_all_suites_of_tls_13(tmp_path: Path) -> None:
    suites = "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256:TLS_AES_128_GCM_SHA256"
    psk = ("-psk", "0123456789abcdef", "-cipher", "PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305:@SECLEVEL=0")
    with s_server(tmp_path, "-ciphersuites", suites, *psk, "-groups", "P-521") as port:
        offers = see_offers(look_at(port))
    assert accepted(offers) == {
        "TLSv1.3": set(suites.split(":")),
        "TLSv1.2": {"PSK-AES128-GCM-SHA256", "ECDHE-PSK-CHACHA20-POLY1305"},
    }
    assert judged(offers) == {"tls-14": {"TLSv1.2"}, "tls-15": {"TLSv1.2", "TLSv1.3"}}
    assert {str(group) for group in offers.groups} == {"secp521r1"}


def test_tlslite_shows_sslv3_rc4_and_3des() -> None:
    handle = tlslite_server(["aes128gcm", "aes128", "3des", "rc4", "null"], (3, 0), (3, 3))
    with tlslab.serving(handle) as server:
        offers = see_offers(look_at(server.port, timeout=60))
    names = accepted(offers)
    assert names.keys() == {"TLSv1.2", "TLSv1.1", "TLSv1.0", "SSLv3"}
    assert {"DES-CBC3-SHA", "RC4-SHA", "RC4-MD5", "NULL-SHA"} <= names["SSLv3"] & names["TLSv1.2"]
    assert judged(offers) == {
        "tls-07": {"SSLv3", "TLSv1.0", "TLSv1.1"},
        "tls-09": {"SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"},
        "tls-14": {"TLSv1.2"},
    }


def test_tlslite_alone_with_sslv3() -> None:
    with tlslab.serving(tlslite_server(["3des"], (3, 0), (3, 0))) as server:
        offers = see_offers(look_at(server.port, timeout=60))
    assert accepted(offers).keys() == {"SSLv3"}
    assert judged(offers)["tls-08"] == {""}


@pytest.mark.parametrize(
    ("highest", "expected"), [((3, 3), {"tls-16": {""}}), ((3, 4), {"tls-16": {""}})], ids=["TLS 1.2", "TLS 1.3 too"]
)
def test_a_server_without_secure_renegotiation_is_looked_at_and_no_secret_sent(
    highest: tuple[int, int], expected: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    handle = tlslite_server(["aes128gcm", "aes256gcm"], (3, 3), highest, reply, exchanges=["ecdhe_rsa"])
    import tlslite.tlsconnection as tlslite  # as if from before 2010: it neither knows nor answers RFC 5746

    def without(hello: Any, number: int) -> Any:  # Any: tlslite has no types
        return None if number == 0xFF01 else of_any(hello, number)

    of_any = tlslite.ClientHello.getExtension
    monkeypatch.setattr(tlslite.ClientHello, "getExtension", without)
    monkeypatch.setattr(tlslite.CipherSuite, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV", -1)
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    with tlslab.serving(handle) as server:
        assert judged(see_offers(look_at(server.port, timeout=60))) == expected
        target = Target("t", f"https://127.0.0.1:{server.port}", Policy(), ca_file=str(tmp_path / "ca.pem"), timeout=20)
        chain = present_chain(cast("Look", LoopbackLook(target)))
        assert not chain.trust_errors
        look = Look(Station(target))
        look.station.arrive(look.deadline)
        assert look.ask("GET", "/").status == 404
        if highest == (3, 3):  # with TLS 1.3 there is nothing to be afraid of
            with pytest.raises(ProbeError, match=r"nothing secret is sent to .* see tls-16") as caught:
                look.station.check_channel(look.deadline)
            assert caught.value.cause is Cause.UNVERIFIED
        else:
            look.station.check_channel(look.deadline)
        look.station.close()


def tlslite_server(
    ciphers: list[str],
    lowest: tuple[int, int],
    highest: tuple[int, int],
    reply: bytes = b"",
    exchanges: list[str] | None = None,
) -> Callable[[socket.socket], None]:
    """Return a server in pure Python, which still has what OpenSSL has not.

    Args:
        ciphers: as tlslite names them.
        lowest: version.
        highest: version.
        reply: what it says to whatever it is asked.
        exchanges: of keys, as tlslite names them; all where none are given.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore where there is one
        from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
        from tlslite.errors import BaseTLSException

    own = HandshakeSettings()
    own.minVersion, own.maxVersion, own.cipherNames = lowest, highest, ciphers
    own.macNames = ["sha", "sha256", "aead", "md5"]
    own.keyExchangeNames = exchanges or own.keyExchangeNames
    chain = X509CertChain()
    chain.parsePemList((RSA.pem + MIDDLE.pem).decode())
    pem = RSA.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    key = parsePEMKey(pem.decode(), private=True)

    def handle(sock: socket.socket) -> None:
        connection = TLSConnection(sock)
        with contextlib.suppress(BaseTLSException, OSError, ValueError):
            connection.handshakeServer(certChain=chain, privateKey=key, settings=own)
            if connection.recv(65536):
                connection.sendall(reply)
                connection.close()

    return handle


# --- what is no TLS, or none that can be relied on ---------------------------------------------------------------


def floods(record: bytes) -> Callable[[socket.socket], None]:
    """Return a server that sends one record for ever."""

    def handle(sock: socket.socket) -> None:
        while True:
            sock.sendall(record * 100)

    return handle


@pytest.mark.parametrize(
    ("handle", "cause", "message"),
    [
        (tlslab.hangs, Cause.TIMEOUT, "did not answer a ClientHello in time: nothing came back"),
        (tlslab.drips, Cause.TIMEOUT, r"did not answer a ClientHello in time: \d+ bytes came back"),
        (tlslab.closes, Cause.CLOSED, "refused every version and suite .closed the connection after 0 bytes"),
        (tlslab.resets, Cause.CLOSED, "refused every version and suite .ended the connection .connection reset"),
        (tlslab.says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Cause.PROTOCOL, "plain HTTP answered"),
        (tlslab.says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), Cause.PROTOCOL, "an SSH server answered"),
        (tlslab.says(b"220 mail.test ESMTP\r\n"), Cause.PROTOCOL, "a mail or FTP server answered"),
        (tlslab.says(bytes(range(128, 256))), Cause.PROTOCOL, "no TLS record"),
        (tlslab.says(b"\x16\x03\x03\x00\x04ABCD"), Cause.PROTOCOL, "a handshake message of type 65"),
        (tlslab.says(b"\x15\x03\x03\x00\x02\x02\x28"), Cause.REJECTED, "refused every .*alert handshake_failure"),
        (tlslab.says(b"\x15\x03\x03\x00\x02\x02\x46"), Cause.REJECTED, "refused every .*alert protocol_version"),
        (tlslab.says(b"\x15\x03\x03\x00\x02\x02\x70"), Cause.REJECTED, "refused every .*alert unrecognized_name"),
        (floods(b"\x16\x03\x03\x00\x04" + bytes(4)), Cause.PROTOCOL, "65536 bytes and no ServerHello"),
        (floods(b"\x15\x03\x03\x00\x02\x01\x0a"), Cause.PROTOCOL, "65536 bytes and no ServerHello"),
        (tlslab.says(b"\x16\x03\x03\x40\x00\x02\x00\x30\x00" + bytes(9000)), Cause.TIMEOUT, "9009 bytes came back"),
        (
            tlslab.says(b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + bytes(33) + b"\xc0\xff\x00"),
            Cause.PROTOCOL,
            "chose 0xC0FF of TLSv1.2, which was not offered",
        ),
    ],
    ids=[
        "silence", "drip", "close", "reset", "http", "ssh", "smtp", "garbage", "garbage in a record", "no agreement",
        "no version", "no name", "endless records", "endless warnings", "half a ServerHello", "not offered",
    ],
)  # fmt: skip
def test_what_is_no_tls_is_named_and_ends_in_time(handle: Any, cause: Cause, message: str) -> None:
    with tlslab.serving(handle) as server:
        began = time.monotonic()
        with pytest.raises(ProbeError, match=message) as caught:
            see_offers(look_at(server.port, timeout=0.8))
        took = time.monotonic() - began
    assert caught.value.cause is cause
    assert f"https://{HOST}:{server.port}" in caught.value.message
    assert "\n" not in caught.value.message
    assert took < 2


def test_a_name_that_idna_refuses_is_could_not_look() -> None:
    with pytest.raises(ProbeError, match="is not a valid host name"):
        see_offers(look_at(1, host="a\u0338..ß"))


def lead(sock: socket.socket, port: int, hello: bytes = b"") -> None:
    """Lead a ClientHello to a real server, and its answer back."""
    with socket.create_connection(("127.0.0.1", port)) as there:
        there.sendall(hello or sock.recv(65536))
        while True:
            ready, _, _ = select.select([there, sock], [], [], 5)
            data = there.recv(65536) if there in ready else b""
            if not data:
                return
            sock.sendall(data)


@contextlib.contextmanager
def in_front_of(port: int, decide: Callable[[bytes, int], Any]) -> Iterator[tlslab.Server]:
    """Stand before a real server: what `decide` does not take, by ClientHello and number, is led there."""
    server = tlslab.Server(0)

    def handle(sock: socket.socket) -> None:
        number = server.connections
        hello = sock.recv(65536)
        behaviour = decide(hello, number)
        if behaviour is None:
            lead(sock, port, hello)
        else:
            behaviour(sock)

    with tlslab.serving(handle, server):
        yield server


def refuses(sock: socket.socket) -> None:
    """End the connection without a word."""


def waits(sock: socket.socket) -> None:
    """Say nothing."""
    while sock.recv(65536):
        pass


def offered(hello: bytes) -> int:
    """Return the newest version that a ClientHello offers."""
    return 0x0304 if b"\x00\x2b\x00\x03\x02\x03\x04" in hello else int.from_bytes(hello[9:11])


@pytest.fixture
def good(tmp_path: Path) -> Iterator[int]:
    need_nginx()
    with nginxlab.serving(tmp_path, [EC, MIDDLE], server=f"{TODAY}:ECDHE-ECDSA-AES128-SHA;") as nginx:
        yield nginx.port


@pytest.mark.parametrize("behaviour", [refuses, waits], ids=["closes", "is silent"])
def test_a_server_that_takes_no_long_hello_is_asked_in_portions(behaviour: Any, good: int) -> None:
    with in_front_of(good, lambda hello, _: behaviour if len(hello) > 512 else None) as server:
        offers = see_offers(look_at(server.port, timeout=4))
    assert {version: len(names) for version, names in accepted(offers).items()} == {"TLSv1.3": 3, "TLSv1.2": 4}
    assert judged(offers) == {"tls-14": {"TLSv1.2"}}


def test_a_server_that_answers_hellos_alone_is_no_proof_of_tls() -> None:
    chosen = bytes.fromhex("009c")  # AES128-GCM-SHA256, which needs no more than this message
    hello = b"\x02\x00\x00\x26\x03\x03" + bytes(32) + b"\x00" + chosen + b"\x00"

    def handle(sock: socket.socket) -> None:
        said = sock.recv(65536)
        accepts = offered(said) == 0x0303 and chosen in said
        sock.sendall(b"\x16\x03\x03\x00\x2a" + hello if accepts else b"\x15\x03\x03\x00\x02\x02\x46")

    with tlslab.serving(handle) as server, pytest.raises(ProbeError) as caught:
        see_offers(look_at(server.port, timeout=4))
    assert "answers every ClientHello and completes no handshake, so what it accepts is not known" in str(caught.value)


def test_a_server_that_closes_for_old_versions_refuses_them(good: int) -> None:
    with in_front_of(good, lambda hello, _: refuses if offered(hello) < 0x0303 else None) as server:
        offers = see_offers(look_at(server.port))
    assert judged(offers) == {"tls-14": {"TLSv1.2"}}
    assert {offer.refusal for offer in offers.versions if not offer.accepted} == {"closed the connection after 0 bytes"}


@pytest.mark.parametrize("kept", [0, 1], ids=["from the start", "in between"])
def test_what_a_limit_of_connections_closes_is_asked_again_alone(kept: int, good: int) -> None:
    """So does HAProxy (tcp-request connection reject), and TLS 1.2 seemed to be refused, or to have one suite."""
    asked: list[bytes] = []

    def decide(hello: bytes, _: int) -> Any:
        if offered(hello) != 0x0303:
            return None
        asked.append(hello)
        return refuses if kept < len(asked) < kept + 3 else None

    with in_front_of(good, decide) as server:
        offers = see_offers(look_at(server.port))
    assert {version: len(names) for version, names in accepted(offers).items()} == {"TLSv1.3": 3, "TLSv1.2": 4}


def test_a_server_that_closes_where_it_should_refuse_is_asked_everything(good: int) -> None:
    def decide(hello: bytes, _: int) -> Any:
        return refuses if offered(hello) == 0x0303 and b"\xc0\x09" not in hello and b"\xc0\x2b" not in hello else None

    with in_front_of(good, decide) as server:
        offers = see_offers(look_at(server.port))
    assert {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"} <= accepted(offers)["TLSv1.2"]


def test_silence_about_old_versions_is_no_refusal(good: int) -> None:
    with in_front_of(good, lambda hello, _: waits if offered(hello) < 0x0303 else None) as server:
        offers = see_offers(look_at(server.port, timeout=2))
    target = Target("t", f"https://{HOST}", Policy())
    for version in ("SSLv3", "TLSv1.0", "TLSv1.1"):
        with pytest.raises(ProbeError, match="in time"):
            settle(see_part(cast("Look", None), offers, f"speaks {version}"), target)
    for part in ("TLSv1.2", "TLSv1.3", "speaks TLSv1.2 TLSv1.3"):
        settle(see_part(cast("Look", None), offers, part), target)


def turns_away(sock: socket.socket) -> None:
    """Answer as if nothing of what is offered were accepted: alert handshake_failure."""
    sock.sendall(b"\x15\x03\x03\x00\x02\x02\x28")


@pytest.mark.parametrize(
    ("behaviour", "after"),
    [(refuses, 1), (refuses, 3), (refuses, 9), (waits, 5), *((turns_away, many) for many in range(11))],
)
def test_a_server_that_stops_talking_is_never_green(behaviour: Any, after: int, good: int) -> None:
    with in_front_of(good, lambda _, number: behaviour if number > after else None) as server:
        try:
            offers = see_offers(look_at(server.port, timeout=1.5))
        except ProbeError as error:
            assert error.cause in (Cause.CHANGED, Cause.TIMEOUT, Cause.CLOSED, Cause.REJECTED)  # noqa: PT017  one of two good ends
            return
    target = Target("t", f"https://{HOST}", Policy())
    troubled = 0
    for asks, _ in CONTROLS.values():
        for ask in asks:
            try:
                settle(see_part(cast("Look", None), offers, *ask.args), target)
            except ProbeError:
                troubled += 1
    assert troubled


def test_a_server_that_wavers_is_an_error(good: int) -> None:
    def decide(hello: bytes, number: int) -> Any:
        return refuses if number % 2 else None

    def everything(port: int) -> None:
        offers = see_offers(look_at(port, policy=Policy(pace="quiet")))  # in an order that is always the same
        for version in offers.versions:
            if version.trouble:
                raise version.trouble

    with in_front_of(good, decide) as server, pytest.raises(ProbeError) as caught:
        everything(server.port)
    assert caught.value.cause is Cause.CHANGED
