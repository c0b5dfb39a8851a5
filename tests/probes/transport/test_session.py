"""The session for a site's own requests: what a user of requests expects of it, and what goes over the wire."""

from __future__ import annotations

import contextlib
import hashlib
import io
import ssl
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hostile
import pytest
from hostile import Reply, Request, json_reply, page, serving

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import HttpSettings, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.http import USER_AGENT
from pytest_nodered_sec.probes.transport.session import BODY_LIMIT, TargetSession
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests
    from hostile import Behaviour, Hostile

PLACES = 8  # connections to one target


@contextlib.contextmanager
def bound(behaviour: Behaviour, *, below: str = "", **how: Any) -> Iterator[tuple[TargetSession, Hostile]]:
    """Serve a behaviour; yield a session bound to it, and the server.

    Args:
        behaviour: of the server.
        below: path of the target's URL.
        how: fields of the target.
    """
    with serving(behaviour) as server:
        survey = Survey()
        try:
            target = Target("plant", server.url + below, Policy(), ca_file=str(hostile.default_ca().pem_path))
            yield TargetSession(survey.station(replace(target, **{"timeout": 5.0, **how}))), server
        finally:
            survey.close()


def echo(request: Request) -> Reply:
    """Answer with what was asked."""
    asked = {"method": request.method, "path": request.path, "headers": dict(request.headers)}
    return json_reply({**asked, "body": request.body.decode("latin-1")})


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/api/orders", "/api/orders"),
        ("api/orders", "/api/orders"),
        ("?page=2", "/?page=2"),
        ("/a%2Fb/..%2F?q=ö", "/a%2Fb/..%2F?q=%C3%B6"),
        ("//other.example/x", "//other.example/x"),
        ("", "/"),
    ],
)
def test_a_url_is_relative_to_the_targets(url: str, path: str) -> None:
    with bound(echo) as (session, _):
        assert session.get(url).json()["path"] == path
    with bound(echo, below="/line-7") as (session, _):
        assert session.get(url).json()["path"] == f"/line-7{path}"


def test_a_whole_url_of_the_target_is_asked_and_of_others_none() -> None:
    with bound(echo) as (session, server):
        assert session.get(f"{server.url}/x").json()["path"] == "/x"
        for other in (
            "https://other.example/",
            f"http://localhost:{server.port}/",
            "https://localhost:1/",
            "data:,x",
        ):
            with pytest.raises(ProbeError, match="sends requests to") as caught:
                session.get(other)
            assert caught.value.cause is Cause.NOT_ASKED
        assert repr(session) == f"<requests.Session at {server.url}>"


def test_what_is_sent_is_what_was_said() -> None:
    with bound(echo) as (session, server):
        sent = session.get("/").json()["headers"]
        assert sent["user-agent"] == USER_AGENT
        assert sent["host"] == f"localhost:{server.port}"
        assert not {"authorization", "cookie"} & set(sent)
        changed = session.get("/", headers={"Host": "other.example", "Accept": "text/html", "X-B": b"\xe4"})
        assert {name: changed.json()["headers"][name] for name in ("host", "accept")} == {
            "host": "other.example",
            "accept": "text/html",
        }
        assert session.get("/", params={"a": "1 2"}).json()["path"] == "/?a=1+2"


@pytest.mark.parametrize(
    ("how", "body"),
    [
        ({"json": {"a": 1}}, '{"a": 1}'),
        ({"data": {"a": "ä"}}, "a=%C3%A4"),
        ({"data": "text"}, "text"),
        ({"data": io.BytesIO(b"of a file")}, "of a file"),
        ({"data": (piece for piece in (b"in ", b"pieces"))}, "in pieces"),
    ],
)
def test_a_body_arrives(how: dict[str, Any], body: str) -> None:
    with bound(echo) as (session, _):
        got = session.post("/", **how).json()
        assert got["method"] == "POST"
        assert got["body"] == body
        assert got["headers"]["content-length"] == str(len(body))
        assert "transfer-encoding" not in got["headers"]


def test_cookies_are_kept_as_in_any_session() -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/login":
            return Reply(302, {"Location": "/home", "Set-Cookie": "sid=0123456789abcdef; Secure; HttpOnly"})
        return echo(request)

    with bound(answer) as (session, _):
        home = session.get("/login")
        assert [response.status_code for response in home.history] == [302]
        assert home.history[0].cookies.get_dict() == {"sid": "0123456789abcdef"}
        assert home.json()["headers"]["cookie"] == "sid=0123456789abcdef"
        assert session.get("/next").json()["headers"]["cookie"] == "sid=0123456789abcdef"


