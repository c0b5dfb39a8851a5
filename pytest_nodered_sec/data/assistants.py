"""Packages that send flows or code to an AI service outside, reviewed 2026-11-28.

@flowfuse/nr-assistant: lib/settings.js and lib/auth of 0.12.0, and the change log up to 0.18.1. It works once
somebody has logged in from the editor; `flowforge.assistant` in settings.js with anything but `enabled: true` switches
it off.
"""

from __future__ import annotations

from typing import Final

ASSISTANTS: Final = ("@flowfuse/nr-assistant",)
