# What one round trip learns of a host: sections between marked lines, each with the exit code of what made it.
# POSIX sh, dash and busybox included. Reads only: nothing is written, restarted or reloaded. What may need root goes
# through `root`, so that these lines, and no others, are what docs/sudoers allows; a test compares the two.
# Nothing that another local user can influence is believed or run: a process counts only if all its user ids are root's
# (or ours) and its executable, as the kernel names it, is the program it claims to be, in a place that only root can
# write to. Programs come from root's own directories; what is printed is indented, so that it cannot pass for a mark.
# Arguments: a random mark; "sudo" ("sudo -u USER") or ""; our end of a connection to the URL (a port in hexadecimal, or
# -); and on a second trip what to look at: paths of keys, or of others behind what they are.
unset IFS
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/run/wrappers/bin:/run/current-system/sw/bin:/snap/bin
for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do # what else a login sets may change what programs print
    case $name in
    PATH | HOME | USER | LOGNAME | XDG_RUNTIME_DIR | DOCKER_* | CONTAINER* | PWD | OLDPWD | SHLVL | _) ;;
    BASHOPTS | SHELLOPTS | UID | EUID | PPID) ;; # bash keeps them
    *) unset "$name" ;;
    esac
done
export PATH LC_ALL=C
mark=$1 asked=$2 port=$3
shift 3
newline='
'
own=$(id -u)
sudo=
if [ -n "$asked" ] && [ "$(id -u)" != 0 ]; then sudo="sudo -n${asked#sudo}"; fi
root() { $sudo "$@"; }
section() { # NAME COMMAND...
    printf '%s begin %s\n' "$mark" "$1"
    shift
    {
        "$@" 2>&1
        printf '\n%s\n' $?
    } | sed 's/^/ /'
    printf '%s end\n' "$mark"
}
has() { command -v "$1" >/dev/null 2>&1; }
masked() { sed -e 's/\(-D\|--define\)[ =]*[^ ;]*/\1 (hidden)/g'; }

private() { # GROUP ID, USER ID: whether nobody but that user is in it; in Debian's "staff" (/usr/local) nobody is
    awk -F: -v group="$1" -v user="$2" '
        FILENAME == "/etc/passwd" { if ($3 == user) name = $1; else if ($4 == group) others = 1; next }
        $3 == group { known = 1; count = split($4, members, ","); for (n = 1; n <= count; n++) if (members[n] != name) others = 1 }
        END { exit others || !known }' /etc/passwd /etc/group
}

closed() { # PATH, USER ID or nothing: whether only root, who looks, or that user can change it and what is above it
    theirs=${2:-$own}
    step=$1
    while :; do
        case $step in /*) ;; *) return 1 ;; esac
        facts=$(stat -L -c '%a %u %g' "$step" 2>/dev/null) ||
            facts=$(root stat -L -c '%a %u %g %U %G %Y %n' "$step" 2>/dev/null) || return 1
        mode=${facts%% *} facts=${facts#* }
        uid=${facts%% *} facts=${facts#* }
        [ "$uid" = 0 ] || [ "$uid" = "$own" ] || [ "$uid" = "$theirs" ] || return 1
        # sticky: only owners replace what lies there, but others may have given a file of root's a name of their own
        [ "$step" != "$1" ] && [ ${#mode} = 4 ] && { [ "$step" != "${1%/*}" ] || [ -d "$1" ]; } &&
            case $mode in 1* | 3*) mode=0 ;; esac
        case $mode in
        *[2367]) return 1 ;;
        *[2367]?)
            [ "${facts%% *}" = 0 ] || private "${facts%% *}" "$theirs" || return 1
            case $(ls -ldL "$step" 2>/dev/null) in ??????????+*) return 1 ;; esac # an access control list, and that is its mask
            ;;
        esac
        [ "$step" = / ] && return 0
        step=${step%/*}
        step=${step:-/}
    done
}
for place in /usr/local/sbin /usr/local/bin; do closed "$place" && PATH=$PATH:$place; done

numbers() { tr '\n' ' ' <"/proc/$1/stat" | sed 's/.*) //'; } # PID: what its stat has behind its name, which may hold anything

identity() { # PID: its start in ticks, and its user where all four user ids are the same: a setuid program's differ
    printf '%s %s' "$(numbers "$1" 2>/dev/null | cut -d' ' -f20)" \
        "$(awk '/^Uid:/ && $2 == $3 && $3 == $4 && $4 == $5 {print $2}' "/proc/$1/status" 2>/dev/null)"
}

executable() { # PID: the program it runs, as the kernel knows it, "" where that is not ours to see
    path=$(root readlink "/proc/$1/exe" 2>/dev/null)
    printf '%s' "${path% (deleted)}" # the place that it was started from: who could change that is still to be seen
}

replaced() { # PID: whether the program it runs is no more where it was: what lies there now is another, and is not run
    case $(root readlink "/proc/$1/exe" 2>/dev/null) in *' (deleted)') ;; *) return 1 ;; esac
}

program() { # NAME: where a program of that name really lies, "" where others than root, or who looks, can change it
    place=$(command -v "$1") && place=$(readlink -f "$place") && closed "$place" && printf '%s' "$place"
}

trusted() { # PID NAME: whether root (or who looks) runs it, and it is that program, which nobody else can change
    before=$(identity "$1") exe=$(executable "$1")
    case ${before#* } in 0 | "$own") ;; *) return 1 ;; esac
    case ${exe##*/} in "$2" | "$2"[-.0-9]*) ;; *) return 1 ;; esac
    closed "$exe" && [ "$before" = "$(identity "$1")" ]
}

