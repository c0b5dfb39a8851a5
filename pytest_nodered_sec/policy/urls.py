"""Values that are URLs, host names or addresses: checked, and spelled as DNS spells them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from pytest_nodered_sec.policy.values import check_path, check_text, shaped
from pytest_nodered_sec.texts import host_in_ascii

if TYPE_CHECKING:
    from pytest_nodered_sec.policy.where import Where


def split_url(url: str, where: Where) -> SplitResult:
    """Split a URL that holds no secret, its host as an A-label (RFC 5890); never shows one that might.

    Raises:
        PolicyError: credentials, a query, a host that no name can be, or no http or https URL at all.
    """
    shown = url.split("?", 1)[0].split("#", 1)[0]  # a query may hold a token
    parts, problem = _split(url)
    # An @ after the first /, ? or # may end a password that contains such a character: refuse that, too.
    host = url.split("://", 1)[-1].split("/", 1)[0]
    if "%40" in host or ("@" in url and (problem or shown != url or "@" in host)):
        raise where.hides(
            "credentials do not belong in a URL (ids and logs would show them); "
            "remove the part before the @ and set NODERED_USERNAME and NODERED_PASSWORD"
        )
    if url.startswith("#"):
        raise where.hides("a comment needs a line of its own; remove it, or begin the URL with https://")
    if problem:
        raise where.says(shown, problem)
    if "?" in url or "#" in url:
        raise where.says(f"{shown}…", "remove the part from ? or #")
    try:
        name = _a_label(parts.hostname or "")
    except ValueError as error:
        raise where.says(shown, f"{parts.hostname} is not a valid host name ({error})") from None
    if name == parts.hostname:
        return parts
    return parts._replace(netloc=name + (f":{parts.port}" if parts.port else ""))


def _split(url: str) -> tuple[SplitResult, str]:
    """Return the parts of a URL, and what is wrong with it as such, "" for nothing."""
    none = "not a URL; give one such as https://plant.example"
    try:
        parts = urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", ""), none
    if re.search(r"\s\w+://", url):
        return parts, "more than one URL: give each by itself"
    if parts.netloc.count(":") > 1 and "[" not in parts.netloc:
        return parts, "an IPv6 address stands in brackets in a URL, such as https://[2001:db8::7]:8443"
    if not parts.hostname or not url.isprintable() or " " in url or "\\" in url:
        return parts, none
    if parts.scheme not in ("http", "https"):
        scheme = parts.scheme or "missing"
        return parts, f"not an HTTP URL: its scheme is {scheme}; write https:// or http://"
    try:
        port = parts.port
    except ValueError:
        port = 0
    return parts, "" if port != 0 else "not an HTTP URL: its port is not between 1 and 65535"


def _a_label(host: str) -> str:
    """Return the host of a URL as DNS, SNI and Host have it; an address as it is.

    Raises:
        ValueError: DNS has no such names (RFC 1035, section 2.3.4), or IDNA (UTS 46) none.
    """
    if not host.isascii():
        return host_in_ascii(host)
    labels = host.removesuffix(".").split(".")
    if ":" not in host and not all(labels):
        raise ValueError("an empty label")
    if ":" not in host and (len(host) > 253 or max(map(len, labels)) > 63):
        raise ValueError("too long")
    return host


@shaped({"type": "string", "pattern": "^https?://[^@\\s]+$"})
def check_url(value: Any, where: Where) -> str:
    """Check a target's URL."""
    return split_url(check_text(value, where), where).geturl().rstrip("/")


@shaped({"type": "string", "pattern": "^(https://|/(?!/))"})
def check_login_url(value: Any, where: Where) -> str:
    """Check where anonymous users are sent: an https URL, or a path on the same host."""
    url = check_text(value, where)
    if url.startswith("/") and not url.startswith("//"):
        return check_path(url, where) if url == "/" else check_path(url, where) + ("/" if url.endswith("/") else "")
    parts = split_url(url, where)
    if parts.scheme != "https":
        raise where.says(url, "give an https:// URL, or a path that starts with /")
    return parts.geturl()


@shaped({"type": "string", "pattern": "^[^@/\\s]+$"})
def check_connect(value: Any, where: Where) -> str:
    """Check an address or name to dial, with or without a port."""
    if "@" in check_text(value, where):
        raise where.hides("credentials do not belong here (logs would show them); give HOST or HOST:PORT")
    try:
        parts = urlsplit(f"//{value}")
        usable = bool(parts.hostname) and not parts.path and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise where.says(value, "give an address or host name, with :PORT if it differs from the URL's")
    return str(value)


_BACKEND: Final = re.compile(r"^(ssh|paramiko|docker|podman|kubectl|ansible|lxc|salt|local):/*")


@shaped({"type": "string", "pattern": "://"})
def check_host(value: Any, where: Where) -> str:
    """Check a testinfra backend string."""
    text = check_text(value, where)
    if ":" in text.rpartition("://")[2].rpartition("@")[0]:
        raise where.hides("a password does not belong here (logs would show it); use a key")
    if "://" not in text:
        host = _BACKEND.sub("", text)  # ssh:/x means ssh://x
        raise where.says(
            text, f"give the connection type, e.g. ssh://{host} or docker://{host}; local:// is this machine"
        )
    return text


_OF_A_HOST: Final = ("sudo", "sudo_user", "container", "namespace")  # the testinfra options that are not private


def without_private_paths(host: str) -> str:
    """Return a testinfra backend without the options that name local key and configuration files."""
    backend, _, query = host.partition("?")
    shown = [part for part in query.split("&") if part.partition("=")[0] in _OF_A_HOST]
    return backend + (f"?{'&'.join(shown)}" if shown else "")
