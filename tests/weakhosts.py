"""Hosts that are weak, or only look so, each by one change; and what a look from inside must say of each."""

from __future__ import annotations

from pathlib import Path

import intruder
from hostbench import Weak
from hostlab import LIVE, NAME, SETTINGS
from suite_runs import ids

from pytest_nodered_sec.remedies import settings as remedies
from pytest_nodered_sec.remedies import systemd
from pytest_nodered_sec.remedies.model import Site

OF_SETTINGS = "host-03 host-04 host-05 host-06 host-07 host-08 host-09 host-16 host-18 host-19 host-20 host-21"
RENEW = "REQUESTS_CA_BUNDLE=/etc/ssl/api-ca.pem certbot -q renew --no-random-sleep-on-renew"
RED = "/home/nodered/.node-red"
WANTS = "/etc/systemd/system/multi-user.target.wants"
HOOK_FILE = "/etc/letsencrypt/renewal-hooks/deploy/nginx"
DROP_INS = "/run/systemd/system/nodered.service.d"
OWN_UNITS = "/home/nodered/.config/systemd/user"
AS_NODERED = "setpriv --reuid=2002 --regid=2002 --clear-groups env XDG_RUNTIME_DIR=/run/user/2002 systemctl -q --user"
PACKAGE = "node-red-contrib-line"
ABOUT = f'{{"name": "{PACKAGE}", "version": "1.0.0", "node-red": {{"nodes": {{"line": "line.js"}}}}}}'
LINEAGE = f"/etc/letsencrypt/renewal/{NAME}.conf"

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
    "a service that is enabled until the next start": Weak(
        "host-10",
        do="systemctl -q disable nodered && systemctl -q enable --runtime nodered",
        undo="systemctl -q disable --runtime nodered; systemctl -q enable nodered",
    ),
    "a service without anything that starts it": Weak(
        "host-10",
        unit=(("[Install]\nWantedBy=multi-user.target\n", ""),),
        do=f"rm {WANTS}/nodered.service && systemctl daemon-reload",
        undo="systemctl add-wants multi-user.target nodered",
    ),
    "a service of a target that nothing starts": Weak(
        "host-10",
        unit=(("multi-user.target", "plant.target"),),
        do="systemctl -q reenable nodered",
        undo="rm -r /etc/systemd/system/plant.target.wants; systemctl add-wants multi-user.target nodered",
    ),
    "a service that another one has started": Weak(
        "",
        do="cat >/etc/systemd/system/plant.service && systemctl -q disable nodered && systemctl -q enable --now plant",
        given="[Unit]\nWants=nodered.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
        "[Install]\nWantedBy=graphical.target\n",
        undo="systemctl -q disable --now plant; rm /etc/systemd/system/plant.service; systemctl -q enable nodered",
    ),
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
    "a hook that only tests nginx, and copies for another service": Weak(
        "host-14",
        do=f"cp -p {HOOK_FILE} /root/hook && cat >{HOOK_FILE}",
        given="#!/bin/sh\nnginx -t\ncp $RENEWED_LINEAGE/*.pem /etc/nginx/copies && systemctl reload postfix\n",
        undo=f"mv -f /root/hook {HOOK_FILE}",
    ),
    "a reload by the service that renews": Weak(
        "",
        do=f"chmod -x {HOOK_FILE} && cat >/etc/systemd/system/certbot.service.d/reload.conf && systemctl daemon-reload",
        given="[Service]\nExecStart=\nExecStart=/usr/bin/certbot -q renew --deploy-hook 'systemctl reload nginx'\n",
        undo=f"chmod +x {HOOK_FILE}; rm /etc/systemd/system/certbot.service.d/reload.conf; systemctl daemon-reload",
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