processes() { # id, parent, user id, name, and kind of place of each, tabs between; no name has two lines in status
    {
        grep -lE '[0-9a-f]{64}' /proc/[0-9]*/cgroup
        grep -lF /user.slice /proc/[0-9]*/cgroup | sed 's/$/ /'
        grep -HE '^(Name|PPid|Uid):' /proc/[0-9]*/status
    } 2>/dev/null | awk -F'\t' '
        { split($1, part, "/") }
        $1 ~ /cgroup ?$/ { kind[part[3]] = /group$/ ? "box" : "session" }
        $1 ~ /:Name:$/ { name = substr($0, index($0, "\t") + 1); gsub("\t", " ", name) }
        $1 ~ /:PPid:$/ { above = $2 }
        $1 ~ /:Uid:$/ { print part[3] "\t" above "\t" $3 "\t" name "\t" kind[part[3]] }'
}

# What strangers start by the thousand must not keep us from looking. So of all that calls itself something we look at no
# more than this many of a user's: ten in sessions, where anybody starts what he likes, under many ids if he was given them,
# twenty elsewhere, and forty in all of either; root's, containers', those of who looks, and workers of these apart.
few='
    NF > 1 { above[$1] = $2; user[$1] = $3; called[$1] = $4; kind[$1] = $5 }
    function ours(id) { return user[id] == 0 || user[id] == own || kind[id] == "box" }
    function taken(id) { return ours(id) || ++of[user[id]] <= (kind[id] == "session" ? 10 : 20) && ++all[kind[id]] <= 40 }'

named() { # NAME, "left" or nothing: process ids of those that call themselves so; or how many are left out
    printf '%s\n' "$table" | awk -F'\t' -v name="$1" -v own="$own" -v asked="$2" "$few"'
        $4 == name { ids[++count] = $1 }
        END {
            for (n = 1; n <= count; n++) {
                id = ids[n]
                if (called[above[id]] == name && ours(above[id]) || taken(id)) { if (!asked) print id } else left++
            }
            if (asked && left) print name, left
        }'
}

candidates() { # "left" or nothing: what may be Node-RED: by title, then by the names of Node.js's threads, which keep theirs
    {
        printf '%s\n\n' "$table"
        printf '%s\n' "$table" | awk -F'\t' '$4 ~ /^node-red/ { print $1 }'
        grep -lxE 'node|nodejs|MainThread|libuv-worker|V8Worker|DelayedTaskSche' /proc/[0-9]*/task/[0-9]*/comm 2>/dev/null |
            cut -d/ -f3
    } | awk -F'\t' -v own="$own" -v asked="$1" "$few"'
        NF == 1 && !seen[$1]++ { ids[++count] = $1 }
        END {
            for (n = 1; n <= count; n++) if (taken(ids[n]) && ++whole <= 100) { if (!asked) print ids[n] } else if (called[ids[n]] == "node-red") left++
            if (asked && left) print "node-red", left
        }'
}

