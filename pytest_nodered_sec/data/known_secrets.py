"""Password hashes and credentialSecrets that products and manuals publish, as they are met in settings.js on a host.

Nothing is tried with them, so this list may be long where `known_credentials.toml` must be short. Reviewed 2026-11-28.
"""

from __future__ import annotations

from typing import Final

PUBLISHED: Final = {  # the value as it stands there: what a finding calls it
    # node-red's settings.js, as a comment under adminAuth, httpNodeAuth and httpStaticAuth that is ready to be used
    "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN.": "of settings.js (its password is published)",
    # github.com/iiab/iiab, roles/nodered/defaults/main.yml
    "$2b$08$oxgvoU9et3deSbXY8UNVTOWHSTQAyEASIal86RHVMqYQJhpPMNz7q": "of Internet-in-a-Box (its password is published)",
    # github.com/marcus-j-davies/Node-RED-SFE
    "$2a$12$J0TtWc6Newz3DuC1nbScoee1jXS/hSuHQ2KeMRRD58Wxp7ZNk6uo6": "of Node-RED-SFE (its password is published)",
    # nodered.org/docs/user-guide/runtime/securing-node-red, the user `george`
    "$2b$08$wuAqPiKJlVN27eF5qJp.RuQYuy6ZYONW7a/UWYxDTtwKFCdB8F19y": "of Node-RED's documentation (`george`)",
    "a-secret-key": "credentialSecret of settings.js",
    "docpro-secret-key": "credentialSecret of a published installation",
}
