"""A whole machine to look at: a Debian with systemd as PID 1, sshd, Node-RED, nginx, and certbot with its timer.

It is this machine's own root directory seen through an overlay, in namespaces of its own (boot.sh): so everything
stands in its usual place, on its usual port, and nothing outside is touched. A second network namespace, joined to its
own by a cable (veth), is where pytest asks from and where pebble plays Let's Encrypt. The login `ops` may do what
docs/sudoers allows and nothing else.

Making namespaces takes root, or sudo without a password.
"""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, Self

import trustme

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.deployments import DEPLOYMENTS
from pytest_nodered_sec.lab.node_red import flows, settings_js
from pytest_nodered_sec.lab.proxies import nginx
from pytest_nodered_sec.lab.rules import Front
from pytest_nodered_sec.probes.host.gather import SCRIPT

_PATIENCE: Final = 180  # seconds: on a machine with two cores other tests may take all of them
HERE: Final = Path(__file__).parent
SUDOERS: Final = HERE.parent / "docs" / "sudoers"
_PATH: Final = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT: Final = [] if os.geteuid() == 0 else ["sudo", "-n"]
_NEEDS: Final = ["unshare", "nsenter", "systemctl", "sshd", "nginx", "sudo", "certbot", "pebble"]
NAME: Final = "plant.example"
URL: Final = f"https://{NAME}"
LIVE: Final = f"/etc/letsencrypt/live/{NAME}"
HOSTS: Final = f"127.0.0.1 localhost plant\n10.66.0.1 {NAME}\n10.66.0.2 ca.example\n"

SETTINGS: Final = "/etc/nodered/settings.js"  # of root's: in a directory of its own Node-RED could replace it
UNIT: Final = f"""
[Unit]
Description=Node-RED
[Service]
User=nodered
WorkingDirectory=/home/nodered
ExecStart=/usr/bin/env node-red --settings {SETTINGS}
Restart=on-failure
UMask=0077
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
[Install]
WantedBy=multi-user.target
"""
NGINX: Final = """
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { }
http {
    access_log off;
    server_tokens off;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
"""
PLAIN: Final = f"""
server {{
    listen 80;
    location /.well-known/acme-challenge/ {{ root /var/www/html; }}
    location / {{ return 301 {URL}$request_uri; }}
}}
"""
_SSHD: Final = """
Port 22
HostKey /etc/ssh/host
AuthorizedKeysFile /etc/ssh/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
"""
_TRUST: Final = "[Service]\nEnvironment=REQUESTS_CA_BUNDLE=/etc/ssl/api-ca.pem\n"
# returns when a new worker runs, which read what is there now
_RELOAD: Final = """#!/bin/sh
workers() { pgrep -f '^nginx: worker process$'; }
until before=$(workers); do sleep 0.1; done
systemctl reload nginx
for _ in $(seq 300); do # the old ones are told to go when all new ones have begun
    now=$(workers) || { sleep 0.1 && continue; }
    printf '%s\\n' "$now" | grep -qxF "$before" || exit 0
    sleep 0.1
done
exit 1
"""
HOOK: Final = "#!/bin/sh\nsystemctl reload nginx\n"
_CLI: Final = """
server = https://ca.example:14000/dir
authenticator = webroot
webroot-path = /var/www/html
agree-tos = true
register-unsafely-without-email = true
non-interactive = true
"""


def missing() -> str:
    """Say which programs this machine lacks to boot another one, or ""."""
    lacking = [name for name in _NEEDS if shutil.which(name, path=f"{os.environ['PATH']}:{_PATH}") is None]
    return f"no {', '.join(lacking)} here: sh tests/install" if lacking else ""


