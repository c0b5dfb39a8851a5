"""Fronts that reuse connections to Node-RED: an upgrade that nobody takes is never answered, and that is absence."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import apachelab
import nginxlab
import pytest
from certlab import issue
from suite_runs import need_nginx

from pytest_nodered_sec import lab, questions
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import Channel, ChannelAttempt
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
ROOT = issue("Reused", ca=True)
LEAF = issue("localhost", ROOT, dns=["localhost"])
LIMIT = 8.0  # seconds of one look


@pytest.fixture(scope="module")
def node_red() -> Iterator[int]:
    """The port of a hardened Node-RED without editor: its /comms is nobody's."""
    with lab.start(["direct-open"], say=lambda line: None) as running:
        yield running.deployments[0].direct_port


@contextlib.contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[str]:
    need_nginx()
    http = f"""map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    upstream nodered {{ server 127.0.0.1:{upstream}; keepalive 8; }}"""
    server = """location ~ . { proxy_pass http://nodered; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; }"""
    with nginxlab.serving(folder, [LEAF], server=server, http=http) as running:
        yield f"https://localhost:{running.port}"


@contextlib.contextmanager
def apache(folder: Path, upstream: int) -> Iterator[str]:
    with apachelab.serving(folder, upstream) as port:
        yield f"http://localhost:{port}"


@pytest.mark.parametrize("front", [nginx, apache])
def test_silence_as_at_a_random_path_is_absence(
    front: contextlib.AbstractContextManager[str], node_red: int, tmp_path: Path
) -> None:
    with front(tmp_path, node_red) as url:  # type: ignore[operator]  # each makes such a manager
        target = Target("plant", url, Policy(guess=False), timeout=LIMIT)
        survey = Survey()
        begun = time.monotonic()
        ahead = [*questions.guarded_reads(target), questions.COMMS[0]]  # other questions leave connections to reuse
        survey.ask_ahead(target, ahead)
        try:
            seen = survey.answer(target, questions.COMMS[0])
        finally:
            survey.close()
    assert isinstance(seen, ChannelAttempt)
    assert (seen.attempt.kind, seen.channel) == (Kind.ABSENT, Channel.NO_CHANNEL)
    assert time.monotonic() - begun < 1.7 * LIMIT  # both were asked side by side
