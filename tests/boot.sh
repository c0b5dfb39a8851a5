# Boots a Debian of its own on a copy-on-write view of this one: systemd as PID 1, in namespaces of its own.
# Nothing of this machine is changed: files are written to memory, /sys and /proc/sys are read-only, and the network is
# a loopback of its own. Run by hostlab.py inside `unshare`, as root.
# Arguments: a directory of this run's, Node.js, the node_modules with Node-RED.
set -e
lab=$1 node=$2 modules=$3
mkdir -p "$lab/memory"
mount -t tmpfs tmpfs "$lab/memory"
cd "$lab/memory"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir="$PWD/upper",workdir="$PWD/work" root
cd root
read -r pid rest </proc/self/stat
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for path in sys sysrq-trigger; do mount --bind "proc/$path" "proc/$path" && mount -o remount,bind,ro "proc/$path"; done
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    mknod -m 666 "dev/$name" c "0x$(stat -c %t "/dev/$name")" "0x$(stat -c %T "/dev/$name")"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ip link set lo up

mkdir -p usr/lib/node_modules
touch usr/bin/node
mount --bind "$node" usr/bin/node
mount --bind "$modules" usr/lib/node_modules
for path in bin/node lib/node_modules; do mount -o remount,bind,ro "usr/$path"; done
ln -sf ../lib/node_modules/node-red/red.js usr/bin/node-red
cp -a "$lab/files/." .
rm -rf etc/systemd/system/*.wants etc/nginx/sites-enabled/* etc/letsencrypt
: >etc/fstab
echo plant >etc/hostname
printf 'ops:x:2001:2001::/home/ops:/bin/sh\nnodered:x:2002:2002::/home/nodered:/bin/sh\n' >>etc/passwd
printf 'ops:x:2001:\nnodered:x:2002:\n' >>etc/group
printf 'ops:*:20000::::::\nnodered:*:20000::::::\n' >>etc/shadow
chown -R 0:0 etc/systemd/system etc/nodered etc/nginx etc/ssh etc/sudoers.d home
chown -R 2001:2001 home/ops
chown -R 2002:2002 home/nodered
chmod 755 home
chmod 700 home/ops home/nodered home/nodered/.node-red
chmod 755 etc/nodered
chgrp 2002 etc/nodered/settings.js
chmod 640 etc/nodered/settings.js
chmod 600 etc/ssh/host
chmod 440 etc/sudoers.d/*
systemctl --root="$PWD" --quiet mask systemd-modules-load.service systemd-sysctl.service
systemctl --root="$PWD" --quiet enable nodered.service nginx.service certbot.timer ssh.service
echo "$pid" >"$lab/pid"
mkdir old
pivot_root . old
umount -l /old
# Without it LoadCredential= shows nothing: in what calls itself a container systemd leaves that to whoever starts it.
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set -sys_module,-sys_time,-syslog /lib/systemd/systemd --system --show-status=0
