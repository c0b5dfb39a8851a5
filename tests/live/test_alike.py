"""Fronts that answer many paths alike, all of them or all with the same ending: none of that is Node-RED's."""

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
OF_THE_FRONT = {"http-06", "tls-14", "tls-15"}  # what this nginx leaves as it is by default
LOGIN = 'auth_basic "Operators"; auth_basic_user_file @FILES@/htpasswd;'
TYPES = (
    "default_type text/html; "
    "types { text/css css; application/javascript js; application/json json; image/svg+xml svg; }"
)
PAGE = "<h1>Plant</h1>"


@pytest.mark.parametrize(
    "server",
    [
        f"location / {{ {TYPES} return 200 '{PAGE}'; }}",
        f"location / {{ default_type text/html; return 200 '{PAGE}'; }} "
        "location ~ [.]json$ { default_type application/json; return 200 '{\"a\": 1}'; }",
        "location / { return 403; }",
        "location / { return 401; }",
    ],
    ids=["types", "json", "403", "401"],
)
@pytest.mark.parametrize("editor", ["disabled", "protected"])
def test_one_answer_to_every_path_is_one_could_not_look(
    node_red: lab.RunningDeployment, tmp_path: Path, server: str, editor: str
) -> None:
    with standing(tmp_path, node_red.direct_port, server) as gate:
        seen = gate.judged(f"--nodered-editor={editor}")
    assert with_outcome(seen, "non-compliant") == OF_THE_FRONT
    assert {"admin-03", "dash-01", "reach-01", "roots-01"} <= with_outcome(seen, "could-not-look")
    assert seen["roots-01"] == {"could-not-look"}
    others = [match for match in re.findall(r'<error message="([^"]*)', gate.report()) if "see reach-01" not in match]
    assert len(others) == 1, others


def _judged_beside_a_login(folder: Path, port: int, free: str) -> tuple[dict[str, set[str]], str]:
    """Judge nginx with a login and this location without; return outcomes and report."""
    server = f"{LOGIN} location / {{ {PASS} proxy_pass http://nodered; }} {free}"
    with standing(folder, port, server) as gate:
        (folder / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        return gate.judged("--nodered-admin-api=proxied"), gate.report()


def test_what_a_front_answers_to_all_files_of_a_kind_is_nothing_of_node_reds(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    free = f"location ~ [.](json|js|css|svg)$ {{ auth_basic off; {TYPES} return 200 '{{}}'; }}"
    seen, report = _judged_beside_a_login(tmp_path, node_red.direct_port, free)
    assert with_outcome(seen, "non-compliant") == OF_THE_FRONT
    assert with_outcome(seen, "could-not-look") == set()
    assert "the front's own answer, as to every path here that ends with .json" in report


@pytest.mark.parametrize(
    ("opened", "control"),
    [("[.]js$", "editor-02"), ("^/library/.*[.]json$", "admin-03")],
)
def test_what_a_login_lets_through_of_node_red_by_its_ending_is_found(
    node_red: lab.RunningDeployment, tmp_path: Path, opened: str, control: str
) -> None:
    free = f"location ~ {opened} {{ auth_basic off; {PASS} proxy_pass http://nodered; }}"
    seen, _ = _judged_beside_a_login(tmp_path, node_red.direct_port, free)
    assert control in with_outcome(seen, "non-compliant")
