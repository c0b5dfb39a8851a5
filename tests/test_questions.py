"""What each control asks, derived from settings and tables alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from seen import target
from suite_controls import CONTROLS

from pytest_nodered_sec import plan, questions
from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.data import editor_assets, guarded_get_routes, unasked_get_routes, unguarded_get_routes
from pytest_nodered_sec.data.ways import IDENTITY, PROXY_05
from pytest_nodered_sec.model import Ask
from pytest_nodered_sec.policy.model import Endpoint, Interface, PublicPath, Waiver
from pytest_nodered_sec.registry import PROBES


def asked(control: str, **demands: Any) -> tuple[Ask, ...]:
    return tuple(CONTROLS[control].asks(target(**demands)))


def test_every_control_has_a_title_of_one_line() -> None:
    for control_id, entry in catalogue().items():
        assert entry.title.endswith("."), control_id


def test_guarded_routes_are_asked_without_credentials_and_with_a_forged_token() -> None:
    anonymous, forged = asked("admin-01"), asked("admin-02")
    assert [ask.args[2] for ask in anonymous] == [route.path for route in guarded_get_routes()]
    assert Ask("access", ("ADMIN", "GET", "/flows", "anonymous"), "GET /flows") in anonymous
    assert Ask("access", ("ADMIN", "GET", "/flows", "forged"), "GET /flows") in forged
    *hexadecimal, unsigned = forged
    assert [ask.label for ask in anonymous] == [ask.label for ask in hexadecimal]
    assert unsigned == Ask("access", ("ADMIN", "GET", "/settings", "unsigned"), "GET /settings JWT")


def test_all_majors_are_asked_and_the_landmark_too() -> None:
    routes = guarded_get_routes()
    assert {major for major in (3, 4, 5) for route in routes if route.exists_in(major)} == {3, 4, 5}
    assert [route.path for route in routes if route.api_landmark] == ["/settings"]  # the rules know it by its path


def test_what_is_public_by_design_or_not_to_be_asked_is_no_guarded_read() -> None:
    paths = {ask.args[2] for ask in asked("admin-01")}
    assert not paths & {route.path for route in unguarded_get_routes()}
    assert {route.app for route in unasked_get_routes()} <= {"admin", "editor"}


def test_the_editors_page_is_one_question() -> None:
    assert asked("editor-01") == (Ask("access", ("EDITOR", "GET", "/", "anonymous")),)


def test_the_editors_parts_are_its_assets_and_its_apps_routes() -> None:
    paths = [ask.args[2] for ask in asked("editor-02")]
    routes = [route.path for route in guarded_get_routes() if route.app == "editor"]
    assert paths == [asset.path for asset in editor_assets()] + routes
    assert "/red/red.min.js" in paths
    assert "/" not in paths
    assert not {"/flows", "/debug/view/view.html", "/uisettings"} & set(paths)
    assert {ask.args[0] for ask in asked("editor-02")} == {"EDITOR"}


@pytest.mark.parametrize(
    ("declared", "paths"), [(None, ["/ui", "/dashboard"]), ((), []), (("/hall", "/ui"), ["/hall", "/ui"])]
)
def test_dashboards_are_guessed_unless_declared(declared: tuple[str, ...] | None, paths: list[str]) -> None:
    pages = asked("dash-01", dashboards=declared)
    assert [(ask.args, ask.label) for ask in pages] == [(("DASHBOARD", "GET", p, "anonymous"), p) for p in paths]
    assert list(asked("dash-02", dashboards=declared)) == [Ask("socket", (p,), p) for p in paths]
    in_clear = asked("http-01", dashboards=declared)
    assert list(in_clear[4:-2]) == [Ask("plain", (p, "node", p), p) for p in paths]


def test_each_declared_endpoint_is_asked_as_its_effect_allows() -> None:
    assert asked("node-01") == ()
    declared = (Endpoint("/api/orders", effect="none"), Endpoint("/api/start", "POST", "acts"))
    assert asked("node-01", protected_paths=declared) == (
        Ask("endpoint", ("GET", "/api/orders", "none"), "GET /api/orders"),
        Ask("endpoint", ("POST", "/api/start", "acts"), "POST /api/start"),
    )


def test_each_declared_websocket_is_asked() -> None:
    assert asked("node-02") == ()
    assert asked("node-02", websockets=("/ws/line",)) == (Ask("channel", ("NODE", "/ws/line", "accept"), "/ws/line"),)


def test_support_data_is_asked_of_dashboard_2_unless_named() -> None:
    assert {ask.args[2] for ask in asked("dash-03")} == {
        f"/dashboard/{part}" for part in ("_setup", "_debug/datastore/NOPE", "_debug/statestore/NOPE")
    }
    assert asked("dash-03", dashboards=()) == ()
    assert asked("dash-03", dashboards=("/ui",))[0].label == "GET /ui/_setup"


def test_each_live_channel_is_joined_with_a_foreign_origin() -> None:
    assert [ask.args for ask in asked("origin-01", dashboards=("/hmi",), websockets=("/ws/line",))] == [
        ("comms", "/comms"),
        ("dashboard", "/hmi"),
        ("websocket", "/ws/line"),
    ]


def test_every_control_tells_its_questions_apart_where_one_path_stands_for_several_things() -> None:
    """Two questions with one label end a run before it begins: test ids are made of the labels."""
    for path in ("/line", "/comms", "/ui"):
        declared = {
            "dashboards": ("/line", "/ui"),
            "websockets": (path,),
            "protected_paths": (Endpoint(path, "GET", "none"), Endpoint(path, "POST", "unknown")),
            "interfaces": (Interface("uibuilder", path),),
        }
        for control in CONTROLS:
            labels = [ask.label for ask in asked(control, **declared)]
            assert len(labels) == len(set(labels)), (control, labels)


def test_other_interfaces_are_tried_at_their_usual_places_unless_declared() -> None:
    assert [(ask.args, ask.label) for ask in asked("live-01")] == [
        (("uibuilder", ""), "uibuilder"),
        (("worldmap", "/worldmap"), "worldmap /worldmap"),
        (("flexdash", "/flexdash"), "flexdash /flexdash"),
    ]
    declared = (Interface("uibuilder", "/hmi"), Interface("uibuilder", "/shop"))
    labels = [ask.label for ask in asked("live-01", interfaces=declared)]
    assert labels == ["uibuilder /hmi", "uibuilder /shop", "worldmap /worldmap", "flexdash /flexdash"]


def test_each_dashboard_is_asked_what_it_shows() -> None:
    assert [(ask.args, ask.label) for ask in asked("dash-05", dashboards=("/hmi",))] == [(("/hmi",), "/hmi")]


def test_each_dashboard_is_opened_with_the_account_for_it() -> None:
    assert asked("dash-06", dashboards=("/hmi",)) == (
        Ask("dashboard_visit", ("/hmi",), "/hmi", "dashboard_credentials"),
    )


def test_each_known_hole_is_a_question() -> None:
    assert [ask.label for ask in asked("static-02")] == ["CVE-2021-3223", "CVE-2021-25864"]


def test_spellings_are_of_literal_routes_and_of_dashboards() -> None:
    routes = [ask.label for ask in asked("admin-05")]
    assert routes[:2] == ["GET /FLOWS", "GET /flows/"]
    assert not [label for label in routes if "?" in label or "NOPE" in label]
    hmi = [("DASHBOARD", "/hmi/", "/HmI"), ("DASHBOARD", "/hmi/", "/hmi/index.html")]
    assert [ask.args for ask in asked("dash-04", dashboards=("/hmi/",))] == hmi
    assert [ask.args[2] for ask in asked("dash-04", dashboards=("/ui",))] == ["/uI", "/ui/", "/ui/index.html"]


def test_each_identity_header_is_a_question_and_other_surfaces_get_all_of_them() -> None:
    asks = asked("admin-12", websockets=("/ws/line", "/ws/hall"))
    labels = [ask.label for ask in asks]
    assert labels[0] == "Remote-User"
    assert labels[-8:] == [
        *("/ui", "/dashboard", "/ui/socket.io", "/dashboard/socket.io"),
        *("WebSocket /ui/socket.io", "WebSocket /dashboard/socket.io", "/comms", "WebSocket /ws/line"),
    ]
    assert labels[-9] == "other address headers"
    assert len(asks[-8].args) == 4 + len(IDENTITY.headers)
    assert asks[-5].args == ("channel, polling", "GET", "/dashboard", "identity")


def test_every_surface_is_asked_by_every_way() -> None:
    endpoints = (
        Endpoint("/api/a", effect="none"),
        Endpoint("/api/b", "POST", "unknown"),
        Endpoint("/do/c", "POST", "unknown"),
        Endpoint("/do/c", "DELETE", "unknown"),
        Endpoint("/gone", "GET", "unknown"),
        Endpoint("/stop", "POST", "acts"),
    )
    asks = asked("proxy-05", dashboards=("/ui",), protected_paths=endpoints)
    ways = [ask.args for ask in asks if ask.probe == "way"]
    assert {args[:3] for args in ways} == {
        ("admin API", "GET", "/settings"),
        ("dashboard page", "GET", "/ui"),
        ("channel, polling", "GET", "/ui"),
        ("channel, WebSocket", "GET", "/ui"),
        ("/comms", "GET", "/comms"),
        ("endpoint", "GET", "/api/a"),
        ("endpoint", "POST", "/do/c"),
    }
    assert {args[3] for args in ways if args[0] == "endpoint"} == set(PROXY_05["endpoint"])
    assert [ask.args for ask in asks if ask.probe == "spelled_endpoint"] == [
        ("GET", "/api/a", "/ApI/a"),
        ("GET", "/api/a", "/api/a/"),
        ("POST", "/api/b", "/ApI/b"),
        ("POST", "/api/b", "/api/b/"),
        ("POST", "/do/c", "/dO/c"),
        ("POST", "/do/c", "/do/c/"),
    ]
    assert [ask.args for ask in asks if ask.probe == "by_address"] == [
        (),
        ("localhost",),
        ("the name with a dot",),
        ("the name in .local",),
        ("the name in .lan",),
        ("no name",),
    ]
    itself = target("https://localhost")
    by_address = [ask.args for ask in CONTROLS["proxy-05"].asks(itself) if ask.probe == "by_address"]
    assert by_address == [(), ("no name",)]
    assert asks[-1] == Ask("http3", label="HTTP/3")
    assert "http3" not in {ask.probe for ask in CONTROLS["proxy-05"].asks(target("http://plant.example"))}
    by_number = target("https://192.0.2.7")
    assert "by_address" not in {ask.probe for ask in CONTROLS["proxy-05"].asks(by_number)}


def test_known_roots_are_asked_but_for_the_targets_own() -> None:
    def roots(url: str = "https://plant.example", **more: Any) -> list[str]:
        return [ask.label for ask in CONTROLS["roots-01"].asks(replace(target(url), **more))]

    assert "/" not in roots()
    assert {"/endpoint", "/nodered", "/api", "/hmi", "as told"} <= set(roots())
    below = roots("https://plant.example/nodered")
    assert "/" in below
    assert "/nodered" not in below
    assert not {"/admin", "/endpoint"} & set(roots(admin_root="/admin", node_root="/endpoint"))


def test_what_stands_above_a_public_path_is_looked_for_as_a_root() -> None:
    public = tuple(
        PublicPath(path, "ERP") for path in ("/health", "/erp/x/orders", "/api/jobs", "/ui/help", "/a/b/c/d")
    )
    labels = [ask.label for ask in asked("roots-01", public_paths=public)]
    assert [label for label in labels if label.startswith(("/erp", "/a/", "/health"))] == ["/erp", "/erp/x"]
    assert labels.count("/api") == 1


@pytest.mark.parametrize(
    ("declared", "undeclared"),
    [(None, []), (("/ui",), ["/dashboard"]), ((), ["/ui", "/dashboard"]), (("/hmi",), ["/ui", "/dashboard"])],
)
def test_a_declaration_adds_and_never_hides(declared: tuple[str, ...] | None, undeclared: list[str]) -> None:
    asks = asked("roots-01", dashboards=declared)
    assert [ask.args[0] for ask in asks if ask.probe == "undeclared"] == undeclared
    assert ("/hmi" in [ask.label for ask in asks]) == (declared != ("/hmi",))


def test_pages_are_the_editor_and_the_dashboards() -> None:
    assert [ask.label for ask in asked("editor-03", dashboards=("/hmi",))] == ["editor", "/hmi"]


def test_files_are_asked_for_by_name() -> None:
    assert asked("static-01")[0].label == "/settings.js"


def test_basic_logins_are_looked_for_where_a_get_does_no_harm() -> None:
    declared = (Endpoint("/a", effect="none"), Endpoint("/b"), Endpoint("/c", "POST"), Endpoint("/d", effect="acts"))
    asks = asked("cred-02", dashboards=("/hmi",), protected_paths=declared)
    assert [(ask.args, ask.label) for ask in asks] == [
        (("ADMIN", "/settings"), "admin"),
        (("NODE", ""), "node"),
        (("DASHBOARD", "/hmi"), "/hmi"),
        (("NODE", "/a"), "GET /a"),
    ]


def test_every_surface_is_asked_in_clear() -> None:
    assert [(ask.args, ask.label) for ask in asked("http-01", dashboards=())] == [
        (("editor", "admin", "/"), "editor"),
        (("admin-api", "admin", "/settings"), "admin-api"),
        (("login", "admin", "/auth/login"), "login"),
        (("node", "node", ""), "node"),
        (("flows", "admin", "/flows"), "GET /flows"),
        ((), "the address as Host"),
    ]
    declared = (
        Endpoint("/a", effect="none"),
        Endpoint("/a", "POST"),
        Endpoint("/b", "POST"),
        Endpoint("/c", "PUT", "acts"),
    )
    writing = [ask for ask in asked("http-01", protected_paths=declared) if ask.probe == "plain_write"]
    assert writing == [Ask("plain_write", ("POST", "/b"), "POST /b")]


def test_other_origins_are_tried_at_an_endpoint_and_at_files() -> None:
    declared = (Endpoint("/a", effect="none"), Endpoint("/b", effect="none"))
    labels = [ask.label for ask in asked("cors-01", protected_paths=declared)]
    assert labels == ["GET /a", "OPTIONS /a", "OPTIONS of files"]
    assert [ask.label for ask in asked("cors-01")] == ["OPTIONS of files"]


def test_the_three_controls_of_a_chain_share_one_question() -> None:
    assert asked("tls-01") == asked("tls-02") == asked("tls-03") == (Ask("chain"),)


def test_what_is_accepted_of_tls_is_one_look() -> None:
    assert [ask.label for ask in asked("tls-07")] == ["SSLv3", "TLSv1.0", "TLSv1.1"]
    assert [ask.label for ask in asked("tls-09")] == ["SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    assert asked("tls-09") == asked("tls-14") == asked("tls-15")
    of = [ask for control in ("tls-07", "tls-08", "tls-09", "tls-10") for ask in asked(control)]
    assert {ask.probe for ask in of} == {"tls"}
    assert PROBES["tls"].given == ("tls",)


def test_what_the_account_is_told_is_asked_of_open_targets_too() -> None:
    for control in ("admin-10", "editor-04", "flow-01", "patch-01", "patch-02", "patch-03", "version-01"):
        assert not any(ask.needs for ask in asked(control))
    assert [ask.label for ask in asked("version-01")] == [
        "GET /red/about",
        "GET /settings",
        "GET /nodes",
        "GET /diagnostics",
    ]


def test_single_questions() -> None:
    assert asked("reach-01") == (Ask("reach"),)
    assert asked("admin-04") == (Ask("login_offer"),)


def test_a_users_own_endpoint() -> None:
    assert questions.http("/api/orders") == Ask(
        "access", ("NODE", "GET", "/api/orders", "anonymous"), "GET /api/orders"
    )
    # what may write is asked so that it does not
    assert questions.http("/x", method="put") == Ask("endpoint", ("PUT", "/x", "unknown"), "PUT /x")
    assert questions.websocket("/ws/line") == Ask("channel", ("NODE", "/ws/line", "accept"), "/ws/line")
    assert questions.tls(8883) == Ask("chain_at", ("8883",), "8883")
    with pytest.raises(TypeError, match="'api/orders' must be a path below the node root that starts with /"):
        questions.http("api/orders")


def look_at_broker(look: object, port: str) -> Any:
    del look, port


def test_a_question_of_a_sites_own_is_data() -> None:
    ask = questions.question(look_at_broker, "8883", label="8883", needs="host")
    assert ask == Ask("own", (f"{__name__}:look_at_broker", "8883"), "8883", "host")
    assert hash(ask) == hash(questions.question(look_at_broker, "8883", label="8883", needs="host"))


@pytest.mark.parametrize(
    ("look", "args", "sentence"),
    [
        (lambda look: None, (), "write <lambda> as a function at the top of a module"),
        (object(), (), "write object as a function at the top of a module"),
        (look_at_broker, (8883,), "the arguments of look_at_broker must be strings, not int"),
    ],
)
def test_questions_that_cannot_be_asked(look: Any, args: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        questions.question(look, *args)


@pytest.mark.parametrize("control", sorted(CONTROLS))
def test_labels_are_unique_and_probes_exist(control: str) -> None:
    asks = asked(control)
    labels = [ask.label for ask in asks]
    assert len(set(labels)) == len(labels)
    assert len(asks) <= 1 or all(labels)
    assert {ask.probe for ask in asks} <= set(PROBES)


def test_each_waiver_is_judged_by_what_the_run_saw() -> None:
    assert asked("waiver-01") == ()
    waivers = (
        Waiver("tls-06", date(2030, 12, 31), "burnt in", "private-lifetime"),
        Waiver("admin-01", date(2030, 12, 31), "behind a fence", "served", "GET /flows"),
    )
    assert asked("waiver-01", waivers=waivers) == (
        Ask("", label="tls-06 private-lifetime"),
        Ask("", label="admin-01 GET /flows served"),
    )
    assert plan.requests_of(target(), Ask("", label="tls-06")) == ()


@pytest.mark.parametrize("control", sorted(CONTROLS))
def test_questions_depend_on_settings_only(control: str) -> None:
    assert asked(control) == asked(control)
    other = target("https://other.example:8443/line7", profile="strict", editor="protected", admin_api="disabled")
    here = [ask for ask in CONTROLS[control].asks(other) if (ask.probe, ask.label) != ("root", "/")]  # that of line7
    assert tuple(here) == asked(control)


def test_a_dashboard_at_the_top_has_no_other_spelling() -> None:
    assert asked("dash-04", dashboards=("/",)) == ()
    parts = ["/_setup", "/_debug/datastore/NOPE", "/_debug/statestore/NOPE"]
    assert [ask.args[2] for ask in asked("dash-03", dashboards=("/",))] == parts
