"""The line that says where Node-RED's own port was only assumed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from seen import target

from pytest_nodered_sec.session.run import assumed

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target

BOTH = ("http_port", "direct_port")
ODD = replace(target("https://plant.example:8443"), assumed_ports=BOTH)


def test_a_port_of_its_own_in_the_url_asks_for_the_others() -> None:
    assert assumed((ODD,), {"plant"}) == (
        "plant: the URL has a port of its own, and nothing answers at 1880 and 80: if Node-RED or plain HTTP has "
        "another one, too, set --nodered-direct-port and --nodered-http-port, or proxy-01 proves nothing"
    )
    known = replace(ODD, assumed_ports=("direct_port",))
    assert assumed((known,), {"plant"}).endswith(
        "at 1880: if Node-RED has another one, too, set --nodered-direct-port, or proxy-01 proves nothing"
    )


@pytest.mark.parametrize(
    ("said", "shut"),
    [
        (replace(ODD, url="https://plant.example"), {"plant"}),
        (replace(ODD, url="http://plant.example:8080"), {"plant"}),
        (replace(ODD, assumed_ports=("http_port",)), {"plant"}),
        (ODD, set()),
    ],
    ids=["usual port", "no TLS", "named", "not shut"],
)
def test_nothing_is_said_elsewhere(said: Target, shut: set[str]) -> None:
    assert assumed((said,), shut) == ""
