"""Servers that do on demand what no real server does: stall, babble, lie, limit, change, disappear.

What belongs in here: small threaded servers on real sockets, made of the standard library and
trustme alone, that know nothing about the plugin under test. What a real Node-RED or a real
reverse proxy can be made to do belongs in the lab instead. `serving` starts a behaviour::

    with serving(turns_after(FakeNodeRED(), 5, hangs), ca=ca) as server:
        requests.get(server.url, verify=str(ca.pem_path))
"""

from hostile.behaviours import (
    always,
    basic_everything,
    black_hole,
    catch_all_exact,
    catch_all_login,
    catch_all_page,
    challenge_everything,
    changes_certificate_after,
    closed_port,
    closes_at_once,
    closes_without_answer,
    drips,
    drips_raw,
    endless_body,
    endless_body_without_length,
    everything_404,
    gzip_of_zeros,
    hangs,
    hangs_after_handshake,
    hello_requests,
    plain_http,
    rate_limited,
    redirect_loop,
    resets,
    ssh_banner,
    tls_garbage,
    token_bucket,
    turns_after,
)
from hostile.certificates import CA, default_ca
from hostile.connections import THREAD_PREFIX, close_orderly, drip, pause, silence
from hostile.messages import Behaviour, Handler, Raw, Reply, Request, json_reply, page, send
from hostile.nodered import WRONG_PASSWORD, FakeNodeRED
from hostile.server import Hostile, serving

__all__ = [
    "CA",
    "THREAD_PREFIX",
    "WRONG_PASSWORD",
    "Behaviour",
    "FakeNodeRED",
    "Handler",
    "Hostile",
    "Raw",
    "Reply",
    "Request",
    "always",
    "basic_everything",
    "black_hole",
    "catch_all_exact",
    "catch_all_login",
    "catch_all_page",
    "challenge_everything",
    "changes_certificate_after",
    "close_orderly",
    "closed_port",
    "closes_at_once",
    "closes_without_answer",
    "default_ca",
    "drip",
    "drips",
    "drips_raw",
    "endless_body",
    "endless_body_without_length",
    "everything_404",
    "gzip_of_zeros",
    "hangs",
    "hangs_after_handshake",
    "hello_requests",
    "json_reply",
    "page",
    "pause",
    "plain_http",
    "rate_limited",
    "redirect_loop",
    "resets",
    "send",
    "serving",
    "silence",
    "ssh_banner",
    "tls_garbage",
    "token_bucket",
    "turns_after",
]
