"""Known holes by which anybody reads files, each asked for a file that is no secret; reviewed 2026-11-25.

Read in the packages and tried there. `..%2F` stays one segment for Express's router and is decoded for the file's
name. Each file lies two directories above the one that is served, and names itself.
"""

from __future__ import annotations

from typing import Final

KNOWN_HOLES: Final = (  # advisory, path below the admin root, regular expression of the file, what closes it
    (  # node-red-dashboard 2.26.1, nodes/ui_base.js: path.join(__dirname, "../dist/js", req.params[0])
        "CVE-2021-3223",
        "/ui_base/js/..%2F..%2Fpackage.json",
        r'"name"\s*:\s*"node-red-dashboard"',
        "node-red-dashboard 2.26.2 or newer",
    ),
    (  # node-red-contrib-huemagic 3.0.0, huemagic/hue-magic.js: path.resolve(__dirname, "assets", req.params.file)
        "CVE-2021-25864",
        "/hue/assets/..%2F..%2Fpackage.json",
        r'"name"\s*:\s*"node-red-contrib-huemagic"',
        "removing node-red-contrib-huemagic, whose newest release 3.0.0 has it",
    ),
)