parent() { sed -n 's/^PPid:[^0-9]*//p' "/proc/$1/status" 2>/dev/null; }

has timeout && limit='timeout 5' || limit=
bounded() { # FILE: how a regular file begins; nothing that others may put there in its place holds us up
    if [ -f "$1" ]; then
        $limit head -c 1048576 "$1"
    elif [ -e "$1" ]; then
        echo "$1 is no regular file"
        return 1
    else
        ls -ld "$1"
    fi
}

me() {
    id -u && id -un && uname -s && echo "$asked" && date +%s && cut -d' ' -f1 /proc/uptime &&
        { getconf CLK_TCK 2>/dev/null || echo 100; }
}

words() { head -c 65536 "/proc/$1/cmdline" 2>/dev/null | tr '\000\n' '  '; } # PID: a stranger's may have megabytes

red_words() { words "$1" | grep -E 'node-red|red\.js' | masked; }

process() { # PID: of a Node.js; the arguments only where it may be Node-RED, without values that may be secrets
    before=$(identity "$1")
    printf 'comm %s\n' "$(tr '\n' ' ' <"/proc/$1/comm")"
    sed -n 's/^\(Uid\|PPid\):[^0-9]*\([0-9]*\).*/\1 \2/p' "/proc/$1/status"
    printf 'parent %s\n' "$(tr '\n' ' ' <"/proc/$(parent "$1")/comm")"
    printf 'user %s\n' "$(stat -c %U "/proc/$1" 2>/dev/null)"
    [ -e "/var/lib/systemd/linger/$(stat -c %U "/proc/$1" 2>/dev/null)" ] && echo 'lingers yes'
    printf 'ticks %s\n' "$(numbers "$1" | cut -d' ' -f20)"
    printf 'cwd %s\n' "$(root readlink "/proc/$1/cwd" 2>/dev/null | tr '\n' ' ')"
    link=$(root readlink "/proc/$1/exe" 2>/dev/null)
    exe=${link% (deleted)}
    printf 'exe %s\n' "$(printf %s "$exe" | tr '\n' ' ')"
    closed "$exe" && echo 'closed yes'
    closed "$exe" "$(stat -c %u "/proc/$1" 2>/dev/null)" && echo 'theirs yes'
    [ "$link" != "$exe" ] && echo 'deleted yes'
    awk '/^Gid:/ && $2 == $3 && $3 == $4 && $4 == $5 {print "gid", $2}' "/proc/$1/status"
    sed -n 's/^Groups:[^0-9]*/groups /p' "/proc/$1/status"
    sed 's/^/cgroup /' "/proc/$1/cgroup"
    printf 'box %s\n' "$(box_of "$1")"
    [ "$before" = "$(identity "$1")" ] && printf 'same %s\n' "${before#* }" # else it is another program by now
    printf 'args %s\n' "$(red_words "$1")"
    # a shell that waits for it (npm start) still has what it overwrites with its title
    [ "$(identity "$1" | cut -d' ' -f2)" = "$(identity "$(parent "$1")" | cut -d' ' -f2)" ] &&
        printf 'given %s\n' "$(red_words "$(parent "$1")")" && starter "$(parent "$1")"
}