@functools.cache
def forbidden() -> str:
    """Say what this machine does not let us do, as in a container without rights, or ""."""
    tree = _cgroups()
    if tree is None:
        return "no unified cgroup hierarchy here"
    trial = 'mkdir "$0" && rmdir "$0" && unshare -m -p -n -u -i -C -f ip link add name a type veth peer name b'
    argv = [*_ROOT, "sh", "-c", trial, str(tree / f"nodered-sec-{os.getpid()}")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return f"namespaces take root, or sudo without a password: {done.stderr.strip()}" if done.returncode else ""


def _cgroups() -> Path | None:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return next((Path(where) for _, where, kind, *_ in mounts if kind == "cgroup2"), None)


class Machine:
    """The machine; a context manager.

    Args:
        folder: an empty directory for keys, certificates and logs; its path must be short.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = settings_js(DEPLOYMENTS["hardened"], "1880", "@HASH@", secrets.token_hex(16))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._pid = 0
        self._cgroup: Path | None = None

    def __enter__(self) -> Self:
        try:
            self._write()
            self._boot()
            self._connect()
            self._certify()
            self.wait_for_node_red()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            subprocess.run([*_ROOT, "kill", "-9", str(process.pid)], capture_output=True, check=False, timeout=10)
            process.wait(20)
        if self._cgroup is not None:
            script = 'for n in 1 2 3 4 5 6 7 8 9; do find "$1" -depth -type d -exec rmdir {} + && exit; sleep 0.2; done'
            subprocess.run(
                [*_ROOT, "sh", "-c", script, "sh", str(self._cgroup)], capture_output=True, check=False, timeout=20
            )

    # --- its files

    def _write(self) -> None:
        files = self.folder / "files"
        modules = toolchain.node_red(5, lambda line: None)
        self.password = secrets.token_urlsafe(12)
        [hashed] = toolchain.bcrypt(modules, [self.password])
        self.settings = self.settings.replace("@HASH@", hashed)
        for name in ("host", "key", "wrong"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(argv, check=True, timeout=20)
        public = (self.folder / "host.pub").read_text()
        (self.folder / "known").write_text(f"{NAME} {public}")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.folder / "api-ca.pem")
        api = authority.issue_cert("ca.example")
        api.private_key_pem.write_to_path(self.folder / "api.key")
        api.cert_chain_pems[0].write_to_path(self.folder / "api.pem")
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": "10.66.0.2:14000", "managementListenAddress": "10.66.0.2:15000",
            "certificate": str(self.folder / "api.pem"), "privateKey": str(self.folder / "api.key"),
            "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": False,
            "certificateValidityPeriod": 7776000,
        }}))  # fmt: skip
        deployment = DEPLOYMENTS["hardened"]
        (self.folder / "proxy").mkdir()
        front = Front(
            443,
            80,
            "127.0.0.1:1880",
            Path(LIVE),
            self.folder / "api-ca.pem",
            self.folder / "proxy",
            "admin",
            self.password,
            hashed,
        )
        nginx(deployment, front)
        self.site = self._site()
        texts = {
            "etc/systemd/system/nodered.service": UNIT,
            "etc/systemd/system/certbot.service.d/pebble.conf": _TRUST,
            "etc/hosts": HOSTS,
            "etc/ssl/api-ca.pem": (self.folder / "api-ca.pem").read_text(),
            "etc/nginx/nginx.conf": NGINX,
            "etc/nginx/conf.d/plain.conf": PLAIN,
            "etc/nginx/sites-available/plant": self.site,
            "etc/nginx/htpasswd": (self.folder / "proxy" / "htpasswd").read_text(),
            "etc/ssh/sshd_config": _SSHD,
            "etc/ssh/host": (self.folder / "host").read_text(),
            "etc/ssh/authorized": (self.folder / "key.pub").read_text(),
            "etc/sudoers.d/nodered-sec": SUDOERS.read_text(),
            "usr/local/sbin/reload-nginx": _RELOAD,
            "home/ops/.profile": "",
            SETTINGS.removeprefix("/"): self.settings,
            "home/nodered/.node-red/flows.json": flows(deployment),
            "home/nodered/.node-red/package.json": "{}",
        }
        for name, text in texts.items():
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).write_text(text)
        (files / "usr/local/sbin/reload-nginx").chmod(0o755)

    def _site(self) -> str:
        """Return the lab's own servers behind TLS, moved to where a Debian has them."""
        text = (self.folder / "proxy" / "nginx.conf").read_text().replace(str(self.folder / "proxy"), "/etc/nginx")
        text = text.replace(f"{LIVE}/leaf.pem", f"{LIVE}/fullchain.pem").replace(
            f"{LIVE}/leaf.key", f"{LIVE}/privkey.pem"
        )
        head, *servers = re.split(r"^server \{$", text.rsplit("}", 1)[0], flags=re.MULTILINE)
        maps = re.findall(r"^(?:map|upstream) .*$|^proxy_http_version .*$", head, re.MULTILINE)
        secure = [f"server {{{server}" for server in servers if " ssl" in server]
        return "\n".join([*maps, *secure]).replace("127.0.0.1:443", "443").replace("localhost 127.0.0.1", NAME)

    # --- its life

    def _boot(self) -> None:
        tree = _cgroups()
        assert tree is not None
        self._cgroup = tree / f"nodered-sec-{os.getpid()}-{secrets.token_hex(3)}"
        node, modules = toolchain.patched_node(lambda line: None), toolchain.node_red(5, lambda line: None)
        boot = ["sh", str(HERE / "boot.sh"), str(self.folder), str(node), str(modules)]
        unshare = ["unshare", *["-m", "-p", "-n", "-u", "-i", "-C", "--kill-child=KILL", "-f"], *boot]
        script = 'mkdir "$1" && echo 0 >"$1/cgroup.procs" && shift && exec setpriv --pdeathsig KILL "$@"'
        self._start("boot", ["sh", "-c", script, "sh", str(self._cgroup), *unshare])
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if self._up():
                return
            assert self._processes[0].poll() is None, (self.folder / "boot.log").read_text()
            time.sleep(0.1)
        raise AssertionError(self.run("systemctl --failed; journalctl -n 50 --no-pager", check=False))

    def _up(self) -> bool:
        told = self.folder / "pid"
        if not told.exists() or not told.read_text().strip():
            return False
        self._pid = int(told.read_text())
        if Path(f"/proc/{self._pid}/comm").read_text().strip() != "systemd":
            return False
        return self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded")

    def _connect(self) -> None:
        """Make the outside: a network with a cable to the machine, and names for both ends."""
        (self.folder / "hosts").write_text(HOSTS)
        script = (
            'echo $$ >"$1/outside" && mount --bind "$1/hosts" /etc/hosts && ip link set lo up && '
            'ip link add name out type veth peer name eth0 netns "$2" && ip addr add 10.66.0.2/24 dev out && '
            "ip link set out up && exec sleep infinity"
        )
        unshare = ["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "-m", "sh", "-c", script, "sh"]
        self._start("outside", [*unshare, str(self.folder), str(self._pid)])
        self.run("until ip addr add 10.66.0.1/24 dev eth0 2>/dev/null; do sleep 0.05; done; ip link set eth0 up")

    def _certify(self) -> None:
        """Get the certificate as its operator would: certbot and its hook first, then the site that uses it."""
        quick = ["env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"]
        self._start("pebble", [*self.outside(), *quick, "pebble", "-config", str(self.folder / "pebble.json")])
        hooks = "/etc/letsencrypt/renewal-hooks/deploy"
        self.run(f"mkdir -p /var/www/html {hooks} && cat >/etc/letsencrypt/cli.ini", given=_CLI)
        self.run(f"cat >{hooks}/nginx && chmod 755 {hooks}/nginx", given=HOOK)
        self.ca_file = self.folder / "root.pem"
        self.ca_file.write_text(self._root())
        self.run(f"REQUESTS_CA_BUNDLE=/etc/ssl/api-ca.pem certbot certonly -q -d {NAME}")
        self.run("ln -s ../sites-available/plant /etc/nginx/sites-enabled/plant && reload-nginx")

    def _root(self) -> str:
        """Return the root that pebble made at its start."""
        fetch = (
            "import ssl, urllib.request as u, sys\n"
            "trust = ssl.create_default_context(cafile=sys.argv[1])\n"
            "print(u.urlopen('https://ca.example:15000/roots/0', context=trust).read().decode())"
        )
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            argv = [*self.outside(), sys.executable, "-c", fetch, str(self.folder / "api-ca.pem")]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE, check=False)
            if done.returncode == 0:
                return done.stdout
            time.sleep(0.1)
        raise AssertionError(done.stderr)

    def _start(self, name: str, argv: list[str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([*_ROOT, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)

    # --- what is done to it

    def outside(self, folder: Path | None = None) -> list[str]:
        """Return the beginning of a command that is to run outside, with a cable to the machine."""
        holder = (self.folder / "outside").read_text().strip()
        where = ["sh", "-c", 'cd "$0" && exec "$@"', str(folder)] if folder is not None else []
        return [*_ROOT, "nsenter", "-t", holder, "-n", "-m", *where]

    def run(self, script: str, *, given: str = "", check: bool = True) -> str:
        """Run a shell script on it, as root; return what it printed."""
        inside = [*_ROOT, "nsenter", "-t", str(self._pid), "-a", "env", "-i", f"PATH={_PATH}", "sh", "-c", script]
        done = subprocess.run(inside, input=given, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        assert not check or done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait_for_node_red(self) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if "yes" in self.run("ss -ltn | grep -q ':1880 ' && echo yes", check=False):
                return
            time.sleep(0.1)
        raise AssertionError(self.run("journalctl -u nodered --no-pager"))

    def picture(self) -> str:
        """Return what a look must not change: files with their sizes and dates, processes, units."""
        # Not /var/log: sshd, sudo and logins write there, whatever is asked.
        form = "'%p %s %T@ %C@ %m %u\\n'"
        files = f"find /etc /home /root/.ssh /srv /opt /var -xdev -path /var/log -prune -o -printf {form} | sort"
        return self.run(f"{files}; pidof node-red nginx; systemctl show -p ActiveState,NRestarts,Result '*.service'")

    def spec(self, user: str = "ops", *, key: str = "key", sudo: bool = True) -> str:
        """Return testinfra's host specification of a login, with sudo for all but root."""
        config = self.folder / f"config-{key}"
        config.write_text(
            f"Host *\n  IdentityFile {self.folder}/{key}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.folder}/known\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
        )
        return f"ssh://{user}@{NAME}?ssh_config={config}" + ("&sudo=true" if sudo and user != "root" else "")


def record() -> str:
    """Return what the script prints on the machine for the login `ops` with sudo: the recordings of the tests."""
    with tempfile.TemporaryDirectory(prefix="nrs-") as folder, Machine(Path(folder)) as machine:
        machine.run("cat >/run/host.sh", given=SCRIPT)
        return machine.run("runuser -u ops -- sh /run/host.sh == sudo 1F90")


if __name__ == "__main__":
    sys.stdout.write(record())
