"""Whether the target answered throughout the run, and what identifies Node-RED there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError, see_reach
from pytest_nodered_sec.observations.answers import ALL_ALIKE, DECLARE_IT, LET_IT_REFUSE, Kind, Refuser
from pytest_nodered_sec.observations.way_out import way_out
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import Answer, RootView, Seen

BEHIND_A_GATE: Final = (
    "everything under {root} is refused before Node-RED; the admin root may be wrong, or set "
    "--nodered-admin-api=proxied if a gate covers everything"
)
DASHBOARD_PAGE: Final = "a dashboard's page"  # as what identifies Node-RED
_BY_WHOM: Final = (
    " and without asking for a login: by a list of machines that may enter, or because the front bans this one "
    "(fail2ban, CrowdSec, a limit of requests); open the URL with a browser elsewhere, and see whether that is what "
    "strangers get"
)


@dataclass(frozen=True)
class Reach:
    """The target answered at the beginning and at the end.

    Attributes:
        address: the address dialled for the URL.
        addresses: all addresses of the name.
        first: UTC time of the first sign of life.
        last: UTC time of the last one.
        looks: how many looks lay between them.
        identity: what shows a Node-RED; empty if nothing did.
        view: landmarks of the admin root.
    """

    address: str
    addresses: tuple[str, ...]
    first: datetime
    last: datetime
    looks: int
    identity: tuple[str, ...]
    view: RootView

    def evidence(self) -> str:
        """Return one line for the evidence."""
        shown = (
            f"identified as Node-RED by {', '.join(self.identity)}"
            if self.identity
            else f"everything is refused before Node-RED{_BY_WHOM if self._asks_for_no_login() else ''}"
        )
        return (
            f"{self.address} answered from {self.first:%H:%M:%SZ} to {self.last:%H:%M:%SZ}, "
            f"{counted(self.looks, 'look')} between; {shown}{f'; {self.view.found}' if self.view.found else ''}"
        )

    def _asks_for_no_login(self) -> bool:
        return self.view.canary.classified.refuser is Refuser.UNNAMED

    def settle(self, target: Target) -> None:
        """Raise if nothing identifies Node-RED, unless the policy declares a gate before everything."""
        if not _unshown(self.view, target):
            return
        canary = self.view.canary
        if wrong := of_a_dashboard(self.view, target):
            raise ProbeError(wrong, Cause.UNIDENTIFIED)
        if self.view.blanket:
            todo = way_out(canary.answer)
            detail = f"every path answers {canary.answer.line()}: {BEHIND_A_GATE.format(root=self.view.root)}"
            detail += f"; {todo}" if todo else ""
        elif moved := moved_to(canary, target):
            detail = f"every path is redirected to {moved}: if that is its name, use `--nodered-url={moved}`"
        elif page := login_page(canary):
            detail = f"every path is redirected to {page}: if that is your login page, add `--nodered-login-url={page}`"
        elif canary.kind is Kind.SERVED:
            todo = speaks_tls(canary.answer, target) or way_out(canary.answer) or f"{LET_IT_REFUSE}; {DECLARE_IT}"
            detail = f"{ALL_ALIKE}, {canary.answer.line()}; {todo}"
        elif canary.classified.cause in (Cause.UNDECLARED_LOGIN, Cause.REJECTED):
            detail = f"every path answers {canary.answer.line()}: {canary.classified.why}"
        elif prefix := prefixed(canary):
            detail = f"every path is redirected to the same below {prefix}: if Node-RED is there, use "
            detail += f"`--nodered-url={prefix}`"
        else:
            shorter = f" (without its path: `--nodered-url={target.origin}`)" if urlsplit(target.url).path[1:] else ""
            detail = (
                f"wrong URL{shorter} or wrong --nodered-admin-root? If a gate answers strangers with 404, let it "
                "answer 401 or 403, because its 404 cannot be told from nothing being there"
            )
            if target.policy.dashboards is None:
                detail += ", or name a dashboard that a login guards (--nodered-dashboard=/ui)"
        raise ProbeError(f"{target.url} answers, but nothing identifies Node-RED there: {detail}", Cause.UNIDENTIFIED)


def moved_to(canary: Seen, target: Target) -> str:
    """Return the origin to which every path is moved as it is, "" where none is: the deployment's own name, or so."""
    origin = canary.answer.location.removesuffix(canary.path)
    there = urlsplit(origin)
    another = origin != canary.answer.location and there.scheme == "https" and there.hostname != target.hostname
    return origin if another and canary.classified.cause is Cause.UNDECLARED_LOGIN else ""


def speaks_tls(answer: Answer, target: Target) -> str:
    """Return the advice for plain HTTP that is answered 400 (nginx, Apache httpd and Caddy do on a port for HTTPS)."""
    https = target.origin.replace("http:", "https:", 1)
    return "" if target.tls or answer.status != 400 else f"if the port is one for HTTPS, use `--nodered-url={https}`"


def login_page(canary: Seen) -> str:
    """Return the path of this site's page to which every path is led, "" where it is led to none."""
    first = urlsplit(canary.answer.first).path
    return first if canary.kind is Kind.SERVED and canary.path not in first and len(first) > 1 else ""


def prefixed(canary: Seen) -> str:
    """Return the URL below which every path is led to itself, "" where none is: a language (`/en/`), or Node-RED's."""
    there = canary.answer.first.removesuffix(canary.path)
    led = there != canary.answer.first and urlsplit(there).path
    return f"{there}/" if led else ""


def unidentified(view: RootView, target: Target, evidence: str) -> ProbeError:
    """Return the error of a question that proves nothing unless Node-RED was identified.

    Args:
        view: landmarks of the root that was asked.
        target: the target.
        evidence: what was asked and answered, for where reach-01 passes.
    """
    if nobody_seen(view, target):
        return see_reach(target.name)
    return ProbeError(f"{evidence}; nothing at {target.url} identifies Node-RED", Cause.UNIDENTIFIED)


def nobody_seen(view: RootView, target: Target) -> bool:
    """Whether a view is of the admin root, which reach-01 judges, and reach-01 is an error."""
    return view.settings is not None and _unshown(view, target)


def turned_away(view: RootView, target: Target) -> bool:
    """Whether reach-01 is an error, and all of a root is refused without a login: a limit or a ban may refuse so.

    Whatever stands behind it, nobody has seen it.
    """
    return view.blanket and view.canary.refuser is Refuser.UNNAMED and nobody_seen(view, target)


def of_a_dashboard(view: RootView, target: Target) -> str:
    """Return what to use where the URL is a dashboard's, as its users' browsers show it; "" where it is Node-RED's."""
    policy = target.policy
    meant = policy.admin_api == "disabled" or "/" in (policy.dashboards or ()) or target.admin_root != "/"
    path = urlsplit(target.url).path.rstrip("/")
    if meant or not path or not view.api_absent or not any(DASHBOARD_PAGE in shown for shown in view.identity):
        return ""
    above = path.rpartition("/")[0]
    return (
        f"{target.url} is the page of a dashboard, and no admin API is below it: use "
        f"`--nodered-url={target.origin}{above}`, from where dashboards are looked for at /ui and /dashboard"
    )


def _unshown(view: RootView, target: Target) -> bool:
    """Whether reach-01 is an error: nothing identifies Node-RED, and the policy declares no gate before everything."""
    if of_a_dashboard(view, target):
        return True
    return not view.identity and not (view.gated and target.policy.admin_api == "proxied")