starter() { # PID: of a shell; the line of its script that starts Node-RED, and the script's words
    script=$(head -c 65536 "/proc/$1/cmdline" | tr '\000' '\n' | sed -n 2p)
    case $script in /*) script=/proc/$1/root$script ;; *) script=/proc/$1/cwd/$script ;; esac
    # with a size: the kernel's own files have none, and to read /proc/kmsg takes what others wait for, without end
    [ -f "$script" ] && [ -s "$script" ] && $limit head -c 65536 "$script" | tr -d '\r' |
        sed -n '/node \$NODE_OPTIONS .*red\.js --userDir \//{s/^/starter /p;q;}' | grep . &&
        printf 'given %s\n' "$(words "$1" | masked)"
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
            [ -r "/proc/$1/net/$family" ] && sed "1d; s/^/$family /" "/proc/$1/net/$family"
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

ports() { # which TCP ports are listened on here, by whom, with which socket
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { sub(/.*:/, "", $2); print $2, $8, $10 }' | sort -u
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

nginx_processes() { # PID...: each one's parent, start in ticks after boot, user, title
    for pid in "$@"; do
        printf '%s %s %s %s\n' "$pid" "$(numbers "$pid" 2>/dev/null | cut -d' ' -f2,20)" \
            "$(stat -c %U "/proc/$pid" 2>/dev/null)" "$(words "$pid")"
    done
}

impostor() { # PID NAME: what calls itself so and is not
    printf '%s %s %s %s%s\n' "$2" "$(stat -c %u "/proc/$1" 2>/dev/null)" "$(stat -c %U "/proc/$1" 2>/dev/null)" \
        "$(executable "$1" | tr '\n' ' ')" "$(replaced "$1" && echo ', deleted since')"
}

unit_of() { # PID: the service that it runs in, or nothing; not one of a user's own manager, nor a name of strange letters
    sed -n 's|^[^:]*:[^:]*:\([^:]*\)|\1|p' "/proc/$1/cgroup" 2>/dev/null | grep -v '/user\.slice' |
        sed -n 's|^\(/[^/]*\.slice\)*/\([A-Za-z0-9_][A-Za-z0-9:_.@\\-]*\.service\)\(/.*\)\{0,1\}$|\2|p' | tail -1
}

configuration() { # PID: of an nginx that is trusted, in $exe; a file that its command line names must be root's as well
    named=$(words "$1" | grep -oE ' -[cp] [^ ]+' | tr '\n' ' ')
    for word in $named; do
        case $word in -c | -p) continue ;; esac
        if ! closed "${word%/}" || [ "$(readlink -f "$word")" != "${word%/}" ]; then
            echo "nginx -T is not run: others than root can change $word, which its command line names"
            return 1
        fi
    done
    strange=$(changeable $named)
    if [ -n "$strange" ]; then
        echo "nginx -T is not run: others than root can change $strange, which nginx reads"
        return 1
    fi
    if [ -n "$named" ]; then
        "$exe" -T $named # without sudo, which docs/sudoers gives for no file that a command line names
    else
        root "$exe" -T
    fi
}

paths_in() { # FILE, DIRECTIVES: what nginx's directives of these names name in a file; comments within lines count as well
    sed 's/^[[:space:]]*#.*//; s/[;{}]/& /g' "$1" 2>/dev/null | tr '\n\t\r' '   ' |
        grep -oE "(^|[;{} ])[\"']?($2)[\"']? +[^;{}]+;" |
        sed -E "s/^[^a-z]*[a-z_]+[\"']? +//; s/ *;\$//; s/^.* from +//; s/[\"']//g"
}

