"""What to change at each target: its findings, what a change must know of it, and the plan. From records alone."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_nodered_sec.remedies import fronts
from pytest_nodered_sec.remedies.model import Finding, Site
from pytest_nodered_sec.remedies.planner import plan
from pytest_nodered_sec.results.rollup import JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.remedies.model import FrontName, Step
    from pytest_nodered_sec.results.metadata import RunFacts

    Record = Mapping[str, Any]  # Any: a case's record, of several kinds of values

_DAY: Final = 86400  # seconds
_ADVISED: Final[FrontName] = (
    "nginx"  # where no proxy stands yet, or nobody knows which: the one that the guide shows first
)
_REALM: Final = re.compile(r'Basic realm="(traefik)"')  # one that nobody would write, but Traefik's own
_INSIDE: Final = re.compile(r"^(nginx) -T:|: (Caddy) listens on |^([^:;]+): [^;]*; Node-RED listens on ")  # on the host
_ENTRY: Final = re.compile(r"the flows open (WebSocket|http-in \w+|uibuilder) (/[^\s,]*)")
_NODE_LOGIN: Final = 'Basic realm="Authorization Required"'  # node-red/red.js
_SHUT: Final = re.compile(r"answered 40[13] \([^)]*, \d+ bytes\)")  # no login is asked for
_PAGE: Final = re.compile(r"(/\S*) answered [^;]*?: a dashboard's page")
_ROOT: Final = re.compile(r"(/\S*?)/[^/\s]+/socket\.io answered [^;]*?: a dashboard's live channel")
_LIVE: Final = re.compile(r"live channel (/[^\s,]+)")
_INTERFACES: Final = {"uibuilder": "/uibuilder/vendor/socket.io", "worldmap": "/socket", "flexdash": "/io"}


class TargetPlan(NamedTuple):
    """One target's plan.

    Attributes:
        target: what was looked at.
        site: what its changes know of it.
        steps: what to change, worst first.
        front: the proxy that stands there, "none" where the policy says that there is none, None where it is not known;
            then `site` has the one that the files are written for.
        unseen: why the front's configuration is not written: it would take the place of a gate that is not known, and
            let in whom that keeps out; "" where it is written.
    """

    target: Target
    site: Site
    steps: tuple[Step, ...]
    front: FrontName | None
    unseen: str = ""


def of_run(targets: Iterable[Target], records: Iterable[Record], facts: RunFacts) -> tuple[TargetPlan, ...]:
    """Return the plan of each target.

    Args:
        targets: with their policies.
        records: what became of each case.
        facts: what the run knows of its targets.
    """
    servers = {
        target["name"]: target["identity"].get("server", "") for target in facts["targets"]
    }  # older folders have none
    own: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        own[record["target"]].append(record)
    return tuple(of_target(target, own[target.name], servers.get(target.name, "")) for target in targets)


def of_target(target: Target, own: Sequence[Record], server: str) -> TargetPlan:
    """Return a target's plan.

    Args:
        target: with its policy.
        own: what became of its cases.
        server: what its answers say of the server.
    """
    bad = findings(own)
    realms = [match for record in own for match in _REALM.findall(record["observed"])]
    inside = [
        "".join(filter(None, match.groups()))
        for record in own
        if record["control"] in ("host-12", "host-13") and (match := _INSIDE.search(record["observed"]))
    ]
    front: FrontName | None = target.policy.front or fronts.recognise([server, *realms, *inside])
    site = _site(target, own, bad, _ADVISED if front in (None, "none") else front)
    return TargetPlan(target, site, plan(bad, site), front, _unseen(target, own))


def _unseen(target: Target, records: Sequence[Record]) -> str:
    if target.policy.login_urls:
        return "a login of its own stands in front (login_urls), which a new configuration would replace"
    for control in ("reach-01", "admin-01"):
        if any(record["control"] == control and record["outcome"] == "could-not-look" for record in records):
            return f"what stands in front is not known: {control} could not look. Follow its sentence, then look again"
    return ""


def findings(records: Iterable[Record]) -> list[Finding]:
    """Return the findings that count: not those that a waiver accepts."""
    return [
        Finding(record["control"], each["severity"], each["code"], record["instance"], each["observed"], each["remedy"])
        for record in records
        if record["outcome"] == "non-compliant"
        for each in record["findings"]
        if each["code"] not in (record["waiver"]["findings"] if record["waiver"] else ())
    ]


def _site(target: Target, records: Sequence[Record], bad: Sequence[Finding], front: FrontName) -> Site:
    policy = target.policy
    opened = [_ENTRY.search(finding.observed) for finding in bad if finding.control == "flow-01"]
    entries = [(match[1], _fixed(match[2])) for match in opened if match]
    root = target.node("").rstrip("/")
    live = [_LIVE.search(finding.observed) for finding in bad if finding.control == "live-01"]
    channels = {
        *policy.websockets,
        *(path for kind, path in entries if kind == "WebSocket"),
        *(match[1].removesuffix("/info").removeprefix(root) for match in live if match),
        *(_channel(interface.kind, interface.path) for interface in policy.interfaces),
        *(_INTERFACES["uibuilder"] for kind, _ in entries if kind == "uibuilder"),
    }
    endpoints = {
        *(_fixed(endpoint.path) for endpoint in policy.protected_paths),
        *(path for kind, path in entries if kind != "WebSocket"),
        *(interface.path for interface in policy.interfaces),
    }
    return Site(
        name=target.name,
        host=target.hostname,
        port=target.port if target.tls else 443,
        http_port=target.http_port,
        direct_port=target.direct_port,
        admin_root=target.admin("").rstrip("/"),
        node_root=root,
        found_roots=_found_roots(target, bad),
        admin_api=policy.admin_api,
        editor=policy.editor,
        dashboards=_dashboards(target, records),
        channels=tuple(sorted(channels)),
        endpoints=tuple(sorted(endpoints)),
        public=tuple(public_path.path for public_path in policy.public_paths),
        hsts=policy.thresholds.hsts_max_age,
        versions=tuple(version for version in ("1.2", "1.3") if version in policy.thresholds.tls_accepted),
        session_seconds=int(policy.thresholds.session_days * _DAY),
        cookies=any(finding.control == "cookie-01" for finding in bad),
        clients=policy.mutual_tls,
        node_login=any(_NODE_LOGIN in record["observed"] for record in records),
        shut=tuple(
            target.node(record["instance"])
            for record in records
            if record["control"] == "dash-01" and record["outcome"] == "compliant" and _SHUT.search(record["observed"])
        ),
        flows_read=any(record["control"] == "flow-01" and record["outcome"] in JUDGED for record in records),
        front=front,
    )


def _found_roots(target: Target, bad: Sequence[Finding]) -> tuple[str, ...]:
    """Return node roots that the policy does not know: a front written without them would cut off what is there."""
    told = [root for finding in bad if finding.control == "roots-01" for root in _ROOT.findall(finding.observed)]
    return tuple(root for root in dict.fromkeys(told) if root != target.node("").rstrip("/"))


def _dashboards(target: Target, records: Sequence[Record]) -> tuple[str, ...]:
    """Return the declared dashboards, else those that were there, or may be: a gate before nothing does no harm.

    Those that answered though nobody declared them are among these: they need a login as well.
    """
    root = target.node("").rstrip("/")
    told = [finding for record in records if record["control"] == "roots-01" for finding in record["findings"]]
    paths = [path.removeprefix(root) for finding in told for path in _PAGE.findall(finding["observed"])]
    if target.policy.dashboards is not None:
        return tuple(dict.fromkeys((*target.policy.dashboards, *paths)))
    there = ("compliant", "non-compliant", "waived", "could-not-look")
    seen = (record for record in records if record["control"] in ("dash-01", "dash-02") and record["outcome"] in there)
    return tuple(dict.fromkeys((*(record["instance"] for record in seen), *paths)))


def _channel(kind: str, path: str) -> str:
    return _INTERFACES[kind] if kind == "uibuilder" else path + _INTERFACES[kind]


def _fixed(path: str) -> str:
    """Return the part of an Express path before its first parameter or pattern."""
    return re.split(r"/[^/]*[:*(+?\[]", path, maxsplit=1)[0] or "/"
