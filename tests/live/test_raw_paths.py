"""Gates that go by the path as it was sent, or by the name in Host, in front of an nginx that tidies both.

Each beside a sound twin.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS
from suite_runs import need_nginx
from waylab import HASH, Pair, nginx, open_node_red, standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waylab import Street

pytestmark = pytest.mark.live
_ADMIN = (
    f"adminAuth: {{type: 'credentials', users: [{{username: 'admin', password: '{HASH}', permissions: '*'}}], "
    "tokens: async (token) => token === 'of-the-front' ? {username: 'front', permissions: '*'} : null},"
)


def passed(upstream: str) -> str:
    """Return what passes everything on, with a tidy path."""
    return f"location / {{ {PASS} proxy_pass http://{upstream}/; }}"


def free(pattern: str, upstream: str = "open", name: str = "$request_uri") -> str:
    """Return a login for everything but what was sent like this."""
    return (
        f'set $realm Operators; if ({name} ~ "{pattern}") {{ set $realm off; }} '
        f"auth_basic $realm; auth_basic_user_file @FILES@/users; {passed(upstream)}"
    )


def logs_in(pattern: str) -> str:
    """Return a front that logs in at Node-RED itself by the path as it was sent."""
    return (
        f'set $given $http_authorization; if ($request_uri ~ "{pattern}") {{ set $given "Bearer of-the-front"; }} '
        'if ($uri ~* "^/(ui|dashboard|api|comms|ws)") { return 403; } '
        f"location / {{ {PASS} proxy_set_header Authorization $given; proxy_pass http://editor/; }}"
    )


_ACME = "^/[.]well-known/acme-challenge/"
_SOUND = free("^$")
GATES = {
    "acme": Pair(free(_ACME), "proxy-05:freed", _SOUND),
    "well-known": Pair(free("^/[.]well-known/"), "proxy-05:freed", _SOUND),
    "robots": Pair(free("/(favicon[.]ico|robots[.]txt)"), "proxy-05:freed proxy-05:dotted dash-02:gate-passed", _SOUND),
    "health": Pair(free("/health"), "proxy-05:freed proxy-05:dotted proxy-05:query dash-02:gate-passed", _SOUND),
    "acme-before-a-login": Pair(free(_ACME, "editor"), "proxy-05:freed", free("^$", "editor")),
    "acme-logs-in": Pair(logs_in("^/static/"), "proxy-05:dotted", logs_in("^$")),
    "at-home": Pair(free("[.]lan(:[0-9]+)?$", name="$http_host"), "proxy-05:local-name", _SOUND, named=True),
    "dot": Pair(free("[.](:[0-9]+)?$", name="$http_host"), "proxy-05:host", _SOUND, named=True),
}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    need_nginx()
    folder = tmp_path_factory.mktemp("nginx")
    with (
        open_node_red(folder / "open") as port,
        open_node_red(folder / "editor", _ADMIN) as editor,
        standing(folder, GATES, partial(nginx, {"open": port, "editor": editor})) as there,
    ):
        yield there


@pytest.mark.parametrize("name", GATES)
def test_what_opens_a_gate_is_found(name: str, street: Street) -> None:
    seen = street.found(name, "weak")
    assert GATES[name].found.split()[0] in seen, seen
    assert {found for found in seen if not found.startswith("roots-01")} <= set(GATES[name].found.split()), seen


@pytest.mark.parametrize("name", ["acme", "acme-before-a-login", "dot", "at-home"])
def test_a_sound_gate_is_left_alone(name: str, street: Street) -> None:
    assert street.found(name, "sound") == {}
