"""A cache before Node-RED's own login: what somebody with an account was answered it may serve to everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing
from suite_runs import need_nginx, with_outcome

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
_KEEPS = "proxy_cache pages; proxy_cache_valid 200 5m; proxy_ignore_headers Cache-Control Expires;"
_NOTHING_OF_ACCOUNTS = "proxy_no_cache $http_authorization; proxy_cache_bypass $http_authorization;"


@pytest.fixture(scope="module")
def node_red() -> Iterator[lab.RunningDeployment]:
    """A Node-RED that asks for a name and password before all that its flows serve."""
    need_nginx()
    with lab.start(["httpnodeauth"], say=lambda line: None) as running:
        yield running.deployments[0]


@pytest.mark.parametrize(
    ("cache", "found"),
    [(_KEEPS, True), (f"{_KEEPS} {_NOTHING_OF_ACCOUNTS}", False)],
    ids=["whatever comes", "nothing of accounts"],
)
def test_what_an_account_was_answered_is_not_for_everybody(
    node_red: lab.RunningDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str, *, found: bool
) -> None:
    monkeypatch.setenv("OPERATOR_USERNAME", node_red.dashboard_user)
    monkeypatch.setenv("OPERATOR_PASSWORD", node_red.credentials()[1])
    server = f"location / {{ {cache} {PASS} proxy_pass http://nodered; }}"
    kept = f"proxy_cache_path {tmp_path}/cache keys_zone=pages:1m;"
    with standing(tmp_path, node_red.direct_port, server, http=kept) as there:
        url = there.args[0].partition("=")[2]
        policy = 'dashboards = ["/ui"]\ndashboard_credentials = {env = "OPERATOR"}\n'
        (there.folder / "nodered-sec.toml").write_text(f'[[target]]\nname = "gate"\nurl = "{url}"\n{policy}')
        seen = there.judged("--nodered-control=dash-06", "--nodered-control=reach-02")
        report = there.report()
    assert "dash-06" not in with_outcome(seen, "non-compliant"), report
    assert ("reach-02" in with_outcome(seen, "non-compliant")) is found
    assert ("a cache keeps what somebody with an account was answered" in report) is found
