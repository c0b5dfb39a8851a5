"""What a policy demands that a real Node-RED does not have: findings, each by its code."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from suite_runs import run
from targetlab import policy, table

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.deployments import SAMPLE_HASH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Site = dict[str, lab.RunningDeployment]

pytestmark = pytest.mark.live

NOWHERE = "/nowhere"
# A middleware of the site's own takes the session from whatever writes, which then counts as the default user's.
LENT = f"""module.exports = {{
  uiHost: "127.0.0.1",
  adminAuth: {{type: "credentials", default: {{permissions: "*"}},
    users: [{{username: "viewer", password: "{SAMPLE_HASH}", permissions: "read"}}]}},
  httpAdminMiddleware: (req, res, next) => {{ if (req.method === "POST" && req.path === "/flows")
    delete req.headers.authorization; next(); }},
}};"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("sites") / "lent"
    folder.mkdir()
    (folder / "settings.js").write_text(LENT)
    with lab.start(["hardened", "adminoff", "fresh", str(folder)], say=lambda line: None) as running:
        yield {deployment.name.rpartition("/")[2]: deployment for deployment in running.deployments}


def found(folder: Path, *args: str) -> dict[str, dict[str, set[str]]]:
    """Return the codes of a run's findings by target and control."""
    run(folder, "--nodered-suite=only", *args)
    codes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for case in ElementTree.parse(folder / "out.xml").iter("testcase"):  # noqa: S314  our own file
        of = {element.get("name"): element.get("value") or "" for element in case.iter("property")}
        control = of["nodered_sec.control"]
        codes[of["nodered_sec.target"]][control].update(of.get("nodered_sec.findings", "").split())
    return codes


def test_each_demand_that_is_not_met_is_a_finding(site: Site, tmp_path: Path) -> None:
    off, api = {"admin_api": "disabled"}, {"admin_api": "protected"}
    declared = {
        "dashboards": ["/ui", "/dashboard", NOWHERE],
        "websockets": ["/ws/line", NOWHERE],
        "protected_paths": [{"path": NOWHERE, "effect": "none"}],
        "interfaces": [{"kind": "uibuilder", "path": NOWHERE}],
    }
    policy(
        tmp_path,
        table(site["hardened"], **{"name": "api-on", **off}),
        table(site["adminoff"], **{"name": "api-off", **api}),
        table(site["hardened"], **{"name": "absent", **declared}),
        table(site["fresh"], **{"name": "editor", "editor": "protected"}),
    )
    asked = ("admin-0[1-3]", "dash-0[12]", "live-01", "node-0[12]", "editor-01")
    seen = found(tmp_path, *(f"--nodered-control={glob}" for glob in asked))
    for control in ("admin-01", "admin-02", "admin-03"):
        assert "not-disabled" in seen["api-on"][control], control
    assert seen["api-off"]["admin-01"] == seen["api-off"]["admin-02"] == {"no-admin-api"}  # of GET /settings alone
    for control in ("dash-01", "dash-02", "live-01", "node-01", "node-02"):
        assert seen["absent"][control] == {"declared-but-absent"}, control
    assert seen["editor"]["editor-01"] == {"editor-open"}


def test_an_account_that_may_only_read_and_writes_is_a_finding(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "viewer")
    monkeypatch.setenv("NODERED_PASSWORD", "password")
    policy(tmp_path, table(site["lent"], name="lent"))
    assert found(tmp_path, "--nodered-control=admin-08")["lent"]["admin-08"] == {"reader-writes"}
