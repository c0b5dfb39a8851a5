"""Hosts that are set up otherwise than most: sound ones that must stay green, and weak ones that must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hostbench import Weak
from hostile_users import INSTEAD
from weakhosts import NGINX_DROP_INS, OF_SETTINGS, SITE_FILE, by_cron

# commands that a host of Alpine's has from busybox
_APPLETS: Final = "awk cut date env find grep head id ls readlink sed sha256sum sort stat tail timeout tr uname"
_OWN: Final = "/srv/own"


def started(words: str, fails: str = "", *, opened: str = "s/^$//", user: str = "root") -> Weak:
    """Nginx is started with these words; its own files lie in a directory of their own, with the site opened or not."""
    return Weak(
        fails,
        do=f"mkdir -p {NGINX_DROP_INS} {_OWN} && sed '{opened}' {SITE_FILE} >{_OWN}/site && "
        f"sed 's#/etc/nginx/sites-enabled/[*]#{_OWN}/site#; s#conf.d/[*].conf#conf.d/plain.conf#' "
        f"/etc/nginx/nginx.conf >{_OWN}/nginx.conf && cat >{NGINX_DROP_INS}/words.conf && systemctl daemon-reload && "
        "systemctl restart nginx",
        given=f"[Service]\nExecStart=\nExecStart=/usr/sbin/nginx {words}\n",
        undo=f"rm -r {NGINX_DROP_INS} {_OWN}; systemctl daemon-reload && systemctl restart nginx",
        user=user,
    )


def beside(script: str, undo: str = "pkill -KILL -f '[b]eside.js'; pkill -KILL -x beside; rm -rf /srv/beside") -> Weak:
    """Something else runs there, as nobody, in /srv/beside."""
    return Weak(
        "",
        do="install -d -o nobody /srv/beside && cd /srv/beside && cat >run && (setsid setpriv --reuid=65534 "
        "--regid=65534 --clear-groups env -i PATH=/usr/bin:/bin sh ./run >/dev/null 2>&1 &) && sleep 1",
        given=f"{script}\n",
        undo=undo,
    )


OPENED: Final = "s/auth_basic /# auth_basic /"
SOUND: Final = {
    "an nginx that was told of its file in one word": started(f"-c{_OWN}/nginx.conf -p/usr/share/nginx"),
    "an nginx whose file counts from its prefix": started(f"-p {_OWN} -c nginx.conf"),
    "an nginx that was told several things in one word": started(f"-qc{_OWN}/nginx.conf"),
    "an nginx that writes its errors elsewhere": started("-e stderr", user="ops"),
    "an nginx that has ended, for which nobody waits": Weak(
        "",
        do="(setsid sh -c 'nginx -v & exec sleep 5432' >/dev/null 2>&1 &); "
        "until pgrep -f '[s]leep 5432'; do sleep 0.1; done",
        undo="pkill -f '[s]leep 5432'",
    ),
    "programs of busybox": Weak(
        "",
        do=f"for name in {_APPLETS}; do mv /usr/bin/$name /usr/bin/$name.gnu && ln -s busybox /usr/bin/$name; done",
        undo=f"for name in {_APPLETS}; do /usr/bin/mv -f /usr/bin/$name.gnu /usr/bin/$name; done",
        user="root",
    ),
    "a service of a template": Weak(
        "",
        do="systemctl -q disable --now nodered && cd /etc/systemd/system && "
        "mv nodered.service nodered@.service && systemctl daemon-reload && systemctl -q enable --now nodered@line",
        undo="systemctl -q disable --now nodered@line; cd /etc/systemd/system && "
        "mv nodered@.service nodered.service && systemctl daemon-reload && systemctl -q enable --now nodered",
    ),
    "an application of somebody else's": beside(
        "echo 'setTimeout(() => 0, 6e5)' >beside.js; exec node beside.js /home/me/node-red-contrib-line/red.json"
    ),
    "an editor for flows' packages": beside(
        "mkdir node-red && cp /bin/sleep beside; echo 'setTimeout(() => 0, 6e5)' >node-red/beside.js; "
        "node node-red/beside.js & exec ./beside 600"
    ),
    "processes that others do not see, and root does": Weak(
        "", do="mount -o remount,hidepid=2 /proc", undo="mount -o remount,hidepid=0 /proc", user="root"
    ),
}
_CRON: Final = by_cron("", "/var/spool/cron/crontabs/root", "@daily certbot renew\n", "600")
_MANY: Final = "yes \"# certbot $(head -c 900 /dev/zero | tr '\\0' x)\" | head -20000 >/var/spool/cron/crontabs/nobody"
SOUND["a crontab of nobody's that fills megabytes, beside root's"] = Weak(
    "", do=f"{_CRON.do} && {_MANY}; chown nobody /var/spool/cron/crontabs/nobody", given=_CRON.given, undo=_CRON.undo
)

_OF_CRON: Final = "/sys/fs/cgroup/system.slice/cron.service"
_IN_CRON: Final = f"mkdir -p {_OF_CRON}; echo $$ >{_OF_CRON}/cgroup.procs"
OTHERS: Final = {
    "an open nginx that was told of its file in one word": started(f"-c{_OWN}/nginx.conf", "host-04", opened=OPENED),
    "an open nginx whose file counts from its prefix": started(f"-p{_OWN} -cnginx.conf", "host-04", opened=OPENED),
    "old protocols in a file of its own": started(
        f"-qc {_OWN}/nginx.conf", "host-13", opened="s/ssl_protocols TLSv1.2/ssl_protocols TLSv1.1 TLSv1.2/"
    ),
    "a Node-RED of somebody's crontab in place of the service": Weak(
        "host-00 host-10",
        f"{OF_SETTINGS} host-17",
        do=INSTEAD.replace("setpriv", "sh -c '" + _IN_CRON + '; exec "$@"\' sh setpriv'),
        undo="kill -9 $(cat /run/instead); pkill -KILL -u 65534; rm -r /srv/evil /run/instead; "
        f"systemctl start nodered; sleep 0.2; rmdir {_OF_CRON}",
    ),
    "programs of busybox, and no audit log": replace(
        SOUND["programs of busybox"], fails="host-08", settings=(("audit: true", "audit: false"),)
    ),
    "a service of a template, with an inspector": replace(
        SOUND["a service of a template"],
        fails="host-01",
        unit=(("[Service]", "[Service]\nEnvironment=NODE_OPTIONS=--inspect=9230"),),
    ),
    "an nginx that has ended, and one with old protocols": replace(
        SOUND["an nginx that has ended, for which nobody waits"],
        fails="host-13",
        site=(("ssl_protocols TLSv1.2", "ssl_protocols TLSv1.1 TLSv1.2"),),
    ),
    "processes that others do not see, and an editor that should be off": replace(
        SOUND["processes that others do not see, and root does"],
        fails="host-05",
        settings=(("disableEditor: true,", ""),),
    ),
    "a crontab of nobody's that fills megabytes, and none of root's that renews": replace(
        SOUND["a crontab of nobody's that fills megabytes, beside root's"], fails="host-14", given="@daily true\n"
    ),
    "errors written elsewhere, and a default user": replace(
        SOUND["an nginx that writes its errors elsewhere"],
        fails="host-03",
        settings=(("}]},", '}], default: {permissions: "read"}},'),),
    ),
}
