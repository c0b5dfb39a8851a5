"""What a hostile user of a host does, as shell scripts, and what takes it away again."""

from __future__ import annotations

from weakhosts import SITE_FILE

IMPOSTORS = {
    "nginx": ("evil/nginx", "/usr/lib/waits", "/usr/sbin/nginx", "evil/gone/nginx, deleted since"),
    "caddy": ("evil/caddy", "evil/gone/caddy"),
    "node-red": ("evil/node-red", "/usr/bin/node"),
}

INSTEAD = """
systemctl stop nodered && install -d -o nobody /srv/evil && cp /etc/nodered/settings.js /srv/evil && cd /srv/evil
chown nobody settings.js && setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH=/usr/bin:/bin node -e \
    'process.title = "node-red"; require("http").createServer((_, to) => to.end("x")).listen(1880, "127.0.0.1")' \
    >/dev/null 2>&1 & echo $! >/run/instead
"""

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

MORE = "server { listen 127.0.0.1:8099; location / { proxy_pass http://127.0.0.1:9; } }"
STARTS = {"by its command": "/usr/bin/env node-red", "by nginx": "/usr/local/bin/line"}
WRAPPER = "printf '#!/bin/sh\\nexec node-red \"$@\"\\n' >/usr/local/bin/line && chmod 755 /usr/local/bin/line\n"

CROWD = """
for name in nginx node-red caddy traefik; do cp /bin/sleep $name; done
for n in $(seq 60); do ./nginx 600 & ./node-red 600 & ./caddy 600 & ./traefik 600 & done >/dev/null 2>&1
"""

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
