"""A whole machine, from outside and from inside: all green where it is hardened, and each weakness by its controls.

The machine is real (hostlab.py): systemd, sshd, sudo with docs/sudoers, Node-RED, nginx, and certbot with pebble.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import hostlab
import intruder
import pytest
import warm
from flow_pairs import SECRET, side_by_side
from hostlab import LIVE, NAME, NGINX, SETTINGS, UNIT, URL, Machine
from suite_controls import CONTROLS
from suite_runs import ids, run, with_outcome

from pytest_nodered_sec.remedies import settings as remedies
from pytest_nodered_sec.remedies import systemd
from pytest_nodered_sec.remedies.model import Site

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
OF_SETTINGS = "host-03 host-04 host-05 host-06 host-07 host-08 host-09 host-16 host-18 host-19 host-20 host-21"
RENEW = "REQUESTS_CA_BUNDLE=/etc/ssl/api-ca.pem certbot -q renew --no-random-sleep-on-renew"
RED = "/home/nodered/.node-red"
HOOK_FILE = "/etc/letsencrypt/renewal-hooks/deploy/nginx"
DROP_INS = "/run/systemd/system/nodered.service.d"
OWN_UNITS = "/home/nodered/.config/systemd/user"
AS_NODERED = "setpriv --reuid=2002 --regid=2002 --clear-groups env XDG_RUNTIME_DIR=/run/user/2002 systemctl -q --user"
PACKAGE = "node-red-contrib-line"
ABOUT = f'{{"name": "{PACKAGE}", "version": "1.0.0", "node-red": {{"nodes": {{"line": "line.js"}}}}}}'
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


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    assert hostlab.missing() == ""
    if why := hostlab.forbidden():
        pytest.skip(why)  # tests/probes/host/test_host_recorded.py has what such a machine told
    folder = tempfile.TemporaryDirectory(prefix="nrs-")
    with folder as name, Machine(Path(name)) as machine, warm.Server(machine.outside()) as server:
        bench = Bench(machine, server)
        bench.bring(Weak(""))
        yield bench


def test_a_hardened_machine_is_all_green_from_outside_and_from_inside(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nodered-sec.toml").write_text(SITE)
    monkeypatch.setenv("NODERED_USERNAME", "admin")
    monkeypatch.setenv("NODERED_PASSWORD", bench.machine.password)
    ways = [f"--nodered-host={bench.machine.spec()}", f"--nodered-ca-file={bench.machine.ca_file}"]
    [seen] = run(tmp_path, "--nodered-suite=only", *ways, server=bench.server).values()
    assert with_outcome(seen, "non-compliant") == with_outcome(seen, "could-not-look") == set()
    inside = {control for control in CONTROLS if control.startswith("host-")}
    assert {control for control in inside if "compliant" in seen[control]} == inside
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


def told_by_flows(folder: Path) -> dict[str, tuple[str, ...]]:
    """What the controls of the flows say, wherever these are from."""
    said = {}
    for case in ElementTree.parse(folder / "out.xml").iter("testcase"):  # noqa: S314  our own file
        of = {element.get("name"): element.get("value") or "" for element in case.iter("property")}
        texts = [" ".join((failure.text or "").split()) for failure in case.iter("failure")]
        said[of["nodered_sec.control"]] = tuple(
            re.sub(r"(seen in|read from) .*?(as admin|on the host)", "", text) for text in texts
        )
    return said


def test_flows_read_on_the_host_are_those_that_the_account_shows(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of a file outside the user directory, and nothing of what is in it comes along."""
    apart = (('flowFile: "flows.json"', 'flowFile: "/srv/line/flows.json"'),)
    place = "install -d -o nodered -m 700 /srv/line && cat >/srv/line/flows.json && chown -R nodered /srv/line"
    flows = json.dumps([node for node in side_by_side() if not node["type"].startswith("mqtt out")])
    asked = ["--nodered-suite=only", f"--nodered-ca-file={bench.machine.ca_file}", "-k", "test_flows.py"]
    ways = {"host": [f"--nodered-host={bench.machine.spec()}"], "account": []}
    said = {}
    try:
        bench.bring(Weak("", settings=apart, do=f"{place} && systemctl restart nodered", given=flows))
        for way, more in ways.items():
            if way == "account":
                monkeypatch.setenv("NODERED_USERNAME", "admin")
                monkeypatch.setenv("NODERED_PASSWORD", bench.machine.password)
            folder = tmp_path / way
            folder.mkdir()
            (folder / "nodered-sec.toml").write_text(SITE)
            run(folder, *asked, *more, server=bench.server)
            said[way] = told_by_flows(folder)
            assert SECRET not in (folder / "out.xml").read_text()
    finally:
        bench.machine.run("rm -r /srv/line")
        bench.now = {}
    assert said["host"] == said["account"]
    assert {control for control, texts in said["host"].items() if texts} == ids("flow-02 flow-03 flow-04")


