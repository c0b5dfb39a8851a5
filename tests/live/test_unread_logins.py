"""Gates of nginx that ask whether a login is sent, and read none: any cookie, Basic login or identity opens them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing
from suite_runs import with_outcome

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
PROXIED = "--nodered-admin-api=proxied"
FORWARD = f"{PASS} proxy_pass http://nodered;"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "hass_session",
            "grafana_session",
            "PHPSESSID",
            "JSESSIONID",
            "sessionid",
            "_oauth2_proxy",
            "authelia_session",
        ),
        *(
            "authentik_session",
            "kc_session",
            "mod_auth_openidc_session",
            "_pomerium",
            "VouchCookie",
            "login",
        ),
    ],
)
def test_a_gate_that_asks_only_whether_there_is_a_cookie_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, name: str
) -> None:
    server = f'location / {{ if ($cookie_{name} = "") {{ return 401; }} {FORWARD} }}'
    with standing(tmp_path, node_red.direct_port, server) as there:
        seen = there.judged(PROXIED, "-k", "no_other_way and settings")
        report = there.report()
    assert with_outcome(seen, "non-compliant") == {"proxy-05"}
    assert f"; Cookie {name} alone is enough" in report


@pytest.mark.parametrize(
    "condition", ['$http_authorization = ""', '$http_authorization !~ "^Basic "', '$remote_user = ""']
)
def test_a_gate_that_takes_any_login_is_told_from_a_known_password(
    node_red: lab.RunningDeployment, tmp_path: Path, condition: str
) -> None:
    asks = (
        "error_page 401 = @asks; location @asks { add_header WWW-Authenticate 'Basic realm=\"x\"' always; return 401; }"
    )
    server = f"{asks} location / {{ if ({condition}) {{ return 401; }} {FORWARD} }}"
    with standing(tmp_path, node_red.direct_port, server) as there:
        seen = there.judged(PROXIED, "-k", "known_password_opens_nothing")
        report = there.report()
    assert with_outcome(seen, "non-compliant") == {"cred-02"}
    assert "any-password" in report


@pytest.mark.parametrize(
    "gate",
    [
        'if ($http_remote_groups !~ "admins") { return 403; }',
        'if ($http_x_client_verify != "SUCCESS") { return 403; }',
        'if ($http_x_ssl_client_cn = "") { return 403; }',
        'if ($http_x_user = "") { return 403; }',
        'if ($http_x_authenticated = "") { return 403; }',
    ],
    ids=["group", "certificate", "its name", "user", "rare"],
)
def test_a_gate_that_believes_who_somebody_says_to_be_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, gate: str
) -> None:
    with standing(tmp_path, node_red.direct_port, f"location / {{ {gate} {FORWARD} }}") as there:
        seen = there.judged(PROXIED, "-k", "identity_headers")
        report = there.report()
    assert with_outcome(seen, "non-compliant") == {"admin-12"}
    name = gate.split()[1].removeprefix("($http_").replace("_", "-")
    assert re.search(rf"GET /ui/ with forged identity headers answered 200 [^;]*; {name} alone is enough", report, re.I)
