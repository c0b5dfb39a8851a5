# What is told of a process, behind trust.sh: what it runs, by whom, with which arguments, where it listens, and which
# service or container it belongs to. Of what a stranger's process says of itself, only a bounded part is read.

words() { head -c 65536 "/proc/$1/cmdline" 2>/dev/null | tr '\000\n' '  '; } # PID: a stranger's may have megabytes

red_words() { words "$1" | head -c 16384 | grep -E 'node-red|red\.js' | masked; }

process() { # PID: of a Node.js; the arguments only where it may be Node-RED, without values that may be secrets
    before=$(identity "$1") whose=$(stat -c '%u %U' "/proc/$1" 2>/dev/null)
    printf 'comm %s\n' "$(tr '\n' ' ' <"/proc/$1/comm")"
    awk '/^(Uid|PPid):/ { sub(":", "", $1); print $1, $2 }
        /^Gid:/ && $2 == $3 && $3 == $4 && $4 == $5 { print "gid", $2 }
        sub(/^Groups:[^0-9]*/, "groups ")' "/proc/$1/status"
    printf 'parent %s\n' "$(tr '\n' ' ' <"/proc/$(parent "$1")/comm")"
    printf 'user %s\n' "${whose#* }"
    [ -e "/var/lib/systemd/linger/${whose#* }" ] && echo 'lingers yes'
    printf 'ticks %s\n' "${before%% *}"
    printf 'cwd %s\n' "$(root readlink "/proc/$1/cwd" 2>/dev/null | tr '\n' ' ')"
    link=$(root readlink "/proc/$1/exe" 2>/dev/null)
    exe=${link% (deleted)}
    printf 'exe %s\n' "$(printf %s "$exe" | tr '\n' ' ')"
    if closed "$exe"; then
        echo 'closed yes'
    elif closed "$exe" "${whose%% *}"; then
        echo 'theirs yes'
    fi
    [ "$link" != "$exe" ] && echo 'deleted yes'
    sed 's/^/cgroup /' "/proc/$1/cgroup"
    printf 'box %s\n' "$(box_of "$1")"
    [ "$before" = "$(identity "$1")" ] && printf 'same %s\n' "${before#* }" # else it is another program by now
    printf 'args %s\n' "$(red_words "$1")"
    # a shell that waits for it (npm start) still has what it overwrites with its title
    [ "${before#* }" = "$(identity "$(parent "$1")" | cut -d' ' -f2)" ] &&
        printf 'given %s\n' "$(red_words "$(parent "$1")")" && starter "$(parent "$1")"
}

starter() { # PID: of a shell; the line of its script that starts Node-RED, and the script's words
    script=$(head -c 65536 "/proc/$1/cmdline" | tr '\000' '\n' | sed -n 2p)
    case $script in /*) script=/proc/$1/root$script ;; *) script=/proc/$1/cwd/$script ;; esac
    # with a size: the kernel's own files have none, and to read /proc/kmsg takes what others wait for, without end
    ${limit:+timeout 2} sh -c '[ -f "$1" ] && [ -s "$1" ] && exec head -c 65536 "$1"' sh "$script" | tr -d '\r' |
        sed -n '/node \$NODE_OPTIONS .*red\.js --userDir \//{s/^/starter /p;q;}' | grep . &&
        printf 'given %s\n' "$(words "$1" | head -c 16384 | masked)"
}

files() { # PID: the sockets among its open files; no file's name can pass for a socket, or for another line
    size=$(sed -n 's/^FDSize:[^0-9]*//p' "/proc/$1/status" 2>/dev/null)
    if [ "${size:-0}" -gt 65536 ]; then
        echo 'denied: more than 65536 open files are not listed'
        return 1
    fi
    if ls --version >/dev/null 2>&1; then root ls -lb "/proc/$1/fd"; else ls -l "/proc/$1/fd"; fi 2>&1 |
        awk '/^l[-r][-w]/ { if (/^[^>]* [0-9]+ -> socket:\[[0-9]+\]$/) print; next } /denied|sudo:|cannot/'
}

