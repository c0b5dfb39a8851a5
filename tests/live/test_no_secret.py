"""No secret in what a run leaves: planted wherever one can be configured or served, hunted wherever text comes out."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import hostile
import pytest
import trustme

from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

MARK = "k9Wq"  # in every secret, and nowhere else
PASSWORD = f"pass-{MARK}/+&<ä>"
OTHERS = f"{MARK}-of-the-second"
TOKEN = f"token-{MARK}-of-the-third"
KNOWN = f"known-{MARK}"
HEADER = f"key-{MARK}"
FROM_COMMAND = f"{MARK}-from-the-vault"
SERVED = f"served-{MARK}-9f8e7d6c5b4a"  # as a machine makes them: words that a target issues are not learnt
PRIVATE = f"/srv/{MARK}-line/settings.js"
COOKIE = f"cookie-{MARK}"

CONFTEST = f"""
from dataclasses import replace
from pytest_nodered_sec import HttpSettings

def pytest_nodered_targets(config, targets):
    pair = ("%(keys)s/cert.pem", "%(keys)s/key.pem")
    own = HttpSettings(headers={{"X-Api-Key": {HEADER!r}}}, client_certificate=pair)
    lost = HttpSettings(proxy="http://me:proxy-{MARK}@127.0.0.1:9")
    chosen = {{"first": own, "lost": lost}}
    return [replace(one, http=chosen.get(one.name, one.http)) for one in targets]
"""
OWN_TESTS = """
import logging
import pytest
from pytest_nodered_sec import Ask, Severity, control, questions

@control("site-01", severity=Severity.HIGH, asks=[questions.http("/api/orders")])
def test_that_fails(nodered_target, nodered_policy, nodered_seen):
    '''Fails with everything in its hands.'''
    account = nodered_target.credentials and nodered_target.credentials()
    password = account and (account.password or account.token)
    print("printed", password, nodered_target, repr(nodered_target), repr(nodered_policy))
    logging.getLogger("site").warning("logged %s", password)
    held = {"password": password, "list": [password, (password,)], "account": account}
    assert account is None and held is None, f"the message has {password}"

def test_that_breaks(nodered_target):
    account = nodered_target.credentials and nodered_target.credentials()
    text = f"{nodered_target!r} {account and account.password}"
    raise RuntimeError(text)

@pytest.fixture
def broken(nodered_target):
    account = nodered_target.credentials and nodered_target.credentials()
    raise ValueError(account and account.password)

def test_whose_setup_breaks(broken):
    pass
