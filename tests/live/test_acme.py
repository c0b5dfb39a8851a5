"""Certificates as sites get them: issued by an ACME server to certbot through nginx's webroot, and renewed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import acmelab
import pytest
from chains import findings
from tlslab import LoopbackLook

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.rules.chain import chain_is_trusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.probes.transport.look import Look

pytestmark = pytest.mark.live
HOST = "nodered.test"
POLICY = Policy()


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[acmelab.AcmeLab]:
    if acmelab.MISSING:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {', '.join(acmelab.MISSING)}")
    with acmelab.AcmeLab(tmp_path_factory.mktemp("acme"), chain_length=3) as running:
        running.issue([HOST, "www.nodered.test"])
        running.serve(HOST)
        yield running


def seen_at(acme: acmelab.AcmeLab, host: str = HOST) -> PresentedChain:
    target = Target("t", f"https://{host}:{acme.https_port}", Policy(), ca_file=str(acme.ca_file))
    return present_chain(cast("Look", LoopbackLook(target)))


def test_a_certificate_of_certbot_passes_until_and_after_its_renewal(acme: acmelab.AcmeLab) -> None:
    fresh = seen_at(acme)
    assert len(fresh.certificates) == 4  # as many as Let's Encrypt sends with an ECDSA certificate
    acme.renew(HOST)
    assert seen_at(acme).certificates == fresh.certificates  # nginx has not been told
    acme.reload()
    renewed = seen_at(acme)
    assert renewed.certificates[0].fingerprint != fresh.certificates[0].fingerprint
    assert findings(fresh, POLICY) == findings(renewed, POLICY) == ""


def test_the_file_that_certbot_gives_beside_the_right_one_is_told(acme: acmelab.AcmeLab) -> None:
    live = acme.config_dir / "live" / HOST
    acme.serve(f"www.{HOST}", certificate=live, file="cert.pem")
    seen = seen_at(acme, f"www.{HOST}")
    assert findings(seen, POLICY) == "tls-01: incomplete-chain"
    [fault] = chain_is_trusted(seen, POLICY)  # type: ignore[misc]  # a verdict may also be no tuple
    assert fault.remedy.startswith("add the intermediate `CN=Pebble Intermediate CA ")
    assert "(nginx: ssl_certificate must point at fullchain.pem" in fault.remedy


def test_an_issuer_without_an_organisation_is_known_by_its_root(acme: acmelab.AcmeLab) -> None:
    seen = seen_at(acme)
    root = seen.path[-1].subject.removeprefix("CN=")
    assert findings(seen, Policy(issuer=root)) == ""
    assert findings(seen, Policy(issuer=seen.leaf.issuer.removeprefix("CN="))) == "tls-11: other-issuer"
