"""Other doors, HSTS, versions and cookies: seen to fail on the deployment that is weak there, green on `hardened`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from suite_runs import need_nginx, run, with_outcome

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

CONTROLS: Final = ("http-06", "proxy-01", "proxy-02", "proxy-03", "proxy-04", "cookie-01")
WEAK: Final = {
    "hardened": set(),
    "no-hsts": {"http-06"},
    "short-hsts": {"http-06"},
    "direct-open": {"proxy-01"},
    "versions-told": {"proxy-02"},
    "any-name": {"proxy-03"},
    "any-name-open": {"proxy-03"},
    "inspector-open": {"proxy-04"},
    "plain-cookie": {"cookie-01"},
}  # fmt: skip
CHOSEN: Final = "https_only or test_exposure"


@pytest.fixture(scope="module", params=["4+nginx", "5+caddy"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """Ask these controls of every deployment, of one major behind one proxy."""
    if "nginx" in request.param:
        need_nginx()
    specs = [f"--nodered-lab={name}@{request.param}" for name in WEAK]
    found = run(tmp_path_factory.mktemp("run"), "-k", CHOSEN, *specs)
    return {target.split("@")[0].removeprefix("lab-"): controls for target, controls in found.items()}


@pytest.mark.parametrize("name", WEAK)
def test_one_weakness_is_one_finding(name: str, seen: dict[str, dict[str, set[str]]]) -> None:
    assert set(seen[name]) == set(CONTROLS)
    assert with_outcome(seen[name], "non-compliant") == WEAK[name]
    assert with_outcome(seen[name], "could-not-look") == set()
    assert with_outcome(seen[name], "not-applicable") == set()


def test_a_strange_name_is_milder_behind_a_login(tmp_path: Path) -> None:
    run(tmp_path, "-k", "strange_name", "--nodered-lab=any-name", "--nodered-lab=any-name-open")
    report = (tmp_path / "out.xml").read_text()
    assert "proxy-03 low · the host name" in report
    assert "proxy-03 medium · the host name" in report


def test_the_cookie_alone_is_looked_for_by_itself(tmp_path: Path) -> None:
    [controls] = run(tmp_path, "-k", "cookies_are_guarded", "--nodered-lab=plain-cookie").values()
    assert controls == {"cookie-01": {"non-compliant"}}
    assert " set the cookie line: no Secure, no HttpOnly, no SameSite" in (tmp_path / "out.xml").read_text()
