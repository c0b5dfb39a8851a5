"""Whether flows do what strangers must not have done: run what they send, show secrets, trust anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.flow_nodes import INTERFACES
from pytest_nodered_sec.verdict import NotJudged, Severity, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.flows import (
        ActingEntries,
        ClearSecrets,
        Entry,
        Passage,
        Passages,
        Weakenings,
    )
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_RUNS: Final = {
    "command": "runs it as a command",
    "argument": "passes it to a program as an argument",
    "code": "runs commands or code with it",
    "query": "runs it as a database query",
    "file": "opens the file that it names",
    "url": "sends a request to the URL that it names",
}
_MILDER: Final = {"argument": Severity.HIGH, "file": Severity.HIGH, "url": Severity.HIGH}
_WEAK: Final = {
    "unverified": (
        "does not verify the certificate of the machine it talks to",
        "certificates are verified",
        "verify the server's certificate in the node or its TLS configuration; for a private CA load its certificate",
    ),
    "old-tls": (
        "allows TLS 1.1 or older, or SSL",
        "TLS 1.2 or 1.3",
        "remove the old version from the node, or set TLSv1.2",
    ),
    "clear-login": (
        "sends credentials over plain HTTP to another machine",
        "https:// for every request that carries credentials",
        "change the node's URL to https://",
    ),
    "clear-mqtt": (
        "talks to an MQTT broker on another machine without TLS",
        "TLS between Node-RED and the broker",
        "switch TLS on in the broker's configuration node, usually with port 8883",
    ),
}


def runs_nothing_that_strangers_send(seen: Passages, policy: Policy) -> Verdict:
    """No message of strangers reaches a node that runs or opens what it was given."""
    if seen.read is None or seen.read.passages is None:
        return NotJudged(seen.lacking)
    exposed = [passage for passage in seen.read.passages if strangers_reach(passage.entry, policy, seen.gated)]
    by_sink: dict[tuple[str, str], list[Passage]] = {}
    for passage in exposed:
        by_sink.setdefault((passage.sink.id, passage.what), []).append(passage)
    return tuple(_passage(passages, seen.told) for passages in by_sink.values())


def _passage(passages: list[Passage], told: str) -> Violation:
    first = passages[0]
    others = len({passage.source.id for passage in passages}) - 1
    more = f" and {others} more {'entries' if others > 1 else 'entry'}" if others else ""
    return Violation(
        f"runs-{first.what}",
        f"{first.source.line()}, {first.entry.line()}{more}: what it receives reaches "
        f"{first.sink.line()}, which {_RUNS[first.what]}; {told} (checks in function nodes between them are not read)",
        "nothing that strangers send decides what is run or opened",
        "in the flow: pass on only values from a list of your own (switch node); or put the entry behind a login, and "
        "list it in the policy as protected",
        _MILDER.get(first.what),
    )


def strangers_reach(entry: Entry, policy: Policy, gated: bool) -> bool:
    """Whether strangers' messages come in by an entry, by what the policy says and what was seen from outside.

    Args:
        entry: the way in.
        policy: what the site declares.
        gated: whether every path below the node root is refused.
    """
    public = policy.public_reason(entry.where)
    if public or entry.kind == "dashboard":
        return bool(public)
    if entry.kind == "http":
        declared = (entry.method, entry.where) in {(row.method, row.path) for row in policy.protected_paths}
        return not (gated or declared)
    if entry.kind == "websocket":
        return entry.where not in policy.websockets
    if entry.kind in INTERFACES:
        return (entry.kind, entry.where) not in {(row.kind, row.path) for row in policy.interfaces}
    return True  # a port, and a broker without TLS, asks for no login


def shows_no_secret(seen: ClearSecrets, policy: Policy) -> Verdict:
    """No secret stands in the flows in clear."""
    if seen.read is None:
        return NotJudged(seen.lacking)
    return tuple(
        Violation(
            "secret-in-clear",
            f"node {secret.node}, property {secret.property}: {secret.kind}, {secret.length} characters, in clear; "
            f"{seen.told}",
            "secrets stand in the credentials of nodes, which Node-RED encrypts, or in environment variables",
            "in the flow: move the secret to the node's credentials or to an environment variable of type credential, "
            "and replace it where it is used: whoever reads the flows knows it",
        )
        for secret in seen.read.secrets
    )


def verifies_whom_it_talks_to(seen: Weakenings, policy: Policy) -> Verdict:
    """Nothing in the flows turns verification off, or talks to another machine in clear."""
    if seen.read is None:
        return NotJudged(seen.lacking)
    return tuple(
        Violation(
            weak.what, f"{weak.node.line()} {_WEAK[weak.what][0]}; {seen.told}", _WEAK[weak.what][1],
            f"in the flow: {_WEAK[weak.what][2]}",
        )
        for weak in seen.read.weakenings
    )  # fmt: skip


def acts_behind_a_login_only(seen: ActingEntries, policy: Policy) -> Verdict:
    """No way in by which something is changed or started is declared public."""
    if seen.read is None:
        return NotJudged(seen.lacking)
    return tuple(
        Violation(
            "public-widget" if acting.entry.kind == "dashboard" else "public-endpoint",
            f"{acting.node.line()}, {acting.entry.line()}, acts, and the policy declares it public; {seen.told}",
            "what acts needs a login",
            "nodered-sec.toml: take it out of public_paths, and put it behind a login; or let it show only",
        )
        for acting in seen.read.acting
        if policy.public_reason(acting.entry.where)
    )
