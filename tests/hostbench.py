"""The machine of hostlab.py, changed from case to case, and looked at from inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hostlab import NGINX, SETTINGS, UNIT, URL, Machine
from suite_runs import run

if TYPE_CHECKING:
    from pathlib import Path

    import warm


@dataclass(frozen=True)
class Weak:
    """How the machine differs from the hardened one, and what that comes to.

    Attributes:
        fails: controls that fail.
        errs: controls that cannot look.
        settings: replaced in settings.js.
        unit: replaced in nodered.service.
        site: replaced in nginx's site.
        nginx: replaced in nginx.conf.
        do: shell script, run when the files are in place and running.
        given: its standard input.
        undo: takes it back.
        user: login.
        url: where from outside it is looked at.
    """

    fails: str
    errs: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    unit: tuple[tuple[str, str], ...] = ()
    site: tuple[tuple[str, str], ...] = ()
    nginx: tuple[tuple[str, str], ...] = ()
    do: str = ""
    given: str = ""
    undo: str = ""
    user: str = "ops"
    url: str = URL


@dataclass
class Bench:
    """The machine with what stands on it now: only what differs is written, and only its reader started again."""

    machine: Machine
    server: warm.Server
    now: dict[str, str] = field(default_factory=dict)

    def bring(self, weak: Weak) -> None:
        wanted = {
            SETTINGS: changed(self.machine.settings, weak.settings),
            "/etc/systemd/system/nodered.service": changed(UNIT, weak.unit),
            "/etc/nginx/sites-available/plant": changed(self.machine.site, weak.site),
            "/etc/nginx/nginx.conf": changed(NGINX, weak.nginx),
        }
        late = {path for path, text in wanted.items() if self.now.get(path) != text}
        for path in late:
            self.machine.run(f"cat >{path}", given=wanted[path])
        self.now = wanted
        if any("nginx" not in path for path in late):
            self.machine.run("systemctl daemon-reload && systemctl restart nodered")
        if any("nginx" in path for path in late):
            self.machine.run("reload-nginx")
        self.machine.run(weak.do or "true", given=weak.given)
        self.machine.wait_for_node_red()

    def tried(self, folder: Path, weak: Weak) -> dict[str, set[str]]:
        """Bring one, judge it, and undo what it did to the machine."""
        try:
            self.bring(weak)
            return self.judged(folder, weak)
        finally:
            self.machine.run(weak.undo or "true")

    def judged(self, folder: Path, weak: Weak) -> dict[str, set[str]]:
        ways = [f"--nodered-host={self.machine.spec(weak.user)}", f"--nodered-ca-file={self.machine.ca_file}"]
        args = [f"--nodered-url={weak.url}", *ways, "-k", "test_host_"]
        [seen] = run(folder, *args, server=self.server).values()
        return seen


def changed(text: str, replacements: tuple[tuple[str, str], ...]) -> str:
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text
