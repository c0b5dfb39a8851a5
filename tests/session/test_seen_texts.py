"""Which letters of a secret stay in the texts of an observation that is kept: those of what the site has declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import redaction
from pytest_nodered_sec.learnt import INSTEAD, Runs
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.session.told import _clean

if TYPE_CHECKING:
    from collections.abc import Sequence


def clean(host: str, secrets: Sequence[str], text: str, args: tuple[str, ...] = ()) -> str:
    for secret in secrets:
        redaction.learn(secret)
    policy = Policy(
        websockets=("/ws/line",), protected_paths=(Endpoint("/api/line"),), login_urls=("https://sso.line.example/in",)
    )
    target = Target("line-7", f"https://{host}", policy, admin_root="/admin", node_root="/nr/")
    return _clean(target, Ask("stub", args, "label"), text, "where")


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_runs", Runs(lambda: lambda: None))


@pytest.mark.parametrize(
    ("host", "secret", "args"),
    [("hmi", "hmi2026", ()), ("plant", "plant1", ()), ("a.example", "my/ui7", ("/ui",)), ("hmi", "x-hmi", ())],
)
def test_a_secret_that_holds_what_is_declared_goes(host: str, secret: str, args: tuple[str, ...]) -> None:
    for text in (secret, f"said {secret}", f"https://{host}/{secret}", f"https://{secret}/admin", f"/ui{secret}"):
        assert secret not in clean(host, [secret], text, args)


@pytest.mark.parametrize(
    "text",
    [
        *("https://plant.example/admin/settings", "https://plant.example:1880/x", "plant.example", "/nr/orders"),
        *("to https://plant.example/ui/ and no further", "plant.example, at 1.2.3.4"),
        *("/ws/line", "https://plant.example/api/line", "https://sso.line.example/in?to=x"),
    ],
)
def test_what_is_declared_keeps_the_letters_of_a_secret(text: str) -> None:
    assert (
        clean("plant.example", ["line", "sso", "plant", "admin", "example", "1880", "nr", "ui"], text, ("/ui/",))
        == text
    )


def test_a_word_that_is_a_host_goes_where_it_is_none() -> None:
    assert clean("plant", ["plant"], "https://plant/x of plants") == f"https://plant/x of {INSTEAD}s"


def test_of_two_secrets_that_overlap_the_one_that_is_not_declared_goes() -> None:
    assert clean("x", ["/a/bc", "bc/2026!"], "at /a/bc/2026!", ("/a/bc",)) == f"at /a/{INSTEAD}"
