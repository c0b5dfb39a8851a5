# What one round trip learns of a host: sections between marked lines, each with the exit code of what made it.
# POSIX sh, dash and busybox included. Reads only: nothing is written, restarted or reloaded. What may need root goes
# through `root`, so that these lines, and no others, are what docs/sudoers allows; a test compares the two.
# Arguments: a random mark; "sudo" ("sudo -u USER") or ""; our end of a connection to the URL (a port in hexadecimal, or
# -); and on a second trip what to look at: paths of keys, or of others behind what they are.
mark=$1 asked=$2 port=$3
shift 3
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH LC_ALL=C
sudo=
if [ -n "$asked" ] && [ "$(id -u)" != 0 ]; then sudo="sudo -n${asked#sudo}"; fi
root() { $sudo "$@"; }
section() { # NAME COMMAND...
    printf '%s begin %s\n' "$mark" "$1"
    shift
    "$@" 2>&1
    printf '\n%s end %s\n' "$mark" $?
}
has() { command -v "$1" >/dev/null 2>&1; }
masked() { sed -e 's/\(-D\|--define\)[ =]*[^ ;]*/\1 (hidden)/g'; }

me() {
    id -u && id -un && uname -s && echo "$asked" && date +%s && cut -d' ' -f1 /proc/uptime &&
        { getconf CLK_TCK 2>/dev/null || echo 100; }
}

process() { # PID: of a Node.js; the arguments only where it may be Node-RED, without values that may be secrets
    printf 'comm %s\n' "$(cat "/proc/$1/comm")"
    sed -n 's/^\(Uid\|PPid\):[^0-9]*\([0-9]*\).*/\1 \2/p' "/proc/$1/status"
    printf 'user %s\n' "$(stat -c %U "/proc/$1" 2>/dev/null)"
    printf 'ticks %s\n' "$(sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20)"
    printf 'cwd %s\n' "$(root readlink "/proc/$1/cwd" 2>/dev/null)"
    printf 'exe %s\n' "$(root readlink "/proc/$1/exe" 2>/dev/null)"
    sed 's/^/cgroup /' "/proc/$1/cgroup"
    printf 'args %s\n' "$(tr '\000\n' '  ' <"/proc/$1/cmdline" | grep -E 'node-red|red\.js' | masked)"
}

sockets() { # PID: what listens in its network namespace, by inode
    for family in tcp tcp6; do
        [ -r "/proc/$1/net/$family" ] && awk -v f=$family '$4 == "0A" {print f, $2, $10}' "/proc/$1/net/$family"
    done
    for family in udp udp6; do
        [ -r "/proc/$1/net/$family" ] && awk -v f=$family '$4 == "07" {print f, $2, $10}' "/proc/$1/net/$family"
    done
    awk '$4 == "00010000" {print "unix", $8, $7}' "/proc/$1/net/unix"
}

candidates() {
    grep -lE '^node-red' /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3
    grep -lE '^(node|nodejs|MainThread)$' /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3 | head -40 # one of them may be it
}

boxed() { # PID: whether it runs in a container that we do not
    box=$(grep -oE '[0-9a-f]{64}' "/proc/$1/cgroup" 2>/dev/null | tail -1)
    [ -n "$box" ] && ! grep -q "$box" /proc/self/cgroup
}

nginx_masters() { # of the masters and their workers: PID, its parent's, start in ticks after boot, user, title
    for file in $(grep -l '^nginx$' /proc/[0-9]*/comm 2>/dev/null); do
        pid=${file#/proc/} pid=${pid%/comm}
        boxed "$pid" && continue # its configuration lies in there, and ours is another
        printf '%s %s %s %s\n' "$pid" "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f2,20)" \
            "$(stat -c %U "/proc/$pid" 2>/dev/null)" "$(cat "/proc/$pid/cmdline" 2>/dev/null | tr '\000\n' '  ')"
    done
}

unit_of() { # PID: the service that it runs in, or nothing
    sed -n 's|.*/\([^/]*\.service\)$|\1|p' "/proc/$1/cgroup" 2>/dev/null | tail -1
}

changed() { # PATH: when content and inode changed, of a link and of what it leads to
    stat -c '%Y %Z' "$1" && stat -L -c '%Y %Z' "$1"
}

properties=Id,Names,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID,Restart,User,UMask,Result
properties=$properties,ExecMainStatus,NextElapseUSecRealtime,LastTriggerUSec,NoNewPrivileges,ProtectSystem,ProtectHome
properties=$properties,PrivateTmp,PrivateDevices,ProtectKernelTunables,RestrictSUIDSGID,Triggers,DropInPaths
properties=$properties,EnvironmentFiles

starts() { systemctl show --no-pager -p Id,ExecStart "$@" | masked; }

if [ $# -gt 0 ]; then # a later trip: paths of keys; of certificates after "certificate:", of files after "time:"
    for path in "$@"; do
        case $path in
        time:*) section "$path" changed "${path#time:}" ;;
        certificate:*) section "$path" cat "${path#certificate:}" ;;
        *) section "key:$path" root stat -L -c '%a %u %g %U %G %Y %n' "$path" ;;
        esac
    done
    section end true
    exit 0
