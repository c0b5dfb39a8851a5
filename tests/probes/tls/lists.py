"""Certificates whose lists a server of their own publishes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import certlab
import tlslab
from certlab import issue
from tlslab import LoopbackLook

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.revocation import look_up_revocation
from pytest_nodered_sec.rules.revocation import not_revoked
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.verdict import Verdict


HOST = "localhost"

CRL = Policy(revocation="crl")


def codes(verdict: Verdict) -> list[str]:
    assert not isinstance(verdict, NotApplicable)
    return [violation.code for violation in verdict]


def look_at(port: int, ca: Path, policy: Policy, **more: Any) -> Look:
    return cast("Look", LoopbackLook(Target("t", f"https://{HOST}:{port}", policy, ca_file=str(ca), **more)))


# --- lists -----------------------------------------------------------------------------------------------


@dataclass
class Shop:
    """Publishes lists over plain HTTP.

    Attributes:
        port: TCP port.
        goods: path: status, body, and where a redirect leads.
        asked: paths, in the order in which they were asked for.
    """

    port: int = 0
    goods: dict[str, tuple[int, bytes, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://localhost:{self.port}{path}"


class Plant:
    """A root, an intermediate and a leaf, both of which name lists; and where they are served."""

    def __init__(self, shop: Shop, folder: Path, **leaf: Any) -> None:
        self.root = issue("Root", ca=True)
        self.middle = issue("Middle", self.root, ca=True, crls=[shop.url("/root.crl")])
        leaf.setdefault("crls", [shop.url("/middle.crl")])
        self.leaf = issue(HOST, self.middle, dns=[HOST], **leaf)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.root.pem)
        self.folder = folder
        shop.goods["/root.crl"] = (200, certlab.crl(self.root), "")
        shop.goods["/middle.crl"] = (200, certlab.crl(self.middle), "")

    def serving(self) -> AbstractContextManager[tlslab.Server]:
        return tlslab.serving_tls(self.folder, [self.leaf, self.middle])

    def look_up(self, policy: Policy = CRL, **more: Any) -> Verdict:
        with self.serving() as server:
            look = look_at(server.port, self.ca, policy, **more)
            seen = look_up_revocation(look)
            settle(seen, look.target)
            self.said = seen.evidence()
            return not_revoked(seen, policy)
