# What one round trip learns of a host: sections between marked lines, each with the exit code of what made it.
# POSIX sh, dash and busybox included. Reads only: nothing is written, restarted or reloaded. What may need root goes
# through `root`, so that these lines, and no others, are what docs/sudoers allows; a test compares the two. Whom it
# believes is in trust.sh, which is sent first, before the functions of processes.sh, nginx.sh and fronts.sh.

me() {
    id -u && id -un && uname -s && echo "$asked" && date +%s && cut -d' ' -f1 /proc/uptime &&
        { getconf CLK_TCK 2>/dev/null || echo 100; }
}

ports() { # which TCP ports are listened on here, by whom, with which socket
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { sub(/.*:/, "", $2); print $2, $8, $10 }' | sort -u
}

addresses() { # of this host
    awk '/\/32 host LOCAL/ { print address } { address = $2 }' /proc/net/fib_trie 2>/dev/null | sort -u
    awk '{ gsub(/..../, "&:", $1); sub(/:$/, "", $1); print $1 }' /proc/net/if_inet6 2>/dev/null
}

crowd() { # how many that call themselves something are not looked at
    for name in nginx caddy haproxy; do named $name left; done
    candidates left
}

changed() { # PATH: when content and inode changed, of a link and of what it leads to
    path=$1
    stat -c '%Y %Z' "$1" && stat -L -c '%Y %Z' "$1" && return
    # below a directory that only root enters: what docs/sudoers allows tells nothing of its inode
    root stat -L -c '%a %u %g %U %G %Y %n' "$path" | cut -d' ' -f6
}

properties=Id,Names,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID,Restart,User,UMask,Result
properties=$properties,ExecMainStatus,NextElapseUSecRealtime,LastTriggerUSec,NoNewPrivileges,ProtectSystem,ProtectHome
properties=$properties,PrivateTmp,PrivateDevices,ProtectKernelTunables,RestrictSUIDSGID,Triggers,DropInPaths
properties=$properties,EnvironmentFiles,BindPaths,BindReadOnlyPaths,TemporaryFileSystem,RootDirectory,RootImage

security() { systemd-analyze security --no-pager "$1" | tail -1; }
starts() { # PROPERTIES, UNIT...
    systemctl show --no-pager -p "$@" | masked
}

started_by() { # UNIT...: what the machine starts with; of each unit, and of all that have it started, what has that started
    systemctl get-default && echo
    known=' '
    while [ $# -gt 0 ]; do
        these=$(systemctl show --no-pager -p Id,Names,WantedBy,RequiredBy,BoundBy,UpheldBy -- "$@")
        printf '%s\n\n' "$these"
        known="$known$* "
        set --
        for unit in $(printf '%s\n' "$these" | sed -n 's/^\(Wanted\|Required\|Bound\|Upheld\)By=//p'); do
            case "$known$* " in *" $unit "*) ;; *) set -- "$@" "$unit" ;; esac
        done
    done
}

credentials() { # UNIT...: the files that its credentials are loaded from, which `systemctl show` does not print
    for unit in $(printf '%s\n' "$@" | sort -u); do
        systemctl cat --no-pager "$unit" 2>/dev/null | sed -n 's/^ *LoadCredential *=[^:]*:\//\//p' | while read -r path; do printf '%s %s\n' "$unit" "$path"; done
    done
}

