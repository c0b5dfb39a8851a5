"""`python -m pytest_nodered_sec.policy > nodered-sec.schema.json`: prints the policy file's schema, for editors."""

from __future__ import annotations

import sys

from pytest_nodered_sec.policy.json_schema import text

if __name__ == "__main__":
    sys.stdout.write(text())
