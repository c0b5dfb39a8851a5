"""What each control can find, by code, as far as its rule writes the codes out: a waiver names one of them.

`tests/data/test_only_findings.py` reads the same from the rules' syntax trees, and says which line to add or to remove.
"""

from __future__ import annotations

from typing import Final

# Controls that can find one thing only: a waiver of theirs need not name it.
ONLY_FINDING: Final = {
    "admin-07": "cors",
    "admin-09": "long-session",
    "admin-10": "unguarded-package",
    "admin-12": "believed",
    "cookie-01": "unguarded",
    "cors-01": "foreign-reader",
    "csrf-01": "cross-site",
    "dash-03": "served",
    "fleet-01": "shared-key",
    "flow-03": "secret-in-clear",
    "host-02": "root",
    "host-08": "no-audit",
    "origin-01": "foreign-origin",
    "proxy-01": "answers",
    "proxy-02": "version",
    "proxy-03": "any-name",
    "proxy-04": "open",
    "static-01": "file",
    "static-02": "hole",
    "tls-06": "lives-too-long",
    "tls-07": "old-version",
    "tls-15": "unlisted",
    "tls-16": "insecure-renegotiation",
    "version-01": "release-told",
}

# Those that could find one thing only in release 0.1.0: a waiver without a finding, written for it, means that one.
ONCE_ONLY_FINDING: Final = {
    "cred-02": "known-password",
    "host-00": "another-host",
    "patch-03": "node-unmaintained",
    "tls-12": "not-demanded",
}

# Controls that can find several. Those that are missing here compute a code, such as that of an advisory.
SEVERAL_FINDINGS: Final[dict[str, tuple[str, ...]]] = {
    "admin-01": ("no-admin-api", "not-disabled", "served"),
    "admin-02": ("no-admin-api", "not-disabled", "served"),
    "admin-03": ("no-admin-api", "not-disabled", "served"),
    "admin-04": ("no-description", "no-login"),
    "admin-05": ("no-admin-api", "not-disabled", "served", "spelling"),
    "admin-08": ("account-refused", "reader-writes"),
    "cred-01": ("any-password", "known-password"),
    "cred-02": ("any-password", "known-password"),
    "dash-01": ("declared-but-absent", "served"),
    "dash-04": ("no-admin-api", "not-disabled", "served", "spelling"),
    "dash-05": ("acts", "declared-but-absent"),
    "dash-06": ("account-refused", "asset-refused", "channel-refused", "declared-but-absent"),
    "editor-01": ("editor-open", "editor-served"),
    "editor-02": ("asset-served", "editor-mounted"),
    "editor-03": ("framed", "sniffed"),
    "fleet-02": ("shared-host-key", "shared-instance-id", "shared-machine-id", "shared-password", "shared-secret"),
    "host-00": ("another-host", "impostor"),
    "host-01": ("exposed", "inspector"),
    "host-11": ("by-hand", "not-enabled", "not-installed", "not-running", "not-valid"),
    "host-13": ("ciphers", "not-offered", "protocols", "tokens"),
    "host-17": ("stale-certificate", "stale-nginx", "stale-settings"),
    "host-21": ("elsewhere", "no-lock", "old-lock", "registries", "scripts", "unlocked"),
    "http-04": ("becomes-target", "served-by-name", "switched-off"),
    "node-01": ("declared-but-absent", "no-admin-api", "not-disabled", "served"),
    "patch-03": ("node-behind", "node-unmaintained"),
    "reach-02": ("address-certificate", "address-differs", "address-open", "address-tls", "by-turns"),
    "tls-02": ("no-san", "wrong-name"),
    "tls-03": ("expired", "not-yet-valid", "renewal-late"),
    "tls-04": ("duplicate", "expired-extra", "root-sent", "stranger", "taken-from-the-store", "wrong-order"),
    "tls-05": ("weak-key", "weak-signature"),
    "tls-08": ("not-offered", "too-old"),
    "tls-10": ("small-curve", "small-field", "unlisted-group"),
    "tls-12": ("any-certificate", "not-demanded"),
    "tls-13": ("revoked", "staple-early", "staple-late", "staple-missing", "staple-unusable"),
    "tls-14": ("no-aead", "no-forward-secrecy"),
}

# What nothing finds any more: a waiver of it, written for release 0.1.0, stays valid, and waives nothing.
FORMER_FINDINGS: Final = frozenset({"cleartext-redirect"})


def known_findings(control: str) -> tuple[str, ...]:
    """Return the codes that a control can find; none where they are not known."""
    if control in ONLY_FINDING:
        return (ONLY_FINDING[control],)
    return SEVERAL_FINDINGS.get(control, ())
