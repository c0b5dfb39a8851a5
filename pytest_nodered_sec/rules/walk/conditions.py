"""Whether conditions on a request's texts hold.

What the client chooses is not guessed: a condition on it is tried both ways, and one that asks for a certain value has
that value from then on. What only a secret opens, or what a program decides, leaves a doubt.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.request import unknown, unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.rules.walk.request import Request

_CHOSEN: Final = re.compile(  # anybody knows what to send
    r"arg_|args$|query_string$|request_method$|remote_user$|content_|geoip|http[23]$|invalid_referer$|capture|host$|"
    r"http_(host$|upgrade|connection|user_agent|accept|origin|referer|x_requested_with|sec_|x_forwarded|x_real|"
    r"forwarded|via$|content|cf_|true_client|x_original|x_client|x_remote|remote_|.*(user|email|groups?|name)$)"
)
_SECRET: Final = re.compile(r"http_|cookie_")
# what anybody tries in a header that only some clients send
TRIED: Final = ("Bearer x", "Basic eDp4", "x", "1", "true", "yes", "on", "0" * 32)


def kind(text: str) -> str:
    """Say who knows what an unknown text is: "chosen" by anybody, a "secret" of the client's, or "open"."""
    kinds = [
        "chosen" if _CHOSEN.match(name) else "secret" if _SECRET.match(name) else "open" for name in unknowns(text)
    ]
    return max(kinds, key=("chosen", "secret", "open").index, default="")


def equal(request: Request, text: str, wanted: str, *, ignore_case: bool = False) -> bool:
    """Whether a text has a value."""
    if not unknowns(text) and not unknowns(wanted):
        return text.lower() == wanted.lower() if ignore_case else text == wanted
    holds = request.choices.whether(("equal", text, wanted))
    sort = kind(text + wanted)
    [*names] = unknowns(text)
    if sort == "open" or (sort == "secret" and holds and wanted and wanted not in TRIED):
        request.doubt(f"whether ${names[0] if names else wanted} is {wanted!r} is not in the configuration")
    if holds and len(names) == 1 and text == unknown(names[0]):
        request.bound[names[0]] = wanted
    return holds


def is_set(request: Request, text: str) -> bool:
    """Whether a text is neither empty nor "0", as `if ($variable)` asks."""
    if not unknowns(text):
        return text not in ("", "0")
    if kind(text) == "open":
        request.doubt(f"whether ${unknowns(text)[0]} is set is not in the configuration")
    return request.choices.whether(("set", text))


def matches(request: Request, pattern: str, text: str, *, where: str, ignore_case: bool = False) -> bool:
    """Whether a text matches a pattern; if so, remember what it captured."""
    try:
        regex = pcre.read(pattern, ignore_case=ignore_case).regex
    except pcre.UnreadableError:
        request.doubt(f"the pattern {pattern} ({where}) cannot be read")
        if request.choices.whether(("pattern", pattern, text)):
            request.captures = (unknown("capture"),) * 10
            return True
        return False
    if not unknowns(text):
        return _remember(request, regex.search(text))
    sort = kind(text)
    if sort == "secret" and (tried := next((value for value in TRIED if regex.search(value)), None)):
        text, sort = tried, "chosen"
    holds = request.choices.whether(("matches", pattern, text))
    if sort == "open" or (sort == "secret" and holds):
        request.doubt(f"whether ${unknowns(text)[0]} matches {pattern} ({where}) is not in the configuration")
    if holds:
        groups = [unknown("capture")] * (regex.groups + 1)
        request.captures = tuple(groups)
        request.variables.update(dict.fromkeys(map(str.lower, regex.groupindex), unknown("capture")))
    return holds


def _remember(request: Request, match: re.Match[str] | None) -> bool:
    if match is None:
        return False
    request.captures = (match[0], *match.groups("")) if match.re.groups else ()
    request.variables.update({name.lower(): text for name, text in match.groupdict("").items()})
    return True


def is_from(address: str, network: str) -> bool | None:
    """Whether an address lies in a network as nginx writes them; None for what cannot be read."""
    if network == "all":
        return True
    if network == "unix:":
        return address == "unix:"
    try:
        return address != "unix:" and ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return None


def is_between(address: str, limits: str) -> bool | None:
    """Whether an address lies between two, as in "10.0.0.1-10.0.0.9"; None for what cannot be read."""
    first, dash, last = limits.partition("-")
    try:
        at, low, high = (ip_address(text) for text in (address, first, last if dash else first))
    except ValueError:
        return None
    if at.version != low.version or low.version != high.version:
        return False
    return int(low) <= int(at) <= int(high)