led() { # PATH: whether others made it a link, or something to wait for: nginx opens or makes what it writes to, even for -T
    { [ -L "$1" ] || [ -p "$1" ]; } && ! closed "$(readlink -f "${1%/*}")"
}

changeable() { # -c FILE -p PREFIX: the first that others than root can change of what an nginx, in $exe, takes in and loads
    built=$("$exe" -V 2>&1 | tr ' ' '\n') prefix='' file=''
    while [ $# -gt 1 ]; do
        case $1 in -c) file=$2 ;; -p) prefix=$2 ;; esac
        shift 2
    done
    prefix=${prefix:-$(printf '%s\n' "$built" | sed -n 's/^--prefix=//p')}
    prefix=${prefix:-/usr/local/nginx}
    file=${file:-$(printf '%s\n' "$built" | sed -n 's/^--conf-path=//p')}
    file=${file:-conf/nginx.conf}
    case $file in /*) ;; *) file=${prefix%/}/$file ;; esac
    base=${file%/*} waiting=$file$newline seen=$newline
    for path in $(printf '%s\n' "$built" | sed -nE 's/^--[a-z-]*(log|temp|pid|lock)-path=//p'); do
        led "$path" && printf '%s, which is no file of its own,\n' "$path" && return
    done
    while [ -n "$waiting" ]; do
        each=${waiting%%"$newline"*} waiting=${waiting#*"$newline"}
        case $seen in *"$newline$each$newline"*) continue ;; esac
        seen=$seen$each$newline
        for path in "${each%/*}" "$each" "$(readlink -f "$each")"; do
            case $seen in *"$newline/ $path$newline"*) continue ;; esac
            seen="$seen/ $path$newline"
            [ ! -e "$path" ] || closed "$path" || { printf '%s\n' "$path" && return; }
        done
        [ -f "$each" ] || continue
        set -f
        IFS=$newline
        for path in $(paths_in "$each" '([a-z]+_)?ssl_[a-z_]*(certificate|key|dhparam|file|crl)'); do
            [ ! -e "$path" ] || [ -f "$path" ] || { printf '%s, which is no file,\n' "$path" && return; } # nginx would wait for it
        done
        for path in $(paths_in "$each" '[a-z]+_log|pid|lock_file|[a-z]+(_body)?_(temp|cache)_path'); do
            unset IFS
            path=${path%% *}
            case $path in /*) ;; *) path=${prefix%/}/$path ;; esac
            led "$path" && printf '%s, which is no file of its own,\n' "$path" && return
        done
        IFS=$newline
        for path in $(paths_in "$each" 'include|load_module|js_import|js_include|js_path|perl_modules|perl_require|init_by_lua_file'); do
            case $path in /*) ;; *) path="$base/$path$newline${prefix%/}/$path" ;; esac
            set +f
            IFS=$newline
            for path in $path; do
                unset IFS
                above=${path%%[*?[]*}
                above=${above%/*}
                [ -d "$above" ] && ! { closed "$above" && closed "$(readlink -f "$above")"; } && printf '%s\n' "$above" && return
                [ -e "$path" ] && waiting=$waiting${path%/}$newline
                [ -d "$path" ] && waiting=$waiting$(find -L "$path" -type f)$newline # of modules
            done
            set -f
        done
        unset IFS
        set +f
    done
}

crowd() { # how many that call themselves something are not looked at
    for name in nginx caddy haproxy; do named $name left; done
    candidates left
}

told() { printf '%s\n' "$1" && return "$2"; }

sizes() { # DUMP: of the files that `nginx -T` names, so that a line inside one cannot pass for the head of another
    printf '%s\n' "$1" | sed -n 's/^# configuration file \(.*\):$/\1/p' | sort -u | while read -r file; do stat -L -c '%s %n' "$file"; done
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
starts() { systemctl show --no-pager -p Id,ExecStart "$@" | masked; }

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
    section "command $pid" sh -c "head -c 65536 /proc/$pid/cmdline | tr '\\000\\n' '\\n '"
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
    section starts starts $units node-red.service
    section variables variables $units node-red.service
    section credentials credentials $units node-red.service
    section units systemctl show --no-pager -p "$properties" $units $keepers $proxies node-red.service nginx.service \
        caddy.service certbot.timer certbot.service certbot-renew.timer certbot-renew.service snap.certbot.renew.timer snap.certbot.renew.service \
        $renewers '*.timer'
    section renewers starts certbot.service certbot-renew.service snap.certbot.renew.service $renewers
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
    section hooks root grep -HrE 'nginx|caddy' /etc/letsencrypt/renewal-hooks
fi
has certbot && section certbot sh -c 'command -v certbot'
section cron root grep -sHrE 'certbot|acme.sh|dehydrated|getssl|uacme|acmetool|simp_le|lego' /etc/crontab /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/periodic /var/spool/cron
section runnable find -L /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly -maxdepth 1 -type f -perm -100
section acme grep -sHE '^Exec.*(acme.sh|dehydrated|getssl|uacme|acmetool|simp_le|lego)' /etc/systemd/system/*.service /usr/lib/systemd/system/*.service
section crond crons
section end true
