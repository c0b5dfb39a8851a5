"""Chains with one fault each, presented by a real nginx: which tls-* controls fail, and nothing else of them.

One nginx serves all of them, each under a name of its own; what it shows to whom names none of them is another chain.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import certlab
import nginxlab
import pytest
from certlab import DAY, HOUR, Issued, issue, now
from chains import findings
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from suite_runs import need_nginx
from tlslab import LoopbackLook

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls import certificates as probe
from pytest_nodered_sec.probes.tls import handshake
from pytest_nodered_sec.rules.chain import chain_is_trusted, renewal_is_in_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_nodered_sec.probes.transport.look import Look

POLICY = Policy()


class Lab:
    """Roots, what hangs below them, and a folder for openssl."""

    def __init__(self, folder: Path) -> None:
        far = now() + 3000 * DAY
        self.folder = folder
        self.root = issue("Lab Root", ca=True, since=now() - 1000 * DAY, until=far, organisation="Plant")
        self.middle = issue("Lab Intermediate", self.root, ca=True, since=now() - 900 * DAY, until=far)
        self.stranger = issue("Stranger Root", ca=True)
        self.stranger_middle = issue("Stranger Intermediate", self.stranger, ca=True)

    def leaf(self, host: str, by: Issued | None = None, **how: Any) -> Issued:
        how.setdefault("dns", [host])
        return issue(how.pop("name", host), by or self.middle, **how)

    def chain(self, host: str, **how: Any) -> list[list[Issued]]:
        return [[self.leaf(host, **how), self.middle]]

    def below(self, host: str, middle: Issued, **how: Any) -> list[list[Issued]]:
        return [[self.leaf(host, middle, **how), middle]]

    def like_letsencrypt(self, host: str, *, ecdsa: bool, **how: Any) -> list[list[Issued]]:
        """Return what Let's Encrypt serves today: cross-signed members named Root, no subject, no key identifier."""
        x2 = issue("Root X2", self.root, ca=True)
        above = [x2, self.root] if ecdsa else [self.root]
        root_y = issue("Root YE" if ecdsa else "Root YR", above[0], ca=True)
        y1 = issue("YE1" if ecdsa else "YR1", root_y, ca=True, path_length=0, organisation="Let's Encrypt")
        leaf = issue(
            "",
            y1,
            dns=[host],
            named_by_key=False,
            key_usage=certlab.usages("digital_signature"),
            key=None if ecdsa else certlab.rsa_key(2048),
            **how,
        )
        return [[leaf, y1, root_y, *above[:-1]]]


def wrong_order(lab: Lab, host: str) -> list[list[Issued]]:
    lower = issue("Lower", lab.middle, ca=True)
    return [[lab.leaf(host, lower), lab.middle, lower]]


def expired_cross_signature(lab: Lab, host: str) -> list[list[Issued]]:
    old = issue("Old Root", ca=True, since=now() - 900 * DAY, until=now() - DAY)
    cross = issue("Lab Root", old, ca=True, until=now() - DAY, key=lab.root.key, organisation="Plant")
    return [[lab.leaf(host), lab.middle, cross]]


def five_faults(lab: Lab, host: str) -> list[list[Issued]]:
    leaf = lab.leaf(
        host,
        lab.stranger_middle,
        dns=["other.test"],
        until=now() - HOUR,
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        key=certlab.rsa_key(1024),
    )
    return [[leaf, lab.stranger_middle]]


def two_kinds(lab: Lab, host: str, **rsa: Any) -> list[list[Issued]]:
    return [[lab.leaf(host), lab.middle], [lab.leaf(host, key=certlab.rsa_key(2048), **rsa), lab.middle]]


@dataclass(frozen=True)
class Case:
    """Chains by recipe, and what must be found.

    Attributes:
        chains: of each kind of key, for a host.
        found: control and codes of its findings, each; others must pass.
        host: asked for, where that is not the case's own name.
        settings: lines of nginx's server block.
        trusted: whether the lab's root is passed in.
        policy: what is demanded.
        public: whether the lab's root is among those of the public programmes.
    """

    chains: Callable[[Lab, str], list[list[Issued]]]
    found: str = ""
    host: str = ""
    settings: str = ""
    trusted: bool = True
    policy: Policy = POLICY
    public: bool = False


