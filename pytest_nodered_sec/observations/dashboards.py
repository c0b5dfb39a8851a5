"""What was seen of a dashboard with the account that is to open it: page, assets, live channel.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import Kind, Mark, Refuser
from pytest_nodered_sec.observations.channels import Channel

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.channels import SocketAttempt

_FORM: Final = (
    'a login without Basic is not filled in; give a session of it: dashboard_credentials = {command = ["PROGRAM"]} '
    'that prints {"cookie": "NAME=VALUE"} or {"token": "…"}'
)


@dataclass(frozen=True)
class DashboardVisit:
    """A dashboard, asked for with the account that the site gave for it.

    Attributes:
        path: the dashboard's path below the node root.
        page: the page and its answer.
        by: what was sent: "Basic", "cookie", "token", or "" where nobody asked for it.
        assets: scripts and styles that the page names, below it.
        channel: what became of joining the live channel; None where the page was not there.
    """

    path: str
    page: AccessAttempt
    by: str = ""
    assets: tuple[AccessAttempt, ...] = ()
    channel: SocketAttempt | None = None

    @property
    def opened(self) -> bool:
        """Whether the page came."""
        return self.page.kind is Kind.SERVED and Mark.DASHBOARD in self.page.answer.marks

    @property
    def form(self) -> bool:
        """Whether a login refuses that a program cannot go through with user name and password."""
        refused = self.page.kind is Kind.REFUSED or self.page.classified.cause is Cause.UNDECLARED_LOGIN
        return refused and not self.by and self.page.refuser is not Refuser.CERTIFICATE

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.channel is None:
            return self.page.evidence()
        parts = [self.page.evidence()]
        parts += [asset.evidence() for asset in self.assets if asset.kind is not Kind.SERVED]
        parts += [f"{len(self.assets)} of its scripts and styles were asked"] if self.assets else []
        return "; ".join([*parts, self.channel.evidence()])

    def settle(self, target: Target) -> None:
        """Raise unless it is known whether the account opens the dashboard.

        What a random path gets decides nothing here: a page that shows a dashboard is one.
        """
        if self.form:
            raise ProbeError(f"{self.page.evidence()}: {_FORM}", Cause.UNDECLARED_LOGIN)
        if not self.opened:
            self.page.settle(target)
        if self.page.kind is Kind.SERVED and not self.opened:
            raise ProbeError(
                f"{self.page.evidence()}, which shows no dashboard; if it is a login, {_FORM}", Cause.INDISTINCT
            )
        for attempt in self.assets:
            attempt.settle_kind(target)
        if self.channel is not None and self.channel.channel is Channel.NO_CHANNEL:
            self.channel.attempt.settle_kind(target)