"""


@dataclass
class Gossip:
    """A Node-RED without any login that shows secrets in every answer."""

    fake: hostile.FakeNodeRED

    def __call__(self, request: hostile.Request) -> hostile.Reply:
        path = request.path.split("?")[0]
        headers = {
            "Set-Cookie": f"connect.sid={COOKIE}; Path=/",
            "X-Secret": SERVED,
            "Content-Type": "application/json; charset=utf-8",
        }
        if path == "/auth/token":
            body = {"access_token": SERVED, "expires_in": 604800, "token_type": "Bearer"}
            return hostile.Reply(200, headers, json.dumps(body).encode())
        if path == "/auth/login":
            body = {"type": "credentials", "prompts": [{"id": "username", "label": SERVED}]}
            return hostile.Reply(200, headers, json.dumps(body).encode())
        if path == "/flows/state":
            trace = f"<pre>Error: {SERVED}\n at {PRIVATE}:12:3</pre>".encode()
            return hostile.Reply(500, headers | {"Content-Type": "text/html"}, trace)
        if path in ("/ui", "/dashboard"):
            return hostile.Reply(302, headers | {"Location": f"https://sso.example/login?token={SERVED}#{SERVED}"})
        if path in ("/settings", "/flows", "/api/orders", "/settings.js", "/context/global", "/diagnostics"):
            body = {
                "httpNodeRoot": "/",
                "version": "4.0.0",
                "user": {"username": "me", "permissions": "*"},
                "settingsFile": PRIVATE,
                "credentialSecret": SERVED,
                "flowFile": PRIVATE,
                "nodes": [{"id": SERVED, "type": "http in", "url": "/api/orders", "method": "get", "name": SERVED}],
            }
            return hostile.Reply(200, headers, json.dumps(body).encode())
        reply = self.fake(request)
        told = (
            {"WWW-Authenticate": f'Bearer realm="Users", error_description="{SERVED}"'} if reply.status == 401 else {}
        )
        return hostile.Reply(reply.status, {**headers, **reply.headers, **told}, reply.body + SERVED.encode())


def target(name: str, url: str, **values: object) -> str:
    values = {"name": name, "url": url, "timeout": 3, "find_roots": None, **values}
    lines = (f"{key} = {toml(value)}" for key, value in values.items() if value is not None)
    return "\n".join(["[[target]]", *lines]) + "\n"


def forms() -> list[str]:
    """Return the secrets as they may turn up: plain, quoted, escaped, in a Basic header."""
    secrets = [PASSWORD, OTHERS, TOKEN, KNOWN, HEADER, FROM_COMMAND, SERVED, PRIVATE, COOKIE]
    pairs = [("first-user", PASSWORD), ("second-user", OTHERS), ("vault", FROM_COMMAND), ("admin", KNOWN)]
    basic = [base64.b64encode(f"{user}:{password}".encode()).decode() for user, password in pairs]
    return [
        MARK,
        *basic,
        *(quote(secret, safe="") for secret in secrets),
        *(json.dumps(secret)[1:-1] for secret in secrets),
    ]


def test_no_secret_in_any_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, run = tmp_path / "given", tmp_path / "run"
    given.mkdir()
    run.mkdir()
    keys = given / f"{MARK}-keys"
    keys.mkdir()
    leaf = trustme.CA().issue_cert("plant")
    leaf.cert_chain_pems[0].write_to_path(keys / "cert.pem")
    leaf.private_key_pem.write_to_path(keys / "key.pem")
    for name, value in {
        "FIRST_USERNAME": "first-user", "FIRST_PASSWORD": PASSWORD,
        "SECOND_USERNAME": "second-user", "SECOND_PASSWORD": OTHERS,
        "THIRD_TOKEN": TOKEN,
        "GITHUB_STEP_SUMMARY": str(run / "summary.md"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    said = json.dumps({"username": "vault", "password": FROM_COMMAND})
    command = [sys.executable, "-c", f"print({said!r})"]
    with hostile.serving(Gossip(hostile.FakeNodeRED())) as server, hostile.serving(hostile.FakeNodeRED()) as quiet:
        ca = str(hostile.default_ca().pem_path)
        policy = [
            f"known_credentials = [{{username = 'admin', password = {toml(KNOWN)}}}]\n",
            target("first", server.url, ca_file=ca, credentials={"env": "FIRST"}, websockets=["/ws/x"]),
            target("second", quiet.url, ca_file=ca, credentials={"env": "SECOND"}),
            target("third", quiet.url.replace("localhost", "127.0.0.1"), ca_file=ca, credentials={"env": "THIRD"}),
            target("vaulted", f"{quiet.url}/below", ca_file=ca, credentials={"command": command}),
            target("lost", f"https://lost.invalid:{quiet.port}", ca_file=ca, credentials={"env": "SECOND"}),
        ]
        (given / "nodered-sec.toml").write_text("".join(policy), encoding="utf-8")
        (given / "conftest.py").write_text(CONFTEST % {"keys": keys}, encoding="utf-8")
        (given / "test_own.py").write_text(OWN_TESTS, encoding="utf-8")
        options = "-vv -l --tb=long --showlocals -n 2 -ra -o junit_logging=all --log-file=run.log --log-level=DEBUG"
        reports = "--junitxml=own.xml --nodered-hdf=own.json --nodered-report=own.html --nodered-job-summary"
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", *options.split(), *reports.split(), "--nodered-evidence=evidence",
                f"--nodered-policy={given / 'nodered-sec.toml'}", f"--rootdir={run}", str(given / "test_own.py"),
                "nodered-sec",
            ],
            cwd=run, capture_output=True, timeout=300, check=False,
        )  # fmt: skip
    texts = {"terminal": done.stdout.decode(), "errors": done.stderr.decode()}
    for path in run.rglob("*"):
        if path.is_file():
            texts[str(path.relative_to(run))] = path.read_text(encoding="utf-8", errors="replace")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, texts["terminal"][-3000:] + texts["errors"]
    assert {"own.xml", "own.json", "own.html", "summary.md", "run.log", "evidence/observations.jsonl"} <= set(texts)
    assert "[redacted]" in texts["own.xml"], "secrets were on the way there"
    outcomes = {json.loads(line)["outcome"] for line in texts["evidence/results.jsonl"].splitlines()}
    assert {"compliant", "non-compliant", "could-not-look"} <= outcomes, "it was a run as any"
    for own in ("test_that_fails", "test_that_breaks", "test_whose_setup_breaks"):
        assert f"{own}[first" in texts["own.xml"]
    leaks = [
        f"{name}: …{text[max(0, at.start() - 150) : at.end() + 20]}"
        for name, text in texts.items()
        for form in forms()
        for at in re.finditer(re.escape(form), text)
    ]
    assert not leaks, "\n".join(leaks[:10])
    assert os.environ["FIRST_PASSWORD"] == PASSWORD


BREAKS = """
from pytest_nodered_sec.probes.transport import answers, http

def broken(got, path):
    held = {"headers": got.headers, "body": got.body.decode()}
    raise KeyError("a bug while looking")

answers._marks = broken
"""


def test_a_bug_in_a_look_shows_where_and_not_what_was_seen(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(BREAKS, encoding="utf-8")
    with hostile.serving(Gossip(hostile.FakeNodeRED())) as server:
        ca = hostile.default_ca().pem_path
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "-vv", "-l", "--tb=long", "-p", "no:randomly", "-ra",
                "--junitxml=own.xml",
                f"--nodered-url={server.url}", f"--nodered-ca-file={ca}", "--nodered-suite=only", "-k", "admin_api",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    said = done.stdout + done.stderr + (tmp_path / "own.xml").read_text(encoding="utf-8")
    assert len(said) < 5_000_000, "the traceback of one bug grew with every test that showed it"
    assert "could not look: KeyError, a bug" in said
    assert 'raise KeyError("a bug while looking")' in said
    assert MARK not in said
