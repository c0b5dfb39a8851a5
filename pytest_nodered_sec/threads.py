"""Threads that belong to the run that starts them: they carry its context, by which `learnt` tells the runs apart."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def start(act: Callable[[], object], name: str = "nodered-sec-look") -> threading.Thread:
    """Start a daemon thread; the end of the process does not wait for it."""
    thread = threading.Thread(target=copy_context().run, args=(act,), daemon=True, name=name)
    thread.start()
    return thread
