"""`nodered_http`, anonymous and logged in: a site's own requests go the way of every look, and hold to its laws."""

from __future__ import annotations

from pathlib import Path

import pytest
from proxylab import forward_proxy

from pytest_nodered_sec import lab

pytestmark = pytest.mark.live

TESTS = """
import pytest
from pytest_nodered_sec import ProbeError

def test_settings_need_a_login(nodered_http):
    assert nodered_http.get("/settings").status_code == 401

def test_a_redirect_on_the_same_origin_is_followed(nodered_http):
    answer = nodered_http.get("/red/images", verify=False)
    assert answer.url.startswith(nodered_http.base)

def test_another_origin_is_not_asked(nodered_http):
    with pytest.raises(ProbeError, match="only"):
        nodered_http.get("https://elsewhere.example/")

def test_a_body_is_read(nodered_http):
    answer = nodered_http.post("/auth/token", json={"client_id": "x"})
    assert answer.status_code in (400, 401, 404)
    assert isinstance(answer.text, str)

def test_the_account_reads_flows(nodered_account_http):
    assert nodered_account_http.get("/flows").status_code == 200
"""
ACCOUNT = """
from dataclasses import replace
from pytest_nodered_sec import Credentials

def pytest_nodered_targets(config, targets):
    return [replace(target, credentials=lambda: Credentials(USERNAME, PASSWORD)) for target in targets]
"""


def test_it_asks_a_real_node_red(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    with lab.start(["editor-protected"], say=print) as running:
        [plant] = running.deployments
        username, password = plant.credentials()
        pytester.makeconftest(ACCOUNT.replace("USERNAME", repr(username)).replace("PASSWORD", repr(password)))
        where = (f"--nodered-url={plant.url}", f"--nodered-ca-file={plant.ca_file}", "--nodered-suite=off")
        pytester.runpytest_subprocess(*where, "-pno:randomly").assert_outcomes(passed=5)
        sessions = Path(plant.user_dir) / ".sessions.json"
        assert not sessions.exists() or sessions.read_text() == "{}"


def test_no_secret_goes_over_what_does_not_verify(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(
        """
        import dataclasses, pytest
        from pytest_nodered_sec import ProbeError

        def test_secret(nodered_http, nodered_target):
            with pytest.raises(ProbeError, match="verif"):
                nodered_http.get("/settings", auth=("operator", "secret-of-mine"), verify=False)
            with pytest.raises(ProbeError, match="no request was sent to https://localhost:.*or ask with verify=False"):
                nodered_http.get("/settings")
            assert nodered_http.get("/settings", verify=False).status_code == 401
        """
    )
    pytester.makeconftest(
        """
        from dataclasses import replace

        def pytest_nodered_targets(config, targets):
            return [replace(target, ca_file=None) for target in targets]
        """
    )
    result = pytester.runpytest_subprocess("--nodered-lab=editor-protected", "--nodered-suite=off", "-pno:randomly")
    result.assert_outcomes(passed=1)


def test_a_dead_target_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(nodered_http):\n    assert False\n")
    result = pytester.runpytest_subprocess("--nodered-url=https://127.0.0.1:1", "--nodered-suite=off")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot be reached*refused*"])


def test_it_goes_through_a_real_proxy(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        def test_settings(nodered_http):
            assert nodered_http.get("/settings").status_code == 401
        """
    )
    pytester.makeconftest(
        """
        import os
        from dataclasses import replace

        def pytest_nodered_targets(config, targets):
            return [replace(one, http=replace(one.http, proxy=os.environ["PLANT_PROXY"])) for one in targets]
        """
    )
    with forward_proxy(tmp_path / "proxy") as (port, log):
        monkeypatch.setenv("PLANT_PROXY", f"http://plant:hunter2-proxy@127.0.0.1:{port}")
        result = pytester.runpytest_subprocess("--nodered-lab=editor-protected", "--nodered-suite=off")
        result.assert_outcomes(passed=1)
        assert "CONNECT localhost:" in log.read_text()


def test_it_shows_the_client_certificate(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from dataclasses import replace

        from pytest_nodered_sec.probes.transport.session import TargetSession
        from pytest_nodered_sec.survey.survey import Survey

        def test_with_it(nodered_http):
            assert nodered_http.get("/auth/login").status_code in (200, 401, 404)

        def test_without_it(nodered_target):
            survey = Survey()
            bare = replace(nodered_target, http=replace(nodered_target.http, client_certificate=None))
            try:
                assert TargetSession(survey.station(bare)).get("/auth/login").status_code in (400, 496)
            finally:
                survey.close()
        """
    )
    pytester.runpytest_subprocess("--nodered-lab=mutual", "--nodered-suite=off").assert_outcomes(passed=2)


def test_what_logs_in_is_in_no_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_fails(nodered_account_http):
            token = nodered_account_http.headers["Authorization"]
            answer = nodered_account_http.get("/flows")
            assert answer.request.headers == {}, (token, answer.request.headers)
        """
    )
    args = ("--nodered-lab=editor-protected", "--nodered-suite=off", "--showlocals", "-vv", "--junitxml=out.xml")
    result = pytester.runpytest_subprocess(*args)
    result.assert_outcomes(failed=1)
    for shown in (result.stdout.str(), (pytester.path / "out.xml").read_text(encoding="utf-8")):
        assert "Bearer [redacted]" in shown
