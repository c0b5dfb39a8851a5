"""What is accepted of TLS, seen on real servers: nginx above all."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import nginxlab
import pytest
import tlslab
from cryptography.hazmat.primitives.serialization import Encoding
from probes.tls.offers import CONTROLS, EC, HOST, MIDDLE, ROOT, RSA, TODAY, accepted, judged, lead, look_at
from suite_runs import need_nginx
from tlslab import LoopbackLook

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.tls.suites import see_offers, see_part
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pathlib import Path

    from certlab import Issued

    from pytest_nodered_sec.probes.transport.look import Look


# certbot 2.1.0, options-ssl-nginx.conf
CERTBOT = f"{TODAY}:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384;"
LEGACY = (
    "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:COMPLEMENTOFALL:@SECLEVEL=0; ssl_dhparam @DH1024@;"
)


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
