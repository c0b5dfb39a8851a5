"""Who answered: fingerprints, addresses and clock, of a real TLS server on loopback."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from certlab import issue
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tlslab import serving_tls

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.identity import key_fingerprint
from pytest_nodered_sec.probes.transport.answers import clock_offset
from pytest_nodered_sec.probes.transport.http import Exchange
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2030, 1, 1, 12, 0, 0, 600_000, tzinfo=UTC)


def dated(text: str) -> Exchange:
    return Exchange(200, {"date": text}, b"")


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Tue, 01 Jan 2030 12:00:00 GMT", 0),
        ("Tue, 01 Jan 2030 12:00:30 GMT", 30),
        ("Tue, 01 Jan 2030 11:00:00 GMT", -3600),
        ("Tue, 01 Jan 2030 12:00:00 -0000", 0),  # no zone said
        ("Tuesday, 01-Jan-30 12:00:30 GMT", 30),  # as RFC 850 wrote it
        ("soon", None),
        ("", None),
        ("Tue, 99 Jan 2030 12:00:00 GMT", None),
        ("Tue, 01 Jan 99999999999999999999 12:00:00 GMT", None),
    ],
)
def test_the_clock_by_an_answers_date(date: str, seconds: int | None) -> None:
    assert clock_offset(dated(date), NOW) == seconds
    assert clock_offset(Exchange(200, {}, b""), NOW) is None


def test_our_own_clock_is_right_about_itself() -> None:
    now = datetime.now(UTC)
    assert clock_offset(dated(format_datetime(now, usegmt=True)), now) in (0, 1)
    assert clock_offset(dated(format_datetime(now + timedelta(seconds=90), usegmt=True)), now) in (90, 91)


def test_what_cannot_be_read_has_no_fingerprint() -> None:
    assert key_fingerprint(b"not a certificate") == ""


def test_who_answered(tmp_path: Path) -> None:
    leaf = issue("localhost", dns=["localhost"])
    with serving_tls(tmp_path, [leaf]) as server:
        station = Station(Target("x", f"https://localhost:{server.port}", Policy(), timeout=5))
        before = station.identity()
        station.arrive(time.monotonic() + 5)
        Look(station).open().close()
        station.close()
    assert before == {
        "addresses": [], "dialled": "", "source": "", "leaf_sha256": "", "key_sha256": "", "clock_offset": None,
        "server": "",
    }  # fmt: skip
    key = leaf.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    der = leaf.certificate.public_bytes(Encoding.DER)
    identity = station.identity()
    assert "127.0.0.1" in identity.pop("addresses")
    assert identity == {
        "dialled": "127.0.0.1",
        "source": "127.0.0.1",
        "leaf_sha256": hashlib.sha256(der).hexdigest(),
        "key_sha256": hashlib.sha256(key).hexdigest(),
        "clock_offset": None,  # no HTTP was spoken
        "server": "",
    }
