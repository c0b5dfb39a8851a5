"""A hostile local user of the machine in hostlab.py: what `nobody` starts to be taken for something else.

Everything lies below /tmp/evil and is nobody's. What runs with anybody else's rights because of it leaves a file there
that is not nobody's, or one in the home of the login that looks.
"""

from __future__ import annotations

from typing import Final

EVIL: Final = "/tmp/evil"  # noqa: S108  on a machine of its own
_AS_NOBODY: Final = "setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH=/usr/bin:/bin"
_TITLE: Final = f"nginx: master process /usr/sbin/nginx -c {EVIL}/nginx.conf"
_CALLED: Final = f"docker-{'5e' * 32}.scope"  # as Docker calls the control group of a container
_GROUPS: Final = "/sys/fs/cgroup/user.slice/user-65534.slice/user@65534.service/app.slice"

_FILES: Final = f"""
umask 000
cd {EVIL}
for name in nginx caddy node-red cron crond; do cp /bin/sleep $name; done
printf '#!/bin/sh\\n: >{EVIL}/ran-$$\\n' >run && chmod 755 run
temporary=$(printf '%s_temp_path {EVIL}/t; ' client_body proxy fastcgi uwsgi scgi)
echo "error_log {EVIL}/log; pid {EVIL}/pid; events {{}}
http {{ access_log off; $temporary server {{ listen 127.0.0.1:8099; }} }}" >nginx.conf
echo "require('fs').writeFileSync('{EVIL}/ran-' + process.pid, '');" >load.js
echo "module.exports = {{uiPort: 18800}};" | cat load.js - >settings.js
cp load.js red.js
mkdir -p links && ln -sf /usr/lib/waits links/nginx && ln -sf /usr/bin/node links/node-red && chmod 777 . links
inode=$(awk '$2 ~ /:0758$/ && $4 == "0A" {{print $10}}' /proc/net/tcp)
name=$(printf 'a\\nlrwx------ 1 nobody nogroup 64 Nov 1 00:00 9 -> socket:[%s]' "$inode")
: >"$name"
run_as() {{ title=$1; shift; bash -c 'exec -a "$0" "$@"' "$title" "$@" >/dev/null 2>&1 & }}
run_as '{_TITLE}' ./nginx 600
run_as '{_TITLE}' ./links/nginx 600
/usr/sbin/nginx -c {EVIL}/nginx.conf -g 'daemon off;' >/dev/null 2>&1 &
run_as {EVIL}/run ./caddy 600
run_as './caddy' ./caddy 600 2>&1
run_as 'node-red' ./node-red 600 3<"$name"
echo "open('{EVIL}/ran-python', 'w')" >sitecustomize.py && cp run .bash_profile && cp run env.sh
export NODE_OPTIONS=--require={EVIL}/load.js LD_PRELOAD={EVIL}/none.so NODE_PATH={EVIL} PATH={EVIL}:$PATH
export BASH_ENV={EVIL}/env.sh ENV={EVIL}/env.sh PYTHONPATH={EVIL} HOME={EVIL} SHELL={EVIL}/run
serve='process.title = "node-red"; require("http").createServer().listen(18800, "127.0.0.1")'
node -e "$serve" 3<"$name" >/dev/null 2>&1 &
./links/node-red {EVIL}/red.js --userDir {EVIL} >/dev/null 2>&1 &
unset NODE_OPTIONS LD_PRELOAD BASH_ENV ENV
run_as cron ./cron 600
run_as crond ./crond 600
for name in nginx caddy; do # the kernel names a program that is gone, and another lies there
    cp /bin/sleep gone-$name && mkdir -p gone && mv gone-$name gone/$name
    run_as '{_TITLE}' ./gone/$name 600
    sleep 0.1 && rm gone/$name && cp run gone/$name
done
mkfifo wait # what waits for it without running another program keeps the name that it gives itself
for name in nginx caddy node-red haproxy; do
    bash -c 'printf %s "$0" >/proc/self/comm; read -r _ <>wait' $name &
    unshare -r bash -c 'printf %s "$0" >/proc/self/comm; read -r _ <>wait' $name & # root in a name space of his own
    unshare -rm bash -c 'mount -t tmpfs x /usr/sbin && cp {EVIL}/nginx /usr/sbin/nginx && exec /usr/sbin/nginx 600' &
    unshare -r sh -c 'mkdir -p box/usr/sbin && cp node-red box/usr/sbin/nginx && exec chroot box /usr/sbin/nginx 600' &
done >/dev/null 2>&1
cp nginx "$(printf 'x\033[31m\nsection nginx')" && run_as '{_TITLE}' "./$(printf 'x\033[31m\nsection nginx')" 600
ln nginx hard-nginx && run_as '{_TITLE}' ./hard-nginx 600
for inside in pipe zero memory; do mkdir -p node_modules/$inside; done
mkfifo node_modules/pipe/package.json; ln -sf /dev/zero node_modules/zero/package.json
ln -sf /proc/kcore node_modules/memory/index.js
echo "for (const name of ['pipe', 'zero', 'memory']) try {{ require(name) }} catch {{}}" >>settings.js
env PM2_HOME={EVIL} pm_exec_path={EVIL}/red.js SUPERVISOR_GROUP_NAME=red NODE_OPTIONS=--require={EVIL}/load.js \
    node -e 'process.title = "node-red"; setTimeout(() => 0, 600000)' >/dev/null 2>&1 &
( # races: what it is changes all the time
    for turn in $(seq 200); do
        bash -c 'exec -a "$0" ./nginx 0.05' '{_TITLE}'
        /usr/sbin/nginx -t -c {EVIL}/none.conf
    done >/dev/null 2>&1
) &
"""

