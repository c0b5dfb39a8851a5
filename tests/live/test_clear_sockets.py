"""A dashboard's live channel that plain HTTP serves as a WebSocket alone is found; one that it leads away is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
TO_NODE_RED = f"location / {{ {PASS} proxy_pass http://nodered; }}"
AWAY = "return 301 https://localhost:@PORT@$request_uri;"
# nginx: a front that leads pages to HTTPS, and leaves alone what browsers do not follow a redirect with
UNLESS_UPGRADED = f'if ($http_upgrade = "") {{ {AWAY} }}'


@pytest.mark.parametrize("mode", ["thorough", "calm"])
@pytest.mark.parametrize("weak", [True, False], ids=["weak", "sound"])
def test_a_channel_that_is_open_in_clear_as_a_websocket_alone(
    node_red: lab.RunningDeployment, tmp_path: Path, mode: str, *, weak: bool
) -> None:
    in_clear = f"{UNLESS_UPGRADED} {TO_NODE_RED}" if weak else AWAY
    with standing(tmp_path, node_red.direct_port, TO_NODE_RED, in_clear=in_clear) as there:
        judged = there.judged("-k", "http-05 and (ui or dashboard)", *(["--nodered-mode=calm"] * (mode == "calm")))
        report = there.report()
    assert judged == {"http-05": {"non-compliant"} if weak else {"compliant"}}
    assert not weak or "WebSocket /ui/socket.io/ over plain HTTP, port " in report
