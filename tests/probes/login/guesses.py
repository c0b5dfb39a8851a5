"""A server of known passwords, and asking whether they open it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import hostile

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Credentials, Observation, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pytest_nodered_sec.model import Ask


class NodeRED:
    """The look of a Node-RED with accounts: it counts and locks out, and knows which sessions are open."""

    def __init__(self, *accounts: tuple[str, str]) -> None:
        self.accounts = set(accounts)
        self.attempts: Counter[str] = Counter()
        self.sessions: set[str] = set()
        self.begun = 0
        self.replies: dict[str, Callable[[hostile.Request], hostile.Reply | None]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: hostile.Request) -> hostile.Reply | None:
        if request.path in self.replies:
            return self.replies[request.path](request)
        return self.answer(request)

    def answer(self, request: hostile.Request) -> hostile.Reply | None:
        with self._lock:
            if request.path == "/auth/token" and request.method == "POST":
                return self.log_in(parse_qs(request.body.decode()))
            if request.path == "/auth/revoke":
                self.sessions.discard(json.loads(request.body)["token"])
                return hostile.Reply(200)
        return hostile.FakeNodeRED()(request)

    def log_in(self, form: dict[str, list[str]]) -> hostile.Reply:
        username, password = form["username"][0], form["password"][0]
        self.attempts[username] += 1
        if self.attempts[username] > 5:
            return hostile.page("<pre>Error: Too many login attempts. Wait 10 minutes and try again</pre>", 500)
        if (username, password) not in self.accounts and ("*", "*") not in self.accounts:
            return hostile.WRONG_PASSWORD
        self.begun += 1
        self.sessions.add(f"token-{self.begun}-of-a-s3ss10n5")
        return hostile.json_reply({"access_token": f"token-{self.begun}-of-a-s3ss10n5", "expires_in": 604800})


def target_of(server: hostile.Hostile, **demands: Any) -> Target:
    name = demands.pop("name", "plant")
    own: Credentials | None = demands.pop("own", None)
    credentials = (lambda: own) if own else None
    url = demands.pop("url", server.url)
    ca_file = demands.pop("ca_file", str(hostile.default_ca().pem_path))
    return Target(name, url, Policy(**demands), ca_file=ca_file, timeout=2.0, credentials=credentials)


def ask(target: Target, folder: Path, asks: Iterable[Ask] = questions.LOGIN_GUESSES) -> list[Observation | ProbeError]:
    survey = Survey(folder)
    seen: list[Observation | ProbeError] = []
    try:
        survey.ask_ahead(target, asks)
        for question in asks:
            try:
                seen.append(survey.answer(target, question))
            except ProbeError as error:
                seen.append(error)
    finally:
        survey.close()
    return seen