CASES = {
    # right ones
    "good": Case(Lab.chain),
    "by an IDNA name": Case(lambda lab, _: lab.chain("xn--fa-hia.test"), host="faß.test"),
    "like-le-rsa": Case(lambda lab, host: lab.like_letsencrypt(host, ecdsa=False)),
    "like-le-ecdsa": Case(lambda lab, host: lab.like_letsencrypt(host, ecdsa=True)),
    "160-hours": Case(
        lambda lab, host: lab.like_letsencrypt(host, ecdsa=True, since=now() - HOUR, until=now() + 159 * HOUR)
    ),
    "two-kinds": Case(two_kinds),
    "ed25519": Case(lambda lab, host: lab.chain(host, key=ed25519.Ed25519PrivateKey.generate())),
    "other-ca-named": Case(
        lambda lab, host: lab.like_letsencrypt(host, ecdsa=True), policy=Policy(issuer="let's encrypt")
    ),
    "root-named": Case(Lab.chain, policy=Policy(issuer="Plant")),
    # tls-01
    "leaf-only": Case(lambda lab, host: [[lab.leaf(host, ca_issuers=True)]], "tls-01: incomplete-chain"),
    "unknown-ca": Case(lambda lab, host: lab.below(host, lab.stranger_middle), "tls-01: unknown-ca"),
    "unknown-ca-with-root": Case(
        lambda lab, host: [[lab.leaf(host, lab.stranger_middle), lab.stranger_middle, lab.stranger]],
        "tls-01: verify-19 tls-04: root-sent",
    ),
    "private-root-not-given": Case(Lab.chain, "tls-01: unknown-ca", trusted=False),
    "expired-intermediate": Case(
        lambda lab, host: lab.below(host, issue("Late", lab.root, ca=True, until=now() - DAY)), "tls-01: verify-10"
    ),
    "expired-intermediate-of-unknown-ca": Case(
        lambda lab, host: lab.below(host, issue("Late", lab.stranger, ca=True, until=now() - DAY)),
        "tls-01: unknown-ca verify-10",
    ),
    "early-intermediate-of-unknown-ca": Case(
        lambda lab, host: lab.below(host, issue("Early", lab.stranger, ca=True, since=now() + DAY)),
        "tls-01: unknown-ca verify-9",
    ),
    "early-intermediate": Case(
        lambda lab, host: lab.below(host, issue("Early", lab.root, ca=True, since=now() + DAY)), "tls-01: verify-9"
    ),
    "self-signed": Case(lambda lab, host: [[issue(host, dns=[host])]], "tls-01: verify-18"),
    "client-purpose": Case(
        lambda lab, host: lab.chain(host, usage=ExtendedKeyUsageOID.CLIENT_AUTH), "tls-01: verify-26"
    ),
    "wrong-key-usage": Case(
        lambda lab, host: lab.chain(host, key_usage=certlab.usages("crl_sign")), "tls-01: verify-26"
    ),
    "no-ca": Case(lambda lab, host: lab.below(host, issue("No CA", lab.root, ca=False)), "tls-01: verify-79"),
    "ca-that-must-not-sign": Case(
        lambda lab, host: lab.below(
            host, issue("Not Signing", lab.root, ca=True, key_usage=certlab.usages("crl_sign"))
        ),
        "tls-01: verify-79",
    ),
    "name-constraints": Case(
        lambda lab, host: lab.below(host, issue("Narrow", lab.root, ca=True, permitted="other.test")),
        "tls-01: verify-47",
    ),
    "path-length": Case(
        lambda lab, host: [
            [
                *lab.below(host, issue("Two", issued := issue("One", lab.root, ca=True, path_length=0), ca=True))[0],
                issued,
            ]
        ],
        "tls-01: verify-25",
    ),
    # tls-02
    "wrong-name": Case(lambda lab, host: lab.chain(host, dns=["other.test"]), "tls-02: wrong-name"),
    "no-san": Case(lambda lab, host: lab.chain(host, dns=[]), "tls-02: no-san"),
    "apex": Case(lambda lab, host: lab.chain(host, dns=[f"*.{host}"]), "tls-02: wrong-name"),
    # tls-03
    "expired": Case(lambda lab, host: lab.chain(host, until=now() - HOUR), "tls-03: expired"),
    "not-yet-valid": Case(lambda lab, host: lab.chain(host, since=now() + HOUR), "tls-03: not-yet-valid"),
    "late": Case(
        lambda lab, host: lab.chain(host, since=now() - 80 * DAY, until=now() + 10 * DAY), "tls-03: renewal-late"
    ),
    "160-hours-late": Case(
        lambda lab, host: lab.chain(host, since=now() - 140 * HOUR, until=now() + 20 * HOUR), "tls-03: renewal-late"
    ),
    # tls-04
    "root-sent": Case(lambda lab, host: [[*lab.chain(host)[0], lab.root]], "tls-04: root-sent"),
    "twice": Case(lambda lab, host: [[*lab.chain(host)[0], lab.middle]], "tls-04: duplicate"),
    "wrong-order": Case(wrong_order, "tls-04: wrong-order"),
    "stranger-sent": Case(lambda lab, host: [[*lab.chain(host)[0], lab.stranger_middle]], "tls-04: stranger"),
    "expired-cross-signature": Case(expired_cross_signature, "tls-04: expired-extra"),
    # tls-05
    "rsa-1024": Case(lambda lab, host: lab.chain(host, key=certlab.rsa_key(1024)), "tls-05: weak-key"),
    "p-192": Case(
        lambda lab, host: lab.below(
            host, issue("P-192", lab.root, ca=True, key=ec.generate_private_key(ec.SECP192R1()))
        ),
        "tls-05: weak-key",
    ),
    "sha-1": Case(
        lambda lab, host: [[certlab.issue_by_openssl(lab.folder, host, lab.middle, "sha1"), lab.middle]],
        "tls-05: weak-signature",
    ),
    "sha-1-above": Case(
        lambda lab, host: lab.below(host, certlab.issue_by_openssl(lab.folder, "Old", lab.root, "sha1", ca=True)),
        "tls-05: weak-signature",
    ),
    # tls-06
    "900-days": Case(lambda lab, host: lab.chain(host, until=now() + 870 * DAY), "tls-06: lives-too-long"),
    "900-days-strict": Case(
        lambda lab, host: lab.chain(host, until=now() + 500 * DAY), "tls-06: lives-too-long", policy=Policy("strict")
    ),
    "public-399-days": Case(
        lambda lab, host: lab.chain(host, until=now() + 370 * DAY), "tls-06: lives-too-long", public=True
    ),
    # tls-11
    "another-ca": Case(Lab.chain, "tls-11: other-issuer", policy=Policy(issuer="Let's Encrypt")),
    # several
    "five-faults": Case(
        five_faults, "tls-01: unknown-ca verify-26 tls-02: wrong-name tls-03: expired tls-05: weak-key"
    ),
    "rsa-expired": Case(lambda lab, host: two_kinds(lab, host, until=now() - HOUR), "tls-03: expired"),
    "rsa-leaf-only": Case(
        lambda lab, host: [lab.chain(host)[0], [lab.leaf(host, key=certlab.rsa_key(2048))]], "tls-01: incomplete-chain"
    ),
    "both-wrong-name": Case(lambda lab, host: two_kinds(lab, host, dns=["a.test"]), "tls-02: wrong-name"),
}


