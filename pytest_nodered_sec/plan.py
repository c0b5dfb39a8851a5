"""The requests that a run would send: for `--nodered-plan`, and for calm mode and `join_channels`.

What each probe sends stands beside it in `registry`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.model import Ask, Target
    from pytest_nodered_sec.registry.requests import Request


def requests_of(target: Target, ask: Ask) -> tuple[Request, ...]:
    """Return what a question may send to a target, landmarks aside."""
    from pytest_nodered_sec.registry import PROBES  # and the tables it needs: only where something is asked

    if not ask.probe:
        return ()
    return tuple(PROBES[ask.probe].sends(target, ask.args))


def asked_of_flows(asks: Iterable[Ask] | None) -> bool:
    """Whether a file of flows answers these questions: what the run itself answers needs some."""
    from pytest_nodered_sec.registry import PROBES  # as above

    questions = list(asks or ())
    return bool(questions) and all(not ask.probe or PROBES[ask.probe].in_flows for ask in questions)


def left_out(target: Target, ask: Ask) -> str:
    """Return why the site does not want a question to be asked, "" where it may be."""
    policy = target.policy
    if policy.mode == "calm":
        for request in requests_of(target, ask):
            if not request.manner.calm:
                return f'not judged: mode = "calm" leaves out what is {request.manner.value}'
    if _channel_of(ask) is not None and not policy.join_channels:
        return "not judged: join_channels = false leaves out the connect and lost that a flow would see"
    return ""


def does_not_arise(target: Target, ask: Ask) -> str:
    """Return why a question does not arise, "" if it does.

    What strangers may join is joined once, to read what it shows.
    """
    if ask.probe == "client_certificate":
        if not target.tls:
            return "served without TLS: see tls-01"
        if target.policy.mutual_tls or target.policy.mode != "calm":
            return ""
        return "not required: mutual_tls = true demands a client certificate"
    channel = _channel_of(ask)
    reason = target.policy.public_reason(channel) if channel else ""
    if ask.probe == "widgets":
        return "" if reason else "not declared public: dash-01 and dash-02 judge it"
    if ask.probe in ("way", "dashboard_visit"):
        path = ask.args[2] if ask.probe == "way" else ask.args[0]
        reason = target.policy.public_reason(path)
    return f"declared public: {reason}" if reason else ""


def _channel_of(ask: Ask) -> str | None:
    """Return the path of the user interface whose live channel a question joins, None where it joins none."""
    if ask.probe in ("socket", "widgets", "dashboard_visit"):
        return ask.args[0]
    if ask.probe == "way" and ask.args[0].startswith("channel"):
        return ask.args[2]
    if ask.probe == "undeclared" or (ask.probe == "root" and any(path.endswith("/socket.io") for path in ask.args)):
        return ask.args[0]
    joins = ask.probe == "interface" or (ask.probe, *ask.args[:1]) == ("foreign", "dashboard")
    return ask.args[1] if joins else None


def requests_to(target: Target, questions: Iterable[tuple[str, Ask]]) -> dict[Request, set[str]]:
    """Return what may be sent to a target, landmarks included, and who wants it.

    Args:
        target: the target.
        questions: control id (or the test's name) and question of each collected case.
    """
    from pytest_nodered_sec.registry.requests import Manner, Request, for_landmarks  # as above

    wanted: dict[Request, set[str]] = defaultdict(set)
    for request in for_landmarks(target):
        wanted[request].add("landmarks")
    port = Request(Manner.HANDSHAKE, "CONNECT", f"port {target.http_port}", plain=True)
    canary = Request(Manner.READ, "GET", target.admin("/<random>"), plain=True)
    clear = [port, canary] if target.tls else [canary]
    for name, ask in questions:
        requests = requests_of(target, ask)
        in_clear = any(request.plain for request in requests)
        for request in (*requests, *(clear if in_clear else ())):
            wanted[request].add(name)
    return wanted


def requests_as_text(target: Target, questions: Iterable[tuple[str, Ask]]) -> str:
    """Return what would be sent to a target as text, a line for each request; for the arguments see `requests_to`."""
    from pytest_nodered_sec.registry.requests import Manner  # as above

    wanted = requests_to(target, questions)
    if target.flows:
        return f"{target.name}: {target.flows} is read, nothing is sent\n"
    order = list(Manner)
    counts = Counter(request.manner for request in wanted)
    kinds = ", ".join(f"{counts[manner]} {manner.value}" for manner in order if counts[manner])
    lines = [f"{target.name}: {target.url}, {len(wanted)} different requests ({kinds}), none sent"]
    if target.find_roots:
        lines.append(
            "  (at other roots where the target names them; --nodered-admin-root and --nodered-node-root settle that)"
        )
    for request in sorted(
        wanted, key=lambda request: (order.index(request.manner), request.plain, request.path, request.method)
    ):
        where = f"{request.path} over plain HTTP" if request.plain else request.path
        lines.append(
            f"  {request.manner.value:<14}  {request.method:<7} {where}  [{', '.join(sorted(wanted[request]))}]"
        )
    return "\n".join(lines) + "\n"


def legend(plan: str) -> str:
    """Return what the words of a plan mean, for below it: of hundreds of lines a terminal shows the last."""
    from pytest_nodered_sec.registry.requests import Manner  # as above

    used = [manner for manner in Manner if f"\n  {manner.value} " in plan]
    if not used:
        return ""
    calm = "" if all(manner.calm for manner in used) else "--nodered-mode=calm leaves out guess and exploit-shaped. "
    return "".join(
        [
            "What answers come decides which of these are sent: some 270 to a hardened target.\n",
            *(f"  {manner.value:<14}  {manner.meaning}\n" for manner in used),
            "  [tls-01]        which control asks: pytest --nodered-controls=tls-01 explains it\n",
            "  [landmarks]     asked of every target, also in between: who answers, and whether it still does\n",
            "  <random>        a value that is new each time, as <sid> and <hex> are; NOPE: an id that nothing has\n",
            f"{calm}More: docs/asking.md\n",
        ]
    )
