"""The values everything else speaks in: what a target's settings come to, and that an account shows no secret."""

from __future__ import annotations

from dataclasses import replace

import pytest
from seen import target

from pytest_nodered_sec import redaction
from pytest_nodered_sec.model import Credentials, HttpSettings, Surface, Target, ending_of, root_in_mixed_case
from pytest_nodered_sec.policy.model import Policy, PublicPath


@pytest.mark.parametrize(
    ("url", "origin", "hostname", "named", "port", "tls"),
    [
        ("https://plant.example:443", "https://plant.example", "plant.example", True, 443, True),
        ("http://plant.example/base", "http://plant.example", "plant.example", True, 80, False),
        ("https://192.0.2.5:8443", "https://192.0.2.5:8443", "192.0.2.5", False, 8443, True),
        ("https://[2001:db8::5]", "https://[2001:db8::5]", "2001:db8::5", False, 443, True),
    ],
)
def test_a_url_comes_to_host_port_and_scheme(
    url: str, origin: str, hostname: str, named: bool, port: int, tls: bool
) -> None:
    seen = target(url=url)
    assert (seen.origin, seen.hostname, seen.named, seen.port, seen.tls) == (origin, hostname, named, port, tls)


def test_a_root_is_asked_in_mixed_letter_case_once_for_each_surface() -> None:
    seen = replace(target("https://plant.example/line"), admin_root="/admin", node_root="/hmi")
    admin, dashboard = Surface.ADMIN.name, Surface.DASHBOARD.name
    assert root_in_mixed_case(seen, admin, "/settings", "/SeTtInGs") == "/line/AdMiN/settings"
    assert root_in_mixed_case(seen, dashboard, "/ui", "/uI") == "/line/HmI/ui"
    assert root_in_mixed_case(seen, admin, "/flows", "/FlOwS") == ""
    assert root_in_mixed_case(seen, admin, "/settings", "/settings/") == ""
    assert root_in_mixed_case(target(), admin, "/settings", "/SeTtInGs") == ""


@pytest.mark.parametrize(
    ("connect", "dialled"),
    [(None, ("plant.example", 443)), ("127.0.0.1", ("127.0.0.1", 443)), ("[::1]:8443", ("::1", 8443))],
)
def test_what_is_dialled_is_the_url_or_what_stands_in_for_it(connect: str | None, dialled: tuple[str, int]) -> None:
    assert replace(target(), connect=connect).dialled == dialled


def test_pages_are_the_admin_root_and_each_dashboard() -> None:
    guessed = replace(target(url="https://plant.example/base"), admin_root="/admin")
    assert guessed.pages == ("/base/admin/", "/base/ui", "/base/dashboard")
    assert target(url="https://plant.example", dashboards=("/hmi",)).pages == ("/", "/hmi")
    assert str(guessed) == guessed.name


def test_an_account_is_learnt_as_secret_and_not_shown() -> None:
    account = Credentials("operator", "a-password-of-ours")
    assert "a-password-of-ours" not in repr(account)
    assert redaction.scrub("it is a-password-of-ours") == "it is [redacted]"


def test_a_proxys_password_and_the_values_of_headers_are_secret_as_written_and_as_meant() -> None:
    settings = HttpSettings("http://ops:of/our%20proxy@proxy.example:3128", headers={"X-Token": "a-token-of-ours"})
    settings.hide()
    hidden = redaction.scrub("of/our%20proxy, of/our proxy, a-token-of-ours at proxy.example")
    assert hidden == "[redacted], [redacted], [redacted] at proxy.example"
    HttpSettings().hide()
    assert redaction.scrub("nothing") == "nothing"


def test_a_dashboard_that_is_declared_public_needs_no_guard() -> None:
    policy = Policy(dashboards=("/ui", "/wall"), public_paths=(PublicPath("/wall", "andon board"),))
    assert Target("plant", "https://plant.example", policy).guarded_dashboards == ("/ui",)


@pytest.mark.parametrize(
    ("path", "ending"), [("/library/x.json", ".json"), ("/a.js?lng=en", ".js"), ("/flows", ""), ("/a.b/c", "")]
)
def test_what_a_path_ends_with(path: str, ending: str) -> None:
    assert ending_of(path) == ending