sockets() { # PID, its open files: those that listen in its network, by inode
    {
        printf '%s\n' "$2" | sed -n 's/.*socket:\[\([0-9]*\)\]$/own \1/p'
        for family in tcp tcp6 udp udp6 unix; do
            # those that listen come first; in a network of his own anybody may have any number of others
            [ -r "/proc/$1/net/$family" ] && head -c 4194304 "/proc/$1/net/$family" | sed "1d; s/^/$family /"
        done
    } | awk '
        $1 == "own" { own[$2] = 1; next }
        $1 == "unix" { if ($5 == "00010000" && $8 in own) print $1, $9, $8; next }
        $5 == ($1 ~ /^tcp/ ? "0A" : "07") && $11 in own { print $1, $3, $11 }'
}

owners() { # what it listens on: whose the paths are on the host; in mounts of his own anybody may have the same
    printf '%s\n' "$1" | sed -n 's|^unix \(/.*\) [0-9]*$|\1|p' | head -20 | while IFS= read -r path; do
        $limit stat -L -c '%u %n' "$path" 2>/dev/null
    done
}

listeners() { # PID: sections of both: of the open files only those that listen, and one that shows that they are seen
    open=$(files "$1")
    code=$? heard=$(sockets "$1" "$open")
    section "sockets $1" told "$heard" 0
    case $heard in *'unix /'*) section "owners $1" owners "$heard" ;; esac
    section "fd $1" told "$({
        printf '%s\n' "$heard" | sed 's/.* /own /'
        printf '%s\n' "$open"
    } | awk '
        $1 == "own" { own[$2] = 1; next }
        match($0, /socket:\[[0-9]+\]$/) { if (!(substr($0, RSTART + 8, RLENGTH - 9) in own) && shown++) next }
        NF')" $code
}

levels() { awk '/^NSpid:/ {print NF}' "/proc/$1/status" 2>/dev/null; }

box_of() { # PID: the container that its control group is named after; behind it who, but for root and us, made that group
    grep -E '[0-9a-f]{64}' "/proc/$1/cgroup" 2>/dev/null | head -1 | while IFS= read -r line; do
        path=${line#*:}
        kind=${path%%:*} path=${path#*:} maker=''
        case $path in *user*) maker=unknown ;; esac # where the tree of control groups is not to be seen
        above=$(printf '%s\n' "$path" | sed -E 's|/[^/]*[0-9a-f]{64}.*||')
        for tree in "/sys/fs/cgroup/${kind#name=}" /sys/fs/cgroup/unified /sys/fs/cgroup; do
            [ -d "$tree$above" ] || continue
            maker=$(stat -c %u "$tree$above")
            closed "$tree$above" && maker=''
            break
        done
        printf '%s %s' "$(printf '%s\n' "$path" | grep -oE '[0-9a-f]{64}' | tail -1)" "$maker"
    done
}

boxed() { # PID: whether it runs in a container that we do not: by its control group, or by a process name space of root's
    box=$(box_of "$1")
    if [ -n "$box" ]; then
        ! grep -q "${box%% *}" /proc/self/cgroup
        return
    fi
    # one that a user makes goes with a table of user ids of its own
    box='(without id)' inner=$(levels "$1") outer=$(levels self)
    [ "${inner:-0}" -gt "${outer:-0}" ] && [ "$(cat "/proc/$1/uid_map")" = "$(cat /proc/self/uid_map)" ] && ! is_main "$1"
}

is_main() { # PID: whether it is the main process of a service, as the service manager says
    unit=$(unit_of "$1") && [ -n "$unit" ] &&
        [ "$(systemctl show --no-pager -p MainPID --value "$unit" 2>/dev/null)" = "$1" ]
}

impostor() { # PID NAME: what calls itself so and is not
    printf '%s %s %s %s%s\n' "$2" "$(stat -c %u "/proc/$1" 2>/dev/null)" "$(stat -c %U "/proc/$1" 2>/dev/null)" \
        "$(executable "$1" | tr '\n' ' ')" "$(replaced "$1" && echo ', deleted since')"
}

unit_of() { # PID: the service that it runs in, or nothing; not one of a user's own manager, nor a name of strange letters
    sed -n 's|^[^:]*:[^:]*:\([^:]*\)|\1|p' "/proc/$1/cgroup" 2>/dev/null | grep -v '/user\.slice' |
        sed -n 's|^\(/[^/]*\.slice\)*/\([A-Za-z0-9_][A-Za-z0-9:_.@\\-]*\.service\)\(/.*\)\{0,1\}$|\2|p' | tail -1
}
