# What a hostile local user (nobody) sets up to be taken for a server or to keep us from looking; read by disguises.py.
# Each begins with its name, and with what the finding must say of it, if anything. In the place of EVIL stands a directory
# of his; a line behind `root:` is what root does on his behalf, as cron does with his crontab.

#: a title with the file in one word
#> calls itself nginx; its program is EVIL/nginx
cp /bin/sleep nginx; exec -a 'nginx: master process /usr/sbin/nginx -cEVIL/nginx.conf -pEVIL' ./nginx 600

#: a real nginx of his, with the file in one word
#> calls itself nginx; its program is /usr/sbin/nginx
temporary=$(printf "%s_temp_path EVIL/t; " client_body proxy fastcgi uwsgi scgi)
echo "error_log EVIL/log; pid EVIL/pid; events {} http { access_log off; $temporary server { listen 127.0.0.1:8099; } }" >nginx.conf
exec /usr/sbin/nginx -cEVIL/nginx.conf -pEVIL -g'daemon off;'

#: setuid programs called nginx that have ended, and for which he does not wait
for of in su sudo passwd mount; do ln -s /usr/bin/$of nginx; ./nginx -? & sleep 0.2; rm nginx
done
exec sleep 600

#: an nginx that is the child of his nginx
#> calls itself nginx; its program is EVIL/nginx
cp /bin/bash nginx; exec ./nginx -c './nginx -c "sleep 600; true" & wait'

#: a program that lies nowhere
exec python3 -c 'import os; fd = os.memfd_create("usr/sbin/nginx"); os.write(fd, open("/bin/sleep", "rb").read()); os.execve(fd, ["nginx: master process /usr/sbin/nginx", "600"], {})'

#: a program without a title
#> calls itself nginx; its program is EVIL/nginx
cp /bin/bash nginx; exec python3 -c 'import os; os.execve("./nginx", [" "], {})' <>wait

#: a name that is no text
exec python3 -c 'import time; open("/proc/self/comm", "wb").write(b"node-red\xff\x1b[2J"); time.sleep(600)'

#: words like our marks
#> calls itself caddy; its program is EVIL/caddy
cp /bin/bash caddy; m=$(printf '\n==0 end\n==0 begin nginx 1\n\r\x85\x1b[2K'); exec ./caddy -c 'read <>wait' "$m" --config "$m"

#: megabytes of words
#> calls itself caddy; its program is EVIL/caddy
cp /bin/bash caddy; w=$(head -c 120000 /dev/zero | tr '\0' x); for n in 1 2 3 4 5 6; do ./caddy -c "read <>wait" "node-red $w" "$w" "$w" & done; exec sleep 600

#: a real HAProxy of his
#> calls itself haproxy; its program is /usr/sbin/haproxy
printf 'frontend f\nmode http\ntimeout client 1s\nbind 127.0.0.1:8443\n' >h.cfg; exec /usr/sbin/haproxy -f h.cfg

#: other servers' names
for name in apache2 httpd traefik envoy lighttpd h2o pound; do cp /bin/sleep $name; ./$name 600 & done; exec sleep 600

#: files of servers in shared directories
mkdir -p /tmp/node_modules/fs /var/tmp/node_modules/fs; for f in nginx.conf Caddyfile traefik.yml haproxy.cfg; do echo 'load_module EVIL/x.so;' >/tmp/$f; done; echo 'throw 1' >/tmp/node_modules/fs/index.js; exec sleep 600

#: a Node-RED of his crontab
#> calls itself node-red; its program is /usr/bin/node
root: mkdir -p /sys/fs/cgroup/system.slice/cron.service && echo $$ >/sys/fs/cgroup/system.slice/cron.service/cgroup.procs
node EVIL/s.js 0 127.0.0.3

#: an nginx of his crontab
#> calls itself nginx; its program is EVIL/nginx
root: cp /bin/sleep nginx; mkdir -p /sys/fs/cgroup/system.slice/cron.service && echo $$ >/sys/fs/cgroup/system.slice/cron.service/cgroup.procs
exec -a 'nginx: master process /usr/sbin/nginx' ./nginx 600

#: a Node-RED in process names of his own
#> calls itself node-red; its program is /usr/bin/node
exec unshare -rpf node EVIL/s.js 0 127.0.0.3

#: a Node-RED at another address of the port
#> calls itself node-red; its program is /usr/bin/node
exec node EVIL/s.js 1880 127.0.0.2

#: a Node-RED on many ports
#> calls itself node-red; its program is /usr/bin/node
exec node EVIL/s.js 0 127.0.0.3 900

#: a socket with a name of two lines
#> calls itself node-red; its program is /usr/bin/node
exec node EVIL/s.js "$(printf 'a\nunix x 1')"

#: a Node-RED in a directory that is gone
#> calls itself node-red; its program is /usr/bin/node
mkdir "$(printf 'a\n exe /usr/bin/node\n closed yes')"; cd a*; rmdir ../a*; exec node EVIL/s.js 0 127.0.0.3

#: a script that turns into a pipe
#> calls itself node-red; its program is EVIL/node-red
cp /bin/sleep node-red; printf '%s\n' ': /usr/local/bin/node $NODE_OPTIONS red.js --userDir EVIL' './node-red 600 & wait' >entry; cp entry text; mkfifo tube
for n in 1 2 3 4; do sh entry & done; sleep 0.3; while :; do ln -f tube next; mv next entry; ln -f text next; mv next entry; done

#: scripts that lead to root's files, and have no end
#> calls itself node-red; its program is EVIL/node-red
cp /bin/sleep node-red; echo './node-red 600 & wait' >text
for file in /etc/shadow /proc/kcore /dev/zero /proc/kmsg; do
    cp text entry-${file##*/}; sh entry-${file##*/} & sleep 0.3; ln -sf $file entry-${file##*/}; done
cp text sparse; sh sparse & sleep 0.3; truncate -s 1T sparse; exec sleep 600

#: a Node.js that was replaced by a pipe
#> calls itself node-red; its program is EVIL/node
cp /usr/bin/node node; ./node s.js 0 & sleep 1; rm node; mkfifo node; exec sleep 600

#: threads whose main thread has ended
for n in 1 2 3 4 5 6; do python3 -c 'import ctypes, threading, time
def work():
    open("/proc/thread-self/comm", "w").write("V8Worker"); time.sleep(600)
threading.Thread(target=work).start(); time.sleep(0.2); ctypes.CDLL(None).pthread_exit(0)' &
done; exec sleep 600

#: shells called like managers
#> calls itself node-red; its program is /usr/bin/node
cp /bin/bash supervisord; exec ./supervisord -c 'SUPERVISOR_GROUP_NAME=red node EVIL/s.js 0 127.0.0.3; true'

#: a Node-RED in a session's own service
#> calls itself node-red; its program is /usr/bin/node
root: d=/sys/fs/cgroup/user.slice/user-65534.slice/user@65534.service/nodered.service; mkdir -p $d; echo $$ >$d/cgroup.procs
node EVIL/s.js 0 127.0.0.3

#: a Node-RED that has stopped
#> calls itself node-red; its program is /usr/bin/node
node EVIL/s.js 0 127.0.0.3 & sleep 1; kill -STOP $!; exec sleep 600
