"""A look-alike of Node-RED to put behind a front, and a survey, for the tests of HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hostile
import pytest
from probes.http.named import node_red

from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def upstream() -> Iterator[int]:
    with hostile.serving(node_red, tls=False) as server:
        yield server.port


@pytest.fixture
def survey() -> Iterator[Survey]:
    survey = Survey()
    yield survey
    survey.close()
