"""Records of findings as a run has them, and the end of the terminal that comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.evidence.ending import Ending
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy

if TYPE_CHECKING:
    from pathlib import Path


TARGET = Target("plant", "https://plant.example/nr", Policy(), admin_root="/admin")


def record(
    control: str, *codes: str, instance: str = "", outcome: str = "non-compliant", **more: Any
) -> dict[str, Any]:
    findings = [
        {"code": code, "severity": "critical", "observed": f"{control} saw {code}", "expected": "", "remedy": "mend it"}
        for code in codes
    ]
    node = f"nodered-sec/test_x.py::test_x[plant-{control}{instance}]"
    known = {"nodeid": node, "target": "plant", "control": control, "instance": instance, "outcome": outcome}
    known |= {"started": "2026-11-25T10:02:13.000+00:00", "severity": "critical", "observed": ""}
    return known | {"findings": findings, "waiver": None, "reason": ""} | more


class Book:
    """As much of the ledger as the ending reads."""

    def __init__(self, *records: dict[str, Any], server: str = "nginx") -> None:
        self.records = list(records)
        self._server = server

    def facts(self) -> dict[str, Any]:
        return {"targets": [{"name": "plant", "identity": {"server": self._server}}]}


class Session:
    exitstatus = 0


def ended(
    *records: dict[str, Any],
    show_all: bool = False,
    folder: Path | None = None,
    server: str = "nginx",
    quiet: int = 0,
    style: str = "",
    target: Target = TARGET,
) -> Ending:
    book: Any = Book(*records, server=server)
    session: Any = Session()
    made = Ending(book, [target], show_all=show_all, folder=folder, quiet=quiet, style=style)
    made.pytest_sessionfinish(session)
    return made


def lines(*records: dict[str, Any], **more: Any) -> str:
    return "\n".join(ended(*records, **more).lines())


OPEN = [record("admin-01", "served", instance=f"GET /{number}") for number in range(25)]
