"""The one place that knows the run's secrets, and removes them from every text that leaves the process.

Values are learnt when credentials are read, before they are used. As long as nothing was learnt nothing here costs
or changes anything.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
from typing import Any, Final
from urllib.parse import quote, quote_plus

INSTEAD: Final = "[redacted]"
_SHORT: Final = 4  # characters; shorter values are removed only where they stand as a word of their own

_lock = threading.Lock()
_forms: set[str] = set()
_pattern: re.Pattern[str] | None = None


def learn(secret: str, *, username: str = "") -> None:
    """Remember a secret in the forms in which it may turn up: plain, quoted for a URL or JSON, in a Basic header.

    What the whole world knows is none, and often an ordinary word.

    Args:
        secret: password, token or header value.
        username: the account it belongs to, for the Basic form.
    """
    global _pattern
    if not secret:
        return
    from pytest_nodered_sec.data.known_credentials import is_public  # a table, read when there is something to compare

    if is_public(secret):
        return
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    if username:
        forms.add(base64.b64encode(f"{username}:{secret}".encode()).decode())
    with _lock:
        if forms <= _forms:
            return
        if not _forms:
            _watch_logging()
        _forms.update(forms)
        longest_first = sorted(_forms, key=len, reverse=True)
        _pattern = re.compile("|".join(_expression(form) for form in longest_first))


def _expression(form: str) -> str:
    escaped = re.escape(form)
    return rf"(?<!\w){escaped}(?!\w)" if len(form) < _SHORT else escaped


def scrub(text: str) -> str:
    """Return the text without any secret that was learnt."""
    return _pattern.sub(INSTEAD, text) if _pattern else text


def scrub_within(value: Any) -> Any:  # Any: whatever a report holds
    """Return a value without secrets: texts, and containers and report objects that hold texts, in place."""
    if _pattern is None:
        return value
    return _scrub_within(value, set())


def _scrub_within(value: Any, known: set[int]) -> Any:  # Any: as above
    if isinstance(value, str):
        return scrub(value)
    if id(value) in known or value is None or isinstance(value, (int, float, bool, bytes, type)):
        return value
    known.add(id(value))
    if isinstance(value, list):
        value[:] = [_scrub_within(one, known) for one in value]
    elif isinstance(value, tuple):
        fresh = [_scrub_within(one, known) for one in value]
        return type(value)(*fresh) if hasattr(value, "_fields") else tuple(fresh)
    elif isinstance(value, dict):
        value.update({key: _scrub_within(one, known) for key, one in value.items()})
    elif hasattr(value, "__dict__"):
        for name, one in vars(value).items():
            clean = _scrub_within(one, known)
            if clean is not one:
                object.__setattr__(value, name, clean)  # pytest's representations are frozen in part
    return value


def _watch_logging() -> None:
    """Scrub log records where they are made, so that no handler, ours or the user's, sees a secret."""
    made = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:  # Any: logging's own signature, passed through
        record = made(*args, **kwargs)
        message = record.getMessage()
        clean = scrub(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return record

    logging.setLogRecordFactory(make)
