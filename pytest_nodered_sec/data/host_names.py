"""Other names than its own under which a target is asked, as questions name them; reviewed 2026-12-01."""

from __future__ import annotations

from typing import Final

UNNAMED: Final = "no name"  # its own as Host, and none in the TLS handshake
DOTTED: Final = "the name with a dot"  # at its end, which names the same (RFC 3986, 3.2.2)
# What routers and mDNS call the machine at home; a server block for it is often without the login of the public one.
AT_HOME: Final = {"the name in .local": "local", "the name in .lan": "lan"}