def host_of(name: str) -> str:
    return CASES[name].host or f"{name.replace(' ', '-')}.nodered.test"


@dataclass(frozen=True)
class Running:
    """The nginx that serves every case."""

    lab: Lab
    nginx: nginxlab.Nginx
    ca_file: str

    def look_at(self, host: str, *, trusted: bool = True, policy: Policy = POLICY) -> Look:
        ca_file = self.ca_file if trusted else None
        url = f"https://{host}:{self.nginx.port}"
        return cast("Look", LoopbackLook(Target("t", url, policy, ca_file=ca_file)))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    need_nginx()
    folder = tmp_path_factory.mktemp("nginx")
    lab = Lab(folder)
    (folder / "root.pem").write_bytes(lab.root.pem)
    since, until = now() - HOUR, now() + 159 * HOUR
    of_addresses = [lab.leaf("", dns=[], ips=["127.0.0.1", "::1"], since=since, until=until), lab.middle]
    blocks = ["server_names_hash_bucket_size 128;"]
    blocks += [_block(folder, "addresses", [of_addresses], "_ default_server")]  # of this port, to whom names no other
    for number, (name, case) in enumerate(CASES.items()):
        host = "xn--fa-hia.test" if case.host else host_of(name)
        blocks.append(_block(folder, str(number), case.chains(lab, host), host, case.settings))
    with nginxlab.serving(folder, of_addresses, http="\n".join(blocks), ipv6=_has_ipv6()) as nginx:
        yield Running(lab, nginx, str(folder / "root.pem"))


