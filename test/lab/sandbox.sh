#!/bin/sh
# First process of a lab host, started by sandbox.ts in new mount, network, PID, IPC and UTS namespaces.
# It gives them a libvirt of their own: what the machine's libvirt would use is covered by directories of the lab.
# Everything here ends with this process, so a lab that is killed leaves nothing behind.
#
# usage: sandbox.sh DIR [ROOT]
#
#   ROOT   a Debian root file system whose programs take the place of the machine's
#
# On file descriptor 3, once all is in place, it says its PID as the machine sees it, and goes on when it is answered:
# nobody who was killed meanwhile leaves a sandbox that no one knows.
set -eu
dir=$1
root=${2:-}

# Read before /proc is replaced: afterwards this process is number 1.
read -r pid _ </proc/self/stat

mount -t proc proc /proc
# A sysfs belongs to the network namespace in which it was mounted; libvirt looks for its bridges there.
# It also covers the cgroup tree, so that neither cgroups nor systemd's machined come into play.
mount -t sysfs sysfs /sys

# Devices: all that QEMU needs but kvm. A /dev/kvm that opens and does not work (nested machines) makes libvirt
# probe QEMU again at every call, eight seconds each.
mount -t tmpfs -o mode=0755,size=1m dev "$dir/dev"
mkdir "$dir/dev/net" "$dir/dev/pts" "$dir/dev/shm"
for node in null zero full random urandom tty; do
  : >"$dir/dev/$node"
  mount --bind "/dev/$node" "$dir/dev/$node"
done
# Not bound: a machine that has not used it yet has no node, and opening a new one loads the module.
mknod -m 0600 "$dir/dev/net/tun" c 10 200
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$dir/dev/pts"
mount -t tmpfs -o mode=1777 shm "$dir/dev/shm"
ln -s pts/ptmx "$dir/dev/ptmx"
ln -s /proc/self/fd "$dir/dev/fd"
mount --move "$dir/dev" /dev

# A /run of its own also hides the machine's D-Bus and the lock file of iptables.
mount -t tmpfs -o mode=0755 run /run
mkdir /run/libvirt /run/lock
mount --bind "$dir/run" /run/libvirt
# Missing where libvirt is not installed as a service. Empty directories, as that package has them: they stay.
mkdir -p /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
mount --bind "$dir/etc" /etc/libvirt
mount --bind "$dir/lib" /var/lib/libvirt
mount --bind "$dir/cache" /var/cache/libvirt
mount --bind "$dir/log" /var/log/libvirt

# Debian makes these with the service. libvirtd refuses to start without the user, although the lab's QEMU runs as root.
cp /etc/passwd "$dir/passwd"
cp /etc/group "$dir/group"
getent passwd libvirt-qemu >/dev/null ||
  echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>"$dir/passwd"
getent group libvirt-qemu >/dev/null || echo 'libvirt-qemu:x:64055:' >>"$dir/group"
getent group libvirt >/dev/null || echo 'libvirt:x:64056:' >>"$dir/group"
mount --bind "$dir/passwd" /etc/passwd
mount --bind "$dir/group" /etc/group

if [ -n "$root" ]; then
  # /bin, /lib and /sbin lead into /usr.
  mount --bind "$root/usr" /usr
  mount --bind "$root/etc/alternatives" /etc/alternatives
  mount --bind "$root/etc/ld.so.cache" /etc/ld.so.cache
fi

ip link set lo up

cd /
echo "$pid" >&3
read -r _ <&3
exec 3>&-

# Adopt and reap what daemons leave behind, for ever: an orphan's end wakes `wait` in the shell.
while :; do
  sleep 2147483647 &
  wait $! || true
done
