"""Where flows turn verification off, or talk to another machine in clear."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pytest_nodered_sec.observations.flows import Weakening
from pytest_nodered_sec.probes.flows.code import without_comments
from pytest_nodered_sec.probes.flows.naming import named
from pytest_nodered_sec.probes.flows.shape import is_environment, text

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.flows.shape import Flows, Node

_OFF: Final = {  # properties that turn verification off, and the value by which they do
    "rejectunauthorized": False,
    "verifyservercert": False,
    "verifycertificate": False,
    "verifycert": False,
    "verifyssl": False,
    "verify_ssl": False,
    "verifytls": False,
    "sslverify": False,
    "strictssl": False,
    "checkserveridentity": False,
    "validatecertificate": False,
    "insecureskipverify": True,
    "allowselfsigned": True,
    "allowunauthorized": True,
    "allowinsecure": True,
    "ignorecertificateerrors": True,
    "ignoresslerrors": True,
    "trustservercertificate": True,
}
_WINDOW: Final = 50_000  # characters of code that are searched at once
_IN_CODE: Final = re.compile(
    r"""(?ix)rejectUnauthorized["']?\]?\s*[:=]\s*(false\b|0\b|!1\b)
    | NODE_TLS_REJECT_UNAUTHORIZED["']?\]?\s*[:=]\s*["'`]?0
    | checkServerIdentity["']?\s*[:=]\s*(
      function\s*\(\s*\w*\s*(,\s*\w*)?\s*\)\s*\{\s*(return(\s+(null|undefined))?\s*;?)?\s*\}
    | \(\s*\w*\s*(,\s*\w*)?\s*\)\s*=>\s*(\{\s*\}|undefined|null))
    """
)
_COMMANDS: Final = re.compile(
    r"\bcurl\b[^|;&\n]{0,300}\s(?:-[A-Za-z]*k[A-Za-z]*|--insecure)(?:\s|$)"
    r"|--no-check-certificate\b|StrictHostKeyChecking[= ]no\b"
)
_OLD: Final = re.compile(
    r"(?i)(?:min|max)Version[\"']?\s*[:=]\s*[\"'`](?:TLSv1(?:\.1)?|SSLv\d)[\"'`]|"
    r"secureProtocol[\"']?\s*[:=]\s*[\"'`](?:TLSv1(?:_1)?|SSLv\d+)(?:_client|_server)?_method"
)
_OLD_VALUE: Final = re.compile(r"(?i)(?:TLSv1(?:[._]1)?|SSLv\d+)(?:_client|_server)?(?:_method)?")
_TELLING: Final = (  # words in lower case of which each of these patterns needs one: words are found quicker
    *("rejectunauthorized", "node_tls_reject_unauthorized", "checkserveridentity", "curl", "--no-check-certificate"),
    *("stricthostkeychecking", "minversion", "maxversion", "secureprotocol"),
)
_CODE: Final = ("func", "initialize", "finalize", "template", "format", "payload", "command", "append")
_HERE: Final = ("localhost", "host.docker.internal", "core-mosquitto", "")
PATTERNS: Final = {
    "inCode": _IN_CODE,
    "commands": _COMMANDS,
    "old": _OLD,
    "oldValue": _OLD_VALUE,
}  # for a reading elsewhere, as are the tables
TABLES: Final = {"off": _OFF, "code": _CODE, "here": _HERE}


def weakenings_of(flows: Flows) -> tuple[Weakening, ...]:
    """Return the nodes that run with verification off, or in clear; of configuration nodes those that are used."""
    used = _used(flows)
    weak: dict[Weakening, None] = {}
    for node in flows.active:
        flows.patience.check()
        if _is_placed(node) or text(node.get("id")) in used:
            for what in _weak(flows, node):
                weak[Weakening(what, named(flows, node))] = None
    return tuple(weak)


def _is_placed(node: Node) -> bool:
    """Whether a node is part of a flow, also of one that was exported without its tab; else it only configures."""
    return isinstance(node.get("wires"), list) or bool(node.get("z"))


def _used(flows: Flows) -> set[str]:
    """Return the ids of the nodes that other nodes that run refer to."""
    inside = (node for node in flows.active if _is_placed(node))
    waiting, used = list(inside), set[str]()
    while waiting:
        for value in waiting.pop().values():
            if isinstance(value, str) and value in flows.by_id and value not in used:
                used.add(value)
                waiting.append(flows.by_id[value])
    return used


def _weak(flows: Flows, node: Node) -> list[str]:
    kind = node.get("type")
    marks = {name: value for name, value in node.items() if name.lower() in _OFF}
    off = any(_is(value, _OFF[name.lower()]) for name, value in marks.items())
    off |= kind in ("e-mail", "e-mail in") and node.get("tls") is False
    code = [
        without_comments(window)
        for name in _CODE
        if isinstance(node.get(name), str)
        for window in flows.patience.windows(node[name], _WINDOW)
        if _tells(window)
    ]
    rules = [row for row in _rows(node) if row.get("t", "set") == "set"]
    off |= any(_IN_CODE.search(text) or _COMMANDS.search(text) for text in code) or any(map(_sets_off, rules))
    old = any(_OLD.search(text) for text in code) or any(
        isinstance(value, str) and _OLD_VALUE.fullmatch(value)
        for name, value in node.items()
        if name.lower() in ("minversion", "secureprotocol", "tlsversion", "sslversion")
    )
    clear_login = kind == "http request" and _login_in_clear(flows, node)
    clear_mqtt = kind == "mqtt-broker" and _mqtt_in_clear(flows, node)
    ways = (("unverified", off), ("old-tls", old), ("clear-login", clear_login), ("clear-mqtt", clear_mqtt))
    return [what for what, holds in ways if holds]


def _tells(code: str) -> bool:
    lowered = code.lower()
    return any(word in lowered for word in _TELLING)


def _is(value: Any, wanted: bool) -> bool:
    return value is wanted or (isinstance(value, str) and value.lower() == str(wanted).lower())


def _rows(node: Node) -> list[dict[str, Any]]:
    rows = node.get("rules")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _sets_off(rule: dict[str, Any]) -> bool:
    name = text(rule.get("p")).rpartition(".")[2].strip("\"']").lower()
    if name in _OFF:
        return _is(rule.get("to"), _OFF[name])
    if rule.get("tot") == "jsonata" and isinstance(rule.get("to"), str):
        return _IN_CODE.search(rule["to"]) is not None
    if rule.get("tot") == "json" and isinstance(rule.get("to"), str):
        try:
            said = json.loads(rule["to"])
        except ValueError:
            return False
        return isinstance(said, dict) and any(_is(said.get(name), False) for name in ("rejectUnauthorized",))
    return False


def _login_in_clear(flows: Flows, node: Node) -> bool:
    said = text(flows.value(node, "url"))
    if not said.lower().startswith("http://") or is_here(said):
        return False
    headers = node.get("headers")
    named = json.dumps(headers).lower() if isinstance(headers, list) else ""
    basic = text(node.get("authType")) in ("basic", "digest", "bearer")
    return basic or "@" in said.partition("://")[2].partition("/")[0] or "authorization" in named


def _mqtt_in_clear(flows: Flows, node: Node) -> bool:
    if node.get("usetls") is True:
        return False
    said = text(flows.value(node, "broker"))
    scheme = said.lower().partition("://")[0] if "://" in said else "mqtt"
    return scheme in ("mqtt", "tcp", "ws") and not is_here(said if "://" in said else f"mqtt://{said}")


def mqtt_strangers(flows: Flows, broker: str) -> bool:
    """Whether the messages of a broker, by the id of its node, come over the network without TLS."""
    node = flows.by_id.get(broker, {})
    return node.get("type") == "mqtt-broker" and _mqtt_in_clear(flows, node)


def is_here(url: str) -> bool:
    """Whether a URL leads to this machine, or to one that the flows do not name."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return True
    if host in _HERE or is_environment(url.partition("://")[2]) or re.search(r"[{}$]", url.partition("://")[2][:80]):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.endswith(".localhost")
