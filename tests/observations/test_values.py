"""Targets and errors as values: URLs and roots, frozen, across processes."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
from seen import target

from pytest_nodered_sec.errors import Cause, NonCompliant, ProbeError
from pytest_nodered_sec.verdict import Violation

# --- Target


def test_a_target_on_default_ports() -> None:
    plant = target()
    assert (plant.tls, plant.hostname, plant.port, str(plant)) == (True, "plant.example", 443, "plant")


def test_a_target_in_clear() -> None:
    plant = target("http://[2001:DB8::1]")
    assert (plant.tls, plant.hostname, plant.port) == (False, "2001:db8::1", 80)


def test_a_url_with_a_path_prefixes_all_roots() -> None:
    plant = replace(target("https://plant.example:8443/line7"), admin_root="/admin", node_root="/nr/")
    assert plant.port == 8443
    assert plant.admin("/settings") == "/line7/admin/settings"
    assert plant.node("/ui") == "/line7/nr/ui"


def test_roots_at_the_top_add_nothing() -> None:
    assert target().admin("/settings") == "/settings"


def test_a_path_is_sent_as_utf_8_and_otherwise_as_written() -> None:
    assert target().node("/größe/a b?x=%2F^") == "/gr%C3%B6%C3%9Fe/a%20b?x=%2F^"
    plant = replace(target("https://plant.example/halle-ü"), node_root="/né")
    assert plant.node("/..%2f/x") == "/halle-%C3%BC/n%C3%A9/..%2f/x"


def test_a_target_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        target().name = "other"  # type: ignore[misc]  # what is being tested


# --- errors


def test_probe_errors_cross_process_borders_and_are_raised_afresh() -> None:
    error = ProbeError("no answer", Cause.TIMEOUT)
    for copy in (pickle.loads(pickle.dumps(error)), error.again()):  # noqa: S301  our own pickle
        assert copy is not error
        assert (copy.message, copy.cause, str(copy)) == ("no answer", Cause.TIMEOUT, "no answer")


def test_non_compliant_says_all_that_was_observed() -> None:
    violation, two = (Violation(code, f"saw {code}", "nothing", "do") for code in ("a", "b"))
    assert str(NonCompliant([violation, two])) == "saw a\nsaw b"
