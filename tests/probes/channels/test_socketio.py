"""The Socket.IO client against look-alikes of each kind of server: it joins, reads, leaves, and believes no lie."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import hostile
import pytest

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.observations.channels import (
    Channel,
    ForeignAttempt,
    InterfaceAttempt,
    Product,
    ShownWidgets,
    SocketAttempt,
)
from pytest_nodered_sec.policy.model import Policy, PublicPath
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nodered_sec.model import Observation

OPENED = '0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'
JOINED = '40{"sid":"def"}'


class Socket:
    """A server that speaks Socket.IO at one path and is a Node-RED elsewhere.

    Args:
        path: of Socket.IO.
        payloads: the packets of each answer to a poll, of each session anew; after the last one it hangs.
        old: whether it speaks Engine.IO 3.
        gone: whether it has dropped the session by itself.
        status: of its answers.
        lag: seconds before each answer to a GET.
        kept: how often it still knows the session that it has dropped, as behind a proxy.
        mute: whether it answers connect packets to other namespaces alone, as with a guard that never calls back.
    """

    def __init__(
        self,
        path: str,
        *payloads: Sequence[str],
        old: bool = False,
        gone: bool = False,
        status: int = 200,
        lag: float = 0,
        kept: int = 0,
        mute: bool = False,
    ) -> None:
        self.mute = mute
        self.lag = lag
        self.kept = kept
        self.status = status
        self.path = path
        self.payloads = payloads
        self.left: list[Sequence[str]] = []  # of this session
        self.old = old
        self.gone = gone
        self.said: list[str] = []
        self.replies: dict[str, hostile.Reply] = {}

    def __call__(self, request: hostile.Request) -> hostile.Reply | None:
        if not request.path.startswith(f"{self.path}/?"):
            return hostile.FakeNodeRED(replies=self.replies)(request)
        if request.method == "POST":
            self.said.append(request.body.decode())
            unknown = hostile.json_reply({"code": 1, "message": "Session ID unknown"}, 400)
            self.kept -= 1
            return unknown if self.gone and self.kept < 0 else self.text("ok")
        time.sleep(self.lag)
        if "&sid=abc" not in request.path:
            self.left = list(self.payloads)
            return self.text(self.payload([OPENED]))
        if self.mute and self.said[-1].startswith("40/"):
            return self.text(f'44{self.said[-1][2:]}{{"message":"Invalid namespace"}}')
        return self.text(self.payload(self.left.pop(0))) if self.left else hostile.hangs_after_handshake(request)

    def payload(self, packets: Sequence[str]) -> str:
        if not self.old:
            return "\x1e".join(packets)
        return "".join(f"{len(packet.encode('utf-16-le')) // 2}:{packet}" for packet in packets)

    def text(self, body: str) -> hostile.Reply:
        return hostile.Reply(self.status, {"Content-Type": "text/plain; charset=UTF-8"}, body.encode())

    def asked(self, *ask: str) -> Observation:
        """Ask one question of it; `dashboards` are public, as far as dash-05 is concerned."""
        probe, *args = ask
        policy = Policy(dashboards=("/ui",), public_paths=(PublicPath("/ui", "andon board"),))
        with hostile.serving(self) as server:
            survey = Survey()
            try:
                return survey.answer(Target("host", server.url, policy, timeout=2.0), Ask(probe, tuple(args)))
            finally:
                survey.close()


def dashboard(*payloads: Sequence[str], **more: Any) -> Socket:
    return Socket("/ui/socket.io", *payloads, **more)


def event(name: str, *data: object) -> str:
    return f"42{json.dumps([name, *data])}"


def joined(socket: Socket) -> SocketAttempt:
    seen = socket.asked("socket", "/ui")
    assert isinstance(seen, SocketAttempt)
    return seen


@pytest.mark.parametrize("old", [False, True])
def test_it_leaves_what_it_joined_and_says_nothing_else(old: bool) -> None:
    socket = dashboard([JOINED if not old else "40", event("ui-controls", {"menu": []})], old=old)
    assert joined(socket).channel is Channel.OPEN
    assert joined(dashboard([JOINED, event("x")])).events == 1
    assert socket.said == (["2:411:1"] if old else ["40", "41\x1e1"])


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_that_opens_a_session_all_the_same_lets_in(status: int) -> None:
    assert joined(dashboard([JOINED], status=status)).channel is Channel.OPEN


@pytest.mark.parametrize(
    ("payloads", "old"),
    [
        (['44{"message":"no"}'], False),
        (["40", '44"no"'], True),  # Socket.IO 2 accepts first, its middleware refuses then
    ],
)
def test_a_middleware_refuses(payloads: list[str], old: bool) -> None:
    assert joined(dashboard(payloads, old=old)).channel is Channel.REFUSED_BY_MIDDLEWARE
    apart = dashboard(*([payload] for payload in payloads), old=old)
    assert joined(apart).channel is Channel.REFUSED_BY_MIDDLEWARE


@pytest.mark.parametrize(
    ("payloads", "cause"), [([], Cause.TIMEOUT), ([["42[]"]], Cause.PROTOCOL), ([["6"]], Cause.PROTOCOL)]
)
@pytest.mark.parametrize("old", [False, True])
def test_what_is_neither_is_no_answer(payloads: list[list[str]], cause: Cause, old: bool) -> None:
    socket = dashboard(*payloads, old=old)
    with pytest.raises(ProbeError) as caught:
        joined(socket)
    assert caught.value.cause is cause
    assert socket.said[-1] == ("2:411:1" if old else "41\x1e1")  # left all the same


def test_a_guard_that_never_calls_back_refuses() -> None:
    socket = dashboard(mute=True)
    seen = joined(socket)
    assert seen.channel is Channel.UNANSWERED
    assert seen.evidence().endswith("was never answered")
    assert [said.partition("/")[0] for said in socket.said] == ["40", "41\x1e1", "40", "41\x1e1"]


def test_lengths_of_the_old_frames_are_utf_16() -> None:
    shown = event("ui-controls", {"menu": [], "site": "äö€😀"})  # the last is of two units
    assert joined(dashboard(["40", f"42{json.dumps(['x', '😀'], ensure_ascii=False)}", shown], old=True)).events == 2


@pytest.mark.parametrize(
    ("socket", "channel"),
    [
        (dashboard(old=True, gone=True), Channel.UNANSWERED),
        (dashboard([], old=True, gone=True), Channel.UNANSWERED),
        (dashboard(old=True, gone=True, kept=2), Channel.UNANSWERED),
        (dashboard(["40"], [event("ui-controls")], old=True, gone=True, lag=0.55), Channel.OPEN),  # slow, not silent
        (dashboard(["40"], [], old=True, gone=True), Channel.UNANSWERED),
        (dashboard(["40"], ["1"], old=True, gone=True), Channel.UNANSWERED),
        (dashboard(["40", "1"], old=True, gone=True), Channel.UNANSWERED),
        (dashboard(["40", event("ui-controls")], old=True), Channel.OPEN),
        (dashboard(["40", '44"no"'], old=True), Channel.REFUSED_BY_MIDDLEWARE),
        (dashboard([JOINED, '44/abc,{"message":"Invalid namespace"}']), Channel.OPEN),
        (dashboard(['44/abc,{"message":"Invalid namespace"}']), Channel.UNANSWERED),
        (dashboard(['44{"message":"foreign origin"}', "44/abc,{}"]), Channel.REFUSED_BY_MIDDLEWARE),
    ],
)
def test_a_foreign_origin(socket: Socket, channel: Channel) -> None:
    seen = socket.asked("foreign", "dashboard", "/ui")
    assert isinstance(seen, ForeignAttempt)
    assert seen.seen.channel is channel


@pytest.mark.parametrize(("old", "cause"), [(False, Cause.TIMEOUT), (True, Cause.PROTOCOL)])
def test_silence_alone_is_no_refusal_of_an_origin(old: bool, cause: Cause) -> None:
    with pytest.raises(ProbeError) as caught:
        dashboard(old=old).asked("foreign", "dashboard", "/ui")
    assert caught.value.cause is cause


# --- what a dashboard shows ----------------------------------------------------------------------------------------

MENU = [
    {
        "header": "Line",
        "items": [{"items": [{"type": "button", "label": "hunter2"}, {"type": "text"}, {"type": "text"}]}],
    },
    {"name": "a link", "link": "https://x.example"},
]
WIDGETS = {
    "a": {"type": "ui-table", "props": {"selectionType": "click"}},
    "b": {"type": "ui-table", "props": {"selectionType": "none", "columns": [{"type": "text"}, {"type": "button"}]}},
    "c": {"type": "ui-table", "props": {"columns": None}},
    "d": {"type": "ui-notification", "props": {"allowConfirm": True}},
    "e": {"type": "ui-notification"},
    "f": {"type": "<script>", "props": "nonsense"},
    "g": "nonsense",
}


def shown(socket: Socket) -> ShownWidgets:
    seen = socket.asked("widgets", "/ui")
    assert isinstance(seen, ShownWidgets)
    return seen


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_the_widgets_of_dashboard_1_are_counted_and_nothing_else_kept(old: bool, apart: bool) -> None:
    told = event("ui-controls", {"menu": MENU, "globals": [{"type": "template"}], "theme": "hunter2"})
    payloads = [["40"], [told]] if apart else [["40", told]]
    seen = shown(dashboard(*payloads, old=old))
    assert seen.product is Product.DASHBOARD_1
    assert seen.counts == (("button", 1), ("template", 1), ("text", 2))
    assert "hunter2" not in repr(seen)


@pytest.mark.parametrize("prefix", ["42", "451-"])
def test_the_widgets_of_dashboard_2_are_counted(prefix: str) -> None:
    told = prefix + json.dumps(["ui-config", "base", {"widgets": WIDGETS}])
    seen = shown(dashboard([JOINED, told]))
    assert seen.product is Product.DASHBOARD_2
    assert dict(seen.counts) == {
        "ui-table": 1,
        "ui-table to click on": 2,
        "ui-notification": 1,
        "ui-notification to confirm": 1,
        "unnamed": 1,
    }


def test_a_large_configuration_is_read_whole() -> None:
    widgets = {str(number): {"type": "ui-text", "props": {"label": "x" * 200}} for number in range(2000)}
    assert shown(dashboard([JOINED, event("ui-config", "base", {"widgets": widgets})])).counts == (("ui-text", 2000),)


@pytest.mark.parametrize(
    ("settings", "expected"), [('{"readOnly":true}', True), ('{"readOnly":1}', False), ("no", False)]
)
def test_whether_dashboard_1_takes_input_is_asked(settings: str, expected: bool) -> None:
    socket = dashboard([JOINED, event("ui-controls", {"menu": MENU})])
    socket.replies["/uisettings"] = hostile.Reply(200, {"Content-Type": "application/json"}, settings.encode())
    assert shown(socket).read_only is expected


@pytest.mark.parametrize(
    "told",
    [
        [event("update-value", {"id": "x"})],
        [event("ui-config", "base", {})],
        [event("ui-config", "base", {"widgets": []})],
        [event("ui-controls", {"menu": "none"})],
        [event("ui-controls")],
        ['42["ui-controls",{"menu":[]'],
        ["42{}"],
    ],
)
def test_without_a_configuration_there_is_no_verdict(told: list[str]) -> None:
    with pytest.raises(ProbeError):
        shown(dashboard([JOINED, *told], ["2"], ["2"]))


def test_a_refused_stranger_is_told_nothing() -> None:
    seen = shown(dashboard(['44{"message":"no"}']))
    assert (seen.joined.channel, seen.product) == (Channel.REFUSED_BY_MIDDLEWARE, None)


# --- other interfaces ----------------------------------------------------------------------------------------------

UIBUILDER = "/uibuilder/vendor/socket.io"
INVALID = '44/hmi,{"message":"Invalid namespace"}'


def attempted(serve: Callable[..., Any], *ask: str) -> InterfaceAttempt:
    socket = serve if isinstance(serve, Socket) else Socket("/none")
    seen = socket.asked("interface", *ask)
    assert isinstance(seen, InterfaceAttempt)
    return seen


@pytest.mark.parametrize(
    ("packets", "channel", "unknown"),
    [
        (['40/hmi,{"sid":"x"}', '42/hmi,["uiBuilderControl",{}]'], Channel.OPEN, False),
        (['44/hmi,{"message":"who are you?"}'], Channel.REFUSED_BY_MIDDLEWARE, False),
        ([INVALID], Channel.REFUSED_BY_MIDDLEWARE, True),
    ],
)
def test_a_uibuilder_is_joined_in_its_namespace(packets: list[str], channel: Channel, unknown: bool) -> None:
    socket = Socket(UIBUILDER, packets)
    seen = attempted(socket, "uibuilder", "/hmi")
    assert (seen.channel, seen.unknown) == (channel, unknown)
    assert socket.said == ["40/hmi,", "41/hmi,\x1e1"]


def test_the_main_namespace_of_a_uibuilder_is_not_an_instance() -> None:
    with pytest.raises(ProbeError) as caught:
        attempted(Socket(UIBUILDER, [JOINED]), "uibuilder", "/hmi")
    assert caught.value.cause is Cause.PROTOCOL


def test_an_old_uibuilder_is_joined_too() -> None:
    socket = Socket(UIBUILDER, ["40"], ["40/hmi,"], old=True)
    assert attempted(socket, "uibuilder", "/hmi").channel is Channel.OPEN
    assert socket.said == ["7:40/hmi,", "7:41/hmi,1:1"]


def test_a_uibuilder_of_which_nothing_is_known_is_no_verdict() -> None:
    class Any44(Socket):
        def __call__(self, request: hostile.Request) -> hostile.Reply | None:
            if request.method == "POST" and request.body.startswith(b"40/"):
                self.left = [[f'44{request.body.decode()[2:]}{{"message":"Invalid namespace"}}']]
            return super().__call__(request)

    with pytest.raises(ProbeError, match="Name them: interfaces = "):
        attempted(Any44(UIBUILDER), "uibuilder", "")


def test_a_flexdash_accepts_and_sends_away() -> None:
    assert attempted(Socket("/flexdash/io", [JOINED, "41"]), "flexdash", "/flexdash").channel is Channel.OPEN


INFO = hostile.json_reply({"websocket": True, "origins": ["*:*"], "cookie_needed": False, "entropy": 7})


class SockJs(Socket):
    """A worldmap; `opened` answers a POST that opens a session."""

    def __init__(self, info: hostile.Reply, opened: hostile.Reply | None = None) -> None:
        super().__init__("/none")
        self.info, self.opened = info, opened

    def __call__(self, request: hostile.Request) -> hostile.Reply | None:
        if request.path == "/worldmap/socket/info":
            return self.info
        if self.opened and request.method == "POST" and request.path.startswith("/worldmap/socket/000/"):
            return self.opened
        return super().__call__(request)


def test_a_worldmap_opens_a_session() -> None:
    seen = attempted(SockJs(INFO, hostile.Reply(200, {}, b"o\n")), "worldmap", "/worldmap")
    assert seen.channel is Channel.OPEN


@pytest.mark.parametrize(
    ("socket", "status"),
    [
        (SockJs(hostile.Reply(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")), 401),
        (SockJs(INFO, hostile.Reply(403, {}, b"no")), 403),
        (SockJs(hostile.Reply(404, {}, b"")), 404),
        (SockJs(hostile.json_reply({"x": 1})), 200),
        (SockJs(hostile.Reply(200, {"Content-Type": "application/json"}, b"no")), 200),
    ],
)
def test_a_worldmap_that_does_not_open_one(socket: SockJs, status: int) -> None:
    seen = attempted(socket, "worldmap", "/worldmap")
    assert (seen.channel, seen.attempt.answer.status) == (Channel.NO_CHANNEL, status)


@pytest.mark.parametrize(
    "opened", [hostile.Reply(200, {}, b"c[2010]"), hostile.Reply(404, {}, b""), hostile.Reply(500)]
)
def test_a_sockjs_that_says_something_else_is_no_answer(opened: hostile.Reply) -> None:
    with pytest.raises(ProbeError):
        attempted(SockJs(INFO, opened), "worldmap", "/worldmap")