@pytest.mark.parametrize("location", ["https://sso.example/", "//sso.example/", "https://localhost:99999/", "http://["])
def test_a_redirect_off_the_origin_is_returned(location: str) -> None:
    def answer(request: Request) -> Reply:
        return Reply(302, {"Location": location}) if request.path == "/out" else echo(request)

    with bound(answer) as (session, server):
        got = session.get("/out")
        assert (got.status_code, got.headers["location"], got.history) == (302, location, [])
        assert [line.split()[1] for line in server.requests] == ["/out"]


def test_a_long_body_is_read_whole_and_a_longer_one_never_looks_whole() -> None:
    def answer(request: Request) -> Reply:
        return page("x" * (BODY_LIMIT + (request.path == "/more")))

    with bound(answer, timeout=30.0) as (session, _):
        assert len(session.get("/").content) == BODY_LIMIT
        long = session.get("/more")
        assert long.status_code == 200
        with pytest.raises(ProbeError, match="GET /more answered more than 8 MiB"):
            assert "secret" not in long.text


@pytest.mark.parametrize("behaviour", [hostile.hangs_after_handshake, hostile.drips])
def test_one_time_limit_is_for_the_whole_exchange(behaviour: Behaviour) -> None:
    with bound(behaviour, timeout=1.0) as (session, _):
        begun = time.monotonic()
        with pytest.raises(ProbeError, match="no complete answer within the time limit"):
            session.get("/", timeout=60)
        assert time.monotonic() - begun < 3


def test_it_counts_among_the_eight_connections() -> None:
    def slowly(request: Request) -> Reply:
        hostile.pause(0.2)
        return echo(request)

    with bound(slowly, timeout=20.0) as (session, server):
        answers: list[requests.Response] = []
        threads = [threading.Thread(target=lambda: answers.append(session.get("/"))) for _ in range(3 * PLACES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [response.status_code for response in answers] == [200] * 3 * PLACES
        assert server.peak <= PLACES


def test_it_goes_the_targets_way() -> None:
    """Another address under the same name, and the site's own headers."""
    with serving(echo) as server:
        survey = Survey()
        try:
            target = Target(
                "plant",
                "https://localhost",
                Policy(),
                ca_file=str(hostile.default_ca().pem_path),
                connect=f"127.0.0.1:{server.port}",
                http=HttpSettings(headers={"X-Plant-Token": "hunter2-header"}),
            )
            session = TargetSession(survey.station(target))
            assert session.get("https://localhost:443/").status_code == 200
            with pytest.raises(ProbeError, match="sends requests to"):
                session.get("https://localhost.example/")
            got = session.get("/").json()["headers"]
        finally:
            survey.close()
    assert got["host"] == "localhost"
    assert got["x-plant-token"] == "hunter2-header"


@pytest.mark.parametrize("right", [True, False])
def test_a_pinned_certificate_is_enough_and_another_too_little(right: bool) -> None:
    with serving(echo) as server:
        leaf = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("localhost", server.port)))
        pinned = Policy(certificate=hashlib.sha256(leaf).hexdigest() if right else "ab" * 32)
        survey = Survey()
        try:
            session = TargetSession(survey.station(Target("pinned", server.url, pinned)))
            if right:
                assert session.get("/").status_code == 200
            else:
                with pytest.raises(ProbeError, match="is not the pinned one"):
                    session.get("/")
        finally:
            survey.close()


def test_what_it_sends_and_gets_as_a_secret_is_shown_nowhere() -> None:
    def answer(request: Request) -> Reply:
        return Reply(200, {"Set-Cookie": "sid=s3ss10n5-of-the-operator; Path=/, lang=en"})

    ended = redaction.begin()
    try:
        with bound(answer) as (session, _):
            got = session.get("/", auth=("operator", "hunter2-plant"))
        shown = f"{got.request.headers} {got.headers} {session.cookies} en"
        assert "s3ss10n5-of-the-operator" in shown
        scrubbed = redaction.scrub(shown)
        assert "s3ss10n5-of-the-operator" not in scrubbed
        assert str(got.request.headers["Authorization"]).partition(" ")[2].rstrip("=") not in scrubbed
        assert scrubbed.endswith(" en")
    finally:
        ended()