variables() { # UNIT...: names of what its definition sets, which any user may ask for: not the values
    systemctl show --no-pager -p Id,Environment,ExecStart "$@" | awk '
        function told(word, how,    at) { # a value that is short, a number, or a path is no secret
            at = index(word, "=")
            if (at > 1 && length(word) - at > 5 && substr(word, at + 1) !~ /^(\/|true|false|[0-9.]+$)/ && substr(word, 1, at - 1) ~ /^[A-Za-z_][A-Za-z0-9_.]*$/)
                print unit, how, substr(word, 1, at - 1)
        }
        /^Id=/ { unit = substr($0, 4) }
        /^Environment=/ {
            rest = substr($0, 13)
            while (rest != "") {
                if (match(rest, /^"([^"\\]|\\.)*"/)) told(substr(rest, 2, RLENGTH - 2), "environment")
                else if (match(rest, /^[^ ]+/)) told(substr(rest, 1, RLENGTH), "environment")
                else RLENGTH = 1
                rest = substr(rest, RLENGTH + 1)
            }
        }
        /^ExecStart=/ {
            sub(/^.*argv\[\]=/, ""); sub(/ ; ignore_errors=.*/, ""); gsub(/[\047";]/, " ")
            count = split($0, words, " ")
            for (n = 1; n <= count; n++) told(words[n], words[n - 1] ~ /^(-D|--define)$/ ? "define" : "command")
        }'
}

crontabs() { # what renews certificates by cron, a hundred lines of a file: anybody may fill his own crontab
    {
        root grep -sHrE 'certbot|acme.sh|dehydrated|getssl|uacme|acmetool|simp_le|lego|reload|restart' /etc/crontab /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/periodic /var/spool/cron
        echo "code $?"
    } 2>&1 | cut -c1-1000 | awk -F: '/^code [0-9]+$/ { code = substr($0, 6); next } ++of[$1] <= 100 { print } END { exit code }'
}

crons() { # who runs what cron's files say: root's own, not what calls itself so
    for name in cron crond anacron; do
        for pid in $(named "$name"); do
            if trusted "$pid" "$name" || trusted "$pid" busybox; then echo "/proc/$pid/comm"; fi
        done
    done
}

marks() { # what no other machine has, hashed here (machine-id(5)): none of it leaves the machine in clear
    for file in /etc/machine-id /proc/sys/kernel/random/boot_id; do
        grep -qxE '[0-9a-f-]{32,36}' "$file" 2>/dev/null && hashed "${file##*/}" cat "$file"
    done
    for file in /etc/ssh/ssh_host_*_key.pub; do
        [ -s "$file" ] && hashed "$(cut -d' ' -f1 "$file")" cut -d' ' -f2 "$file"
    done
    return 0
}

hashed() { # NAME COMMAND...: what a command prints, as a digest
    name=$1
    shift
    digest=$({ echo nodered-sec && "$@"; } | sha256sum) && printf '%s %s\n' "$name" "${digest%% *}"
}

if [ $# -gt 0 ]; then # a later trip: paths of keys; of certificates after "certificate:", of files after "time:"
    for path in "$@"; do
        case $path in
        time:*) section "$path" changed "${path#time:}" ;;
        config:*) configured "${path#config:}" ;;
        haproxy:*)
            rest=${path#haproxy:}
            listed "${rest%%:*}" "${rest#*:}"
            ;;
        routes:*) routes "${path#routes:}" ;;
        traefik:*)
            rest=${path#traefik:}
            routed "${rest%%:*}" "${rest#*:}"
            ;;
        apache:*)
            rest=${path#apache:}
            included "${rest%%:*}" "${rest#*:}"
            ;;
        certificate:*) section "$path" bounded "${path#certificate:}" ;;
        *) section "key:$path" root stat -L -c '%a %u %g %U %G %Y %n' "$path" ;;
        esac
    done
    section end true
    exit 0
fi
table=$(processes)
section me me
section ports ports
section addresses addresses
section self cat /proc/self/cgroup
section os cat /etc/os-release
section marks marks
section node program node
docker=$(program docker)
units=nodered.service keepers=
for pid in $(candidates); do
    section "process $pid" process "$pid"
    listeners "$pid"
    unit=$(unit_of "$pid")
    [ -n "$unit" ] && units="$units $unit"
    user=$(stat -c %U "/proc/$pid" 2>/dev/null)
    case $user in '' | *[!A-Za-z0-9._-]*) ;; *) keepers="$keepers pm2-$user.service" ;; esac
    id=$(box_of "$pid")
    id=${id% } # of one that somebody else made, docker is not asked
    case $id in *' '*) id='' ;; esac
    if [ -n "$id" ] && [ -n "$docker" ]; then
        section "docker $pid" "$docker" inspect --format \
            '{{json .NetworkSettings.Ports}} {{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}}' "$id"
        section "networks $pid" "$docker" network inspect --format '{{.Driver}}' \
            $("$docker" inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' "$id" 2>/dev/null)
    fi
done
proxies='' masters='' unseen='' gone='' workers=''
for pid in $(named nginx); do
    grep -qx nginx "/proc/$(parent "$pid")/comm" 2>/dev/null && continue # a worker, if its parent is a master
    if boxed "$pid"; then
        section 'boxed nginx' echo "$box" # its configuration lies in there, and ours is another
    elif trusted "$pid" nginx; then
        if replaced "$pid"; then gone="$gone $pid"; else masters="$masters $pid"; fi
    elif [ -z "$(executable "$pid")" ] && [ "$(identity "$pid" | cut -d' ' -f2)" = 0 ]; then
        unseen="$unseen $pid"
    else
        section "impostor $pid" impostor "$pid" nginx
    fi
done
for pid in $(named nginx); do
    case " $masters $unseen $gone " in *" $(parent "$pid") "*) workers="$workers $pid" ;; esac
done
for pid in $masters $unseen $gone; do
    proxies="$proxies $(unit_of "$pid")"
    section "unit-of $pid" unit_of "$pid"
done
for pid in $(named caddy); do
    if boxed "$pid"; then
        section 'boxed caddy' echo "$box"
        continue
    fi
    section "caddy $pid" process "$pid"
    listeners "$pid"
    section "command $pid" sh -c "head -c 16384 /proc/$pid/cmdline | tr '\\000\\n' '\\n '"
    proxies="$proxies $(unit_of "$pid")"
