"""Whether a route of Caddy's is for a request (caddyhttp/matchers.go)."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.conditions import is_from, kind
from pytest_nodered_sec.rules.walk.request import unknown

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import CaddyMatch
    from pytest_nodered_sec.rules.walk.caddy_visit import Visit


def any_fits(visit: Visit, sets: tuple[CaddyMatch, ...]) -> bool:
    """Whether one of the sets holds; without any, every request fits."""
    return not sets or any(_fits(visit, matcher) for matcher in sets)


def _fits(visit: Visit, matcher: CaddyMatch) -> bool:
    """Whether all conditions of a set hold."""
    client = visit.client
    return (
        (not matcher.hosts or any(is_host(client.host, name) for name in matcher.hosts))
        and (not matcher.methods or client.method in matcher.methods)
        and (not matcher.protocol or matcher.protocol == ("https" if client.tls else "http"))
        and (not matcher.paths or any(is_path(visit.path, path) for path in matcher.paths))
        and (not matcher.pattern or _matches(visit, matcher))
        and (not matcher.statuses or visit.status in matcher.statuses)
        and (not matcher.networks or _is_near(visit, matcher.networks))
        and (not matcher.forwarded or _says_it_is_near(visit, matcher.forwarded))
        and not any(_fits(visit, other) for other in matcher.none)
        and _may_hold(visit, matcher)
    )


def _is_near(visit: Visit, networks: tuple[str, ...]) -> bool:
    relays = visit.server.relays
    if "*" in relays:
        visit.doubt("whose PROXY protocol Caddy takes for a client's address is not known")
    if "*" in relays or visit.client.granted or any(is_from(visit.client.address, network) for network in relays):
        return visit.choices.whether(("networks", networks))
    inside = [is_from(visit.client.address, network) for network in networks]
    if None in inside:
        visit.doubt(f"whether anonymous clients are in {', '.join(networks)} is unknown")
    return True in inside


def _says_it_is_near(visit: Visit, networks: tuple[str, ...]) -> bool:
    """Whether an address is in networks: whoever comes from a trusted proxy's address says his own as he likes."""
    if "*" in visit.server.trusts:
        visit.doubt("which proxies Caddy trusts with a client's address is not known")
    elif not any(is_from(visit.client.address, trust) for trust in visit.server.trusts):
        return _is_near(visit, networks)
    return visit.choices.whether(("forwarded", networks))


def _may_hold(visit: Visit, matcher: CaddyMatch) -> bool:
    """Whether conditions hold that the client or the disk decides."""
    if matcher.unread:
        visit.doubt(f"whether Caddy's matcher {', '.join(matcher.unread)} fits is not known")
    if not (matcher.unread or matcher.others or matcher.headers or matcher.files):
        return True
    if matcher.files and visit.client.exists is not None and not (matcher.unread or matcher.headers):
        return visit.client.exists
    holds = visit.choices.whether(("conditions", matcher))
    secrets = [name for name in matcher.headers if kind(unknown(f"http_{name.lower().replace('-', '_')}")) == "secret"]
    if holds and secrets:
        visit.doubt(f"whether anonymous clients know the value of {', '.join(secrets)} is unknown")
    return holds


def is_host(host: str, pattern: str) -> bool:
    """Whether a name fits; "*" stands for one label."""
    if pattern == "*":
        return True
    labels, wanted = host.lower().split("."), pattern.lower().split(".")
    return len(labels) == len(wanted) and all(two in ("*", label) for label, two in zip(labels, wanted, strict=True))


def is_path(path: str, pattern: str) -> bool:
    """Whether a path fits a pattern, whatever its letter case, dots and doubled slashes."""
    pattern = pattern.lower()
    if pattern == "*":
        return True
    encoded = path if "%" in pattern else unquote(path, "latin-1")
    text = cleaned(encoded.lower(), merge="//" not in pattern)
    stars = pattern.count("*")
    if stars == 2 and pattern.startswith("*") and pattern.endswith("*"):
        return pattern[1:-1] in text
    if stars == 1 and pattern.startswith("*"):
        return text.endswith(pattern[1:])
    if stars == 1 and pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return _glob(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    """Translate Go's path.Match: "*" and "?" stop at slashes."""
    parts = re.split(r"(\*|\?)", pattern)
    return re.compile("".join({"*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part)) for part in parts), re.DOTALL)


def cleaned(path: str, *, merge: bool) -> str:
    """Resolve dots, and merge slashes unless the pattern has doubled ones."""
    if not merge:
        path = re.sub("/(?=/)", "/\0", path)
    clean = posixpath.normpath(f"/{path.lstrip('/')}" if merge else path)
    if path.endswith("/") and clean != "/":
        clean += "/"
    return clean.replace("\0", "")


def _matches(visit: Visit, matcher: CaddyMatch) -> bool:
    regex = compiled(visit, matcher.pattern)
    if regex is None:
        return visit.choices.whether(("pattern", matcher.pattern))
    match = regex.search(cleaned(unquote(visit.path, "latin-1"), merge=True))
    if match is None:
        return False
    for name in ("", f"{matcher.name}."):
        for number, text in enumerate((match[0], *match.groups(""))):
            visit.captured[f"http.regexp.{name}{number}"] = text
        visit.captured.update({f"http.regexp.{name}{key}": text for key, text in match.groupdict("").items()})
    return True


def compiled(visit: Visit, pattern: str) -> re.Pattern[str] | None:
    """Return a pattern of Go's for Python; None, with a doubt, where it cannot be read."""
    try:
        return pcre.read(pattern, strict_end=True).regex
    except pcre.UnreadableError:
        visit.doubt(f"the pattern {pattern} cannot be read")
        return None
