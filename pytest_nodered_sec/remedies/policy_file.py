"""The policy file: what it is to say when the changes are made, each key whole, as it is to stand in the file.

Ways in that the flows open, dashboards that nobody sees any more once they are behind a login, and the accounts with
which the next run looks behind it.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.remedies.lines import toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nodered_sec.remedies.model import Site, Step

FILE: Final = "nodered-sec.toml"
ADMIN: Final = "PLANT"  # prefixes of variables: who uses the admin API, and who the dashboards
OPERATOR: Final = "OPERATOR"
_SAID: Final = "nodered-sec.toml: "
_KEY: Final = re.compile(f"{re.escape(_SAID)}[\\w.]+ = ")  # other remedies tell a person what to take out
_HEAD: Final = (
    "# For your policy file (nodered-sec.toml): these replace the keys of the same name.\n"
    "# Below a [[target]] they apply to that target only.\n"
)
_BELOW: Final = "# Below the [[target]], with which the next run also looks behind the logins:\n"
_BEHIND: Final = "# With these the next run also looks behind the logins; the variables stand in its environment.\n"
_DASHBOARDS: Final = "dashboards = "
_OPEN: Final = {("dash-01", "served"), ("dash-02", "channel-open")}
_ACCOUNTS: Final = {
    "credentials": (ADMIN, "an account of users.json"),
    "dashboard_credentials": (OPERATOR, "an account of the proxy"),
}


def accounts(steps: Iterable[Step], site: Site) -> tuple[str, ...]:
    """Return the keys of the accounts that exist once the changes of a plan are made, for who has none of them yet."""
    made = {step.change.id for step in steps}
    gated = any(name.startswith("front.gate.") for name in made)
    admin = "settings.adminAuth" in made and site.admin_api == "protected"
    return (*(["credentials"] if admin else []), *(["dashboard_credentials"] if gated and site.dashboards else []))


def write(
    steps: Sequence[Step],
    site: Site,
    *,
    told: Mapping[str, Any] | None = None,
    seen: Sequence[str] = (),
    given: Sequence[str] = (),
) -> dict[str, str]:
    """Return the policy file, or what the one that is there lacks; none where that is nothing.

    Args:
        steps: of the plan.
        site: what is known of the target.
        told: where the site has no policy file yet, so that this is to become one: the target's URL and what else the
            run was told of it, by key (Any: TOML values); None where there is one.
        seen: dashboards that anybody could open and nobody declared: behind a login nobody sees that they are there.
        given: which of `accounts` the file is to have.
    """
    keys = _said(steps, seen)
    if told is None:
        below = [_BELOW, *(f"# {_login(key)}" for key in given)] if given else []
        return {FILE: "".join([_HEAD, *keys, *below])} if keys else {}
    if not keys and not given:
        return {}
    head = [
        f"# What {site.name} is to be like. Save this file in the directory where you run pytest.\n",
        "[[target]]\n",
        f"name = {toml(site.name)}  # part of every test id: do not change it later\n",
        *(f"{key} = {toml(value)}\n" for key, value in told.items() if not _has(keys, key)),
    ]
    below = [_BEHIND, *(_login(key) for key in given)] if given else []
    return {FILE: "".join([*head, *keys, *below])}


def seen_open(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the dashboards whose page or live channel anybody could open, by the findings of a plan."""
    instances = [
        finding.instance for step in steps for finding in step.findings if (finding.control, finding.code) in _OPEN
    ]
    return tuple(dict.fromkeys(instances))


def _said(steps: Iterable[Step], seen: Sequence[str]) -> list[str]:
    """Return the lines that the findings of the plan name, each key once, and the dashboards that were seen in one."""
    remedies = [
        finding.remedy.removeprefix(_SAID) for step in steps for finding in step.findings if _KEY.match(finding.remedy)
    ]
    lines = dict.fromkeys(remedy.partition("; or ")[0] for remedy in remedies)
    named = [path for line in lines if line.startswith(_DASHBOARDS) for path in tomllib.loads(line)["dashboards"]]
    others = [line.partition("; ") for line in lines if not line.startswith(_DASHBOARDS)]
    together = list(dict.fromkeys((*seen, *named)))
    return [
        *([f"{_DASHBOARDS}{toml(together)}\n"] if together else []),
        *(f"# {note}\n{key}\n" if note else f"{key}\n" for key, _, note in others),
    ]


def _has(lines: Iterable[str], key: str) -> bool:
    return any(re.search(rf"^{key} = ", line, re.MULTILINE) for line in lines)


def _login(key: str) -> str:
    prefix, whose = _ACCOUNTS[key]
    return f'{key} = {{env = "{prefix}"}}  # {prefix}_USERNAME, {prefix}_PASSWORD: {whose}\n'