fi
section me me
section self cat /proc/self/cgroup
section os cat /etc/os-release
found=nodered.service
for pid in $(candidates); do
    section "process $pid" process "$pid"
    section "sockets $pid" sockets "$pid"
    section "fd $pid" root ls -l "/proc/$pid/fd" | grep -E "^$mark|socket:|denied|sudo:|cannot"
    unit=$(unit_of "$pid")
    [ -n "$unit" ] && found="$found $unit"
    id=$(grep -oE '[0-9a-f]{64}' "/proc/$pid/cgroup" 2>/dev/null | tail -1)
    if [ -n "$id" ] && has docker; then
        section "docker $pid" docker inspect --format \
            '{{json .NetworkSettings.Ports}} {{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}}' "$id"
        section "networks $pid" docker network inspect --format '{{.Driver}}' \
            $(docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' "$id" 2>/dev/null)
    fi
done
for file in $(grep -lE '^(nginx|caddy)$' /proc/[0-9]*/comm 2>/dev/null); do
    pid=${file#/proc/} pid=${pid%/comm}
    boxed "$pid" && section "boxed $(cat "$file")" echo "$box"
done
proxies=
for pid in $(nginx_masters | sed -n 's/ .*nginx: master.*//p'); do
    proxies="$proxies $(unit_of "$pid")"
    section "unit-of $pid" unit_of "$pid"
done
section connection sh -c "grep -hi ':$port ' /proc/net/tcp /proc/net/tcp6 | awk '{print \$2, \$3, \$4}'"
if has systemctl; then
    section starts starts $found node-red.service
    section units systemctl show --no-pager -p "$properties" $found $proxies node-red.service nginx.service \
        caddy.service certbot.timer certbot.service certbot-renew.timer certbot-renew.service snap.certbot.renew.timer snap.certbot.renew.service
    for unit in $(printf '%s\n' $found | sort -u); do
        has systemd-analyze && section "security $unit" sh -c "systemd-analyze security --no-pager $unit | tail -1"
    done
fi
for file in $(grep -l '^caddy$' /proc/[0-9]*/comm 2>/dev/null); do
    pid=${file#/proc/} pid=${pid%/comm}
    boxed "$pid" || section caddy echo running
done
if has nginx; then
    section nginx-version nginx -v
    section nginx-processes nginx_masters
    # As root it would create the pid and log files of an nginx that never ran; while one runs they are there.
    for pid in $(nginx_masters | sed -n 's/ .*nginx: master.*//p'); do
        # One that was started with -c is asked without sudo: as root, a file of somebody's choice could load anything.
        own=$(tr '\000\n' '  ' <"/proc/$pid/cmdline" | grep -oE ' -[cp] [^ ]+' | tr '\n' ' ')
        if [ -n "$own" ]; then
            section "nginx $pid" nginx -T $own
        else
            section "nginx $pid" root nginx -T
        fi
    done
fi
if [ -d /etc/letsencrypt ]; then
    section lineages root find /etc/letsencrypt -exec stat -c '%a %u %g %U %G %Y %N' '{}' +
    section certificates root find -L /etc/letsencrypt -name 'cert*.pem' -exec grep -H . '{}' +
    section renewal root grep -sHriE '^(renew|deploy|post).hook|^installer' /etc/letsencrypt/renewal /etc/letsencrypt/cli.ini /etc/sysconfig/certbot
    section hooks root grep -HrE 'nginx|caddy' /etc/letsencrypt/renewal-hooks
fi
has certbot && section certbot sh -c 'command -v certbot'
section cron root grep -sHrE certbot /etc/crontab /etc/cron.d /etc/cron.daily /etc/cron.weekly /var/spool/cron
section crond grep -lE '^(cron|crond|anacron)$' /proc/[0-9]*/comm
section end true
