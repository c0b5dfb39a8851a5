# nginx, behind processes.sh: the one front whose own program is run, `nginx -T`, because no file shows all that it takes
# in. It is run only where nobody but root can change anything that it reads, loads or opens.

nginx_processes() { # PID...: each one's parent, start in ticks after boot, user, title
    for pid in "$@"; do
        printf '%s %s %s %s\n' "$pid" "$(numbers "$pid" 2>/dev/null | cut -d' ' -f2,20)" \
            "$(stat -c %U "/proc/$pid" 2>/dev/null)" "$(words "$pid")"
    done
}

options() { # PID: a line for each option of an nginx's command line that takes a value: its letter, a blank, the value
    words "$1" | awk '{
        sub(/^nginx: master process /, "")
        count = split($0, word, " ")
        for (n = 2; n <= count; n++) {
            for (at = 2; at <= length(word[n]) && (letter = substr(word[n], at, 1)) !~ /[pcgse]/; at++);
            if (word[n] !~ /^-/ || at > length(word[n])) continue
            value = substr(word[n], at + 1)
            if (value == "") value = word[++n]
            while (n < count && word[n + 1] !~ /^-[?hvVtTqpcgse]/) value = value " " word[++n] # its title shows no ends of words
            print letter, value
        }
    }'
}

configuration() { # PID: of an nginx that is trusted, in $exe; a file that its command line names must be root's as well
    given=$(options "$1")
    # of what stands behind -g, -T shows nothing
    if printf '%s\n' "$given" | sed -n 's/^g //p' | tr ';' '\n' |
        grep -vE '^ *((daemon|master_process|pid|user|worker_[a-z_]+|error_log|timer_resolution|pcre_jit)( .*)?)?$' | grep -q .; then
        echo "nginx -T is not run: the command line holds directives (-g), which it would not show: write them into a file"
        return 1
    fi
    prefix=$(printf '%s\n' "$given" | sed -n 's/^p //p' | tail -1) file=$(printf '%s\n' "$given" | sed -n 's/^c //p' | tail -1)
    usual=${prefix:-$("$exe" -V 2>&1 | tr ' ' '\n' | sed -n 's/^--prefix=//p')}
    usual=${usual:-/usr/local/nginx}
    case $file in '' | /*) ;; *) file=${usual%/}/$file ;; esac
    for path in "$prefix" "$file"; do
        case $path in
        '') continue ;;
        /*) ! closed "${path%/}" || [ "$(readlink -f "$path")" != "${path%/}" ] || continue ;;
        esac
        echo "nginx -T is not run: others than root can change $path, which its command line names, or it is a link, or relative"
        return 1
    done
    of=$(for worker in $(named nginx); do [ "$(parent "$worker")" = "$1" ] && identity "$worker"; done | sed -n '1s/.* //p')
    strange=$(changeable "$file" "$prefix")
    if [ -n "$strange" ]; then
        echo "nginx -T is not run: others than root can change $strange"
        return 1
    fi
    patience=${limit:+timeout 20} # it waits for a pipe that somebody has put in place of a certificate
    if [ -n "$file$prefix" ]; then # without sudo, which docs/sudoers gives for no file that a command line names
        $patience "$exe" -T ${prefix:+-p "$prefix"} ${file:+-c "$file"}
    else
        root "$exe" -T
    fi
    code=$?
    [ $code = 124 ] && echo 'nginx -T did not end within 20 s: is a file that it reads a pipe?'
    return $code
}

paths_in() { # FILE, DIRECTIVES: what nginx's directives of these names name in a file; comments within lines count as well
    sed 's/^[[:space:]]*#.*//; s/[;{}]/& /g' "$1" 2>/dev/null | tr '\n\t\r' '   ' |
        grep -oE "(^|[;{} ])[\"']?($2)[\"']? +[^;{}]+;" |
        sed -E "s/^[^a-z]*[a-z_]+[\"']? +//; s/ *;\$//; s/^.* from +//; s/[\"']//g"
}

