# Functions for host.sh, behind processes.sh: proxies that are neither nginx nor Caddy. Only their files are read,
# on the later trip, and nothing of theirs is run; a file that others than root can change leads to no other file.

of_service() { # PID NAME: whether it is that program, the main process of a service, as the service manager says
    exe=$(executable "$1")
    case ${exe##*/} in "$2" | "$2"[-.0-9]*) ;; *) return 1 ;; esac
    closed "$exe" && is_main "$1"
}

front() { # PID NAME: what it was started with, and when it and its newest and oldest workers were
    printf 'name %s\n' "$2"
    printf 'exe %s\n' "$(executable "$1" | tr '\n' ' ')"
    folder=$(root readlink "/proc/$1/cwd" 2>/dev/null)
    printf 'cwd %s\n' "$(printf %s "$folder" | tr '\n' ' ')"
    printf 'unit %s\n' "$(unit_of "$1")"
    printf 'user %s\n' "$(identity "$1" | cut -d' ' -f2)"
    printf 'start %s\n' "$(identity "$1" | cut -d' ' -f1)"
    for worker in $(named "$2"); do
        [ "$(parent "$worker")" = "$1" ] && printf 'worker %s\n' "$(identity "$worker" | cut -d' ' -f1)"
    done
    case $2 in
    apache2 | httpd) # -D NAME is a condition of the configuration there; and a reload writes the file with its pid again
        for file in /run/apache2/apache2.pid /run/httpd/httpd.pid; do
            [ "$(cat "$file" 2>/dev/null)" = "$1" ] && closed "$file" && printf 'read %s\n' "$(stat -c %Y "$file")"
        done
        head -c 65536 "/proc/$1/cmdline" | tr '\000\n' '\n '
        ;;
    traefik)
        homes "$1"
        head -c 65536 "/proc/$1/cmdline" | tr '\000\n' '\n ' | masked
        ;;
    *) head -c 65536 "/proc/$1/cmdline" | tr '\000\n' '\n ' | masked ;;
    esac | sed '/^read /!{/^home \//!s/^/arg /;}'
}

homes() { # PID: where a Traefik looks for its file, between /etc and where it was started; of its environment nothing else
    if [ -r "/proc/$1/environ" ]; then
        variables=$(tr '\000\n' '\n ' <"/proc/$1/environ" | sed -n 's/^XDG_CONFIG_HOME=\//0\//p; s/^HOME=\(\/.*\)/1\1\/.config/p')
        printf '%s\n' "$variables" | sort | sed -n 's/^[01]/home /p'
    elif [ "$(identity "$1" | cut -d' ' -f2)" != 0 ] || [ -z "$(unit_of "$1")" ]; then # systemd tells no home to root's services
        awk -F: -v user="$(stat -c %u "/proc/$1")" '$3 == user { print "home " $6 "/.config" }' /etc/passwd
    fi
}

