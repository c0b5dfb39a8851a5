"""Made-up logins by schemes of Authorization: a gate that only looks for one lets everybody in; reviewed 2026-12-01."""

from __future__ import annotations

from typing import Final

from pytest_nodered_sec.data.part import Part

SCHEME: Final = Part(
    "scheme",
    "with a made-up token (Token)",
    (("Authorization", "Token nobody"),),
    'nginx: if ($http_authorization !~ "^Token ") { return 401; }',
)
KEYED: Final = Part(
    "keyed",
    "with a made-up key (ApiKey)",
    (("Authorization", "ApiKey nobody"),),
    "nginx: map $http_authorization $realm { ~^ApiKey off; default Operators; }",
)
BASIC: Final = Part(
    "basic",
    "with a made-up name and password (Basic)",
    (("Authorization", "Basic bm9ib2R5Om5vYm9keQ=="),),  # nobody:nobody
    'nginx: if ($http_authorization !~ "^Basic ") { return 403; }',
)
JWT: Final = Part(
    "jwt",
    "with a made-up token (JWT)",
    (("Authorization", "JWT {token}"),),
    "nginx: map $http_authorization $realm { ~^JWT off; default Operators; }, as Django's apps send it",
)
DIGEST: Final = Part(
    "digest",
    "with a made-up name and answer (Digest)",
    # With spaces between its fields Node-RED's own login answers 400 to it (passport-http-bearer: parts.length == 2).
    (("Authorization", f'Digest username="nobody",realm="nobody",nonce="nobody",uri="/",response="{"0" * 32}"'),),
    "nginx: map $http_authorization $realm { ~^Digest off; default Operators; }",
)
