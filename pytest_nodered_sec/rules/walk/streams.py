"""nginx's stream servers, which hand connections on without looking into them: where to, as far as that can be told."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk.blocks import all_of, value
from pytest_nodered_sec.rules.walk.conditions import is_from
from pytest_nodered_sec.rules.walk.config import place
from pytest_nodered_sec.rules.walk.request import STRANGER, unknown
from pytest_nodered_sec.rules.walk.variables import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.blocks import Path
    from pytest_nodered_sec.rules.walk.config import Config, Place

_MOST_STEPS: Final = 8  # from a variable to the next
_MOST_VALUES: Final = 500


@dataclass(frozen=True)
class Stream:
    """A stream server that lets anybody in.

    Attributes:
        server: its block.
        places: where it listens, as written.
        addresses: whom it hands connections to.
        tls: whether it takes TLS off.
        local: whether only this machine reaches it.
        doubt: why its addresses are not all, or "".
    """

    server: Directive
    places: str
    addresses: tuple[str, ...]
    tls: bool
    local: bool
    doubt: str


def streams(config: Config) -> list[Stream]:
    """Return the stream servers that let strangers in: no client certificate is asked for, no address refused."""
    return [
        _stream(config, part, server)
        for part in config.directives
        if part.name == "stream"
        for server in part.block
        if server.name == "server" and value((part, server), "ssl_verify_client") != ("on",)
        if not _refuses_strangers((part, server))
    ]


def _refuses_strangers(path: Path) -> bool:
    """Whether the first allow or deny that names a stranger's address refuses it, and he cannot say another one."""
    if all_of(path, "set_real_ip_from"):
        return False
    rules = ((rule.name, rule.args[0]) for rule in all_of(path, "allow", "deny") if rule.args)
    first = next((name for name, network in rules if is_from(STRANGER, network) is not False), "")
    return first == "deny"


def fed(config: Config, *, clear: bool = False) -> set[Place]:
    """Return the places of nginx's own http servers to which a stream server hands strangers on, in clear text only."""
    places = (
        config.own(address)
        for stream in streams(config)
        if not stream.local and not (clear and stream.tls)
        for address in stream.addresses
    )
    return {taken for taken in places if taken}


def _stream(config: Config, part: Directive, server: Directive) -> Stream:
    targets = [
        directive.args[0] for directive in server.block if directive.name in ("proxy_pass", "pass") and directive.args
    ]
    listens = [directive for directive in server.block if directive.name == "listen" and directive.args]
    addresses: dict[str, None] = {}
    doubt = ""
    unknown_ = f"where stream server ({server.where()}) forwards connections is not in the configuration"
    texts = [text for target in targets for text in islice(_worth(part, server, target, _MOST_STEPS), _MOST_VALUES)]
    if len(texts) >= _MOST_VALUES:
        doubt = unknown_
    for text in texts:
        for address in config.upstreams.get(text, (text,)):
            addresses[address.removeprefix("unix:")] = None
            if "\0" in address.rpartition(":")[2] or ("\0" in address and ":" not in address):
                doubt = unknown_
    return Stream(
        server,
        ", ".join(directive.args[0] for directive in listens),
        tuple(addresses),
        any("ssl" in directive.args for directive in listens),
        bool(listens) and all(place(directive.args[0]).local for directive in listens),
        doubt,
    )


def _worth(part: Directive, server: Directive, text: str, left: int) -> Iterator[str]:
    """Yield what a text may come to, with each value of its variables."""
    match = VARIABLE.search(text)
    if match is None:
        yield text
        return
    name = match[2] or match[3] or ""
    values = _values(part, server, name) if left else []
    for inserted in values or [unknown(name)]:
        yield from _worth(part, server, text[: match.start()] + inserted + text[match.end() :], left - bool(values))


def _values(part: Directive, server: Directive, name: str) -> list[str]:
    if name == "server_port":
        return [
            place(directive.args[0]).port for directive in server.block if directive.name == "listen" and directive.args
        ]
    tables = [directive for directive in part.block if directive.name in ("map", "geo", "split_clients")]
    rows = [
        row.args[0]
        for directive in tables
        if directive.args[-1:] == (f"${name}",)
        for row in directive.block
        if row.args
    ]
    lines = [
        directive.args[1]
        for directive in (*part.block, *server.block)
        if directive.name == "set" and directive.args[:1] == (f"${name}",)
    ]
    return [*rows, *lines]
