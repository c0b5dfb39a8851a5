"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

pytest_plugins = ("pytester",)
# pytester gives each test a home of its own, in which the lab would install Node-RED anew.
os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))
