"""Secrets that stand in flows in clear: found by telling names, by known formats, in URLs and in headers.

Disabled nodes count: what stands in the file is read with it. Entropy decides only together with a telling name.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.observations.flows import ClearSecret
from pytest_nodered_sec.probes.flows.patience import Patience
from pytest_nodered_sec.probes.flows.shape import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.probes.flows.shape import Node

_PASSWORD: Final = "password"  # noqa: S105  a kind
_BY_NAME: Final = "secret by its name"
_IN_HEADER: Final = "Authorization header"
_IN_URL: Final = "password in a URL"
_IN_COMMAND: Final = "password in a command"
_IN_QUERY: Final = "secret in a query string"
_LEAST: Final = 4  # characters of a password
_LONG: Final = 16  # characters of a token
_LONGEST: Final = 4000  # characters of what a name alone makes a secret
_BITS: Final = 3.0  # entropy of a token's characters
_DEEPEST: Final = 30  # levels of a node's properties
_SURE: Final = re.compile(
    r"(?i).*(password|passwd|passphrase|pwd|secret|api_?-?key|private_?-?key|access_?-?key|account_?-?key)"
)
_MAYBE: Final = re.compile(
    r"(?i).*(token|auth|bearer|sas|signature|cookie|credentials?|licen[cs]e|session|passwort|pass|webhook)|.*[a-z_-]key"
)
_HEADER: Final = re.compile(r"(?i)(proxy-)?authorization")
_NO_LITERAL: Final = ("msg", "flow", "global", "env", "jsonata", "cred", "bool", "num", "date")
_PLACEHOLDER: Final = re.compile(
    r"""(?ix)
    \W* | x+ | .*\{\{.*\}\}.* | .*\$\{.*\}.* | \$\(.*\) | <.*> | %.*% | __.*__ | \[.*\]
    | (your|my|the|enter|insert|put|add|replace|paste|type|some)[ _-].*
    | (your|my)?(user)?(name|password|passwort|passwd|pwd|pass|secret|token|key|api[ _-]?key
      |access[ _-]?token)[ ]*[:?*]?
    | none | null | undefined | true | false | string | text | example.* | sample.* | dummy.* | redacted | hidden
    | admin | ([a-z]:|[.~])*[\\/]\S*\.\w{2,5}
    | (msg|flow|global|env|payload|req|context|process\.env|credentials)[.\[].*
    """
)
_CONNECTION: Final = re.compile(
    r"(?i)\b(?:server|data source|host|user id|uid|database)\s*=[^\n\"'`]{0,300};\s*(?:password|pwd)\s*="
    r"([^;\s\"'`{}$]{4,300})"
)
_IN_COMMANDS: Final = re.compile(
    r"(?:\bcurl\b[^|;&\n]{0,200}?\s(?:-u|--user)[ =]?[ \"']*[^\s:\"'{}$]+:|\bsshpass\s+-p[ \"']*"
    r"|\bmysql\w*\b[^|;&\n]{0,200}?\s-p|\bmosquitto_\w+\b[^|;&\n]{0,200}?\s-P\s+[\"']?|\s--pass(?:word|wd)?[ =][\"']?)"
    r"([^\s\"'{}$|;&]{4,})"
)
_ENCODED: Final = re.compile(
    r"\b(?:Buffer(?:\.from)?|btoa)\s*\(\s*[\"'`][^\"'`:\s{}$]{1,60}:([^\"'`\s{}$]{4,100})[\"'`]\s*(?:,[^()]{0,60})?\)"
)
# Of a URL, with its scheme or without, or of a form. What code and regular expressions have there is no value; where a
# cursor or a name may stand, its form decides.
_IN_QUERIES: Final = re.compile(
    r"(?i)[?&](?:"
    r"[\w.-]{0,40}?(?:password|passwd|pwd|passphrase|secret|api_?-?key|access_?-?key)=(?![:=])"
    r"([^&\s\"'`#<>{}$()\[\]*|\\^]{4,300})"
    r"|(?:(?:access|api|auth|bearer|bot|client|device|read|refresh|session|user|write)[_-]?)?"
    r"(?:token|auth|auth_?-?key|bearer|pass|passwort|pw)=(?!=)((?=[\w%+/=.~-]{0,60}?\d)[\w%+/=.~-]{8,300})"
    r"|(?![\w.-]{0,40}?(?:page|next|prev|cursor|continuation|sync|delta|skip|cache|sort|partition|public)[\w.-]{0,20}=)"
    r"[\w.-]{0,40}?(?:token|key|auth|sig|signature|appid)=(?!=)((?=[\w%+/=.~-]{0,60}?\d)[\w%+/=.~-]{16,}))"
)
_FORMATS: Final = (  # what it is, words of which it has one, and its form: words are found quicker
    (
        "private key",
        ("PRIVATE KEY",),
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END|\Z)", re.DOTALL),
    ),
    ("AWS access key", ("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}")),
    ("GitHub token", ("github_pat_",), re.compile(r"\bgithub_pat_\w{22,}")),
    ("GitLab token", ("glpat-",), re.compile(r"\bglpat-[\w-]{20,}")),
    ("Slack token", ("xox",), re.compile(r"\bxox[abeoprs]-[\w-]{10,}")),
    ("Slack webhook", ("hooks.slack",), re.compile(r"hooks\.slack\.com/services/T\w+/B\w+/\w{16,}")),
    ("Google API key", ("AIza",), re.compile(r"\bAIza[\w-]{35}")),
    ("Google token", ("ya29.",), re.compile(r"\bya29\.[\w-]{20,}")),
    ("Stripe key", ("k_live_",), re.compile(r"\b[rs]k_live_\w{16,}")),
    ("SendGrid key", ("SG.",), re.compile(r"\bSG\.[\w-]{16,}\.[\w-]{16,}")),
    ("npm token", ("npm_",), re.compile(r"\bnpm_[A-Za-z0-9]{36}")),
    ("Docker token", ("dckr_pat_",), re.compile(r"\bdckr_pat_[\w-]{20,}")),
    ("Hugging Face token", ("hf_",), re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    ("AI service key", ("sk-",), re.compile(r"\bsk-(?:ant|proj|svcacct)-[\w-]{20,}|\bsk-[A-Za-z0-9]{40,}")),
    ("Telegram bot token", (":AA",), re.compile(r"\b\d{8,10}:AA[\w-]{33}")),
    ("Discord webhook", ("/webhooks/",), re.compile(r"discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}")),
    ("Azure key", ("Shared", "AccountKey"), re.compile(r"(?:SharedAccess\w+|AccountKey)=[\w+/%=-]{20,}")),
    (_IN_COMMAND, ("curl", "sshpass", "mysql", "mosquitto_", "--pass"), _IN_COMMANDS),
    (_PASSWORD, ("ssword=", "wd="), _CONNECTION),
    (_IN_HEADER, ("Buffer", "btoa"), _ENCODED),
    (_IN_QUERY, ("?", "&"), _IN_QUERIES),
    ("JSON Web Token", ("eyJ",), re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
)
_URL: Final = re.compile(r"(?<![a-zA-Z0-9+.-])[a-zA-Z][a-zA-Z0-9+.-]{0,20}://([^\s/:@\"'`{}$<>]*):([^\s/@\"'`{}$<>]+)@")
_BEARER: Final = re.compile(r"(?:Basic|Bearer|Token|Digest)\s+(\S.*)", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"""(?ix)(?<![\w.$-])([\w.$-]{0,60}?(?:password|passwd|pwd|passphrase|secret|api[_-]?key|token|authorization|access[_-]?key))
    \\?["']?\]?\s*(?::|[!=]?={1,2})\s*\\?(["'`])((?:(?!\2)[^\\\n]){4,300})\\?\2"""
)
_WORDS: Final = ("passw", "passphrase", "pwd", "secret", "apikey", "api_key", "api-key", "token", "authorization",
                 "accesskey", "access_key", "access-key")  # fmt: skip
_WINDOW: Final = 8192  # characters of a text that are searched at once
_STRUCTURE: Final = ("id", "type", "z", "g", "x", "y", "w", "h", "wires")
_SUFFIXES: Final = ("Type", "type", "_type", "-type", "FieldType")
_TOKEN: Final = re.compile(r"[\w+/=.:~%-]+")
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")  # a property of the message
_PAIRS: Final = (  # a row that names something, says it, and says of what type that is
    ("p", "to", "tot"),
    ("p", "v", "vt"),
    ("name", "value", "type"),
    ("key", "value", "type"),
    ("keyValue", "valueValue", "valueType"),
    ("keyType", "valueValue", "valueType"),
    ("h", "v", "vt"),
)
KINDS: Final = (_PASSWORD, _BY_NAME, _IN_HEADER, _IN_URL, _IN_COMMAND, *(kind for kind, _, _ in _FORMATS))
PATTERNS: Final = {  # for a reading elsewhere, as are the tables
    "sure": _SURE, "maybe": _MAYBE, "header": _HEADER, "placeholder": _PLACEHOLDER, "url": _URL, "bearer": _BEARER,
    "assigned": _ASSIGNED, "token": _TOKEN, "dotted": _DOTTED,
    **{f"format{place}": pattern for place, (_, _, pattern) in enumerate(_FORMATS)},
}  # fmt: skip
TABLES: Final = {
    "least": _LEAST, "long": _LONG, "longestSecret": _LONGEST, "bits": _BITS, "deepest": _DEEPEST, "words": _WORDS,
    "formats": [(kind, words) for kind, words, _ in _FORMATS], "noLiteral": _NO_LITERAL, "suffixes": _SUFFIXES,
    "pairs": _PAIRS, "structure": _STRUCTURE,
}  # fmt: skip


def secrets_of(nodes: list[Node]) -> tuple[ClearSecret, ...]:
    """Return the secrets that stand in nodes in clear, each kind once for each property of a node."""
    kinds: dict[str, str] = {}  # of property names, which are few
    secrets: dict[tuple[str, str, str], ClearSecret] = {}
    patience = Patience()
    for node in nodes:
        patience.check()
        ident = text(node.get("id"))
        for name, value in node.items():
            if name in _STRUCTURE:
                continue
            for kind, length in _within(name, value, node, kinds, patience):
                secrets.setdefault((ident, name, kind), ClearSecret(kind, ident, _property(name), length))
    return tuple(secrets.values())


def looks_secret(said: str) -> bool:
    """Whether a text holds a secret of a known format, or one that is assigned in it."""
    return next(_in_text(said[:_WINDOW]), None) is not None


def _property(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][\w-]{0,39}", name) else "?"


def _within(
    name: str, value: Any, holder: Node, kinds: dict[str, str], patience: Patience
) -> Iterator[tuple[str, int]]:
    """Walk through a property, however deep it goes."""
    waiting: list[tuple[str, Any, Any, int]] = [(name, value, holder, 0)]
    while waiting:
        key, value, holder, depth = waiting.pop()
        if isinstance(value, str):
            if value and not (len(value) < _LEAST or (kind := _kind(key, kinds)) is None):
                yield from _by_name(kind, value, key, holder)
            if len(value) >= _LONG or (len(value) > _LONG // 2 and not value.isalnum()):
                for window in patience.windows(value, _WINDOW):
                    yield from _in_text(window)
        elif isinstance(value, dict) and depth < _DEEPEST:
            yield from _in_row(value, kinds)
            waiting += [(inner, content, value, depth + 1) for inner, content in value.items()]
        elif isinstance(value, list) and depth < _DEEPEST:
            waiting += [(key, content, holder, depth + 1) for content in value]


def _kind(name: str, kinds: dict[str, str]) -> str | None:
    """Return what a property's name tells: "password", "maybe", "header"; None for nothing."""
    if name not in kinds:
        tells = (("header", _HEADER), (_PASSWORD, _SURE), ("maybe", _MAYBE))
        kinds[name] = next((kind for kind, pattern in tells if pattern.fullmatch(name)), "")
    return kinds[name] or None


def _by_name(kind: str, value: str, key: str, holder: Any) -> Iterator[tuple[str, int]]:
    if isinstance(holder, dict):
        types = (holder.get(key + suffix) for suffix in _SUFFIXES)
        if any(said in _NO_LITERAL for said in types if isinstance(said, str)):
            return
    if len(value) > _LONGEST or _PLACEHOLDER.fullmatch(value.strip()):
        return
    if kind == "header":
        scheme = _BEARER.match(value)
        if scheme and len(scheme[1]) >= _LEAST and not _PLACEHOLDER.fullmatch(scheme[1].strip()):
            yield _IN_HEADER, len(scheme[1])
    elif kind == _PASSWORD:
        if not any(letter.isspace() for letter in value.strip()) or _is_random(value):
            yield _PASSWORD, len(value)
    elif _is_random(value):
        yield _BY_NAME, len(value)


def _is_random(value: str) -> bool:
    """Whether a text has the length, the letters and digits, and the entropy of a token."""
    if len(value) < _LONG or not _TOKEN.fullmatch(value) or "/" in value[:1] or "://" in value:
        return False
    if _DOTTED.fullmatch(value):
        return False
    if not (re.search(r"\d", value) and re.search("[A-Za-z]", value)):
        return False
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values()) >= _BITS


def _in_row(row: dict[str, Any], kinds: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Look at a row that names something and says it: a change, an environment variable, a header."""
    for naming, saying, typing in _PAIRS:
        name, value = row.get(naming), row.get(saying)
        if not (isinstance(name, str) and isinstance(value, str)) or len(value) < _LEAST:
            continue
        if row.get(typing) in _NO_LITERAL:
            continue
        kind = _kind(name.rpartition(".")[2].strip("\"']"), kinds)
        if kind is not None:
            yield from _by_name(kind, value, "", None)


def _in_text(value: str) -> Iterator[tuple[str, int]]:
    """Look for known formats, passwords in URLs, and what code or JSON assigns to a telling name."""
    for kind, words, pattern in _FORMATS if len(value) >= _LONG else ():
        for word in words:
            if word in value:
                told = (match[match.lastindex or 0] for match in pattern.finditer(value))
                said = next((each for each in told if not _PLACEHOLDER.fullmatch(each)), "")
                if said:
                    yield kind, len(said)
                break
    for match in _URL.finditer(value) if "://" in value and "@" in value else ():
        if match[2] not in (match[1], "port") and not _PLACEHOLDER.fullmatch(match[2]):
            yield _IN_URL, len(match[2])
            break
    lowered = value.lower() if ":" in value or "=" in value else ""
    for match in _ASSIGNED.finditer(value) if lowered and any(word in lowered for word in _WORDS) else ():
        name, literal = match[1].rpartition(".")[2].lower(), match[3]
        if "authorization" in name:
            yield from _by_name("header", literal, "", None)
        else:
            yield from _by_name("maybe" if name.endswith("token") else _PASSWORD, literal, "", None)
