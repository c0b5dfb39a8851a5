# nginx, behind processes.sh: the one front whose own program is run, `nginx -T`, because no file shows all that it takes
# in. It is run only where nobody but root can change anything that it reads, loads or opens.

nginx_processes() { # PID...: each one's parent, start in ticks after boot, user, title
    for pid in "$@"; do
        printf '%s %s %s %s\n' "$pid" "$(numbers "$pid" 2>/dev/null | cut -d' ' -f2,20)" \
            "$(stat -c %U "/proc/$pid" 2>/dev/null)" "$(words "$pid")"
    done
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

sizes() { # DUMP: of the files that `nginx -T` names, so that a line inside one cannot pass for the head of another
    printf '%s\n' "$1" | sed -n 's/^# configuration file \(.*\):$/\1/p' | sort -u | while read -r file; do stat -L -c '%s %n' "$file"; done
}
