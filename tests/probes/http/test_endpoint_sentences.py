"""What is said of a site's endpoint that is not asked."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.http.endpoint import attempt_endpoint


@pytest.mark.parametrize(
    ("method", "effect", "advice"),
    [
        ("GET", "acts", "Let the flow take POST instead, with no effect"),
        ("POST", "acts", 'Without effect = "acts" in protected_paths: then a body is sent'),
        ("GET", "unknown", 'declare {path = "/stop", method = "GET", effect = "none"} in protected_paths'),
    ],
)
def test_what_is_not_asked_says_what_would_let_it_be_asked(method: str, effect: str, advice: str) -> None:
    nothing: Any = None  # neither look nor landmarks are used
    with pytest.raises(ProbeError) as caught:
        attempt_endpoint(nothing, nothing, nothing, method, "/stop", effect)
    assert advice in str(caught.value)
    assert "then waive" not in str(caught.value)
    assert caught.value.cause is Cause.NOT_ASKED
