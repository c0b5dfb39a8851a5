"""What the matrix of deployments does not show of other doors and cookies: how bad, and what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from suite_runs import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_a_strange_name_is_milder_behind_a_login(tmp_path: Path) -> None:
    run(tmp_path, "-k", "strange_name", "--nodered-lab=any-name", "--nodered-lab=any-name-open")
    report = (tmp_path / "out.xml").read_text()
    assert "proxy-03 low any-name · the host name" in report
    assert "proxy-03 medium any-name · the host name" in report


def test_the_cookie_alone_is_looked_for_by_itself(tmp_path: Path) -> None:
    [controls] = run(tmp_path, "-k", "cookies_are_guarded", "--nodered-lab=plain-cookie").values()
    assert controls == {"cookie-01": {"non-compliant"}}
    assert " set the cookie line: no Secure, no HttpOnly, no SameSite" in (tmp_path / "out.xml").read_text()
