"""What the program on the host prints, forged by Node-RED's own user: an answer of another shape is none."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.host.told import checked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evaluator import Evaluator

LOGIN = "adminAuth: {type: 'credentials', users: [{username: 'ops', password: 'x', permissions: '*'}]}"
OTHERS: tuple[Any, ...] = (None, True, 3, 1 << 60, 1.5, "x", [], [[]], [3], ["x"], {}, {"x": 3}, {"x": "x"})
PACKAGE = '{"name": "line", "version": "1.0.0", "node-red": {"nodes": {"line": "line.js"}}}'
ROUTE: dict[str, Any] = {
    "group": "", "last": False,
    "sets": [{"hosts": ["a"], "paths": ["/"], "methods": [], "networks": [], "forwarded": [], "headers": [],
              "unread": [], "pattern": "", "name": "", "protocol": "", "not": [], "statuses": [], "files": False}],
    "steps": [{"kind": "end", "name": "", "uri": "", "prefix": "", "suffix": "", "dials": [], "swaps": [["a", "b", 0]],
               "patterns": [], "status": 0, "passes": False, "gathers": False, "routes": [], "errors": [],
               "answers": []}],
}  # fmt: skip
CADDY: dict[str, Any] = {
    "name": "srv0", "listen": [":443"], "dials": [{"dial": "127.0.0.1:1880", "secure": False}], "routes": [ROUTE],
    "errors": [], "tls": True, "named": [["a", ROUTE]], "certificates": [], "trusts": [], "raw": False, "relays": [],
}  # fmt: skip


@pytest.fixture
def answer(evaluate: Evaluator, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "node_modules" / "line").mkdir()
    (tmp_path / "node_modules" / "line" / "package.json").write_text(PACKAGE)
    (tmp_path / "node_modules" / "line" / "line.js").write_text("require('child_process')")
    (tmp_path / "flows.json").write_text('[{"id": "a", "type": "ui-base", "path": "/hmi", "z": ""}]')
    return evaluate(f"module.exports = {{ uiPort: 1880, {LOGIN} }};")


def places(value: Any, *way: Any) -> Iterator[tuple[Any, ...]]:
    yield way
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], *way, key)


def test_what_the_program_prints_is_kept_as_far_as_it_is_used(answer: dict[str, Any]) -> None:
    seen = checked(answer)
    assert seen.keys() == answer.keys() - {"secrets"}  # which the program asks for itself
    unused = {"uiHost", "userDir", "flowFile", "flowFileIsSet", "requireHttps", "adminMiddleware", "nodeMiddleware"}
    unused |= {"autoInstall", "projects", "https"}
    assert answer["settings"].keys() - seen["settings"].keys() == unused
    for key in seen.keys() - {"settings", "kinds", "groups"}:
        assert seen[key] == answer[key], key


ESCAPES = """
const out = require("util").inspect.constructor("return globalThis")();
out.JSON.stringify = () => '{"settings": {"audit": true}}';
module.exports = {};
"""


def test_settings_that_speak_for_the_program_end_in_a_sentence(evaluate: Evaluator, tmp_path: Path) -> None:
    """What runs settings.js keeps nobody in who wants to get out; its user is Node-RED's in any case."""
    assert "has another form" in checked(evaluate(ESCAPES))["trouble"]
    (tmp_path / "node_modules" / "node-red-dashboard").mkdir()
    (tmp_path / "node_modules" / "node-red-dashboard" / "package.json").write_text('{"version": {"x": 1}}')
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 1e300, "packages": []}')
    seen = checked(evaluate("module.exports = {};"))
    assert (seen["versions"]["modules"], seen["lock"]["version"]) == ([], 0)


def refused(forged: dict[str, Any]) -> bool:
    """Whether it is no answer, which is the only thing that may be raised."""
    try:
        checked(forged)
    except ProbeError as error:
        return "has another form than its program gives it" in error.message
    return False


def test_no_other_value_in_any_place_is_taken_for_an_answer(answer: dict[str, Any]) -> None:
    unused = answer["settings"].keys() - checked(answer)["settings"].keys() | {"hasStrategy", "sessionSeconds"}
    unset = [("kept", "restarts"), ("kept", "starts")]  # which are null here, and else true or false
    tried = 0
    for way in [*places(answer)][1:]:
        if (
            (way[0] == "flows" and len(way) > 1)
            or way[0] == "secrets"
            or unused & set(way)
            or way[-1] in ("asked", "name", "trouble")
        ):
            continue  # not used, or read elsewhere
        for other in OTHERS:
            forged = copy.deepcopy(answer)
            holder = forged
            for key in way[:-1]:
                holder = holder[key]
            was, holder[way[-1]] = holder[way[-1]], other
            if type(other) is not type(was) and (way, type(other)) not in [(place, bool) for place in unset]:
                tried += 1
                assert refused(forged) or (way[-1] == "catalogues" and other is None), (way, other)
            else:
                refused(forged)
    assert tried > 1000


def test_a_caddy_of_another_shape_costs_its_own_controls_alone(answer: dict[str, Any]) -> None:
    whole = {"file": "/etc/caddy/Caddyfile", "servers": [CADDY], "trouble": ""}
    assert checked({**answer, "caddies": [whole]})["caddies"] == [whole]
    deep: dict[str, Any] = copy.deepcopy(ROUTE)
    for _ in range(2000):
        deep = {**ROUTE, "steps": [{**ROUTE["steps"][0], "routes": [deep]}]}
    changes: tuple[dict[str, Any], ...] = (
        {"tls": "yes"}, {"listen": [443]}, {"routes": [{}]}, {"named": [["a"]]}, {"routes": [deep]},
    )  # fmt: skip
    for changed in changes:
        [caddy] = checked({**answer, "caddies": [{**whole, "servers": [{**CADDY, **changed}]}]})["caddies"]
        assert (caddy["file"], caddy["servers"]) == ("/etc/caddy/Caddyfile", [])
        assert caddy["trouble"] == "its configuration came back in another form"


def test_words_of_somebodys_move_no_cursor() -> None:
    seen = checked({"trouble": "it throws \x1b[2J\n==a end", "file": "/a\ud800", "loaded": 3})
    assert seen == {"trouble": "it throws \\x1b[2J\\n==a end", "file": "/a\\ud800"}
    with pytest.raises(ProbeError, match=r"another form than its program gives it \(at trouble\)"):
        checked({"trouble": ["x"]})
