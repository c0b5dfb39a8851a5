"""Headers in which programs show a key, and in which services sign what they post; reviewed 2026-12-01.

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
# Of single services; sent apart from the others: Apache httpd takes 100 headers in a request (LimitRequestFields)
HOOKS: Final = (
    *("X-Telegram-Bot-Api-Secret-Token", "Stripe-Signature", "X-Slack-Signature", "X-Twilio-Signature"),
    *("X-Shopify-Hmac-Sha256", "X-Line-Signature", "X-Signature-Ed25519"),  # the last: Discord
    *("X-Downlink-Apikey", "X-Gitea-Signature", "X-Api-Signature"),  # the first: The Things Stack
)