OURS = remedies.write(
    [f"settings.{name}" for name in ("disableEditor", "externalModules", "credentialSecret", "logging", "origin")],
    Site("plant", NAME),
)[remedies.FILE]
DROP_IN = systemd.write(["host.unit"], Site("plant", NAME))[systemd.FILE]

CREDENTIAL = 'require("fs").readFileSync(process.env.CREDENTIALS_DIRECTORY + "/secret", "utf8").trim()'
RESTART = "systemctl daemon-reload && systemctl reset-failed nodered && systemctl restart nodered"
HANDED = f"mkdir -p {DROP_INS} && cat >{DROP_INS}/secret.conf && (umask 077; %s >/etc/nodered.secret) && {RESTART}"

NGINX_DROP_INS = "/run/systemd/system/nginx.service.d"
SITE_FILE = "/etc/nginx/sites-available/plant"
OF_NGINX = "host-04 host-12 host-13 host-15 host-17"
# Nothing but cron renews: certbot's timer is off, and a cron of root's runs, which here only waits.
CRON = (
    "systemctl -q disable --now certbot.timer && cp /bin/sleep /usr/sbin/cron && "
    "(setsid /usr/sbin/cron 6000 >/dev/null 2>&1 &) && "
    "mkdir -p /etc/cron.d /etc/cron.daily /var/spool/cron/crontabs && "
)
NO_CRON = (
    "pkill -x cron; rm -f /usr/sbin/cron /etc/cron.d/certbot* /etc/cron.daily/certbot* /var/spool/cron/crontabs/*; "
    "systemctl -q enable --now certbot.timer"
)


def by_cron(fails: str, path: str, line: str, mode: str = "644", owner: str = "root") -> Weak:
    """What renews is a file of cron's."""
    return Weak(
        fails, do=f"{CRON} cat >{path} && chmod {mode} {path} && chown {owner} {path}", given=line, undo=NO_CRON
    )


JOB = "0 3 * * * root certbot -q renew\n"
SCRIPT = "#!/bin/sh\ncertbot -q renew\n"
OWN_TIMER = """
printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/letsencrypt.timer
printf '[Service]\nType=oneshot\nExecStart=/usr/bin/certbot renew -q\n' >/etc/systemd/system/letsencrypt.service
systemctl daemon-reload && systemctl -q disable --now certbot.timer && systemctl -q enable --now letsencrypt.timer
"""

