"""Certificates as sites get them: issued by an ACME server to certbot through nginx's webroot, and renewed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import acmelab
import pytest
from tlslab import LoopbackLook

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy import Policy
from pytest_nodered_sec.probes.tls import present_chain
from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.model import PresentedChain
    from pytest_nodered_sec.probes.look import Look

pytestmark = pytest.mark.live
HOST = "nodered.test"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[acmelab.AcmeLab]:
    if acmelab.MISSING:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {', '.join(acmelab.MISSING)}")
    with acmelab.AcmeLab(tmp_path_factory.mktemp("acme"), chain_length=3) as running:
        running.issue([HOST, "www.nodered.test"])
        running.serve(HOST)
        yield running


def seen_at(acme: acmelab.AcmeLab) -> PresentedChain:
    target = Target("t", f"https://{HOST}:{acme.https_port}", Policy(), ca_file=str(acme.ca_file))
    return present_chain(cast("Look", LoopbackLook(target)))


def test_a_certificate_of_certbot_passes_until_and_after_its_renewal(acme: acmelab.AcmeLab) -> None:
    fresh = seen_at(acme)
    assert len(fresh.certificates) == 4  # as many as Let's Encrypt sends with an ECDSA certificate
    acme.renew(HOST)
    assert seen_at(acme).certificates == fresh.certificates  # nginx has not been told
    acme.reload()
    renewed = seen_at(acme)
    assert renewed.certificates[0].fingerprint != fresh.certificates[0].fingerprint
    for seen in (fresh, renewed):
        for rule in (chain_is_trusted, names_the_host, renewal_is_in_time):
            assert rule(seen, Policy()) == ()
