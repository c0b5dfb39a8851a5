"""As much of Node-RED as a target has to show."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hostile.connections import pause
from hostile.messages import Reply, Request, json_reply, page

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONE: Final = r"/[^/]+"
GET_ROUTES: Final = (  # patterns of paths; what `disableEditor` leaves of Node-RED's admin API
    "/settings",
    "/diagnostics",
    "/flows(/state)?",
    f"/flow{_ONE}",
    f"/nodes(/messages|{_ONE}|{_ONE}{_ONE}|{_ONE}{_ONE}/messages)?",
    f"/plugins(/messages|{_ONE}|{_ONE}{_ONE})?",
    f"/context/global({_ONE})?",
    f"/context/(flow|node){_ONE}({_ONE})?",
)
POST_ROUTES: Final = ("/flows(/state)?", "/flow", "/nodes", "/auth/revoke")
WRONG_PASSWORD: Final = json_reply(
    {"error": "invalid_grant", "error_description": "Invalid resource owner credentials"}, 403
)


@dataclass(frozen=True)
class FakeNodeRED:
    """The look of a hardened Node-RED 5 without editor; a behaviour to build others on.

    It holds no data and no sessions: every token is made up. Headers and bodies are what a real
    one answered, except that its login has no prompts.

    Attributes:
        root: `httpAdminRoot`.
        login: what /auth/login says; {} is the word of a Node-RED without adminAuth.
        replies: answers by path (with root, without query) that come before all others: holes.
        routes: patterns of guarded paths below the root that answer 401 to GET and HEAD.
        delay: seconds before each answer.
    """

    root: str = "/"
    login: Mapping[str, object] = field(default_factory=lambda: {"type": "credentials", "prompts": []})
    replies: Mapping[str, Reply] = field(default_factory=dict)
    routes: tuple[str, ...] = GET_ROUTES
    delay: float = 0.0

    def __call__(self, request: Request) -> Reply:
        """Answer like Node-RED."""
        if self.delay:
            pause(self.delay)
        path = request.path.split("?")[0]
        if path in self.replies:
            return self.replies[path]
        reading = request.method in ("GET", "HEAD")
        root = self.root.rstrip("/")
        below = path[len(root) :] if path.startswith(f"{root}/") else ""
        if reading and below == "/auth/login":
            return json_reply(self.login)
        if below == "/auth/token" and b"grant_type=password" in request.body:
            return WRONG_PASSWORD
        routes = self.routes if reading else POST_ROUTES if request.method == "POST" else ()
        if any(re.fullmatch(f"{route}/?", below) for route in routes):
            tried = "authorization" in request.headers
            error = ', error="invalid_token"' if tried else ""
            return Reply(401, {"WWW-Authenticate": f'Bearer realm="Users"{error}'}, b"Unauthorized")
        return page(
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            "<title>Error</title>\n</head>\n<body>\n"
            f"<pre>Cannot {request.method} {html.escape(path)}</pre>\n</body>\n</html>\n",
            404,
            content_security_policy="default-src 'none'",
            x_content_type_options="nosniff",
        )
