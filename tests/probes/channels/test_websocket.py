"""The WebSocket client against servers that hang, lie or break."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, cast

import hostile
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import Channel, ChannelAttempt
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.channels.handshake import Wire
from pytest_nodered_sec.probes.channels.websocket import join, join_namespace, subscribe
from pytest_nodered_sec.probes.transport.response import Stream
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PONG = b"\x8a\x00"
FAIL = b'\x81\x0f{"auth":"fail"}'
NEWS = b'\x81\x7e\x00\x80[{"topic":"debug","data":"' + b"x" * 99 + b'"}]'


def comms(answer: Callable[[hostile.Request], hostile.Reply | None]) -> ChannelAttempt:
    """Ask a look-alike of Node-RED whose /comms is replaced."""

    return asked(lambda request: (answer if request.path == "/comms" else hostile.FakeNodeRED())(request))


def asked(serve: Callable[[hostile.Request], hostile.Reply | None]) -> ChannelAttempt:
    """Ask a server for its /comms."""
    with hostile.serving(serve) as server:
        survey = Survey()
        try:
            seen = survey.answer(Target("host", server.url, Policy(), timeout=2.0), questions.COMMS[0])
        finally:
            survey.close()
        assert server.peak <= 8
    assert isinstance(seen, ChannelAttempt)
    return seen


def upgrade(*frames: bytes, then: Callable[[socket.socket], Any] = hostile.silence) -> Any:
    """Return an answer that shakes hands, sends frames, and goes on."""

    def answer(request: hostile.Request) -> hostile.Reply:
        key = request.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324  RFC 6455

        def write(sock: socket.socket) -> None:
            sock.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"".join(frames)
            )
            then(sock)

        return hostile.Reply(stream=write)

    return answer


@pytest.mark.parametrize(
    ("frames", "channel"),
    [
        ((PONG,), Channel.OPEN),
        ((NEWS, NEWS, PONG), Channel.OPEN),
        ((FAIL, b"\x88\x02\x03\xe8"), Channel.REFUSED_INSIDE),
        ((b"\x81\x02[]", FAIL), Channel.REFUSED_INSIDE),
        ((b"\x81\x03no}", PONG), Channel.OPEN),
    ],
)
def test_a_pong_without_a_refusal_before_it_is_an_acceptance(frames: tuple[bytes, ...], channel: Channel) -> None:
    assert comms(upgrade(*frames)).channel is channel


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (upgrade(), Cause.TIMEOUT),
        (upgrade(then=lambda sock: hostile.drip(sock, b"\x81\x7d" + b"x" * 100)), Cause.TIMEOUT),
        (upgrade(b"\x88\x00"), Cause.CLOSED),
        (upgrade(then=hostile.close_orderly), Cause.CLOSED),
        (upgrade(b"\x81\x7f" + (1 << 40).to_bytes(8)), Cause.CLOSED),
        (hostile.hangs_after_handshake, Cause.TIMEOUT),
        (lambda request: hostile.Reply(101, {"Sec-WebSocket-Accept": "nonsense"}, b""), Cause.PROTOCOL),
        (lambda request: hostile.Reply(stream=lambda sock: sock.sendall(b"SSH-2.0-x\r\n")), Cause.PROTOCOL),
        (hostile.always(502), Cause.UNAVAILABLE),
    ],
    ids=["silent", "drips", "closes politely", "closes", "huge", "hangs", "no handshake", "ssh", "502"],
)
def test_what_is_neither_is_no_answer(answer: Any, cause: Cause) -> None:
    begun = time.monotonic()
    with pytest.raises(ProbeError) as caught:
        comms(answer)
    assert caught.value.cause is cause
    assert time.monotonic() - begun < 6


class Pair:
    """Stands for an open WebSocket: what comes is given, what is sent is dropped."""

    deadline = 0.0

    def __init__(self, data: bytes) -> None:
        self._data = data

    def recv_into(self, buffer: Any) -> int:  # Any: as socket has it
        piece, self._data = self._data[: len(buffer)], self._data[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def sendall(self, data: bytes) -> None:
        del data

    def until(self, deadline: float) -> None:
        self.deadline = deadline


def frame(first: int, payload: bytes, width: int, mask: bytes) -> bytes:
    """Return a frame, its length written in so many bytes beyond the first, masked where there is a mask."""
    size = {0: min(len(payload), 125), 2: 126, 8: 127}[width]
    length = bytes([size | (0x80 if mask else 0)]) + (len(payload).to_bytes(width) if width else b"")
    return bytes([first]) + length + mask + payload


FRAMES = st.builds(
    frame,
    st.integers(0, 255),
    st.one_of(st.binary(max_size=130), st.sampled_from([b"40", b'44{"message":"no"}', b"44/x,{}", b'{"auth":"fail"}'])),
    st.sampled_from([0, 2, 8]),
    st.sampled_from([b"", b"mask"]),
)


@given(
    st.one_of(
        st.lists(FRAMES, max_size=9).map(b"".join),
        st.binary(max_size=300),
        st.lists(st.sampled_from([PONG, FAIL, NEWS, b"\x81\x7f" + b"\xff" * 8])).map(b"".join),
    )
)
@example(b"\x81\x02" + b"[[")
def test_any_frames_are_an_outcome_or_a_closed_channel(frames: bytes) -> None:
    for talk in (subscribe, join):
        pair: Any = Pair(frames)
        with contextlib.suppress(ConnectionResetError):
            assert talk(Wire(pair, Stream(pair))) in Channel
    pair = Pair(frames)
    with contextlib.suppress(ConnectionResetError):
        assert join_namespace(Wire(pair, Stream(pair)), "/x").startswith(("40/x,", "44/x,"))


def test_silence_as_at_a_random_path_is_absence_and_is_asked_for_twice() -> None:
    def serve(request: hostile.Request) -> hostile.Reply | None:
        silent = "upgrade" in request.headers
        return hostile.hangs_after_handshake(request) if silent else hostile.FakeNodeRED()(request)

    begun = time.monotonic()
    with hostile.serving(serve) as server:
        survey = Survey()
        try:
            seen = survey.answer(Target("host", server.url, Policy(), timeout=2.0), questions.COMMS[0])
        finally:
            survey.close()
        assert len([line for line in server.requests if "/comms" in line]) == 2
    assert isinstance(seen, ChannelAttempt)
    assert seen.attempt.kind is Kind.ABSENT
    assert seen.evidence().endswith("answered nothing within the time limit, as at a random path")
    assert time.monotonic() - begun < 5.5


def let_go(sock: socket.socket) -> None:
    """Answer as a system does that has let go of a connection without a word, when it is asked whether it has it."""
    time.sleep(1.2)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST on close
    os.close(sock.detach())


@pytest.mark.parametrize("status", [429, 503])
def test_the_first_request_of_all_is_sent_again_where_a_limit_answered_it(status: int) -> None:
    def serve(request: hostile.Request) -> hostile.Reply | None:
        return (hostile.always(status) if request.number == 1 else hostile.basic_everything)(request)

    with hostile.serving(serve) as server:
        survey, target = Survey(), Target("host", server.url, Policy(admin_api="proxied"), timeout=5.0)
        survey.ask_ahead(target, questions.COMMS)
        [seen] = [survey.answer(target, ask) for ask in questions.COMMS]
        survey.close()
        assert server.requests[0].startswith("GET /comms ")
    assert "401" in seen.evidence()


@pytest.mark.parametrize("first", [True, False])
def test_what_is_dropped_is_refused_only_where_the_first_request_of_all_was_dropped_too(first: bool) -> None:
    policy = Policy(websockets=("/live",))

    def serve(request: hostile.Request) -> hostile.Reply | None:
        if "upgrade" in request.headers and (first or request.path != "/comms"):
            return hostile.Reply(stream=let_go)
        return hostile.FakeNodeRED()(request)

    asks = [*questions.COMMS, *questions.websockets(Target("host", "https://host.example", policy))]
    said: list[str] = []
    with hostile.serving(serve) as server:
        survey, target = Survey(), Target("host", server.url, policy, timeout=2.0)
        survey.ask_ahead(target, asks)
        for ask in asks:
            try:
                said.append(survey.answer(target, ask).evidence())
            except ProbeError as error:
                said.append(error.message)
        survey.close()
        assert server.requests[0].startswith("GET /comms ")
    dropped = "let go of the connection without a word" in said[1]
    assert dropped is not first
    assert ("answered nothing within the time limit, as at a random path" in said[1]) is first


def test_silence_after_the_handshake_is_no_absence() -> None:
    def serve(request: hostile.Request) -> hostile.Reply | None:
        if request.path == "/comms":
            return upgrade()(request)  # type: ignore[no-any-return]  # a reply
        silent = "upgrade" in request.headers
        return hostile.hangs_after_handshake(request) if silent else hostile.FakeNodeRED()(request)

    with pytest.raises(ProbeError) as caught:
        asked(serve)
    assert caught.value.cause is Cause.TIMEOUT


def test_a_websocket_that_nobody_takes_is_absent_where_a_random_path_gets_the_same() -> None:
    def serve(request: hostile.Request) -> hostile.Reply | None:
        if "upgrade" in request.headers:
            time.sleep(1)  # as engine.io does
            return None
        return hostile.FakeNodeRED()(request)

    seen = asked(serve)
    assert seen.attempt.kind is Kind.ABSENT
    assert seen.evidence() == "WebSocket /comms without credentials answered nothing, the connection was closed"


def test_a_websocket_that_is_closed_sooner_than_node_red_does_is_refused() -> None:
    def serve(request: hostile.Request) -> hostile.Reply | None:
        return None if "upgrade" in request.headers else hostile.FakeNodeRED()(request)

    seen = asked(serve)
    assert seen.attempt.kind is Kind.REFUSED
    assert seen.evidence().endswith(
        "answered nothing, the connection was closed: twice, while other requests are answered"
    )


@pytest.mark.parametrize("status", [400, 421, 451])
def test_where_every_path_gets_the_same_an_upgrade_that_gets_it_too_proves_nothing(status: int) -> None:
    def serve(request: hostile.Request) -> hostile.Reply | None:
        return hostile.Reply(status, {"Content-Type": "text/plain"}, b"not here")

    with pytest.raises(ProbeError, match="see reach-01"):
        asked(serve)


@pytest.mark.parametrize(("elsewhere", "kind"), [(426, Kind.REFUSED), (502, Kind.SERVED)])
def test_a_status_by_which_every_upgrade_is_turned_away_is_no_channel(elsewhere: int, kind: Kind) -> None:
    def serve(request: hostile.Request) -> hostile.Reply | None:
        if "upgrade" in request.headers:
            return hostile.Reply(426 if request.path == "/comms" else elsewhere, {"Content-Type": "text/plain"}, b"no")
        return hostile.FakeNodeRED()(request)

    seen = asked(serve)
    assert (seen.channel, seen.attempt.kind) == (Channel.NO_CHANNEL, kind)
    assert seen.evidence().endswith("as every upgrade here") == (kind is Kind.REFUSED)


@pytest.mark.parametrize("answer", ['40/hmi,{"sid":"x"}', '44/hmi,{"message":"no"}'])
def test_a_namespace_is_left_at_once(answer: str) -> None:
    class Said:
        def __init__(self) -> None:
            self.sent: list[bytes] = []
            self.left = [(2, b""), (1, b'0{"sid":"y"}'), (1, b"40/other,"), (1, answer.encode())]

        def send(self, opcode: int, payload: bytes) -> None:
            assert opcode == 1
            self.sent.append(payload)

        def receive(self) -> tuple[int, bytes]:
            return self.left.pop(0)

    wire = Said()
    assert join_namespace(cast("Wire", wire), "/hmi") == answer
    assert wire.sent == [b"40/hmi,", b"41/hmi,"][: 2 if answer.startswith("40") else 1]


@pytest.mark.parametrize(("size", "head"), [(125, b"\x81\xfd"), (126, b"\x81\xfe\x00\x7e"), (300, b"\x81\xfe\x01\x2c")])
def test_the_length_of_a_frame_is_written_as_its_size_needs(size: int, head: bytes) -> None:
    class Sink:
        said = b""

        def sendall(self, data: bytes) -> None:
            self.said += data

    sink = Sink()
    Wire(cast("Any", sink), cast("Any", None)).send(1, b"x" * size)
    assert sink.said.startswith(head)
    assert len(sink.said) == len(head) + 4 + size
