"""Whether a target is served without TLS, and the usual suites, by which TLS is recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.tls.asker import Asker
from pytest_nodered_sec.probes.tls.clienthello import Version

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.transport.look import Look

USUAL: Final = (  # of which every server has one, unless it has none at all
    *(0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028),
    *(0x009C, 0x009D, 0x009E, 0x009F, 0x002F, 0x0035, 0x003C, 0x003D, 0x0033, 0x0039, 0x0067, 0x006B, 0x000A, 0x0016),
    *(0x0004, 0x0005, 0xC007, 0xC011, 0xC008, 0xC012, 0x0041, 0x0084, 0x0045, 0x0088, 0x0096, 0x009A, 0x0009, 0x0015),
    *(0x0001, 0x0002, 0x003B, 0x0018, 0x001B, 0x0034, 0x003A, 0xC018, 0xC019, 0x0003, 0x0006, 0x0008, 0x0014, 0x0017),
)


def is_in_clear(look: Look) -> bool:
    """Whether a target is served without TLS, as its URL says; where that says http, one ClientHello shows it.

    Raises:
        ProbeError: the URL says http, and TLS answers: nothing can be said of either.
    """
    if not look.target.tls and look.shared("TLS in clear", lambda: _answers_tls(look)):
        https = look.target.origin.replace("http:", "https:", 1)
        raise ProbeError(f"{look.target.url} is a port for HTTPS: use `--nodered-url={https}`", Cause.PROTOCOL)
    return not look.target.tls


def _answers_tls(look: Look) -> bool:
    try:
        reply = Asker(look).ask(Version.TLSV1_2, USUAL)
    except ProbeError:  # such as what answers HTTP
        return False
    return reply.hello is not None or reply.alert is not None
