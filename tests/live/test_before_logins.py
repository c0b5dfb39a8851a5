"""Fronts before a Node-RED with logins of its own: one that logs strangers in there, one that guards its dashboards.

Each beside a sound twin, in nginx.
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
_NODE = "httpNodeAuth: {user: 'front', pass: '$2b$08$UEc.NPffzIjIm67PFonHwuVD5tYYnADfmgmyzrQNXfVr6ezJUUqt.'},"


_CHANNELS = 'if ($request_uri ~ "socket[.]io|^/ws") { return 403; }'  # which httpNodeAuth does not guard


def logs_in(condition: str) -> str:
    """Return a front that logs in at Node-RED itself where a request says something."""
    return (
        f'set $given $http_authorization; if ({condition}) {{ set $given "Bearer of-the-front"; }} {_CHANNELS} '
        f"location / {{ {PASS} proxy_set_header Authorization $given; proxy_pass http://both; }}"
    )


def guards(pattern: str) -> str:
    """Return a login by the path as it was sent, in front of dashboards and endpoints."""
    return (
        f'set $realm off; if ($request_uri ~* "{pattern}") {{ set $realm Operators; }} '
        f"auth_basic $realm; auth_basic_user_file @FILES@/users; location / {{ {PASS} proxy_pass http://editor/; }}"
    )


_PASSED_ON = f"{_CHANNELS} location / {{ {PASS} proxy_pass http://both; }}"
_GUARDED = guards(".").replace("http://editor/", "http://editor")
GATES = {
    "older-editor": Pair(
        logs_in("$server_protocol = HTTP/1.0"),
        "proxy-05:older",
        f"if ($server_protocol = HTTP/1.0) {{ return 505; }} {_PASSED_ON}",
    ),
    "range": Pair(logs_in("$http_range"), "proxy-05:program", _PASSED_ON),
    "tailnet-editor": Pair(logs_in("$http_x_real_ip ~ ^100[.]64[.]"), "proxy-05:forwarded", _PASSED_ON),
    "percent": Pair(guards("^/(ui|dashboard|api|comms|ws|static)|%"), "proxy-05:slashes", _GUARDED),
    "doubled": Pair(guards("^/(ui|dashboard|api|comms|ws|static)|//"), "proxy-05:encoded proxy-05:freed", _GUARDED),
}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    need_nginx()
    folder = tmp_path_factory.mktemp("nginx")
    with (
        open_node_red(folder / "both", _ADMIN + _NODE) as both,
        open_node_red(folder / "editor", _ADMIN) as editor,
        standing(folder, GATES, partial(nginx, {"both": both, "editor": editor})) as there,
    ):
        yield there


@pytest.mark.parametrize("name", GATES)
def test_what_opens_a_front_is_found(name: str, street: Street) -> None:
    seen = street.found(name, "weak")
    assert set(seen) == set(GATES[name].found.split()), seen


@pytest.mark.parametrize("name", ["older-editor", "range", "percent"])
def test_a_sound_front_is_left_alone(name: str, street: Street) -> None:
    assert street.found(name, "sound") == {}
