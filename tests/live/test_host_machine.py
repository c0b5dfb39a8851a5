"""A whole machine, from outside and from inside: all green where it is hardened, and each weakness by its controls.

The machine is real (hostlab.py): systemd, sshd, sudo with docs/sudoers, Node-RED, nginx, and certbot with pebble.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import hostlab
import pytest
from hostlab import LIVE, NAME, NGINX, UNIT, URL, Machine, Runner
from suite_runs import ids, run, with_outcome
from test_questions import CONTROLS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        bool(hostlab.missing()) and not os.environ.get("CI"), reason=hostlab.missing() or "all is there"
    ),
]

SITE = """
[[target]]
name = "plant"
url = "https://plant.example"
websockets = ["/ws/line"]
protected_paths = [
    {path = "/api/orders", method = "GET", effect = "none"},
    {path = "/api/orders", method = "POST", effect = "unknown"},
]
"""
OF_SETTINGS = "host-03 host-04 host-05 host-06 host-07 host-08 host-09 host-16"
RENEW = "REQUESTS_CA_BUNDLE=/etc/ssl/api-ca.pem certbot -q renew --no-random-sleep-on-renew"
RED = "/home/nodered/.node-red"
HOOK_FILE = "/etc/letsencrypt/renewal-hooks/deploy/nginx"
LINEAGE = f"/etc/letsencrypt/renewal/{NAME}.conf"


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
    undo: str = ""
    user: str = "ops"
    url: str = URL


@dataclass
class Bench:
    """The machine with what stands on it now: only what differs is written, and only its reader started again."""

    machine: Machine
    run: Runner
    now: dict[str, str] = field(default_factory=dict)

    def bring(self, weak: Weak) -> None:
        wanted = {
            f"{RED}/settings.js": changed(self.machine.settings, weak.settings),
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
        self.machine.run(weak.do or "true")
        self.machine.wait_for_node_red()

    def judged(self, folder: Path, weak: Weak) -> dict[str, set[str]]:
        ways = [f"--nodered-host={self.machine.spec(weak.user)}", f"--nodered-ca-file={self.machine.ca_file}"]
        [seen] = self.run(folder, f"--nodered-url={weak.url}", *ways, "-k", "test_host_").values()
        return seen


def changed(text: str, replacements: tuple[tuple[str, str], ...]) -> str:
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    assert hostlab.missing() == ""
    if why := hostlab.forbidden():
        pytest.skip(why)  # tests/probes/test_host_recorded.py has what such a machine told
    folder = tempfile.TemporaryDirectory(prefix="nrs-")
    with folder as name, Machine(Path(name)) as machine, Runner(machine) as runner:
        bench = Bench(machine, runner)
        bench.bring(Weak(""))
        yield bench


def test_a_hardened_machine_is_all_green_from_outside_and_from_inside(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nodered-sec.toml").write_text(SITE)
    monkeypatch.setenv("NODERED_USERNAME", "admin")
    monkeypatch.setenv("NODERED_PASSWORD", bench.machine.password)
    ways = [f"--nodered-host={bench.machine.spec()}", f"--nodered-ca-file={bench.machine.ca_file}"]
    [seen] = run(tmp_path, "--nodered-suite=only", *ways, through=bench.machine.outside(tmp_path)).values()
    assert with_outcome(seen, "non-compliant") == with_outcome(seen, "could-not-look") == set()
    inside = {one for one in CONTROLS if one.startswith("host-")}
    assert {one for one in inside if "compliant" in seen[one]} == inside
    assert {"tls-01", "dash-02", "admin-01", "proxy-01", "http-01"} <= with_outcome(seen, "compliant")


def test_a_look_from_inside_is_one_connection_with_few_commands_and_changes_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    before = bench.machine.picture()
    earlier = bench.machine.run("journalctl -u ssh --no-pager")
    assert "compliant" in bench.judged(tmp_path, Weak(""))["host-17"]
    assert bench.machine.picture() == before
    logged = bench.machine.run("journalctl -u ssh --no-pager").removeprefix(earlier)
    assert logged.count("Accepted publickey for ops") == 1
    assert logged.count("Starting session: command for ops") == 3
    assert bench.machine.run("ss -Htn state established '( sport = :22 )'") == ""  # no master is left behind


WEAK = {
    "a host that is another's": Weak("host-00 host-14 host-17", url="https://ca.example:14000"),
    "listening everywhere": Weak("host-01", settings=(('uiHost: "127.0.0.1"', 'uiHost: "0.0.0.0"'),)),
    "an inspector": Weak("host-01", unit=(("[Service]", "[Service]\nEnvironment=NODE_OPTIONS=--inspect"),)),
    "root": Weak(
        "host-02",
        unit=(("User=nodered\n", ""), ("env node-red", f"env node-red -u {RED}")),
        do="chown -R root /home/nodered",
        undo="chown -R nodered /home/nodered",
        user="root",
    ),
    "a default user": Weak("host-03", settings=(("}]},", '}], default: {permissions: "read"}},'),)),
    "a socket that nobody guards": Weak(
        "host-04",
        settings=(("webSocketNodeVerifyClient", "notTheName"),),
        site=(("auth_basic ", "# auth_basic "),),
    ),
    "an editor that should be off": Weak("host-05", settings=(("disableEditor: true,", ""),)),
    "no secret of its own": Weak("host-06", settings=(("credentialSecret", "notTheName"),)),
    "files that others may read": Weak(
        "host-07", do=f"chmod 755 {RED} /home/nodered", undo=f"chmod 700 {RED} /home/nodered"
    ),
    "an access control list": Weak(
        "host-07",
        do=f"chmod 711 {RED} /home/nodered && setfacl -m u:ops:r {RED}/settings.js && systemctl restart nodered",
        undo=f"chmod 700 {RED} /home/nodered && setfacl -b {RED}/settings.js && systemctl restart nodered",
    ),
    "no audit log": Weak("host-08", settings=(("audit: true", "audit: false"),)),
    "modules at run time": Weak("host-09", settings=(("externalModules", "notTheName"),)),
    "a service that is not enabled": Weak(
        "host-10", do="systemctl -q disable nodered", undo="systemctl -q enable nodered"
    ),
    "a service without a sandbox": Weak("host-10", unit=(("NoNewPrivileges=yes\n", ""),)),
    "an nginx that is not enabled": Weak("host-11", do="systemctl -q disable nginx", undo="systemctl -q enable nginx"),
    "an nginx that could not start again": Weak(
        "host-11",
        "host-04 host-12 host-13",
        do="echo 'server {' >/etc/nginx/conf.d/broken.conf",
        undo="rm /etc/nginx/conf.d/broken.conf && reload-nginx",
    ),
    "a way in clear": Weak(
        "host-12", site=(("listen 443 ssl; server_name", "listen 8080; listen 443 ssl; server_name"),)
    ),
    "a way past the login": Weak(
        "host-04 host-12", site=(("location / {", "location /hmi/ { proxy_pass http://nodered/ui/; }\nlocation / {"),)
    ),
    "old protocols": Weak("host-13", site=(("ssl_protocols TLSv1.2", "ssl_protocols TLSv1.1 TLSv1.2"),)),
    "no renewal": Weak(
        "host-14", do="systemctl -q disable --now certbot.timer", undo="systemctl -q enable --now certbot.timer"
    ),
    "a renewal only until the next start": Weak(
        "host-14", do="systemctl -q disable certbot.timer", undo="systemctl -q enable certbot.timer"
    ),
    "no reload after a renewal": Weak("host-14", do=f"chmod -x {HOOK_FILE}", undo=f"chmod +x {HOOK_FILE}"),
    "a renewal that failed": Weak(
        "host-14",
        do=f"cd /etc/letsencrypt && cp -r renewal cli.ini /root && sed -i s/:14000/:1/ cli.ini && "
        f"sed -i '1i renew_before_expiry = 400 days' {LINEAGE} && ! systemctl start certbot.service 2>&1",
        undo="cp -r /root/renewal /root/cli.ini /etc/letsencrypt && systemctl reset-failed certbot.service",
    ),
    "a key that anybody may read": Weak(
        "host-15",
        do=f"chmod 755 /etc/letsencrypt/archive /etc/letsencrypt/live && chmod 644 $(readlink -f {LIVE}/privkey.pem)",
        undo=f"chmod 700 /etc/letsencrypt/archive /etc/letsencrypt/live && chmod 600 $(readlink -f {LIVE}/privkey.pem)",
    ),
    "a key of somebody else's": Weak(
        "host-15",
        do=f"chown ops $(readlink -f {LIVE}/privkey.pem)",
        undo=f"chown root $(readlink -f {LIVE}/privkey.pem)",
    ),
    # simulated: an older release's package.json before that of the one that runs
    "an old release": Weak(
        "host-16",
        do='echo \'{"version": "4.1.10"}\' >/run/old.json && mount --bind /run/old.json '
        "/usr/lib/node_modules/node-red/package.json && systemctl restart nodered",
        undo="umount /usr/lib/node_modules/node-red/package.json",
    ),
    "a certificate that was renewed, and an nginx that was not told": Weak(
        "host-17",
        do=f"chmod -x {HOOK_FILE} && {RENEW} --force-renewal && chmod +x {HOOK_FILE}",
        undo="reload-nginx",
    ),
    "settings that were changed, with the date kept": Weak(
        "host-17",
        OF_SETTINGS.replace(" host-07", "").replace(" host-16", ""),
        do=f"sleep 3 && sed -i s/audit/audit/ {RED}/settings.js && touch -d yesterday {RED}/settings.js",
        undo="systemctl restart nodered",
    ),
    "a service that was changed": Weak(
        "host-17",
        "host-10",
        do="touch -d '1 minute' /etc/systemd/system/nodered.service && systemctl daemon-reload",
        undo="touch /etc/systemd/system/nodered.service && systemctl daemon-reload && systemctl restart nodered",
    ),
    "an nginx that was changed": Weak(
        "host-17",
        "host-04 host-12 host-13",
        do="sleep 3 && touch -d yesterday /etc/nginx/nginx.conf",
        undo="reload-nginx",
    ),
}


def test_every_control_of_the_host_is_seen_to_fail() -> None:
    assert set[str]().union(*(ids(weak.fails) for weak in WEAK.values())) == {
        one for one in CONTROLS if one.startswith("host-")
    }


@pytest.mark.parametrize("name", WEAK)
def test_exactly_these_controls_fail_and_err(name: str, bench: Bench, tmp_path: Path) -> None:
    weak = WEAK[name]
    try:
        bench.bring(weak)
        seen = bench.judged(tmp_path, weak)
    finally:
        bench.machine.run(weak.undo or "true")
    assert with_outcome(seen, "non-compliant") == ids(weak.fails)
    assert with_outcome(seen, "could-not-look") == ids(weak.errs)


def test_a_login_without_sudo_is_told_what_it_lacks(bench: Bench, tmp_path: Path) -> None:
    bench.bring(Weak(""))
    spec = bench.machine.spec(sudo=False)
    ways = [f"--nodered-url={URL}", f"--nodered-host={spec}", f"--nodered-ca-file={bench.machine.ca_file}"]
    [seen] = bench.run(tmp_path, *ways, "-k", "test_host_").values()
    assert with_outcome(seen, "non-compliant") == set()
    rights = "host-01 host-11 host-12 host-13 host-14 host-15 host-17"
    assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} {rights}")
    assert {"host-00", "host-02", "host-10"} <= with_outcome(seen, "compliant")
    report = (tmp_path / "out.xml").read_text()
    assert "settings.js is read as nodered, whom Node-RED runs as; we came as ops: add ?sudo=true" in report
    assert "/etc/letsencrypt" in report
    assert "denied" in report


SLEEPS = "systemctl kill -s STOP --kill-whom=main ssh"


@pytest.mark.parametrize(
    ("key", "port", "do", "undo", "says"),
    [
        ("wrong", 22, "", "", "ops@plant.example: Permission denied (publickey)"),
        ("key", 9, "", "", "port 9: Connection refused"),
        ("key", 22, SLEEPS, SLEEPS.replace("STOP", "CONT"), "did not answer within 3 s"),
    ],
    ids=["a wrong key", "nobody there", "somebody who never answers"],
)
def test_a_host_that_cannot_be_asked_says_so_in_time(
    key: str, port: int, do: str, undo: str, says: str, bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "nodered-sec.toml").write_text(f"{SITE}[target.inside]\nseconds = 3\n")
    spec = bench.machine.spec(key=key).replace("@plant.example", f"@plant.example:{port}")
    ways = [f"--nodered-host={spec}", f"--nodered-ca-file={bench.machine.ca_file}", "-k", "test_host_"]
    bench.machine.run(do or "true")
    begun = time.monotonic()
    try:
        [seen] = bench.run(tmp_path, *ways).values()
    finally:
        bench.machine.run(undo or "true")
    assert time.monotonic() - begun < 30
    assert {outcome for outcomes in seen.values() for outcome in outcomes} == {"could-not-look"}
    assert says in (tmp_path / "out.xml").read_text()


def test_a_broken_settings_file_is_an_error_that_says_so(bench: Bench, tmp_path: Path) -> None:
    bench.bring(Weak(""))
    bench.machine.run(f"echo 'module.exports.secret = \"hunter2' >>{RED}/settings.js")
    bench.now = {}
    seen = bench.judged(tmp_path, Weak(""))
    assert with_outcome(seen, "non-compliant") == set()
    assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} host-17")
    report = (tmp_path / "out.xml").read_text()
    assert f"{RED}/settings.js cannot be evaluated: it throws SyntaxError" in report
    assert "hunter2" not in report