def _block(folder: Path, name: str, chains: list[list[Issued]], host: str, settings: str = "") -> str:
    written = [nginxlab.write_chain(folder, f"{name}-{kind}", chain) for kind, chain in enumerate(chains)]
    pairs = "".join(f"ssl_certificate {chain}; ssl_certificate_key {key}; " for chain, key in written)
    host, _, default = host.partition(" ")
    weak = "ssl_ciphers DEFAULT:@SECLEVEL=0; ssl_protocols TLSv1.2 TLSv1.3;"
    return f"server {{ listen 127.0.0.1:@PORT@ ssl {default}; server_name {host}; {weak} {settings} {pairs} }}"


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_each_fault_fails_its_own_control_only(name: str, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    if case.public:
        anchor = probe.facts(0, running.lab.root.certificate).fingerprint
        monkeypatch.setattr(handshake, "public_roots", lambda: frozenset({anchor}))
    look = running.look_at(host_of(name), trusted=case.trusted, policy=case.policy)
    before = running.nginx.accepted()
    seen = handshake.present_chain(look)
    assert running.nginx.accepted() - before == 2
    assert findings(seen, case.policy) == case.found, seen.verify_errors
    assert not seen.unseen


def test_what_is_shown_to_whom_names_nobody_is_right_for_addresses(running: Running) -> None:
    policy = Policy()
    seen = handshake.present_chain(running.look_at("127.0.0.1"))
    assert (findings(seen, policy), seen.leaf.subject) == ("", "127.0.0.1")
    assert findings(handshake.present_chain(running.look_at("nobody.nodered.test")), policy) == "tls-02: wrong-name"


@pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 here")
def test_an_ipv6_literal_is_named_by_its_certificate(running: Running) -> None:
    look = running.look_at("[::1]")

    def connect() -> socket.socket:
        return socket.create_connection(("::1", running.nginx.port), timeout=1)

    look.connect = connect  # type: ignore[assignment,method-assign]  # the stand-in dials 127.0.0.1
    seen = handshake.present_chain(look)
    assert (seen.host, seen.address, findings(seen, Policy())) == ("::1", "::1", "")


def test_what_may_not_sign_is_told_from_what_is_no_ca(running: Running) -> None:
    told = []
    for name in ("no-ca", "ca-that-must-not-sign", "client-purpose", "wrong-key-usage"):
        [violation] = chain_is_trusted(handshake.present_chain(running.look_at(host_of(name))), Policy())  # type: ignore[misc]  # a verdict may also be no tuple
        told.append(violation.observed)
    assert told == [
        "certificate 2 of the chain `CN=No CA` is not a CA certificate, yet issued another",
        "certificate 2 of the chain `CN=Not Signing` may not sign certificates (keyUsage), yet issued another",
        "leaf `CN=client-purpose.nodered.test` may not be used for a server",
        "leaf `CN=wrong-key-usage.nodered.test` may not be used for a server (keyUsage)",
    ]


def test_which_of_two_leaves_is_meant_is_said(running: Running) -> None:
    seen = handshake.present_chain(running.look_at(host_of("rsa-expired")))
    [fault] = renewal_is_in_time(seen, Policy())  # type: ignore[misc]  # a verdict may also be no tuple
    assert fault.observed.startswith("RSA leaf `CN=rsa-expired.nodered.test` expired on ")
    assert (
        "; with an RSA key: CN=rsa-expired.nodered.test by CN=Lab Intermediate, 2 certificates sent" in seen.evidence()
    )
    assert (seen.leaf.key_type, seen.protocol) == ("EC", "TLSv1.3")


def test_two_kinds_are_seen_where_the_first_has_an_rsa_key(running: Running, tmp_path: Path) -> None:
    host = "rsa.nodered.test"
    chains = running.lab.chain(host, key=certlab.rsa_key(2048))
    with nginxlab.serving(tmp_path, *chains, server=f"server_name {host};") as nginx:
        target = Target("t", f"https://{host}:{nginx.port}", Policy(), ca_file=running.ca_file)
        seen = handshake.present_chain(cast("Look", LoopbackLook(target)))
        assert (seen.also, seen.unseen, seen.leaf.key_type, nginx.accepted()) == (None, "", "RSA", 2)
        assert nginx.logged() == []


def test_with_tls_13_alone_the_other_kind_is_not_seen_and_that_is_said(running: Running, tmp_path: Path) -> None:
    host = "new.nodered.test"
    with nginxlab.serving(tmp_path, *two_kinds(running.lab, host), server="ssl_protocols TLSv1.3;") as nginx:
        target = Target("t", f"https://{host}:{nginx.port}", Policy(), ca_file=running.ca_file)
        seen = handshake.present_chain(cast("Look", LoopbackLook(target)))
    assert findings(seen, Policy()) == ""
    assert seen.evidence().endswith(
        "; whether there is an RSA certificate as well is not known: it speaks TLS 1.3 only"
    )