done
others='haproxy|apache2|httpd|traefik|envoy|lighttpd|h2o|angie|varnishd|hitch|stunnel4|pound|openlitespeed'
for name in $(printf '%s\n' "$table" | cut -f4 | grep -xE "$others" | sort -u); do
    for pid in $(named $name); do
        grep -qx $name "/proc/$(parent "$pid")/comm" 2>/dev/null && continue # a worker
        if boxed "$pid"; then
            section "boxed $name" echo "$box"
        elif trusted "$pid" $name || of_service "$pid" $name; then
            section "front $pid" front "$pid" $name
            proxies="$proxies $(unit_of "$pid")"
        elif [ -z "$(executable "$pid")" ] && [ "$(identity "$pid" | cut -d' ' -f2)" = 0 ]; then
            section "front $pid" sh -c "echo 'permission denied: whether this is $name is not to be seen (/proc/PID/exe)'; exit 1"
        elif [ $name = haproxy ]; then
            section "impostor $pid" impostor "$pid" $name
        else # such names are nothing to go by: busybox has an httpd
            section "front $pid" sh -c "echo 'whether this is $name, and not another program, cannot be told'; exit 1"
            section "stranger $pid" stat -c %u "/proc/$pid"
        fi
    done
done
section crowd crowd
section connection sh -c "grep -hi ':$port ' /proc/net/tcp /proc/net/tcp6 | awk '{print \$2, \$3, \$4}'"
renewers=$(grep -slE '^Exec.*certbot' /etc/systemd/system/*.service /run/systemd/system/*.service /usr/lib/systemd/system/*.service |
    sed 's|.*/||' | grep -xE '[A-Za-z0-9_][A-Za-z0-9:_.@\-]*' | grep -v '@\.service$')
if has systemctl; then
    section starts starts Id,ExecStart $units node-red.service
    section variables variables $units node-red.service
    section credentials credentials $units node-red.service
    section units systemctl show --no-pager -p "$properties" $units $keepers $proxies node-red.service nginx.service \
        caddy.service certbot.timer certbot.service certbot-renew.timer certbot-renew.service snap.certbot.renew.timer snap.certbot.renew.service \
        $renewers '*.timer'
    section started-by started_by $(printf '%s\n' $units $keepers $proxies node-red.service nginx.service | sort -u)
    section renewers starts Id,ExecStart,ExecStartPost certbot.service certbot-renew.service snap.certbot.renew.service $renewers
    for unit in $(printf '%s\n' $units | sort -u); do
        has systemd-analyze && section "security $unit" security "$unit"
    done
fi
nginx=$(program nginx)
for pid in $masters; do
    if trusted "$pid" nginx && ! replaced "$pid"; then nginx=$exe && break; fi
done
if [ -n "$nginx" ]; then
    section nginx-version "$nginx" -v
    section nginx-processes nginx_processes $masters $unseen $gone $workers
fi
for pid in $gone; do
    section "nginx $pid" told "nginx -T is not run: $(executable "$pid") was deleted or replaced after nginx started" 1
done
for pid in $unseen; do # the reason, as it would be for any other command
    section "nginx $pid" sh -c 'echo "permission denied: whether this is nginx is not to be seen (/proc/PID/exe)"; exit 1'
done
for pid in $masters; do # As root it would create the pid and log files of an nginx that never ran: only while one runs.
    if ! trusted "$pid" nginx || replaced "$pid"; then continue; fi
    dump=$(configuration "$pid" 2>&1)
    code=$?
    section "nginx $pid" told "$dump" $code
    section "sizes $pid" sizes "$dump"
done
if [ -d /etc/letsencrypt ]; then
    section lineages root find /etc/letsencrypt -exec stat -c '%a %u %g %U %G %Y %N' '{}' +
    section certificates root find -L /etc/letsencrypt -name 'cert*.pem' -exec grep -H . '{}' +
    section renewal root grep -sHriE '^(renew|deploy|post).hook|^installer|^autorenew' /etc/letsencrypt/renewal /etc/letsencrypt/cli.ini /etc/sysconfig/certbot
    section hooks root grep -HrE 'nginx|openresty|caddy|apache|httpd|haproxy|traefik|start|reload|graceful|HUP' /etc/letsencrypt/renewal-hooks
fi
has certbot && section certbot sh -c 'command -v certbot'
section cron crontabs
section runnable find -L /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly -maxdepth 1 -type f -perm -100
section acme grep -sHE '^Exec.*(acme.sh|dehydrated|getssl|uacme|acmetool|simp_le|lego)' /etc/systemd/system/*.service /usr/lib/systemd/system/*.service
section crond crons
section end true