includes() { # FILE: the ServerRoot that a file of Apache httpd's names, what it includes, and of what it asks whether it is there
    awk '{ sub(/^[ \t]+/, ""); name = tolower($1) }
        name ~ /^(serverroot|include(optional)?|<iffile)$/ {
            sub(/^[^ \t]+[ \t]+/, ""); if (name == "<iffile") { gsub(/^["\047]?!?|>[ \t\r]*$/, "") }
            gsub(/^["\047]|["\047]?[ \t\r]*$/, ""); print name, $0
        }' "$1"
}

standing() { # PATH: whether anything is there, and since when, or since when nothing may have been; nothing where links lead
    above=$1
    while [ -n "$above" ] && ! [ -e "$above" ] && ! [ -L "$above" ]; do above=${above%/*}; done
    above=${above:-/}
    [ "$(readlink -f "$above")" = "$above" ] || return
    if [ "$above" = "$1" ]; then
        stat -c 'yes %Z' "$1"
    elif [ -f "$above" ] || [ -x "$above" ]; then
        stat -c 'no %Z' "$above"
    fi
}

included() { # ServerRoot, FILE: a file of Apache httpd's, and those that it includes, each in a section of its own
    base=$1 waiting=$2$newline seen=$newline count=0
    while [ -n "$waiting" ]; do
        each=${waiting%%"$newline"*} waiting=${waiting#*"$newline"}
        case $seen in *"$newline$each$newline"*) continue ;; esac
        seen=$seen$each$newline count=$((count + 1))
        if [ $count -gt 400 ]; then
            section config: told 'there are more than 400 files' 1
            break
        fi
        section "config:$each" content "$each"
        closed "$each" && closed "$(readlink -f "$each")" || continue
        set -f
        IFS=$newline
        for line in $(includes "$each" 2>/dev/null); do
            unset IFS
            path=${line#* }
            case $path in /*) ;; *) path=$base/$path ;; esac
            case $line in
            serverroot*) base=$path && continue ;;
            '<iffile'*) section "standing:$path" standing "$(printf %s "$path" | tr -s /)" && continue ;;
            esac
            set +f
            IFS=$newline
            for file in $path; do
                unset IFS
                [ -d "$file" ] && file=$(find -L "$file" -type f | sort)
                if [ -e "${file%%"$newline"*}" ]; then waiting=$waiting$file$newline; fi
            done
            set -f
        done
        unset IFS
        set +f
    done
}

configured() { # PATH: a file of a proxy's configuration, or those in a directory, each in a section of its own
    if [ -d "$1" ]; then
        find -L "$1" -maxdepth 3 -type f \( -name '*.conf' -o -name '*.load' -o -name '*.cfg' -o -name '*.y*ml' -o \
            -name '*.toml' \) 2>/dev/null | sort | head -400 | while read -r each; do section "config:$each" content "$each"; done
    else
        section "config:$1" content "$1"
    fi
}

listed() { # cwd, PATH: HAProxy's files, and those of the lists and maps in which they look up paths, names and addresses
    configured "$2"
    if [ -d "$2" ]; then set -- "$1" "$2"/*.cfg; fi
    folder=${1%/}
    shift
    for file in "$@"; do closed "$file" && closed "$(readlink -f "$file")" && patterns "$file"; done | sort -u | head -40 |
        while read -r each; do
            case $each in /*) ;; *) each=$folder/$each ;; esac
            section "config:$each" content "$each"
        done
}

patterns() { # FILE: those that a file of HAProxy's names; not those of headers, cookies and arguments, which may be secret
    what='(path|pathq|base|url|uri|src|dst|method|(req[._])?ssl_fc_sni|req[._]ssl_sni)(_(beg|dir|dom|end|len|port|reg|sub))?'
    what="$what|(req\\.)?f?hdr(_[a-z]+)?\\([Hh]ost[^[:space:],]*|var\\([a-z]+\\.([a-z_]+_)?(host|path|url|uri|base|src|domain)\\)"
    what="(^|[^A-Za-z0-9._(])($what)[\"']?(,[^[:space:]]*)?" # url_param goes on otherwise
    flag='[[:space:]]+-([inM]|[mu][[:space:]]+[a-z0-9]+)'
    {
        grep -oE "$what($flag|[[:space:]]+-f[[:space:]]+[^[:space:]]+)*[[:space:]]+-f[[:space:]]+[^[:space:]]+" "$1" |
            grep -oE -e '-f[[:space:]]+[^[:space:]]+' | sed -E 's/^-f[[:space:]]+//'
        grep -oE "$what,map(_[a-z]+)*\([^,()]+" "$1" | sed 's/.*(//'
    } | tr -d "\"'"
}

content() { # PATH: when it changed, then what it holds, without passwords: only what nobody but root can change
    real=$(readlink -f "$1") above=${1%/*}
    while [ -n "$above" ] && [ ! -d "$above" ]; do above=${above%/*}; done
    if [ ! -e "$1" ] && [ -x "${above:-/}" ]; then
        echo "$1 is not there"
    elif [ ! -f "$real" ] || [ ! -r "$real" ]; then
        echo "$1 cannot be read as $(id -un)"
    elif ! closed "$1" || ! closed "$real"; then
        echo "others than root can change $1"
    elif [ "$(stat -L -c %s "$real")" -gt 262144 ]; then
        echo "$1 is larger than 256 KiB"
    else
        stat -L -c '%Y %Z' "$real" | tr ' ' '\n' | sort -n | tail -1
        sed -E -e 's/\$(1|2[abxy]?|5|6|7|y|apr1)\$[^]"'"'"' ,}]*/(hidden)/g' -e 's/\{SHA\}[^]"'"'"' ,}]*/(hidden)/g' \
            -e 's/((insecure-)?[Pp]assword|stats[[:space:]]+auth)[[:space:]]+[^[:space:]]+/\1 (hidden)/g' \
            -e 's/([Aa]uthorization["'"'"']?[ :,=]+)["'"'"']?[^],}"'"'"']+["'"'"']?/\1"hidden"/g' "$real" && return
    fi
    return 1
}

routed() { # cwd, FILE: a static configuration of Traefik's, and the dynamic ones that it names
    section "config:$2" content "$2"
    closed "$2" && closed "$(readlink -f "$2")" || return
    set -f
    IFS=$newline
    for each in $(grep -oiE '(filename|directory)["'"'"']?[[:space:]]*[:=][[:space:]]*["'"'"']?[^],}"'"'"'#[:space:]]+' "$2" |
        sed -E 's/^[A-Za-z]+["'"'"']?[[:space:]]*[:=][[:space:]]*["'"'"']?//'); do
        unset IFS
        case $each in /*) ;; *) each=${1%/}/$each ;; esac
        routes "$each"
    done
    unset IFS
    set +f
}

routes() { # PATH: a dynamic configuration of Traefik's, or a directory of such
    if [ -f "$1" ]; then
        section "config:$1" content "$1"
        return
    fi
    list=$(find "$1" \( -type f -o -type l \) \( -name '*.toml' -o -name '*.yaml' -o -name '*.yml' \) 2>&1)
    code=$?
    if [ "$(printf '%s\n' "$list" | wc -l)" -gt 400 ]; then list='there are more than 400 files' code=1; fi
    section "routes:$1" told "$list" $code
    [ $code = 0 ] && [ -n "$list" ] && printf '%s\n' "$list" | while read -r file; do
        section "config:$file" content "$file"
    done
}
