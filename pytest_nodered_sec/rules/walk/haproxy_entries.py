"""Every way into HAProxy: each place where it listens, under each name that it tells apart."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import haproxy
from pytest_nodered_sec.rules.walk import haproxy_patterns as patterns
from pytest_nodered_sec.rules.walk import haproxy_samples as samples
from pytest_nodered_sec.rules.walk.entries import NOBODY, Entry, Raw, ends, examples, tried
from pytest_nodered_sec.rules.walk.haproxy_visit import Sections, plain_address, value
from pytest_nodered_sec.rules.walk.pages import Way
from pytest_nodered_sec.rules.walk.request import STRANGER, STRANGER_6, Client
from pytest_nodered_sec.rules.walk.samples import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.haproxy_visit import Bind
    from pytest_nodered_sec.rules.walk.pages import Surface
    from pytest_nodered_sec.rules.walk.request import Outcome

_PATHS: Final = ("path", "pathq", "url", "uri", "base")
_WITH_PATTERN: Final = ("replace-path", "replace-pathq", "replace-uri")


def entries(seen: FrontConfig, surfaces: tuple[Surface, ...]) -> tuple[Entry, ...]:
    """Ask every listener, under every name, for all that leads to some surfaces."""
    sections = Sections(seen.directives, seen.sockets)
    heads = tuple(_heads(sections))
    handed_to = {sections.own(plain_address(server.args[1])) for server in _servers(sections)}
    return tuple(
        Entry(
            _name(bind),
            str(bind),
            bind.tls,
            bind.local,
            bind.local and bind in handed_to,
            tried(heads, surfaces, partial(_way, sections, bind, host)),
        )
        for bind in sections.binds
        if value(bind.section, "mode")[:1] == ("http",)
        for host in _hosts(sections)
    )


def raw(seen: FrontConfig) -> list[Raw]:
    """Return the listeners that hand connections to Node-RED without looking into them."""
    sections = Sections(seen.directives, seen.sockets)
    result = []
    for bind in sections.binds:
        if value(bind.section, "mode")[:1] == ("http",) or bind.certificate:
            continue
        way = _way(sections, bind, NOBODY, "/")
        result += [
            Raw(
                _name(bind),
                str(bind),
                end.address,
            )
            for end in way.stranger
            if end.kind == "node-red"
        ]
    return result


def far(end_via: tuple[Directive, ...]) -> str:
    """Say how the way to a server elsewhere is not safe, "" where it is: TLS that is verified."""
    line = end_via[-1]
    verified = "verify" in line.args and line.args[line.args.index("verify") + 1 :][:1] == ("required",)
    if "ssl" in line.args and verified:
        return ""
    return "TLS without verifying the server" if "ssl" in line.args else "clear text over the network"


def _name(bind: Bind) -> str:
    return f"{bind.section.name} {' '.join(bind.section.args[:1])} ({bind.section.where()})"


def _way(sections: Sections, bind: Bind, host: str, uri: str, method: str = "GET", aims: tuple[str, ...] = ()) -> Way:
    port = bind.port if bind.port.isdigit() else ""
    address = STRANGER_6 if ":" in bind.address else STRANGER
    if bind in _fed(sections) and "accept-proxy" not in bind.line.args:
        address = "127.0.0.1"
    client = Client(uri, host, bind.tls, port, address, method, aims=aims)

    def of(client: Client) -> tuple[Outcome, ...]:
        return ends(lambda made: haproxy.walk(sections, bind, client, made), _name(bind))

    return Way(uri, of(client), of(replace(client, granted=True)), method)


@lru_cache(maxsize=16)
def _fed(sections: Sections) -> tuple[Bind, ...]:
    """Return HAProxy's own places that only this machine reaches, to which one that does not read HTTP hands on."""
    backends = [
        sections.backends[name]
        for section in sections.frontends
        if value(section, "mode")[:1] != ("http",)
        for line in section.block
        if line.name in ("use_backend", "default_backend") and line.args
        for name in (line.args[0],)
        if name in sections.backends
    ]
    lines = [line for section in (*backends, *sections.frontends) if value(section, "mode")[:1] != ("http",)
             for line in section.block if line.name == "server" and len(line.args) > 1]  # fmt: skip
    binds = [sections.own(plain_address(line.args[1])) for line in lines]
    return tuple(bind for bind in binds if bind and bind.local)


def _servers(sections: Sections) -> list[Directive]:
    return [
        line
        for section in sections.backends.values()
        for line in section.block
        if line.name == "server" and len(line.args) > 1
    ]


def _criteria(sections: Sections) -> Iterator[tuple[str, ...]]:
    """Yield every criterion: of named ACLs, and those in braces."""
    yield from patterns.looked_up(sections)
    for section in sections.directives:
        for line in section.block:
            if line.name == "acl":
                yield patterns.listed(sections, line.args[1:])
            words = line.args
            while "{" in words or "!{" in words:
                start = min(words.index(brace) for brace in ("{", "!{") if brace in words)
                end = words.index("}", start) if "}" in words[start:] else len(words)
                yield patterns.listed(sections, words[start + 1 : end])
                words = words[end:]


def _compared(words: tuple[str, ...]) -> tuple[tuple[str, str], str, list[str]]:
    """Return what a criterion fetches, with its argument; how it compares; and with which values."""
    expression, *values = words
    parts, match = samples.split(expression)
    if "-m" in values[:-1]:
        match = values[values.index("-m") + 1]
    return parts[0], match, [text for text in values if not text.startswith("-") and text not in samples.MATCHES]


def _hosts(sections: Sections) -> list[str]:
    """Return every name that the rules tell apart, and one that is none of them."""
    names: dict[str, None] = {}
    for words in _criteria(sections):
        (name, argument), match, values = _compared(words)
        if name == "base":
            names.update((text.partition("/")[0], None) for text in values if match != "reg" and "/" in text[1:])
        elif name in ("hdr", "req.hdr", "req.fhdr") and argument.lower().startswith("host"):
            for text in values:
                before = "x" if match == "end" and text.startswith((".", "-")) else ""
                names.update(dict.fromkeys(examples(text) if match == "reg" else (before + text,)))
    return list(dict.fromkeys((*(name.replace(ANY, "any") for name in names), NOBODY)))


def _heads(sections: Sections) -> Iterator[str]:
    """Yield the paths that the rules name, ANY standing for what may be anything."""
    for words in _criteria(sections):
        (name, _), match, values = _compared(words)
        if name not in _PATHS:
            continue
        if name == "base" and match != "reg":  # host and path
            values = ["/" + text.partition("/")[2] for text in values]
        ignore = "-i" in words
        for text in values:
            if match == "reg":
                yield from examples(text, ignore_case=ignore)
            elif match == "beg":
                yield f"{text}{ANY}"
            elif match in ("dir", "sub", "dom"):
                yield f"/{text.strip('/')}/{ANY}"
                yield text
            else:
                yield text
    for section in sections.directives:
        for line in section.block:
            if line.name == "http-request" and line.args[:1] and line.args[0] in _WITH_PATTERN and len(line.args) > 2:
                yield from examples(line.args[1])
            if line.name == "http-request" and line.args[:1] and line.args[0].startswith("set-path"):
                yield f"/x/{ANY}"