WEAK = {
    "a renewal by cron": by_cron("", "/etc/cron.d/certbot", JOB),
    "a renewal by a script of cron's": by_cron("", "/etc/cron.daily/certbot", SCRIPT, "755"),
    "a renewal by root's crontab": by_cron("", "/var/spool/cron/crontabs/root", "@daily certbot renew\n", "600"),
    "a crontab of nobody's that says it renews": by_cron(
        "host-14",
        "/var/spool/cron/crontabs/nobody",
        "@daily certbot renew && systemctl reload nginx\n",
        "600",
        "nobody",
    ),
    "a file that cron passes over": by_cron("host-14", "/etc/cron.d/certbot.bak", JOB),
    "a script that cron passes over": by_cron("host-14", "/etc/cron.daily/certbot.sh", SCRIPT, "755"),
    "a script that cron cannot run": by_cron("host-14", "/etc/cron.daily/certbot", SCRIPT),
    "a job that only tries to renew": by_cron(
        "host-14", "/var/spool/cron/crontabs/root", "@daily certbot renew --dry-run\n", "600"
    ),
    "a variable that has certbot's name": by_cron(
        "host-14", "/etc/cron.d/certbot", "MAILTO=certbot-renew@plant.example\n"
    ),
    "a timer of one's own": Weak(
        "",
        do=OWN_TIMER,
        undo="systemctl -q disable --now letsencrypt.timer; rm /etc/systemd/system/letsencrypt.*; "
        "systemctl daemon-reload; systemctl -q enable --now certbot.timer",
    ),
    "a timer that only tries to renew": Weak(
        "host-14",
        do="cat >/etc/systemd/system/certbot.service.d/try.conf && systemctl daemon-reload",
        given="[Service]\nExecStart=\nExecStart=/usr/bin/certbot -q renew --dry-run\n",
        undo="rm /etc/systemd/system/certbot.service.d/try.conf && systemctl daemon-reload",
    ),
    "a lineage that certbot leaves out": Weak(
        "host-14",
        do=f"sed -i 's/^.renewalparams.$/&\\nautorenew = False/' {LINEAGE} && grep -q autorenew {LINEAGE}",
        undo=f"sed -i /^autorenew/d {LINEAGE}",
    ),
    "an open site that nginx's service mounts": Weak(
        "",
        OF_NGINX,
        do=f"sed 's/auth_basic /# auth_basic /' {SITE_FILE} >/srv/open && mkdir -p {NGINX_DROP_INS} && "
        f"cat >{NGINX_DROP_INS}/mounts.conf && systemctl daemon-reload && systemctl restart nginx",
        given=f"[Service]\nBindReadOnlyPaths=/srv/open:{SITE_FILE}\n",
        undo=f"rm -r {NGINX_DROP_INS} /srv/open && systemctl daemon-reload && systemctl restart nginx",
    ),
    "an nginx in a machine of its own, with an open site": Weak(
        "",
        OF_NGINX.replace("host-17", "host-11"),
        do=f"systemctl stop nginx && sed 's/auth_basic /# auth_basic /' {SITE_FILE} >/srv/open && (setsid unshare -pfm "
        f"--mount-proc sh -c 'mount --bind /srv/open {SITE_FILE} && exec nginx -g \"daemon off;\"' "
        ">/dev/null 2>&1 &) && "
        "until ss -ltn | grep -q ':443 '; do sleep 0.1; done",
        undo="pkill -x nginx; while pgrep -x nginx; do sleep 0.1; done; rm /srv/open; systemctl start nginx",
    ),
    "a file that another user can change, which nginx takes in": Weak(
        "",
        f"{OF_NGINX} host-11",
        do="install -d -o nodered /srv/site && echo '# nothing yet' >/srv/site/a.conf && "
        "echo 'include /srv/site/*.conf;' >/etc/nginx/conf.d/site.conf && reload-nginx",
        undo="rm -r /srv/site /etc/nginx/conf.d/site.conf && reload-nginx",
    ),
    "modules of JavaScript that another user can change": Weak(
        "",
        f"{OF_NGINX} host-11",
        do="install -d -o nodered /srv/js && echo 'js_path /srv/js; js_import a.js;' >/etc/nginx/conf.d/js.conf",
        undo="rm -r /srv/js /etc/nginx/conf.d/js.conf && reload-nginx",
    ),
    "a link to an empty directory that another user can replace": Weak(
        "",
        f"{OF_NGINX} host-11",
        do="install -d -o nodered /srv/home && mkdir /srv/home/sites && ln -s /srv/home/sites /etc/nginx/sites && "
        "echo 'include /etc/nginx/sites/*.conf;' >/etc/nginx/conf.d/site.conf && reload-nginx",
        undo="rm -r /srv/home /etc/nginx/sites /etc/nginx/conf.d/site.conf && reload-nginx",
    ),
    "a log that another user makes a link, now and then": Weak(  # root would make the file that it leads to
        "",
        f"{OF_NGINX} host-11",
        do="install -d -o nodered /srv/log && echo 'access_log /srv/log/a.log;' >/etc/nginx/conf.d/log.conf && "
        "reload-nginx && (setsid su -s /bin/sh nodered -c 'touch /srv/log/b.log; while ln -sf "
        "/etc/made-by-root /srv/log/a.log; do ln -f /srv/log/b.log /srv/log/a.log; done' >/dev/null 2>&1 & "
        "echo $! >/srv/racer)",
        undo="kill -- -$(cat /srv/racer); ! ls /etc/made-by-root && rm -r /srv/log /srv/racer "
        "/etc/nginx/conf.d/log.conf && reload-nginx",
    ),
    "a certificate that nginx would wait for": Weak(
        "",
        f"{OF_NGINX} host-11",
        do=f"cp $(readlink -f {LIVE}/fullchain.pem) /srv/a.pem && cp $(readlink -f {LIVE}/privkey.pem) /srv/a.key && "
        "chmod 600 /srv/a.key && cat >/etc/nginx/conf.d/late.conf && reload-nginx && "
        "rm /srv/a.pem && mkfifo /srv/a.pem",
        given="server { listen 127.0.0.1:9443 ssl; ssl_certificate /srv/a.pem; ssl_certificate_key /srv/a.key; }\n",
        undo="rm /srv/a.* /etc/nginx/conf.d/late.conf && reload-nginx",
    ),
    "what --nodered-fix writes for settings.js and the unit": Weak(
        "",
        settings=(
            ("disableEditor: true,", ""),
            ("audit: true", "audit: false"),
            *((name, f"no_{name}") for name in ("externalModules", "credentialSecret", "webSocketNodeVerifyClient")),
        ),
        unit=(("Restart=on-failure\nUMask=0077\nNoNewPrivileges=yes\nPrivateTmp=yes\nProtectSystem=full\n", ""),),
        do=f"cd {Path(SETTINGS).parent} && mv settings.js settings.site.js && cat >settings.js <<'END' && "
        f"chgrp nodered settings.js && chmod 640 settings.js && mkdir -p {DROP_INS} && "
        f"cat >{DROP_INS}/hardening.conf && echo 'EnvironmentFile=/etc/nodered.env' >>{DROP_INS}/hardening.conf && "
        "(umask 077; echo NODE_RED_CREDENTIAL_SECRET=$(openssl rand -hex 32) >/etc/nodered.env) && "
        f"systemctl daemon-reload && systemctl restart nodered\n{OURS}END\n",
        given=DROP_IN,
        undo=f"mv -f {Path(SETTINGS).with_name('settings.site.js')} {SETTINGS}; rm -r {DROP_INS} /etc/nodered.env; "
        "systemctl daemon-reload && systemctl restart nodered",
    ),
    "a secret that systemd hands over": Weak(
        "",
        settings=(("credentialSecret: ", f"credentialSecret: {CREDENTIAL}, was: "),),
        do=HANDED % "openssl rand -hex 32",
        given="[Service]\nLoadCredential=secret:/etc/nodered.secret\n",
        undo=f"rm -r {DROP_INS} /etc/nodered.secret",
    ),
    "a secret that systemd hands over, empty, and from a file that anybody may read": Weak(
        "host-06 host-07",
        settings=(("credentialSecret: ", f"credentialSecret: {CREDENTIAL}, was: "),),
        do=HANDED.replace("077", "022") % "true",
        given="[Service]\nLoadCredential=secret:/etc/nodered.secret\n",
        undo=f"rm -r {DROP_INS} /etc/nodered.secret",
    ),
    "a host that is another's": Weak("host-00 host-14 host-17", url="https://ca.example:14000"),
    "impostors": Weak("host-00", do=intruder.START, given=intruder.FILES, undo=intruder.STOP),
    "a secret in the unit": Weak(
        "host-07", unit=(("[Service]", "[Service]\nEnvironment=NODE_RED_CREDENTIAL_SECRET=of-the-plant"),)
    ),
    "settings that look at how they are started": Weak(
        "host-03", settings=(("adminAuth: {", "...require.main !== module ? {} : {adminAuth: 1}, no_adminAuth: {"),)
    ),
    "other settings that the unit mounts": Weak(
        "host-03",
        "host-07 host-19",  # who else can reach them there is not known
        do="sed s/adminAuth/no_adminAuth/ /etc/nodered/settings.js >/srv/open.js && "
        f"mkdir -p {DROP_INS} && cat >{DROP_INS}/mounts.conf && systemctl daemon-reload && systemctl restart nodered",
        given="[Service]\nBindReadOnlyPaths=/srv/open.js:/etc/nodered/settings.js\n",
        undo=f"rm -r {DROP_INS} /srv/open.js && systemctl daemon-reload && systemctl restart nodered",
    ),
    "listening everywhere": Weak("host-01", settings=(('uiHost: "127.0.0.1"', 'uiHost: "0.0.0.0"'),)),
    "an inspector": Weak("host-01", unit=(("[Service]", "[Service]\nEnvironment=NODE_OPTIONS=--inspect=9230"),)),
    "root": Weak(
        "host-02 host-19",
        unit=(("User=nodered\n", ""), ("env node-red", f"env node-red -u {RED}")),
        do=f"chown -R root /home/nodered && chgrp root {SETTINGS}",
        undo=f"chown -R nodered /home/nodered && chgrp nodered {SETTINGS}",
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
        do=f"chmod 711 {RED} /home/nodered && setfacl -m u:ops:r {RED}/flows.json && systemctl restart nodered",
        undo=f"chmod 700 {RED} /home/nodered && setfacl -b {RED}/flows.json && systemctl restart nodered",
    ),
    "settings in a directory of Node-RED's own": Weak(  # in /etc its unit's ProtectSystem= keeps it from writing
        "host-19",
        do=f"mv {SETTINGS} {RED} && ln -s {RED}/settings.js {SETTINGS} && systemctl restart nodered",
        undo=f"mv -f {RED}/settings.js {SETTINGS} && systemctl restart nodered",
    ),
    "a link to the settings that Node-RED can replace": Weak(
        "host-19",
        do=f"ln -s {SETTINGS} {RED}/settings.js && mkdir -p {DROP_INS} && cat >{DROP_INS}/as-installed.conf && "
        "systemctl daemon-reload && systemctl restart nodered",
        given="[Service]\nExecStart=\nExecStart=/usr/bin/env node-red\n",
        undo=f"rm -r {RED}/settings.js {DROP_INS} && systemctl daemon-reload && systemctl restart nodered",
    ),
    "telemetry that nobody declared": Weak(
        "host-20", settings=(("telemetry: {enabled: false", "telemetry: {enabled: true"),)
    ),
    "a choice for telemetry in the editor, and pages of any origin": Weak(
        "host-05 host-20",
        settings=(("module.exports = {", "module.exports = {\n  httpNodeCors: {origin: true, credentials: true},"),),
        do=f"echo '{{\"telemetryEnabled\": true}}' >{RED}/.config.runtime.json",
        undo=f"rm {RED}/.config.runtime.json",
    ),
    "no audit log": Weak("host-08", settings=(("audit: true", "audit: false"),)),
    "modules at run time": Weak("host-09", settings=(("externalModules", "notTheName"),)),
    "a service that is not enabled": Weak(
        "host-10", do="systemctl -q disable nodered", undo="systemctl -q enable nodered"
    ),
    "a service without a sandbox": Weak("host-10", unit=(("NoNewPrivileges=yes\n", ""),)),
    "a service of its user's own systemd, which ends with the last login": Weak(
        "host-07 host-10",  # and its environment comes from a file that anybody may read
        do=f"systemctl -q disable --now nodered && mkdir -p {OWN_UNITS} && cat >{OWN_UNITS}/red.service && "
        "echo SECRET=x >/home/nodered/red.env && chmod 711 /home/nodered && "
        f"chown -R nodered:nodered /home/nodered/.config && systemctl start user@2002 && {AS_NODERED} enable --now red",
        given=f"[Service]\nExecStart=/usr/bin/env node-red --settings {SETTINGS}\nRestart=always\n"
        "EnvironmentFile=%h/red.env\n[Install]\nWantedBy=default.target\n",
        undo="systemctl stop user@2002; chmod 700 /home/nodered; rm -r /home/nodered/.config /home/nodered/red.env && "
        "systemctl -q enable --now nodered",
    ),
    "an nginx that is not enabled": Weak("host-11", do="systemctl -q disable nginx", undo="systemctl -q enable nginx"),
    "an nginx that could not start again": Weak(
        "host-11",
        "host-04 host-12 host-13 host-15 host-17",
        do="echo 'server {' >/etc/nginx/conf.d/broken.conf",
        undo="rm /etc/nginx/conf.d/broken.conf && reload-nginx",
    ),
    "an nginx that was replaced and not started again": Weak(
        "",
        "host-04 host-11 host-12 host-13 host-15 host-17",
        do="cd /usr/sbin && cp nginx nginx.new && mv nginx.new nginx",
        undo="systemctl restart nginx",
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
    "a package whose routes nobody guards, and that nothing locks": Weak(
        "host-18 host-21",
        do=f"install -d -o nodered {RED}/node_modules/{PACKAGE} && cd {RED}/node_modules/{PACKAGE} && cat >line.js && "
        f"echo '{ABOUT}' >package.json && chown -R nodered:nodered {RED}/node_modules",
        given="module.exports = (RED) => {\n  RED.httpAdmin.get('/line', (_, to) => to.json(process.env));\n};\n",
        undo=f"rm -r {RED}/node_modules",
    ),
    # simulated: an older release's package.json before that of the one that runs
    "an old release": Weak(
        "host-16",
        do='echo \'{"version": "4.1.10"}\' >/run/old.json && mount --bind /run/old.json '
        "/usr/lib/node_modules/node-red/package.json && systemctl restart nodered",
        # the service has mounts of its own, in which it stays
        undo="umount /usr/lib/node_modules/node-red/package.json && systemctl restart nodered",
    ),
    "a certificate that was renewed, and an nginx that was not told": Weak(
        "host-17",
        do=f"chmod -x {HOOK_FILE} && {RENEW} --force-renewal && chmod +x {HOOK_FILE}",
        undo="reload-nginx",
    ),
    "settings that were changed, with the date kept": Weak(
        "host-17",
        " ".join(sorted(ids(OF_SETTINGS) - ids("host-07 host-16 host-19"))),
        do=f"sleep 3 && sed -i s/audit/audit/ {SETTINGS} && touch -d yesterday {SETTINGS}",
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
        control for control in CONTROLS if control.startswith("host-")
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


IMPOSTORS = {
    "nginx": ("evil/nginx", "/usr/lib/waits", "/usr/sbin/nginx", "evil/gone/nginx, deleted since"),
    "caddy": ("evil/caddy", "evil/gone/caddy"),
    "node-red": ("evil/node-red", "/usr/bin/node"),
}


def files_of(machine: Machine) -> list[str]:
    return [line for line in machine.picture().splitlines() if line.startswith("/")]


@pytest.mark.parametrize("user", ["ops", "root"])
def test_nothing_of_a_hostile_user_runs_with_our_rights_or_is_taken_for_the_real_one(
    user: str, bench: Bench, tmp_path: Path
) -> None:
    strangers = f"find {intruder.EVIL} ! -user nobody; find /home /root -name injected; ls {intruder.EVIL} | grep ran-"
    try:
        bench.bring(Weak("", do=intruder.START, given=intruder.FILES))
        ran = bench.machine.run(strangers, check=False)  # what ran of itself, as nobody
        before = files_of(bench.machine)
        seen = bench.judged(tmp_path, Weak("", user=user))
        assert bench.machine.run(strangers, check=False) == ran
        assert files_of(bench.machine) == before
        assert not [line for line in ran.splitlines() if "/" in line], ran
    finally:
        bench.machine.run(intruder.STOP)
    assert with_outcome(seen, "non-compliant") == ids("host-00")
    assert with_outcome(seen, "could-not-look") == set()
    report = (tmp_path / "out.xml").read_text()
    for name, programs in IMPOSTORS.items():
        for program in programs:
            assert re.search(rf"calls itself {name}; its program is \S*{program}", report), (name, program)


INSTEAD = """
systemctl stop nodered && install -d -o nobody /srv/evil && cp /etc/nodered/settings.js /srv/evil && cd /srv/evil
chown nobody settings.js && setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH=/usr/bin:/bin node -e \
    'process.title = "node-red"; require("http").createServer((_, to) => to.end("x")).listen(1880, "127.0.0.1")' \
    >/dev/null 2>&1 & echo $! >/run/instead
"""


@pytest.mark.parametrize("user", ["ops", "root"])
def test_nobodys_node_red_in_place_of_the_real_one_is_not_taken_for_it(user: str, bench: Bench, tmp_path: Path) -> None:
    try:
        bench.bring(Weak("", do=INSTEAD))
        seen = bench.judged(tmp_path, Weak("", user=user))
    finally:
        bench.machine.run("kill -9 $(cat /run/instead); rm -r /srv/evil /run/instead; systemctl start nodered")
    assert with_outcome(seen, "non-compliant") == ids("host-00 host-10")
    assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} host-17")
    assert "runs in place of nodered.service, whose user is another" in (tmp_path / "out.xml").read_text()


@pytest.mark.parametrize("user", ["ops", "root"])
@pytest.mark.parametrize("way", intruder.ALONE)
def test_nobodys_node_red_that_only_looks_as_if_it_stood_behind_nginx_is_not_looked_at(
    way: str, user: str, bench: Bench, tmp_path: Path
) -> None:
    try:
        bench.bring(Weak(""))
        bench.machine.run(intruder.START_ALONE, given=f"{intruder.ALONE[way]}\n")
        seen = bench.judged(tmp_path, Weak("", user=user))
    finally:
        bench.machine.run(intruder.STOP_ALONE, check=False)
        bench.machine.wait_for_node_red()
    assert with_outcome(seen, "compliant") == with_outcome(seen, "non-compliant") == set()
    assert (
        "no service vouches for it, and the nginx in front is not seen to lead to it"
        in (tmp_path / "out.xml").read_text()
    )


ELSEWHERE = """
systemctl -q disable --now nodered && cd /etc/systemd/system && mv nodered.service /srv && cat >line.service
systemctl daemon-reload && systemctl -q enable --now line
sed -i s/127.0.0.1:1880/127.0.0.1:3000/ @SITE@ && reload-nginx
until ss -ltn | grep -q ':3000 '; do sleep 0.1; done
install -d -o nobody /srv/evil /srv/evil/.node-red && cp /etc/nodered/settings.js /srv/evil/.node-red
chown nobody /srv/evil/.node-red/settings.js
setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH=/usr/bin:/bin HOME=/srv/evil node -e \
    'process.title = "node-red"; require("http").createServer((_, to) => to.end("x")).listen(1880, "127.0.0.1")' \
    >/dev/null 2>&1 & echo $! >/run/instead
""".replace("@SITE@", SITE_FILE)
BACK = f"""
kill -9 $(cat /run/instead); rm -r /srv/evil /run/instead; systemctl -q disable --now line
rm /etc/systemd/system/line.service; mv /srv/nodered.service /etc/systemd/system; systemctl daemon-reload
systemctl -q enable --now nodered; sed -i s/127.0.0.1:3000/127.0.0.1:1880/ {SITE_FILE}; reload-nginx
"""


SHOP = """#!/bin/bash
cp /bin/sleep /run/shop/caddy && /run/shop/caddy 600 &
bash -c 'exec -a haproxy /usr/sbin/haproxy -f /etc/haproxy.cfg' &
exec node -e 'process.title = "node-red"; require("http").createServer().listen(1880, "127.0.0.2")'
"""
SERVED = "frontend web\nbind 127.0.0.1:8443\ndefault_backend red\nbackend red\nserver red 127.0.0.1:1880\n"


@pytest.mark.parametrize("user", ["ops", "root"])
def test_what_another_service_s_user_starts_is_taken_for_nothing(user: str, bench: Bench, tmp_path: Path) -> None:
    """The service manager vouches for it, and its user has it become what he likes: neither red nor could not look."""
    unit = "[Service]\nUser=nobody\nRuntimeDirectory=shop\nExecStart=/usr/local/bin/shop\n"
    path = "/usr/local/bin/shop"
    start = f"cat >{path} && chmod 755 {path} && printf '{unit}' >/run/systemd/system/shop.service"
    try:
        bench.bring(Weak(""))
        bench.machine.run("cat >/etc/haproxy.cfg", given=SERVED)
        bench.machine.run(f"{start} && systemctl daemon-reload && systemctl start shop", given=SHOP)
        bench.machine.run("until pgrep -u nobody -x haproxy && ss -ltn | grep -q '127.0.0.2:1880 '; do sleep 0.1; done")
        seen = bench.judged(tmp_path, Weak("", user=user))
    finally:
        bench.machine.run(
            "systemctl stop shop; rm -f /run/systemd/system/shop.service /usr/local/bin/shop /etc/haproxy.cfg; "
            "systemctl daemon-reload",
            check=False,
        )
    assert with_outcome(seen, "could-not-look") == set()
    assert with_outcome(seen, "non-compliant") <= ids("host-00")


MORE = "server { listen 127.0.0.1:8099; location / { proxy_pass http://127.0.0.1:9; } }"
STARTS = {"by its command": "/usr/bin/env node-red", "by nginx": "/usr/local/bin/line"}
WRAPPER = "printf '#!/bin/sh\\nexec node-red \"$@\"\\n' >/usr/local/bin/line && chmod 755 /usr/local/bin/line\n"


@pytest.mark.parametrize("way", STARTS)
def test_a_node_red_that_hides_its_name_is_found_and_not_nobodys_in_its_place(
    way: str, bench: Bench, tmp_path: Path
) -> None:
    """The real one has another title, service and port, and nginx leads there; nobody's has all that is usual."""
    unit = UNIT.replace("/usr/bin/env node-red", f"{STARTS[way]} --title line --port 3000")
    root = Weak("", user="root")
    try:
        bench.bring(Weak("", do=WRAPPER + ELSEWHERE, given=unit))
        seen = bench.judged(tmp_path, root)
        bench.machine.run("cat >/etc/nginx/conf.d/more.conf && reload-nginx", given=MORE)
        both = bench.judged(tmp_path, root)
        report = (tmp_path / "out.xml").read_text()
        bench.machine.run("rm /etc/nginx/conf.d/more.conf && reload-nginx")
        (tmp_path / "nodered-sec.toml").write_text('[[target]]\nurl = "https://plant.example"\ndirect_port = 3000\n')
        named = bench.judged(tmp_path, root)
    finally:
        bench.machine.run(f"rm -f /etc/nginx/conf.d/more.conf /usr/local/bin/line; {BACK}", check=False)
        bench.machine.wait_for_node_red()
    for judged in (seen, named):
        assert with_outcome(judged, "non-compliant") == ids("host-00")  # who calls himself so is told all the same
        assert with_outcome(judged, "could-not-look") == set()
    if way == "by nginx":  # which now leads to something else as well
        assert with_outcome(both, "compliant") == with_outcome(both, "non-compliant") == set()
        assert "no service vouches for it, and the nginx in front is not seen to lead to it" in report


CROWD = """
for name in nginx node-red caddy traefik; do cp /bin/sleep $name; done
for n in $(seq 60); do ./nginx 600 & ./node-red 600 & ./caddy 600 & ./traefik 600 & done >/dev/null 2>&1
"""


def test_a_crowd_of_a_hostile_users_processes_keeps_nobody_from_looking(bench: Bench, tmp_path: Path) -> None:
    try:
        bench.bring(Weak("", do=intruder.START, given=f"cd {intruder.EVIL}\n{CROWD}"))
        seen = bench.judged(tmp_path, Weak(""))
    finally:
        bench.machine.run(intruder.STOP)
    assert with_outcome(seen, "non-compliant") == ids("host-00")
    assert with_outcome(seen, "could-not-look") == set()
    report = (tmp_path / "out.xml").read_text()
    for name, most in (("nginx", 20), ("node-red", 30), ("caddy", 20)):
        assert len(set(re.findall(rf"process (\d+) of user nobody calls itself {name};", report))) <= most
        assert re.search(rf"\d+ more processes of other users call themselves {name}", report), name


STRANGE = "/opt/strange"
FAKE = f"""
mkdir -p {STRANGE} && touch {STRANGE}/node && chown @OWNER@ {STRANGE}
mount --bind /usr/bin/node {STRANGE}/node && mount --make-private {STRANGE}/node # or HIDE would cover it as well
install -d -m 777 /run/ran && printf '#!/bin/sh\\nid >/run/ran/$$\\n' >{STRANGE}/fake
chown nobody {STRANGE}/fake && chmod 755 {STRANGE}/fake && cp -p {STRANGE}/fake /usr/local/bin/node
systemctl restart nodered
"""
HIDE = f"mount --bind {STRANGE}/fake /usr/bin/node"
TAKE_AWAY = f"""
umount /usr/bin/node
while mountpoint -q {STRANGE}/node; do systemctl stop nodered; umount {STRANGE}/node; done
rm -rf {STRANGE} /run/ran /usr/local/bin/node
"""


@pytest.mark.parametrize("owner", ["nodered", "nobody"])
def test_no_node_runs_that_others_than_root_and_its_own_user_can_change(
    owner: str, bench: Bench, tmp_path: Path
) -> None:
    start = (("/usr/bin/env node-red", f"{STRANGE}/node /usr/bin/node-red"),)
    try:
        bench.bring(Weak("", unit=start, do=FAKE.replace("@OWNER@", owner)))
        bench.machine.run(HIDE)
        seen = bench.judged(tmp_path, Weak("", user="root"))
        assert bench.machine.run("ls /run/ran") == ""
    finally:
        bench.machine.run(TAKE_AWAY.replace("umount /usr/bin", "umount -l /usr/bin", 1), check=False)
    assert with_outcome(seen, "non-compliant") == set()
    if owner == "nodered":  # as where it comes from nvm
        assert with_outcome(seen, "could-not-look") == set()
    else:
        assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} host-17")
        assert f"({STRANGE}/node) can be changed by others" in (tmp_path / "out.xml").read_text()


def test_a_user_of_root_s_group_lends_it_to_nobody(bench: Bench, tmp_path: Path) -> None:
    """Its process runs without that group, and settings.js here is one that asks for its groups."""
    asks = "if ([process.getgid(), ...process.getgroups()].includes(0)) throw new Error();\nmodule.exports ="
    weak = Weak("", settings=(("module.exports =", asks),), unit=(("User=nodered", "User=nodered\nGroup=nodered"),))
    bench.machine.run("sed -i 's/^nodered:x:2002:2002/nodered:x:2002:0/' /etc/passwd")
    try:
        bench.bring(weak)
        seen = {user: bench.judged(tmp_path, Weak("", user=user)) for user in ("root", "ops")}
    finally:
        bench.machine.run("sed -i 's/^nodered:x:2002:0/nodered:x:2002:2002/' /etc/passwd")
    assert {with_outcome(controls, "non-compliant") == set() for controls in seen.values()} == {True}
    assert with_outcome(seen["root"], "could-not-look") == set()
    assert with_outcome(seen["ops"], "could-not-look") == ids(f"{OF_SETTINGS} host-17")
    assert "nothing is run as nodered, whose groups include root" in (tmp_path / "out.xml").read_text()


def test_a_login_without_sudo_is_told_what_it_lacks(bench: Bench, tmp_path: Path) -> None:
    bench.bring(Weak(""))
    spec = bench.machine.spec(sudo=False)
    ways = [f"--nodered-url={URL}", f"--nodered-host={spec}", f"--nodered-ca-file={bench.machine.ca_file}"]
    [seen] = run(tmp_path, *ways, "-k", "test_host_", server=bench.server).values()
    assert with_outcome(seen, "non-compliant") == set()
    rights = "host-01 host-11 host-12 host-13 host-14 host-15 host-17"
    assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} {rights}")
    assert {"host-00", "host-02", "host-10"} <= with_outcome(seen, "compliant")
    report = (tmp_path / "out.xml").read_text()
    assert "settings.js is read as nodered, the user Node-RED runs as, but the session is ops: add ?sudo=true" in report
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
        [seen] = run(tmp_path, *ways, server=bench.server).values()
    finally:
        bench.machine.run(undo or "true")
    assert time.monotonic() - begun < 30
    assert {outcome for outcomes in seen.values() for outcome in outcomes} == {"could-not-look"}
    assert says in (tmp_path / "out.xml").read_text()


def test_a_broken_settings_file_is_an_error_that_says_so(bench: Bench, tmp_path: Path) -> None:
    bench.bring(Weak(""))
    bench.machine.run(f"echo 'module.exports.secret = \"hunter2' >>{SETTINGS}")
    bench.now = {}
    seen = bench.judged(tmp_path, Weak(""))
    assert with_outcome(seen, "non-compliant") == set()
    assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} host-17")
    report = (tmp_path / "out.xml").read_text()
    assert f"{SETTINGS} cannot be evaluated: it throws SyntaxError" in report
    assert "hunter2" not in report
