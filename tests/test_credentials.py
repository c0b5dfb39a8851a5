"""Credentials come from the environment or a command, and never show themselves."""

from __future__ import annotations

import re
import sys

import pytest

from pytest_nodered_sec import credentials, redaction
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Credentials


def printing(text: str, status: int = 0) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.stdout.write({text!r}); sys.exit({status})"]


def test_they_do_not_show_themselves() -> None:
    account = Credentials("operator", "hunter2-plant", "")
    assert repr(account) == "Credentials(username='operator')"
    assert redaction.scrub("it was hunter2-plant") == "it was [redacted]"


@pytest.mark.parametrize(
    ("variables", "trouble"),
    [
        ({"USERNAME": "u", "PASSWORD": "p"}, ""),
        ({"TOKEN": "t"}, ""),
        ({}, "P_USERNAME is not set; set P_USERNAME and P_PASSWORD, or P_TOKEN"),
        ({"USERNAME": "u"}, "P_PASSWORD is not set; set P_USERNAME and P_PASSWORD, or P_TOKEN"),
        ({"PASSWORD": "p"}, "P_USERNAME is not set; set P_USERNAME and P_PASSWORD, or P_TOKEN"),
        ({"USERNAME": "u", "TOKEN": "t"}, "P_TOKEN and P_USERNAME or _PASSWORD are set; set the one or the others"),
    ],
)
def test_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], trouble: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"P_{name}", value)
    assert credentials.missing("P") == trouble
    assert credentials.given("P") is bool(variables)
    if not trouble:
        known = credentials.from_environment("P")
        assert known.origin == ("the token in P_TOKEN" if "TOKEN" in variables else "the password in P_PASSWORD")
        assert known == Credentials(*(variables.get(variable, "") for variable in ("USERNAME", "PASSWORD", "TOKEN")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"username": "u", "password": "p-4711"}', Credentials("u", "p-4711")),
        ('{"token": "t"}\n', Credentials(token="t")),
    ],
)
def test_a_command(text: str, expected: Credentials) -> None:
    known = credentials.from_command(printing(text))
    assert known == expected
    assert re.fullmatch(r"what the command of credentials \(.+\) prints", known.origin)


@pytest.mark.parametrize("text", ["", "hunter2", '{"password": "hunter2"}', '{"token": 3}', '["hunter2"]'])
def test_a_command_that_says_something_else(text: str) -> None:
    with pytest.raises(ProbeError, match=r"the command of credentials .* must print") as caught:
        credentials.from_command(printing(text))
    assert "hunter2" not in str(caught.value)


def test_a_command_that_fails() -> None:
    with pytest.raises(ProbeError, match="ended with status 3"):
        credentials.from_command(printing("hunter2", 3))
    with pytest.raises(ProbeError, match="cannot be run: No such file or directory"):
        credentials.from_command(["/no/such/program"])


def test_a_command_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_COMMAND_LIMIT", 0.2)
    with pytest.raises(ProbeError, match="took over 0 s"):
        credentials.from_command([sys.executable, "-c", "import time; time.sleep(9)"])


def test_the_dashboards_account_may_be_a_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = "theme=dark; session=0123456789abcdef"
    monkeypatch.setenv("P_COOKIE", cookie)
    assert credentials.missing("P", dashboards=True) == ""
    known = credentials.from_environment("P", dashboards=True)
    assert known == Credentials(cookie=cookie)
    assert known.origin == "the cookie in P_COOKIE"
    assert credentials.missing("P").startswith("P_USERNAME is not set")
    assert credentials.from_environment("P").cookie == ""
    assert redaction.scrub("0123456789abcdef") == "[redacted]"
    said = printing('{"cookie": "a=b"}')
    assert credentials.from_command(said, dashboards=True).cookie == "a=b"
    with pytest.raises(ProbeError, match="must print"):
        credentials.from_command(said)
    monkeypatch.setenv("P_TOKEN", "t")
    assert credentials.missing("P", dashboards=True) == "P_COOKIE and another of its variables are set; set one"


TELL = "import json, os; print(json.dumps({'token': ' '.join(sorted(os.environ))}))"


def test_a_command_inherits_no_secret_of_another_target(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LINE_7_PASSWORD", "NODERED_PASSWORD", "HTTPS_PROXY", "SSL_CERT_FILE", "PYTHONPATH", "VAULT_TOKEN"):
        monkeypatch.setenv(name, "hunter2-of-line-7")
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("HOME", "/home/operator")

    def given(*variables: str) -> set[str]:
        return set(credentials.from_command([sys.executable, "-c", TELL], variables).token.split())

    assert {"PATH", "HOME", "LC_TIME"} <= given() <= {"LC_CTYPE", *credentials._PASSED_ON, "LC_TIME", "LC_ALL"}
    assert given("VAULT_TOKEN", "NOT_SET") - given() == {"VAULT_TOKEN"}


def test_a_command_that_fails_says_what_it_may_have_missed() -> None:
    with pytest.raises(ProbeError, match=r"status 3; if it needs .* environment = \["):
        credentials.from_command(printing("", 3))
    with pytest.raises(ProbeError, match="status 3; NOT_SET of its environment is not set"):
        credentials.from_command(printing("", 3), ["PATH", "NOT_SET"])
    with pytest.raises(ProbeError, match=r"status 3$"):
        credentials.from_command(printing("", 3), ["PATH"])
