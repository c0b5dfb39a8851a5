"""How long publicly trusted certificates may live, by the day of their issue.

Source: CA/Browser Forum, Baseline Requirements for TLS Server Certificates, 6.3.2; the steps from 2026 on by ballot
SC-081v3 (2025-04-11). Read 2026-11-25. Older ones (39 and 60 months) have run out.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

LIMITS: Final = (  # issued on or after: days
    (date(2029, 3, 15), 47),
    (date(2027, 3, 15), 100),
    (date(2026, 3, 15), 200),
    (date(2020, 9, 1), 398),
    (date(2018, 3, 1), 825),
)


def public_limit(issued: datetime) -> int | None:
    """Return the most days that a certificate issued then may live; None for one from before these limits."""
    return next((days for since, days in LIMITS if issued.date() >= since), None)
