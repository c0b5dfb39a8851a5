"""Headers in which programs show a key, and in which services sign what they post; reviewed 2026-11-30.

A gate that only asks whether there is one lets everybody in: nginx: if ($http_x_hub_signature_256 = "") { return 401; }
or map $http_apikey $realm { "" Operators; default off; }.
"""

from __future__ import annotations

from typing import Final

API_KEYS: Final = (
    *("X-API-Key", "API-Key", "apikey", "X-API-Token", "X-Auth-Key", "X-Access-Key", "X-Secret"),
    *("X-CSRF-Token", "X-XSRF-Token", "X-Admin", "X-Debug"),
    *("X-Hub-Signature-256", "X-GitHub-Event", "X-Gitlab-Token", "X-Signature", "X-Webhook-Secret"),
)
