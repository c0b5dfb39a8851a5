"""Gates in nginx that ask for a client certificate: one that a visitor made himself must open no place (tls-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
PROXIED = "--nodered-admin-api=proxied"
TLS_12 = ("-k", "tls-12")
FORWARD = f"{PASS} proxy_pass http://nodered;"
LOGIN = "auth_basic Operators; auth_basic_user_file @FILES@/htpasswd;"
EVERYTHING = f"location / {{ {LOGIN} {FORWARD} }}"


@pytest.mark.parametrize(
    "gate",
    [
        f"if ({test}) {{ return 403; }}"
        for test in ("$ssl_client_verify = NONE", '$ssl_client_i_dn !~ "CN=Gates"', '$ssl_client_s_dn != "CN=admin"')
    ],
    ids=["any", "issuer", "subject"],
)
def test_a_gate_that_a_certificate_of_ones_own_opens_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, gate: str
) -> None:
    asks = "ssl_verify_client optional_no_ca; ssl_client_certificate @FILES@/../ca.pem;"
    with standing(tmp_path, node_red.direct_port, f"{asks} {gate} location / {{ {FORWARD} }}") as there:
        seen = there.judged(PROXIED, *TLS_12)
        report = there.report()
    assert seen == {"tls-12": {"non-compliant"}}
    assert "any-certificate" in report


@pytest.mark.parametrize("verified", ["NONE Operators; default off;", "SUCCESS off; default Operators;"])
@pytest.mark.parametrize(
    ("place", "asked"),
    [("~* ^/(ui|dashboard)", "/ui/"), ("/api/", "/api/orders"), ("~ ^/(settings|flows)", "/settings")],
    ids=["pages", "endpoints", "admin"],
)
def test_a_certificate_of_ones_own_opens_no_place_that_has_another_gate(
    node_red: lab.RunningDeployment, tmp_path: Path, place: str, asked: str, verified: str
) -> None:
    asks = "ssl_verify_client optional_no_ca; ssl_client_certificate @FILES@/../ca.pem;"
    login = LOGIN.replace("Operators", "$verified")
    http = f"map $ssl_client_verify $verified {{ {verified} }}"
    with standing(
        tmp_path, node_red.direct_port, f"{asks} location {place} {{ {login} {FORWARD} }} {EVERYTHING}", http=http
    ) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        path = there.folder / "nodered-sec.toml"
        path.write_text('protected_paths = [{path = "/api/orders", effect = "none"}]\n')
        seen = there.judged(PROXIED, *TLS_12, f"--nodered-policy={path}")
        report = there.report()
    weak = verified.startswith("NONE")
    assert seen == {"tls-12": {"non-compliant" if weak else "not-applicable"}}
    assert not weak or f"with a self-made one GET {asked} answered 200" in report


@pytest.mark.parametrize("gate", [LOGIN, "", "if ($ssl_client_verify != SUCCESS) { return 403; }"])
@pytest.mark.parametrize("mode", ["full", "calm"])
def test_a_place_that_asks_for_no_certificate_is_a_finding_where_all_must(
    node_red: lab.RunningDeployment, tmp_path: Path, gate: str, mode: str
) -> None:
    asks = "ssl_verify_client optional; ssl_client_certificate @FILES@/../ca.pem;"
    rest = f"location / {{ if ($ssl_client_verify != SUCCESS) {{ return 403; }} {FORWARD} }}"
    server = f"{asks} location /dashboard {{ {gate} {FORWARD} }} {rest}"
    with standing(tmp_path, node_red.direct_port, server) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        path = there.folder / "nodered-sec.toml"
        path.write_text(f'mutual_tls = true\nmode = "{mode}"\n')
        seen = there.judged(PROXIED, *TLS_12, f"--nodered-policy={path}")
        report = there.report()
    weak = "ssl_client_verify" not in gate
    assert seen == {"tls-12": {"non-compliant" if weak else "compliant"}}
    assert not weak or f"without one GET /dashboard/ answered {401 if gate else 200}" in report