# For -T, too, nginx opens or makes the files that it writes to, with our rights, and through links: at any moment whoever
# can change the directory may make one that leads to a file of root's, or to none yet. Directories for temporary files it
# makes or hands to the user of its workers, who may change what is above them: it does so at each reload, too.
strays() { # PATH, user id or nothing: the directory that others can change, and what nginx would open or make there
    above=${1%/*}
    while [ -n "$above" ] && [ ! -e "$above" ]; do above=${above%/*}; done
    above=$(readlink -f "${above:-/}")
    ours=$2
    case $above/ in /var/log/*) ours=$(logger) || ours=$2 ;; esac
    if ! closed "$above" "$ours" || { { [ -L "$1" ] || [ -p "$1" ]; } && ! closed "$above"; }; then
        printf '%s, where it would open %s: chown that directory to root, or move the file' "$above" "${1##*/}"
    fi
}

logger() { id -u syslog 2>/dev/null; } # whose group may change /var/log on Ubuntu: every log is in its hands

written() { # WORDS, user id or nothing: the same of what a directive names, from $prefix; whether there is anything
    target=${1%% *}
    case $target in off | on | stderr | memory:* | syslog:* | *'$'*) return 1 ;; esac
    case $target in /*) ;; *) target=${prefix%/}/$target ;; esac
    strays "$target" "$2" | grep .
}

changeable() { # FILE, PREFIX, or "": the first that others than root can change of what an nginx, in $exe, takes in and loads
    built=$("$exe" -V 2>&1 | tr ' ' '\n') file=$1 prefix=$2
    prefix=${prefix:-$(printf '%s\n' "$built" | sed -n 's/^--prefix=//p')}
    prefix=${prefix:-/usr/local/nginx}
    file=${file:-$(printf '%s\n' "$built" | sed -n 's/^--conf-path=//p')}
    file=${file:-conf/nginx.conf}
    case $file in /*) ;; *) file=${prefix%/}/$file ;; esac
    base=${file%/*} waiting=$file$newline seen=$newline
    for path in $(printf '%s\n' "$built" | sed -nE 's/^--[a-z-]*(log|pid)-path=//p'); do written "$path" && return; done
    for path in $(printf '%s\n' "$built" | sed -n 's/^--[a-z-]*temp-path=//p'); do written "$path" "$of" && return; done
    while [ -n "$waiting" ]; do
        each=${waiting%%"$newline"*} waiting=${waiting#*"$newline"}
        case $seen in *"$newline$each$newline"*) continue ;; esac
        seen=$seen$each$newline
        for path in "${each%/*}" "$each" "$(readlink -f "$each")"; do
            case $seen in *"$newline/ $path$newline"*) continue ;; esac
            seen="$seen/ $path$newline"
            [ ! -e "$path" ] || closed "$path" || { printf '%s, which nginx reads\n' "$path" && return; }
        done
        [ -f "$each" ] || continue
        set -f
        IFS=$newline
        for path in $(paths_in "$each" '([a-z]+_)?ssl_[a-z_]*(certificate|key|dhparam|file|crl)'); do
            [ ! -e "$path" ] || [ -f "$path" ] || { printf '%s, which is no file, and which nginx reads\n' "$path" && return; } # and waits for
        done
        for path in $(paths_in "$each" '[a-z]+_log|pid'); do written "$path" && return; done
        for path in $(paths_in "$each" '[a-z]+(_body)?_(temp|cache)_path'); do written "$path" "$of" && return; done
        IFS=$newline
        for path in $(paths_in "$each" 'include|load_module|js_import|js_include|js_path|perl_modules|perl_require|init_by_lua_file'); do
            case $path in /*) ;; *) path="$base/$path$newline${prefix%/}/$path" ;; esac
            set +f
            IFS=$newline
            for path in $path; do
                unset IFS
                above=${path%%[*?[]*}
                above=${above%/*}
                [ -d "$above" ] && ! { closed "$above" && closed "$(readlink -f "$above")"; } &&
                    printf '%s, which nginx reads\n' "$above" && return
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
