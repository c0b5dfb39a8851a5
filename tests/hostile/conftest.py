"""An authority for each file of these tests, and that no thread is left after any of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from hostile import CA
from hostile.client import threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def ca() -> CA:
    return CA.new()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    until = time.monotonic() + 0.2
    while time.monotonic() < until and threads():
        time.sleep(0.01)
    assert threads() == []
