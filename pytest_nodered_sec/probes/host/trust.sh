# Begins the script that looks at a host: what it was given, and whom it believes. Nothing that another local user can
# influence is believed or run: a process counts only if all its user ids are root's (or ours) and its executable, as the
# kernel names it, is the program it claims to be, in a place that only root can write to. Programs come from root's own
# directories; what is printed is indented, so that it cannot pass for a mark.
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
sudo= patience=
if [ -n "$asked" ] && [ "$(id -u)" != 0 ]; then sudo="sudo -n${asked#sudo}"; fi
root() { $patience $sudo "$@"; }
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
    theirs=${2:-$own} whole=$1 step=$1
    case $whole in /*) ;; *) return 1 ;; esac
    set --
    while [ -n "${step#/}" ]; do
        set -- "$@" "$step"
        step=${step%/*}
    done
    all=$(stat -L -c '%a %u %g' "$@" / 2>/dev/null) || all=''
    for step in "$@" /; do
        if [ -n "$all" ]; then
            facts=${all%%"$newline"*} all=${all#*"$newline"}
        else
            facts=$(stat -L -c '%a %u %g' "$step" 2>/dev/null) ||
                facts=$(root stat -L -c '%a %u %g %U %G %Y %n' "$step" 2>/dev/null) || return 1
        fi
        mode=${facts%% *} facts=${facts#* }
        uid=${facts%% *} facts=${facts#* }
        [ "$uid" = 0 ] || [ "$uid" = "$own" ] || [ "$uid" = "$theirs" ] || return 1
        # sticky: only owners replace what lies there, but others may have given a file of root's a name of their own
        [ "$step" != "$whole" ] && [ ${#mode} = 4 ] && { [ "$step" != "${whole%/*}" ] || [ -d "$whole" ]; } &&
            case $mode in 1* | 3*) mode=0 ;; esac
        case $mode in
        *[2367]) return 1 ;;
        *[2367]?)
            [ "${facts%% *}" = 0 ] || private "${facts%% *}" "$theirs" || return 1
            case $(ls -ldL "$step" 2>/dev/null) in ??????????+*) return 1 ;; esac # an access control list, and that is its mask
            ;;
        esac
    done
    return 0
}
for place in /usr/local/sbin /usr/local/bin; do closed "$place" && PATH=$PATH:$place; done

numbers() { tr '\n' ' ' <"/proc/$1/stat" | sed 's/.*) //'; } # PID: what its stat has behind its name, which may hold anything

identity() { # PID: its start in ticks, and its user where all four user ids are the same: a setuid program's differ
    awk 'FILENAME ~ /stat$/ { text = text " " $0; next }
        /^Uid:/ && $2 == $3 && $3 == $4 && $4 == $5 { user = $2 }
        END { sub(/.*\) /, "", text); split(text, part, " "); printf "%s %s", part[20], user }' "/proc/$1/stat" "/proc/$1/status" 2>/dev/null
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

processes() { # id, parent, user id, name, and kind of place of each that lives, tabs between; no name has two lines in status
    {
        grep -lE '[0-9a-f]{64}' /proc/[0-9]*/cgroup
        grep -lF /user.slice /proc/[0-9]*/cgroup | sed 's/$/ /'
        grep -HE '^(Name|State|PPid|Uid):' /proc/[0-9]*/status
    } 2>/dev/null | awk -F'\t' '
        { split($1, part, "/") }
        $1 ~ /cgroup ?$/ { kind[part[3]] = /group$/ ? "box" : "session" }
        $1 ~ /:Name:$/ { name = substr($0, index($0, "\t") + 1); gsub("\t", " ", name) }
        $1 ~ /:State:$/ { ended = $2 ~ /^[ZX]/ } # of what waits for its parent there is nothing to see
        $1 ~ /:PPid:$/ { above = $2 }
        $1 ~ /:Uid:$/ && !ended { print part[3] "\t" above "\t" $3 "\t" name "\t" kind[part[3]] }'
}

# What strangers start by the thousand must not keep us from looking. So of all that calls itself something we look at no
# more than this many of a user's: ten in sessions, where anybody starts what he likes, under many ids if he was given them,
# twenty elsewhere, and forty in all of either; eighty in control groups that are called like a container's, as any user
# can call one whose service may make some (Delegate=yes). Root's, those of who looks, and workers of these apart.
few='
    NF > 1 { above[$1] = $2; user[$1] = $3; called[$1] = $4; kind[$1] = $5 }
    function ours(id) { return id in user && (user[id] == 0 || user[id] == own) }
    function taken(id) {
        if (ours(id)) return 1
        if (kind[id] == "box") return ++boxes[user[id]] <= 80
        return ++of[user[id]] <= (kind[id] == "session" ? 10 : 20) && ++all[kind[id]] <= 40
    }'

named() { # NAME, "left" or nothing: process ids of those that call themselves so; or how many are left out
    printf '%s\n' "$table" | awk -F'\t' -v name="$1" -v own="$own" -v asked="$2" "$few"'
        $4 == name { ids[++count] = $1 }
        END {
            for (n = 1; n <= count; n++) {
                id = ids[n]
                if (called[above[id]] == name && ours(above[id]) || taken(id)) { if (!asked) print id } else if (kind[id] != "box") left++
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
            for (n = 1; n <= count; n++) if (!(ids[n] in user)) continue; else if (taken(ids[n]) && (kind[ids[n]] != "box" || ++whole <= 100)) { if (!asked) print ids[n] } else if (called[ids[n]] == "node-red") left++
            if (asked && left) print "node-red", left
        }'
}

parent() { sed -n 's/^PPid:[^0-9]*//p' "/proc/$1/status" 2>/dev/null; }

told() { printf '%s\n' "$1" && return "$2"; }

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
