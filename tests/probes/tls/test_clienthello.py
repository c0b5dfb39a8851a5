"""ClientHellos as they are written, and every answer, real or made up, as it is read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_nodered_sec.data.suites import suite_table
from pytest_nodered_sec.probes.tls import clienthello
from pytest_nodered_sec.probes.tls.clienthello import (
    KeyExchange,
    Malformed,
    Said,
    ServerHello,
    Version,
    client_hello,
    read,
)

RANDOM = bytes(range(32))
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()
QUICK = settings(max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


# --- answers, made up --------------------------------------------------------------------------------------------


def vector(width: int, content: bytes) -> bytes:
    return len(content).to_bytes(width) + content


def record(payload: bytes, kind: int = 22) -> bytes:
    return bytes((kind, 3, 3)) + vector(2, payload)


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + vector(3, body)


def server_hello(
    suite: int, *, version: int = 0x0303, extensions: bytes | None = None, random: bytes = RANDOM
) -> bytes:
    body = version.to_bytes(2) + random + vector(1, bytes(32)) + suite.to_bytes(2) + b"\x00"
    return message(2, body + (vector(2, extensions) if extensions is not None else b""))


def extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2) + vector(2, content)


TLS13 = extension(43, b"\x03\x04")
CERTIFICATE = message(11, vector(3, b"certificates"))
CURVE = message(12, b"\x03\x00\x17" + vector(1, bytes(65)) + b"signature")
DONE = message(14, b"")


def field(bits: int, hint: bytes = b"") -> bytes:
    prime = (1 << (bits - 1)).to_bytes((bits + 7) // 8)
    return message(12, hint + vector(2, prime) + vector(2, b"\x02") + vector(2, prime) + b"signature")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (record(server_hello(0x009C)), Said(ServerHello(0x0303, 0x009C), complete=True)),  # nothing more to be shown
        (record(server_hello(0x0005, version=0x0300)), Said(ServerHello(0x0300, 0x0005), complete=True)),
        (record(server_hello(0xC02F)), Said(ServerHello(0x0303, 0xC02F))),
        (
            record(server_hello(0x009C, extensions=extension(0xFF01, b"\0"))),
            Said(ServerHello(0x0303, 0x009C, secure_renegotiation=True), complete=True),
        ),
        (
            record(server_hello(0xC02F) + CERTIFICATE + CURVE),
            Said(ServerHello(0x0303, 0xC02F), KeyExchange(group=0x17), complete=True),
        ),
        (
            record(server_hello(0xC018) + message(12, b"\x01explicit")),
            Said(ServerHello(0x0303, 0xC018), KeyExchange(group=0), complete=True),
        ),
        (
            record(server_hello(0x009E)) + record(CERTIFICATE) + record(field(1024)) + record(DONE),
            Said(ServerHello(0x0303, 0x009E), KeyExchange(bits=1024), complete=True),
        ),
        (
            record(server_hello(0x00AA) + field(2048, vector(2, b"hint"))),
            Said(ServerHello(0x0303, 0x00AA), KeyExchange(bits=2048), complete=True),
        ),
        (record(server_hello(0x009E) + DONE), Said(ServerHello(0x0303, 0x009E), complete=True)),
        (
            record(server_hello(0x1301, extensions=TLS13 + extension(51, b"\x00\x1d"), random=RETRY)),
            Said(ServerHello(0x0304, 0x1301, 0x001D), complete=True),
        ),
        (
            record(server_hello(0x1301, extensions=extension(51, b"\x00\x17" + vector(2, b"share")) + TLS13))
            + record(b"\x01", 20),
            Said(ServerHello(0x0304, 0x1301, 0x0017), complete=True),
        ),
        (record(b"\x02\x28", 21), Said(alert=40, complete=True)),
        (record(b"\x01\x00", 21), Said(alert=0, complete=True)),
        (record(b"\x01\x70", 21) + record(server_hello(0x009C)), Said(ServerHello(0x0303, 0x009C), complete=True)),
        (record(message(0, b"")) * 3, Said()),
        (record(server_hello(0xC02F)) + record(b"\x02\x50", 21), Said(ServerHello(0x0303, 0xC02F), None, 80, True)),
        (b"", Said()),
        (b"\x16", Said()),
    ],
)
def test_what_was_said_is_read(answer: bytes, said: Said) -> None:
    assert read(answer) == said


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "no TLS record"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "no TLS record"),
        (b"\x16\x02", "no TLS record"),
        (record(b"\x00", 23), "no TLS record"),
        (b"\x16\x03\x03\x00\x00", "a TLS record of 0 bytes"),
        (b"\x16\x03\x03\xff\xff", "a TLS record of 65535 bytes"),
        (record(b"ABCD"), "a handshake message of type 65"),
        (record(b"\x02\xff\xff\xff"), "a handshake message of type 2, 16777215 bytes"),
        (record(message(11, b"certificates")), "a handshake message of type 11"),
        (record(message(2, b"\x03\x03")), "a ServerHello that is too short"),
        (record(server_hello(0x009C, extensions=b"\x00")), "a ServerHello that is too short"),
        (record(server_hello(0xC02F) + message(12, b"\x03")), "a ServerKeyExchange that is too short"),
        (record(server_hello(0x1301, random=RETRY)), "a HelloRetryRequest of a version that has none"),
        (record(message(0, b"") * 2000) * 9, "65536 bytes and no ServerHello"),
    ],
)
def test_what_is_no_answer_is_named(answer: bytes, what: str) -> None:
    with pytest.raises(Malformed, match=what):
        read(answer)


def test_an_answer_is_read_piece_by_piece() -> None:
    answer = record(server_hello(0xC02F) + CERTIFICATE[:7]) + record(CERTIFICATE[7:] + CURVE)
    states = [read(answer[:length]) for length in range(len(answer) + 1)]
    whole = [state.complete for state in states].index(True)
    assert states[whole] == states[-1]
    assert not any(state.exchange for state in states[:whole])
    assert [state.hello is not None for state in states] == sorted(state.hello is not None for state in states)


def test_a_long_chain_is_not_read_to_its_end() -> None:
    answer = (
        record(server_hello(0xC02F)) + record(bytes((11, 0xFF, 0xFF, 0xFF)) + bytes(16000)) + record(bytes(16000)) * 9
    )
    assert read(answer) == Said(ServerHello(0x0303, 0xC02F), complete=True)


# --- fuzz --------------------------------------------------------------------------------------------------------


records = st.builds(
    lambda kind, payload, cut: (bytes((kind, 3, 3)) + vector(2, payload))[: len(payload) + 5 - cut],
    st.sampled_from([20, 21, 22, 22, 22, 22, 23, 128]),
    st.one_of(
        st.binary(max_size=64),
        st.builds(message, st.sampled_from([0, 2, 11, 12, 14, 22]), st.binary(max_size=200)),
        st.builds(
            server_hello,
            st.sampled_from([*suite_table().suites, 0x50]),
            version=st.sampled_from([*Version, 0x0305, 0x7F1C]),
            extensions=st.one_of(
                st.none(),
                st.binary(max_size=20),
                st.lists(st.builds(extension, st.sampled_from([0, 43, 51]), st.binary(max_size=6))).map(b"".join),
            ),
            random=st.sampled_from([RANDOM, RETRY]),
        ),
    ),
    st.sampled_from([0, 0, 0, 1, 5]),
)


@QUICK
@given(st.one_of(st.binary(max_size=300), st.lists(records, max_size=8).map(b"".join)))
def test_nothing_but_our_own_error_is_raised(answer: bytes) -> None:
    said = None
    with contextlib.suppress(Malformed):
        said = read(answer)
    assert said is None or said.hello is None or 0 <= said.hello.suite <= 0xFFFF
    assert said is None or said.complete or said.alert is None


@QUICK
@given(st.lists(records, max_size=6).map(b"".join), st.one_of(st.just(b"HTTP/1.1"), st.binary(max_size=40)))
def test_what_is_complete_stays_as_it_is(answer: bytes, more: bytes) -> None:
    try:
        said = read(answer)
    except Malformed:
        with pytest.raises(Malformed):
            read(answer + more)
        return
    if said.complete:
        assert read(answer + more) == said


@QUICK
@given(st.binary(max_size=64))
def test_no_more_is_read_than_the_limit(end: bytes) -> None:
    start = record(server_hello(0xC02F)) + record(b"\x0b\xff\xff\xff")
    filled = (start + record(bytes(16000)) * 5)[: clienthello.LIMIT]
    assert read(filled + end) == read(filled) == Said(ServerHello(0x0303, 0xC02F), complete=True)


@QUICK
@given(
    st.sampled_from(list(Version)),
    st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=450),
    st.lists(st.integers(0, 0xFFFF), max_size=60),
    st.binary(max_size=255),
)
def test_every_offer_can_be_written(version: Version, suites: list[int], groups: list[int], name: bytes) -> None:
    written = client_hello(version, suites, groups, name, RANDOM)
    assert written[:1] == b"\x16"
    assert int.from_bytes(written[3:5]) == len(written) - 5 <= 16384
    assert int.from_bytes(written[6:9]) == len(written) - 9
    suites = [*suites, 0x00FF] if version == Version.SSLV3 else suites
    sent = len(suites) * 2
    start = 44 + (32 if version == Version.TLSV1_3 else 0)
    assert written[start : start + 2 + sent] == vector(2, b"".join(suite.to_bytes(2) for suite in suites))


# --- real answers ------------------------------------------------------------------------------------------------


def openssl_answers(offer: bytes, context: ssl.SSLContext) -> tuple[bytes, str | None]:
    """Return what OpenSSL answers, and the name that it was asked for."""
    names: list[str | None] = []
    context.sni_callback = lambda _object, name, _context: names.append(name)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(offer)
    with pytest.raises(ssl.SSLError):  # it wants more, or turns us away
        server.do_handshake()
    return outgoing.read(), names[0] if names else None


@pytest.mark.parametrize("version", [version for version in Version if version > Version.TLSV1_1])
def test_openssl_understands_what_is_written(version: Version) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("aNULL:@SECLEVEL=0")  # needs no certificate
    suites = [0x1301, 0x1303] if version == Version.TLSV1_3 else [0xC018, 0xC019]
    offer = client_hello(version, suites, [0x1D, 0x17], b"nodered.test", os.urandom(32))
    answer, name = openssl_answers(offer, context)
    said = read(answer)
    assert name == "nodered.test"
    assert said.hello is None or (said.hello.version, said.hello.suite in suites) == (version, True)
    assert said.complete
    refused = client_hello(version, suites, [0x1D, 0x17], b"", os.urandom(32)).replace(
        b"\xc0\x18\xc0\x19", b"\0\x9c\0\x9d"
    )
    if version == Version.TLSV1_2:
        assert said.exchange == KeyExchange(group=0x1D)
        assert read(openssl_answers(refused, context)[0]) == Said(alert=40, complete=True)
