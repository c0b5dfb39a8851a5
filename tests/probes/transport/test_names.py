"""Random paths, which stand for what nobody serves."""

from __future__ import annotations

import re

from pytest_nodered_sec.probes.transport.names import random_path


def test_a_random_path_never_begins_like_one_of_node_reds() -> None:
    paths = {random_path() for _ in range(2000)}
    assert len(paths) == 2000
    assert all(re.fullmatch("/[qyz][a-z]{23}", path) for path in paths)
