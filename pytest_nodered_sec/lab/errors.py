"""Why the lab does not start."""

from __future__ import annotations


class LabError(Exception):
    """The lab could not be started; one sentence and what to do."""


class DamagedError(LabError):
    """Node-RED is not what npm installed, although no file seems to be missing."""
