"""What a hostile local user sets up one by one (disguises.sh), to be taken for a server or to keep us from looking."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from intruder import EVIL

_TEXT: Final = Path(__file__).with_suffix(".sh").read_text(encoding="ascii").replace("EVIL", EVIL)
_EACH: Final = re.compile(r"^#: (.+)\n(?:#> (.+)\n)?((?:(?!#: ).*\n)+)", re.MULTILINE)
DISGUISES: Final = {name: (script, said) for name, said, script in _EACH.findall(_TEXT)}

_SERVES: Final = """process.title = "node-red"
const [, , port, address, count] = process.argv
for (let n = 0; n < (count || 1); n++) require("net").createServer().listen(port, address)
setTimeout(() => 0, 6e5)
"""
_GROUPS: Final = "/sys/fs/cgroup/user.slice/user-65534.slice /sys/fs/cgroup/system.slice/cron.service"

START: Final = f"""
mkdir -p {EVIL} && chown 65534:65534 {EVIL} && cd {EVIL} && mkfifo wait && chown 65534 wait
echo '{_SERVES}' >s.js
cat >/run/disguise
{{
    sed -n 's/^root: //p' /run/disguise
    echo 'sed "/^root:/d" /run/disguise >/run/his; as="setpriv --reuid=65534 --regid=65534 --clear-groups"'
    echo 'exec $as env -i PATH=/usr/bin:/bin HOME={EVIL} bash /run/his'
}} >/run/does
(setsid bash /run/does </dev/null >/dev/null 2>&1 &)
for turn in $(seq 50); do pgrep -u 65534 >/dev/null && break; sleep 0.1; done
sleep 2
"""
STOP: Final = f"""
for turn in 1 2 3; do pkill -KILL -u 65534; sleep 0.2; done
rm -rf {EVIL} /run/disguise /run/does /run/his /tmp/node_modules /var/tmp/node_modules
rm -f /tmp/nginx.conf /tmp/Caddyfile /tmp/traefik.yml /tmp/haproxy.cfg
find {_GROUPS} -depth -type d -exec rmdir {{}} + 2>/dev/null
true
"""
