"""Controls that can find one thing only, and its code: a waiver of theirs need not name it.

`tests/data/test_only_findings.py` reads the same from the rules' syntax trees, and says which line to add or to remove.
"""

from __future__ import annotations

from typing import Final

ONLY_FINDING: Final = {
    "admin-07": "cors",
    "admin-09": "long-session",
    "admin-10": "unguarded-package",
    "admin-12": "believed",
    "cookie-01": "unguarded",
    "cred-02": "known-password",
    "csrf-01": "cross-site",
    "host-00": "another-host",
    "host-02": "root",
    "host-08": "no-audit",
    "origin-01": "foreign-origin",
    "patch-03": "node-unmaintained",
    "proxy-01": "answers",
    "proxy-02": "version",
    "proxy-03": "any-name",
    "proxy-04": "open",
    "static-01": "file",
    "static-02": "hole",
    "tls-06": "lives-too-long",
    "tls-07": "old-version",
    "tls-12": "not-demanded",
    "tls-15": "unlisted",
    "version-01": "release-told",
}