START: Final = f"""
cp /bin/sleep /usr/lib/waits && chmod 4755 /usr/lib/waits
mkdir -p {EVIL} && chown 65534:65534 {EVIL}
cat >/run/intruder
{_AS_NOBODY} bash /run/intruder </dev/null >/dev/null 2>&1
for name in 'nodered.service' '-H evil;touch injected;.service' 'x$(touch injected).service' {_CALLED}; do
    mkdir -p "{_GROUPS}/$name"
    {_AS_NOBODY} bash -c 'exec -a node-red {EVIL}/node-red 600' >/dev/null 2>&1 &
    echo $! >"{_GROUPS}/$name/cgroup.procs"
    {_AS_NOBODY} bash -c 'exec {EVIL}/nginx 600' >/dev/null 2>&1 &
    echo $! >"{_GROUPS}/$name/cgroup.procs"
    {_AS_NOBODY} /usr/bin/node -e 'process.title = "node-red"; setTimeout(() => 0, 600000)' >/dev/null 2>&1 &
    echo $! >"{_GROUPS}/$name/cgroup.procs"
done
sleep 1
"""
FILES: Final = _FILES
STOP: Final = f"""
pkill -KILL -u 65534
pkill -KILL -x nginx -f -- 'master process /usr/sbin/nginx -c {EVIL}'
for pid in $(grep -l '^nginx$' /proc/[0-9]*/comm | cut -d/ -f3); do
    [ "$(readlink /proc/$pid/exe)" = /usr/lib/waits ] && kill -9 $pid
done
sleep 0.3
find {_GROUPS} -depth -type d -exec rmdir {{}} + 2>/dev/null
rm -rf {EVIL} /usr/lib/waits
true
"""


# The only one that calls itself Node-RED is nobody's, and looks as if it stood where nginx leads: to a port of root's,
# of a program that is not known here (simulated, as docker-proxy is one).
_SERVES: Final = """import http.server
http.server.ThreadingHTTPServer(("127.0.0.1", 1880), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
_NODE: Final = (
    'node -e \'process.title = "node-red"; '
    'require("http").createServer((_, to) => to.end("x")).listen(1880, process.argv[1])\' '
)
_APART: Final = f"unshare -rn sh -c 'ip link set lo up; exec \"$@\"' sh {_NODE} 127.0.0.1"
_AS_EVIL: Final = f"{_AS_NOBODY} HOME={EVIL}"
_OWN: Final = "/sys/fs/cgroup/user.slice/user-65534.slice/user@65534.service"  # which is its user's, with all below it
_BOX: Final = f"{_OWN}/{_CALLED}"
_CLAIM: Final = """
inode=$(awk '$2 ~ /:0758$/ && $4 == "0A" {print $10}' /proc/net/tcp) name="denied socket:[$inode]" && : >"$name"
"""
ALONE: Final = {
    "in a network of its own": f"{_AS_EVIL} {_APART}",
    "on another address": f"{_AS_EVIL} {_NODE} 127.0.0.2",
    "with a file that is called like a socket": f'{_CLAIM}{_AS_EVIL} {_NODE} 127.0.0.2 3<"$name"',
    "in a control group that is called like a container": f"mkdir -p {_BOX} && chown -R 65534 {_OWN} && "
    f"echo 0 >{_BOX}/cgroup.procs && exec {_AS_EVIL} {_APART}",
}
START_ALONE: Final = f"""
systemctl stop nodered && install -d -o nobody {EVIL}/.node-red && cp /etc/nodered/settings.js {EVIL}/.node-red
chown nobody {EVIL} {EVIL}/.node-red/settings.js && cat >/run/way
printf '%s' '{_SERVES}' >/run/serves.py && cd /
(setsid python3 /run/serves.py >/dev/null 2>&1 & echo $! >/run/serves)
until ss -ltn | grep -q '127.0.0.1:1880 '; do sleep 0.1; done
cd {EVIL} && (setsid sh /run/way >/dev/null 2>&1 &)
until pgrep -u 65534 -x node-red; do sleep 0.1; done; sleep 0.3
"""
STOP_ALONE: Final = f"""
pkill -KILL -u 65534; kill $(cat /run/serves); sleep 0.3; rm -rf {EVIL} /run/way /run/serves*
find {_OWN} -depth -type d -exec rmdir {{}} + 2>/dev/null; systemctl start nodered
"""
