"""Letter case that no list of spellings has."""

from __future__ import annotations

import pytest

from pytest_nodered_sec.data.letters import mixed_case


@pytest.mark.parametrize(
    ("path", "mixed"),
    [
        ("/ui", "/uI"),
        ("/api/orders-2/a", "/ApI/OrDeRs-2/a"),
        ("/a", "/A"),
        ("/ApI", "/aPi"),
        ("/API/", "/ApI/"),
        ("/123", "/123"),
        ("/", "/"),
    ],
)
def test_letter_case_is_mixed(path: str, mixed: str) -> None:
    assert mixed_case(path) == mixed
